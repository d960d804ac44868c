/* originals.c: what a terminal is restored to, whoever has changed it: by several descriptors,
 * names, threads, in handlers and forked children. */
#include "sanitized.h"
#include "session.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static int open_again(void) {
    char name[64];
    ck_assert_int_eq(eddy_terminal_name(terminal, name, sizeof name), 0);
    int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Two parts of a program have a terminal each, which are one: the second to come must not take the
 * first one's mode for the original. */
START_TEST(two_descriptors_of_a_terminal_restore_it_in_either_order) {
    for (int i = 0; i < 8; i++) {
        open_pair(EDDY_TERMINAL_ORIGINAL);
        int fds[2] = {dup(terminal), i & 4 ? dup(terminal) : open_again()};
        ck_assert_int_eq(eddy_terminal_set_mode(fds[0], EDDY_TERMINAL_RAW, 0), 0);
        ck_assert_int_eq(eddy_terminal_set_mode(fds[1], EDDY_TERMINAL_CBREAK, 0), 0);
        if (i & 2) close(fds[i & 1]);
        ck_assert_int_eq(eddy_terminal_restore(fds[i & 1]), 0);
        ck_assert_int_eq(eddy_terminal_restore(fds[!(i & 1)]), 0);
        ck_assert(modes_are_original());
        if (!(i & 2)) close(fds[i & 1]);
        close(fds[!(i & 1)]);
        close_pair();
    }
}
END_TEST

enum { ROUNDS = IS_SANITIZED ? 100 : 500, FEW_ROUNDS = ROUNDS / 10 };
static pthread_barrier_t meeting;

static void *change(void *argument) {
    const int *fd = argument;
    for (int i = 0; i < ROUNDS; i++) {
        eddy_terminal_mode mode = i % 3 == 0 ? EDDY_TERMINAL_CBREAK : EDDY_TERMINAL_RAW;
        if (eddy_terminal_set_mode(*fd, mode, EDDY_RESTORE_ALWAYS) != 0) return argument;
        if (i % 5 == 0 && eddy_terminal_restore_all() != 0) return argument;
        if (eddy_terminal_restore(*fd) != 0) return argument;
        /* Both are done: it is as it was, in whatever order. */
        pthread_barrier_wait(&meeting);
        bool is_original = modes_are_original();
        pthread_barrier_wait(&meeting);
        if (!is_original) return argument;
    }
    return NULL;
}

START_TEST(two_threads_that_change_a_terminal_leave_it_as_it_was) {
    pthread_t threads[2];
    open_pair(EDDY_TERMINAL_ORIGINAL);
    int fds[2] = {dup(terminal), open_again()};
    ck_assert_int_eq(pthread_barrier_init(&meeting, NULL, 2), 0);
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, change, &fds[i]);
    for (int i = 0; i < 2; i++) {
        void *failed;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    pthread_barrier_destroy(&meeting);
    for (int i = 0; i < 2; i++) close(fds[i]);
    close_pair();
}
END_TEST

static atomic_bool is_changing;

static void *keep_changing(void *argument) {
    while (atomic_load(&is_changing)) {
        if (eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, EDDY_RESTORE_ALWAYS) != 0 ||
            eddy_terminal_restore(terminal) != 0)
            return argument;
    }
    return NULL;
}

static pthread_t start_changing(void) {
    pthread_t thread;
    atomic_store(&is_changing, true);
    ck_assert_int_eq(pthread_create(&thread, NULL, keep_changing, (void *)(uintptr_t)1), 0);
    return thread;
}

static void stop_changing(pthread_t thread) {
    void *failed;
    atomic_store(&is_changing, false);
    ck_assert_int_eq(pthread_join(thread, &failed), 0);
    ck_assert_ptr_null(failed);
    ck_assert(modes_are_original());
}

/* The thread that was in the middle of a change has stayed in the parent, with what it held. */
START_TEST(a_child_that_is_forked_during_a_change_can_change_terminals) {
    int others[2];
    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert_int_eq(eddy_terminal_pair(&others[0], &others[1], NULL, EDDY_TERMINAL_ORIGINAL), 0);
    pthread_t thread = start_changing();
    for (int i = 0; i < FEW_ROUNDS; i++) {
        int status;
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            alarm(20);
            int err = eddy_terminal_set_mode(others[1], EDDY_TERMINAL_RAW, 0);
            _exit(err != 0 || eddy_terminal_restore(others[1]) != 0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
    }
    stop_changing(thread);
    close(others[0]);
    close(others[1]);
    close_pair();
}
END_TEST

static atomic_int handled;

static void restore_in_handler(int number) {
    (void)number;
    if (eddy_terminal_restore_all() == 0) atomic_fetch_add(&handled, 1);
}

START_TEST(a_handler_that_restores_does_not_wait_for_what_it_interrupts) {
    open_pair(EDDY_TERMINAL_ORIGINAL);
    struct sigaction action = {.sa_handler = restore_in_handler, .sa_flags = SA_RESTART};
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    pthread_t thread = start_changing();
    for (int i = 1; i <= FEW_ROUNDS; i++) {
        ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
        int64_t until_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
        while (atomic_load(&handled) < i && test_now_ns() < until_ns) sched_yield();
        ck_assert_int_eq(atomic_load(&handled), i);
    }
    stop_changing(thread);
    close_pair();
}
END_TEST

/* A number is another terminal's by now. */
START_TEST(a_closed_descriptor_means_the_terminal_that_it_changed_last) {
    int others[2];
    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert_int_eq(eddy_terminal_pair(&others[0], &others[1], NULL, EDDY_TERMINAL_ORIGINAL), 0);
    int fd = dup(terminal);
    ck_assert_int_eq(eddy_terminal_set_mode(fd, EDDY_TERMINAL_RAW, 0), 0);
    ck_assert_int_eq(dup2(others[1], fd), fd);
    ck_assert_int_eq(eddy_terminal_set_mode(fd, EDDY_TERMINAL_RAW, 0), 0);
    close(fd);
    ck_assert_int_eq(eddy_terminal_restore(fd), 0);
    ck_assert(modes_are_raw());
    ck_assert_int_eq(eddy_terminal_restore(fd), 0);
    ck_assert(modes_are_raw());
    struct termios modes;
    ck_assert_int_eq(tcgetattr(others[1], &modes), 0);
    ck_assert_uint_eq(modes.c_lflag, modes_before.c_lflag);
    ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
    ck_assert(modes_are_original());
    close(others[0]);
    close(others[1]);
    close_pair();
}
END_TEST

static void use_each_name(void) {
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    need(fd >= 0);
    need(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 0) == 0);
    need(eddy_terminal_set_mode(fd, EDDY_TERMINAL_CBREAK, 0) == 0);
    need(eddy_terminal_restore(fd) == 0);
    need(modes_are_original());
    need(eddy_terminal_set_mode(fd, EDDY_TERMINAL_RAW, 0) == 0);
    need(eddy_terminal_restore(manager) == 0);
    need(modes_are_original());
}

/* Where the system does not say so, /dev/tty has a number of its own. */
START_TEST(a_terminal_is_the_same_by_each_of_its_names) {
    if (getenv("EDDY_TEST_PLAIN") != NULL) return;
    in_session(use_each_name);
}
END_TEST

START_TEST(what_is_hung_up_is_forgotten) {
    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, EDDY_RESTORE_ALWAYS), 0);
    close(manager);
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_CBREAK, 0), -EIO);
    ck_assert_int_eq(eddy_terminal_restore(terminal), -EIO);
    ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
    ck_assert_int_eq(eddy_terminal_restore_all(), 0);
    close(terminal);
}
END_TEST

/* Nothing of ours keeps a manager open: the programs on its terminal hear that it is gone. */
START_TEST(a_mode_set_on_the_manager_holds_nothing) {
    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert_int_eq(eddy_terminal_set_mode(manager, EDDY_TERMINAL_RAW, 0), 0);
    ck_assert(modes_are_raw());
    ck_assert_int_eq(eddy_terminal_set_mode(manager, EDDY_TERMINAL_RAW, EDDY_RESTORE_AT_EXIT),
                     -EINVAL);
    close(manager);
    char byte;
    ck_assert_int_eq(read(terminal, &byte, 1), 0);
    close(terminal);
}
END_TEST

static int open_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

START_TEST(nothing_stays_open_after_restoring) {
    int before = open_descriptors();
    open_pair(EDDY_TERMINAL_ORIGINAL);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 0), 0);
        ck_assert_int_eq(open_descriptors(), before + 3);
        ck_assert_int_eq(i & 1 ? eddy_terminal_restore_all() : eddy_terminal_restore(terminal), 0);
        ck_assert_int_eq(open_descriptors(), before + 2);
    }
    ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
    close_pair();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("originals");
    ck_add(suite, "whose", two_descriptors_of_a_terminal_restore_it_in_either_order,
           a_closed_descriptor_means_the_terminal_that_it_changed_last,
           a_terminal_is_the_same_by_each_of_its_names, what_is_hung_up_is_forgotten,
           a_mode_set_on_the_manager_holds_nothing, nothing_stays_open_after_restoring);
    ck_add(suite, "threads", two_threads_that_change_a_terminal_leave_it_as_it_was,
           a_child_that_is_forked_during_a_change_can_change_terminals,
           a_handler_that_restores_does_not_wait_for_what_it_interrupts);
    return suite;
}
