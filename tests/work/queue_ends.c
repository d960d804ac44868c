/* queue_ends.c: jobs of a queue that are cancelled, walked over, or left to the parent. */
#include "queues.h"
#include "sanitized.h"

/* --- Cancel --- */

static void submit_to(eddy_queue *queue, struct job *job) {
    ck_assert_int_eq(eddy_queue_submit(queue, &job->work, job_run, job_done), 0);
}

enum { FIVE = 5 };
static struct job five[FIVE];
static struct gate gate;
static unsigned five_clock;

/* Five jobs of a queue, of which the first one runs; or none has been handed over. */
static void submit_five(eddy_queue *queue, bool are_handed_over) {
    gate = (struct gate)GATE_CLOSED;
    five_clock = 0;
    for (int i = 0; i < FIVE; i++) {
        five[i] = (struct job){.gate = &gate, .clock = &five_clock};
        submit_to(queue, &five[i]);
    }
    if (!are_handed_over) return;
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 1), 1);
}

/* Whichever of those that wait is taken back, the others are done in their order. */
static void cancel_one(unsigned threads, bool are_handed_over, int which) {
    open_with(threads);
    eddy_queue queue;
    eddy_queue_init(&queue, loop, EDDY_LANE_CPU);
    submit_five(&queue, are_handed_over);
    bool runs = are_handed_over && which == 0;
    ck_assert_int_eq(eddy_work_cancel(&five[which].work), runs ? -EBUSY : 0);
    ck_assert_int_eq(eddy_work_cancel(&five[which].work), runs ? -EBUSY : -EALREADY);
    gate_set(&gate, true);
    run_out(loop);
    unsigned last = 0;
    for (int i = 0; i < FIVE; i++) {
        bool is_cancelled = i == which && !runs;
        ck_assert_int_eq(five[i].done, 1);
        ck_assert_int_eq(five[i].ran, !is_cancelled);
        ck_assert_int_eq(five[i].status, is_cancelled ? -ECANCELED : 0);
        if (is_cancelled) continue;
        ck_assert_uint_gt(five[i].order, last);
        last = five[i].order;
    }
    eddy_lane_metrics lane = pool_metrics(pool).lanes[EDDY_LANE_CPU];
    ck_assert_uint_eq(lane.cancelled, are_handed_over && !runs);
    ck_assert_uint_eq(lane.queued + lane.running, 0);
    close_all();
}

START_TEST(a_cancelled_job_holds_up_no_other) {
    for (int which = 0; which < FIVE; which++) {
        cancel_one(thread_counts[_i], true, which);
        cancel_one(thread_counts[_i], false, which);
    }
}
END_TEST

/* All that waited is taken back while a job runs, and the queue goes on with what comes then. */
START_TEST(a_queue_whose_jobs_were_taken_back_goes_on) {
    open_with(thread_counts[_i]);
    eddy_queue queue;
    eddy_queue_init(&queue, loop, EDDY_LANE_FILE);
    submit_five(&queue, true);
    for (int i = 1; i < FIVE; i++) ck_assert_int_eq(eddy_work_cancel(&five[i].work), 0);
    struct job late = {.clock = &five_clock};
    submit_to(&queue, &late);
    hand_over(loop);
    for (int i = 1; i < FIVE; i++) ck_assert_int_eq(five[i].status, -ECANCELED);
    ck_assert_int_eq(late.ran, 0);
    gate_set(&gate, true);
    run_out(loop);
    ck_assert_int_eq(late.ran, 1);
    ck_assert_uint_eq(late.order, five[0].order + 1);
    close_all();
}
END_TEST

/* Submits and cancels at random, several queues, all lanes: each answer of cancel is what happens,
 * and those that ran were told in order. */
enum { STORM_QUEUES = 3, STORM_JOBS = 48 };

struct storm_queue {
    eddy_queue queue;
    atomic_int inside;
    unsigned submitted, told;
};
static struct storm_job {
    struct job job;
    struct storm_queue *queue; /* NULL: not in flight */
    unsigned number;
    bool is_removed;
} storm_jobs[STORM_JOBS];
static struct storm_queue storm_queues[STORM_QUEUES];
static int storm_removed, storm_finished;

static void storm_run(eddy_work *work) {
    struct storm_job *it = eddy_container_of(work, struct storm_job, job.work);
    ck_assert_int_eq(atomic_fetch_add(&it->queue->inside, 1), 0);
    atomic_fetch_add(&it->job.ran, 1);
    ck_assert_int_eq(atomic_fetch_sub(&it->queue->inside, 1), 1);
}

static void storm_done(eddy_work *work, int status) {
    struct storm_job *it = eddy_container_of(work, struct storm_job, job.work);
    ck_assert_int_eq(status, it->is_removed ? -ECANCELED : 0);
    ck_assert_int_eq(it->job.ran, !it->is_removed);
    if (!it->is_removed) {
        ck_assert_uint_gt(it->number, it->queue->told);
        it->queue->told = it->number;
    }
    it->queue = NULL;
    storm_finished++;
}

static void storm_step(unsigned long long *seed) {
    struct storm_job *it = &storm_jobs[random_below(seed, STORM_JOBS)];
    if (it->queue == NULL) {
        it->queue = &storm_queues[random_below(seed, STORM_QUEUES)];
        it->number = ++it->queue->submitted;
        it->is_removed = false;
        it->job.ran = 0;
        ck_assert_int_eq(eddy_queue_submit(&it->queue->queue, &it->job.work, storm_run, storm_done),
                         0);
        return;
    }
    int answer = eddy_work_cancel(&it->job.work);
    ck_assert(answer == 0 || answer == -EBUSY || answer == -EALREADY);
    if (answer != 0) return;
    ck_assert(!it->is_removed);
    it->is_removed = true;
    storm_removed++;
}

START_TEST(jobs_of_queues_have_one_outcome_under_random_cancels) {
    unsigned long long seed = 11;
    open_with(thread_counts[_i]);
    memset(storm_jobs, 0, sizeof storm_jobs);
    memset(storm_queues, 0, sizeof storm_queues);
    storm_removed = storm_finished = 0;
    for (int i = 0; i < STORM_QUEUES; i++)
        eddy_queue_init(&storm_queues[i].queue, loop, (eddy_lane)(i % EDDY_LANES));
    for (int turn = 0; turn < 1500; turn++) {
        for (unsigned i = random_below(&seed, 30); i > 0; i--) storm_step(&seed);
        hand_over(loop);
        if (turn % 10 == 0) run_out(loop); /* however busy the machine is, some of them run */
    }
    run_out(loop);
    for (int i = 0; i < STORM_JOBS; i++) ck_assert_ptr_null(storm_jobs[i].queue);
    ck_assert_int_gt(storm_removed, 100);
    ck_assert_int_gt(storm_finished, storm_removed + 100);
    close_all();
}
END_TEST

/* --- In flight --- */

static void count_visit(void *context, eddy_work *work) {
    (void)work;
    ++*(int *)context;
}

static void count_item(const eddy_walk_item *item, void *context) {
    if (item->kind == EDDY_KIND_WORK) ++*(int *)context;
}

/* What waits behind a job that runs is in no list of the lane, and yet in flight: the loop stays
 * open, a drain and a walk tell of all five. */
START_TEST(jobs_that_wait_in_a_queue_are_in_flight) {
    open_with(thread_counts[_i]);
    eddy_queue queue;
    int seen = 0, told = 0;
    eddy_queue_init(&queue, loop, EDDY_LANE_FILE);
    submit_five(&queue, true);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    ck_assert_int_eq(eddy_pool_close(pool), -EBUSY);
    ck_assert_int_eq(eddy_pool_drain(pool, 0, count_visit, &seen), FIVE);
    ck_assert_int_eq(seen, FIVE);
    eddy_loop_walk(loop, count_item, &told);
    ck_assert_int_eq(told, FIVE);
    gate_set(&gate, true);
    ck_assert_int_eq(eddy_pool_drain(pool, 10 * EDDY_NS_PER_S, NULL, NULL), 0);
    run_out(loop);
    close_all();
}
END_TEST

/* Queues that have jobs in two loops of one pool. */
START_TEST(queues_of_two_loops_share_a_pool) {
    open_with(thread_counts[_i]);
    eddy_loop *other = loop_with(pool);
    eddy_queue queue;
    int told = 0;
    eddy_queue_init(&queue, other, EDDY_LANE_FILE);
    struct job theirs[3] = {{.ran = 0}};
    struct gate closed = GATE_CLOSED;
    for (int i = 0; i < 3; i++) {
        theirs[i].gate = &closed;
        submit_to(&queue, &theirs[i]);
    }
    hand_over(other);
    eddy_loop_walk(loop, count_item, &told);
    ck_assert_int_eq(told, 0);
    eddy_loop_walk(other, count_item, &told);
    ck_assert_int_eq(told, 3);
    gate_set(&closed, true);
    run_out(other);
    test_loop_close(other);
    close_all();
}
END_TEST

/* --- A fork --- */

static eddy_queue fork_queue;
static struct job fork_late[2];

static void child_has_its_queue(void) {
    child_assert(eddy_loop_after_fork(loop) == 0);
    for (int i = 0; i < FIVE; i++) child_assert(eddy_work_cancel(&five[i].work) == 0);
    /* Behind jobs that no thread of this process has. */
    for (int i = 0; i < 2; i++)
        child_assert(eddy_queue_submit(&fork_queue, &fork_late[i].work, job_run, job_done) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    for (int i = 0; i < FIVE; i++) child_assert(five[i].status == -ECANCELED);
    for (int i = 0; i < 2; i++) child_assert(fork_late[i].ran == 1 && fork_late[i].status == 0);
    child_assert(fork_late[1].order == fork_late[0].order + 1);
    child_assert(eddy_loop_verify(loop, NULL) == 0);
    child_assert(eddy_loop_close(loop) == 0);
}

/* The child's queue is its own, though a job of it ran at the fork, and never will end there. */
START_TEST(a_queue_goes_on_in_a_forked_child) {
#ifdef WITH_TSAN
    return; /* it lets no child of a program with threads start any */
#endif
    loop = NULL;
    eddy_loop_config config = {.backend = test_backend, .pool_threads = thread_counts[_i]};
    ck_assert_int_eq(eddy_loop_open(&loop, &config), 0);
    eddy_queue_init(&fork_queue, loop, EDDY_LANE_CPU);
    submit_five(&fork_queue, true);
    unsigned clock = 0;
    for (int i = 0; i < 2; i++) fork_late[i] = (struct job){.clock = &clock};
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(20);
        child_has_its_queue();
        _exit(0);
    }
    child_is_content(child);
    gate_set(&gate, true);
    run_out(loop);
    for (int i = 0; i < FIVE; i++) ck_assert_int_eq(five[i].ran, 1);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("queue ends");
    add_each(suite, "cancel", a_cancelled_job_holds_up_no_other);
    add_each(suite, "cancel all", a_queue_whose_jobs_were_taken_back_goes_on);
    add_each(suite, "storm", jobs_of_queues_have_one_outcome_under_random_cancels);
    add_each(suite, "in flight", jobs_that_wait_in_a_queue_are_in_flight);
    add_each(suite, "two loops", queues_of_two_loops_share_a_pool);
    add_each(suite, "fork", a_queue_goes_on_in_a_forked_child);
    return suite;
}
