/* http_answer.c: text, media types, heads, pages and the parts of a multipart answer. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "http_date.h"
#include "etag.h"
#include "mime.h"
#include "multipart.h"
#include "status_page.h"

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"

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
    static const char *const known[] = {
        "7z",   "aac",   "apk",   "apng",  "atom", "avi",  "avif", "bmp",  "bz2",    "c",
        "cc",   "conf",  "cpp",   "css",   "csv",  "deb",  "diff", "doc",  "docx",   "eot",
        "epub", "flac",  "gif",   "go",    "gz",   "h",    "hpp",  "htm",  "html",   "ico",
        "ics",  "ini",   "iso",   "jar",   "jpeg", "jpg",  "js",   "json", "jsonld", "jxl",
        "log",  "m4a",   "m4v",   "map",   "md",   "mid",  "mjs",  "mkv",  "mov",    "mp3",
        "mp4",  "mpeg",  "mpg",   "odp",   "ods",  "odt",  "oga",  "ogg",  "ogv",    "opus",
        "otf",  "patch", "pdf",   "png",   "ppt",  "pptx", "py",   "rar",  "rpm",    "rs",
        "rss",  "rst",   "rtf",   "sh",    "sql",  "svg",  "svgz", "tar",  "tgz",    "tif",
        "tiff", "toml",  "ttf",   "txt",   "vtt",  "wasm", "wav",  "weba", "webm",   "webmanifest",
        "webp", "woff",  "woff2", "xhtml", "xls",  "xlsx", "xml",  "xz",   "yaml",   "yml",
        "zip",  "zst",
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char path[32];
        int length = snprintf(path, sizeof path, "dir.d/name.%s", known[i]);
        ck_assert_msg(strcmp(mime_type(path, (size_t)length), "application/octet-stream") != 0,
                      "%s", path);
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
        ck_assert_str_eq(mime_type(cases[i].path, strlen(cases[i].path)), cases[i].type);
}
END_TEST

START_TEST(heads_hold_what_is_set) {
    char bytes[HTTP_RESPONSE_HEAD_BYTES];
    struct text text = {bytes, sizeof bytes, 0};
    http_response_put_head(&text, &(struct http_response){.status = 200,
                                                          .date = DATE,
                                                          .length = 12,
                                                          .type = "text/plain",
                                                          .last_modified = DATE,
                                                          .etag = "\"e\"",
                                                          .etag_length = 3,
                                                          .accepts_ranges = true,
                                                          .keep_alive = true});
    check_text(&text,
               "HTTP/1.1 200 OK\r\nServer: eddy\r\nDate: " DATE "\r\n"
               "Content-Type: text/plain\r\nContent-Length: 12\r\nLast-Modified: " DATE "\r\n"
               "ETag: \"e\"\r\nAccept-Ranges: bytes\r\n\r\n");
    text.length = 0;
    http_response_put_head(
        &text, &(struct http_response){
                   .status = 304, .date = DATE, .length = -1, .keep_alive = true, .is_old = true});
    check_text(&text, "HTTP/1.1 304 Not Modified\r\nServer: eddy\r\nDate: " DATE "\r\n"
                      "Connection: keep-alive\r\n\r\n");
    text.length = 0;
    struct range range = {5, 9};
    http_response_put_head(
        &text, &(struct http_response){
                   .status = 206, .date = DATE, .length = 5, .range = &range, .size = 10});
    check_text(&text, "HTTP/1.1 206 Partial Content\r\nServer: eddy\r\nDate: " DATE "\r\n"
                      "Content-Length: 5\r\nContent-Range: bytes 5-9/10\r\n"
                      "Connection: close\r\n\r\n");
    text.length = 0;
    http_response_put_head(&text, &(struct http_response){
                                      .status = 416, .date = DATE, .size = 10, .keep_alive = true});
    check_text(&text, "HTTP/1.1 416 Range Not Satisfiable\r\nServer: eddy\r\nDate: " DATE "\r\n"
                      "Content-Length: 0\r\nContent-Range: bytes */10\r\n\r\n");
    text.length = 0;
    http_response_put_head(&text, &(struct http_response){.status = 405, .date = DATE});
    check_text(&text, "HTTP/1.1 405 Method Not Allowed\r\nServer: eddy\r\nDate: " DATE "\r\n"
                      "Content-Length: 0\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n");
    text.length = 0;
    http_response_put_head(&text, &(struct http_response){.status = 301,
                                                          .date = DATE,
                                                          .location = "/a/",
                                                          .location_length = 3,
                                                          .keep_alive = true});
    check_text(&text, "HTTP/1.1 301 Moved Permanently\r\nServer: eddy\r\nDate: " DATE "\r\n"
                      "Content-Length: 0\r\nLocation: /a/\r\n\r\n");
}
END_TEST

/* Everything at once and as long as it gets, with every status. */
START_TEST(heads_and_pages_fit_their_bounds) {
    const struct range range = {INT64_MAX, INT64_MAX};
    char etag[ETAG_BYTES];
    struct text tag = {etag, sizeof etag, 0};
    etag_put(&tag, UINT64_MAX, INT64_MAX, -1, 999999999);
    for (int status = 100; status < 600; status++) {
        struct text text = {0};
        http_response_put_head(&text, &(struct http_response){.status = status,
                                                              .date = DATE,
                                                              .length = INT64_MAX,
                                                              .type = mime_type("a.pptx", 6),
                                                              .last_modified = DATE,
                                                              .etag = etag,
                                                              .etag_length = tag.length,
                                                              .range = &range,
                                                              .size = INT64_MAX,
                                                              .location = "",
                                                              .accepts_ranges = true,
                                                              .keep_alive = true,
                                                              .is_old = true});
        ck_assert_uint_le(text.length, HTTP_RESPONSE_HEAD_BYTES);
        text = (struct text){0};
        http_response_put_page(&text, status);
        ck_assert_uint_le(text.length, HTTP_RESPONSE_PAGE_BYTES);
    }
    ck_assert_str_eq(http_response_reason(404), "Not Found");
    ck_assert_str_eq(http_response_reason(431), "Request Header Fields Too Large");
    ck_assert_str_eq(http_response_reason(799), "Internal Server Error");
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
    const struct multipart longest = {mime_type("a.pptx", 6), INT64_MAX, UINT64_MAX};
    struct text count = {0};
    multipart_put_part(&count, &longest, &(struct range){INT64_MAX, INT64_MAX});
    ck_assert_uint_le(count.length, MULTIPART_PART_BYTES);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("http_answer");
    ck_add(suite, "text", numbers_are_written_whole, text_counts_what_does_not_fit, html_is_escaped,
           media_types_are_found_by_extension);
    ck_add(suite, "answers", heads_hold_what_is_set, heads_and_pages_fit_their_bounds,
           multipart_lengths_are_exact);
    return suite;
}
