/* workloads.h: the workloads of `eddy bench backends`. Each runs in a process of its own, which
 * ends with it, and needs not give back what it took. bench_case.numbers is what each says. */
#ifndef EDDY_CMD_BENCH_WORKLOADS_H
#define EDDY_CMD_BENCH_WORKLOADS_H

#include "bench.h"

/* pairs, active, bytes of a round */
void bench_ring_run(const struct bench_case *it, struct bench_sample *sample);

#endif
