/* What strangers try on an HTTP server: requests whose end can be understood in two ways, lines
 * that are folded or cut anywhere, and clients that would have the server keep much memory for
 * them. */
#include "client.h"

#include <sched.h>

static char root[128];
static struct program program;

static void setup(void) {
    make_tree(root);
    make_pattern(root, "file.txt", 1000);
    make_pattern(root, "large", 16 << 20);
    program = serve_start(root, NULL);
}

static void teardown(void) {
    int status = program_stop(&program, SIGTERM);
    remove_tree(root);
    ck_assert_int_eq(status, 0);
}

/* --- Framing --- */

/* What a server would answer that took the first request to be shorter than it claims. */
#define SMUGGLED "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n"
#define POST     "POST /file.txt HTTP/1.1\r\nHost: t\r\n"

static const char *const refused[] = {
    POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    POST "Content-Length: 0\r\nContent-Length: 35\r\n\r\n",
    POST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    POST "Content-Length: 0, 0\r\n\r\n",
    POST "Content-Length: +0\r\n\r\n",
    POST "Content-Length: -1\r\n\r\n",
    POST "Content-Length: 0x0\r\n\r\n",
    POST "Content-Length: 18446744073709551616\r\n\r\n",
    POST "Content-Length: 18446744073709551651\r\n\r\n",
    POST "Content-Length: 99999999999999999999999\r\n\r\n",
    POST "Content-Length : 0\r\n\r\n",
    POST "Content-Length: 0\r\n 5\r\n\r\n",
    POST "X: folded\r\n\tonce\r\n\r\n",
    POST " Content-Length: 0\r\n\r\n",
    POST "X: a\rContent-Length: 5\r\n\r\n",
    POST "X: a\nContent-Length: 5\r\n\r\n",
    POST "X\r: a\r\n\r\n",
    POST "Transfer-Encoding : chunked\r\n\r\n",
    "GET /file.txt HTTP/1.1\r\n Host: t\r\n\r\n",
    "GET /file.txt HTTP/1.1\rHost: t\r\n\r\n",
};

/* One refusal, 400, and the end of the connection: no second answer. The end may be a reset, since
 * there is more than the server has read. */
static void expect_refusal(struct client *client, const char *request) {
    struct reply *reply = client_read(client, false);
    ck_assert_msg(reply->status == 400, "%d instead of 400 for: %s", reply->status, request);
    ck_assert(reply_header_is(reply, "Connection", "close"));
    reply_free(reply);
    ck_assert_msg(client->used == client->start, "a second answer for: %s", request);
    ssize_t end = client_receive(client);
    ck_assert_msg(end == 0 || end == -ECONNRESET, "%zd instead of the end for: %s", end, request);
}

START_TEST(what_can_be_understood_in_two_ways_is_refused_and_ends_the_connection) {
    char text[512];
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct client *client = client_open(program.port);
        snprintf(text, sizeof text, "%s%s", refused[i], SMUGGLED);
        client_send(client, text);
        expect_refusal(client, refused[i]);
        client_close(client);
    }
}
END_TEST

/* Wherever the network cuts it. The parser's unit tests see every cut for certain; here most of
 * them come as two reads. */
START_TEST(a_refusal_does_not_depend_on_where_the_request_is_cut) {
    static const int chosen[] = {0, 12, 13, 15};
    for (size_t i = 0; i < sizeof chosen / sizeof chosen[0]; i++) {
        const char *request = refused[chosen[i]];
        size_t length = strlen(request);
        for (size_t cut = 1; cut < length; cut++) {
            struct client *client = client_open(program.port);
            client_send_bytes(client, request, cut);
            sched_yield();
            /* If the first part was enough to refuse, the rest may find nobody. */
            (void)!send(client->fd, request + cut, length - cut, MSG_NOSIGNAL);
            expect_refusal(client, request);
            client_close(client);
        }
    }
}
END_TEST

/* --- Memory --- */

/* What the program holds, in KiB; -1 where the system does not tell. */
static long memory_kib(void) {
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)program.pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return -1;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
    fclose(file);
    return kib;
}

/* Waits until an answer shows that the server has dealt with what came before, several times. */
static void expect_still_serving(void) {
    for (int i = 0; i < 5; i++) ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
}

enum { CLIENTS = 60 };

/* Each asks for 16 MiB, again and again in one go, and reads nothing: together they ask for more
 * memory than there is. A piece for each is what they get. */
START_TEST(clients_that_never_read_cost_bounded_memory) {
    struct client *clients[CLIENTS];
    expect_still_serving();
    long before = memory_kib();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(program.port);
        for (int j = 0; j < 20; j++)
            client_send(clients[i], "GET /large HTTP/1.1\r\nHost: t\r\n\r\n");
    }
    expect_still_serving();
    long after = memory_kib();
    /* 128 KiB for each; a sanitizer keeps several times that. */
    ck_assert_int_lt(after - before, CLIENTS * 1024);
    for (int i = 0; i < CLIENTS; i++) client_close(clients[i]);
    expect_still_serving();
}
END_TEST

/* Heads without end, as long lines and as many lines: each is refused before it has cost more than
 * a head may. */
START_TEST(endless_heads_cost_bounded_memory) {
    struct client *clients[CLIENTS];
    static char junk[64 * 1024];
    memset(junk, 'a', sizeof junk);
    expect_still_serving();
    long before = memory_kib();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(program.port);
        client_send(clients[i], "GET /file.txt HTTP/1.1\r\nHost: t\r\n");
        for (int j = 0; j < 64; j++) {
            size_t size = i % 2 == 0 ? sizeof junk : 100;
            if (i % 2 != 0) memcpy(junk + 96, "a: b\r\n", 6);
            if (send(clients[i]->fd, junk, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
        }
    }
    expect_still_serving();
    long after = memory_kib();
    ck_assert_int_lt(after - before, CLIENTS * 512);
    for (int i = 0; i < CLIENTS; i++) client_close(clients[i]);
    expect_still_serving();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("strangers");
    const TTest *const tests[] = {
        what_can_be_understood_in_two_ways_is_refused_and_ends_the_connection,
        a_refusal_does_not_depend_on_where_the_request_is_cut,
        clients_that_never_read_cost_bounded_memory,
        endless_heads_cost_bounded_memory,
    };
    TCase *tcase = tcase_create("strangers");
    tcase_set_timeout(tcase, 100);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
