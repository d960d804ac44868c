/* work.c: the loop's side of the pool: submission, hand-over, cancel, delivery.
 * Invariant: see struct work_part.
 * Threading: loop thread only. Read pool.h first. */
#include "file.h"

#include "../core/callback.h"
#include "../core/room.h"

#include <errno.h>

ROOM_FITS(ROOM_OF(sizeof(struct work_part)) + ROOM_OF(sizeof(eddy_pool)), EDDY_POOL_BYTES(0));
ROOM_FITS(sizeof(struct worker), EDDY_POOL_BYTES(1) - EDDY_POOL_BYTES(0));

static void work_deliver(eddy_post *post);
static void work_attempt(eddy_post *post);

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

static int work_close(struct part *part) {
    struct work_part *it = (struct work_part *)part;
    EDDY_ASSERT(link_is_empty(&it->queue));
    eddy_pool *pool = it->pool;
    if (pool == NULL) return 0;
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

static int work_expect_hand_over(struct work_part *it) {
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
    return it->is_expected || link_is_empty(&it->queue) ? 0 : work_expect_hand_over(it);
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
    if (link_is_empty(&it->queue)) return;
    if (!it->is_expected && work_expect_hand_over(it) < 0) { /* nor could a fork get a thread */
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
    return post->fn == work_deliver || post->fn == work_attempt;
}

static void work_tell_post(void *context, eddy_post *post) {
    if (work_owns(NULL, post)) work_tell(context, eddy_container_of(post, eddy_work, post));
}

/* With the pool quiescent no job goes from one place to another meanwhile. */
static void work_walk(const struct part *part, const struct loop_walk *walk,
                      const eddy_walk_item *of) {
    const struct work_part *it = (const struct work_part *)part;
    if (of != NULL) return;
    bool has_pool = it->pool != NULL && !eddy__pool_is_parents(it->pool);
    if (has_pool) eddy__pool_quiesce(it->pool);
    for (const eddy_link *link = it->queue.next; link != &it->queue; link = link->next)
        work_tell(walk, eddy_container_of(link, eddy_work, link));
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

/* --- Submission and delivery --- */

/* For the gate: the call for a file request is inside. */
static unsigned work_called(const eddy_work *work) {
    eddy_kind what = work_what(work);
    return what == EDDY_KIND_FILE ? (unsigned)what | OBSERVE_INNER : (unsigned)what;
}

static void work_finish(eddy_work *work, int status) {
    request_end(work->loop);
    CALLBACK(work->loop, work_called(work), work, work->done, work, status);
}

static void work_deliver(eddy_post *post) {
    eddy_work *work = eddy_container_of(post, eddy_work, post);
    EDDY_ASSERT(work->state == WORK_DONE || work->state == WORK_CANCELLED);
    work->handed_over = 0; /* a child that is forked later need not ask the pool */
    work_finish(work, work->state == WORK_CANCELLED ? -ECANCELED : 0);
}

static void work_prepare(eddy_loop *loop, eddy_work *work, enum work_state state,
                         eddy_work_done_fn *done) {
    work->post.fn = work_deliver;
    work->loop = loop;
    work->done = done;
    work->state = (uint8_t)state;
    work->handed_over = 0;
    request_begin(loop);
}

static inline void work_note(eddy_work *work, eddy_trace_kind kind, int64_t argument) {
    if (loop_has_trace(work->loop))
        eddy__observe_note(work->loop, observe_packed(kind, work_what(work)), work_object(work),
                           argument);
}

/* Puts a prepared job into the loop's list. */
static int work_enqueue(struct work_part *it, eddy_work *work) {
    int err = it->is_expected ? 0 : work_expect_hand_over(it);
    if (err < 0) return err;
    EDDY_ASSERT(it->queue.prev != &work->link);
    link_add_last(&it->queue, &work->link);
    it->queued++;
    part_is_due(it->part.loop);
    return 0;
}

static inline int work_submit(eddy_loop *loop, eddy_work *work, unsigned lane, eddy_work_fn *fn,
                              eddy_work_done_fn *done) {
    if (fn == NULL || done == NULL) return -EINVAL;
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_WORK, work));
    struct work_part *it = eddy__work_part(loop);
    if (it == NULL) return -ENOMEM;
    int err = work_enqueue(it, work);
    if (err < 0) return err;
    work_prepare(loop, work, WORK_SUBMITTED, done);
    work->fn = fn;
    work->lane = (uint8_t)lane;
    work_note(work, EDDY_TRACE_SUBMIT, lane);
    return 0;
}

int eddy_work_submit(eddy_loop *loop, eddy_work *work, eddy_lane lane, eddy_work_fn *fn,
                     eddy_work_done_fn *done) {
    if ((unsigned)lane >= EDDY_LANES) return -EINVAL;
    return work_submit(loop, work, (unsigned)lane, fn, done);
}

void eddy_queue_init(eddy_queue *queue, eddy_loop *loop, eddy_lane lane) {
    *queue = (eddy_queue){.loop = loop,
                          .lane = (uint8_t)((unsigned)lane < EDDY_LANES ? lane : EDDY_LANES)};
}

int eddy_queue_submit(eddy_queue *queue, eddy_work *work, eddy_work_fn *fn,
                      eddy_work_done_fn *done) {
    if (queue->lane >= EDDY_LANES) return -EINVAL;
    int err = work_submit(queue->loop, work, LANE_OF_QUEUE, fn, done);
    if (err == 0) work->queue = queue;
    return err;
}

/* What misses goes the way of all jobs; if not even one thread can be had, that is its outcome, in
 * a word that no file says. */
static void work_attempt(eddy_post *post) {
    eddy_work *work = eddy_container_of(post, eddy_work, post);
    int status = -ECANCELED;
    if (work->state == WORK_ATTEMPT) {
        status = 0;
        work->state = WORK_DONE;
        if (!eddy__file_attempt(work)) {
            work->state = WORK_SUBMITTED;
            work->post.fn = work_deliver;
            struct work_part *it = eddy__work_part(work->loop);
            if (it != NULL && work_enqueue(it, work) == 0) return;
            work->state = WORK_DONE;
            status = -ENOBUFS;
        }
    }
    work_finish(work, status);
}

void eddy__work_submit_attempt(eddy_loop *loop, eddy_work *work, eddy_work_fn *fn,
                               eddy_work_done_fn *done) {
    work_prepare(loop, work, WORK_ATTEMPT, done);
    work->post.fn = work_attempt;
    work->fn = fn;
    work->lane = EDDY_LANE_FILE;
    work_note(work, EDDY_TRACE_SUBMIT, EDDY_LANE_FILE);
    eddy__inbox_push_local(loop, &work->post);
}

/* Takes a job out of the loop's own list. */
static void work_withdraw(struct work_part *it, eddy_work *work) {
    link_remove(&work->link);
    work->state = WORK_CANCELLED;
    it->queued--;
    if (it->queued > 0 || !it->is_expected) return;
    it->is_expected = false;
    eddy__pool_expect_no_more(it->pool);
}

/* It was the pool's when this process was forked, and no thread of this one has it. It may have
 * come back before. */
static int work_take_back_parents(eddy_work *work) {
    if (work->state == WORK_CANCELLED || eddy__inbox_holds(work->loop, &work->post))
        return -EALREADY;
    work->state = WORK_CANCELLED;
    return 0;
}

eddy_loop *eddy_work_loop(const eddy_work *work) {
    return work->loop;
}

int eddy_work_cancel(eddy_work *work) {
    eddy_loop *loop = work->loop;
    CHECK_CHANGE(loop);
    int err = -EALREADY;
    struct work_part *it = eddy__work_part(loop); /* there since it was submitted */
    /* The state of a job that was handed over is the pool's, and not to be looked at from here. */
    if (work->handed_over == it->age) {
        err = eddy__pool_take_back(it->pool, it->flows, work);
    } else if (work->handed_over) {
        err = work_take_back_parents(work);
    } else if (work->state == WORK_SUBMITTED) {
        work_withdraw(it, work);
        err = 0;
    } else if (work->state == WORK_ATTEMPT) { /* its turn in the inbox tells of it */
        work->state = WORK_CANCELLED;
        work_note(work, EDDY_TRACE_CANCEL, 0);
        return 0;
    }
    work_note(work, EDDY_TRACE_CANCEL, err);
    if (err == 0) eddy__inbox_push_local(loop, &work->post);
    return err;
}
