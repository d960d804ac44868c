/* pool.c: traps that other pools of threads have fallen into. One test looks into the loop, for its
 * pipe, and one into the pool. */
#include "../work/jobs.h"

#include "../../src/work/pool.h"

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

/* One thread, and a loop that has filled the pool with its jobs before another one comes with one:
 * that one waits for a job or two, not for all of them, and each loop's start in its own order. */
enum { CROWD = 20000 };

static struct crowd {
    eddy_work work;
    unsigned place; /* when it ran, from 1 */
} crowd[CROWD], late[3];
static struct gate crowd_gate = GATE_CLOSED;
static atomic_uint crowd_ran;
static int crowd_left;

static void crowd_wait(eddy_work *work) {
    (void)work;
    gate_pass(&crowd_gate);
}

static void crowd_run(eddy_work *work) {
    struct crowd *it = eddy_container_of(work, struct crowd, work);
    it->place = atomic_fetch_add(&crowd_ran, 1) + 1;
}

static void crowd_done(eddy_work *work, int status) {
    (void)work;
    ck_assert_int_eq(status, 0);
    crowd_left--;
}

static void crowd_submit(eddy_loop *loop, struct crowd *it, eddy_lane lane, eddy_work_fn *fn) {
    ck_assert_int_eq(eddy_work_submit(loop, &it->work, lane, fn, crowd_done), 0);
    crowd_left++;
}

START_TEST(a_loops_many_jobs_do_not_hold_up_another_loops_one) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 1});
    eddy_loop *busy = loop_with(pool), *other = loop_with(pool), *third = loop_with(pool);
    struct crowd first;
    crowd_submit(third, &first, EDDY_LANE_CPU, crowd_wait);
    hand_over(third);
    ck_assert_int_eq(gate_await(&crowd_gate, 1), 1);
    for (int i = 0; i < CROWD; i++) {
        crowd_submit(busy, &crowd[i], EDDY_LANE_CPU, crowd_run);
        if (i % 1000 == 0) hand_over(busy);
    }
    hand_over(busy);
    for (int i = 0; i < 3; i++) crowd_submit(other, &late[i], EDDY_LANE_CPU, crowd_run);
    hand_over(other);
    gate_set(&crowd_gate, true);
    while (crowd_left > 0) {
        hand_over(busy);
        hand_over(other);
        hand_over(third);
    }
    for (unsigned i = 0; i < 3; i++) ck_assert_uint_le(late[i].place, 2 * i + 2);
    for (int i = 1; i < CROWD; i++) ck_assert_uint_gt(crowd[i].place, crowd[i - 1].place);
    test_loop_close(busy);
    test_loop_close(other);
    test_loop_close(third);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* Who has waited for the pool to fall silent must get out of it before it is freed. The freed
 * memory is overwritten here, so that one who is late stumbles. */
static void *resize_and_spoil(void *context, void *memory, size_t old_bytes, size_t new_bytes) {
    static char spoilt[1 << 16];
    (void)context;
    if (new_bytes > 0) return new_bytes <= sizeof spoilt ? spoilt : NULL;
    memset(memory, 0xdd, old_bytes);
    return NULL;
}

static void *drain_pool(void *pool) {
    return eddy_pool_drain(pool, 10 * EDDY_NS_PER_S, NULL, NULL) == 0 ? NULL : pool;
}

static unsigned drains_of(eddy_pool *pool) {
    eddy_os_lock(&pool->lock);
    unsigned drains = pool->drains;
    eddy_os_unlock(&pool->lock);
    return drains;
}

START_TEST(a_pool_that_is_drained_is_not_closed) {
    enum { DRAINS = 4 };
    const eddy_allocator allocator = {.resize = resize_and_spoil};
    for (int round = 0; round < 200; round++) {
        eddy_pool *pool = pool_open((eddy_pool_config){.threads = 2, .allocator = &allocator});
        eddy_loop *loop = loop_with(pool);
        struct gate gate = GATE_CLOSED;
        struct job job = {.gate = &gate};
        pthread_t threads[DRAINS];
        job_submit(loop, &job, EDDY_LANE_FILE);
        hand_over(loop);
        for (int i = 0; i < DRAINS; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, drain_pool, pool), 0);
        while (drains_of(pool) < DRAINS) sched_yield();
        gate_set(&gate, true);
        run_out(loop);
        test_loop_close(loop);
        int err;
        while ((err = eddy_pool_close(pool)) == -EBUSY) sched_yield();
        ck_assert_int_eq(err, 0);
        for (int i = 0; i < DRAINS; i++) {
            void *wrong;
            ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
            ck_assert_ptr_null(wrong);
        }
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("pool traps");
    ck_add(suite, "pool traps", a_published_job_is_not_touched, a_closed_loop_is_not_touched,
           a_full_pipe_loses_no_completion, each_blocking_job_finds_a_thread,
           slow_lanes_do_not_starve_files, destroying_a_loop_in_mid_job_is_busy,
           a_flood_of_completions_leaves_room_for_timers,
           a_loops_many_jobs_do_not_hold_up_another_loops_one,
           a_pool_that_is_drained_is_not_closed);
    return suite;
}
