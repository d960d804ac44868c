/* serve_text.c: text, media types, the pages of statuses, and the parts of a multipart answer. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "mime.h"
#include "mime_tables.h"
#include "multipart.h"
#include "src/http/http_server.h"
#include "status_page.h"

static void check_text(const struct text *text, const char *expected) {
    ck_assert(text_fits(text));
    ck_assert_msg(text->length == strlen(expected) &&
                      memcmp(text->bytes, expected, text->length) == 0,
                  "\"%.*s\" instead of \"%s\"", (int)text->length, text->bytes, expected);
}

START_TEST(numbers_are_written_whole) {
    static const struct {
        uint64_t number;
        const char *decimal, *hex;
    } cases[] = {
        {0, "0", "0"},
        {9, "9", "9"},
        {10, "10", "a"},
        {4294967296, "4294967296", "100000000"},
        {UINT64_MAX, "18446744073709551615", "ffffffffffffffff"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char bytes[32];
        struct text text = {bytes, sizeof bytes, 0};
        text_put_number(&text, cases[i].number);
        check_text(&text, cases[i].decimal);
        text.length = 0;
        text_put_hex(&text, cases[i].number);
        check_text(&text, cases[i].hex);
    }
}
END_TEST

/* What does not fit is counted and not written, nor is anything after it. */
START_TEST(text_counts_what_does_not_fit) {
    char bytes[8] = "12345678";
    struct text text = {bytes, 4, 0};
    text_put_literal(&text, "abc");
    ck_assert(text_fits(&text));
    text_put_literal(&text, "de");
    text_put_literal(&text, "f");
    ck_assert(!text_fits(&text));
    ck_assert_uint_eq(text.length, 6);
    ck_assert_mem_eq(bytes, "abc45678", 8);
    text = (struct text){bytes, 4, 0};
    text_put_literal(&text, "abcd");
    ck_assert(text_fits(&text));
    struct text count = {0};
    text_put_literal(&count, "abcdef");
    text_put_number(&count, 1234);
    ck_assert_uint_eq(count.length, 10);
}
END_TEST

START_TEST(html_is_escaped) {
    char bytes[128];
    struct text text = {bytes, sizeof bytes, 0};
    const char *name = "<a href='x' title=\"y\">&amp;\n\x7f\xc3\xa4";
    text_put_html(&text, name, strlen(name));
    check_text(&text, "&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;amp;"
                      "\xEF\xBF\xBD\xEF\xBF\xBD\xc3\xa4");
}
END_TEST

/* Every extension is found, so the table is in order. */
START_TEST(media_types_are_found_by_extension) {
    for (size_t i = 0; i < mime_extension_count; i++) {
        char path[64];
        int length = snprintf(path, sizeof path, "dir.d/name.%s", mime_extensions[i].name);
        ck_assert_str_eq(mime_type(NULL, path, (size_t)length), mime_extensions[i].type);
    }
    for (size_t i = 0; i < mime_name_count; i++) {
        char path[64];
        int length = snprintf(path, sizeof path, "dir.d/%s", mime_names[i].name);
        ck_assert_str_eq(mime_type(NULL, path, (size_t)length), mime_names[i].type);
    }
    static const struct {
        const char *path, *type;
    } cases[] = {
        {"index.html", "text/html; charset=utf-8"},
        {"A.HTML", "text/html; charset=utf-8"},
        {"a.tar.gz", "application/gzip"},
        {"a.js", "text/javascript; charset=utf-8"},
        {"a.png", "image/png"},
        {"a.json", "application/json"},
        {"x/a.webmanifest", "application/manifest+json"},
        {"a.TS", "video/mp2t"},
        {"a.m3u8", "application/vnd.apple.mpegurl"},
        {"a.mpd", "application/dash+xml"},
        {"a.geojson", "application/geo+json"},
        {"a.odg", "application/vnd.oasis.opendocument.graphics"},
        {"README", "text/plain; charset=utf-8"},
        {"a.b/Makefile", "text/plain; charset=utf-8"},
        {"Dockerfile", "text/plain; charset=utf-8"},
        {".well-known/apple-app-site-association", "application/json"},
        {"README.zip", "application/zip"},
        {".readme", "application/octet-stream"},
        {"readmes", "application/octet-stream"},
        {"", "application/octet-stream"},
        {"html", "application/octet-stream"},
        {".html", "application/octet-stream"},
        {"a/.html", "application/octet-stream"},
        {"a.html/b", "application/octet-stream"},
        {"a.", "application/octet-stream"},
        {"a.htm ", "application/octet-stream"},
        {"a.htmlx", "application/octet-stream"},
        {"a.webmanifests", "application/octet-stream"},
        {"a.\xff\xff", "application/octet-stream"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_str_eq(mime_type(NULL, cases[i].path, strlen(cases[i].path)), cases[i].type);
}
END_TEST

/* A page says what its status is, twice, and each fits. */
START_TEST(pages_tell_their_status_and_fit) {
    char bytes[STATUS_PAGE_BYTES + 1], deep[8000];
    memset(deep, '/', sizeof deep);
    for (int status = 100; status < 600; status++) {
        for (size_t depth = 1; depth < 40; depth++) {
            struct text text = {bytes, STATUS_PAGE_BYTES, 0};
            status_page_put(&text, status, deep, depth);
            ck_assert_msg(text_fits(&text), "%d: %zu bytes", status, text.length);
        }
    }
    struct text text = {bytes, STATUS_PAGE_BYTES, 0};
    status_page_put(&text, 404, "/", 1);
    bytes[text.length] = '\0';
    ck_assert_ptr_nonnull(strstr(bytes, "<title>404 Not Found</title>"));
    ck_assert_ptr_nonnull(strstr(bytes, "<h1><b>404</b> Not Found</h1>"));
    ck_assert_ptr_null(strstr(bytes, "<script"));
    ck_assert_ptr_null(strstr(bytes, "http:"));
}
END_TEST

/* From a page below the root its link goes up as a browser does, by the slashes of the target. */
START_TEST(pages_have_a_way_home) {
    static const struct {
        const char *target, *home;
    } cases[] = {
        {"/", "./"},
        {"/nothing", "./"},
        {"/nothing?a=/b/c", "./"},
        {"/a/", "./../"},
        {"/a/b", "./../"},
        {"/a//b/c%2Fd", "./../../../"},
        {"http://host/a/b", "/"},
        {"*", "/"},
        {"", "/"},
        {NULL, "/"},
        {"/////////////////////////////////", "/"}, /* 33 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char bytes[STATUS_PAGE_BYTES + 1], link[64];
        const char *target = cases[i].target;
        struct text text = {bytes, STATUS_PAGE_BYTES, 0};
        status_page_put(&text, 404, target, target != NULL ? strlen(target) : 7);
        bytes[text.length] = '\0';
        snprintf(link, sizeof link, "<a href=\"%s\">Home</a>", cases[i].home);
        ck_assert_msg(strstr(bytes, link) != NULL, "no %s for %s", link, target);
    }
}
END_TEST

/* What turns the direction of text would show "exe.txt" for "txt.exe". */
START_TEST(text_is_not_turned) {
    static const char *const turning[] = {"\xE2\x80\xAA", "\xE2\x80\xAE", "\xE2\x81\xA6",
                                          "\xE2\x81\xA9"};
    static const char *const plain[] = {"\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\xA5",
                                        "\xE2\x81\xAA", "\xE2\x80\x8F", "\xE2\x82\xAC",
                                        "\xD7\xA9",     "\xE2\x80"};
    char bytes[32], name[16];
    for (size_t i = 0; i < sizeof turning / sizeof turning[0]; i++) {
        struct text text = {bytes, sizeof bytes, 0};
        snprintf(name, sizeof name, "a%sb", turning[i]);
        text_put_html(&text, name, strlen(name));
        check_text(&text, "a\xEF\xBF\xBD"
                          "b");
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        struct text text = {bytes, sizeof bytes, 0};
        text_put_html(&text, plain[i], strlen(plain[i]));
        check_text(&text, plain[i]);
    }
}
END_TEST

/* The length that is promised is the length of what is written. */
START_TEST(multipart_lengths_are_exact) {
    const struct multipart multipart = {"text/plain", 100, 0xfedcba9876543210};
    const struct ranges ranges = {2, {{0, 0}, {90, 99}}};
    char bytes[1024];
    struct text text = {bytes, sizeof bytes, 0};
    multipart_put_type(&text, &multipart);
    ck_assert_str_eq(bytes, "multipart/byteranges; boundary=eddy-fedcba9876543210");
    ck_assert_uint_le(text.length, MULTIPART_TYPE_BYTES);
    text.length = 0;
    multipart_put_part(&text, &multipart, &ranges.list[0]);
    text_put_literal(&text, "x");
    multipart_put_part(&text, &multipart, &ranges.list[1]);
    text_put_literal(&text, "0123456789");
    multipart_put_end(&text, &multipart);
    check_text(&text, "\r\n--eddy-fedcba9876543210\r\nContent-Type: text/plain\r\n"
                      "Content-Range: bytes 0-0/100\r\n\r\nx"
                      "\r\n--eddy-fedcba9876543210\r\nContent-Type: text/plain\r\n"
                      "Content-Range: bytes 90-99/100\r\n\r\n0123456789"
                      "\r\n--eddy-fedcba9876543210--\r\n");
    ck_assert_int_eq(multipart_bytes(&multipart, &ranges), (int64_t)text.length);
    const struct multipart longest = {mime_type(NULL, "a.pptx", 6), INT64_MAX, UINT64_MAX};
    struct text count = {0};
    multipart_put_part(&count, &longest, &(struct range){INT64_MAX, INT64_MAX});
    ck_assert_uint_le(count.length, MULTIPART_PART_BYTES);
}
END_TEST

/* Any name, percent-encoded and decoded again, is the same name. */
START_TEST(encoded_names_come_back) {
    for (int byte = 1; byte < 256; byte++) {
        if (byte == '/') continue;
        char name[] = {'/', 'a', (char)byte, 'b', '\0'}, url[16] = "/", path[18];
        struct text text = {url, sizeof url - 1, 1};
        uint32_t length, query;
        text_put_url(&text, name + 1, 3);
        url[text.length] = '\0';
        for (size_t i = 0; i < text.length; i++)
            ck_assert_msg(url[i] > 0x20 && url[i] < 0x7f && strchr("\"'<>&#?:", url[i]) == NULL,
                          "byte %d is %s", byte, url);
        int status = eddy__http_path_decode(path, &length, url, (uint32_t)text.length, &query);
        ck_assert_int_eq(status, 0);
        ck_assert_str_eq(path, name);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("serve_text");
    ck_add(suite, "text", numbers_are_written_whole, text_counts_what_does_not_fit, html_is_escaped,
           encoded_names_come_back, media_types_are_found_by_extension);
    ck_add(suite, "answers", pages_tell_their_status_and_fit, pages_have_a_way_home,
           text_is_not_turned, multipart_lengths_are_exact);
    return suite;
}
