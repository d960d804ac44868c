/* costs.c: `eddy bench costs`: a table of what a program may have to wait for, from the nearest
 * cache to the disk. A cost is a line in `costs` and a function of costs.h. */
#include "costs.h"
#include "bench_options.h"

#include <string.h>

struct cost {
    const char *name;
    const char *help;
    const char *operation;
    void (*run)(const struct bench_case *it, struct bench_sample *sample);
    unsigned (*bytes)(void); /* for numbers[0], told behind the name; NULL: none */
};

/* The first is what the others are compared with. */
static const struct cost costs[] = {
    {"L1 cache", "read a word whose address is the word read before", "access", costs_access_run,
     costs_l1_bytes},
    {"L2 cache", "the same, in more memory than the L1 cache holds", "access", costs_access_run,
     costs_l2_bytes},
    {"main memory", "the same, in more than the last cache holds, up to 256 MiB", "access",
     costs_access_run, costs_main_bytes},
    {"system call", "getppid(), which does nothing", "call", costs_call_run, NULL},
    {"pipe, one thread", "write a byte and read it", "trip", costs_pipe_run, NULL},
    {"pipe, two threads", "write a byte; another thread sends one back", "trip",
     costs_pipe_threads_run, NULL},
    {"TCP on loopback, two threads", "the same over a connection", "trip", costs_tcp_run, NULL},
    {"thread", "create and join one that does nothing", "thread", costs_thread_run, NULL},
    {"process", "fork a small one, have it exit and wait for it", "process", costs_process_run,
     NULL},
    {"4 KiB read, cached", "pread() of a file that the system has in memory", "read",
     costs_cached_read_run, NULL},
    {"4 KiB read, past the cache", "the same with O_DIRECT: the device answers", "read",
     costs_direct_read_run, NULL},
    {"4 KiB write and fsync", "until the device says that they are safe", "write", costs_sync_run,
     NULL},
};

enum { COSTS = sizeof costs / sizeof costs[0], NAME_BYTES = 48 };

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
     "where to have files; what they cost is the cost of the disk" COMMAND_LINE_INDENT
     "that it is on (default /tmp)"},
    {"rounds", "N", "a number from 1 to 100", bench_set_rounds,
     "take so many samples of each, after one to warm up (default 7)"},
    {"sample-ms", "N", "a number from 1 to 60000", bench_set_sample_ms,
     "measure for so many milliseconds each (default 100)"},
    {"seed", "N", "a number from 0 to 4294967295", bench_set_seed,
     "shuffle the order within each round by it (default 1)"},
    {"json", NULL, "", bench_set_json, "print JSON"},
    {"csv", NULL, "", bench_set_csv, "print comma-separated values"},
    {"help", NULL, "", bench_set_help, "print this"},
};

static const struct command_line line = {
    .command = "eddy bench costs",
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .take_argument = bench_refuse_argument,
};

static void help(void) {
    fputs("usage: eddy bench costs [options]\n\n"
          "What a program may have to wait for, and how long that takes on this machine. A "
          "program that waits\nfor a disk could have read the nearest cache a hundred thousand "
          "times.\n\ncosts:\n",
          stdout);
    for (size_t i = 0; i < COSTS; i++) printf("  %-28s %s\n", costs[i].name, costs[i].help);
    fputs("\n"
          "How to read it: the second column is the median over the rounds, the third holds the "
          "middle half of\nthem, and the last says how many accesses to the L1 cache would have "
          "gone into that time. A \"?\"\nmarks what varies too much to conclude from. What could "
          "not be measured says why.\n\n"
          "What it cannot know: accesses to much memory contain the look-up of its pages (TLB). "
          "Two threads may\nor may not be on one core. A read past the system's cache may be "
          "answered by a cache of the device,\nof its controller or of the host of a virtual "
          "machine, and an fsync by one that is backed by a\nbattery, or lies. Where the directory "
          "is in memory (tmpfs), there is no disk at all.\n\noptions:\n",
          stdout);
    command_line_help(&line, stdout);
}

void costs_measure(const struct bench_case *it, struct bench_sample *sample, costs_fn *fn,
                   void *context, unsigned count, const char *what) {
    struct bench_meter meter;
    int err = fn(context, count);
    bench_start(&meter);
    do {
        if (err == 0) err = fn(context, count);
        sample->operations += count;
    } while (err == 0 && bench_now_ns() - meter.start_ns < it->time_ns);
    bench_stop(&meter, sample);
    if (err < 0) bench_cannot(sample, what, err);
}

static void make_case(struct bench_case *it, const struct cost *cost, char name[NAME_BYTES],
                      const char *directory) {
    *it = (struct bench_case){
        .kind = BENCH_COSTS,
        .workload = "costs",
        .subject = cost->name,
        .operation = cost->operation,
        .extra = directory,
        .run = cost->run,
    };
    snprintf(it->setting, sizeof it->setting, "files in %.28s", directory);
    if (cost->bytes == NULL) return;
    it->numbers[0] = cost->bytes();
    unsigned kib = it->numbers[0] / 1024;
    snprintf(name, NAME_BYTES, kib < 1024 ? "%s (%u KiB)" : "%s (%u MiB)", cost->name,
             kib < 1024 ? kib : kib / 1024);
    it->subject = name;
}

int bench_costs_main(int argc, char **argv) {
    struct bench_case cases[COSTS];
    char names[COSTS][NAME_BYTES];
    struct options options = {
        .common = {.command = line.command, .rounds = 7, .sample_ms = 100, .seed = 1},
        .directory = "/tmp",
    };
    char error[256];
    if (command_line_parse(&line, &options, argc, argv, error, sizeof error) < 0) {
        fprintf(stderr, "eddy: %s\n", error);
        return 2;
    }
    if (options.common.help) {
        help();
        return 0;
    }
    for (size_t i = 0; i < COSTS; i++) make_case(&cases[i], &costs[i], names[i], options.directory);
    return bench_execute(&options.common, cases, COSTS);
}
