/* accept_faults.c: what accept may say, put into its mouth. The link replaces eddy_os_accept by the
 * function below. */
#include "net.h"

int __real_eddy_os_accept(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_eddy_os_accept(int fd, struct sockaddr *address, socklen_t *length);

static int fault, faults_left;
static int rounds_left, faults_a_round, between; /* what is said between the rounds; 0: the truth */

int __wrap_eddy_os_accept(int fd, struct sockaddr *address, socklen_t *length) {
    if (faults_left > 0) {
        faults_left--;
        return fault;
    }
    if (rounds_left > 0) {
        rounds_left--;
        faults_left = faults_a_round;
        if (between != 0) return between;
    }
    return __real_eddy_os_accept(fd, address, length);
}

static int accepted, failed, expected;
static bool told, closed;

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)listener, (void)peer;
    if (fd < 0) {
        failed = fd;
    } else {
        close(fd);
        accepted++;
    }
    told = fd < 0 || accepted == expected;
}

static void on_closed(eddy_listener *listener) {
    (void)listener;
    closed = true;
}

struct outcome {
    int accepted, failed;
    int64_t time_ns;
    eddy_metrics metrics;
};

/* So many clients, and an accept that says `error` so many times before. */
static struct outcome serve(int clients, int error, int times) {
    enum { CLIENTS_MAX = 8 };
    eddy_loop *loop = test_loop_open();
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    eddy_listener listener;
    eddy_listener_init(&listener, loop);
    ck_assert_int_eq(
        eddy_tcp_listen(&listener, (struct sockaddr *)&address, length, 0, 0, on_accept), 0);
    ck_assert_int_eq(eddy_listener_address(&listener, (struct sockaddr *)&address, &length), 0);
    int fds[CLIENTS_MAX];
    for (int i = 0; i < clients; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(connect(fds[i], (struct sockaddr *)&address, length), 0);
    }
    accepted = failed = 0;
    expected = clients;
    told = closed = false;
    fault = error;
    faults_left = times;
    struct outcome outcome = {.time_ns = test_now_ns()};
    test_turn_until(loop, &told);
    outcome.time_ns = test_now_ns() - outcome.time_ns;
    outcome.accepted = accepted;
    outcome.failed = failed;
    eddy_loop_read_metrics(loop, &outcome.metrics, sizeof outcome.metrics);
    faults_left = rounds_left = 0;
    for (int i = 0; i < clients; i++) close(fds[i]);
    ck_assert_int_eq(eddy_listener_close(&listener, on_closed), 0);
    test_turn_until(loop, &closed);
    test_loop_close(loop);
    return outcome;
}

static struct outcome serve_with(int error, int times) {
    return serve(1, error, times);
}

/* The connection behind the error is gone; the one after it must not wait. */
START_TEST(errors_of_a_connection_are_passed_over) {
    static const int errors[] = {-ECONNABORTED, -EINTR,        -EPROTO,    -EPERM,
                                 -ENETDOWN,     -EHOSTUNREACH, -ETIMEDOUT, -ECONNRESET,
                                 -EOPNOTSUPP,   -ENOPROTOOPT,  -EHOSTDOWN, -ENETUNREACH,
                                 -ECONNREFUSED, -EPIPE,        -EACCES};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct outcome outcome = serve_with(errors[i], 3);
        ck_assert_int_eq(outcome.accepted, 1);
        ck_assert_uint_eq(outcome.metrics.timers_active, 0); /* nothing pauses, */
        ck_assert_uint_eq(outcome.metrics.timers, 0);        /* or has paused */
    }
}
END_TEST

/* Even an accept that never says anything else leaves the other handles their turn. */
START_TEST(endless_errors_are_bounded_by_the_turn) {
    struct outcome outcome = serve_with(-ECONNABORTED, 1000);
    ck_assert_int_eq(outcome.accepted, 1);
    ck_assert_uint_ge(outcome.metrics.turns, 1000 / 64);
}
END_TEST

/* What a sandbox refuses stays refused, and takes no connection with it: the listener pauses, in
 * place of asking thousands of times a second. */
START_TEST(errors_that_come_again_and_again_pause) {
    static const int errors[] = {-EPERM, -EACCES, -EOPNOTSUPP, -EPROTO};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct outcome outcome = serve_with(errors[i], 40);
        ck_assert_int_eq(outcome.accepted, 1);
        ck_assert_int_eq(outcome.failed, 0);
        ck_assert_int_ge(outcome.time_ns, 190 * EDDY_NS_PER_MS);
        ck_assert_int_lt(outcome.time_ns, 2 * EDDY_NS_PER_S);
        ck_assert_uint_lt(outcome.metrics.waits, 15);
    }
}
END_TEST

/* In a row means: without a connection, or the end of the backlog, between them. */
START_TEST(errors_with_something_between_them_do_not_pause) {
    static const struct { int between, clients; } cases[] = {{0, 6}, {-EAGAIN, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rounds_left = 5;
        faults_a_round = 10;
        between = cases[i].between;
        struct outcome outcome = serve(cases[i].clients, -EPERM, 10);
        ck_assert_int_eq(outcome.accepted, cases[i].clients);
        ck_assert_uint_ge(outcome.metrics.accepts, 60);
        ck_assert_uint_eq(outcome.metrics.timers_active, 0);
        ck_assert_uint_eq(outcome.metrics.timers, 0);
    }
}
END_TEST

/* Even of aborted connections no backlog holds so many. */
START_TEST(aborts_without_end_pause_in_the_end) {
    struct outcome outcome = serve_with(-ECONNABORTED, 10000);
    ck_assert_int_eq(outcome.accepted, 1);
    ck_assert_int_ge(outcome.time_ns, 190 * EDDY_NS_PER_MS);
    ck_assert_int_lt(outcome.time_ns, 5 * EDDY_NS_PER_S);
}
END_TEST

START_TEST(shortage_of_memory_pauses_and_sheds_nobody) {
    static const int errors[] = {-ENOMEM, -ENOBUFS, -EIO};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct outcome outcome = serve_with(errors[i], 2);
        ck_assert_int_eq(outcome.accepted, 1);
        ck_assert_uint_eq(outcome.metrics.accepts_shed, 0);
        ck_assert_int_ge(outcome.time_ns, 190 * EDDY_NS_PER_MS);
        ck_assert_uint_lt(outcome.metrics.waits, 15);
    }
}
END_TEST

/* The system is short, not the process: shedding fails as well, twice, and nothing spins. */
START_TEST(shedding_that_fails_is_tolerated) {
    struct outcome outcome = serve_with(-ENFILE, 4);
    ck_assert_int_eq(outcome.accepted, 1);
    ck_assert_uint_eq(outcome.metrics.accepts_shed, 0);
    ck_assert_int_ge(outcome.time_ns, 190 * EDDY_NS_PER_MS);
    ck_assert_uint_lt(outcome.metrics.waits, 15);
}
END_TEST

START_TEST(errors_that_stay_stop_the_listener) {
    static const int errors[] = {-EINVAL, -ENOTSOCK};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        ck_assert_int_eq(serve_with(errors[i], 1).failed, errors[i]);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("accept_faults");
    ck_add(suite, "faults", errors_of_a_connection_are_passed_over,
           endless_errors_are_bounded_by_the_turn, errors_that_come_again_and_again_pause,
           errors_with_something_between_them_do_not_pause, aborts_without_end_pause_in_the_end,
           shortage_of_memory_pauses_and_sheds_nobody, shedding_that_fails_is_tolerated,
           errors_that_stay_stop_the_listener);
    return suite;
}
