/* work.c: faults while a pool's threads come, work and go: the loop's own pool in its default
 * configuration, and a pool that is shared. */
#include "fault.h"

enum { JOBS = 6 };

static struct job {
    eddy_work work;
    struct promise done;
    int status;
    bool ran;
} jobs[JOBS];
static eddy_queue queue; /* of every second job */
static unsigned missing, queue_told;
static bool all_done;

static void run(eddy_work *work) {
    eddy_container_of(work, struct job, work)->ran = true;
}

static void on_done(eddy_work *work, int status) {
    struct job *job = eddy_container_of(work, struct job, work);
    promise_keep(&job->done);
    fault_assert(job->ran == (status == 0));
    fault_assert(status == 0 || status == -ECANCELED);
    job->status = status;
    unsigned number = (unsigned)(job - jobs);
    if (number % 2 == 1 && status == 0) {
        fault_assert(queue_told < number);
        queue_told = number;
    }
    if (--missing == 0) all_done = true;
}

static void submit(eddy_loop *loop, unsigned number) {
    struct job *job = &jobs[number];
    memset(job, 0, sizeof *job);
    eddy_lane lane = (eddy_lane)(number % EDDY_LANES);
    int err = number % 2 == 1 ? eddy_queue_submit(&queue, &job->work, run, on_done)
                              : eddy_work_submit(loop, &job->work, lane, run, on_done);
    (void)promise_give(&job->done, err);
    if (err == 0)
        missing++;
    else
        fault_assert(!fault_is_unhurt());
}

static void submit_all(eddy_loop *loop) {
    memset(jobs, 0, sizeof jobs);
    missing = queue_told = 0;
    eddy_queue_init(&queue, loop, EDDY_LANE_CPU);
    for (unsigned i = 0; i < JOBS / 2; i++) submit(loop, i);
    if (jobs[1].done.given) fault_assert(eddy_work_cancel(&jobs[1].work) == 0);
    all_done = missing == 0;
}

/* A second helping, when threads are there or could not be had; one of them is taken back late. */
static void submit_more(eddy_loop *loop) {
    for (unsigned i = JOBS / 2; i < JOBS; i++) submit(loop, i);
    all_done = missing == 0;
    (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    if (promise_is_open(&jobs[JOBS - 1].done)) (void)eddy_work_cancel(&jobs[JOBS - 1].work);
}

static void check_jobs(void) {
    for (unsigned i = 0; i < JOBS; i++) fault_assert(!promise_is_open(&jobs[i].done));
    if (!fault_is_unhurt()) return;
    for (unsigned i = 0; i < JOBS; i++) fault_assert(jobs[i].done.kept);
    fault_assert(jobs[1].status == -ECANCELED);
}

static void use_pool(eddy_loop *loop) {
    submit_all(loop);
    (void)fault_turn_until(loop, &all_done);
    submit_more(loop);
    (void)fault_turn_until(loop, &all_done);
}

static void use_own_pool(void) {
    eddy_loop *loop;
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    use_pool(loop);
    fault_loop_close(loop);
    check_jobs();
}

/* Jobs are done or refused, whether the pool can be had, and threads for it, or not. */
START_TEST(own_pool_does_jobs_or_refuses_them) {
    fault_loop("own pool", use_own_pool);
}
END_TEST

/* Threads leave at once, so that they are started, and joined, again and again. */
static void use_shared_pool(void) {
    eddy_pool *pool;
    eddy_pool_config config = {.threads = 3, .idle_ns = 1};
    if (eddy_pool_open(&pool, &config) < 0) return;
    eddy_loop *loops[2];
    unsigned opened = 0;
    while (opened < 2) {
        if (fault_loop_open(&loops[opened], (eddy_loop_config){.pool = pool}) < 0) break;
        opened++;
    }
    if (opened == 2) {
        use_pool(loops[1]);
        int left = eddy_pool_drain(pool, EDDY_NS_PER_S, NULL, NULL);
        fault_assert(left == 0);
    }
    while (opened > 0) fault_loop_close(loops[--opened]);
    fault_assert(eddy_pool_close(pool) == 0);
    check_jobs();
}

START_TEST(shared_pool_survives_what_its_loops_cannot_have) {
    fault_loop("shared pool", use_shared_pool);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault work");
    ck_add(suite, "work", own_pool_does_jobs_or_refuses_them,
           shared_pool_survives_what_its_loops_cannot_have);
    return suite;
}
