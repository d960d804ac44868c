/* lag.h: a timer of 10 ms beside a library at work, and how late it was at most. That is told, not
 * judged, as others use the machine: docs/14-adapters.md has the figures. */
#ifndef EDDY_TESTS_LAG_H
#define EDDY_TESTS_LAG_H

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

/* Under valgrind, say. */
static inline bool is_slow(void) {
    return getenv("EDDY_TEST_SLOW") != NULL;
}

enum { LAG_TICK_MS = 10 };

static eddy_timer lag_timer;
static int64_t lag_begin_ns, lag_due_ns, lag_late_ns;

static inline void lag_on_tick(eddy_timer *timer) {
    int64_t now_ns = test_now_ns();
    if (now_ns - lag_due_ns > lag_late_ns) lag_late_ns = now_ns - lag_due_ns;
    lag_due_ns = eddy_timer_due_ns(timer);
}

/* It does not keep `on` alive. */
static inline void lag_begin(eddy_loop *on) {
    const int64_t tick_ns = LAG_TICK_MS * EDDY_NS_PER_MS;
    eddy_timer_init(&lag_timer, on);
    eddy_unref(&lag_timer.handle);
    lag_late_ns = 0;
    lag_begin_ns = test_now_ns();
    ck_assert_int_eq(eddy_timer_start(&lag_timer, lag_on_tick, tick_ns, tick_ns), 0);
    lag_due_ns = eddy_timer_due_ns(&lag_timer);
}

static inline void lag_end(const char *what) {
    int64_t now_ns = test_now_ns();
    if (now_ns - lag_due_ns > lag_late_ns) lag_late_ns = now_ns - lag_due_ns;
    eddy_timer_stop(&lag_timer);
    printf("%s: %s in %lld ms, a timer of %d ms at most %.1f ms late\n", test_backend, what,
           (long long)((now_ns - lag_begin_ns) / EDDY_NS_PER_MS), LAG_TICK_MS,
           (double)lag_late_ns / 1e6);
}

#endif
