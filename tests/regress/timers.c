/* timers.c: what deadlines have done to event loops, and what must hold instead. */
#include "suite.h"
#include "system.h"
#include "trace.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

static eddy_loop *loop;
static eddy_timer timer;
static int calls;

static void begin(void) {
    trace_clear();
    calls = 0;
    loop = test_loop_open();
    eddy_timer_init(&timer, loop);
}

static void end(void) {
    eddy_timer_stop(&timer);
    test_loop_close(loop);
}

static void on_timer(eddy_timer *it) {
    (void)it;
    calls++;
}

static void again(eddy_timer *it) {
    calls++;
    ck_assert_int_eq(eddy_timer_start(it, again, 0, 0), 0);
}

static void read_one(eddy_io *io, unsigned events) {
    (void)events;
    char byte;
    ck_assert_int_eq((int)read(eddy_io_fd(io), &byte, 1), 1);
    note('r');
    if (trace_length < 10) return;
    eddy_io_stop(io);
    eddy_timer_stop(&timer);
}

START_TEST(a_zero_timer_that_restarts_itself_does_not_starve_a_pipe) {
    begin();
    int ends[2];
    test_pipe(ends);
    put(ends[1], "0123456789");
    eddy_io io;
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, read_one, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, again, 0, 0), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    trace_is("rrrrrrrrrr");
    ck_assert_int_le(calls, 12);
    close_both(ends);
    end();
}
END_TEST

/* A time-out cut down to whole milliseconds makes the loop spin through the last one. */
START_TEST(waiting_for_a_fraction_of_a_millisecond_does_not_spin) {
    begin();
    static const int64_t delays_ns[] = {5700000, 900000, 999999, 1000001, 20500000};
    for (int i = 0; i < 5; i++) {
        unsigned waits = test_metric_waits(loop);
        eddy_loop_update_now(loop);
        ck_assert_int_eq(eddy_timer_start(&timer, on_timer, delays_ns[i], 0), 0);
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
        ck_assert_uint_eq(test_metric_waits(loop) - waits, 1);
    }
    ck_assert_int_eq(calls, 5);
    end();
}
END_TEST

static void busy_then_start(eddy_timer *it) {
    (void)it;
    static eddy_timer late;
    sleep_ns(30 * EDDY_NS_PER_MS);
    eddy_timer_init(&late, loop);
    ck_assert_int_eq(eddy_timer_start(&late, on_timer, 10 * EDDY_NS_PER_MS, 0), 0);
    ck_assert_int_lt(eddy_timer_due_ns(&late), test_now_ns());
    int64_t now_ns = test_now_ns();
    eddy_loop_update_now(loop);
    ck_assert_int_eq(eddy_timer_start(&late, on_timer, 10 * EDDY_NS_PER_MS, 0), 0);
    ck_assert_int_ge(eddy_timer_due_ns(&late), now_ns + 10 * EDDY_NS_PER_MS);
}

/* Delays count from the cached time, which a long callback has left behind, until it is updated. */
START_TEST(a_long_callback_updates_the_time_before_it_starts_a_timer) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timer, busy_then_start, 0, 0), 0);
    int64_t start_ns = test_now_ns();
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_ge(test_now_ns() - start_ns, 39 * EDDY_NS_PER_MS);
    ck_assert_int_eq(calls, 1);
    end();
}
END_TEST

static eddy_wake wake;

static void on_wake(eddy_wake *it) {
    (void)it;
    note('w');
}

static void *send_soon(void *argument) {
    (void)argument;
    sleep_ns(30 * EDDY_NS_PER_MS);
    eddy_wake_send(&wake);
    return NULL;
}

/* Milliseconds in an int end after 24.8 days, seconds in 32 bits later. Whatever the number, the
 * loop sleeps, without an error and without spinning. */
START_TEST(a_distant_deadline_neither_overflows_nor_spins) {
    begin();
    eddy_wake_init(&wake, loop);
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    static const int64_t day_ns = 86400 * EDDY_NS_PER_S;
    const int64_t delays_ns[] = {24 * day_ns,
                                 25 * day_ns,
                                 50 * day_ns,
                                 INT64_C(1) << 52,
                                 INT64_C(1) << 61,
                                 INT64_MAX / 2,
                                 INT64_MAX - 1000,
                                 INT64_MAX - 1,
                                 INT64_MAX,
                                 2147483648 * EDDY_NS_PER_MS,
                                 4294967296 * EDDY_NS_PER_MS,
                                 2147483648 * EDDY_NS_PER_S,
                                 4294967296 * EDDY_NS_PER_S};
    for (size_t i = 0; i < sizeof delays_ns / sizeof delays_ns[0]; i++) {
        ck_assert_int_eq(eddy_timer_start(&timer, on_timer, delays_ns[i], 0), 0);
        pthread_t thread;
        unsigned waits = test_metric_waits(loop);
        int64_t start_ns = test_now_ns();
        ck_assert_int_eq(pthread_create(&thread, NULL, send_soon, NULL), 0);
        while (trace_length == 0) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
        ck_assert_int_ge(test_now_ns() - start_ns, 25 * EDDY_NS_PER_MS);
        ck_assert_uint_le(test_metric_waits(loop) - waits, 2);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        trace_is("w");
    }
    ck_assert_int_eq(calls, 0);
    eddy_wake_stop(&wake);
    end();
}
END_TEST

START_TEST(a_stopped_timer_does_not_wake_the_loop) {
    begin();
    eddy_timer stopped[20];
    for (int i = 0; i < 20; i++) {
        eddy_timer_init(&stopped[i], loop);
        ck_assert_int_eq(eddy_timer_start(&stopped[i], on_timer, (i + 1) * EDDY_NS_PER_MS, 0), 0);
    }
    for (int i = 0; i < 20; i++) eddy_timer_stop(&stopped[i]);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 50 * EDDY_NS_PER_MS, 0), 0);
    unsigned waits = test_metric_waits(loop);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_uint_eq(test_metric_waits(loop) - waits, 1);
    ck_assert_int_eq(calls, 1);
    end();
}
END_TEST

static int64_t last_turn_ns;

static void once_a_turn(eddy_timer *it) {
    ck_assert_int_gt(eddy_loop_now_ns(loop), last_turn_ns);
    last_turn_ns = eddy_loop_now_ns(loop);
    ck_assert_int_ge(test_now_ns(), last_turn_ns);
    if (++calls == 50) eddy_timer_stop(it);
}

/* A period shorter than a turn: never twice in a turn, never ahead of time. */
START_TEST(a_short_period_fires_at_most_once_a_turn) {
    begin();
    last_turn_ns = 0;
    ck_assert_int_eq(eddy_timer_start(&timer, once_a_turn, 1, 1000), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(calls, 50);
    end();
}
END_TEST

static volatile sig_atomic_t interruptions;

static void interrupt(int number) {
    (void)number;
    interruptions++;
}

/* Each signal ends the wait, SA_RESTART or not: the next one must be for the rest of the time. */
START_TEST(interrupted_waits_neither_shorten_nor_prolong_a_deadline) {
    for (int flags = 0; flags < 2; flags++) {
        begin();
        struct sigaction action = {.sa_handler = interrupt, .sa_flags = flags ? SA_RESTART : 0};
        struct sigaction old;
        interruptions = 0;
        ck_assert_int_eq(sigaction(SIGALRM, &action, &old), 0);
        struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
        ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
        eddy_loop_update_now(loop);
        ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 100 * EDDY_NS_PER_MS, 0), 0);
        int64_t due_ns = eddy_timer_due_ns(&timer);
        ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
        int64_t late_ns = test_now_ns() - due_ns;
        ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
        ck_assert_int_eq(sigaction(SIGALRM, &old, NULL), 0);
        ck_assert_int_eq(calls, 1);
        ck_assert_int_ge(late_ns, 0);
        /* Waiting for all of it again after each signal would never end. */
        ck_assert_int_lt(late_ns, 2 * EDDY_NS_PER_S);
        ck_assert_int_ge((int)interruptions, 1);
        end();
    }
}
END_TEST

/* --- Outside of callbacks --- */

static int64_t fired_ns;

static void note_time(eddy_timer *it) {
    (void)it;
    fired_ns = test_now_ns();
    calls++;
}

static void be_busy(int64_t time_ns) {
    for (int64_t until_ns = test_now_ns() + time_ns; test_now_ns() < until_ns;) continue;
}

/* What a program sets up before it runs its loop takes time, and so may what it does between two
 * runs: the turn's time is then an old one, and no delay may count from it. */
START_TEST(a_timer_started_outside_of_callbacks_is_never_early) {
    begin();
    for (int round = 0; round < 3; round++) {
        be_busy(30 * EDDY_NS_PER_MS);
        int64_t started_ns = test_now_ns(); /* and nothing has asked the loop for the time */
        if (round < 2)
            ck_assert_int_eq(eddy_timer_start(&timer, note_time, 20 * EDDY_NS_PER_MS, 0), 0);
        else
            ck_assert_int_eq(
                eddy_timer_start_at(&timer, note_time, started_ns + 20 * EDDY_NS_PER_MS, 0), 0);
        ck_assert_int_ge(eddy_timer_due_ns(&timer), started_ns + 20 * EDDY_NS_PER_MS);
        ck_assert_int_ge(eddy_loop_now_ns(loop), started_ns);
        ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
        ck_assert_int_eq(calls, round + 1);
        ck_assert_int_ge(fired_ns - started_ns, 20 * EDDY_NS_PER_MS);
    }
    end();
}
END_TEST

/* The same for the deadline of a stream, which has a timer of its own. */
static ssize_t verdict;

static void on_late(eddy_stream *stream, void *data, ssize_t size) {
    (void)stream, (void)data;
    verdict = size;
    fired_ns = test_now_ns();
}

START_TEST(a_deadline_set_outside_of_callbacks_is_never_early) {
    begin();
    int ends[2];
    eddy_stream stream;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    eddy_stream_init(&stream, loop);
    ck_assert_int_eq(eddy_stream_attach(&stream, ends[0]), 0);
    ck_assert_int_eq(eddy_stream_read_start(&stream, on_late), 0);
    be_busy(30 * EDDY_NS_PER_MS);
    int64_t started_ns = test_now_ns();
    ck_assert_int_eq(eddy_stream_set_read_deadline(&stream, 20 * EDDY_NS_PER_MS), 0);
    verdict = 0;
    while (verdict == 0) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_int_eq(verdict, -ETIMEDOUT);
    ck_assert_int_ge(fired_ns - started_ns, 20 * EDDY_NS_PER_MS);
    ck_assert_int_eq(eddy_stream_close(&stream, NULL), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    close(ends[1]);
    end();
}
END_TEST

/* An absolute deadline that has passed is due now: it fires in the next phase of timers, and keeps
 * none of those that were due before it from firing in theirs. */
static eddy_timer past;

static void on_note(eddy_timer *it) {
    (void)it;
    note('n');
}

static void on_second(eddy_timer *it) {
    (void)it;
    note('s');
}

static void start_in_the_past(eddy_timer *it) {
    note('a');
    ck_assert_int_eq(eddy_timer_start_at(&past, on_note, 0, 0), 0);
    (void)it;
}

START_TEST(a_deadline_in_the_past_overtakes_nobody) {
    begin();
    eddy_timer second;
    eddy_timer_init(&second, loop);
    eddy_timer_init(&past, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, start_in_the_past, 0, 0), 0);
    ck_assert_int_eq(eddy_timer_start(&second, on_second, 0, 0), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_ONCE), 1);
    ck_assert_str_eq(trace, "as");
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_str_eq(trace, "asn");
    ck_assert_int_eq(eddy_timer_start_at(&past, on_note, 0, -1), -EINVAL);
    ck_assert_int_eq(eddy_timer_start_at(&past, on_note, INT64_MAX, 0), 0);
    ck_assert_int_eq(eddy_timer_due_ns(&past), INT64_MAX);
    eddy_timer_stop(&past);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("timers");
    ck_add(suite, "starve", a_zero_timer_that_restarts_itself_does_not_starve_a_pipe,
           a_short_period_fires_at_most_once_a_turn);
    ck_add(suite, "wait", waiting_for_a_fraction_of_a_millisecond_does_not_spin,
           a_distant_deadline_neither_overflows_nor_spins, a_stopped_timer_does_not_wake_the_loop,
           interrupted_waits_neither_shorten_nor_prolong_a_deadline);
    ck_add(suite, "clock", a_long_callback_updates_the_time_before_it_starts_a_timer,
           a_timer_started_outside_of_callbacks_is_never_early,
           a_deadline_set_outside_of_callbacks_is_never_early,
           a_deadline_in_the_past_overtakes_nobody);
    return suite;
}
