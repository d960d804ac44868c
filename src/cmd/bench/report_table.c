/* report_table.c: tells results as a table for people. What the columns are follows from the kind
 * of the cases. Without state. */
#include "bench.h"
#include "quantity.h"

#include <string.h>

_Static_assert(BENCH_INSTRUCTIONS == 0 && BENCH_CYCLES == 1 && BENCH_CACHE_MISSES == 2,
               "the columns of the counters are in their order");

static bool begins_group(const struct bench_result *results, size_t i) {
    if (i == 0) return true;
    const struct bench_case *it = results[i].of, *before = results[i - 1].of;
    return strcmp(it->workload, before->workload) != 0 || strcmp(it->setting, before->setting) != 0;
}

enum figure {
    NO_FIGURE,
    TIME,
    TIME_RANGE,
    CPU,
    CPU_RANGE,
    RATIO,
    RATIO_RANGE,
    MULTIPLE,
    RATE,
    RATE_RANGE,
    BUSY,
    P50,
    P99,
    P999,
    CALLS,
    COUNTED,
    INSTRUCTIONS,
    CYCLES,
    CACHE_MISSES,
    EVENTS,
    SWITCHES,
    MEMORY,
    MEMORY_EACH,
    KERNEL,
    KERNEL_EACH,
    SERVED,
    ANSWERED,
    SPREAD,
    ROUNDS,
};

enum { COLUMNS_MAX = 20, COLUMN_BYTES = 40, KINDS = BENCH_CLIENTS + 1 };

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

/* A column that no row of a group has a figure for is left out. */
static const struct layout layouts[] = {
    [BENCH_OPERATIONS] =
        {14,
         "Times, calls and CPU are per operation, medians over n rounds. The ratio is of time, to "
         "the first row of the\ngroup in the same round; its interval holds the true median 19 "
         "times in 20. \"Again\" is that first row,\nmeasured once more: as far as it is from "
         "1.00, noise goes. A wait brought so many events. Busy is\nthe share of the time in which "
         "the process "
         "had a processor.\n",
         {{TIME, 9, NULL},
          {TIME_RANGE, 19, "half of them within"},
          {RATIO, 6, "ratio"},
          {RATIO_RANGE, 12, "interval"},
          {RATE, 8, "a second"},
          {P50, 9, "p50"},
          {P99, 9, "p99"},
          {P999, 9, "p99.9"},
          {CALLS, 6, "calls"},
          {COUNTED, 7, "counted"},
          {INSTRUCTIONS, 8, "instr."},
          {CYCLES, 8, "cycles"},
          {CACHE_MISSES, 7, "misses"},
          {EVENTS, 7, "a wait"},
          {CPU, 8, "CPU"},
          {BUSY, 5, "busy"},
          {MEMORY, 9, "memory"},
          {KERNEL_EACH, 9, "kernel's"},
          {ROUNDS, 3, "n"}}},
    [BENCH_SERVERS] =
        {21,
         "Medians over n rounds. CPU and switches are the server's, per request; served is "
         "how many clients got an\nanswer at all. Memory is that of the server's "
         "processes: in all, and what a client adds. Kernel's is what a\nclient adds to the "
         "kernel's own memory, its end of the connection included: the difference over the whole\n"
         "system, which tells nothing below 1,000 clients. \"Again\" is the first row, measured "
         "once more.\n",
         {{RATE, 9, "a second"},
          {RATE_RANGE, 19, "half of them within"},
          {P50, 9, "p50"},
          {P99, 9, "p99"},
          {P999, 9, "p99.9"},
          {SERVED, 7, "served"},
          {ANSWERED, 8, "answered"},
          {CPU, 9, "CPU"},
          {SWITCHES, 9, "switches"},
          {MEMORY_EACH, 9, "a client"},
          {KERNEL_EACH, 9, "kernel's"},
          {MEMORY, 9, "memory"},
          {ROUNDS, 3, "n"}}},
    [BENCH_COSTS] =
        {36,
         "Medians over n rounds, and how many times the first row's that is. CPU is the process's, "
         "per "
         "operation; busy is\nthe share of the time in which it had a processor: what waits for "
         "nothing "
         "and had less than all takes less\non a machine that is idle. \"Again\" is the first row, "
         "measured once more.\n",
         {{TIME, 9, "takes"},
          {TIME_RANGE, 21, "half of them within"},
          {MULTIPLE, 9, "times"},
          {CPU, 9, "CPU"},
          {BUSY, 5, "busy"},
          {ROUNDS, 4, "n"}}},
    [BENCH_LOOPS] =
        {21,
         "CPU and switches are of all loops, per connection; the ratio is of CPU, to the first row "
         "of the group in the\nsame round. Spread is what the busiest loop served, to an even "
         "part. "
         "Busy is the share of the time in which\nthe loops had a processor: 200% is two of them. "
         "\"Again\" is the first row, measured once more.\n",
         {{RATE, 8, "a second"},
          {RATE_RANGE, 19, "half of them within"},
          {CPU, 9, "CPU"},
          {RATIO, 6, "ratio"},
          {RATIO_RANGE, 12, "interval"},
          {SWITCHES, 9, "switches"},
          {SPREAD, 6, "spread"},
          {BUSY, 5, "busy"},
          {P50, 9, "p50"},
          {P99, 9, "p99"},
          {P999, 9, "p99.9"},
          {ROUNDS, 3, "n"}}},
    [BENCH_CLIENTS] =
        {14,
         "With clients: CPU is the server's, per operation, and so are calls; the ratio is of CPU, "
         "as above. Busy is the\nshare of the time in which the server had a processor: the "
         "less it is, the more it waited for its clients,\nwhich share the machine, and the less "
         "the rate and the latencies say of the server. Answered is the share of\nwhat was due: at "
         "a rate, or to readers who can miss it.\n",
         {{CPU, 9, "CPU"},
          {CPU_RANGE, 19, "half of them within"},
          {RATIO, 6, "ratio"},
          {RATIO_RANGE, 12, "interval"},
          {RATE, 8, "a second"},
          {ANSWERED, 8, "answered"},
          {BUSY, 5, "busy"},
          {P50, 9, "p50"},
          {P99, 9, "p99"},
          {P999, 9, "p99.9"},
          {CALLS, 6, "calls"},
          {COUNTED, 7, "counted"},
          {INSTRUCTIONS, 8, "instr."},
          {CYCLES, 8, "cycles"},
          {CACHE_MISSES, 7, "misses"},
          {EVENTS, 7, "a wait"},
          {MEMORY, 9, "memory"},
          {KERNEL, 9, "kernel's"},
          {ROUNDS, 3, "n"}}},
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

/* A sign behind it says whether to believe it. */
static bool is_range(enum figure figure) {
    return figure == TIME_RANGE || figure == CPU_RANGE || figure == RATE_RANGE ||
           figure == RATIO_RANGE;
}

/* With fewer rounds no two of them are an interval that is wide enough. */
enum { INTERVAL_ROUNDS_MIN = 6 };

static bool is_doubtful(enum figure figure, const struct bench_result *it) {
    return figure == RATIO_RANGE ? it->rounds < INTERVAL_ROUNDS_MIN : it->is_wide;
}

static const char *text_of_latency(char *text, size_t size, int64_t time_ns) {
    return text_of_time(text, size, time_ns > 0 ? (double)time_ns : -1);
}

static const char *text_of_whole(char *text, size_t size, double number, const char *unit) {
    if (number < 0)
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%.0f%s", number, unit);
    return text;
}

typedef const char *text_fn(char *text, size_t size, double number);

static const char *text_of_range(char *text, size_t size, text_fn *fn, double from, double to) {
    char low[16], high[16];
    if (from < 0)
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%s-%s", fn(low, sizeof low, from), fn(high, sizeof high, to));
    return text;
}

static const char *text_of_figure(char *text, size_t size, enum figure figure,
                                  const struct bench_result *it) {
    const struct bench_figure *time = &it->time_ns;
    double items = it->of->memory_items;
    switch (figure) {
    case TIME:
        return text_of_time(text, size, time->median);
    case TIME_RANGE:
        return text_of_range(text, size, text_of_time, time->low, time->high);
    case CPU:
        return text_of_time(text, size, it->cpu_ns.median);
    case CPU_RANGE:
        return text_of_range(text, size, text_of_time, it->cpu_ns.low, it->cpu_ns.high);
    case RATIO:
        return text_of_ratio(text, size, it->ratio.median);
    case RATIO_RANGE:
        return text_of_range(text, size, text_of_ratio, it->ratio.low, it->ratio.high);
    case MULTIPLE:
        return text_of_count(text, size, it->ratio.median);
    case RATE:
        return text_of_count(text, size, 1e9 / time->median);
    case RATE_RANGE:
        return text_of_range(text, size, text_of_count, 1e9 / time->high, 1e9 / time->low);
    case BUSY:
        return text_of_whole(text, size, 100 * it->busy.median, "%");
    case P50:
        return text_of_latency(text, size, it->p50_ns);
    case P99:
        return text_of_latency(text, size, it->p99_ns);
    case P999:
        return text_of_latency(text, size, it->p999_ns);
    case CALLS:
        return text_of_count(text, size, it->calls.median);
    case COUNTED:
        return text_of_count(text, size, it->counted.median);
    case INSTRUCTIONS:
    case CYCLES:
    case CACHE_MISSES:
        return text_of_count(text, size, it->counters[figure - INSTRUCTIONS].median);
    case EVENTS:
        return text_of_count(text, size, it->events.median);
    case SWITCHES:
        return text_of_count(text, size, it->switches.median);
    case MEMORY:
        return text_of_bytes(text, size, it->memory_bytes / (items > 0 ? items : 1));
    case MEMORY_EACH:
        return text_of_bytes(text, size, memory_of_each(it));
    case KERNEL:
        return text_of_bytes(text, size, it->kernel_bytes);
    case KERNEL_EACH:
        return text_of_bytes(text, size, kernel_memory_of_each(it));
    case SERVED:
        return text_of_whole(text, size, it->served, "");
    case ANSWERED:
        return text_of_whole(text, size, 100 * it->answered, "%");
    case SPREAD:
        return text_of_ratio(text, size, it->spread);
    case ROUNDS:
        return text_of_whole(text, size, it->rounds, "");
    case NO_FIGURE:
        break;
    }
    return "";
}

/* The rows of a group, and which of its columns have a figure. */
struct group {
    const struct bench_result *rows;
    size_t count;
    bool has[COLUMNS_MAX];
};

static void look_for_figures(struct group *group) {
    const struct column *columns = layouts[group->rows[0].of->kind].columns;
    char text[COLUMN_BYTES];
    for (size_t i = 0; columns[i].figure != NO_FIGURE; i++)
        for (size_t k = 0; k < group->count; k++)
            if (group->rows[k].error == 0 &&
                strcmp(text_of_figure(text, sizeof text, columns[i].figure, &group->rows[k]),
                       "-") != 0)
                group->has[i] = true;
}

static void tell_head(FILE *out, const struct group *group) {
    const struct bench_case *it = group->rows[0].of;
    const struct layout *layout = &layouts[it->kind];
    fprintf(out, "\n%s: %s\n  %-*s", it->workload, it->setting, layout->subject_width, "");
    for (size_t i = 0; layout->columns[i].figure != NO_FIGURE; i++) {
        const struct column *column = &layout->columns[i];
        const char *title = column->title != NULL ? column->title : it->operation;
        if (!group->has[i]) continue;
        if (column->figure == MEMORY && it->memory_items > 0) title = "mem. each";
        fprintf(out, " %*s%s", column->width, title, is_range(column->figure) ? " " : "");
    }
    fputc('\n', out);
}

static void tell_row(FILE *out, const struct group *group, const struct bench_result *it) {
    const struct layout *layout = &layouts[it->of->kind];
    char name[64], text[COLUMN_BYTES];
    snprintf(name, sizeof name, it->is_control ? "%s again" : "%s", it->of->subject);
    fprintf(out, "  %-*s", layout->subject_width, name);
    if (it->error != 0) {
        fprintf(out, " %s\n", it->why);
        return;
    }
    for (size_t i = 0; layout->columns[i].figure != NO_FIGURE; i++) {
        const struct column *column = &layout->columns[i];
        if (!group->has[i]) continue;
        fprintf(out, " %*s", column->width, text_of_figure(text, sizeof text, column->figure, it));
        if (is_range(column->figure)) fputc(is_doubtful(column->figure, it) ? '?' : ' ', out);
    }
    fputc('\n', out);
}

static void tell_notes(FILE *out, const bool has_kind[KINDS], bool is_any_doubtful) {
    fputc('\n', out);
    for (size_t i = 0; i < KINDS; i++)
        if (has_kind[i]) fputs(layouts[i].note, out);
    if (is_any_doubtful)
        fputs("?: the middle half is wider than a tenth of the median, or there are too few rounds "
              "for an interval (six) or\nany spread (two): too little to conclude from. A quieter "
              "machine or more --rounds helps.\n",
              out);
}

void bench_tell_table(FILE *out, const struct bench_result *results, size_t count) {
    bool has_kind[KINDS] = {false}, is_any_doubtful = false;
    for (size_t from = 0, to = 0; from < count; from = to) {
        for (to = from + 1; to < count && !begins_group(results, to);) to++;
        struct group group = {.rows = &results[from], .count = to - from};
        look_for_figures(&group);
        tell_head(out, &group);
        has_kind[results[from].of->kind] = true;
        for (size_t i = from; i < to; i++) {
            tell_row(out, &group, &results[i]);
            is_any_doubtful = is_any_doubtful || results[i].is_wide ||
                              (results[i].error == 0 && results[i].rounds < INTERVAL_ROUNDS_MIN);
        }
    }
    if (count > 0) tell_notes(out, has_kind, is_any_doubtful);
}
