/* run.c: run modes, what they return, what keeps a loop alive, and its clock. */
#include "suite.h"
#include "system.h"

#include <pthread.h>
#include <signal.h>

static eddy_loop *loop;
static int calls, nested_result;

static void count_timer(eddy_timer *timer) {
    (void)timer;
    calls++;
}

static void stop_timer(eddy_timer *timer) {
    (void)timer;
    calls++;
    eddy_loop_stop(loop);
}

static void count_defer(eddy_defer *defer) {
    (void)defer;
    calls++;
}

static void count_io(eddy_io *io, unsigned events) {
    (void)io;
    (void)events;
    calls++;
}

static void count_hook(eddy_hook *hook) {
    (void)hook;
    calls++;
}

static void count_wake(eddy_wake *wake) {
    (void)wake;
    calls++;
}

static void count_signal(eddy_signal *watcher, int number) {
    (void)watcher;
    (void)number;
    calls++;
}

static void start_timer(eddy_timer *timer, eddy_timer_fn *fn, int64_t delay_ns, int64_t repeat_ns) {
    eddy_timer_init(timer, loop);
    ck_assert_int_eq(eddy_timer_start(timer, fn, delay_ns, repeat_ns), 0);
}

static void begin(void) {
    calls = 0;
    loop = test_loop_open();
}

START_TEST(a_loop_with_nothing_to_do_returns_at_once_in_every_mode) {
    begin();
    int64_t start_ns = test_now_ns();
    ck_assert(!eddy_loop_is_alive(loop));
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_lt(test_now_ns() - start_ns, 5 * EDDY_NS_PER_S);
    test_loop_close(loop);
}
END_TEST

START_TEST(an_unknown_mode_is_invalid) {
    begin();
    int mode = 3;
    ck_assert_int_eq(eddy_loop_run(loop, (eddy_run_mode)mode), -EINVAL);
    mode = 77;
    ck_assert_int_eq(eddy_loop_run(loop, (eddy_run_mode)mode), -EINVAL);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    test_loop_close(loop);
}
END_TEST

START_TEST(default_runs_until_nothing_is_left) {
    begin();
    eddy_timer timers[3];
    for (int i = 0; i < 3; i++) start_timer(&timers[i], count_timer, i * EDDY_NS_PER_MS, 0);
    ck_assert(eddy_loop_is_alive(loop));
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(calls, 3);
    ck_assert(!eddy_loop_is_alive(loop));
    test_loop_close(loop);
}
END_TEST

START_TEST(nowait_does_not_wait_and_tells_that_something_is_left) {
    begin();
    eddy_timer timer;
    start_timer(&timer, count_timer, 60 * EDDY_NS_PER_S, 0);
    int64_t start_ns = test_now_ns();
    for (int i = 0; i < 10; i++) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
    ck_assert_int_lt(test_now_ns() - start_ns, 5 * EDDY_NS_PER_S);
    ck_assert_int_eq(calls, 0);
    eddy_timer_stop(&timer);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    test_loop_close(loop);
}
END_TEST

/* One turn waits for the first thing, handles it, and comes back though more is to come. */
START_TEST(once_waits_for_one_turn) {
    begin();
    eddy_timer soon, later;
    start_timer(&soon, count_timer, 10 * EDDY_NS_PER_MS, 0);
    start_timer(&later, count_timer, 60 * EDDY_NS_PER_S, 0);
    bool fired = false;
    int64_t due_ns = eddy_timer_due_ns(&soon);
    /* A wait may end on the deadline's eve without an error: one more turn is allowed. */
    for (int i = 0; i < 3 && !fired; i++) {
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
        fired = calls == 1;
    }
    ck_assert(fired);
    ck_assert_int_ge(test_now_ns(), due_ns);
    ck_assert_int_lt(test_now_ns(), eddy_timer_due_ns(&later));
    eddy_timer_stop(&later);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    test_loop_close(loop);
}
END_TEST

/* The turn in which stop is called is finished; what is left is left for the next run. */
START_TEST(stop_ends_the_run_after_this_turn) {
    begin();
    eddy_timer first, second, later;
    eddy_defer defer;
    eddy_defer_init(&defer, loop);
    start_timer(&first, stop_timer, 0, 0);
    start_timer(&second, count_timer, 0, 0);
    start_timer(&later, count_timer, 60 * EDDY_NS_PER_S, 0);
    ck_assert_int_eq(eddy_defer_start(&defer, count_defer), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 1);
    ck_assert_int_eq(calls, 3);
    eddy_timer_stop(&later);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    test_loop_close(loop);
}
END_TEST

START_TEST(stop_before_the_run_makes_it_make_no_turn_once) {
    begin();
    eddy_timer timer;
    static const eddy_run_mode modes[] = {EDDY_RUN_DEFAULT, EDDY_RUN_ONCE, EDDY_RUN_NOWAIT};
    for (int i = 0; i < 3; i++) {
        calls = 0;
        eddy_metrics before, after;
        eddy_loop_read_metrics(loop, &before, sizeof before);
        start_timer(&timer, count_timer, 0, 0);
        eddy_loop_stop(loop);
        eddy_loop_stop(loop);
        ck_assert_int_eq(eddy_loop_run(loop, modes[i]), 1);
        eddy_loop_read_metrics(loop, &after, sizeof after);
        ck_assert_int_eq(calls, 0);
        ck_assert_uint_eq(after.turns, before.turns);
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
        ck_assert_int_eq(calls, 1);
    }
    test_loop_close(loop);
}
END_TEST

/* A stop that came while the loop ran does not reach into the next run. */
START_TEST(stop_is_forgotten_when_the_run_returns) {
    begin();
    eddy_timer first, second;
    start_timer(&first, stop_timer, 0, 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    start_timer(&first, stop_timer, 0, 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    start_timer(&second, count_timer, 0, 0);
    calls = 0;
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(calls, 1);
    test_loop_close(loop);
}
END_TEST

static void run_inside(eddy_timer *timer) {
    (void)timer;
    int64_t timeout_ns;
    static const eddy_run_mode modes[] = {EDDY_RUN_DEFAULT, EDDY_RUN_ONCE, EDDY_RUN_NOWAIT};
    for (int i = 0; i < 3; i++) ck_assert_int_eq(eddy_loop_run(loop, modes[i]), -EBUSY);
    ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), -EBUSY);
    ck_assert_int_eq(eddy_loop_dispatch(loop), -EBUSY);
    calls++;
}

START_TEST(a_run_inside_a_callback_is_busy_and_harmless) {
    begin();
    eddy_timer first, second;
    start_timer(&first, run_inside, 0, 0);
    start_timer(&second, count_timer, 0, 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(calls, 2);
    test_loop_close(loop);
}
END_TEST

static void run_other(eddy_timer *timer) {
    (void)timer;
    eddy_loop *outer = loop;
    loop = test_loop_open();
    eddy_timer inner;
    start_timer(&inner, count_timer, EDDY_NS_PER_MS, 0);
    nested_result = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    test_loop_close(loop);
    loop = outer;
}

START_TEST(another_loop_may_run_inside_a_callback) {
    begin();
    eddy_timer timer;
    start_timer(&timer, run_other, 0, 0);
    nested_result = 77;
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(nested_result, 0);
    ck_assert_int_eq(calls, 1);
    test_loop_close(loop);
}
END_TEST

/* --- alive, ref, unref --- */

/* What is alive must be exactly: active and referenced, whatever the order of the calls. */
START_TEST(alive_follows_start_stop_ref_unref_in_every_order) {
    begin();
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    unsigned long long seed = 1;
    bool active = false, referenced = true;
    for (int i = 0; i < 2000; i++) {
        switch (random_below(&seed, 4)) {
        case 0:
            ck_assert_int_eq(eddy_timer_start(&timer, count_timer, EDDY_NS_PER_S, 0), 0);
            active = true;
            break;
        case 1:
            eddy_timer_stop(&timer);
            active = false;
            break;
        case 2:
            eddy_ref(&timer.handle);
            referenced = true;
            break;
        default:
            eddy_unref(&timer.handle);
            referenced = false;
            break;
        }
        eddy_metrics metrics;
        eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
        ck_assert_int_eq(eddy_is_active(&timer.handle), active);
        ck_assert_int_eq(eddy_loop_is_alive(loop), active && referenced);
        ck_assert_uint_eq(metrics.active, active && referenced);
        ck_assert_uint_eq(metrics.timers_active, active);
        ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
    }
    eddy_timer_stop(&timer);
    test_loop_close(loop);
}
END_TEST

/* Unref holds over stop and start, and over firing. */
START_TEST(unref_lasts_until_ref) {
    begin();
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    eddy_unref(&timer.handle);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(eddy_timer_start(&timer, count_timer, 0, 0), 0);
        ck_assert(!eddy_loop_is_alive(loop));
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_int_eq(calls, i + 1);
        ck_assert(!eddy_is_active(&timer.handle));
    }
    eddy_ref(&timer.handle);
    ck_assert_int_eq(eddy_timer_start(&timer, count_timer, 0, 0), 0);
    ck_assert(eddy_loop_is_alive(loop));
    eddy_timer_stop(&timer);
    ck_assert(!eddy_loop_is_alive(loop));
    test_loop_close(loop);
}
END_TEST

/* Each kind of handle: started it keeps the loop alive, unreferenced or stopped it does not; but
 * for a queued call, which is not left undone. */
START_TEST(every_kind_of_handle_keeps_the_loop_alive) {
    begin();
    int ends[2];
    test_pipe(ends);
    eddy_io io;
    eddy_timer timer;
    eddy_hook hook;
    eddy_defer defer;
    eddy_wake wake;
    eddy_signal watcher;
    eddy_io_init(&io, loop);
    eddy_timer_init(&timer, loop);
    eddy_hook_init(&hook, loop);
    eddy_defer_init(&defer, loop);
    eddy_wake_init(&wake, loop);
    eddy_signal_init(&watcher, loop);
    eddy_handle *const handles[] = {&io.handle,    &timer.handle, &hook.handle,
                                    &defer.handle, &wake.handle,  &watcher.handle};
    for (int kind = 0; kind < 6; kind++) {
        ck_assert(!eddy_is_active(handles[kind]));
        int err = -1;
        if (kind == 0) err = eddy_io_start(&io, count_io, ends[0], EDDY_READ);
        if (kind == 1) err = eddy_timer_start(&timer, count_timer, EDDY_NS_PER_S, 0);
        if (kind == 2) err = eddy_hook_start(&hook, EDDY_HOOK_CHECK, count_hook);
        if (kind == 3) err = eddy_defer_start(&defer, count_defer);
        if (kind == 4) err = eddy_wake_start(&wake, count_wake);
        if (kind == 5) err = eddy_signal_start(&watcher, count_signal, SIGUSR1);
        ck_assert_int_eq(err, 0);
        ck_assert(eddy_is_active(handles[kind]));
        ck_assert(eddy_loop_is_alive(loop));
        eddy_unref(handles[kind]);
        ck_assert(!eddy_loop_is_alive(loop));
        eddy_ref(handles[kind]);
        ck_assert(eddy_loop_is_alive(loop));
        ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
        for (int twice = 0; twice < 2; twice++) {
            if (kind == 0) eddy_io_stop(&io);
            if (kind == 1) eddy_timer_stop(&timer);
            if (kind == 2) eddy_hook_stop(&hook);
            if (kind == 3) eddy_defer_stop(&defer);
            if (kind == 4) eddy_wake_stop(&wake);
            if (kind == 5) eddy_signal_stop(&watcher);
        }
        ck_assert(!eddy_is_active(handles[kind]));
        ck_assert(!eddy_loop_is_alive(loop));
    }
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(calls, 0);
    close_both(ends);
    test_loop_close(loop);
}
END_TEST

/* Unreferenced handles work while something else keeps the loop alive. */
START_TEST(an_unreferenced_handle_still_works) {
    begin();
    eddy_timer quiet, timer;
    start_timer(&quiet, count_timer, 0, EDDY_NS_PER_MS);
    eddy_unref(&quiet.handle);
    start_timer(&timer, count_timer, 20 * EDDY_NS_PER_MS, 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_ge(calls, 2);
    eddy_timer_stop(&quiet);
    test_loop_close(loop);
}
END_TEST

/* --- the clock --- */

static int64_t seen_ns[2];

static void look_at_clock(eddy_timer *timer) {
    (void)timer;
    seen_ns[calls++ % 2] = eddy_loop_now_ns(loop);
    sleep_ns(2 * EDDY_NS_PER_MS);
}

START_TEST(the_clock_stands_still_during_a_turn) {
    begin();
    eddy_timer first, second;
    start_timer(&first, look_at_clock, 0, 0);
    start_timer(&second, look_at_clock, 0, 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(calls, 2);
    ck_assert_int_eq(seen_ns[0], seen_ns[1]);
    ck_assert_int_ge(eddy_loop_now_ns(loop), seen_ns[0] + 4 * EDDY_NS_PER_MS);
    test_loop_close(loop);
}
END_TEST

START_TEST(the_clock_is_read_anew_outside_of_callbacks) {
    begin();
    int64_t start_ns = eddy_loop_now_ns(loop);
    ck_assert_int_gt(start_ns, 0);
    sleep_ns(3 * EDDY_NS_PER_MS);
    ck_assert_int_ge(eddy_loop_now_ns(loop), start_ns + 3 * EDDY_NS_PER_MS);
    test_loop_close(loop);
}
END_TEST

/* --- two threads, a loop each --- */

struct side {
    eddy_loop *loop;
    eddy_timer tick;
    eddy_wake wake;
    eddy_io io;
    int ends[2];
    int ticks, wakes, reads;
    struct side *other;
};

static void side_read(eddy_io *io, unsigned events) {
    struct side *it = eddy_container_of(io, struct side, io);
    if ((events & EDDY_READ) != 0) it->reads += drain(it->ends[0], NULL);
}

static void side_wake(eddy_wake *wake) {
    eddy_container_of(wake, struct side, wake)->wakes++;
}

static void side_tick(eddy_timer *timer) {
    struct side *it = eddy_container_of(timer, struct side, tick);
    put(it->ends[1], "x");
    eddy_wake_send(&it->other->wake);
    if (++it->ticks == 50) eddy_loop_stop(it->loop);
}

static void *side_run(void *argument) {
    struct side *it = argument;
    return eddy_loop_run(it->loop, EDDY_RUN_DEFAULT) == 1 ? it : NULL;
}

START_TEST(two_loops_run_in_two_threads) {
    static struct side sides[2];
    pthread_t threads[2];
    memset(sides, 0, sizeof sides);
    for (int i = 0; i < 2; i++) {
        struct side *it = &sides[i];
        eddy_loop_config config = {.backend = test_backend};
        ck_assert_int_eq(eddy_loop_open(&it->loop, &config), 0);
        test_pipe(it->ends);
        it->other = &sides[1 - i];
        eddy_timer_init(&it->tick, it->loop);
        eddy_wake_init(&it->wake, it->loop);
        eddy_io_init(&it->io, it->loop);
        ck_assert_int_eq(eddy_timer_start(&it->tick, side_tick, 0, EDDY_NS_PER_MS), 0);
        ck_assert_int_eq(eddy_wake_start(&it->wake, side_wake), 0);
        ck_assert_int_eq(eddy_io_start(&it->io, side_read, it->ends[0], EDDY_READ), 0);
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, side_run, &sides[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *result;
        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        ck_assert_ptr_eq(result, &sides[i]);
    }
    for (int i = 0; i < 2; i++) {
        struct side *it = &sides[i];
        eddy_timer_stop(&it->tick);
        for (int turn = 0; turn < 3; turn++) /* one that has a wake to tell of may not look */
            ck_assert_int_ge(eddy_loop_run(it->loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_int_eq(it->ticks, 50);
        ck_assert_int_eq(it->reads, 50);
        ck_assert_int_ge(it->wakes, 1);
        eddy_wake_stop(&it->wake);
        eddy_io_stop(&it->io);
        close_both(it->ends);
        ck_assert_int_eq(eddy_loop_verify(it->loop, NULL), 0);
        ck_assert_int_eq(eddy_loop_close(it->loop), 0);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("run");
    ck_add(suite, "modes", a_loop_with_nothing_to_do_returns_at_once_in_every_mode,
           an_unknown_mode_is_invalid, default_runs_until_nothing_is_left,
           nowait_does_not_wait_and_tells_that_something_is_left, once_waits_for_one_turn,
           stop_ends_the_run_after_this_turn, stop_before_the_run_makes_it_make_no_turn_once,
           stop_is_forgotten_when_the_run_returns, a_run_inside_a_callback_is_busy_and_harmless,
           another_loop_may_run_inside_a_callback);
    ck_add(suite, "alive", alive_follows_start_stop_ref_unref_in_every_order, unref_lasts_until_ref,
           every_kind_of_handle_keeps_the_loop_alive, an_unreferenced_handle_still_works);
    ck_add(suite, "clock", the_clock_stands_still_during_a_turn,
           the_clock_is_read_anew_outside_of_callbacks);
    ck_add(suite, "threads", two_loops_run_in_two_threads);
    return suite;
}
