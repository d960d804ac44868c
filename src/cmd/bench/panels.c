/* panels.c: see panels.h. Without state. */
#include "panels.h"
#include "chart.h"
#include "quantity.h"
#include "rates.h"
#include "samples.h"

#include <string.h>

/* On an axis of ratios that ends there, 1.1 and 0.9 are still told apart; what is beyond it has its
 * number. */
static const double ratio_greatest = 4;

bool panels_is_same_group(const struct bench_case *a, const struct bench_case *b) {
    return a->kind == b->kind && strcmp(a->workload, b->workload) == 0 &&
           strcmp(a->setting, b->setting) == 0;
}

static bool has_group(const struct panels_run *run, const struct bench_case *it) {
    for (size_t i = 0; i < run->count; i++)
        if (panels_is_same_group(run->results[i].of, it)) return true;
    return false;
}

bool panels_has_all(const struct panels *panels, const struct bench_case *it) {
    for (size_t i = 0; i < panels->run_count; i++)
        if (!has_group(&panels->runs[i], it)) return false;
    return true;
}

/* --- Quantities with bars --- */

struct panels_metric {
    const char *note;
    chart_text_fn *text_of;
    bool is_log, is_binary;
    bool is_over_rates; /* curves, not bars */
    struct bench_figure (*of)(const struct bench_result *it);
};

static const struct bench_figure unknown = {-1, -1, -1};

static struct bench_figure exactly(double value) {
    return value < 0 ? unknown : (struct bench_figure){value, value, value};
}

static struct bench_figure time_of(const struct bench_result *it) {
    return it->time_ns;
}

static struct bench_figure rate_of(const struct bench_result *it) {
    const struct bench_figure *time = &it->time_ns;
    if (time->median <= 0) return unknown;
    return (struct bench_figure){1e9 / time->median, 1e9 / time->high, 1e9 / time->low};
}

static struct bench_figure cpu_of(const struct bench_result *it) {
    return it->cpu_ns;
}

static struct bench_figure p50_of(const struct bench_result *it) {
    return exactly(it->p50_ns > 0 ? (double)it->p50_ns : -1);
}

static struct bench_figure p99_of(const struct bench_result *it) {
    return exactly(it->p99_ns > 0 ? (double)it->p99_ns : -1);
}

static struct bench_figure memory_of(const struct bench_result *it) {
    return exactly(it->memory_bytes);
}

static const struct panels_metric server_metrics[] = {
    {"requests a second; more is better", text_of_count, false, false, false, rate_of},
    {"the server's CPU per request", text_of_time, false, false, false, cpu_of},
    {"p99 of the latency", text_of_time, false, false, false, p99_of},
    {"memory of the server's processes", text_of_bytes, false, true, false, memory_of},
};
static const struct panels_metric rate_metrics[] = {
    {"p50 of the latency", text_of_time, false, false, true, p50_of},
    {"p99 of the latency", text_of_time, false, false, true, p99_of},
};
static const struct panels_metric cost_metrics[] = {
    {"time of each; a factor of ten from line to line", text_of_time, true, false, false, time_of},
};

/* Whether it is at one of several rates. Models at one rate have the bars that they always have. */
static bool is_over_several_rates(const struct panels *panels, const struct bench_case *it) {
    const struct panels_run *run = &panels->runs[0];
    if (it->rate == 0 || it->kind != BENCH_SERVERS) return it->rate > 0;
    for (size_t i = 0; i < run->count; i++) {
        const struct bench_case *other = run->results[i].of;
        if (other->kind == it->kind && other->size == it->size && other->rate > 0 &&
            other->rate != it->rate)
            return true;
    }
    return false;
}

/* NULL: curves over sizes. */
static const struct panels_metric *metrics_of(const struct panels *panels,
                                              const struct bench_case *it, size_t *count) {
    enum bench_kind kind = it->kind;
    *count = sizeof rate_metrics / sizeof rate_metrics[0];
    if (is_over_several_rates(panels, it)) return rate_metrics;
    *count = kind == BENCH_SERVERS ? sizeof server_metrics / sizeof server_metrics[0] : 1;
    return kind == BENCH_SERVERS ? server_metrics : kind == BENCH_COSTS ? cost_metrics : NULL;
}

static bool has_curves(const struct panels *panels, const struct bench_case *it) {
    return is_over_several_rates(panels, it) || it->kind == BENCH_OPERATIONS ||
           it->kind == BENCH_CLIENTS || it->kind == BENCH_LOOPS;
}

static bool is_bars(const struct panel *panel) {
    return panel->metric != NULL && !panel->metric->is_over_rates;
}

static bool is_over_rates(const struct panel *panel) {
    return panel->metric != NULL && panel->metric->is_over_rates;
}

/* What ratios are of. */
static const struct bench_figure *compared_of(const struct bench_result *it) {
    return bench_compared(it->of->kind) == BENCH_CPU ? &it->cpu_ns : &it->time_ns;
}

/* --- Which there are --- */

static void add_panels(struct panels *panels, const struct bench_case *of) {
    size_t metrics;
    const struct panels_metric *metric = metrics_of(panels, of, &metrics);
    for (size_t m = 0; m < metrics; m++)
        for (size_t run = 0; run < panels->run_count && panels->count < PANELS_MAX; run++)
            panels->list[panels->count++] =
                (struct panel){run, of, metric != NULL ? &metric[m] : NULL};
}

/* Whether two cases are in one panel of curves: those of all sizes of a workload are, or of all
 * rates of a size. */
static bool is_same_curves(const struct bench_case *a, const struct bench_case *b) {
    return a->kind == b->kind && strcmp(a->workload, b->workload) == 0 &&
           (a->rate > 0) == (b->rate > 0) && (a->rate == 0 || a->size == b->size);
}

/* Whether a panel of this has been there before. */
static bool is_listed(const struct panels *panels, const struct bench_case *it) {
    for (size_t i = 0; i < panels->count; i++) {
        const struct bench_case *of = panels->list[i].of;
        if (has_curves(panels, it) ? is_same_curves(of, it) : panels_is_same_group(of, it))
            return true;
    }
    return false;
}

static unsigned style_of(const struct panels *panels, const char *subject) {
    size_t i = 0;
    while (i < panels->subject_count && strcmp(panels->subjects[i], subject) != 0) i++;
    return (unsigned)i;
}

static void add_subjects(struct panels *panels, const struct panels_run *run) {
    for (size_t i = 0; i < run->count; i++) {
        const struct bench_result *it = &run->results[i];
        if (!has_curves(panels, it->of) || !panels_has_all(panels, it->of)) continue;
        panels->has_noise = panels->has_noise || (it->is_control && it->of->rate == 0);
        bool is_new = style_of(panels, it->of->subject) == panels->subject_count;
        if (is_new && panels->subject_count < PANELS_SUBJECTS_MAX)
            panels->subjects[panels->subject_count++] = it->of->subject;
    }
}

void panels_make(struct panels *panels, const struct panels_run *runs, size_t run_count) {
    *panels = (struct panels){.runs = runs, .run_count = run_count};
    for (size_t i = 0; i < runs[0].count; i++) {
        const struct bench_case *it = runs[0].results[i].of;
        if (!is_listed(panels, it) && panels_has_all(panels, it)) add_panels(panels, it);
    }
    for (size_t i = 0; i < run_count; i++) add_subjects(panels, &runs[i]);
}

/* --- Curves --- */

static bool is_of_curves(const struct panels *panels, const struct panel *panel,
                         const struct bench_result *it) {
    return is_same_curves(it->of, panel->of) && panels_has_all(panels, it->of);
}

static int64_t x_of(const struct bench_case *it) {
    return it->rate > 0 ? it->rate : it->size;
}

/* The place of a size, which is made if it is not there: they ascend. */
static size_t place_of(struct chart_curves *chart, int64_t size) {
    size_t i = 0;
    while (i < chart->place_count && chart->sizes[i] < size) i++;
    if (i < chart->place_count && chart->sizes[i] == size) return i;
    if (chart->place_count == CHART_PLACES_MAX) return CHART_PLACES_MAX;
    for (size_t k = chart->place_count++; k > i; k--) chart->sizes[k] = chart->sizes[k - 1];
    chart->sizes[i] = size;
    return i;
}

static struct chart_series *series_of(struct chart_curves *chart, const struct panels *panels,
                                      const char *subject) {
    for (size_t i = 0; i < chart->series_count; i++)
        if (strcmp(chart->series[i].name, subject) == 0) return &chart->series[i];
    if (chart->series_count == CHART_SERIES_MAX) return NULL;
    struct chart_series *series = &chart->series[chart->series_count++];
    series->name = subject;
    series->style = style_of(panels, subject);
    for (size_t i = 0; i < CHART_PLACES_MAX; i++) series->points[i] = unknown;
    return series;
}

static bool is_group_head(const struct panels_run *run, size_t i) {
    return i == 0 || !panels_is_same_group(run->results[i].of, run->results[i - 1].of);
}

/* Ratios say something where there are others than the first. */
static bool has_ratios(const struct panels *panels, const struct panel *panel) {
    for (size_t run = 0; run < panels->run_count; run++)
        for (size_t i = 0; i < panels->runs[run].count; i++) {
            const struct bench_result *it = &panels->runs[run].results[i];
            if (is_of_curves(panels, panel, it) && !is_group_head(&panels->runs[run], i) &&
                !it->is_control)
                return true;
        }
    return false;
}

static struct bench_figure value_of(const struct panel *panel, const struct bench_result *it,
                                    bool is_ratio) {
    if (is_over_rates(panel)) return panel->metric->of(it);
    return is_ratio ? it->ratio : *compared_of(it);
}

/* All runs have one axis. What fell behind has as long latencies as it was measured for: they are
 * beyond it. */
static double greatest_of(const struct panels *panels, const struct panel *panel, bool is_ratio) {
    double greatest = is_ratio ? 1.2 : 0;
    for (size_t run = 0; run < panels->run_count; run++)
        for (size_t i = 0; i < panels->runs[run].count; i++) {
            const struct bench_result *it = &panels->runs[run].results[i];
            struct bench_figure value = value_of(panel, it, is_ratio);
            if (it->error != 0 || !is_of_curves(panels, panel, it)) continue;
            if (is_over_rates(panel) && !bench_keeps_up(it->answered)) continue;
            if (value.high > greatest) greatest = value.high;
        }
    return is_ratio && greatest > ratio_greatest ? ratio_greatest : greatest;
}

static void add_point(struct chart_curves *chart, const struct panels *panels,
                      const struct panel *panel, size_t i, bool is_ratio) {
    const struct panels_run *run = &panels->runs[panel->run];
    const struct bench_result *it = &run->results[i];
    size_t place = place_of(chart, x_of(it->of));
    if (place == CHART_PLACES_MAX || it->error != 0) return;
    if (it->is_control) {
        if (is_ratio) chart->noise[place] = it->ratio;
        return;
    }
    if (is_group_head(run, i) && !is_over_rates(panel)) {
        chart->reference_ns[place] = compared_of(it)->median;
        if (is_ratio) chart->reference = it->of->subject;
    }
    struct chart_series *series = series_of(chart, panels, it->of->subject);
    if (series != NULL) series->points[place] = value_of(panel, it, is_ratio);
}

static void make_curves(struct chart_curves *chart, const struct panels *panels,
                        const struct panel *panel) {
    const struct panels_run *run = &panels->runs[panel->run];
    bool is_ratio = !is_over_rates(panel) && has_ratios(panels, panel);
    *chart = (struct chart_curves){.greatest = greatest_of(panels, panel, is_ratio),
                                   .size_name = is_over_rates(panel) ? "rate" : "size"};
    for (size_t i = 0; i < CHART_PLACES_MAX; i++) {
        chart->reference_ns[i] = -1;
        chart->noise[i] = unknown;
    }
    /* All places first, also those of other runs, as more of them move those that are there. */
    for (size_t k = 0; k < panels->run_count; k++)
        for (size_t i = 0; i < panels->runs[k].count; i++)
            if (is_of_curves(panels, panel, &panels->runs[k].results[i]))
                (void)place_of(chart, x_of(panels->runs[k].results[i].of));
    for (size_t i = 0; i < run->count; i++)
        if (is_of_curves(panels, panel, &run->results[i]))
            add_point(chart, panels, panel, i, is_ratio);
}

/* --- Bars --- */

static void make_bars(struct chart_bars *chart, const struct panels *panels,
                      const struct panel *panel) {
    const struct panels_metric *metric = panel->metric;
    *chart = (struct chart_bars){
        .text_of = metric->text_of, .is_log = metric->is_log, .is_binary = metric->is_binary};
    for (size_t run = 0; run < panels->run_count; run++)
        for (size_t i = 0; i < panels->runs[run].count; i++) {
            const struct bench_result *it = &panels->runs[run].results[i];
            if (it->is_control || !panels_is_same_group(it->of, panel->of)) continue;
            struct bench_figure value = it->error != 0 ? unknown : metric->of(it);
            if (value.high > chart->greatest) chart->greatest = value.high;
            if (run != panel->run || chart->count == CHART_BARS_MAX) continue;
            chart->bars[chart->count].name = it->of->subject;
            chart->bars[chart->count++].value = value;
        }
}

/* --- Writing --- */

static unsigned rounds_of(const struct panels *panels, const struct panel *panel) {
    const struct panels_run *run = &panels->runs[panel->run];
    unsigned rounds = 0;
    for (size_t i = 0; i < run->count; i++)
        if (run->results[i].of->kind == panel->of->kind &&
            strcmp(run->results[i].of->workload, panel->of->workload) == 0 &&
            run->results[i].rounds > rounds)
            rounds = run->results[i].rounds;
    return rounds;
}

int panel_height(const struct panels *panels, const struct panel *panel) {
    struct chart_bars bars;
    if (!is_bars(panel)) return CHART_HEIGHT;
    make_bars(&bars, panels, panel);
    return chart_bars_height(&bars);
}

void panel_put(FILE *out, const struct panels *panels, const struct panel *panel,
               const char *place) {
    char title[160], note[160], what[96];
    const char *label = panels->runs[panel->run].label;
    unsigned rounds = rounds_of(panels, panel);
    snprintf(what, sizeof what, "%.60s", is_bars(panel) ? panel->of->setting : panel->of->workload);
    if (is_over_rates(panel))
        snprintf(what, sizeof what, "%.60s, %lld connections", panel->of->workload,
                 (long long)panel->of->size);
    snprintf(title, sizeof title, "%s%s%s", label != NULL ? label : "", label != NULL ? ", " : "",
             what);
    if (is_bars(panel)) {
        struct chart_bars bars;
        make_bars(&bars, panels, panel);
        snprintf(note, sizeof note, "%s, n = %u", panel->metric->note, rounds);
        bars.title = title;
        bars.note = note;
        chart_put_bars(out, &bars, place);
        return;
    }
    struct chart_curves curves;
    make_curves(&curves, panels, panel);
    curves.title = title;
    curves.note = note;
    if (is_over_rates(panel)) {
        snprintf(note, sizeof note, "%s, over %.20ss a second, n = %u", panel->metric->note,
                 panel->of->operation, rounds);
        chart_put_curves(out, &curves, place);
        return;
    }
    const char *of = bench_compared(panel->of->kind) == BENCH_CPU ? "server's CPU" : "time";
    snprintf(note, sizeof note, "%s per %.20s%s%.20s, n = %u", of, panel->of->operation,
             curves.reference != NULL ? ", ratio to " : "",
             curves.reference != NULL ? curves.reference : "", rounds);
    chart_put_curves(out, &curves, place);
}
