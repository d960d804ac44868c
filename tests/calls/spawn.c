/* spawn.c: starting a program on a kernel that refuses: each call of the parent, and of the child
 * until exec, fails once. Either the program runs, or the error is told and nothing is left. */
#include "calls.h"
#include "os.h"
#include "suite.h"
#include "system.h"

#include <stdlib.h>
#include <string.h>

struct child {
    pid_t pid;
    int fd;
};

static bool is_plain(void) {
    return getenv("EDDY_TEST_PLAIN") != NULL;
}

/* With all that can be asked for without being root. */
static int start(struct child *child, const char *file) {
    char *arguments[] = {(char *)(uintptr_t)file, (char[]){"1000"}, NULL};
    eddy_child_limit limit = {RLIMIT_CORE, 0, 0};
    eddy_child_options options = {
        .arguments = arguments,
        .directory = "/",
        .flags = EDDY_CHILD_SESSION | EDDY_CHILD_SET_NICE | EDDY_CHILD_SET_UMASK,
        .nice = 19,
        .limits = &limit,
        .limit_count = 1,
    };
    struct eddy_os_child_fd map[] = {{7, 8}, {8, 7}, {9, 9}};
    return eddy_os_spawn(&options, map, 3, &child->pid, &child->fd);
}

static void open_numbers(void) {
    for (int fd = 7; fd <= 9; fd++) ck_assert_int_eq(dup3(0, fd, O_CLOEXEC), fd);
}

static void end(const struct child *child) {
    int status = 0;
    ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
    ck_assert_int_eq(status, 0);
    if (child->fd >= 0) close(child->fd);
}

static void check_nothing_is_left(int descriptors) {
    sigset_t mask;
    ck_assert_int_eq(descriptors_open(256), descriptors);
    ck_assert(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    for (int number = 1; number < NSIG; number++) ck_assert_int_le(sigismember(&mask, number), 0);
}

/* What a spawn does without: it has closed all the same, a disposition is that of a signal which
 * cannot have another, and there are more ways to close what is not the child's. */
static bool may_be_ignored(enum call call) {
    return call == CALL_close || call == CALL_fcntl || call == CALL_syscall ||
           call == CALL_sigaction || call == CALL_openat;
}

static void fail_each(int error) {
    struct child child;
    int before = descriptors_open(256);
    for (unsigned nth = 0;; nth++) {
        calls = (struct calls){.skip = nth, .times = 1, .error = error};
        int err = start(&child, "true");
        struct calls seen = calls;
        calls_refuse(CALL_ANY, 0, 0);
        if (err == 0) end(&child);
        bool is_bad_map = seen.last == CALL_fcntl && err == -EBADF;
        bool is_right = err == -error || is_bad_map || (err == 0 && may_be_ignored(seen.last));
        ck_assert_msg(is_right || seen.failed == 0, "call %u, of kind %d: %d", nth, (int)seen.last,
                      err);
        check_nothing_is_left(before);
        if (seen.failed == 0 && err == 0) break;
    }
}

START_TEST(each_call_that_fails_is_told_or_does_not_matter) {
    open_numbers();
    fail_each(EIO);
    fail_each(ENOMEM);
}
END_TEST

/* There what fails in the child is not seen here: of as many calls as it may make, each. */
START_TEST(a_fork_tells_as_much) {
    if (is_plain()) return;
    struct child child;
    open_numbers();
    int before = descriptors_open(256);
    calls_clone_without = CLONE_VM | CLONE_VFORK;
    for (unsigned nth = 0; nth < 150; nth++) {
        calls = (struct calls){.skip = nth, .times = 1, .error = EIO};
        int err = start(&child, "true");
        calls_refuse(CALL_ANY, 0, 0);
        if (err == 0) end(&child);
        ck_assert_msg(err == 0 || err == -EIO || err == -EBADF, "call %u: %d", nth, err);
        check_nothing_is_left(before);
    }
}
END_TEST

/* What runs already, but is not known to, is ended. */
START_TEST(a_program_that_is_not_known_to_run_is_ended) {
    open_numbers();
    int before = descriptors_open(256);
    for (int fork = 0; fork < 2; fork++) {
        struct child child;
        calls_clone_without = fork ? CLONE_VM | CLONE_VFORK : 0;
        calls_refuse(CALL_read, 1, EIO);
        ck_assert_int_eq(start(&child, "sleep"), -EIO);
        check_nothing_is_left(before);
    }
}
END_TEST

START_TEST(an_interruption_is_not_noticed) {
    static const enum call kinds[] = {CALL_read, CALL_poll, CALL_waitpid, CALL_write};
    open_numbers();
    int before = descriptors_open(256);
    for (int fork = 0; fork < 2; fork++) {
        calls_clone_without = fork ? CLONE_VM | CLONE_VFORK : 0;
        for (int i = 0; i < 4; i++) {
            struct child child;
            calls_refuse(kinds[i], 3, EINTR);
            ck_assert_int_eq(start(&child, "/nothing/there"), -ENOENT);
            check_nothing_is_left(before);
        }
    }
}
END_TEST

/* With the flags that a kernel or an emulator knows, down to a plain fork. */
START_TEST(a_clone_that_is_refused_has_fewer_flags) {
    static const int refusals[] = {ENOSYS, EPERM, EACCES, EINVAL};
    if (is_plain()) return;
    open_numbers();
    for (int i = 0; i < 4; i++) {
        for (unsigned times = 0; times <= 4; times++) {
            struct child child;
            calls_refuse(CALL_clone, times, refusals[i]);
            int err = start(&child, "true");
            ck_assert_int_eq(err, times < 4 ? 0 : -refusals[i]);
            if (err == 0) end(&child);
            calls_refuse(CALL_clone, times, refusals[i]);
            ck_assert_int_eq(start(&child, "/nothing/there"), times < 4 ? -ENOENT : -refusals[i]);
        }
    }
}
END_TEST

/* --- A process that somebody else has forked meanwhile --- */

static pid_t other;

/* It has both ends of the pipe, and keeps them. */
static void fork_another(void) {
    other = fork();
    if (other == 0) alarm(30); /* if the test does not get so far */
    while (other == 0) pause();
}

/* The end of the pipe does not come then: it is not waited for where the child has run exec for
 * sure. */
START_TEST(a_foreign_fork_does_not_hold_up_a_spawn) {
    struct child child;
    if (is_plain()) return;
    open_numbers();
    calls_refuse(CALL_ANY, 0, 0);
    calls_clone_before = fork_another;
    ck_assert_int_eq(start(&child, "true"), 0);
    end(&child);
    kill(other, SIGKILL);
    ck_assert_int_eq(waitpid(other, NULL, 0), other);
    ck_assert_int_eq(start(&child, "/nothing/there"), -ENOENT);
    kill(other, SIGKILL);
    ck_assert_int_eq(waitpid(other, NULL, 0), other);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("spawn");
    ck_add(suite, "errors", each_call_that_fails_is_told_or_does_not_matter, a_fork_tells_as_much,
           a_program_that_is_not_known_to_run_is_ended, an_interruption_is_not_noticed);
    ck_add(suite, "ways", a_clone_that_is_refused_has_fewer_flags,
           a_foreign_fork_does_not_hold_up_a_spawn);
    return suite;
}
