/* http_request.c: the request parser, case by case. Every case is parsed whole, cut in two at every
 * byte, and byte by byte; all of them must come to the same. */
#include "suite.h"

#include <stdio.h>

#include "http_feed.h"

static const struct http_limits *const defaults = &http_limits_default;

/* Parses in every way and returns the status. */
static int parse_with(struct http_request *request, const char *bytes, size_t length,
                      const struct http_limits *limits) {
    int status = http_feed_whole(request, bytes, length, limits);
    struct http_request other;
    for (size_t cut = 0; cut <= length; cut++) {
        int again = http_feed_cut(&other, bytes, length, cut, limits);
        ck_assert_msg(again == status && http_same_result(request, &other, status),
                      "cut at %zu: %d, whole: %d, of \"%s\"", cut, again, status, bytes);
    }
    int again = http_feed_bytewise(&other, bytes, length, limits);
    ck_assert_msg(again == status && http_same_result(request, &other, status),
                  "bytewise: %d, whole: %d, of \"%s\"", again, status, bytes);
    return status;
}

static int parse(struct http_request *request, const char *text) {
    return parse_with(request, text, strlen(text), defaults);
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
    struct http_request request;
    for (size_t i = 0; i < count; i++) {
        int status = parse(&request, cases[i].text);
        ck_assert_msg(status == cases[i].status, "%d instead of %d for \"%s\"", status,
                      cases[i].status, cases[i].text);
    }
}

#define CHECK_STATUSES(cases) check_statuses(cases, sizeof(cases) / sizeof(cases)[0])
#define GET(headers)          "GET / HTTP/1.1\r\nHost: h\r\n" headers "\r\n"

/* Everything that a browser sends is understood, and its fields are where the spans say. */
START_TEST(a_browser_request_is_taken_apart) {
    const char *text = "GET /a/b.html?q=1 HTTP/1.1\r\nHost: localhost:8080\r\n"
                       "Connection: keep-alive\r\nsec-ch-ua: \"Chromium\";v=\"130\"\r\n"
                       "User-Agent:Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n"
                       "Referer:  http://localhost:8080/ \t\r\nRANGE: bytes=0-99\r\n"
                       "If-Range: \"tag\"\r\nIf-Match: *\r\nif-none-match: \"x\", W/\"y\"\r\n"
                       "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                       "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:38 GMT\r\n\r\nGET /next";
    struct http_request request;
    ck_assert_int_eq(parse(&request, text), HTTP_COMPLETE);
    ck_assert_int_eq(request.method, HTTP_GET);
    ck_assert_int_eq(request.minor, 1);
    ck_assert(request.keep_alive);
    ck_assert_uint_eq(request.body_bytes, 0);
    ck_assert_str_eq(text + request.head_bytes, "GET /next");
    check_span(text, request.line, "GET /a/b.html?q=1 HTTP/1.1");
    check_span(text, request.target, "/a/b.html?q=1");
    check_span(text, request.fields[HTTP_FIELD_HOST], "localhost:8080");
    check_span(text, request.fields[HTTP_FIELD_USER_AGENT], "Mozilla/5.0 (X11; Linux x86_64)");
    check_span(text, request.fields[HTTP_FIELD_REFERER], "http://localhost:8080/");
    check_span(text, request.fields[HTTP_FIELD_RANGE], "bytes=0-99");
    check_span(text, request.fields[HTTP_FIELD_IF_RANGE], "\"tag\"");
    check_span(text, request.fields[HTTP_FIELD_IF_MATCH], "*");
    check_span(text, request.fields[HTTP_FIELD_IF_NONE_MATCH], "\"x\", W/\"y\"");
    check_span(text, request.fields[HTTP_FIELD_IF_MODIFIED_SINCE], "Sun, 06 Nov 1994 08:49:37 GMT");
    check_span(text, request.fields[HTTP_FIELD_IF_UNMODIFIED_SINCE],
               "Sun, 06 Nov 1994 08:49:38 GMT");
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
        struct http_request request;
        char target[16];
        http_request_init(&request);
        int status = http_request_parse(&request, text + at, length - at, defaults);
        ck_assert_int_eq(status, HTTP_COMPLETE);
        snprintf(target, sizeof target, "/%d", i);
        check_span(text + at, request.target, target);
        at += request.head_bytes + request.body_bytes;
    }
    ck_assert_uint_eq(at, length);
}
END_TEST

START_TEST(methods_are_told_apart) {
    static const struct {
        const char *text;
        enum http_method method;
    } cases[] = {
        {"GET / HTTP/1.0\r\n\r\n", HTTP_GET},
        {"HEAD / HTTP/1.0\r\n\r\n", HTTP_HEAD},
        {"POST / HTTP/1.0\r\n\r\n", HTTP_METHOD_KNOWN},
        {"PUT / HTTP/1.0\r\n\r\n", HTTP_METHOD_KNOWN},
        {"DELETE / HTTP/1.0\r\n\r\n", HTTP_METHOD_KNOWN},
        {"OPTIONS * HTTP/1.0\r\n\r\n", HTTP_METHOD_KNOWN},
        {"CONNECT example.org:443 HTTP/1.0\r\n\r\n", HTTP_METHOD_KNOWN},
        {"TRACE / HTTP/1.0\r\n\r\n", HTTP_METHOD_KNOWN},
        {"PATCH / HTTP/1.0\r\n\r\n", HTTP_METHOD_KNOWN},
        {"get / HTTP/1.0\r\n\r\n", HTTP_METHOD_UNKNOWN},
        {"GETT / HTTP/1.0\r\n\r\n", HTTP_METHOD_UNKNOWN},
        {"BREW / HTTP/1.0\r\n\r\n", HTTP_METHOD_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_request request;
        ck_assert_int_eq(parse(&request, cases[i].text), HTTP_COMPLETE);
        ck_assert_msg(request.method == cases[i].method, "%s", cases[i].text);
    }
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
        struct http_request request;
        ck_assert_int_ge(parse(&request, cases[i]), 400);
        ck_assert_int_eq(request.method, HTTP_HEAD);
    }
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
        struct http_request request;
        int status = parse(&request, cases[i].text);
        ck_assert_msg(status == cases[i].status, "%d for %s", status, cases[i].text);
        if (status == 200) check_span(cases[i].text, request.target, cases[i].target);
    }
}
END_TEST

START_TEST(header_lines_are_strict) {
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
        {GET("A: b\r\n\tc: d\r\n"), 400}, /* folded, looks like a header */
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
        "GET /path HTTP/1.1\r\nHost: h\r\nA-Header: and its long value\r\n\r\n";
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        char text[sizeof whole];
        struct http_request request;
        memcpy(text, whole, sizeof whole);
        text[i] = '\0';
        int status = parse_with(&request, text, sizeof whole - 1, defaults);
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
                struct http_request request;
                int status = http_feed_whole(&request, text, start + length + 5, defaults);
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
        {"GET / HTTP/1.1\r\nhOsT: h\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nHost:\r\nHost:\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHosts: h\r\n\r\n", 400},
    };
    CHECK_STATUSES(cases);
}
END_TEST

/* Two opinions about where a request ends are how requests are smuggled. */
START_TEST(framing_is_never_guessed) {
    static const struct case_of_status cases[] = {
        {GET("Content-Length: 0\r\n"), 200},
        {GET("Content-Length: 0005\r\n"), 200},
        {GET("Content-Length: 65536\r\n"), 200},
        {GET("Content-Length: 65537\r\n"), 413},
        {GET("Content-Length: 9223372036854775807\r\n"), 413},
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
        {GET("Transfer-Encoding: chunked\r\n"), 501},
        {GET("Transfer-Encoding: gzip, chunked\r\n"), 501},
        {GET("Transfer-Encoding: identity\r\n"), 501},
        {GET("Transfer-Encoding:\r\n"), 400},
        {GET("Transfer-Encoding : chunked\r\n"), 400},
        {GET("Transfer-Encoding\r\n : chunked\r\n"), 400},
        {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n\r\n", 400},
    };
    CHECK_STATUSES(cases);
}
END_TEST

START_TEST(bodies_are_reported_to_be_skipped) {
    struct http_request request;
    const char *text = GET("Content-Length: 5\r\n") "12345GET";
    ck_assert_int_eq(parse(&request, text), HTTP_COMPLETE);
    ck_assert_uint_eq(request.body_bytes, 5);
    ck_assert(request.keep_alive);
    ck_assert_str_eq(text + request.head_bytes, "12345GET");
}
END_TEST

/* A refused method gets its 405 or 501 whatever its body; what cannot be skipped ends the
 * connection. */
START_TEST(refused_methods_keep_their_own_status) {
    struct http_request request;
    int status =
        parse(&request, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    ck_assert_int_eq(status, HTTP_COMPLETE);
    ck_assert_int_eq(request.method, HTTP_METHOD_KNOWN);
    ck_assert(!request.keep_alive);
    status = parse(&request, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n");
    ck_assert_int_eq(status, HTTP_COMPLETE);
    ck_assert(!request.keep_alive);
    ck_assert_uint_eq(request.body_bytes, 0);
    status = parse(&request, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    ck_assert_int_eq(status, HTTP_COMPLETE);
    ck_assert(request.keep_alive);
    ck_assert_uint_eq(request.body_bytes, 9);
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
        {GET("Expect: 100-continue\r\n"), true},
        {GET("Expect: 100-continue\r\nContent-Length: 5\r\n"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_request request;
        ck_assert_int_eq(parse(&request, cases[i].text), HTTP_COMPLETE);
        ck_assert_msg(request.keep_alive == cases[i].keep_alive, "%s", cases[i].text);
    }
}
END_TEST

/* A field that came twice is there, and empty. */
START_TEST(repeated_fields_mean_nothing) {
    struct http_request request;
    const char *text = GET("Range: bytes=0-1\r\nRange: bytes=2-3\r\nIf-None-Match: \"a\"\r\n"
                           "if-none-match: \"b\"\r\nif-none-match: \"c\"\r\nIf-Range:\r\n");
    ck_assert_int_eq(parse(&request, text), HTTP_COMPLETE);
    ck_assert_uint_ne(request.fields[HTTP_FIELD_RANGE].offset, 0);
    ck_assert_uint_eq(request.fields[HTTP_FIELD_RANGE].length, 0);
    ck_assert_uint_ne(request.fields[HTTP_FIELD_IF_NONE_MATCH].offset, 0);
    ck_assert_uint_eq(request.fields[HTTP_FIELD_IF_NONE_MATCH].length, 0);
    ck_assert_uint_ne(request.fields[HTTP_FIELD_IF_RANGE].offset, 0);
    ck_assert_uint_eq(request.fields[HTTP_FIELD_IF_RANGE].length, 0);
    ck_assert_uint_eq(request.fields[HTTP_FIELD_IF_MATCH].offset, 0);
}
END_TEST

/* Each limit holds to the byte, and an unfinished line is refused as soon as it is too long. */
START_TEST(limits_hold_to_the_byte) {
    const struct http_limits limits = {32, 16, 40, 3, 10};
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
        struct http_request request;
        int status = parse_with(&request, cases[i].text, strlen(cases[i].text), &limits);
        ck_assert_msg(status == cases[i].status, "%d instead of %d for \"%s\"", status,
                      cases[i].status, cases[i].text);
    }
}
END_TEST

/* A 70 KB line and 3,000 headers, with the limits as they are by default. */
START_TEST(huge_requests_are_refused_early) {
    enum { SIZE = 70000 };
    char *text = malloc(SIZE);
    struct http_request request;
    memset(text, 'a', SIZE);
    memcpy(text, "GET /", 5);
    ck_assert_int_eq(http_feed_whole(&request, text, SIZE, defaults), 414);
    ck_assert_int_eq(http_feed_whole(&request, text, 8191, defaults), HTTP_MORE);
    ck_assert_int_eq(http_feed_whole(&request, text, 8192, defaults), 414);
    size_t length = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 3000; i++) length += (size_t)sprintf(text + length, "X-%d: y\r\n", i);
    ck_assert_int_eq(http_feed_whole(&request, text, length, defaults), 431);
    ck_assert_int_eq(http_feed_bytewise(&request, text, 3000, defaults), 431);
    free(text);
}
END_TEST

/* Lines that were read are not read again: they may be overwritten while the rest comes in. This is
 * what makes a slow request cost no more than a fast one. */
START_TEST(finished_lines_are_not_looked_at_again) {
    const char *text = GET("A: b\r\nContent-Length: 3\r\nUser-Agent: tester\r\n");
    char copy[128];
    size_t length = strlen(text);
    struct http_request request;
    http_request_init(&request);
    int status = HTTP_MORE;
    for (size_t i = 0; i < length; i++) {
        ck_assert_int_eq(status, HTTP_MORE);
        copy[i] = text[i];
        status = http_request_parse(&request, copy, i + 1, defaults);
        memset(copy, '\n', request.line_start);
        ck_assert_uint_le(request.scanned, i + 1);
        if (status == HTTP_MORE) ck_assert_uint_eq(request.scanned, i + 1);
    }
    ck_assert_int_eq(status, HTTP_COMPLETE);
    ck_assert_uint_eq(request.head_bytes, length);
    ck_assert_uint_eq(request.body_bytes, 3);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("http_request");
    ck_add(suite, "lines", a_browser_request_is_taken_apart, pipelined_requests_end_where_they_end,
           methods_are_told_apart, the_method_is_known_after_an_error_behind_it,
           request_lines_are_strict, absolute_targets_lose_their_authority, header_lines_are_strict,
           nul_is_refused_everywhere, control_characters_are_refused_in_values);
    ck_add(suite, "fields", one_host_is_required, framing_is_never_guessed,
           bodies_are_reported_to_be_skipped, refused_methods_keep_their_own_status,
           connection_tokens_decide_about_keep_alive, repeated_fields_mean_nothing);
    ck_add(suite, "bounds", limits_hold_to_the_byte, huge_requests_are_refused_early,
           finished_lines_are_not_looked_at_again);
    return suite;
}
