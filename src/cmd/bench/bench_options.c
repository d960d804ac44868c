/* bench_options.c: see bench_options.h. Without state. */
#include "bench_options.h"
#include "samples.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool bench_set_rounds(void *to, const char *value) {
    return command_line_number(value, 1, 100, &((struct bench_options *)to)->rounds);
}

bool bench_set_sample_ms(void *to, const char *value) {
    return command_line_number(value, 1, 60000, &((struct bench_options *)to)->sample_ms);
}

bool bench_set_seed(void *to, const char *value) {
    return command_line_number(value, 0, UINT_MAX, &((struct bench_options *)to)->seed);
}

bool bench_set_json(void *to, const char *value) {
    (void)value;
    ((struct bench_options *)to)->format = BENCH_JSON;
    return true;
}

bool bench_set_csv(void *to, const char *value) {
    (void)value;
    ((struct bench_options *)to)->format = BENCH_CSV;
    return true;
}

bool bench_set_plot(void *to, const char *value) {
    ((struct bench_options *)to)->plot = value;
    return value[0] != '\0' && strpbrk(value, "'\n") == NULL;
}

bool bench_set_trace(void *to, const char *value) {
    struct trace_request *trace = &((struct bench_options *)to)->trace;
    return trace_request_parse(trace, value) && trace->seconds < 0;
}

bool bench_set_help(void *to, const char *value) {
    (void)value;
    return ((struct bench_options *)to)->help = true;
}

int bench_refuse_argument(void *options, const char *argument, char *error, size_t error_size) {
    snprintf(error, error_size, "\"%s\" is no option; \"%s --help\" lists them", argument,
             ((struct bench_options *)options)->command);
    return -EINVAL;
}

static int tell_all(const struct bench_options *options, const struct bench_samples *samples) {
    char text[64];
    struct bench_result *results = calloc(samples->row_count + 1, sizeof *results);
    int err = results == NULL ? -ENOMEM : 0;
    for (size_t i = 0; err == 0 && i < samples->row_count; i++)
        bench_result_of(samples, i, &results[i]);
    if (err == 0) bench_tell(stdout, options->format, results, samples->row_count);
    if (err == 0 && options->plot != NULL)
        err = bench_plot(options->plot, results, samples->row_count);
    free(results);
    if (err == -ENOENT)
        fputs("eddy: --plot needs gnuplot, which is not installed\n", stderr);
    else if (err < 0)
        fprintf(stderr, "eddy: %s\n", eddy_strerror(err, text, sizeof text));
    return err < 0;
}

int bench_execute(const struct bench_options *options, const struct bench_case *cases,
                  size_t count) {
    struct bench_plan plan = {
        .rounds = options->rounds,
        .time_ns = options->sample_ms * EDDY_NS_PER_MS,
        .seed = options->seed,
        .show_progress = isatty(STDERR_FILENO),
        .trace = options->trace.value != NULL ? &options->trace : NULL,
    };
    struct bench_samples samples;
    char text[64];
    if (options->format == BENCH_TABLE) bench_tell_machine(stdout, BENCH_TABLE);
    int err = bench_samples_init(&samples, cases, count, true);
    if (err == 0) err = bench_run(&samples, &plan);
    if (err < 0) fprintf(stderr, "eddy: %s\n", eddy_strerror(err, text, sizeof text));
    int status = err < 0 ? 1 : tell_all(options, &samples);
    bench_samples_free(&samples);
    return status;
}
