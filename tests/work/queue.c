/* queue.c: jobs of a queue: one at a time and in order, whatever else the pool does. */
#include "queues.h"

/* --- A queue that tells of two at once: no lock, no atomic, so that ThreadSanitizer looks too ---
 */

enum { SERIAL_JOBS = 400 };

struct serial {
    eddy_queue queue;
    unsigned inside, count; /* the running job's */
    unsigned told;          /* the loop's */
    struct gate *gate;
};

struct serial_job {
    eddy_work work;
    struct serial *serial;
    unsigned number; /* of submission, from 0 */
    bool submits;    /* one more, when it is told */
};

static void serial_run(eddy_work *work) {
    struct serial_job *job = eddy_container_of(work, struct serial_job, work);
    struct serial *it = job->serial;
    ck_assert_uint_eq(it->inside++, 0);
    ck_assert_uint_eq(it->count++, job->number);
    if (it->gate != NULL) gate_pass(it->gate);
    if (job->number % 64 == 0) sched_yield();
    it->inside--;
}

static void serial_done(eddy_work *work, int status) {
    struct serial_job *job = eddy_container_of(work, struct serial_job, work);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(job->serial->told++, job->number);
}

static void serial_submit(struct serial *it, struct serial_job *job, unsigned number) {
    *job = (struct serial_job){.serial = it, .number = number};
    ck_assert_int_eq(eddy_queue_submit(&it->queue, &job->work, serial_run, serial_done), 0);
}

static struct serial_job serial_jobs[2][SERIAL_JOBS];

static void serial_open(struct serial *it, eddy_lane lane) {
    *it = (struct serial){.inside = 0};
    eddy_queue_init(&it->queue, loop, lane);
}

/* One job at a time, on whichever thread; each sees what the one before has left, and `done` comes
 * in the same order. Beside them other jobs of the lane come and go. */
START_TEST(jobs_of_a_queue_run_one_at_a_time_and_in_order) {
    open_with(thread_counts[_i]);
    struct serial serial;
    static struct job others[SERIAL_JOBS];
    memset(others, 0, sizeof others);
    serial_open(&serial, EDDY_LANE_FILE);
    for (unsigned i = 0; i < SERIAL_JOBS; i++) {
        serial_submit(&serial, &serial_jobs[0][i], i);
        job_submit(loop, &others[i], EDDY_LANE_FILE);
        if (i % 50 == 20) hand_over(loop);
    }
    run_out(loop);
    ck_assert_uint_eq(serial.told, SERIAL_JOBS);
    for (unsigned i = 0; i < SERIAL_JOBS; i++) ck_assert_int_eq(others[i].done, 1);
    eddy_lane_metrics lane = pool_metrics(pool).lanes[EDDY_LANE_FILE];
    ck_assert_uint_eq(lane.done, 2 * SERIAL_JOBS);
    ck_assert_uint_eq(lane.queued + lane.running, 0);
    close_all();
}
END_TEST

/* Jobs so short that their ends meet, told to a loop that sleeps between them. */
START_TEST(done_comes_in_order_however_short_the_jobs_are) {
    open_with(thread_counts[_i]);
    struct serial serial[2];
    for (unsigned round = 0; round < 20; round++) {
        for (int q = 0; q < 2; q++) serial_open(&serial[q], (eddy_lane)(q * EDDY_LANE_CPU));
        for (unsigned i = 0; i < SERIAL_JOBS; i++)
            for (int q = 0; q < 2; q++) serial_submit(&serial[q], &serial_jobs[q][i], i);
        run_out(loop);
        for (int q = 0; q < 2; q++) ck_assert_uint_eq(serial[q].told, SERIAL_JOBS);
    }
    close_all();
}
END_TEST

/* Two queues: the gate opens for nobody until a job of each stands before it. */
START_TEST(two_queues_run_beside_each_other) {
    open_with(4);
    struct gate gate = GATE_CLOSED;
    struct serial serial[2];
    for (int q = 0; q < 2; q++) {
        serial_open(&serial[q], EDDY_LANE_FILE);
        serial[q].gate = &gate;
        for (unsigned i = 0; i < 10; i++) serial_submit(&serial[q], &serial_jobs[q][i], i);
    }
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 2), 2);
    eddy_lane_metrics lane = pool_metrics(pool).lanes[EDDY_LANE_FILE];
    ck_assert_uint_eq(lane.running, 2); /* there are threads, and yet */
    ck_assert_uint_eq(lane.queued, 18);
    gate_set(&gate, true);
    run_out(loop);
    close_all();
}
END_TEST

/* A queue with much to do, and one thread: the loop's other jobs get every second turn. */
START_TEST(a_queue_takes_turns_with_the_loops_other_jobs) {
    open_with(1);
    struct gate gate = GATE_CLOSED;
    struct serial serial;
    struct job others[5];
    unsigned clock = 0;
    serial_open(&serial, EDDY_LANE_CPU);
    serial.gate = &gate;
    for (unsigned i = 0; i < 100; i++) serial_submit(&serial, &serial_jobs[0][i], i);
    for (int i = 0; i < 5; i++) {
        others[i] = (struct job){.clock = &clock};
        job_submit(loop, &others[i], EDDY_LANE_CPU);
    }
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 1), 1);
    gate_set(&gate, true);
    while (clock < 5) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    for (int i = 0; i < 5; i++) ck_assert_uint_eq(others[i].order, (unsigned)i + 1);
    run_out(loop);
    ck_assert_uint_eq(serial.told, 100);
    close_all();
}
END_TEST

/* The lane's quota counts for queues as it does for others. */
START_TEST(queues_keep_to_the_quota_of_their_lane) {
    enum { QUEUES = 4 };
    open_with(4);
    struct gate gate = GATE_CLOSED;
    struct serial serial[QUEUES];
    struct serial_job jobs[QUEUES];
    for (int q = 0; q < QUEUES; q++) {
        serial_open(&serial[q], EDDY_LANE_LOOKUP); /* half of the threads */
        serial[q].gate = &gate;
        serial_submit(&serial[q], &jobs[q], 0);
    }
    struct job file = {.ran = 0};
    job_submit(loop, &file, EDDY_LANE_FILE);
    hand_over(loop);
    ck_assert_int_eq(gate_await(&gate, 2), 2);
    while (file.done == 0) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    eddy_lane_metrics lane = pool_metrics(pool).lanes[EDDY_LANE_LOOKUP];
    ck_assert_uint_eq(lane.running, 2);
    ck_assert_uint_eq(lane.queued, 2);
    gate_set(&gate, true);
    run_out(loop);
    close_all();
}
END_TEST

/* --- Whose memory it is --- */

struct freed {
    eddy_queue queue;
    eddy_work work[2];
    int left;
};
static int freed_count;

static void freed_run(eddy_work *work) {
    (void)work;
}

static void freed_done(eddy_work *work, int status) {
    ck_assert_int_eq(status, 0);
    struct freed *it = eddy_container_of(work->queue, struct freed, queue);
    if (--it->left > 0) return;
    memset(it, 0xee, sizeof *it);
    free(it);
    freed_count++;
}

/* The queue is freed in `done` of its last job, while the thread that pushed that may not have
 * returned yet. */
START_TEST(a_queue_is_the_callers_when_its_last_job_is_told) {
    enum { ROUNDS = 300 };
    open_with(thread_counts[_i]);
    freed_count = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct freed *it = calloc(1, sizeof *it);
        ck_assert_ptr_nonnull(it);
        eddy_queue_init(&it->queue, loop, EDDY_LANE_CPU);
        it->left = 2;
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(eddy_queue_submit(&it->queue, &it->work[i], freed_run, freed_done), 0);
        hand_over(loop);
    }
    run_out(loop);
    ck_assert_int_eq(freed_count, ROUNDS);
    close_all();
}
END_TEST

static eddy_queue again_queue;
static int again_left;

static void again_done(eddy_work *work, int status) {
    ck_assert_int_eq(status, 0);
    if (again_left-- == 0) return;
    memset(work, 0xee, sizeof *work);
    ck_assert_int_eq(eddy_queue_submit(&again_queue, work, freed_run, again_done), 0);
}

START_TEST(a_job_of_a_queue_may_be_submitted_again_in_its_callback) {
    open_with(thread_counts[_i]);
    eddy_work works[3];
    eddy_queue_init(&again_queue, loop, EDDY_LANE_FILE);
    again_left = 500;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(eddy_queue_submit(&again_queue, &works[i], freed_run, again_done), 0);
    while (eddy_loop_is_alive(loop)) {
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
        if (again_left < 0) again_left = 0;
    }
    close_all();
}
END_TEST

START_TEST(a_queue_without_lane_is_refused) {
    open_with(1);
    eddy_queue queue;
    struct job job = {.ran = 0};
    for (int i = 0; i < 2; i++) {
        eddy_queue_init(&queue, loop, i == 0 ? EDDY_LANES : (eddy_lane)-1);
        ck_assert_int_eq(eddy_queue_submit(&queue, &job.work, job_run, job_done), -EINVAL);
    }
    ck_assert(!eddy_loop_is_alive(loop));
    close_all();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("queue");
    add_each(suite, "order", jobs_of_a_queue_run_one_at_a_time_and_in_order);
    add_each(suite, "short", done_comes_in_order_however_short_the_jobs_are);
    ck_add(suite, "turns", two_queues_run_beside_each_other,
           a_queue_takes_turns_with_the_loops_other_jobs, queues_keep_to_the_quota_of_their_lane,
           a_queue_without_lane_is_refused);
    add_each(suite, "memory", a_queue_is_the_callers_when_its_last_job_is_told);
    add_each(suite, "again", a_job_of_a_queue_may_be_submitted_again_in_its_callback);
    return suite;
}
