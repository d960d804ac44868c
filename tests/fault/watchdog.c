/* watchdog.c: faults while a watchdog comes, tells of a stall, and goes: without a thread, a lock
 * or a backtrace the loop is what it was. */
#include "fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>

static atomic_int lasting, ended;
static bool is_guarded, is_done;

static void on_stalled(const eddy_stall *stall, void *context) {
    (void)context;
    fault_assert(stall->frame_count == 0 || stall->frames_error == 0);
    atomic_fetch_add(stall->is_over ? &ended : &lasting, 1);
}

static void await(atomic_int *count, int least) {
    struct timespec rest = {.tv_nsec = 100000};
    while (is_guarded && atomic_load(count) < least) (void)nanosleep(&rest, NULL);
}

static void stall(eddy_timer *timer) {
    (void)timer;
    await(&lasting, 2);
    is_done = true;
}

static void stall_on(eddy_loop *loop) {
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    is_done = false;
    int err = eddy_timer_start(&timer, stall, 0, 0);
    if (err == 0 && fault_turn_until(loop, &is_done) == 0) await(&ended, 1);
    fault_assert(err == 0 || !fault_is_unhurt());
    eddy_timer_stop(&timer);
}

static void use_watchdog(void) {
    eddy_watchdog watchdog;
    eddy_guard guard = {0};
    eddy_loop *loop;
    eddy_watchdog_config config = {
        .budget_ns = EDDY_NS_PER_MS, .stalled = on_stalled, .signal = SIGURG};
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    atomic_store(&lasting, 0);
    atomic_store(&ended, 0);
    int err = eddy_watchdog_start(&watchdog, &config);
    fault_assert(err == 0 || !fault_is_unhurt());
    is_guarded = err == 0;
    if (is_guarded) fault_assert(eddy_guard_start(&guard, &watchdog, loop) == 0);
    stall_on(loop);
    eddy_guard_stop(&guard);
    if (is_guarded) fault_assert(eddy_watchdog_stop(&watchdog) == 0);
    fault_loop_close(loop);
}

START_TEST(a_stall_is_told_of_or_the_start_has_failed) {
    fault_loop("watchdog", use_watchdog);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault watchdog");
    ck_add(suite, "faults", a_stall_is_told_of_or_the_start_has_failed);
    return suite;
}
