/* files.c: `eddy bench files`: the two who do a loop's file requests, threads of the pool and a
 * ring (EDDY_FILES_URING), side by side; and, for one at a time, the call that waits for the
 * device, which is the least that there can be. A workload is a line in `workloads`. */
#include "files.h"
#include "bench_options.h"

#include <string.h>

enum { DEPTHS_MAX = 3, SUBJECTS = 3 };

struct workload {
    const char *name;
    const char *help;
    const char *operation;
    enum files_operation does;
    unsigned depths[DEPTHS_MAX]; /* 0: no more */
};

static const struct workload workloads[] = {
    {"direct-read",
     "4 KiB reads with O_DIRECT, past the cache",
     "read",
     FILES_DIRECT_READ,
     {1, 16, 64}},
    {"direct-write", "4 KiB writes with O_DIRECT", "write", FILES_DIRECT_WRITE, {1, 16, 64}},
    {"cached-read",
     "4 KiB reads of what is cached: nobody is asked",
     "read",
     FILES_CACHED_READ,
     {1, 64}},
    {"sync", "fdatasync of a file that has nothing to be written", "sync", FILES_SYNC, {1, 16}},
};

enum {
    WORKLOADS = sizeof workloads / sizeof workloads[0],
    CASES_MAX = WORKLOADS * DEPTHS_MAX * SUBJECTS,
};

struct options {
    struct bench_options common; /* first */
    const char *directory;
};

static bool set_directory(void *to, const char *value) {
    ((struct options *)to)->directory = value;
    return value[0] != '\0';
}

static const struct option_rule rules[] = {
    {"directory", "DIR", "a directory", set_directory,
     "where to have files of 64 MiB; what they cost is the cost of" COMMAND_LINE_INDENT
     "the disk that it is on (default /tmp)"},
    BENCH_RULE_ROUNDS("7"),
    BENCH_RULE_SAMPLE_MS("measure for so many milliseconds each (default 300)"),
    BENCH_RULE_SEED,
    BENCH_RULE_JSON,
    BENCH_RULE_CSV,
    BENCH_RULE_REPORT,
    BENCH_RULE_HELP,
};

static const struct command_line line = {
    .command = "eddy bench files",
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .take_argument = bench_refuse_argument,
};

static void help(void) {
    fputs(
        "usage: eddy bench files [options]\n\n"
        "Who does the file requests of a loop: the threads of its pool, or the kernel through a "
        "ring of\nio_uring, with so many requests under way at a time. They take turns. \"call\" "
        "is "
        "the read or\nwrite that waits, without a loop: the least that one at a time can take.\n\n"
        "workloads:\n",
        stdout);
    for (size_t i = 0; i < WORKLOADS; i++)
        printf("  %-13s %s\n", workloads[i].name, workloads[i].help);
    fputs("\n"
          "What it cannot know: a read past the system's cache may be answered by a cache of the "
          "device, of its\ncontroller or of the host of a virtual machine. Where O_DIRECT is not "
          "to be had, or no ring, the line\nsays why. CPU time is that of the process, with the "
          "kernel's threads that work for it.\n\noptions:\n",
          stdout);
    command_line_help(&line, stdout);
}

static size_t add_group(struct bench_case *cases, const struct workload *workload, unsigned depth,
                        const char *directory) {
    static const char *const subjects[SUBJECTS] = {
        [EDDY_FILES_POOL] = "pool", [EDDY_FILES_URING] = "uring", [FILES_BY_CALL] = "call"};
    bool is_called = depth == 1 && workload->does != FILES_SYNC;
    unsigned count = is_called ? SUBJECTS : FILES_BY_CALL;
    for (unsigned i = 0; i < count; i++) {
        cases[i] = (struct bench_case){
            .workload = workload->name,
            .subject = subjects[i],
            .operation = workload->operation,
            .size = depth,
            .numbers = {i, workload->does, depth},
            .extra = directory,
            .run = bench_files_run,
        };
        snprintf(cases[i].setting, sizeof cases[i].setting, "%u under way, in %.20s", depth,
                 directory);
        cases[i].path_at = strlen(cases[i].setting) - strnlen(directory, 20);
    }
    return count;
}

int bench_files_main(int argc, char **argv) {
    struct bench_case cases[CASES_MAX];
    struct options options = {
        .common = bench_options_make(&line, 7, 300, argc, argv),
        .directory = "/tmp",
    };
    char error[256];
    size_t count = 0;
    if (command_line_parse(&line, &options, argc, argv, error, sizeof error) < 0) {
        fprintf(stderr, "eddy: %s\n", error);
        return 2;
    }
    if (options.common.help) {
        help();
        return 0;
    }
    for (size_t i = 0; i < WORKLOADS; i++)
        for (size_t k = 0; k < DEPTHS_MAX && workloads[i].depths[k] > 0; k++)
            count +=
                add_group(cases + count, &workloads[i], workloads[i].depths[k], options.directory);
    return bench_execute(&options.common, cases, count);
}
