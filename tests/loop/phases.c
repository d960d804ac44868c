/* phases.c: the order of a turn, and that a phase handles only what was there when it began. */
#include "suite.h"
#include "system.h"
#include "trace.h"

#include <signal.h>

static eddy_loop *loop;
static eddy_timer timer, second_timer;
static eddy_io io, second_io;
static eddy_hook hooks[3], second_hook;
static eddy_defer defer, second_defer;
static eddy_wake wake;
static eddy_signal watcher;
static eddy_post post;
static int ends[2], second_ends[2];

static void begin(void) {
    trace_clear();
    loop = test_loop_open();
    eddy_timer_init(&timer, loop);
    eddy_timer_init(&second_timer, loop);
    eddy_io_init(&io, loop);
    eddy_io_init(&second_io, loop);
    for (int i = 0; i < 3; i++) eddy_hook_init(&hooks[i], loop);
    eddy_hook_init(&second_hook, loop);
    eddy_defer_init(&defer, loop);
    eddy_defer_init(&second_defer, loop);
    eddy_wake_init(&wake, loop);
    eddy_signal_init(&watcher, loop);
    test_pipe(ends);
    test_pipe(second_ends);
}

static void end(void) {
    eddy_timer_stop(&timer);
    eddy_timer_stop(&second_timer);
    eddy_io_stop(&io);
    eddy_io_stop(&second_io);
    for (int i = 0; i < 3; i++) eddy_hook_stop(&hooks[i]);
    eddy_hook_stop(&second_hook);
    eddy_defer_stop(&defer);
    eddy_defer_stop(&second_defer);
    eddy_wake_stop(&wake);
    eddy_signal_stop(&watcher);
    close_both(ends);
    close_both(second_ends);
    test_loop_close(loop);
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void on_timer(eddy_timer *it) {
    note(it == &timer ? 't' : 'T');
}

static void on_io(eddy_io *it, unsigned events) {
    (void)events;
    note(it == &io ? 'r' : 'R');
}

static void on_prepare(eddy_hook *hook) {
    (void)hook;
    note('p');
}

static void on_check(eddy_hook *hook) {
    (void)hook;
    note('c');
}

static void on_idle(eddy_hook *hook) {
    (void)hook;
    note('i');
}

static void on_second_hook(eddy_hook *hook) {
    (void)hook;
    note('P');
}

static void on_defer(eddy_defer *it) {
    note(it == &defer ? 'd' : 'D');
}

static void on_post(eddy_post *it) {
    (void)it;
    note('m');
}

static void on_wake(eddy_wake *it) {
    (void)it;
    note('w');
}

static void on_signal(eddy_signal *it, int number) {
    (void)it;
    (void)number;
    note('s');
}

/* One callback of each kind, started in the opposite order, in one turn. The signal comes in
 * first and yet is last of its phase. Nothing is idle about such a turn. */
START_TEST(the_phases_run_in_the_documented_order) {
    begin();
    ck_assert_int_eq(eddy_signal_start(&watcher, on_signal, SIGUSR1), 0);
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    ck_assert_int_eq(eddy_defer_start(&defer, on_defer), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    eddy_loop_post(loop, &post, on_post);
    eddy_wake_send(&wake);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    put(ends[1], "x");
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    ck_assert_int_eq(eddy_hook_start(&hooks[2], EDDY_HOOK_IDLE, on_idle), 0);
    ck_assert_int_eq(eddy_hook_start(&hooks[1], EDDY_HOOK_CHECK, on_check), 0);
    ck_assert_int_eq(eddy_hook_start(&hooks[0], EDDY_HOOK_PREPARE, on_prepare), 0);
    trace_is("");
    turn();
    trace_is("pctrmwsd");
    drain(ends[0], NULL);
    turn();
    trace_is("pci");
    end();
}
END_TEST

/* Nothing is called from inside the calls that ask for it. */
START_TEST(no_callback_runs_inside_an_api_call) {
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    ck_assert_int_eq(eddy_signal_start(&watcher, on_signal, SIGUSR1), 0);
    ck_assert_int_eq(eddy_defer_start(&defer, on_defer), 0);
    eddy_wake_send(&wake);
    eddy_loop_post(loop, &post, on_post);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    eddy_loop_update_now(loop);
    ck_assert_int_eq(eddy_io_change(&io, EDDY_READ), 0);
    int64_t timeout_ns = -7;
    ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
    ck_assert_int_eq(timeout_ns, 0);
    ck_assert_int_ge(eddy_loop_wait(loop, timeout_ns), 0);
    trace_is("");
    ck_assert_int_ge(eddy_loop_dispatch(loop), 0);
    ck_assert_uint_eq(trace_length, 6);
    end();
}
END_TEST

static void timer_again(eddy_timer *it) {
    note('t');
    ck_assert_int_eq(eddy_timer_start(it, timer_again, 0, 0), 0);
}

static void timer_starts_second(eddy_timer *it) {
    (void)it;
    note('t');
    ck_assert_int_eq(eddy_timer_start(&second_timer, on_timer, 0, 0), 0);
}

START_TEST(a_zero_timer_started_by_a_timer_waits_for_the_next_turn) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timer, timer_starts_second, 0, 0), 0);
    turn();
    trace_is("t");
    turn();
    trace_is("T");
    ck_assert_int_eq(eddy_timer_start(&timer, timer_again, 0, 0), 0);
    for (int i = 0; i < 5; i++) {
        turn();
        trace_is("t");
    }
    end();
}
END_TEST

static void hook_starts_timer(eddy_hook *hook) {
    note('h');
    eddy_hook_stop(hook);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
}

/* "In the next timers phase": of this turn, as hooks come before it. And the wait must not sleep
 * over a timer that prepare has started. */
START_TEST(a_zero_timer_started_by_a_hook_fires_in_this_turn) {
    begin();
    static const eddy_hook_kind kinds[] = {EDDY_HOOK_PREPARE, EDDY_HOOK_CHECK};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(eddy_timer_start(&second_timer, on_timer, 0, 0), 0);
        ck_assert_int_eq(eddy_hook_start(&hooks[0], kinds[i], hook_starts_timer), 0);
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
        trace_is("hTt");
    }
    end();
}
END_TEST

static void defer_again(eddy_defer *it) {
    note('d');
    ck_assert_int_eq(eddy_defer_start(it, defer_again), 0);
}

static void defer_starts_second(eddy_defer *it) {
    (void)it;
    note('d');
    ck_assert_int_eq(eddy_defer_start(&second_defer, on_defer), 0);
}

START_TEST(a_call_deferred_by_a_deferred_call_waits_for_the_next_turn) {
    begin();
    ck_assert_int_eq(eddy_defer_start(&defer, defer_starts_second), 0);
    turn();
    trace_is("d");
    turn();
    trace_is("D");
    ck_assert_int_eq(eddy_defer_start(&defer, defer_again), 0);
    for (int i = 0; i < 5; i++) {
        turn();
        trace_is("d");
    }
    end();
}
END_TEST

static void io_defers(eddy_io *it, unsigned events) {
    (void)events;
    note('r');
    eddy_io_stop(it);
    ck_assert_int_eq(eddy_defer_start(&defer, on_defer), 0);
}

static void timer_defers(eddy_timer *it) {
    (void)it;
    note('t');
    ck_assert_int_eq(eddy_defer_start(&second_defer, on_defer), 0);
}

START_TEST(what_earlier_phases_defer_runs_in_this_turn) {
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&io, io_defers, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, timer_defers, 0, 0), 0);
    turn();
    trace_is("trDd");
    end();
}
END_TEST

static void post_again(eddy_post *it) {
    note('m');
    if (trace_length < 3) eddy_loop_post(loop, it, post_again);
}

START_TEST(a_post_from_a_posted_call_waits_for_the_next_turn) {
    begin();
    eddy_loop_post(loop, &post, post_again);
    turn();
    ck_assert_str_eq(trace, "m");
    turn();
    ck_assert_str_eq(trace, "mm");
    turn();
    turn();
    ck_assert_str_eq(trace, "mmm");
    end();
}
END_TEST

static void on_late_post(eddy_post *it) {
    (void)it;
    note('l');
}

static void post_and_stop_wake(eddy_post *it) {
    static eddy_post late;
    (void)it;
    note('m');
    eddy_loop_post(loop, &late, on_late_post);
    eddy_wake_send(&wake);
    eddy_wake_stop(&wake);
}

/* Stopping a wake whose send is in flight makes the loop take its inbox in the middle of the
 * phase: what it finds there was not there when the phase began. */
START_TEST(a_stop_that_empties_the_inbox_lets_nothing_into_the_phase) {
    begin();
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    eddy_loop_post(loop, &post, post_and_stop_wake);
    turn();
    trace_is("m");
    ck_assert(eddy_loop_is_alive(loop));
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    trace_is("l");
    end();
}
END_TEST

static void wake_again(eddy_wake *it) {
    note('w');
    eddy_wake_send(it);
}

START_TEST(a_wake_from_its_own_callback_waits_for_the_next_turn) {
    begin();
    ck_assert_int_eq(eddy_wake_start(&wake, wake_again), 0);
    eddy_wake_send(&wake);
    for (int i = 0; i < 5; i++) {
        turn();
        trace_is("w");
    }
    end();
}
END_TEST

static void raise_again(eddy_signal *it, int number) {
    (void)it;
    note('s');
    ck_assert_int_eq(raise(number), 0);
}

START_TEST(a_signal_raised_in_its_callback_waits_for_the_next_turn) {
    begin();
    ck_assert_int_eq(eddy_signal_start(&watcher, raise_again, SIGUSR1), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    for (int i = 0; i < 5; i++) {
        turn();
        trace_is("s");
    }
    end();
}
END_TEST

static void io_starts_second(eddy_io *it, unsigned events) {
    (void)it;
    (void)events;
    note('r');
    if (!eddy_is_active(&second_io.handle))
        ck_assert_int_eq(eddy_io_start(&second_io, on_io, second_ends[0], EDDY_READ), 0);
}

/* The other descriptor is ready, and nobody watched it when the turn began. */
START_TEST(a_watcher_started_by_a_watcher_hears_from_the_next_turn_on) {
    begin();
    put(ends[1], "x");
    put(second_ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&io, io_starts_second, ends[0], EDDY_READ), 0);
    turn();
    trace_is("r");
    eddy_io_stop(&io);
    turn();
    trace_is("R");
    end();
}
END_TEST

static void io_starts_on_same(eddy_io *it, unsigned events) {
    (void)events;
    note('r');
    if (!eddy_is_active(&second_io.handle))
        ck_assert_int_eq(eddy_io_start(&second_io, on_io, eddy_io_fd(it), EDDY_READ), 0);
}

/* The event at hand is of the same descriptor, yet the new watcher was not there for it. */
START_TEST(a_watcher_started_on_the_descriptor_being_told_hears_from_the_next_turn_on) {
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&io, io_starts_on_same, ends[0], EDDY_READ), 0);
    turn();
    trace_is("r");
    eddy_io_stop(&io);
    turn();
    trace_is("R");
    end();
}
END_TEST

static eddy_io third_io;

static void io_starts_third(eddy_io *it, unsigned events) {
    (void)events;
    note('r');
    if (!eddy_is_active(&third_io.handle))
        ck_assert_int_eq(eddy_io_start(&third_io, on_io, eddy_io_fd(it), EDDY_READ), 0);
}

/* The same with a neighbour still to be told, behind whom the new one queues up. */
START_TEST(a_watcher_started_before_its_neighbour_is_told_hears_from_the_next_turn_on) {
    begin();
    eddy_io_init(&third_io, loop);
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&second_io, io_starts_third, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    turn();
    ck_assert_uint_eq(trace_length, 2);
    trace_clear();
    turn();
    ck_assert_uint_eq(trace_length, 3);
    eddy_io_stop(&third_io);
    end();
}
END_TEST

static void io_restarts_itself(eddy_io *it, unsigned events) {
    (void)events;
    note('r');
    int fd = eddy_io_fd(it);
    eddy_io_stop(it);
    ck_assert_int_eq(eddy_io_start(it, io_restarts_itself, fd, EDDY_READ), 0);
}

START_TEST(a_watcher_that_restarts_itself_is_called_once_a_turn) {
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&io, io_restarts_itself, ends[0], EDDY_READ), 0);
    for (int i = 0; i < 5; i++) {
        turn();
        trace_is("r");
    }
    end();
}
END_TEST

static void hook_starts_hook(eddy_hook *hook) {
    (void)hook;
    note('p');
    if (!eddy_is_active(&second_hook.handle))
        ck_assert_int_eq(eddy_hook_start(&second_hook, EDDY_HOOK_PREPARE, on_second_hook), 0);
}

static void check_starts_hook(eddy_hook *hook) {
    (void)hook;
    note('c');
    if (!eddy_is_active(&second_hook.handle))
        ck_assert_int_eq(eddy_hook_start(&second_hook, EDDY_HOOK_CHECK, on_second_hook), 0);
}

START_TEST(a_hook_started_by_a_hook_is_called_from_the_next_turn_on) {
    begin();
    ck_assert_int_eq(eddy_hook_start(&hooks[0], EDDY_HOOK_PREPARE, hook_starts_hook), 0);
    turn();
    trace_is("p");
    turn();
    trace_is("pP");
    eddy_hook_stop(&hooks[0]);
    eddy_hook_stop(&second_hook);
    ck_assert_int_eq(eddy_hook_start(&hooks[1], EDDY_HOOK_CHECK, check_starts_hook), 0);
    turn();
    trace_is("c");
    turn();
    trace_is("cP");
    end();
}
END_TEST

static void prepare_starts_check(eddy_hook *hook) {
    (void)hook;
    note('p');
    if (!eddy_is_active(&second_hook.handle))
        ck_assert_int_eq(eddy_hook_start(&second_hook, EDDY_HOOK_CHECK, on_second_hook), 0);
}

/* A hook of a kind whose place is still to come is called there. */
START_TEST(a_check_hook_started_by_prepare_is_called_in_the_same_turn) {
    begin();
    ck_assert_int_eq(eddy_hook_start(&hooks[0], EDDY_HOOK_PREPARE, prepare_starts_check), 0);
    turn();
    trace_is("pP");
    turn();
    trace_is("pP");
    end();
}
END_TEST

/* None of the greedy ones keeps the others from being called. A turn with posts at hand may go
 * without a wait, but not two in a row. */
START_TEST(those_who_ask_for_more_starve_nobody) {
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(eddy_timer_start(&timer, timer_again, 0, 0), 0);
    ck_assert_int_eq(eddy_defer_start(&defer, defer_again), 0);
    ck_assert_int_eq(eddy_wake_start(&wake, wake_again), 0);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    eddy_wake_send(&wake);
    for (int i = 0; i < 10; i++) {
        turn();
        if (strchr(trace, 'r') == NULL) {
            trace_is("twd");
            turn();
        }
        trace_is("trwd");
    }
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("phases");
    ck_add(suite, "order", the_phases_run_in_the_documented_order,
           no_callback_runs_inside_an_api_call, what_earlier_phases_defer_runs_in_this_turn);
    ck_add(suite, "snapshot", a_zero_timer_started_by_a_timer_waits_for_the_next_turn,
           a_zero_timer_started_by_a_hook_fires_in_this_turn,
           a_call_deferred_by_a_deferred_call_waits_for_the_next_turn,
           a_post_from_a_posted_call_waits_for_the_next_turn,
           a_stop_that_empties_the_inbox_lets_nothing_into_the_phase,
           a_wake_from_its_own_callback_waits_for_the_next_turn,
           a_signal_raised_in_its_callback_waits_for_the_next_turn,
           a_watcher_started_by_a_watcher_hears_from_the_next_turn_on,
           a_watcher_started_on_the_descriptor_being_told_hears_from_the_next_turn_on,
           a_watcher_started_before_its_neighbour_is_told_hears_from_the_next_turn_on,
           a_watcher_that_restarts_itself_is_called_once_a_turn,
           a_hook_started_by_a_hook_is_called_from_the_next_turn_on,
           a_check_hook_started_by_prepare_is_called_in_the_same_turn,
           those_who_ask_for_more_starve_nobody);
    return suite;
}
