/* fiber.c: the threads of a world. Each has a stack; one runs at a time, and which one goes on is
 * drawn from the seed.
 * Invariant: `self` is the one that runs, `last` the one that ran before it; all others stand in
 * switch_to().
 * The sanitizers are told of each change of stacks. */
#include "sanitized.h"
#include "world.h"

#include <stdlib.h>

#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

enum { STACK_BYTES = 256 * 1024, YIELD_NS = 200, YIELDS_MAX = 1000000, IDLE_MAX = 100000 };

static struct {
    struct sim_fiber first; /* who began the world */
    struct sim_fiber *self, *last, *settling;
    unsigned count;
    uint64_t done; /* steps and progress when time passed last */
    unsigned idle; /* how often it has passed since for nothing */
#ifdef WITH_ASAN
    const void *first_stack; /* of the thread that began: told when it is left */
    size_t first_stack_bytes;
#endif
} fibers;

struct sim_fiber *sim_self(void) {
    return fibers.self;
}

void sim_faults_off(void) {
    fibers.self->faults_off++;
}

void sim_faults_on(void) {
    fibers.self->faults_off--;
}

/* --- Changing places --- */

static void leave(struct sim_fiber *from, struct sim_fiber *to) {
    (void)from;
    (void)to;
#ifdef WITH_ASAN
    const void *bottom = to->stack != NULL ? to->stack : fibers.first_stack;
    size_t bytes = to->stack != NULL ? STACK_BYTES : fibers.first_stack_bytes;
    __sanitizer_start_switch_fiber(from->ended ? NULL : &from->fake_stack, bottom, bytes);
#endif
#ifdef WITH_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

static void arrive(struct sim_fiber *from) {
    (void)from;
#ifdef WITH_ASAN
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(fibers.self->fake_stack, &bottom, &bytes);
    if (from->stack == NULL) {
        fibers.first_stack = bottom;
        fibers.first_stack_bytes = bytes;
    }
#endif
}

static void switch_to(struct sim_fiber *to) {
    struct sim_fiber *from = fibers.self;
    if (to == from) return;
    leave(from, to);
    fibers.self = to;
    swapcontext(&from->context, &to->context);
    arrive(fibers.last);
}

static bool can_go_on(const struct sim_fiber *fiber) {
    if (fiber->ended) return false;
    if (fiber->blocked_on == NULL) return true;
    return fiber->until_ns >= 0 && fiber->until_ns <= sim_now_ns();
}

static struct sim_fiber *choose_from(bool yielding) {
    unsigned candidates = 0;
    struct sim_fiber *chosen = NULL;
    for (struct sim_fiber *it = &fibers.first; it != NULL; it = it->next) {
        if (it == fibers.settling || it->is_yielding != yielding || !can_go_on(it)) continue;
        if (sim_below(++candidates) == 0) chosen = it;
    }
    return chosen;
}

/* One of those that can go on, at random, or NULL. Who yields comes after the others, and who lets
 * the others settle after all. */
static struct sim_fiber *choose(void) {
    struct sim_fiber *chosen = choose_from(false);
    if (chosen == NULL) chosen = choose_from(true);
    if (chosen == NULL && fibers.settling != NULL) chosen = fibers.settling;
    return chosen;
}

/* The next moment at which anything can happen. */
static void pass_time(void) {
    int64_t next_ns;
    bool found = sim_next_event_ns(&next_ns);
    for (struct sim_fiber *it = &fibers.first; it != NULL; it = it->next) {
        if (it->ended || it->blocked_on == NULL || it->until_ns < 0) continue;
        if (!found || it->until_ns < next_ns) next_ns = it->until_ns;
        found = true;
    }
    if (!found) sim_fail("all threads wait, and nothing will ever come");
    uint64_t done = sim_steps() + sim_progress_count();
    fibers.idle = done == fibers.done ? fibers.idle + 1 : 0;
    fibers.done = done;
    sim_check(fibers.idle < IDLE_MAX, "threads sleep and wake, but nothing ever happens");
    sim_advance(next_ns);
}

static void schedule(void) {
    struct sim_fiber *next;
    for (;;) {
        sim_run_events();
        next = choose();
        if (next != NULL) break;
        pass_time();
    }
    fibers.last = fibers.self;
    switch_to(next);
}

void sim_maybe_switch(void) {
    if (fibers.count > 1) schedule();
}

/* Whoever yields waits for others in a loop, and time passes meanwhile. */
void sim_yield(void) {
    struct sim_fiber *self = fibers.self;
    uint64_t before = sim_progress_count();
    self->is_yielding = true;
    if (fibers.count > 1) schedule();
    self->is_yielding = false;
    if (sim_progress_count() != before) {
        self->yields = 0;
        return;
    }
    sim_advance(sim_now_ns() + YIELD_NS);
    sim_check(++self->yields < YIELDS_MAX, "%s yields for ever", self->name);
}

bool sim_block(const void *on, int64_t until_ns) {
    struct sim_fiber *self = fibers.self;
    self->blocked_on = on;
    self->until_ns = until_ns;
    self->woken = false;
    schedule();
    self->blocked_on = NULL;
    return self->woken;
}

void sim_wake(const void *on) {
    for (struct sim_fiber *it = &fibers.first; it != NULL; it = it->next) {
        if (it->blocked_on != on) continue;
        it->blocked_on = NULL;
        it->woken = true;
    }
}

void sim_sleep(int64_t time_ns) {
    char nobody;
    sim_block(&nobody, sim_now_ns() + time_ns);
}

void sim_settle(void) {
    sim_check(fibers.settling == NULL, "sim_settle: two threads wait for each other");
    fibers.settling = fibers.self;
    schedule();
    fibers.settling = NULL;
}

/* Their memory stays, as it does in a process; nobody will ask for it. */
void sim_fibers_fork(void) {
    sim_check(fibers.self == &fibers.first, "only the first thread may fork");
    fibers.first.next = NULL;
    fibers.first.name = "child";
    fibers.last = fibers.self;
    fibers.settling = NULL;
    fibers.count = 1;
    fibers.idle = 0;
}

/* --- Beginning and ending --- */

static void main_of(void) {
    struct sim_fiber *self = fibers.self;
    arrive(fibers.last);
    self->run(self->argument);
    self->ended = true;
    fibers.count--;
    sim_wake(self);
    schedule();
    abort(); /* nobody chooses what has ended */
}

struct sim_fiber *sim_fiber_start(const char *name, sim_fn *run, void *argument) {
    struct sim_fiber *fiber = calloc(1, sizeof *fiber);
    void *stack = malloc(STACK_BYTES);
    if (fiber == NULL || stack == NULL) sim_fail("no memory for the simulation itself");
    fiber->name = name;
    fiber->run = run;
    fiber->argument = argument;
    fiber->stack = stack;
    struct sim_fiber *last = &fibers.first;
    while (last->next != NULL) last = last->next;
    last->next = fiber;
    fibers.count++;
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, main_of, 0);
#ifdef WITH_TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
    return fiber;
}

void sim_fiber_join(struct sim_fiber *fiber) {
    while (!fiber->ended) sim_block(fiber, -1);
    struct sim_fiber *before = &fibers.first;
    while (before->next != fiber) before = before->next;
    before->next = fiber->next;
#ifdef WITH_TSAN
    __tsan_destroy_fiber(fiber->tsan);
#endif
    free(fiber->stack);
    free(fiber);
}

void sim_thread(const char *name, sim_fn *run, void *context) {
    sim_fiber_start(name, run, context)->joined = true;
}

void sim_fibers_begin(void) {
    fibers.first = (struct sim_fiber){.name = "main"};
#ifdef WITH_TSAN
    fibers.first.tsan = __tsan_get_current_fiber();
#endif
    fibers.self = &fibers.first;
    fibers.count = 1;
    fibers.done = 0;
    fibers.idle = 0;
}

/* The program's own threads are joined here; those of the pool it has to join itself. */
void sim_fibers_end(void) {
    while (fibers.first.next != NULL) {
        struct sim_fiber *fiber = fibers.first.next;
        sim_check(fiber->joined, "thread %s was never joined", fiber->name);
        sim_fiber_join(fiber);
    }
}
