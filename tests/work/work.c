/* work.c: jobs from submission to callback, on the loop's side. */
#include "jobs.h"
#include "memory.h"
#include "sanitized.h"

/* The plain case: another thread, then one callback from the loop, and nothing is left. */
static pthread_t where_it_ran;

static void note_thread(eddy_work *work) {
    where_it_ran = pthread_self();
    job_run(work);
}

START_TEST(a_job_runs_on_another_thread_and_is_told_on_the_loop) {
    eddy_loop *loop = test_loop_open();
    struct job job = {0};
    ck_assert_int_eq(eddy_work_submit(loop, &job.work, EDDY_LANE_CPU, note_thread, job_done), 0);
    ck_assert(eddy_loop_is_alive(loop));
    ck_assert_int_eq(job.done, 0);
    run_out(loop);
    ck_assert_int_eq(job.ran, 1);
    ck_assert_int_eq(job.done, 1);
    ck_assert_int_eq(job.status, 0);
    ck_assert(!pthread_equal(where_it_ran, pthread_self()));
    test_loop_close(loop);
}
END_TEST

/* What is wrong with a request is told at once, and then nothing of it is left. */
START_TEST(a_job_without_lane_is_refused) {
    eddy_loop *loop = test_loop_open();
    struct job job = {0};
    eddy_work *work = &job.work;
    ck_assert_int_eq(eddy_work_submit(loop, work, EDDY_LANES, job_run, job_done), -EINVAL);
    ck_assert_int_eq(eddy_work_submit(loop, work, (eddy_lane)-1, job_run, job_done), -EINVAL);
    ck_assert(!eddy_loop_is_alive(loop));
    test_loop_close(loop);
}
END_TEST

/* With one thread, the order of a lane is the order of submission, across several turns. */
START_TEST(jobs_of_a_lane_run_in_the_order_of_submission) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 1});
    eddy_loop *loop = loop_with(pool);
    static struct job jobs[600];
    unsigned clock = 0;
    memset(jobs, 0, sizeof jobs);
    for (unsigned i = 0; i < 600; i++) {
        jobs[i].clock = &clock;
        job_submit(loop, &jobs[i], EDDY_LANE_FILE);
        if (i % 100 == 99) hand_over(loop);
    }
    run_out(loop);
    for (unsigned i = 0; i < 600; i++) ck_assert_uint_eq(jobs[i].order, i + 1);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* A job's memory may be freed in its callback, and its request used again. */
static int rounds_left;

static void again(eddy_work *work, int status) {
    job_done(work, status);
    if (rounds_left-- == 0) {
        free(eddy_container_of(work, struct job, work));
        return;
    }
    eddy_loop *loop = work->loop;
    memset(work, 0xee, sizeof *work);
    ck_assert_int_eq(eddy_work_submit(loop, work, EDDY_LANE_FILE, job_run, again), 0);
}

START_TEST(a_request_is_the_callers_again_in_its_callback) {
    eddy_loop *loop = test_loop_open();
    rounds_left = 200;
    for (int i = 0; i < 8; i++) {
        struct job *job = calloc(1, sizeof *job);
        ck_assert_ptr_nonnull(job);
        ck_assert_int_eq(eddy_work_submit(loop, &job->work, EDDY_LANE_FILE, job_run, again), 0);
    }
    rounds_left = 200;
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    while (eddy_loop_is_alive(loop)) {
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
        if (rounds_left < 0) rounds_left = 0;
    }
    test_loop_close(loop);
}
END_TEST

/* --- Cancel: one outcome, in each state --- */

START_TEST(a_job_not_handed_over_yet_is_cancelled_once) {
    eddy_loop *loop = test_loop_open();
    struct job jobs[3] = {{.ran = 0}};
    for (int i = 0; i < 3; i++) job_submit(loop, &jobs[i], EDDY_LANE_CPU);
    ck_assert_int_eq(eddy_work_cancel(&jobs[1].work), 0);
    ck_assert_int_eq(jobs[1].done, 0); /* not inside the call */
    ck_assert_int_eq(eddy_work_cancel(&jobs[1].work), -EALREADY);
    run_out(loop);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(jobs[i].done, 1);
        ck_assert_int_eq(jobs[i].ran, i == 1 ? 0 : 1);
        ck_assert_int_eq(jobs[i].status, i == 1 ? -ECANCELED : 0);
    }
    test_loop_close(loop);
}
END_TEST

/* All that was submitted is taken back: the pool is left as it was and may be used again. */
START_TEST(cancelling_all_that_was_submitted_leaves_nothing) {
    eddy_loop *loop = test_loop_open();
    struct job jobs[2] = {{.ran = 0}};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++) job_submit(loop, &jobs[i], EDDY_LANE_FILE);
        for (int i = 0; i < 2; i++) ck_assert_int_eq(eddy_work_cancel(&jobs[i].work), 0);
        run_out(loop);
    }
    ck_assert_int_eq(jobs[0].done, 3);
    ck_assert_int_eq(jobs[1].ran, 0);
    job_submit(loop, &jobs[0], EDDY_LANE_FILE);
    run_out(loop);
    ck_assert_int_eq(jobs[0].ran, 1);
    test_loop_close(loop);
}
END_TEST

static void wait_done_in_pool(eddy_pool *pool) {
    ck_assert_int_eq(eddy_pool_drain(pool, 10 * EDDY_NS_PER_S, NULL, NULL), 0);
}

/* Queued: removed. Running: it will finish. Done: the callback is on its way. */
START_TEST(cancel_tells_queued_running_and_done_apart) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 1});
    eddy_loop *loop = loop_with(pool);
    struct gate gate = GATE_CLOSED;
    struct job running = {.gate = &gate}, queued = {.ran = 0};
    job_submit(loop, &running, EDDY_LANE_FILE);
    job_submit(loop, &queued, EDDY_LANE_FILE);
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 1), 1);

    ck_assert_int_eq(eddy_work_cancel(&queued.work), 0);
    ck_assert_int_eq(eddy_work_cancel(&queued.work), -EALREADY);
    ck_assert_int_eq(eddy_work_cancel(&running.work), -EBUSY);
    gate_set(&gate, true);
    wait_done_in_pool(pool);
    ck_assert_int_eq(eddy_work_cancel(&running.work), -EALREADY);
    ck_assert_int_eq(running.done + queued.done, 0);
    run_out(loop);
    ck_assert_int_eq(running.status, 0);
    ck_assert_int_eq(queued.status, -ECANCELED);
    ck_assert_int_eq(running.done, 1);
    ck_assert_int_eq(queued.done, 1);
    ck_assert_int_eq(queued.ran, 0);
    ck_assert_uint_eq(pool_metrics(pool).lanes[EDDY_LANE_FILE].cancelled, 1);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* Jobs are submitted and cancelled at random, and each answer of cancel is held to what happens
 * then: removed never runs, anything else runs once; always one callback. */
enum { STORM_JOBS = 64 };

struct storm {
    unsigned long long seed;
    struct storm_job {
        struct job job;
        bool in_flight, removed;
    } jobs[STORM_JOBS];
    int finished, removed;
};

static struct storm storm;

static void storm_done(eddy_work *work, int status) {
    struct storm_job *it = eddy_container_of(work, struct storm_job, job.work);
    ck_assert(it->in_flight);
    ck_assert_int_eq(status, it->removed ? -ECANCELED : 0);
    ck_assert_int_eq(it->job.ran, it->removed ? 0 : 1);
    it->in_flight = false;
    storm.finished++;
}

static void storm_step(eddy_loop *loop) {
    struct storm_job *it = &storm.jobs[random_below(&storm.seed, STORM_JOBS)];
    if (!it->in_flight) {
        it->in_flight = true;
        it->removed = false;
        it->job.ran = 0;
        eddy_lane lane = (eddy_lane)random_below(&storm.seed, EDDY_LANES);
        ck_assert_int_eq(eddy_work_submit(loop, &it->job.work, lane, job_run, storm_done), 0);
        return;
    }
    int answer = eddy_work_cancel(&it->job.work);
    ck_assert(answer == 0 || answer == -EBUSY || answer == -EALREADY);
    if (answer != 0) return;
    ck_assert(!it->removed);
    it->removed = true;
    storm.removed++;
}

START_TEST(every_job_has_one_outcome_under_random_cancels) {
    eddy_loop *loop = test_loop_open();
    storm = (struct storm){.seed = 7};
    for (int turn = 0; turn < 3000; turn++) {
        for (unsigned i = random_below(&storm.seed, 40); i > 0; i--) storm_step(loop);
        hand_over(loop);
        if (turn % 10 == 0) run_out(loop); /* however busy the machine is, some of them run */
    }
    run_out(loop);
    for (int i = 0; i < STORM_JOBS; i++) ck_assert(!storm.jobs[i].in_flight);
    ck_assert_int_gt(storm.removed, 100);
    ck_assert_int_gt(storm.finished, storm.removed + 100);
    test_loop_close(loop);
}
END_TEST

/* --- What it costs and what can be missing --- */

/* The counting allocator sees the pool when it is opened, and then nothing for ten thousand jobs.
 */
START_TEST(submitting_allocates_nothing) {
    struct test_memory memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.allocator = &allocator});
    static struct job jobs[100];
    memset(jobs, 0, sizeof jobs);
    ck_assert_ptr_nonnull(eddy_loop_pool(loop));
    unsigned long before = memory.asked;
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 100; i++) job_submit(loop, &jobs[i], (eddy_lane)(i % EDDY_LANES));
        run_out(loop);
    }
    ck_assert_uint_eq(memory.asked, before);
    test_loop_close(loop);
    ck_assert_uint_eq(memory.blocks, 0);
}
END_TEST

START_TEST(no_memory_for_the_pool_is_told_and_mended) {
    struct test_memory memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.allocator = &allocator});
    struct job job = {0};
    memory.fail_in = 0;
    memory.fail_on = true;
    ck_assert_ptr_null(eddy_loop_pool(loop));
    ck_assert_int_eq(eddy_work_submit(loop, &job.work, EDDY_LANE_CPU, job_run, job_done), -ENOMEM);
    ck_assert(!eddy_loop_is_alive(loop));
    memory.fail_in = -1;
    memory.fail_on = false;
    job_submit(loop, &job, EDDY_LANE_CPU);
    run_out(loop);
    ck_assert_int_eq(job.done, 1);
    test_loop_close(loop);
    ck_assert_uint_eq(memory.blocks, 0);
}
END_TEST

/* The pool is busy with a job: neither the loop nor the pool can be closed under it. */
START_TEST(a_loop_with_a_job_in_flight_stays_open) {
    eddy_pool *pool = pool_open((eddy_pool_config){0});
    eddy_loop *loop = loop_with(pool);
    struct gate gate = GATE_CLOSED;
    struct job job = {.gate = &gate};
    job_submit(loop, &job, EDDY_LANE_FILE);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 1), 1);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    ck_assert_int_eq(eddy_pool_close(pool), -EBUSY);
    gate_set(&gate, true);
    wait_done_in_pool(pool);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY); /* its callback has not been */
    run_out(loop);
    ck_assert_int_eq(job.done, 1);
    ck_assert_int_eq(eddy_pool_close(pool), -EBUSY); /* the loop uses it */
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* The system refuses to start threads. With none at all, a submission is refused, and works again
 * when threads can be had; with one, that one does everything. In a child, for the limit's sake. */
static void forbid_threads(bool forbid) {
    struct rlimit limit;
    child_assert(getrlimit(RLIMIT_NPROC, &limit) == 0);
    limit.rlim_cur = forbid ? 0 : limit.rlim_max;
    child_assert(setrlimit(RLIMIT_NPROC, &limit) == 0);
}

static void live_without_threads(void) {
    eddy_loop *loop;
    static struct job jobs[50];
    eddy_loop_config config = {.backend = test_backend};
    if (getuid() == 0) child_assert(setuid(65534) == 0); /* no limit holds root */
    child_assert(eddy_loop_open(&loop, &config) == 0);
    for (int i = 0; i < 2; i++) {
        forbid_threads(i == 0);
        int err = eddy_work_submit(loop, &jobs[0].work, EDDY_LANE_CPU, job_run, job_done);
        child_assert(err == (i == 0 ? -EAGAIN : 0));
        child_assert(eddy_loop_is_alive(loop) == (i == 1));
    }
    forbid_threads(true);
    for (int i = 1; i < 50; i++)
        child_assert(eddy_work_submit(loop, &jobs[i].work, EDDY_LANE_FILE, job_run, job_done) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    for (int i = 0; i < 50; i++) child_assert(jobs[i].done == 1 && jobs[i].ran == 1);
    child_assert(pool_metrics(eddy_loop_pool(loop)).threads_started == 1);
    child_assert(eddy_loop_close(loop) == 0);
}

START_TEST(one_thread_is_enough_and_none_is_an_error) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        live_without_threads();
        _exit(0);
    }
    child_is_content(child);
}
END_TEST

/* A forked child has none of the pool's threads; its loop makes a pool of its own. The thread
 * sanitizer does not let a child of a program with threads start any. */
START_TEST(a_forked_child_gets_a_pool_of_its_own) {
#ifdef WITH_TSAN
    return;
#endif
    eddy_pool *shared = pool_open((eddy_pool_config){0});
    for (int kind = 0; kind < 2; kind++) {
        eddy_loop *loop = loop_with(kind == 0 ? shared : NULL);
        struct job job = {0}, unsent = {0};
        job_submit(loop, &job, EDDY_LANE_FILE);
        run_out(loop);
        job_submit(loop, &unsent, EDDY_LANE_FILE);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            alarm(20);
            child_assert(eddy_loop_after_fork(loop) == 0);
            child_assert(eddy_loop_pool(loop) != shared);
            child_assert(eddy_work_submit(loop, &job.work, EDDY_LANE_CPU, job_run, job_done) == 0);
            child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
            child_assert(job.done == 2 && job.ran == 2);
            child_assert(unsent.done == 1);
            _exit(0);
        }
        child_is_content(child);
        run_out(loop);
        ck_assert_int_eq(unsent.done, 1);
        test_loop_close(loop);
    }
    ck_assert_int_eq(eddy_pool_close(shared), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("work");
    ck_add(suite, "jobs", a_job_runs_on_another_thread_and_is_told_on_the_loop,
           a_job_without_lane_is_refused, jobs_of_a_lane_run_in_the_order_of_submission,
           a_request_is_the_callers_again_in_its_callback);
    ck_add(suite, "cancel", a_job_not_handed_over_yet_is_cancelled_once,
           cancelling_all_that_was_submitted_leaves_nothing,
           cancel_tells_queued_running_and_done_apart,
           every_job_has_one_outcome_under_random_cancels);
    ck_add(suite, "costs", submitting_allocates_nothing, no_memory_for_the_pool_is_told_and_mended,
           a_loop_with_a_job_in_flight_stays_open, one_thread_is_enough_and_none_is_an_error,
           a_forked_child_gets_a_pool_of_its_own);
    return suite;
}
