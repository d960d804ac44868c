/* figure.h: figures made of samples. */
#ifndef EDDY_CMD_BENCH_FIGURE_H
#define EDDY_CMD_BENCH_FIGURE_H

#include "bench.h"

/* Median and quartiles; sorts `values`. No values: all -1. */
struct bench_figure bench_figure_of(double *values, size_t count);

/* Median and an interval that holds the true one with a probability of 95 % or more, whatever the
 * values are distributed like: two of them, as far from the ends as the binomial distribution
 * allows. Below six values no two are enough, and the interval is from the least to the greatest
 * (five: 94 %, four: 88 %, three: 75 %, two: 50 %). Sorts `values`. No values: all -1. */
struct bench_figure bench_interval_of(double *values, size_t count);

#endif
