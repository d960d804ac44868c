/* worker.c: the threads of a pool, from the first job to the last.
 * Invariant: one lock returns the finished job and takes the next; the finished one is published
 * after that lock and before the next one runs, so it waits for nobody's work. One of a queue is
 * published under the lock, and only its loop woken after it: see worker_release.
 * Threading: the pool's threads; the functions of pool.h are called by any, with the lock held. */
#include "pool.h"

#include "../core/callback.h"
#include "../core/histogram.h"
#include "file.h"

#include <stdatomic.h>

enum {
    WORKER_SHORT_NS = 2000, /* after so little time since it was read last, */
    WORKER_UNREAD_MAX = 7,  /* the clock is not read after this many further jobs */
};

/* --- Time --- */

/* A clock read ends one job and begins the next. It costs as much as all the rest of an empty job,
 * so while jobs are short it is left out now and then; what it then tells is shared by them all. */
static void worker_read_clock(struct worker *worker) {
    if (worker->unread > 0) {
        worker->unread--;
        return;
    }
    int64_t now_ns = eddy_os_clock_ns();
    worker->unread = now_ns - worker->now_ns < WORKER_SHORT_NS ? WORKER_UNREAD_MAX : 0;
    worker->now_ns = now_ns;
}

/* Adds the time since the last call to the worker's lane. pool->lock. */
static void worker_settle(struct worker *worker) {
    eddy_lane_metrics *counts = &worker->pool->lanes[worker->lane].counts;
    counts->run_ns += worker->now_ns - worker->settled_ns;
    worker->settled_ns = worker->now_ns;
}

/* The worker's lane changes, or it has nothing to do: what comes is not that lane's time. */
static void worker_settle_now(struct worker *worker) {
    worker->unread = 0;
    worker->now_ns = eddy_os_clock_ns();
    worker_settle(worker);
}

/* The job of a pool that is measured: what it took is its own, and not shared with others. What lay
 * between the last look at the clock and this one was the worker's, to tell of the job before. */
RARE static void worker_begin_timed(struct worker *worker) {
    worker->began_ns = eddy_os_clock_ns();
    worker->unread = 0;
}

/* pool->lock. Whoever measured may have stopped meanwhile. */
RARE static void worker_record(const struct worker *worker, const eddy_work *work) {
    if (worker->pool->stats == NULL) return;
    eddy_lane_stats *lane = &worker->pool->stats->lanes[worker->lane];
    histogram_record(&lane->wait, worker->began_ns - work->since_ns);
    histogram_record(&lane->run, worker->now_ns - worker->began_ns);
}

/* --- Jobs --- */

static bool worker_lane_has_work(const struct lane *lane) {
    return !link_is_empty(&lane->flows) && lane->counts.running < lane->counts.quota;
}

static bool worker_has_work(const eddy_pool *pool) {
    for (int i = 0; i < EDDY_LANES; i++)
        if (worker_lane_has_work(&pool->lanes[i])) return true;
    return false;
}

/* The next job, if there is one, comes from the memory of the loop's processor; meanwhile this one
 * runs. */
static void worker_prefetch(const eddy_flow *flow) {
    eddy_work *next = eddy_container_of(flow->jobs.next, eddy_work, link);
    PREFETCH(next);
    PREFETCH(&next->state);
}

static void worker_prefetch_next(const struct lane *lane) {
    if (!link_is_empty(&lane->flows))
        worker_prefetch(eddy_container_of(lane->flows.next, eddy_flow, link));
}

/* A job of `flow` was taken: the turn is the next loop's. */
static void worker_pass_turn(struct lane *lane, eddy_flow *flow) {
    bool is_alone = lane->flows.prev == &flow->link;
    if (!link_is_empty(&flow->jobs) && is_alone) {
        worker_prefetch(flow);
        return;
    }
    link_remove(&flow->link);
    if (!link_is_empty(&flow->jobs)) link_add_last(&lane->flows, &flow->link);
    worker_prefetch_next(lane);
}

/* A job of a queue was taken: the others wait for its end. */
RARE static void worker_hold(const struct lane *lane, eddy_queue *queue) {
    EDDY_ASSERT(!queue->is_running);
    link_remove(&queue->flow.link);
    queue->is_running = true;
    worker_prefetch_next(lane);
}

/* A job of a queue has ended. It is pushed before the lock is released, as the queue's next one may
 * be done right after that, and must not be told earlier. And nobody touches the queue after the
 * push: with its last job it is the caller's. */
RARE static void worker_release(struct worker *worker, struct lane *lane, eddy_work *work) {
    eddy_queue *queue = work->queue;
    eddy_loop *loop = work->loop;
    EDDY_ASSERT(queue->is_running);
    queue->is_running = false;
    if (!link_is_empty(&queue->flow.jobs)) link_add_last(&lane->flows, &queue->flow.link);
    if (eddy__inbox_put(loop, &work->post)) worker->woken = loop;
}

static void worker_take_from(struct worker *worker, unsigned number) {
    struct lane *lane = &worker->pool->lanes[number];
    eddy_flow *flow = eddy_container_of(lane->flows.next, eddy_flow, link);
    eddy_work *work = eddy_container_of(flow->jobs.next, eddy_work, link);
    EDDY_ASSERT(work->state == WORK_QUEUED);
    if (worker->lane != number) worker_settle_now(worker);
    link_remove(&work->link);
    if (work->lane == LANE_OF_QUEUE)
        worker_hold(lane, work->queue);
    else
        worker_pass_turn(lane, flow);
    work->state = WORK_RUNNING;
    worker->work = work;
    worker->lane = number;
    worker->is_timed = worker->pool->stats != NULL;
    lane->counts.queued--;
    lane->counts.running++;
    /* The worker's clock was read before it had the lock, maybe before the job was queued. */
    if (worker->now_ns > work->since_ns) lane->counts.wait_ns += worker->now_ns - work->since_ns;
}

/* The lanes that have work take turns, and in each lane the loops. */
static void worker_take(struct worker *worker) {
    eddy_pool *pool = worker->pool;
    for (unsigned i = 0; i < EDDY_LANES; i++) {
        unsigned number = (pool->lane_next + i) % EDDY_LANES;
        if (!worker_lane_has_work(&pool->lanes[number])) continue;
        pool->lane_next = (number + 1) % EDDY_LANES;
        worker_take_from(worker, number);
        return;
    }
}

static bool worker_has_to_tell(const struct worker *worker) {
    return worker->ended != NULL || worker->woken != NULL;
}

static void worker_give_back(struct worker *worker) {
    eddy_work *work = worker->work;
    eddy_pool *pool = worker->pool;
    struct lane *lane = &pool->lanes[worker->lane];
    /* From here to the push a cancel finds it done, which is true and harms nothing: it is not the
     * caller's again before its callback, and that comes after the push. */
    EDDY_ASSERT(work->state == WORK_RUNNING);
    work->state = WORK_DONE;
    worker->work = NULL;
    lane->counts.running--;
    lane->counts.done++;
    worker_settle(worker);
    if (worker->is_timed) worker_record(worker, work);
    if (pool->drains > 0 && eddy__pool_is_quiet(pool)) eddy_os_condition_broadcast(&pool->quiet);
    if (work->lane == LANE_OF_QUEUE)
        worker_release(worker, lane, work);
    else
        worker->ended = work;
    if (worker_has_to_tell(worker))
        atomic_store_explicit(&worker->is_telling, true, memory_order_relaxed);
}

/* Without the lock: others need not wait for a write into a pipe. */
static void worker_tell(struct worker *worker) {
    if (worker->ended != NULL)
        eddy__inbox_push(worker->ended->loop, &worker->ended->post);
    else
        eddy__wakeup_send(worker->woken);
    worker->ended = NULL;
    worker->woken = NULL;
    atomic_store_explicit(&worker->is_telling, false, memory_order_release);
}

/* --- Coming and going --- */

/* Waits to be called. False if the thread is to leave. */
static bool worker_wait_for_call(struct worker *worker) {
    eddy_pool *pool = worker->pool;
    if (pool->closing) return false;
    worker_settle_now(worker);
    int64_t until_ns = eddy__pool_until_ns(pool->idle_ns);
    link_add_last(&pool->idle, &worker->link);
    pool->threads_idle++;
    while (!worker->called) {
        if (eddy_os_condition_wait(&worker->call, &pool->lock, until_ns)) continue;
        if (worker->called) break; /* just in time */
        if (pool->expected > 0 && pool->threads == 1) {
            until_ns = eddy__pool_until_ns(pool->idle_ns);
            continue;
        }
        link_remove(&worker->link);
        pool->threads_idle--;
        return false;
    }
    worker->called = false;
    worker->now_ns = worker->settled_ns = eddy_os_clock_ns();
    pool->coming--;
    return true;
}

/* Each thread that leaves joins the one that left before it, and eddy_pool_close joins the last: no
 * thread is left behind, and at most one that has ended is waiting to be joined. Unlocks. */
static void worker_leave(struct worker *worker) {
    eddy_pool *pool = worker->pool;
    bool has_left = pool->has_left;
    eddy_os_thread left = pool->left;
    pool->has_left = true;
    pool->left = worker->thread;
    link_add_last(&pool->spare, &worker->link);
    pool->threads--;
    if (pool->threads == 0) eddy_os_condition_broadcast(&pool->quiet);
    eddy_os_unlock(&pool->lock);
    if (has_left) eddy_os_thread_join(left);
}

RARE static void worker_run_traced(const struct worker *worker, eddy_work *work) {
    eddy_loop *loop = work->loop;
    eddy_kind what = work_what(work);
    const void *object = work_object(work);
    unsigned thread = (unsigned)(worker - worker->pool->workers) + 1;
    if (thread >= OBSERVE_THREAD_OTHER) thread = OBSERVE_THREAD_OTHER - 1;
    eddy__observe_send(loop, EDDY_TRACE_BEGIN, what, object, worker->lane, thread);
    int64_t began_ns = eddy_os_clock_ns();
    VISIT(work->fn, work);
    int64_t took_ns = eddy_os_clock_ns() - began_ns;
    eddy__observe_send(loop, EDDY_TRACE_DONE, what, object, took_ns, thread);
}

static inline void worker_run_job(const struct worker *worker) {
    eddy_work *work = worker->work;
    if (loop_is_traced(work->loop))
        worker_run_traced(worker, work);
    else
        VISIT(work->fn, work);
}

static void *worker_run(void *argument) {
    struct worker *worker = argument;
    eddy_pool *pool = worker->pool;
    worker->now_ns = worker->settled_ns = eddy_os_clock_ns();

    eddy_os_lock(&pool->lock);
    pool->coming--;
    for (;;) {
        if (worker->work != NULL) worker_give_back(worker);
        worker_take(worker);
        if (worker->work == NULL && !worker_has_to_tell(worker)) {
            if (!worker_wait_for_call(worker)) break;
            continue;
        }
        struct worker *other = eddy__worker_call(pool);
        eddy_os_unlock(&pool->lock);
        if (other != NULL) eddy_os_condition_signal(&other->call);
        if (worker_has_to_tell(worker)) worker_tell(worker);
        if (worker->work != NULL) {
            if (worker->is_timed) worker_begin_timed(worker);
            worker_run_job(worker);
            worker_read_clock(worker);
        }
        eddy_os_lock(&pool->lock);
    }
    worker_leave(worker);
    return NULL;
}

/* Under the lock, so that the thread's handle is in its place before the thread can look for it.
 * That holds up others for the time of one thread's start, as often as threads start. */
int eddy__worker_start(eddy_pool *pool) {
    struct worker *worker = eddy_container_of(pool->spare.prev, struct worker, link);
    EDDY_ASSERT(!link_is_empty(&pool->spare));
    int err = eddy_os_thread_start(&worker->thread, worker_run, worker, pool->stack_bytes);
    pool->start_failed = err < 0;
    if (err < 0) return err;
    link_remove(&worker->link);
    pool->coming++;
    pool->threads++;
    pool->threads_started++;
    return 0;
}

static struct worker *worker_call_idle(eddy_pool *pool) {
    struct worker *worker = eddy_container_of(pool->idle.prev, struct worker, link);
    link_remove(&worker->link);
    pool->threads_idle--;
    pool->coming++;
    worker->called = true;
    return worker;
}

struct worker *eddy__worker_call(eddy_pool *pool) {
    if (pool->coming > 0 || !worker_has_work(pool)) return NULL;
    if (!link_is_empty(&pool->idle)) return worker_call_idle(pool);
    if (pool->threads < pool->threads_max && !pool->start_failed) (void)eddy__worker_start(pool);
    return NULL;
}

void eddy__worker_call_all_idle(eddy_pool *pool) {
    while (!link_is_empty(&pool->idle)) eddy_os_condition_signal(&worker_call_idle(pool)->call);
}
