/* bench_command.c: `eddy bench`: finds the bench that the first argument names. */
#include "bench_command.h"
#include "advise.h"
#include "costs.h"
#include "files.h"
#include "loops.h"
#include "merge.h"
#include "models.h"
#include "workloads.h"

#include <stdio.h>
#include <string.h>

struct bench {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct bench benches[] = {
    {"backends", bench_backends_main, "the backends of this binary, on the same workloads"},
    {"models", bench_models_main, "models of servers: a thread for each, an event loop, and more"},
    {"loops", bench_loops_main, "how connections come to several loops of one server"},
    {"files", bench_files_main,
     "who does a loop's file requests: threads, or the kernel by itself"},
    {"costs", bench_costs_main, "what memory, system calls and I/O cost on this machine"},
    {"advise", bench_advise_main, "which backend to take here, in three sentences"},
    {"merge", bench_merge_main, "one page of the reports of several machines"},
};

enum { BENCHES = sizeof benches / sizeof benches[0] };

static void help(FILE *out) {
    fputs("usage: eddy bench BENCH [options]\n\nbenches:\n", out);
    for (size_t i = 0; i < BENCHES; i++)
        fprintf(out, "  %-10s %s\n", benches[i].name, benches[i].help);
    fputs("\n\"eddy bench BENCH --help\" tells more about one.\n", out);
}

int bench_main(int argc, char **argv) {
    if (argc < 1) {
        fputs("eddy: a bench is missing; \"eddy bench --help\" lists them\n", stderr);
        return 2;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        help(stdout);
        return 0;
    }
    for (size_t i = 0; i < BENCHES; i++)
        if (strcmp(benches[i].name, argv[0]) == 0) return benches[i].run(argc - 1, argv + 1);
    fprintf(stderr, "eddy: unknown bench \"%s\"; \"eddy bench --help\" lists them\n", argv[0]);
    return 2;
}
