/* figure.h: figures made of samples. */
#ifndef EDDY_CMD_BENCH_FIGURE_H
#define EDDY_CMD_BENCH_FIGURE_H

#include "bench.h"

/* Median and quartiles; sorts `values`. No values: all -1. */
struct bench_figure bench_figure_of(double *values, size_t count);

#endif
