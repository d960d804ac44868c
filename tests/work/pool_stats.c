/* pool_stats.c: how long the jobs of each lane wait and run. */
#include "jobs.h"

#include <eddy/stats.h>

#define HELD_NS (20 * EDDY_NS_PER_MS)

static eddy_pool_stats stats, figures;

static eddy_pool *measured_pool(unsigned threads) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = threads});
    ck_assert_int_eq(eddy_pool_stats_start(pool, &stats), 0);
    return pool;
}

static const eddy_lane_stats *lane_of(eddy_pool *pool, eddy_lane lane) {
    ck_assert_int_eq(eddy_pool_read_stats(pool, &figures, sizeof figures), 0);
    return &figures.lanes[lane];
}

static void close_pool(eddy_loop *loop, eddy_pool *pool) {
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}

/* --- Figures --- */

START_TEST(each_lane_has_its_own) {
    static const unsigned counts[EDDY_LANES] = {
        [EDDY_LANE_FILE] = 3, [EDDY_LANE_LOOKUP] = 1, [EDDY_LANE_CPU] = 2};
    eddy_pool *pool = measured_pool(2);
    eddy_loop *loop = loop_with(pool);
    struct job jobs[6] = {0};
    int submitted = 0;
    for (int lane = 0; lane < EDDY_LANES; lane++)
        for (unsigned i = 0; i < counts[lane]; i++)
            job_submit(loop, &jobs[submitted++], (eddy_lane)lane);
    run_out(loop);
    for (int lane = 0; lane < EDDY_LANES; lane++) {
        const eddy_lane_stats *it = lane_of(pool, (eddy_lane)lane);
        ck_assert_uint_eq(it->wait.count, counts[lane]);
        ck_assert_uint_eq(it->run.count, counts[lane]);
    }
    close_pool(loop, pool);
}
END_TEST

/* One thread: what waits behind a job that is held up waits for as long, and only that one runs so
 * long. No time is longer than all of it took. */
START_TEST(times_are_those_of_each_job) {
    struct gate gate = GATE_CLOSED;
    struct job held = {.gate = &gate}, behind = {0};
    eddy_pool *pool = measured_pool(1);
    eddy_loop *loop = loop_with(pool);
    int64_t begin_ns = test_now_ns();
    job_submit(loop, &held, EDDY_LANE_CPU);
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 1), 1);
    int64_t until_held_ns = test_now_ns() - begin_ns;
    job_submit(loop, &behind, EDDY_LANE_FILE);
    hand_over(loop);
    sleep_ns(HELD_NS);
    int64_t free_ns = test_now_ns();
    gate_set(&gate, true);
    run_out(loop);
    int64_t all_ns = test_now_ns() - begin_ns, after_ns = test_now_ns() - free_ns;

    const eddy_lane_stats *cpu = lane_of(pool, EDDY_LANE_CPU);
    ck_assert_int_ge(cpu->run.min_ns, HELD_NS);
    ck_assert_int_le(cpu->run.max_ns, all_ns);
    ck_assert_int_le(cpu->wait.max_ns, until_held_ns);
    const eddy_lane_stats *file = lane_of(pool, EDDY_LANE_FILE);
    ck_assert_int_ge(file->wait.min_ns, HELD_NS);
    ck_assert_int_le(file->wait.max_ns, all_ns);
    ck_assert_int_le(file->run.max_ns, after_ns);
    close_pool(loop, pool);
}
END_TEST

/* The worker's own clock is left alone by jobs that are short: each of these is measured anew. */
START_TEST(short_jobs_are_measured_one_by_one) {
    enum { COUNT = 64 };
    static struct job jobs[COUNT];
    eddy_pool *pool = measured_pool(1);
    eddy_loop *loop = loop_with(pool);
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < COUNT; i++) job_submit(loop, &jobs[i], EDDY_LANE_CPU);
    run_out(loop);
    const eddy_lane_stats *cpu = lane_of(pool, EDDY_LANE_CPU);
    ck_assert_uint_eq(cpu->run.count, COUNT);
    ck_assert_int_gt(cpu->run.min_ns, 0); /* the clock has gone on between its two looks */
    close_pool(loop, pool);
}
END_TEST

START_TEST(what_is_cancelled_is_not_measured) {
    struct gate gate = GATE_CLOSED;
    struct job held = {.gate = &gate}, cancelled = {0};
    eddy_pool *pool = measured_pool(1);
    eddy_loop *loop = loop_with(pool);
    job_submit(loop, &held, EDDY_LANE_CPU);
    job_submit(loop, &cancelled, EDDY_LANE_CPU);
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 1), 1);
    ck_assert_int_eq(eddy_work_cancel(&cancelled.work), 0);
    gate_set(&gate, true);
    run_out(loop);
    ck_assert_int_eq(cancelled.status, -ECANCELED);
    ck_assert_uint_eq(lane_of(pool, EDDY_LANE_CPU)->run.count, 1);
    close_pool(loop, pool);
}
END_TEST

START_TEST(jobs_of_a_queue_are_of_its_lane) {
    eddy_queue queue;
    struct job job = {0};
    eddy_pool *pool = measured_pool(2);
    eddy_loop *loop = loop_with(pool);
    eddy_queue_init(&queue, loop, EDDY_LANE_LOOKUP);
    ck_assert_int_eq(eddy_queue_submit(&queue, &job.work, job_run, job_done), 0);
    run_out(loop);
    ck_assert_uint_eq(lane_of(pool, EDDY_LANE_LOOKUP)->run.count, 1);
    ck_assert_uint_eq(lane_of(pool, EDDY_LANE_FILE)->run.count, 0);
    close_pool(loop, pool);
}
END_TEST

/* --- Start and stop --- */

START_TEST(a_pool_is_measured_once_at_a_time) {
    static eddy_pool_stats other;
    eddy_pool *pool = pool_open((eddy_pool_config){0});
    ck_assert_int_eq(eddy_pool_read_stats(pool, &figures, sizeof figures), -ENOENT);
    eddy_pool_stats_stop(pool);
    ck_assert_int_eq(eddy_pool_stats_start(pool, &stats), 0);
    ck_assert_int_eq(eddy_pool_stats_start(pool, &other), -EBUSY);
    eddy_pool_stats_stop(pool);
    ck_assert_int_eq(eddy_pool_stats_start(pool, &other), 0);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* It is the caller's again, also for the job that was under way; and a new one begins at nothing.
 */
START_TEST(what_was_stopped_is_left_alone) {
    static eddy_pool_stats before;
    struct gate gate = GATE_CLOSED;
    struct job held = {.gate = &gate}, later = {0};
    eddy_pool *pool = measured_pool(1);
    eddy_loop *loop = loop_with(pool);
    job_submit(loop, &held, EDDY_LANE_CPU);
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 1), 1);
    eddy_pool_stats_stop(pool);
    memset(&stats, 0xA5, sizeof stats);
    before = stats;
    gate_set(&gate, true);
    run_out(loop);
    job_submit(loop, &later, EDDY_LANE_CPU);
    run_out(loop);
    ck_assert_int_eq(memcmp(&stats, &before, sizeof stats), 0);
    ck_assert_int_eq(eddy_pool_stats_start(pool, &stats), 0);
    ck_assert_uint_eq(lane_of(pool, EDDY_LANE_CPU)->run.count, 0);
    close_pool(loop, pool);
}
END_TEST

/* A caller that was built for less gets what it knows, and one for more zeros. */
START_TEST(the_callers_size_counts) {
    static struct {
        eddy_pool_stats known;
        uint64_t more[4];
    } larger;
    uint64_t count[2] = {7, 7};
    struct job job = {0};
    eddy_pool *pool = measured_pool(1);
    eddy_loop *loop = loop_with(pool);
    job_submit(loop, &job, EDDY_LANE_FILE);
    run_out(loop);
    ck_assert_int_eq(eddy_pool_read_stats(pool, (eddy_pool_stats *)(void *)count, sizeof *count),
                     0);
    ck_assert_uint_eq(count[0], 1);
    ck_assert_uint_eq(count[1], 7);
    memset(&larger, 0xFF, sizeof larger);
    ck_assert_int_eq(eddy_pool_read_stats(pool, &larger.known, sizeof larger), 0);
    ck_assert_uint_eq(larger.known.lanes[EDDY_LANE_FILE].run.count, 1);
    for (int i = 0; i < 4; i++) ck_assert_uint_eq(larger.more[i], 0);
    close_pool(loop, pool);
}
END_TEST

START_TEST(in_a_forked_child_it_is_the_parents) {
    eddy_pool *pool = measured_pool(1);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        child_assert(eddy_pool_stats_start(pool, &stats) == -ECHILD);
        child_assert(eddy_pool_read_stats(pool, &figures, sizeof figures) == -ECHILD);
        eddy_pool_stats_stop(pool);
        child_assert(eddy_pool_close(pool) == 0);
        _exit(0);
    }
    child_is_content(child);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("pool_stats");
    ck_add(suite, "figures", each_lane_has_its_own, times_are_those_of_each_job,
           short_jobs_are_measured_one_by_one, what_is_cancelled_is_not_measured,
           jobs_of_a_queue_are_of_its_lane);
    ck_add(suite, "start", a_pool_is_measured_once_at_a_time, what_was_stopped_is_left_alone,
           the_callers_size_counts, in_a_forked_child_it_is_the_parents);
    return suite;
}
