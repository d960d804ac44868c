/* authority.c: whom a request was sent to. */
#include "site.h"

static struct site site;
static struct site_reply reply;
static unsigned handled;
static const char *authority; /* expected; NULL: none */

static void look_at_authority(eddy_http_request *request, void *context) {
    size_t length = 12345;
    (void)context;
    handled++;
    const char *text = eddy_http_authority(request, &length);
    if (authority == NULL) {
        ck_assert(text == NULL && length == 0);
    } else {
        ck_assert_ptr_nonnull(text);
        (void)eddy_http_field(request, "A"); /* combines lines, and moves what is between */
        ck_assert_uint_eq(length, strlen(authority));
        ck_assert_msg(memcmp(text, authority, length) == 0, "not %s", authority);
    }
    ck_assert_int_eq(eddy_http_respond(request, 200, NULL, 0), 0);
}

START_TEST(the_authority_of_the_target_replaces_the_field) {
    static const char *const cases[][2] = {
        {"GET / HTTP/1.1\r\nHost: h:80\r\n\r\n", "h:80"},
        {"GET / HTTP/1.1\r\nHOST:   [::1]  \r\n\r\n", "[::1]"},
        {"GET / HTTP/1.1\r\nA: 1\r\nHost: h\r\nA: 2\r\nB: 3\r\nA: 4\r\n\r\n", "h"},
        {"GET http://a:1/b HTTP/1.1\r\nHost: h\r\n\r\n", "a:1"},
        {"GET https://a?b HTTP/1.1\r\nHost:\r\n\r\n", "a"},
        {"GET http://a HTTP/1.0\r\n\r\n", "a"},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", ""},
        {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "h"},
        {"GET / HTTP/1.0\r\nHosts: h\r\n\r\n", NULL},
        {"GET / HTTP/1.0\r\n\r\n", NULL},
    };
    enum { COUNT = sizeof cases / sizeof cases[0] };
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", look_at_authority, NULL), 0);
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "*", look_at_authority, NULL), 0);
    for (size_t i = 0; i < COUNT; i++) {
        authority = cases[i][1];
        ck_assert_int_eq(site_ask(&site, cases[i][0], &reply), 200);
    }
    ck_assert_uint_eq(handled, COUNT);
    site_close(&site);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("authority");
    ck_add(suite, "authority", the_authority_of_the_target_replaces_the_field);
    return suite;
}
