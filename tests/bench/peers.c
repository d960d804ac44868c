/* peers.c: `eddy-peers`: runs the workloads of peers.h on each peer, in turn, and compares; or
 * counts operations under callgrind. */
#include "peers.h"

#include "bench_options.h"
#include "quantity.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHOSEN_MAX = 32, CASES_MAX = 1024 };

/* --- The command line --- */

struct options {
    struct bench_options bench; /* first, as bench_set_… want it */
    const char *workloads[CHOSEN_MAX], *subjects[CHOSEN_MAX];
    unsigned sizes[CHOSEN_MAX];
    size_t workload_count, subject_count, size_count;
    unsigned count, core;
    bool is_pinned;
};

static bool set_workload(void *to, const char *value) {
    struct options *options = to;
    for (size_t i = 0; i < peers_workload_count && options->workload_count < CHOSEN_MAX; i++) {
        if (strcmp(peers_workloads[i].name, value) != 0) continue;
        options->workloads[options->workload_count++] = value;
        return true;
    }
    return false;
}

static bool set_subject(void *to, const char *value) {
    struct options *options = to;
    for (size_t i = 0; peers_all[i] != NULL && options->subject_count < CHOSEN_MAX; i++) {
        if (strcmp(peers_all[i]->name, value) != 0) continue;
        options->subjects[options->subject_count++] = value;
        return true;
    }
    return false;
}

static bool set_size(void *to, const char *value) {
    struct options *options = to;
    return options->size_count < CHOSEN_MAX &&
           command_line_number(value, 1, 10000000, &options->sizes[options->size_count++]);
}

static bool set_core(void *to, const char *value) {
    struct options *options = to;
    options->is_pinned = true;
    return command_line_number(value, 0, CPU_SETSIZE - 1, &options->core);
}

static bool set_count(void *to, const char *value) {
    return command_line_number(value, 1, 1000000000, &((struct options *)to)->count);
}

static bool set_markdown(void *to, const char *value) {
    (void)value;
    ((struct options *)to)->bench.tell = peers_tell_markdown;
    return true;
}

static const struct option_rule rules[] = {
    {"workload", "NAME", "a workload of \"eddy-peers --help\"", set_workload,
     "run this workload; may be given several times (default: all" COMMAND_LINE_INDENT
     "that compare)"},
    {"subject", "NAME", "a subject of \"eddy-peers --help\"", set_subject,
     "compare this one; may be given several times (default: all)"},
    {"size", "N", "a number from 1 to 10000000, 32 of them at most", set_size,
     "with so many descriptors, timers or jobs; may be given" COMMAND_LINE_INDENT
     "several times (default: what suits the workload)"},
    {"rounds", "N", "a number from 1 to 100", bench_set_rounds,
     "take so many samples of each, after one to warm up (default 7)"},
    {"sample-ms", "N", "a number from 1 to 60000", bench_set_sample_ms,
     "measure for so many milliseconds each (default 300)"},
    {"core", "N", "the number of a processor", set_core,
     "run everything on this processor, the load as well: far" COMMAND_LINE_INDENT
     "steadier than on several"},
    {"count-calls", NULL, "", bench_set_count_calls,
     "count system calls from outside as well, in a round of its own"},
    {"json", NULL, "", bench_set_json, "print JSON"},
    {"csv", NULL, "", bench_set_csv, "print comma-separated values"},
    {"markdown", NULL, "", set_markdown, "print tables as those of the guide"},
    {"seed", "N", "a number from 0 to 4294967295", bench_set_seed,
     "shuffle the order within each round by it (default 0)"},
    {"report", "DIR", "a directory that is empty or not there", bench_set_report,
     "keep all samples in DIR, with what the machine is, a script to" COMMAND_LINE_INDENT
     "measure again, and a page with charts"},
    {"count", "OPERATIONS", "a number from 1 to 1000000000", set_count,
     "do so many of one workload with one subject, and measure" COMMAND_LINE_INDENT
     "nothing: for \"valgrind --tool=callgrind --collect-atstart=no\"" COMMAND_LINE_INDENT
     "(instructions.sh)"},
    {"help", NULL, "", bench_set_help, "print this"},
};

static const struct command_line line = {
    .command = "eddy-peers",
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .take_argument = bench_refuse_argument,
};

/* What it is compared with, in a line. */
static void tell_libraries(void) {
    printf("eddy %s", eddy_version());
    for (size_t i = 0; peers_all[i] != NULL; i++)
        if (peers_all[i]->library != NULL) printf(", %s", peers_all[i]->library());
    puts("");
}

static void help(void) {
    fputs("usage: eddy-peers [options]\n\n"
          "Runs the same workloads on eddy and its peers, in turn, and compares.\n\nworkloads:\n",
          stdout);
    for (size_t i = 0; i < peers_workload_count; i++)
        printf("  %-17s %s\n", peers_workloads[i].name, peers_workloads[i].help);
    fputs("\nsubjects:\n ", stdout);
    for (size_t i = 0; peers_all[i] != NULL; i++) printf(" %s", peers_all[i]->name);
    fputs("\n\nlibraries:\n  ", stdout);
    tell_libraries();
    fputs("\noptions:\n", stdout);
    command_line_help(&line, stdout);
}

/* --- Cases --- */

static bool is_chosen(const char *const *chosen, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(chosen[i], name) == 0) return true;
    return count == 0;
}

static int why_not(const struct peer *peer) {
    return peer->probe == NULL ? 0 : peer->probe();
}

static void tell_left_out(void) {
    char text[64];
    for (size_t i = 0; peers_all[i] != NULL; i++) {
        int err = why_not(peers_all[i]);
        if (err == 0) continue;
        fprintf(stderr, "eddy-peers: without %s: %s\n", peers_all[i]->name,
                eddy_strerror(err, text, sizeof text));
    }
}

static void make_case(struct bench_case *it, const struct peers_workload *workload,
                      const struct peer *peer, unsigned size) {
    *it = (struct bench_case){
        .kind = (workload->told & PEERS_SERVER_CPU) != 0 ? BENCH_CLIENTS : BENCH_OPERATIONS,
        .workload = workload->name,
        .subject = peer->name,
        .operation = workload->operation,
        .size = size,
        .numbers = {size, workload->told},
        .memory_items = (workload->told & PEERS_MEMORY) != 0 ? size : 0,
        .extra = peer,
        .run = workload->run,
    };
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(it->setting, sizeof it->setting, workload->setting, size);
#pragma GCC diagnostic pop
    (void)text_of_one(it->setting);
}

static size_t add_group(struct bench_case *cases, size_t count,
                        const struct peers_workload *workload, unsigned size,
                        const struct options *options) {
    for (size_t i = 0; peers_all[i] != NULL && count < CASES_MAX; i++) {
        const struct peer *peer = peers_all[i];
        if (!workload->can(peer) || why_not(peer) < 0) continue;
        if (!is_chosen(options->subjects, options->subject_count, peer->name)) continue;
        make_case(&cases[count++], workload, peer, size);
    }
    return count;
}

static size_t make_cases(struct bench_case *cases, const struct options *options) {
    size_t count = 0;
    for (size_t i = 0; i < peers_workload_count; i++) {
        const struct peers_workload *it = &peers_workloads[i];
        if (!is_chosen(options->workloads, options->workload_count, it->name)) continue;
        if (options->workload_count == 0 && it->is_alone) continue;
        const unsigned *sizes = options->size_count > 0 ? options->sizes : it->sizes;
        size_t size_count = options->size_count > 0 ? options->size_count : PEERS_SIZES;
        for (size_t k = 0; k < size_count && sizes[k] > 0; k++)
            count = add_group(cases, count, it, sizes[k], options);
    }
    return count;
}

/* --- Runs --- */

static int pin(unsigned core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}

static int count(struct bench_case *cases, size_t found, unsigned operations) {
    static struct bench_sample sample;
    if (found != 1) {
        fputs("eddy-peers: --count wants one --workload, one --subject that has it, and one "
              "--size\n",
              stderr);
        return 2;
    }
    peers_count(operations);
    cases[0].run(&cases[0], &sample);
    if (sample.error != 0) fprintf(stderr, "eddy-peers: %s\n", sample.why);
    printf("%llu\n", (unsigned long long)sample.operations);
    fflush(stdout);
    _exit(sample.error != 0); /* as after a sample: nobody gives back what a workload took */
}

static int run(struct options *options) {
    static struct bench_case cases[CASES_MAX];
    char text[64];
    size_t found = make_cases(cases, options);
    tell_left_out();
    int err = options->is_pinned ? pin(options->core) : 0;
    if (err == 0 && options->count > 0) return count(cases, found, options->count);
    if (err == 0 && options->bench.format == BENCH_TABLE) {
        tell_libraries();
        options->bench.conclude = peers_conclude;
    }
    if (err == 0) return bench_execute(&options->bench, cases, found);
    fprintf(stderr, "eddy-peers: %s\n", eddy_strerror(err, text, sizeof text));
    return 1;
}

int main(int argc, char **argv) {
    struct options options = {
        .bench = {.command = "eddy-peers",
                  .rounds = 7,
                  .sample_ms = 300,
                  .argc = argc - 1,
                  .argv = argv + 1},
    };
    char error[256];
    if (command_line_parse(&line, &options, argc - 1, argv + 1, error, sizeof error) < 0) {
        fprintf(stderr, "eddy-peers: %s\n", error);
        return 2;
    }
    if (options.bench.help) {
        help();
        return 0;
    }
    return run(&options);
}
