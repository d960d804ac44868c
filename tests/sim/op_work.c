/* op_work.c: jobs, the queues that some of them go through, and the pools that run them.
 * A job of its own tells when it begins and ends, on whichever thread; so it is known whether it
 * ran, once and no more, before it is told to be done, and how many ran at once. */
#include "operations.h"

enum { THREADS_MAX = 4 };

struct pool_box {
    eddy_pool *pool;
    unsigned users; /* desks */
    unsigned threads;
    unsigned quotas[EDDY_LANES];
    unsigned running[EDDY_LANES];
    bool is_parents; /* of no use in this process */
};

/* Gone when the last of its jobs is told. */
struct op_queue {
    eddy_queue queue;
    eddy_lane lane;
    unsigned jobs;        /* in flight */
    unsigned running;     /* of them */
    uint64_t begun, told; /* the numbers of the last ones */
};

struct op_job {
    eddy_work work;
    struct desk *desk;
    struct op_queue *queue; /* or NULL */
    unsigned queue_place;
    struct pool_box *pool; /* NULL: the loop's own */
    eddy_lane lane;
    uint64_t number;
    unsigned place;
    unsigned begun, ended;
    bool is_cancelled, is_known_to_run, is_known_to_be_done;
    bool is_parents; /* handed over before the fork: no thread of this process has it */
    int64_t time_ns;
};

/* --- On a thread of the pool --- */

static void check_order(struct op_queue *queue, uint64_t number) {
    ledger_look(queue);
    sim_check(queue->running++ == 0, "two jobs of a queue run at once");
    sim_check(queue->begun < number, "jobs of a queue are run out of order");
    queue->begun = number;
}

static void check_begin(struct op_job *job) {
    struct pool_box *box = job->pool;
    if (job->queue != NULL) check_order(job->queue, job->number);
    sim_check(job->begun == 0, "a job is run twice");
    sim_check(!job->is_cancelled, "a job is run that was cancelled");
    job->begun++;
    if (box == NULL) return;
    sim_check(++box->running[job->lane] <= box->quotas[job->lane], "a lane has too many threads");
    if (job->queue != NULL) return; /* its turn is another than that of the loop's other jobs */
    if (box->threads > 1) return;   /* two threads take jobs in order, and begin them in any */
    sim_check(job->desk->job_last[job->lane] < job->number, "jobs of a lane are run out of order");
    job->desk->job_last[job->lane] = job->number;
}

static void run_job(eddy_work *work) {
    struct op_job *job = eddy_container_of(work, struct op_job, work);
    ledger_look(job);
    check_begin(job);
    if (job->time_ns > 0) sim_sleep(job->time_ns);
    if (!office.ends && !office.is_quiet && pick(3) == 0) op_post(job->desk);
    ledger_look(job);
    if (job->pool != NULL) job->pool->running[job->lane]--;
    if (job->queue != NULL) job->queue->running--;
    job->ended++;
}

/* --- On the loop --- */

static void queue_drop(const struct op_job *job) {
    if (--job->queue->jobs > 0) return;
    job->desk->queues[job->queue_place] = NULL;
    ledger_free(job->queue);
}

static void queue_told(struct op_job *job) {
    struct op_queue *queue = job->queue;
    sim_check(job->is_cancelled || queue->told < job->number,
              "a queue's jobs are told in no order");
    if (!job->is_cancelled) queue->told = job->number;
    queue_drop(job);
}

static void on_done(eddy_work *work, int status) {
    struct op_job *job = eddy_container_of(work, struct op_job, work);
    ledger_paid(job);
    struct desk *desk = job->desk;
    op_enter(desk, PHASE_INBOX);
    sim_check(status == 0 || status == -ECANCELED, "a job ends with %d", status);
    sim_check(job->ended == (status == 0), "a job that ran %u times ends with %d", job->ended,
              status);
    sim_check((status == -ECANCELED) == job->is_cancelled, "cancelled, and told %d", status);
    sim_check(status == 0 || !(job->is_known_to_run || job->is_known_to_be_done),
              "a job was running, and is told to be cancelled");
    desk->jobs[job->place] = NULL;
    if (job->queue != NULL) queue_told(job);
    ledger_free(job);
    op_leave(desk);
}

static void queue_pick(struct desk *desk, struct op_job *job) {
    job->queue_place = pick(QUEUES);
    struct op_queue *queue = desk->queues[job->queue_place];
    if (queue == NULL) {
        queue = desk->queues[job->queue_place] = ledger_new("queue", sizeof *queue);
        queue->lane = job->lane;
        eddy_queue_init(&queue->queue, desk->party.loop, queue->lane);
    }
    queue->jobs++;
    job->lane = queue->lane;
    job->queue = queue;
}

static int job_start(struct desk *desk, struct op_job *job) {
    eddy_loop *loop = desk->party.loop;
    if (job->queue != NULL)
        return CALL(&desk->party,
                    eddy_queue_submit(&job->queue->queue, &job->work, run_job, on_done));
    return CALL(&desk->party, eddy_work_submit(loop, &job->work, job->lane, run_job, on_done));
}

static void job_submit(struct desk *desk, unsigned place) {
    struct op_job *job = ledger_new("job", sizeof *job);
    job->desk = desk;
    job->pool = desk->pool;
    job->lane = (eddy_lane)pick(EDDY_LANES);
    job->place = place;
    job->time_ns = pick(3) == 0 ? 0 : pick(9) * EDDY_NS_PER_MS;
    if (pick(20) == 0) {
        int err = CALL(&desk->party, eddy_work_submit(desk->party.loop, &job->work, EDDY_LANES,
                                                      run_job, on_done));
        sim_check(err == -EINVAL, "a job of no lane gives %d", err);
    }
    if (pick(3) == 0) queue_pick(desk, job);
    int err = job_start(desk, job);
    sim_check(err == 0 || op_is_weather(err), "to submit a job gives %d", err);
    if (err < 0) {
        if (job->queue != NULL) queue_drop(job);
        ledger_free(job);
        return;
    }
    job->number = ++office.job_numbers;
    ledger_owe(job);
    desk->jobs[place] = job;
}

static void job_cancel(struct op_job *job) {
    bool was_cancelled = job->is_cancelled;
    int err = CALL(&job->desk->party, eddy_work_cancel(&job->work));
    sim_check(err == 0 || err == -EBUSY || err == -EALREADY, "to cancel a job gives %d", err);
    if (was_cancelled) sim_check(err == -EALREADY, "a second cancel gives %d", err);
    if (err == 0) {
        if (job->is_parents) job->begun = job->ended = 0; /* that was in another process */
        sim_check(job->begun == 0, "a job that has begun was cancelled");
        job->is_cancelled = true;
    }
    if (err == -EBUSY) {
        sim_check(!job->is_parents, "a job runs that no thread has");
        sim_check(!job->is_known_to_be_done, "a job is done, and running again");
        job->is_known_to_run = true;
    }
    if (err == -EALREADY && !was_cancelled) {
        sim_check(job->ended > 0, "a job is told to be done that has not ended");
        job->is_known_to_be_done = true;
    }
}

static void count_visit(void *context, eddy_work *work) {
    (void)work;
    ++*(unsigned *)context;
}

static void drain(eddy_pool *pool) {
    unsigned visited = 0;
    int64_t timeout_ns = pick(3) == 0 ? -1 : (int64_t)pick(3) * EDDY_NS_PER_MS;
    int left = eddy_pool_drain(pool, timeout_ns, count_visit, &visited);
    sim_check(left >= 0 && (unsigned)left == visited, "%d jobs are left, %u were seen", left,
              visited);
    sim_check(timeout_ns >= 0 || left == 0, "a drain without end leaves %d jobs", left);
    sim_check(eddy_pool_drain(pool, -2, NULL, NULL) == -EINVAL, "a drain for -2 ns");
}

static void read_pool(eddy_pool *pool) {
    eddy_pool_metrics metrics;
    eddy_pool_read_metrics(pool, &metrics, sizeof metrics);
    sim_check(metrics.threads <= metrics.threads_max && metrics.threads_idle <= metrics.threads,
              "%u threads, %u of them idle, of %u", metrics.threads, metrics.threads_idle,
              metrics.threads_max);
    sim_check(metrics.threads_started >= metrics.threads, "threads that were never started");
    for (int i = 0; i < EDDY_LANES; i++) {
        const eddy_lane_metrics *lane = &metrics.lanes[i];
        sim_check(lane->running <= lane->quota && lane->queued <= lane->queued_max,
                  "a lane runs %u of %u jobs", lane->running, lane->quota);
        sim_check(lane->wait_ns >= 0 && lane->run_ns >= 0, "a lane's time runs backwards");
    }
}

void op_work(struct desk *desk) {
    unsigned place = pick(JOBS);
    struct op_job *job = desk->jobs[place];
    unsigned what = pick(10);
    if (what < 2 && pick(3) == 0) {
        party_enter(&desk->party);
        eddy_pool *pool = eddy_loop_pool(desk->party.loop);
        (void)party_leave(&desk->party, 0);
        sim_check(pool != NULL || !ledger_is_fair(), "no memory for a pool");
        if (pool == NULL) return;
        if (what == 0)
            drain(pool);
        else
            read_pool(pool);
    } else if (job == NULL) {
        job_submit(desk, place);
    } else {
        job_cancel(job);
    }
}

void op_work_end(struct desk *desk) {
    for (unsigned i = 0; i < JOBS; i++)
        if (desk->jobs[i] != NULL && pick(2) == 0) job_cancel(desk->jobs[i]);
}

/* --- A fork --- */

void op_work_fork(struct desk *desk) {
    for (unsigned i = 0; i < JOBS; i++) {
        struct op_job *job = desk->jobs[i];
        if (job == NULL) continue;
        job->pool = NULL;
        job->is_known_to_run = job->is_known_to_be_done = false;
        job->is_parents = job->work.handed_over != 0;
        if (job->queue != NULL) job->queue->running = 0;
    }
}

void op_work_take_back(struct desk *desk) {
    for (unsigned i = 0; i < JOBS; i++)
        if (desk->jobs[i] != NULL && desk->jobs[i]->is_parents) job_cancel(desk->jobs[i]);
}

/* --- Pools that are shared --- */

static unsigned quota_of(int lane, unsigned threads) {
    if (lane == EDDY_LANE_FILE || threads == 1) return threads;
    return lane == EDDY_LANE_LOOKUP ? threads / 2 : threads - 1;
}

static void pool_open(struct pool_box **place) {
    eddy_pool_config config = {.threads = 1 + pick(THREADS_MAX)};
    config.idle_ns = pick(2) == 0 ? 0 : 1 + (int64_t)pick(3000000);
    struct pool_box *box = ledger_new("pool", sizeof *box);
    box->threads = config.threads;
    for (int i = 0; i < EDDY_LANES; i++) {
        config.quotas[i] = pick(2) == 0 ? 0 : 1 + pick(config.threads);
        box->quotas[i] = config.quotas[i] > 0 ? config.quotas[i] : quota_of(i, config.threads);
    }
    int err = eddy_pool_open(&box->pool, &config);
    sim_check(err == 0 || op_is_weather(err), "to open a pool gives %d", err);
    if (err == 0)
        *place = box;
    else
        ledger_free(box);
}

static void pool_close(struct pool_box **place) {
    struct pool_box *box = *place;
    int err = eddy_pool_close(box->pool);
    sim_check(err == (box->users > 0 ? -EBUSY : 0), "a pool of %u users is closed: %d", box->users,
              err);
    if (err < 0) return;
    ledger_free(box);
    *place = NULL;
}

void op_pools_fork(void) {
    for (unsigned i = 0; i < POOLS; i++)
        if (office.pools[i] != NULL) office.pools[i]->is_parents = true;
}

struct pool_box *op_pool_of_use(struct pool_box *box) {
    return box != NULL && box->is_parents ? NULL : box;
}

static void pool_refuse(eddy_pool *pool) {
    eddy_loop *loop;
    eddy_loop_config config = {.pool = pool};
    int err = eddy_pool_drain(pool, -1, NULL, NULL);
    sim_check(err == -ECHILD, "to drain a pool of the parent's gives %d", err);
    err = eddy_loop_open(&loop, &config);
    sim_check(err == -ECHILD || op_is_weather(err), "to share a pool of the parent's gives %d",
              err);
}

void op_pools(void) {
    struct pool_box **place = &office.pools[pick(POOLS)];
    if (*place == NULL)
        pool_open(place);
    else if ((*place)->is_parents && pick(2) == 0)
        pool_refuse((*place)->pool);
    else if ((*place)->is_parents)
        pool_close(place);
    else if (pick(3) == 0)
        pool_close(place);
    else if (pick(2) == 0)
        read_pool((*place)->pool);
    else
        drain((*place)->pool);
}

eddy_pool *op_pool_use(struct pool_box *box, int by) {
    if (box == NULL) return NULL;
    box->users = (unsigned)((int)box->users + by);
    return box->pool;
}

void op_pools_end(void) {
    for (unsigned i = 0; i < POOLS; i++)
        if (office.pools[i] != NULL) pool_close(&office.pools[i]);
}
