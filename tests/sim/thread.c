/* thread.c: the threads of the pool, locks and conditions. What POSIX leaves undefined ends the
 * run. A lock or condition lives in the place of the system's own; all zero is an open lock, as the
 * static initializer makes it.
 * Invariant: `locks` and `conditions` are open. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATIC = 0, OPEN = 0x6f70656e, CLOSED = 0x73687574, NAME_BYTES = 24 };

struct lock {
    struct sim_fiber *owner;
    uint32_t state;
    uint32_t waiters;
};

struct waiter {
    struct waiter *next;
    bool called;
};

struct condition {
    struct waiter *first;
    uint32_t state;
    uint32_t waiters;
};

union lock_place {
    eddy_os_mutex given;
    struct lock lock;
};

union condition_place {
    eddy_os_condition given;
    struct condition condition;
};

_Static_assert(sizeof(struct lock) <= sizeof(eddy_os_mutex), "a lock fits");
_Static_assert(sizeof(struct condition) <= sizeof(eddy_os_condition), "a condition fits");
_Static_assert(sizeof(eddy_os_thread) >= sizeof(void *), "a thread's handle takes a pointer");

static struct { unsigned locks, conditions, started; } threads;

void sim_threads_begin(void) {
    memset(&threads, 0, sizeof threads);
}

/* A child has the locks of its parent's pools, which it cannot close. */
void sim_threads_end(void) {
    if (sim_is_child()) return;
    sim_check(threads.locks == 0, "%u locks were not closed", threads.locks);
    sim_check(threads.conditions == 0, "%u conditions were not closed", threads.conditions);
}

/* --- Threads --- */

struct start {
    void *(*run)(void *);
    void *argument;
    char name[NAME_BYTES];
};

static void run_start(void *argument) {
    const struct start *start = argument;
    start->run(start->argument);
}

int eddy_os_thread_start(eddy_os_thread *thread, void *(*run)(void *), void *argument,
                         size_t stack_bytes) {
    (void)stack_bytes;
    int err = sim_enter(OS_CALL_thread_start);
    if (err < 0) return err;
    struct start *start = malloc(sizeof *start);
    if (start == NULL) sim_fail("no memory for the simulation itself");
    *start = (struct start){.run = run, .argument = argument};
    snprintf(start->name, sizeof start->name, "worker %u", ++threads.started);
    struct sim_fiber *fiber = sim_fiber_start(start->name, run_start, start);
    fiber->is_worker = true;
    fiber->blocks_signals = true;
    memset(thread, 0, sizeof *thread);
    memcpy(thread, &fiber, sizeof fiber);
    sim_note("%s starts", start->name);
    sim_cut_in();
    return 0;
}

void eddy_os_thread_join(eddy_os_thread thread) {
    struct sim_fiber *fiber;
    memcpy(&fiber, &thread, sizeof fiber);
    sim_step();
    sim_check(fiber != sim_self(), "a thread joins itself");
    struct start *start = fiber->argument;
    sim_fiber_join(fiber);
    free(start);
}

eddy_os_thread eddy_os_thread_self(void) {
    struct sim_fiber *self = sim_self();
    eddy_os_thread thread;
    memset(&thread, 0, sizeof thread);
    memcpy(&thread, &self, sizeof self);
    return thread;
}

/* A system without backtraces, as some are: so nobody sends a thread a signal for one. */
int eddy_os_backtrace(void **frames, int room) {
    (void)frames;
    (void)room;
    return -ENOTSUP;
}

int eddy_os_thread_signal(eddy_os_thread thread, int number) {
    (void)thread;
    sim_fail("a thread is sent signal %d", number);
}

/* How long it takes is the simulation's to say: sim_yield lets time pass when nobody else can go
 * on.
 */
void eddy_os_back_off(unsigned *rounds) {
    ++*rounds;
    sim_step();
    sim_yield();
}

/* --- Locks --- */

static struct lock *lock_of(eddy_os_mutex *mutex) {
    struct lock *lock = &((union lock_place *)(void *)mutex)->lock;
    sim_check(lock->state == STATIC || lock->state == OPEN, "a lock that is not open is used");
    return lock;
}

int eddy_os_mutex_open(eddy_os_mutex *mutex, bool lends_priority) {
    (void)lends_priority; /* there are no priorities here */
    int err = sim_enter(OS_CALL_mutex_open);
    if (err < 0) return err;
    ((union lock_place *)(void *)mutex)->lock = (struct lock){.state = OPEN};
    threads.locks++;
    return 0;
}

void eddy_os_mutex_close(eddy_os_mutex *mutex) {
    sim_step();
    struct lock *lock = lock_of(mutex);
    sim_check(lock->owner == NULL, "a lock is closed that is held");
    sim_check(lock->waiters == 0, "a lock is closed that is waited for");
    if (lock->state == OPEN) threads.locks--;
    lock->state = CLOSED;
}

static void acquire(struct lock *lock) {
    while (lock->owner != NULL) {
        sim_check(lock->owner != sim_self(), "a thread waits for a lock that it holds");
        lock->waiters++;
        sim_block(lock, -1);
        lock->waiters--;
    }
    lock->owner = sim_self();
    lock->owner->locks++;
}

static void release(struct lock *lock) {
    sim_check(lock->owner == sim_self(), "a lock is opened by a thread that does not hold it");
    lock->owner->locks--;
    lock->owner = NULL;
    if (lock->waiters > 0) sim_wake(lock);
}

void eddy_os_lock(eddy_os_mutex *mutex) {
    sim_step();
    acquire(lock_of(mutex));
}

void eddy_os_unlock(eddy_os_mutex *mutex) {
    sim_step();
    release(lock_of(mutex));
    sim_cut_in();
}

/* --- Conditions --- */

static struct condition *condition_of(eddy_os_condition *given) {
    struct condition *condition = &((union condition_place *)(void *)given)->condition;
    sim_check(condition->state == OPEN, "a condition that is not open is used");
    return condition;
}

int eddy_os_condition_open(eddy_os_condition *condition) {
    int err = sim_enter(OS_CALL_condition_open);
    if (err < 0) return err;
    ((union condition_place *)(void *)condition)->condition = (struct condition){.state = OPEN};
    threads.conditions++;
    return 0;
}

void eddy_os_condition_close(eddy_os_condition *given) {
    sim_step();
    struct condition *condition = condition_of(given);
    sim_check(condition->waiters == 0, "a condition is closed that is waited for");
    threads.conditions--;
    condition->state = CLOSED;
}

static void remove_waiter(struct condition *condition, const struct waiter *waiter) {
    struct waiter **at = &condition->first;
    while (*at != waiter) at = &(*at)->next;
    *at = waiter->next;
    condition->waiters--;
}

bool eddy_os_condition_wait(eddy_os_condition *given, eddy_os_mutex *mutex, int64_t until_ns) {
    sim_step();
    struct condition *condition = condition_of(given);
    struct lock *lock = lock_of(mutex);
    int64_t early_ns = -1;
    if (sim_happens(sim_weather()->interrupts)) early_ns = sim_now_ns() + sim_below(1000000);
    bool is_early = early_ns >= 0 && (until_ns < 0 || early_ns < until_ns);

    struct waiter self = {.next = condition->first};
    condition->first = &self;
    condition->waiters++;
    release(lock);
    (void)sim_block(&self, is_early ? early_ns : until_ns < 0 ? -1 : until_ns);
    if (!self.called) remove_waiter(condition, &self);
    acquire(lock);
    return self.called || is_early;
}

static void call(struct condition *condition, unsigned number) {
    struct waiter *waiter = condition->first;
    while (number-- > 0) waiter = waiter->next;
    remove_waiter(condition, waiter);
    waiter->called = true;
    sim_wake(waiter);
}

void eddy_os_condition_signal(eddy_os_condition *given) {
    sim_step();
    struct condition *condition = condition_of(given);
    if (condition->waiters > 0) call(condition, sim_below(condition->waiters));
    sim_cut_in();
}

void eddy_os_condition_broadcast(eddy_os_condition *given) {
    sim_step();
    struct condition *condition = condition_of(given);
    while (condition->waiters > 0) call(condition, 0);
    sim_cut_in();
}
