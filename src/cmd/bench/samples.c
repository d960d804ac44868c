/* samples.c: see samples.h. */
#include "samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct bench_metric_info bench_metrics[BENCH_METRICS] = {
    [BENCH_TIME] = {"time", "ns"},
    [BENCH_CPU] = {"cpu", "ns"},
    [BENCH_CALLS] = {"calls", "calls"},
    [BENCH_SWITCHES] = {"switches", "switches"},
    [BENCH_FIRST_COUNTER + (int) BENCH_INSTRUCTIONS] = {"instructions", "instructions"},
    [BENCH_FIRST_COUNTER + (int) BENCH_CYCLES] = {"cycles", "cycles"},
    [BENCH_FIRST_COUNTER + (int) BENCH_CACHE_MISSES] = {"cache_misses", "misses"},
    [BENCH_COUNTED] = {"calls_counted", "calls"},
    [BENCH_EVENTS] = {"events", "events a wait"},
    [BENCH_BUSY] = {"busy", "share of the time"},
    [BENCH_MEMORY] = {"memory", "bytes"},
    [BENCH_MEMORY_BEFORE] = {"memory_before", "bytes"},
    [BENCH_MEMORY_KERNEL] = {"memory_kernel", "bytes"},
    [BENCH_SERVED] = {"served", "connections"},
    [BENCH_SPREAD] = {"spread", "even parts"},
    [BENCH_ANSWERED] = {"answered", "share of those due"},
    [BENCH_TIMED] = {"timed", "operations"},
    [BENCH_P50] = {"p50", "ns"},
    [BENCH_P99] = {"p99", "ns"},
    [BENCH_P999] = {"p99.9", "ns"},
};

enum bench_metric bench_compared(enum bench_kind kind) {
    return kind == BENCH_CLIENTS || kind == BENCH_LOOPS ? BENCH_CPU : BENCH_TIME;
}

/* --- Rows --- */

static bool is_same_group(const struct bench_case *a, const struct bench_case *b) {
    return strcmp(a->workload, b->workload) == 0 && strcmp(a->setting, b->setting) == 0;
}

int bench_samples_init(struct bench_samples *samples, const struct bench_case *cases, size_t count,
                       bool has_controls) {
    *samples = (struct bench_samples){.rows = calloc(2 * count + 1, sizeof *samples->rows)};
    if (samples->rows == NULL) return -ENOMEM;
    for (size_t i = 0, first = 0; i < count; i++) {
        if (i == 0 || !is_same_group(&cases[i], &cases[i - 1])) first = samples->row_count;
        samples->rows[samples->row_count++] = (struct bench_row){.of = &cases[i], .first = first};
        bool is_last = i + 1 == count || !is_same_group(&cases[i], &cases[i + 1]);
        if (!is_last || !has_controls) continue;
        samples->rows[samples->row_count++] =
            (struct bench_row){.of = samples->rows[first].of, .first = first, .is_control = true};
    }
    return 0;
}

void bench_samples_free(struct bench_samples *samples) {
    free(samples->rows);
    free(samples->records);
    *samples = (struct bench_samples){.rows = NULL};
}

/* --- Records --- */

static double per_operation(int64_t value, const struct bench_sample *sample) {
    return value < 0 ? -1 : (double)value / (double)sample->operations;
}

/* A quantile wants ten operations beyond it, else it is told by chance. */
double bench_quantile(const eddy_histogram *latency, double share) {
    enum { BEYOND_MIN = 10 };
    bool is_enough = (1 - share) * (double)latency->count >= (double)BEYOND_MIN - 1e-6;
    return is_enough ? (double)eddy_histogram_at_ns(latency, share) : -1;
}

static void fill(double *values, const struct bench_sample *sample) {
    for (size_t i = 0; i < BENCH_METRICS; i++) values[i] = -1;
    values[BENCH_COUNTED] = per_operation(sample->counted, sample);
    if (sample->counted >= 0) return; /* being counted it was slow, and all else with it */
    values[BENCH_TIME] = per_operation(sample->time_ns, sample);
    values[BENCH_CPU] = per_operation(sample->cpu_ns, sample);
    values[BENCH_CALLS] = per_operation(sample->calls, sample);
    values[BENCH_SWITCHES] = per_operation(sample->switches, sample);
    for (int i = 0; i < BENCH_COUNTERS; i++)
        values[BENCH_FIRST_COUNTER + i] = per_operation(sample->counters[i], sample);
    values[BENCH_EVENTS] = sample->waits > 0 ? (double)sample->events / (double)sample->waits : -1;
    values[BENCH_BUSY] = sample->cpu_ns < 0 || sample->time_ns <= 0
                             ? -1
                             : (double)sample->cpu_ns / (double)sample->time_ns;
    values[BENCH_MEMORY] = (double)sample->memory_bytes;
    values[BENCH_MEMORY_BEFORE] = (double)sample->before_bytes;
    values[BENCH_MEMORY_KERNEL] = (double)sample->kernel_bytes;
    values[BENCH_SERVED] = (double)sample->served;
    values[BENCH_SPREAD] = sample->spread;
    if (sample->due > 0) values[BENCH_ANSWERED] = (double)sample->operations / (double)sample->due;
    values[BENCH_TIMED] = sample->latency.count > 0 ? (double)sample->latency.count : -1;
    values[BENCH_P50] = bench_quantile(&sample->latency, 0.5);
    values[BENCH_P99] = bench_quantile(&sample->latency, 0.99);
    values[BENCH_P999] = bench_quantile(&sample->latency, 0.999);
}

static int make_room(struct bench_samples *samples) {
    if (samples->count < samples->room) return 0;
    size_t room = samples->room > 0 ? 2 * samples->room : 64;
    struct bench_record *records = realloc(samples->records, room * sizeof *records);
    if (records == NULL) return -ENOMEM;
    samples->records = records;
    samples->room = room;
    return 0;
}

int bench_samples_put(struct bench_samples *samples, const struct bench_record *record) {
    int err = make_room(samples);
    if (err == 0) samples->records[samples->count++] = *record;
    return err;
}

int bench_samples_add(struct bench_samples *samples, size_t row, unsigned round, unsigned position,
                      const struct bench_sample *sample) {
    struct bench_row *of = &samples->rows[row];
    if (sample->error != 0) {
        of->error = sample->error;
        memcpy(of->why, sample->why, sizeof of->why);
        return 0;
    }
    struct bench_record record = {.row = row, .round = round, .position = position};
    fill(record.values, sample);
    int err = bench_samples_put(samples, &record);
    if (err == 0 && sample->counted < 0) eddy_histogram_merge(&of->latency, &sample->latency);
    if (err == 0 && samples->keep != NULL)
        samples->keep(samples->context, samples, &samples->records[samples->count - 1]);
    return err;
}

/* --- What is computed of them --- */

enum { ROUNDS = BENCH_VALUES_MAX + 1 }; /* none is 0 */

/* By round, from 1 on; not known or not taken: negative. */
static void by_round(const struct bench_samples *samples, size_t row, enum bench_metric metric,
                     double values[ROUNDS]) {
    for (size_t i = 0; i < ROUNDS; i++) values[i] = -1;
    for (size_t i = 0; i < samples->count; i++) {
        const struct bench_record *it = &samples->records[i];
        if (it->row == row) values[it->round] = it->values[metric];
    }
}

size_t bench_samples_values(const struct bench_samples *samples, size_t row,
                            enum bench_metric metric, double *values) {
    double rounds[ROUNDS];
    size_t count = 0;
    by_round(samples, row, metric, rounds);
    for (size_t i = 1; i < ROUNDS; i++)
        if (rounds[i] >= 0) values[count++] = rounds[i];
    return count;
}

size_t bench_samples_ratios_to(const struct bench_samples *samples, size_t row, size_t other,
                               enum bench_metric metric, double *ratios) {
    double rounds[ROUNDS], others[ROUNDS];
    size_t count = 0;
    by_round(samples, row, metric, rounds);
    by_round(samples, other, metric, others);
    for (size_t i = 1; i < ROUNDS; i++)
        if (rounds[i] >= 0 && others[i] > 0) ratios[count++] = rounds[i] / others[i];
    return count;
}

size_t bench_samples_ratios(const struct bench_samples *samples, size_t row,
                            enum bench_metric metric, double *ratios) {
    return bench_samples_ratios_to(samples, row, samples->rows[row].first, metric, ratios);
}
