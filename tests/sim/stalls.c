/* stalls.c: a watchdog in the simulation, whose clock moves only where a thread sleeps: what is
 * told, when, and how long the thread sleeps in between, to the nanosecond. And under all weathers:
 * that the order of threads changes nothing in what is promised. */
#include "sim.h"
#include "suite.h"

#include <stdatomic.h>
#include <string.h>

enum { SEEDS = 300, TOLD_MAX = 32, MS = 1000000 };

static struct {
    eddy_loop *loop;
    eddy_watchdog watchdog;
    eddy_guard guard;
    eddy_timer timer;
    eddy_defer defer;
    int64_t sleeps_ns[4];
    unsigned calls, told, overs;
    eddy_stall stalls[TOLD_MAX], over;
    int64_t at_ns[TOLD_MAX];
} it;

static void on_stalled(const eddy_stall *stall, void *context) {
    (void)context;
    sim_progress();
    ck_assert_uint_lt(it.told, TOLD_MAX);
    it.at_ns[it.told] = sim_now_ns();
    it.stalls[it.told++] = *stall;
}

static void on_over(const eddy_stall *stall, void *context) {
    (void)context;
    it.over = *stall;
    it.overs++;
}

static void begin(uint64_t seed, const struct sim_weather *weather) {
    memset(&it, 0, sizeof it);
    sim_begin(seed, weather);
    sim_faults_off();
    ck_assert_int_eq(eddy_loop_open(&it.loop, NULL), 0);
    eddy_watchdog_config config = {
        .budget_ns = 1 * MS, .stalled = on_stalled, .over_budget = on_over};
    ck_assert_int_eq(eddy_watchdog_start(&it.watchdog, &config), 0);
    ck_assert_int_eq(eddy_guard_start(&it.guard, &it.watchdog, it.loop), 0);
    eddy_timer_init(&it.timer, it.loop);
    eddy_defer_init(&it.defer, it.loop);
}

static void end(void) {
    eddy_timer_stop(&it.timer);
    eddy_guard_stop(&it.guard);
    ck_assert_int_eq(eddy_watchdog_stop(&it.watchdog), 0);
    ck_assert_int_eq(eddy_loop_close(it.loop), 0);
    sim_faults_on();
    sim_end();
}

static void sleep_in_it(eddy_timer *timer) {
    (void)timer;
    sim_progress();
    sim_sleep(it.sleeps_ns[it.calls++]);
}

static void run(void) {
    ck_assert_int_eq(eddy_loop_run(it.loop, EDDY_RUN_DEFAULT), 0);
    sim_settle();
}

/* At 1, 2 and 4 ms, and the end. */
START_TEST(it_is_told_at_each_doubling_and_at_the_end) {
    begin(1, &sim_calm);
    it.sleeps_ns[0] = 5 * MS;
    ck_assert_int_eq(eddy_timer_start(&it.timer, sleep_in_it, 7 * MS, 0), 0);
    int64_t start_ns = sim_now_ns() + 7 * MS;
    run();
    static const int64_t after_ns[] = {1 * MS, 2 * MS, 4 * MS, 5 * MS};
    ck_assert_uint_eq(it.told, 4);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(it.stalls[i].start_ns, start_ns);
        ck_assert_int_eq(it.stalls[i].duration_ns, after_ns[i]);
        ck_assert_int_eq(it.at_ns[i], start_ns + after_ns[i]);
        ck_assert(it.stalls[i].is_over == (i == 3));
        ck_assert_ptr_eq(it.stalls[i].object, &it.timer);
    }
    ck_assert_uint_eq(it.overs, 1);
    ck_assert_int_eq(it.over.duration_ns, 5 * MS);
    end();
}
END_TEST

/* A budget is what may be taken: all but a nanosecond of it is nobody's business. */
START_TEST(the_budget_is_exact) {
    begin(1, &sim_calm);
    it.sleeps_ns[0] = 1 * MS - 1;
    it.sleeps_ns[1] = 1 * MS;
    ck_assert_int_eq(eddy_timer_start(&it.timer, sleep_in_it, 0, 0), 0);
    run();
    ck_assert_uint_eq(it.told + it.overs, 0);
    ck_assert_int_eq(eddy_timer_start(&it.timer, sleep_in_it, 0, 0), 0);
    run();
    ck_assert_uint_eq(it.overs, 1);
    ck_assert_int_eq(it.over.duration_ns, 1 * MS);
    end();
}
END_TEST

static void stop_after_three(eddy_timer *timer) {
    sim_progress();
    if (++it.calls == 3) eddy_timer_stop(timer);
}

/* For each of three callbacks that are far apart: woken, again a budget later, and once more to see
 * that it is quiet. */
START_TEST(a_sleeping_loop_is_not_looked_at) {
    begin(1, &sim_calm);
    sim_settle();
    unsigned before = atomic_load(&it.watchdog.looks);
    int64_t hour_ns = 3600 * EDDY_NS_PER_S;
    ck_assert_int_eq(eddy_timer_start(&it.timer, stop_after_three, hour_ns, hour_ns), 0);
    run();
    sim_sleep(hour_ns);
    ck_assert_uint_eq(it.calls, 3);
    ck_assert_uint_eq(atomic_load(&it.watchdog.looks) - before, 3 * 3);
    ck_assert_uint_eq(it.told, 0);
    end();
}
END_TEST

/* Busy with short callbacks it is looked at once a budget, whatever it does in between. */
static void every_10_us(eddy_timer *timer) {
    sim_progress();
    if (++it.calls == 1000) eddy_timer_stop(timer);
}

START_TEST(a_busy_loop_is_looked_at_once_a_budget) {
    begin(1, &sim_calm);
    sim_settle();
    unsigned before = atomic_load(&it.watchdog.looks);
    ck_assert_int_eq(eddy_timer_start(&it.timer, every_10_us, 10000, 10000), 0);
    run();
    sim_sleep(EDDY_NS_PER_S);
    ck_assert_uint_le(atomic_load(&it.watchdog.looks) - before, 10 + 3);
    ck_assert_uint_ge(atomic_load(&it.watchdog.looks) - before, 10);
    end();
}
END_TEST

static void hold(eddy_timer *timer) {
    (void)timer;
    sim_sleep(2 * MS + 500);
    eddy_guard_pause(&it.guard);
    sim_sleep(100 * MS);
    eddy_guard_resume(&it.guard);
    sim_sleep(1 * MS);
}

START_TEST(what_is_held_does_not_count) {
    begin(1, &sim_calm);
    ck_assert_int_eq(eddy_timer_start(&it.timer, hold, 0, 0), 0);
    run();
    ck_assert_uint_eq(it.told, 3); /* 1, 2 ms, and the end */
    ck_assert_int_eq(it.stalls[2].duration_ns, 3 * MS + 500);
    ck_assert_int_eq(it.over.duration_ns, 3 * MS + 500);
    end();
}
END_TEST

/* The next call, which begins before the watchdog could tell the end of the first, is another. */
START_TEST(stalls_in_a_row_are_told_apart) {
    begin(1, &sim_calm);
    for (int i = 0; i < 3; i++) it.sleeps_ns[i] = (i + 1) * MS + MS / 2;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(eddy_timer_start(&it.timer, sleep_in_it, 0, 0), 0);
        ck_assert_int_ge(eddy_loop_run(it.loop, EDDY_RUN_ONCE), 0);
    }
    sim_settle();
    ck_assert_uint_eq(it.overs, 3);
    unsigned ends = 0;
    for (unsigned i = 0; i < it.told; i++) {
        if (!it.stalls[i].is_over) continue;
        ck_assert_int_eq(it.stalls[i].duration_ns, it.sleeps_ns[ends]);
        ends++;
    }
    ck_assert_uint_eq(ends, 3);
    end();
}
END_TEST

/* Whatever order the threads take: who sleeps for a second is told of, with its true start, never
 * before a budget has passed, at least once while it lasts and once at the end. */
START_TEST(no_order_of_threads_loses_a_stall) {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed, NULL);
        it.sleeps_ns[0] = EDDY_NS_PER_S;
        ck_assert_int_eq(eddy_timer_start(&it.timer, sleep_in_it, sim_below(3 * MS), 0), 0);
        run();
        ck_assert_uint_eq(it.overs, 1);
        for (unsigned i = 0; i < it.told; i++) {
            ck_assert(it.stalls[i].is_over == (i == it.told - 1));
            ck_assert_int_ge(it.stalls[i].duration_ns,
                             (int64_t)(1 << i) * MS * !it.stalls[i].is_over);
            ck_assert_int_eq(it.stalls[i].start_ns, it.stalls[0].start_ns);
        }
        ck_assert_uint_ge(it.told, 2);
        ck_assert_int_ge(it.over.duration_ns, EDDY_NS_PER_S);
        ck_assert_int_eq(it.stalls[it.told - 1].duration_ns, it.over.duration_ns);
        end();
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("stalls");
    ck_add(suite, "exact", it_is_told_at_each_doubling_and_at_the_end, the_budget_is_exact,
           a_sleeping_loop_is_not_looked_at, a_busy_loop_is_looked_at_once_a_budget,
           what_is_held_does_not_count, stalls_in_a_row_are_told_apart);
    ck_add(suite, "orders", no_order_of_threads_loses_a_stall);
    return suite;
}
