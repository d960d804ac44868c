/* waiting.c: how long a wait lasts and who has a turn: clause 4 of platform/backend.h. */
#include "backend_common.h"
#include "compiler.h"
#include "contract.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

/* A pipe's reading end that is not ready, so that there is something to wait for. */
struct quiet {
    struct tested *it;
    int ends[2];
};

static struct quiet quiet_open(void) {
    struct quiet quiet = {.it = tested_open()};
    test_pipe(quiet.ends);
    add(quiet.it, quiet.ends[0], EDDY_READ);
    return quiet;
}

static void quiet_close(struct quiet *quiet) {
    tested_close(quiet->it);
    close_both(quiet->ends);
}

/* What the calls get that cannot wait for nanoseconds, and those that refuse long times. */
START_TEST(timeouts_round_up_and_are_clamped) {
    ck_assert_int_eq(backend_timeout_ms(-1), -1);
    ck_assert_int_eq(backend_timeout_ms(0), 0);
    ck_assert_int_eq(backend_timeout_ms(1), 1);
    ck_assert_int_eq(backend_timeout_ms(MS), 1);
    ck_assert_int_eq(backend_timeout_ms(MS + 1), 2);
    ck_assert_int_eq(backend_timeout_ms(INT64_MAX), 24 * 86400 * 1000);
    ck_assert_int_eq(backend_timespec(INT64_MAX).tv_sec, 24 * 86400);
    ck_assert_int_eq(backend_timespec(1).tv_nsec, 1);
    ck_assert_int_eq(backend_timespec(1234567890123).tv_sec, 1234);
    ck_assert_int_eq(backend_timespec(1234567890123).tv_nsec, 567890123);
}
END_TEST

START_TEST(waits_never_end_early) {
    struct quiet quiet = quiet_open();
    const int64_t timeouts_ns[] = {1,      999,    1000,        1001,   123456,
                                   999999, MS + 1, 5700 * 1000, 7 * MS, 30 * MS};
    for (size_t i = 0; i < sizeof timeouts_ns / sizeof timeouts_ns[0]; i++) {
        int64_t start_ns = test_now_ns();
        ck_assert_int_eq(wait_once(quiet.it, 1, timeouts_ns[i]), 0);
        ck_assert_int_ge(test_now_ns() - start_ns, timeouts_ns[i]);
    }
    quiet_close(&quiet);
}
END_TEST

/* Rounded down, the rest of a millisecond is thousands of waits for nothing. */
START_TEST(waits_until_a_deadline_are_few) {
    struct quiet quiet = quiet_open();
    int64_t end_ns = test_now_ns() + 5700 * 1000;
    int waits = 0;
    for (int64_t left_ns; (left_ns = end_ns - test_now_ns()) > 0; waits++)
        wait_once(quiet.it, 1, left_ns);
    ck_assert_int_le(waits, 3);
    quiet_close(&quiet);
}
END_TEST

START_TEST(zero_does_not_wait) {
    struct quiet quiet = quiet_open();
    int64_t start_ns = test_now_ns();
    for (int i = 0; i < 100; i++) ck_assert_int_eq(wait_once(quiet.it, 1, 0), 0);
    ck_assert_int_le(test_now_ns() - start_ns, 1000 * MS);
    quiet_close(&quiet);
}
END_TEST

/* Linux waits for nanoseconds, but through epoll only since 5.11, and not in valgrind. What other
 * systems make of 100 us is their business. */
static bool waits_are_fine(void) {
    if (getenv("EDDY_TEST_PLAIN") != NULL) return false;
#ifdef SYS_epoll_pwait2
    return !is_backend("epoll") || syscall(SYS_epoll_pwait2, -1, NULL, 0, NULL, NULL, 0) == 0 ||
           errno != ENOSYS;
#else
    return false;
#endif
}

/* The quickest of many short waits shows it. */
START_TEST(waits_are_finer_than_a_millisecond_where_the_system_can) {
    if (!waits_are_fine() || IS_SMALL) return;
    struct quiet quiet = quiet_open();
    int64_t least_ns = INT64_MAX;
    for (int i = 0; i < 100; i++) {
        int64_t start_ns = test_now_ns();
        wait_once(quiet.it, 1, MS / 10);
        int64_t took_ns = test_now_ns() - start_ns;
        if (took_ns < least_ns) least_ns = took_ns;
    }
    ck_assert_int_lt(least_ns, MS * 9 / 10);
    quiet_close(&quiet);
}
END_TEST

static void *write_later(void *argument) {
    const int *fd = argument;
    struct timespec pause = {.tv_nsec = 20 * MS};
    nanosleep(&pause, NULL);
    put(*fd, "x");
    return NULL;
}

/* Longer than any system takes: years, and without end. */
START_TEST(long_waits_end_with_the_event) {
    const int64_t timeouts_ns[] = {-1, INT64_MAX, 100 * 86400 * EDDY_NS_PER_S, 60 * EDDY_NS_PER_S};
    for (size_t i = 0; i < sizeof timeouts_ns / sizeof timeouts_ns[0]; i++) {
        struct quiet quiet = quiet_open();
        pthread_t writer;
        ck_assert_int_eq(pthread_create(&writer, NULL, write_later, &quiet.ends[1]), 0);
        int64_t start_ns = test_now_ns();
        ck_assert_uint_eq(told(quiet.it, quiet.ends[0], timeouts_ns[i]), EDDY_READ);
        ck_assert_int_ge(test_now_ns() - start_ns, 10 * MS);
        pthread_join(writer, NULL);
        quiet_close(&quiet);
    }
}
END_TEST

static volatile sig_atomic_t signals;

static void on_alarm(int number) {
    (void)number;
    signals++;
}

START_TEST(signal_ends_a_wait_with_nothing) {
    struct quiet quiet = quiet_open();
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;
    ck_assert_int_eq(sigaction(SIGALRM, &action, &before), 0);
    struct itimerval soon = {.it_value.tv_usec = 20000};
    signals = 0;
    ck_assert_int_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
    int64_t start_ns = test_now_ns();
    /* Twice: the signal may come outside of the wait, and then the next one ends with its time. */
    for (int i = 0; i < 2 && signals == 0; i++)
        ck_assert_int_eq(wait_once(quiet.it, 1, 5 * EDDY_NS_PER_S), 0);
    ck_assert_int_eq(signals, 1);
    ck_assert_int_lt(test_now_ns() - start_ns, 4 * EDDY_NS_PER_S);
    sigaction(SIGALRM, &before, NULL);
    /* Changes that were on their way are not lost with it. */
    put(quiet.ends[1], "x");
    ck_assert_uint_eq(told(quiet.it, quiet.ends[0], -1), EDDY_READ);
    quiet_close(&quiet);
}
END_TEST

START_TEST(changes_survive_an_interrupted_wait) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    fill(ends[0]);
    put(ends[1], "x");
    add(it, ends[0], EDDY_READ);
    modify(it, ends[0], EDDY_READ, EDDY_WRITE);
    struct sigaction action = {.sa_handler = on_alarm}, before;
    ck_assert_int_eq(sigaction(SIGALRM, &action, &before), 0);
    struct itimerval soon = {.it_value.tv_usec = 5000};
    signals = 0;
    ck_assert_int_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
    while (signals == 0) ck_assert_int_eq(wait_once(it, 1, 100 * MS), 0);
    sigaction(SIGALRM, &before, NULL);
    ck_silent(it);
    drain(ends[1]);
    ck_assert_uint_eq(told(it, ends[0], -1), EDDY_WRITE);
    tested_close(it);
    close_both(ends);
}
END_TEST

/* More are ready than fit: what did not fit comes next, whoever else stays ready. */
START_TEST(everyone_has_a_turn_however_little_room_there_is) {
    enum { MANY = 20 };
    for (int capacity = 1; capacity <= MANY + 1; capacity += 3) {
        struct tested *it = tested_open();
        int ends[MANY][2];
        for (int i = 0; i < MANY; i++) {
            test_socket_pair(ends[i]);
            put(ends[i][1], "x");
            add(it, ends[i][0], BOTH);
        }
        unsigned seen[MANY] = {0};
        int records_per_descriptor = can(it, BACKEND_CAN_SPLIT) ? 2 : 1;
        int waits = 2 * (MANY * records_per_descriptor / capacity + 1);
        for (int wait = 0; wait < waits; wait++) {
            wait_once(it, capacity, -1);
            ck_assert_int_gt(it->count, 0);
            for (int i = 0; i < MANY; i++) seen[i] |= told_token(it, token_of(ends[i][0], 1));
        }
        for (int i = 0; i < MANY; i++) ck_assert_uint_eq(seen[i], BOTH);
        tested_close(it);
        for (int i = 0; i < MANY; i++) close_both(ends[i]);
    }
}
END_TEST

/* Nor do removals and additions between the waits make it pass over anyone. */
START_TEST(everyone_has_a_turn_while_others_come_and_go) {
    enum { MANY = 12 };
    struct tested *it = tested_open();
    int ends[MANY][2];
    for (int i = 0; i < MANY; i++) {
        test_pipe(ends[i]);
        put(ends[i][1], "x");
        add(it, ends[i][0], EDDY_READ);
    }
    unsigned seen[MANY] = {0};
    for (int wait = 0; wait < 20 * MANY; wait++) {
        ck_assert_int_eq(wait_once(it, 1, -1), 1);
        for (int i = 0; i < MANY; i++) seen[i] |= told_token(it, token_of(ends[i][0], 1));
        int comes_and_goes = wait % (MANY / 2);
        remove_fd(it, ends[comes_and_goes][0], EDDY_READ);
        add(it, ends[comes_and_goes][0], EDDY_READ);
    }
    for (int i = MANY / 2; i < MANY; i++) ck_assert_uint_eq(seen[i], EDDY_READ);
    tested_close(it);
    for (int i = 0; i < MANY; i++) close_both(ends[i]);
}
END_TEST

/* More changes on their way than there is room for records. */
START_TEST(many_changes_pass_through_a_narrow_wait) {
    enum { MANY = 30 };
    struct tested *it = tested_open();
    int ends[MANY][2];
    for (int i = 0; i < MANY; i++) {
        test_socket_pair(ends[i]);
        add(it, ends[i][0], EDDY_READ);
    }
    for (int i = 0; i < MANY; i++) modify(it, ends[i][0], EDDY_READ, EDDY_WRITE);
    unsigned seen[MANY] = {0};
    for (int wait = 0; wait < 4 * MANY; wait++) {
        wait_once(it, 1, -1);
        for (int i = 0; i < MANY; i++) seen[i] |= told_token(it, token_of(ends[i][0], 1));
    }
    for (int i = 0; i < MANY; i++) ck_assert_uint_eq(seen[i], EDDY_WRITE);
    for (int i = 0; i < MANY; i++) modify(it, ends[i][0], EDDY_WRITE, EDDY_READ);
    int64_t start_ns = test_now_ns();
    ck_assert_int_eq(wait_once(it, 1, 5 * MS), 0);
    ck_assert_int_ge(test_now_ns() - start_ns, 5 * MS);
    for (int i = 0; i < MANY; i++) remove_fd(it, ends[i][0], EDDY_READ);
    tested_close(it);
    for (int i = 0; i < MANY; i++) close_both(ends[i]);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("contract/waiting");
    ck_add(suite, "time", timeouts_round_up_and_are_clamped, waits_never_end_early,
           waits_until_a_deadline_are_few, zero_does_not_wait,
           waits_are_finer_than_a_millisecond_where_the_system_can, long_waits_end_with_the_event,
           signal_ends_a_wait_with_nothing, changes_survive_an_interrupted_wait);
    ck_add(suite, "fairness", everyone_has_a_turn_however_little_room_there_is,
           everyone_has_a_turn_while_others_come_and_go, many_changes_pass_through_a_narrow_wait);
    return suite;
}
