/* late_byte.c: a sender that is held up between its push and its byte. The linker puts this file's
 * function in the place of the library's, so that the moment is there every time. */
#include "suite.h"

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

static void begin(void *(*run)(void *), void *argument, pthread_t *thread) {
    atomic_store(&stage, HOLD_NEXT);
    atomic_store(&result, 0);
    ck_assert_int_eq(pthread_create(thread, NULL, run, argument), 0);
    while (atomic_load(&stage) == HOLD_NEXT) sched_yield();
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

Suite *make_suite(void) {
    Suite *suite = suite_create("late byte");
    ck_add(suite, "late byte", a_loop_waits_for_the_byte_of_a_send_that_was_taken_back,
           a_watcher_stops_after_the_handler_that_has_found_it);
    return suite;
}
