/* bench_options.h: what the commands of `eddy bench` have in common: options, and what is done in
 * the end. */
#ifndef EDDY_CMD_BENCH_OPTIONS_H
#define EDDY_CMD_BENCH_OPTIONS_H

#include "bench.h"
#include "command_line.h"

/* A command's own options begin with these, so that the setters work on them as well. */
struct bench_options {
    const char *command; /* "eddy bench backends" */
    unsigned rounds, sample_ms, seed;
    enum bench_format format;
    const char *plot, *report;
    int argc; /* the arguments themselves, for whoever wants to run the same again */
    char **argv;
    struct trace_request trace;
    bool counts_calls;
    /* Tells what came out; NULL: bench_tell does. */
    void (*tell)(FILE *out, const struct bench_result *results, size_t count);
    bool help;
};

bool bench_set_rounds(void *to, const char *value);
bool bench_set_sample_ms(void *to, const char *value);
bool bench_set_seed(void *to, const char *value);
bool bench_set_json(void *to, const char *value);
bool bench_set_csv(void *to, const char *value);
bool bench_set_plot(void *to, const char *value);
bool bench_set_count_calls(void *to, const char *value);
bool bench_set_report(void *to, const char *value);
bool bench_set_trace(void *to, const char *value);
bool bench_set_help(void *to, const char *value);

/* For command_line.take_argument: the benches take none. */
int bench_refuse_argument(void *options, const char *argument, char *error, size_t error_size);

/* Runs the cases, tells and draws what came out. Returns the exit status. */
int bench_execute(const struct bench_options *options, const struct bench_case *cases,
                  size_t count);

#endif
