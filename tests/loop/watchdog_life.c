/* watchdog_life.c: watchdogs and guards that come and go, one for many loops, in a forked child;
 * and backtraces. */
#include "stalled.h"

/* --- Starting and stopping --- */

static void stop_and_stall(eddy_timer *it) {
    eddy_guard_stop(&guard);
    eddy_guard_stop(&guard);
    sleep_ns(3 * budget_ns);
    ck_assert_int_eq(atomic_load(&lasting_count), 0);
    ck_assert_int_eq(eddy_guard_start(&guard, &watchdog, eddy_handle_loop(&it->handle)), 0);
    ck_assert_int_eq(eddy_guard_start(&guard, &watchdog, loop), -EALREADY);
    sleep_ns(3 * budget_ns);
    done = true;
}

/* The callback in which it is started is not looked at; the next one is. */
START_TEST(a_guard_stops_and_starts_inside_a_callback) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timer, stop_and_stall, 0, 0), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(atomic_load(&lasting_count) + over_count, 0);
    done = false;
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)on_timer, "", 4);
    end();
}
END_TEST

static void stall_and_stop(eddy_timer *it) {
    (void)it;
    await(1);
    eddy_guard_stop(&guard);
    done = true;
}

/* Nothing is told after the stop, and what is guarded neither stops nor closes. */
START_TEST(nothing_is_told_after_a_stop) {
    begin();
    ck_assert_int_eq(eddy_watchdog_stop(&watchdog), -EBUSY);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    ck_assert_int_eq(eddy_timer_start(&timer, stall_and_stop, 0, 0), 0);
    test_turn_until(loop, &done);
    int count = atomic_load(&lasting_count);
    memset(&guard, 0xff, sizeof guard);
    sleep_ns(2 * budget_ns);
    ck_assert_int_eq(atomic_load(&lasting_count), count);
    ck_assert_int_eq(over_count, 0);
    memset(&guard, 0, sizeof guard);
    end();
}
END_TEST

static atomic_bool is_telling;

static void tell_slowly(const eddy_stall *stall, void *context) {
    atomic_store(&is_telling, true);
    on_stalled(stall, context);
    sleep_ns(2 * budget_ns);
    atomic_store(&is_telling, false);
}

static void stop_while_it_is_told(eddy_timer *it) {
    (void)it;
    await(1);
    eddy_guard_stop(&guard);
    ck_assert(!atomic_load(&is_telling));
    done = true;
}

START_TEST(a_stop_waits_for_what_is_being_told) {
    begin_with((eddy_watchdog_config){.stalled = tell_slowly});
    ck_assert_int_eq(eddy_timer_start(&timer, stop_while_it_is_told, 0, 0), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(atomic_load(&lasting_count), 1);
    end();
}
END_TEST

static atomic_int stop_result;

static void stop_myself(const eddy_stall *stall, void *context) {
    if (!stall->is_over) atomic_store(&stop_result, eddy_watchdog_stop(&watchdog));
    on_stalled(stall, context);
}

START_TEST(errors_leave_nothing_behind) {
    eddy_watchdog dog;
    eddy_watchdog_config config = {.budget_ns = budget_ns};
    memset(&dog, 0, sizeof dog);
    ck_assert_int_eq(eddy_watchdog_start(&dog, &config), -EINVAL);
    config.over_budget = on_over;
    config.budget_ns = -1;
    ck_assert_int_eq(eddy_watchdog_start(&dog, &config), -EINVAL);
    config.budget_ns = 999;
    ck_assert_int_eq(eddy_watchdog_start(&dog, &config), -EINVAL);
    config.budget_ns = INT64_MAX;
    ck_assert_int_eq(eddy_watchdog_start(&dog, &config), -EINVAL);
    config.budget_ns = 0;
    config.stalled = on_stalled;
    config.signal = SIGKILL;
    int err = eddy_watchdog_start(&dog, &config);
    ck_assert(err == -EINVAL || (err == 0 && dog.frames_error == -ENOTSUP)); /* no backtraces */
    ck_assert_int_eq(eddy_watchdog_stop(&dog), 0);

    begin_with((eddy_watchdog_config){.stalled = stop_myself});
    memset(&dog, 0, sizeof dog);
    eddy_guard other = {0};
    ck_assert_int_eq(eddy_guard_start(&other, &dog, loop), -EINVAL);
    eddy_guard_stop(&other);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(atomic_load(&stop_result), -EDEADLK);
    end();
    ck_assert_int_eq(eddy_watchdog_stop(&watchdog), 0);
}
END_TEST

/* --- Several loops --- */

enum { LOOPS = 3 };

struct walker {
    pthread_t thread;
    eddy_loop *loop;
    eddy_timer timer;
    eddy_guard guard;
    atomic_int lasting, over;
};

static struct walker walkers[LOOPS];

static void on_stalled_somewhere(const eddy_stall *stall, void *context) {
    (void)context;
    for (int i = 0; i < LOOPS; i++) {
        struct walker *it = &walkers[i];
        if (stall->loop == it->loop && stall->object == &it->timer)
            atomic_fetch_add(stall->is_over ? &it->over : &it->lasting, 1);
    }
}

static void await_told_twice(eddy_timer *its_timer) {
    struct walker *it = eddy_container_of(its_timer, struct walker, timer);
    while (atomic_load(&it->lasting) < 2) nap();
}

static void *walk(void *argument) {
    struct walker *it = argument;
    eddy_timer_init(&it->timer, it->loop);
    ck_assert_int_eq(eddy_guard_start(&it->guard, &watchdog, it->loop), 0);
    ck_assert_int_eq(eddy_timer_start(&it->timer, await_told_twice, 0, 0), 0);
    ck_assert_int_eq(eddy_loop_run(it->loop, EDDY_RUN_DEFAULT), 0);
    while (atomic_load(&it->over) == 0) nap();
    eddy_guard_stop(&it->guard);
    return NULL;
}

/* All of them at once, by one thread. */
START_TEST(one_watchdog_guards_many_loops) {
    eddy_watchdog_config config = {.budget_ns = budget_ns, .stalled = on_stalled_somewhere};
    ck_assert_int_eq(eddy_watchdog_start(&watchdog, &config), 0);
    for (int i = 0; i < LOOPS; i++) {
        eddy_loop_config its = {.backend = test_backend};
        ck_assert_int_eq(eddy_loop_open(&walkers[i].loop, &its), 0);
    }
    for (int i = 0; i < LOOPS; i++)
        ck_assert_int_eq(pthread_create(&walkers[i].thread, NULL, walk, &walkers[i]), 0);
    for (int i = 0; i < LOOPS; i++) {
        ck_assert_int_eq(pthread_join(walkers[i].thread, NULL), 0);
        ck_assert_int_eq(eddy_loop_close(walkers[i].loop), 0);
        ck_assert_int_eq(atomic_load(&walkers[i].over), 1);
    }
    ck_assert_int_eq(eddy_watchdog_stop(&watchdog), 0);
}
END_TEST

/* --- Backtraces --- */

static bool has_backtraces(void) {
    return lasting[0].stall.frames_error != -ENOTSUP;
}

START_TEST(the_backtrace_shows_where_it_stands) {
    begin_with(
        (eddy_watchdog_config){.stalled = on_stalled, .over_budget = on_over, .signal = SIGURG});
    eddy_watchdog other;
    eddy_watchdog_config config = {.stalled = on_stalled, .signal = SIGURG};
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)on_timer, "", 4);
    if (has_backtraces()) {
        ck_assert_int_eq(eddy_watchdog_start(&other, &config), -EBUSY);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(lasting[i].stall.frames_error, 0);
            ck_assert_int_gt(lasting[i].stall.frame_count, 2);
            ck_assert(lasting[i].is_in_handler);
        }
    }
    ck_assert_int_eq(lasting[atomic_load(&lasting_count) - 1].stall.frame_count, 0);
    end();
    struct sigaction now;
    ck_assert_int_eq(sigaction(SIGURG, NULL, &now), 0);
    ck_assert(now.sa_handler == SIG_DFL);
}
END_TEST

__attribute__((noinline)) static void spin(eddy_timer *it) {
    (void)it;
    while (atomic_load(&lasting_count) < 1) continue;
    done = true;
}

/* Neither the signal's handler is in it nor what the system puts below that. */
START_TEST(the_backtrace_begins_where_the_thread_was) {
    begin_with((eddy_watchdog_config){.stalled = on_stalled, .signal = SIGURG});
    ck_assert_int_eq(eddy_timer_start(&timer, spin, 0, 0), 0);
    test_turn_until(loop, &done);
    /* ThreadSanitizer has handlers wait until the thread calls something of the C library. */
    if (has_backtraces() && !IS_SANITIZED) {
        uintptr_t from = (uintptr_t)spin;
        ck_assert_int_eq(lasting[0].stall.frames_error, 0);
        ck_assert(lasting[0].first >= from && lasting[0].first < from + 512);
    }
    end();
}
END_TEST

static void stand_still_unreachable(eddy_timer *it) {
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &urgent, NULL), 0);
    on_timer(it);
}

/* The signal comes when it is not blocked any more, and there is no watchdog any more. */
START_TEST(a_thread_that_blocks_the_signal_gives_no_backtrace) {
    begin_with(
        (eddy_watchdog_config){.stalled = on_stalled, .over_budget = on_over, .signal = SIGURG});
    ck_assert_int_eq(eddy_timer_start(&timer, stand_still_unreachable, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)stand_still_unreachable, "", 4);
    if (has_backtraces()) {
        ck_assert_int_eq(lasting[0].stall.frames_error, -EAGAIN);
        ck_assert_int_eq(lasting[0].stall.frame_count, 0);
    }
    end();
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &urgent, NULL), 0);
    begin_with((eddy_watchdog_config){.stalled = on_stalled, .signal = SIGURG});
    end();
}
END_TEST

static void sleep_undisturbed(eddy_timer *it) {
    struct timespec rest = {.tv_nsec = (long)(3 * budget_ns)};
    (void)it;
    ck_assert_int_eq(nanosleep(&rest, NULL), 0);
    done = true;
}

/* Nobody is sent a signal that did not ask for it: a sleep is whole. */
START_TEST(without_a_signal_a_sleep_is_not_disturbed) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timer, sleep_undisturbed, 0, 0), 0);
    test_turn_until(loop, &done);
    await(1);
    end();
}
END_TEST

/* --- Fork --- */

static void in_child(void) {
    child_assert(eddy_loop_after_fork(loop) == 0);
    done = false;
    child_assert(eddy_timer_start(&timer, compute, 0, 1) == 0);
    ticks = 2;
    while (!done) child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) >= 0);
    child_assert(over_count == 0 && atomic_load(&lasting_count) == 0);
    eddy_guard_stop(&guard);
    child_assert(eddy_guard_start(&guard, &watchdog, loop) == -EINVAL);
    child_assert(eddy_watchdog_stop(&watchdog) == 0);
#ifdef WITH_TSAN /* no thread may start in a child of a process with threads */
    _exit(0);
#endif

    eddy_watchdog_config config = {
        .budget_ns = budget_ns, .stalled = on_stalled, .context = &lasting, .signal = SIGURG};
    child_assert(eddy_watchdog_start(&watchdog, &config) == 0);
    child_assert(eddy_guard_start(&guard, &watchdog, loop) == 0);
    done = false;
    child_assert(eddy_timer_start(&timer, on_timer, 0, 0) == 0);
    while (!done) child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) >= 0);
    eddy_guard_stop(&guard);
    child_assert(eddy_watchdog_stop(&watchdog) == 0);
    _exit(0);
}

/* The child has no watchdog, and may have one of its own; the parent's goes on. */
START_TEST(a_forked_child_is_not_guarded) {
    begin_with(
        (eddy_watchdog_config){.stalled = on_stalled, .over_budget = on_over, .signal = SIGURG});
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) in_child();
    child_is_content(child);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)on_timer, "", 4);
    end();
}
END_TEST

/* Holds the watchdog's lock, as its own thread does now and then, until it is told to let go. */
static void *hold_lock(void *argument) {
    atomic_int *state = argument;
    pthread_mutex_lock(&watchdog.lock);
    atomic_store(state, 1);
    while (atomic_load(state) == 1) nap();
    pthread_mutex_unlock(&watchdog.lock);
    return NULL;
}

static pid_t forked;

static void fork_and_stall(eddy_timer *it) {
    static atomic_int state;
    pthread_t holder;
    (void)it;
    ck_assert_int_eq(pthread_create(&holder, NULL, hold_lock, &state), 0);
    while (atomic_load(&state) != 1) nap();
    forked = fork();
    if (forked == 0) {
        alarm(20);
        sleep_ns(2 * budget_ns);
        return;
    }
    atomic_store(&state, 2);
    ck_assert_int_eq(pthread_join(holder, NULL), 0);
}

/* Its callback ends, and so does the turn, whatever the parent's threads were at. */
START_TEST(a_child_that_is_forked_in_a_callback_goes_on) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timer, fork_and_stall, 0, 0), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_ge(forked, 0);
    if (forked == 0) {
        child_assert(over_count == 0);
        child_assert(eddy_loop_after_fork(loop) == 0);
        eddy_guard_stop(&guard);
        child_assert(eddy_watchdog_stop(&watchdog) == 0);
        _exit(0);
    }
    child_is_content(forked);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("watchdog life");
    ck_add(suite, "start and stop", a_guard_stops_and_starts_inside_a_callback,
           nothing_is_told_after_a_stop, a_stop_waits_for_what_is_being_told,
           errors_leave_nothing_behind, one_watchdog_guards_many_loops);
    ck_add(suite, "backtrace", the_backtrace_shows_where_it_stands,
           the_backtrace_begins_where_the_thread_was,
           a_thread_that_blocks_the_signal_gives_no_backtrace,
           without_a_signal_a_sleep_is_not_disturbed);
    ck_add(suite, "fork", a_forked_child_is_not_guarded,
           a_child_that_is_forked_in_a_callback_goes_on);
    return suite;
}
