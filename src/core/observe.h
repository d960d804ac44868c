/* observe.h: who looks at a loop: a trace (trace.h), statistics (stats.h), a watchdog (watchdog.h).
 *
 * While nobody looks, loop->observers is empty, loop->trace NULL and DUE_OBSERVED not set, and that
 * is all that the turn, the gate (callback.h) and the other places ask. DUE_OBSERVED takes the turn
 * off its plain way, so that most places are found without a question of their own.
 *
 * An observer is a struct of its module that begins with this one. The core calls it, and names no
 * module. Each function may be NULL. None may start, stop or call anything of the loop.
 * Threading: loop thread only. */
#ifndef EDDY_CORE_OBSERVE_H
#define EDDY_CORE_OBSERVE_H

#include <eddy/trace.h>

struct observer {
    struct observer *next;

    /* A phase begins, 1 to 8; 0: the turn has ended, and what follows until phase 1 belongs to
     * none (hooks before the wait, or whatever the program does between two runs). Phases without
     * work are left out. `now_ns` is the clock, read just now, for all that look. */
    void (*phase)(struct observer *observer, int phase, int64_t now_ns);

    /* The wait of phase 2 is over: phase 3. `count` as the backend's wait returned it. */
    void (*waited)(struct observer *observer, int count, int64_t now_ns);

    /* A callback of the user begins, and has ended. Only the outermost one where one is called
     * inside of another: what the library itself does in between is that callback's time. `fn` is
     * the address of the function. `object` may be gone when it has ended. */
    void (*call)(struct observer *observer, eddy_kind what, const void *object, uintptr_t fn,
                 int64_t now_ns);
    void (*returned)(struct observer *observer, int64_t now_ns);

    /* A timer is about to be called, so long after its deadline. */
    void (*timer)(struct observer *observer, int64_t late_ns);

    /* In a forked child (eddy_loop_after_fork). */
    void (*after_fork)(struct observer *observer);
};

/* From the next phase on. */
void eddy__observe_begin(eddy_loop *loop, struct observer *observer);
/* Nothing of it is called any more, also not later in this call. */
void eddy__observe_end(eddy_loop *loop, struct observer *observer);

#endif
