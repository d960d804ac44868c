/* fork.c: after a fork the child has a loop of its own, and the parent's goes on undisturbed.
 * A forked epoll descriptor is shared: what the child removes there is gone for the parent. */
#include "suite.h"
#include "system.h"

#include <signal.h>

static eddy_loop *loop;
static eddy_io a, b;
static eddy_timer timer;
static eddy_wake wake;
static eddy_defer defer;
static eddy_signal watcher;
static eddy_post post;
static int ends[2], other[2];
static int told_a, told_b, fired, woken, deferred, posted, signalled;
static unsigned seen;

static void on_io(eddy_io *io, unsigned events) {
    seen = events;
    if (io == &a)
        told_a++;
    else
        told_b++;
}

static void on_timer(eddy_timer *it) {
    (void)it;
    fired++;
}

static void on_wake(eddy_wake *it) {
    (void)it;
    woken++;
}

static void on_defer(eddy_defer *it) {
    (void)it;
    deferred++;
}

static void on_post(eddy_post *it) {
    (void)it;
    posted++;
}

static void on_signal(eddy_signal *it, int number) {
    (void)it;
    (void)number;
    signalled++;
}

static void begin(void) {
    told_a = told_b = fired = woken = deferred = posted = signalled = 0;
    loop = test_loop_open();
    eddy_io_init(&a, loop);
    eddy_io_init(&b, loop);
    eddy_timer_init(&timer, loop);
    eddy_wake_init(&wake, loop);
    eddy_defer_init(&defer, loop);
    eddy_signal_init(&watcher, loop);
    test_pipe(ends);
    test_pipe(other);
}

static void end(void) {
    eddy_io_stop(&a);
    eddy_io_stop(&b);
    eddy_timer_stop(&timer);
    eddy_wake_stop(&wake);
    eddy_defer_stop(&defer);
    eddy_signal_stop(&watcher);
    close_both(ends);
    close_both(other);
    test_loop_close(loop);
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void start(eddy_io *io, int fd, unsigned events) {
    ck_assert_int_eq(eddy_io_start(io, on_io, fd, events), 0);
}

/* The child turns its loop, which the parent's helpers must not touch: their asserts would speak
 * for the parent. */
static int child_turn(void) {
    return eddy_loop_run(loop, EDDY_RUN_NOWAIT);
}

/* Runs `check` in a child, after eddy_loop_after_fork, while the parent waits. */
static void in_child(void (*check)(void)) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        child_assert(eddy_loop_after_fork(loop) == 0);
        child_assert(eddy_loop_verify(loop, NULL) == 0);
        check();
        child_assert(eddy_loop_verify(loop, NULL) == 0);
        _exit(0);
    }
    child_is_content(child);
}

static void child_hears_everything(void) {
    child_assert(child_turn() == 1);
    child_assert(told_a == 1 && told_b == 0);
    child_assert(seen == EDDY_READ);
    child_assert(write(other[1], "x", 1) == 1);
    child_assert(child_turn() == 1);
    child_assert(told_a == 2 && told_b == 1);
    eddy_wake_send(&wake);
    eddy_loop_post(loop, &post, on_post);
    child_assert(raise(SIGUSR1) == 0);
    child_assert(child_turn() == 1);
    child_assert(woken == 1 && posted == 1 && signalled == 1);
    int64_t end_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (fired == 0 && test_now_ns() < end_ns) child_assert(child_turn() >= 0);
    child_assert(fired == 1);
}

START_TEST(every_kind_of_watcher_works_in_the_child) {
    begin();
    start(&a, ends[0], EDDY_READ);
    start(&b, other[0], EDDY_READ);
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    ck_assert_int_eq(eddy_signal_start(&watcher, on_signal, SIGUSR1), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 10 * EDDY_NS_PER_MS, 0), 0);
    put(ends[1], "x");
    in_child(child_hears_everything);
    end();
}
END_TEST

static void child_stops_all(void) {
    eddy_wake_send(&wake);
    child_assert(child_turn() == 1);
    child_assert(woken == 1);
    eddy_io_stop(&a);
    eddy_io_stop(&b);
    eddy_wake_stop(&wake);
    eddy_signal_stop(&watcher);
    eddy_timer_stop(&timer);
    child_assert(child_turn() == 0);
    child_assert(told_a == 0 && told_b == 0);
    close(ends[0]);
    close(other[0]);
}

/* What the child turns, stops, closes and tears down is the child's own. */
START_TEST(the_parent_goes_on_undisturbed) {
    begin();
    start(&a, ends[0], EDDY_READ);
    start(&b, other[0], EDDY_READ);
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    ck_assert_int_eq(eddy_signal_start(&watcher, on_signal, SIGUSR1), 0);
    turn();
    in_child(child_stops_all);
    put(ends[1], "x");
    put(other[1], "x");
    turn();
    ck_assert_int_eq(told_a, 1);
    ck_assert_int_eq(told_b, 1);
    eddy_wake_send(&wake);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    turn();
    ck_assert_int_eq(woken, 1);
    ck_assert_int_eq(signalled, 1);
    unsigned waits = test_metric_waits(loop);
    drain(ends[0], NULL);
    drain(other[0], NULL);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    ck_assert_uint_le(test_metric_waits(loop) - waits, 4);
    end();
}
END_TEST

static void child_ignores_parent(void) {
    for (int i = 0; i < 5; i++) child_assert(child_turn() == 1);
    child_assert(woken == 0 && posted == 0);
    eddy_wake_send(&wake);
    child_assert(child_turn() == 1);
    child_assert(woken == 1);
}

/* The pipes are separate: a wake in one process does not reach the other. */
START_TEST(wake_ups_stay_in_their_process) {
    begin();
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    in_child(child_ignores_parent);
    turn();
    ck_assert_int_eq(woken, 0);
    eddy_wake_send(&wake);
    turn();
    ck_assert_int_eq(woken, 1);
    end();
}
END_TEST

static void child_runs_what_had_arrived(void) {
    child_assert(child_turn() == 1);
    child_assert(posted == 1 && woken == 1 && deferred == 1);
    child_assert(child_turn() == 1);
    child_assert(posted == 1 && woken == 1 && deferred == 1);
}

/* What was in the inbox at the fork is run by both, each once. */
START_TEST(what_had_arrived_is_run_by_both) {
    begin();
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    eddy_loop_post(loop, &post, on_post);
    eddy_wake_send(&wake);
    ck_assert_int_eq(eddy_defer_start(&defer, on_defer), 0);
    in_child(child_runs_what_had_arrived);
    for (int i = 0; i < 2; i++) {
        turn();
        ck_assert_int_eq(posted, 1);
        ck_assert_int_eq(woken, 1);
        ck_assert_int_eq(deferred, 1);
    }
    end();
}
END_TEST

static void child_finds_one_shot_disarmed(void) {
    for (int i = 0; i < 3; i++) child_assert(child_turn() == 1);
    child_assert(told_a == 0);
    child_assert(eddy_io_change(&a, EDDY_READ | EDDY_ONESHOT) == 0);
    for (int i = 0; i < 3; i++) child_assert(child_turn() == 1);
    child_assert(told_a == 1);
}

/* "Watched as before": a one-shot that fired before the fork is not armed by it. */
START_TEST(a_fired_one_shot_stays_fired_in_the_child) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin();
    put(ends[1], "x");
    start(&a, ends[0], EDDY_READ | EDDY_ONESHOT);
    turn();
    ck_assert_int_eq(told_a, 1);
    told_a = 0;
    in_child(child_finds_one_shot_disarmed);
    end();
}
END_TEST

static void child_finds_muted(void) {
    for (int i = 0; i < 3; i++) child_assert(child_turn() == 1);
    child_assert(told_a == 0 && told_b == 0);
    child_assert(eddy_io_change(&a, EDDY_READ) == 0);
    child_assert(child_turn() == 1);
    child_assert(told_a == 1);
}

START_TEST(a_muted_watcher_stays_muted_in_the_child) {
    begin();
    put(ends[1], "x");
    start(&a, ends[0], 0);
    start(&b, other[0], EDDY_READ);
    in_child(child_finds_muted);
    end();
}
END_TEST

static void child_hears_of_lost_one(void) {
    for (int i = 0; i < 3; i++) child_assert(child_turn() == 1);
    child_assert(told_a == 1);
    child_assert(seen == EDDY_ERROR);
    child_assert(eddy_io_error(&a) == -EBADF);
    child_assert(told_b == 0);
}

/* The child closed a watched descriptor before it took the loop over: that one is told so. */
START_TEST(a_descriptor_that_cannot_be_added_again_is_told) {
    begin();
    /* A number that the child's new pipe does not take. */
    int fd = fcntl(ends[0], F_DUPFD_CLOEXEC, 200);
    ck_assert_int_ge(fd, 200);
    start(&a, fd, EDDY_READ);
    start(&b, other[0], EDDY_READ);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(fd);
        child_assert(eddy_loop_after_fork(loop) == 0);
        child_hears_of_lost_one();
        _exit(0);
    }
    child_is_content(child);
    put(ends[1], "x");
    turn();
    ck_assert_int_eq(told_a, 1);
    eddy_io_stop(&a);
    close(fd);
    end();
}
END_TEST

static int inside_result;

static void fork_inside(eddy_timer *it) {
    (void)it;
    inside_result = eddy_loop_after_fork(loop);
}

START_TEST(after_fork_is_busy_inside_a_callback) {
    begin();
    inside_result = 77;
    ck_assert_int_eq(eddy_timer_start(&timer, fork_inside, 0, 0), 0);
    turn();
    ck_assert_int_eq(inside_result, -EBUSY);
    end();
}
END_TEST

/* A loop that its child never takes over: the child just goes, and the parent works on. */
START_TEST(a_child_that_ignores_the_loop_does_no_harm) {
    begin();
    start(&a, ends[0], EDDY_READ);
    put(ends[1], "x");
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close_both(ends);
        _exit(0);
    }
    child_is_content(child);
    turn();
    ck_assert_int_eq(told_a, 1);
    end();
}
END_TEST

static void count_and_stop(eddy_io *io, unsigned events) {
    (void)events;
    told_b++;
    eddy_io_stop(io);
}

static void child_grows(void) {
    static eddy_io many[200];
    for (int i = 0; i < 200; i++) {
        int fd = dup(ends[0]);
        eddy_io_init(&many[i], loop);
        child_assert(eddy_io_start(&many[i], count_and_stop, fd, EDDY_READ) == 0);
    }
    for (int i = 0; i < 200 && told_b < 200; i++) child_assert(child_turn() == 1);
    child_assert(told_b == 200);
    child_assert(child_turn() == 1);
}

START_TEST(the_child_may_watch_more) {
    begin();
    put(ends[1], "x");
    start(&a, other[0], EDDY_READ);
    in_child(child_grows);
    put(other[1], "x");
    turn();
    ck_assert_int_eq(told_a, 1);
    end();
}
END_TEST

/* --- when it fails --- */

static void on_work(eddy_work *work) {
    (void)work;
}

static void on_done(eddy_work *work, int status) {
    (void)work, (void)status;
    deferred++;
}

/* There is no descriptor left for a loop of its own: all the child can do is close it. */
static void child_cannot(void) {
    struct rlimit none;
    alarm(20);
    child_assert(getrlimit(RLIMIT_NOFILE, &none) == 0);
    none.rlim_cur = 3;
    child_assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
    child_assert(eddy_loop_after_fork(loop) == -EMFILE);
    eddy_io_stop(&a);
    child_assert(eddy_loop_close(loop) == 0);
    _exit(0);
}

/* The child gives up and closes the loop, whose descriptors and whose pool's threads are still the
 * parent's: the parent hears what it watches and what is posted to it all the same. */
START_TEST(a_child_that_gives_up_closes_its_loop_and_disturbs_nobody) {
    eddy_work work;
    eddy_loop_config config = {.backend = test_backend};
    told_a = posted = deferred = 0;
    ck_assert_int_eq(eddy_loop_open(&loop, &config), 0);
    test_pipe(ends);
    eddy_io_init(&a, loop);
    start(&a, ends[0], EDDY_READ);
    ck_assert_int_eq(eddy_work_submit(loop, &work, EDDY_LANE_CPU, on_work, on_done), 0);
    while (deferred == 0) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) child_cannot();
    child_is_content(child);
    put(ends[1], "x");
    eddy_loop_post(loop, &post, on_post);
    turn();
    ck_assert_int_eq(told_a, 1);
    ck_assert_int_eq(posted, 1);
    eddy_io_stop(&a);
    close_both(ends);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fork");
    ck_add(suite, "fork", every_kind_of_watcher_works_in_the_child, the_parent_goes_on_undisturbed,
           wake_ups_stay_in_their_process, what_had_arrived_is_run_by_both,
           a_fired_one_shot_stays_fired_in_the_child, a_muted_watcher_stays_muted_in_the_child,
           a_descriptor_that_cannot_be_added_again_is_told, after_fork_is_busy_inside_a_callback,
           a_child_that_ignores_the_loop_does_no_harm, the_child_may_watch_more);
    ck_add(suite, "failure", a_child_that_gives_up_closes_its_loop_and_disturbs_nobody);
    return suite;
}
