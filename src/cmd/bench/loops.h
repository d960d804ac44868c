/* loops.h: `eddy bench loops`: short connections to a server of several loops, each with a thread,
 * and how they come to them. Each sample runs in a process of its own, which ends with it, and need
 * not give back what it took. */
#ifndef EDDY_CMD_BENCH_LOOPS_H
#define EDDY_CMD_BENCH_LOOPS_H

#include "bench.h"

#include <stdatomic.h>

enum { LOOPS_MAX = 64, LOOPS_BACKLOG = 4096, LOOPS_ACCEPTS = 64 /* of a turn, as listeners do */ };

enum loops_way { LOOPS_HANDED, LOOPS_SHARED, LOOPS_REUSEPORT, LOOPS_BY_HAND, LOOPS_EXCLUSIVE };

/* A loop and its thread. */
struct loops_worker {
    _Atomic(uint64_t) served; /* connections; written by its own thread */
    _Atomic(int) error;       /* a negative errno: it has stopped */
    int listener;             /* of loops by hand */
};

/* Runs a loop by hand in this thread: it waits for connections on `worker->listener`, which others
 * wait on as well, and serves them, until the process ends or something fails. -ENOTSUP: there is
 * no epoll, or not what `is_exclusive` wants (EPOLLEXCLUSIVE: a connection wakes one who waits, or
 * some, and not all). */
int loops_serve_by_hand(struct loops_worker *worker, bool is_exclusive);

/* bench_case.run; numbers: loops, clients at a time, a loops_way */
void bench_loops_run(const struct bench_case *it, struct bench_sample *sample);

/* The command; returns the exit status. */
int bench_loops_main(int argc, char **argv);

#endif
