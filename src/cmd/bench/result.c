/* result.c: makes what is told of the samples of a row. Without state. */
#include "figure.h"
#include "samples.h"

#include <string.h>

/* A spread (between the quartiles) of more than this share of the median is too wide. */
static const double spread_max = 0.10;

static struct bench_figure figure_of(const struct bench_samples *samples, size_t row,
                                     enum bench_metric metric) {
    double values[BENCH_VALUES_MAX];
    return bench_figure_of(values, bench_samples_values(samples, row, metric, values));
}

static struct bench_figure ratio_of(const struct bench_samples *samples, size_t row,
                                    enum bench_metric metric) {
    double ratios[BENCH_VALUES_MAX];
    return bench_interval_of(ratios, bench_samples_ratios(samples, row, metric, ratios));
}

static int64_t quantile(const eddy_histogram *latency, double share) {
    double ns = bench_quantile(latency, share);
    return ns < 0 ? 0 : (int64_t)ns;
}

void bench_result_of(const struct bench_samples *samples, size_t row, struct bench_result *result) {
    const struct bench_row *it = &samples->rows[row];
    double values[BENCH_VALUES_MAX];
    *result = (struct bench_result){.of = it->of, .is_control = it->is_control, .error = it->error};
    memcpy(result->why, it->why, sizeof result->why);
    if (it->error != 0) return;
    result->rounds = (unsigned)bench_samples_values(samples, row, BENCH_TIME, values);
    result->time_ns = figure_of(samples, row, BENCH_TIME);
    result->cpu_ns = figure_of(samples, row, BENCH_CPU);
    result->calls = figure_of(samples, row, BENCH_CALLS);
    for (unsigned i = 0; i < BENCH_COUNTERS; i++)
        result->counters[i] = figure_of(samples, row, BENCH_FIRST_COUNTER + i);
    result->counted = figure_of(samples, row, BENCH_COUNTED);
    result->switches = figure_of(samples, row, BENCH_SWITCHES);
    result->events = figure_of(samples, row, BENCH_EVENTS);
    result->busy = figure_of(samples, row, BENCH_BUSY);
    result->ratio = ratio_of(samples, row, bench_compared(it->of->kind));
    result->memory_bytes = figure_of(samples, row, BENCH_MEMORY).median;
    result->before_bytes = figure_of(samples, row, BENCH_MEMORY_BEFORE).median;
    result->kernel_bytes = figure_of(samples, row, BENCH_MEMORY_KERNEL).median;
    result->served = figure_of(samples, row, BENCH_SERVED).median;
    result->spread = figure_of(samples, row, BENCH_SPREAD).median;
    result->answered = figure_of(samples, row, BENCH_ANSWERED).median;
    result->timed = it->latency.count;
    result->p50_ns = quantile(&it->latency, 0.5);
    result->p99_ns = quantile(&it->latency, 0.99);
    result->p999_ns = quantile(&it->latency, 0.999);
    struct bench_figure compared = figure_of(samples, row, bench_compared(it->of->kind));
    result->is_wide =
        result->rounds < 2 || compared.high - compared.low > spread_max * compared.median;
}
