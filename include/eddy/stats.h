/* stats.h: where a loop's time goes, how late it is, and what held it up.
 *
 *     static eddy_stats stats;
 *     static eddy_loop_stats figures;
 *     ...
 *     eddy_stats_start(&stats, loop);
 *     ... the loop runs ...
 *     eddy_loop_read_stats(loop, &figures, sizeof figures);
 *     eddy_histogram_at_ns(&figures.lag, 0.99);
 *
 * It is made to stay on: a callback costs two looks at the clock, a timer's three, a phase one, and
 * no system call or memory. docs/examples/stats.c prints the figures; what they cost, and what to
 * do about them, is in the guide.
 * @since 0.1 */
#ifndef EDDY_STATS_H
#define EDDY_STATS_H

#include <eddy/histogram.h>
#include <eddy/loop.h>
#include <eddy/pool.h>
#include <eddy/walk.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- A loop --- */

enum {
    EDDY_STATS_PHASES = 9, /* 1 to 8, see loop.h; 0: outside of them */
    EDDY_STATS_SLOWEST = 10,
    EDDY_STATS_LABEL_BYTES = 48,
};

/* A callback that took long. */
typedef struct eddy_slow_call {
    int64_t taken_ns;
    int64_t began_ns; /* on the loop's clock */
    uint64_t object;  /* the address of the handle or request, which may be gone */
    uint64_t fn;      /* and of the function */
    uint32_t kind;    /* eddy_kind of the object */
    uint32_t phase;   /* 0: a hook before the wait */
    char label[EDDY_STATS_LABEL_BYTES]; /* the object's (label.h) when it was called; "": none */
} eddy_slow_call;

typedef struct eddy_queue_length {
    uint64_t now;
    uint64_t most; /* that a phase has found */
} eddy_queue_length;

/* What was seen since eddy_stats_start. A version of the library may add fields at the end. */
typedef struct eddy_loop_stats {
    int64_t since_ns; /* when it was started, and when it was read */
    int64_t now_ns;
    uint64_t turns;

    /* One time a turn: from the end of its wait until its last callback has ended. What becomes
     * ready right after the wait, and any timer, waits for so long: it is what clients and other
     * threads see of a loop that is busy. Hooks before the wait are not in it. */
    eddy_histogram lag;

    /* The time that each phase took, by its number. [2] is the time that the loop slept: the rest
     * it was at work. A look at the backend that does not wait, as a busy loop takes, is work of
     * the phase before it, [1] as a rule. [0] is what lies between turns: hooks before the wait,
     * and the program between two runs. Who waits outside of a turn taken apart does so in [1]. A
     * phase that had nothing to do is not counted. */
    eddy_histogram phases[EDDY_STATS_PHASES];

    eddy_histogram calls; /* callbacks: of those inside of another, the outer one */
    eddy_histogram late;  /* how long after its deadline each timer was called */

    eddy_queue_length inbox;    /* posts, completions, wake-ups, signals. What more than 4,096 a
                                 * turn leaves behind is not in `most` */
    eddy_queue_length deferred; /* calls of phase 7 */
    eddy_queue_length closing;  /* and of phase 8 */

    uint32_t slow_count;
    uint32_t reserved;
    eddy_slow_call slowest[EDDY_STATS_SLOWEST]; /* the slowest one first */
} eddy_loop_stats;

/* All fields are private. 62 KiB, all zeros at first: then it is not started. */
typedef struct eddy_stats {
    void *observer[16];
    eddy_loop *loop;
    int64_t phase_ns; /* when the phase began, */
    int64_t wait_ns;  /* when the wait of this turn ended; -1: it has not, or there was none */
    uint64_t completions, deferred, closed; /* before the turn */
    uint32_t phase;
    bool is_calling;
    eddy_slow_call call; /* under way */
    eddy_loop_stats figures;
} eddy_stats;

/* From here on `loop` is measured: in a callback, from the next phase on. `*stats` is the loop's
 * until eddy_stats_stop, and its figures begin at nothing. Errors: -EBUSY (the loop is measured
 * already, or `*stats` measures another one). Loop thread only. */
EDDY_API int eddy_stats_start(eddy_stats *stats, eddy_loop *loop);

/* `*stats` is yours again. Nothing happens if it is not started. To be called before the loop is
 * closed. Loop thread only. */
EDDY_API void eddy_stats_stop(eddy_stats *stats);

/* Copies the figures: as much as `size` says, which is sizeof *figures. What a caller knows beyond
 * this library is zeroed. To see a span of time take the histograms of two copies and
 * eddy_histogram_subtract. A phase and a turn are counted when they have ended. Counts the posts
 * and calls that are queued one by one. Errors: -ENOENT (the loop is not measured). Loop thread
 * only: what another thread is to see, the loop's copies for it (eddy_loop_post). */
EDDY_API int eddy_loop_read_stats(const eddy_loop *loop, eddy_loop_stats *figures, size_t size);

/* The slowest callbacks and the longest queues are those from here on, as nothing can be subtracted
 * from them. Nothing happens if the loop is not measured. Loop thread only. */
EDDY_API void eddy_loop_reset_slowest(eddy_loop *loop);

/* --- A pool --- */

typedef struct eddy_lane_stats {
    eddy_histogram wait; /* from the hand-over until a thread began with the job */
    eddy_histogram run;
} eddy_lane_stats;

/* 30 KiB. */
typedef struct eddy_pool_stats {
    eddy_lane_stats lanes[EDDY_LANES];
} eddy_pool_stats;

/* From here on each job that begins is measured, by two looks at the clock: eddy_pool_metrics,
 * which tells the sums and the queues, does with less. `*stats` is the pool's until
 * eddy_pool_stats_stop or eddy_pool_close, begins at nothing, and is guarded by the pool's lock.
 * Errors: -EBUSY (the pool is measured already), -ECHILD (in a forked child, and the pool is from
 * before the fork). Any thread. */
EDDY_API int eddy_pool_stats_start(eddy_pool *pool, eddy_pool_stats *stats);

/* What was given to eddy_pool_stats_start is yours again. Nothing happens if the pool is not
 * measured, or is from before a fork. Any thread. */
EDDY_API void eddy_pool_stats_stop(eddy_pool *pool);

/* Copies the figures, as eddy_loop_read_stats does, with the pool's lock held. Errors: -ENOENT (the
 * pool is not measured), -ECHILD (as above). Any thread. */
EDDY_API int eddy_pool_read_stats(eddy_pool *pool, eddy_pool_stats *figures, size_t size);

#ifdef __cplusplus
}
#endif
#endif
