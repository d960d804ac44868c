/* report.c: tells results, as JSON or CSV for machines; report_table.c does it for people. Without
 * state. */
#include "json.h"
#include "samples.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* --- For machines --- */

/* A setting may have a path in it. */
static void json_text(FILE *out, const char *name, const char *text) {
    char member[1024];
    struct json json;
    json_begin(&json, member, sizeof member);
    json_add(&json, "\"%s\": ", name);
    json_add_text(&json, text);
    fputs(member, out);
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

/* A quantile that too few operations were timed for is not. */
static double known(int64_t quantile_ns) {
    return quantile_ns > 0 ? (double)quantile_ns : -1;
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
    if (it->rate > 0) json_number(out, "rate", it->rate);
    fprintf(out, ", \"control\": %s", result->is_control ? "true" : "false");
    if (result->error != 0) {
        fprintf(out, ", \"error\": %d, ", result->error);
        json_text(out, "why", result->why);
    } else {
        json_number(out, "rounds", result->rounds);
        json_figure(out, "time_ns", &result->time_ns);
        json_figure(out, "ratio", &result->ratio);
        json_figure(out, "cpu_ns", &result->cpu_ns);
        json_figure(out, "calls", &result->calls);
        json_figure(out, "calls_counted", &result->counted);
        for (unsigned i = 0; i < BENCH_COUNTERS; i++)
            json_figure(out, bench_metrics[BENCH_FIRST_COUNTER + i].name, &result->counters[i]);
        json_figure(out, "switches", &result->switches);
        json_figure(out, "events", &result->events);
        json_figure(out, "busy", &result->busy);
        json_number(out, "timed", (double)result->timed);
        json_number(out, "p50_ns", known(result->p50_ns));
        json_number(out, "p99_ns", known(result->p99_ns));
        json_number(out, "p999_ns", known(result->p999_ns));
        json_number(out, "memory_bytes", result->memory_bytes);
        json_number(out, "memory_before_bytes", result->before_bytes);
        json_number(out, "kernel_bytes", result->kernel_bytes);
        json_number(out, "served", result->served);
        json_number(out, "answered", result->answered);
        json_number(out, "spread", result->spread);
        fprintf(out, ", \"spread_too_wide\": %s", result->is_wide ? "true" : "false");
    }
    fputs("}", out);
}

static void tell_json(FILE *out, uint64_t seed, const struct bench_result *results, size_t count) {
    fputs("{", out);
    bench_tell_machine(out, BENCH_JSON);
    fprintf(out, ", \"seed\": %llu", (unsigned long long)seed);
    fputs(",\n \"results\": [", out);
    for (size_t i = 0; i < count; i++) {
        fputs(i == 0 ? "\n  " : ",\n  ", out);
        json_result(out, &results[i]);
    }
    fputs("\n]}\n", out);
}

static void csv_quoted(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void csv_text(FILE *out, const char *text) {
    if (strpbrk(text, ",\"\r\n") == NULL)
        fputs(text, out);
    else
        csv_quoted(out, text);
}

static void csv_number(FILE *out, double number) {
    if (number < 0)
        fputc(',', out);
    else
        fprintf(out, ",%.6g", number);
}

static void csv_result(FILE *out, const struct bench_result *it) {
    const double numbers[] = {
        it->time_ns.median,
        it->time_ns.low,
        it->time_ns.high,
        it->ratio.median,
        it->ratio.low,
        it->ratio.high,
        it->cpu_ns.median,
        it->calls.median,
        it->counted.median,
        it->counters[BENCH_INSTRUCTIONS].median,
        it->counters[BENCH_CYCLES].median,
        it->counters[BENCH_CACHE_MISSES].median,
        it->switches.median,
        it->events.median,
        it->busy.median,
        (double)it->timed,
        known(it->p50_ns),
        known(it->p99_ns),
        known(it->p999_ns),
        it->memory_bytes,
        it->before_bytes,
        it->kernel_bytes,
        it->served,
        it->of->rate > 0 ? (double)it->of->rate : -1,
        it->answered,
        it->spread,
        (double)it->rounds,
    };
    for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
        csv_number(out, it->error == 0 ? numbers[n] : -1);
}

static void tell_csv(FILE *out, const struct bench_result *results, size_t count) {
    fputs("workload,setting,subject,operation,size,time_ns,time_ns_low,time_ns_high,ratio,"
          "ratio_low,ratio_high,cpu_ns,calls,calls_counted,instructions,cycles,cache_misses,"
          "switches,events,busy,timed,p50_ns,p99_"
          "ns,p999_ns,"
          "memory_bytes,memory_before_bytes,kernel_bytes,served,rate,answered,spread,rounds,spread_"
          "too_wide,control,"
          "error\n",
          out);
    for (size_t i = 0; i < count; i++) {
        const struct bench_result *it = &results[i];
        fprintf(out, "%s,", it->of->workload);
        csv_quoted(out, it->of->setting);
        fputc(',', out);
        csv_text(out, it->of->subject);
        fprintf(out, ",%s,%lld", it->of->operation, (long long)it->of->size);
        csv_result(out, it);
        fprintf(out, ",%s,%s,", it->is_wide ? "true" : "false", it->is_control ? "true" : "false");
        csv_text(out, it->error == 0 ? "" : it->why);
        fputc('\n', out);
    }
}

void bench_tell(FILE *out, enum bench_format format, uint64_t seed,
                const struct bench_result *results, size_t count) {
    if (format == BENCH_JSON)
        tell_json(out, seed, results, count);
    else if (format == BENCH_CSV)
        tell_csv(out, results, count);
    else
        bench_tell_table(out, results, count);
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
