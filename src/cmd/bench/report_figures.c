/* report_figures.c: the tables of report.html (report_page.h). A cell has its value as it is, for
 * programs, beside what people are shown. Without state. */
#include "chart.h"
#include "quantity.h"
#include "report_page.h"

#include <string.h>

/* A column: a figure, of which low and high are shown if they differ from the median. */
struct column {
    const char *title, *range; /* range: the title of the column with low and high; NULL: none */
    chart_text_fn *text_of;
    struct bench_figure (*of)(const struct bench_result *it);
};

static struct bench_figure exactly(double value) {
    return (struct bench_figure){value, value, value};
}

static struct bench_figure rounds_of(const struct bench_result *it) {
    return exactly(it->rounds);
}

static struct bench_figure time_of(const struct bench_result *it) {
    return it->time_ns;
}

static struct bench_figure ratio_of(const struct bench_result *it) {
    return it->ratio;
}

static struct bench_figure cpu_of(const struct bench_result *it) {
    return it->cpu_ns;
}

static struct bench_figure calls_of(const struct bench_result *it) {
    return it->calls;
}

static struct bench_figure counted_of(const struct bench_result *it) {
    return it->counted;
}

static struct bench_figure instructions_of(const struct bench_result *it) {
    return it->counters[BENCH_INSTRUCTIONS];
}

static struct bench_figure cycles_of(const struct bench_result *it) {
    return it->counters[BENCH_CYCLES];
}

static struct bench_figure cache_misses_of(const struct bench_result *it) {
    return it->counters[BENCH_CACHE_MISSES];
}

static struct bench_figure switches_of(const struct bench_result *it) {
    return it->switches;
}

static struct bench_figure events_of(const struct bench_result *it) {
    return it->events;
}

static struct bench_figure busy_of(const struct bench_result *it) {
    return it->busy;
}

static struct bench_figure p50_of(const struct bench_result *it) {
    return exactly(it->p50_ns > 0 ? (double)it->p50_ns : -1);
}

static struct bench_figure p99_of(const struct bench_result *it) {
    return exactly(it->p99_ns > 0 ? (double)it->p99_ns : -1);
}

static struct bench_figure p999_of(const struct bench_result *it) {
    return exactly(it->p999_ns > 0 ? (double)it->p999_ns : -1);
}

static struct bench_figure memory_of(const struct bench_result *it) {
    return exactly(it->memory_bytes);
}

static struct bench_figure kernel_of(const struct bench_result *it) {
    return exactly(it->kernel_bytes);
}

static struct bench_figure served_of(const struct bench_result *it) {
    return exactly(it->served);
}

static struct bench_figure answered_of(const struct bench_result *it) {
    return exactly(it->answered);
}

static struct bench_figure spread_of(const struct bench_result *it) {
    return exactly(it->spread);
}

static const struct column columns[] = {
    {"n", NULL, text_of_ratio, rounds_of},
    {"time", "middle half", text_of_time, time_of},
    {"ratio", "interval", text_of_ratio, ratio_of},
    {"CPU", NULL, text_of_time, cpu_of},
    {"calls", NULL, text_of_count, calls_of},
    {"counted", NULL, text_of_count, counted_of},
    {"instructions", NULL, text_of_count, instructions_of},
    {"cycles", NULL, text_of_count, cycles_of},
    {"cache misses", NULL, text_of_count, cache_misses_of},
    {"switches", NULL, text_of_count, switches_of},
    {"busy", NULL, text_of_ratio, busy_of},
    {"events a wait", NULL, text_of_count, events_of},
    {"p50", NULL, text_of_time, p50_of},
    {"p99", NULL, text_of_time, p99_of},
    {"p99.9", NULL, text_of_time, p999_of},
    {"memory", NULL, text_of_bytes, memory_of},
    {"kernel's", NULL, text_of_bytes, kernel_of},
    {"served", NULL, text_of_count, served_of},
    {"answered", NULL, text_of_ratio, answered_of},
    {"spread", NULL, text_of_ratio, spread_of},
};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

/* A table: the groups of a workload, of all runs. */
struct table {
    const struct panels *panels;
    const struct bench_case *of;
    bool is_shown[COLUMNS]; /* columns that have a figure somewhere */
};

static bool is_of(const struct table *table, const struct bench_result *it) {
    return it->of->kind == table->of->kind && strcmp(it->of->workload, table->of->workload) == 0 &&
           panels_has_all(table->panels, it->of);
}

static void find_columns(struct table *table) {
    for (size_t run = 0; run < table->panels->run_count; run++)
        for (size_t i = 0; i < table->panels->runs[run].count; i++) {
            const struct bench_result *it = &table->panels->runs[run].results[i];
            if (it->error != 0 || !is_of(table, it)) continue;
            for (int c = 0; c < COLUMNS; c++)
                table->is_shown[c] = table->is_shown[c] || columns[c].of(it).median >= 0;
        }
}

static void put_head(FILE *out, const struct table *table) {
    fputs("<thead><tr><th>setting</th>", out);
    if (table->panels->run_count > 1) fputs("<th class=\"text\">machine</th>", out);
    fputs("<th class=\"text\">name</th>", out);
    for (int c = 0; c < COLUMNS; c++) {
        if (!table->is_shown[c]) continue;
        fprintf(out, "<th>%s</th>", columns[c].title);
        if (columns[c].range != NULL) fprintf(out, "<th>%s</th>", columns[c].range);
    }
    fputs("</tr></thead>\n", out);
}

static void put_cell(FILE *out, const struct column *column, const struct bench_result *it) {
    char median[40], low[40], high[40];
    struct bench_figure figure = column->of(it);
    column->text_of(median, sizeof median, figure.median);
    if (strcmp(column->title, "n") == 0) snprintf(median, sizeof median, "%u", it->rounds);
    fprintf(out, "<td><data value=\"%.9g\">%s</data></td>", figure.median, median);
    if (column->range == NULL) return;
    if (figure.median < 0)
        fputs("<td>-</td>", out);
    else
        fprintf(out, "<td>%s to %s%s</td>", column->text_of(low, sizeof low, figure.low),
                column->text_of(high, sizeof high, figure.high),
                column->of == time_of && it->is_wide ? " ?" : "");
}

static void put_row(FILE *out, const struct table *table, const struct panels_run *run,
                    const struct bench_result *it) {
    fputs("<tr><td>", out);
    chart_put_text(out, it->of->setting);
    if (table->panels->run_count > 1) {
        fputs("</td><td class=\"text\">", out);
        chart_put_text(out, run->label);
    }
    fputs("</td><td class=\"text\">", out);
    chart_put_text(out, it->of->subject);
    fputs(it->is_control ? ", again</td>" : "</td>", out);
    if (it->error != 0) {
        fputs("<td class=\"text\" colspan=\"20\">", out);
        chart_put_text(out, it->why);
        fputs("</td>", out);
    }
    for (int c = 0; c < COLUMNS && it->error == 0; c++)
        if (table->is_shown[c]) put_cell(out, &columns[c], it);
    fputs("</tr>\n", out);
}

/* A group, machine after machine. */
static void put_group(FILE *out, const struct table *table, const struct bench_case *group) {
    for (size_t run = 0; run < table->panels->run_count; run++)
        for (size_t i = 0; i < table->panels->runs[run].count; i++) {
            const struct bench_result *it = &table->panels->runs[run].results[i];
            if (panels_is_same_group(it->of, group))
                put_row(out, table, &table->panels->runs[run], it);
        }
}

static void put_table(FILE *out, struct table *table) {
    const struct panels_run *run = &table->panels->runs[0];
    find_columns(table);
    fputs("<h3>", out);
    chart_put_text(out, table->of->workload);
    fputs("</h3>\n<div class=\"wide\"><table data-workload=\"", out);
    chart_put_text(out, table->of->workload);
    fputs("\">\n", out);
    put_head(out, table);
    fputs("<tbody>\n", out);
    for (size_t i = 0; i < run->count; i++) {
        const struct bench_case *it = run->results[i].of;
        bool is_new = i == 0 || !panels_is_same_group(it, run->results[i - 1].of);
        if (is_new && is_of(table, &run->results[i])) put_group(out, table, it);
    }
    fputs("</tbody></table></div>\n", out);
}

static bool is_first_of_workload(const struct panels_run *run, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (run->results[k].of->kind == run->results[i].of->kind &&
            strcmp(run->results[k].of->workload, run->results[i].of->workload) == 0)
            return false;
    return true;
}

void report_page_put_figures(FILE *out, const struct panels *panels) {
    const struct panels_run *run = &panels->runs[0];
    fputs("<section>\n<h2>Figures</h2>\n<p class=\"dim\">Times, CPU, calls and switches are per "
          "operation, and ratios are of time, but for servers under load of their CPU; busy is the "
          "share of the time in which there was a processor; n is how many rounds there were. A ? "
          "marks a middle half that is wider than "
          "a tenth of the median, or of one round. Quantiles are medians of those of the "
          "rounds.</p>\n",
          out);
    for (size_t i = 0; i < run->count; i++) {
        struct table table = {.panels = panels, .of = run->results[i].of};
        bool is_shown = false;
        if (!is_first_of_workload(run, i)) continue;
        for (size_t k = i; k < run->count && !is_shown; k++)
            is_shown = is_of(&table, &run->results[k]);
        if (is_shown) put_table(out, &table);
    }
    fputs("</section>\n", out);
}
