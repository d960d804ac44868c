/* work_part.c: what a loop has for its jobs: the part, the hand-over to the pool, forks, walks.
 * Invariant: see struct work_part.
 * Threading: loop thread only. Read pool.h first. */
#include "file_engine.h"

#include "../core/room.h"

ROOM_FITS(ROOM_OF(sizeof(struct work_part)) + ROOM_OF(sizeof(eddy_pool)), EDDY_POOL_BYTES(0));
ROOM_FITS(sizeof(struct worker), EDDY_POOL_BYTES(1) - EDDY_POOL_BYTES(0));

/* --- The part --- */

static void work_open_flows(struct work_part *it) {
    for (int i = 0; i < EDDY_LANES; i++) {
        link_init(&it->flows[i].link);
        link_init(&it->flows[i].jobs);
    }
}

static void work_open(struct part *part) {
    struct work_part *it = (struct work_part *)part;
    link_init(&it->queue);
    it->age = 1;
    work_open_flows(it);
}

static int work_close_pool(struct work_part *it) {
    eddy_pool *pool = it->pool;
    eddy__pool_leave(pool);
    if (it->pool_is_own) {
        int err = eddy_pool_close(pool);
        if (err < 0) { /* it was given to another loop as well, or somebody drains it */
            eddy__pool_enter(pool);
            return err;
        }
    }
    it->pool = NULL;
    return 0;
}

static int work_close(struct part *part) {
    struct work_part *it = (struct work_part *)part;
    EDDY_ASSERT(link_is_empty(&it->queue));
    int err = it->pool != NULL ? work_close_pool(it) : 0;
    if (err == 0 && it->engine != NULL) eddy__engine_close(it->engine);
    return err;
}

static const char *work_verify(const struct part *part) {
    const struct work_part *it = (const struct work_part *)part;
    unsigned count = 0;
    for (const eddy_link *link = it->queue.next; link != &it->queue; link = link->next) {
        const eddy_work *work = eddy_container_of(link, eddy_work, link);
        if (work->loop != part->loop || work->state != WORK_SUBMITTED || work->handed_over)
            return "a submitted job is the loop's own";
        count++;
    }
    if (count != it->queued) return "submitted jobs are as they are counted";
    if (it->is_expected && count == 0) return "a hand-over is expected where there are jobs";
    const char *broken = it->engine != NULL ? eddy__engine_verify(it->engine) : NULL;
    if (broken != NULL) return broken;
    if (it->pool == NULL || eddy__pool_is_parents(it->pool)) return NULL;
    return eddy__pool_verify(it->pool);
}

static int work_open_own_pool(struct work_part *it) {
    eddy_pool_config config = {
        .allocator = &it->part.loop->allocator,
        .threads = it->part.loop->config.pool_threads,
        .stack_bytes = it->part.loop->config.pool_stack_bytes,
    };
    int err = eddy_pool_open(&it->pool, &config);
    if (err < 0) return err;
    eddy__pool_enter(it->pool);
    it->pool_is_own = true;
    return 0;
}

int eddy__work_expect_hand_over(struct work_part *it) {
    int err = it->pool != NULL ? 0 : work_open_own_pool(it);
    if (err == 0) err = eddy__pool_expect(it->pool);
    if (err == 0) it->is_expected = true;
    return err;
}

/* The threads stayed in the parent, and one of them may have held the pool's lock. What it had in
 * its queues is the parent's. */
static void work_leave_parents_pool(struct work_part *it) {
    if (it->pool_is_own)
        eddy__pool_abandon(it->pool);
    else
        eddy__pool_leave(it->pool);
    it->pool_is_own = false;
    it->pool = NULL;
    it->is_expected = false;
    it->age++;
    work_open_flows(it);
}

/* What was submitted before the fork gets a pool anew. A pool of the child's own stays: this may be
 * called twice. */
static int work_after_fork(struct part *part) {
    struct work_part *it = (struct work_part *)part;
    if (it->pool != NULL && eddy__pool_is_parents(it->pool)) work_leave_parents_pool(it);
    if (it->engine != NULL && eddy__engine_after_fork(it->engine)) it->age++;
    return it->is_expected || link_is_empty(&it->queue) ? 0 : eddy__work_expect_hand_over(it);
}

/* A queue whose jobs are the first ones for this pool: what its flow has is nothing, or the
 * parent's.
 */
static void work_open_queues(const struct work_part *it, const eddy_link *jobs) {
    for (const eddy_link *link = jobs->next; link != jobs; link = link->next) {
        eddy_queue *queue = eddy_container_of(link, eddy_work, link)->queue;
        if (queue->handed_over == it->age) continue;
        queue->handed_over = it->age;
        queue->is_running = false;
        link_init(&queue->flow.link);
        link_init(&queue->flow.jobs);
    }
}

static void work_hand_over(struct part *part) {
    struct work_part *it = (struct work_part *)part;
    eddy_link jobs[HAND_OVER_LISTS];
    unsigned counts[HAND_OVER_LISTS] = {0};
    if (it->engine != NULL) eddy__engine_turn(it->engine);
    if (link_is_empty(&it->queue)) return;
    if (!it->is_expected &&
        eddy__work_expect_hand_over(it) < 0) { /* nor could a fork get a thread */
        part_is_due(part->loop);
        return;
    }
    for (int i = 0; i < HAND_OVER_LISTS; i++) link_init(&jobs[i]);

    int64_t now_ns = eddy_os_clock_ns(); /* the turn's time is as old as its callbacks are long */
    eddy_link *link = it->queue.next;
    while (link != &it->queue) {
        eddy_work *work = eddy_container_of(link, eddy_work, link);
        link = link->next;
        work->since_ns = now_ns;
        work->state = WORK_QUEUED;
        work->handed_over = it->age;
        link_add_last(&jobs[work->lane], &work->link);
        counts[work->lane]++;
    }
    link_init(&it->queue);
    EDDY_ASSERT(counts[EDDY_LANE_FILE] + counts[EDDY_LANE_LOOKUP] + counts[EDDY_LANE_CPU] +
                    counts[LANE_OF_QUEUE] ==
                it->queued);
    if (counts[LANE_OF_QUEUE] > 0) work_open_queues(it, &jobs[LANE_OF_QUEUE]);
    part->loop->metrics.jobs += it->queued;
    it->queued = 0;
    it->is_expected = false;
    eddy__pool_hand_over(it->pool, it->flows, jobs, counts);
}

/* --- For a walk --- */

static void work_tell(const struct loop_walk *walk, eddy_work *work) {
    if (work->fn == eddy__file_run)
        eddy__walk_tell(walk, EDDY_KIND_FILE, eddy_container_of(work, eddy_file, work), true);
    else
        eddy__walk_tell(walk, EDDY_KIND_WORK, work, true);
}

/* Of the pool's jobs, those of the loop. */
static void work_tell_own(void *context, eddy_work *work) {
    const struct loop_walk *walk = context;
    if (work->loop == walk->loop) work_tell(walk, work);
}

static bool work_owns(const struct part *part, const eddy_post *post) {
    (void)part;
    return eddy__work_is_inside(post);
}

static void work_tell_post(void *context, eddy_post *post) {
    if (work_owns(NULL, post)) work_tell(context, eddy_container_of(post, eddy_work, post));
}

static void work_tell_list(const struct loop_walk *walk, const eddy_link *list) {
    for (const eddy_link *link = list->next; link != list; link = link->next)
        work_tell(walk, eddy_container_of(link, eddy_work, link));
}

/* With the pool quiescent no job goes from one place to another meanwhile. */
static void work_walk(const struct part *part, const struct loop_walk *walk,
                      const eddy_walk_item *of) {
    const struct work_part *it = (const struct work_part *)part;
    if (of != NULL) return;
    bool has_pool = it->pool != NULL && !eddy__pool_is_parents(it->pool);
    if (has_pool) eddy__pool_quiesce(it->pool);
    work_tell_list(walk, &it->queue);
    if (it->engine != NULL) work_tell_list(walk, &it->engine->waiting);
    if (it->engine != NULL) work_tell_list(walk, &it->engine->taken);
    eddy__inbox_look(part->loop, work_tell_post, (void *)(uintptr_t)walk);
    if (!has_pool) return;
    eddy__pool_look(it->pool, work_tell_own, (void *)(uintptr_t)walk);
    eddy__pool_resume(it->pool);
}

static const struct part_kind work_kind = {
    .bytes = sizeof(struct work_part),
    .open = work_open,
    .before_wait = work_hand_over,
    .after_fork = work_after_fork,
    .close = work_close,
    .verify = work_verify,
    .walk = work_walk,
    .owns = work_owns,
};

struct work_part *eddy__work_part(eddy_loop *loop) {
    return (struct work_part *)eddy__part_of(loop, &work_kind);
}

int eddy__work_join(eddy_loop *loop, struct part_source *pool) {
    if (eddy__pool_is_parents(eddy_container_of(pool, eddy_pool, source))) return -ECHILD;
    struct work_part *it = eddy__work_part(loop);
    if (it == NULL) return -ENOMEM;
    it->pool = eddy_container_of(pool, eddy_pool, source);
    eddy__pool_enter(it->pool);
    return 0;
}

eddy_pool *eddy_loop_pool(eddy_loop *loop) {
    struct work_part *it = eddy__work_part(loop);
    if (it == NULL) return NULL;
    if (it->pool == NULL) (void)work_open_own_pool(it);
    return it->pool;
}
