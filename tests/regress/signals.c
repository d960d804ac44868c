/* signals.c: what signals have done to event loops, and what must hold instead. */
#include "sanitized.h"
#include "suite.h"
#include "system.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static eddy_loop *loop;
static int calls;

static void on_signal(eddy_signal *watcher, int number) {
    (void)watcher;
    (void)number;
    calls++;
}

/* The loop is stalled while a million signals come in: the sender is not blocked, nothing
 * overflows, and the loop hears at least once of each number. */
START_TEST(a_flood_of_signals_at_a_stalled_loop_is_heard) {
    loop = test_loop_open();
    eddy_signal first, second;
    calls = 0;
    eddy_signal_init(&first, loop);
    eddy_signal_init(&second, loop);
    ck_assert_int_eq(eddy_signal_start(&first, on_signal, SIGUSR1), 0);
    ck_assert_int_eq(eddy_signal_start(&second, on_signal, SIGUSR2), 0);
    int64_t end_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    int count = IS_SANITIZED ? 100000 : 1000000;
    for (int i = 0; i < count && test_now_ns() < end_ns; i++)
        ck_assert_int_eq(kill(getpid(), i % 2 == 0 ? SIGUSR1 : SIGUSR2), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
    ck_assert_int_eq(calls, 2);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
    ck_assert_int_eq(calls, 2);
    eddy_signal_stop(&first);
    eddy_signal_stop(&second);
    test_loop_close(loop);
}
END_TEST

/* The signal is in flight when its watcher goes, and its loop with it: all in one turn. */
static eddy_signal *going;

static void raise_and_stop(eddy_timer *timer) {
    (void)timer;
    ck_assert_int_eq(raise(SIGUSR1), 0);
    eddy_signal_stop(going);
    memset(going, 0xa5, sizeof *going);
}

START_TEST(a_watcher_stopped_with_a_signal_in_flight_is_not_told) {
    loop = test_loop_open();
    eddy_signal watcher;
    eddy_timer timer;
    calls = 0;
    going = &watcher;
    for (int i = 0; i < 3; i++) {
        eddy_signal_init(&watcher, loop);
        eddy_timer_init(&timer, loop);
        ck_assert_int_eq(eddy_signal_start(&watcher, on_signal, SIGUSR1), 0);
        ck_assert_int_eq(eddy_timer_start(&timer, raise_and_stop, 0, 0), 0);
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    }
    ck_assert_int_eq(calls, 0);
    test_loop_close(loop);
}
END_TEST

/* The code that a signal interrupts finds its errno as it left it. */
START_TEST(errno_survives_in_interrupted_code) {
    loop = test_loop_open();
    eddy_signal watcher;
    eddy_signal_init(&watcher, loop);
    ck_assert_int_eq(eddy_signal_start(&watcher, on_signal, SIGUSR1), 0);
    for (int i = 0; i < 10; i++) {
        errno = 77 + i;
        raise(SIGUSR1);
        int after = errno;
        ck_assert_int_eq(after, 77 + i);
        if (i % 3 == 0) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
    }
    eddy_signal_stop(&watcher);
    test_loop_close(loop);
}
END_TEST

/* --- four loops in four threads --- */

enum { LOOPS = 4, ROUNDS = 300 };

struct stormy {
    pthread_t thread;
    eddy_loop *loop;
    eddy_signal watchers[3];
    int told;
    int failed;
};

static struct stormy storms[LOOPS];
static atomic_bool storming;

static void on_storm(eddy_signal *watcher, int number) {
    struct stormy *it = NULL;
    for (int i = 0; i < LOOPS; i++)
        for (int j = 0; j < 3; j++)
            if (watcher == &storms[i].watchers[j]) it = &storms[i];
    if (it == NULL || number != SIGUSR1)
        storms[0].failed = __LINE__;
    else
        it->told++;
}

static void *ride(void *argument) {
    struct stormy *it = argument;
    for (int i = 0; i < ROUNDS && it->failed == 0; i++) {
        for (int j = 0; j < 3; j++)
            if (eddy_signal_start(&it->watchers[j], on_storm, SIGUSR1) != 0) it->failed = __LINE__;
        pthread_kill(pthread_self(), SIGUSR1);
        if (test_run(it->loop, EDDY_RUN_NOWAIT) < 0) it->failed = __LINE__;
        for (int j = 0; j < 3; j++) eddy_signal_stop(&it->watchers[(i + j) % 3]);
        int told = it->told;
        if (test_run(it->loop, EDDY_RUN_NOWAIT) != 0) it->failed = __LINE__;
        if (it->told != told) it->failed = __LINE__;
        if (eddy_loop_verify(it->loop, NULL) != 0) it->failed = __LINE__;
    }
    return NULL;
}

static void bystander(int number) {
    (void)number;
}

/* Four loops start and stop watchers of one number while signals rain on the process. After it all,
 * the handler that was there before is back. */
START_TEST(watchers_come_and_go_in_four_loops_while_signals_rain) {
    struct sigaction action = {.sa_handler = bystander}, old, now;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &old), 0);
    atomic_store(&storming, true);
    for (int i = 0; i < LOOPS; i++) {
        struct stormy *it = &storms[i];
        memset(it, 0, sizeof *it);
        eddy_loop_config config = {.backend = test_backend};
        ck_assert_int_eq(eddy_loop_open(&it->loop, &config), 0);
        for (int j = 0; j < 3; j++) eddy_signal_init(&it->watchers[j], it->loop);
    }
    pid_t parent = getpid(), rain = fork();
    ck_assert_int_ge(rain, 0);
    if (rain == 0) {
        for (int i = 0; i < 20000 && getppid() == parent; i++) {
            kill(parent, SIGUSR1);
            if (i % 10 == 0) sleep_ns(50 * EDDY_NS_PER_US);
        }
        _exit(0);
    }
    for (int i = 0; i < LOOPS; i++)
        ck_assert_int_eq(pthread_create(&storms[i].thread, NULL, ride, &storms[i]), 0);
    for (int i = 0; i < LOOPS; i++) ck_assert_int_eq(pthread_join(storms[i].thread, NULL), 0);
    ck_assert_int_eq(kill(rain, SIGKILL), 0);
    int status;
    while (waitpid(rain, &status, 0) < 0) ck_assert_int_eq(errno, EINTR);
    for (int i = 0; i < LOOPS; i++) {
        ck_assert_msg(storms[i].failed == 0, "loop %d failed at line %d", i, storms[i].failed);
        ck_assert_int_gt(storms[i].told, 0);
        ck_assert_int_eq(eddy_loop_close(storms[i].loop), 0);
    }
    ck_assert_int_eq(sigaction(SIGUSR1, &old, &now), 0);
    ck_assert(now.sa_handler == bystander);
}
END_TEST

/* --- any thread --- */

static void *take_signals(void *argument) {
    (void)argument;
    while (atomic_load(&storming)) sched_yield();
    return NULL;
}

/* The loop's thread blocks the signal, so another thread runs the handler. */
START_TEST(a_signal_that_another_thread_takes_reaches_the_loop) {
    loop = test_loop_open();
    eddy_signal watcher;
    calls = 0;
    atomic_store(&storming, true);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, take_signals, NULL), 0);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    eddy_signal_init(&watcher, loop);
    ck_assert_int_eq(eddy_signal_start(&watcher, on_signal, SIGUSR1), 0);
    for (int i = 1; i <= 20; i++) {
        ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
        while (calls < i) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    }
    atomic_store(&storming, false);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    eddy_signal_stop(&watcher);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("signals");
    ck_add(suite, "flight", a_flood_of_signals_at_a_stalled_loop_is_heard,
           a_watcher_stopped_with_a_signal_in_flight_is_not_told,
           errno_survives_in_interrupted_code);
    ck_add(suite, "threads", watchers_come_and_go_in_four_loops_while_signals_rain,
           a_signal_that_another_thread_takes_reaches_the_loop);
    return suite;
}
