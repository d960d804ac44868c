/* bench_options.c: see bench_options.h. Without state. */
#include "bench_options.h"
#include "bench_guard.h"
#include "report_dir.h"
#include "samples.h"

#include <errno.h>
#include <fcntl.h>
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
    return value[0] != '\0';
}

bool bench_set_report(void *to, const char *value) {
    ((struct bench_options *)to)->report = value;
    return value[0] != '\0';
}

bool bench_set_trace(void *to, const char *value) {
    struct trace_request *trace = &((struct bench_options *)to)->trace;
    return trace_request_parse(trace, value) && trace->seconds < 0;
}

bool bench_set_count_calls(void *to, const char *value) {
    (void)value;
    return ((struct bench_options *)to)->counts_calls = true;
}

bool bench_set_arrivals(void *to, const char *value) {
    static const char *const names[] = {
        [BENCH_CLOSED] = "closed", [BENCH_CONSTANT] = "constant", [BENCH_POISSON] = "poisson"};
    struct bench_rates *rates = &((struct bench_options *)to)->rates;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], value) != 0) continue;
        rates->arrivals = (enum bench_arrivals)i;
        return rates->has_arrivals = true;
    }
    return false;
}

bool bench_set_rate(void *to, const char *value) {
    struct bench_rates *rates = &((struct bench_options *)to)->rates;
    return rates->count < BENCH_RATES_MAX &&
           command_line_number(value, 1, BENCH_RATE_MAX, &rates->list[rates->count++]);
}

bool bench_set_sweep(void *to, const char *value) {
    (void)value;
    return ((struct bench_options *)to)->rates.is_sweep = true;
}

bool bench_set_network(void *to, const char *value) {
    return bench_network_parse(&((struct bench_options *)to)->network, value);
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

struct bench_options bench_options_make(const struct command_line *line, unsigned rounds,
                                        unsigned sample_ms, int argc, char **argv) {
    return (struct bench_options){.command = line->command,
                                  .rounds = rounds,
                                  .sample_ms = sample_ms,
                                  .seed = 1,
                                  .argc = argc,
                                  .argv = argv};
}

bool bench_parse(const struct command_line *line, struct bench_options *options, void (*help)(void),
                 int *status) {
    char error[256];
    *status = 0;
    if (command_line_parse(line, options, options->argc, options->argv, error, sizeof error) < 0) {
        fprintf(stderr, "eddy: %s\n", error);
        *status = 2;
    } else if (options->help) {
        help();
    }
    return *status == 0 && !options->help;
}

/* A file that could not be written is told of before the measurement, not after it. One that is
 * there stays as it is. */
static bool can_write(const char *option, const char *path) {
    char text[64];
    bool was_there = access(path, F_OK) == 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666);
    if (fd < 0) {
        fprintf(stderr, "eddy: --%s: \"%s\" cannot be written: %s\n", option, path,
                eddy_strerror(-errno, text, sizeof text));
        return false;
    }
    close(fd);
    if (!was_there) unlink(path);
    return true;
}

static bool can_write_all(const struct bench_options *options) {
    char trace[TRACE_PATH_MAX];
    if (options->trace.value != NULL) {
        trace_path_with(trace, &options->trace, NULL);
        if (!can_write("trace", trace)) return false;
    }
    return options->plot == NULL || can_write("plot", options->plot);
}

/* Those of the rows that have one; returns how many. */
static size_t make_results(const struct bench_samples *samples, struct bench_result *results) {
    size_t count = 0;
    for (size_t i = 0; i < samples->row_count; i++) {
        bench_result_of(samples, i, &results[count]);
        if (results[count].error != 0 || results[count].rounds > 0) count++;
    }
    return count;
}

static int plot(const char *path, const struct bench_result *results, size_t count) {
    char text[64];
    int err = bench_plot(path, results, count);
    if (err < 0) fprintf(stderr, "eddy: --plot: %s\n", eddy_strerror(err, text, sizeof text));
    return err < 0;
}

enum { EXIT_NOTHING = 3, EXIT_SIGNAL = 128 };

static int tell_all(const struct bench_options *options, const struct bench_samples *samples) {
    struct bench_result *results = calloc(samples->row_count + 1, sizeof *results);
    if (results == NULL) {
        fputs("eddy: out of memory\n", stderr);
        return 1;
    }
    size_t count = make_results(samples, results);
    int status = samples->count == 0 ? EXIT_NOTHING : 0;
    if (options->rates.is_sweep && options->format == BENCH_TABLE)
        bench_tell_sweep(stdout, results, count);
    else if (options->tell == NULL)
        bench_tell(stdout, options->format, options->seed, results, count);
    else if (status == 0)
        options->tell(stdout, results, count);
    if (status == 0 && options->conclude != NULL) options->conclude(stdout, samples);
    if (status == 0 && options->plot != NULL) status = plot(options->plot, results, count);
    free(results);
    if (bench_interrupted() == 0) return status;
    fputs("eddy: interrupted; what was measured until then has been told\n", stderr);
    return EXIT_SIGNAL + bench_interrupted();
}

static int begin_report(struct report_dir *report, const struct bench_options *options) {
    struct report_of of = {
        .path = options->report,
        .command = options->command,
        .seed = options->seed,
        .rounds = options->rounds,
        .sample_ms = options->sample_ms,
        .argc = options->argc,
        .argv = options->argv,
    };
    return report_dir_open(report, &of);
}

int bench_execute(const struct bench_options *options, const struct bench_case *cases,
                  size_t count) {
    struct bench_plan plan = {
        .rounds = options->rounds,
        .time_ns = options->sample_ms * EDDY_NS_PER_MS,
        .seed = options->seed,
        .counts_calls = options->counts_calls,
        .is_sweep = options->rates.is_sweep,
        .show_progress = true,
        .trace = options->trace.value != NULL ? &options->trace : NULL,
    };
    struct bench_samples samples;
    struct report_dir report;
    char text[64];
    if (!can_write_all(options)) return 2;
    if (!bench_network_open(&options->network)) return 2;
    if (options->report != NULL && begin_report(&report, options) < 0) return 2;
    if (options->format == BENCH_TABLE) {
        bench_tell_machine(stdout, BENCH_TABLE);
        printf("order within the rounds: --seed %u\n", options->seed);
        if (options->network.text != NULL)
            printf("between server and clients: --network %s\n", bench_network_text());
    }
    int err = bench_samples_init(&samples, cases, count, true);
    if (options->report != NULL) {
        samples.keep = report_dir_keep;
        samples.context = &report;
    }
    if (err == 0) err = bench_run(&samples, &plan);
    if (err < 0) fprintf(stderr, "eddy: %s\n", eddy_strerror(err, text, sizeof text));
    int status = tell_all(options, &samples); /* of a run that has failed, what came before */
    if (options->report != NULL && report_dir_close(&report, &samples) < 0 && status == 0)
        status = 1;
    bench_samples_free(&samples);
    return err < 0 ? 1 : status;
}
