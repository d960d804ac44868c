/* advise.h: `eddy bench advise`. */
#ifndef EDDY_CMD_BENCH_ADVISE_H
#define EDDY_CMD_BENCH_ADVISE_H

#include "bench.h"

/* The workloads that it looks at, by their names. */
#define ADVISE_CALL "costs"     /* a system call */
#define ADVISE_WAKE "wake-trip" /* a wake-up, there and back */
#define ADVISE_BUSY "echo"      /* all descriptors active */
#define ADVISE_IDLE "idle"      /* ten of them */

/* Three sentences of what has been measured: each says what to take and why, with the figures and
 * how sure they are. What differs by less than the noise is said to, and nothing is chosen. */
void advise_tell(FILE *out, const struct bench_result *results, size_t count);

/* Returns the exit status. */
int bench_advise_main(int argc, char **argv);

#endif
