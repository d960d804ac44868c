/* watchdog.c: a callback that takes too long is told of while it lasts, with what it is called for,
 * and once more when it is over; what does not, is not. */
#include "stalled.h"

static void on_io(eddy_io *it, unsigned events) {
    (void)events;
    eddy_io_stop(it);
    stand_still();
}

static void on_defer(eddy_defer *it) {
    (void)it;
    stand_still();
}

static void on_post(eddy_post *it) {
    (void)it;
    stand_still();
}

static void work(eddy_work *it) {
    (void)it;
}

static void on_work(eddy_work *it, int status) {
    (void)it;
    ck_assert_int_eq(status, 0);
    stand_still();
}

static void on_read(eddy_stream *it, void *data, ssize_t size) {
    (void)data;
    ck_assert_int_eq(size, 1);
    eddy_stream_read_stop(it);
    stand_still();
}

/* --- Who stalls --- */

START_TEST(a_timer_is_told_of_while_it_lasts) {
    eddy_label label;
    begin();
    eddy_label_init(&label, loop);
    ck_assert_int_eq(eddy_label_set(&label, &timer, "every now and then"), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)on_timer, "every now and then", 4);
    eddy_label_clear(&label);
    end();
}
END_TEST

START_TEST(a_watcher_is_told_of) {
    int ends[2];
    eddy_io io;
    begin();
    test_pipe(ends);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_IO, &io, (uintptr_t)on_io, "", 5);
    close_both(ends);
    end();
}
END_TEST

START_TEST(a_deferred_call_is_told_of) {
    eddy_defer defer;
    begin();
    eddy_defer_init(&defer, loop);
    ck_assert_int_eq(eddy_defer_start(&defer, on_defer), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_DEFER, &defer, (uintptr_t)on_defer, "", 7);
    end();
}
END_TEST

START_TEST(a_post_is_told_of) {
    eddy_post post;
    begin();
    eddy_loop_post(loop, &post, on_post);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_POST, &post, (uintptr_t)on_post, "", 6);
    end();
}
END_TEST

/* Not the post by which the pool has told of it. */
START_TEST(a_completion_is_told_of_by_its_own_name) {
    eddy_label label;
    eddy_work job;
    begin();
    eddy_label_init(&label, loop);
    ck_assert_int_eq(eddy_label_set(&label, &job, "thumbnail"), 0);
    ck_assert_int_eq(eddy_work_submit(loop, &job, EDDY_LANE_CPU, work, on_work), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_WORK, &job, (uintptr_t)on_work, "thumbnail", 6);
    eddy_label_clear(&label);
    end();
}
END_TEST

/* Not the library's function that reads. */
START_TEST(a_streams_callback_is_told_of_by_its_own_name) {
    int ends[2];
    eddy_stream stream;
    eddy_label label;
    begin();
    test_socket_pair(ends);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    eddy_stream_init(&stream, loop);
    eddy_label_init(&label, loop);
    ck_assert_int_eq(eddy_label_set(&label, &stream, "client 17"), 0);
    ck_assert_int_eq(eddy_stream_attach(&stream, ends[0]), 0);
    ck_assert_int_eq(eddy_stream_read_start(&stream, on_read), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_STREAM, &stream, (uintptr_t)on_read, "client 17", -1);
    eddy_label_clear(&label);
    eddy_stream_close(&stream, NULL);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    close(ends[1]);
    end();
}
END_TEST

/* --- When, and how often --- */

static int64_t slept_ns;

static void sleep_a_second(eddy_timer *it) {
    (void)it;
    struct timespec second = {.tv_sec = 1};
    began_ns = test_now_ns();
    while (nanosleep(&second, &second) < 0) continue; /* signals */
    ended_ns = test_now_ns();
    slept_ns = ended_ns - began_ns;
    done = true;
}

/* 100 ms, 200, 400, 800, and the end; on a machine that is very busy some of them in one. */
START_TEST(a_second_is_told_of_at_each_doubling_and_measured) {
    begin_with((eddy_watchdog_config){.budget_ns = 100 * EDDY_NS_PER_MS, .stalled = on_stalled});
    ck_assert_int_eq(eddy_timer_start(&timer, sleep_a_second, 0, 0), 0);
    test_turn_until(loop, &done);
    int64_t after_ns = test_now_ns();
    while (!lasting[atomic_load(&lasting_count) - 1].stall.is_over) nap();
    int count = atomic_load(&lasting_count);
    ck_assert_int_ge(count, 2);
    ck_assert_int_le(count, 1 + 4 + (slept_ns > 1600 * EDDY_NS_PER_MS) * 8);
    int64_t least_ns = 100 * EDDY_NS_PER_MS;
    for (int i = 0; i < count - 1; i++) {
        ck_assert_int_ge(lasting[i].stall.duration_ns, least_ns);
        ck_assert_int_le(lasting[i].stall.duration_ns, after_ns - lasting[i].stall.start_ns);
        ck_assert(!lasting[i].stall.is_over);
        while (least_ns <= lasting[i].stall.duration_ns) least_ns *= 2;
    }
    ck_assert_int_ge(lasting[count - 1].stall.duration_ns, slept_ns);
    ck_assert_int_le(lasting[count - 1].stall.duration_ns, after_ns - lasting[0].stall.start_ns);
    ck_assert_int_eq(over_count, 0);
    end();
}
END_TEST

static void on_tick(eddy_timer *it) {
    if (++ticks == 20) eddy_timer_stop(it);
    done = ticks == 20;
}

START_TEST(what_is_within_its_budget_is_not_told_of) {
    ticks = 0;
    begin_with((eddy_watchdog_config){
        .budget_ns = 20 * EDDY_NS_PER_S, .stalled = on_stalled, .over_budget = on_over});
    ck_assert_int_eq(eddy_timer_start(&timer, on_tick, 0, EDDY_NS_PER_MS), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(atomic_load(&lasting_count), 0);
    ck_assert_int_eq(over_count, 0);
    end();
}
END_TEST

/* The wait is no callback, however long it is. And who sleeps is not looked at: the thread wakes up
 * a few times after what was called last, and not for each budget that passes. */
START_TEST(while_the_loop_sleeps_the_watchdog_does) {
    begin_with((eddy_watchdog_config){.budget_ns = EDDY_NS_PER_MS, .stalled = on_stalled});
    for (int round = 0; round < 3; round++) {
        unsigned before = atomic_load(&watchdog.looks);
        unsigned waits = test_metric_waits(loop);
        test_turn_for(loop, 100 * EDDY_NS_PER_MS);
        waits = test_metric_waits(loop) - waits;
        ck_assert_uint_le(atomic_load(&watchdog.looks) - before, 10 * waits);
        ck_assert_uint_le(waits, 3);
    }
    end();
}
END_TEST

static void hold(eddy_timer *it) {
    (void)it;
    eddy_guard_pause(&guard);
    eddy_guard_pause(&guard);
    sleep_ns(5 * budget_ns);
    eddy_guard_resume(&guard);
    sleep_ns(5 * budget_ns);
    eddy_guard_resume(&guard);
    began_ns = test_now_ns();
    ck_assert_int_eq(atomic_load(&lasting_count), 0);
    await(2);
    ended_ns = test_now_ns();
    done = true;
}

static void start_anew_while_held(eddy_timer *it) {
    (void)it;
    eddy_guard_pause(&guard);
    eddy_guard_stop(&guard);
    ck_assert_int_eq(eddy_guard_start(&guard, &watchdog, loop), 0);
    eddy_guard_resume(&guard);
    done = true;
}

START_TEST(a_guard_that_is_started_anew_is_not_held) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timer, start_anew_while_held, 0, 0), 0);
    test_turn_until(loop, &done);
    done = false;
    ck_assert_int_eq(eddy_timer_start(&timer, hold, 0, 0), 0);
    test_turn_until(loop, &done);
    end();
}
END_TEST

START_TEST(what_is_held_on_purpose_does_not_count) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timer, hold, 0, 0), 0);
    int64_t before_ns = test_now_ns();
    test_turn_until(loop, &done);
    int64_t most_ns = test_now_ns() - before_ns - 10 * budget_ns;
    await(3);
    ck_assert_int_ge(lasting[2].stall.duration_ns, ended_ns - began_ns);
    ck_assert_int_le(lasting[2].stall.duration_ns, most_ns);
    ck_assert_int_le(over[0].stall.duration_ns, most_ns);
    end();
}
END_TEST

/* Each of them, after the fact, by the loop's own thread. */
START_TEST(a_budget_needs_no_thread) {
    ticks = 0;
    begin_with((eddy_watchdog_config){.over_budget = on_over});
    ck_assert_int_eq(eddy_timer_start(&timer, compute, 0, 1), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(over_count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ge(over[i].stall.duration_ns, budget_ns);
        ck_assert_uint_eq(over[i].stall.function, (uintptr_t)compute);
        ck_assert_int_eq(over[i].stall.phase, 4);
        ck_assert(over[i].stall.is_over && over[i].is_here);
    }
    end();
}
END_TEST

static void on_over_stop(const eddy_stall *stall, void *context) {
    on_over(stall, context);
    if (is_ours(stall)) return;
    eddy_guard_stop(&guard);
    memset(&guard, 0, sizeof guard);
}

START_TEST(who_is_told_may_stop_the_guard) {
    ticks = 0;
    begin_with((eddy_watchdog_config){.over_budget = on_over_stop});
    ck_assert_int_eq(eddy_timer_start(&timer, compute, 0, 1), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(over_count, 1);
    end();
}
END_TEST

static void say_and_stall(eddy_timer *it) {
    eddy_guard_label(&guard, "GET /a/path/that/is/longer/than/a/label/has/room/for");
    on_timer(it);
}

START_TEST(a_callback_says_itself_what_it_is_about) {
    begin();
    eddy_guard_label(&guard, "nothing is called");
    ck_assert_int_eq(eddy_timer_start(&timer, say_and_stall, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)say_and_stall,
           "GET /a/path/that/is/longer/than/a/label/has/roo", 4);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("watchdog");
    ck_add(suite, "who", a_timer_is_told_of_while_it_lasts, a_watcher_is_told_of,
           a_deferred_call_is_told_of, a_post_is_told_of, a_completion_is_told_of_by_its_own_name,
           a_streams_callback_is_told_of_by_its_own_name);
    ck_add(suite, "when", a_second_is_told_of_at_each_doubling_and_measured,
           what_is_within_its_budget_is_not_told_of, while_the_loop_sleeps_the_watchdog_does,
           a_guard_that_is_started_anew_is_not_held, what_is_held_on_purpose_does_not_count,
           a_budget_needs_no_thread, who_is_told_may_stop_the_guard,
           a_callback_says_itself_what_it_is_about);
    return suite;
}
