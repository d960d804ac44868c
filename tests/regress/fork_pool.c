/* fork_pool.c: a fork while a pool has threads and jobs. The child has the memory of all of it and
 * none of the threads: nothing there may wait for them, or for a lock that one of them held. */
#include "../../src/core/loop.h"
#include "../work/jobs.h"
#include "sanitized.h"

/* Runs `check` in a child that is ended if it stands still. */
static void in_child(void (*check)(void)) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(20);
        check();
        _exit(0);
    }
    child_is_content(child);
}

static eddy_loop *loop, *other;
static eddy_pool *pool;
static struct job jobs[4];
static struct gate gate = GATE_CLOSED;

/* Without what test_loop_open adds, so that the child can close it. */
static eddy_loop *open_loop(eddy_pool *with) {
    eddy_loop *opened;
    eddy_loop_config config = {.backend = test_backend, .pool = with};
    ck_assert_int_eq(eddy_loop_open(&opened, &config), 0);
    return opened;
}

static void close_loop(eddy_loop *it) {
    ck_assert_int_eq(eddy_loop_verify(it, NULL), 0);
    ck_assert_int_eq(eddy_loop_close(it), 0);
}

static void clear(void) {
    memset(jobs, 0, sizeof jobs);
    gate_set(&gate, false);
}

static void start_a_thread(void) {
    clear();
    job_submit(loop, &jobs[0], EDDY_LANE_FILE);
    run_out(loop);
}

/* --- Jobs that were in flight --- */

static void child_finds_it_done(void) {
    child_assert(eddy_loop_after_fork(loop) == 0);
    child_assert(eddy_work_cancel(&jobs[0].work) == -EALREADY);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    child_assert(jobs[0].done == 1 && jobs[0].status == 0);
    child_assert(eddy_loop_close(loop) == 0);
}

/* A job that had come back before the fork is told to both, and each may try to cancel it. */
START_TEST(a_job_that_was_done_at_the_fork_is_done_in_the_child) {
    loop = open_loop(NULL);
    do { /* the turn that hands it over may already tell of it */
        clear();
        job_submit(loop, &jobs[0], EDDY_LANE_FILE);
        hand_over(loop);
    } while (jobs[0].done > 0);
    ck_assert_int_eq(eddy_pool_drain(eddy_loop_pool(loop), 10 * EDDY_NS_PER_S, NULL, NULL), 0);
    /* From the pool's count to the inbox it is a moment more. */
    while (!inbox_has_arrived(&loop->inbox) && !(loop->due & DUE_INBOX)) sleep_ns(EDDY_NS_PER_MS);
    in_child(child_finds_it_done);
    ck_assert_int_eq(eddy_work_cancel(&jobs[0].work), -EALREADY);
    run_out(loop);
    ck_assert_int_eq(jobs[0].done, 1);
    close_loop(loop);
}
END_TEST

static void child_cannot_cancel_it(void) {
    child_assert(eddy_loop_after_fork(loop) == 0);
    child_assert(eddy_work_cancel(&jobs[0].work) == -EALREADY);
    child_assert(eddy_loop_run(loop, EDDY_RUN_NOWAIT) == 0);
    child_assert(jobs[0].done == 1 && eddy_loop_verify(loop, NULL) == 0);
    child_assert(eddy_loop_close(loop) == 0);
}

/* Its memory is as it was, so "cancel everything" meets it too. */
START_TEST(a_job_that_was_told_before_the_fork_is_not_told_again) {
    loop = open_loop(NULL);
    start_a_thread();
    ck_assert_int_eq(jobs[0].done, 1);
    in_child(child_cannot_cancel_it);
    close_loop(loop);
}
END_TEST

static void child_takes_all_back(void) {
    child_assert(eddy_loop_after_fork(loop) == 0);
    for (int i = 0; i < 4; i++) child_assert(eddy_work_cancel(&jobs[i].work) == 0);
    for (int i = 0; i < 4; i++) child_assert(eddy_work_cancel(&jobs[i].work) == -EALREADY);
    child_assert(eddy_loop_verify(loop, NULL) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    for (int i = 0; i < 4; i++) child_assert(jobs[i].done == 1 && jobs[i].status == -ECANCELED);
    child_assert(eddy_loop_close(loop) == 0);
}

/* Running and queued at the fork: they stay the parent's, and the child can have its requests back,
 * without which it could not close its loop. */
START_TEST(jobs_in_flight_at_the_fork_are_taken_back_by_the_child) {
    eddy_pool *small = pool_open((eddy_pool_config){.threads = 1});
    loop = open_loop(small);
    clear();
    for (int i = 0; i < 4; i++) {
        jobs[i].gate = &gate;
        job_submit(loop, &jobs[i], (eddy_lane)(i % EDDY_LANES));
    }
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 1), 1);
    in_child(child_takes_all_back);
    gate_set(&gate, true);
    run_out(loop);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(jobs[i].ran, 1);
    close_loop(loop);
    ck_assert_int_eq(eddy_pool_close(small), 0);
}
END_TEST

/* --- The pool --- */

static void child_calls_twice(void) {
    for (int round = 1; round <= 3; round++) {
        child_assert(eddy_loop_after_fork(loop) == 0);
        child_assert(eddy_work_submit(loop, &jobs[1].work, EDDY_LANE_CPU, job_run, job_done) == 0);
        if (round == 2) child_assert(eddy_loop_after_fork(loop) == 0); /* it is announced */
        child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
        child_assert(jobs[1].ran == round && jobs[1].done == round);
        eddy_pool_metrics metrics;
        eddy_pool_read_metrics(eddy_loop_pool(loop), &metrics, sizeof metrics);
        child_assert(metrics.lanes[EDDY_LANE_CPU].done == (unsigned)round);
    }
    child_assert(eddy_loop_close(loop) == 0);
}

/* The pool that the child has made for itself, with a thread in it, is not the parent's. */
START_TEST(a_second_after_fork_leaves_the_childs_pool_alone) {
#ifdef WITH_TSAN
    return; /* it lets no child of a program with threads start any */
#endif
    loop = open_loop(NULL);
    start_a_thread();
    in_child(child_calls_twice);
    close_loop(loop);
}
END_TEST

static void child_closes(void) {
    child_assert(eddy_loop_close(loop) == -ECHILD);
    child_assert(eddy_loop_verify(loop, NULL) == 0);
}

static void child_closes_after_fork(void) {
    child_assert(eddy_loop_after_fork(loop) == 0);
    child_assert(eddy_loop_close(loop) == 0);
}

/* The threads that closing waits for are not there, and with epoll it would take what the loop
 * watches out of the parent's set: not before eddy_loop_after_fork. */
START_TEST(a_child_closes_a_loop_whose_pool_had_threads) {
    loop = open_loop(NULL);
    start_a_thread();
    in_child(child_closes);
    in_child(child_closes_after_fork);
    start_a_thread(); /* the parent's is as it was */
    ck_assert_int_eq(jobs[0].done, 1);
    close_loop(loop);
}
END_TEST

static void child_closes_shared(void) {
    eddy_loop *more;
    eddy_loop_config config = {.backend = test_backend, .pool = pool};
    child_assert(eddy_pool_drain(pool, -1, NULL, NULL) == -ECHILD);
    child_assert(eddy_loop_open(&more, &config) == -ECHILD);
    child_assert(eddy_pool_close(pool) == -EBUSY);
    child_assert(eddy_loop_after_fork(loop) == 0);
    child_assert(eddy_pool_close(pool) == -EBUSY); /* the other loop's still */
    child_assert(eddy_loop_close(other) == -ECHILD);
    child_assert(eddy_loop_after_fork(other) == 0);
    child_assert(eddy_loop_close(other) == 0);
    child_assert(eddy_pool_close(pool) == 0);
    child_assert(eddy_loop_close(loop) == 0);
}

/* A pool of the program's: it is of no use in the child, says so, and can be closed. Some thread
 * held its lock at the fork, for all that the child knows. */
static atomic_bool storm_over;

static void *look_again_and_again(void *argument) {
    eddy_pool_metrics metrics;
    while (!atomic_load(&storm_over)) eddy_pool_read_metrics(argument, &metrics, sizeof metrics);
    return NULL;
}

START_TEST(a_shared_pool_of_the_parent_can_be_closed_in_the_child) {
    pool = pool_open((eddy_pool_config){0});
    loop = open_loop(pool);
    other = open_loop(pool);
    start_a_thread();
    pthread_t storm;
    storm_over = false;
    ck_assert_int_eq(pthread_create(&storm, NULL, look_again_and_again, pool), 0);
    for (int i = 0; i < 20; i++) in_child(child_closes_shared);
    storm_over = true;
    ck_assert_int_eq(pthread_join(storm, NULL), 0);
    start_a_thread();
    close_loop(other);
    close_loop(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

static void child_closes_owner_first(void) {
    child_assert(eddy_loop_after_fork(loop) == 0);
    child_assert(eddy_loop_close(loop) == 0);
    child_assert(eddy_loop_after_fork(other) == 0);
    child_assert(eddy_loop_close(other) == 0);
}

/* A loop's own pool, lent to another loop: whoever leaves it last frees it. */
START_TEST(a_lent_pool_is_left_by_one_after_the_other) {
    loop = open_loop(NULL);
    other = open_loop(eddy_loop_pool(loop));
    start_a_thread();
    in_child(child_closes_owner_first);
    close_loop(other);
    close_loop(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fork and pool");
    ck_add(suite, "jobs", a_job_that_was_told_before_the_fork_is_not_told_again,
           a_job_that_was_done_at_the_fork_is_done_in_the_child,
           jobs_in_flight_at_the_fork_are_taken_back_by_the_child);
    ck_add(suite, "pool", a_second_after_fork_leaves_the_childs_pool_alone,
           a_child_closes_a_loop_whose_pool_had_threads,
           a_shared_pool_of_the_parent_can_be_closed_in_the_child,
           a_lent_pool_is_left_by_one_after_the_other);
    return suite;
}
