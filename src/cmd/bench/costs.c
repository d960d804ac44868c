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
    unsigned choice;         /* numbers[1] */
};

/* The first is what the others are compared with. */
static const struct cost costs[] = {
    {"L1 cache", "read a word whose address is the word read before", "access", costs_access_run,
     costs_l1_bytes, COSTS_SMALL_PAGES},
    {"L2 cache", "the same, in more memory than the L1 cache holds", "access", costs_access_run,
     costs_l2_bytes, COSTS_SMALL_PAGES},
    {"L3 cache", "the same, in more than the L2 cache holds", "access", costs_access_run,
     costs_l3_bytes, COSTS_SMALL_PAGES},
    {"L3 cache, huge pages", "the same, where an address is looked up in fewer steps", "access",
     costs_access_run, costs_l3_bytes, COSTS_HUGE_PAGES},
    {"main memory", "the same, in more than the last cache holds", "access", costs_access_run,
     costs_main_bytes, COSTS_SMALL_PAGES},
    {"main memory, huge pages", "the same", "access", costs_access_run, costs_main_bytes,
     COSTS_HUGE_PAGES},
    {"system call", "getppid(), which does nothing", "call", costs_call_run, NULL, 0},
    {"pipe, one thread", "write a byte and read it", "trip", costs_pipe_run, NULL, 0},
    {"pipe, two threads", "write a byte; another thread sends one back", "trip",
     costs_pipe_threads_run, NULL, COSTS_ANYWHERE},
    {"pipe, one core", "the same, both kept on one core", "trip", costs_pipe_threads_run, NULL,
     COSTS_ONE_CORE},
    {"pipe, two cores", "the same, each kept on a core of its own", "trip", costs_pipe_threads_run,
     NULL, COSTS_TWO_CORES},
    {"TCP, two threads", "the same over a connection on loopback", "trip", costs_tcp_run, NULL,
     COSTS_ANYWHERE},
    {"TCP, one core", "the same, both kept on one core", "trip", costs_tcp_run, NULL,
     COSTS_ONE_CORE},
    {"TCP, two cores", "the same, each kept on a core of its own", "trip", costs_tcp_run, NULL,
     COSTS_TWO_CORES},
    {"thread", "create and join one that does nothing", "thread", costs_thread_run, NULL, 0},
    {"process", "fork a small one, have it exit and wait for it", "process", costs_process_run,
     NULL, 0},
    {"4 KiB read, cached", "pread() of a file that the system has in memory", "read",
     costs_cached_read_run, NULL, 0},
    {"4 KiB read, past the cache", "the same with O_DIRECT: the device answers", "read",
     costs_direct_read_run, NULL, 0},
    {"4 KiB write and fsync", "until the device says that they are safe", "write", costs_sync_run,
     NULL, 0},
    {"4 KiB append and fsync", "the same at the end of a file, which grows", "write",
     costs_append_run, NULL, 0},
};

enum { COSTS = sizeof costs / sizeof costs[0], NAME_BYTES = 48 };

struct options {
    struct bench_options common; /* first */
    const char *directory;
    bool is_chosen[COSTS], are_some_chosen;
};

static bool set_cost(void *to, const char *value) {
    struct options *options = to;
    for (size_t i = 0; i < COSTS; i++) {
        if (strcmp(costs[i].name, value) != 0) continue;
        return options->is_chosen[i] = options->are_some_chosen = true;
    }
    return false;
}

static bool set_directory(void *to, const char *value) {
    ((struct options *)to)->directory = value;
    return value[0] != '\0';
}

static const struct option_rule rules[] = {
    {"cost", "NAME", "a cost of \"eddy bench costs --help\"", set_cost,
     "measure this one; may be given several times; the first of the list" COMMAND_LINE_INDENT
     "is what the others are compared with (default: all)"},
    {"directory", "DIR", "a directory", set_directory,
     "where to have files; what they cost is the cost of the disk" COMMAND_LINE_INDENT
     "that it is on (default /tmp)"},
    BENCH_RULE_ROUNDS("7"),
    BENCH_RULE_SAMPLE_MS("measure for so many milliseconds each (default 100)"),
    BENCH_RULE_SEED,
    BENCH_RULE_JSON,
    BENCH_RULE_CSV,
    BENCH_RULE_PLOT("draw it"),
    BENCH_RULE_REPORT,
    BENCH_RULE_HELP,
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
    fputs(
        "\n"
        "How to read it: the second column is the median over the rounds, the third holds the "
        "middle half of\nthem, and the last says how many accesses to the L1 cache would have "
        "gone into that time. A \"?\"\nmarks what varies too much to conclude from. What could "
        "not be measured says why.\n\n"
        "What it cannot know: accesses to much memory contain the look-up of its pages (TLB), of "
        "which there are\nfewer if they are huge, and in a virtual machine the host's too. A third "
        "level may be used by others,\nand be told of wrongly to a guest. Two threads that are "
        "not kept somewhere may or may not be on one\ncore. A read past the system's cache may be "
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
    it->path_at = strlen("files in ");
    it->numbers[1] = cost->choice;
    if (cost->bytes == NULL) return;
    it->numbers[0] = cost->bytes();
    if (it->numbers[0] == 0) return; /* as it says when it is to run */
    unsigned kib = it->numbers[0] / 1024;
    snprintf(name, NAME_BYTES, kib < 1024 ? "%s (%u KiB)" : "%s (%u MiB)", cost->name,
             kib < 1024 ? kib : kib / 1024);
    it->subject = name;
}

int bench_costs_main(int argc, char **argv) {
    struct bench_case cases[COSTS];
    char names[COSTS][NAME_BYTES];
    struct options options = {
        .common = bench_options_make(&line, 7, 100, argc, argv),
        .directory = "/tmp",
    };
    int status;
    if (!bench_parse(&line, &options.common, help, &status)) return status;
    size_t count = 0;
    for (size_t i = 0; i < COSTS; i++) {
        if (options.are_some_chosen && !options.is_chosen[i]) continue;
        make_case(&cases[count], &costs[i], names[i], options.directory);
        count++;
    }
    return bench_execute(&options.common, cases, count);
}
