/* stats.c: the figures of a loop and a pool on a clock that goes on only where somebody sleeps:
 * each of them is exact. */
#include "sim.h"
#include "suite.h"

#include <eddy/stats.h>

#define MS EDDY_NS_PER_MS

static eddy_stats stats;
static eddy_loop_stats figures;
static eddy_pool_stats pool_stats, jobs;

static void check_times(const eddy_histogram *histogram, uint64_t count, int64_t max_ns,
                        int64_t sum_ns) {
    ck_assert_uint_eq(histogram->count, count);
    ck_assert_int_eq(histogram->max_ns, max_ns);
    ck_assert_int_eq((int64_t)histogram->sum_ns, sum_ns);
}

/* --- A loop --- */

static void on_timer(eddy_timer *timer) {
    (void)timer;
    sim_progress();
}

static void take_5_ms(eddy_defer *defer) {
    (void)defer;
    sim_progress();
    sim_sleep(5 * MS);
}

/* The first turn takes 5 ms, so that the timer which is due after one is called after five; then
 * the loop sleeps until 20. */
START_TEST(a_loops_figures_are_exact) {
    eddy_loop *loop;
    eddy_timer timers[2];
    eddy_defer slow;
    eddy_label label;
    sim_begin(1, &sim_calm);
    ck_assert_int_eq(eddy_loop_open(&loop, NULL), 0);
    ck_assert_int_eq(eddy_stats_start(&stats, loop), 0);
    eddy_label_init(&label, loop);
    ck_assert_int_eq(eddy_label_set(&label, &slow, "report"), 0);
    eddy_defer_init(&slow, loop);
    ck_assert_int_eq(eddy_defer_start(&slow, take_5_ms), 0);
    for (int i = 0; i < 2; i++) {
        eddy_timer_init(&timers[i], loop);
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, i == 0 ? MS : 20 * MS, 0), 0);
    }
    int64_t begin_ns = sim_now_ns();
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(sim_now_ns() - begin_ns, 20 * MS);

    ck_assert_int_eq(eddy_loop_read_stats(loop, &figures, sizeof figures), 0);
    ck_assert_int_eq(figures.now_ns - figures.since_ns, 20 * MS);
    ck_assert_uint_eq(figures.turns, 3);
    check_times(&figures.lag, 3, 5 * MS, 5 * MS);
    check_times(&figures.calls, 3, 5 * MS, 5 * MS);
    check_times(&figures.late, 2, 4 * MS, 4 * MS);
    check_times(&figures.phases[7], 1, 5 * MS, 5 * MS);
    check_times(&figures.phases[4], 2, 0, 0);
    ck_assert_int_eq(figures.phases[2].max_ns, 15 * MS);
    ck_assert_int_eq((int64_t)figures.phases[2].sum_ns, 15 * MS);
    const eddy_slow_call *it = &figures.slowest[0];
    ck_assert_int_eq(it->taken_ns, 5 * MS);
    ck_assert_int_eq(it->began_ns, begin_ns);
    ck_assert_uint_eq(it->kind, EDDY_KIND_DEFER);
    ck_assert_uint_eq(it->phase, 7);
    ck_assert_str_eq(it->label, "report");
    eddy_label_clear(&label);
    eddy_stats_stop(&stats);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
    sim_end();
}
END_TEST

/* --- A pool --- */

static void run_3_ms(eddy_work *work) {
    (void)work;
    sim_sleep(3 * MS);
}

static void on_done(eddy_work *work, int status) {
    (void)work;
    ck_assert_int_eq(status, 0);
    sim_progress();
}

/* One thread: each job waits for those before it. */
START_TEST(a_pools_figures_are_exact) {
    eddy_loop *loop;
    eddy_pool *pool;
    eddy_work work[4];
    sim_begin(1, &sim_calm);
    ck_assert_int_eq(eddy_pool_open(&pool, &(eddy_pool_config){.threads = 1}), 0);
    ck_assert_int_eq(eddy_loop_open(&loop, &(eddy_loop_config){.pool = pool}), 0);
    ck_assert_int_eq(eddy_pool_stats_start(pool, &pool_stats), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(eddy_work_submit(loop, &work[i], EDDY_LANE_CPU, run_3_ms, on_done), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(eddy_pool_read_stats(pool, &jobs, sizeof jobs), 0);
    check_times(&jobs.lanes[EDDY_LANE_CPU].run, 4, 3 * MS, 12 * MS);
    check_times(&jobs.lanes[EDDY_LANE_CPU].wait, 4, 9 * MS, 18 * MS);
    ck_assert_uint_eq(jobs.lanes[EDDY_LANE_FILE].run.count, 0);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
    sim_end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("sim stats");
    ck_add(suite, "figures", a_loops_figures_are_exact, a_pools_figures_are_exact);
    return suite;
}
