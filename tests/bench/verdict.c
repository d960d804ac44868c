/* verdict.c: what a run says: where eddy is behind, and tables as the guide has them. Without
 * state. */
#include "peers.h"

#include "figure.h"
#include "quantity.h"
#include "samples.h"

#include <stdio.h>
#include <string.h>

/* --- Where eddy is behind --- */

/* Those that do the same thing in the same way: watchers, streams that write by request, and those
 * that write at once. Libraries whose watchers have no name of their own go by their plain one. */
enum { OTHERS_MAX = 10 };

static const struct {
    const char *subject, *others[OTHERS_MAX];
} compared[] = {
    {"eddy",
     {"epoll", "ae", "libev", "libuv-poll", "libevent", "libxev", "pipe", "pread", "calls",
      "wheel"}},
    {"eddy-stream", {"epoll", "libuv", "bufferevent"}},
    {"eddy-try", {"epoll", "libuv-try", "usockets"}},
};

/* Fewer rounds have no interval. From so many events in a wait on, eddy is to be within 3 % of the
 * loop by hand. */
enum { ROUNDS_MIN = 6, MANY_EVENTS = 16 };
static const double many_ratio = 1.03;

struct tally {
    FILE *out;
    const struct bench_samples *samples;
    unsigned all, ahead, behind, missed;
    bool has_line; /* of this subject */
};

/* The row of a group in which `subject` was measured; -1: there is none. */
static long find(const struct bench_samples *samples, size_t first, const char *subject) {
    for (size_t i = first; i < samples->row_count && samples->rows[i].first == first; i++) {
        const struct bench_row *row = &samples->rows[i];
        if (!row->is_control && row->error == 0 && strcmp(row->of->subject, subject) == 0)
            return (long)i;
    }
    return -1;
}

/* libuv's own name is that of its watchers where nobody has another way. */
static long find_other(const struct bench_samples *samples, size_t first, const char *name) {
    long row = find(samples, first, name);
    return row < 0 && strcmp(name, "libuv-poll") == 0 && find(samples, first, "eddy-stream") < 0
               ? find(samples, first, "libuv")
               : row;
}

static bool ratio_of(const struct bench_samples *samples, size_t row, size_t other,
                     struct bench_figure *ratio) {
    double ratios[BENCH_ROUNDS_MAX];
    enum bench_metric metric = bench_compared(samples->rows[row].of->kind);
    size_t count = bench_samples_ratios_to(samples, row, other, metric, ratios);
    *ratio = bench_interval_of(ratios, count);
    return count >= ROUNDS_MIN;
}

static bool has_many_events(const struct bench_samples *samples, size_t row) {
    double values[BENCH_ROUNDS_MAX];
    size_t count = bench_samples_values(samples, row, BENCH_EVENTS, values);
    return count > 0 && bench_figure_of(values, count).median >= MANY_EVENTS;
}

static void put(const struct tally *tally, const char *before, const struct bench_figure *it,
                const char *behind) {
    fprintf(tally->out, "%s%.2f (%.2f\u2013%.2f)%s", before, it->median, it->low, it->high, behind);
}

static void compare(struct tally *tally, size_t row, size_t other) {
    const struct bench_case *of = tally->samples->rows[row].of;
    const char *name = tally->samples->rows[other].of->subject;
    struct bench_figure ratio;
    if (!ratio_of(tally->samples, row, other, &ratio)) return;
    tally->all++;
    bool is_missed = strcmp(name, "epoll") == 0 && ratio.low > many_ratio &&
                     has_many_events(tally->samples, row);
    tally->ahead += ratio.high < 1;
    tally->behind += ratio.low > 1;
    tally->missed += is_missed;
    if (ratio.low <= 1) return;
    if (tally->has_line)
        fputs(", ", tally->out);
    else
        fprintf(tally->out, "- %s, %s: %s ", of->workload, of->setting, of->subject);
    tally->has_line = true;
    put(tally, "", &ratio, " of ");
    fprintf(tally->out, "%s%s", name, is_missed ? " (goal 1.03)" : "");
}

/* The control is the row behind the group. */
static void end_line(struct tally *tally, size_t first) {
    struct bench_figure noise;
    size_t control = first;
    while (control + 1 < tally->samples->row_count && !tally->samples->rows[control].is_control)
        control++;
    if (ratio_of(tally->samples, control, first, &noise)) put(tally, "; again ", &noise, "");
    fputs("\n", tally->out);
}

static void conclude_group(struct tally *tally, size_t first) {
    for (size_t k = 0; k < sizeof compared / sizeof compared[0]; k++) {
        long row = find(tally->samples, first, compared[k].subject);
        tally->has_line = false;
        for (size_t i = 0; row >= 0 && i < OTHERS_MAX && compared[k].others[i] != NULL; i++) {
            long other = find_other(tally->samples, first, compared[k].others[i]);
            if (other >= 0) compare(tally, (size_t)row, (size_t)other);
        }
        if (tally->has_line) end_line(tally, first);
    }
}

void peers_conclude(FILE *out, const struct bench_samples *samples) {
    struct tally tally = {.out = out, .samples = samples};
    fputs("\nBehind, with the whole interval above 1:\n", out);
    for (size_t i = 0; i < samples->row_count; i++)
        if (samples->rows[i].first == i) conclude_group(&tally, i);
    if (tally.all == 0) {
        fprintf(out, "nothing is said of fewer than %d rounds, or of eddy alone\n", ROUNDS_MIN);
        return;
    }
    fprintf(out,
            "Of %u comparisons eddy is behind in %u and ahead in %u, and the others are not told "
            "apart;\n%u, of waits with %d events or more, have all of it more than 3 %% above the "
            "loop by hand.\n",
            tally.all, tally.behind, tally.ahead, tally.missed, MANY_EVENTS);
}

/* --- Tables of the guide --- */

static bool is_same_group(const struct bench_case *a, const struct bench_case *b) {
    return strcmp(a->workload, b->workload) == 0 && strcmp(a->setting, b->setting) == 0;
}

static void put_first(FILE *out, const struct bench_result *it) {
    char text[32];
    const struct bench_figure *of = it->of->kind == BENCH_CLIENTS ? &it->cpu_ns : &it->time_ns;
    fprintf(out, "| %s, %s | %s %s%s |", it->of->workload, it->of->setting, it->of->subject,
            text_of_time(text, sizeof text, of->median), it->is_wide ? "?" : "");
}

static void put_ratio(FILE *out, const struct bench_result *it) {
    fprintf(out, " %s ", it->is_control ? "again" : it->of->subject);
    if (it->error != 0)
        fputs("\u2013", out);
    else if (it->rounds < ROUNDS_MIN)
        fprintf(out, "%.2f?", it->ratio.median);
    else
        fprintf(out, "%.2f (%.2f\u2013%.2f)", it->ratio.median, it->ratio.low, it->ratio.high);
}

/* Only where something was measured of it. */
static void put_memory(FILE *out, const struct bench_result *it) {
    char process[32], kernel[32];
    if (it->error != 0 || it->is_control || it->of->memory_items == 0) return;
    double each = it->of->memory_items;
    fprintf(out, "| %s | %s | %s |\n", it->of->subject,
            text_of_bytes(process, sizeof process, it->memory_bytes / each),
            it->kernel_bytes < 0 ? "-"
                                 : text_of_bytes(kernel, sizeof kernel, it->kernel_bytes / each));
}

static bool has_memory(const struct bench_result *results, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (results[i].of->memory_items > 0) return true;
    return false;
}

void peers_tell_markdown(FILE *out, const struct bench_result *results, size_t count) {
    fputs("\n| workload | first of the group | ratios to it, and where the true ones are |\n"
          "|---|---|---|\n",
          out);
    for (size_t i = 0; i < count; i++) {
        bool is_first = i == 0 || !is_same_group(results[i].of, results[i - 1].of);
        bool is_last = i + 1 == count || !is_same_group(results[i].of, results[i + 1].of);
        if (is_first)
            put_first(out, &results[i]);
        else
            put_ratio(out, &results[i]);
        fputs(is_last ? " |\n" : is_first ? "" : ",", out);
    }
    if (!has_memory(results, count)) return;
    fputs("\n| memory of a connection | in the process | in the kernel |\n|---|---|---|\n", out);
    for (size_t i = 0; i < count; i++) put_memory(out, &results[i]);
}
