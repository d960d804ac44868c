/* work.c: the loop's side of the pool: submission, hand-over, cancel, delivery.
 * Invariant: the pool expects a hand-over exactly while loop->work_queue has jobs in it, so there
 * is a thread for them when they come.
 * Threading: loop thread only. Read pool.h first. */
#include "file.h"

#include <errno.h>

static void enter(eddy_loop *loop) {
    eddy__pool_enter(loop->pool);
}

static int leave(eddy_loop *loop) {
    EDDY_ASSERT(link_is_empty(&loop->work_queue));
    eddy_pool *pool = loop->pool;
    if (pool == NULL) return 0;
    eddy__pool_leave(pool);
    if (loop->pool_is_own) {
        int err = eddy_pool_close(pool);
        if (err < 0) { /* the program gave this pool to another loop as well */
            eddy__pool_enter(pool);
            return err;
        }
    }
    loop->pool = NULL;
    return 0;
}

static const char *verify(const eddy_loop *loop) {
    unsigned count = 0;
    const eddy_link *queue = &loop->work_queue;
    for (const eddy_link *link = queue->next; link != queue; link = link->next) {
        const eddy_work *work = eddy_container_of(link, eddy_work, link);
        if (work->loop != loop || work->state != WORK_SUBMITTED || work->handed_over)
            return "a submitted job is the loop's own";
        count++;
    }
    if (count != loop->work_queued) return "submitted jobs are as they are counted";
    return loop->pool != NULL ? eddy__pool_verify(loop->pool) : NULL;
}

static int open_own_pool(eddy_loop *loop) {
    eddy_pool_config config = {
        .allocator = &loop->allocator,
        .threads = loop->config.pool_threads,
    };
    int err = eddy_pool_open(&loop->pool, &config);
    if (err < 0) return err;
    eddy__pool_enter(loop->pool);
    loop->work = &eddy__work_calls;
    loop->pool_is_own = true;
    return 0;
}

eddy_pool *eddy_loop_pool(eddy_loop *loop) {
    if (loop->pool == NULL) (void)open_own_pool(loop);
    return loop->pool;
}

static int expect_hand_over(eddy_loop *loop) {
    int err = loop->pool != NULL ? 0 : open_own_pool(loop);
    return err < 0 ? err : eddy__pool_expect(loop->pool);
}

/* The threads stayed in the parent, and one of them may have held the pool's lock. */
static void forget_pool(eddy_loop *loop) {
    if (loop->pool_is_own) eddy__pool_forget(loop->pool);
    loop->pool_is_own = false;
    loop->pool = NULL;
}

static int after_fork(eddy_loop *loop) {
    return link_is_empty(&loop->work_queue) ? 0 : expect_hand_over(loop);
}

static void finish(eddy_work *work, int status) {
    request_end(work->loop);
    work->done(work, status);
}

static void deliver(eddy_post *post) {
    eddy_work *work = eddy_container_of(post, eddy_work, post);
    finish(work, work->state == WORK_CANCELLED ? -ECANCELED : 0);
}

static void prepare(eddy_loop *loop, eddy_work *work, enum work_state state,
                    eddy_work_done_fn *done) {
    work->post.fn = deliver;
    work->loop = loop;
    work->done = done;
    work->state = (uint8_t)state;
    work->handed_over = 0;
    request_begin(loop);
}

/* Puts a prepared job into the loop's list. */
static int enqueue(eddy_loop *loop, eddy_work *work) {
    int err = link_is_empty(&loop->work_queue) ? expect_hand_over(loop) : 0;
    if (err < 0) return err;
    link_add_last(&loop->work_queue, &work->link);
    loop->work_queued++;
    return 0;
}

int eddy_work_submit(eddy_loop *loop, eddy_work *work, eddy_lane lane, eddy_work_fn *fn,
                     eddy_work_done_fn *done) {
    if ((unsigned)lane >= EDDY_LANES || fn == NULL || done == NULL) return -EINVAL;
    int err = enqueue(loop, work);
    if (err < 0) return err;
    prepare(loop, work, WORK_SUBMITTED, done);
    work->fn = fn;
    work->lane = (uint8_t)lane;
    return 0;
}

/* What misses goes the way of all jobs; if not even one thread can be had, that is its outcome. */
static void attempt(eddy_post *post) {
    eddy_work *work = eddy_container_of(post, eddy_work, post);
    int status = -ECANCELED;
    if (work->state == WORK_ATTEMPT) {
        status = 0;
        if (!eddy__file_attempt(work)) {
            work->state = WORK_SUBMITTED;
            work->post.fn = deliver;
            status = enqueue(work->loop, work);
            if (status == 0) return;
        }
    }
    finish(work, status);
}

void eddy__work_submit_attempt(eddy_loop *loop, eddy_work *work, eddy_work_fn *fn,
                               eddy_work_done_fn *done) {
    prepare(loop, work, WORK_ATTEMPT, done);
    work->post.fn = attempt;
    work->fn = fn;
    work->lane = EDDY_LANE_FILE;
    eddy__inbox_push_local(loop, &work->post);
}

static void flush(eddy_loop *loop) {
    eddy_link jobs[EDDY_LANES];
    unsigned counts[EDDY_LANES] = {0};
    for (int i = 0; i < EDDY_LANES; i++) link_init(&jobs[i]);

    int64_t now_ns = eddy_os_clock_ns(); /* the turn's time is as old as its callbacks are long */
    eddy_link *link = loop->work_queue.next;
    while (link != &loop->work_queue) {
        eddy_work *work = eddy_container_of(link, eddy_work, link);
        link = link->next;
        work->since_ns = now_ns;
        work->state = WORK_QUEUED;
        work->handed_over = 1;
        link_add_last(&jobs[work->lane], &work->link);
        counts[work->lane]++;
    }
    link_init(&loop->work_queue);
    loop->metrics.jobs += loop->work_queued;
    loop->work_queued = 0;
    eddy__pool_hand_over(loop->pool, jobs, counts);
}

/* Takes a job out of the loop's own list. */
static void withdraw(eddy_loop *loop, eddy_work *work) {
    link_remove(&work->link);
    work->state = WORK_CANCELLED;
    loop->work_queued--;
    if (loop->work_queued > 0) return;
    eddy_link none[EDDY_LANES];
    for (int i = 0; i < EDDY_LANES; i++) link_init(&none[i]);
    eddy__pool_hand_over(loop->pool, none, (const unsigned[EDDY_LANES]){0});
}

int eddy_work_cancel(eddy_work *work) {
    eddy_loop *loop = work->loop;
    int err = -EALREADY;
    /* The state of a job that was handed over is the pool's, and not to be looked at from here. */
    if (work->handed_over) {
        err = eddy__pool_take_back(loop->pool, work);
    } else if (work->state == WORK_ATTEMPT) { /* its turn in the inbox tells of it */
        work->state = WORK_CANCELLED;
        return 0;
    } else if (work->state == WORK_SUBMITTED) {
        withdraw(loop, work);
        err = 0;
    }
    if (err == 0) eddy__inbox_push_local(loop, &work->post);
    return err;
}

const struct work_calls eddy__work_calls = {
    .enter = enter,
    .flush = flush,
    .close = leave,
    .forget_pool = forget_pool,
    .after_fork = after_fork,
    .verify = verify,
};
