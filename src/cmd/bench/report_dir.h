/* report_dir.h: a directory with all that was measured in a run: machine.json (machine.h),
 * raw.jsonl (raw.h), rerun.sh, which does it once more, and report.html, the page made of the first
 * two. Each file is written as it comes, so that a run that is killed has left its samples. */
#ifndef EDDY_CMD_BENCH_REPORT_DIR_H
#define EDDY_CMD_BENCH_REPORT_DIR_H

#include "machine.h"
#include "samples.h"

/* What is run, and where its report goes. */
struct report_of {
    const char *path, *command; /* command: "eddy bench backends" */
    uint64_t seed;
    unsigned rounds, sample_ms;
    int argc; /* the arguments behind the command */
    char **argv;
};

struct report_dir {
    const char *path;
    int fd;
    FILE *raw;
    struct machine_ticks ticks; /* when it began */
};

/* Makes the directory, or takes one that is there and empty, and begins its files.
 * Returns 0, or a negative errno with all of it told on stderr. */
int report_dir_open(struct report_dir *report, const struct report_of *of);
/* For bench_samples.keep; `context` is the report. */
void report_dir_keep(void *context, const struct bench_samples *samples,
                     const struct bench_record *record);
/* Writes what there is at the end, and the page. Returns 0, or a negative errno, told on stderr. */
int report_dir_close(struct report_dir *report, const struct bench_samples *samples);

#endif
