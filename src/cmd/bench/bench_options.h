/* bench_options.h: what the commands of `eddy bench` have in common: options, and what is done in
 * the end. */
#ifndef EDDY_CMD_BENCH_OPTIONS_H
#define EDDY_CMD_BENCH_OPTIONS_H

#include "command_line.h"
#include "network.h"
#include "rates.h"
#include "samples.h"

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
    struct bench_rates rates;
    struct bench_network network;
    /* Tells people what came out; NULL: bench_tell does. */
    void (*tell)(FILE *out, const struct bench_result *results, size_t count);
    /* What else there is to say of all samples, behind the table; NULL: nothing. */
    void (*conclude)(FILE *out, const struct bench_samples *samples);
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
bool bench_set_arrivals(void *to, const char *value);
bool bench_set_rate(void *to, const char *value);
bool bench_set_sweep(void *to, const char *value);
bool bench_set_network(void *to, const char *value);
bool bench_set_help(void *to, const char *value);

/* For command_line.take_argument: the benches take none. */
int bench_refuse_argument(void *options, const char *argument, char *error, size_t error_size);

/* Rules that the tables of several commands have; `usual` is a text, as all of `help`. */
#define BENCH_RULE_ROUNDS(usual)                                                     \
    {                                                                                \
        "rounds", "N", "a number from 1 to 100", bench_set_rounds,                   \
            "take so many samples of each, after one to warm up (default " usual ")" \
    }
#define BENCH_RULE_SAMPLE_MS(help) \
    { "sample-ms", "N", "a number from 1 to 60000", bench_set_sample_ms, help }
#define BENCH_RULE_SEED                                               \
    {                                                                 \
        "seed", "N", "a number from 0 to 4294967295", bench_set_seed, \
            "shuffle the order within each round by it (default 1)"   \
    }
#define BENCH_RULE_JSON \
    { "json", NULL, "", bench_set_json, "print JSON" }
#define BENCH_RULE_CSV \
    { "csv", NULL, "", bench_set_csv, "print comma-separated values" }
#define BENCH_RULE_PLOT(help) \
    { "plot", "FILE.svg", "the name of a file to be written", bench_set_plot, help }
#define BENCH_RULE_REPORT                                                                        \
    {                                                                                            \
        "report", "DIR", "a directory that is empty or not there", bench_set_report,             \
            "keep all samples in DIR, with what the machine is, a script to" COMMAND_LINE_INDENT \
            "measure again, and a page with charts"                                              \
    }
#define BENCH_RULE_NETWORK                                                                    \
    {                                                                                         \
        "network", "HOW", "netns, or with a delay and a loss, as netns,delay=5ms,loss=0.1%",  \
            bench_set_network,                                                                \
            "netns: clients reach the server over a pair of virtual devices, "                \
            "each" COMMAND_LINE_INDENT "end in a network namespace of its own, and not over " \
            "loopback; with" COMMAND_LINE_INDENT                                              \
            ",delay=5ms and ,loss=0.1% each way; it wants ip and tc, and the "                \
            "right" COMMAND_LINE_INDENT "to make namespaces"                                  \
    }
#define BENCH_RULE_HELP \
    { "help", NULL, "", bench_set_help, "print this" }

/* What a command's options are before its command line is read. */
struct bench_options bench_options_make(const struct command_line *line, unsigned rounds,
                                        unsigned sample_ms, int argc, char **argv);

/* Reads the command line. True: there is something to run. Else `status` is what the program ends
 * with: what was wrong has been told, or what was asked for, by `help`. */
bool bench_parse(const struct command_line *line, struct bench_options *options, void (*help)(void),
                 int *status);

/* Runs the cases, tells and draws what came out. Returns the exit status. */
int bench_execute(const struct bench_options *options, const struct bench_case *cases,
                  size_t count);

#endif
