/* How connections begin and end: refused, time-outs, several hosts, lost, made anew, closed
 * anywhere. */
#include "libpq.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static eddy_loop *loop;
static struct link one;

static void set_up(void) {
    loop = test_loop_open();
}

static void tear_down(void) {
    test_loop_close(loop);
}

/* A socket at loopback; its port. With `backlog` < 0 it does not listen: who connects is refused.
 */
static int silent_socket(int *port, int backlog) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    if (backlog >= 0) ck_assert_int_eq(listen(fd, backlog), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* The connection string for the server over TCP, before it `more`: what comes last counts. */
static const char *tcp_info(const char *more) {
    static char text[512];
    snprintf(text, sizeof text, "%s host=127.0.0.1 %s", getenv("EDDY_TEST_PG_TCP"), more);
    return text;
}

static eddy_pq_config config_of(int on_pool) {
    eddy_pq_config config = link_config();
    config.on_pool = on_pool != 0;
    return config;
}

/* In a loop of two: the log-in on the loop, and on the pool. */
START_TEST(logs_in_with_a_password) {
    struct query query = {0};
    link_open_with(&one, loop, tcp_info(""), config_of(_i));
    query_run(&query, &one, "select current_user");
    ck_assert_str_eq(query.first, "eddy");
    link_close(&one);
}
END_TEST

START_TEST(a_wrong_password_is_told_with_its_reason) {
    struct query query = {0};
    link_open_with(&one, loop, tcp_info("password=wrong sslmode=allow"), config_of(_i));
    query_submit(&query, &one, "select 1", 0);
    test_turn_until(loop, &one.is_down);
    ck_assert_int_eq(one.status, -ECONNREFUSED);
    ck_assert_ptr_nonnull(strstr(one.text, "password authentication failed"));
    ck_assert(query.ends == 1 && query.status == -ENOTCONN && query.results == 0);
    ck_assert_ptr_nonnull(strstr(query.text, "password authentication failed"));
    ck_assert_int_eq(eddy_pq_submit(&one.pq, &query.request, query_send, query_on_result, 0),
                     -ENOTCONN);
    one.info = tcp_info("");
    ck_assert_int_eq(eddy_pq_connect(&one.pq), 0); /* and again, rightly */
    ck_assert_int_eq(eddy_pq_connect(&one.pq), -EBUSY);
    test_turn_until(loop, &one.is_up);
    link_close(&one);
}
END_TEST

/* What cannot begin is told from the loop like all else. */
START_TEST(nothing_to_connect_to) {
    static const char *const infos[] = {"host=/nowhere", "nonsense=1", "port=1 host=127.0.0.1"};
    for (int i = 0; i < 3; i++) {
        link_open_with(&one, loop, infos[i], config_of(_i));
        ck_assert_int_eq(one.downs, 0);
        test_turn_until(loop, &one.is_down);
        ck_assert(one.downs == 1 && one.status == -ECONNREFUSED && one.text[0] != '\0');
        link_close(&one);
    }
}
END_TEST

/* libpq closes its socket and opens another, mostly of the same number. */
START_TEST(the_first_of_several_hosts_refuses) {
    int port;
    char info[512];
    int fd = silent_socket(&port, -1);
    snprintf(info, sizeof info, "%s host=127.0.0.1,127.0.0.1,127.0.0.1 port=%d,%d,%s",
             getenv("EDDY_TEST_PG_TCP"), port, port, getenv("EDDY_TEST_PG_TCP") + strlen("port="));
    *strchr(strrchr(info, ','), ' ') = '\0'; /* the number alone */
    eddy_metrics before, after;
    for (int i = 0; i < 10; i++) {
        struct query query = {0};
        eddy_loop_read_metrics(loop, &before, sizeof before);
        link_open_with(&one, loop, info, config_of(_i));
        query_run(&query, &one, "select 1");
        ck_assert_str_eq(query.first, "1");
        link_close(&one);
        eddy_loop_read_metrics(loop, &after, sizeof after);
        ck_assert_uint_eq(after.events_stale, before.events_stale);
    }
    close(fd);
}
END_TEST

START_TEST(a_silent_server_has_a_deadline) {
    int port;
    char info[128];
    int fd = silent_socket(&port, 8);
    eddy_pq_config config = config_of(_i);
    config.connect_ns = 50 * EDDY_NS_PER_MS;
    snprintf(info, sizeof info, "host=127.0.0.1 port=%d dbname=x user=eddy", port);
    struct query query = {0};
    link_open_with(&one, loop, info, config);
    query_submit(&query, &one, "select 1", 0);
    test_turn_until(loop, &one.is_down);
    ck_assert(one.status == -ETIMEDOUT && one.downs == 1 && query.status == -ENOTCONN);
    one.info = tcp_info("");
    one.pq.config.connect_ns = 10 * EDDY_NS_PER_S;
    ck_assert_int_eq(eddy_pq_connect(&one.pq), 0);
    test_turn_until(loop, &one.is_up);
    link_close(&one);
    close(fd);
}
END_TEST

/* Linux drops who connects to a full queue, as a machine that is gone would; tcp_user_timeout is
 * what takes libpq to the next host. */
START_TEST(a_host_that_is_gone_is_passed_over) {
    int port, fill[3];
    char info[512];
    int fd = silent_socket(&port, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    for (int i = 0; i < 3; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&at, sizeof at);
    }
    snprintf(info, sizeof info, "%s host=127.0.0.1,127.0.0.1 tcp_user_timeout=300 port=%d,%s",
             getenv("EDDY_TEST_PG_TCP"), port, getenv("EDDY_TEST_PG_TCP") + strlen("port="));
    *strchr(strrchr(info, ','), ' ') = '\0';
    link_open_with(&one, loop, info, config_of(_i));
    test_turn_until(loop, &one.is_up);
    link_close(&one);
    for (int i = 0; i < 3; i++) close(fill[i]);
    close(fd);
}
END_TEST

static void again(eddy_timer *timer) {
    (void)timer;
    if (!one.is_up) (void)eddy_pq_connect(&one.pq); /* -EBUSY: it is at it */
}

/* Each request is told once, and what the server said; after that it is made anew. */
START_TEST(a_server_that_goes_away_and_comes_back) {
    struct query flight[3] = {0}, waits[2] = {0};
    eddy_pq_config config = link_config();
    config.in_flight = _i == 0 ? 1 : 3;
    link_open_with(&one, loop, server_info(), config);
    for (int i = 0; i < 3; i++) query_submit(&flight[i], &one, "select pg_sleep(600)", 0);
    for (int i = 0; i < 2; i++) query_submit(&waits[i], &one, "select 1", 0);
    test_turn_until(loop, &one.is_up);
    test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    control_server(_i == 0 ? "stop" : "crash");
    test_turn_until(loop, &one.is_down);
    ck_assert(one.downs == 1 && one.status == -ECONNRESET);
    for (int i = 0; i < 3; i++) {
        bool was_sent = i < (int)config.in_flight;
        ck_assert_int_eq(flight[i].ends, 1);
        ck_assert_int_eq(flight[i].status, was_sent ? -ECONNRESET : -ENOTCONN);
        ck_assert_ptr_nonnull(strstr(flight[i].text, "server closed the connection"));
        if (_i == 0) ck_assert_ptr_nonnull(strstr(flight[i].text, "administrator command"));
    }
    for (int i = 0; i < 2; i++) ck_assert(waits[i].ends == 1 && waits[i].status == -ENOTCONN);

    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, again, 0, 20 * EDDY_NS_PER_MS), 0);
    test_turn_for(loop, 100 * EDDY_NS_PER_MS);
    ck_assert_int_gt(one.downs, 1);
    control_server("start");
    test_turn_until(loop, &one.is_up);
    eddy_timer_stop(&timer);
    query_run(&waits[0], &one, "select 1");
    ck_assert_str_eq(waits[0].first, "1");
    link_close(&one);
}
END_TEST

/* The reason comes as a notice; nobody else's registration suffers from the socket that libpq
 * closes. */
START_TEST(an_idle_connection_is_ended_by_the_server) {
    struct link other;
    struct query kill = {0};
    char value[16];
    link_open(&one, loop);
    link_open(&other, loop);
    test_turn_until(loop, &one.is_up);
    kill.value = value;
    snprintf(value, sizeof value, "%d", PQbackendPID(eddy_pq_conn(&one.pq)));
    query_run(&kill, &other, "select pg_terminate_backend($1::int)");
    test_turn_until(loop, &one.is_down);
    ck_assert(one.status == -ECONNRESET && one.notices == 1);
    ck_assert_ptr_nonnull(strstr(one.text, "server closed the connection"));
    link_close(&one);
    link_close(&other);
}
END_TEST

/* --- Closing --- */

static void close_it(struct link *it) {
    ck_assert_int_eq(eddy_pq_close(&it->pq, link_on_closed), 0);
}

static void on_result_close(eddy_pq_request *request, PGresult *result, int status) {
    if (result != NULL) close_it(&one);
    query_on_result(request, result, status);
}

static bool is_refusing;

static int send_and_close(eddy_pq_request *request, PGconn *conn) {
    close_it(&one);
    return is_refusing ? 0 : query_send(request, conn);
}

static void on_notice_close(eddy_pq *pq, const PGresult *notice) {
    (void)notice;
    close_it(eddy_container_of(pq, struct link, pq));
}

static void on_notify_close(eddy_pq *pq, const PGnotify *notify) {
    (void)notify;
    close_it(eddy_container_of(pq, struct link, pq));
}

static void on_state_close(eddy_pq *pq, int status) {
    (void)status;
    close_it(eddy_container_of(pq, struct link, pq));
}

static void on_tick(eddy_timer *timer) {
    (void)timer;
}

/* After so many turns: in each state of a log-in and of the requests. */
START_TEST(is_closed_at_any_time) {
    eddy_timer tick; /* so that a turn is over soon when nothing happens */
    eddy_timer_init(&tick, loop);
    ck_assert_int_eq(eddy_timer_start(&tick, on_tick, 0, EDDY_NS_PER_MS), 0);
    for (int turns = 0; turns < 24; turns++) {
        struct query queries[3] = {0};
        eddy_pq_config config = config_of(_i % 2);
        config.in_flight = _i < 2 ? 1 : 2;
        link_open_with(&one, loop, tcp_info(""), config);
        for (int i = 0; i < 3; i++) query_submit(&queries[i], &one, "select pg_sleep(0.002)", 0);
        for (int i = 0; i < turns; i++) test_run(loop, EDDY_RUN_ONCE);
        if (turns % 3 == 0) (void)eddy_pq_cancel(&queries[0].request);
        link_close(&one);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(queries[i].ends, 1);
            if (queries[i].status != 0) ck_assert_int_eq(queries[i].status, -ECANCELED);
        }
        ck_assert_int_eq(one.downs, 0);
    }
    eddy_timer_stop(&tick);
}
END_TEST

START_TEST(is_closed_inside_each_callback) {
    is_refusing = _i == 1;
    for (int i = 0; i < 6; i++) {
        struct query query = {0}, behind = {0};
        eddy_pq_config config = link_config();
        config.in_flight = _i == 0 ? 1 : 8;
        if (i == 0) config.state = on_state_close;
        if (i == 1) config.notice = on_notice_close;
        if (i == 2) config.notify = on_notify_close;
        link_open_with(&one, loop, i == 5 ? "host=/nowhere" : server_info(), config);
        if (i == 5) one.pq.config.state = on_state_close;
        query.command = i == 1   ? "do $$begin raise notice 'x'; end$$"
                        : i == 2 ? "select set_config('a.b', pg_notify('n', '')::text, false)"
                                 : "select 1";
        if (i == 2) query_submit(&behind, &one, "listen n", 0);
        behind.order = NULL;
        ck_assert_int_eq(eddy_pq_submit(&one.pq, &query.request,
                                        i == 3 ? send_and_close : query_send,
                                        i == 4 ? on_result_close : query_on_result, 0),
                         0);
        if (i != 2) query_submit(&behind, &one, "select pg_sleep(600)", 0);
        test_turn_until(loop, &one.is_closed);
        ck_assert(query.ends == 1 && behind.ends == 1);
        if (i == 3) ck_assert_int_eq(query.status, -ECANCELED);
        if (i != 2 && i != 5)
            ck_assert_msg(behind.status == -ECANCELED, "%d: %d", i, behind.status);
    }
}
END_TEST

/* With idle_unref the loop runs while there are requests, and ends although it is connected. */
START_TEST(an_idle_connection_may_let_the_loop_end) {
    struct query query = {0};
    eddy_pq_config config = link_config();
    config.idle_unref = true;
    link_open_with(&one, loop, server_info(), config);
    for (int i = 0; i < 3; i++) {
        query_submit(&query, &one, "select 1 from pg_sleep(0.01)", 0);
        ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
        ck_assert_str_eq(query.first, "1");
    }
    ck_assert(one.is_up);
    link_close(&one);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("libpq_connect");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, logs_in_with_a_password, 0, 2);
    tcase_add_loop_test(all, a_wrong_password_is_told_with_its_reason, 0, 2);
    tcase_add_loop_test(all, nothing_to_connect_to, 0, 2);
    tcase_add_loop_test(all, the_first_of_several_hosts_refuses, 0, 2);
    tcase_add_loop_test(all, a_silent_server_has_a_deadline, 0, 2);
#ifdef __linux__
    tcase_add_loop_test(all, a_host_that_is_gone_is_passed_over, 0, 2);
#endif
    tcase_add_loop_test(all, a_server_that_goes_away_and_comes_back, 0, 2);
    tcase_add_test(all, an_idle_connection_is_ended_by_the_server);
    tcase_add_loop_test(all, is_closed_at_any_time, 0, 4);
    tcase_add_loop_test(all, is_closed_inside_each_callback, 0, 2);
    tcase_add_test(all, an_idle_connection_may_let_the_loop_end);
    suite_add_tcase(suite, all);
    return suite;
}
