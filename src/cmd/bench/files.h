/* files.h: what `eddy bench files` measures. Each sample runs in a process of its own, which ends
 * with it, and need not give back what it took. */
#ifndef EDDY_CMD_BENCH_FILES_H
#define EDDY_CMD_BENCH_FILES_H

#include "bench.h"

enum files_operation { FILES_DIRECT_READ, FILES_DIRECT_WRITE, FILES_CACHED_READ, FILES_SYNC };

enum { FILES_BY_CALL = 2 }; /* beside the kinds of eddy_files_kind: no loop */

/* bench_case.run; numbers: an eddy_files_kind or FILES_BY_CALL, a files_operation, how many are
 * under way; extra: the directory (const char *). */
void bench_files_run(const struct bench_case *it, struct bench_sample *sample);

/* The command; returns the exit status. */
int bench_files_main(int argc, char **argv);

#endif
