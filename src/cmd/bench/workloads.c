/* workloads.c: `eddy bench backends`: which workloads, of which sizes, on which backends. A
 * workload is a line in `workloads` and a function in workloads.h. */
#include "workloads.h"
#include "bench.h"
#include "bench_options.h"

#include <stdlib.h>
#include <string.h>

enum { SIZES_MAX = 6, CASES_MAX = 4096, CHOSEN_MAX = 16, BACKENDS_MAX = 8 };

struct workload {
    const char *name;
    const char *help;
    const char *operation;
    void (*run)(const struct bench_case *it, struct bench_sample *sample);
    unsigned sizes[SIZES_MAX];
    /* Fills in the setting and the numbers for a size, and the kind if it is another one. */
    void (*set)(struct bench_case *it, unsigned size);
};

static void set_ring(struct bench_case *it, unsigned size) {
    unsigned active = size < 100 ? size : 100;
    snprintf(it->setting, sizeof it->setting, "%u pairs, %u active", size, active);
    it->numbers[0] = size;
    it->numbers[1] = active;
    it->numbers[2] = size < 1000 ? 1000 : size;
}

static void set_echo(struct bench_case *it, unsigned size) {
    it->kind = BENCH_CLIENTS;
    snprintf(it->setting, sizeof it->setting, "%u connections, all active", size);
    it->numbers[0] = it->numbers[1] = size;
}

static void set_edge(struct bench_case *it, unsigned size) {
    set_echo(it, size);
    it->numbers[2] = EDDY_EDGE;
}

static void set_one_shot(struct bench_case *it, unsigned size) {
    set_echo(it, size);
    it->numbers[2] = EDDY_ONESHOT;
}

static void set_message(struct bench_case *it, unsigned size) {
    it->kind = BENCH_CLIENTS;
    if (size % 1024 == 0)
        snprintf(it->setting, sizeof it->setting, "messages of %u KiB, 10 connections",
                 size / 1024);
    else
        snprintf(it->setting, sizeof it->setting, "messages of %u B, 10 connections", size);
    it->numbers[0] = size;
}

static void set_idle(struct bench_case *it, unsigned size) {
    it->kind = BENCH_CLIENTS;
    snprintf(it->setting, sizeof it->setting, "%u connections, 10 active", size);
    it->numbers[0] = it->memory_items = size;
    it->numbers[1] = size < 10 ? size : 10;
}

static void set_accept(struct bench_case *it, unsigned size) {
    it->kind = BENCH_CLIENTS;
    snprintf(it->setting, sizeof it->setting, "%u connections at a time", size);
    it->numbers[0] = size;
}

static void set_churn(struct bench_case *it, unsigned size) {
    snprintf(it->setting, sizeof it->setting, "%u silent descriptors", size);
    it->numbers[0] = size;
}

static void set_timers(struct bench_case *it, unsigned size) {
    snprintf(it->setting, sizeof it->setting, "%u timers", size);
    it->numbers[0] = size;
}

static void set_threads(struct bench_case *it, unsigned size) {
    (void)size;
    snprintf(it->setting, sizeof it->setting, "between threads");
}

static void set_senders(struct bench_case *it, unsigned size) {
    snprintf(it->setting, sizeof it->setting, "from %u thread%s at once", size,
             size == 1 ? "" : "s");
    it->numbers[0] = size;
}

static void set_depth(struct bench_case *it, unsigned size) {
    snprintf(it->setting, sizeof it->setting, "%u at a time, 4 threads", size);
    it->numbers[0] = size;
}

static const struct workload workloads[] = {
    {"ring",
     "bytes that go round many socket pairs",
     "event",
     bench_ring_run,
     {10, 100, 1000, 5000}, /* two descriptors each */
     set_ring},
    {"echo",
     "messages that come back, TCP, by streams",
     "message",
     bench_echo_run,
     {10, 100, 1000, 10000},
     set_echo},
    {"echo-io",
     "the same, by watchers alone",
     "message",
     bench_echo_io_run,
     {10, 100, 1000, 10000},
     set_echo},
    {"echo-edge",
     "the same, told by edges, and read until there is no more",
     "message",
     bench_echo_io_run,
     {10, 1000},
     set_edge},
    {"echo-one-shot",
     "the same, told once, and asked for anew each time",
     "message",
     bench_echo_io_run,
     {10, 1000},
     set_one_shot},
    {"echo-size",
     "messages of several sizes, by streams; --size is in bytes",
     "message",
     bench_echo_size_run,
     {1, 1024, 65536, 1048576},
     set_message},
    {"accept",
     "short connections: a byte each way",
     "visit",
     bench_accept_run,
     {10, 100, 1000},
     set_accept},
    {"idle",
     "few active ones of many connections",
     "message",
     bench_echo_run,
     {10, 100, 1000, 10000},
     set_idle},
    {"churn-start",
     "start a watcher and stop it",
     "pair",
     bench_churn_start_run,
     {10, 100, 1000, 10000},
     set_churn},
    {"churn-change",
     "change of interest, and a turn",
     "change",
     bench_churn_change_run,
     {10, 100, 1000, 10000},
     set_churn},
    {"timer-start",
     "start a timer among many",
     "start",
     bench_timer_start_run,
     {1000, 1000000},
     set_timers},
    {"timer-stop", "stop one", "stop", bench_timer_stop_run, {1000, 1000000}, set_timers},
    {"timer-fire", "fire all, in order", "call", bench_timer_fire_run, {1000, 1000000}, set_timers},
    {"timer-push",
     "push idle timeouts away, again and again",
     "push",
     bench_timer_push_run,
     {1000, 100000},
     set_timers},
    {"wake-send",
     "wake a loop from threads that do nothing else",
     "send",
     bench_wake_send_run,
     {1, 2, 4},
     set_senders},
    {"wake-trip", "from thread to thread and back", "trip", bench_wake_trip_run, {1}, set_threads},
    {"pool", "empty jobs", "job", bench_pool_run, {1, 64, 10000}, set_depth},
    {"file-pool",
     "4 KiB reads of cached files, by threads",
     "read",
     bench_file_pool_run,
     {1, 64},
     set_depth},
    {"file-attempt",
     "the same, tried without a thread first",
     "read",
     bench_file_attempt_run,
     {1, 64},
     set_depth},
};

enum { WORKLOADS = sizeof workloads / sizeof workloads[0] };

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
    for (size_t i = 0; i < WORKLOADS; i++) {
        if (strcmp(workloads[i].name, value) != 0) continue;
        options->workloads[options->workload_count++] = value;
        return true;
    }
    return false;
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
    {"size", "N", "a number from 1 to 10000000", set_size,
     "with so many descriptors, timers or jobs; may be given" COMMAND_LINE_INDENT
     "several times (default: what suits the workload)"},
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
    for (size_t i = 0; i < WORKLOADS; i++)
        printf("  %-13s %s\n", workloads[i].name, workloads[i].help);
    fputs("\noptions:\n", stdout);
    command_line_help(&line, stdout);
}

/* --- The cases --- */

static bool is_chosen(const char *const *chosen, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(chosen[i], name) == 0) return true;
    return count == 0;
}

static void make_case(struct bench_case *it, const struct workload *workload, const char *backend,
                      unsigned size) {
    *it = (struct bench_case){
        .workload = workload->name,
        .subject = backend,
        .operation = workload->operation,
        .size = size,
        .run = workload->run,
    };
    workload->set(it, size);
}

bool bench_workload_case(struct bench_case *it, const char *name, const char *backend,
                         unsigned size) {
    size_t i = 0;
    while (i < WORKLOADS && strcmp(workloads[i].name, name) != 0) i++;
    if (i == WORKLOADS) return false;
    make_case(it, &workloads[i], backend, size);
    return true;
}

static size_t add_group(struct bench_case *cases, size_t count, const struct workload *workload,
                        unsigned size, const struct options *options) {
    for (size_t i = 0; i < options->backend_count && count < CASES_MAX; i++)
        make_case(&cases[count++], workload, options->backends[i], size);
    return count;
}

static size_t make_cases(struct bench_case *cases, const struct options *options) {
    size_t count = 0;
    for (size_t i = 0; i < WORKLOADS; i++) {
        const struct workload *it = &workloads[i];
        if (!is_chosen(options->workloads, options->workload_count, it->name)) continue;
        const unsigned *sizes = options->size_count > 0 ? options->sizes : it->sizes;
        size_t size_count = options->size_count > 0 ? options->size_count : SIZES_MAX;
        for (size_t k = 0; k < size_count && sizes[k] > 0; k++)
            count = add_group(cases, count, it, sizes[k], options);
    }
    return count;
}

/* The table of backends is the library's own: its names stay. */
static void choose_all(struct options *options) {
    static eddy_backend_info backends[BACKENDS_MAX];
    for (size_t i = 0; i < BACKENDS_MAX && eddy_backend_at(i, &backends[i]) == 0; i++)
        options->backends[options->backend_count++] = backends[i].name;
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
        .common = BENCH_OPTIONS(7, 300),
    };
    int status;
    if (!bench_parse(&line, &options.common, help, &status)) return status;
    if (options.backend_count == 0) choose_all(&options);
    return run_cases(&options);
}
