/* closing.c: phase 8 by itself: closing callbacks are last, and do not see those they add. */
#include "suite.h"
#include "trace.h"

#include "src/core/loop.h"

#include <errno.h>

static eddy_loop *loop;
static eddy_defer first, second, plain;

static void begin(void) {
    trace_clear();
    loop = test_loop_open();
    eddy_defer_init(&first, loop);
    eddy_defer_init(&second, loop);
    eddy_defer_init(&plain, loop);
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void on_closed(eddy_defer *defer) {
    ck_assert(!eddy_is_active(&defer->handle));
    note(defer == &first ? 'f' : 's');
}

static void on_deferred(eddy_defer *defer) {
    (void)defer;
    note('d');
}

static void close_and_defer(eddy_defer *defer) {
    on_closed(defer);
    eddy__closing_add(&second, on_closed);
    ck_assert_int_eq(eddy_defer_start(&plain, on_deferred), 0);
}

START_TEST(closing_comes_after_deferred_calls) {
    begin();
    eddy__closing_add(&first, on_closed);
    ck_assert_int_eq(eddy_defer_start(&plain, on_deferred), 0);
    ck_assert(eddy_loop_is_alive(loop));
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    turn();
    trace_is("df");
    test_loop_close(loop);
}
END_TEST

/* A closing callback comes in any case: it is how its owner gets the memory back. */
START_TEST(closing_keeps_the_loop_alive_also_unreferenced) {
    begin();
    eddy_unref(&first.handle);
    eddy__closing_add(&first, on_closed);
    ck_assert(eddy_loop_is_alive(loop));
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    trace_is("f");
    test_loop_close(loop);
}
END_TEST

START_TEST(what_a_closing_callback_adds_waits_for_the_next_turn) {
    begin();
    eddy__closing_add(&first, close_and_defer);
    turn();
    trace_is("f");
    turn();
    trace_is("ds");
    turn();
    trace_is("");
    test_loop_close(loop);
}
END_TEST

static void defer_then_close(eddy_defer *defer) {
    (void)defer;
    note('d');
    eddy__closing_add(&first, on_closed);
}

/* What phase 7 closes is closed in the phase after it, and the loop does not sleep before. */
START_TEST(what_is_closed_by_a_deferred_call_is_closed_in_this_turn) {
    begin();
    ck_assert_int_eq(eddy_defer_start(&plain, defer_then_close), 0);
    turn();
    trace_is("df");
    eddy__closing_add(&second, on_closed);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    trace_is("s");
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    ck_assert_uint_eq(metrics.closed, 2);
    ck_assert_uint_eq(metrics.deferred, 1);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("closing");
    ck_add(suite, "closing", closing_comes_after_deferred_calls,
           closing_keeps_the_loop_alive_also_unreferenced,
           what_a_closing_callback_adds_waits_for_the_next_turn,
           what_is_closed_by_a_deferred_call_is_closed_in_this_turn);
    return suite;
}
