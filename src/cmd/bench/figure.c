/* figure.c: the figures made of samples. Without state. */
#include "figure.h"
#include "bench.h"

#include <stdlib.h>

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

/* The median lies below the k-th of n values when fewer than k of them are below it: n tosses of a
 * coin. Both ends together may be wrong once in twenty times. */
static size_t rank_of_low(size_t count) {
    double probability = 1, below = 0;
    size_t rank = 0;
    for (size_t i = 0; i < count; i++) probability /= 2;
    while (rank < count / 2 && below + probability <= 0.025) {
        below += probability;
        probability *= (double)(count - rank) / (double)(rank + 1);
        rank++;
    }
    return rank > 0 ? rank : 1;
}

struct bench_figure bench_interval_of(double *values, size_t count) {
    struct bench_figure it = bench_figure_of(values, count);
    if (count == 0) return it;
    size_t rank = rank_of_low(count);
    it.low = values[rank - 1];
    it.high = values[count - rank];
    return it;
}

uint64_t bench_random(uint64_t *state) {
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

static double uniform(uint64_t *state) {
    return (double)(bench_random(state) >> 11) * 0x1p-53;
}

/* Von Neumann's way, which needs no logarithm: a run of falling numbers that begins at x is of even
 * length with a probability of e^-x. */
double bench_random_exponential(uint64_t *state) {
    for (unsigned whole = 0;; whole++) {
        double first = uniform(state), last = first, next;
        unsigned falls = 0;
        for (; (next = uniform(state)) < last; falls++) last = next;
        if (falls % 2 == 0) return whole + first;
    }
}
