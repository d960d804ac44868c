/* show_watch.h: what the observed loop's trace tells of it while it turns: the time in each phase,
 * what is ready; and holding the loop between two steps.
 * Threading: show_watch_record is the observed thread's, the rest as it says. */
#ifndef EDDY_CMD_SHOW_WATCH_H
#define EDDY_CMD_SHOW_WATCH_H

#include <eddy/trace.h>
#include <eddy/watchdog.h>
#include <pthread.h>
#include <stdatomic.h>

#include "show_window.h"

enum { WATCH_PHASES = 9, WATCH_FDS = 8192 };

enum show_hold {
    HOLD_NONE,
    HOLD_SOON, /* at the next of these */
    HOLD_CALL,
    HOLD_PHASE,
    HOLD_TURN,
    HOLD_HELD,
};

struct show_watch {
    /* Written by the observed thread alone; relaxed. */
    _Atomic(int64_t) phase_ns[WATCH_PHASES]; /* without the one under way: */
    _Atomic(int64_t) phase_since_ns;
    _Atomic(unsigned) phase;
    _Atomic(unsigned char) interest[WATCH_FDS]; /* EDDY_READ, EDDY_WRITE */
    _Atomic(unsigned char) ready[WATCH_FDS];    /* since it was taken */

    /* The observed thread's. */
    struct show_window lag;
    int64_t served_since_ns;
    eddy_guard *guard; /* of the loop: the time that it is held does not count */

    _Atomic(int) hold; /* enum show_hold; written under the lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_ending;           /* lock */
    eddy_trace_record record; /* that it is held at; lock */
};

/* Before any other thread has it. */
void show_watch_init(struct show_watch *watch, eddy_guard *guard);
void show_watch_end(struct show_watch *watch);

/* For a loop that is new. Observed thread. */
void show_watch_reset(struct show_watch *watch);
/* eddy_trace_fn, with the watch as its context. Blocks while the loop is held. */
void show_watch_record(const eddy_trace_record *record, void *context);

/* Any thread, as the rest. `how` is one of HOLD_NONE to HOLD_TURN; steps count only while it is
 * held: -EINVAL. */
int show_watch_hold(struct show_watch *watch, enum show_hold how);
/* The loop goes on, and cannot be held any more. */
void show_watch_release(struct show_watch *watch);
/* Whether it is held, and where. */
bool show_watch_is_held(struct show_watch *watch, eddy_trace_record *record);

#endif
