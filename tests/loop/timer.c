/* timer.c: deadlines: never early, in order, once; restarts, repeats, and quiet when idle. */
#include "compiler.h"
#include "memory.h"
#include "suite.h"
#include "system.h"
#include "trace.h"

static eddy_loop *loop;
static eddy_timer timers[26];
static int calls;

static void begin(void) {
    trace_clear();
    calls = 0;
    loop = test_loop_open();
    for (int i = 0; i < 26; i++) eddy_timer_init(&timers[i], loop);
}

static void end(void) {
    for (int i = 0; i < 26; i++) eddy_timer_stop(&timers[i]);
    test_loop_close(loop);
}

static eddy_timer *named(char letter) {
    return &timers[letter - 'a'];
}

static void on_timer(eddy_timer *timer) {
    note((char)('a' + (timer - timers)));
    calls++;
}

static void start(char letter, int64_t delay_ns) {
    ck_assert_int_eq(eddy_timer_start(named(letter), on_timer, delay_ns, 0), 0);
}

static void start_at(char letter, int64_t due_ns) {
    ck_assert_int_eq(eddy_timer_start_at(named(letter), on_timer, due_ns, 0), 0);
}

static void start_with(char letter, eddy_timer_fn *fn, int64_t delay_ns) {
    ck_assert_int_eq(eddy_timer_start(named(letter), fn, delay_ns, 0), 0);
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void run(void) {
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
}

/* --- order --- */

START_TEST(timers_fire_in_order_of_deadline) {
    begin();
    int64_t due_ns = eddy_loop_now_ns(loop) + 300 * EDDY_NS_PER_MS; /* longer than starting takes */
    start_at('a', due_ns + 3);
    start_at('b', due_ns + 1);
    start_at('c', due_ns + 5);
    start_at('d', due_ns);
    start_at('e', due_ns + 4);
    start_at('f', due_ns + 2);
    sleep_ns(301 * EDDY_NS_PER_MS);
    turn();
    trace_is("dbfaec");
    end();
}
END_TEST

START_TEST(timers_of_equal_deadline_fire_in_order_of_start) {
    begin();
    int64_t due_ns = eddy_loop_now_ns(loop) + 300 * EDDY_NS_PER_MS;
    for (char letter = 'z'; letter >= 'a'; letter--) start_at(letter, due_ns);
    start_at('m', due_ns);
    sleep_ns(301 * EDDY_NS_PER_MS);
    turn();
    trace_is("zyxwvutsrqponlkjihgfedcbam");
    end();
}
END_TEST

/* A later start with a shorter delay can mean the same deadline; the clock decides. */
static void start_later(eddy_timer *timer) {
    (void)timer;
    int64_t now_ns = eddy_loop_now_ns(loop);
    sleep_ns(EDDY_NS_PER_MS);
    start('a', 1234567);
    ck_assert_int_eq(eddy_timer_due_ns(named('a')), now_ns + 1234567);
    eddy_loop_update_now(loop);
    start('a', 1234567);
    ck_assert_int_eq(eddy_timer_due_ns(named('a')), eddy_loop_now_ns(loop) + 1234567);
    ck_assert_int_ge(eddy_timer_due_ns(named('a')), now_ns + EDDY_NS_PER_MS + 1234567);
}

START_TEST(the_deadline_is_the_cached_time_and_the_delay) {
    begin();
    start_with('b', start_later, 0);
    turn();
    eddy_timer_stop(named('a'));
    ck_assert_int_eq(eddy_timer_due_ns(named('a')), -1);
    start('a', 0);
    turn();
    ck_assert_int_eq(eddy_timer_due_ns(named('a')), -1);
    end();
}
END_TEST

/* --- never early --- */

static int64_t fired_ns[26];

static void look_at_clock(eddy_timer *timer) {
    on_timer(timer);
    fired_ns[timer - timers] = test_now_ns();
}

/* Delays around the grain of each backend's wait: a millisecond, a microsecond, a nanosecond. */
START_TEST(no_timer_fires_early) {
    begin();
    static const int64_t delays_ns[] = {1,       999,     1000,    1001,    50000,  999999,
                                        1000000, 1000001, 1500000, 2999999, 5700000};
    for (int i = 0; i < 11; i++) {
        eddy_loop_update_now(loop);
        int64_t start_ns = eddy_loop_now_ns(loop);
        ck_assert_int_eq(eddy_timer_start(&timers[i], look_at_clock, delays_ns[i], 0), 0);
        int64_t due_ns = eddy_timer_due_ns(&timers[i]);
        run();
        ck_assert_int_ge(eddy_loop_now_ns(loop), due_ns);
        ck_assert_int_ge(fired_ns[i], due_ns);
        ck_assert_int_ge(fired_ns[i] - start_ns, delays_ns[i]);
    }
    ck_assert_int_eq(calls, 11);
    end();
}
END_TEST

/* --- repeats --- */

static void repeat_on_grid(eddy_timer *timer) {
    int64_t due_ns = eddy_timer_due_ns(timer);
    ck_assert(eddy_is_active(&timer->handle));
    ck_assert_int_gt(due_ns, eddy_loop_now_ns(loop));
    ck_assert_int_le(due_ns - eddy_loop_now_ns(loop), 2 * EDDY_NS_PER_MS);
    fired_ns[calls] = due_ns;
    calls++;
    sleep_ns(300 * EDDY_NS_PER_US);
    if (calls == 8) eddy_timer_stop(timer);
}

/* However long the callbacks take, each deadline is the first one and whole periods. */
START_TEST(repeats_keep_to_the_grid_of_the_first_deadline) {
    begin();
    int64_t period_ns = 2 * EDDY_NS_PER_MS;
    ck_assert_int_eq(eddy_timer_start(&timers[0], repeat_on_grid, 1234567, period_ns), 0);
    int64_t first_ns = eddy_timer_due_ns(&timers[0]);
    run();
    ck_assert_int_eq(calls, 8);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_ge(fired_ns[i], first_ns + (i + 1) * period_ns);
        ck_assert_int_eq((fired_ns[i] - first_ns) % period_ns, 0);
    }
    end();
}
END_TEST

static void oversleep(eddy_timer *timer) {
    calls++;
    if (calls == 1) sleep_ns(25 * EDDY_NS_PER_MS);
    if (calls == 4) eddy_timer_stop(timer);
}

/* Twenty-five ticks pass while the first callback sleeps: they come as one, not as a burst. */
START_TEST(missed_ticks_are_skipped) {
    begin();
    int64_t start_ns = test_now_ns();
    ck_assert_int_eq(eddy_timer_start(&timers[0], oversleep, 0, EDDY_NS_PER_MS), 0);
    run();
    ck_assert_int_eq(calls, 4);
    ck_assert_int_ge(test_now_ns() - start_ns, 26 * EDDY_NS_PER_MS);
    end();
}
END_TEST

/* A period far shorter than a turn: one call a turn, and the deadline is worked out at once. */
START_TEST(a_period_of_a_nanosecond_fires_once_a_turn) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timers[0], on_timer, 0, 1), 0);
    for (int i = 0; i < 5; i++) {
        sleep_ns(EDDY_NS_PER_MS);
        turn();
        ck_assert_int_eq(calls, i + 1);
    }
    end();
}
END_TEST

static void restart_once(eddy_timer *timer) {
    calls++;
    if (calls == 2) ck_assert_int_eq(eddy_timer_start(timer, on_timer, EDDY_NS_PER_MS, 0), 0);
}

START_TEST(a_repeating_timer_may_become_another_one_in_its_callback) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timers[0], restart_once, 0, EDDY_NS_PER_MS), 0);
    run();
    ck_assert_int_eq(calls, 3);
    end();
}
END_TEST

static void check_stopped(eddy_timer *timer) {
    ck_assert(!eddy_is_active(&timer->handle));
    ck_assert_int_eq(eddy_timer_due_ns(timer), -1);
    on_timer(timer);
}

START_TEST(a_one_time_timer_is_stopped_when_its_callback_runs) {
    begin();
    start_with('a', check_stopped, 0);
    run();
    trace_is("a");
    end();
}
END_TEST

/* --- restart and stop --- */

START_TEST(a_restart_replaces_deadline_and_callback) {
    begin();
    start_with('a', restart_once, 0);
    start('b', 300 * EDDY_NS_PER_MS);
    start('a', 600 * EDDY_NS_PER_MS);
    start('c', 3 * EDDY_NS_PER_S);
    start('c', 0);
    run();
    trace_is("cba");
    end();
}
END_TEST

static char target;
static int64_t target_delay_ns;

static void stop_target(eddy_timer *timer) {
    on_timer(timer);
    eddy_timer_stop(named(target));
}

static void restart_target(eddy_timer *timer) {
    on_timer(timer);
    start(target, target_delay_ns);
}

/* All are due; the one that fires third stops each in turn. */
START_TEST(a_timer_may_stop_any_other_in_its_callback) {
    for (target = 'a'; target <= 'f'; target++) {
        begin();
        for (char letter = 'a'; letter <= 'f'; letter++)
            start_with(letter, letter == 'c' ? stop_target : on_timer, letter);
        sleep_ns(EDDY_NS_PER_MS);
        turn();
        char expected[8] = "abcdef";
        char *at = strchr(expected, target);
        if (target > 'c') memmove(at, at + 1, strlen(at));
        trace_is(expected);
        run();
        trace_is("");
        end();
    }
}
END_TEST

/* All are due; the third restarts each in turn, for at once and for later: then it is not part of
 * this phase any more. */
START_TEST(a_timer_restarted_in_the_phase_fires_in_a_later_turn) {
    static const int64_t delays_ns[] = {0, 1, EDDY_NS_PER_MS};
    for (int i = 0; i < 3; i++) {
        target_delay_ns = delays_ns[i];
        for (target = 'a'; target <= 'f'; target++) {
            if (target == 'c') continue;
            begin();
            for (char letter = 'a'; letter <= 'f'; letter++)
                start_with(letter, letter == 'c' ? restart_target : on_timer, letter);
            sleep_ns(EDDY_NS_PER_MS);
            turn();
            char expected[8] = "abcdef", again[2] = {target, 0};
            char *at = strchr(expected, target);
            if (target > 'c') memmove(at, at + 1, strlen(at));
            trace_is(expected);
            run();
            trace_is(again);
            end();
        }
    }
}
END_TEST

static void start_many(eddy_timer *timer) {
    on_timer(timer);
    for (char letter = 'b'; letter <= 'z'; letter++) start(letter, 0);
}

/* The heap grows in the middle of the phase. */
START_TEST(a_timer_may_start_many_in_its_callback) {
    begin();
    start_with('a', start_many, 0);
    turn();
    trace_is("a");
    turn();
    trace_is("bcdefghijklmnopqrstuvwxyz");
    end();
}
END_TEST

/* --- a phase's bound --- */

static void on_ready(eddy_io *io, unsigned events) {
    (void)io, (void)events;
    note('.');
}

static void start_behind(eddy_timer *timer) {
    on_timer(timer);
    start('x', 0);
    eddy_timer_stop(named('e'));
}

/* What is due beyond `timers_per_turn` waits for the descriptors, and comes before what is due
 * later; what was started in the phase comes behind it, and one that was stopped not at all. */
START_TEST(a_phase_calls_no_more_than_it_may) {
    trace_clear();
    loop = test_loop_open_with((eddy_loop_config){.timers_per_turn = 2});
    for (int i = 0; i < 26; i++) eddy_timer_init(&timers[i], loop);
    eddy_io io;
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, on_ready, ends[0], EDDY_READ), 0);
    int64_t due_ns = eddy_loop_now_ns(loop) + 50 * EDDY_NS_PER_MS; /* after all are started */
    for (char letter = 'f'; letter >= 'a'; letter--) {
        eddy_timer_fn *fn = letter == 'b' ? start_behind : on_timer;
        ck_assert_int_eq(eddy_timer_start_at(named(letter), fn, due_ns + letter, 0), 0);
    }
    sleep_ns(51 * EDDY_NS_PER_MS);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
    trace_is("ab.");
    for (int i = 0; i < 3; i++) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    trace_is("cd.fx..");
    eddy_io_stop(&io);
    close_both(ends);
    end();
}
END_TEST

/* --- limits --- */

START_TEST(negative_times_are_invalid) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timers[0], on_timer, -1, 0), -EINVAL);
    ck_assert_int_eq(eddy_timer_start(&timers[0], on_timer, 0, -1), -EINVAL);
    ck_assert_int_eq(eddy_timer_start(&timers[0], on_timer, INT64_MIN, 0), -EINVAL);
    ck_assert(!eddy_is_active(&timers[0].handle));
    start('a', 0);
    int64_t due_ns = eddy_timer_due_ns(&timers[0]);
    ck_assert_int_eq(eddy_timer_start(&timers[0], on_timer, 5, INT64_MIN), -EINVAL);
    ck_assert(eddy_is_active(&timers[0].handle));
    ck_assert_int_eq(eddy_timer_due_ns(&timers[0]), due_ns);
    run();
    trace_is("a");
    end();
}
END_TEST

/* Beyond the clock's range means never; the order among them and before them still holds. */
START_TEST(a_huge_delay_means_never) {
    begin();
    start('a', INT64_MAX);
    start('b', INT64_MAX - 1);
    start('c', INT64_MAX / 2);
    ck_assert_int_eq(eddy_timer_start(named('d'), on_timer, INT64_MAX, INT64_MAX), 0);
    start('e', 5 * EDDY_NS_PER_MS);
    for (char letter = 'a'; letter <= 'd'; letter++)
        ck_assert_int_gt(eddy_timer_due_ns(named(letter)), eddy_loop_now_ns(loop));
    bool fired = false;
    for (int i = 0; i < 5 && !fired; i++) {
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
        fired = calls == 1;
    }
    trace_is("e");
    end();
}
END_TEST

START_TEST(a_huge_period_fires_once_and_then_never) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timers[0], on_timer, 0, INT64_MAX), 0);
    start('b', EDDY_NS_PER_MS);
    for (int i = 0; i < 3; i++) turn();
    sleep_ns(EDDY_NS_PER_MS);
    turn();
    trace_is("ab");
    ck_assert_int_gt(eddy_timer_due_ns(&timers[0]), eddy_loop_now_ns(loop));
    end();
}
END_TEST

/* --- cost --- */

/* After the first start a timer needs no memory: not for moving, stopping or starting again. */
START_TEST(restarts_allocate_nothing) {
    struct test_memory memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    trace_clear();
    loop = test_loop_open_with((eddy_loop_config){.allocator = &allocator});
    for (int i = 0; i < 26; i++) {
        eddy_timer_init(&timers[i], loop);
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, EDDY_NS_PER_S, 0), 0);
    }
    unsigned long asked = memory.asked;
    memory.fail_in = 0;
    memory.fail_on = true;
    unsigned long long state = 5;
    for (int i = 0; i < 10000; i++) {
        eddy_timer *timer = &timers[random_below(&state, 26)];
        int64_t delay_ns = EDDY_NS_PER_S + (int64_t)random_below(&state, 1000000);
        if (random_below(&state, 10) == 0) eddy_timer_stop(timer);
        ck_assert_int_eq(eddy_timer_start(timer, on_timer, delay_ns, EDDY_NS_PER_S), 0);
        if (i % 100 == 0) turn();
    }
    ck_assert_uint_eq(memory.asked, asked);
    end();
}
END_TEST

/* Fifty timers are pushed away before they come up, as a busy connection's timeout is: the loop
 * must sleep over their old deadlines. */
START_TEST(deadlines_pushed_away_do_not_wake_the_loop) {
    begin();
    eddy_timer pushed[50];
    for (int i = 0; i < 50; i++) {
        eddy_timer_init(&pushed[i], loop);
        int64_t delay_ns = (i + 5) * EDDY_NS_PER_MS;
        ck_assert_int_eq(eddy_timer_start(&pushed[i], on_timer, delay_ns, 0), 0);
        eddy_unref(&pushed[i].handle);
    }
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(eddy_timer_start(&pushed[i], on_timer, 60 * EDDY_NS_PER_S, 0), 0);
    start('a', 80 * EDDY_NS_PER_MS);
    unsigned waits = test_metric_waits(loop);
    run();
    ck_assert_uint_eq(test_metric_waits(loop) - waits, 1);
    trace_is("a");
    for (int i = 0; i < 50; i++) eddy_timer_stop(&pushed[i]);
    end();
}
END_TEST

static eddy_timer many[4000];

static void start_burst(eddy_allocator *allocator, unsigned reserved) {
    loop = test_loop_open_with((eddy_loop_config){.allocator = allocator, .timers = reserved});
    for (int i = 0; i < 4000; i++) {
        eddy_timer_init(&many[i], loop);
        ck_assert_int_eq(eddy_timer_start(&many[i], on_timer, (i + 3600) * EDDY_NS_PER_S, 0), 0);
    }
}

static void stop_burst(int left) {
    for (int i = 4000 - 1; i >= left; i--) eddy_timer_stop(&many[i]);
    ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
}

/* Only when there have been few for a while; what is left moves, and fires in order. A library for
 * small systems keeps the room. */
START_TEST(memory_is_given_back_after_a_burst) {
    if (IS_SMALL) return;
    struct test_memory memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    trace_clear();
    start_burst(&allocator, 0);
    size_t most = memory.bytes;
    stop_burst(10);
    ck_assert_uint_eq(memory.bytes, most);
    sleep_ns(1100 * EDDY_NS_PER_MS);
    eddy_timer_init(&timers[0], loop);
    eddy_timer_init(&timers[1], loop);
    start('b', EDDY_NS_PER_MS);
    start('a', EDDY_NS_PER_MS);
    memory.fail_in = 0; /* nothing happens without the memory to move */
    eddy_timer_stop(&many[9]);
    ck_assert_uint_eq(memory.bytes, most);
    memory.fail_in = -1;
    for (int i = 8; i > 3; i--) eddy_timer_stop(&many[i]);
    sleep_ns(1100 * EDDY_NS_PER_MS);
    eddy_timer_stop(&many[3]);
    turn();
    trace_is("ba");
    ck_assert_uint_lt(memory.bytes, most / 2);
    ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
    for (int i = 0; i < 3; i++) eddy_timer_stop(&many[i]);
    test_loop_close(loop);
}
END_TEST

/* Without the clock's moving on, many come and go without a call of the allocator. */
START_TEST(a_burst_again_and_again_asks_for_no_memory) {
    struct test_memory memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    start_burst(&allocator, 0);
    unsigned long asked = memory.asked;
    for (int round = 0; round < 3; round++) {
        stop_burst(0);
        for (int i = 0; i < 4000; i++)
            ck_assert_int_eq(eddy_timer_start(&many[i], on_timer, 3600 * EDDY_NS_PER_S, 0), 0);
    }
    ck_assert_uint_eq(memory.asked, asked);
    stop_burst(0);
    test_loop_close(loop);
}
END_TEST

/* A hundred time-outs are pushed while the loop is busy, which does not look for the nearest of so
 * many then. Once it falls silent it wakes for nothing at most once, and then for the first. */
START_TEST(a_crowd_that_was_pushed_away_wakes_the_loop_once_at_most) {
    begin();
    eddy_timer crowd[100];
    eddy_io io;
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, on_ready, ends[0], EDDY_READ), 0);
    for (int i = 0; i < 100; i++) eddy_timer_init(&crowd[i], loop);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            int64_t delay_ns = 200 * EDDY_NS_PER_MS + i * EDDY_NS_PER_US;
            ck_assert_int_eq(eddy_timer_start(&crowd[i], on_timer, delay_ns, 0), 0);
        }
        turn();
        ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
    }
    int64_t due_ns = eddy_timer_due_ns(&crowd[0]);
    eddy_io_stop(&io);
    close_both(ends);
    unsigned waits = test_metric_waits(loop);
    while (calls == 0) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_int_ge(eddy_loop_now_ns(loop), due_ns);
    ck_assert_uint_le(test_metric_waits(loop) - waits, 2);
    for (int i = 0; i < 100; i++) eddy_timer_stop(&crowd[i]);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("timer");
    ck_add(suite, "order", timers_fire_in_order_of_deadline,
           timers_of_equal_deadline_fire_in_order_of_start,
           the_deadline_is_the_cached_time_and_the_delay, no_timer_fires_early);
    ck_add(suite, "repeat", repeats_keep_to_the_grid_of_the_first_deadline,
           missed_ticks_are_skipped, a_period_of_a_nanosecond_fires_once_a_turn,
           a_repeating_timer_may_become_another_one_in_its_callback,
           a_one_time_timer_is_stopped_when_its_callback_runs);
    ck_add(suite, "restart", a_restart_replaces_deadline_and_callback,
           a_timer_may_stop_any_other_in_its_callback,
           a_timer_restarted_in_the_phase_fires_in_a_later_turn,
           a_timer_may_start_many_in_its_callback, a_phase_calls_no_more_than_it_may);
    ck_add(suite, "limits", negative_times_are_invalid, a_huge_delay_means_never,
           a_huge_period_fires_once_and_then_never);
    ck_add(suite, "cost", restarts_allocate_nothing, deadlines_pushed_away_do_not_wake_the_loop,
           memory_is_given_back_after_a_burst, a_burst_again_and_again_asks_for_no_memory,
           a_crowd_that_was_pushed_away_wakes_the_loop_once_at_most);
    return suite;
}
