/* http_path.c: from targets to paths beneath the root, and back to URLs. */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "http_path.h"

static int decode(struct http_path *path, const char *target) {
    size_t length = strlen(target);
    char *copy = malloc(length > 0 ? length : 1); /* a sanitizer sees the end */
    memcpy(copy, target, length);
    memset(path, 'x', sizeof *path);
    int status = http_path_decode(path, copy, length);
    free(copy);
    return status;
}

/* Every spelling of a path comes to the one name. */
START_TEST(spellings_come_to_one_name) {
    static const struct {
        const char *target, *path;
        bool has_slash;
    } cases[] = {
        {"/", "", true},
        {"", "", true},
        {"?q", "", true},
        {"/a", "a", false},
        {"/a/", "a", true},
        {"/a/b.txt", "a/b.txt", false},
        {"/a?b/../..", "a", false},
        {"/a/?b", "a", true},
        {"/a%20b", "a b", false},
        {"/%61%2E%62", "a.b", false},
        {"/%c3%a4\xc3\xb6", "\xc3\xa4\xc3\xb6", false},
        {"/a%3fb", "a?b", false},
        {"/a%25b", "a%b", false},
        {"/a+b", "a+b", false},
        {"/a\\..\\b", "a\\..\\b", false},
        {"/a%0ab", "a\nb", false},
        {"//etc//passwd", "etc/passwd", false},
        {"///", "", true},
        {"/./a/./b", "a/b", false},
        {"/a/.", "a", true},
        {"/a/b/..", "a", true},
        {"/a/b/../", "a", true},
        {"/a/b/../c", "a/c", false},
        {"/a/b/../../c", "c", false},
        {"/a/..", "", true},
        {"/a/%2e%2E/b", "b", false},
        {"/a/.%2e/b", "b", false},
        {"/%2e/a", "a", false},
        {"/...", "...", false},
        {"/..a/a..", "..a/a..", false},
        {"/.hidden", ".hidden", false},
        {"/%252e%252e/a", "%2e%2e/a", false}, /* decoded once */
        {"/%252fetc", "%2fetc", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_path path;
        int status = decode(&path, cases[i].target);
        ck_assert_msg(status == 0, "%d for %s", status, cases[i].target);
        ck_assert_msg(strcmp(path.text, cases[i].path) == 0, "\"%s\" for %s", path.text,
                      cases[i].target);
        ck_assert_uint_eq(path.length, strlen(cases[i].path));
        ck_assert_msg(path.has_slash == cases[i].has_slash, "%s", cases[i].target);
    }
}
END_TEST

START_TEST(what_leaves_the_root_is_refused) {
    static const struct {
        const char *target;
        int status;
    } cases[] = {
        {"/..", 400},
        {"/../", 400},
        {"/../etc/passwd", 400},
        {"/a/../../etc/passwd", 400},
        {"/a/../../a", 400}, /* comes back, but was outside */
        {"/%2e%2e/etc/passwd", 400},
        {"/.%2E/etc/passwd", 400},
        {"//../etc", 400},
        {"/./../etc", 400},
        {"..", 400},
        {"/a%2fb", 404},
        {"/..%2f..%2fetc", 404},
        {"/a%2Fb", 404},
        {"/a%00", 400},
        {"/a%00.txt", 400},
        {"/%", 400},
        {"/%2", 400},
        {"/%g0", 400},
        {"/%0g", 400},
        {"/%%41", 400},
        {"/% 41", 400},
        {"/%u0041", 400},
        {"/a b", 400},
        {"/a\x01", 400},
        {"/a\x7f", 400},
        {"/a#b", 400},
        {"/%?", 400},
        {"/%4?1", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_path path;
        int status = decode(&path, cases[i].target);
        ck_assert_msg(status == cases[i].status, "%d for %s", status, cases[i].target);
    }
}
END_TEST

/* The longest path fits, with a slash behind it or without; a byte more does not. */
START_TEST(lengths_are_bounded) {
    for (int extra = -2; extra <= 3; extra++) {
        for (int slash = 0; slash <= 1; slash++) {
            char target[HTTP_PATH_MAX + 16];
            struct http_path path;
            size_t length = (size_t)(HTTP_PATH_MAX + extra);
            memset(target, 'a', sizeof target);
            target[0] = '/';
            target[100] = '/';
            if (slash) target[length + 1] = '/';
            target[length + 1 + (size_t)slash] = '\0';
            int status = decode(&path, target);
            ck_assert_int_eq(status, extra > 0 ? 414 : 0);
            if (status == 0) ck_assert_uint_eq(strlen(path.text), length);
        }
    }
    /* A slash in the last place, and then more. */
    char target[HTTP_PATH_MAX + 64];
    struct http_path path;
    memset(target, 'a', sizeof target);
    target[0] = '/';
    memcpy(target + HTTP_PATH_MAX + 1, "/../bcd", 8);
    ck_assert_int_eq(decode(&path, target), 414);
    memcpy(target + HTTP_PATH_MAX + 1, "/b", 3);
    ck_assert_int_eq(decode(&path, target), 414);
    memcpy(target + HTTP_PATH_MAX + 1, "///", 4);
    ck_assert_int_eq(decode(&path, target), 0);
    ck_assert_uint_eq(path.length, HTTP_PATH_MAX);
}
END_TEST

/* A redirection leads to the same site, whatever the target looked like. */
START_TEST(locations_stay_on_this_site) {
    static const struct {
        const char *target, *location;
    } cases[] = {
        {"/a", "/a/"},
        {"/a?q=1", "/a/?q=1"},
        {"//evil.example", "/evil.example/"},
        {"/\\evil.example", "/%5Cevil.example/"},
        {"/a%0d%0aSet-Cookie:b", "/a%0D%0ASet-Cookie%3Ab/"},
        {"/\xc3\xa4/b%20d", "/%C3%A4/b%20d/"},
        {"/", "/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_path path;
        char bytes[128];
        struct text text = {bytes, sizeof bytes, 0};
        ck_assert_int_eq(decode(&path, cases[i].target), 0);
        http_path_put_location(&text, &path, cases[i].target);
        ck_assert_uint_eq(text.length, strlen(cases[i].location));
        ck_assert_msg(memcmp(bytes, cases[i].location, text.length) == 0, "%s", cases[i].target);
    }
}
END_TEST

/* Any name, percent-encoded and decoded again, is the same name. */
START_TEST(encoded_names_come_back) {
    for (int byte = 1; byte < 256; byte++) {
        if (byte == '/') continue;
        char name[] = {'a', (char)byte, 'b', '\0'}, url[16] = "/";
        struct text text = {url, sizeof url - 1, 1};
        struct http_path path;
        text_put_url(&text, name, 3);
        url[text.length] = '\0';
        for (size_t i = 0; i < text.length; i++)
            ck_assert_msg(url[i] > 0x20 && url[i] < 0x7f && strchr("\"'<>&#?:", url[i]) == NULL,
                          "byte %d is %s", byte, url);
        ck_assert_int_eq(decode(&path, url), 0);
        ck_assert_str_eq(path.text, name);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("http_path");
    ck_add(suite, "decode", spellings_come_to_one_name, what_leaves_the_root_is_refused,
           lengths_are_bounded);
    ck_add(suite, "encode", locations_stay_on_this_site, encoded_names_come_back);
    return suite;
}
