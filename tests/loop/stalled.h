/* stalled.h: a loop that is guarded, and what is told of its callbacks, by either thread. No test
 * depends on how fast the machine is: what stalls does so until it was told of. */
#ifndef EDDY_TESTS_STALLED_H
#define EDDY_TESTS_STALLED_H

#include "sanitized.h"
#include "suite.h"
#include "system.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD_MAX = 64 };
static int64_t budget_ns = 60 * EDDY_NS_PER_MS; /* far more than what does not stall takes */

/* What was told, by either thread. */
struct told {
    eddy_stall stall;
    char label[EDDY_STALL_LABEL];
    bool is_here;       /* in the thread of the loop */
    bool is_in_handler; /* the frames lead through stand_still() */
    uintptr_t first;    /* an address in the first frame's call */
};

static eddy_loop *loop;
static eddy_watchdog watchdog;
static eddy_guard guard;
static eddy_timer timer;
static pthread_t loop_thread;
static struct told lasting[TOLD_MAX], over[TOLD_MAX];
static atomic_int lasting_count; /* released after the record is whole */
static int over_count;

static bool done;
static int64_t began_ns, ended_ns;

static inline void keep(struct told *told, const eddy_stall *stall) {
    told->stall = *stall;
    snprintf(told->label, sizeof told->label, "%s", stall->label);
    told->is_here = pthread_equal(pthread_self(), loop_thread);
}

__attribute__((noinline)) static void stand_still(void);

static inline bool is_in_stand_still(const eddy_stall *stall) {
    for (int i = 0; i < stall->frame_count; i++) {
        uintptr_t at = (uintptr_t)stall->frames[i], from = (uintptr_t)stand_still;
        if (at > from && at < from + 512) return true;
    }
    return false;
}

/* The hook that verifies the loop takes its time under valgrind. */
static inline bool is_ours(const eddy_stall *stall) {
    return stall->kind == EDDY_KIND_HOOK;
}

static inline void on_stalled(const eddy_stall *stall, void *context) {
    ck_assert_ptr_eq(context, &lasting);
    int count = atomic_load(&lasting_count);
    if (count == TOLD_MAX || is_ours(stall)) return;
    keep(&lasting[count], stall);
    lasting[count].is_in_handler = is_in_stand_still(stall);
    lasting[count].first = stall->frame_count > 0 ? (uintptr_t)stall->frames[0] - 1 : 0;
    atomic_store(&lasting_count, count + 1);
}

static inline void on_over(const eddy_stall *stall, void *context) {
    ck_assert_ptr_eq(context, &lasting);
    if (over_count < TOLD_MAX && !is_ours(stall)) keep(&over[over_count++], stall);
}

static inline void begin_with(eddy_watchdog_config config) {
    atomic_store(&lasting_count, 0);
    over_count = 0;
    done = false;
    loop_thread = pthread_self();
    if (getenv("EDDY_TEST_SLOW") != NULL) budget_ns = 300 * EDDY_NS_PER_MS;
    loop = test_loop_open();
    eddy_timer_init(&timer, loop);
    config.context = &lasting;
    if (config.budget_ns == 0) config.budget_ns = budget_ns;
    ck_assert_int_eq(eddy_watchdog_start(&watchdog, &config), 0);
    memset(&guard, 0, sizeof guard);
    ck_assert_int_eq(eddy_guard_start(&guard, &watchdog, loop), 0);
}

static inline void begin(void) {
    begin_with((eddy_watchdog_config){.stalled = on_stalled, .over_budget = on_over});
}

static inline void end(void) {
    eddy_timer_stop(&timer);
    eddy_guard_stop(&guard);
    ck_assert_int_eq(eddy_watchdog_stop(&watchdog), 0);
    test_loop_close(loop);
}

static inline void nap(void) {
    struct timespec rest = {.tv_nsec = 200000};
    (void)nanosleep(&rest, NULL);
}

/* In the loop's thread: waits until the other one has told `count` times. */
static inline void await(int count) {
    int64_t until_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (atomic_load(&lasting_count) < count && test_now_ns() < until_ns) nap();
    ck_assert_int_ge(atomic_load(&lasting_count), count);
}

/* Waits until it was told that the last one is over, however often before that it lasts. */
static inline void await_end(void) {
    int64_t until_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    await(1);
    while (!lasting[atomic_load(&lasting_count) - 1].stall.is_over && test_now_ns() < until_ns)
        nap();
}

/* A handler that does not come back for two budgets and more. */
static void stand_still(void) {
    began_ns = test_now_ns();
    await(2);
    ended_ns = test_now_ns();
    done = true;
}

/* What was told of a stand_still() in the only callback that took so long. */
static inline void expect(eddy_kind kind, const void *object, uintptr_t function, const char *label,
                          int phase) {
    int64_t least_ns = budget_ns;
    await_end();
    ck_assert_int_eq(over_count, 1);
    for (int i = 0; i < atomic_load(&lasting_count); i++) {
        const struct told *it = &lasting[i];
        ck_assert_str_eq(eddy_kind_name(it->stall.kind), eddy_kind_name(kind));
        ck_assert_ptr_eq(it->stall.object, object);
        ck_assert_uint_eq(it->stall.function, function);
        ck_assert_str_eq(it->label, label);
        ck_assert_ptr_eq(it->stall.loop, loop);
        if (phase >= 0) ck_assert_int_eq(it->stall.phase, phase);
        ck_assert(!it->is_here);
        ck_assert_int_ge(it->stall.duration_ns, least_ns);
        ck_assert_int_le(it->stall.start_ns, began_ns);
        ck_assert(it->stall.is_over == (i == atomic_load(&lasting_count) - 1));
        least_ns = i == 0 ? 2 * budget_ns : it->stall.duration_ns;
    }
    const struct told *last = &lasting[atomic_load(&lasting_count) - 1];
    ck_assert_int_ge(last->stall.duration_ns, ended_ns - began_ns);
    ck_assert(over[0].is_here);
    ck_assert(over[0].stall.is_over);
    ck_assert_int_eq(over[0].stall.duration_ns, last->stall.duration_ns);
    ck_assert_uint_eq(over[0].stall.function, function);
    ck_assert_ptr_eq(over[0].stall.object, object);
    ck_assert_str_eq(over[0].label, label);
}

static inline void on_timer(eddy_timer *it) {
    (void)it;
    stand_still();
}

static int ticks;

/* Three times, as long as the budget. */
static inline void compute(eddy_timer *it) {
    sleep_ns(budget_ns);
    if (++ticks == 3) eddy_timer_stop(it);
    done = ticks == 3;
}

#endif
