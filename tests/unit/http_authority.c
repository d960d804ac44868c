/* http_authority.c: which hosts and ports are some, in the field Host and in absolute targets. */
#include "suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "head_feed.h"

/* The status for `authority` between two texts. */
static int status_between(const char *before, const char *authority, const char *after) {
    char text[512];
    struct http_head head;
    int length = snprintf(text, sizeof text, "%s%s%s", before, authority, after);
    ck_assert_int_lt(length, (int)sizeof text);
    return head_feed_whole(&head, text, (size_t)length, &head_feed_limits);
}

static void check(const char *authority, int status) {
    static const char *const places[][2] = {
        {"GET / HTTP/1.1\r\nHost: ", "\r\n\r\n"},
        {"GET / HTTP/1.1\r\nHost:", " \r\n\r\n"},
        {"GET http://", "/a?b HTTP/1.1\r\nHost:\r\n\r\n"},
        {"POST HTTPS://", "?b HTTP/1.1\r\nHost:\r\n\r\n"},
        {"GET http://", " HTTP/1.1\r\nHost:\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int seen = status_between(places[i][0], authority, places[i][1]);
        ck_assert_msg(seen == status, "%d for \"%s\" behind \"%s\"", seen, authority, places[i][0]);
    }
}

static void check_all(const char *const *authorities, int status) {
    for (; *authorities != NULL; authorities++) check(*authorities, status);
}

START_TEST(hosts_are_names_or_addresses) {
    static const char *const good[] = {"h",
                                       "localhost",
                                       "example.org",
                                       "example.org.",
                                       "EXAMPLE.org",
                                       "a-b.c_d~e",
                                       "-",
                                       "1",
                                       "127.0.0.1",
                                       "999.1.2.3.4",
                                       "!$&'()*+,;=",
                                       "h%C3%a4",
                                       "%00",
                                       "%2e%2e",
                                       "a.%41.b",
                                       "[::]",
                                       "[::1]",
                                       "[1::]",
                                       "[fe80::1]",
                                       "[1:2:3:4:5:6:7:8]",
                                       "[1:2:3:4:5:6:7::]",
                                       "[::2:3:4:5:6:7:8]",
                                       "[1::3:4:5:6:7:8]",
                                       "[ABCD:ef01::0001]",
                                       "[::ffff:127.0.0.1]",
                                       "[1:2:3:4:5:6:255.255.255.255]",
                                       "[1::5:6:0.0.0.0]",
                                       "[::1.2.3.4]",
                                       "[v1.a]",
                                       "[V1f.a:b.c!]",
                                       NULL};
    static const char *const bad[] = {"%",
                                      "%4",
                                      "%4g",
                                      "%g4",
                                      "h%zz",
                                      "h%",
                                      "h%a",
                                      "a%%41",
                                      ".",
                                      "..",
                                      ".a",
                                      "a..b",
                                      "a..",
                                      "a...",
                                      "u@h",
                                      "u:p@h",
                                      "@h",
                                      "a b",
                                      "a\tb",
                                      "a\"b",
                                      "a<b",
                                      "a\\b",
                                      "a^b",
                                      "a`b",
                                      "a{b",
                                      "a|b",
                                      "h\xc3\xa4",
                                      "\xff",
                                      "[",
                                      "]",
                                      "[]",
                                      "[::1",
                                      "::1",
                                      "::",
                                      "1::2",
                                      "[::1]]",
                                      "[[::1]]",
                                      "[::1]h",
                                      "h[::1]",
                                      "[zz]",
                                      "[:]",
                                      "[:::]",
                                      "[1]",
                                      "[1:]",
                                      "[:1]",
                                      "[1:2:3:4:5:6:7]",
                                      "[1:2:3:4:5:6:7:8:9]",
                                      "[1:2:3:4:5:6:7:8::]",
                                      "[::1:2:3:4:5:6:7:8]",
                                      "[1:2:3:4:5:6:7:]",
                                      "[:2:3:4:5:6:7:8]",
                                      "[1::2::3]",
                                      "[::1::]",
                                      "[::12345]",
                                      "[::g]",
                                      "[1.2.3.4]",
                                      "[::1.2.3]",
                                      "[::1.2.3.4.5]",
                                      "[::1.2.3.256]",
                                      "[::01.2.3.4]",
                                      "[::1.2..4]",
                                      "[::1.2.3.]",
                                      "[::.1.2.3]",
                                      "[::1.2.3.4:5]",
                                      "[::a.2.3.4]",
                                      "[::1234.1.1.1]",
                                      "[1:2:3:4:5:6:7:1.2.3.4]",
                                      "[1:2:3:4:5:1.2.3.4]",
                                      "[::1 ]",
                                      "[fe80::1%eth0]",
                                      "[fe80::1%25eth0]",
                                      "[v1.]",
                                      "[v.a]",
                                      "[v1a]",
                                      "[vg.a]",
                                      "[v1.a/b]",
                                      "[v1.a@b]",
                                      "[v1.%41]",
                                      "[1.a]",
                                      NULL};
    check_all(good, 200);
    check_all(bad, 400);
}
END_TEST

START_TEST(ports_are_numbers) {
    static const char *const good[] = {
        "h:80",       "h:",     "h:0",  "h:65535",   "h:00080", "h:0000000000000065535",
        "[::1]:8080", "[::1]:", "a.:1", "1.2.3.4:5", NULL};
    static const char *const bad[] = {"h:zz",   "h:80:80",  "h::",     "h::80",
                                      ":80",    ":",        "h:65536", "h:99999999999999999999",
                                      "h:-1",   "h:+1",     "h:8 0",   "h:80a",
                                      "h:0x50", "[::1]:zz", "[::1]80", "h:%38",
                                      "u:80@h", NULL};
    check_all(good, 200);
    check_all(bad, 400);
}
END_TEST

/* Only the field may be empty: it is then of a target without an authority. */
START_TEST(a_host_is_empty_only_in_the_field) {
    ck_assert_int_eq(status_between("GET / HTTP/1.1\r\nHost:", "", "\r\n\r\n"), 200);
    ck_assert_int_eq(status_between("GET http://", "", "/ HTTP/1.1\r\nHost:\r\n\r\n"), 400);
    ck_assert_int_eq(status_between("GET http://", "", "?a HTTP/1.1\r\nHost:\r\n\r\n"), 400);
    ck_assert_int_eq(status_between("GET http://", "", " HTTP/1.1\r\nHost:\r\n\r\n"), 400);
}
END_TEST

static void check_span(const char *text, const char *authority) {
    struct http_head head;
    ck_assert_int_eq(head_feed_whole(&head, text, strlen(text), &head_feed_limits), 200);
    ck_assert_uint_eq(head.authority.length, strlen(authority));
    ck_assert(memcmp(text + head.authority.offset, authority, head.authority.length) == 0);
}

START_TEST(the_authority_of_a_target_is_kept) {
    check_span("GET http://a:1/b?c HTTP/1.1\r\nHost: h\r\n\r\n", "a:1");
    check_span("GET HTTPS://[::1]?c HTTP/1.1\r\nHost: h\r\n\r\n", "[::1]");
    check_span("\r\nGET http://a. HTTP/1.0\r\n\r\n", "a.");
    check_span("GET //a/b HTTP/1.1\r\nHost: h\r\n\r\n", "");
    check_span("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "");
}
END_TEST

/* The system's parser is a second opinion, on what looks like an address. */
START_TEST(addresses_are_those_that_the_system_reads) {
    static const char *const parts[] = {
        ":",   ":",    ":",     ":",       "::",        "1",         "ff",
        "0a1", "abcd", "1:2:3", "1.2.3.4", "1.255.3.4", "1.256.3.4", "g"};
    unsigned good = 0;
    srand(1);
    for (int i = 0; i < 50000; i++) {
        char text[160] = "[";
        struct in6_addr address;
        size_t length = 1;
        for (int count = rand() % 12 + 1; count > 0; count--)
            length += (size_t)sprintf(text + length, "%s",
                                      parts[(size_t)rand() % (sizeof parts / sizeof parts[0])]);
        bool is_address = inet_pton(AF_INET6, text + 1, &address) == 1;
        text[length] = ']';
        text[length + 1] = '\0';
        int status = status_between("GET / HTTP/1.1\r\nHost: ", text, "\r\n\r\n");
        ck_assert_msg(status == (is_address ? 200 : 400), "%d for \"%s\"", status, text);
        good += is_address;
    }
    ck_assert_uint_gt(good, 500);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("http_authority");
    ck_add(suite, "authority", hosts_are_names_or_addresses, ports_are_numbers,
           a_host_is_empty_only_in_the_field, the_authority_of_a_target_is_kept,
           addresses_are_those_that_the_system_reads);
    return suite;
}
