/* child_moments.c: moments that no scheduler gives on demand, and what waits for children cost. The
 * linker puts this file's eddy_os_child_wait before the library's. */
#include "../proc/children.h"

int __real_eddy_os_child_wait(pid_t pid, int pidfd, bool leave, eddy_exit *exit);
int __wrap_eddy_os_child_wait(pid_t pid, int pidfd, bool leave, eddy_exit *exit);

static unsigned waits, early;

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

/* With thousands that sleep, a scan for each exit would be what the loop does all day. */
START_TEST(an_exit_costs_the_same_among_many) {
    enum { MANY = 200 };
    static struct told sleepers[MANY];
    eddy_loop *loop = test_loop_open();
    struct told told;
    for (int i = 0; i < MANY; i++) {
        told_init(&sleepers[i], loop);
        ck_assert_int_eq(eddy_child_watch(&sleepers[i].child, fork_sleeper(), 0, told_on_exit), 0);
    }
    told_start(&told, loop, "exit 0");
    waits = 0;
    told_wait(&told, loop);
    ck_assert_uint_eq(waits, 1);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(eddy_child_kill(&sleepers[i].child, SIGKILL), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_uint_eq(waits, 1 + MANY);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("child_moments");
    ck_add(suite, "moments", an_exit_that_is_told_too_early_is_asked_for_again,
           an_exit_costs_the_same_among_many);
    return suite;
}
