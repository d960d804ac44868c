/* signal.c: signals as callbacks: counted watchers, restored dispositions, nothing after stop. */
#include "suite.h"
#include "system.h"
#include "trace.h"

#include <signal.h>

static eddy_loop *loop, *second;
static eddy_signal a, b, c;
static int calls;

static void begin(void) {
    trace_clear();
    calls = 0;
    loop = test_loop_open();
    second = test_loop_open();
    eddy_signal_init(&a, loop);
    eddy_signal_init(&b, loop);
    eddy_signal_init(&c, second);
}

static void end(void) {
    eddy_signal_stop(&a);
    eddy_signal_stop(&b);
    eddy_signal_stop(&c);
    test_loop_close(loop);
    test_loop_close(second);
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_ge(eddy_loop_run(second, EDDY_RUN_NOWAIT), 0);
}

static void on_signal(eddy_signal *watcher, int number) {
    note(watcher == &a ? 'a' : watcher == &b ? 'b' : 'c');
    ck_assert(number == SIGUSR1 || number == SIGUSR2);
    calls++;
}

static void start(eddy_signal *watcher, int number) {
    ck_assert_int_eq(eddy_signal_start(watcher, on_signal, number), 0);
}

START_TEST(a_signal_is_told_to_its_watcher) {
    begin();
    start(&a, SIGUSR1);
    ck_assert_int_eq(eddy_signal_start(&a, on_signal, SIGUSR1), -EALREADY);
    ck_assert_int_eq(eddy_signal_start(&a, on_signal, SIGUSR2), -EALREADY);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    trace_is("");
    turn();
    trace_is("a");
    turn();
    trace_is("");
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
    turn();
    trace_is("a");
    end();
}
END_TEST

START_TEST(signals_coalesce_into_at_least_one_call) {
    begin();
    start(&a, SIGUSR1);
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(raise(SIGUSR1), 0);
    turn();
    turn();
    ck_assert_int_ge(calls, 1);
    ck_assert_int_le(calls, 2);
    end();
}
END_TEST

START_TEST(all_watchers_of_a_number_are_told_in_all_loops) {
    begin();
    start(&a, SIGUSR1);
    start(&b, SIGUSR1);
    start(&c, SIGUSR1);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    turn();
    ck_assert_uint_eq(trace_length, 3);
    ck_assert(strchr(trace, 'a') && strchr(trace, 'b') && strchr(trace, 'c'));
    trace_clear();
    eddy_signal_stop(&a);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    turn();
    trace_is("bc");
    eddy_signal_stop(&c);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    turn();
    trace_is("b");
    end();
}
END_TEST

START_TEST(each_number_has_its_own_watchers) {
    begin();
    start(&a, SIGUSR1);
    start(&b, SIGUSR2);
    ck_assert_int_eq(raise(SIGUSR2), 0);
    turn();
    trace_is("b");
    eddy_signal_stop(&b);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    turn();
    trace_is("a");
    end();
}
END_TEST

/* Four watchers in two loops stop in each of the 24 orders, and one starts anew in between: those
 * that are left are told, and nobody else. */
START_TEST(watchers_may_stop_in_any_order) {
    for (int order = 0; order < 24; order++) {
        begin();
        eddy_signal fourth;
        eddy_signal_init(&fourth, second);
        eddy_signal *left[] = {&a, &b, &c, &fourth};
        for (int i = 0; i < 4; i++) start(left[i], SIGUSR1);
        for (int count = 4, rest = order; count > 0; rest /= count, count--) {
            eddy_signal *leaves = left[rest % count];
            left[rest % count] = left[count - 1];
            eddy_signal_stop(leaves);
            start(leaves, SIGUSR1);
            eddy_signal_stop(leaves);
            calls = 0;
            if (count > 1) ck_assert_int_eq(raise(SIGUSR1), 0);
            turn();
            ck_assert_int_eq(calls, count - 1);
        }
        end();
    }
}
END_TEST

/* 128 is a signal on FreeBSD. */
START_TEST(what_cannot_be_caught_is_invalid) {
    begin();
    static const int wrong[] = {0, -1, -9, SIGKILL, SIGSTOP, 129, 1000, 1 << 30};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(eddy_signal_start(&a, on_signal, wrong[i]), -EINVAL);
        ck_assert(!eddy_is_active(&a.handle));
    }
    start(&a, SIGUSR1);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    turn();
    trace_is("a");
    end();
}
END_TEST

/* --- dispositions --- */

static volatile sig_atomic_t own_handler_calls;

static void own_handler(int number) {
    (void)number;
    own_handler_calls++;
}

static void expect_handler(int number, void (*handler)(int)) {
    struct sigaction now;
    ck_assert_int_eq(sigaction(number, NULL, &now), 0);
    ck_assert(now.sa_handler == handler);
}

/* Whatever was there comes back with the last watcher, in any order of stops, not before. */
START_TEST(the_disposition_comes_back_with_the_last_watcher) {
    void (*const handlers[])(int) = {SIG_DFL, SIG_IGN, own_handler};
    for (int i = 0; i < 3; i++) {
        for (int order = 0; order < 3; order++) {
            begin();
            struct sigaction action = {.sa_handler = handlers[i], .sa_flags = SA_NODEFER}, old;
            sigaddset(&action.sa_mask, SIGUSR2);
            ck_assert_int_eq(sigaction(SIGUSR1, &action, &old), 0);
            eddy_signal *const all[] = {&a, &b, &c};
            for (int j = 0; j < 3; j++) start(all[j], SIGUSR1);
            for (int j = 0; j < 3; j++) {
                struct sigaction now;
                ck_assert_int_eq(sigaction(SIGUSR1, NULL, &now), 0);
                ck_assert(now.sa_handler != handlers[i]);
                ck_assert((now.sa_flags & SA_RESTART) != 0);
                eddy_signal_stop(all[(order + j) % 3]);
            }
            struct sigaction now;
            ck_assert_int_eq(sigaction(SIGUSR1, NULL, &now), 0);
            ck_assert(now.sa_handler == handlers[i]);
            ck_assert((now.sa_flags & SA_NODEFER) != 0);
            ck_assert_int_eq(sigismember(&now.sa_mask, SIGUSR2), 1);
            ck_assert_int_eq(sigaction(SIGUSR1, &old, NULL), 0);
            end();
        }
    }
}
END_TEST

START_TEST(a_failed_start_changes_no_disposition) {
    begin();
    ck_assert_int_eq(eddy_signal_start(&a, on_signal, 1000), -EINVAL);
    start(&a, SIGUSR1);
    eddy_signal_stop(&a);
    expect_handler(SIGUSR1, SIG_DFL);
    expect_handler(SIGUSR2, SIG_DFL);
    end();
}
END_TEST

START_TEST(the_earlier_handler_works_again_after_the_last_stop) {
    begin();
    struct sigaction action = {.sa_handler = own_handler}, old;
    own_handler_calls = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &old), 0);
    start(&a, SIGUSR1);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(own_handler_calls, 0);
    eddy_signal_stop(&a);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(own_handler_calls, 1);
    turn();
    trace_is("");
    ck_assert_int_eq(sigaction(SIGUSR1, &old, NULL), 0);
    end();
}
END_TEST

static struct sigaction passed_on;

static void pass_on(int number) {
    own_handler_calls++;
    if (passed_on.sa_handler != SIG_DFL) passed_on.sa_handler(number);
}

/* Somebody installs a handler over ours, and calls ours from it. It is no business of ours to take
 * it away: it stays, with watchers and without. */
START_TEST(a_handler_that_was_installed_later_stays) {
    begin();
    struct sigaction action = {.sa_handler = pass_on}, old;
    own_handler_calls = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &old), 0);
    start(&a, SIGUSR1);
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &passed_on), 0);
    start(&b, SIGUSR1); /* hears what is passed on, as the first one does */
    ck_assert_int_eq(raise(SIGUSR1), 0);
    turn();
    trace_is("ba");
    eddy_signal_stop(&a);
    eddy_signal_stop(&b);
    expect_handler(SIGUSR1, pass_on);
    ck_assert_int_eq(raise(SIGUSR1), 0); /* and what is passed on finds nobody */
    turn();
    trace_is("");
    ck_assert_int_eq(own_handler_calls, 2);
    start(&a, SIGUSR1); /* the first of a number is installed over whatever is there */
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(own_handler_calls, 2);
    turn();
    trace_is("a");
    eddy_signal_stop(&a);
    expect_handler(SIGUSR1, pass_on);
    ck_assert_int_eq(sigaction(SIGUSR1, &old, NULL), 0);
    end();
}
END_TEST

/* --- stop --- */

START_TEST(stop_takes_back_a_signal_in_flight) {
    begin();
    start(&a, SIGUSR1);
    start(&c, SIGUSR1);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    eddy_signal_stop(&a);
    eddy_signal_stop(&a);
    turn();
    trace_is("c");
    start(&a, SIGUSR1);
    turn();
    trace_is("");
    end();
}
END_TEST

static eddy_signal *target;

static void stop_target(eddy_signal *watcher, int number) {
    on_signal(watcher, number);
    eddy_signal_stop(target);
}

START_TEST(a_signal_callback_may_stop_itself_and_its_neighbour) {
    begin();
    ck_assert_int_eq(eddy_signal_start(&a, stop_target, SIGUSR1), 0);
    ck_assert_int_eq(eddy_signal_start(&b, stop_target, SIGUSR1), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    target = &a;
    turn();
    /* Who goes first is not promised, but b is heard in any case. */
    ck_assert_ptr_nonnull(strchr(trace, 'b'));
    ck_assert(!eddy_is_active(&a.handle));
    trace_clear();
    ck_assert_int_eq(raise(SIGUSR1), 0);
    target = &b;
    turn();
    trace_is("b");
    ck_assert(!eddy_loop_is_alive(loop));
    expect_handler(SIGUSR1, SIG_DFL);
    end();
}
END_TEST

/* --- the place in the turn --- */

static eddy_post posts[3];
static eddy_wake wake;

static void on_post(eddy_post *post) {
    (void)post;
    note('p');
}

static void on_wake(eddy_wake *it) {
    (void)it;
    note('w');
}

/* However they arrive, signals run after the other calls of the phase. */
START_TEST(signals_run_last_in_their_phase) {
    begin();
    eddy_wake_init(&wake, loop);
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    start(&a, SIGUSR1);
    start(&b, SIGUSR2);
    eddy_loop_post(loop, &posts[0], on_post);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    eddy_wake_send(&wake);
    ck_assert_int_eq(raise(SIGUSR2), 0);
    eddy_loop_post(loop, &posts[1], on_post);
    turn();
    trace_is("pwpab");
    eddy_wake_stop(&wake);
    end();
}
END_TEST

START_TEST(a_signal_wakes_a_sleeping_loop) {
    begin();
    start(&a, SIGUSR1);
    pid_t parent = getpid(), child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        sleep_ns(20 * EDDY_NS_PER_MS);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    for (int i = 0; i < 10 && calls == 0; i++)
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    trace_is("a");
    child_is_content(child);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("signal");
    ck_add(suite, "watch", a_signal_is_told_to_its_watcher, signals_coalesce_into_at_least_one_call,
           all_watchers_of_a_number_are_told_in_all_loops, each_number_has_its_own_watchers,
           watchers_may_stop_in_any_order, what_cannot_be_caught_is_invalid);
    ck_add(suite, "disposition", the_disposition_comes_back_with_the_last_watcher,
           a_failed_start_changes_no_disposition,
           the_earlier_handler_works_again_after_the_last_stop,
           a_handler_that_was_installed_later_stays);
    ck_add(suite, "stop", stop_takes_back_a_signal_in_flight,
           a_signal_callback_may_stop_itself_and_its_neighbour);
    ck_add(suite, "turn", signals_run_last_in_their_phase, a_signal_wakes_a_sleeping_loop);
    return suite;
}
