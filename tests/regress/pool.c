/* pool.c: traps that other pools of threads have fallen into. One test looks into the loop, for its
 * pipe. */
#include "../work/jobs.h"

#include "../../src/core/loop.h"

#include <sys/ioctl.h>

/* joyent#628: the worker looked at a job that it had published, and that was free by then. Here
 * each job is overwritten and freed in its callback, as soon as the loop can. */
static int storm_left;
static eddy_loop *storm_loop;

static void storm_submit(void);

static void free_at_once(eddy_work *work, int status) {
    struct job *job = eddy_container_of(work, struct job, work);
    (void)status;
    memset(job, 0xdd, sizeof *job);
    free(job);
    if (storm_left > 0) storm_submit();
}

static void storm_submit(void) {
    struct job *job = calloc(1, sizeof *job);
    ck_assert_ptr_nonnull(job);
    storm_left--;
    eddy_lane lane = (eddy_lane)(storm_left % EDDY_LANES);
    ck_assert_int_eq(eddy_work_submit(storm_loop, &job->work, lane, job_run, free_at_once), 0);
}

START_TEST(a_published_job_is_not_touched) {
    storm_loop = test_loop_open();
    storm_left = 20000;
    for (int i = 0; i < 50; i++) storm_submit();
    run_out(storm_loop);
    test_loop_close(storm_loop);
}
END_TEST

/* The same for the loop: it is closed right after the last callback, while the worker that
 * published may still be writing its byte. */
START_TEST(a_closed_loop_is_not_touched) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 3});
    for (int round = 0; round < 300; round++) {
        eddy_loop *loop;
        eddy_loop_config config = {.backend = test_backend, .pool = pool};
        ck_assert_int_eq(eddy_loop_open(&loop, &config), 0);
        struct job jobs[3] = {{.ran = 0}};
        for (int i = 0; i < 3; i++) job_submit(loop, &jobs[i], EDDY_LANE_FILE);
        run_out(loop);
        ck_assert_int_eq(eddy_loop_close(loop), 0);
    }
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* libuv#78: the pipe is full. The list is the truth: no completion is lost, no worker waits. */
START_TEST(a_full_pipe_loses_no_completion) {
    eddy_loop *loop = test_loop_open();
    static char bytes[65536];
    while (!loop->wakeup.is_edge && write(loop->wakeup.ends[1], bytes, sizeof bytes) > 0) continue;
    while (!loop->wakeup.is_edge && write(loop->wakeup.ends[1], bytes, 1) > 0) continue;
    struct job jobs[40];
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < 40; i++) job_submit(loop, &jobs[i], EDDY_LANE_FILE);
    run_out(loop);
    for (int i = 0; i < 40; i++) ck_assert_int_eq(jobs[i].done, 1);
    int left = 1; /* the bytes of the test's own go before the loop counts its own again */
    while (!loop->wakeup.is_edge && ioctl(loop->wakeup.ends[0], FIONREAD, &left) == 0 && left > 0)
        hand_over(loop);
    test_loop_close(loop);
}
END_TEST

/* libuv#492: workers were woken only when the queue was empty. Each job here is submitted while the
 * ones before it block, and must find a thread all the same. */
START_TEST(each_blocking_job_finds_a_thread) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 6});
    eddy_loop *loop = loop_with(pool);
    struct gate gate = GATE_CLOSED;
    struct job jobs[6];
    for (int round = 0; round < 5; round++) {
        memset(jobs, 0, sizeof jobs);
        gate_set(&gate, false);
        for (int i = 0; i < 6; i++) {
            jobs[i].gate = &gate;
            job_submit(loop, &jobs[i], EDDY_LANE_FILE);
            hand_over(loop);
            ck_assert_int_eq(gate_await(&gate, i + 1), i + 1);
        }
        gate_set(&gate, true);
        run_out(loop);
    }
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* libuv#1845: look-ups that hang took every thread, and files waited for them. Computation must
 * not do it either. */
START_TEST(slow_lanes_do_not_starve_files) {
    for (int which = 0; which < 2; which++) {
        eddy_loop *loop = test_loop_open();
        struct gate gate = GATE_CLOSED;
        struct job slow[12], file = {0};
        memset(slow, 0, sizeof slow);
        for (int i = 0; i < 12; i++) {
            slow[i].gate = &gate;
            job_submit(loop, &slow[i], which == 0 ? EDDY_LANE_LOOKUP : EDDY_LANE_CPU);
        }
        hand_over(loop);
        ck_assert_int_ge(gate_await(&gate, which == 0 ? 2 : 3), 2);
        for (int i = 0; i < 20; i++) {
            job_submit(loop, &file, EDDY_LANE_FILE);
            while (file.done == i) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
        }
        for (int i = 0; i < 12; i++) ck_assert_int_eq(slow[i].done, 0);
        gate_set(&gate, true);
        run_out(loop);
        test_loop_close(loop);
    }
}
END_TEST

/* help#45: a loop that is destroyed in mid-job says so; what is left is listed; nothing is lost. */
static void count_one(void *context, eddy_work *work) {
    (void)work;
    ++*(int *)context;
}

START_TEST(destroying_a_loop_in_mid_job_is_busy) {
    eddy_loop *loop = test_loop_open();
    struct gate gate = GATE_CLOSED;
    struct job jobs[6];
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < 6; i++) {
        jobs[i].gate = &gate;
        job_submit(loop, &jobs[i], EDDY_LANE_FILE);
    }
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 4), 4);
    int listed = 0;
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    ck_assert_int_eq(eddy_pool_drain(eddy_loop_pool(loop), 0, count_one, &listed), 6);
    ck_assert_int_eq(listed, 6);
    gate_set(&gate, true);
    run_out(loop);
    for (int i = 0; i < 6; i++) ck_assert_int_eq(jobs[i].done, 1);
    test_loop_close(loop);
}
END_TEST

/* A burst of short jobs must not keep a timer or a descriptor waiting: completions are bounded by
 * turn. */
static int ticks;

static void tick(eddy_timer *timer) {
    (void)timer;
    ticks++;
}

START_TEST(a_flood_of_completions_leaves_room_for_timers) {
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.completions_per_turn = 4});
    static struct job jobs[4000];
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < 4000; i++) job_submit(loop, &jobs[i], EDDY_LANE_FILE);
    hand_over(loop);
    ck_assert_int_eq(eddy_pool_drain(eddy_loop_pool(loop), 10 * EDDY_NS_PER_S, NULL, NULL), 0);
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    ticks = 0;
    ck_assert_int_eq(eddy_timer_start(&timer, tick, 0, 0), 0);
    int turns = 0, done = 0;
    for (; ticks == 0; turns++) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    for (int i = 0; i < 4000; i++) done += jobs[i].done;
    ck_assert_int_le(turns, 3);
    ck_assert_int_le(done, 16);
    run_out(loop);
    for (int i = 0; i < 4000; i++) ck_assert_int_eq(jobs[i].done, 1);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("pool traps");
    ck_add(suite, "pool traps", a_published_job_is_not_touched, a_closed_loop_is_not_touched,
           a_full_pipe_loses_no_completion, each_blocking_job_finds_a_thread,
           slow_lanes_do_not_starve_files, destroying_a_loop_in_mid_job_is_busy,
           a_flood_of_completions_leaves_room_for_timers);
    return suite;
}
