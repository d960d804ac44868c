/* counters_none.c: see counters.h; where there is no way to them. Without state. */
#include "counters.h"

void bench_counters_open(void) {}

void bench_counters_read(int64_t counts[BENCH_COUNTERS]) {
    for (int i = 0; i < BENCH_COUNTERS; i++) counts[i] = -1;
}
