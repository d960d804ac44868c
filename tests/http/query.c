/* query.c: what a handler, and the log, may ask of a request's first line, and who sent it. */
#include "site.h"

static struct site site;
static struct site_reply reply;
static unsigned handled, logged;

/* --- What a handler sees --- */

struct line_case {
    const char *line, *method, *path, *target, *query; /* NULL: none */
    int minor;
};

static const struct line_case *expected;

static void check_bytes(const char *bytes, size_t length, const char *wanted, const char *what) {
    const char *line = expected->line;
    if (wanted == NULL) {
        ck_assert_msg(bytes == NULL && length == 0, "%s of %s: there is one", what, line);
        return;
    }
    ck_assert_msg(bytes != NULL, "%s of %s: there is none", what, line);
    ck_assert_msg(length == strlen(wanted) && memcmp(bytes, wanted, length) == 0, "%s of %s: %.*s",
                  what, line, (int)length, bytes);
}

static void check_request(eddy_http_request *request) {
    size_t length = 12345;
    ck_assert_str_eq(eddy_http_method(request), expected->method);
    ck_assert_str_eq(eddy_http_path(request), expected->path);
    ck_assert_int_eq(eddy_http_minor(request), expected->minor);
    ck_assert_ptr_eq(eddy_http_server(request), site.http);
    const char *bytes = eddy_http_target(request, &length);
    check_bytes(bytes, length, expected->target, "target");
    bytes = eddy_http_query(request, &length);
    check_bytes(bytes, length, expected->query, "query");
    bytes = eddy_http_line(request, &length);
    check_bytes(bytes, length, expected->line, "line");
}

static void on_done(eddy_http_request *request, void *context) {
    (void)context;
    check_request(request);
}

static void look(eddy_http_request *request, void *context) {
    (void)context;
    handled++;
    check_request(request);
    eddy_http_on_done(request, on_done, NULL);
    ck_assert_int_eq(eddy_http_respond(request, 200, NULL, 0), 0);
}

static void on_log(eddy_http_request *request, const eddy_http_outcome *outcome, void *context) {
    (void)context;
    ck_assert_int_eq(outcome->status, 200);
    check_request(request);
    logged++;
}

START_TEST(lines_are_taken_apart) {
    static const struct line_case cases[] = {
        {"GET / HTTP/1.1", "GET", "/", "/", NULL, 1},
        {"GET / HTTP/1.0", "GET", "/", "/", NULL, 0},
        {"GET / HTTP/1.7", "GET", "/", "/", NULL, 1},
        {"HEAD /a HTTP/1.1", "HEAD", "/a", "/a", NULL, 1},
        {"get /a HTTP/1.1", "get", "/a", "/a", NULL, 1},
        {"M-SEARCH /a/ HTTP/1.1", "M-SEARCH", "/a/", "/a/", NULL, 1},
        {"GET /? HTTP/1.1", "GET", "/", "/?", "", 1},
        {"GET /?? HTTP/1.1", "GET", "/", "/??", "?", 1},
        {"GET /a?b=c&d HTTP/1.1", "GET", "/a", "/a?b=c&d", "b=c&d", 1},
        {"GET /a/?/../%2f%zz HTTP/1.1", "GET", "/a/", "/a/?/../%2f%zz", "/../%2f%zz", 1},
        {"GET /%61%20b%3f?%61 HTTP/1.1", "GET", "/a b?", "/%61%20b%3f?%61", "%61", 1},
        {"GET /%2561+ HTTP/1.1", "GET", "/%61+", "/%2561+", NULL, 1},
        {"GET /%c3%a4\xc3\xb6 HTTP/1.1", "GET", "/\xc3\xa4\xc3\xb6", "/%c3%a4\xc3\xb6", NULL, 1},
        {"GET //a//./b/../c HTTP/1.1", "GET", "/a/c", "//a//./b/../c", NULL, 1},
        {"GET /a/. HTTP/1.1", "GET", "/a/", "/a/.", NULL, 1},
        {"GET /a/b/.. HTTP/1.1", "GET", "/a/", "/a/b/..", NULL, 1},
        {"GET /a/.. HTTP/1.1", "GET", "/", "/a/..", NULL, 1},
        {"GET /a/... HTTP/1.1", "GET", "/a/...", "/a/...", NULL, 1},
        {"GET http://h/a%20b/?c HTTP/1.1", "GET", "/a b/", "/a%20b/?c", "c", 1},
        {"GET HTTPS://[::1]:80 HTTP/1.1", "GET", "/", "", NULL, 1},
        {"GET http://h?c HTTP/1.1", "GET", "/", "?c", "c", 1},
        {"OPTIONS * HTTP/1.1", "OPTIONS", "*", "*", NULL, 1},
        {"OPTIONS /* HTTP/1.1", "OPTIONS", "/*", "/*", NULL, 1},
        {"OPTIONS /*?* HTTP/1.1", "OPTIONS", "/*", "/*?*", "*", 1},
    };
    enum { COUNT = sizeof cases / sizeof cases[0] };
    site_open(&site, (eddy_http_config){.log = on_log});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", look, NULL), 0);
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "*", look, NULL), 0);
    for (size_t i = 0; i < COUNT; i++) {
        char request[512];
        expected = &cases[i];
        snprintf(request, sizeof request, "%s\r\nHost: h\r\nA: b\r\n\r\n", expected->line);
        ck_assert_int_eq(site_ask(&site, request, &reply), 200);
        ck_assert_uint_eq(handled, i + 1);
    }
    site_close(&site);
    ck_assert_uint_eq(logged, COUNT);
}
END_TEST

/* A path that does not fit the request's own memory is as whole as a short one. */
START_TEST(long_targets_are_whole) {
    static char path[8192], line[sizeof path + 32], request[16384];
    enum { LONGEST = 8192 - 2 - 4 - 9 }; /* with the line's end, the method and the version */
    site_open(&site, (eddy_http_config){.log = on_log});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", look, NULL), 0);
    static const int lengths[] = {250, 253, 254, 255, 256, 257, 258, 1000, 5000, LONGEST};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memset(path, 'a' + (int)i, sizeof path);
        path[0] = path[100] = '/';
        path[lengths[i]] = '\0';
        snprintf(line, sizeof line, "GET %s HTTP/1.1", path);
        expected = &(struct line_case){line, "GET", path, path, NULL, 1};
        snprintf(request, sizeof request, "%s\r\nHost: h\r\n\r\n", line);
        ck_assert_int_eq(site_ask(&site, request, &reply), 200);
    }
    ck_assert_uint_eq(logged, sizeof lengths / sizeof lengths[0]);
    site_close(&site);
}
END_TEST

/* --- What there is of a request that no handler gets --- */

static struct {
    const char *line, *method;
    int status;
} refused;

static void check_refused(eddy_http_request *request) {
    size_t length = 12345;
    const char *text = eddy_http_line(request, &length);
    ck_assert_uint_eq(length, strlen(refused.line));
    ck_assert(length == 0 || memcmp(text, refused.line, length) == 0);
    const char *method = eddy_http_method(request);
    ck_assert_msg(method == NULL || (refused.method != NULL && strcmp(method, refused.method) == 0),
                  "method %s of %s", method, refused.line);
    const char *path = eddy_http_path(request);
    ck_assert_msg(path == NULL || path[0] == '\0', "path %s of %s", path, refused.line);
    text = eddy_http_query(request, &length);
    ck_assert_msg(text == NULL && length == 0, "query of %s", refused.line);
    (void)eddy_http_authority(request, &length); /* there or not, it is not behind the end */
    ck_assert_uint_le(length, 64);
    char value[8];
    ck_assert_int_eq(eddy_http_query_value(request, "a", value, sizeof value), -ENOENT);
    (void)eddy_http_target(request, &length);
    ck_assert_uint_le(length, strlen(refused.line));
    ck_assert_int_eq(eddy_http_peer(request)->sa_family, AF_INET);
}

static void on_refused(eddy_http_request *request, int status, void *context) {
    (void)context;
    ck_assert_int_eq(status, refused.status);
    check_refused(request);
    ck_assert_int_eq(eddy_http_respond(request, status, "no", 2), 0);
    handled++;
}

static void on_refused_log(eddy_http_request *request, const eddy_http_outcome *outcome,
                           void *context) {
    (void)context;
    ck_assert_int_eq(outcome->status, refused.status);
    check_refused(request);
    logged++;
}

static void forbidden(eddy_http_request *request, void *context) {
    (void)context;
    ck_abort_msg("a handler gets %s", eddy_http_path(request));
}

/* Its line, and nothing that would have been made of it. Memory that was used before must not show.
 */
START_TEST(a_refused_request_has_its_line_only) {
    static const struct {
        const char *line, *rest, *method;
        int status;
    } cases[] = {
        {"GET /% HTTP/1.1", "Host: h\r\n\r\n", "GET", 400},
        {"GET /secret/%?a=b HTTP/1.1", "Host: h\r\n\r\n", "GET", 400},
        {"GET /a%2fb?a=b HTTP/1.1", "Host: h\r\n\r\n", "GET", 404},
        {"GET /a/../..?a=b HTTP/1.1", "Host: h\r\n\r\n", "GET", 400},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF /?a=b HTTP/1.1", "Host: h\r\n\r\n", NULL, 501},
        {"CONNECT h:80 HTTP/1.1", "Host: h\r\n\r\n", "CONNECT", 501},
        {"GET /?a=b HTTP/1.1", "\r\n", "GET", 400},
        {"GET /?a=b HTTP/2.0", "Host: h\r\n\r\n", "GET", 505},
        {"GET /?a=b x HTTP/1.1", "Host: h\r\n\r\n", "GET", 400},
        {"GET /?a=b HTTP/1.1", "Host: h\r\nHost: h\r\n\r\n", "GET", 400},
        {"GET ?a=b HTTP/1.1", "Host: h\r\n\r\n", "GET", 400},
        {"@", "Host: h\r\n\r\n", NULL, 400},
    };
    for (int with_error = 0; with_error <= 1; with_error++) {
        site_open(&site, (eddy_http_config){.log = on_refused_log,
                                            .error = with_error ? on_refused : NULL});
        ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", forbidden, NULL), 0);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            char request[512];
            refused.line = cases[i].line[0] == '@' ? "" : cases[i].line;
            refused.method = cases[i].method;
            refused.status = cases[i].status;
            snprintf(request, sizeof request, "%s\r\n%s", cases[i].line, cases[i].rest);
            ck_assert_int_eq(site_ask(&site, request, &reply), refused.status);
        }
        site_close(&site);
    }
    ck_assert_uint_eq(handled, sizeof cases / sizeof cases[0]);
    ck_assert_uint_eq(logged, 2 * sizeof cases / sizeof cases[0]);
}
END_TEST

/* --- Values in the query --- */

static struct {
    const char *name, *value;
    int result;
} wanted;

static void look_up(eddy_http_request *request, void *context) {
    (void)context;
    char text[64];
    memset(text, 'x', sizeof text);
    int result = eddy_http_query_value(request, wanted.name, text, sizeof text);
    size_t length;
    const char *query = eddy_http_query(request, &length);
    if (query == NULL) query = "";
    ck_assert_msg(result == wanted.result, "%d for \"%s\" in %.*s", result, wanted.name,
                  (int)length, query);
    if (result >= 0) ck_assert_str_eq(text, wanted.value);
    /* All the rooms that are too small, and just large enough. */
    for (size_t size = 0; result >= 0 && size <= (size_t)result + 1; size++) {
        memset(text, 'x', sizeof text);
        ck_assert_int_eq(eddy_http_query_value(request, wanted.name, text, size), result);
        ck_assert_int_eq(text[size], 'x');
        if (size == 0) continue;
        ck_assert_uint_eq(strlen(text), size - 1);
        ck_assert_mem_eq(text, wanted.value, size - 1);
    }
    handled++;
    ck_assert_int_eq(eddy_http_respond(request, 200, NULL, 0), 0);
}

START_TEST(values_are_found_and_decoded) {
    static const struct {
        const char *target, *name, *value;
        int result; /* where there is no value */
    } cases[] = {
        {"/?a=b", "a", "b", 0},
        {"/?a=", "a", "", 0},
        {"/?a", "a", "", 0},
        {"/?a&b=c", "a", "", 0},
        {"/?a=b=c", "a", "b=c", 0},
        {"/?a=1&a=2", "a", "1", 0},
        {"/?aa=1&a=2", "a", "2", 0},
        {"/?b=a&a=2", "a", "2", 0},
        {"/?a=1&aa=2", "aa", "2", 0},
        {"/?a=1;b=2", "a", "1;b=2", 0},
        {"/?&&a=1&", "a", "1", 0},
        {"/?x=1&y=2&long+name=the+value", "long name", "the value", 0},
        {"/?%61%62=%63%2b%2B%26", "ab", "c++&", 0},
        {"/?a%3Db=1", "a=b", "1", 0},
        {"/?a%26=1", "a&", "1", 0},
        {"/?a=%3d%25%0a", "a", "=%\n", 0},
        {"/?a=\xc3\xa4%c3%a4", "a", "\xc3\xa4\xc3\xa4", 0},
        {"/?a=b?c/d", "a", "b?c/d", 0},
        {"/%3Fa=1?a=2", "a", "2", 0},
        {"/", "a", NULL, -ENOENT},
        {"/?", "a", NULL, -ENOENT},
        {"/a=b", "a", NULL, -ENOENT},
        {"/?A=1", "a", NULL, -ENOENT},
        {"/?=a", "a", NULL, -ENOENT},
        {"/?b=a", "a", NULL, -ENOENT},
        {"/?ab=1", "a", NULL, -ENOENT},
        {"/?a=1", "ab", NULL, -ENOENT},
        {"/?a%=1", "a", NULL, -ENOENT},
        {"/?a%00=1", "a", NULL, -ENOENT},
        {"/?%61b=1", "a", NULL, -ENOENT},
        {"/?a=%", "a", NULL, -EINVAL},
        {"/?a=b%", "a", NULL, -EINVAL},
        {"/?a=%4", "a", NULL, -EINVAL},
        {"/?a=%4&b=1", "a", NULL, -EINVAL},
        {"/?a=%zz", "a", NULL, -EINVAL},
        {"/?a=%4z", "a", NULL, -EINVAL},
        {"/?a=%00", "a", NULL, -EINVAL},
        {"/?a=b%00c", "a", NULL, -EINVAL},
        {"/?a=%4&b=1", "b", "1", 0},
        {"/?%=1&b=2", "b", "2", 0},
        {"/?a=%&a=1", "a", NULL, -EINVAL}, /* the first decides */
    };
    enum { COUNT = sizeof cases / sizeof cases[0] };
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", look_up, NULL), 0);
    for (size_t i = 0; i < COUNT; i++) {
        char request[512];
        wanted.name = cases[i].name;
        wanted.value = cases[i].value;
        wanted.result = cases[i].value != NULL ? (int)strlen(cases[i].value) : cases[i].result;
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", cases[i].target);
        ck_assert_int_eq(site_ask(&site, request, &reply), 200);
    }
    ck_assert_uint_eq(handled, COUNT);
    site_close(&site);
}
END_TEST

/* --- Who asks --- */

static struct sockaddr_in peer;

static void look_at_peer(eddy_http_request *request, void *context) {
    (void)context;
    const struct sockaddr_in *it =
        (const struct sockaddr_in *)(const void *)eddy_http_peer(request);
    ck_assert_int_eq(it->sin_family, AF_INET);
    ck_assert_uint_eq(it->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    peer = *it;
    ck_assert_int_eq(eddy_http_respond(request, 200, NULL, 0), 0);
    handled++;
}

static void turn_until_answered(int fd) {
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (strstr(reply.text, "\r\n\r\n") == NULL) {
        site_turn(&site, fd, &reply);
        ck_assert_int_lt(test_now_ns(), give_up_ns);
    }
    reply.used = 0;
    reply.text[0] = '\0';
}

/* Each request has its own client's, also when another's was answered between. */
START_TEST(the_peer_is_who_connected) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", look_at_peer, NULL), 0);
    int clients[2];
    for (int i = 0; i < 2; i++) clients[i] = site_connect(&site);
    for (int i = 0; i < 6; i++) {
        struct sockaddr_in name;
        socklen_t length = sizeof name;
        int fd = clients[i & 1];
        site_send(fd, request, sizeof request - 1);
        turn_until_answered(fd);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &length), 0);
        ck_assert_int_eq(peer.sin_port, name.sin_port);
    }
    ck_assert_uint_eq(handled, 6);
    for (int i = 0; i < 2; i++) close(clients[i]);
    site_close(&site);
}
END_TEST

static void look_at_family(eddy_http_request *request, void *context) {
    (void)context;
    char text[16];
    ck_assert_int_eq(eddy_http_peer(request)->sa_family, AF_UNIX);
    ck_assert_int_eq(eddy_address_format(eddy_http_peer(request), text, sizeof text), 5);
    ck_assert_str_eq(text, "unix:");
    handled++;
    ck_assert_int_eq(eddy_http_respond(request, 200, NULL, 0), 0);
}

/* A socket of another kind that the program has accepted itself. */
START_TEST(a_peer_without_an_ip_address_has_its_family) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    const struct sockaddr local = {.sa_family = AF_UNIX};
    int ends[2];
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", look_at_family, NULL), 0);
    test_socket_pair(ends);
    ck_assert_int_eq(eddy_http_accept(site.http, ends[0], &local), 0);
    site_send(ends[1], request, sizeof request - 1);
    turn_until_answered(ends[1]);
    ck_assert_uint_eq(handled, 1);
    close(ends[1]);
    site_close(&site);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("query");
    ck_add(suite, "line", lines_are_taken_apart, long_targets_are_whole,
           a_refused_request_has_its_line_only);
    ck_add(suite, "query", values_are_found_and_decoded);
    ck_add(suite, "peer", the_peer_is_who_connected, a_peer_without_an_ip_address_has_its_family);
    return suite;
}
