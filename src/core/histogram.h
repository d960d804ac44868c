/* histogram.h: which bucket a time belongs to. */
#ifndef EDDY_CORE_HISTOGRAM_H
#define EDDY_CORE_HISTOGRAM_H

#include <eddy/histogram.h>

#include "../../platform/compiler.h"

/* The leading bit tells the doubling, and the next four the step in it. Times below 16 ns, which
 * have no such four, are in the order of the same numbers as if their leading bit were the fifth.
 */
static inline unsigned histogram_bucket_of(uint64_t time_ns) {
    unsigned doublings = highest_bit(time_ns | EDDY_HISTOGRAM_STEPS) - 4;
    unsigned bucket = doublings * EDDY_HISTOGRAM_STEPS + (unsigned)(time_ns >> doublings);
    return bucket < EDDY_HISTOGRAM_BUCKETS ? bucket : EDDY_HISTOGRAM_BUCKETS - 1;
}

static inline void histogram_record(eddy_histogram *histogram, int64_t time_ns) {
    if (UNLIKELY(time_ns < 0)) time_ns = 0;
    if (time_ns < histogram->min_ns || histogram->count == 0) histogram->min_ns = time_ns;
    if (time_ns > histogram->max_ns) histogram->max_ns = time_ns;
    histogram->count++;
    histogram->sum_ns += (uint64_t)time_ns;
    histogram->buckets[histogram_bucket_of((uint64_t)time_ns)]++;
}

#endif
