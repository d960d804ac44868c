/* stats.c: eddy serve --stats and --metrics: what they say, and to whom. */
#include "client.h"
#include "prometheus.h"

#define METRICS "/-/metrics"

static char root[128];

static void setup(void) {
    make_tree(root);
    make_directory(root, "-");
    make_directory(root, "-/metrics");
    make_pattern(root, "file.txt", 1000);
    make_pattern(root, "-/metrics/below.txt", 10);
    make_pattern(root, "large", 200000);
}

static void teardown(void) {
    remove_tree(root);
}

static struct prometheus *ask_metrics(unsigned port) {
    struct reply *reply = ask(port, "GET", METRICS, "");
    ck_assert_int_eq(reply->status, 200);
    ck_assert(reply_header_is(reply, "Content-Type", "text/plain; version=0.0.4; charset=utf-8"));
    ck_assert(reply_header_is(reply, "Cache-Control", "no-store"));
    struct prometheus *page = prometheus_read(reply->body, reply->size);
    reply_free(reply);
    return page;
}

/* Asks until it is so much: what other loops have seen comes within a second. */
static void await_value(unsigned port, const char *name, double value) {
    int64_t end_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    double found;
    do {
        struct prometheus *page = ask_metrics(port);
        found = prometheus_value(page, name);
        free(page);
        ck_assert_msg(test_now_ns() < end_ns, "%s is %g, not %g", name, found, value);
        if (found < value) poll(NULL, 0, 50);
    } while (found < value);
}

/* The loop that is asked tells what it has seen until now, and its pool as well. */
START_TEST(the_page_says_what_was_served) {
    static const char *const options[] = {"--metrics", METRICS, NULL};
    struct program program = serve_start(root, options);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    ck_assert_int_eq(ask_status(program.port, "/?sort=size"), 200); /* a thread sorts */
    struct prometheus *page = ask_metrics(program.port);
    ck_assert(prometheus_value(page, "eddy_http_requests_total") == 7);
    ck_assert(prometheus_value(page, "eddy_http_connections_total") == 7);
    ck_assert(prometheus_value(page, "eddy_http_answering") == 1);
    ck_assert(prometheus_value(page, "eddy_loop_figures_age_seconds{loop=\"0\"}") == 0);
    ck_assert(prometheus_value(page, "eddy_pool_run_seconds_count{lane=\"cpu\"}") == 1);
    ck_assert(prometheus_value(page, "eddy_pool_done_total{lane=\"cpu\"}") == 1);
    ck_assert(prometheus_value(page, "eddy_pool_threads_max") == 4);
    double turns = prometheus_value(page, "eddy_loop_lag_seconds_count");
    ck_assert(turns >= 7 && turns <= prometheus_value(page, "eddy_turns_total"));
    ck_assert(prometheus_value(page, "eddy_callback_seconds_count") >= 7);
    free(page);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* The path goes before a directory of that name, what is below it is DIR's, and nothing else is
 * taken. A script of another site may read files, and not this. */
START_TEST(one_path_is_taken) {
    static const char *const options[] = {"--metrics", METRICS,    "--cors",
                                          "--header",  "X-Own: 1", NULL};
    struct program program = serve_start(root, options);
    free(ask_metrics(program.port));
    ck_assert_int_eq(ask_status(program.port, METRICS "?x=1"), 200);
    ck_assert_int_eq(ask_status(program.port, METRICS "/below.txt"), 200);
    ck_assert_int_eq(ask_status(program.port, METRICS "/"), 200); /* its listing */
    ck_assert_int_eq(ask_status(program.port, METRICS "/none"), 404);
    struct reply *reply = ask(program.port, "GET", METRICS, "Origin: http://a\r\n");
    ck_assert_ptr_null(reply_header(reply, "Access-Control-Allow-Origin"));
    reply_free(reply);
    reply = ask(program.port, "HEAD", METRICS, "");
    ck_assert_int_eq(reply->status, 200);
    ck_assert_int_gt(reply->length, 1000);
    reply_free(reply);
    reply = ask(program.port, "POST", METRICS, "Content-Length: 0\r\n");
    ck_assert_int_eq(reply->status, 405);
    reply_free(reply);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

START_TEST(nobody_is_told_who_did_not_ask) {
    static const char *const options[] = {"--stats", "60", NULL};
    struct program program = serve_start(root, options);
    ck_assert_int_eq(ask_status(program.port, "/metrics"), 404);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
    program = serve_start(root, NULL);
    ck_assert_int_eq(ask_status(program.port, "/metrics"), 404);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* Clients go to any of the loops: whichever is asked tells of all. */
START_TEST(loops_tell_of_each_other) {
    enum { CLIENTS = 24 };
    static const char *const options[] = {"--metrics", METRICS, "--loops", "3", NULL};
    struct program program = serve_start(root, options);
    for (int i = 0; i < CLIENTS; i++) ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    await_value(program.port, "eddy_http_requests_total", CLIENTS + 1);
    struct prometheus *page = ask_metrics(program.port);
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "eddy_loop_figures_age_seconds{loop=\"%d\"}", i);
        (void)prometheus_value(page, name);
    }
    free(page);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* Many ask at once, while all loops serve and end. */
START_TEST(many_ask_at_once) {
    enum { CLIENTS = 20 };
    static const char *const options[] = {"--metrics", METRICS, "--loops", "2", NULL};
    struct client *clients[CLIENTS];
    struct program program = serve_start(root, options);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(program.port);
        for (int k = 0; k < 5; k++)
            client_send(clients[i], "GET " METRICS " HTTP/1.1\r\nHost: t\r\n\r\n");
    }
    for (int i = 0; i < CLIENTS; i++) {
        struct reply *reply = client_read(clients[i], false);
        ck_assert_int_eq(reply->status, 200);
        free(prometheus_read(reply->body, reply->size));
        reply_free(reply);
    }
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
    for (int i = 0; i < CLIENTS; i++) client_close(clients[i]);
}
END_TEST

/* --- The line --- */

/* What it says on stderr behind the address, a line at a time. */
static void start_line(struct program *program, const char *const *options) {
    const char *arguments[ARGUMENTS_MAX] = {"serve", "--port", "0"};
    char banner[512];
    int count = 3;
    for (int i = 0; options[i] != NULL; i++) arguments[count++] = options[i];
    arguments[count++] = root;
    *program = program_start(arguments);
    read_text(program->err, banner, sizeof banner, true);
    program->port = (unsigned)strtoul(strrchr(banner, ':') + 1, NULL, 10);
    ck_assert_uint_gt(program->port, 0);
}

START_TEST(a_line_comes_each_period) {
    static const char *const options[] = {"--stats", "1", "--loops", "2", NULL};
    struct program program;
    char line[512], lag[3][16], slowest[16], kind[64], wait[16];
    unsigned rate, connections, queued, requests = 0;
    start_line(&program, options);
    struct client *client = client_open(program.port);
    for (int i = 0; i < 50; i++) {
        client_send(client, "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
        reply_free(client_read(client, false));
    }
    for (int i = 0; i < 4; i++) { /* a loop tells the first one within a second */
        read_text(program.err, line, sizeof line, true);
        int read =
            sscanf(line,
                   "eddy: %u requests/s, %u connections, lag p50 %15s p99 %15s max %15[^,], "
                   "slowest callback %15s (%63[^)]), pool %u queued, wait p99 %15s",
                   &rate, &connections, lag[0], lag[1], lag[2], slowest, kind, &queued, wait);
        ck_assert_msg(read == 9, "%d of \"%s\"", read, line);
        requests += rate;
        if (requests >= 10) break;
    }
    ck_assert_uint_ge(requests, 10); /* of 50, in a second or more */
    ck_assert_uint_le(requests, 50);
    ck_assert_uint_eq(connections, 1);
    client_close(client);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/stats");
    TCase *all = tcase_create("stats");
    tcase_set_timeout(all, 100);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, the_page_says_what_was_served);
    tcase_add_test(all, one_path_is_taken);
    tcase_add_test(all, nobody_is_told_who_did_not_ask);
    tcase_add_test(all, loops_tell_of_each_other);
    tcase_add_test(all, many_ask_at_once);
    tcase_add_test(all, a_line_comes_each_period);
    suite_add_tcase(suite, all);
    return suite;
}
