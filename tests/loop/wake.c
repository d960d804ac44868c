/* wake.c: telling a loop from other threads and from signal handlers. */
#include "suite.h"
#include "system.h"
#include "trace.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static eddy_loop *loop;
static eddy_wake a, b;
static int calls;

static void begin(void) {
    trace_clear();
    calls = 0;
    loop = test_loop_open();
    eddy_wake_init(&a, loop);
    eddy_wake_init(&b, loop);
}

static void end(void) {
    eddy_wake_stop(&a);
    eddy_wake_stop(&b);
    test_loop_close(loop);
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void on_wake(eddy_wake *wake) {
    note(wake == &a ? 'a' : 'b');
    calls++;
}

START_TEST(sends_before_the_call_are_one) {
    begin();
    ck_assert_int_eq(eddy_wake_start(&a, on_wake), 0);
    ck_assert_int_eq(eddy_wake_start(&a, on_wake), -EALREADY);
    for (int i = 0; i < 100; i++) eddy_wake_send(&a);
    turn();
    trace_is("a");
    turn();
    trace_is("");
    eddy_wake_send(&a);
    turn();
    trace_is("a");
    end();
}
END_TEST

START_TEST(wakes_come_in_order_of_their_sends) {
    begin();
    ck_assert_int_eq(eddy_wake_start(&a, on_wake), 0);
    ck_assert_int_eq(eddy_wake_start(&b, on_wake), 0);
    eddy_wake_send(&b);
    eddy_wake_send(&a);
    eddy_wake_send(&b);
    turn();
    trace_is("ba");
    end();
}
END_TEST

START_TEST(sends_to_a_stopped_wake_are_lost) {
    begin();
    eddy_wake_send(&a);
    ck_assert_int_eq(eddy_wake_start(&a, on_wake), 0);
    turn();
    trace_is("");
    eddy_wake_stop(&a);
    eddy_wake_send(&a);
    ck_assert_int_eq(eddy_wake_start(&a, on_wake), 0);
    turn();
    trace_is("");
    eddy_wake_send(&a);
    turn();
    trace_is("a");
    end();
}
END_TEST

START_TEST(stop_takes_back_a_send_in_flight) {
    begin();
    ck_assert_int_eq(eddy_wake_start(&a, on_wake), 0);
    ck_assert_int_eq(eddy_wake_start(&b, on_wake), 0);
    eddy_wake_send(&a);
    eddy_wake_send(&b);
    eddy_wake_stop(&a);
    eddy_wake_stop(&a);
    turn();
    trace_is("b");
    ck_assert_int_eq(eddy_wake_start(&a, on_wake), 0);
    turn();
    trace_is("");
    end();
}
END_TEST

static void stop_other(eddy_wake *wake) {
    on_wake(wake);
    eddy_wake_stop(wake == &a ? &b : &a);
}

static void stop_itself(eddy_wake *wake) {
    on_wake(wake);
    eddy_wake_send(wake);
    eddy_wake_stop(wake);
}

START_TEST(a_wake_may_stop_its_neighbour_and_itself) {
    begin();
    ck_assert_int_eq(eddy_wake_start(&a, stop_other), 0);
    ck_assert_int_eq(eddy_wake_start(&b, stop_other), 0);
    eddy_wake_send(&a);
    eddy_wake_send(&b);
    turn();
    turn();
    trace_is("a");
    eddy_wake_stop(&a);
    ck_assert_int_eq(eddy_wake_start(&a, stop_itself), 0);
    ck_assert_int_eq(eddy_wake_start(&b, on_wake), 0);
    eddy_wake_send(&a);
    eddy_wake_send(&b);
    turn();
    turn();
    trace_is("ab");
    end();
}
END_TEST

/* Only the send that finds the waiting marker writes to the pipe, and the loop reads it once, or
 * not at all. */
START_TEST(many_sends_cost_one_read) {
    begin();
    ck_assert_int_eq(eddy_wake_start(&a, on_wake), 0);
    ck_assert_int_eq(eddy_wake_start(&b, on_wake), 0);
    eddy_metrics before, after;
    eddy_loop_read_metrics(loop, &before, sizeof before);
    for (int i = 0; i < 1000; i++) eddy_wake_send(i % 2 == 0 ? &a : &b);
    turn();
    eddy_loop_read_metrics(loop, &after, sizeof after);
    ck_assert_uint_eq(after.wake_reads - before.wake_reads, test_wake_reads());
    ck_assert_uint_eq(after.events - before.events, 1);
    ck_assert_uint_eq(after.completions - before.completions, 2);
    trace_is("ab");
    end();
}
END_TEST

/* --- threads --- */

enum { PRODUCERS = 4, ROUNDS = 20000 };

struct producer {
    eddy_wake wake;
    pthread_t thread;
    bool lockstep;
    unsigned number; /* lockstep: written plainly before the send, read plainly by the call */
    atomic_uint sent, heard;
    unsigned calls;
};

static struct producer producers[PRODUCERS];
static unsigned finished;

static void hear(struct producer *it, unsigned number) {
    it->calls++;
    atomic_store_explicit(&it->heard, number, memory_order_release);
    if (number == ROUNDS && ++finished == PRODUCERS) eddy_loop_stop(loop);
}

static void on_produced(eddy_wake *wake) {
    struct producer *it = eddy_container_of(wake, struct producer, wake);
    unsigned before = atomic_load_explicit(&it->heard, memory_order_relaxed);
    unsigned number =
        it->lockstep ? it->number : atomic_load_explicit(&it->sent, memory_order_relaxed);
    if (it->lockstep) ck_assert_uint_eq(number, before + 1);
    if (number > before) hear(it, number);
}

static void await(struct producer *it, unsigned number) {
    while (atomic_load_explicit(&it->heard, memory_order_acquire) < number) sched_yield();
}

static void *produce(void *argument) {
    struct producer *it = argument;
    for (unsigned i = 1; i <= ROUNDS; i++) {
        if (it->lockstep)
            it->number = i;
        else
            atomic_store_explicit(&it->sent, i, memory_order_relaxed);
        eddy_wake_send(&it->wake);
        /* Every now and then the last word must be heard, or the watchdog bites. */
        if (it->lockstep || i % 64 == 0) await(it, i);
    }
    return NULL;
}

static void bite(eddy_timer *timer) {
    (void)timer;
    ck_abort_msg("a wake-up was lost");
}

static void run_producers(bool lockstep) {
    begin();
    finished = 0;
    eddy_timer watchdog;
    eddy_timer_init(&watchdog, loop);
    ck_assert_int_eq(eddy_timer_start(&watchdog, bite, 50 * EDDY_NS_PER_S, 0), 0);
    for (int i = 0; i < PRODUCERS; i++) {
        memset(&producers[i], 0, sizeof producers[i]);
        producers[i].lockstep = lockstep;
        eddy_wake_init(&producers[i].wake, loop);
        ck_assert_int_eq(eddy_wake_start(&producers[i].wake, on_produced), 0);
        ck_assert_int_eq(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 1);
    for (int i = 0; i < PRODUCERS; i++) {
        ck_assert_int_eq(pthread_join(producers[i].thread, NULL), 0);
        ck_assert_uint_le(producers[i].calls, ROUNDS);
        eddy_wake_stop(&producers[i].wake);
    }
    eddy_timer_stop(&watchdog);
    end();
}

/* They send much faster than the loop listens; what counts is that the last word is heard. */
START_TEST(no_wake_of_four_producers_is_lost) {
    run_producers(false);
}
END_TEST

/* The send is all that orders the plain write before the plain read: TSan watches. */
START_TEST(what_was_written_before_a_send_is_visible_to_the_call) {
    run_producers(true);
}
END_TEST

static void *send_soon(void *argument) {
    sleep_ns(20 * EDDY_NS_PER_MS);
    eddy_wake_send(argument);
    return NULL;
}

START_TEST(a_sleeping_loop_wakes_for_another_thread) {
    begin();
    ck_assert_int_eq(eddy_wake_start(&a, on_wake), 0);
    pthread_t thread;
    unsigned waits = test_metric_waits(loop);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_soon, &a), 0);
    bool woken = false;
    while (!woken) {
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
        woken = calls > 0;
    }
    ck_assert_uint_le(test_metric_waits(loop) - waits, 2);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    end();
}
END_TEST

static void *send_often(void *argument) {
    for (int i = 0; i < 50000; i++) eddy_wake_send(argument);
    return NULL;
}

/* The loop's thread stops and starts the wake while another one sends. */
START_TEST(stop_and_start_race_with_sends) {
    begin();
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, send_often, &a), 0);
    for (int i = 0; i < 2000; i++) {
        ck_assert_int_eq(eddy_wake_start(&a, on_wake), 0);
        if (i % 3 == 0) turn();
        trace_clear();
        eddy_wake_stop(&a);
        int before = calls;
        if (i % 5 == 0) turn();
        ck_assert_int_eq(calls, before);
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    end();
}
END_TEST

/* --- signal handlers --- */

static void handler(int number) {
    (void)number;
    eddy_wake_send(&a);
}

START_TEST(a_signal_handler_may_send) {
    begin();
    struct sigaction action = {.sa_handler = handler}, old;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &old), 0);
    ck_assert_int_eq(eddy_wake_start(&a, on_wake), 0);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(raise(SIGUSR1), 0);
        turn();
        trace_is("a");
    }
    ck_assert_int_eq(sigaction(SIGUSR1, &old, NULL), 0);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("wake");
    ck_add(suite, "send", sends_before_the_call_are_one, wakes_come_in_order_of_their_sends,
           sends_to_a_stopped_wake_are_lost, stop_takes_back_a_send_in_flight,
           a_wake_may_stop_its_neighbour_and_itself, many_sends_cost_one_read);
    ck_add(suite, "threads", no_wake_of_four_producers_is_lost,
           what_was_written_before_a_send_is_visible_to_the_call,
           a_sleeping_loop_wakes_for_another_thread, stop_and_start_race_with_sends);
    ck_add(suite, "handlers", a_signal_handler_may_send);
    return suite;
}
