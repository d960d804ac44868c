/* report.c: tells results as a table for people, or as JSON or CSV for machines. Without state. */
#include "bench.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

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
        snprintf(text, size, "%.0f k", count / 1e3);
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

static void tell_head(FILE *out, const struct bench_case *it) {
    fprintf(out, "\n%s: %s\n", it->workload, it->setting);
    fprintf(out, "  %-14s %9s %19s %7s %9s %9s %9s %9s %7s %9s %9s\n", "", it->operation,
            "half of them within", "ratio", "a second", "p50", "p99", "p99.9", "calls", "CPU",
            it->memory_items > 0 ? "mem. each" : "memory");
}

static void tell_row(FILE *out, const struct bench_result *result) {
    char time[16], low[16], high[16], rate[16], p50[16], p99[16], p999[16], calls[16], cpu[16],
        memory[16], range[40];
    if (result->error != 0) {
        fprintf(out, "  %-14s %s\n", result->of->subject, result->why);
        return;
    }
    const struct bench_figure *it = &result->time_ns;
    bool has_times = result->p50_ns > 0;
    double bytes = result->memory_bytes, items = result->of->memory_items;
    snprintf(range, sizeof range, "%s-%s", text_of_time(low, sizeof low, it->low),
             text_of_time(high, sizeof high, it->high));
    fprintf(out, "  %-14s %9s %19s %6.2f%c %9s %9s %9s %9s %7s %9s %9s\n", result->of->subject,
            text_of_time(time, sizeof time, it->median), range, result->ratio.median,
            result->is_wide ? '?' : ' ', text_of_count(rate, sizeof rate, 1e9 / it->median),
            text_of_time(p50, sizeof p50, has_times ? (double)result->p50_ns : -1),
            text_of_time(p99, sizeof p99, has_times ? (double)result->p99_ns : -1),
            text_of_time(p999, sizeof p999, has_times ? (double)result->p999_ns : -1),
            text_of_count(calls, sizeof calls, result->calls.median),
            text_of_time(cpu, sizeof cpu, result->cpu_ns.median),
            text_of_bytes(memory, sizeof memory, items > 0 ? bytes / items : bytes));
}

static void tell_table(FILE *out, const struct bench_result *results, size_t count) {
    bool any_wide = false;
    for (size_t i = 0; i < count; i++) {
        if (begins_group(results, i)) tell_head(out, results[i].of);
        tell_row(out, &results[i]);
        any_wide = any_wide || results[i].is_wide;
    }
    fputs(
        "\nTimes, calls and CPU are per operation, medians over the rounds; the ratio is of time, "
        "to the first row\nof the group in the same round.\n",
        out);
    if (any_wide)
        fputs("?: the spread between the quartiles is over 10 %: too wide to conclude from. A "
              "quieter machine or\nmore --rounds helps.\n",
              out);
}

/* --- For machines --- */

/* The texts are the program's own: nothing in them needs more than this. */
static void json_text(FILE *out, const char *name, const char *text) {
    fprintf(out, "\"%s\": \"", name);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void json_number(FILE *out, const char *name, double number) {
    if (number < 0)
        fprintf(out, ", \"%s\": null", name);
    else
        fprintf(out, ", \"%s\": %.6g", name, number);
}

static void json_figure(FILE *out, const char *name, const struct bench_figure *it) {
    fprintf(out, ", \"%s\": ", name);
    if (it->median < 0)
        fputs("null", out);
    else
        fprintf(out, "{\"median\": %.6g, \"low\": %.6g, \"high\": %.6g}", it->median, it->low,
                it->high);
}

static void json_result(FILE *out, const struct bench_result *result) {
    const struct bench_case *it = result->of;
    fputs("{", out);
    json_text(out, "workload", it->workload);
    fputs(", ", out);
    json_text(out, "setting", it->setting);
    fputs(", ", out);
    json_text(out, "subject", it->subject);
    fputs(", ", out);
    json_text(out, "operation", it->operation);
    json_number(out, "size", (double)it->size);
    if (result->error != 0) {
        fprintf(out, ", \"error\": %d, ", result->error);
        json_text(out, "why", result->why);
    } else {
        json_figure(out, "time_ns", &result->time_ns);
        json_figure(out, "ratio", &result->ratio);
        json_figure(out, "cpu_ns", &result->cpu_ns);
        json_figure(out, "calls", &result->calls);
        json_figure(out, "switches", &result->switches);
        bool has_times = result->p50_ns > 0;
        json_number(out, "p50_ns", has_times ? (double)result->p50_ns : -1);
        json_number(out, "p99_ns", has_times ? (double)result->p99_ns : -1);
        json_number(out, "p999_ns", has_times ? (double)result->p999_ns : -1);
        json_number(out, "memory_bytes", result->memory_bytes);
        fprintf(out, ", \"spread_too_wide\": %s", result->is_wide ? "true" : "false");
    }
    fputs("}", out);
}

static void tell_json(FILE *out, const struct bench_result *results, size_t count) {
    fputs("{", out);
    bench_tell_machine(out, BENCH_JSON);
    fputs(",\n \"results\": [", out);
    for (size_t i = 0; i < count; i++) {
        fputs(i == 0 ? "\n  " : ",\n  ", out);
        json_result(out, &results[i]);
    }
    fputs("\n]}\n", out);
}

static void csv_number(FILE *out, double number) {
    if (number < 0)
        fputc(',', out);
    else
        fprintf(out, ",%.6g", number);
}

static void tell_csv(FILE *out, const struct bench_result *results, size_t count) {
    fputs("workload,setting,subject,operation,size,time_ns,time_ns_low,time_ns_high,ratio,cpu_ns,"
          "calls,switches,p50_ns,p99_ns,p999_ns,memory_bytes,spread_too_wide,error\n",
          out);
    for (size_t i = 0; i < count; i++) {
        const struct bench_result *it = &results[i];
        bool ok = it->error == 0, has_times = ok && it->p50_ns > 0;
        const double numbers[] = {
            ok ? it->time_ns.median : -1,        ok ? it->time_ns.low : -1,
            ok ? it->time_ns.high : -1,          ok ? it->ratio.median : -1,
            ok ? it->cpu_ns.median : -1,         ok ? it->calls.median : -1,
            ok ? it->switches.median : -1,       has_times ? (double)it->p50_ns : -1,
            has_times ? (double)it->p99_ns : -1, has_times ? (double)it->p999_ns : -1,
            ok ? it->memory_bytes : -1,
        };
        fprintf(out, "%s,\"%s\",%s,%s,%lld", it->of->workload, it->of->setting, it->of->subject,
                it->of->operation, (long long)it->of->size);
        for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++) csv_number(out, numbers[n]);
        fprintf(out, ",%s,%s\n", it->is_wide ? "true" : "false", ok ? "" : it->why);
    }
}

void bench_tell(FILE *out, enum bench_format format, const struct bench_result *results,
                size_t count) {
    if (format == BENCH_JSON)
        tell_json(out, results, count);
    else if (format == BENCH_CSV)
        tell_csv(out, results, count);
    else
        tell_table(out, results, count);
}

/* --- The machine --- */

static void read_processor(char *name, size_t size) {
    snprintf(name, size, "an unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (file == NULL) return;
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        const char *value = strstr(line, ": ");
        if (strncmp(line, "model name", 10) != 0 || value == NULL) continue;
        snprintf(name, size, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        break;
    }
    fclose(file);
}

void bench_tell_machine(FILE *out, enum bench_format format) {
    struct utsname system;
    char processor[128];
    uname(&system);
    read_processor(processor, sizeof processor);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (format == BENCH_JSON) {
        fputs("\"machine\": {", out);
        json_text(out, "processor", processor);
        json_number(out, "processors", (double)cores);
        fputs(", ", out);
        json_text(out, "system", system.sysname);
        fputs(", ", out);
        json_text(out, "release", system.release);
        fputs(", ", out);
        json_text(out, "architecture", system.machine);
        fputs("}", out);
        return;
    }
    if (format == BENCH_TABLE)
        fprintf(out, "%s %s, %s, %ld of %s; eddy %s\n", system.sysname, system.release,
                system.machine, cores, processor, eddy_version());
}
