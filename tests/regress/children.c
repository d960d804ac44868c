/* children.c: what loops that start programs have fallen into. */
#include "../proc/children.h"
#include "../../platform/os.h"

#include "sanitized.h"
#include "system.h"

#include <pthread.h>
#include <sys/resource.h>

enum { CROWD = IS_SANITIZED ? 20 : 50 };

static struct told crowd[CROWD];

static void crowd_start(eddy_loop *loop, const char *script) {
    for (int i = 0; i < CROWD; i++) told_start(&crowd[i], loop, script);
}

static unsigned crowd_told(void) {
    unsigned count = 0;
    for (int i = 0; i < CROWD; i++) count += crowd[i].times;
    return count;
}

static void crowd_wait(eddy_loop *loop) {
    for (int i = 0; i < CROWD; i++) test_turn_until(loop, &crowd[i].ended);
    test_turn_for(loop, EDDY_NS_PER_MS);
    ck_assert_uint_eq(crowd_told(), CROWD);
}

/* --- Who else waits --- */

static void ignore_children(int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = flags == 0 ? SIG_IGN : SIG_DFL;
    action.sa_flags = flags;
    ck_assert_int_eq(sigaction(SIGCHLD, &action, NULL), 0);
}

/* A parent may leave SIGCHLD ignored, and then the kernel waits for children by
 * itself; so it is with SA_NOCLDWAIT. There is no status, but there is an end. */
START_TEST(an_exit_is_told_where_sigchld_is_ignored) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    for (int i = 0; i < 2; i++) {
        ignore_children(i == 0 ? 0 : SA_NOCLDWAIT);
        told_start(&told, loop, "exit 3");
        told_wait(&told, loop);
        ck_assert(told.exit.error == -ECHILD || (told.exit.error == 0 && told.exit.status == 3));
    }
    test_loop_close(loop);
}
END_TEST

static void reap_all(int number) {
    int error = errno;
    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    errno = error;
}

/* The host takes every status that it can get, in a handler, as its other libraries may. */
START_TEST(an_exit_is_told_where_the_program_waits_for_all) {
    eddy_loop *loop = test_loop_open();
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = reap_all;
    action.sa_flags = SA_RESTART;
    ck_assert_int_eq(sigaction(SIGCHLD, &action, NULL), 0);
    crowd_start(loop, "exit 3");
    unsigned waits = test_metric_waits(loop);
    crowd_wait(loop);
    ck_assert_uint_lt(test_metric_waits(loop) - waits, 40 * CROWD); /* and it does not spin */
    for (int i = 0; i < CROWD; i++)
        ck_assert(crowd[i].exit.error == -ECHILD ||
                  (crowd[i].exit.error == 0 && crowd[i].exit.status == 3));
    test_loop_close(loop);
}
END_TEST

/* Nobody is waited for but those that are known: waitpid(-1) would take what is the host's. */
START_TEST(a_child_of_the_program_stays_its_own) {
    eddy_loop *loop = test_loop_open(), *other = test_loop_open();
    struct told told;
    int status;
    pid_t own = fork_exit(9);
    crowd_start(loop, "exit 0");
    told_start(&told, other, "exit 0");
    crowd_wait(loop);
    told_wait(&told, other);
    ck_assert_int_eq(waitpid(own, &status, 0), own);
    ck_assert_int_eq(WEXITSTATUS(status), 9);
    test_loop_close(other);
    test_loop_close(loop);
}
END_TEST

/* --- Many --- */

/* One SIGCHLD may stand for all of them. */
START_TEST(those_that_end_at_once_are_each_told) {
    eddy_loop *loop = test_loop_open();
    int ends[2];
    siginfo_t info;
    ck_assert_int_eq(pipe(ends), 0);
    for (int i = 0; i < CROWD; i++) {
        told_init(&crowd[i], loop);
        pid_t pid = fork();
        if (pid == 0) {
            char byte;
            close(ends[1]);
            (void)!read(ends[0], &byte, 1);
            _exit(i);
        }
        ck_assert_int_eq(eddy_child_watch(&crowd[i].child, pid, 0, told_on_exit), 0);
    }
    close(ends[1]); /* all of them go on */
    for (int i = 0; i < CROWD; i++) {
        pid_t pid = eddy_child_pid(&crowd[i].child);
        ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    }
    crowd_wait(loop);
    for (int i = 0; i < CROWD; i++) ck_assert_int_eq(crowd[i].exit.status, i);
    close(ends[0]);
    test_loop_close(loop);
}
END_TEST

/* Far above what select can watch, since the loop watches one descriptor for all. */
START_TEST(pidfds_beyond_fd_setsize_do_no_harm) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    if (descriptors_allow(1100) < 1100) return;
    if (getenv("EDDY_TEST_SLOW") != NULL) return; /* valgrind loses its stack with so many */
    told_start(&told, loop, "exit 1");
    told_wait(&told, loop);
    int held[1100], count = 0;
    while (count < 1050) held[count++] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    told_start(&told, loop, "exit 2");
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.status, 2);
    while (count > 0) close(held[--count]);
    test_loop_close(loop);
}
END_TEST

/* --- Zombies --- */

/* That a watcher leaves the status to others is the watcher's, and not the child's for good. */
START_TEST(what_a_watcher_has_left_leaves_no_zombie) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    told_start(&told, loop, "exec sleep 0.02");
    pid_t pid = eddy_child_pid(&told.child);
    eddy_exit_fn *fn = told.child.fn;
    eddy_child_stop(&told.child);
    ck_assert_int_eq(eddy_child_watch(&told.child, pid, EDDY_CHILD_LEAVE, fn), 0);
    eddy_child_stop(&told.child);
    turn_until_childless(loop);
    test_loop_close(loop);
}
END_TEST

START_TEST(what_is_let_go_at_once_leaves_no_zombies) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    for (int i = 0; i < 2 * CROWD; i++) {
        told_start(&told, loop, i % 2 == 0 ? "exit 0" : "exec sleep 0.01");
        if (i % 3 == 0) (void)eddy_child_kill(&told.child, SIGKILL);
        eddy_child_stop(&told.child);
        memset(&told, 0xa5, sizeof told);
    }
    turn_until_childless(loop);
    test_loop_close(loop);
}
END_TEST

static void nothing_comes(eddy_io *io, unsigned events) {
    (void)io;
    (void)events;
    ck_abort();
}

/* A copy of the descriptor in another process keeps it in an epoll set when it is closed here; what
 * is told again and again for nobody would have the loop spin. */
START_TEST(a_forked_process_with_our_descriptors_makes_no_wakeups) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    int ends[2];
    test_pipe(ends);
    told_start(&told, loop, "exec sleep 100");
    pid_t copy = fork_sleeper();
    ck_assert_int_eq(eddy_child_kill(&told.child, SIGKILL), 0);
    told_wait(&told, loop);
    eddy_io io;
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, nothing_comes, ends[0], EDDY_READ), 0);
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    ck_assert_uint_lt(test_metric_waits(loop) - waits, 10);
    eddy_io_stop(&io);
    close_both(ends);
    ck_assert_int_eq(kill(copy, SIGKILL), 0);
    ck_assert_int_eq(waitpid(copy, NULL, 0), copy);
    test_loop_close(loop);
}
END_TEST

/* --- Threads --- */

enum { THREADS = 4, ROUNDS = IS_SANITIZED ? 5 : 25 };

static void *run_loop(void *context) {
    eddy_loop *loop;
    eddy_loop_config config = {.backend = test_backend};
    struct told told[4];
    unsigned *count = context;
    if (eddy_loop_open(&loop, &config) != 0) return NULL;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 4; i++) {
            char *arguments[] = {(char *)(uintptr_t) "true", NULL};
            eddy_child_options options = {.arguments = arguments};
            told_init(&told[i], loop);
            if (eddy_child_spawn(&told[i].child, &options, told_on_exit) != 0) return NULL;
        }
        if (eddy_loop_run(loop, EDDY_RUN_DEFAULT) != 0) return NULL;
        for (int i = 0; i < 4; i++) *count += told[i].times;
    }
    return eddy_loop_close(loop) == 0 ? context : NULL;
}

START_TEST(loops_in_threads_start_children_at_once) {
    pthread_t threads[THREADS];
    unsigned counts[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_loop, &counts[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        ck_assert_ptr_nonnull(result);
        ck_assert_uint_eq(counts[i], 4 * ROUNDS);
    }
}
END_TEST

/* --- Sandboxes --- */

#ifdef __linux__
#include "refuse.h"

static const int refusals[] = {ENOSYS, EPERM};

/* What watching a process that is no child gives: a kqueue needs no descriptor of it. */
static int expected_of(pid_t pid) {
    int exits = eddy_os_exits_open(), pidfd = eddy_os_pidfd(pid);
    int err = exits < 0 ? -ENOSYS : eddy_os_exits_add(exits, pid, pidfd, NULL);
    if (exits >= 0) eddy_os_exits_close(exits, false);
    if (pidfd >= 0) close(pidfd);
    return err == -ENOSYS ? -ECHILD : err;
}

/* Without a set to watch, or without descriptors of processes, SIGCHLD has to do: also for those
 * that end at once, and for one that had ended before it was watched. */
static void live_without(const long *calls, int count, int refusal) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    siginfo_t info;
    child_assert(refuse_calls(calls, count, refusal));
    told_init(&told, loop);
    for (int i = 0; i < CROWD; i++) {
        told_init(&crowd[i], loop);
        child_assert(told_spawn(&crowd[i], "exit 3", 0, NULL, 0) == 0);
    }
    while (crowd_told() < CROWD) child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) >= 0);
    for (int i = 0; i < CROWD; i++) child_assert(crowd[i].exit.status == 3);

    child_assert(eddy_child_watch(&told.child, fork_exit(4), 0, told_on_exit) == 0);
    while (!told.ended) child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) >= 0);
    child_assert(told.exit.status == 4);
    pid_t ended = fork_exit(5);
    child_assert(waitid(P_PID, (id_t)ended, &info, WEXITED | WNOWAIT) == 0);
    told.ended = false;
    child_assert(eddy_child_watch(&told.child, ended, 0, told_on_exit) == 0);
    while (!told.ended) child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) >= 0);
    child_assert(told.exit.status == 5);

    /* No child, so no wait tells of it: who asks hears that at once. */
    int expected = expected_of(getppid());
    child_assert(eddy_child_watch(&told.child, getppid(), 0, told_on_exit) == expected);
    eddy_child_stop(&told.child);
    child_assert(!eddy_is_active(&told.child.handle) && eddy_child_pid(&told.child) == 0);
    child_assert(eddy_child_watch(&told.child, ended, 0, told_on_exit) == -ESRCH);

    child_assert(told_spawn(&told, "exec sleep 100", 0, NULL, 0) == 0);
    child_assert(eddy_child_kill(&told.child, SIGKILL) == 0);
    told.ended = false;
    while (!told.ended) child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) >= 0);
    child_assert(told.exit.signal == SIGKILL);
    child_assert(told_spawn(&told, "exit 0", 0, NULL, 0) == 0);
    eddy_child_stop(&told.child);
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
        child_assert(eddy_loop_run(loop, EDDY_RUN_NOWAIT) >= 0);
    test_loop_close(loop);
    _exit(0);
}

START_TEST(children_are_told_without_the_newer_calls) {
    static const long sets[] = {SYS_epoll_create1}, pidfds[] = {SYS_pidfd_open},
                      all[] = {SYS_epoll_create1, SYS_pidfd_open, SYS_pidfd_send_signal};
    for (int i = 0; i < 2; i++) {
        for (int way = 0; way < 3; way++) {
            pid_t pid = fork();
            if (pid == 0)
                live_without(way == 0   ? sets
                             : way == 1 ? pidfds
                                        : all,
                             way == 2 ? 3 : 1, refusals[i]);
            child_is_content(pid);
        }
    }
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("children");
    ck_add(suite, "others", an_exit_is_told_where_sigchld_is_ignored,
           an_exit_is_told_where_the_program_waits_for_all, a_child_of_the_program_stays_its_own);
    ck_add(suite, "many", those_that_end_at_once_are_each_told, pidfds_beyond_fd_setsize_do_no_harm,
           loops_in_threads_start_children_at_once);
    ck_add(suite, "zombies", what_is_let_go_at_once_leaves_no_zombies,
           what_a_watcher_has_left_leaves_no_zombie,
           a_forked_process_with_our_descriptors_makes_no_wakeups);
#ifdef __linux__
    ck_add(suite, "sandbox", children_are_told_without_the_newer_calls);
#endif
    return suite;
}
