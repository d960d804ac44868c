/* pool.c: the threads of a pool: how many there are, what they take, when they leave. */
#include "jobs.h"
#include "memory.h"

#include <signal.h>

enum { MANY = 64 };

static struct job jobs[MANY];

static void jobs_clear(struct gate *gate) {
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < MANY; i++) jobs[i].gate = gate;
}

static int jobs_done(int count) {
    int done = 0;
    for (int i = 0; i < count; i++) done += jobs[i].done;
    return done;
}

/* --- Settings --- */

START_TEST(settings_out_of_range_are_invalid) {
    eddy_pool *pool;
    ck_assert_int_eq(eddy_pool_open(&pool, &(eddy_pool_config){.threads = 1025}), -EINVAL);
    ck_assert_int_eq(eddy_pool_open(&pool, &(eddy_pool_config){.idle_ns = -1}), -EINVAL);
    ck_assert_int_eq(eddy_pool_open(&pool, &(eddy_pool_config){.stack_bytes = 100}), -EINVAL);
    eddy_pool_config config = {.threads = 2, .quotas = {[EDDY_LANE_CPU] = 3}};
    ck_assert_int_eq(eddy_pool_open(&pool, &config), -EINVAL);
    ck_assert_int_eq(eddy_pool_open(NULL, NULL), -EINVAL);
    ck_assert_int_eq(eddy_pool_close(NULL), -EINVAL);
    ck_assert_int_eq(eddy_pool_open(&pool, &(eddy_pool_config){.threads = 1024}), 0);
    ck_assert_int_eq(eddy_pool_drain(pool, -2, NULL, NULL), -EINVAL);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* Locks that lend priority, where there are any. tests/unit/priority.c sees that they do. */
START_TEST(a_pool_may_lend_priority) {
    eddy_pool *pool;
    int err = eddy_pool_open(&pool, &(eddy_pool_config){.threads = 2, .lends_priority = true});
    if (err == -ENOTSUP) return;
    ck_assert_int_eq(err, 0);
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.pool = pool});
    jobs_clear(NULL);
    for (int i = 0; i < 8; i++) job_submit(loop, &jobs[i], EDDY_LANE_CPU);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(jobs_done(8), 8);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

START_TEST(lanes_have_the_documented_quotas) {
    static const struct {
        unsigned threads, file, lookup, cpu;
    } cases[] = {{1, 1, 1, 1}, {2, 2, 1, 1}, {3, 3, 1, 2}, {0, 4, 2, 3}, {9, 9, 4, 8}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eddy_pool *pool = pool_open((eddy_pool_config){.threads = cases[i].threads});
        eddy_pool_metrics metrics = pool_metrics(pool);
        ck_assert_uint_eq(metrics.threads, 0); /* none before there is work */
        ck_assert_uint_eq(metrics.threads_max, cases[i].file);
        ck_assert_uint_eq(metrics.lanes[EDDY_LANE_FILE].quota, cases[i].file);
        ck_assert_uint_eq(metrics.lanes[EDDY_LANE_LOOKUP].quota, cases[i].lookup);
        ck_assert_uint_eq(metrics.lanes[EDDY_LANE_CPU].quota, cases[i].cpu);
        ck_assert_int_eq(eddy_pool_close(pool), 0);
    }
}
END_TEST

START_TEST(a_pool_takes_all_its_memory_from_its_allocator) {
    struct test_memory memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    eddy_pool_config config = {.allocator = &allocator};
    memory.fail_in = 0;
    eddy_pool *pool = NULL;
    ck_assert_int_eq(eddy_pool_open(&pool, &config), -ENOMEM);
    pool = pool_open(config);
    ck_assert_uint_eq(memory.blocks, 1);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
    ck_assert_uint_eq(memory.blocks, 0);
}
END_TEST

/* --- Threads --- */

/* Each job blocks until all of them run: fewer threads than jobs would never end. */
START_TEST(blocking_jobs_get_a_thread_each) {
    enum { THREADS = 8 };
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = THREADS});
    eddy_loop *loop = loop_with(pool);
    struct gate gate = GATE_CLOSED;
    for (int round = 0; round < 20; round++) {
        gate_set(&gate, false);
        jobs_clear(&gate);
        for (int i = 0; i < THREADS; i++) {
            job_submit(loop, &jobs[i], EDDY_LANE_FILE);
            /* Together, one by one, and in between. */
            if (round % 3 == 1 || (round % 3 == 2 && i == 3)) hand_over(loop);
        }
        hand_over(loop);
        ck_assert_int_eq(gate_await(&gate, THREADS), THREADS);
        gate_set(&gate, true);
        run_out(loop);
        ck_assert_int_eq(jobs_done(THREADS), THREADS);
    }
    ck_assert_uint_eq(pool_metrics(pool).threads, THREADS);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* Jobs that come while some threads are held up are taken by the others. */
START_TEST(held_up_threads_do_not_hold_up_the_others) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 4});
    eddy_loop *loop = loop_with(pool);
    struct gate gate = GATE_CLOSED;
    jobs_clear(NULL);
    for (int i = 0; i < 3; i++) {
        jobs[i].gate = &gate;
        job_submit(loop, &jobs[i], EDDY_LANE_FILE);
    }
    for (int i = 3; i < MANY; i++) job_submit(loop, &jobs[i], (eddy_lane)(i % EDDY_LANES));
    while (jobs_done(MANY) < MANY - 3) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_int_eq(gate_await(&gate, 3), 3);
    gate_set(&gate, true);
    run_out(loop);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* Look-ups that block take half of the threads and no more; files go on. */
START_TEST(a_lane_keeps_to_its_quota) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 4});
    eddy_loop *loop = loop_with(pool);
    struct gate gate = GATE_CLOSED;
    jobs_clear(NULL);
    for (int i = 0; i < 6; i++) {
        jobs[i].gate = &gate;
        job_submit(loop, &jobs[i], EDDY_LANE_LOOKUP);
    }
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 2), 2);
    for (int i = 6; i < 26; i++) job_submit(loop, &jobs[i], EDDY_LANE_FILE);
    while (jobs_done(26) < 20) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);

    eddy_pool_metrics metrics = pool_metrics(pool);
    ck_assert_uint_eq(metrics.lanes[EDDY_LANE_LOOKUP].running, 2);
    ck_assert_uint_eq(metrics.lanes[EDDY_LANE_LOOKUP].queued, 4);
    ck_assert_int_eq(gate_await(&gate, 2), 2);
    gate_set(&gate, true);
    run_out(loop);
    ck_assert_int_eq(jobs_done(26), 26);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* Two lanes with full queues and one thread: their jobs take turns. */
START_TEST(lanes_take_turns) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 1});
    eddy_loop *loop = loop_with(pool);
    jobs_clear(NULL);
    unsigned clock = 0;
    for (int i = 0; i < 20; i++) {
        jobs[i].clock = &clock;
        job_submit(loop, &jobs[i], i < 10 ? EDDY_LANE_CPU : EDDY_LANE_FILE);
    }
    run_out(loop);
    for (int i = 0; i < 10; i++) {
        ck_assert_uint_eq((jobs[i].order + 1) / 2, (unsigned)i + 1);
        ck_assert_uint_eq((jobs[10 + i].order + 1) / 2, (unsigned)i + 1);
    }
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

static void await_threads(eddy_pool *pool, unsigned count) {
    int64_t end_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (pool_metrics(pool).threads != count) {
        ck_assert_msg(test_now_ns() < end_ns, "the pool has %u threads, not %u",
                      pool_metrics(pool).threads, count);
        sleep_ns(EDDY_NS_PER_MS);
    }
}

/* Threads leave when there is nothing to do, and come back, many times over. */
START_TEST(threads_leave_after_idling_and_come_back) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 3, .idle_ns = 2 * EDDY_NS_PER_MS});
    eddy_loop *loop = loop_with(pool);
    struct gate gate = GATE_CLOSED;
    for (int round = 0; round < 10; round++) {
        gate_set(&gate, false);
        jobs_clear(&gate);
        for (int i = 0; i < 3; i++) job_submit(loop, &jobs[i], EDDY_LANE_FILE);
        hand_over(loop);
        ck_assert_int_eq(gate_await(&gate, 3), 3);
        gate_set(&gate, true);
        run_out(loop);
        await_threads(pool, 0);
    }
    eddy_pool_metrics metrics = pool_metrics(pool);
    ck_assert_uint_eq(metrics.threads_started, 30);
    ck_assert_uint_eq(metrics.threads_idle, 0);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* A thread is promised between a submission and its hand-over, however long that takes. */
START_TEST(the_last_thread_stays_for_a_job_that_is_coming) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 2, .idle_ns = EDDY_NS_PER_MS});
    eddy_loop *loop = loop_with(pool);
    struct job job = {0};
    job_submit(loop, &job, EDDY_LANE_FILE);
    sleep_ns(20 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(pool_metrics(pool).threads, 1);
    run_out(loop);
    ck_assert_int_eq(job.done, 1);
    await_threads(pool, 0);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* Short jobs in a trickle, at the moment when the threads think of leaving: none gets lost. */
START_TEST(a_job_that_meets_a_leaving_thread_is_done) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 2, .idle_ns = 50 * EDDY_NS_PER_US});
    eddy_loop *loop = loop_with(pool);
    unsigned long long seed = 3;
    for (int i = 0; i < 2000; i++) {
        struct job pair[2] = {{.ran = 0}};
        job_submit(loop, &pair[0], EDDY_LANE_FILE);
        job_submit(loop, &pair[1], EDDY_LANE_CPU);
        run_out(loop);
        ck_assert_int_eq(pair[0].done + pair[1].done, 2);
        sleep_ns(random_below(&seed, 60) * EDDY_NS_PER_US);
    }
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

static atomic_int unblocked;

static void look_at_mask(eddy_work *work) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE, SIGUSR1, SIGALRM};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (!sigismember(&mask, numbers[i])) atomic_fetch_add(&unblocked, 1);
    job_run(work);
}

/* A signal to the process must find the program's own threads, never the pool's. */
START_TEST(threads_of_the_pool_block_all_signals) {
    eddy_loop *loop = test_loop_open();
    struct job job = {0};
    unblocked = 0;
    ck_assert_int_eq(eddy_work_submit(loop, &job.work, EDDY_LANE_CPU, look_at_mask, job_done), 0);
    run_out(loop);
    ck_assert_int_eq(job.ran, 1);
    ck_assert_int_eq(unblocked, 0);
    test_loop_close(loop);
}
END_TEST

/* --- Sharing --- */

enum { SHARERS = 4, SHARED_ROUNDS = 300, SHARED_JOBS = 16 };

struct sharer {
    pthread_t thread;
    eddy_pool *pool;
    struct job jobs[SHARED_JOBS];
    int wrong;
};

static void *share(void *argument) {
    struct sharer *it = argument;
    eddy_loop *loop;
    eddy_loop_config config = {.backend = test_backend, .pool = it->pool};
    if (eddy_loop_open(&loop, &config) < 0) return it;
    for (int round = 0; round < SHARED_ROUNDS; round++) {
        for (int i = 0; i < SHARED_JOBS; i++) {
            eddy_lane lane = (eddy_lane)(i % EDDY_LANES);
            if (eddy_work_submit(loop, &it->jobs[i].work, lane, job_run, job_done) < 0) it->wrong++;
            if (i % 7 == round % 7) (void)eddy_work_cancel(&it->jobs[i].work);
        }
        if (eddy_loop_run(loop, EDDY_RUN_DEFAULT) != 0) it->wrong++;
        for (int i = 0; i < SHARED_JOBS; i++)
            if (it->jobs[i].done != round + 1) it->wrong++;
    }
    if (eddy_loop_close(loop) != 0) it->wrong++;
    return NULL;
}

/* Several loops in threads of their own use one pool; each gets its own jobs back. */
START_TEST(loops_in_several_threads_share_a_pool) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 3});
    static struct sharer sharers[SHARERS];
    memset(sharers, 0, sizeof sharers);
    for (int i = 0; i < SHARERS; i++) {
        sharers[i].pool = pool;
        ck_assert_int_eq(pthread_create(&sharers[i].thread, NULL, share, &sharers[i]), 0);
    }
    for (int i = 0; i < SHARERS; i++) {
        void *error;
        ck_assert_int_eq(pthread_join(sharers[i].thread, &error), 0);
        ck_assert_ptr_null(error);
        ck_assert_int_eq(sharers[i].wrong, 0);
    }
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* The loop's own pool cannot be closed away from under it. */
START_TEST(a_pool_in_use_is_busy) {
    eddy_loop *loop = test_loop_open();
    eddy_pool *own = eddy_loop_pool(loop);
    ck_assert_ptr_nonnull(own);
    ck_assert_ptr_eq(eddy_loop_pool(loop), own);
    ck_assert_int_eq(eddy_pool_close(own), -EBUSY);
    test_loop_close(loop);

    eddy_pool *pool = pool_open((eddy_pool_config){0});
    loop = loop_with(pool);
    ck_assert_ptr_eq(eddy_loop_pool(loop), pool);
    ck_assert_int_eq(eddy_pool_close(pool), -EBUSY);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* A loop's own pool that was lent to another loop keeps the owner from closing. */
START_TEST(a_lent_pool_keeps_its_loop_open) {
    eddy_loop *owner, *borrower;
    eddy_loop_config config = {.backend = test_backend};
    struct job job = {0};
    ck_assert_int_eq(eddy_loop_open(&owner, &config), 0);
    config.pool = eddy_loop_pool(owner);
    ck_assert_int_eq(eddy_loop_open(&borrower, &config), 0);
    job_submit(borrower, &job, EDDY_LANE_FILE);
    run_out(borrower);
    ck_assert_int_eq(eddy_loop_close(owner), -EBUSY);
    job_submit(owner, &job, EDDY_LANE_CPU); /* nothing has happened to it */
    run_out(owner);
    ck_assert_int_eq(job.done, 2);
    ck_assert_int_eq(eddy_loop_close(borrower), 0);
    ck_assert_int_eq(eddy_loop_close(owner), 0);
}
END_TEST

/* A loop that could not be opened does not count as a user. */
START_TEST(a_loop_that_failed_to_open_lets_go_of_the_pool) {
    eddy_pool *pool = pool_open((eddy_pool_config){0});
    struct test_memory memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    eddy_loop_config config = {.backend = test_backend, .pool = pool, .allocator = &allocator};
    for (long i = 0; i < 20; i++) {
        memory.fail_in = i;
        eddy_loop *loop;
        int err = eddy_loop_open(&loop, &config);
        ck_assert(err == 0 || err == -ENOMEM);
        if (err == 0) ck_assert_int_eq(eddy_loop_close(loop), 0);
    }
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* --- Drain --- */

struct seen {
    int count;
    bool of_jobs[MANY];
};

static void see(void *context, eddy_work *work) {
    struct seen *seen = context;
    struct job *job = eddy_container_of(work, struct job, work);
    seen->count++;
    seen->of_jobs[job - jobs] = true;
}

/* After the time it names who is still in flight, in the queue or running; later there is none. */
START_TEST(drain_lists_the_survivors) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 2});
    eddy_loop *loop = loop_with(pool);
    struct gate gate = GATE_CLOSED;
    jobs_clear(&gate);
    for (int i = 0; i < 5; i++) job_submit(loop, &jobs[i], EDDY_LANE_FILE);
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 2), 2);
    ck_assert_int_eq(eddy_work_cancel(&jobs[4].work), 0);

    struct seen seen = {0};
    int64_t begin_ns = test_now_ns();
    ck_assert_int_eq(eddy_pool_drain(pool, 20 * EDDY_NS_PER_MS, see, &seen), 4);
    ck_assert_int_ge(test_now_ns() - begin_ns, 20 * EDDY_NS_PER_MS);
    ck_assert_int_eq(seen.count, 4);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(seen.of_jobs[i], i < 4);
    ck_assert_int_eq(eddy_pool_drain(pool, 0, NULL, NULL), 4);

    gate_set(&gate, true);
    seen = (struct seen){0};
    ck_assert_int_eq(eddy_pool_drain(pool, -1, see, &seen), 0);
    ck_assert_int_eq(seen.count, 0);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(jobs[i].ran, 1);
    ck_assert_int_eq(jobs_done(5), 0); /* the callbacks are the loop's affair */
    run_out(loop);
    ck_assert_int_eq(jobs_done(5), 5);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* The last queued job is cancelled: whoever drains is told. */
static void *drain_pool(void *argument) {
    return (void *)(intptr_t)eddy_pool_drain(argument, 10 * EDDY_NS_PER_S, NULL, NULL);
}

START_TEST(drain_ends_when_the_last_job_is_cancelled) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 1, .quotas = {[EDDY_LANE_FILE] = 1}});
    eddy_loop *loop = loop_with(pool);
    struct gate gate = GATE_CLOSED;
    jobs_clear(&gate);
    for (int i = 0; i < 2; i++) job_submit(loop, &jobs[i], EDDY_LANE_FILE);
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 1), 1);
    pthread_t drainer;
    ck_assert_int_eq(pthread_create(&drainer, NULL, drain_pool, pool), 0);
    ck_assert_int_eq(eddy_work_cancel(&jobs[1].work), 0);
    gate_set(&gate, true);
    void *left;
    ck_assert_int_eq(pthread_join(drainer, &left), 0);
    ck_assert_int_eq((intptr_t)left, 0);
    run_out(loop);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

static void rest_a_little(eddy_work *work) {
    sleep_ns(2 * EDDY_NS_PER_MS);
    job_run(work);
}

/* The counts say what has happened: how many, how long they waited, how long they ran. */
START_TEST(the_pool_counts_waiting_and_running) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 1});
    eddy_loop *loop = loop_with(pool);
    jobs_clear(NULL);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(
            eddy_work_submit(loop, &jobs[i].work, EDDY_LANE_CPU, rest_a_little, job_done), 0);
    run_out(loop);
    eddy_pool_metrics metrics = pool_metrics(pool);
    eddy_lane_metrics *lane = &metrics.lanes[EDDY_LANE_CPU];
    ck_assert_uint_eq(lane->done, 5);
    ck_assert_uint_eq(lane->queued + lane->running, 0);
    ck_assert_uint_eq(lane->queued_max, 5);
    ck_assert_int_ge(lane->run_ns, 10 * EDDY_NS_PER_MS);
    ck_assert_int_ge(lane->wait_ns, 20 * EDDY_NS_PER_MS); /* 0 + 2 + 4 + 6 + 8 ms */
    ck_assert_uint_eq(metrics.lanes[EDDY_LANE_FILE].done, 0);
    eddy_metrics counts;
    eddy_loop_read_metrics(loop, &counts, sizeof counts);
    ck_assert_uint_eq(counts.jobs, 5);
    eddy_pool_metrics shorter = {.threads_max = 77}; /* of a header that has the first two alone */
    eddy_pool_read_metrics(pool, &shorter, offsetof(eddy_pool_metrics, threads_max));
    ck_assert_uint_eq(shorter.threads, metrics.threads);
    ck_assert_uint_eq(shorter.threads_max, 77);
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("pool");
    ck_add(suite, "settings", settings_out_of_range_are_invalid, a_pool_may_lend_priority,
           lanes_have_the_documented_quotas, a_pool_takes_all_its_memory_from_its_allocator);
    ck_add(suite, "threads", blocking_jobs_get_a_thread_each,
           held_up_threads_do_not_hold_up_the_others, a_lane_keeps_to_its_quota, lanes_take_turns,
           threads_leave_after_idling_and_come_back, the_last_thread_stays_for_a_job_that_is_coming,
           a_job_that_meets_a_leaving_thread_is_done, threads_of_the_pool_block_all_signals);
    ck_add(suite, "sharing", loops_in_several_threads_share_a_pool, a_pool_in_use_is_busy,
           a_lent_pool_keeps_its_loop_open, a_loop_that_failed_to_open_lets_go_of_the_pool);
    ck_add(suite, "drain", drain_lists_the_survivors, drain_ends_when_the_last_job_is_cancelled,
           the_pool_counts_waiting_and_running);
    return suite;
}
