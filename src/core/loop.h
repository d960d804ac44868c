/* loop.h: the loop from inside, for the other modules of the library. What belongs to a module of
 * the core is in a struct of its own, in that module's header; what belongs to a module above the
 * core is in its part (part.h). Everything is the loop thread's, except `inbox.head` and of
 * `wakeup` what is written and counted by senders. */
#ifndef EDDY_CORE_LOOP_H
#define EDDY_CORE_LOOP_H

#include "../../platform/backend.h"
#include "../../platform/compiler.h"
#include "../../platform/os.h"
#include "assert.h"
#include "defer.h"
#include "hook.h"
#include "inbox.h"
#include "io.h"
#include "part.h"
#include "profile.h"
#include "timer.h"
#include "wakeup.h"

/* What a turn has to look at beside its records and its timers: a bit is set where something is
 * queued and cleared where the queue becomes empty, so that a turn which has nothing of it to do
 * finds out by one look. */
enum {
    DUE_PREPARE = HAS_QUEUES << 0, /* there are prepare hooks */
    DUE_FLUSH = 1 << 1,            /* changes of interest, or all of it anew */
    DUE_PARTS = HAS_QUEUES << 2,   /* a part wants its before_wait */
    DUE_IDLE = HAS_QUEUES << 3,    /* there are idle hooks */
    DUE_CHECK = HAS_QUEUES << 4,   /* there are check hooks */
    DUE_LOST = 1 << 5, /* descriptors that the last flush could not bring to the backend */
    DUE_INBOX = HAS_QUEUES << 6,     /* posts taken out of the inbox, or completed at once */
    DUE_WAKEUP = HAS_QUEUES << 7,    /* the wake-up was told in this turn */
    DUE_DEFERRED = HAS_QUEUES << 8,  /* calls of phase 7 */
    DUE_CLOSING = HAS_QUEUES << 9,   /* calls of phase 8 */
    DUE_IDLE_NOW = HAS_QUEUES << 10, /* this turn waits for nothing because idle hooks are to run */
    DUE_SPLIT = HAS_SPLIT << 11, /* the backend gives READ and WRITE in two records: always there */
    DUE_STOP = 1 << 12,          /* the run under way, or the next one, is to end */
    DUE_OBSERVED = HAS_TRACE << 13, /* somebody looks at what the loop does: observe.h */
    DUE_TRACED = HAS_TRACE << 14,   /* and it has a trace */

    /* Work that needs no event to go on: the wait does not wait. */
    DUE_AT_HAND = DUE_LOST | DUE_INBOX | DUE_DEFERRED | DUE_CLOSING,
    /* Phases 6 to 8, beside what has arrived in the inbox. */
    DUE_LATE = DUE_INBOX | DUE_WAKEUP | DUE_DEFERRED | DUE_CLOSING,
    /* A turn that is more than a wait and what it found. */
    DUE_NOT_PLAIN = DUE_PREPARE | DUE_FLUSH | DUE_PARTS | DUE_IDLE | DUE_CHECK | DUE_IDLE_NOW |
                    DUE_AT_HAND | DUE_STOP | DUE_OBSERVED,
};

struct observer;
struct eddy_trace;

/* The library calls itself, and in there its user: no deeper than this. */
enum { LOOP_CALLS_MAX = HAS_TRACE ? 6 : 1 };

/* A callback that was told to begin: what its end needs. */
struct observed_call {
    int64_t began_ns;
    uint64_t around; /* as in the trace, before */
    const void *object;
    unsigned what;
    bool is_traced;
};

struct eddy_loop {
    /* The turn: loop.c. What is used most is within 128 bytes, which short addresses reach. */
    unsigned due;             /* DUE_… */
    unsigned active;          /* referenced active handles, and requests in flight */
    unsigned handles;         /* active handles, referenced or not */
    unsigned own_handles;     /* of those, what the loop and its parts have for themselves */
    bool running;             /* inside a call that runs callbacks */
    bool was_marked;          /* the waiting marker was in the inbox when the last run returned */
    bool was_stopped;         /* the last run or dispatch was told to end */
    bool is_quick;            /* running, and nobody looks: not told with IS_SMALL */
    EDDY_ATOMIC(bool) asleep; /* in the backend's wait: for a child that is forked meanwhile */
    int record_count;         /* told by a wait, and not dispatched yet */
    int full_count;           /* records of a wait that another one follows at once */
    unsigned waits_skipped;   /* in a row */
    int64_t now_ns;
    uint64_t turn;
#ifndef EDDY_ONE_BACKEND
    const struct eddy_backend *backend; /* loop_backend() */
#endif
    void *backend_state;

    struct io_table io;
    struct timer_queue timers;
    struct inbox inbox;
    struct wakeup wakeup;
    struct defer_list deferred, closing;
    struct hook_table hooks;
    eddy_link wakes, signals; /* those that are started */
    struct part *parts;
    struct part *hot_part; /* of part_kind.is_hot */
    const void *thread;    /* that runs it, for check.h: else NULL */
    bool walking;          /* inside eddy_loop_walk */

    /* observe.c */
    uint8_t phase; /* while it is observed */
    unsigned call_depth;
    struct observed_call calls[LOOP_CALLS_MAX]; /* those that run, the outermost one first */
    struct observer *observers, *observer_next;
    EDDY_ATOMIC(unsigned) trace_senders; /* threads that are just writing a record */

    /* life.c */
    uint64_t turns_without_wait; /* since the loop was opened */
    uint64_t waits_again;        /* the same: waits beside the first of a turn */
    eddy_metrics metrics;
    eddy_loop_config config;
    eddy_allocator allocator;
    eddy_allocator backend_allocator; /* the same memory, counted */
    eddy_backend_info backend_info;
    void *data;                             /* the program's */
    EDDY_ATOMIC(struct eddy_trace *) trace; /* read by senders: among what is hardly ever written */
    /* As many as config.events_per_turn says, and the backend's state behind them. */
    _Alignas(max_align_t) struct eddy_record records[];
};

/* --- life.c: memory from the loop's allocator, as realloc --- */
void *eddy__resize(eddy_loop *loop, void *memory, size_t old_bytes, size_t new_bytes);

/* In a build with one backend its functions are called without asking which it is. */
#ifdef EDDY_ONE_BACKEND
static inline const struct eddy_backend *loop_backend(const eddy_loop *loop) {
    (void)loop;
    return &EDDY_ONE_BACKEND;
}
static inline void loop_set_backend(eddy_loop *loop, const struct eddy_backend *backend) {
    (void)loop, (void)backend;
}
#else
static inline const struct eddy_backend *loop_backend(const eddy_loop *loop) {
    return loop->backend;
}
static inline void loop_set_backend(eddy_loop *loop, const struct eddy_backend *backend) {
    loop->backend = backend;
}
#endif

/* The time that delays count from: in callbacks the turn's, and else the real one, since the turn's
 * may be as old as the last run. */
static inline int64_t loop_now_ns(eddy_loop *loop) {
    if (UNLIKELY(!loop->running)) loop->now_ns = eddy_os_clock_ns();
    return loop->now_ns;
}

/* A plain store that the compiler keeps on its side of the wait. */
static inline void loop_set_asleep(eddy_loop *loop, bool asleep) {
    if (!IS_SMALL) atomic_store_explicit(&loop->asleep, asleep, memory_order_relaxed);
}

/* A small library has no word for it: there the marker is in the inbox only then, while the loop
 * runs. */
static inline bool loop_is_asleep(const eddy_loop *loop) {
    if (IS_SMALL) return inbox_is_waiting(&loop->inbox);
    return atomic_load_explicit(&loop->asleep, memory_order_relaxed);
}

/* Forked since it was opened, and eddy_loop_after_fork has not succeeded yet. */
static inline bool loop_is_parents(const eddy_loop *loop) {
    return atomic_load(&loop->wakeup.process) != eddy_os_process_id();
}

static inline void loop_set_running(eddy_loop *loop, bool running) {
    loop->running = running;
    if (!IS_SMALL) loop->is_quick = running && !(loop->due & DUE_OBSERVED);
}

/* A part that has something to do before the wait. */
static inline void part_is_due(eddy_loop *loop) {
    loop->due |= DUE_PARTS;
}

#endif
