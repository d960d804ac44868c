/* child_moments.c: moments that no scheduler gives on demand, and what waits for children cost. The
 * linker puts this file's functions before the library's. */
#include "../../platform/os.h"
#include "../proc/children.h"

#include <errno.h>
#include <sys/resource.h>

int __real_eddy_os_exits_next(int exits, void **tokens, int room);
int __wrap_eddy_os_exits_next(int exits, void **tokens, int room);
int __real_eddy_os_child_wait(pid_t pid, int pidfd, bool leave, eddy_exit *exit);
int __wrap_eddy_os_child_wait(pid_t pid, int pidfd, bool leave, eddy_exit *exit);

static unsigned waits, early, calls_for_exits, exits_told;

int __wrap_eddy_os_exits_next(int exits, void **tokens, int room) {
    int count = __real_eddy_os_exits_next(exits, tokens, room);
    calls_for_exits++;
    if (count > 0) exits_told += (unsigned)count;
    return count;
}

int __wrap_eddy_os_child_wait(pid_t pid, int pidfd, bool leave, eddy_exit *exit) {
    waits++;
    if (early > 0) {
        early--;
        return 0;
    }
    return __real_eddy_os_child_wait(pid, pidfd, leave, exit);
}

/* macOS tells of an exit before the process can be waited for. It is asked again after a while, and
 * neither at once nor for ever. */
START_TEST(an_exit_that_is_told_too_early_is_asked_for_again) {
    eddy_loop *loop = test_loop_open();
    struct told told, let_go;
    early = 8; /* 1 + 2 + 4 … ms */
    told_start(&told, loop, "exit 3");
    unsigned turns = test_metric_waits(loop);
    int64_t begin_ns = test_now_ns();
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.status, 3);
    ck_assert_int_ge(test_now_ns() - begin_ns, 60 * EDDY_NS_PER_MS);
    ck_assert_uint_lt(test_metric_waits(loop) - turns, 60);

    early = 3;
    told_start(&let_go, loop, "exit 3");
    eddy_child_stop(&let_go.child);
    turn_until_childless(loop);
    early = 3; /* and a loop that is closed meanwhile */
    told_start(&let_go, loop, "exit 3");
    siginfo_t info;
    ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
    eddy_child_stop(&let_go.child);
    early = 0;
    test_loop_close(loop);
    ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOHANG), -1);
}
END_TEST

/* --- Many --- */

enum { MANY = 2000, MANY_FULL = 10000, MANY_SLOW = 200, ONE_BY_ONE = 20, OTHERS = 100 };

static struct told sleepers[MANY_FULL];
static pid_t pids[MANY_FULL];

/* All are forked before the first is watched: each would get a copy of all descriptors. As many as
 * there may be; each needs one. */
static unsigned fork_many(void) {
    struct rlimit files;
    unsigned count = 0, wanted = getenv("EDDY_TEST_FULL") != NULL   ? MANY_FULL
                                 : getenv("EDDY_TEST_SLOW") != NULL ? MANY_SLOW
                                                                    : MANY;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < wanted + OTHERS) wanted = (unsigned)files.rlim_cur - OTHERS;
    for (; count < wanted; count++) {
        pids[count] = fork();
        if (pids[count] == 0)
            for (;;) pause();
        if (pids[count] < 0) break; /* so many processes are all */
    }
    ck_assert_msg(count == wanted || (errno == EAGAIN && count > ONE_BY_ONE), "fork: %d", errno);
    return count;
}

/* Linux before 5.3 has none, nor has valgrind: there SIGCHLD has all looked at. */
static bool has_pidfds(void) {
    int fd = eddy_os_pidfd(getpid());
    if (fd >= 0) close(fd);
    return fd >= 0;
}

/* With thousands that sleep, a scan for each exit would be what the loop does all day: each exit is
 * one call that tells of it alone, and one wait. */
START_TEST(an_exit_costs_the_same_among_many) {
    eddy_loop *loop = test_loop_open();
    unsigned count = fork_many();
    for (unsigned i = 0; i < count; i++) {
        told_init(&sleepers[i], loop);
        ck_assert_int_eq(eddy_child_watch(&sleepers[i].child, pids[i], 0, told_on_exit), 0);
    }
    waits = calls_for_exits = exits_told = 0;
    for (unsigned i = 1; i <= ONE_BY_ONE; i++) {
        struct told *told = &sleepers[count - i * (count / ONE_BY_ONE)];
        ck_assert_int_eq(eddy_child_kill(&told->child, SIGKILL), 0);
        told_wait(told, loop);
        if (exits_told == 0 && !has_pidfds()) continue;
        ck_assert_uint_eq(waits, i);
        ck_assert_uint_eq(exits_told, i);
        ck_assert_uint_le(calls_for_exits, 2 * i);
    }
    for (unsigned i = 0; i < count; i++) {
        int err = eddy_child_kill(&sleepers[i].child, SIGKILL);
        ck_assert_int_eq(err, sleepers[i].ended ? -ESRCH : 0);
    }
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    for (unsigned i = 0; i < count; i++) ck_assert_uint_eq(sleepers[i].times, 1);
    ck_assert_uint_eq(exits_told, exits_told > 0 || has_pidfds() ? count : 0);
    if (exits_told > 0) ck_assert_uint_eq(waits, count);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("child_moments");
    ck_add(suite, "moments", an_exit_that_is_told_too_early_is_asked_for_again,
           an_exit_costs_the_same_among_many);
    return suite;
}
