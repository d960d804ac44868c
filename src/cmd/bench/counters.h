/* counters.h: what the processor counts of a process and its threads, where it counts and the
 * system lets a process see it. Virtual machines have no counters as a rule. */
#ifndef EDDY_CMD_BENCH_COUNTERS_H
#define EDDY_CMD_BENCH_COUNTERS_H

#include <stdint.h>

enum bench_counter { BENCH_INSTRUCTIONS, BENCH_CYCLES, BENCH_CACHE_MISSES, BENCH_COUNTERS };

/* From here on this process and the threads that it starts (not its children) are counted. */
void bench_counters_open(void);
/* What has been counted so far, of the kernel as well if that is allowed; -1: not known. */
void bench_counters_read(int64_t counts[BENCH_COUNTERS]);

#endif
