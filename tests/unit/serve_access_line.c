/* serve_access_line.c: lines of the log, byte by byte, whatever a client has sent. */
#include "suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "access_line.h"

#define NOW_NS (INT64_C(1795762361) * 1000000000 + 7654321) /* 2026-11-27T06:52:41.007 */

static char bytes[LINE_BYTES_MAX + 1];
static struct sockaddr_in v4;
static struct sockaddr_in6 v6;
static struct sockaddr_un local;

static void setup(void) {
    v4 = (struct sockaddr_in){.sin_family = AF_INET};
    v6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
    local = (struct sockaddr_un){.sun_family = AF_UNIX};
    ck_assert_int_eq(inet_pton(AF_INET, "203.0.113.9", &v4.sin_addr), 1);
    ck_assert_int_eq(inet_pton(AF_INET6, "2001:db8::7", &v6.sin6_addr), 1);
}

/* Writes the line into as much room as lines may take, and returns it, ended. */
static const char *put(enum access_format format, const struct access_line *line) {
    struct access_stamp stamp = {.second = -1};
    struct text text = {bytes, LINE_BYTES_MAX, 0};
    access_line_put(&text, format, line, &stamp, NOW_NS);
    ck_assert(text_fits(&text));
    bytes[text.length] = '\0';
    ck_assert_uint_eq(strlen(bytes), text.length);
    ck_assert_ptr_eq(strchr(bytes, '\n'), bytes + text.length - 1);
    return bytes;
}

static struct access_line line_of(const char *request) {
    return (struct access_line){
        .peer = (const struct sockaddr *)&v4,
        .request = request,
        .request_length = request != NULL ? strlen(request) : 0,
        .status = 200,
        .body_bytes = 1234,
        .taken_ns = 56789,
    };
}

#define COMMON(peer, request, rest) \
    peer " - - [27/Nov/2026:06:52:41 +0000] \"" request "\" " rest "\n"

START_TEST(common_lines_are_as_logs_have_them) {
    struct access_line line = line_of("GET /a?b=c HTTP/1.1");
    ck_assert_str_eq(put(ACCESS_COMMON, &line),
                     COMMON("203.0.113.9", "GET /a?b=c HTTP/1.1", "200 1234"));
    line.peer = (const struct sockaddr *)&v6;
    line.body_bytes = 0;
    line.status = 304;
    ck_assert_str_eq(put(ACCESS_COMMON, &line),
                     COMMON("2001:db8::7", "GET /a?b=c HTTP/1.1", "304 -"));
    line.peer = (const struct sockaddr *)&local;
    line.request = NULL;
    line.request_length = 0;
    ck_assert_str_eq(put(ACCESS_COMMON, &line), COMMON("unix:", "-", "304 -"));
    line.peer = &(const struct sockaddr){.sa_family = AF_UNSPEC};
    ck_assert_str_eq(put(ACCESS_COMMON, &line), COMMON("-", "-", "304 -"));
}
END_TEST

START_TEST(combined_lines_have_two_fields_more) {
    struct access_line line = line_of("GET / HTTP/1.1");
    ck_assert_str_eq(put(ACCESS_COMBINED, &line),
                     COMMON("203.0.113.9", "GET / HTTP/1.1", "200 1234 \"-\" \"-\""));
    line.referer = "http://there/?\"x\"";
    line.user_agent = "";
    ck_assert_str_eq(
        put(ACCESS_COMBINED, &line),
        COMMON("203.0.113.9", "GET / HTTP/1.1", "200 1234 \"http://there/?\\x22x\\x22\" \"\""));
}
END_TEST

#define JSON(peer, method, target, protocol, rest)                                    \
    "{\"time\":\"2026-11-27T06:52:41.007Z\",\"peer\":" peer ",\"method\":" method     \
    ",\"target\":" target ",\"protocol\":" protocol ",\"status\":200,\"bytes\":1234," \
    "\"duration_us\":56," rest "}\n"

START_TEST(json_lines_are_objects) {
    struct access_line line = line_of("GET /a?b=c HTTP/1.1");
    line.user_agent = "it \"quotes\" \\ and\ttabs";
    ck_assert_str_eq(put(ACCESS_JSON, &line),
                     JSON("\"203.0.113.9\"", "\"GET\"", "\"/a?b=c\"", "\"HTTP/1.1\"",
                          "\"referer\":null,"
                          "\"user_agent\":\"it \\\"quotes\\\" \\\\ and\\u0009tabs\""));
    line.user_agent = NULL;
    line.referer = "";
    static const struct {
        const char *request, *wanted;
    } cases[] = {
        {"GET /",
         JSON("\"unix:\"", "\"GET\"", "\"/\"", "null", "\"referer\":\"\",\"user_agent\":null")},
        {"GET a b  c ", JSON("\"unix:\"", "\"GET\"", "\"a b  c\"", "\"\"",
                             "\"referer\":\"\",\"user_agent\":null")},
        {"nonsense",
         JSON("\"unix:\"", "null", "\"nonsense\"", "null", "\"referer\":\"\",\"user_agent\":null")},
        {" ", JSON("\"unix:\"", "\"\"", "\"\"", "null", "\"referer\":\"\",\"user_agent\":null")},
        {NULL, JSON("\"unix:\"", "null", "null", "null", "\"referer\":\"\",\"user_agent\":null")},
    };
    line.peer = (const struct sockaddr *)&local;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        line.request = cases[i].request;
        line.request_length = line.request != NULL ? strlen(line.request) : 0;
        ck_assert_str_eq(put(ACCESS_JSON, &line), cases[i].wanted);
    }
}
END_TEST

/* Each byte that there is stands in a line so that it is found again, and as ASCII. */
START_TEST(any_byte_is_harmless) {
    char request[256], in_common[1200] = "", in_json[1800] = "";
    for (int i = 0; i < 256; i++) {
        char common[8], json[8];
        bool plain = i >= 0x20 && i < 0x7f && i != '"' && i != '\\';
        request[i] = (char)(i == ' ' ? 0 : i); /* a space would part the target of JSON */
        int byte = (unsigned char)request[i];
        snprintf(common, sizeof common, plain && byte != 0 ? "%c" : "\\x%02x", byte);
        snprintf(json, sizeof json, plain && byte != 0 ? "%c" : "\\u%04x", byte);
        if (byte == '"' || byte == '\\') snprintf(json, sizeof json, "\\%c", byte);
        strcat(in_common, common);
        strcat(in_json, json);
    }
    struct access_line line = line_of("");
    line.request = request;
    line.request_length = sizeof request;
    const char *text = put(ACCESS_COMMON, &line);
    ck_assert_int_eq(strncmp(strchr(text, '"') + 1, in_common, strlen(in_common)), 0);
    text = strstr(put(ACCESS_JSON, &line), "\"target\":\"");
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(strncmp(text + 10, in_json, strlen(in_json)), 0);
    ck_assert_int_eq(strncmp(text + 10 + strlen(in_json), "\",\"protocol\":null,", 18), 0);
}
END_TEST

/* However long a field is and whatever is in it, a line has its bound, its end, and a mark. */
START_TEST(long_lines_are_cut_and_say_so) {
    static char request[20000], field[20001];
    static const char fillings[] = {'a', '"', '\x01', '\xff'};
    for (size_t i = 0; i < sizeof fillings; i++) {
        memset(request, fillings[i], sizeof request);
        memset(field, fillings[i], sizeof field - 1);
        struct access_line line = line_of(NULL);
        line.request = request;
        line.request_length = sizeof request;
        line.referer = line.user_agent = field;
        line.peer = (const struct sockaddr *)&v6;
        memset(&v6.sin6_addr, 0xff, sizeof v6.sin6_addr);
        line.body_bytes = line.taken_ns = INT64_MAX;
        ck_assert_ptr_nonnull(
            strstr(put(ACCESS_COMMON, &line), "\\...\" 200 9223372036854775807\n"));
        const char *text = strstr(put(ACCESS_COMBINED, &line), "\\...\" 200 ");
        ck_assert_ptr_nonnull(text);
        ck_assert_ptr_nonnull(strstr(text, "\\...\" \""));
        ck_assert_str_eq(text + strlen(text) - 6, "\\...\"\n");
        text = put(ACCESS_JSON, &line);
        ck_assert_str_eq(text + strlen(text) - 14, "\",\"cut\":true}\n");
        /* All three parts of a request, as long as they get. */
        request[5000] = request[12000] = ' ';
        text = put(ACCESS_JSON, &line);
        ck_assert_str_eq(text + strlen(text) - 14, "\",\"cut\":true}\n");
        line.referer = line.user_agent = NULL;
        ck_assert_ptr_nonnull(
            strstr(put(ACCESS_JSON, &line), ",\"user_agent\":null,\"cut\":true}\n"));
    }
}
END_TEST

/* What a browser sends is not cut. */
START_TEST(usual_lines_are_whole) {
    static char request[2001], field[601];
    memset(request, 'a', sizeof request - 1);
    memset(field, 'b', sizeof field - 1);
    struct access_line line = line_of(request);
    line.referer = line.user_agent = field;
    ck_assert_ptr_null(strstr(put(ACCESS_COMBINED, &line), "..."));
    ck_assert_ptr_nonnull(strstr(bytes, request));
    ck_assert_ptr_null(strstr(put(ACCESS_JSON, &line), "cut"));
    ck_assert_ptr_nonnull(strstr(bytes, request));
}
END_TEST

/* A new second is a new time; within one the milliseconds go on. */
START_TEST(time_goes_on) {
    struct access_stamp stamp = {.second = -1};
    struct access_line line = line_of("GET / HTTP/1.1");
    static const struct {
        int64_t after_ns;
        const char *wanted;
    } cases[] = {
        {0, "{\"time\":\"2026-11-27T06:52:41.007Z\""},
        {991 * EDDY_NS_PER_MS, "{\"time\":\"2026-11-27T06:52:41.998Z\""},
        {993 * EDDY_NS_PER_MS, "{\"time\":\"2026-11-27T06:52:42.000Z\""},
        {30 * EDDY_NS_PER_S, "{\"time\":\"2026-11-27T06:53:11.007Z\""},
        {0, "{\"time\":\"2026-11-27T06:52:41.007Z\""}, /* the clock was put back */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text text = {bytes, LINE_BYTES_MAX, 0};
        access_line_put(&text, ACCESS_JSON, &line, &stamp, NOW_NS + cases[i].after_ns);
        ck_assert_int_eq(strncmp(bytes, cases[i].wanted, strlen(cases[i].wanted)), 0);
    }
}
END_TEST

/* Only the last one counts, which our proxy has added; and only if it is an address. */
START_TEST(forwarded_addresses_are_the_last_ones) {
    static const struct {
        const char *field, *wanted; /* NULL: none */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"10.0.0.1, 192.0.2.1", "192.0.2.1"},
        {"forged, 10.0.0.1,\t192.0.2.1 ", "192.0.2.1"},
        {"192.0.2.1, 2001:DB8:0::1", "2001:db8::1"},
        {NULL, NULL},
        {"", NULL},
        {"unknown", NULL},
        {"192.0.2.1, unknown", NULL},
        {"192.0.2.1,", NULL},
        {"192.0.2.1 x", NULL},
        {"192.0.2.1 192.0.2.2", NULL},
        {"192.0.2.1:80", NULL},
        {"192.0.2", NULL},
        {"0300.1.1.1", NULL},
        {"::1%lo", NULL},
        {"1111111111111111111111111111111111111111111111111111111", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sockaddr_storage peer = {.ss_family = AF_UNIX};
        struct access_line line = line_of("GET / HTTP/1.1");
        bool found = access_peer_forwarded(cases[i].field, &peer);
        ck_assert_int_eq(found, cases[i].wanted != NULL);
        if (!found) ck_assert_int_eq(peer.ss_family, AF_UNIX);
        if (!found) continue;
        line.peer = (const struct sockaddr *)&peer;
        const char *text = put(ACCESS_COMMON, &line);
        ck_assert_int_eq(strncmp(text, cases[i].wanted, strlen(cases[i].wanted)), 0);
        ck_assert_int_eq(text[strlen(cases[i].wanted)], ' ');
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("access line");
    TCase *tcase = tcase_create("lines");
    tcase_set_timeout(tcase, 60); /* as ck_add does */
    const TTest *const tests[] = {
        common_lines_are_as_logs_have_them,
        combined_lines_have_two_fields_more,
        json_lines_are_objects,
        any_byte_is_harmless,
        long_lines_are_cut_and_say_so,
        usual_lines_are_whole,
        time_goes_on,
        forwarded_addresses_are_the_last_ones,
    };
    tcase_add_checked_fixture(tcase, setup, NULL);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
