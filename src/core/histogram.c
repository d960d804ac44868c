/* histogram.c: times in log-linear buckets. Read <eddy/histogram.h> first.
 * Invariant: `count` is the sum of the buckets; least and longest time lie in the first and the
 * last bucket in which something is. Threading: whoever has the histogram. */
#include "histogram.h"

#include <float.h>

_Static_assert(EDDY_HISTOGRAM_STEPS == 1 << 4, "histogram_bucket_of takes four bits");

void eddy_histogram_record(eddy_histogram *histogram, int64_t time_ns) {
    histogram_record(histogram, time_ns);
}

/* --- Buckets --- */

static int64_t histogram_first_ns(unsigned bucket) {
    if (bucket < EDDY_HISTOGRAM_STEPS) return bucket;
    unsigned doublings = bucket / EDDY_HISTOGRAM_STEPS - 1;
    return (int64_t)(EDDY_HISTOGRAM_STEPS + bucket % EDDY_HISTOGRAM_STEPS) << doublings;
}

static int64_t histogram_last_ns(unsigned bucket) {
    return bucket + 1 < EDDY_HISTOGRAM_BUCKETS ? histogram_first_ns(bucket + 1) - 1 : INT64_MAX;
}

static int64_t histogram_least_ns(const eddy_histogram *histogram) {
    unsigned bucket = 0;
    while (bucket + 1 < EDDY_HISTOGRAM_BUCKETS && histogram->buckets[bucket] == 0) bucket++;
    return histogram_first_ns(bucket);
}

static int64_t histogram_longest_ns(const eddy_histogram *histogram) {
    unsigned bucket = EDDY_HISTOGRAM_BUCKETS - 1;
    while (bucket > 0 && histogram->buckets[bucket] == 0) bucket--;
    return histogram_last_ns(bucket);
}

bool eddy_histogram_next(const eddy_histogram *histogram, unsigned *place,
                         eddy_histogram_bucket *bucket) {
    unsigned at = *place;
    while (at < EDDY_HISTOGRAM_BUCKETS && histogram->buckets[at] == 0) at++;
    if (at >= EDDY_HISTOGRAM_BUCKETS) return false;
    bucket->first_ns = histogram_first_ns(at);
    bucket->last_ns = histogram_last_ns(at);
    bucket->count = histogram->buckets[at];
    *place = at + 1;
    return true;
}

/* --- Several, and spans of one --- */

void eddy_histogram_merge(eddy_histogram *histogram, const eddy_histogram *other) {
    if (other->count == 0) return;
    if (histogram->count == 0 || other->min_ns < histogram->min_ns)
        histogram->min_ns = other->min_ns;
    if (other->max_ns > histogram->max_ns) histogram->max_ns = other->max_ns;
    histogram->count += other->count;
    histogram->sum_ns += other->sum_ns;
    for (unsigned i = 0; i < EDDY_HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += other->buckets[i];
}

/* A least or longest time that is another than it was has been seen since. */
void eddy_histogram_subtract(eddy_histogram *histogram, const eddy_histogram *earlier) {
    bool is_least_new = earlier->count == 0 || histogram->min_ns < earlier->min_ns;
    bool is_longest_new = histogram->max_ns > earlier->max_ns;
    histogram->count -= earlier->count;
    histogram->sum_ns -= earlier->sum_ns;
    for (unsigned i = 0; i < EDDY_HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] -= earlier->buckets[i];
    if (histogram->count == 0) {
        histogram->min_ns = histogram->max_ns = 0;
        return;
    }
    int64_t least_ns = histogram_least_ns(histogram), longest_ns = histogram_longest_ns(histogram);
    if (!is_least_new && least_ns > histogram->min_ns) histogram->min_ns = least_ns;
    if (!is_longest_new && longest_ns < histogram->max_ns) histogram->max_ns = longest_ns;
}

/* --- Figures --- */

/* Which of the times in order is asked for, counted from 1. 0.07 is no double: what is meant by it
 * may be a little less than what is there, and the product rounds too. So 0.07 of 100 is 7, not a
 * little more, which would be rounded up to 8. Test: a_share_of_hundredths_is_exact. */
static uint64_t histogram_rank(uint64_t count, double share) {
    double rank = share * (double)count * (1 - 2 * DBL_EPSILON);
    if (!(rank > 1)) return 1; /* nor is it a number */
    if (rank >= (double)count) return count;
    uint64_t whole = (uint64_t)rank;
    return (double)whole < rank ? whole + 1 : whole;
}

int64_t eddy_histogram_at_ns(const eddy_histogram *histogram, double share) {
    if (histogram->count == 0) return 0;
    if (share <= 0) return histogram->min_ns;
    uint64_t rank = histogram_rank(histogram->count, share), seen = 0;
    if (rank >= histogram->count) return histogram->max_ns;
    eddy_histogram_bucket bucket = {0};
    for (unsigned place = 0; seen < rank && eddy_histogram_next(histogram, &place, &bucket);)
        seen += bucket.count;
    if (bucket.first_ns < histogram->min_ns) bucket.first_ns = histogram->min_ns;
    if (bucket.last_ns > histogram->max_ns) bucket.last_ns = histogram->max_ns;
    return bucket.first_ns + (bucket.last_ns - bucket.first_ns) / 2;
}

int64_t eddy_histogram_mean_ns(const eddy_histogram *histogram) {
    return histogram->count > 0 ? (int64_t)(histogram->sum_ns / histogram->count) : 0;
}
