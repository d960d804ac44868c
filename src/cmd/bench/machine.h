/* machine.h: what a run's figures depend on: the machine, its system and the build, as JSON. */
#ifndef EDDY_CMD_BENCH_MACHINE_H
#define EDDY_CMD_BENCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Time of all processors since the system began, in ticks, and how much of it the host of a virtual
 * machine gave to others ("steal"); negative: not known. */
struct machine_ticks {
    int64_t all, stolen;
};

void machine_read_ticks(struct machine_ticks *ticks);

/* Writes one JSON object. Nothing in it names the machine, its users or their files: no host name,
 * no environment, no paths, and of the kernel's command line only what has a bearing on time.
 * `before`: as it was when the run began; the load since then is told if it is over (`is_over`). */
int machine_write(FILE *out, const struct machine_ticks *before, bool is_over);

#endif
