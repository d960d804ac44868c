/* apart.c: a turn taken apart by the program: what takes part in the wait, what comes again, how a
 * stop shows, and what the descriptor shows when there is nothing (loop.h, "A turn taken apart").
 */
#include "suite.h"
#include "system.h"
#include "trace.h"

#include <signal.h>
#include <sys/time.h>

static eddy_loop *loop;
static eddy_io io;
static eddy_timer timer;
static eddy_defer defer;
static eddy_work work;
static int ends[2];

static void on_io(eddy_io *it, unsigned events) {
    (void)events;
    note('r');
    drain(eddy_io_fd(it), NULL);
}

static void on_timer(eddy_timer *it) {
    (void)it;
    note('t');
}

static void on_defer(eddy_defer *it) {
    (void)it;
    note('d');
}

static void on_job(eddy_work *it) {
    (void)it;
}

static void on_job_done(eddy_work *it, int status) {
    (void)it;
    ck_assert_int_eq(status, 0);
    note('j');
}

static void begin_with(eddy_loop_config config) {
    loop = test_loop_open_with(config);
    trace_clear();
    test_pipe(ends);
    eddy_io_init(&io, loop);
    eddy_timer_init(&timer, loop);
    eddy_defer_init(&defer, loop);
}

static void begin(void) {
    begin_with((eddy_loop_config){0});
}

static void end(void) {
    eddy_io_stop(&io);
    eddy_timer_stop(&timer);
    close_both(ends);
    test_loop_close(loop);
}

/* --- What has changed since prepare; -1 would be for ever --- */

static void begin_muted(void) {
    begin();
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], 0), 0);
    ck_assert_int_eq(test_prepare(loop), -1);
}

START_TEST(interest_that_is_shown_after_prepare_takes_part) {
    begin_muted();
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_change(&io, EDDY_READ), 0);
    ck_assert_int_eq(eddy_loop_wait(loop, -1), 1);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    trace_is("r");
    end();
}
END_TEST

START_TEST(a_timer_that_is_started_after_prepare_takes_part) {
    static const int64_t waits_ns[] = {-1, 60 * EDDY_NS_PER_S};
    begin_muted();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(eddy_timer_start(&timer, on_timer, EDDY_NS_PER_MS, 0), 0);
        int64_t due_ns = eddy_timer_due_ns(&timer), start_ns = test_now_ns();
        ck_assert_int_ge(eddy_loop_wait(loop, waits_ns[i]), 0);
        ck_assert_int_lt(test_now_ns() - start_ns, 30 * EDDY_NS_PER_S);
        while (test_now_ns() < due_ns) ck_assert_int_ge(eddy_loop_wait(loop, waits_ns[i]), 0);
        ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
        trace_is("t");
        ck_assert_int_eq(test_prepare(loop), -1);
    }
    end();
}
END_TEST

START_TEST(a_wait_is_no_longer_than_it_was_asked_for) {
    begin_muted();
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 60 * EDDY_NS_PER_S, 0), 0);
    int64_t start_ns = test_now_ns();
    ck_assert_int_eq(eddy_loop_wait(loop, EDDY_NS_PER_MS), 0);
    ck_assert_int_lt(test_now_ns() - start_ns, 30 * EDDY_NS_PER_S);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    trace_is("");
    end();
}
END_TEST

static void on_post(eddy_post *post) {
    (void)post;
    note('p');
}

/* A driver that asks again before it waits, as GLib does, loses nothing and is not told to hurry.
 */
START_TEST(prepare_may_be_called_again_before_the_wait) {
    begin_muted();
    eddy_post post;
    ck_assert_int_eq(test_prepare(loop), -1);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, EDDY_NS_PER_S, 0), 0);
    ck_assert_int_gt(test_prepare(loop), 0);
    eddy_timer_stop(&timer);
    ck_assert_int_eq(test_prepare(loop), -1);
    eddy_loop_post(loop, &post, on_post);
    ck_assert_int_eq(test_prepare(loop), 0);
    ck_assert_int_eq(test_prepare(loop), 0);
    ck_assert_int_ge(eddy_loop_wait(loop, 0), 0);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    trace_is("p");
    end();
}
END_TEST

START_TEST(a_deferred_call_after_prepare_takes_part) {
    begin_muted();
    ck_assert_int_eq(eddy_defer_start(&defer, on_defer), 0);
    ck_assert_int_eq(eddy_loop_wait(loop, -1), 0);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    trace_is("d");
    end();
}
END_TEST

/* It has gone to the pool when the loop sleeps, or nothing would ever wake it. */
START_TEST(a_job_that_is_submitted_after_prepare_takes_part) {
    begin_muted();
    ck_assert_int_eq(eddy_work_submit(loop, &work, EDDY_LANE_CPU, on_job, on_job_done), 0);
    ck_assert_int_ge(eddy_loop_wait(loop, -1), 0);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    trace_is("j");
    end();
}
END_TEST

/* Closed behind the loop's back: the flush before the wait finds out, and phase 5 tells. */
START_TEST(a_descriptor_that_is_lost_after_prepare_does_not_wait) {
    if (!test_backend_can(EDDY_CAN_NEST)) return; /* the others find out in the wait */
    begin_muted();
    close(ends[0]);
    ck_assert_int_eq(eddy_io_change(&io, EDDY_READ), 0);
    ck_assert_int_ge(eddy_loop_wait(loop, -1), 0);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    trace_is("r");
    ck_assert_int_eq(eddy_io_error(&io), -EBADF);
    ends[0] = dup(ends[1]);
    end();
}
END_TEST

/* --- Between wait and dispatch --- */

static eddy_io second;

START_TEST(what_starts_after_the_wait_hears_of_the_next_one) {
    begin();
    eddy_io_init(&second, loop);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    put(ends[1], "x");
    (void)test_prepare(loop);
    ck_assert_int_eq(eddy_loop_wait(loop, 0), 1);
    eddy_io_stop(&io);
    ck_assert_int_eq(eddy_io_start(&second, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    trace_is("");
    ck_assert_int_eq(test_turn_apart(loop), 1);
    trace_is("r");
    eddy_io_stop(&second);
    end();
}
END_TEST

static void stop_in_timer(eddy_timer *it) {
    eddy_loop_stop(it->handle.loop);
}

/* The run is a wait, too: what the one before it found is not told after it. Without the hook of
 * test_loop_open, so that the turn is a plain one. */
START_TEST(a_run_drops_what_a_wait_has_found) {
    begin();
    eddy_loop *plain;
    eddy_loop_config config = {.backend = test_backend};
    ck_assert_int_eq(eddy_loop_open(&plain, &config), 0);
    eddy_io_init(&second, plain);
    eddy_timer_init(&timer, plain);
    ck_assert_int_eq(eddy_io_start(&second, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, stop_in_timer, 0, 0), 0);
    put(ends[1], "x");
    ck_assert_int_eq(eddy_loop_wait(plain, 0), 1);
    ck_assert_int_eq(eddy_loop_run(plain, EDDY_RUN_DEFAULT), 1);
    trace_is("r");
    ck_assert_int_eq(eddy_loop_dispatch(plain), 1);
    trace_is("");
    eddy_io_stop(&second);
    ck_assert_int_eq(eddy_loop_close(plain), 0);
    end();
}
END_TEST

/* --- What comes again --- */

enum { PIPES = 5 };

static void on_pipe(eddy_io *it, unsigned events) {
    (void)events;
    char byte;
    ck_assert_int_eq((int)read(eddy_io_fd(it), &byte, 1), 1);
    note('r');
}

/* With room for one record a turn, on every backend and by edges too, nothing is forgotten. */
static void tell_one_a_turn(unsigned mode) {
    int pipes[PIPES][2];
    eddy_io watchers[PIPES];
    begin_with((eddy_loop_config){.events_per_turn = 1});
    bool can_nest = test_backend_can(EDDY_CAN_NEST);
    for (int i = 0; i < PIPES; i++) {
        test_pipe(pipes[i]);
        put(pipes[i][1], "x");
        eddy_io_init(&watchers[i], loop);
        ck_assert_int_eq(eddy_io_start(&watchers[i], on_pipe, pipes[i][0], EDDY_READ | mode), 0);
    }
    for (int i = 0; i < PIPES; i++) {
        (void)test_prepare(loop);
        struct pollfd poller = {.fd = eddy_loop_backend_fd(loop), .events = POLLIN};
        if (can_nest) ck_assert_int_eq(poll(&poller, 1, 0), 1);
        ck_assert_int_eq(eddy_loop_wait(loop, -1), 1);
        ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    }
    trace_is("rrrrr");
    for (int i = 0; i < PIPES; i++) {
        eddy_io_stop(&watchers[i]);
        close_both(pipes[i]);
    }
    end();
}

START_TEST(records_beyond_events_per_turn_come_in_the_next_turns) {
    tell_one_a_turn(0);
}
END_TEST

START_TEST(edges_beyond_events_per_turn_come_in_the_next_turns) {
    if (test_backend_can(EDDY_CAN_EDGE)) tell_one_a_turn(EDDY_EDGE);
}
END_TEST

static volatile sig_atomic_t alarms;

static void on_alarm(int number) {
    (void)number;
    alarms++;
}

/* Of a signal that nobody watches; the clock that is read after the wait is right all the same. */
START_TEST(a_signal_ends_a_wait_with_0) {
    begin();
    struct sigaction action = {.sa_handler = on_alarm};
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(test_prepare(loop), -1);
    struct itimerval soon = {.it_value = {0, 2000}, .it_interval = {0, 2000}}, never = {0};
    ck_assert_int_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
    int count;
    do count = eddy_loop_wait(loop, -1);
    while (count == -EFAULT); /* what valgrind 3.19 makes of it in pselect */
    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    ck_assert_int_eq(count, 0);
    ck_assert_int_ge(alarms, 1);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    put(ends[1], "x");
    ck_assert_int_eq(test_turn_apart(loop), 1);
    trace_is("r");
    end();
}
END_TEST

static void on_idle(eddy_hook *hook) {
    note('i');
    eddy_hook_stop(hook);
}

/* As the loop itself would not wait. */
START_TEST(a_wait_with_nothing_alive_or_idle_hooks_does_not_sleep) {
    eddy_hook idle;
    begin();
    eddy_hook_init(&idle, loop);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(test_prepare(loop), -1);
    ck_assert_int_eq(eddy_hook_start(&idle, EDDY_HOOK_IDLE, on_idle), 0);
    ck_assert_int_eq(eddy_loop_wait(loop, -1), 0);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    trace_is("i");
    ck_assert_int_eq(test_prepare(loop), -1);
    eddy_io_stop(&io);
    ck_assert_int_eq(eddy_loop_wait(loop, -1), 0);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 0);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("apart");
    ck_add(suite, "since prepare", interest_that_is_shown_after_prepare_takes_part,
           prepare_may_be_called_again_before_the_wait,
           a_timer_that_is_started_after_prepare_takes_part,
           a_wait_is_no_longer_than_it_was_asked_for, a_deferred_call_after_prepare_takes_part,
           a_job_that_is_submitted_after_prepare_takes_part,
           a_descriptor_that_is_lost_after_prepare_does_not_wait,
           a_wait_with_nothing_alive_or_idle_hooks_does_not_sleep);
    ck_add(suite, "before dispatch", what_starts_after_the_wait_hears_of_the_next_one,
           a_run_drops_what_a_wait_has_found);
    ck_add(suite, "again", records_beyond_events_per_turn_come_in_the_next_turns,
           edges_beyond_events_per_turn_come_in_the_next_turns, a_signal_ends_a_wait_with_0);
    return suite;
}
