/* samples.h: what was measured, sample by sample: nothing is thrown away, and all that is told
 * (tables, ratios, intervals, files) is computed from here.
 *
 * A run has rows, and a row a sample a round. Rows that are compared stand in a group, one behind
 * another; its first is what the others are compared with. */
#ifndef EDDY_CMD_BENCH_SAMPLES_H
#define EDDY_CMD_BENCH_SAMPLES_H

#include "bench.h"

enum bench_metric {
    BENCH_TIME, /* per operation, as those up to BENCH_COUNTED */
    BENCH_CPU,
    BENCH_CALLS,
    BENCH_SWITCHES,
    BENCH_FIRST_COUNTER, /* of counters.h, one behind another */
    BENCH_LAST_COUNTER = BENCH_FIRST_COUNTER + BENCH_COUNTERS - 1,
    BENCH_COUNTED, /* calls, counted from outside in a round of its own, the last one */
    BENCH_EVENTS,  /* per wait of the loop */
    BENCH_BUSY,    /* the share of the time in which it had a processor */
    BENCH_MEMORY,  /* in all, as those that follow */
    BENCH_MEMORY_BEFORE,
    BENCH_MEMORY_KERNEL,
    BENCH_SERVED,
    BENCH_SPREAD,   /* what the busiest of several loops did, to an even part */
    BENCH_ANSWERED, /* of those due at a rate, the share */
    BENCH_TIMED,    /* operations that were timed one by one, of which the next three are */
    BENCH_P50,
    BENCH_P99,
    BENCH_P999,
    BENCH_METRICS,
};

struct bench_metric_info {
    const char *name, *unit; /* "time", "ns" */
};
extern const struct bench_metric_info bench_metrics[BENCH_METRICS];

/* What the rows of a kind are compared by. */
enum bench_metric bench_compared(enum bench_kind kind);

struct bench_row {
    const struct bench_case
        *of;         /* its group is the workload and the setting, its name the subject */
    size_t first;    /* the row that it is compared with */
    bool is_control; /* the same as the first, measured once more: what differs is noise */
    int error;       /* of the first sample that failed, and why; those before stay */
    char why[96];
    eddy_histogram latency; /* of all rounds */
};

/* One sample. What is not known is negative. */
struct bench_record {
    size_t row;
    unsigned round;    /* from 1 on; what warms up is not kept */
    unsigned position; /* in the round, from 0 on: how many of the group came before */
    double values[BENCH_METRICS];
};

struct bench_samples {
    struct bench_row *rows;
    struct bench_record *records; /* in the order in which they were taken */
    size_t row_count, count, room;
    /* If not NULL, told of each record when it is there: a run that is killed has told so far. */
    void (*keep)(void *context, const struct bench_samples *samples,
                 const struct bench_record *record);
    void *context;
};

/* A row for each case, and behind each group one more, its control. `cases` stay where they are.
 * Returns 0 or -ENOMEM. */
int bench_samples_init(struct bench_samples *samples, const struct bench_case *cases, size_t count,
                       bool has_controls);
void bench_samples_free(struct bench_samples *samples);

/* Keeps a sample of a row, or why there is none. Returns 0 or -ENOMEM. */
int bench_samples_add(struct bench_samples *samples, size_t row, unsigned round, unsigned position,
                      const struct bench_sample *sample);

/* Keeps a record as it is. Returns 0 or -ENOMEM. */
int bench_samples_put(struct bench_samples *samples, const struct bench_record *record);

/* The values of a row, those that are known, in the order of the rounds. Returns how many; there is
 * room for BENCH_VALUES_MAX. */
size_t bench_samples_values(const struct bench_samples *samples, size_t row,
                            enum bench_metric metric, double *values);
/* A quantile of what was timed; -1 if there are fewer than ten operations beyond it. */
double bench_quantile(const eddy_histogram *latency, double share);
/* The ratios of a row to the first of its group, each in the same round. */
size_t bench_samples_ratios(const struct bench_samples *samples, size_t row,
                            enum bench_metric metric, double *ratios);
/* The same to any other row. */
size_t bench_samples_ratios_to(const struct bench_samples *samples, size_t row, size_t other,
                               enum bench_metric metric, double *ratios);

#endif
