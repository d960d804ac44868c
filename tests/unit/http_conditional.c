/* conditional.c: conditions and ranges together, in the order of RFC 9110 §13.2.2.
 * The file of all cases is 100 bytes, was modified on Sun, 06 Nov 1994 08:49:37 GMT, and its tag is
 * "tag". */
#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "conditional.h"

#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT\r\n"
#define EQUAL   "Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define LATER   "Sun, 06 Nov 1994 08:49:38 GMT\r\n"

static int evaluate(const char *method, const char *headers, struct ranges *ranges) {
    const struct validators file = {"\"tag\"", 5, 784111777, 100};
    char text[1024];
    struct http_request request;
    int length = snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: h\r\n%s\r\n", method, headers);
    http_request_init(&request);
    int status = http_request_parse(&request, text, (size_t)length, &http_limits_default);
    ck_assert_int_eq(status, HTTP_COMPLETE);
    return conditional(&request, text, &file, ranges);
}

START_TEST(conditions_are_taken_in_order) {
    static const struct {
        const char *headers;
        int status;
    } cases[] = {
        {"", 200},
        /* 1 */
        {"If-Match: *\r\n", 200},
        {"If-Match: \"tag\"\r\n", 200},
        {"If-Match: \"x\", \"tag\"\r\n", 200},
        {"If-Match: \"x\"\r\n", 412},
        {"If-Match: W/\"tag\"\r\n", 412},
        {"If-Match:\r\n", 412},
        {"If-Match: \"tag\"\r\nIf-Match: \"x\"\r\n", 412},
        {"If-Match: \"tag\"\r\nIf-Unmodified-Since: " EARLIER, 200},
        {"If-Match: \"x\"\r\nIf-None-Match: \"tag\"\r\n", 412},
        /* 2 */
        {"If-Unmodified-Since: " EARLIER, 412},
        {"If-Unmodified-Since: " EQUAL, 200},
        {"If-Unmodified-Since: " LATER, 200},
        {"If-Unmodified-Since: yesterday\r\n", 200},
        {"If-Unmodified-Since: " EARLIER "If-None-Match: \"tag\"\r\n", 412},
        /* 3 */
        {"If-None-Match: *\r\n", 304},
        {"If-None-Match: \"tag\"\r\n", 304},
        {"If-None-Match: W/\"tag\"\r\n", 304},
        {"If-None-Match: \"x\"\r\n", 200},
        {"If-None-Match: tag\r\n", 200},
        {"If-None-Match: \"x\"\r\nIf-Modified-Since: " LATER, 200},
        {"If-None-Match: \"tag\"\r\nIf-None-Match: \"x\"\r\n", 200},
        {"If-Match: \"tag\"\r\nIf-None-Match: \"tag\"\r\n", 304},
        /* 4 */
        {"If-Modified-Since: " EARLIER, 200},
        {"If-Modified-Since: " EQUAL, 304},
        {"If-Modified-Since: " LATER, 304},
        {"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 304},
        {"If-Modified-Since: never\r\n", 200},
        {"If-Modified-Since: " LATER "If-Modified-Since: " LATER, 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ranges ranges;
        for (int head = 0; head <= 1; head++) {
            int status = evaluate(head ? "HEAD" : "GET", cases[i].headers, &ranges);
            ck_assert_msg(status == cases[i].status, "%d for %s", status, cases[i].headers);
            ck_assert_uint_eq(ranges.count, 0);
        }
    }
}
END_TEST

/* 5: a range counts only for a GET, after the conditions, and if If-Range lets it. */
START_TEST(ranges_come_last) {
    static const struct {
        const char *headers;
        int status;
    } cases[] = {
        {"Range: bytes=0-9\r\n", 206},
        {"Range: bytes=0-9,20-29\r\n", 206},
        {"Range: bytes=100-\r\n", 416},
        {"Range: bytes=x\r\n", 200},
        {"Range: bytes=0-9\r\nRange: bytes=0-9\r\n", 200},
        {"Range: bytes=0-9\r\nIf-None-Match: \"tag\"\r\n", 304},
        {"Range: bytes=100-\r\nIf-None-Match: \"tag\"\r\n", 304},
        {"Range: bytes=0-9\r\nIf-None-Match: \"x\"\r\n", 206},
        {"Range: bytes=0-9\r\nIf-Match: \"x\"\r\n", 412},
        {"Range: bytes=0-9\r\nIf-Match: \"tag\"\r\n", 206},
        {"Range: bytes=0-9\r\nIf-Range: \"tag\"\r\n", 206},
        {"Range: bytes=0-9\r\nIf-Range: \"x\"\r\n", 200},
        {"Range: bytes=0-9\r\nIf-Range: W/\"tag\"\r\n", 200},
        {"Range: bytes=0-9\r\nIf-Range: *\r\n", 200},
        {"Range: bytes=0-9\r\nIf-Range:\r\n", 200},
        {"Range: bytes=100-\r\nIf-Range: \"x\"\r\n", 200},
        {"Range: bytes=100-\r\nIf-Range: \"tag\"\r\n", 416},
        {"Range: bytes=0-9\r\nIf-Range: " EQUAL, 206},
        {"Range: bytes=0-9\r\nIf-Range: " LATER, 200},
        {"Range: bytes=0-9\r\nIf-Range: " EARLIER, 200},
        {"If-Range: \"tag\"\r\n", 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ranges ranges;
        int status = evaluate("GET", cases[i].headers, &ranges);
        ck_assert_msg(status == cases[i].status, "%d for %s", status, cases[i].headers);
        ck_assert((ranges.count > 0) == (status == 206));
        if (status == 206) ck_assert(ranges.list[0].first == 0 && ranges.list[0].last == 9);
        int head = evaluate("HEAD", cases[i].headers, &ranges);
        ck_assert_int_eq(head, status == 304 || status == 412 ? status : 200);
        ck_assert_uint_eq(ranges.count, 0);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("conditional");
    ck_add(suite, "conditions", conditions_are_taken_in_order, ranges_come_last);
    return suite;
}
