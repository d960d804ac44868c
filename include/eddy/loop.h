/* loop.h: the reactor. One turn runs these phases, always in this order:
 *
 *   -  prepare hooks
 *   1  flush      changes of interest go to the backend
 *   2  wait       until a descriptor is ready or the next deadline, or not at all
 *   3  clock      read once; eddy_loop_now_ns() is this value for the whole turn
 *   -  check hooks; idle hooks when nothing was ready and no timer due
 *   4  timers     that were due at step 3, in order of deadline, then of start; at most
 *                 timers_per_turn of them, and the others first in the next turn
 *   5  ready      descriptors
 *   6  inbox      completions of the pool, posted calls, wake-ups; signals last
 *   7  deferred   calls, and the writes that streams gathered
 *   8  closing    callbacks
 *
 * A phase handles what was there when it began: what a callback adds runs in a later phase or turn.
 * A loop belongs to the thread that runs it; only eddy_loop_post and eddy_wake_send may be called
 * from others. No callback ever runs inside a call of this library other than eddy_loop_run,
 * eddy_loop_prepare and eddy_loop_dispatch; what eddy_loop_walk and eddy_pool_drain show to a
 * function they show inside.
 * @since 0.1 */
#ifndef EDDY_LOOP_H
#define EDDY_LOOP_H

#include <eddy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a backend can do. */
enum {
    EDDY_CAN_EDGE = 1 << 0,    /* EDDY_EDGE watchers */
    EDDY_CAN_ONESHOT = 1 << 1, /* EDDY_ONESHOT watchers */
    EDDY_CAN_NEST = 1 << 2,    /* has a descriptor that another loop can watch */
    EDDY_CAN_BATCH = 1 << 3,   /* changes of interest cost no system call of their own */
    EDDY_CAN_HANGUP = 1 << 4,  /* EDDY_HANGUP may be asked for */
};

typedef struct eddy_backend_info {
    const char *name;      /* "epoll", "kqueue", "poll", "select", "io_uring" */
    unsigned capabilities; /* EDDY_CAN_… */
    int fd_max;            /* the largest descriptor it can watch; INT_MAX: no limit of its own */
} eddy_backend_info;

/* Tells of a backend of this binary: 0 is the best, and the default. Errors: -ENOENT beyond the
 * last. Any thread. */
EDDY_API int eddy_backend_at(size_t index, eddy_backend_info *info);

/* What wakes a loop that sleeps when another thread, a signal handler or the pool has something for
 * it. A choice for comparison: they cost the same where the backend tells each write as an edge
 * (epoll), and else the eventfd is read at each wake-up, as the pipe is. */
typedef enum eddy_wakeup_kind {
    EDDY_WAKEUP_PIPE,    /* the default, on every system */
    EDDY_WAKEUP_EVENTFD, /* one descriptor instead of two, and no page of the kernel for a pipe */
} eddy_wakeup_kind;

/* Who does file requests (file.h) that are not done at once. A choice of Linux, off unless asked
 * for: docs/06-pool.md says where it pays and what its risks are. */
typedef enum eddy_files_kind {
    EDDY_FILES_POOL,  /* threads of the pool: the default, on every system */
    EDDY_FILES_URING, /* the kernel by itself, through an io_uring of the loop's, as far as file.h
                       * says; all else, and what it does not take, the pool */
} eddy_files_kind;

/* How to open a loop. Zeros mean the defaults. */
typedef struct eddy_loop_config {
    const char *backend;             /* a name of eddy_backend_at; NULL: the best that works */
    const eddy_allocator *allocator; /* copied; NULL: realloc and free */
    eddy_pool *pool;                 /* shared with others; NULL: its own, on first use */
    unsigned pool_threads;           /* of its own pool, 1 to 1024; default 4. This and the next are
                                      * of no effect with `pool` */
    size_t pool_stack_bytes;         /* of its threads, as eddy_pool_config.stack_bytes */
    unsigned events_per_turn;        /* that one wait may tell, 16 bytes each; up to
                                      * 134,217,727, default 256 */
    unsigned waits_per_turn;         /* a wait that came back full is followed by another, which
                                      * does not wait, up to so many; default 1 */
    unsigned completions_per_turn;   /* default 256; further ones come next turn */
    size_t read_buffer_bytes;        /* lent to streams while they read; default 64 KiB */
    size_t stream_bytes_per_turn;    /* one stream's share of a turn's wait; default 256 KiB */
    eddy_wakeup_kind wakeup;         /* EDDY_WAKEUP_PIPE or EDDY_WAKEUP_EVENTFD */
    bool is_fixed;            /* what the next two say is all there ever is: beyond it -ENOMEM */
    unsigned descriptors;     /* room for watchers of those below this number, as eddy_loop_reserve
                               * makes it; default 0, and with `is_fixed` 64 */
    unsigned timers;          /* the same for running timers; default 0, and with `is_fixed` 16 */
    unsigned timers_per_turn; /* called in a turn; default 256; further ones come next turn */
    eddy_files_kind files; /* EDDY_FILES_POOL or EDDY_FILES_URING; a ring that is not to be had is
                            * no error: eddy_loop_files tells (file.h) */
} eddy_loop_config;

/* Opens a loop into `*loop`. `config` may be NULL. Descriptors: the backend's, if it has one, and
 * a pipe's two, or an eventfd, which a program that links the static library and uses nothing that
 * posts (wakes, signals, the pool) does not have; none of them is 0, 1 or 2, also where a program
 * was started without those, but for a kqueue, which may be. Errors: -ENOENT (no backend of that
 * name), -EINVAL (a setting out of its range), -ERANGE (select, and the pipe's descriptor is beyond
 * what it can watch), -ENOSYS or what a sandbox says instead, -EPERM, -EACCES or -ENOTSUP (the
 * backend that was named, or an eventfd, is not to be had: without a name the next backend is
 * tried), -ECHILD (the pool is from before a fork, and has no threads here), -ENOMEM (also where
 * the pipe's descriptor is beyond those of a loop that `is_fixed`), -EMFILE, -ENFILE. Any thread;
 * the loop belongs to the one that runs it. arena.h has what a loop without a heap needs. */
EDDY_API int eddy_loop_open(eddy_loop **loop, const eddy_loop_config *config);

/* Frees the loop and its descriptors, and its own pool with its threads. Waits for a sender in
 * another thread that has just woken the loop and not returned: it yields a few times, and then
 * sleeps, at most 1 ms at a time, so that any thread can go on. Errors: -EBUSY (a handle is active,
 * a request is in flight, statistics or a watchdog's guard are not stopped, or the loop is
 * running), and then nothing has happened: stop what is
 * left, which eddy_loop_walk tells (walk.h), and run the loop once more; -ECHILD (in a forked
 * child: eddy_loop_after_fork comes first, whatever it says), and nothing has happened. Loop thread
 * only.
 */
EDDY_API int eddy_loop_close(eddy_loop *loop);

typedef enum eddy_run_mode {
    EDDY_RUN_DEFAULT, /* until nothing keeps the loop alive, or eddy_loop_stop */
    EDDY_RUN_ONCE,    /* one turn, which may wait */
    EDDY_RUN_NOWAIT,  /* one turn, which does not */
} eddy_run_mode;

/* Runs the loop. Returns 1 if something still keeps it alive, 0 if nothing does. Errors: -EBUSY
 * (called from a callback of the same loop), -EINVAL (mode), or what the backend's wait gave; the
 * loop stays usable. If a backend could not be had anew, each turn asks again, and says what it
 * got (a pipe of its own only eddy_loop_after_fork asks for): timers and all that needs no
 * descriptor have had their callbacks nevertheless. Loop thread only.
 */
EDDY_API int eddy_loop_run(eddy_loop *loop, eddy_run_mode mode);

/* Makes eddy_loop_run return after this turn; called while the loop is not running, the next run
 * makes no turn. In a turn taken apart it ends nothing by itself: the wait does not wait, dispatch
 * finishes the turn, and eddy_loop_was_stopped tells. Loop thread only (from elsewhere, post a call
 * that does it). */
EDDY_API void eddy_loop_stop(eddy_loop *loop);

/* Whether eddy_loop_stop was called for the run that has returned last, or for the turn that was
 * dispatched last: in it, or since the one before. The next run or dispatch answers anew when it
 * returns; before the first one, false. Loop thread only. */
EDDY_API bool eddy_loop_was_stopped(const eddy_loop *loop);

/* Whether an active, referenced handle, a request, or a queued call keeps the loop running. Loop
 * thread only. */
EDDY_API bool eddy_loop_is_alive(const eddy_loop *loop);

/* In a callback, the clock as phase 3 read it; elsewhere the clock, read anew. Monotonic. Delays of
 * timers and deadlines count from it. Loop thread only. */
EDDY_API int64_t eddy_loop_now_ns(eddy_loop *loop);

/* Reads the clock again, for a callback that ran long before it starts a timer. Loop thread only.
 */
EDDY_API void eddy_loop_update_now(eddy_loop *loop);

/* The backend the loop was opened with; valid until the loop is closed. Loop thread only. */
EDDY_API const eddy_backend_info *eddy_loop_backend(const eddy_loop *loop);

/* Makes room for watchers of descriptors below the number `descriptors`, and for `timers` running
 * ones, so that starting them asks for no memory; what there is already stays. Errors: -ENOMEM (in
 * a loop that `is_fixed`, where that is more than it has), and then it may have made a part of it.
 * Loop thread only. */
EDDY_API int eddy_loop_reserve(eddy_loop *loop, unsigned descriptors, unsigned timers);

/* A pointer of the program's, which the library does not look at; at first NULL. Loop thread only.
 */
EDDY_API void eddy_loop_set_data(eddy_loop *loop, void *data);
EDDY_API void *eddy_loop_data(const eddy_loop *loop);

/* Where the loop takes its memory, for what is made to live with it; valid until it is closed. Any
 * thread, where the allocator's functions may be called by any. */
EDDY_API const eddy_allocator *eddy_loop_allocator(const eddy_loop *loop);

/* --- A turn taken apart: for another loop that drives this one, and for a lock around it ---
 *
 *     prepare, wait, dispatch, again and again, in this order. Prepare may be called again before
 * the wait, by a driver that has woken for something else and asks all its sources anew, as GLib
 * does: the newest time-out counts. These calls, like run, are refused
 * with -EBUSY in a callback of the same loop. All else that is the loop thread's may be called
 * between them, too. What is started or changed between prepare and wait takes part in that wait; a
 * watcher that is started between wait and dispatch hears of the next one, and one that is stopped
 * there hears nothing more.
 *
 *     A program that guards the loop with a lock of its own may let "loop thread only" mean
 * "whoever holds the lock". Then it may release the lock in two places:
 *
 *  - around eddy_loop_wait, on every backend. The other threads call meanwhile, with or without the
 *    lock, only what is for any thread: eddy_loop_post and eddy_wake_send.
 *  - between prepare and wait, with EDDY_CAN_NEST. The driver waits outside of the loop, by poll(2)
 *    on the backend's descriptor for the time-out, takes the lock, and goes on with a wait of 0 and
 *    dispatch. Meanwhile whoever holds the lock may call anything but run, prepare, wait, dispatch,
 *    close and after_fork. After it has started, changed or stopped something, or asked the loop to
 *    stop, it calls eddy_wake_send or eddy_loop_post, which makes the descriptor readable: without
 *    that the driver may sleep on for as long as it was told to.
 *
 * A wake that was started for this also keeps the loop alive while it has nothing else. */

/* A descriptor that is readable when the backend has something, or -ENOTSUP (EDDY_CAN_NEST), or, of
 * io_uring, which makes one when it is asked for the first time, -EMFILE or -ENFILE. It
 * shows changes only after eddy_loop_prepare, and knows nothing of timers: heed the timeout. It may
 * be readable for what reaches nobody (a change since, a wake-up that was late): then the turn
 * finds nothing, and it is silent. Ask before the first prepare, so that the backend keeps nothing
 * back, and after each: the descriptor may have been opened anew. Loop thread only. */
EDDY_API int eddy_loop_backend_fd(const eddy_loop *loop);

/* Prepare hooks and phase 1. `*timeout_ns` is how long phase 2 may wait: 0 not at all, -1 without
 * end. It is 0 when something is at hand, after eddy_loop_stop, and when nothing keeps the loop
 * alive: then dispatch returns 0, the descriptor shows at most what is not referenced, and a driver
 * that goes on all the same turns without rest. Errors: -EBUSY. Loop thread only. */
EDDY_API int eddy_loop_prepare(eddy_loop *loop, int64_t *timeout_ns);

/* Phases 2 and 3: waits at most `timeout_ns` (0 after the descriptor was seen readable, -1 without
 * end), and no longer than the loop itself would by now. Returns how many records the backend gave,
 * the loop's own wake-up among them: at most `events_per_turn`, and the next wait gives the others;
 * 0 when the time is over, or a signal has ended the wait; -EBUSY, or the backend's error. No
 * callback runs. Dispatch after a 0 as well, as timers may be due, and before the next wait or run:
 * that drops the records of this one, which edges, one-shots and hang-ups do not repeat. Loop
 * thread only. */
EDDY_API int eddy_loop_wait(eddy_loop *loop, int64_t timeout_ns);

/* The rest of the turn. Returns 1 if something still keeps the loop alive, 0 if nothing does, or
 * -EBUSY (called from a callback of the same loop); eddy_loop_was_stopped tells the rest. Loop
 * thread only. */
EDDY_API int eddy_loop_dispatch(eddy_loop *loop);

/* --- Other threads --- */

typedef struct eddy_post eddy_post;
typedef void eddy_post_fn(eddy_post *post);

/* A call on its way to a loop. The caller owns it; private while it is under way. */
struct eddy_post {
    eddy_post *next;
    eddy_post_fn *fn;
};

/* Runs `fn(post)` once in the loop's thread, in the order of arrival. `post` is yours again when
 * `fn` is called. Allocates nothing; writes to the loop's pipe only when the loop may be asleep.
 * The loop must not be closed before the call returns. A call that has arrived keeps the loop
 * alive; a loop that is to wait for calls needs a handle as well. Any thread, and safe in signal
 * handlers. docs/examples/two_loops.c and progress.c use it. */
EDDY_API void eddy_loop_post(eddy_loop *loop, eddy_post *post, eddy_post_fn *fn);

/* --- Forks, counts, checks --- */

/* Gives a forked child a backend and a pipe of its own, with every descriptor watched as before;
 * the parent's are not touched. Call it in the child, in the thread that forked, before anything
 * else of the loop and before the child starts threads that send to it or take its signals, until
 * it has succeeded: a post or a wake that the child sends earlier would go into the parent's pipe,
 * or be told twice. For signals that is taken care of: the child's own are told once it has called
 * this. A fork is known by the process number, so the first process of a new PID namespace is not
 * seen to be a child of the first of another.
 *
 * What had arrived in the inbox at the fork is run by both, and so is a wake or signal that a
 * thread of the parent was just sending. Requests in the pool stay with the parent, whose threads
 * the child does not have: fork with none in flight, or cancel them in the child. A loop that
 * another thread ran at the fork is taken over if it slept in its wait, with nothing just sent to
 * it. If not it was in the middle of a turn, of which nobody can make the rest: -EBUSY, for good.
 * So fork in the loop's thread, or while the loop sleeps or does not run; or drop it, and leave its
 * memory, and that of the watchers of signals that are on it, as it is. A second call leaves alone
 * what the child has made since: pipe and pool.
 *
 * Errors: -EBUSY (inside a callback, or see above), -EMFILE, -ENFILE, -ENOMEM, or what the start of
 * a thread for jobs that were submitted gave (-EAGAIN as a rule), after which it may
 * be called again, or the loop be closed: cancel and stop what is on it, and run it for their
 * callbacks; runs say the same error and wait for nothing. A watcher whose descriptor cannot be
 * added again gets EDDY_ERROR. Loop thread only, which in the child is the one that forked. */
EDDY_API int eddy_loop_after_fork(eddy_loop *loop);

/* What the loop counted since it was opened. None of these costs a system call. */
typedef struct eddy_metrics {
    uint64_t turns;
    uint64_t waits;        /* backend waits; a turn with work at hand may skip its wait */
    uint64_t waits_empty;  /* those that returned no event */
    uint64_t events;       /* records from the backend */
    uint64_t events_stale; /* of those, dropped because their descriptor's owner had changed */
    uint64_t callbacks;    /* of io watchers */
    uint64_t timers;       /* fired */
    uint64_t completions;  /* inbox items run */
    uint64_t deferred;
    uint64_t closed;
    uint64_t backend_adds, backend_modifies, backend_removes; /* calls of the backend */
    uint64_t wake_reads; /* reads of the loop's pipe: one a wake-up; where edges tell it, seldom */
    uint64_t reads, writes; /* system calls of streams */
    uint64_t accepts;       /* accept calls of listeners */
    uint64_t accepts_shed;  /* connections closed at once for want of descriptors */
    uint64_t file_attempts; /* file requests tried without a thread */
    uint64_t file_hits;     /* of those, done without one */
    uint64_t jobs;          /* requests handed to the pool */
    uint64_t ring_jobs;     /* file requests done by the loop's ring (EDDY_FILES_URING) */
    uint64_t allocations;   /* calls of the allocator that asked for memory */
    unsigned active;        /* handles and requests that keep the loop alive now */
    unsigned timers_active;
} eddy_metrics;

/* Copies the counts: as much as `size` says, which is sizeof *metrics. What a caller knows beyond
 * this library is zeroed. Loop thread only. */
EDDY_API void eddy_loop_read_metrics(const eddy_loop *loop, eddy_metrics *metrics, size_t size);

/* Walks everything the loop holds and checks every invariant. Returns 0, or -EPROTO with the first
 * broken one in `*broken` (a constant string; `broken` may be NULL). For tests; O(handles). Not
 * inside eddy_loop_walk. Loop thread only. */
EDDY_API int eddy_loop_verify(const eddy_loop *loop, const char **broken);

#ifdef __cplusplus
}
#endif
#endif
