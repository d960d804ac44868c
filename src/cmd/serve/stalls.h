/* stalls.h: --watchdog: a line on stderr about each callback that takes too long, while it does,
 * with what it is serving, and where it stands.
 * Threading: the main thread's. */
#ifndef EDDY_CMD_SERVE_STALLS_H
#define EDDY_CMD_SERVE_STALLS_H

#include <eddy.h>

struct stall_guard {
    eddy_guard guard;
    const eddy_loop *loop;
};

struct stalls {
    eddy_watchdog watchdog;
    struct stall_guard *guards; /* NULL: there is no watchdog */
    unsigned count, room;
};

/* For up to `loops`. Errors: as eddy_watchdog_start, -ENOMEM. */
int stalls_open(struct stalls *stalls, unsigned budget_ms, unsigned loops);

/* Guards one more, whose thread must not run yet. NULL: there is no watchdog. */
eddy_guard *stalls_guard(struct stalls *stalls, eddy_loop *loop);

/* The loops' threads have ended, and their loops are still open. */
void stalls_close(struct stalls *stalls);

#endif
