/* nesting.c: turns inside turns of one loop, in the way that the guide tells: callbacks only note
 * what is ready, in a list of the program's, and handlers are called from that list, outside of the
 * library, at any depth. (nest.c: one loop inside another one's wait.) */
#include "suite.h"
#include "system.h"
#include "trace.h"

#include <stdlib.h>

enum { SOURCES = 8, ROUNDS = 40, DEPTH_MAX = 6 };

static eddy_loop *loop;

/* --- The program's loop, as in docs/examples/nesting.c --- */

struct ready {
    struct ready *next, *prev; /* NULL: nothing is noted */
    void (*fn)(struct ready *it);
};

static struct ready list;

static void ready_note(struct ready *it) {
    if (it->next != NULL) return;
    it->next = &list;
    it->prev = list.prev;
    list.prev->next = it;
    list.prev = it;
}

static void ready_forget(struct ready *it) {
    if (it->next == NULL) return;
    it->next->prev = it->prev;
    it->prev->next = it->next;
    it->next = it->prev = NULL;
}

static void take_a_turn(eddy_run_mode mode) {
    ck_assert_int_ge(test_run(loop, mode), 0);
}

/* Calls one handler; false if there is none, now or ever. */
static bool step(eddy_run_mode mode) {
    while (list.next == &list) {
        take_a_turn(mode);
        if (list.next == &list && (mode == EDDY_RUN_NOWAIT || !eddy_loop_is_alive(loop)))
            return false;
    }
    struct ready *first = list.next;
    ready_forget(first);
    first->fn(first);
    return true;
}

static void run_until(const bool *flag) {
    while (!*flag) ck_assert(step(EDDY_RUN_ONCE));
}

static void begin(void) {
    loop = test_loop_open();
    list.next = list.prev = &list;
    trace_clear();
}

static void end(void) {
    ck_assert(list.next == &list);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    test_loop_close(loop);
}

/* --- Sources: a byte at a time, and deadlines --- */

struct source {
    struct ready read, fired;
    eddy_io io;
    eddy_timer timer;
    int ends[2];
    int64_t due_ns;
    int bytes_put, bytes_read, starts, fires;
};

static struct source sources[SOURCES];
static unsigned long long seed;
static int depth, depth_most;

static void on_readable(eddy_io *io, unsigned events) {
    ck_assert((events & EDDY_READ) != 0);
    ready_note(&eddy_container_of(io, struct source, io)->read);
}

static void on_timer(eddy_timer *timer) {
    ready_note(&eddy_container_of(timer, struct source, timer)->fired);
}

static void source_put(struct source *it) {
    if (it->bytes_put == ROUNDS) return;
    it->bytes_put++;
    put(it->ends[1], "x");
}

static void source_start_timer(struct source *it) {
    if (it->starts == ROUNDS) return;
    it->starts++;
    int64_t delay_ns = random_below(&seed, 3) * EDDY_NS_PER_MS / 4;
    ck_assert_int_eq(eddy_timer_start(&it->timer, on_timer, delay_ns, 0), 0);
    it->due_ns = eddy_timer_due_ns(&it->timer);
}

/* Runs the loop again, from inside a handler. */
static void nest(void) {
    if (depth == DEPTH_MAX) return;
    depth++;
    if (depth > depth_most) depth_most = depth;
    unsigned steps = random_below(&seed, 4);
    while (steps-- > 0) (void)step(random_below(&seed, 2) ? EDDY_RUN_NOWAIT : EDDY_RUN_ONCE);
    depth--;
}

/* A call without its byte would be one that was told twice. */
static void handle_read(struct ready *ready) {
    struct source *it = eddy_container_of(ready, struct source, read);
    char byte;
    ck_assert_int_eq((int)read(it->ends[0], &byte, 1), 1);
    it->bytes_read++;
    source_put(&sources[random_below(&seed, SOURCES)]);
    nest();
    source_put(it);
}

static void handle_fired(struct ready *ready) {
    struct source *it = eddy_container_of(ready, struct source, fired);
    ck_assert_int_ge(test_now_ns(), it->due_ns);
    it->fires++;
    ck_assert_int_eq(it->fires, it->starts);
    nest();
    source_start_timer(it);
}

/* Ends the sleep of an inner level for which nothing is left. */
static struct ready tick;

static void on_tick(eddy_timer *timer) {
    (void)timer;
    ready_note(&tick);
}

static void handle_tick(struct ready *it) {
    (void)it;
}

static void source_open(struct source *it) {
    *it = (struct source){.read = {.fn = handle_read}, .fired = {.fn = handle_fired}};
    test_pipe(it->ends);
    eddy_io_init(&it->io, loop);
    eddy_timer_init(&it->timer, loop);
    ck_assert_int_eq(eddy_io_start(&it->io, on_readable, it->ends[0], EDDY_READ), 0);
    source_put(it);
    source_start_timer(it);
}

static bool all_is_done(void) {
    for (int i = 0; i < SOURCES; i++)
        if (sources[i].bytes_read < ROUNDS || sources[i].fires < ROUNDS) return false;
    return true;
}

START_TEST(nothing_is_lost_or_told_twice_at_any_depth) {
    begin();
    seed = 7;
    depth = depth_most = 0;
    for (int i = 0; i < SOURCES; i++) source_open(&sources[i]);
    eddy_timer ticker;
    eddy_timer_init(&ticker, loop);
    tick = (struct ready){.fn = handle_tick};
    ck_assert_int_eq(eddy_timer_start(&ticker, on_tick, 0, EDDY_NS_PER_MS), 0);
    while (!all_is_done()) {
        ck_assert(step(EDDY_RUN_ONCE));
        /* What is over on one side may have left the other without anybody to write. */
        for (int i = 0; i < SOURCES; i++)
            if (sources[i].bytes_read == sources[i].bytes_put) source_put(&sources[i]);
    }
    ck_assert_int_eq(depth_most, DEPTH_MAX);
    eddy_timer_stop(&ticker);
    ready_forget(&tick);
    for (int i = 0; i < SOURCES; i++) {
        ck_assert_int_eq(sources[i].bytes_read, sources[i].bytes_put);
        ck_assert_int_eq(sources[i].fires, sources[i].starts);
        eddy_io_stop(&sources[i].io);
        close_both(sources[i].ends);
    }
    end();
}
END_TEST

/* --- Stopped in an inner level --- */

struct prey {
    struct ready ready;
    eddy_io io;
    eddy_timer timer;
    int ends[2];
};

enum { PREYS = 4 };
static struct prey *preys[PREYS];

static void prey_free(struct prey *it) {
    eddy_io_stop(&it->io);
    eddy_timer_stop(&it->timer);
    ready_forget(&it->ready);
    close_both(it->ends);
    free(it);
}

/* The first one nests; the second one, inside, stops and frees all others. */
static void handle_prey(struct ready *ready) {
    struct prey *it = eddy_container_of(ready, struct prey, ready);
    note('(');
    drain(it->ends[0], NULL);
    if (depth++ == 0) {
        ck_assert(step(EDDY_RUN_NOWAIT));
    } else {
        for (int i = 0; i < PREYS; i++) {
            if (preys[i] == NULL || preys[i] == it) continue;
            prey_free(preys[i]); /* the outer level's as well: it touches nothing of it after */
            preys[i] = NULL;
        }
    }
    depth--;
    note(')');
}

static void on_prey_io(eddy_io *io, unsigned events) {
    (void)events;
    ready_note(&eddy_container_of(io, struct prey, io)->ready);
}

static void on_prey_timer(eddy_timer *timer) {
    ready_note(&eddy_container_of(timer, struct prey, timer)->ready);
}

static void let_one_stop_the_others(bool by_timers) {
    begin();
    depth = 0;
    for (int i = 0; i < PREYS; i++) {
        struct prey *it = preys[i] = calloc(1, sizeof *it);
        ck_assert_ptr_nonnull(it);
        it->ready.fn = handle_prey;
        eddy_io_init(&it->io, loop);
        eddy_timer_init(&it->timer, loop);
        test_pipe(it->ends);
        put(it->ends[1], "x");
        if (by_timers)
            ck_assert_int_eq(eddy_timer_start(&it->timer, on_prey_timer, 0, 0), 0);
        else
            ck_assert_int_eq(eddy_io_start(&it->io, on_prey_io, it->ends[0], EDDY_READ), 0);
    }
    take_a_turn(EDDY_RUN_NOWAIT);
    while (step(EDDY_RUN_NOWAIT)) continue;
    trace_is("(())");
    int left = 0;
    for (int i = 0; i < PREYS; i++) {
        if (preys[i] == NULL) continue;
        prey_free(preys[i]);
        left++;
    }
    ck_assert_int_eq(left, 1);
    end();
}

START_TEST(a_watcher_stopped_in_an_inner_level_is_silent_in_the_outer) {
    let_one_stop_the_others(false);
}
END_TEST

START_TEST(a_timer_stopped_in_an_inner_level_is_silent_in_the_outer) {
    let_one_stop_the_others(true);
}
END_TEST

/* --- Waiting in an inner level --- */

struct waiter {
    struct ready ready;
    eddy_timer timer;
    bool is_done;
};

static struct waiter waiters[3];

static void on_waiter(eddy_timer *timer) {
    ready_note(&eddy_container_of(timer, struct waiter, timer)->ready);
}

/* Each waits for the next one, whose time comes later. */
static void handle_waiter(struct ready *ready) {
    struct waiter *it = eddy_container_of(ready, struct waiter, ready);
    note('(');
    if (it + 1 < waiters + 3) {
        ck_assert_int_eq(eddy_timer_start(&it[1].timer, on_waiter, EDDY_NS_PER_MS, 0), 0);
        run_until(&it[1].is_done);
    }
    it->is_done = true;
    note(')');
}

static eddy_defer defer;
static int busy;

static void run_in_a_callback(eddy_defer *it) {
    (void)it;
    busy = eddy_loop_run(loop, EDDY_RUN_NOWAIT);
}

START_TEST(an_inner_level_waits_where_a_callback_may_not) {
    begin();
    for (int i = 0; i < 3; i++) {
        waiters[i] = (struct waiter){.ready = {.fn = handle_waiter}};
        eddy_timer_init(&waiters[i].timer, loop);
    }
    eddy_defer_init(&defer, loop);
    ck_assert_int_eq(eddy_defer_start(&defer, run_in_a_callback), 0);
    ck_assert_int_eq(eddy_timer_start(&waiters[0].timer, on_waiter, 0, 0), 0);
    run_until(&waiters[0].is_done);
    trace_is("((()))");
    ck_assert_int_eq(busy, -EBUSY);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("nesting");
    ck_add(suite, "levels", nothing_is_lost_or_told_twice_at_any_depth,
           a_watcher_stopped_in_an_inner_level_is_silent_in_the_outer,
           a_timer_stopped_in_an_inner_level_is_silent_in_the_outer,
           an_inner_level_waits_where_a_callback_may_not);
    return suite;
}
