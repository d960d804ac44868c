/* listing.h: a server of an empty directory, and its listings. */
#ifndef EDDY_TESTS_LISTING_H
#define EDDY_TESTS_LISTING_H

#include "client.h"

static char root[128];
static struct program program;

static inline void setup(void) {
    make_tree(root);
    program = serve_start(root, (const char *const[]){"--log", "common", NULL});
}

static inline void teardown(void) {
    int status = program_stop(&program, SIGTERM);
    remove_tree(root);
    ck_assert_int_eq(status, 0);
}

static inline int open_root(const char *name) {
    char path[512];
    path_in(path, sizeof path, root, name);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(dir, 0);
    return dir;
}

static inline void make_empty(int dir, const char *name) {
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) ck_abort_msg("%s: %s", name, strerror(errno));
    close(fd);
}

static inline struct reply *get(const char *path) {
    struct reply *reply = ask(program.port, "GET", path, "");
    ck_assert_int_eq(reply->status, 200);
    ck_assert_uint_gt(reply->size, 8);
    ck_assert_str_eq(reply->body + reply->size - 8, "</html>\n");
    return reply;
}

/* Names are long, so that the page of 10,000 is 5 MB, and more than the 4 MB that Linux keeps to be
 * sent, whatever its reader has room for. */
#define MANY_10   "xxxxxxxxxx"
#define MANY_50   MANY_10 MANY_10 MANY_10 MANY_10 MANY_10
#define MANY_NAME "name-%u-" MANY_50 MANY_50 MANY_50 MANY_50 ".txt"

static inline void make_many(unsigned count) {
    char name[256];
    make_directory(root, "many");
    int dir = open_root("many");
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, MANY_NAME, i);
        make_empty(dir, name);
    }
    close(dir);
}

static inline Suite *listing_suite(const char *name, const TTest *const *tests, size_t count) {
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 170);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < count; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}

#endif
