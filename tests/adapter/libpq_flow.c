/* libpq_flow.c: what holds requests up: a COPY to a server that does not read, and groups, of which
 * nothing can be taken out. */
#include "libpq.h"

#include <signal.h>

enum { LINE_BYTES = 1024, LINES = 4096, LINES_AT_ONCE = 64 }; /* 4 MiB, 64 KiB at a time */

static eddy_loop *loop;
static struct link one;

static void set_up(void) {
    loop = test_loop_open();
    link_open(&one, loop);
    test_turn_until(loop, &one.is_up);
}

static void set_up_pipeline(void) {
    loop = test_loop_open();
    eddy_pq_config config = link_config();
    config.in_flight = 100;
    link_open_with(&one, loop, server_info(), config);
    test_turn_until(loop, &one.is_up);
}

static void tear_down(void) {
    link_close(&one);
    test_loop_close(loop);
}

/* --- COPY IN --- */

static int lines_put, calls;

static int send_simple(eddy_pq_request *request, PGconn *conn) {
    return PQsendQuery(conn, eddy_container_of(request, struct query, request)->command);
}

static void on_copy_in(eddy_pq_request *request, PGresult *result, int status) {
    PGconn *conn = eddy_pq_conn(eddy_pq_of(request));
    static char line[LINE_BYTES];
    if (PQresultStatus(result) == PGRES_COPY_IN) {
        memset(line, 'x', sizeof line);
        line[sizeof line - 1] = '\n';
        ck_assert_msg(PQflush(conn) == 0, "told while what was put before is still here");
        calls++;
        for (int i = 0; i < LINES_AT_ONCE && lines_put < LINES; i++, lines_put++)
            ck_assert_int_eq(PQputCopyData(conn, line, sizeof line), 1);
        if (lines_put == LINES) ck_assert_int_eq(PQputCopyEnd(conn, NULL), 1);
    }
    query_on_result(request, result, status);
}

/* The server's process stands still. Who puts is not asked for more before what it has put is with
 * the kernel: what waits in memory is what one call has put, and the loop sleeps. */
START_TEST(copy_in_waits_for_a_server_that_does_not_read) {
    struct query made = {0}, in = {0};
    lines_put = calls = 0;
    query_run(&made, &one, "create temp table c (t text)");
    pid_t server = PQbackendPID(eddy_pq_conn(&one.pq));
    in.command = "copy c from stdin";
    ck_assert_int_eq(eddy_pq_submit(&one.pq, &in.request, send_simple, on_copy_in, 0), 0);
    while (calls == 0) test_run(loop, EDDY_RUN_ONCE);
    ck_assert_int_eq(kill(server, SIGSTOP), 0);
    int before;
    do { /* until its socket is full */
        before = lines_put;
        test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    } while (lines_put > before && lines_put < LINES);
    ck_assert_int_lt(lines_put, LINES / 2);
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    ck_assert_uint_le(test_metric_waits(loop) - waits, 3);
    ck_assert_int_eq(lines_put, before);
    ck_assert(!in.is_done);
    ck_assert_int_eq(kill(server, SIGCONT), 0);
    test_turn_until(loop, &in.is_done);
    ck_assert_int_eq(in.kind, PGRES_COMMAND_OK);
    query_run(&made, &one, "select count(*) from c");
    ck_assert_str_eq(made.first, "4096");
}
END_TEST

/* --- Groups --- */

/* Taken out, it would leave the rest as a transaction of its own, or a sync in the middle. */
START_TEST(the_first_of_a_group_cannot_be_cancelled) {
    struct query before = {0}, head = {0}, last = {0}, sum = {0}, made = {0};
    query_run(&made, &one, "create temp table g (n int)");
    for (int is_sent = 0; is_sent < 2; is_sent++) {
        query_submit(&before, &one, "select pg_sleep(0.02)", 0);
        query_submit(&head, &one, "insert into g select 1 from pg_sleep(0.02)", EDDY_PQ_MORE);
        if (is_sent) { /* alone, as its group is not complete */
            test_turn_until(loop, &before.is_done);
            test_run(loop, EDDY_RUN_NOWAIT);
            ck_assert_int_eq(eddy_pq_cancel(&head.request), -EBUSY);
        } else {
            ck_assert_int_eq(eddy_pq_cancel(&head.request), -EBUSY);
        }
        query_submit(&last, &one, "insert into g values (10)", 0);
        ck_assert_int_eq(eddy_pq_cancel(&head.request), -EBUSY);
        ck_assert_int_eq(eddy_pq_cancel(&last.request), -EBUSY);
        test_turn_until(loop, &last.is_done);
        ck_assert(head.kind == PGRES_COMMAND_OK && last.kind == PGRES_COMMAND_OK);
        ck_assert(head.ends == 1 && head.status == 0 && last.ends == 1 && last.status == 0);
    }
    query_run(&sum, &one, "select sum(n) from g");
    ck_assert_str_eq(sum.first, "22");
}
END_TEST

/* What stands before a group can be, and leaves it whole. */
START_TEST(what_waits_before_a_group_can_be_cancelled) {
    struct query made = {0}, alone = {0}, head = {0}, last = {0}, sum = {0};
    query_run(&made, &one, "create temp table g (n int)");
    eddy_pq_config config = link_config();
    struct link other;
    config.in_flight = 2;
    link_open_with(&other, loop, server_info(), config); /* not up: all of it waits */
    query_submit(&alone, &other, "select 1", 0);
    query_submit(&head, &other, "select 1/0", EDDY_PQ_MORE);
    query_submit(&last, &other, "select 1", 0);
    query_submit(&sum, &other, "select 2", 0);
    ck_assert_int_eq(eddy_pq_cancel(&alone.request), 0);
    test_turn_until(loop, &sum.is_done);
    ck_assert(alone.status == -ECANCELED && alone.results == 0);
    ck_assert_str_eq(head.state, "22012");
    ck_assert_int_eq(last.kind, PGRES_PIPELINE_ABORTED);
    ck_assert_str_eq(sum.first, "2");
    link_close(&other);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("libpq_flow");
    TCase *plain = tcase_create("one at a time"), *pipeline = tcase_create("pipeline");
    tcase_add_checked_fixture(plain, set_up, tear_down);
    tcase_add_checked_fixture(pipeline, set_up_pipeline, tear_down);
    tcase_set_timeout(plain, 60);
    tcase_set_timeout(pipeline, 60);
    tcase_add_test(plain, copy_in_waits_for_a_server_that_does_not_read);
    tcase_add_test(pipeline, the_first_of_a_group_cannot_be_cancelled);
    tcase_add_test(pipeline, what_waits_before_a_group_can_be_cancelled);
    suite_add_tcase(suite, plain);
    suite_add_tcase(suite, pipeline);
    return suite;
}
