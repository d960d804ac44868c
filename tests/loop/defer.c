/* defer.c: calls later in the turn. */
#include "suite.h"
#include "system.h"
#include "trace.h"

#include <stdlib.h>

static eddy_loop *loop;
static eddy_defer defers[4];
static eddy_defer *target;

static void begin(void) {
    trace_clear();
    loop = test_loop_open();
    for (int i = 0; i < 4; i++) eddy_defer_init(&defers[i], loop);
}

static void end(void) {
    for (int i = 0; i < 4; i++) eddy_defer_stop(&defers[i]);
    test_loop_close(loop);
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void on_defer(eddy_defer *defer) {
    ck_assert(!eddy_is_active(&defer->handle));
    note((char)('a' + (defer - defers)));
}

static void start(char letter, eddy_defer_fn *fn) {
    ck_assert_int_eq(eddy_defer_start(&defers[letter - 'a'], fn), 0);
}

START_TEST(calls_run_once_in_the_order_they_were_queued) {
    begin();
    start('c', on_defer);
    start('a', on_defer);
    start('d', on_defer);
    start('b', on_defer);
    turn();
    trace_is("cadb");
    turn();
    trace_is("");
    end();
}
END_TEST

START_TEST(a_queued_call_cannot_be_queued_twice) {
    begin();
    start('a', on_defer);
    ck_assert_int_eq(eddy_defer_start(&defers[0], on_defer), -EALREADY);
    turn();
    trace_is("a");
    start('a', on_defer);
    turn();
    trace_is("a");
    end();
}
END_TEST

START_TEST(a_call_taken_back_does_not_come) {
    begin();
    start('a', on_defer);
    start('b', on_defer);
    eddy_defer_stop(&defers[0]);
    eddy_defer_stop(&defers[0]);
    turn();
    trace_is("b");
    start('b', on_defer);
    eddy_defer_stop(&defers[1]);
    start('a', on_defer);
    start('b', on_defer);
    turn();
    trace_is("ab");
    end();
}
END_TEST

static void stop_target(eddy_defer *defer) {
    on_defer(defer);
    eddy_defer_stop(target);
}

START_TEST(a_call_may_take_back_any_other) {
    for (char who = 'a'; who <= 'd'; who++) {
        for (char whom = 'a'; whom <= 'd'; whom++) {
            begin();
            target = &defers[whom - 'a'];
            for (char letter = 'a'; letter <= 'd'; letter++)
                start(letter, letter == who ? stop_target : on_defer);
            turn();
            char expected[5] = "abcd";
            char *at = strchr(expected, whom);
            if (whom > who) memmove(at, at + 1, strlen(at));
            trace_is(expected);
            turn();
            trace_is("");
            end();
        }
    }
}
END_TEST

static void requeue_target(eddy_defer *defer) {
    on_defer(defer);
    eddy_defer_stop(target);
    ck_assert_int_eq(eddy_defer_start(target, on_defer), 0);
}

/* Taken out of this phase and queued again is queued for the next turn. */
START_TEST(a_call_requeued_in_the_phase_comes_next_turn) {
    begin();
    target = &defers[1];
    start('a', requeue_target);
    start('b', on_defer);
    start('c', on_defer);
    turn();
    trace_is("ac");
    turn();
    trace_is("b");
    end();
}
END_TEST

static void ignore_timer(eddy_timer *timer) {
    (void)timer;
}

START_TEST(the_loop_does_not_sleep_over_a_queued_call) {
    begin();
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, ignore_timer, 60 * EDDY_NS_PER_S, 0), 0);
    int64_t start_ns = test_now_ns();
    start('a', on_defer);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    trace_is("a");
    ck_assert_int_lt(test_now_ns() - start_ns, 30 * EDDY_NS_PER_S);
    eddy_timer_stop(&timer);
    end();
}
END_TEST

static void free_itself(eddy_defer *defer) {
    note('f');
    free(defer);
}

/* "Yours again when fn is called": it may be freed there. */
START_TEST(a_call_may_free_its_own_struct) {
    begin();
    eddy_defer *defer = malloc(sizeof *defer);
    ck_assert_ptr_nonnull(defer);
    eddy_defer_init(defer, loop);
    ck_assert_int_eq(eddy_defer_start(defer, free_itself), 0);
    start('a', on_defer);
    turn();
    trace_is("fa");
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("defer");
    ck_add(suite, "defer", calls_run_once_in_the_order_they_were_queued,
           a_queued_call_cannot_be_queued_twice, a_call_taken_back_does_not_come,
           a_call_may_take_back_any_other, a_call_requeued_in_the_phase_comes_next_turn,
           the_loop_does_not_sleep_over_a_queued_call, a_call_may_free_its_own_struct);
    return suite;
}
