/* panels.h: which charts there are of results, and what is in each. For one run or several, whose
 * charts of a workload stand beside each other and have one axis. */
#ifndef EDDY_CMD_BENCH_PANELS_H
#define EDDY_CMD_BENCH_PANELS_H

#include "bench.h"

enum { PANELS_MAX = 1024, PANELS_SUBJECTS_MAX = 64, PANELS_RUNS_MAX = 8 };

/* One run, on one machine. Those of a group stand one behind another, its first in front. */
struct panels_run {
    const char *label; /* NULL: there is only one */
    const struct bench_result *results;
    size_t count;
};

struct panels_metric;

struct panel {
    size_t run;
    const struct bench_case *of;        /* whose workload (and setting) it is of */
    const struct panels_metric *metric; /* of bars, or of curves over rates; NULL: over sizes */
};

struct panels {
    const struct panels_run *runs;
    size_t run_count, count, subject_count;
    struct panel list[PANELS_MAX];
    const char *subjects[PANELS_SUBJECTS_MAX]; /* of the curves: their numbers are their styles */
    bool has_noise;                            /* some first was measured twice */
};

/* What only some of the runs have is left out. */
void panels_make(struct panels *panels, const struct panels_run *runs, size_t run_count);
/* Whether all runs have the group of a case. */
bool panels_has_all(const struct panels *panels, const struct bench_case *it);
bool panels_is_same_group(const struct bench_case *a, const struct bench_case *b);

/* In the units of chart.h. */
int panel_height(const struct panels *panels, const struct panel *panel);
void panel_put(FILE *out, const struct panels *panels, const struct panel *panel,
               const char *place);

#endif
