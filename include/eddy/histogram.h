/* histogram.h: how often which times were seen, in memory of a fixed size.
 *
 * Below 16 ns each number has a bucket of its own; above, each doubling has 16, so that a bucket is
 * at most 1/16 as wide as the times in it are long, and its middle, which is what is told, is off
 * by at most 1/32. Half of the buckets would be off by 1/16, which hides what a change of one tenth
 * does to a 99th percentile. The last bucket has all from 2.3 hours on, and its middle says no more
 * than that.
 *
 * One that is all zeros is empty. Counts have 64 bits, and so has the sum, which is enough for 584
 * years. Nothing here allocates. One thread at a time uses a histogram.
 * @since 0.1 */
#ifndef EDDY_HISTOGRAM_H
#define EDDY_HISTOGRAM_H

#include <eddy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EDDY_HISTOGRAM_STEPS = 16, /* buckets a doubling */
    EDDY_HISTOGRAM_BUCKETS = EDDY_HISTOGRAM_STEPS * 40,
};

/* 5 KiB. To be read by the functions below, but for `count`, `sum_ns` and `max_ns`. */
typedef struct eddy_histogram {
    uint64_t count;
    uint64_t sum_ns;
    int64_t min_ns; /* of nothing while `count` is 0 */
    int64_t max_ns;
    uint64_t buckets[EDDY_HISTOGRAM_BUCKETS];
} eddy_histogram;

/* Counts a time; a negative one as 0. Some 25 instructions, without a loop or a division. */
EDDY_API void eddy_histogram_record(eddy_histogram *histogram, int64_t time_ns);

/* Adds what `other` has seen. */
EDDY_API void eddy_histogram_merge(eddy_histogram *histogram, const eddy_histogram *other);

/* Takes away what `earlier`, a copy of the same histogram, had seen: what is left was seen since.
 * Not looked at is whether it is one: of statistics that were started anew since, or the other way
 * round, there is no difference, and the counts wrap.
 * Its least and its longest time are as near as the buckets tell, unless they are new ones. */
EDDY_API void eddy_histogram_subtract(eddy_histogram *histogram, const eddy_histogram *earlier);

/* The time that `share` of all times do not exceed: the k-th in order, where k is share * count
 * rounded up, and at least 1; 0.07 of 100 is the 7th, though no double is 0.07. 0.5 is the median;
 * 0 and less is the least time, 1 and more the longest, both as they were seen. Of an empty one: 0.
 */
EDDY_API int64_t eddy_histogram_at_ns(const eddy_histogram *histogram, double share);

/* The mean, rounded down. Of an empty one: 0. */
EDDY_API int64_t eddy_histogram_mean_ns(const eddy_histogram *histogram);

typedef struct eddy_histogram_bucket {
    int64_t first_ns, last_ns; /* both are in it; of the last one, INT64_MAX */
    uint64_t count;
} eddy_histogram_bucket;

/* Tells of the next bucket in which something is, in order. `*place` starts at 0. False after the
 * last. Whatever is to be told in fewer buckets may be cut at any power of two: no bucket lies on
 * both sides. */
EDDY_API bool eddy_histogram_next(const eddy_histogram *histogram, unsigned *place,
                                  eddy_histogram_bucket *bucket);

#ifdef __cplusplus
}
#endif
#endif
