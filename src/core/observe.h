/* observe.h: who looks at a loop: a trace (trace.h), statistics (stats.h), a watchdog (watchdog.h).
 *
 * While nobody looks, loop->observers is empty, loop->trace NULL, DUE_OBSERVED and DUE_TRACED not
 * set, and that is all that the turn, the gate (callback.h) and the other places ask. DUE_OBSERVED
 * takes the turn off its plain way, so that most places are found without a question of their own.
 *
 * An observer is a struct of its module that begins with this one. The core calls it, and names no
 * module. Each function may be NULL. None may start, stop or call anything of the loop,
 * but that in `returned` any observer may end.
 * Threading: loop thread only. */
#ifndef EDDY_CORE_OBSERVE_H
#define EDDY_CORE_OBSERVE_H

#include <eddy/trace.h>

#include "loop.h"

#include <stdatomic.h>

struct observer {
    struct observer *next;

    /* A phase begins, 1 to 8; 0: the turn has ended, and what follows until phase 1 belongs to
     * none (hooks before the wait, or whatever the program does between two runs). Phases without
     * work are left out, and so is phase 2 where the wait does not wait. `now_ns` is the clock,
     * read just now, for all that look. */
    void (*phase)(struct observer *observer, int phase, int64_t now_ns);

    /* Phase 3: the wait is over, or there was none. `count` as the backend's wait returned it. */
    void (*waited)(struct observer *observer, int count, int64_t now_ns);

    /* A callback of the user begins, and has ended: only the outermost one where one is called
     * inside of another. What the library does around it, such as the system call that read what a
     * stream's callback gets, is the phase's time. `fn` is the address of the function. `object`
     * may be gone when it has ended. */
    void (*call)(struct observer *observer, eddy_kind what, const void *object, uintptr_t fn,
                 int64_t now_ns);
    void (*returned)(struct observer *observer, int64_t now_ns);

    /* A timer is about to be called, so long after its deadline. */
    void (*timer)(struct observer *observer, int64_t late_ns);

    /* In a forked child (eddy_loop_after_fork). */
    void (*after_fork)(struct observer *observer);
};

/* From here on: until the next phase begins, what is told belongs to none. */
void eddy__observe_begin(eddy_loop *loop, struct observer *observer);
/* Nothing of it is called any more, also not later in this call. */
void eddy__observe_end(eddy_loop *loop, struct observer *observer);

/* --- The places that are looked at --- */

/* The library's own callbacks, whose user's are inside: nobody is told of them. */
enum { OBSERVE_INNER = 1 << 8 };
/* The number of a thread that has none. */
enum { OBSERVE_THREAD_OTHER = 255 };

/* With DUE_OBSERVED only. `what` is an eddy_kind, maybe with OBSERVE_INNER. */
APART void eddy__observe_call(eddy_loop *loop, unsigned what, const void *object, uintptr_t fn);
APART void eddy__observe_return(eddy_loop *loop);
APART void eddy__observe_phase(eddy_loop *loop, int phase);
APART void eddy__observe_turn(eddy_loop *loop);
APART void eddy__observe_wait(eddy_loop *loop, int64_t timeout_ns);
APART void eddy__observe_waited(eddy_loop *loop, int count, int64_t now_ns);
RARE void eddy__observe_timer(eddy_loop *loop, int64_t due_ns);
void eddy__observe_set_trace(eddy_loop *loop, eddy_trace *trace); /* NULL: none any more */
void eddy__observe_close(eddy_loop *loop);
void eddy__observe_after_fork(eddy_loop *loop);
const char *eddy__observe_verify(const eddy_loop *loop);

static inline unsigned observe_packed(eddy_trace_kind kind, unsigned what) {
    return (unsigned)kind | (what & UINT8_MAX) << 8;
}

/* A record of the loop's thread; with DUE_TRACED only. What comes of an event is inside it, until
 * the next one comes, or the phase ends. */
APART void eddy__observe_event(eddy_loop *loop, int fd, int64_t argument);
APART void eddy__observe_note(eddy_loop *loop, unsigned packed, const void *object,
                              int64_t argument);
/* And one of any thread, which knows its number, or OBSERVE_THREAD_OTHER. */
APART void eddy__observe_send(eddy_loop *loop, eddy_trace_kind kind, eddy_kind what,
                              const void *object, int64_t argument, unsigned thread);

static inline bool loop_is_observed(const eddy_loop *loop) {
    return UNLIKELY((loop->due & DUE_OBSERVED) != 0);
}

/* The loop's thread. */
static inline bool loop_has_trace(const eddy_loop *loop) {
    return UNLIKELY((loop->due & DUE_TRACED) != 0);
}

static inline void observe_note(eddy_loop *loop, eddy_trace_kind kind, eddy_kind what,
                                const void *object, int64_t argument) {
    if (loop_has_trace(loop))
        eddy__observe_note(loop, observe_packed(kind, what), object, argument);
}

/* A descriptor stands for itself. */
static inline void observe_fd(eddy_loop *loop, eddy_trace_kind kind, int fd, int64_t argument) {
    observe_note(loop, kind, EDDY_KINDS, (const void *)(uintptr_t)(unsigned)fd, argument);
}

/* Relaxed: a look. Whoever writes a record looks again. Any thread, and signal handlers. */
static inline bool loop_is_traced(eddy_loop *loop) {
    return UNLIKELY(atomic_load_explicit(&loop->trace, memory_order_relaxed) != NULL);
}

static inline void observe_send(eddy_loop *loop, eddy_trace_kind kind, eddy_kind what,
                                const void *object, int64_t argument) {
    if (loop_is_traced(loop))
        eddy__observe_send(loop, kind, what, object, argument, OBSERVE_THREAD_OTHER);
}

#endif
