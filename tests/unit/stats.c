/* stats.c: what the figures of a loop are made of, told by hand so that each number is known: a
 * loop that does not run, and its observer. */
#include "suite.h"

#include <eddy/stats.h>
#include <stdio.h>
#include <string.h>

#include "src/core/loop.h"
#include "src/core/observe.h"

static eddy_stats stats;
static eddy_loop_stats figures;
static eddy_loop *loop;
static struct observer *observer;

static void open_measured(void) {
    loop = NULL;
    ck_assert_int_eq(eddy_loop_open(&loop, NULL), 0);
    ck_assert_int_eq(eddy_stats_start(&stats, loop), 0);
    observer = loop->observers;
}

static void read_figures(void) {
    ck_assert_int_eq(eddy_loop_read_stats(loop, &figures, sizeof figures), 0);
}

static void close_measured(void) {
    eddy_stats_stop(&stats);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
}

static void call(const void *object, int64_t began_ns, int64_t taken_ns) {
    observer->call(observer, EDDY_KIND_TIMER, object, 0xF00, began_ns);
    observer->returned(observer, began_ns + taken_ns);
}

/* Exact: one time that is alone is told as it was. */
static void check_one(const eddy_histogram *histogram, int64_t time_ns) {
    ck_assert_uint_eq(histogram->count, 1);
    ck_assert_int_eq(histogram->max_ns, time_ns);
    ck_assert_uint_eq(histogram->sum_ns, (uint64_t)time_ns);
}

/* --- Turns --- */

/* Lag is what comes after the wait; the hooks before it are between turns. */
START_TEST(each_phase_has_its_time) {
    open_measured();
    observer->phase(observer, 1, 100);
    observer->phase(observer, 2, 110);
    observer->waited(observer, 1, 1110);
    observer->phase(observer, 4, 1113);
    observer->phase(observer, 5, 1120);
    observer->phase(observer, 6, 1220);
    observer->phase(observer, 7, 1235);
    observer->phase(observer, 8, 1265);
    read_figures();
    ck_assert_uint_eq(figures.lag.count, 0); /* nor a turn, nor its last phase */
    ck_assert_uint_eq(figures.phases[8].count, 0);
    observer->phase(observer, 0, 1270);
    observer->phase(observer, 1, 1670);
    read_figures();
    check_one(&figures.lag, 160);
    ck_assert_uint_eq(figures.turns, 1);
    static const int64_t times[EDDY_STATS_PHASES] = {400, 10, 1000, 3, 7, 100, 15, 30, 5};
    for (int i = 0; i < EDDY_STATS_PHASES; i++) check_one(&figures.phases[i], times[i]);
    close_measured();
}
END_TEST

/* A turn may go without a wait, and a run begin or end anywhere. */
START_TEST(a_turn_without_a_wait_lags_from_its_first_phase) {
    open_measured();
    observer->phase(observer, 0, 50); /* the end of a turn that was begun before the start */
    read_figures();
    ck_assert_uint_eq(figures.turns, 0);
    observer->phase(observer, 6, 70);
    observer->phase(observer, 0, 90);
    read_figures();
    check_one(&figures.lag, 20);
    close_measured();
}
END_TEST

/* --- Callbacks --- */

START_TEST(the_slowest_come_first) {
    static char objects[20];
    open_measured();
    observer->phase(observer, 5, 0);
    for (int i = 0; i < 20; i++) call(&objects[i], 100 * i, i * 7 % 20);
    read_figures();
    ck_assert_uint_eq(figures.calls.count, 20);
    ck_assert_uint_eq(figures.calls.sum_ns, 190);
    ck_assert_uint_eq(figures.slow_count, EDDY_STATS_SLOWEST);
    for (int i = 0; i < EDDY_STATS_SLOWEST; i++) {
        const eddy_slow_call *it = &figures.slowest[i];
        int number = (int)(it->began_ns / 100);
        ck_assert_int_eq(it->taken_ns, 19 - i);
        ck_assert_int_eq(number * 7 % 20, 19 - i);
        ck_assert_uint_eq(it->object, (uintptr_t)&objects[number]);
        ck_assert_uint_eq(it->fn, 0xF00);
        ck_assert_uint_eq(it->kind, EDDY_KIND_TIMER);
        ck_assert_uint_eq(it->phase, 5);
        ck_assert_str_eq(it->label, "");
    }
    eddy_loop_reset_slowest(loop);
    call(&objects[0], 3000, 1);
    read_figures();
    ck_assert_uint_eq(figures.slow_count, 1);
    ck_assert_int_eq(figures.slowest[0].taken_ns, 1);
    ck_assert_uint_eq(figures.calls.count, 21); /* histograms go on */
    close_measured();
}
END_TEST

/* The label is the one of that moment, whatever becomes of it during the call. */
START_TEST(a_label_is_copied_before_the_call) {
    static char long_text[100], text[] = "client 7";
    eddy_label label;
    int object = 0;
    open_measured();
    eddy_label_init(&label, loop);
    ck_assert_int_eq(eddy_label_set(&label, &object, text), 0);
    observer->call(observer, EDDY_KIND_STREAM, &object, 1, 10);
    eddy_label_clear(&label);
    memset(text, '?', sizeof text);
    observer->returned(observer, 30);
    read_figures();
    ck_assert_str_eq(figures.slowest[0].label, "client 7");

    memset(long_text, 'x', sizeof long_text - 1);
    ck_assert_int_eq(eddy_label_set(&label, &object, long_text), 0);
    call(&object, 50, 40);
    eddy_label_clear(&label);
    call(&object, 100, 60);
    read_figures();
    ck_assert_str_eq(figures.slowest[0].label, "");
    ck_assert_uint_eq(strlen(figures.slowest[1].label), EDDY_STATS_LABEL_BYTES - 1);
    close_measured();
}
END_TEST

/* One that was under way at the start has no beginning. */
START_TEST(half_a_callback_is_not_measured) {
    open_measured();
    observer->returned(observer, 30);
    read_figures();
    ck_assert_uint_eq(figures.calls.count, 0);
    observer->phase(observer, 5, 0);
    observer->call(observer, EDDY_KIND_IO, NULL, 1, 10);
    observer->after_fork(observer);
    observer->returned(observer, 30); /* nor, in a child, one whose beginning was the parent's */
    observer->phase(observer, 0, 40);
    read_figures();
    ck_assert_uint_eq(figures.calls.count, 0);
    ck_assert_uint_eq(figures.phases[5].count, 0);
    ck_assert_uint_eq(figures.lag.count, 0);
    close_measured();
}
END_TEST

START_TEST(timers_tell_how_late_they_are) {
    open_measured();
    observer->timer(observer, 12345);
    read_figures();
    check_one(&figures.late, 12345);
    close_measured();
}
END_TEST

/* --- Reading --- */

START_TEST(the_callers_size_counts) {
    static struct {
        eddy_loop_stats known;
        char more[100];
    } larger;
    int64_t times[3] = {7, 7, 7};
    open_measured();
    observer->phase(observer, 3, 0);
    observer->phase(observer, 0, 40);
    memset(&larger, 0xFF, sizeof larger);
    ck_assert_int_eq(eddy_loop_read_stats(loop, &larger.known, sizeof larger), 0);
    check_one(&larger.known.lag, 40);
    for (size_t i = 0; i < sizeof larger.more; i++) ck_assert_int_eq(larger.more[i], 0);
    int64_t before_ns = test_now_ns();
    ck_assert_int_eq(
        eddy_loop_read_stats(loop, (eddy_loop_stats *)(void *)times, 2 * sizeof *times), 0);
    ck_assert_int_le(times[0], before_ns);
    ck_assert_int_ge(times[1], before_ns);
    ck_assert_int_eq(times[2], 7);
    close_measured();
}
END_TEST

START_TEST(a_loop_is_measured_once_at_a_time) {
    static eddy_stats other;
    eddy_loop *another;
    open_measured();
    ck_assert_int_eq(eddy_loop_open(&another, NULL), 0);
    ck_assert_int_eq(eddy_stats_start(&stats, another), -EBUSY); /* nor two by one */
    ck_assert_int_eq(eddy_loop_close(another), 0);
    observer->timer(observer, 5);
    ck_assert_int_eq(eddy_stats_start(&other, loop), -EBUSY);
    eddy_stats_stop(&other); /* which is not started */
    read_figures();
    ck_assert_uint_eq(figures.late.count, 1);
    eddy_stats_stop(&stats);
    eddy_stats_stop(&stats);
    ck_assert_int_eq(eddy_loop_read_stats(loop, &figures, sizeof figures), -ENOENT);
    eddy_loop_reset_slowest(loop);
    ck_assert_int_eq(eddy_stats_start(&stats, loop), 0);
    read_figures();
    ck_assert_uint_eq(figures.late.count, 0);
    close_measured();
}
END_TEST

/* Each turn has the next one at hand: the backend is looked at, and nobody sleeps. */

static int turns_left;

static void on_turn(eddy_defer *defer) {
    if (--turns_left > 0) ck_assert_int_eq(eddy_defer_start(defer, on_turn), 0);
}

START_TEST(a_look_is_no_sleep) {
    eddy_defer defer;
    open_measured();
    eddy_defer_init(&defer, loop);
    turns_left = 50;
    ck_assert_int_eq(eddy_defer_start(&defer, on_turn), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    read_figures();
    ck_assert_uint_eq(figures.turns, 50);
    ck_assert_uint_eq(figures.phases[2].count, 0);
    ck_assert_uint_ge(figures.phases[1].count, 50);
    close_measured();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("stats");
    ck_add(suite, "turns", each_phase_has_its_time, a_turn_without_a_wait_lags_from_its_first_phase,
           a_look_is_no_sleep);
    ck_add(suite, "calls", the_slowest_come_first, a_label_is_copied_before_the_call,
           half_a_callback_is_not_measured, timers_tell_how_late_they_are);
    ck_add(suite, "reading", the_callers_size_counts, a_loop_is_measured_once_at_a_time);
    return suite;
}
