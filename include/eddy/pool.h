/* pool.h: a pool of threads for what can only block. A loop makes one of its own on first use;
 * a program may also make some itself and give one to several loops (eddy_loop_config.pool).
 * Threads start as work comes, up to the limit, and leave after idling; they block all signals.
 * A forked child has none of them: a pool that was open at the fork is of no use there, and a loop
 * that eddy_loop_after_fork was called for opens one of its own when it needs it.
 * @since 0.1 */
#ifndef EDDY_POOL_H
#define EDDY_POOL_H

#include <eddy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lanes keep one kind of work from starving another. Within a lane the loops that share the pool
 * take turns, a request each, and so does each queue (queue.h); those of one loop, or of one queue,
 * start in the order of submission. */
typedef enum eddy_lane {
    EDDY_LANE_FILE,   /* file requests; may use every thread */
    EDDY_LANE_LOOKUP, /* look-ups of names; at most half of the threads: they may block long */
    EDDY_LANE_CPU,    /* computation; may use all threads but one, if there are several */
    EDDY_LANES
} eddy_lane;

/* Zeros mean the defaults. */
typedef struct eddy_pool_config {
    const eddy_allocator *allocator; /* copied; called by threads that open and close pools */
    unsigned threads;                /* 1 to 1024; default 4 */
    int64_t idle_ns;                 /* a thread leaves after idling so long; default 10 s */
    size_t stack_bytes; /* what a job may use, at least 16 KiB, beside thread-local variables; the
                         * default is the first thread's limit (RLIMIT_STACK), or 8 MiB: address
                         * space, of which only what is touched becomes memory; where the system
                         * has not that much, 256 KiB */
    unsigned quotas[EDDY_LANES]; /* threads a lane may use at once, up to all; 0: as said above */
    bool lends_priority; /* whoever holds the pool's lock runs with the highest priority of those
                          * that wait for it: for loops and threads under SCHED_FIFO or SCHED_RR */
} eddy_pool_config;

/* Opens a pool into `*pool`; no thread starts yet. `config` may be NULL. Errors: -EINVAL (a setting
 * out of its range), -ENOMEM, -EAGAIN, -ENOTSUP (the system has no locks that lend a priority). Any
 * thread. */
EDDY_API int eddy_pool_open(eddy_pool **pool, const eddy_pool_config *config);

/* Ends the threads and frees the pool. Errors: -EBUSY (a loop still uses it, requests are queued or
 * running, or another thread is in eddy_pool_drain), and then nothing has happened; with any other
 * call nobody may be in the pool. In a forked child the threads are the parent's: a pool from
 * before the fork is only freed there. Not from a job of the pool; else any thread. */
EDDY_API int eddy_pool_close(eddy_pool *pool);

struct eddy_work;

/* Waits until no request is queued or running, but at most `timeout_ns` (-1: without end). Then
 * calls `visit` for each that is still in flight, in the queue or running, under the pool's lock:
 * it may look, not call the pool; NULL: just counts. Returns how many there are. Requests that a
 * loop has not handed over yet (work.h) do not count. Completions are not delivered by
 * this: their loops do that. New requests may be submitted meanwhile. Errors: -EINVAL (time),
 * -ECHILD (in a forked child the requests of a pool from before the fork are the parent's). Not
 * from a job of the pool; else any thread. */
EDDY_API int eddy_pool_drain(eddy_pool *pool, int64_t timeout_ns,
                             void (*visit)(void *context, struct eddy_work *work), void *context);

/* Times are taken between jobs; of jobs that take less than a microsecond or two, between some. */
typedef struct eddy_lane_metrics {
    unsigned queued;     /* waiting for a thread now */
    unsigned running;    /* being done now */
    unsigned quota;      /* threads it may use at once */
    unsigned queued_max; /* the longest its queue has been */
    uint64_t done;       /* finished jobs */
    uint64_t cancelled;  /* taken out of the queue */
    int64_t wait_ns;     /* all the time that jobs waited for a thread, added up */
    int64_t run_ns;      /* all the time that jobs ran, added up */
} eddy_lane_metrics;

typedef struct eddy_pool_metrics {
    unsigned threads;      /* alive now */
    unsigned threads_idle; /* of those, waiting for work */
    unsigned threads_max;
    uint64_t threads_started;
    eddy_lane_metrics lanes[EDDY_LANES];
} eddy_pool_metrics;

/* Copies the counts of one moment: as much as `size` says, which is sizeof *metrics. What a caller
 * knows beyond this library is zeroed. Takes the pool's lock for that long. Any thread. */
EDDY_API void eddy_pool_read_metrics(eddy_pool *pool, eddy_pool_metrics *metrics, size_t size);

#ifdef __cplusplus
}
#endif
#endif
