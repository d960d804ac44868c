/* fork_senders.c: a fork while others are in the middle of something: senders of wakes, handlers of
 * signals, a thread that runs the loop, a turn that is taken apart. The child has their memory as
 * it was just then, and nobody who would go on with it. */
#include "../../src/core/loop.h"
#include "sanitized.h"
#include "suite.h"
#include "system.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>

enum { SENT = 1 }; /* of `pending`: marked by a sender, who is about to push it */

static eddy_loop *loop;
static eddy_wake wake;
static eddy_signal watcher;
static eddy_io reader;
static eddy_post post;
static int ends[2];
static int woken, signalled, told, posted;

static void on_wake(eddy_wake *it) {
    (void)it;
    woken++;
}

static void on_signal(eddy_signal *it, int number) {
    (void)it, (void)number;
    signalled++;
}

static void on_read(eddy_io *it, unsigned events) {
    (void)it, (void)events;
    told++;
}

static void on_post(eddy_post *it) {
    (void)it;
    posted++;
}

/* Without what test_loop_open adds, so that the child can close it. */
static void begin_with(eddy_wakeup_kind kind) {
    eddy_loop_config config = {.backend = test_backend, .wakeup = kind};
    woken = signalled = told = posted = 0;
    ck_assert_int_eq(eddy_loop_open(&loop, &config), 0);
    eddy_wake_init(&wake, loop);
    eddy_signal_init(&watcher, loop);
    eddy_io_init(&reader, loop);
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    ck_assert_int_eq(eddy_signal_start(&watcher, on_signal, SIGUSR1), 0);
    test_pipe(ends);
}

static void begin(void) {
    begin_with(EDDY_WAKEUP_PIPE);
}

static void stop_all(void) {
    eddy_wake_stop(&wake);
    eddy_signal_stop(&watcher);
    eddy_io_stop(&reader);
}

static void end(void) {
    ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
    stop_all();
    ck_assert_int_eq(eddy_loop_close(loop), 0);
    close_both(ends);
}

static int turn(void) {
    return eddy_loop_run(loop, EDDY_RUN_NOWAIT);
}

/* Runs `check` in a child that is ended if it stands still. */
static void in_child(void (*check)(void)) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(20);
        check();
        _exit(0);
    }
    child_is_content(child);
}

static void child_takes_over(void) {
    child_assert(eddy_loop_after_fork(loop) == 0);
    child_assert(eddy_loop_verify(loop, NULL) == 0);
}

static void child_closes(void) {
    child_assert(eddy_loop_verify(loop, NULL) == 0);
    stop_all();
    child_assert(eddy_loop_close(loop) == 0);
}

/* --- Senders --- */

static void child_is_told_what_was_begun(void) {
    child_takes_over();
    child_assert(turn() == 1);
    child_assert(woken == 1 && signalled == 1);
    eddy_wake_send(&wake);
    child_assert(raise(SIGUSR1) == 0);
    child_assert(turn() == 1);
    child_assert(woken == 2 && signalled == 2);
    child_closes();
}

static void child_stops_what_was_begun(void) {
    child_takes_over();
    child_closes();
    child_assert(woken == 0 && signalled == 0);
}

/* A sender and a handler, each between its two steps. What they had begun comes in the child, once,
 * and what is sent later comes as well; or it can be stopped. */
START_TEST(a_send_that_was_begun_at_the_fork_is_told_in_the_child) {
    begin();
    atomic_store(&wake.pending, SENT);
    atomic_store(&watcher.pending, SENT);
    in_child(child_is_told_what_was_begun);
    in_child(child_stops_what_was_begun);
    atomic_store(&wake.pending, 0);
    atomic_store(&watcher.pending, 0);
    end();
}
END_TEST

/* They have pushed: the same, not twice. */
START_TEST(a_send_that_had_arrived_at_the_fork_is_told_once_in_the_child) {
    begin();
    eddy_wake_send(&wake);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    in_child(child_is_told_what_was_begun);
    in_child(child_stops_what_was_begun);
    ck_assert_int_eq(turn(), 1);
    ck_assert(woken == 1 && signalled == 1);
    end();
}
END_TEST

static atomic_bool storm_over;

static void *send_and_raise(void *argument) {
    (void)argument;
    while (!atomic_load(&storm_over)) {
        eddy_wake_send(&wake);
        (void)pthread_kill(pthread_self(), SIGUSR1);
    }
    return NULL;
}

static void child_hears_both(void) {
    child_takes_over();
    child_assert(turn() == 1);
    int before = woken, heard = signalled;
    eddy_wake_send(&wake);
    child_assert(raise(SIGUSR1) == 0);
    child_assert(turn() == 1);
    child_assert(woken == before + 1 && signalled == heard + 1);
    child_closes();
}

/* Wherever the fork finds them. */
START_TEST(a_child_hears_again_though_others_were_sending) {
    begin();
    pthread_t storm;
    atomic_store(&storm_over, false);
    ck_assert_int_eq(pthread_create(&storm, NULL, send_and_raise, NULL), 0);
    int64_t end_ns = test_now_ns() + 3 * EDDY_NS_PER_S;
    for (int i = 0; i < 50 && (i < 3 || test_now_ns() < end_ns); i++) {
        ck_assert_int_ge(turn(), 0);
        in_child(child_hears_both);
    }
    atomic_store(&storm_over, true);
    ck_assert_int_eq(pthread_join(storm, NULL), 0);
    end();
}
END_TEST

/* --- The parent's pipe --- */

/* Bytes in the loop's pipe, or whether its eventfd holds a number. */
static int unread(void) {
    int count = 0;
    struct pollfd polled = {.fd = loop->wakeup.ends[0], .events = POLLIN};
    if (loop->config.wakeup == EDDY_WAKEUP_EVENTFD) return poll(&polled, 1, 0);
    ck_assert_int_eq(ioctl(loop->wakeup.ends[0], FIONREAD, &count), 0);
    return count;
}

static void child_raises_before_it_takes_over(void) {
    for (int i = 0; i < 3; i++) child_assert(raise(SIGUSR1) == 0);
    child_takes_over();
    child_assert(turn() == 1);
    child_assert(signalled == 1);
    child_assert(raise(SIGUSR1) == 0);
    child_assert(turn() == 1);
    child_assert(signalled == 2);
    child_closes();
}

static void child_raises_and_goes(void) {
    for (int i = 0; i < 3; i++) child_assert(raise(SIGUSR1) == 0);
}

/* A signal of the child's that comes before eddy_loop_after_fork, or before exec, is the child's
 * own: the parent is not woken, and the child hears of it when it can. */
static void check_signal_in_child(eddy_wakeup_kind kind) {
    begin_with(kind);
    ck_assert_int_eq(turn(), 1); /* from here on a push writes */
    int before = unread();
    in_child(child_raises_and_goes);
    ck_assert_int_eq(unread(), before);
    in_child(child_raises_before_it_takes_over);
    ck_assert_int_eq(unread(), before);
    ck_assert_int_eq(turn(), 1);
    ck_assert_int_eq(signalled, 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(turn(), 1);
    ck_assert_int_eq(signalled, 1);
    end();
}

START_TEST(a_signal_of_the_child_does_not_wake_the_parent) {
    check_signal_in_child(EDDY_WAKEUP_PIPE);
    if (eddy_os_eventfd() >= 0) check_signal_in_child(EDDY_WAKEUP_EVENTFD);
}
END_TEST

#ifdef __linux__
/* Its handler runs in the parent's memory. It should block signals; and if not, it does no harm. */
START_TEST(a_signal_of_a_vforked_child_leaves_the_parent_hearing) {
    begin();
    ck_assert_int_eq(turn(), 1);
    int before = unread();
    pid_t child = vfork();
    if (child == 0) {
        (void)kill(getpid(), SIGUSR1); /* musl's raise would reach the parent */
        _exit(0);
    }
    child_is_content(child);
    ck_assert_int_eq(unread(), before);
    ck_assert_int_eq(turn(), 1);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(turn(), 1);
    ck_assert_int_eq(signalled, 1);
    end();
}
END_TEST
#endif

static rlim_t child_allows_descriptors(rlim_t most) {
    struct rlimit limit;
    child_assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = most;
    child_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return before;
}

static void child_has_no_pipe_for_a_while(void) {
    rlim_t before = child_allows_descriptors(3);
    child_assert(eddy_loop_after_fork(loop) == -EMFILE);
    child_assert(eddy_loop_verify(loop, NULL) == 0);
    eddy_loop_post(loop, &post, on_post);
    child_assert(raise(SIGUSR1) == 0);
    for (int i = 0; i < 3; i++) (void)turn();
    child_assert(woken == 1 && posted == 1); /* what needs no pipe */
    eddy_loop_post(loop, &post, on_post);    /* from a run to the next, a push wakes */
    (void)turn();
    child_assert(posted == 2);
    (void)child_allows_descriptors(before);
    child_takes_over();
    child_assert(turn() == 1);
    child_assert(signalled == 1);
    eddy_loop_post(loop, &post, on_post);
    child_assert(turn() == 1);
    child_assert(posted == 3 && woken == 1);
    child_closes();
}

/* After an error the child neither reads what lies in its parent's pipe, nor writes there. */
START_TEST(a_child_without_a_pipe_of_its_own_leaves_its_parents_alone) {
    begin();
    ck_assert_int_eq(turn(), 1);
    eddy_wake_send(&wake);
    int before = unread();
    ck_assert_int_gt(before, 0);
    in_child(child_has_no_pipe_for_a_while);
    ck_assert_int_eq(unread(), before);
    ck_assert_int_eq(turn(), 1);
    ck_assert_int_eq(woken, 1);
    end();
}
END_TEST

static void child_closes_at_once(void) {
    stop_all();
    child_assert(eddy_loop_close(loop) == -ECHILD);
    child_assert(eddy_loop_verify(loop, NULL) == 0);
    child_assert(eddy_loop_after_fork(loop) == 0);
    child_assert(eddy_loop_close(loop) == 0);
}

/* With epoll, to close would take the wake-up out of the parent's set. */
START_TEST(a_child_closes_no_loop_that_it_has_not_taken_over) {
    begin();
    in_child(child_closes_at_once);
    ck_assert_int_eq(turn(), 1);
    eddy_wake_send(&wake);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    ck_assert_int_eq(woken, 1);
    end();
}
END_TEST

/* --- Requests, when there is no backend to be had --- */

static int done, done_status;

static void on_work(eddy_work *work) {
    (void)work;
}

static void on_done(eddy_work *work, int status) {
    (void)work;
    done++;
    done_status = status;
}

static eddy_work work;

static void child_takes_its_job_back(void) {
    (void)child_allows_descriptors(3);
    child_assert(eddy_loop_after_fork(loop) == -EMFILE);
    child_assert(eddy_work_cancel(&work) == 0);
    (void)turn();
    child_assert(done == 1 && done_status == -ECANCELED);
    child_closes();
}

START_TEST(a_job_is_taken_back_though_there_is_no_backend) {
#ifdef WITH_TSAN
    return; /* it lets no child of a program with threads start any */
#endif
    begin();
    done = 0;
    ck_assert_int_eq(eddy_work_submit(loop, &work, EDDY_LANE_CPU, on_work, on_done), 0);
    eddy_pool_metrics metrics; /* a thread that is just starting may hold a lock of malloc's */
    do eddy_pool_read_metrics(eddy_loop_pool(loop), &metrics, sizeof metrics);
    while (metrics.threads_idle == 0 && sched_yield() == 0);
    in_child(child_takes_its_job_back);
    while (done == 0) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_int_eq(done_status, 0);
    end();
}
END_TEST

/* --- A turn under way --- */

static void child_waits_and_dispatches(void) {
    child_takes_over();
    child_assert(eddy_loop_wait(loop, -1) > 0);
    child_assert(eddy_loop_dispatch(loop) == 1);
    child_assert(told == 1);
    eddy_wake_send(&wake);
    child_assert(turn() == 1);
    child_assert(woken == 1);
    child_closes();
}

START_TEST(a_fork_between_prepare_and_wait_leaves_a_wait_that_sees) {
    begin();
    int64_t timeout_ns;
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&reader, on_read, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
    in_child(child_waits_and_dispatches);
    ck_assert_int_eq(eddy_loop_wait(loop, -1), 1);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    ck_assert_int_eq(told, 1);
    end();
}
END_TEST

static void child_dispatches_and_turns(void) {
    child_takes_over();
    child_assert(eddy_loop_dispatch(loop) == 1);
    child_assert(told == 0); /* what the parent's backend has told, the parent hears */
    child_assert(turn() == 1);
    child_assert(told == 1);
    child_closes();
}

START_TEST(a_fork_between_wait_and_dispatch_loses_nothing) {
    unsigned modes[] = {EDDY_READ, EDDY_READ | EDDY_EDGE, EDDY_READ | EDDY_ONESHOT};
    unsigned needed[] = {0, EDDY_CAN_EDGE, EDDY_CAN_ONESHOT};
    for (int i = 0; i < 3; i++) {
        if (needed[i] != 0 && !test_backend_can(needed[i])) continue;
        begin();
        int64_t timeout_ns;
        put(ends[1], "x");
        ck_assert_int_eq(eddy_io_start(&reader, on_read, ends[0], modes[i]), 0);
        ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
        ck_assert_int_eq(eddy_loop_wait(loop, -1), 1);
        in_child(child_dispatches_and_turns);
        ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
        ck_assert_int_eq(told, 1);
        end();
    }
}
END_TEST

/* --- A loop that another thread runs --- */

static atomic_bool began, inside, may_leave;

static void on_prepare(eddy_hook *hook) {
    (void)hook;
    atomic_store(&began, true);
}

static void stay_inside(eddy_wake *it) {
    (void)it;
    atomic_store(&inside, true);
    while (!atomic_load(&may_leave)) sched_yield();
    eddy_loop_stop(loop);
}

static void *run_loop(void *argument) {
    (void)argument;
    (void)eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return NULL;
}

static void child_has_the_sleeper(void) {
    child_takes_over();
    child_assert(turn() == 1);
    child_assert(told == 0);
    child_assert(write(ends[1], "x", 1) == 1);
    child_assert(raise(SIGUSR1) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) == 1);
    child_assert(turn() == 1);
    child_assert(told >= 1 && signalled == 1);
}

static void child_is_refused(void) {
    child_assert(eddy_loop_after_fork(loop) == -EBUSY);
    child_assert(eddy_loop_after_fork(loop) == -EBUSY);
}

/* The thread that runs the loop is not in the child. If it slept, nothing was half done, and the
 * child goes on; if it was in a callback, nobody can. */
START_TEST(a_loop_that_slept_in_another_thread_is_taken_over) {
    begin();
    pthread_t thread;
    eddy_hook hook;
    eddy_wake stopper;
    atomic_store(&began, false);
    atomic_store(&inside, false);
    atomic_store(&may_leave, false);
    eddy_hook_init(&hook, loop);
    eddy_wake_init(&stopper, loop);
    ck_assert_int_eq(eddy_hook_start(&hook, EDDY_HOOK_PREPARE, on_prepare), 0);
    ck_assert_int_eq(eddy_wake_start(&stopper, stay_inside), 0);
    ck_assert_int_eq(eddy_io_start(&reader, on_read, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_loop, NULL), 0);
    while (!atomic_load(&began)) sched_yield();
    while (!loop_is_asleep(loop)) sched_yield();
    in_child(child_has_the_sleeper);
    ck_assert(drain(ends[0], NULL) <= 1);
    eddy_wake_send(&stopper);
    while (!atomic_load(&inside)) sched_yield();
    in_child(child_is_refused);
    atomic_store(&may_leave, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(eddy_loop_after_fork(loop), 0); /* without a fork it is a rebuild */
    eddy_hook_stop(&hook);
    eddy_wake_stop(&stopper);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fork senders");
    ck_add(suite, "senders", a_send_that_was_begun_at_the_fork_is_told_in_the_child,
           a_send_that_had_arrived_at_the_fork_is_told_once_in_the_child,
           a_child_hears_again_though_others_were_sending);
    ck_add(suite, "pipe", a_signal_of_the_child_does_not_wake_the_parent,
           a_child_without_a_pipe_of_its_own_leaves_its_parents_alone,
           a_child_closes_no_loop_that_it_has_not_taken_over);
#ifdef __linux__
    ck_add(suite, "vfork", a_signal_of_a_vforked_child_leaves_the_parent_hearing);
#endif
    ck_add(suite, "requests", a_job_is_taken_back_though_there_is_no_backend);
    ck_add(suite, "turn", a_fork_between_prepare_and_wait_leaves_a_wait_that_sees,
           a_fork_between_wait_and_dispatch_loses_nothing,
           a_loop_that_slept_in_another_thread_is_taken_over);
    return suite;
}
