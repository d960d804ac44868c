/* child.c: children of a loop: how their end is told, and what becomes of the handle. */
#include "children.h"

#include "system.h"

#include <fcntl.h>

/* Not where platform/ is to do without, nor under valgrind 3.19, which knows no such calls. */
static bool has_pidfds(void) {
    return getenv("EDDY_TEST_PLAIN") == NULL && getenv("EDDY_TEST_SLOW") == NULL;
}

/* --- How it ended --- */

START_TEST(the_status_is_told_once) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    told_start(&told, loop, "exit 7");
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.error, 0);
    ck_assert_int_eq(told.exit.status, 7);
    ck_assert_int_eq(told.exit.signal, 0);
    ck_assert(!told.exit.has_dumped_core);
    turn_until_childless(loop);
    test_turn_for(loop, 5 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(told.times, 1);
    test_loop_close(loop);
}
END_TEST

START_TEST(the_signal_that_ended_it_is_told) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    told_start(&told, loop, "kill -TERM $$; sleep 10");
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.status, 0);
    ck_assert_int_eq(told.exit.signal, SIGTERM);
    test_loop_close(loop);
}
END_TEST

START_TEST(its_usage_is_told) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    told_start(&told, loop, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
    told_wait(&told, loop);
    const eddy_usage *usage = &told.exit.usage;
    ck_assert_int_gt(usage->user_ns, 0);
    ck_assert_int_lt(usage->user_ns, 60 * EDDY_NS_PER_S);
    ck_assert_int_ge(usage->minor_faults, 1);
    ck_assert_int_gt(usage->resident_max_bytes, 64 * 1024);
    ck_assert_int_lt(usage->resident_max_bytes, INT64_C(1) << 40);
    test_loop_close(loop);
}
END_TEST

/* A child that is stopped and goes on has not ended: the mechanisms that tell of an end tell of
 * these too, on some systems. */
START_TEST(one_that_stops_and_goes_on_is_told_of_once) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    siginfo_t info;
    told_start(&told, loop, "sleep 100");
    pid_t pid = eddy_child_pid(&told.child);
    ck_assert_int_eq(eddy_child_kill(&told.child, SIGSTOP), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WSTOPPED), 0);
    test_turn_for(loop, 2 * EDDY_NS_PER_MS);
    ck_assert_int_eq(eddy_child_kill(&told.child, SIGCONT), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WCONTINUED), 0);
    test_turn_for(loop, 2 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(told.times, 0);
    ck_assert_int_eq(eddy_child_kill(&told.child, SIGKILL), 0);
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.signal, SIGKILL);
    test_turn_for(loop, 2 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(told.times, 1);
    test_loop_close(loop);
}
END_TEST

static struct told again;
static unsigned rounds;

static void on_exit_again(eddy_child *child, const eddy_exit *exit) {
    char *arguments[] = {(char *)(uintptr_t) "true", NULL};
    eddy_child_options options = {.arguments = arguments};
    ck_assert_int_eq(exit->status, 0);
    again.ended = ++rounds == 3;
    if (!again.ended) ck_assert_int_eq(eddy_child_spawn(child, &options, on_exit_again), 0);
}

START_TEST(a_handle_is_used_again_in_its_callback) {
    eddy_loop *loop = test_loop_open();
    char *arguments[] = {(char *)(uintptr_t) "true", NULL};
    eddy_child_options options = {.arguments = arguments};
    rounds = 0;
    told_init(&again, loop);
    ck_assert_int_eq(eddy_child_spawn(&again.child, &options, on_exit_again), 0);
    test_turn_until(loop, &again.ended);
    test_loop_close(loop);
}
END_TEST

static int place, timer_place, child_place, defer_place;

static void on_exit_placed(eddy_child *child, const eddy_exit *exit) {
    (void)exit;
    child_place = ++place;
    eddy_container_of(child, struct told, child)->ended = true;
}

static void on_timer_placed(eddy_timer *timer) {
    (void)timer;
    timer_place = ++place;
}

static void on_defer_placed(eddy_defer *defer) {
    (void)defer;
    defer_place = ++place;
}

/* Between the descriptors and the deferred calls of the same turn. */
START_TEST(it_is_told_in_phase_6) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    eddy_timer timer;
    eddy_defer defer;
    siginfo_t info;
    place = 0;
    told_init(&told, loop);
    eddy_timer_init(&timer, loop);
    eddy_defer_init(&defer, loop);
    ck_assert_int_eq(eddy_child_watch(&told.child, fork_exit(0), 0, on_exit_placed), 0);
    ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer_placed, 0, 0), 0);
    ck_assert_int_eq(eddy_defer_start(&defer, on_defer_placed), 0);
    test_turn_until(loop, &told.ended);
    ck_assert_int_lt(timer_place, child_place);
    if (has_pidfds()) ck_assert_int_lt(child_place, defer_place); /* else SIGCHLD takes a turn */
    test_loop_close(loop);
}
END_TEST

/* --- The handle --- */

START_TEST(the_loop_lives_as_long_as_its_children_or_not) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    told_start(&told, loop, "exit 0");
    ck_assert(eddy_loop_is_alive(loop));
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert(told.ended);
    ck_assert_int_eq(told_spawn(&told, "sleep 100", 0, NULL, 0), 0);
    eddy_unref(&told.child.handle);
    ck_assert(!eddy_loop_is_alive(loop));
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY); /* it is active all the same */
    ck_assert_int_eq(eddy_child_kill(&told.child, SIGKILL), 0);
    eddy_ref(&told.child.handle);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_uint_eq(told.times, 2);
    test_loop_close(loop);
}
END_TEST

START_TEST(one_that_is_let_go_is_not_told_of_and_leaves_no_zombie) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    told_start(&told, loop, "exit 0");
    eddy_child_stop(&told.child);
    eddy_child_stop(&told.child);
    ck_assert_int_eq(eddy_child_pid(&told.child), 0);
    ck_assert_int_eq(eddy_child_kill(&told.child, SIGKILL), -ESRCH);
    ck_assert(!eddy_loop_is_alive(loop));
    turn_until_childless(loop);
    ck_assert_uint_eq(told.times, 0);
    test_loop_close(loop);
}
END_TEST

/* Its handle is the caller's at once, also when its end is on the way to it. */
START_TEST(one_that_has_ended_is_let_go_before_it_is_told) {
    eddy_loop *loop = test_loop_open();
    static struct told stopped;
    struct told first;
    siginfo_t info;
    for (int i = 0; i < 3; i++) {
        told_init(&first, loop);
        told_init(&stopped, loop);
        told_start(&stopped, loop, "exit 0");
        ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
        if (i > 0) eddy_loop_stop(loop);
        eddy_child_stop(&stopped.child);
        memset(&stopped, 0xa5, sizeof stopped);
        turn_until_childless(loop);
    }
    test_loop_close(loop);
}
END_TEST

static struct told neighbours[2];

static void on_exit_stop_other(eddy_child *child, const eddy_exit *exit) {
    struct told *told = eddy_container_of(child, struct told, child);
    struct told *other = &neighbours[told == &neighbours[0]];
    told_on_exit(child, exit);
    eddy_child_stop(&other->child);
    memset(&other->child, 0xa5, sizeof other->child);
}

/* Both have ended and are told of in one turn. */
START_TEST(a_callback_lets_its_neighbour_go) {
    eddy_loop *loop = test_loop_open();
    for (int i = 0; i < 2; i++) {
        char *arguments[] = {(char *)(uintptr_t) "true", NULL};
        eddy_child_options options = {.arguments = arguments};
        siginfo_t info;
        told_init(&neighbours[i], loop);
        ck_assert_int_eq(eddy_child_spawn(&neighbours[i].child, &options, on_exit_stop_other), 0);
        pid_t pid = eddy_child_pid(&neighbours[i].child);
        ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    }
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_uint_eq(neighbours[0].times + neighbours[1].times, 1);
    turn_until_childless(loop);
    test_loop_close(loop);
}
END_TEST

/* What still runs is the program's to wait for; what has ended is waited for. */
START_TEST(a_loop_is_closed_before_the_child_that_was_let_go) {
    struct told running, ended;
    siginfo_t info;
    for (int i = 0; i < 3; i++) {
        eddy_loop *loop = test_loop_open();
        told_start(&running, loop, "exec sleep 100");
        told_start(&ended, loop, "exit 3");
        pid_t pid = eddy_child_pid(&running.child), other = eddy_child_pid(&ended.child);
        ck_assert_int_eq(waitid(P_PID, (id_t)other, &info, WEXITED | WNOWAIT), 0);
        eddy_child_stop(&running.child);
        eddy_child_stop(&ended.child);
        test_loop_close(loop);
        ck_assert_int_eq(waitpid(other, NULL, WNOHANG), -1);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    }
}
END_TEST

/* --- Signals --- */

START_TEST(a_signal_is_for_the_child_or_its_group) {
    eddy_loop *loop = test_loop_open();
    struct told told, grouped;
    told_start(&told, loop, "exec sleep 100");
    ck_assert_int_eq(eddy_child_kill(&told.child, 0), 0);
    ck_assert_int_eq(eddy_child_kill(&told.child, 4711), -EINVAL);
    ck_assert_int_eq(eddy_child_kill_group(&told.child, SIGKILL), -EINVAL);
    ck_assert_int_eq(eddy_child_kill(&told.child, SIGUSR1), 0);
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.signal, SIGUSR1);
    ck_assert_int_eq(eddy_child_kill(&told.child, 0), -ESRCH);
    ck_assert_int_eq(eddy_child_kill_group(&told.child, 0), -ESRCH);

    told_init(&grouped, loop);
    ck_assert_int_eq(told_spawn(&grouped, "sleep 100", EDDY_CHILD_GROUP, NULL, 0), 0);
    ck_assert_int_eq(eddy_child_kill_group(&grouped.child, SIGTERM), 0);
    told_wait(&grouped, loop);
    ck_assert_int_eq(grouped.exit.signal, SIGTERM);
    test_loop_close(loop);
}
END_TEST

/* --- Watching --- */

START_TEST(a_child_that_the_program_has_forked_is_watched) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    told_init(&told, loop);
    pid_t pid = fork_exit(5);
    ck_assert_int_eq(eddy_child_watch(&told.child, pid, 0, told_on_exit), 0);
    ck_assert_int_eq(eddy_child_watch(&told.child, pid, 0, told_on_exit), -EALREADY);
    ck_assert_int_eq(eddy_child_pid(&told.child), pid);
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.error, 0);
    ck_assert_int_eq(told.exit.status, 5);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_status_is_left_for_others) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    int status;
    told_init(&told, loop);
    pid_t pid = fork_exit(6);
    ck_assert_int_eq(eddy_child_watch(&told.child, pid, EDDY_CHILD_LEAVE, told_on_exit), 0);
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.status, 6);
    ck_assert_int_eq(waitpid(pid, &status, WNOHANG), pid);
    ck_assert_int_eq(WEXITSTATUS(status), 6);

    pid = fork_sleeper(); /* and when it is let go */
    ck_assert_int_eq(eddy_child_watch(&told.child, pid, 0, told_on_exit), 0);
    eddy_child_stop(&told.child);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    test_turn_for(loop, 5 * EDDY_NS_PER_MS);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_uint_eq(told.times, 1);
    test_loop_close(loop);
}
END_TEST

/* Where there are descriptors of processes: of any one its end is told, and no more. */
START_TEST(a_process_that_is_no_child_is_watched) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    int ends[2];
    pid_t grandchild;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        grandchild = fork();
        if (grandchild == 0)
            for (;;) pause();
        (void)!write(ends[1], &grandchild, sizeof grandchild);
        _exit(0);
    }
    ck_assert_int_eq(read(ends[0], &grandchild, sizeof grandchild), sizeof grandchild);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    told_init(&told, loop);
    int err = eddy_child_watch(&told.child, grandchild, 0, told_on_exit);
    ck_assert(err == 0 || (err == -ECHILD && !has_pidfds()));
    ck_assert_int_eq(kill(grandchild, SIGKILL), 0);
    if (err == 0) {
        told_wait(&told, loop);
        ck_assert_int_eq(told.exit.error, -ECHILD);
        ck_assert_int_eq(told.exit.signal, 0);
    }
    close(ends[0]);
    close(ends[1]);
    test_loop_close(loop);
}
END_TEST

START_TEST(what_cannot_be_watched_is_refused) {
    eddy_loop *loop = test_loop_open();
    struct told told, other;
    told_init(&told, loop);
    told_init(&other, loop);
    pid_t gone = fork_exit(0);
    ck_assert_int_eq(waitpid(gone, NULL, 0), gone);
    ck_assert_int_eq(eddy_child_watch(&told.child, gone, 0, told_on_exit), -ESRCH);
    ck_assert_int_eq(eddy_child_watch(&told.child, 0, 0, told_on_exit), -EINVAL);
    ck_assert_int_eq(eddy_child_watch(&told.child, -1, 0, told_on_exit), -EINVAL);
    ck_assert_int_eq(eddy_child_watch(&told.child, getpid(), 1 << 5, told_on_exit), -EINVAL);
    ck_assert(!eddy_is_active(&told.child.handle));

    ck_assert_int_eq(told_spawn(&told, "exec sleep 100", 0, NULL, 0), 0);
    pid_t pid = eddy_child_pid(&told.child);
    ck_assert_int_eq(eddy_child_watch(&other.child, pid, 0, told_on_exit), -EBUSY);
    eddy_child_stop(&told.child); /* let go, it may be taken up again */
    ck_assert_int_eq(eddy_child_watch(&other.child, pid, 0, told_on_exit), 0);
    ck_assert_int_eq(eddy_child_kill(&other.child, SIGKILL), 0);
    told_wait(&other, loop);
    ck_assert_int_eq(other.exit.signal, SIGKILL);
    turn_until_childless(loop);
    test_loop_close(loop);
}
END_TEST

/* --- What is told of it --- */

static unsigned walked;

static void on_item(const eddy_walk_item *item, void *context) {
    const struct told *told = context;
    if (item->kind != EDDY_KIND_CHILD) return;
    ck_assert_ptr_eq(item->pointer, &told->child);
    ck_assert_str_eq(item->label, "the sleeper");
    ck_assert(item->active && item->referenced);
    walked++;
}

static void on_any(const eddy_walk_item *item, void *context) {
    (void)item;
    (*(unsigned *)context)++;
}

START_TEST(a_walk_tells_of_children_and_of_nothing_inside) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    eddy_label label;
    siginfo_t info;
    unsigned before = 0, items = 0;
    eddy_loop_walk(loop, on_any, &before); /* what verifies each turn */
    told_start(&told, loop, "exec sleep 100");
    eddy_label_init(&label, loop);
    ck_assert_int_eq(eddy_label_set(&label, &told.child, "the sleeper"), 0);
    eddy_loop_walk(loop, on_item, &told);
    ck_assert_uint_eq(walked, 1);
    eddy_loop_walk(loop, on_any, &items);
    ck_assert_uint_eq(items, before + 1);
    ck_assert_str_eq(eddy_kind_name(EDDY_KIND_CHILD), "child");
    ck_assert_int_eq(eddy_child_kill(&told.child, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    told_wait(&told, loop);
    items = 0;
    eddy_loop_walk(loop, on_any, &items);
    ck_assert_uint_eq(items, before);
    test_loop_close(loop);
}
END_TEST

/* --- Forked processes --- */

/* The children are the parent's: its fork hears that they are lost, waits for nobody, and takes
 * nothing out of what both share. */
START_TEST(a_forked_process_has_no_children_and_leaves_the_parent_its) {
    eddy_loop *loop = test_loop_open();
    struct told told, let_go, own;
    told_start(&told, loop, "exec sleep 100");
    told_start(&let_go, loop, "exec sleep 100");
    pid_t pid = eddy_child_pid(&let_go.child);
    eddy_child_stop(&let_go.child);
    pid_t forked = fork();
    if (forked == 0) {
        child_assert(eddy_loop_after_fork(loop) == 0);
        child_assert(eddy_child_kill(&told.child, SIGKILL) == -ESRCH);
        child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
        child_assert(told.times == 1 && told.exit.error == -ECHILD);
        told_init(&own, loop);
        child_assert(told_spawn(&own, "exit 4", 0, NULL, 0) == 0);
        child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
        child_assert(own.times == 1 && own.exit.status == 4);
        test_loop_close(loop);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(forked, &status, 0), forked);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(eddy_child_kill(&told.child, SIGKILL), 0);
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.signal, SIGKILL);
    turn_until_childless(loop);
    test_loop_close(loop);
}
END_TEST

/* It is also called in the process itself, after a backend was lost. */
START_TEST(children_stay_where_no_fork_was) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    told_start(&told, loop, "exec sleep 100");
    ck_assert_int_eq(eddy_loop_after_fork(loop), 0);
    ck_assert_int_eq(eddy_child_kill(&told.child, SIGKILL), 0);
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.signal, SIGKILL);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("child");
    ck_add(suite, "exit", the_status_is_told_once, the_signal_that_ended_it_is_told,
           its_usage_is_told, one_that_stops_and_goes_on_is_told_of_once,
           a_handle_is_used_again_in_its_callback, it_is_told_in_phase_6);
    ck_add(suite, "handle", the_loop_lives_as_long_as_its_children_or_not,
           one_that_is_let_go_is_not_told_of_and_leaves_no_zombie,
           one_that_has_ended_is_let_go_before_it_is_told, a_callback_lets_its_neighbour_go,
           a_loop_is_closed_before_the_child_that_was_let_go,
           a_signal_is_for_the_child_or_its_group);
    ck_add(suite, "watching", a_child_that_the_program_has_forked_is_watched,
           a_status_is_left_for_others, a_process_that_is_no_child_is_watched,
           what_cannot_be_watched_is_refused, a_walk_tells_of_children_and_of_nothing_inside);
    ck_add(suite, "fork", a_forked_process_has_no_children_and_leaves_the_parent_its,
           children_stay_where_no_fork_was);
    return suite;
}
