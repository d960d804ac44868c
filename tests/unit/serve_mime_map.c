/* serve_mime_map.c: media types of a file in the format of /etc/mime.types. */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mime.h"

static struct mime_map map;
static char *strings;

/* Counts, then reads. Returns the wrong line, or 0. */
static size_t read_map(const char *text, const char **error) {
    struct text count = {0};
    map = (struct mime_map){0};
    size_t line = mime_map_read(&map, &count, text, error);
    if (line > 0) return line;
    size_t entries = map.count;
    strings = malloc(count.length + 1);
    map.own = malloc((entries + 1) * sizeof *map.own);
    struct text bytes = {strings, count.length, 0};
    ck_assert_uint_eq(mime_map_read(&map, &bytes, text, error), 0);
    ck_assert_uint_eq(bytes.length, count.length);
    ck_assert_uint_le(map.count, entries);
    return 0;
}

static void free_map(void) {
    free(strings);
    free(map.own);
}

static void expect_type(const char *path, const char *type) {
    ck_assert_str_eq(mime_type(&map, path, strlen(path)), type);
}

/* Own types go before those that are built in; the last line that names an extension counts. */
START_TEST(own_types_go_before_built_in_ones) {
    const char *error;
    ck_assert_uint_eq(read_map("# a comment\n"
                               "\n"
                               "application/x-first\tzzz FOO\r\n"
                               "text/x-note note # note too\n"
                               "image/none\n"
                               "video/X-Second  foo html\n"
                               "  text/odd;x",
                               &error),
                      7);
    ck_assert_ptr_nonnull(strstr(error, "text/plain"));
    ck_assert_uint_eq(read_map("# a comment\n"
                               "\n"
                               "application/x-first\tzzz FOO\r\n"
                               "text/x-note note # note too\n"
                               "image/none\n"
                               "video/X-Second  foo html",
                               &error),
                      0);
    ck_assert_uint_eq(map.count, 4);
    expect_type("a.zzz", "application/x-first");
    expect_type("a.foo", "video/x-second");
    expect_type("a.HTML", "video/x-second");
    expect_type("a.note", "text/x-note; charset=utf-8");
    expect_type("a.too", "application/octet-stream");
    expect_type("a.css", "text/css; charset=utf-8");
    expect_type("readme", "text/plain; charset=utf-8");
    free_map();
    ck_assert_uint_eq(read_map("", &error), 0);
    expect_type("a.html", "text/html; charset=utf-8");
    free_map();
}
END_TEST

/* The number of the line is told, and what would be right. */
START_TEST(wrong_lines_are_told) {
    static const struct {
        const char *text;
        size_t line;
    } cases[] = {
        {"html", 1},       {"\n\nhtml text/html", 3}, {"a/b c\n/a b", 2},  {"a/ b", 1},
        {"a/b/c d", 1},    {"text/html .html", 1},    {"a/b tar.gz", 1},   {"a/b c/d", 1},
        {"a/b\"c d\n", 1}, {"a/b c\na/\x01 d", 2},    {"a/\xc3\xa4 b", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *error = NULL;
        ck_assert_uint_eq(read_map(cases[i].text, &error), cases[i].line);
        ck_assert_ptr_nonnull(error);
    }
    char text[256];
    const char *error;
    snprintf(text, sizeof text, "a/%0*d b", MIME_TYPE_BYTES - 1, 0);
    ck_assert_uint_eq(read_map(text, &error), 1);
    snprintf(text, sizeof text, "a/%0*d b", MIME_TYPE_BYTES - 2, 0);
    ck_assert_uint_eq(read_map(text, &error), 0);
    free_map();
}
END_TEST

/* The map of a whole system is read, and each of its types is found. */
START_TEST(many_types_are_found) {
    char text[8192], path[32], type[32];
    size_t length = 0;
    const char *error;
    for (int i = 0; i < 300; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "a/t%d e%d\n", i, i * 7919 % 300);
    ck_assert_uint_eq(read_map(text, &error), 0);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "a.e%d", i * 7919 % 300);
        snprintf(type, sizeof type, "a/t%d", i);
        expect_type(path, type);
    }
    free_map();
}
END_TEST

/* A name says that its bytes are compressed for good. */
START_TEST(svgz_is_svg_in_gzip) {
    ck_assert_str_eq(mime_encoding("a.svgz", 6), "gzip");
    ck_assert_str_eq(mime_encoding("d/A.SVGZ", 8), "gzip");
    ck_assert_ptr_null(mime_encoding("a.svg", 5));
    ck_assert_ptr_null(mime_encoding("a.gz", 4));
    ck_assert_ptr_null(mime_encoding(".svgz", 5));
    ck_assert_ptr_null(mime_encoding("a/.svgz", 7));
    ck_assert_ptr_null(mime_encoding("", 0));
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("serve mime map");
    ck_add(suite, "map", own_types_go_before_built_in_ones, wrong_lines_are_told,
           many_types_are_found, svgz_is_svg_in_gzip);
    return suite;
}
