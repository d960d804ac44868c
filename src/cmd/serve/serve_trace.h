/* serve_trace.h: --trace: what the loops do, written to a file, from the start or from SIGPROF on.
 *
 * A round is one trace of all loops, and of one file. The main thread begins and ends rounds; each
 * loop hears of that by a wake, since a trace is started and stopped by the loop's own thread.
 * Threading: the main thread's, but for serve_trace_follow. */
#ifndef EDDY_CMD_SERVE_SERVE_TRACE_H
#define EDDY_CMD_SERVE_SERVE_TRACE_H

#include <eddy.h>
#include <stdatomic.h>

#include "trace_file.h"

struct serve_trace;

/* One of the loops. */
struct serve_traced {
    struct serve_trace *trace;
    eddy_loop *loop;
    unsigned number;
    eddy_wake wake;
    unsigned round; /* that it has heard of; its own thread's */
};

struct serve_trace {
    const struct trace_request *request;
    struct trace_file *file; /* of the round under way, or NULL */
    struct serve_traced *loops;
    unsigned loop_count;
    unsigned files;                  /* begun so far */
    EDDY_ATOMIC(unsigned) round;     /* odd: the traces are to be on */
    EDDY_ATOMIC(unsigned) recording; /* loops that have not heard that the round is over */
    bool is_successor;               /* the file may be another process's */
    eddy_signal toggle;
    eddy_timer end;
    eddy_wake news; /* of the file */
    bool has_begun; /* the round under way */
};

/* Nothing, if `request` asks for nothing. Begins the first round, if that is asked for; no loop may
 * run yet. Returns the exit status: 0, or what is wrong has been said. */
int serve_trace_open(struct serve_trace *trace, const struct trace_request *request,
                     struct serve_traced *loops, unsigned loop_count, bool is_successor);

/* No loop runs any more. False: a write is stuck in the kernel, so that nothing may be freed. */
bool serve_trace_close(struct serve_trace *trace);

#endif
