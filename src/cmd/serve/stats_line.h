/* stats_line.h: a line that says how a program did in a span of time. Pure. */
#ifndef EDDY_CMD_SERVE_STATS_LINE_H
#define EDDY_CMD_SERVE_STATS_LINE_H

#include "figures.h"
#include "text.h"

enum { STATS_LINE_BYTES = 320 }; /* the longest */

struct stats_span {
    int64_t time_ns;
    uint64_t requests;
    unsigned connections;          /* now */
    const eddy_histogram *lag;     /* of the span, as are the next two */
    const eddy_slow_call *slowest; /* taken_ns 0: none */
    const eddy_histogram *wait;    /* for a thread of the pool */
    unsigned queued;               /* for it, now */
};

/* Without a line end. Labels are told as they are where they are printable ASCII. */
void stats_line_put(struct text *text, const struct stats_span *span);

#endif
