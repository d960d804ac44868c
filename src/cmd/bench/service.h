/* service.h: what the workloads with clients share: running a server while it is measured. */
#ifndef EDDY_CMD_BENCH_SERVICE_H
#define EDDY_CMD_BENCH_SERVICE_H

#include "load.h"

enum { BENCH_CROWDS = 2 }; /* processes of clients: load.h says why */

/* Embedded in a server, which adds to `operations` and `calls` as it serves. */
struct bench_service {
    eddy_loop *loop;
    uint64_t operations;
    int64_t due;   /* also those that were left out; 0: none was, ever */
    int64_t calls; /* system calls that are not the loop's */
    int error;     /* why it stopped */
};

/* Ends the run. */
void bench_service_fail(struct bench_service *service, int error);

/* Runs the loop, to warm up and then measured, until it.time_ns is over and something was done.
 * Stores what was found in the sample. */
int bench_service_measure(struct bench_service *service, struct bench_load *load,
                          const struct bench_case *it, struct bench_sample *sample);

#endif
