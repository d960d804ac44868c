/* bench_backends.c: `eddy bench backends`: which workloads, of which sizes and at which rates, on
 * which backends. */
#include "bench_options.h"
#include "workloads.h"

#include <stdlib.h>
#include <string.h>

enum { CASES_MAX = 4096, CHOSEN_MAX = 16, BACKENDS_MAX = 8, RATE_SIZE = 100 };

static const struct bench_rates usual_rates = {.list = {1000, 8000, 32000}, .count = 3};
static const char rate_workload[] = "echo";

struct options {
    struct bench_options common; /* first */
    const char *workloads[CHOSEN_MAX], *backends[CHOSEN_MAX];
    unsigned sizes[CHOSEN_MAX];
    size_t workload_count, backend_count, size_count;
};

/* --- The command line --- */

static bool set_workload(void *to, const char *value) {
    struct options *options = to;
    if (options->workload_count == CHOSEN_MAX) return false;
    if (bench_workload_find(value) == NULL) return false;
    options->workloads[options->workload_count++] = value;
    return true;
}

static bool set_backend(void *to, const char *value) {
    struct options *options = to;
    eddy_backend_info backend;
    if (options->backend_count == CHOSEN_MAX) return false;
    for (size_t i = 0; eddy_backend_at(i, &backend) == 0; i++) {
        if (strcmp(backend.name, value) != 0) continue;
        options->backends[options->backend_count++] = value;
        return true;
    }
    return false;
}

static bool set_size(void *to, const char *value) {
    struct options *options = to;
    return options->size_count < CHOSEN_MAX &&
           command_line_number(value, 1, 10000000, &options->sizes[options->size_count++]);
}

static const struct option_rule rules[] = {
    {"workload", "NAME", "a workload of \"eddy bench backends --help\"", set_workload,
     "run this workload; may be given several times (default: all)"},
    {"backend", "NAME", "a backend of this binary, which \"eddy backends\" lists", set_backend,
     "compare this backend; may be given several times; the first" COMMAND_LINE_INDENT
     "is what ratios refer to (default: all)"},
    {"size", "N", "a number from 1 to 10000000, 16 of them at most", set_size,
     "with so many descriptors, timers or jobs; may be given" COMMAND_LINE_INDENT
     "several times (default: what suits the workload)"},
    {"arrivals", "KIND", "closed, constant or poisson", bench_set_arrivals,
     "closed: a client sends the next message when the last one has come" COMMAND_LINE_INDENT
     "back (default); constant, poisson: at a rate, evenly or as of many" COMMAND_LINE_INDENT
     "who know nothing of each other, whether the server keeps up or not;" COMMAND_LINE_INDENT
     "the time of each begins when it should have been sent"},
    {"rate", "N", "a number from 1 to 10000000, 24 of them at most", bench_set_rate,
     "so many messages a second, over all connections; may be given" COMMAND_LINE_INDENT
     "several times (default: 1000, 8000 and 32000); poisson, and echo with" COMMAND_LINE_INDENT
     "100 connections, if nothing is said"},
    {"sweep", NULL, "", bench_set_sweep,
     "rates from --rate (default 1000) on, two for each doubling, until a" COMMAND_LINE_INDENT
     "backend answers less than 95 of 100 that are due"},
    BENCH_RULE_NETWORK,
    BENCH_RULE_ROUNDS("7"),
    BENCH_RULE_SAMPLE_MS("measure for so many milliseconds each (default 300)"),
    BENCH_RULE_SEED,
    {"count-calls", NULL, "", bench_set_count_calls,
     "count system calls from outside as well, in a round of its own" COMMAND_LINE_INDENT
     "(calls are what the loop says that it makes)"},
    BENCH_RULE_JSON,
    BENCH_RULE_CSV,
    BENCH_RULE_PLOT("draw it, a panel for each workload"),
    BENCH_RULE_REPORT,
    {"trace", "FILE", "a file's name, without a comma and a number behind it", bench_set_trace,
     "write down what the loop does at the end of one sample more" COMMAND_LINE_INDENT
     "of each workload, which does not count; as text if FILE" COMMAND_LINE_INDENT
     "ends in .txt, else for ui.perfetto.dev; of several, FILE" COMMAND_LINE_INDENT
     "gets their names, backends and sizes"},
    BENCH_RULE_HELP,
};

static const struct command_line line = {
    .command = "eddy bench backends",
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .take_argument = bench_refuse_argument,
};

static void help(void) {
    fputs("usage: eddy bench backends [options]\n\n"
          "Runs the same workloads on each backend, in turn, and compares.\n\nworkloads:\n",
          stdout);
    for (size_t i = 0; i < bench_workload_count; i++)
        printf("  %-13s %s\n", bench_workloads[i].name, bench_workloads[i].help);
    fputs("\noptions:\n", stdout);
    command_line_help(&line, stdout);
}

/* --- The cases --- */

static bool is_chosen(const char *const *chosen, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(chosen[i], name) == 0) return true;
    return count == 0;
}

static void make_case(struct bench_case *it, const struct bench_workload *workload,
                      const char *backend, unsigned size, enum bench_arrivals arrivals,
                      unsigned rate) {
    char text[sizeof it->setting], setting[sizeof it->setting];
    bench_workload_make(it, workload, backend, size);
    if (rate == 0) return;
    it->rate = rate;
    it->numbers[3] = arrivals;
    memcpy(setting, it->setting, sizeof setting);
    bench_rates_text(text, sizeof text, arrivals, rate);
    snprintf(it->setting, sizeof it->setting, "%.24s%.39s", text, setting);
}

/* For each rate (one that is none where nothing else can be) a group. */
static size_t add_groups(struct bench_case *cases, size_t count,
                         const struct bench_workload *workload, unsigned size,
                         const struct options *options) {
    const struct bench_rates *rates = &options->common.rates;
    for (size_t k = 0; k < rates->count; k++)
        for (size_t i = 0; i < options->backend_count && count < CASES_MAX; i++)
            make_case(&cases[count++], workload, options->backends[i], size, rates->arrivals,
                      rates->list[k]);
    return count;
}

static size_t make_cases(struct bench_case *cases, const struct options *options) {
    size_t count = 0;
    for (size_t i = 0; i < bench_workload_count; i++) {
        const struct bench_workload *it = &bench_workloads[i];
        if (!is_chosen(options->workloads, options->workload_count, it->name)) continue;
        const unsigned *sizes = options->size_count > 0 ? options->sizes : it->sizes;
        size_t size_count = options->size_count > 0 ? options->size_count : BENCH_SIZES_MAX;
        for (size_t k = 0; k < size_count && sizes[k] > 0; k++)
            count = add_groups(cases, count, it, sizes[k], options);
    }
    return count;
}

/* The table of backends is the library's own: its names stay. */
static void choose_all(struct options *options) {
    static eddy_backend_info backends[BACKENDS_MAX];
    for (size_t i = 0; i < BACKENDS_MAX && eddy_backend_at(i, &backends[i]) == 0; i++)
        options->backends[options->backend_count++] = backends[i].name;
}

/* False: a workload was chosen that knows of no rate, which has been told. */
static bool settle_for_rates(struct options *options) {
    for (size_t i = 0; i < options->workload_count; i++) {
        if (bench_workload_has_rates(bench_workload_find(options->workloads[i]))) continue;
        fprintf(stderr, "eddy: \"%s\" has no messages that could come at a rate;",
                options->workloads[i]);
        for (size_t k = 0, found = 0; k < bench_workload_count; k++)
            if (bench_workload_has_rates(&bench_workloads[k]))
                fprintf(stderr, "%s %s", found++ > 0 ? "," : "", bench_workloads[k].name);
        fputs(" have\n", stderr);
        return false;
    }
    if (options->workload_count > 0) return true;
    options->workloads[options->workload_count++] = rate_workload;
    if (options->size_count == 0) options->sizes[options->size_count++] = RATE_SIZE;
    return true;
}

static int run_cases(const struct options *options) {
    struct bench_case *cases = calloc(CASES_MAX, sizeof *cases);
    if (cases == NULL) {
        fputs("eddy: there is no memory for what is to be measured\n", stderr);
        return 3;
    }
    int status = bench_execute(&options->common, cases, make_cases(cases, options));
    free(cases);
    return status;
}

int bench_backends_main(int argc, char **argv) {
    struct options options = {
        .common = bench_options_make(&line, 7, 300, argc, argv),
    };
    int status;
    if (!bench_parse(&line, &options.common, help, &status)) return status;
    if (!bench_rates_settle(&options.common.rates, &usual_rates)) return 2;
    if (options.common.rates.arrivals != BENCH_CLOSED && !settle_for_rates(&options)) return 2;
    if (options.backend_count == 0) choose_all(&options);
    return run_cases(&options);
}
