/* loop.h: the loop from inside, for the other modules of the library.
 *
 * Ownership of the fields is by module: each file of src/core names its own part and the functions
 * through which the others use it. Everything is the loop thread's, except `inbox_head`,
 * `inbox_refused` and `pipe[1]`. */
#ifndef EDDY_CORE_LOOP_H
#define EDDY_CORE_LOOP_H

#include <eddy.h>

#include "../../platform/backend.h"
#include "../../platform/os.h"
#include "assert.h"

/* Before a function that is seldom called: it stays out of its caller's body, which then saves
 * fewer registers each time. PREFETCH begins to bring memory that is about to be written. */
#if defined(__GNUC__) || defined(__clang__)
#define RARE              __attribute__((noinline, cold))
#define PREFETCH(address) __builtin_prefetch(address, 1)
#else
#define RARE
#define PREFETCH(address) ((void)(address))
#endif

enum {
    HANDLE_ACTIVE = 1 << 0,
    HANDLE_UNREF = 1 << 1,
    HANDLE_KIND = 3 << 2, /* of a hook */
    HANDLE_KIND_SHIFT = 2,
};

/* Flags of io_slot. */
enum {
    IO_SLOT_CHANGED = 1 << 0,  /* in io_changes */
    IO_SLOT_REARM = 1 << 1,    /* to be modified even if nothing differs */
    IO_SLOT_DISARMED = 1 << 2, /* its one shot was fired */
    IO_SLOT_MERGING = 1 << 3,  /* only within eddy__io_run */
    IO_SLOT_SPECIAL = 1 << 4,  /* several watchers, or one that is muted or has a single shot */
};

/* What the watchers of a descriptor come to. io.c. */
struct io_slot {
    eddy_io *first;
    uint32_t generation; /* changes when the last watcher leaves: old tokens never match */
    uint8_t wanted;      /* what the watchers wish for together */
    uint8_t registered;  /* what the backend has; 0: not registered */
    uint8_t flags;       /* IO_SLOT_… */
    uint8_t record;      /* with IO_SLOT_MERGING: its first record of this wait */
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct io_slot) == 16, "four slots a cache line");

/* A timer's place in the heap, and its deadline and order of start when it was put there: one that
 * was pushed away since then is put right at the top. timer.c. */
struct timer_entry {
    int64_t due_ns;
    uint64_t order;
    eddy_timer *timer;
};

struct inbox_queue {
    eddy_post *first, **last;
    eddy_post **end; /* where the phase under way ends */
};

/* What the loop asks of src/work. It comes with the first pool that the loop has: a program without
 * one need not have the code either. */
struct work_calls {
    void (*enter)(eddy_loop *loop);       /* loop->pool has one more user */
    void (*flush)(eddy_loop *loop);       /* hands what was submitted to the pool */
    int (*close)(eddy_loop *loop);        /* leaves the pool, or closes the loop's own */
    void (*forget_pool)(eddy_loop *loop); /* in a forked child, where no thread is left */
    int (*after_fork)(eddy_loop *loop);   /* a pool for what was submitted before the fork */
    const char *(*verify)(const eddy_loop *loop); /* the invariant that is broken, or NULL */
};

/* What a pool begins with. */
struct pool_base {
    const struct work_calls *calls;
};

struct eddy_loop {
    /* The turn: loop.c */
    int64_t now_ns;
    uint64_t turn;
    unsigned active;  /* referenced active handles, and requests in flight */
    unsigned handles; /* active handles, referenced or not */
    int record_count;
    bool running; /* inside a call that runs callbacks */
    bool stopping;
    bool idle_due;       /* this turn waits for nothing because idle hooks are to run */
    uint64_t idle_spell; /* the number of times that the loop has been busy */
    unsigned waits_skipped;
    const struct eddy_backend *backend;
    eddy_backend_info backend_info;
    void *backend_state;
    eddy_allocator allocator;
    struct eddy_memory memory;
    eddy_loop_config config;
    eddy_metrics metrics;

    /* io.c */
    struct io_slot *io_slots; /* by descriptor */
    int *io_changes;          /* behind the slots in the same block, as many */
    unsigned io_slots_count;
    unsigned io_changes_count;
    unsigned io_lost_count; /* of io_changes, the first ones: the backend refused them */
    bool io_haunted;        /* a descriptor was closed before it was taken out of the backend */
    bool io_rebuild_due;    /* and the backend still tells of it */
    eddy_io *io_next;       /* the next watcher to be told of the slot at hand; stop moves it on */

    /* timer.c */
    struct timer_entry *timers;
    unsigned timers_count, timers_capacity;
    uint64_t timer_order;

    /* hook.c */
    eddy_link hooks[3];
    eddy_link *hook_next; /* the next one to be called; stop moves it on */
    uint64_t hook_runs;
    bool hooks_running;

    /* defer.c */
    eddy_link deferred;             /* queued */
    eddy_link deferring;            /* those of the phase under way */
    eddy_link closing, closing_now; /* the same for phase 8 */

    /* inbox.c */
    EDDY_ATOMIC(eddy_post *) inbox_head; /* pushed by any thread (release), taken whole (acquire) */
    struct inbox_queue inbox;            /* taken, in the order of arrival, not run yet */
    struct inbox_queue inbox_signals;    /* the same for signals, which run last */
    eddy_post inbox_bell; /* ends a list whose first push has to ring; nothing else of it is used */
    uint64_t inbox_begun; /* lists that were begun at the bell: each has one ring of the pipe */
    uint64_t inbox_rings; /* read from the pipe */
    EDDY_ATOMIC(unsigned) inbox_refused; /* rings for which the pipe had no room */
    eddy_io inbox_io;
    int pipe[2];        /* with inbox_is_edge both are one eventfd */
    bool inbox_is_edge; /* each ring is told, though nobody reads the last one */
    bool inbox_rung;    /* a ring was told in this turn */

    /* src/work */
    const struct work_calls *work; /* NULL as long as it has had no pool */
    eddy_pool *pool;
    eddy_link work_queue; /* submitted, to be handed over before the wait */
    unsigned work_queued;
    bool pool_is_own;
    bool file_attempt_off;

    /* src/net */
    void *read_buffer;  /* lent to the streams that read; allocated when the first one does */
    eddy_link flushing; /* streams that have written since phase 7, in order */
    eddy_defer flush;   /* queued while `flushing` is not empty */

    struct eddy_record records[BACKEND_RECORDS_MAX];
};

/* --- open.c: memory from the loop's allocator, as realloc --- */
void *eddy__resize(eddy_loop *loop, void *memory, size_t old_bytes, size_t new_bytes);

/* --- handles: their flags and counts --- */
static inline bool handle_is_active(const eddy_handle *handle) {
    return (handle->flags & HANDLE_ACTIVE) != 0;
}
static inline void handle_init(eddy_handle *handle, eddy_loop *loop) {
    handle->loop = loop;
    handle->flags = 0;
    handle->place = UINT32_MAX;
}
static inline void handle_start(eddy_handle *handle) {
    EDDY_ASSERT(!handle_is_active(handle));
    handle->flags |= HANDLE_ACTIVE;
    handle->loop->handles++;
    if (!(handle->flags & HANDLE_UNREF)) handle->loop->active++;
}
static inline void handle_stop(eddy_handle *handle) {
    EDDY_ASSERT(handle_is_active(handle));
    handle->flags &= ~(uint32_t)HANDLE_ACTIVE;
    handle->loop->handles--;
    if (!(handle->flags & HANDLE_UNREF)) handle->loop->active--;
}
/* Requests in flight keep the loop alive. */
static inline void request_begin(eddy_loop *loop) {
    loop->active++;
}
static inline void request_end(eddy_loop *loop) {
    EDDY_ASSERT(loop->active > 0);
    loop->active--;
}

/* --- io.c --- */
void eddy__io_flush(eddy_loop *loop);  /* phase 1 */
void eddy__io_run(eddy_loop *loop);    /* phase 5: the records of the wait */
int eddy__io_rebuild(eddy_loop *loop); /* registers everything again, after fork */
void eddy__io_close(eddy_loop *loop);

/* --- timer.c --- */
int64_t eddy__timer_next_ns(eddy_loop *loop); /* the nearest deadline, or INT64_MAX */
void eddy__timer_run(eddy_loop *loop);        /* phase 4 */
void eddy__timer_close(eddy_loop *loop);

/* --- hook.c --- */
void eddy__hook_open(eddy_loop *loop);
void eddy__hook_run(eddy_loop *loop, eddy_hook_kind kind);
bool eddy__hook_idle_is_due(const eddy_loop *loop);

/* --- defer.c: phases 7 and 8. An eddy_defer is also the place of a handle in the closing list. ---
 */
void eddy__defer_open(eddy_loop *loop);
void eddy__defer_run(eddy_loop *loop);
void eddy__closing_add(eddy_defer *defer, eddy_defer_fn *fn); /* `fn` runs in phase 8, and must */
void eddy__closing_run(eddy_loop *loop);

/* --- inbox.c: what comes from other threads and signal handlers, and what completed at once --- */
int eddy__inbox_open(eddy_loop *loop);
void eddy__inbox_close(eddy_loop *loop); /* waits for senders that are still writing */
int eddy__inbox_reopen(eddy_loop *loop);
void eddy__inbox_push(eddy_loop *loop, eddy_post *post);       /* any thread; post->fn is set */
void eddy__inbox_push_local(eddy_loop *loop, eddy_post *post); /* the same, by the loop's thread */
/* From here on a push rings. False: something has arrived already. */
bool eddy__inbox_hang_bell(eddy_loop *loop);
void eddy__inbox_run(eddy_loop *loop); /* phase 6 */
/* Takes `post` out, waiting for a sender that is just pushing it: it must be on its way. */
void eddy__inbox_withdraw(eddy_loop *loop, eddy_post *post);

/* --- signal.c --- */
void eddy__signal_run(eddy_post *post); /* the inbox runs those last */
void eddy__signal_after_fork(void);

/* --- src/net/stream.c --- */
void eddy__net_open(eddy_loop *loop);
void eddy__net_close(eddy_loop *loop); /* frees the buffer lent to streams */

/* --- list helpers --- */
static inline void link_init(eddy_link *list) {
    list->prev = list->next = list;
}
static inline bool link_is_empty(const eddy_link *list) {
    return list->next == list;
}
static inline void link_add_last(eddy_link *list, eddy_link *link) {
    eddy_link *last = list->prev;
    link->prev = last;
    last->next = link;
    link->next = list;
    list->prev = link;
}
static inline void link_remove(eddy_link *link) {
    eddy_link *prev = link->prev, *next = link->next;
    prev->next = next;
    link->prev = link;
    next->prev = prev;
    link->next = link;
}
/* Moves all of `from` to the empty list `to`. */
static inline void link_move_all(eddy_link *to, eddy_link *from) {
    link_init(to);
    if (link_is_empty(from)) return;
    to->next = from->next;
    to->prev = from->prev;
    to->next->prev = to->prev->next = to;
    link_init(from);
}

/* --- What each turn asks, mostly in vain --- */
static inline bool hook_is_wanted(const eddy_loop *loop, eddy_hook_kind kind) {
    return !link_is_empty(&loop->hooks[kind]);
}
static inline bool io_flush_is_due(const eddy_loop *loop) {
    return loop->io_changes_count > 0 || loop->io_rebuild_due;
}
/* Items taken out of the inbox, or completed at once, and not run yet. */
static inline bool inbox_is_waiting(const eddy_loop *loop) {
    return loop->inbox.first != NULL || loop->inbox_signals.first != NULL;
}

#endif
