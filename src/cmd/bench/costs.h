/* costs.h: what `eddy bench costs` measures. Each runs in a process of its own, which ends with it,
 * and need not give back what it took. */
#ifndef EDDY_CMD_BENCH_COSTS_H
#define EDDY_CMD_BENCH_COSTS_H

#include "bench.h"

/* Does something `count` times; returns 0 or a negative errno. */
typedef int costs_fn(void *context, unsigned count);

/* Calls `fn`, `count` times at once, until the time of the case is over; once more before that,
 * to warm up. Fills in the sample; `what` is what has failed if that does. */
void costs_measure(const struct bench_case *it, struct bench_sample *sample, costs_fn *fn,
                   void *context, unsigned count, const char *what);

/* costs_memory.c; the sizes of what they walk through are in bytes. */
unsigned costs_l1_bytes(void);
unsigned costs_l2_bytes(void);
unsigned costs_l3_bytes(void);   /* 0: the system does not tell of a third level */
unsigned costs_main_bytes(void); /* 0: there is not enough memory to have more than a cache holds */

/* bench_case.run; numbers[0]: bytes, numbers[1]: one of these */
enum costs_pages { COSTS_SMALL_PAGES, COSTS_HUGE_PAGES };
void costs_access_run(const struct bench_case *it, struct bench_sample *sample);

/* costs_tasks.c; numbers[1] of those with two threads: */
enum costs_place { COSTS_ANYWHERE, COSTS_ONE_CORE, COSTS_TWO_CORES };
void costs_call_run(const struct bench_case *it, struct bench_sample *sample);
void costs_pipe_run(const struct bench_case *it, struct bench_sample *sample);
void costs_pipe_threads_run(const struct bench_case *it, struct bench_sample *sample);
void costs_tcp_run(const struct bench_case *it, struct bench_sample *sample);
void costs_thread_run(const struct bench_case *it, struct bench_sample *sample);
void costs_process_run(const struct bench_case *it, struct bench_sample *sample);

/* costs_files.c; extra: the directory (const char *) */
void costs_cached_read_run(const struct bench_case *it, struct bench_sample *sample);
void costs_direct_read_run(const struct bench_case *it, struct bench_sample *sample);
void costs_sync_run(const struct bench_case *it, struct bench_sample *sample);
void costs_append_run(const struct bench_case *it, struct bench_sample *sample);

/* The command; returns the exit status. */
int bench_costs_main(int argc, char **argv);

#endif
