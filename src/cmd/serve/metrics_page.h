/* metrics_page.h: the figures of a program in the text format of Prometheus, version 0.0.4. Pure.
 *
 * Names are as Prometheus has them: seconds, bytes, "_total" for what only grows. A histogram has a
 * bucket for each quadrupling from 1 us to 17 s, and one for all; the loops' own are finer, but
 * each bucket is a series that somebody's server keeps. Their bounds are one nanosecond below
 * powers of two, where the loops' buckets end, so that no count is a guess. */
#ifndef EDDY_CMD_SERVE_METRICS_PAGE_H
#define EDDY_CMD_SERVE_METRICS_PAGE_H

#include "figures.h"
#include "text.h"

enum { METRICS_LOOPS_MAX = 64 };

struct metrics {
    struct figures figures; /* of all loops */
    eddy_pool_metrics pool;
    eddy_pool_stats jobs;
    const char *version, *backend;
    unsigned loops;
    int64_t ages_ns[METRICS_LOOPS_MAX]; /* of each loop's figures */
};

void metrics_page_put(struct text *text, const struct metrics *metrics);

#endif
