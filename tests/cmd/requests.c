/* What eddy serve answers to which request: statuses, connections that go on or end, requests that
 * come in pieces or all at once. */
#include "client.h"

static char root[128];
static struct program program;

static void setup(void) {
    make_tree(root);
    make_pattern(root, "file.txt", 1000);
    make_file(root, "empty", "", 0);
    make_directory(root, "dir");
    make_directory(root, "with");
    make_file(root, "with/index.html", "<p>index", 8);
    program = serve_start(root, NULL);
}

static void teardown(void) {
    int status = program_stop(&program, SIGTERM);
    remove_tree(root);
    ck_assert_int_eq(status, 0);
}

/* Sends `text` on a connection of its own and returns the status of the answer; `ends` says whether
 * the server closes after it. */
static int status_of(const char *text, size_t length, bool ends) {
    struct client *client = client_open(program.port);
    client_send_bytes(client, text, length);
    struct reply *reply = client_read(client, strncmp(text, "HEAD", 4) == 0);
    int status = reply->status;
    ck_assert_int_eq(reply_header_is(reply, "Connection", "close"), ends);
    if (ends) {
        client_expect_end(client);
    } else {
        client_send(client, "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
        struct reply *next = client_read(client, false);
        ck_assert_int_eq(next->status, 200);
        expect_body(next, 0, 1000);
        reply_free(next);
    }
    reply_free(reply);
    client_close(client);
    return status;
}

static const struct {
    const char *request;
    int status;
    bool ends; /* the connection ends after the answer */
} table[] = {
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n", 200, false},
    {"GET /empty HTTP/1.1\r\nHost: t\r\n\r\n", 200, false},
    {"HEAD /file.txt HTTP/1.1\r\nHost: t\r\n\r\n", 200, false},
    {"GET http://t/file.txt HTTP/1.1\r\nHost: t\r\n\r\n", 200, false},
    {"GET /file.txt?query HTTP/1.1\r\nHost: t\r\n\r\n", 200, false},
    {"GET /with/ HTTP/1.1\r\nHost: t\r\n\r\n", 200, false},
    {"GET /dir/ HTTP/1.1\r\nHost: t\r\n\r\n", 200, false},
    {"GET / HTTP/1.1\r\nHost: t\r\n\r\n", 200, false},
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\nRange: bytes=1-2\r\n\r\n", 206, false},
    {"GET /dir HTTP/1.1\r\nHost: t\r\n\r\n", 301, false},
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\nIf-None-Match: *\r\n\r\n", 304, false},
    {"GET /%zz HTTP/1.1\r\nHost: t\r\n\r\n", 400, false},
    {"GET /../etc/passwd HTTP/1.1\r\nHost: t\r\n\r\n", 400, false},
    {"GET /nothing HTTP/1.1\r\nHost: t\r\n\r\n", 404, false},
    {"GET /nothing/ HTTP/1.1\r\nHost: t\r\n\r\n", 404, false},
    {"GET /file.txt/ HTTP/1.1\r\nHost: t\r\n\r\n", 404, false},
    {"GET /file.txt/x HTTP/1.1\r\nHost: t\r\n\r\n", 404, false},
    {"POST /file.txt HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n", 405, false},
    {"POST /file.txt HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello", 405, false},
    {"DELETE /file.txt HTTP/1.1\r\nHost: t\r\n\r\n", 405, false},
    {"POST /%zz HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n", 400, false},
    {"POST /none HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n", 405, false},
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello", 200, false},
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\nIf-Match: \"other\"\r\n\r\n", 412, false},
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\nRange: bytes=1000-\r\n\r\n", 416, false},
    {"BREW /file.txt HTTP/1.1\r\nHost: t\r\n\r\n", 501, false},
    {"GET /file.txt HTTP/1.0\r\n\r\n", 200, true},
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", 200, true},
    {"GET /file.txt HTTP/1.1\r\n\r\n", 400, true},
    {"GET /file.txt HTTP/1.1\r\nHost : t\r\n\r\n", 400, true},
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n", 400, true},
    {"GET  /file.txt HTTP/1.1\r\nHost: t\r\n\r\n", 400, true},
    {"GET /file.txt HTTP/1.1\nHost: t\r\n\r\n", 400, true},
    {"nonsense\r\n\r\n", 400, true},
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400,
     true},
    {"GET /f HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     true},
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\n", 413, true},
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200,
     false},
    {"GET /file.txt HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501,
     true},
    {"GET /file.txt HTTP/2.0\r\nHost: t\r\n\r\n", 505, true},
};

/* Each answer has its status, and the connection goes on or ends as it should. */
START_TEST(each_request_gets_its_status) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int status = status_of(table[i].request, strlen(table[i].request), table[i].ends);
        ck_assert_msg(status == table[i].status, "%d instead of %d for: %s", status,
                      table[i].status, table[i].request);
    }
}
END_TEST

/* A line, a header or all of them beyond their limits; the request may not even be whole. */
START_TEST(what_is_too_long_is_refused) {
    enum { SIZE = 100 * 1000 };
    char *text = malloc(SIZE);
    ck_assert_ptr_nonnull(text);
    memset(text, 'a', SIZE);
    memcpy(text, "GET /", 5);
    ck_assert_int_eq(status_of(text, 70000, true), 414);
    int length = snprintf(text, SIZE, "GET / HTTP/1.1\r\nHost: t\r\nLong: ");
    memset(text + length, 'a', (size_t)(70000 - length));
    ck_assert_int_eq(status_of(text, 70000, true), 431);
    length = snprintf(text, SIZE, "GET / HTTP/1.1\r\nHost: t\r\n");
    for (int i = 0; i < 3000; i++) length += snprintf(text + length, SIZE, "h%d: %d\r\n", i, i);
    ck_assert_int_eq(status_of(text, (size_t)length, true), 431);
    length = snprintf(text, SIZE, "GET /");
    memset(text + length, 'a', 5000);
    snprintf(text + 5000, 100, " HTTP/1.1\r\nHost: t\r\n\r\n");
    ck_assert_int_eq(status_of(text, strlen(text), false), 414);
    memset(text + 5, 'a', 300);
    snprintf(text + 305, 100, " HTTP/1.1\r\nHost: t\r\n\r\n");
    ck_assert_int_eq(status_of(text, strlen(text), false), 404);
    free(text);
}
END_TEST

/* Every fixed header of an answer is there; a 405 says what is allowed, a 301 where to go. */
START_TEST(heads_say_what_they_should) {
    struct reply *reply = ask(program.port, "GET", "/file.txt", "");
    ck_assert(reply_header_is(reply, "Content-Type", "text/plain; charset=utf-8"));
    ck_assert(reply_header_is(reply, "Content-Length", "1000"));
    ck_assert(reply_header_is(reply, "Accept-Ranges", "bytes"));
    const char *date = reply_header(reply, "Date");
    const char *modified = reply_header(reply, "Last-Modified");
    const char *tag = reply_header(reply, "ETag");
    ck_assert(date != NULL && modified != NULL && tag != NULL);
    ck_assert_int_eq(strncmp(date + 26, "GMT\r", 4), 0);
    ck_assert_int_eq(strncmp(modified + 26, "GMT\r", 4), 0);
    ck_assert_int_eq(tag[0], '"');
    ck_assert_ptr_null(reply_header(reply, "Connection"));
    reply_free(reply);

    reply = ask(program.port, "PUT", "/file.txt", "");
    ck_assert(reply_header_is(reply, "Allow", "GET, HEAD"));
    reply_free(reply);

    reply = ask(program.port, "GET", "/dir?a=b&c", "");
    ck_assert_int_eq(reply->status, 301);
    ck_assert(reply_header_is(reply, "Location", "/dir/?a=b&c"));
    reply_free(reply);

    reply = ask(program.port, "GET", "//dir", "");
    ck_assert(reply_header_is(reply, "Location", "/dir/"));
    reply_free(reply);
}
END_TEST

/* HEAD has the head of GET and not a byte more: the next answer follows at once. */
START_TEST(head_has_no_body) {
    static const char *const paths[] = {"/file.txt", "/dir", "/dir/", "/nothing", "/with/"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct reply *get = ask(program.port, "GET", paths[i], "");
        char request[256];
        struct client *client = client_open(program.port);
        snprintf(request, sizeof request,
                 "HEAD %s HTTP/1.1\r\nHost: t\r\n\r\nGET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n",
                 paths[i]);
        client_send(client, request);
        struct reply *head = client_read(client, true);
        struct reply *next = client_read(client, false);
        ck_assert_int_eq(head->status, get->status);
        ck_assert_int_eq((int)head->length, (int)get->length);
        expect_body(next, 0, 1000);
        reply_free(get);
        reply_free(head);
        reply_free(next);
        client_close(client);
    }
}
END_TEST

/* HTTP/1.0 goes on only when asked to, and is told so; 1.1 goes on unless told not to. */
START_TEST(old_clients_may_keep_the_connection) {
    struct client *client = client_open(program.port);
    for (int i = 0; i < 3; i++) {
        client_send(client, "GET /file.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        struct reply *reply = client_read(client, false);
        ck_assert_int_eq(reply->status, 200);
        ck_assert(reply_header_is(reply, "Connection", "keep-alive"));
        expect_body(reply, 0, 1000);
        reply_free(reply);
    }
    client_send(client, "GET /file.txt HTTP/1.0\r\n\r\n");
    reply_free(client_read(client, false));
    client_expect_end(client);
    client_close(client);
}
END_TEST

/* A hundred requests in one segment: answers in the order of the requests. */
START_TEST(a_hundred_pipelined_requests_are_answered_in_order) {
    char request[100 * 96];
    size_t length = 0;
    for (int i = 0; i < 100; i++)
        length += (size_t)snprintf(
            request + length, sizeof request - length,
            "GET /file.txt HTTP/1.1\r\nHost: t\r\nRange: bytes=%d-%d\r\n\r\n", i, i + 9);
    struct client *client = client_open(program.port);
    client_send_bytes(client, request, length);
    for (size_t i = 0; i < 100; i++) {
        struct reply *reply = client_read(client, false);
        ck_assert_int_eq(reply->status, 206);
        expect_body(reply, i, 10);
        reply_free(reply);
    }
    client_close(client);
}
END_TEST

/* Kinds of answers that are made at once, and ones that need files, mixed in one segment. */
START_TEST(pipelined_requests_of_all_kinds_keep_their_order) {
    static const char *const requests[] = {
        "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc",
        "GET /dir/ HTTP/1.1\r\nHost: t\r\n\r\n",
        "BREW / HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /dir HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /empty HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nHost: t\r\n\r\n",
    };
    static const int statuses[] = {200, 405, 200, 501, 301, 400, 200, 404};
    struct client *client = client_open(program.port);
    char all[16 * 1024] = "";
    for (int i = 0; i < 160; i++) strcat(all, requests[i % 8]);
    client_send(client, all);
    for (int i = 0; i < 160; i++) {
        struct reply *reply = client_read(client, false);
        ck_assert_int_eq(reply->status, statuses[i % 8]);
        reply_free(reply);
    }
    client_close(client);
}
END_TEST

/* More pipelined requests than the input holds, from a client that reads no answer meanwhile: the
 * server stops reading rather than growing, and every one is answered in the end. */
START_TEST(a_flood_of_requests_waits_its_turn) {
    enum { COUNT = 6000 };
    static const char request[] =
        "GET /file.txt HTTP/1.1\r\nHost: t\r\nPadding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n";
    struct client *client = client_open(program.port);
    pid_t writer = fork();
    ck_assert_int_ge(writer, 0);
    if (writer == 0) {
        for (int i = 0; i < COUNT; i++) client_send(client, request);
        client_close(client);
        _exit(0);
    }
    poll(NULL, 0, 200);
    for (int i = 0; i < COUNT; i++) {
        struct reply *reply = client_read(client, false);
        ck_assert_int_eq(reply->status, 200);
        ck_assert_uint_eq(reply->size, 1000);
        ck_assert_uint_eq((unsigned char)reply->body[999], pattern_byte(999));
        reply_free(reply);
    }
    int status;
    ck_assert_int_eq(waitpid(writer, &status, 0), writer);
    ck_assert_int_eq(status, 0);
    client_close(client);
}
END_TEST

/* A request cut at every byte: the answer is the same. */
START_TEST(a_request_may_come_in_two_pieces) {
    static const char request[] =
        "GET /file.txt HTTP/1.1\r\nHost: t\r\nRange: bytes=100-199\r\n\r\n"
        "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody";
    struct client *client = client_open(program.port);
    for (size_t cut = 1; cut < sizeof request - 1; cut++) {
        client_send_bytes(client, request, cut);
        if (cut % 4 == 0) poll(NULL, 0, 1);
        client_send_bytes(client, request + cut, sizeof request - 1 - cut);
        struct reply *reply = client_read(client, false);
        ck_assert_int_eq(reply->status, 206);
        expect_body(reply, 100, 100);
        reply_free(reply);
        reply = client_read(client, false);
        ck_assert_int_eq(reply->status, 405);
        reply_free(reply);
    }
    client_close(client);
}
END_TEST

/* A byte at a time, each in a segment of its own. */
START_TEST(a_request_may_come_byte_by_byte) {
    static const char request[] = "GET /file.txt HTTP/1.1\r\nHost: t\r\nRange: bytes=5-6\r\n\r\n";
    struct client *client = client_open(program.port);
    for (size_t i = 0; i < sizeof request - 1; i++) {
        client_send_bytes(client, request + i, 1);
        poll(NULL, 0, 1);
    }
    struct reply *reply = client_read(client, false);
    ck_assert_int_eq(reply->status, 206);
    expect_body(reply, 5, 2);
    reply_free(reply);
    client_close(client);
}
END_TEST

/* A client that shuts down its end after asking still gets all its answers, then the end. */
START_TEST(a_client_that_asks_and_shuts_down_is_answered) {
    struct client *client = client_open(program.port);
    client_send(client, "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n"
                        "GET /dir/ HTTP/1.1\r\nHost: t\r\n\r\n"
                        "GET /empty HTTP/1.1\r\nHost: t\r\n\r\n");
    ck_assert_int_eq(shutdown(client->fd, SHUT_WR), 0);
    for (int i = 0; i < 3; i++) {
        struct reply *reply = client_read(client, false);
        ck_assert_int_eq(reply->status, 200);
        reply_free(reply);
    }
    client_expect_end(client);
    client_close(client);
}
END_TEST

/* After "Connection: close" nothing of what is pipelined behind is looked at, and bytes that the
 * server does not read must not turn the answer into a reset. */
START_TEST(nothing_is_answered_after_the_last_answer) {
    struct client *client = client_open(program.port);
    client_send(client, "GET /file.txt HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 50; i++) client_send(client, "GET /empty HTTP/1.1\r\nHost: t\r\n\r\n");
    struct reply *reply = client_read(client, false);
    expect_body(reply, 0, 1000);
    reply_free(reply);
    client_expect_end(client);
    client_close(client);
}
END_TEST

/* Clients that go away in the middle of whatever leave nothing behind: teardown sees the end. */
START_TEST(clients_that_vanish_do_no_harm) {
    static const char request[] = "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n";
    for (size_t cut = 0; cut < sizeof request; cut++) {
        struct client *client = client_open(program.port);
        client_send_bytes(client, request, cut);
        struct linger hard = {1, 0};
        if (cut % 2 == 0) setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        client_close(client);
    }
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("requests");
    const TTest *const tests[] = {
        each_request_gets_its_status,
        what_is_too_long_is_refused,
        heads_say_what_they_should,
        head_has_no_body,
        old_clients_may_keep_the_connection,
        a_hundred_pipelined_requests_are_answered_in_order,
        pipelined_requests_of_all_kinds_keep_their_order,
        a_flood_of_requests_waits_its_turn,
        a_request_may_come_in_two_pieces,
        a_request_may_come_byte_by_byte,
        a_client_that_asks_and_shuts_down_is_answered,
        nothing_is_answered_after_the_last_answer,
        clients_that_vanish_do_no_harm,
    };
    TCase *tcase = tcase_create("requests");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
