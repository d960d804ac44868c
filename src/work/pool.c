/* pool.c: opening, feeding, watching and closing a pool of threads.
 * Invariant and life of a job: see pool.h.
 * Threading: any thread; everything that changes is guarded by pool->lock. */
#include "pool.h"

#include "../core/callback.h"
#include "../core/copy.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum {
    POOL_THREADS_DEFAULT = 4,
    POOL_THREADS_MAX = 1024,
    POOL_STACK_BYTES_MIN = 16 * 1024, /* less is refused by every system */
};

static const int64_t pool_idle_default_ns = 10 * EDDY_NS_PER_S;

/* --- Opening and closing --- */

static unsigned pool_default_quota(eddy_lane lane, unsigned threads) {
    if (lane == EDDY_LANE_FILE || threads == 1) return threads;
    return lane == EDDY_LANE_LOOKUP ? threads / 2 : threads - 1;
}

static bool pool_apply_defaults(eddy_pool_config *config) {
    if (config->threads == 0) config->threads = POOL_THREADS_DEFAULT;
    if (config->idle_ns == 0) config->idle_ns = pool_idle_default_ns;
    if (config->threads > POOL_THREADS_MAX || config->idle_ns < 0) return false;
    if (config->stack_bytes > 0 && config->stack_bytes < POOL_STACK_BYTES_MIN) return false;
    for (int i = 0; i < EDDY_LANES; i++) {
        if (config->quotas[i] == 0)
            config->quotas[i] = pool_default_quota((eddy_lane)i, config->threads);
        if (config->quotas[i] > config->threads) return false;
    }
    return true;
}

static size_t pool_bytes(unsigned threads) {
    return offsetof(eddy_pool, workers) + threads * sizeof(struct worker);
}

static void pool_free_memory(eddy_pool *pool) {
    eddy_allocator allocator = pool->allocator;
    allocator.resize(allocator.context, pool, pool_bytes(pool->threads_max), 0);
}

/* How many places got their condition; fewer than asked for on an error. */
static int pool_open_places(eddy_pool *pool, unsigned *opened) {
    for (*opened = 0; *opened < pool->threads_max; ++*opened) {
        struct worker *worker = &pool->workers[*opened];
        int err = eddy_os_condition_open(&worker->call);
        if (err < 0) return err;
        worker->pool = pool;
        link_add_last(&pool->spare, &worker->link);
    }
    return 0;
}

static void pool_close_places(eddy_pool *pool, unsigned opened) {
    while (opened > 0) eddy_os_condition_close(&pool->workers[--opened].call);
}

static int pool_open_parts(eddy_pool *pool) {
    unsigned opened = 0;
    int err = eddy_os_mutex_open(&pool->lock, pool->lends_priority);
    if (err < 0) return err;
    err = eddy_os_condition_open(&pool->quiet);
    if (err < 0) goto close_mutex;
    err = pool_open_places(pool, &opened);
    if (err < 0) goto close_conditions;
    return 0;

close_conditions:
    pool_close_places(pool, opened);
    eddy_os_condition_close(&pool->quiet);
close_mutex:
    eddy_os_mutex_close(&pool->lock);
    return err;
}

int eddy_pool_open(eddy_pool **result, const eddy_pool_config *given) {
    eddy_pool_config config = given != NULL ? *given : (eddy_pool_config){0};
    if (result == NULL || !pool_apply_defaults(&config)) return -EINVAL;
    eddy_allocator allocator = {.resize = eddy_os_resize};
    if (config.allocator != NULL) allocator = *config.allocator;
    eddy_pool *pool = allocator.resize(allocator.context, NULL, 0, pool_bytes(config.threads));
    if (pool == NULL) return -ENOMEM;

    memset(pool, 0, pool_bytes(config.threads));
    pool->source.join = eddy__work_join;
    pool->allocator = allocator;
    pool->idle_ns = config.idle_ns;
    pool->stack_bytes = config.stack_bytes;
    pool->threads_max = config.threads;
    pool->lends_priority = config.lends_priority;
    pool->process = eddy_os_process_id();
    link_init(&pool->idle);
    link_init(&pool->spare);
    for (int i = 0; i < EDDY_LANES; i++) {
        link_init(&pool->lanes[i].flows);
        pool->lanes[i].counts.quota = config.quotas[i];
    }
    int err = pool_open_parts(pool);
    if (err < 0) {
        pool_free_memory(pool);
        return err;
    }
    *result = pool;
    return 0;
}

/* --- In a forked child --- */

/* A thread that is not there any more may have held the lock, which is not touched any more. */
bool eddy__pool_is_parents(const eddy_pool *pool) {
    return pool->process != eddy_os_process_id();
}

void eddy__pool_abandon(eddy_pool *pool) {
    pool->is_orphan = true;
    eddy__pool_leave(pool);
}

static int pool_close_parents(eddy_pool *pool) {
    if (pool->users > 0) return -EBUSY;
    pool_free_memory(pool);
    return 0;
}

int eddy_pool_close(eddy_pool *pool) {
    if (pool == NULL) return -EINVAL;
    if (eddy__pool_is_parents(pool)) return pool_close_parents(pool);
    eddy_os_lock(&pool->lock);
    if (pool->users > 0 || pool->drains > 0 || !eddy__pool_is_quiet(pool)) {
        eddy_os_unlock(&pool->lock);
        return -EBUSY;
    }
    EDDY_ASSERT(pool->expected == 0); /* only a loop hands over */
    pool->closing = true;
    eddy__worker_call_all_idle(pool);
    while (pool->threads > 0) eddy_os_condition_wait(&pool->quiet, &pool->lock, -1);
    eddy_os_unlock(&pool->lock);

    /* The last one to leave ends after it has joined the one before, and so on. */
    if (pool->has_left) eddy_os_thread_join(pool->left);
    pool_close_places(pool, pool->threads_max);
    eddy_os_condition_close(&pool->quiet);
    eddy_os_mutex_close(&pool->lock);
    pool_free_memory(pool);
    return 0;
}

void eddy__pool_enter(eddy_pool *pool) {
    bool is_parents = eddy__pool_is_parents(pool);
    if (!is_parents) eddy_os_lock(&pool->lock);
    pool->users++;
    if (!is_parents) eddy_os_unlock(&pool->lock);
}

void eddy__pool_leave(eddy_pool *pool) {
    bool is_parents = eddy__pool_is_parents(pool);
    if (!is_parents) eddy_os_lock(&pool->lock);
    EDDY_ASSERT(pool->users > 0);
    bool is_last = --pool->users == 0;
    if (!is_parents) eddy_os_unlock(&pool->lock);
    if (is_parents && is_last && pool->is_orphan) pool_free_memory(pool);
}

/* --- Jobs in and out --- */

int eddy__pool_expect(eddy_pool *pool) {
    eddy_os_lock(&pool->lock);
    int err = pool->threads > 0 ? 0 : eddy__worker_start(pool);
    if (err == 0) pool->expected++;
    eddy_os_unlock(&pool->lock);
    return err;
}

void eddy__pool_expect_no_more(eddy_pool *pool) {
    eddy_os_lock(&pool->lock);
    EDDY_ASSERT(pool->expected > 0);
    pool->expected--;
    eddy_os_unlock(&pool->lock);
}

/* Moves all of `from`, which is not empty, to the end of `to`. */
static void pool_splice_last(eddy_link *to, eddy_link *from) {
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    link_init(from);
}

static void pool_count_queued(struct lane *lane, unsigned count) {
    lane->counts.queued += count;
    if (lane->counts.queued_max < lane->counts.queued)
        lane->counts.queued_max = lane->counts.queued;
}

static void pool_queue(struct lane *lane, eddy_flow *flow, eddy_link *jobs, unsigned count) {
    if (link_is_empty(&flow->jobs)) link_add_last(&lane->flows, &flow->link);
    pool_splice_last(&flow->jobs, jobs);
    pool_count_queued(lane, count);
}

/* The jobs of queues, each into its own. */
static void pool_queue_each(eddy_pool *pool, eddy_link *jobs) {
    while (!link_is_empty(jobs)) {
        eddy_link *link = jobs->next;
        eddy_queue *queue = eddy_container_of(link, eddy_work, link)->queue;
        struct lane *lane = &pool->lanes[queue->lane];
        link_remove(link);
        if (link_is_empty(&queue->flow.jobs) && !queue->is_running)
            link_add_last(&lane->flows, &queue->flow.link);
        link_add_last(&queue->flow.jobs, link);
        pool_count_queued(lane, 1);
    }
}

void eddy__pool_hand_over(eddy_pool *pool, eddy_flow flows[EDDY_LANES],
                          eddy_link jobs[HAND_OVER_LISTS], const unsigned counts[HAND_OVER_LISTS]) {
    eddy_os_lock(&pool->lock);
    EDDY_ASSERT(pool->expected > 0 && pool->threads > 0);
    pool->expected--;
    pool->start_failed = false;
    for (int i = 0; i < EDDY_LANES; i++)
        if (counts[i] > 0) pool_queue(&pool->lanes[i], &flows[i], &jobs[i], counts[i]);
    if (counts[LANE_OF_QUEUE] > 0) pool_queue_each(pool, &jobs[LANE_OF_QUEUE]);
    struct worker *worker = eddy__worker_call(pool);
    eddy_os_unlock(&pool->lock);
    if (worker != NULL) eddy_os_condition_signal(&worker->call);
}

int eddy__pool_take_back(eddy_pool *pool, eddy_flow flows[EDDY_LANES], eddy_work *work) {
    bool is_of_queue = work->lane == LANE_OF_QUEUE;
    eddy_flow *flow = is_of_queue ? &work->queue->flow : &flows[work->lane];
    int err = -EALREADY;
    eddy_os_lock(&pool->lock);
    if (work->state == WORK_RUNNING) err = -EBUSY;
    if (work->state == WORK_QUEUED) {
        err = 0;
        link_remove(&work->link);
        if (link_is_empty(&flow->jobs)) link_remove(&flow->link);
        work->state = WORK_CANCELLED;
        eddy_lane_metrics *lane = &pool->lanes[is_of_queue ? work->queue->lane : work->lane].counts;
        lane->queued--;
        lane->cancelled++;
        if (pool->drains > 0 && eddy__pool_is_quiet(pool))
            eddy_os_condition_broadcast(&pool->quiet);
    }
    eddy_os_unlock(&pool->lock);
    return err;
}

/* --- Watching --- */

bool eddy__pool_is_quiet(const eddy_pool *pool) {
    for (int i = 0; i < EDDY_LANES; i++) {
        const eddy_lane_metrics *lane = &pool->lanes[i].counts;
        if (lane->queued > 0 || lane->running > 0) return false;
    }
    return true;
}

int64_t eddy__pool_until_ns(int64_t time_ns) {
    if (time_ns < 0) return -1;
    int64_t now_ns = eddy_os_clock_ns();
    return time_ns < INT64_MAX - now_ns ? now_ns + time_ns : -1;
}

static void pool_look_at_flow(const eddy_flow *flow, void (*look)(void *context, eddy_work *work),
                              void *context) {
    for (const eddy_link *link = flow->jobs.next; link != &flow->jobs; link = link->next)
        look(context, eddy_container_of(link, eddy_work, link));
}

void eddy__pool_look(const eddy_pool *pool, void (*look)(void *context, eddy_work *work),
                     void *context) {
    for (unsigned i = 0; i < pool->threads_max; i++) {
        eddy_work *work = pool->workers[i].work;
        if (work == NULL) continue;
        look(context, work);
        if (work->lane == LANE_OF_QUEUE) pool_look_at_flow(&work->queue->flow, look, context);
    }
    for (int i = 0; i < EDDY_LANES; i++) {
        const eddy_link *flows = &pool->lanes[i].flows;
        for (const eddy_link *link = flows->next; link != flows; link = link->next)
            pool_look_at_flow(eddy_container_of(link, eddy_flow, link), look, context);
    }
}

struct pool_visit {
    void (*visit)(void *context, eddy_work *work);
    void *context;
    int count;
};

static void pool_visit_one(void *context, eddy_work *work) {
    struct pool_visit *it = context;
    if (it->visit != NULL) VISIT(it->visit, it->context, work);
    it->count++;
}

/* Whoever has given a job back is about to push it, and needs no lock for that. */
void eddy__pool_quiesce(eddy_pool *pool) {
    unsigned rounds = 0;
    eddy_os_lock(&pool->lock);
    for (unsigned i = 0; i < pool->threads_max; i++)
        while (atomic_load_explicit(&pool->workers[i].is_telling, memory_order_acquire))
            eddy_os_back_off(&rounds);
}

void eddy__pool_resume(eddy_pool *pool) {
    eddy_os_unlock(&pool->lock);
}

int eddy_pool_drain(eddy_pool *pool, int64_t timeout_ns,
                    void (*visit)(void *context, eddy_work *work), void *context) {
    if (pool == NULL || timeout_ns < -1) return -EINVAL;
    if (eddy__pool_is_parents(pool)) return -ECHILD;
    int64_t until_ns = eddy__pool_until_ns(timeout_ns);
    eddy_os_lock(&pool->lock);
    pool->drains++;
    while (!eddy__pool_is_quiet(pool))
        if (!eddy_os_condition_wait(&pool->quiet, &pool->lock, until_ns)) break;
    pool->drains--;
    struct pool_visit left = {.visit = visit, .context = context};
    eddy__pool_look(pool, pool_visit_one, &left);
    eddy_os_unlock(&pool->lock);
    return left.count;
}

void eddy_pool_read_metrics(eddy_pool *pool, eddy_pool_metrics *metrics, size_t size) {
    eddy_pool_metrics now = {0};
    bool is_parents = eddy__pool_is_parents(pool);
    if (!is_parents) eddy_os_lock(&pool->lock);
    now.threads = pool->threads;
    now.threads_idle = pool->threads_idle;
    now.threads_max = pool->threads_max;
    now.threads_started = pool->threads_started;
    for (int i = 0; i < EDDY_LANES; i++) now.lanes[i] = pool->lanes[i].counts;
    if (!is_parents) eddy_os_unlock(&pool->lock);
    copy_known(metrics, size, &now, sizeof now);
}
