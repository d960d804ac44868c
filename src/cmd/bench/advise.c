/* advise.c: `eddy bench advise`: measures what matters for the choice of a backend on this machine,
 * and says in three sentences which one to take (advise_told.c). */
#include "advise.h"
#include "bench_options.h"
#include "costs.h"
#include "workloads.h"

enum { ROUNDS = 9, CASES_MAX = 80, BACKENDS_MAX = 8, SAMPLE_MS_MIN = 2 };

/* What of the time goes into samples; the rest is making 10,000 connections again and again. */
static const double measured_share = 0.35;

struct options {
    struct bench_options common; /* first */
    unsigned seconds;
};

static bool set_time(void *to, const char *value) {
    return command_line_number(value, 1, 3600, &((struct options *)to)->seconds);
}

static const struct option_rule rules[] = {
    {"time", "S", "a number of seconds from 1 to 3600", set_time,
     "measure for about so many seconds, on a machine that does" COMMAND_LINE_INDENT
     "nothing else (default 20); with more of them the noise is less"},
    BENCH_RULE_SEED,
    BENCH_RULE_REPORT,
    BENCH_RULE_HELP,
};

static const struct command_line line = {
    .command = "eddy bench advise",
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .take_argument = bench_refuse_argument,
};

static void help(void) {
    fputs(
        "usage: eddy bench advise [options]\n\n"
        "Measures what matters here for the choice of a backend, and says in three sentences "
        "which one to take\nfor how many descriptors: what a system call and a wake-up cost, the "
        "backends with 10, 100 and 1000\ndescriptors that are all busy, and with ten busy ones of "
        "100, 1000 and 10,000, as far as the limit of\ndescriptors goes. Figures stand with the "
        "interval that holds the true median with a probability of\n95 %. What differs by less "
        "than "
        "a backend from itself is said to, and nothing is chosen then.\n\noptions:\n",
        stdout);
    command_line_help(&line, stdout);
}

/* --- The cases --- */

static const struct {
    const char *workload;
    unsigned sizes[4];
} groups[] = {
    {ADVISE_BUSY, {10, 100, 1000}},
    {ADVISE_IDLE, {100, 1000, 10000}},
};

static size_t make_cases(struct bench_case *cases) {
    eddy_backend_info backends[BACKENDS_MAX];
    size_t count = 0, backend_count = 0;
    while (backend_count < BACKENDS_MAX &&
           eddy_backend_at(backend_count, &backends[backend_count]) == 0)
        backend_count++;
    cases[count++] = (struct bench_case){.workload = ADVISE_CALL,
                                         .setting = "a system call",
                                         .subject = "system call",
                                         .operation = "call",
                                         .size = 1,
                                         .run = costs_call_run};
    bench_workload_make(&cases[count++], bench_workload_find(ADVISE_WAKE), backends[0].name, 1);
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++)
        for (const unsigned *size = groups[g].sizes; *size > 0; size++)
            for (size_t i = 0; i < backend_count && count < CASES_MAX; i++)
                bench_workload_make(&cases[count++], bench_workload_find(groups[g].workload),
                                    backends[i].name, *size);
    return count;
}

/* --- The command --- */

int bench_advise_main(int argc, char **argv) {
    static struct bench_case cases[CASES_MAX];
    struct options options = {
        .common = bench_options_make(&line, ROUNDS, 0, argc, argv),
        .seconds = 20,
    };
    int status;
    if (!bench_parse(&line, &options.common, help, &status)) return status;
    options.common.tell = advise_tell;
    size_t count = make_cases(cases);
    size_t samples = (count + sizeof groups / sizeof groups[0] * 3 + 2) * (ROUNDS + 1);
    options.common.sample_ms = (unsigned)(options.seconds * measured_share * 1e3 / (double)samples);
    if (options.common.sample_ms < SAMPLE_MS_MIN) options.common.sample_ms = SAMPLE_MS_MIN;
    return bench_execute(&options.common, cases, count);
}
