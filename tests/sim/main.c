/* main.c: eddy-sim: runs programs in the simulation, seed after seed, and tells how to have again
 * what went wrong.
 * Invariant: `run` is the run under way; whatever ends the process tells of it.
 * Threading: one; a handler of signals reads `run` only. */
#include "programs.h"
#include "sanitized.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum {
    STEPS_DEFAULT = 2000,
    RUN_SECONDS_MAX = 20, /* of real time */
    PROGRAMS_MAX = 16,
    SLOW_DIVISOR = 10, /* --test under a sanitizer: so many fewer seeds */
    EXIT_SKIPPED = 77,
    SAY_EVERY_S = 60,
};

static const char usage[] =
    "usage: eddy-sim [option]...\n"
    "  --program NAME   run this one, or several; else all in turn\n"
    "  --seed N         the first seed (1; with --soak, one from the clock)\n"
    "  --seeds COUNT    how many seeds (1)\n"
    "  --steps M        how many calls of the seam until a program winds down (2000)\n"
    "  --trace          show all that happens\n"
    "  --replay         run each seed twice and compare the traces\n"
    "  --soak MINUTES   go on with fresh seeds for so long\n"
    "  --test           as a test: fewer seeds under a sanitizer, none under valgrind\n"
    "  --list           show the programs\n";

static struct {
    const struct sim_program *programs[PROGRAMS_MAX + 1];
    size_t programs_count;
    uint64_t seed, seeds, steps, soak_minutes;
    bool has_seed, shows, replays, is_test, lists;
} options = {.seed = 1, .seeds = 1, .steps = STEPS_DEFAULT};

static struct {
    const struct sim_program *program; /* NULL: none */
    uint64_t seed;
} run;

static struct {
    uint64_t runs, steps, switches, faults, no_memory, shorts, early, held, fair;
    struct timespec start;
} sums;

/* --- When a run goes wrong --- */

static void put(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

/* From handlers too: nothing but snprintf of numbers and write. */
static void tell_run(const char *what) {
    char text[400];
    if (run.program == NULL) return;
    snprintf(text, sizeof text,
             "eddy-sim: program %s, seed %" PRIu64 ", step %" PRIu64 ": %s\n"
             "again: eddy-sim --program %s --seed %" PRIu64 " --steps %" PRIu64 "%s --trace\n",
             run.program->name, run.seed, sim_steps(), what, run.program->name, run.seed,
             options.steps, options.replays ? " --replay" : "");
    put(text);
    run.program = NULL;
}

static void on_signal(int number) {
    const char *what = "it crashed";
    if (number == SIGABRT) what = "it failed";
    if (number == SIGALRM) what = "it hangs";
    tell_run(what);
    _exit(EXIT_FAILURE);
}

#ifdef WITH_ASAN
static void on_death(void) {
    tell_run("a sanitizer has found something");
}
#endif

/* On a stack of its own: that of a thread may be what has overflown. */
static void watch_signals(void) {
    static char stack[64 * 1024];
    static const int numbers[] = {SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    size_t count = sizeof numbers / sizeof numbers[0];
#ifdef WITH_ASAN
    __sanitizer_set_death_callback(on_death);
    count = 2; /* it tells more about the others */
#endif
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    (void)sigaltstack(&alternative, NULL);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK;
    for (size_t i = 0; i < count; i++) (void)sigaction(numbers[i], &action, NULL);
}

/* --- Running --- */

static void count_run(void) {
    const struct sim_weather *weather = sim_weather();
    sums.runs++;
    sums.steps += sim_steps();
    sums.switches += weather->switches > 0;
    sums.faults += weather->faults > 0;
    sums.no_memory += weather->no_memory > 0;
    sums.fair += weather->faults == 0 && weather->no_memory == 0;
    sums.shorts += weather->shorts > 0;
    sums.early += weather->interrupts > 0 || weather->spurious > 0 || weather->stale > 0;
    sums.held += weather->held > 0;
}

static uint64_t run_once(const struct sim_program *program, uint64_t seed) {
    run.program = program;
    run.seed = seed;
    alarm(RUN_SECONDS_MAX);
    sim_begin(seed, NULL);
    program->run(options.steps);
    sim_end();
    alarm(0);
    run.program = NULL;
    count_run();
    return sim_trace_sum();
}

static bool run_seed(const struct sim_program *program, uint64_t seed) {
    uint64_t sum = run_once(program, seed);
    if (!options.replays || run_once(program, seed) == sum) return true;
    run.program = program;
    tell_run("a second run was another one");
    return false;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - sums.start.tv_sec) +
           (double)(now.tv_nsec - sums.start.tv_nsec) / 1e9;
}

static void begin_sums(void) {
    memset(&sums, 0, sizeof sums);
    clock_gettime(CLOCK_MONOTONIC, &sums.start);
}

static void tell_sums(void) {
    printf("%" PRIu64 " runs, %" PRIu64 " steps in %.1f s\n", sums.runs, sums.steps, seconds());
    printf("of them %" PRIu64 " with errors, %" PRIu64 " short of memory, %" PRIu64
           " with neither; %" PRIu64 " with short reads and writes, %" PRIu64
           " with waits that end early or lie, %" PRIu64 " that hold back, %" PRIu64
           " where threads cut in\n",
           sums.faults, sums.no_memory, sums.fair, sums.shorts, sums.early, sums.held,
           sums.switches);
}

static bool run_seeds(void) {
    for (size_t i = 0; i < options.programs_count; i++) {
        const struct sim_program *program = options.programs[i];
        printf("%s: seeds %" PRIu64 " to %" PRIu64 ", %" PRIu64 " steps each\n", program->name,
               options.seed, options.seed + options.seeds - 1, options.steps);
        fflush(stdout);
        for (uint64_t seed = 0; seed < options.seeds; seed++)
            if (!run_seed(program, options.seed + seed)) return false;
    }
    return true;
}

static bool soak(void) {
    double end = (double)options.soak_minutes * 60, say = SAY_EVERY_S;
    uint64_t seed = options.has_seed ? options.seed : (uint64_t)time(NULL) * 1000000;
    printf("seeds from %" PRIu64 ", %" PRIu64 " steps each, for %" PRIu64 " minutes\n", seed,
           options.steps, options.soak_minutes);
    for (; seconds() < end; seed++) {
        for (size_t i = 0; i < options.programs_count; i++)
            if (!run_seed(options.programs[i], seed)) return false;
        if (seconds() < say) continue;
        printf("%.0f s: %" PRIu64 " runs, up to seed %" PRIu64 "\n", seconds(), sums.runs, seed);
        say += SAY_EVERY_S;
        fflush(stdout);
    }
    return true;
}

/* --- Options --- */

static bool fail_usage(const char *what, const char *which) {
    fprintf(stderr, "eddy-sim: %s: %s\n%s", which, what, usage);
    return false;
}

static const struct sim_program *find(const char *name) {
    for (const struct sim_program *const *at = sim_programs; *at != NULL; at++)
        if (strcmp((*at)->name, name) == 0) return *at;
    return NULL;
}

static bool add_program(const struct sim_program *program) {
    if (options.programs_count == PROGRAMS_MAX) return false;
    options.programs[options.programs_count++] = program;
    return true;
}

static bool parse_number(const char *text, uint64_t least, uint64_t *value) {
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-' && *value >= least;
}

/* Options with a value. */
static bool parse_value(const char *name, const char *value) {
    if (strcmp(name, "--program") == 0) {
        const struct sim_program *program = find(value);
        if (program == NULL) return fail_usage("there is no such program", value);
        return add_program(program) || fail_usage("too many programs", value);
    }
    const struct {
        const char *name;
        uint64_t *value, least;
    } numbers[] = {
        {"--seed", &options.seed, 0},
        {"--seeds", &options.seeds, 1},
        {"--steps", &options.steps, 0},
        {"--soak", &options.soak_minutes, 1},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strcmp(name, numbers[i].name) != 0) continue;
        if (!parse_number(value, numbers[i].least, numbers[i].value))
            return fail_usage("no number that can be", value);
        options.has_seed = options.has_seed || i == 0;
        return true;
    }
    return fail_usage("there is no such option", name);
}

static bool parse(int argc, char **argv) {
    const struct {
        const char *name;
        bool *value;
    } flags[] = {
        {"--trace", &options.shows},
        {"--replay", &options.replays},
        {"--test", &options.is_test},
        {"--list", &options.lists},
    };
    for (int i = 1; i < argc; i++) {
        bool is_flag = false;
        for (size_t j = 0; j < sizeof flags / sizeof flags[0]; j++) {
            if (strcmp(argv[i], flags[j].name) != 0) continue;
            *flags[j].value = is_flag = true;
        }
        if (is_flag) continue;
        if (argv[i][0] != '-') return fail_usage("it takes options only", argv[i]);
        if (i + 1 == argc) return fail_usage("no such option, or its value is missing", argv[i]);
        if (!parse_value(argv[i], argv[i + 1])) return false;
        i++;
    }
    if (options.programs_count > 0) return true;
    for (const struct sim_program *const *at = sim_programs; *at != NULL; at++)
        (void)add_program(*at);
    return true;
}

static void list(void) {
    for (const struct sim_program *const *at = sim_programs; *at != NULL; at++)
        printf("%-12s %s\n", (*at)->name, (*at)->what);
}

int main(int argc, char **argv) {
    if (!parse(argc, argv)) return 2;
    if (options.lists) {
        list();
        return EXIT_SUCCESS;
    }
    if (options.is_test && getenv("EDDY_TEST_SLOW") != NULL) return EXIT_SKIPPED;
    if (options.is_test && IS_SANITIZED) options.seeds = (options.seeds - 1) / SLOW_DIVISOR + 1;
    watch_signals();
    sim_show_trace(options.shows);
    begin_sums();
    bool good = options.soak_minutes > 0 ? soak() : run_seeds();
    if (good) tell_sums();
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
