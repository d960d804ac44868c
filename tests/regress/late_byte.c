/* late_byte.c: a sender that is held up between its push and its byte. The linker puts this file's
 * function in the place of the library's, so that the moment is there every time. */
#include "sanitized.h"
#include "suite.h"
#include "system.h"

#include "../../platform/os.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum { NOT_HELD, HOLD_NEXT, HELD, LET_GO };
static atomic_int stage;
static atomic_int result; /* of the write that was held up */

ssize_t __real_eddy_os_write(int fd, const void *data, size_t size);
ssize_t __wrap_eddy_os_write(int fd, const void *data, size_t size);

ssize_t __wrap_eddy_os_write(int fd, const void *data, size_t size) {
    int expected = HOLD_NEXT;
    bool held = atomic_compare_exchange_strong(&stage, &expected, HELD);
    for (int i = 0; held && i < 2000; i++) sched_yield();
    if (held) atomic_store(&stage, LET_GO);
    ssize_t count = __real_eddy_os_write(fd, data, size);
    if (held) atomic_store(&result, (int)count);
    return count;
}

static int start(void *(*run)(void *), void *argument, pthread_t *thread) {
    atomic_store(&stage, HOLD_NEXT);
    atomic_store(&result, 0);
    int err = pthread_create(thread, NULL, run, argument);
    while (err == 0 && atomic_load(&stage) == HOLD_NEXT) sched_yield();
    return err;
}

static void begin(void *(*run)(void *), void *argument, pthread_t *thread) {
    ck_assert_int_eq(start(run, argument, thread), 0);
}

static void *send_once(void *wake) {
    eddy_wake_send(wake);
    return NULL;
}

static void on_wake(eddy_wake *wake) {
    (void)wake;
    ck_abort_msg("a stopped wake was called");
}

/* The stop takes the post out of the list, and the loop closes: not before the byte has come, or it
 * would go to whoever has the pipe's number next. */
START_TEST(a_loop_waits_for_the_byte_of_a_send_that_was_taken_back) {
    for (int i = 0; i < 20; i++) {
        eddy_loop *loop = test_loop_open();
        eddy_wake wake;
        pthread_t thread;
        eddy_wake_init(&wake, loop);
        ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
        begin(send_once, &wake, &thread);
        eddy_wake_stop(&wake);
        test_loop_close(loop);
        ck_assert_int_eq(atomic_load(&stage), LET_GO);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_gt(atomic_load(&result), 0);
    }
}
END_TEST

static void *raise_here(void *argument) {
    (void)argument;
    (void)pthread_kill(pthread_self(), SIGUSR1);
    return NULL;
}

static void on_signal(eddy_signal *watcher, int number) {
    (void)watcher;
    (void)number;
    ck_abort_msg("a stopped watcher was called");
}

/* The handler is in the middle of its walk when the watcher stops: the stop ends after it. */
START_TEST(a_watcher_stops_after_the_handler_that_has_found_it) {
    for (int i = 0; i < 20; i++) {
        eddy_loop *loop = test_loop_open();
        eddy_signal watcher;
        pthread_t thread;
        eddy_signal_init(&watcher, loop);
        ck_assert_int_eq(eddy_signal_start(&watcher, on_signal, SIGUSR1), 0);
        begin(raise_here, NULL, &thread);
        eddy_signal_stop(&watcher);
        ck_assert_int_eq(atomic_load(&stage), LET_GO);
        memset(&watcher, 0xa5, sizeof watcher);
        test_loop_close(loop);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_gt(atomic_load(&result), 0);
    }
}
END_TEST

/* --- In a forked child that has threads of its own by now --- */

static eddy_loop *taken, *other;
static eddy_signal taken_watcher;
static eddy_post post;
static int posted;

static void on_post(eddy_post *it) {
    (void)it;
    posted++;
}

static void *post_once(void *argument) {
    (void)argument;
    eddy_loop_post(taken, &post, on_post);
    return NULL;
}

static void child_begins(void *(*run)(void *), pthread_t *thread) {
    alarm(20);
    child_assert(eddy_loop_after_fork(taken) == 0);
    child_assert(eddy_loop_run(taken, EDDY_RUN_NOWAIT) >= 0); /* from here on a push writes */
    child_assert(start(run, NULL, thread) == 0);
}

static void child_takes_the_other_during_a_handler(void) {
    pthread_t thread;
    child_begins(raise_here, &thread);
    child_assert(eddy_loop_after_fork(other) == 0);
    eddy_signal_stop(&taken_watcher);
    child_assert(atomic_load(&stage) == LET_GO);
    child_assert(pthread_join(thread, NULL) == 0);
}

static void child_calls_again_during_a_post(void) {
    pthread_t thread;
    child_begins(post_once, &thread);
    child_assert(eddy_loop_after_fork(taken) == 0);
    while (posted == 0) child_assert(eddy_loop_run(taken, EDDY_RUN_NOWAIT) >= 0);
    eddy_signal_stop(&taken_watcher);
    child_assert(eddy_loop_close(taken) == 0);
    child_assert(atomic_load(&stage) == LET_GO);
    child_assert(pthread_join(thread, NULL) == 0);
    child_assert(atomic_load(&result) > 0);
}

/* What the first eddy_loop_after_fork has made is the child's: the next one, of this loop or of
 * another, leaves it to the threads that are using it. */
START_TEST(after_fork_leaves_alone_what_threads_of_the_child_are_using) {
#ifdef WITH_TSAN
    return; /* it lets no child of a program with threads start any */
#endif
    eddy_loop_config config = {.backend = test_backend};
    void (*checks[])(void) = {child_takes_the_other_during_a_handler,
                              child_calls_again_during_a_post};
    ck_assert_int_eq(eddy_loop_open(&taken, &config), 0);
    ck_assert_int_eq(eddy_loop_open(&other, &config), 0);
    eddy_signal_init(&taken_watcher, taken);
    ck_assert_int_eq(eddy_signal_start(&taken_watcher, on_signal, SIGUSR1), 0);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            checks[i]();
            _exit(0);
        }
        child_is_content(child);
    }
    eddy_signal_stop(&taken_watcher);
    ck_assert_int_eq(eddy_loop_close(other), 0);
    ck_assert_int_eq(eddy_loop_close(taken), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("late byte");
    ck_add(suite, "late byte", a_loop_waits_for_the_byte_of_a_send_that_was_taken_back,
           a_watcher_stops_after_the_handler_that_has_found_it,
           after_fork_leaves_alone_what_threads_of_the_child_are_using);
    return suite;
}
