/* loops.c: `eddy bench loops`: the ways in which connections come to several loops, side by side. A
 * way is a line in `ways`. */
#include "loops.h"
#include "bench_options.h"

#include <string.h>

struct way {
    const char *name;
    const char *help;
    enum loops_way is;
};

/* The first is what the others are compared with. */
static const struct way ways[] = {
    {"reuseport", "each loop listens on the port itself, and the kernel picks one by a hash",
     LOOPS_REUSEPORT},
    {"handed-over", "the first loop accepts, and posts connections to all in turn", LOOPS_HANDED},
    {"shared", "all loops wait on one socket, and the first to accept has it", LOOPS_SHARED},
    {"by-hand", "the same by loops that are written by hand, with epoll", LOOPS_BY_HAND},
    {"by-hand-excl", "and with EPOLLEXCLUSIVE: a connection wakes one of those who wait",
     LOOPS_EXCLUSIVE},
};

enum { WAYS = sizeof ways / sizeof ways[0], CHOSEN_MAX = 8, CLIENTS_MAX = 20000 };

static const unsigned usual_loops[] = {1, 2, 4};

struct options {
    struct bench_options common; /* first */
    bool is_chosen[WAYS], are_some_chosen;
    unsigned loops[CHOSEN_MAX], clients;
    size_t loops_count;
};

static bool set_way(void *to, const char *value) {
    struct options *options = to;
    for (size_t i = 0; i < WAYS; i++)
        if (strcmp(ways[i].name, value) == 0)
            return options->is_chosen[i] = options->are_some_chosen = true;
    return false;
}

static bool set_loops(void *to, const char *value) {
    struct options *options = to;
    return options->loops_count < CHOSEN_MAX &&
           command_line_number(value, 1, LOOPS_MAX, &options->loops[options->loops_count++]);
}

static bool set_clients(void *to, const char *value) {
    return command_line_number(value, 1, CLIENTS_MAX, &((struct options *)to)->clients);
}

static const struct option_rule rules[] = {
    {"way", "NAME", "a way of \"eddy bench loops --help\"", set_way,
     "compare this one; may be given several times; the first of the list" COMMAND_LINE_INDENT
     "is what ratios refer to (default: all)"},
    {"loops", "N", "a number from 1 to 64, 8 of them at most", set_loops,
     "with so many loops, a thread each; may be given several times" COMMAND_LINE_INDENT
     "(default: 1, 2 and 4)"},
    {"clients", "N", "a number from 1 to 20000", set_clients,
     "so many clients, each with one connection after the other (default 64)"},
    BENCH_RULE_NETWORK,
    BENCH_RULE_ROUNDS("7"),
    BENCH_RULE_SAMPLE_MS("measure for so many milliseconds each (default 300)"),
    BENCH_RULE_SEED,
    BENCH_RULE_JSON,
    BENCH_RULE_CSV,
    BENCH_RULE_PLOT("draw it"),
    BENCH_RULE_REPORT,
    BENCH_RULE_HELP,
};

static const struct command_line line = {
    .command = "eddy bench loops",
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .take_argument = bench_refuse_argument,
};

static void help(void) {
    fputs("usage: eddy bench loops [options]\n\n"
          "Short connections to a server of several loops, a thread each: a byte each way, and the "
          "next one. How\nthey come to the loops is what is compared.\n\nways:\n",
          stdout);
    for (size_t i = 0; i < WAYS; i++) printf("  %-13s %s\n", ways[i].name, ways[i].help);
    fputs("\n"
          "CPU is that of all loops, per connection, and switches are how often one of their "
          "threads gave up its\nprocessor for it: who is woken for nothing shows there. Spread is "
          "what the busiest loop served, to an\neven part: 1.00 is even, and with four loops 4.00 "
          "is one for all. Clients are processes on the same\nmachine: with fewer processors than "
          "loops and two there is no more speed to be had.\n\noptions:\n",
          stdout);
    command_line_help(&line, stdout);
}

static size_t add_group(struct bench_case *cases, const struct options *options, unsigned loops) {
    size_t count = 0;
    for (size_t i = 0; i < WAYS; i++) {
        if (options->are_some_chosen && !options->is_chosen[i]) continue;
        struct bench_case *it = &cases[count++];
        *it = (struct bench_case){
            .kind = BENCH_LOOPS,
            .workload = "loops",
            .subject = ways[i].name,
            .operation = "connection",
            .size = loops,
            .numbers = {loops, options->clients, ways[i].is},
            .run = bench_loops_run,
        };
        snprintf(it->setting, sizeof it->setting, "%u loop%s, %u clients", loops,
                 loops == 1 ? "" : "s", options->clients);
    }
    return count;
}

int bench_loops_main(int argc, char **argv) {
    struct bench_case cases[CHOSEN_MAX * WAYS];
    struct options options = {.common = bench_options_make(&line, 7, 300, argc, argv),
                              .clients = 64};
    size_t count = 0;
    int status;
    if (!bench_parse(&line, &options.common, help, &status)) return status;
    if (options.loops_count == 0) {
        memcpy(options.loops, usual_loops, sizeof usual_loops);
        options.loops_count = sizeof usual_loops / sizeof usual_loops[0];
    }
    for (size_t i = 0; i < options.loops_count; i++)
        count += add_group(&cases[count], &options, options.loops[i]);
    return bench_execute(&options.common, cases, count);
}
