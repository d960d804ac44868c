/* pool.h: the pool from inside; pool.c has its outside, worker.c its threads, work.c and
 * work_part.c the loop's side of it.
 *
 * A job goes SUBMITTED -> QUEUED -> RUNNING -> DONE, or to CANCELLED from one of the first two. A
 * file request that may do without a thread is in ATTEMPT before, in its loop's inbox.
 * In SUBMITTED it is in its loop's list and the loop thread's alone. From QUEUED on its state and
 * link belong to pool->lock, until it is pushed into its loop's inbox: then it is the loop's again,
 * and the worker that pushed it never looks at it, or at the loop, afterwards.
 *
 * Invariant, whenever the lock is free: if there is work that a thread may take and a thread that
 * could take it (an idle one, or one that may still be started), then a worker is on its way. Each
 * worker that arrives and takes a job calls the next one, if there is more to do, before it runs
 * the job. So N jobs that block get N threads, while a burst of short ones wakes few. */
#ifndef EDDY_WORK_POOL_H
#define EDDY_WORK_POOL_H

#include <eddy/queue.h>
#include <eddy/stats.h>

#include "../core/handle.h"
#include "../core/list.h"
#include "../core/loop.h"
#include "../core/walk.h"

enum work_state {
    WORK_ATTEMPT,
    WORK_SUBMITTED,
    WORK_QUEUED,
    WORK_RUNNING,
    WORK_ASKED, /* RUNNING, and somebody has tried to cancel it: of the engine only */
    WORK_DONE,
    WORK_CANCELLED,
};

/* What stands in a job's lane if it is a job of a queue, and that the queue has; or if it is not
 * the pool's, but the engine's (file_engine.h). */
enum { LANE_OF_QUEUE = EDDY_LANES, HAND_OVER_LISTS, LANE_OF_RING = HAND_OVER_LISTS };

/* An eddy_flow is the jobs of one loop that wait in one lane, or those of a queue, and the loop's
 * or the queue's memory: a loop that has a job here stays open. A queue of which a job runs is in
 * no list, and found by that job; it is put back, if it has more, when the job is given back.
 * pool->lock. */
struct lane {
    eddy_link flows; /* the one whose turn it is first: each gives one job, and goes to the end */
    eddy_lane_metrics counts;
};

/* The place of a thread. It is the pool's memory, so a signal to a thread that has just left harms
 * nobody. */
struct worker {
    eddy_link link; /* in pool->idle or pool->spare, or in no list */
    eddy_pool *pool;
    eddy_work *work; /* what it runs */
    /* It has given a job back and not yet told the loop: set under the lock, cleared (release)
     * after the push, or after the wake-up of a queue's. Without it, a job is in no place for a
     * moment, and a fork might fall between a push and its write. */
    EDDY_ATOMIC(bool) is_telling;
    eddy_os_thread thread;
    eddy_os_condition call;
    bool called; /* told to come; `call` is signalled soon */
    /* Its own: */
    int64_t now_ns;     /* when it read the clock last */
    bool is_timed;      /* its job, as the pool is measured: */
    int64_t began_ns;   /* when that did */
    int64_t settled_ns; /* up to when its lane knows its time */
    unsigned unread;    /* jobs until it reads the clock again */
    unsigned lane;      /* of its last job */
    eddy_work *ended;   /* that job, while it is still to be pushed */
    eddy_loop *woken;   /* if it was a queue's: whose loop is still to be woken */
};

/* All that changes after eddy_pool_open is guarded by `lock`. */
struct eddy_pool {
    struct part_source source; /* a loop that is opened with this pool joins it so */
    eddy_os_mutex lock;
    eddy_allocator allocator;
    int64_t idle_ns;
    size_t stack_bytes;
    eddy_os_condition quiet; /* for eddy_pool_drain and eddy_pool_close */
    struct lane lanes[EDDY_LANES];
    /* NULL: it is not measured. */
    eddy_pool_stats *stats;
    unsigned lane_next;  /* whose turn it is */
    eddy_link idle;      /* the last one to fall idle is last, and called first */
    eddy_link spare;     /* places without a thread */
    unsigned coming;     /* workers called or started that have not arrived yet */
    unsigned users;      /* loops */
    unsigned expected;   /* loops that are about to hand over */
    unsigned drains;     /* calls of eddy_pool_drain */
    bool lends_priority; /* how `lock` was opened */
    unsigned threads, threads_idle, threads_max;
    int process;    /* that has the threads: a child of it has none, and maybe the lock as held */
    bool is_orphan; /* its loop, in a forked child, has let go of it */
    uint64_t threads_started;
    bool start_failed; /* since the last hand-over: not tried again before the next */
    bool closing;
    bool has_left;       /* a thread has left and nobody has joined it: */
    eddy_os_thread left; /* the next one to leave does */
    struct worker workers[];
};

/* --- pool.c --- */
void eddy__pool_enter(eddy_pool *pool); /* one more loop uses it */
void eddy__pool_leave(eddy_pool *pool);
bool eddy__pool_is_parents(const eddy_pool *pool); /* this process has been forked since */
void eddy__pool_abandon(eddy_pool *pool); /* such a one: leaves it, and the last one frees it */

/* Announces a hand-over: from here to it, there is at least one thread. Else its start's error. */
int eddy__pool_expect(eddy_pool *pool);
void eddy__pool_expect_no_more(eddy_pool *pool); /* the announced one does not come */
/* Queues what stands in `jobs` by lane, all of it in one step, and ends the announcement. The last
 * list is that of the jobs of queues. */
void eddy__pool_hand_over(eddy_pool *pool, eddy_flow flows[EDDY_LANES],
                          eddy_link jobs[HAND_OVER_LISTS], const unsigned counts[HAND_OVER_LISTS]);
/* Takes a job out of its flow: 0, -EBUSY (it runs) or -EALREADY (it was done). */
int eddy__pool_take_back(eddy_pool *pool, eddy_flow flows[EDDY_LANES], eddy_work *work);
/* Calls `look` for each job that is queued or running. pool->lock. */
void eddy__pool_look(const eddy_pool *pool, void (*look)(void *context, eddy_work *work),
                     void *context);

/* Makes the pool quiescent for a look: each job that it has is queued, or with its worker, or in
 * its loop's inbox, until eddy__pool_resume. */
void eddy__pool_quiesce(eddy_pool *pool);
void eddy__pool_resume(eddy_pool *pool);

/* The end of an eddy_os_condition_wait that lasts `time_ns` from now; -1: without end. */
int64_t eddy__pool_until_ns(int64_t time_ns);
/* The invariant that does not hold, or NULL. */
const char *eddy__pool_verify(eddy_pool *pool);
/* Whether nothing is queued or running. pool->lock. */
bool eddy__pool_is_quiet(const eddy_pool *pool);

/* --- worker.c, with pool->lock held --- */
int eddy__worker_start(eddy_pool *pool);
/* Calls a worker if there is work for one more and none is on its way. Signal what it returns, if
 * not NULL, after unlocking: so the worker does not wake only to wait for the lock. */
struct worker *eddy__worker_call(eddy_pool *pool);
void eddy__worker_call_all_idle(eddy_pool *pool);

/* --- work.c --- */
enum { WORK_APART_BYTES = 64 }; /* what threads write is on no cache line of the loop's */

/* The loop's side of the pool. Invariant: while the pool expects a hand-over of this loop there are
 * jobs in the queue, and the other way round, so there is a thread for them when they come; but not
 * after a fork that left no thread to be had. */
struct work_part {
    struct part part;
    eddy_pool *pool;
    eddy_link queue; /* submitted, to be handed over before the wait */
    unsigned queued;
    bool is_expected; /* by the pool */
    bool pool_is_own;
    bool attempt_off;           /* file requests always take a thread */
    struct file_engine *engine; /* NULL: it is not asked for, not opened yet, or not to be had: */
    int engine_error;           /* why not */
    uint32_t age; /* one more after each fork, never 0: a job that has another was the parent's */
    char apart[WORK_APART_BYTES];
    eddy_flow flows[EDDY_LANES]; /* pool->lock */
};

struct work_part *eddy__work_part(eddy_loop *loop); /* NULL: no memory */
int eddy__work_join(eddy_loop *loop, struct part_source *pool);

/* Has the pool expect a hand-over: 0, or why there is no thread for it. */
int eddy__work_expect_hand_over(struct work_part *it);
bool eddy__work_is_inside(const eddy_post *post); /* it is that of a job */

/* Puts a prepared job into the loop's list: 0, or why there is no thread for it. */
int eddy__work_enqueue(struct work_part *it, eddy_work *work);
/* A submission of a file request to the engine: false if that does not take it. */
bool eddy__work_submit_to_engine(struct work_part *it, eddy_work *work, eddy_work_fn *fn,
                                 eddy_work_done_fn *done);

/* A submission of a file request that phase 6 attempts to do without a thread. */
void eddy__work_submit_attempt(eddy_loop *loop, eddy_work *work, eddy_work_fn *fn,
                               eddy_work_done_fn *done);

#endif
