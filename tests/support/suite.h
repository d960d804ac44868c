/* suite.h: what every test program shares. A program defines `make_suite` and links main.c, which
 * runs it on the backend that its argument names. */
#ifndef EDDY_TESTS_SUITE_H
#define EDDY_TESTS_SUITE_H

#include <check.h>
#include <eddy.h>

Suite *make_suite(void);

/* The backend under test, or NULL in a suite that has nothing to do with backends. */
extern const char *test_backend;

/* Who does its loops' file requests: eddy_loop_config.files, unless a test says otherwise. */
extern eddy_files_kind test_files;

/* A loop on the backend under test whose every turn is followed by eddy_loop_verify(). */
eddy_loop *test_loop_open(void);
eddy_loop *test_loop_open_with(eddy_loop_config config); /* the backend is filled in */
/* Asserts that nothing is left in it and that it closes. */
void test_loop_close(eddy_loop *loop);

/* Whether the backend under test has the capability. */
bool test_backend_can(unsigned capability);
/* What a wake-up costs in reads of the loop's pipe: none where edges tell of each. */
unsigned test_wake_reads(void);

/* As eddy_loop_run, again where valgrind 3.19 makes EFAULT of a pselect that a signal interrupts.
 */
int test_run(eddy_loop *loop, eddy_run_mode mode);

/* eddy_loop_prepare; returns the time-out. And a whole turn taken apart that does not wait; returns
 * what dispatch did. */
int64_t test_prepare(eddy_loop *loop);
int test_turn_apart(eddy_loop *loop);

/* Turns the loop until `*flag` is true; fails the test after 10 s. */
void test_turn_until(eddy_loop *loop, const bool *flag);
/* Turns the loop for that long. */
void test_turn_for(eddy_loop *loop, int64_t time_ns);

int64_t test_now_ns(void);
void test_pipe(int ends[2]);                       /* non-blocking, close-on-exec */
void test_socket_pair(int ends[2]);                /* the same, of bytes */
unsigned test_metric_waits(const eddy_loop *loop); /* waits so far */

/* Gives a whole test case to `suite`: ck_add(suite, "name", test, test, …). */
#define ck_add(suite, name, ...)                                         \
    do {                                                                 \
        const TTest *const tests_[] = {__VA_ARGS__};                     \
        TCase *case_ = tcase_create(name);                               \
        tcase_set_timeout(case_, 60);                                    \
        for (size_t i_ = 0; i_ < sizeof tests_ / sizeof tests_[0]; i_++) \
            tcase_add_test(case_, tests_[i_]);                           \
        suite_add_tcase(suite, case_);                                   \
    } while (0)

#endif
