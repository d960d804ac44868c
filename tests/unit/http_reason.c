/* http_reason.c: the names of statuses, as IANA registers them (RFC 9110 §16.2). */
#include "suite.h"

#include <eddy/http.h>
#include <limits.h>
#include <string.h>

/* A line of the table that was copied and not changed, or put in the wrong place, has the name of
 * another; and each class has the names that begin it. */
START_TEST(no_two_statuses_have_one_name) {
    unsigned count = 0;
    for (int status = 100; status < 600; status++) {
        const char *reason = eddy_http_reason(status);
        count += reason[0] != '\0';
        for (int other = 100; other < status && reason[0] != '\0'; other++)
            ck_assert_msg(strcmp(reason, eddy_http_reason(other)) != 0, "%d and %d: %s", other,
                          status, reason);
    }
    ck_assert_uint_gt(count, 40);
    ck_assert_str_eq(eddy_http_reason(100), "Continue");
    ck_assert_str_eq(eddy_http_reason(200), "OK");
    ck_assert_str_eq(eddy_http_reason(300), "Multiple Choices");
    ck_assert_str_eq(eddy_http_reason(400), "Bad Request");
    ck_assert_str_eq(eddy_http_reason(500), "Internal Server Error");
}
END_TEST

/* Those that RFC 9110 has renamed are easily taken from an older list. */
START_TEST(names_are_those_of_rfc_9110) {
    ck_assert_str_eq(eddy_http_reason(302), "Found");
    ck_assert_str_eq(eddy_http_reason(413), "Content Too Large");
    ck_assert_str_eq(eddy_http_reason(414), "URI Too Long");
    ck_assert_str_eq(eddy_http_reason(416), "Range Not Satisfiable");
    ck_assert_str_eq(eddy_http_reason(422), "Unprocessable Content");
}
END_TEST

/* What the server answers by itself, and `eddy serve` with it. */
START_TEST(what_the_server_says_has_a_name) {
    static const int statuses[] = {100, 101, 200, 204, 206, 301, 304, 400, 403, 404, 405,
                                   408, 412, 413, 414, 416, 417, 431, 500, 501, 503, 505};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        ck_assert_msg(eddy_http_reason(statuses[i])[0] != '\0', "%d", statuses[i]);
}
END_TEST

/* Nothing else: no status below its class's first, none that was given up (306, 418), no number
 * that is no status at all. */
START_TEST(other_numbers_have_no_name) {
    static const int cases[] = {INT_MIN, -404, -1,  0,   1,   99,  199, 299,    306,
                                399,     418,  499, 599, 600, 799, 999, INT_MAX};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_str_eq(eddy_http_reason(cases[i]), "");
}
END_TEST

/* They go into heads and pages as they are. */
START_TEST(names_are_words) {
    for (int status = 0; status < 1000; status++) {
        const char *reason = eddy_http_reason(status);
        ck_assert_ptr_nonnull(reason);
        for (const char *at = reason; *at != '\0'; at++)
            ck_assert_msg((*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z') || *at == ' ' ||
                              *at == '-',
                          "%d: %s", status, reason);
        ck_assert_msg(strlen(reason) < 36, "%d: %s", status, reason);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("http_reason");
    ck_add(suite, "reasons", no_two_statuses_have_one_name, names_are_those_of_rfc_9110,
           what_the_server_says_has_a_name, other_numbers_have_no_name, names_are_words);
    return suite;
}
