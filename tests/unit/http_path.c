/* http_path.c: from targets to paths that lie below "/". */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "src/http/http_server.h"

struct path {
    char *text; /* in a block of the size that the header asks for; the caller's to free */
    uint32_t length, query;
};

/* A sanitizer sees what is read behind the target, or written behind the path. */
static int decode_bytes(struct path *path, const char *target, size_t length) {
    char *copy = malloc(length > 0 ? length : 1);
    memcpy(copy, target, length);
    path->text = malloc(length + 2);
    memset(path->text, 'x', length + 2);
    path->length = path->query = UINT32_MAX;
    int status =
        eddy__http_path_decode(path->text, &path->length, copy, (uint32_t)length, &path->query);
    free(copy);
    return status;
}

static int decode(struct path *path, const char *target) {
    return decode_bytes(path, target, strlen(target));
}

/* Every spelling of a path comes to the one name, which ends in a slash if a directory is meant. */
START_TEST(spellings_come_to_one_name) {
    static const struct {
        const char *target, *path;
    } cases[] = {
        {"/", "/"},
        {"", "/"},
        {"?q", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/a/b.txt", "/a/b.txt"},
        {"/a?b/../..", "/a"},
        {"/a/?b", "/a/"},
        {"/a%20b", "/a b"},
        {"/%61%2E%62", "/a.b"},
        {"/%c3%a4\xc3\xb6", "/\xc3\xa4\xc3\xb6"},
        {"/a%3fb", "/a?b"},
        {"/a%25b", "/a%b"},
        {"/a+b", "/a+b"},
        {"/a\\..\\b", "/a\\..\\b"},
        {"/a%0ab", "/a\nb"},
        {"//etc//passwd", "/etc/passwd"},
        {"///", "/"},
        {"/./a/./b", "/a/b"},
        {"/a/.", "/a/"},
        {"/a/b/..", "/a/"},
        {"/a/b/../", "/a/"},
        {"/a/b/../c", "/a/c"},
        {"/a/b/../../c", "/c"},
        {"/a/..", "/"},
        {"/a/%2e%2E/b", "/b"},
        {"/a/.%2e/b", "/b"},
        {"/%2e/a", "/a"},
        {"/...", "/..."},
        {"/..a/a..", "/..a/a.."},
        {"/.hidden", "/.hidden"},
        {"/%252e%252e/a", "/%2e%2e/a"}, /* decoded once */
        {"/%252fetc", "/%2fetc"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct path path;
        const char *target = cases[i].target;
        int status = decode(&path, target);
        ck_assert_msg(status == 0, "%d for %s", status, target);
        ck_assert_msg(strcmp(path.text, cases[i].path) == 0, "\"%s\" for %s", path.text, target);
        ck_assert_uint_eq(path.length, strlen(cases[i].path));
        ck_assert_msg(path.query == strcspn(target, "?"), "%u for %s", path.query, target);
        free(path.text);
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
        struct path path;
        int status = decode(&path, cases[i].target);
        ck_assert_msg(status == cases[i].status, "%d for %s", status, cases[i].target);
        free(path.text);
    }
}
END_TEST

/* A name takes as many bytes as there are, and a slash at its end none that it does not have. */
START_TEST(long_paths_fit_their_room) {
    enum { LONG = 60000 };
    char *target = malloc(LONG);
    struct path path;
    memset(target, 'a', LONG);
    target[0] = '/';
    target[100] = '/';
    ck_assert_int_eq(decode_bytes(&path, target, LONG), 0);
    ck_assert_uint_eq(path.length, LONG);
    ck_assert_uint_eq(path.query, LONG);
    ck_assert_mem_eq(path.text, target, LONG);
    ck_assert_int_eq(path.text[LONG], '\0');
    free(path.text);
    target[LONG - 1] = '/';
    ck_assert_int_eq(decode_bytes(&path, target, LONG), 0);
    ck_assert_mem_eq(path.text, target, LONG);
    ck_assert_int_eq(path.text[LONG], '\0');
    free(path.text);
    for (int i = 1; i + 1 < LONG; i += 2) memcpy(target + i, "b/", 2);
    memcpy(target + LONG - 3, "/..", 3);
    ck_assert_int_eq(decode_bytes(&path, target, LONG), 0);
    ck_assert_uint_eq(path.length, strlen(path.text));
    free(path.text);
    free(target);
}
END_TEST

/* Only as the whole target: else it is a name. */
START_TEST(a_star_is_no_path_below_the_root) {
    static const char *const cases[][2] = {
        {"*", "*"}, {"/*", "/*"}, {"/*/", "/*/"}, {"/**", "/**"}, {"**", "/**"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct path path;
        ck_assert_int_eq(decode(&path, cases[i][0]), 0);
        ck_assert_str_eq(path.text, cases[i][1]);
        ck_assert_uint_eq(path.length, strlen(cases[i][1]));
        ck_assert_uint_eq(path.query, strlen(cases[i][0]));
        free(path.text);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("http_path");
    ck_add(suite, "decode", spellings_come_to_one_name, what_leaves_the_root_is_refused,
           long_paths_fit_their_room, a_star_is_no_path_below_the_root);
    return suite;
}
