/* work.c: jobs from their submission to their callback, and cancelling; work_part.c hands them
 * over. Threading: loop thread only. Read pool.h first. */
#include "file_engine.h"

#include "../core/callback.h"

#include <errno.h>

static void work_deliver(eddy_post *post);
static void work_attempt(eddy_post *post);

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

bool eddy__work_is_inside(const eddy_post *post) {
    return post->fn == work_deliver || post->fn == work_attempt;
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
static inline int work_enqueue(struct work_part *it, eddy_work *work) {
    int err = it->is_expected ? 0 : eddy__work_expect_hand_over(it);
    if (err < 0) return err;
    EDDY_ASSERT(it->queue.prev != &work->link);
    link_add_last(&it->queue, &work->link);
    it->queued++;
    part_is_due(it->part.loop);
    return 0;
}

int eddy__work_enqueue(struct work_part *it, eddy_work *work) {
    return work_enqueue(it, work);
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
            struct work_part *it = eddy__work_part(work->loop); /* there since it was submitted */
            if (eddy__engine_takes(it, work)) {
                eddy__engine_add(it->engine, work);
                return;
            }
            if (work_enqueue(it, work) == 0) return;
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

bool eddy__work_submit_to_engine(struct work_part *it, eddy_work *work, eddy_work_fn *fn,
                                 eddy_work_done_fn *done) {
    work->fn = fn;
    if (!eddy__engine_takes(it, work)) return false;
    work_prepare(it->part.loop, work, WORK_SUBMITTED, done);
    work_note(work, EDDY_TRACE_SUBMIT, EDDY_LANE_FILE);
    eddy__engine_add(it->engine, work);
    return true;
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
    if (work->lane == LANE_OF_RING && (work->handed_over == it->age || !work->handed_over)) {
        err = eddy__engine_cancel(it->engine, work);
        work_note(work, EDDY_TRACE_CANCEL, err);
        return err;
    }
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
