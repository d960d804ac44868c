/* http_head.c: the parser of heads, case by case. Every case is parsed whole, cut in two at every
 * byte, and byte by byte; all of them must come to the same. */
#include "suite.h"

#include <stdio.h>

#include "head_feed.h"

static const struct http_head_limits *const defaults = &head_feed_limits;

/* Parses in every way and returns the status. */
static int parse_with(struct http_head *head, const char *bytes, size_t length,
                      const struct http_head_limits *limits) {
    int status = head_feed_whole(head, bytes, length, limits);
    struct http_head other;
    for (size_t cut = 0; cut <= length; cut++) {
        int again = head_feed_cut(&other, bytes, length, cut, limits);
        ck_assert_msg(again == status && head_same_result(head, &other, status),
                      "cut at %zu: %d, whole: %d, of \"%s\"", cut, again, status, bytes);
    }
    int again = head_feed_bytewise(&other, bytes, length, limits);
    ck_assert_msg(again == status && head_same_result(head, &other, status),
                  "bytewise: %d, whole: %d, of \"%s\"", again, status, bytes);
    return status;
}

static int parse(struct http_head *head, const char *text) {
    return parse_with(head, text, strlen(text), defaults);
}

static void check_span(const char *bytes, struct http_span span, const char *expected) {
    ck_assert_uint_eq(span.length, strlen(expected));
    ck_assert_msg(memcmp(bytes + span.offset, expected, span.length) == 0, "not \"%s\"", expected);
}

struct case_of_status {
    const char *text;
    int status;
};

static void check_statuses(const struct case_of_status *cases, size_t count) {
    struct http_head head;
    for (size_t i = 0; i < count; i++) {
        int status = parse(&head, cases[i].text);
        ck_assert_msg(status == cases[i].status, "%d instead of %d for \"%s\"", status,
                      cases[i].status, cases[i].text);
    }
}

#define CHECK_STATUSES(cases) check_statuses(cases, sizeof(cases) / sizeof(cases)[0])
#define GET(fields)           "GET / HTTP/1.1\r\nHost: h\r\n" fields "\r\n"

/* Everything that a browser sends is understood, and its fields are where the spans say. */
START_TEST(a_browser_request_is_taken_apart) {
    const char *text = "GET /a/b.html?q=1 HTTP/1.1\r\nHost: localhost:8080\r\n"
                       "Connection: keep-alive\r\nsec-ch-ua: \"Chromium\";v=\"130\"\r\n"
                       "User-Agent:Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n"
                       "Referer:  http://localhost:8080/ \t\r\nEmpty:\r\nBlank: \t \r\n"
                       "accept:text/html\r\n\r\nGET /next";
    static const char *const fields[][2] = {
        {"Host", "localhost:8080"},
        {"Connection", "keep-alive"},
        {"sec-ch-ua", "\"Chromium\";v=\"130\""},
        {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)"},
        {"Accept", "*/*"},
        {"Referer", "http://localhost:8080/"},
        {"Empty", ""},
        {"Blank", ""},
        {"accept", "text/html"},
    };
    enum { COUNT = sizeof fields / sizeof fields[0] };
    struct http_head head;
    ck_assert_int_eq(parse(&head, text), HTTP_COMPLETE);
    ck_assert_int_eq(head.method, HTTP_GET);
    ck_assert_int_eq(head.minor, 1);
    ck_assert(head.keep_alive);
    ck_assert(!head.is_chunked);
    ck_assert(!head.expects_continue);
    ck_assert_uint_eq(head.body_bytes, 0);
    ck_assert_str_eq(text + head.head_bytes, "GET /next");
    check_span(text, head.line, "GET /a/b.html?q=1 HTTP/1.1");
    check_span(text, head.name, "GET");
    check_span(text, head.target, "/a/b.html?q=1");
    ck_assert_uint_eq(head.field_count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        check_span(text, head.fields[i].name, fields[i][0]);
        check_span(text, head.fields[i].value, fields[i][1]);
    }
}
END_TEST

/* A hundred requests in one segment come out one after the other. */
START_TEST(pipelined_requests_end_where_they_end) {
    char text[8192];
    size_t length = 0, at = 0;
    for (int i = 0; i < 100; i++)
        length += (size_t)snprintf(text + length, sizeof text - length,
                                   "GET /%d HTTP/1.1\r\nHost: h\r\n%s\r\n%s", i,
                                   i % 2 ? "Content-Length: 4\r\n" : "", i % 2 ? "body" : "");
    for (int i = 0; i < 100; i++) {
        struct http_head head;
        char target[16];
        eddy__http_head_init(&head);
        int status = eddy__http_head_parse(&head, text + at, length - at, defaults);
        ck_assert_int_eq(status, HTTP_COMPLETE);
        snprintf(target, sizeof target, "/%d", i);
        check_span(text + at, head.target, target);
        at += head.head_bytes + (size_t)head.body_bytes;
    }
    ck_assert_uint_eq(at, length);
}
END_TEST

START_TEST(methods_are_told_apart) {
    static const struct {
        const char *text, *name;
        enum http_method method;
    } cases[] = {
        {"GET / HTTP/1.0\r\n\r\n", "GET", HTTP_GET},
        {"HEAD / HTTP/1.0\r\n\r\n", "HEAD", HTTP_HEAD},
        {"POST / HTTP/1.0\r\n\r\n", "POST", HTTP_METHOD_KNOWN},
        {"PUT / HTTP/1.0\r\n\r\n", "PUT", HTTP_METHOD_KNOWN},
        {"DELETE / HTTP/1.0\r\n\r\n", "DELETE", HTTP_METHOD_KNOWN},
        {"OPTIONS / HTTP/1.0\r\n\r\n", "OPTIONS", HTTP_METHOD_KNOWN},
        {"TRACE / HTTP/1.0\r\n\r\n", "TRACE", HTTP_METHOD_KNOWN},
        {"PATCH / HTTP/1.0\r\n\r\n", "PATCH", HTTP_METHOD_KNOWN},
        {"get / HTTP/1.0\r\n\r\n", "get", HTTP_METHOD_UNKNOWN},
        {"GETT / HTTP/1.0\r\n\r\n", "GETT", HTTP_METHOD_UNKNOWN},
        {"connect / HTTP/1.0\r\n\r\n", "connect", HTTP_METHOD_UNKNOWN},
        {"!#$%&'*+-.^_`|~9 / HTTP/1.0\r\n\r\n", "!#$%&'*+-.^_`|~9", HTTP_METHOD_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head;
        ck_assert_int_eq(parse(&head, cases[i].text), HTTP_COMPLETE);
        ck_assert_msg(head.method == cases[i].method, "%s", cases[i].text);
        check_span(cases[i].text, head.name, cases[i].name);
    }
}
END_TEST

/* The same targets for all methods, but for these. */
START_TEST(some_methods_have_targets_of_their_own) {
    static const struct case_of_status cases[] = {
        {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 200},
        {"OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", 200},
        {"OPTIONS ** HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"OPTIONS *? HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"options * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"OPTION * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"POST * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"POST a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"BREW a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"BREW http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 200},
        {"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 501},
        {"CONNECT / HTTP/1.0\r\n\r\n", 501},
        {"CONNECT h:443 HTTP/2.0\r\n\r\n", 505},
        {"CONNECT h:443\r\n\r\n", 400},
    };
    struct http_head head;
    CHECK_STATUSES(cases);
    ck_assert_int_eq(parse(&head, cases[0].text), HTTP_COMPLETE);
    check_span(cases[0].text, head.target, "*");
}
END_TEST

/* A client that asked with HEAD reads no body, also of the answer that tells what is wrong with the
 * rest. */
START_TEST(the_method_is_known_after_an_error_behind_it) {
    static const char *const cases[] = {
        "HEAD /a#b HTTP/1.1\r\n\r\n",
        "HEAD nothing HTTP/1.1\r\n\r\n",
        "HEAD / HTTP/2.0\r\n\r\n",
        "HEAD / HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head;
        ck_assert_int_ge(parse(&head, cases[i]), 400);
        ck_assert_int_eq(head.method, HTTP_HEAD);
    }
    struct http_head head;
    ck_assert_int_eq(parse(&head, "{"), 400);
    ck_assert_int_eq(head.method, HTTP_METHOD_UNKNOWN);
}
END_TEST

START_TEST(request_lines_are_strict) {
    static const struct case_of_status cases[] = {
        {"GET / HTTP/1.0\r\n\r\n", 200},
        {"GET / HTTP/1.9\r\nHost: h\r\n\r\n", 200},
        {"GET / HTTP/1.9\r\n\r\n", 400},
        {"\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n", 200},
        {"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n", 400},
        {"\r\n\r\n", 0},
        {"\r\r\nGET / HTTP/1.0\r\n\r\n", 400},
        {"\nGET / HTTP/1.0\r\n\r\n", 400},
        {"GET / HTTP/1.0\n\r\n", 400},
        {"GET / HTTP/1.0\r\n\n", 400},
        {"GET / HTTP/1.0\r\r\n\r\n", 400},
        {"GET /\r/ HTTP/1.0\r\n\r\n", 400},
        {" GET / HTTP/1.0\r\n\r\n", 400},
        {"GET  / HTTP/1.0\r\n\r\n", 400},
        {"GET /  HTTP/1.0\r\n\r\n", 400},
        {"GET / HTTP/1.0 \r\n\r\n", 400},
        {"GET\t/ HTTP/1.0\r\n\r\n", 400},
        {"GET /\tx HTTP/1.0\r\n\r\n", 400},
        {"GET /a b HTTP/1.0\r\n\r\n", 400},
        {"GET /a#b HTTP/1.0\r\n\r\n", 400},
        {"GET /\x7f HTTP/1.0\r\n\r\n", 400},
        {"GET /\x01 HTTP/1.0\r\n\r\n", 400},
        {"GET /\xc3\xa4 HTTP/1.0\r\n\r\n", 200},
        {"GET /\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"G@T / HTTP/1.0\r\n\r\n", 400},
        {"GET / http/1.0\r\n\r\n", 400},
        {"GET / HTTP/1\r\n\r\n", 400},
        {"GET / HTTP/1.10\r\n\r\n", 400},
        {"GET / HTTP/1,0\r\n\r\n", 400},
        {"GET / HTTP/x.0\r\n\r\n", 400},
        {"GET / HTTP/0.9\r\n\r\n", 505},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"\x16\x03\x01", 400}, /* TLS */
        {"{", 400},
    };
    CHECK_STATUSES(cases);
}
END_TEST

START_TEST(absolute_targets_lose_their_authority) {
    static const struct {
        const char *text, *target;
        int status;
    } cases[] = {
        {"GET http://example.org/a?b HTTP/1.1\r\nHost: h\r\n\r\n", "/a?b", 200},
        {"GET HTTPS://example.org:80/ HTTP/1.1\r\nHost: h\r\n\r\n", "/", 200},
        {"GET http://[::1]:80/ HTTP/1.1\r\nHost: h\r\n\r\n", "/", 200},
        {"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", "", 200},
        {"GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n", "?q", 200},
        {"GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", "", 400},
        {"GET http://user@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "", 400},
        {"GET http:/a HTTP/1.1\r\nHost: h\r\n\r\n", "", 400},
        {"GET ftp://h/a HTTP/1.1\r\nHost: h\r\n\r\n", "", 400},
        {"GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n", "", 400},
        {"GET a HTTP/1.1\r\nHost: h\r\n\r\n", "", 400},
        {"GET * HTTP/1.1\r\nHost: h\r\n\r\n", "", 400},
        {"GET ?q HTTP/1.1\r\nHost: h\r\n\r\n", "", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head;
        int status = parse(&head, cases[i].text);
        ck_assert_msg(status == cases[i].status, "%d for %s", status, cases[i].text);
        if (status == 200) check_span(cases[i].text, head.target, cases[i].target);
    }
}
END_TEST

START_TEST(field_lines_are_strict) {
    static const struct case_of_status cases[] = {
        {GET("A:\r\n"), 200},
        {GET("A: b\tc\r\n"), 200},
        {GET("A: \xff\xfe\r\n"), 200},
        {GET("A : b\r\n"), 400},
        {GET("A\t: b\r\n"), 400},
        {GET(" A: b\r\n"), 400},
        {GET(": b\r\n"), 400},
        {"GET / HTTP/1.0\r\n: b\r\n\r\n", 400},
        {GET("A\r\n"), 400},
        {GET("A b: c\r\n"), 400},
        {GET("A(b): c\r\n"), 400},
        {GET("A\xc3: c\r\n"), 400},
        {GET("A: b\r\n c\r\n"), 400},     /* folded */
        {GET("A: b\r\n\tc: d\r\n"), 400}, /* folded, looks like a field */
        {GET("A: b\n"), 400},
        {GET("A: b\rc\r\n"), 400},
        {GET("A: b\r\r\n"), 400},
        {GET("A: \rb\r\n"), 400},
        {GET("A: b\x01\r\n"), 400},
        {GET("A: b\x7f\r\n"), 400},
        {GET("A: 0123456789\x1f"
             "0123456789\r\n"),
         400},
        {GET("A: 0123456789\x7f"
             "0123456789\r\n"),
         400},
        {GET("A: 0123456789\t0123456789\r\n"), 200},
        {GET("A: 0123\t56789\x01"
             "0123456789\r\n"),
         400},
    };
    CHECK_STATUSES(cases);
}
END_TEST

/* No NUL gets through, wherever it stands. */
START_TEST(nul_is_refused_everywhere) {
    static const char whole[] =
        "GET /path HTTP/1.1\r\nHost: h\r\nA-Field: and its long value\r\n\r\n";
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        char text[sizeof whole];
        struct http_head head;
        memcpy(text, whole, sizeof whole);
        text[i] = '\0';
        int status = parse_with(&head, text, sizeof whole - 1, defaults);
        /* In the place of the last line's end nothing can be said yet. */
        ck_assert_msg(status == 400 || (status == 0 && i == sizeof whole - 2), "%d at %zu", status,
                      i);
    }
}
END_TEST

/* Each control character in each place of a value, whatever word it falls into. */
START_TEST(control_characters_are_refused_in_values) {
    for (int byte = 0; byte < 256; byte++) {
        for (size_t length = 1; length < 20; length++) {
            for (size_t at = 0; at < length; at++) {
                char text[64] = "GET / HTTP/1.0\r\nA:0";
                size_t start = strlen(text);
                memset(text + start, 'v', length);
                text[start + at] = (char)byte;
                text[start + length] = '0';
                memcpy(text + start + length + 1, "\r\n\r\n", 4);
                struct http_head head;
                int status = head_feed_whole(&head, text, start + length + 5, defaults);
                bool good = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
                ck_assert_msg(status == (good ? 200 : 400), "%d for byte %d at %zu of %zu", status,
                              byte, at, length);
            }
        }
    }
}
END_TEST

START_TEST(one_host_is_required) {
    static const struct case_of_status cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\nHost: \t\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\nhOsT: h\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\nHost: h\t\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nHost:\r\nHost:\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: h, h\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHosts: h\r\n\r\n", 400},
        {"GET http://h/ HTTP/1.1\r\n\r\n", 400},
        {"GET http://h/ HTTP/1.1\r\nHost: ?\r\n\r\n", 400},
        {"GET http://h/ HTTP/1.1\r\nHost: other\r\n\r\n", 200},
    };
    CHECK_STATUSES(cases);
}
END_TEST

/* Two opinions about where a request ends are how requests are smuggled. */
START_TEST(framing_is_never_guessed) {
    static const struct case_of_status cases[] = {
        {GET("Content-Length: 0\r\n"), 200},
        {GET("Content-Length: 0005\r\n"), 200},
        {GET("Content-Length: 9223372036854775807\r\n"), 200},
        {GET("Content-Length: 9223372036854775808\r\n"), 400},
        {GET("Content-Length: 18446744073709551616\r\n"), 400},
        {GET("Content-Length: 18446744073709551621\r\n"), 400},
        {GET("Content-Length: 99999999999999999999999999\r\n"), 400},
        {GET("Content-Length:\r\n"), 400},
        {GET("Content-Length: +5\r\n"), 400},
        {GET("Content-Length: -5\r\n"), 400},
        {GET("Content-Length: 5,5\r\n"), 400},
        {GET("Content-Length: 5 5\r\n"), 400},
        {GET("Content-Length: 0x5\r\n"), 400},
        {GET("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
        {GET("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
        {GET("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
        {GET("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
        {GET("Transfer-Encoding: chunked\r\n"), 200},
        {GET("transfer-encoding:\tCHUNKED \r\n"), 200},
        {GET("Transfer-Encoding: gzip, chunked\r\n"), 501},
        {GET("Transfer-Encoding: chunked, gzip\r\n"), 501},
        {GET("Transfer-Encoding: chunked, chunked\r\n"), 501},
        {GET("Transfer-Encoding: chunked,\r\n"), 501},
        {GET("Transfer-Encoding: chunked;a=b\r\n"), 501},
        {GET("Transfer-Encoding: \"chunked\"\r\n"), 501},
        {GET("Transfer-Encoding: chunke\r\n"), 501},
        {GET("Transfer-Encoding: xchunked\r\n"), 501},
        {GET("Transfer-Encoding: identity\r\n"), 501},
        {GET("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 501},
        {GET("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), 501},
        {GET("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"), 501},
        {GET("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n"), 400},
        {GET("Transfer-Encoding: \x0b"
             "chunked\r\n"),
         400},
        {GET("Transfer-Encoding:\r\n"), 400},
        {GET("Transfer-Encoding : chunked\r\n"), 400},
        {GET("Transfer-Encoding\r\n : chunked\r\n"), 400},
        {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nTransfer-Encoding: x\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n\r\n", 400},
    };
    CHECK_STATUSES(cases);
}
END_TEST

START_TEST(bodies_are_announced) {
    struct http_head head;
    const char *text = GET("Content-Length: 5\r\n") "12345GET";
    ck_assert_int_eq(parse(&head, text), HTTP_COMPLETE);
    ck_assert_uint_eq(head.body_bytes, 5);
    ck_assert(!head.is_chunked);
    ck_assert(head.keep_alive);
    ck_assert_str_eq(text + head.head_bytes, "12345GET");
    text = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n";
    ck_assert_int_eq(parse(&head, text), HTTP_COMPLETE);
    ck_assert_uint_eq(head.body_bytes, INT64_MAX);
    text = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    ck_assert_int_eq(parse(&head, text), HTTP_COMPLETE);
    ck_assert_uint_eq(head.body_bytes, 0);
    ck_assert(head.is_chunked);
    ck_assert(head.keep_alive);
    ck_assert_str_eq(text + head.head_bytes, "0\r\n\r\n");
}
END_TEST

/* A client waits for a 100 only if it has asked for one, speaks HTTP/1.1 and has a body. */
START_TEST(expectations_are_understood_or_refused) {
    static const struct {
        const char *text;
        int status;
        bool expects;
    } cases[] = {
        {GET("Content-Length: 5\r\n"), 200, false},
        {GET("Expect: 100-continue\r\nContent-Length: 5\r\n"), 200, true},
        {GET("Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n"), 200, true},
        {GET("expect: ,100-continue , 100-continue\r\nContent-Length: 5\r\n"), 200, true},
        {GET("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"), 200, true},
        {GET("Expect: 100-continue\r\nContent-Length: 0\r\n"), 200, false},
        {GET("Expect: 100-continue\r\n"), 200, false},
        {GET("Expect:\r\nContent-Length: 5\r\n"), 200, false},
        {GET("Expect: 100-continue, x\r\n"), 417, false},
        {GET("Expect: x\r\nExpect: 100-continue\r\n"), 417, false},
        {GET("Expect: 100-continue\r\nExpect: x\r\n"), 417, false},
        {GET("Expect: 100-continue=1\r\n"), 417, false},
        {GET("Expect: 101-continue\r\n"), 417, false},
        {GET("Expect: 100-continu\r\n"), 417, false},
        {GET("Expect: x\r\nA\r\n"), 400, false},
        {"GET / HTTP/1.1\r\nExpect: x\r\n\r\n", 400, false},
        {GET("Expect: x\r\nTransfer-Encoding: x\r\n"), 501, false},
        {"PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 200, false},
        {"PUT / HTTP/1.0\r\nExpect: x\r\nContent-Length: 5\r\n\r\n", 200, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head;
        int status = parse(&head, cases[i].text);
        ck_assert_msg(status == cases[i].status, "%d for %s", status, cases[i].text);
        if (status == 200)
            ck_assert_msg(head.expects_continue == cases[i].expects, "%s", cases[i].text);
    }
}
END_TEST

START_TEST(connection_tokens_decide_about_keep_alive) {
    static const struct {
        const char *text;
        bool keep_alive;
    } cases[] = {
        {GET(""), true},
        {GET("Connection: close\r\n"), false},
        {GET("Connection: CLOSE\r\n"), false},
        {GET("Connection: keep-alive\r\n"), true},
        {GET("Connection: foo, ,\tclose ,bar\r\n"), false},
        {GET("Connection: keep-alive\r\nConnection: close\r\n"), false},
        {GET("Connection: close\r\nConnection: keep-alive\r\n"), false},
        {GET("Connection: closed, xclose, close-\r\n"), true},
        {GET("Connection:\r\n"), true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep_alive\r\n\r\n", false},
        {GET("Expect: 100-continue\r\nContent-Length: 5\r\n"), true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head;
        ck_assert_int_eq(parse(&head, cases[i].text), HTTP_COMPLETE);
        ck_assert_msg(head.keep_alive == cases[i].keep_alive, "%s", cases[i].text);
    }
}
END_TEST

/* As many as the limit allows are recorded, each in its place, and one more is refused. */
START_TEST(field_lines_are_recorded_up_to_the_limit) {
    const struct http_head_limits most = {8192, 8192, 32768, HTTP_FIELDS_MAX};
    for (unsigned count = HTTP_FIELDS_MAX; count <= HTTP_FIELDS_MAX + 1; count++) {
        char text[4096], name[8];
        struct http_head head;
        size_t length = (size_t)sprintf(text, "GET / HTTP/1.0\r\n");
        for (unsigned i = 0; i < count; i++)
            length += (size_t)sprintf(text + length, "n%u: %u\r\n", i, i);
        length += (size_t)sprintf(text + length, "\r\n");
        int status = parse_with(&head, text, length, &most);
        ck_assert_int_eq(status, count <= HTTP_FIELDS_MAX ? HTTP_COMPLETE : 431);
        ck_assert_uint_eq(head.field_count, HTTP_FIELDS_MAX);
        for (unsigned i = 0; i < HTTP_FIELDS_MAX; i++) {
            sprintf(name, "n%u", i);
            check_span(text, head.fields[i].name, name);
            check_span(text, head.fields[i].value, name + 1);
        }
    }
}
END_TEST

/* A head as long as places of 16 bits can tell, with the empty lines before it. */
START_TEST(the_longest_heads_have_their_places) {
    enum { LINE = 8192, FIELDS = HTTP_HEAD_BYTES_MAX - HTTP_LEADING_BYTES - LINE };
    const struct http_head_limits limits = {LINE, FIELDS, FIELDS, 2};
    char *text = malloc(HTTP_HEAD_BYTES_MAX);
    struct http_head head;
    memset(text, 'a', HTTP_HEAD_BYTES_MAX);
    memcpy(text, "\r\n\r\n\r\n\r\nGET /", 13);
    memcpy(text + HTTP_LEADING_BYTES + LINE - 11, " HTTP/1.0\r\nb:", 13);
    memcpy(text + HTTP_HEAD_BYTES_MAX - 9, "\r\nc:d\r\n\r\n", 9);
    int status = head_feed_whole(&head, text, HTTP_HEAD_BYTES_MAX, &limits);
    ck_assert_int_eq(status, HTTP_COMPLETE);
    ck_assert_uint_eq(head.head_bytes, HTTP_HEAD_BYTES_MAX);
    ck_assert_uint_eq(head.target.length, LINE - 15);
    ck_assert_uint_eq(head.fields[0].value.length, FIELDS - 11);
    check_span(text, head.fields[1].name, "c");
    check_span(text, head.fields[1].value, "d");
    free(text);
}
END_TEST

/* Each limit holds to the byte, and an unfinished line is refused as soon as it is too long. */
START_TEST(limits_hold_to_the_byte) {
    const struct http_head_limits limits = {32, 16, 40, 3};
    static const struct case_of_status cases[] = {
        {"GET /3456789012345678 HTTP/1.0\r\n\r\n", 200}, /* 30 bytes and the line's end */
        {"GET /34567890123456789 HTTP/1.0\r\n\r\n", 414},
        {"GET /34567890123456789012345678", 0},
        {"GET /345678901234567890123456789", 414},
        {"GET / HTTP/1.0\r\nA: 45678901234\r\n\r\n", 200},
        {"GET / HTTP/1.0\r\nA: 456789012345\r\n\r\n", 431},
        {"GET / HTTP/1.0\r\nA: 456789012345", 0},
        {"GET / HTTP/1.0\r\nA: 4567890123456", 431},
        {"GET / HTTP/1.0\r\nA: 45678901234\r\nA: 45678901234\r\nA: 4\r\n\r\n", 200},
        {"GET / HTTP/1.0\r\nA: 45678901234\r\nA: 45678901234\r\nA: 45\r\n\r\n", 431},
        {"GET / HTTP/1.0\r\nA:\r\nA:\r\nA:\r\n\r\n", 200},
        {"GET / HTTP/1.0\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n", 431},
        {"GET / HTTP/1.0\r\nA\r\nA:\r\nA:\r\nA:\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nA: 456789012345\x01\r\n\r\n", 431},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head;
        int status = parse_with(&head, cases[i].text, strlen(cases[i].text), &limits);
        ck_assert_msg(status == cases[i].status, "%d instead of %d for \"%s\"", status,
                      cases[i].status, cases[i].text);
    }
}
END_TEST

/* A 70 KB line and 3,000 fields, with the limits as they are by default. */
START_TEST(huge_requests_are_refused_early) {
    enum { SIZE = 70000 };
    char *text = malloc(SIZE);
    struct http_head head;
    memset(text, 'a', SIZE);
    memcpy(text, "GET /", 5);
    ck_assert_int_eq(head_feed_whole(&head, text, SIZE, defaults), 414);
    ck_assert_int_eq(head_feed_whole(&head, text, 8191, defaults), HTTP_MORE);
    ck_assert_int_eq(head_feed_whole(&head, text, 8192, defaults), 414);
    size_t length = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 3000; i++) length += (size_t)sprintf(text + length, "X-%d: y\r\n", i);
    ck_assert_int_eq(head_feed_whole(&head, text, length, defaults), 431);
    ck_assert_int_eq(head_feed_bytewise(&head, text, 3000, defaults), 431);
    free(text);
}
END_TEST

/* Lines that were read are not read again: they may be overwritten while the rest comes in. This is
 * what makes a slow request cost no more than a fast one. */
START_TEST(finished_lines_are_not_looked_at_again) {
    const char *text = GET("A: b\r\nContent-Length: 3\r\nUser-Agent: tester\r\n");
    char copy[128];
    size_t length = strlen(text);
    struct http_head head;
    eddy__http_head_init(&head);
    int status = HTTP_MORE;
    for (size_t i = 0; i < length; i++) {
        ck_assert_int_eq(status, HTTP_MORE);
        copy[i] = text[i];
        status = eddy__http_head_parse(&head, copy, i + 1, defaults);
        memset(copy, '\n', head.line_start);
        ck_assert_uint_le(head.scanned, i + 1);
        if (status == HTTP_MORE) ck_assert_uint_eq(head.scanned, i + 1);
    }
    ck_assert_int_eq(status, HTTP_COMPLETE);
    ck_assert_uint_eq(head.head_bytes, length);
    ck_assert_uint_eq(head.body_bytes, 3);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("http_head");
    ck_add(suite, "lines", a_browser_request_is_taken_apart, pipelined_requests_end_where_they_end,
           methods_are_told_apart, some_methods_have_targets_of_their_own,
           the_method_is_known_after_an_error_behind_it, request_lines_are_strict,
           absolute_targets_lose_their_authority, field_lines_are_strict, nul_is_refused_everywhere,
           control_characters_are_refused_in_values);
    ck_add(suite, "fields", one_host_is_required, framing_is_never_guessed, bodies_are_announced,
           expectations_are_understood_or_refused, connection_tokens_decide_about_keep_alive);
    ck_add(suite, "bounds", field_lines_are_recorded_up_to_the_limit,
           the_longest_heads_have_their_places, limits_hold_to_the_byte,
           huge_requests_are_refused_early, finished_lines_are_not_looked_at_again);
    return suite;
}
