/* progress.h: how far a run is, on stderr: on a terminal in one line that changes, else now and
 * then a line of its own, so that a file tells as well. */
#ifndef EDDY_CMD_BENCH_PROGRESS_H
#define EDDY_CMD_BENCH_PROGRESS_H

#include "bench.h"

struct bench_progress {
    bool is_shown, is_terminal;
    unsigned total, done; /* samples */
    int64_t start_ns, told_ns;
};

void bench_progress_begin(struct bench_progress *progress, unsigned total, bool is_shown);
/* Before a sample. */
void bench_progress_tell(struct bench_progress *progress, const struct bench_case *it,
                         unsigned round, unsigned rounds);
void bench_progress_end(const struct bench_progress *progress);

#endif
