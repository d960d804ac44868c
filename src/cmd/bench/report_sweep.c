/* report_sweep.c: tells a sweep of rates: for each subject what came of each rate, and where it
 * falls behind. Without state. */
#include "quantity.h"
#include "rates.h"

#include <string.h>

/* The rows of a subject, at one rate after another. */
static bool is_same_line(const struct bench_result *a, const struct bench_result *b) {
    return a->of->size == b->of->size && strcmp(a->of->workload, b->of->workload) == 0 &&
           strcmp(a->of->subject, b->of->subject) == 0 && a->is_control == b->is_control;
}

static bool is_first_of_line(const struct bench_result *results, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (is_same_line(&results[k], &results[i])) return false;
    return true;
}

/* The setting without its rate: "poisson 8000/s, 10 connections" is "poisson, 10 connections". */
static void put_head(FILE *out, const struct bench_result *it) {
    char rate[24];
    const char *setting = it->of->setting;
    snprintf(rate, sizeof rate, " %u/s", it->of->rate);
    const char *at = strstr(setting, rate);
    int before = (int)(at != NULL ? (size_t)(at - setting) : strlen(setting));
    fprintf(out, "\n%s: %.*s%s: %s%s\n", it->of->workload, before, setting,
            at != NULL ? at + strlen(rate) : "", it->of->subject, it->is_control ? " again" : "");
    fprintf(out, "  %9s %9s %8s %9s %9s %9s %9s %5s %3s\n", "a second", "answered", "of them",
            "p50", "p99", "p99.9", "CPU", "busy", "n");
}

static const char *latency(char *text, size_t size, int64_t time_ns) {
    return text_of_time(text, size, time_ns > 0 ? (double)time_ns : -1);
}

static void put_row(FILE *out, const struct bench_result *it) {
    char rate[16], answered[16], share[16] = "-", p50[16], p99[16], p999[16], cpu[16];
    text_of_count(rate, sizeof rate, it->of->rate);
    if (it->error != 0) {
        fprintf(out, "  %9s %s\n", rate, it->why);
        return;
    }
    if (it->answered >= 0) snprintf(share, sizeof share, "%.0f%%", 100 * it->answered);
    fprintf(out, "  %9s %9s %8s %9s %9s %9s %9s %4.0f%% %3u%s\n", rate,
            text_of_count(answered, sizeof answered, 1e9 / it->time_ns.median), share,
            latency(p50, sizeof p50, it->p50_ns), latency(p99, sizeof p99, it->p99_ns),
            latency(p999, sizeof p999, it->p999_ns),
            text_of_time(cpu, sizeof cpu, it->cpu_ns.median), 100 * it->busy.median, it->rounds,
            bench_keeps_up(it->answered) ? "" : "  behind");
}

static void put_end(FILE *out, const struct bench_result *kept, const struct bench_result *behind) {
    char most[16], asked[16], answered[16];
    if (kept != NULL) text_of_count(most, sizeof most, kept->of->rate);
    if (behind == NULL) {
        if (kept != NULL)
            fprintf(out, "  keeps up with all that was asked for, %s a second\n", most);
        return;
    }
    text_of_count(asked, sizeof asked, behind->of->rate);
    text_of_count(answered, sizeof answered, 1e9 / behind->time_ns.median);
    if (kept != NULL)
        fprintf(out, "  keeps up with %s a second; of %s it answers %s\n", most, asked, answered);
    else
        fprintf(out, "  does not keep up with %s a second, of which it answers %s\n", asked,
                answered);
}

static void put_line(FILE *out, const struct bench_result *results, size_t count, size_t first) {
    const struct bench_result *kept = NULL, *behind = NULL;
    put_head(out, &results[first]);
    for (size_t i = first; i < count; i++) {
        const struct bench_result *it = &results[i];
        if (!is_same_line(it, &results[first])) continue;
        put_row(out, it);
        if (it->error != 0) continue;
        if (bench_keeps_up(it->answered))
            kept = it;
        else if (behind == NULL)
            behind = it;
    }
    put_end(out, kept, behind);
}

void bench_tell_sweep(FILE *out, const struct bench_result *results, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (is_first_of_line(results, i)) put_line(out, results, count, i);
    fputs(
        "\nMedians over n rounds. Latencies count from when a request was due, whether it could "
        "be sent then or not,\nand those without an answer count with the time that they have "
        "waited. Behind is who has answered less than\n95 of 100 that were due; what comes then is "
        "as much as it can do, and its latencies grow with the time that is\nmeasured for. CPU is "
        "the server's, per request, and busy the share of the time in which it had a processor: "
        "if\nthat is far from 100% where it falls behind, it is the clients or the machine that "
        "do, "
        "and not the server.\n\"Again\" is the first of all once more: as far as the two are "
        "apart, "
        "noise goes.\n",
        out);
}
