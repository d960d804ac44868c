/* The server in this process, so that its loop's counts can be read: how many waits it may cost to
 * be asked, to be asked a hundred times at once, and not to be asked at all. */
#include "program.h"

#include <netinet/in.h>

#include "../../src/cmd/serve/server.h"
#include "net.h"
#include "system.h"

static char root[128];
static struct server server;
static struct sockaddr_storage address;
static socklen_t address_length;
static eddy_metrics before;

static void setup(void) {
    make_tree(root);
    make_pattern(root, "file", 1024);
    make_directory(root, "dir");
    struct server_config config = {
        .root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        .backend = test_backend,
        .connections_max = 100,
        .timeout_ns = 60 * EDDY_NS_PER_S,
    };
    ck_assert_int_ge(config.root, 0);
    ck_assert_int_eq(server_open(&server, &config), 0);
    address_length = loopback(&address, AF_INET);
    ck_assert_int_eq(server_listen(&server, &address, address_length, 0), 0);
    ck_assert_int_eq(eddy_listener_address(&server.listeners[0].http.listener,
                                           (struct sockaddr *)&address, &address_length),
                     0);
}

static void teardown(void) {
    server_stop(&server, SERVER_ENDS);
    ck_assert_int_eq(server_run(&server), 0);
    ck_assert_int_eq(server_close(&server), 0);
    close(server.config.root);
    remove_tree(root);
}

static int connect_client(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, address_length), 0);
    return fd;
}

static void mark(void) {
    eddy_loop_read_metrics(server.context.loop, &before, sizeof before);
}

/* Since the mark: so many waits at most, and of those so many that found nothing. What a thread has
 * to do, because a file system cannot say whether it would block, may cost one more. */
static void expect_budget(const char *what, uint64_t waits, uint64_t empty) {
    eddy_metrics now;
    eddy_loop_read_metrics(server.context.loop, &now, sizeof now);
    waits += now.jobs - before.jobs;
    now.waits -= before.waits;
    now.waits_empty -= before.waits_empty;
    ck_assert_msg(now.waits <= waits && now.waits_empty <= empty,
                  "%s: %u waits of %u, %u of them empty of %u", what, (unsigned)now.waits,
                  (unsigned)waits, (unsigned)now.waits_empty, (unsigned)empty);
}

static void expect_rest(const char *what) {
    mark();
    test_turn_for(server.context.loop, 50 * EDDY_NS_PER_MS);
    expect_budget(what, 2, 2);
}

/* Sends `count` copies of the request in one go and turns the loop until as many answers, which end
 * with `last`, are there. */
static void ask_for(int fd, const char *path, int count, char last) {
    static char bytes[1 << 20];
    size_t size = 0, used = 0;
    int answers = 0;
    for (int i = 0; i < count; i++)
        size += (size_t)snprintf(bytes + size, sizeof bytes - size,
                                 "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", path);
    ck_assert_int_eq(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
    while (answers < count || bytes[used - 1] != last) {
        ck_assert_int_eq(eddy_loop_run(server.context.loop, EDDY_RUN_ONCE), 1);
        ssize_t got = recv(fd, bytes + used, sizeof bytes - used, MSG_DONTWAIT);
        if (got > 0) used += (size_t)got;
        answers = 0;
        for (const char *at = bytes;
             (at = memmem(at, used - (size_t)(at - bytes), "HTTP/1.1 ", 9)) != NULL;)
            answers++, at++;
    }
}

/* The last byte of the file, which ends each answer. */
static char file_last(void) {
    return (char)pattern_byte(1023);
}

/* A client comes, asks, asks again, and goes: a wait for each. To open the file, stat it and read
 * it costs none, if it is in the cache. */
START_TEST(each_step_of_a_visit_costs_a_wait) {
    int fd = connect_client();
    mark();
    ask_for(fd, "/file", 1, file_last());
    expect_budget("the first request", 2, 0);
    mark();
    ask_for(fd, "/file", 1, file_last());
    expect_budget("the second one", 1, 0);
    mark();
    for (int i = 0; i < 100; i++) ask_for(fd, "/file", 1, file_last());
    expect_budget("a hundred, one by one", 100, 0);
    expect_rest("a connection between two requests");
    close(fd);
    mark();
    ck_assert_int_eq(eddy_loop_run(server.context.loop, EDDY_RUN_ONCE), 1);
    expect_budget("the end", 1, 0);
    ck_assert_uint_eq(server_connections(&server), 0);
    expect_rest("nobody");
}
END_TEST

/* They come with one wait. Then the loop looks at its descriptors after every eighth file request
 * that was done at once, for the sake of the other clients, and there are three for each answer. */
START_TEST(a_hundred_pipelined_requests_cost_a_look_at_the_others_now_and_then) {
    int fd = connect_client();
    ask_for(fd, "/file", 1, file_last());
    mark();
    ask_for(fd, "/file", 100, file_last());
    expect_budget("a hundred pipelined", 40, 40);
    expect_rest("after them");
    close(fd);
}
END_TEST

/* A client that holds a connection and says nothing, or half of something, is not looked at. */
START_TEST(idle_connections_cost_nothing) {
    enum { COUNT = 50 };
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_client();
        if (i % 2 == 0) put(fds[i], "GET /fi");
    }
    while (server_connections(&server) < COUNT)
        ck_assert_int_eq(eddy_loop_run(server.context.loop, EDDY_RUN_ONCE), 1);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(eddy_loop_run(server.context.loop, EDDY_RUN_NOWAIT), 1);
    expect_rest("idle connections");
    for (int i = 0; i < COUNT; i++) close(fds[i]);
}
END_TEST

/* A client that asks for much and takes nothing: the server waits with it. */
START_TEST(a_client_that_takes_nothing_costs_nothing) {
    make_pattern(root, "large", 16 << 20);
    int fd = connect_client();
    put(fd, "GET /large HTTP/1.1\r\nHost: t\r\n\r\n");
    /* The kernel's buffers grow and fill up for a while. In a stretch in which nothing was written
     * there was nothing to wake up for. */
    eddy_metrics now;
    int stretches = 0;
    do {
        ck_assert_int_lt(stretches++, 100);
        mark();
        test_turn_for(server.context.loop, 50 * EDDY_NS_PER_MS);
        eddy_loop_read_metrics(server.context.loop, &now, sizeof now);
    } while (now.writes > before.writes);
    expect_budget("a client that takes nothing", 2, 2);
    close(fd);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("budgets of eddy serve");
    TCase *tcase = tcase_create("budgets");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    const TTest *const tests[] = {
        each_step_of_a_visit_costs_a_wait,
        a_hundred_pipelined_requests_cost_a_look_at_the_others_now_and_then,
        idle_connections_cost_nothing,
        a_client_that_takes_nothing_costs_nothing,
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
