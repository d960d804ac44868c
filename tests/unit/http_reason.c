/* http_reason.c: the names of statuses, as IANA registers them (RFC 9110 §16.2). */
#include "suite.h"

#include <eddy/http.h>
#include <limits.h>
#include <string.h>

/* Every status that a server of HTTP itself has a use for has its registered name. */
START_TEST(statuses_have_their_registered_names) {
    static const struct {
        int status;
        const char *reason;
    } cases[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {511, "Network Authentication Required"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_str_eq(eddy_http_reason(cases[i].status), cases[i].reason);
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
    ck_add(suite, "reasons", statuses_have_their_registered_names, other_numbers_have_no_name,
           names_are_words);
    return suite;
}
