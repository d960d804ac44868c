/* pool_verify.c: what must hold in a pool whenever its lock is free.
 * Threading: any thread. Read pool.h first. */
#include "pool.h"

static unsigned pool_length(const eddy_link *list) {
    unsigned count = 0;
    for (const eddy_link *link = list->next; link != list; link = link->next) count++;
    return count;
}

/* Counts in `*queued` what waits behind the jobs of queues that run in the lane. */
static const char *pool_verify_queues(const eddy_pool *pool, unsigned lane, unsigned *queued) {
    for (unsigned i = 0; i < pool->threads_max; i++) {
        const eddy_work *work = pool->workers[i].work;
        if (work == NULL || work->lane != LANE_OF_QUEUE || work->queue->lane != lane) continue;
        if (!work->queue->is_running || !link_is_empty(&work->queue->flow.link))
            return "a queue of which a job runs has to wait";
        *queued += pool_length(&work->queue->flow.jobs);
    }
    return NULL;
}

static const char *pool_verify_flows(const eddy_pool *pool, unsigned number) {
    const struct lane *lane = &pool->lanes[number];
    unsigned queued = 0;
    for (const eddy_link *link = lane->flows.next; link != &lane->flows; link = link->next) {
        const eddy_flow *flow = eddy_container_of(link, eddy_flow, link);
        if (link_is_empty(&flow->jobs)) return "a loop or queue whose turn may come has a job";
        queued += pool_length(&flow->jobs);
    }
    const char *broken = pool_verify_queues(pool, number, &queued);
    if (broken != NULL) return broken;
    return queued == lane->counts.queued ? NULL : "a lane's queue is as it is counted";
}

static const char *pool_verify_lanes(const eddy_pool *pool, bool *has_work) {
    unsigned running = 0;
    *has_work = false;
    for (int i = 0; i < EDDY_LANES; i++) {
        const struct lane *lane = &pool->lanes[i];
        const char *broken = pool_verify_flows(pool, (unsigned)i);
        if (broken != NULL) return broken;
        if (lane->counts.running > lane->counts.quota) return "a lane keeps to its quota";
        if (!link_is_empty(&lane->flows) && lane->counts.running < lane->counts.quota)
            *has_work = true;
        running += lane->counts.running;
    }
    for (unsigned i = 0; i < pool->threads_max; i++) running -= pool->workers[i].work != NULL;
    return running == 0 ? NULL : "each running job has a worker";
}

static const char *pool_verify(const eddy_pool *pool) {
    bool has_work;
    const char *broken = pool_verify_lanes(pool, &has_work);
    if (broken != NULL) return broken;
    if (pool_length(&pool->idle) != pool->threads_idle)
        return "idle workers are as they are counted";
    if (pool_length(&pool->spare) + pool->threads != pool->threads_max)
        return "each place has a state";
    if (pool->coming + pool->threads_idle > pool->threads) return "only threads can come or idle";
    bool can_call =
        pool->threads_idle > 0 || (pool->threads < pool->threads_max && !pool->start_failed);
    return has_work && can_call && pool->coming == 0 ? "work has a worker on its way" : NULL;
}

const char *eddy__pool_verify(eddy_pool *pool) {
    eddy_os_lock(&pool->lock);
    const char *broken = pool_verify(pool);
    eddy_os_unlock(&pool->lock);
    return broken;
}
