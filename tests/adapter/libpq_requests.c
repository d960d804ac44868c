/* What requests are promised: order, results, errors, groups, cancel, notifications, COPY. */
#include "libpq.h"

#include <signal.h>

static eddy_loop *loop;
static struct link one, other;

static void set_up(void) {
    loop = test_loop_open();
    link_open(&one, loop);
}

static void set_up_pipeline(void) {
    loop = test_loop_open();
    eddy_pq_config config = link_config();
    config.in_flight = 100;
    link_open_with(&one, loop, server_info(), config);
}

static void tear_down(void) {
    link_close(&one);
    test_loop_close(loop);
}

START_TEST(parameters_in_text_and_results_in_both_formats) {
    struct query text = {.value = "41"}, binary = {.value = "41", .is_binary = true};
    query_submit(&text, &one, "select $1::int + 1, 'x'", 0);
    query_submit(&binary, &one, "select $1::int + 1", 0);
    test_turn_until(loop, &binary.is_done);
    ck_assert_str_eq(text.first, "42");
    ck_assert_mem_eq(binary.first, "\0\0\0\x2a", 4);
    ck_assert(text.ends == 1 && text.results == 1 && text.status == 0 && text.rows == 1);
    ck_assert_int_eq(one.ups, 1);
}
END_TEST

static int send_nothing(eddy_pq_request *request, PGconn *conn) {
    (void)request;
    (void)conn;
    return 1;
}

/* An error is a result like others, and the connection goes on. */
START_TEST(an_error_is_a_result) {
    struct query bad = {0}, good = {0}, refused = {.value = NULL};
    query_run(&bad, &one, "select 1/0");
    ck_assert_str_eq(bad.state, "22012");
    ck_assert_int_eq(bad.status, 0);
    query_run(&refused, &one, NULL); /* libpq has nothing to send */
    ck_assert_int_eq(refused.status, -EINVAL);
    ck_assert_int_eq(refused.results, 0);
    refused.ends = 0;
    refused.is_done = false;
    ck_assert_int_eq(eddy_pq_submit(&one.pq, &refused.request, send_nothing, query_on_result, 0),
                     0);
    test_turn_until(loop, &refused.is_done);
    ck_assert(refused.status == 0 && refused.results == 0);
    query_run(&good, &one, "select 7");
    ck_assert_str_eq(good.first, "7");
    ck_assert_int_eq(one.downs, 0);
    ck_assert_int_eq(eddy_pq_submit(&one.pq, &good.request, query_send, query_on_result, 1 << 5),
                     -EINVAL);
}
END_TEST

static void run_thousands(int count) {
    struct query *queries = calloc((size_t)count, sizeof *queries);
    char(*values)[12] = calloc((size_t)count, sizeof *values);
    int order = 0;
    for (int i = 0; i < count; i++) {
        snprintf(values[i], sizeof values[i], "%d", i);
        queries[i].value = values[i];
        queries[i].order = &order;
        query_submit(&queries[i], &one, "select $1::int", 0);
    }
    test_turn_until(loop, &queries[count - 1].is_done);
    for (int i = 0; i < count; i++) {
        ck_assert_str_eq(queries[i].first, values[i]);
        ck_assert(queries[i].place == i && queries[i].status == 0 && queries[i].results == 1);
    }
    free(values);
    free(queries);
}

START_TEST(thousands_of_queries_in_order) {
    run_thousands(3000);
}
END_TEST

/* Each has a sync of its own: an error is that request's alone. */
START_TEST(an_error_in_a_pipeline_aborts_nobody_else) {
    struct query queries[5] = {0};
    for (int i = 0; i < 5; i++)
        query_submit(&queries[i], &one, i == 2 ? "select 1/0" : "select 5", 0);
    test_turn_until(loop, &queries[4].is_done);
    for (int i = 0; i < 5; i++) {
        ck_assert(queries[i].ends == 1 && queries[i].results == 1 && queries[i].status == 0);
        ck_assert_str_eq(queries[i].first, i == 2 ? "" : "5");
    }
    ck_assert_str_eq(queries[2].state, "22012");
}
END_TEST

/* A group is one transaction: an error aborts what follows in it, up to its sync, and no more. */
START_TEST(an_error_in_a_group_aborts_the_group) {
    struct query made = {0}, in[4] = {0}, after = {0}, count = {0};
    query_submit(&made, &one, "create temp table t (n int)", 0);
    query_submit(&in[0], &one, "insert into t values (1)", EDDY_PQ_MORE);
    query_submit(&in[1], &one, "insert into t values (1/0)", EDDY_PQ_MORE);
    query_submit(&in[2], &one, "insert into t values (2)", EDDY_PQ_MORE);
    query_submit(&in[3], &one, "insert into t values (3)", 0);
    query_submit(&after, &one, "insert into t values (4)", 0);
    query_submit(&count, &one, "select string_agg(n::text, ' ') from t", 0);
    ck_assert_int_eq(eddy_pq_cancel(&in[1].request), -EBUSY);
    ck_assert_int_eq(eddy_pq_cancel(&in[3].request), -EBUSY);
    test_turn_until(loop, &count.is_done);
    ck_assert_int_eq(in[0].kind, PGRES_COMMAND_OK);
    ck_assert_str_eq(in[1].state, "22012");
    ck_assert_int_eq(in[2].kind, PGRES_PIPELINE_ABORTED);
    ck_assert_int_eq(in[3].kind, PGRES_PIPELINE_ABORTED);
    for (int i = 0; i < 4; i++) ck_assert(in[i].ends == 1 && in[i].results == 1);
    ck_assert_str_eq(count.first, "4");
}
END_TEST

/* A group goes out whole, though it is longer than what may be in flight; and what its later parts
 * submit after it was aborted is answered, which libpq does without the server. */
START_TEST(a_group_is_longer_than_the_pipeline) {
    static struct query in[150];
    memset(in, 0, sizeof in);
    for (int i = 0; i < 150; i++)
        query_submit(&in[i], &one, i == 0 ? "select 1/0" : "select 1", i < 149 ? EDDY_PQ_MORE : 0);
    test_turn_until(loop, &in[149].is_done);
    struct query first = {0}, second = {0};
    query_submit(&first, &one, "select 1/0", EDDY_PQ_MORE);
    query_submit(&second, &one, "select 1", EDDY_PQ_MORE);
    test_turn_until(loop, &first.is_done); /* the server tells an error without a sync */
    struct query third = {0};
    query_run(&third, &one, "select 1");
    ck_assert_int_eq(third.kind, PGRES_PIPELINE_ABORTED);
    ck_assert(second.is_done);
}
END_TEST

/* The error of a deferred constraint comes between the result and the sync. */
START_TEST(what_fails_at_commit_is_told) {
    struct query made = {0}, insert = {0}, next = {0};
    query_run(&made, &one, "create temp table d (n int unique deferrable initially deferred)");
    query_run(&made, &one, "insert into d values (1)");
    query_submit(&insert, &one, "insert into d values (1)", 0);
    query_submit(&next, &one, "select count(*) from d", 0);
    test_turn_until(loop, &next.is_done);
    ck_assert_str_eq(insert.state, "23505");
    ck_assert_int_eq(insert.status, 0);
    ck_assert_str_eq(next.first, "1");
}
END_TEST

static bool was_paused;

static void on_rows(eddy_pq_request *request, PGresult *result, int status) {
    struct query *it = eddy_container_of(request, struct query, request);
    if (result != NULL) {
        ck_assert(PQntuples(result) <= 1);
        if (it->rows == 1000 && !was_paused) eddy_pq_pause(&one.pq, was_paused = true);
    }
    query_on_result(request, result, status);
}

/* Rows one by one, also of a request that was not the first when it was sent; and a pause. */
START_TEST(rows_come_one_by_one_and_may_be_paused) {
    struct query before = {0}, rows = {0}, after = {0};
    was_paused = false;
    query_submit(&before, &one, "select generate_series(1, 5)", 0);
    rows.command = "select generate_series(1, 20000)";
    ck_assert_int_eq(eddy_pq_submit(&one.pq, &rows.request, query_send, on_rows, EDDY_PQ_ROWS), 0);
    query_submit(&after, &one, "select generate_series(1, 5)", 0);
    test_turn_until(loop, &was_paused);
    test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    ck_assert_int_eq(rows.rows, 1001);
    eddy_pq_pause(&one.pq, false);
    test_turn_until(loop, &after.is_done);
    ck_assert(rows.rows == 20000 && rows.results == 20001 && rows.kind == PGRES_TUPLES_OK);
    ck_assert(before.results == 1 && before.rows == 5 && after.results == 1 && after.rows == 5);
}
END_TEST

/* Neither side reads while it writes, if it is done wrongly: both buffers are full then. */
START_TEST(large_values_in_both_directions) {
    enum { BYTES = 1 << 20, COUNT = 8 };
    char *value = malloc(BYTES + 1);
    memset(value, 'x', BYTES);
    value[BYTES] = '\0';
    struct query queries[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) {
        queries[i].value = value;
        query_submit(&queries[i], &one, "select length($1::text), $1::text", 0);
    }
    test_turn_until(loop, &queries[COUNT - 1].is_done);
    for (int i = 0; i < COUNT; i++) ck_assert_str_eq(queries[i].first, "1048576");
    free(value);
}
END_TEST

START_TEST(a_slow_query_holds_up_no_other_connection) {
    struct query slow = {0}, fast = {0};
    link_open(&other, loop);
    query_submit(&slow, &one, "select pg_sleep(600)", 0);
    for (int i = 0; i < 50; i++) query_run(&fast, &other, "select 1");
    ck_assert(!slow.is_done);
    test_turn_until(loop, &one.is_up);
    ck_assert_int_eq(eddy_pq_cancel(&slow.request), 0);
    test_turn_until(loop, &slow.is_done);
    ck_assert_str_eq(slow.state, "57014");
    link_close(&other);
}
END_TEST

START_TEST(a_cancel_stops_its_query_and_no_other) {
    struct query slow = {0}, waits = {0}, next = {0};
    query_submit(&slow, &one, "select pg_sleep(600)", 0);
    query_submit(&waits, &one, "select 1", 0);
    query_submit(&next, &one, "select pg_sleep(0.01), 2", 0);
    test_turn_until(loop, &one.is_up);
    ck_assert_int_eq(eddy_pq_cancel(&waits.request), 0);
    ck_assert_int_eq(eddy_pq_cancel(&waits.request), -EALREADY);
    ck_assert_int_eq(waits.ends, 0); /* never inside a call */
    test_turn_until(loop, &waits.is_done);
    ck_assert(waits.status == -ECANCELED && waits.results == 0 && !slow.is_done);
    ck_assert_int_eq(eddy_pq_cancel(&slow.request), 0);
    ck_assert_int_eq(eddy_pq_cancel(&slow.request), -EALREADY);
    test_turn_until(loop, &next.is_done);
    ck_assert(strcmp(slow.state, "57014") == 0 && slow.status == 0);
    ck_assert(next.state[0] == '\0' && next.rows == 1);
    ck_assert_int_eq(eddy_pq_cancel(&next.request), -EALREADY);
    /* One that ends by itself just then: the next is not sent before the server was asked. */
    for (int i = 0; i < 100; i++) {
        struct query quick = {0};
        query_submit(&quick, &one, "select 1", 0);
        query_submit(&next, &one, "select pg_sleep(0.005)", 0);
        for (int turns = i % 3; turns >= 0; turns--) test_run(loop, EDDY_RUN_NOWAIT);
        int err = eddy_pq_cancel(&quick.request);
        ck_assert(err == 0 || err == -EALREADY);
        test_turn_until(loop, &next.is_done);
        ck_assert_str_eq(next.state, "");
    }
}
END_TEST

/* The server's process stands still until it has been asked, and ignores that. */
START_TEST(a_cancel_that_comes_too_early_is_made_again) {
    struct query slow = {0};
    test_turn_until(loop, &one.is_up);
    pid_t server = PQbackendPID(eddy_pq_conn(&one.pq));
    ck_assert_int_eq(kill(server, SIGSTOP), 0);
    query_submit(&slow, &one, "select pg_sleep(600)", 0);
    test_run(loop, EDDY_RUN_NOWAIT);
    ck_assert_int_eq(eddy_pq_cancel(&slow.request), 0);
    while (one.pq.cancel != NULL) test_run(loop, EDDY_RUN_ONCE);
    ck_assert_int_eq(kill(server, SIGCONT), 0);
    test_turn_until(loop, &slow.is_done);
    ck_assert_str_eq(slow.state, "57014");
}
END_TEST

/* In a pipeline it may be another that is hit. */
START_TEST(a_cancel_among_others_is_refused) {
    struct query first = {0}, second = {0};
    query_submit(&first, &one, "select pg_sleep(0.05)", 0);
    query_submit(&second, &one, "select pg_sleep(600)", 0);
    test_turn_until(loop, &one.is_up);
    test_turn_for(loop, EDDY_NS_PER_MS);
    ck_assert_int_eq(eddy_pq_cancel(&first.request), -EBUSY);
    test_turn_until(loop, &first.is_done);
    ck_assert_int_eq(eddy_pq_cancel(&second.request), 0);
    test_turn_until(loop, &second.is_done);
    ck_assert_str_eq(second.state, "57014");
}
END_TEST

START_TEST(notifications_and_notices) {
    struct query listen = {0}, notify = {0}, busy = {0};
    link_open(&other, loop);
    query_run(&listen, &one, "listen news");
    query_run(&notify, &other, "notify news, 'idle'");
    while (one.notifies < 1) test_run(loop, EDDY_RUN_ONCE); /* nothing is in flight */
    ck_assert_str_eq(one.note, "news idle");
    /* It comes with the answer of a query, in one piece: no later event tells of it. */
    query_run(&busy, &one, "notify news, 'own'");
    while (one.notifies < 2) test_run(loop, EDDY_RUN_ONCE);
    ck_assert_str_eq(one.note, "news own");
    query_run(&busy, &one, "do $$begin raise notice 'x'; raise warning 'y'; end$$");
    ck_assert_int_eq(one.notices, 2);
    link_close(&other);
}
END_TEST

/* --- COPY --- */

static int lines_put, lines_got;

static int send_simple(eddy_pq_request *request, PGconn *conn) {
    return PQsendQuery(conn, eddy_container_of(request, struct query, request)->command);
}

static void on_copy(eddy_pq_request *request, PGresult *result, int status) {
    PGconn *conn = eddy_pq_conn(eddy_pq_of(request));
    char line[1024], *row;
    if (PQresultStatus(result) == PGRES_COPY_IN && lines_put >= 0) {
        for (int i = 0; i < 64 && lines_put < 20000; i++) {
            int length = snprintf(line, sizeof line, "%d\t%0512d\n", lines_put++, 0);
            ck_assert_int_eq(PQputCopyData(conn, line, length), 1);
        }
        if (lines_put == 20000) ck_assert_int_eq(PQputCopyEnd(conn, NULL), 1);
    } else if (PQresultStatus(result) == PGRES_COPY_OUT) {
        while (PQgetCopyData(conn, &row, 1) > 0) {
            PQfreemem(row);
            lines_got++;
        }
    }
    query_on_result(request, result, status);
}

START_TEST(copy_in_and_out) {
    struct query made = {0}, in = {0}, out = {0};
    lines_put = lines_got = 0;
    query_run(&made, &one, "create temp table c (n int, t text)");
    in.command = "copy c from stdin; select 1";
    ck_assert_int_eq(eddy_pq_submit(&one.pq, &in.request, send_simple, on_copy, 0), 0);
    out.command = "copy (select n from c) to stdout; copy (select n from c) to stdout";
    ck_assert_int_eq(eddy_pq_submit(&one.pq, &out.request, send_simple, on_copy, 0), 0);
    query_run(&made, &one, "select count(*) from c");
    ck_assert_str_eq(made.first, "20000");
    ck_assert_str_eq(in.first, "1");
    ck_assert_int_eq(lines_got, 40000);
    ck_assert(in.results > 100 && in.ends == 1 && out.ends == 1);
    out = (struct query){.command = "copy (select 1) to stdout; copy (select 2) to stdout"};
    ck_assert_int_eq(eddy_pq_submit(&one.pq, &out.request, send_simple, on_copy, 0), 0);
    test_turn_until(loop, &out.is_done); /* all in one read */
    ck_assert_int_eq(lines_got, 40002);
}
END_TEST

/* libpq has no way out of it: the connection is given up, and says why. */
START_TEST(copy_in_a_pipeline_is_refused) {
    struct query before = {0}, copy = {0}, after = {0};
    query_submit(&before, &one, "select 1", 0);
    query_submit(&copy, &one, "copy (select 1) to stdout", 0);
    query_submit(&after, &one, "select 1", 0);
    test_turn_until(loop, &one.is_down);
    ck_assert_int_eq(one.status, -ENOTSUP);
    ck_assert(before.status == 0 && copy.status == -ECONNRESET && after.status == -ECONNRESET);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("libpq_requests");
    TCase *plain = tcase_create("one at a time"), *pipeline = tcase_create("pipeline");
    tcase_add_checked_fixture(plain, set_up, tear_down);
    tcase_add_checked_fixture(pipeline, set_up_pipeline, tear_down);
    tcase_set_timeout(plain, 60);
    tcase_set_timeout(pipeline, 60);
    TCase *both[] = {plain, pipeline};
    for (int i = 0; i < 2; i++) {
        tcase_add_test(both[i], parameters_in_text_and_results_in_both_formats);
        tcase_add_test(both[i], an_error_is_a_result);
        tcase_add_test(both[i], thousands_of_queries_in_order);
        tcase_add_test(both[i], what_fails_at_commit_is_told);
        tcase_add_test(both[i], rows_come_one_by_one_and_may_be_paused);
        tcase_add_test(both[i], large_values_in_both_directions);
        tcase_add_test(both[i], a_slow_query_holds_up_no_other_connection);
        tcase_add_test(both[i], notifications_and_notices);
    }
    tcase_add_test(plain, a_cancel_stops_its_query_and_no_other);
    tcase_add_test(plain, a_cancel_that_comes_too_early_is_made_again);
    tcase_add_test(plain, copy_in_and_out);
    tcase_add_test(pipeline, an_error_in_a_pipeline_aborts_nobody_else);
    tcase_add_test(pipeline, an_error_in_a_group_aborts_the_group);
    tcase_add_test(pipeline, a_group_is_longer_than_the_pipeline);
    tcase_add_test(pipeline, a_cancel_among_others_is_refused);
    tcase_add_test(pipeline, copy_in_a_pipeline_is_refused);
    suite_add_tcase(suite, plain);
    suite_add_tcase(suite, pipeline);
    return suite;
}
