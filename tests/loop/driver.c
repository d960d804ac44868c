/* driver.c: what a program sees that takes turns apart: how a stop shows, and what the backend's
 * descriptor shows to somebody who waits for it (loop.h, "A turn taken apart"). */
#include "suite.h"
#include "system.h"
#include "trace.h"

static eddy_loop *loop;
static eddy_io io;
static eddy_timer timer;
static eddy_hook hook;
static int ends[2];

static void on_io(eddy_io *it, unsigned events) {
    (void)events;
    note('r');
    drain(eddy_io_fd(it), NULL);
}

static void begin(void) {
    loop = test_loop_open();
    trace_clear();
    test_pipe(ends);
    eddy_io_init(&io, loop);
    eddy_timer_init(&timer, loop);
    eddy_hook_init(&hook, loop);
}

static void end(void) {
    eddy_io_stop(&io);
    eddy_timer_stop(&timer);
    eddy_hook_stop(&hook);
    close_both(ends);
    test_loop_close(loop);
}

/* --- A stop shows --- */

static void stop_in_timer(eddy_timer *it) {
    eddy_loop_stop(it->handle.loop);
}

static void stop_in_hook(eddy_hook *it) {
    eddy_loop_stop(loop);
    eddy_hook_stop(it);
}

START_TEST(a_stop_in_a_callback_shows_after_dispatch) {
    begin();
    ck_assert(!eddy_loop_was_stopped(loop));
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, stop_in_timer, 0, 0), 0);
    ck_assert_int_eq(test_turn_apart(loop), 1);
    ck_assert(eddy_loop_was_stopped(loop));
    (void)test_prepare(loop);
    ck_assert(eddy_loop_was_stopped(loop));
    ck_assert_int_eq(eddy_loop_wait(loop, 0), 0);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    ck_assert(!eddy_loop_was_stopped(loop));
    end();
}
END_TEST

/* The turn is made, without a wait, and what it has to tell is told. */
static void expect_stopped_turn(void) {
    put(ends[1], "x");
    ck_assert_int_eq(test_prepare(loop), 0);
    ck_assert_int_eq(eddy_loop_wait(loop, -1), 1);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    trace_is("r");
    ck_assert(eddy_loop_was_stopped(loop));
    ck_assert_int_eq(test_turn_apart(loop), 1);
    ck_assert(!eddy_loop_was_stopped(loop));
}

START_TEST(a_stop_in_or_before_prepare_shows_after_dispatch) {
    begin();
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_hook_start(&hook, EDDY_HOOK_PREPARE, stop_in_hook), 0);
    expect_stopped_turn();
    eddy_loop_stop(loop);
    expect_stopped_turn();
    end();
}
END_TEST

START_TEST(a_stop_after_prepare_ends_the_wait) {
    begin();
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(test_prepare(loop), -1);
    eddy_loop_stop(loop);
    ck_assert_int_eq(eddy_loop_wait(loop, -1), 0);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    ck_assert(eddy_loop_was_stopped(loop));
    end();
}
END_TEST

START_TEST(a_stop_shows_after_a_run_of_every_mode) {
    static const eddy_run_mode modes[] = {EDDY_RUN_DEFAULT, EDDY_RUN_ONCE, EDDY_RUN_NOWAIT};
    begin();
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(eddy_timer_start(&timer, stop_in_timer, 0, 0), 0);
        while (eddy_timer_due_ns(&timer) >= 0) ck_assert_int_eq(eddy_loop_run(loop, modes[i]), 1);
        ck_assert(eddy_loop_was_stopped(loop));
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
        ck_assert(!eddy_loop_was_stopped(loop));
        eddy_loop_stop(loop); /* before the run: it makes no turn */
        ck_assert_int_eq(eddy_loop_run(loop, modes[i]), 1);
        ck_assert(eddy_loop_was_stopped(loop));
    }
    eddy_io_stop(&io);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert(!eddy_loop_was_stopped(loop)); /* there was nothing left to run */
    end();
}
END_TEST

/* --- With nothing to do --- */

static void expect_shown(bool is_shown) {
    struct pollfd poller = {.fd = eddy_loop_backend_fd(loop), .events = POLLIN};
    ck_assert_int_eq(poll(&poller, 1, 0), is_shown);
}

static void on_broken(eddy_io *it, unsigned events) {
    (void)it;
    ck_assert((events & EDDY_WRITE) != 0);
    note('b');
}

static void on_wake(eddy_wake *it) {
    (void)it;
    note('w');
}

/* A driver that waits for what prepare says is not held up, and sees by the 0 that it may go. */
START_TEST(a_loop_with_nothing_alive_does_not_wait_and_shows_nothing) {
    begin();
    ck_assert_int_eq(test_prepare(loop), 0);
    if (test_backend_can(EDDY_CAN_NEST)) expect_shown(false);
    ck_assert_int_eq(eddy_loop_wait(loop, 0), 0);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 0);
    ck_assert(!eddy_loop_was_stopped(loop));
    end();
}
END_TEST

/* It is there after each wake-up, read or not, and after changes, and it does not stay. */
START_TEST(the_descriptor_is_readable_once_for_each_cause) {
    if (!test_backend_can(EDDY_CAN_NEST)) return;
    eddy_wake wake;
    begin();
    eddy_wake_init(&wake, loop);
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    for (int i = 0; i < 3000; i++) {
        ck_assert_int_eq(test_prepare(loop), -1);
        expect_shown(false);
        eddy_wake_send(&wake);
        expect_shown(true);
        eddy_wake_send(&wake); /* a second change before the driver sees the first */
        ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
        if (i % 2 == 0) put(ends[1], "x");
        expect_shown(true);
        if (i % 4 == 0) eddy_io_stop(&io);
        ck_assert_int_ge(eddy_loop_wait(loop, 0), 1);
        ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
        trace_is(i % 4 == 2 ? "rw" : "w");
        eddy_io_stop(&io);
        drain(ends[0], NULL);
    }
    eddy_wake_stop(&wake);
    end();
}
END_TEST

/* A pipe without its reader is ready for ever, which no filter of kqueue shows. */
START_TEST(a_broken_pipe_is_told_to_who_waits_outside) {
    if (!test_backend_can(EDDY_CAN_NEST)) return;
    begin();
    (void)eddy_loop_backend_fd(loop);
    close(ends[0]);
    ck_assert_int_eq(eddy_io_start(&io, on_broken, ends[1], EDDY_WRITE), 0);
    for (int i = 0; i < 5; i++) {
        int64_t timeout_ns = test_prepare(loop);
        if (timeout_ns != 0) expect_shown(true);
        ck_assert_int_ge(eddy_loop_wait(loop, 0), 0);
        ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
        trace_is("b");
    }
    ck_assert_int_eq(eddy_io_change(&io, 0), 0);
    ck_assert_int_eq(test_prepare(loop), -1);
    expect_shown(false);
    eddy_io_stop(&io);
    ends[0] = dup(ends[1]);
    end();
}
END_TEST

/* A one-shot that was told asks for no turn more. */
START_TEST(a_oneshot_that_was_told_shows_nothing) {
    if (!test_backend_can(EDDY_CAN_NEST)) return;
    begin();
    (void)eddy_loop_backend_fd(loop);
    ck_assert_int_eq(eddy_io_start(&io, on_broken, ends[1], EDDY_WRITE | EDDY_ONESHOT), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(test_prepare(loop), -1);
        expect_shown(true);
        ck_assert_int_ge(eddy_loop_wait(loop, 0), 1);
        ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
        trace_is("b");
        ck_assert_int_eq(test_prepare(loop), -1);
        expect_shown(false);
        ck_assert_int_eq(eddy_io_change(&io, EDDY_WRITE | EDDY_ONESHOT), 0);
    }
    end();
}
END_TEST

/* Muted after prepare, what is ready shows until the wait has flushed, and no longer. */
START_TEST(a_descriptor_muted_after_prepare_costs_one_turn) {
    if (!test_backend_can(EDDY_CAN_NEST)) return;
    begin();
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    put(ends[1], "x");
    ck_assert_int_eq(test_prepare(loop), -1);
    expect_shown(true);
    ck_assert_int_eq(eddy_io_change(&io, 0), 0);
    ck_assert_int_eq(eddy_loop_wait(loop, 0), 0);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    ck_assert_int_eq(test_prepare(loop), -1);
    expect_shown(false);
    trace_is("");
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("driver");
    ck_add(suite, "stop", a_stop_in_a_callback_shows_after_dispatch,
           a_stop_in_or_before_prepare_shows_after_dispatch, a_stop_after_prepare_ends_the_wait,
           a_stop_shows_after_a_run_of_every_mode);
    ck_add(suite, "shown", a_loop_with_nothing_alive_does_not_wait_and_shows_nothing,
           the_descriptor_is_readable_once_for_each_cause,
           a_broken_pipe_is_told_to_who_waits_outside, a_oneshot_that_was_told_shows_nothing,
           a_descriptor_muted_after_prepare_costs_one_turn);
    return suite;
}
