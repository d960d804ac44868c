/* report_table.c: tells results as a table for people. What the columns are follows from the kind
 * of the cases. Without state. */
#include "bench.h"

#include <string.h>

/* --- Numbers for people --- */

/* Three digits that count, with a unit. */
static const char *text_of_time(char *text, size_t size, double ns) {
    if (ns < 0)
        snprintf(text, size, "-");
    else if (ns < 999.5)
        snprintf(text, size, ns < 9.995 ? "%.2f ns" : ns < 99.95 ? "%.1f ns" : "%.0f ns", ns);
    else if (ns < 999.5e3)
        snprintf(text, size, ns < 9.995e3 ? "%.2f us" : "%.1f us", ns / 1e3);
    else if (ns < 999.5e6)
        snprintf(text, size, "%.1f ms", ns / 1e6);
    else
        snprintf(text, size, "%.2f s", ns / 1e9);
    return text;
}

static const char *text_of_count(char *text, size_t size, double count) {
    if (count < 0)
        snprintf(text, size, "-");
    else if (count < 1e4)
        snprintf(text, size, count < 10 ? "%.2f" : "%.0f", count);
    else if (count < 1e6)
        snprintf(text, size, count < 1e5 ? "%.1f k" : "%.0f k", count / 1e3);
    else
        snprintf(text, size, "%.2f M", count / 1e6);
    return text;
}

static const char *text_of_bytes(char *text, size_t size, double bytes) {
    if (bytes < 0)
        snprintf(text, size, "-");
    else if (bytes < 10 * 1024)
        snprintf(text, size, "%.0f B", bytes);
    else if (bytes < 10 * 1024 * 1024)
        snprintf(text, size, "%.0f KiB", bytes / 1024);
    else
        snprintf(text, size, "%.0f MiB", bytes / (1024 * 1024));
    return text;
}

/* --- The table --- */

static bool begins_group(const struct bench_result *results, size_t i) {
    if (i == 0) return true;
    const struct bench_case *it = results[i].of, *before = results[i - 1].of;
    return strcmp(it->workload, before->workload) != 0 || strcmp(it->setting, before->setting) != 0;
}

enum figure {
    NO_FIGURE,
    TIME,
    TIME_RANGE,
    RATIO,
    RATE,
    RATE_RANGE,
    P50,
    P99,
    P999,
    CALLS,
    CPU,
    SWITCHES,
    MEMORY,
    MEMORY_EACH,
    KERNEL_EACH,
    SERVED,
};

enum { COLUMNS_MAX = 12, COLUMN_BYTES = 40 };

struct column {
    enum figure figure;
    int width;
    const char *title; /* NULL: what is counted */
};

struct layout {
    int subject_width;
    const char *note;
    struct column columns[COLUMNS_MAX];
};

static const struct layout layouts[] = {
    [BENCH_OPERATIONS] = {14,
                          "Times, calls and CPU are per operation, medians over the rounds; the "
                          "ratio is of time, to the first row\nof the group in the same round.\n",
                          {{TIME, 9, NULL},
                           {TIME_RANGE, 19, "half of them within"},
                           {RATIO, 7, "ratio"},
                           {RATE, 9, "a second"},
                           {P50, 9, "p50"},
                           {P99, 9, "p99"},
                           {P999, 9, "p99.9"},
                           {CALLS, 7, "calls"},
                           {CPU, 9, "CPU"},
                           {MEMORY, 9, "memory"}}},
    [BENCH_SERVERS] =
        {16,
         "Medians over the rounds. CPU and switches are the server's, per request; served is "
         "how many clients got an\nanswer at all. Memory is that of the server's "
         "processes: in all, and what a client adds. Kernel's is what a\nclient adds to the "
         "kernel's own memory, its end of the connection included: the difference over the whole\n"
         "system, which tells nothing below 1,000 clients.\n",
         {{RATE, 9, "a second"},
          {RATE_RANGE, 19, "half of them within"},
          {P50, 9, "p50"},
          {P99, 9, "p99"},
          {P999, 9, "p99.9"},
          {SERVED, 7, "served"},
          {CPU, 9, "CPU"},
          {SWITCHES, 9, "switches"},
          {MEMORY_EACH, 9, "a client"},
          {KERNEL_EACH, 9, "kernel's"},
          {MEMORY, 9, "memory"}}},
    [BENCH_COSTS] = {32,
                     "Medians over the rounds; the last column is in accesses to the L1 cache.\n",
                     {{TIME, 9, "takes"},
                      {TIME_RANGE, 21, "half of them within"},
                      {RATIO, 9, "accesses"}}},
};

/* What a connection adds. Less than nothing is what the rounding to pages left. */
static double memory_of_each(const struct bench_result *it) {
    if (it->before_bytes < 0 || it->memory_bytes < 0) return -1;
    double added = it->memory_bytes - it->before_bytes;
    return added < 0 ? 0 : added / (double)it->of->size;
}

/* With fewer connections the difference is the rest of the system's. */
enum { KERNEL_SIZE_MIN = 1000 };

static double kernel_memory_of_each(const struct bench_result *it) {
    if (it->kernel_bytes < 0 || it->of->size < KERNEL_SIZE_MIN) return -1;
    return it->kernel_bytes / (double)it->of->size;
}

static bool is_range(enum figure figure) {
    return figure == TIME_RANGE || figure == RATE_RANGE;
}

static const char *text_of_latency(char *text, size_t size, const struct bench_result *it,
                                   int64_t time_ns) {
    bool was_taken = it->p50_ns > 0;
    return text_of_time(text, size, was_taken ? (double)time_ns : -1);
}

static const char *text_of_range(char *text, size_t size, const char *low, const char *high) {
    snprintf(text, size, "%s-%s", low, high);
    return text;
}

static const char *text_of_figure(char *text, size_t size, enum figure figure,
                                  const struct bench_result *it) {
    char low[16], high[16];
    const struct bench_figure *time = &it->time_ns;
    double items = it->of->memory_items;
    switch (figure) {
    case TIME:
        return text_of_time(text, size, time->median);
    case TIME_RANGE:
        return text_of_range(text, size, text_of_time(low, sizeof low, time->low),
                             text_of_time(high, sizeof high, time->high));
    case RATIO:
        if (it->of->kind == BENCH_COSTS) return text_of_count(text, size, it->ratio.median);
        snprintf(text, size, "%.2f", it->ratio.median);
        return text;
    case RATE:
        return text_of_count(text, size, 1e9 / time->median);
    case RATE_RANGE:
        return text_of_range(text, size, text_of_count(low, sizeof low, 1e9 / time->high),
                             text_of_count(high, sizeof high, 1e9 / time->low));
    case P50:
        return text_of_latency(text, size, it, it->p50_ns);
    case P99:
        return text_of_latency(text, size, it, it->p99_ns);
    case P999:
        return text_of_latency(text, size, it, it->p999_ns);
    case CALLS:
        return text_of_count(text, size, it->calls.median);
    case CPU:
        return text_of_time(text, size, it->cpu_ns.median);
    case SWITCHES:
        return text_of_count(text, size, it->switches.median);
    case MEMORY:
        return text_of_bytes(text, size, it->memory_bytes / (items > 0 ? items : 1));
    case MEMORY_EACH:
        return text_of_bytes(text, size, memory_of_each(it));
    case KERNEL_EACH:
        return text_of_bytes(text, size, kernel_memory_of_each(it));
    case SERVED:
        snprintf(text, size, it->served < 0 ? "-" : "%.0f", it->served);
        return text;
    case NO_FIGURE:
        break;
    }
    return "";
}

static void tell_head(FILE *out, const struct bench_case *it) {
    const struct layout *layout = &layouts[it->kind];
    fprintf(out, "\n%s: %s\n  %-*s", it->workload, it->setting, layout->subject_width, "");
    for (const struct column *column = layout->columns; column->figure != NO_FIGURE; column++) {
        const char *title = column->title != NULL ? column->title : it->operation;
        if (column->figure == MEMORY && it->memory_items > 0) title = "mem. each";
        fprintf(out, " %*s%s", column->width, title, is_range(column->figure) ? " " : "");
    }
    fputc('\n', out);
}

static void tell_row(FILE *out, const struct bench_result *it) {
    const struct layout *layout = &layouts[it->of->kind];
    char name[64];
    snprintf(name, sizeof name, it->is_control ? "%s again" : "%s", it->of->subject);
    fprintf(out, "  %-*s", layout->subject_width, name);
    if (it->error != 0) {
        fprintf(out, " %s\n", it->why);
        return;
    }
    for (const struct column *column = layout->columns; column->figure != NO_FIGURE; column++) {
        char text[COLUMN_BYTES];
        fprintf(out, " %*s", column->width, text_of_figure(text, sizeof text, column->figure, it));
        if (is_range(column->figure)) fputc(it->is_wide ? '?' : ' ', out);
    }
    fputc('\n', out);
}

void bench_tell_table(FILE *out, const struct bench_result *results, size_t count) {
    bool any_wide = false;
    for (size_t i = 0; i < count; i++) {
        if (begins_group(results, i)) tell_head(out, results[i].of);
        tell_row(out, &results[i]);
        any_wide = any_wide || results[i].is_wide;
    }
    if (count > 0) fprintf(out, "\n%s", layouts[results[0].of->kind].note);
    if (any_wide)
        fputs("?: the spread between the quartiles is over 10 %: too wide to conclude from. A "
              "quieter machine or\nmore --rounds helps.\n",
              out);
}
