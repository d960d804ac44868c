/* The log of eddy serve: what is in it, that it is whole, and that nobody can keep out of it. */
#include "log.h"

/* --- What is in it --- */

/* A line for each request, with nothing in it that a client could use to forge another. */
START_TEST(requests_are_logged) {
    char text[8192];
    struct program program = serve_start(root, (const char *[]){"--log", "common", NULL});
    reply_free(ask(program.port, "GET", "/file.txt", ""));
    reply_free(ask(program.port, "HEAD", "/file.txt", ""));
    reply_free(ask(program.port, "GET", "/\"\\\xff", ""));
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    read_text(program.out, text, sizeof text, false);
    static const char *const lines[] = {"\"GET /file.txt HTTP/1.1\" 200 1000\n",
                                        "\"HEAD /file.txt HTTP/1.1\" 200 -\n",
                                        "\"GET /\\x22\\x5c\\xff HTTP/1.1\" 4"};
    const char *at = text;
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(strncmp(at, "127.0.0.1 - - [", 15), 0);
        ck_assert_ptr_nonnull(strstr(at, " +0000] "));
        const char *quote = strchr(at, '"');
        ck_assert_int_eq(strncmp(quote, lines[i], strlen(lines[i])), 0);
        at = strchr(at, '\n') + 1;
    }
    ck_assert_str_eq(at, "");
    ck_assert_int_eq(program_wait(&program), 0);
}
END_TEST

/* Serves one request with `options` and returns its line. */
static const char *one_line(const char *const *options, const char *headers) {
    static char text[8192];
    struct program program = serve_start(root, options);
    reply_free(ask(program.port, "GET", "/file.txt?a=b", headers));
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    read_text(program.out, text, sizeof text, false);
    ck_assert_int_eq(program_wait(&program), 0);
    return text;
}

START_TEST(combined_has_referer_and_user_agent) {
    const char *line = one_line((const char *[]){"--log", "combined", NULL},
                                "User-Agent: a \"b\"\r\nReferer: http://x/\xc3\xa4\r\n");
    ck_assert_ptr_nonnull(line = strchr(line, '"'));
    ck_assert_str_eq(line, "\"GET /file.txt?a=b HTTP/1.1\" 200 1000 "
                           "\"http://x/\\xc3\\xa4\" \"a \\x22b\\x22\"\n");
}
END_TEST

START_TEST(json_is_an_object_a_line) {
    int year, month, day, hour, minute, second, milliseconds, end = 0;
    long long duration_us;
    const char *line = one_line((const char *[]){"--log", "json", NULL},
                                "User-Agent: a \"b\"\r\nReferer: http://x/\xc3\xa4\r\n");
    ck_assert_int_eq(sscanf(line,
                            "{\"time\":\"%4d-%2d-%2dT%2d:%2d:%2d.%3dZ\",\"peer\":\"127.0.0.1\","
                            "\"method\":\"GET\",\"target\":\"/file.txt?a=b\","
                            "\"protocol\":\"HTTP/1.1\",\"status\":200,\"bytes\":1000,"
                            "\"duration_us\":%lld,%n",
                            &year, &month, &day, &hour, &minute, &second, &milliseconds,
                            &duration_us, &end),
                     8);
    ck_assert_int_gt(end, 0);
    ck_assert_int_ge(year, 2024);
    ck_assert(duration_us >= 0 && duration_us < 20000000);
    ck_assert_str_eq(line + end, "\"referer\":\"http://x/\\u00c3\\u00a4\","
                                 "\"user_agent\":\"a \\\"b\\\"\"}\n");
}
END_TEST

/* Whoever asks may say what it likes, unless the operator has said that a proxy asks. */
START_TEST(a_proxy_is_trusted_only_if_told_so) {
    const char *headers =
        "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nX-Forwarded-For: 2001:db8::3\r\n";
    const char *const plain[] = {"--log", "common", NULL};
    const char *const trusting[] = {"--log", "common", "--trust-proxy", NULL};
    ck_assert_int_eq(strncmp(one_line(plain, headers), "127.0.0.1 - ", 12), 0);
    ck_assert_int_eq(strncmp(one_line(trusting, headers), "2001:db8::3 - ", 14), 0);
    ck_assert_int_eq(strncmp(one_line(trusting, ""), "127.0.0.1 - ", 12), 0);
    const char *no_address = "X-Forwarded-For: 192.0.2.1, _hidden\r\n";
    ck_assert_int_eq(strncmp(one_line(trusting, no_address), "127.0.0.1 - ", 12), 0);
}
END_TEST

/* --- It is whole --- */

/* The writes of several loops to one pipe are larger than what the kernel keeps together. Where the
 * reader cannot keep up, on a busy machine, as many lines are missing as stderr says. */
START_TEST(loops_do_not_tear_each_others_lines) {
    enum { CLIENTS = 16, EACH = 240, BEFORE = 40 };
    static struct client *clients[CLIENTS];
    static unsigned char seen[CLIENTS * EACH];
    struct log_reader reader;
    struct program program = serve_aloud((const char *[]){"--log", "common", "--loops", "4", NULL});
    for (unsigned i = 0; i < CLIENTS; i++) clients[i] = client_open(program.port);
    for (unsigned i = 0; i < CLIENTS; i++) ask_numbered(clients[i], i, 0, BEFORE);
    /* By now the pipe is full, and all loops have more. */
    pid_t children[4];
    for (unsigned part = 0; part < 4; part++) {
        children[part] = fork();
        ck_assert_int_ge(children[part], 0);
        if (children[part] != 0) continue;
        for (unsigned i = part; i < CLIENTS; i += 4) ask_numbered(clients[i], i, BEFORE, EACH);
        _exit(0);
    }
    log_reader_start(&reader, program.out);
    for (unsigned part = 0; part < 4; part++) {
        int status;
        ck_assert_int_eq(waitpid(children[part], &status, 0), children[part]);
        ck_assert_int_eq(status, 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++) client_close(clients[i]);
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    char *text = log_reader_end(&reader);
    char said[4096];
    read_text(program.err, said, sizeof said, false);
    count_numbered(text, seen, CLIENTS, EACH);
    uint64_t missing = 0;
    for (size_t i = 0; i < sizeof seen; i++) {
        if (seen[i] > 1) ck_abort_msg("request %zu is in the log %u times", i, seen[i]);
        missing += seen[i] == 0;
    }
    ck_assert_uint_eq(missing, count_lost(said));
    free(text);
    ck_assert_int_eq(program_wait(&program), 0);
}
END_TEST

/* What a loop still holds when it ends, because a reader that has stalled has the rest, is handed
 * over. */
START_TEST(the_last_lines_of_each_loop_are_there) {
    enum { CLIENTS = 16, EACH = 40 };
    static unsigned char seen[CLIENTS * EACH];
    struct log_reader reader;
    struct program program = serve_aloud((const char *[]){"--log", "common", "--loops", "4", NULL});
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = client_open(program.port);
        ask_numbered(client, i, 0, EACH);
        client_close(client);
    }
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    for (int i = 0; i < 500 && can_connect(program.port); i++) poll(NULL, 0, 10);
    log_reader_start(&reader, program.out);
    char said[256];
    read_text(program.err, said, sizeof said, false);
    ck_assert_str_eq(said, "");
    char *text = log_reader_end(&reader);
    count_numbered(text, seen, CLIENTS, EACH);
    for (size_t i = 0; i < sizeof seen; i++) ck_assert_uint_eq(seen[i], 1);
    free(text);
    ck_assert_int_eq(program_wait(&program), 0);
}
END_TEST

/* The loop that writes the log stays until the others have ended: a transfer of one of these is
 * finished long after it has nothing more to serve. */
START_TEST(a_late_line_of_another_loop_is_there) {
    char text[8192];
    static struct reply reply;
    make_pattern(root, "large", 16 << 20);
    struct program program =
        serve_start(root, (const char *[]){"--log", "common", "--loops", "8", NULL});
    struct client *client = client_open(program.port);
    int small = 16 * 1024;
    setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_send(client, "GET /large HTTP/1.1\r\nHost: t\r\n\r\n");
    ck_assert(client_read_head(client, &reply));
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    for (int i = 0; i < 500 && can_connect(program.port); i++) poll(NULL, 0, 10);
    poll(NULL, 0, 1500); /* longer than a loop stays that has nothing to do */
    client_read_body(client, &reply);
    free(reply.body);
    client_close(client);
    read_text(program.out, text, sizeof text, false);
    const char *quote = strchr(text, '"');
    ck_assert_ptr_nonnull(quote);
    ck_assert_str_eq(quote, "\"GET /large HTTP/1.1\" 200 16777216\n");
    ck_assert_int_eq(program_wait(&program), 0);
}
END_TEST

/* --- Nobody keeps out of it --- */

/* Requests `count` times, in one go, what becomes a line as long as can be. */
static void ask_worst(struct client *client, unsigned count) {
    char path[7001] = "/";
    memset(path + 1, '\xff', sizeof path - 2);
    for (unsigned i = 0; i < count; i++) {
        client_send(client, "GET ");
        client_send(client, path);
        client_send(client, " HTTP/1.1\r\nHost: t\r\n\r\n");
    }
    for (unsigned i = 0; i < count; i++) reply_free(client_read(client, false));
}

/* A client cannot choose requests that are not logged, nor drive out those of others: while the log
 * is read, all are there. */
START_TEST(every_request_is_in_the_log) {
    enum { WORST = 100, ROUNDS = 10 };
    struct log_reader reader;
    struct program program = serve_start(root, (const char *[]){"--log", "combined", NULL});
    log_reader_start(&reader, program.out);
    struct client *flood = client_open(program.port), *other = client_open(program.port);
    for (unsigned i = 0; i < ROUNDS; i++) {
        ask_worst(flood, WORST / ROUNDS);
        client_send(other, "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
        reply_free(client_read(other, false));
    }
    client_close(flood);
    client_close(other);
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    char *text = log_reader_end(&reader);
    unsigned worst = 0, others = 0;
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *quote = strchr(line, '"');
        worst += strncmp(quote, "\"GET /\\xff", 10) == 0;
        others += strncmp(quote, "\"GET /file.txt ", 15) == 0;
        ck_assert_uint_le(strcspn(line, "\n") + 1, 4096);
    }
    ck_assert_uint_eq(worst, WORST);
    ck_assert_uint_eq(others, ROUNDS);
    free(text);
    ck_assert_int_eq(program_wait(&program), 0);
}
END_TEST

static struct client *client_from(unsigned port, unsigned host) {
    struct client *client = malloc(sizeof *client);
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host)};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {20, 0};
    client->start = client->used = 0;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (bind(client->fd, (struct sockaddr *)&own, sizeof own) < 0) {
        client_close(client); /* not every system has more than one address of its own */
        return NULL;
    }
    ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

/* While nobody reads the log, one client can use up its memory, but not the part that is kept for
 * others. One of these may be in the same group of addresses as that client. */
START_TEST(a_flood_leaves_room_for_others) {
    enum { FLOOD = 1500, OTHERS = 8, EACH = 5 };
    bool can_choose = true;
    struct log_reader reader;
    struct program program = serve_aloud((const char *[]){"--log", "common", NULL});
    struct client *flood = client_open(program.port);
    for (int i = 0; i < FLOOD / 10; i++) ask_worst(flood, 10);
    client_close(flood);
    expect_said(&program, "eddy: lines of the log are being lost, stdout is too slow or full\n");
    for (unsigned host = 2; host < 2 + OTHERS; host++) {
        struct client *other = client_from(program.port, host);
        for (int i = 0; i < EACH && other != NULL; i++) {
            client_send(other, "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
            reply_free(client_read(other, false));
        }
        if (other != NULL) client_close(other);
        can_choose &= other != NULL;
    }
    log_reader_start(&reader, program.out);
    char said[256];
    unsigned lost = 0, whole = 0;
    read_text(program.err, said, sizeof said, true);
    ck_assert_int_eq(sscanf(said, "eddy: the log goes on, %u lines were lost\n", &lost), 1);
    end_saying(&program, "");
    char *text = log_reader_end(&reader);
    for (unsigned host = 2; host < 2 + OTHERS; host++) {
        char address[32];
        unsigned lines = 0;
        snprintf(address, sizeof address, "\n127.0.0.%u ", host);
        for (const char *at = text; (at = strstr(at, address)) != NULL; at++) lines++;
        whole += lines == EACH;
    }
    ck_assert_uint_gt(lost, 0);
    if (can_choose) ck_assert_uint_ge(whole, OTHERS - 3);
    free(text);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("log");
    const TTest *const tests[] = {
        requests_are_logged,
        combined_has_referer_and_user_agent,
        json_is_an_object_a_line,
        a_proxy_is_trusted_only_if_told_so,
        loops_do_not_tear_each_others_lines,
        the_last_lines_of_each_loop_are_there,
        a_late_line_of_another_loop_is_there,
        every_request_is_in_the_log,
        a_flood_leaves_room_for_others,
    };
    TCase *tcase = tcase_create("log");
    tcase_set_timeout(tcase, 100);
    tcase_add_checked_fixture(tcase, log_setup, log_teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
