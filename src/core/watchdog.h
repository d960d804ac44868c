/* watchdog.h: the two sides of a watchdog: guard.c, in the loop's thread, tells what is called;
 * watchdog.c, in its own, looks; stall_frames.c has the loop's thread take a backtrace. */
#ifndef EDDY_CORE_WATCHDOG_H
#define EDDY_CORE_WATCHDOG_H

#include <eddy/watchdog.h>

#include "../../platform/os.h"

/* What one look finds. */
struct guard_view {
    unsigned call; /* its number */
    bool is_running;
    bool is_paused;
    int phase;
    int64_t start_ns;
    uintptr_t object, function;
    eddy_kind kind;
    char label[EDDY_STALL_LABEL];
};

/* --- guard.c --- */
/* False: it is just changing. Any thread. */
bool eddy__guard_look(const eddy_guard *guard, struct guard_view *view);

/* --- watchdog.c --- */
/* The loop calls again, or has ended what it was told for. */
void eddy__watchdog_wake(eddy_watchdog *watchdog, eddy_guard *guard);
bool eddy__watchdog_is_parents(const eddy_watchdog *watchdog); /* this is a forked child */

/* --- stall_frames.c: for one watchdog of the process at a time --- */
int eddy__frames_open(int signal); /* 0, -ENOTSUP: there are no backtraces; -EBUSY; an error */
void eddy__frames_close(void);
/* Sends the signal, if that call still lasts. watchdog->lock. */
int eddy__frames_ask(eddy_guard *guard, unsigned call);
/* Waits for the frames, which stay until the next ask: how many, or -EAGAIN. Without the lock. */
int eddy__frames_wait(void *const **frames);

#endif
