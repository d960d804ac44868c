/* misuse.c: what only a mistake of the programmer's can cause. What would corrupt the loop ends the
 * program, and says what must hold; what would not is an error and changes nothing. */
#include "misuse.h"
#include "net.h"

#include <limits.h>

/* --- How a program ends --- */

static eddy_timer unmade; /* never initialised: a start of it has to end the program */

static void start_unmade(eddy_loop *loop) {
    unmade.handle.loop = loop;
    eddy_timer_start(&unmade, (eddy_timer_fn *)abort, 0, 0);
}

START_TEST(misuse_is_told_in_a_line) {
    misuse_must_die("a timer", start_unmade, "handle_is_initialised(&timer->handle)\n");
}
END_TEST

static void on_broken(const char *condition, const char *file, int line) {
    bool is_known = strstr(condition, "handle_is_initialised") != NULL && line > 0 &&
                    (strstr(file, "timer.c") != NULL || strstr(file, "eddy.c") != NULL);
    _exit(is_known ? 42 : 41);
}

static void handle_and_start(eddy_loop *loop) {
    eddy_assert_set_handler(on_broken);
    start_unmade(loop);
}

static void say_nothing(const char *condition, const char *file, int line) {
    (void)condition, (void)file, (void)line;
}

static void return_and_start(eddy_loop *loop) {
    eddy_assert_set_handler(say_nothing);
    start_unmade(loop);
}

static void unset_and_start(eddy_loop *loop) {
    eddy_assert_set_handler(on_broken);
    eddy_assert_set_handler(NULL);
    start_unmade(loop);
}

/* It may end the program in its own way, and nothing is printed. If it returns the library does it.
 */
START_TEST(a_program_has_its_own_end) {
    char text[4096];
    int status = misuse_run(handle_and_start, text, sizeof text);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 42);
    ck_assert_str_eq(text, "");
    misuse_must_die("it returns", return_and_start, "handle_is_initialised");
    misuse_must_die("it is unset", unset_and_start, "handle_is_initialised");
}
END_TEST

static void close_and_start(eddy_loop *loop) {
    close(STDERR_FILENO);
    start_unmade(loop);
}

/* Nobody to be told is no reason to go on. */
START_TEST(it_ends_without_standard_error) {
    char text[4096];
    int status = misuse_run(close_and_start, text, sizeof text);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

/* --- Errors --- */

START_TEST(a_configuration_out_of_range_is_refused) {
    static const eddy_loop_config wrong[] = {
        {.pool_threads = 1025}, {.pool_threads = UINT_MAX}, {.read_buffer_bytes = SIZE_MAX}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        eddy_loop *loop = NULL;
        eddy_loop_config config = wrong[i];
        config.backend = test_backend;
        ck_assert_int_eq(eddy_loop_open(&loop, &config), -EINVAL);
        ck_assert_ptr_null(loop);
    }
}
END_TEST

static int results[5];

static void turn_within(eddy_defer *defer) {
    eddy_loop *loop = defer->handle.loop;
    int64_t timeout_ns;
    results[0] = eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    results[1] = eddy_loop_prepare(loop, &timeout_ns);
    results[2] = eddy_loop_wait(loop, 0);
    results[3] = eddy_loop_dispatch(loop);
    results[4] = eddy_loop_after_fork(loop);
}

/* A loop that is in the middle of a turn does not begin another one, nor anew. */
START_TEST(a_turn_within_a_turn_is_refused) {
    eddy_loop *loop = test_loop_open();
    eddy_defer defer;
    eddy_defer_init(&defer, loop);
    ck_assert_int_eq(eddy_defer_start(&defer, turn_within), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(results[i], -EBUSY);
    test_loop_close(loop);
}
END_TEST

/* Texts: as long as there is room, for any number of either sign. */
START_TEST(every_error_has_a_text) {
    static const int errors[] = {0, EAGAIN, -EAGAIN, 99999, INT_MAX, -INT_MAX, INT_MIN};
    char text[128], same[128], nothing = 'x';
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        ck_assert_ptr_eq(eddy_strerror(errors[i], text, sizeof text), text);
        ck_assert_uint_gt(strlen(text), 0);
    }
    ck_assert_str_eq(eddy_strerror(0, text, sizeof text), "no error");
    ck_assert_str_eq(eddy_strerror(-ENOENT, text, sizeof text),
                     eddy_strerror(ENOENT, same, sizeof same));
    ck_assert_str_eq(eddy_strerror(-ENOENT, same, 4), "No ");
    ck_assert_ptr_eq(eddy_strerror(-ENOENT, &nothing, 0), &nothing);
    ck_assert_int_eq(nothing, 'x');
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("misuse");
    ck_add(suite, "the end", misuse_is_told_in_a_line, a_program_has_its_own_end,
           it_ends_without_standard_error);
    ck_add(suite, "errors", a_configuration_out_of_range_is_refused,
           a_turn_within_a_turn_is_refused, every_error_has_a_text);
    return suite;
}
