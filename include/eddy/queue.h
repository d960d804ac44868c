/* queue.h: jobs one at a time, on the threads of the pool. For what only one thread may use at a
 * time, a connection of SQLite or a handle of a library without locks, whichever thread that is:
 * the jobs of a queue never overlap, they start in the order of submission, and each sees what
 * those before it have written. Two queues run beside each other. Loop thread only.
 * @since 0.1 */
#ifndef EDDY_QUEUE_H
#define EDDY_QUEUE_H

#include <eddy/work.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All fields are private. While jobs of it are in flight it must not be moved. */
typedef struct eddy_queue {
    eddy_loop *loop;
    eddy_flow flow;       /* the pool's lock, as `is_running` */
    uint32_t handed_over; /* to which pool its flow belongs: after how many forks; loop thread */
    uint8_t lane;
    bool is_running; /* a job of it: the flow is out of its lane meanwhile */
} eddy_queue;

/* Makes `queue` an empty one of `loop`, whose jobs count for the quota and the metrics of `lane`,
 * where it takes turns with the loop's other jobs as if it were another loop's. Cannot fail: a lane
 * that does not exist is told by eddy_queue_submit. It holds nothing, so there is no call to close
 * it: the memory is yours again when `done` of its last job is called. */
EDDY_API void eddy_queue_init(eddy_queue *queue, eddy_loop *loop, eddy_lane lane);

/* As eddy_work_submit, but no job of the queue runs before those that were submitted earlier have
 * ended, and `done` comes in the order of submission too. eddy_work_cancel takes back a job that
 * has not started; its `done` comes in the next turn, before those that it was queued behind.
 * Allocates nothing. Errors, after which `done` never runs: as eddy_work_submit. In a forked child,
 * after eddy_loop_after_fork, the queue is one of the child: jobs that were the parent's have to be
 * taken back, and do not hold up others. */
EDDY_API int eddy_queue_submit(eddy_queue *queue, eddy_work *work, eddy_work_fn *fn,
                               eddy_work_done_fn *done);

#ifdef __cplusplus
}
#endif
#endif
