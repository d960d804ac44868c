/* stats.c: histograms and the figures made of samples. Without state. */
#include "stats.h"
#include "bench.h"

#include <stdlib.h>

/* Below BENCH_STEPS each number has its own bucket; above, the leading bit tells the doubling and
 * the next four the step in it. */
static unsigned bucket_of(int64_t time_ns) {
    if (time_ns < BENCH_STEPS) return time_ns < 0 ? 0 : (unsigned)time_ns;
    unsigned doublings = 0;
    while (time_ns >> doublings >= 2 * BENCH_STEPS) doublings++;
    unsigned bucket =
        (doublings + 1) * BENCH_STEPS + ((unsigned)(time_ns >> doublings) - BENCH_STEPS);
    return bucket < BENCH_BUCKETS ? bucket : BENCH_BUCKETS - 1;
}

/* The middle of a bucket. */
static int64_t time_of(unsigned bucket) {
    if (bucket < BENCH_STEPS) return bucket;
    unsigned doublings = bucket / BENCH_STEPS - 1;
    int64_t first = (int64_t)(BENCH_STEPS + bucket % BENCH_STEPS) << doublings;
    return first + (((int64_t)1 << doublings) - 1) / 2;
}

void bench_histogram_add(struct bench_histogram *histogram, int64_t time_ns) {
    histogram->counts[bucket_of(time_ns)]++;
    histogram->total++;
}

void bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from) {
    into->total += from->total;
    for (unsigned i = 0; i < BENCH_BUCKETS; i++) into->counts[i] += from->counts[i];
}

int64_t bench_histogram_at(const struct bench_histogram *histogram, double share) {
    uint64_t wanted = (uint64_t)(share * (double)histogram->total);
    uint64_t seen = 0;
    if (histogram->total == 0) return 0;
    if (wanted >= histogram->total) wanted = histogram->total - 1;
    for (unsigned i = 0; i < BENCH_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > wanted) return time_of(i);
    }
    return 0;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the two neighbours, as far as the place asks for. */
static double at(const double *sorted, size_t count, double share) {
    double place = share * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 == count) return sorted[below];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

struct bench_figure bench_figure_of(double *values, size_t count) {
    if (count == 0) return (struct bench_figure){-1, -1, -1};
    qsort(values, count, sizeof *values, compare);
    return (struct bench_figure){
        .median = at(values, count, 0.5),
        .low = at(values, count, 0.25),
        .high = at(values, count, 0.75),
    };
}

uint64_t bench_random(uint64_t *state) {
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}
