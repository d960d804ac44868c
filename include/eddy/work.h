/* work.h: a function run on a thread of the pool, its result told on the loop.
 * @since 0.1 */
#ifndef EDDY_WORK_H
#define EDDY_WORK_H

#include <eddy/loop.h>
#include <eddy/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_work eddy_work;

/* Runs on a thread of the pool, with all signals blocked and as much stack as the first thread may
 * have, unless the pool was given a size (eddy_pool_config.stack_bytes). It may block; it may use
 * nothing of the loop but eddy_loop_post and eddy_wake_send. */
typedef void eddy_work_fn(eddy_work *work);

/* Runs on the loop. `status` is 0 when the job ran, or -ECANCELED when it never did. */
typedef void eddy_work_done_fn(eddy_work *work, int status);

/* Private: jobs that take turns with others in a lane. */
typedef struct eddy_flow {
    eddy_link link; /* in the lane while it has a job that may run, else in no list */
    eddy_link jobs;
} eddy_flow;

/* All fields are private. */
struct eddy_work {
    eddy_post post;
    eddy_loop *loop;
    eddy_link link;           /* of the loop's hand-over, or of its jobs in the lane */
    struct eddy_queue *queue; /* if its lane says that it has one */
    eddy_work_fn *fn;
    eddy_work_done_fn *done;
    int64_t since_ns; /* when it was handed over */
    uint8_t lane;
    uint8_t state;        /* the loop thread's, then pool->lock, then the loop thread's */
    uint32_t handed_over; /* to the pool, and after how many forks; loop thread only */
};

/* Has the loop's pool run `fn(work)`, then calls `done` from the loop, exactly once. `work` is
 * yours again when `done` is called. Allocates nothing. Jobs are handed to the pool together,
 * before the loop waits or returns to its caller, and start in the order of submission within a
 * lane; those of queues (queue.h) take turns with them. A request in flight keeps the loop alive.
 * Errors, after which `done` never runs: -EINVAL (lane); on first use of the loop's own pool what
 * eddy_pool_open may give; if there is no thread and none can be started, what pthread_create gave
 * (-EAGAIN as a rule). Loop thread only. */
EDDY_API int eddy_work_submit(eddy_loop *loop, eddy_work *work, eddy_lane lane, eddy_work_fn *fn,
                              eddy_work_done_fn *done);

/* Tries to take the job back. Returns 0 if it had not started: it never will, and `done` comes with
 * -ECANCELED. Errors: -EBUSY (it is running and will finish: `done` comes as usual), -EALREADY (it
 * has been done and `done` is on its way, or has been called and the memory is as it was). In a
 * forked child, after eddy_loop_after_fork, a request that was the pool's at the fork is taken back
 * like one that had not started (0), whatever the parent makes of it; if it had come back before
 * the fork, -EALREADY. docs/examples/cancel.c cancels what Ctrl-C leaves. Loop thread only. */
EDDY_API int eddy_work_cancel(eddy_work *work);

/* The loop that it was submitted to; also in the job, and in `done`. Any thread. */
EDDY_API eddy_loop *eddy_work_loop(const eddy_work *work);

/* The pool that serves the loop: the configured one, its own (opened now if need be), or NULL with
 * no memory for it. Loop thread only. */
EDDY_API eddy_pool *eddy_loop_pool(eddy_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
