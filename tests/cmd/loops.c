/* loops.c: eddy serve with several loops, one of which fails. */
#include "client.h"

#ifdef __linux__
static char root[128];

static void setup(void) {
    make_tree(root);
    make_pattern(root, "file.txt", 1000);
}

static void teardown(void) {
    remove_tree(root);
}

/* poll() refuses more descriptors than a process may have open, whatever their numbers. So from
 * here on each loop fails in its next wait; those that wait already do not know yet. */
static void make_waits_fail(const struct program *program) {
    struct rlimit limit;
    ck_assert_int_eq(prlimit(program->pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = 1;
    ck_assert_int_eq(prlimit(program->pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

/* A signal wakes the first loop only, which then fails: the others are told to end, and do. */
START_TEST(when_the_first_loop_fails_the_others_end) {
    static const char *const options[] = {"--loops", "3", NULL};
    test_backend = "poll";
    struct program program = serve_start(root, options);
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    make_waits_fail(&program);
    ck_assert_int_eq(kill(program.pid, SIGUSR1), 0);
    ck_assert_int_eq(program_wait(&program), 1);
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/loops");
#ifdef __linux__
    TCase *all = tcase_create("loops");
    tcase_set_timeout(all, 100);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, when_the_first_loop_fails_the_others_end);
    suite_add_tcase(suite, all);
#endif
    return suite;
}
