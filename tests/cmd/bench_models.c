/* eddy bench models and eddy bench costs, as a program: every model serves, figures are told, and
 * neither processes nor files stay behind. */
#include "program.h"

enum { MODELS = 6 };

static char out[256 * 1024], err[4096];

/* All processes of a bench hold its standard output: it ends with the last of them. */
static void expect_nobody_behind(int fd) {
    char byte;
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    ck_assert_msg(read(fd, &byte, 1) == 0, "a process is still there, or what it wrote is");
    close(fd);
}

static int run(const char *const *arguments) {
    /* ThreadSanitizer waits a second before a process with threads ends, and here end hundreds. */
    setenv("TSAN_OPTIONS", "atexit_sleep_ms=0", 0);
    struct program program = program_start(arguments);
    int end = fcntl(program.out, F_DUPFD_CLOEXEC, 0);
    char byte;
    size_t length = 0;
    /* As long as the program runs, and no longer. */
    siginfo_t info = {0};
    while (info.si_pid != program.pid) {
        struct pollfd ready = {program.out, POLLIN, 0};
        ck_assert_int_eq(waitid(P_PID, (id_t)program.pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
        while (length + 1 < sizeof out && poll(&ready, 1, 5) == 1 &&
               read(program.out, &byte, 1) == 1)
            out[length++] = byte;
    }
    out[length] = '\0';
    read_text(program.err, err, sizeof err, false);
    int status = program_wait(&program);
    expect_nobody_behind(end);
    return status;
}

static unsigned count(const char *text, const char *part) {
    unsigned found = 0;
    for (; (text = strstr(text, part)) != NULL; text++) found++;
    return found;
}

/* A line for each model and number of clients, none with an error. */
static void expect_all_models(const char *wait, const char *burn, const char *setting) {
    const char *const arguments[] = {
        "bench",      "models", "--connections", "1", "--connections", "8", "--wait-ms", wait,
        "--burn-us",  burn,     "--rounds",      "1", "--sample-ms",   "5", "--threads", "4",
        "--requests", "3",      "--csv",         NULL};
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_str_eq(err, "");
    ck_assert_uint_eq(count(out, "\n"), 1 + 2 * (MODELS + 1));
    ck_assert_uint_eq(count(out, setting), 2 * (MODELS + 1));
    const char *row = strchr(out, '\n') + 1;
    for (; *row != '\0'; row = strchr(row, '\n') + 1)
        ck_assert_msg(strchr(row, '\n')[-1] == ',', "%.*s", (int)strcspn(row, "\n"), row);
}

START_TEST(every_model_serves_requests_that_wait_and_compute) {
    expect_all_models("1", "10", ", random 1 ms + 10 us\"");
}
END_TEST

/* Neither waiting nor computing takes other ways through the servers. */
START_TEST(every_model_serves_requests_that_do_neither) {
    expect_all_models("0", "0", ", random 0 ms + 0 us\"");
}
END_TEST

/* The loop serves all of its clients, and says what that takes. */
START_TEST(a_model_is_told_as_json_and_as_a_table) {
    const char *arguments[] = {"bench",     "models",   "--model", "event-loop",  "--connections",
                               "8",         "--rounds", "2",       "--sample-ms", "5",
                               "--wait-ms", "1",        "--json",  NULL};
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_int_eq(out[0], '{');
    ck_assert_uint_eq(count(out, "\"subject\": \"event-loop\""), 2);
    ck_assert_uint_eq(count(out, "\"size\": 8"), 2);
    ck_assert_uint_eq(count(out, "\"served\": 8"), 2);
    ck_assert_uint_eq(count(out, "\"kernel_bytes\": "), 2);
    ck_assert_uint_eq(count(out, "\"switches\": {\"median\": "), 2);
    ck_assert_uint_eq(count(out, "\"cpu_ns\": {\"median\": "), 2);
    ck_assert_uint_eq(count(out, "\"error\""), 0);
    arguments[12] = NULL;
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_ptr_nonnull(strstr(out, "\nmodels: 8 clients, random 1 ms + 50 us\n"));
    ck_assert_ptr_nonnull(strstr(out, "served"));
}
END_TEST

static double number_of(const char *name) {
    const char *at = strstr(out, name);
    ck_assert_msg(at != NULL, "no %s in %s", name, out);
    return strtod(at + strlen(name), NULL);
}

/* On average they wait as long as they do if all wait equally long; but some wait longer. */
START_TEST(waits_are_random_or_fixed) {
    const char *arguments[] = {"bench",     "models",   "--model",     "thread",    "--connections",
                               "64",        "--rounds", "1",           "--burn-us", "0",
                               "--wait-ms", "10",       "--sample-ms", "300",       "--json",
                               NULL,        "fixed",    NULL};
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_double_gt(number_of("\"p99_ns\": "), 1.5 * 10e6);
    arguments[15] = "--wait";
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_uint_eq(count(out, "64 clients, 10 ms + 0 us"), 2);
    ck_assert_double_gt(number_of("\"p50_ns\": "), (1 - 1.0 / 16) * 10e6);
}
END_TEST

/* Requests come at the rate that was asked for, and wait from when they should have been sent: one
 * client gets an answer each 20 ms, and 500 requests a second are for it. */
START_TEST(requests_come_at_a_rate) {
    const char *arguments[] = {"bench",         "models", "--model",   "event-loop",
                               "--connections", "4",      "--rounds",  "1",
                               "--sample-ms",   "200",    "--wait-ms", "1",
                               "--burn-us",     "0",      "--json",    "--arrivals",
                               "constant",      "--rate", "500",       NULL};
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_uint_eq(count(out, "\"setting\": \"4 clients, constant 500/s, random 1 ms + 0 us\""),
                      2);
    ck_assert_double_gt(number_of("\"time_ns\": {\"median\": "), 0.8 * 1e9 / 500);
    arguments[5] = "1", arguments[11] = "20", arguments[16] = "poisson";
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_double_gt(number_of("\"p50_ns\": "), 2 * 20e6);
    arguments[16] = "closed";
    ck_assert_int_eq(run(arguments), 2);
    ck_assert_str_eq(err, "eddy: --rate is for --arrivals constant or poisson, not closed\n");
}
END_TEST

/* Each size of the pool is a line of its own, and serves as many clients at a time. */
START_TEST(a_pool_of_threads_comes_in_several_sizes) {
    const char *const arguments[] = {"bench",         "models", "--model",   "thread-pool",
                                     "--threads",     "2",      "--threads", "3",
                                     "--connections", "8",      "--wait-ms", "50",
                                     "--requests",    "1000",   "--rounds",  "1",
                                     "--sample-ms",   "5",      "--json",    NULL};
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_uint_eq(count(out, "\"subject\": \"thread-pool-2\""), 2);
    ck_assert_uint_eq(count(out, "\"subject\": \"thread-pool-3\""), 1);
    ck_assert_uint_eq(count(out, "\"served\": 2"), 2);
    ck_assert_uint_eq(count(out, "\"served\": 3"), 1);
}
END_TEST

/* Each model begins and is told of while it runs; what cannot run says why. */
START_TEST(a_live_run_tells_how_it_goes) {
    const char *const arguments[] = {
        "bench",     "models", "--live",    "10", "--sample-ms",   "60", "--threads", "2",
        "--wait-ms", "1",      "--burn-us", "10", "--connections", "4",  NULL};
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_str_eq(err, "");
    ck_assert_uint_eq(count(out, "\"begins\": true}\n"), MODELS);
    ck_assert_uint_ge(count(out, "\"answers_a_second\": "), MODELS);
    ck_assert_uint_eq(count(out, "\"error\""), 0);
    const char *loop = strstr(out, "{\"model\": \"event-loop\", \"after_ms\": ");
    ck_assert_ptr_nonnull(loop);
    ck_assert_ptr_nonnull(strstr(loop, "\"served\": 4, \"memory_bytes\": "));
}
END_TEST

/* Killed in the middle of a long sample, it cannot clean up: its processes end by themselves. */
START_TEST(nothing_outlives_a_bench_that_is_killed) {
    static const char *const models[] = {"fork", "thread", "event-loop-pool"};
    for (int i = 0; i < 3; i++) {
        const char *const arguments[] = {"bench",   "models",      "--connections", "8", "--model",
                                         models[i], "--sample-ms", "60000",         NULL};
        struct program program = program_start(arguments);
        read_text(program.out, out, sizeof out, true); /* the machine: then it begins */
        poll(NULL, 0, 50); /* wherever that gets it: all that follows must hold at any time */
        ck_assert_int_eq(kill(program.pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(program.pid, NULL, 0), program.pid);
        int64_t since_ns = test_now_ns();
        read_text(program.out, out, sizeof out, false); /* up to the end, which must come */
        ck_assert_int_lt(test_now_ns() - since_ns, 10 * EDDY_NS_PER_S); /* the sample takes 15 s */
        close(program.out);
        close(program.err);
    }
}
END_TEST

/* Interrupted at any time, it tells what it has and ends all that it started. */
START_TEST(an_interrupted_bench_tells_what_it_has) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (int i = 0; i < 3; i++) {
        const char *const arguments[] = {
            "bench",   "models", "--connections", "8",     "--model", "fork",
            "--model", "thread", "--sample-ms",   "60000", NULL};
        struct program program = program_start(arguments);
        int end = fcntl(program.out, F_DUPFD_CLOEXEC, 0);
        read_text(program.out, out, sizeof out, true);
        poll(NULL, 0, 20); /* as above */
        ck_assert_int_eq(kill(program.pid, signals[i]), 0);
        read_text(program.out, out, sizeof out, false);
        read_text(program.err, err, sizeof err, false);
        int status = 0;
        ck_assert_int_eq(waitpid(program.pid, &status, 0), program.pid);
        /* It may not have begun yet: then the signal does what it always does. */
        bool has_begun = WIFEXITED(status);
        ck_assert(has_begun ? WEXITSTATUS(status) == 128 + signals[i]
                            : WTERMSIG(status) == signals[i]);
        ck_assert_int_eq(strncmp(err, "eddy: interrupted; ", 19) == 0, has_begun);
        close(program.out);
        close(program.err);
        expect_nobody_behind(end);
    }
}
END_TEST

START_TEST(nothing_that_can_be_measured_is_a_status_of_its_own) {
    const char *const arguments[] = {"bench",    "backends", "--workload", "echo", "--size",
                                     "10000000", "--rounds", "1",          NULL};
    ck_assert_int_eq(run(arguments), 3);
    ck_assert_ptr_nonnull(strstr(out, "descriptors are allowed"));
}
END_TEST

/* All of them, without the two that fill more memory than the last cache holds, which takes some
 * hundred milliseconds each. What a machine may not be able to do says so. */
START_TEST(costs_are_told_and_leave_no_file) {
    static const char *const chosen[] = {"L1 cache", "L2 cache", "system call", "pipe, one thread",
                                         "pipe, two threads", "pipe, one core", "TCP, two threads",
                                         "TCP, one core", "thread", "process", "4 KiB read, cached",
                                         "4 KiB write and fsync", "4 KiB append and fsync",
                                         /* from here on */
                                         "L3 cache", "L3 cache, huge pages", "pipe, two cores",
                                         "TCP, two cores", "4 KiB read, past the cache"};
    enum { CHOSEN = sizeof chosen / sizeof chosen[0], MUST = 13 };
    char directory[128];
    make_tree(directory);
    const char *arguments[16 + 2 * CHOSEN] = {
        "bench", "costs", "--directory", directory, "--rounds", "1", "--sample-ms", "1", "--csv"};
    for (size_t i = 0; i < CHOSEN; i++) {
        arguments[9 + 2 * i] = "--cost";
        arguments[10 + 2 * i] = chosen[i];
    }
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_int_eq(rmdir(directory), 0);
    ck_assert_uint_eq(count(out, "\n"), 1 + CHOSEN + 1);
    const char *row = strchr(out, '\n') + 1;
    for (; *row != '\0'; row = strchr(row, '\n') + 1) {
        const char *end = strchr(row, '\n');
        bool may_fail = false;
        for (size_t i = MUST; i < CHOSEN; i++) {
            const char *name = strstr(row, chosen[i]);
            may_fail = may_fail || (name != NULL && name < end);
        }
        ck_assert_msg(may_fail || end[-1] == ',', "%.*s", (int)(end - row), row);
    }
}
END_TEST

START_TEST(a_cost_that_cannot_be_measured_says_why) {
    const char *const arguments[] = {
        "bench", "costs",  "--directory",           "/nowhere", "--rounds",    "1", "--sample-ms",
        "1",     "--cost", "4 KiB write and fsync", "--cost",   "system call", NULL};
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_uint_eq(count(out, "a file there: "), 1);
}
END_TEST

START_TEST(help_and_mistakes_are_told) {
    static const struct {
        const char *arguments[5];
        int status;
        const char *text;
    } cases[] = {
        {{"bench", "models", "--help"}, 0, "usage: eddy bench models "},
        {{"bench", "costs", "--help"}, 0, "usage: eddy bench costs "},
        {{"bench", "models", "x"}, 2, "eddy: \"x\" is no option; \"eddy bench models --help\""},
        {{"bench", "models", "--model", "x"}, 2, "eddy: --model: \"x\" is not a model of"},
        {{"bench", "models", "--connections", "0"}, 2, "eddy: --connections: \"0\" is not a"},
        {{"bench", "models", "--wait-ms", "-1"}, 2, "eddy: --wait-ms: \"-1\" is not a number"},
        {{"bench", "models", "--wait", "x"}, 2, "eddy: --wait: \"x\" is not random or fixed"},
        {{"bench", "models", "--arrivals", "x"},
         2,
         "eddy: --arrivals: \"x\" is not closed, constant"},
        {{"bench", "models", "--rate", "0"}, 2, "eddy: --rate: \"0\" is not a number from 1"},
        {{"bench", "models", "--burn-us", "x"}, 2, "eddy: --burn-us: \"x\" is not a number"},
        {{"bench", "models", "--requests", "0"}, 2, "eddy: --requests: \"0\" is not a number"},
        {{"bench", "models", "--threads", "0"}, 2, "eddy: --threads: \"0\" is not a number"},
        {{"bench", "costs", "--directory", ""}, 2, "eddy: --directory: \"\" is not a directory"},
        {{"bench", "costs", "--cost", "x"}, 2, "eddy: --cost: \"x\" is not a cost of"},
        {{"bench", "costs", "--plot", ""}, 2, "eddy: --plot: \"\" is not the name of"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *arguments[6] = {NULL};
        memcpy(arguments, cases[i].arguments, sizeof cases[i].arguments);
        ck_assert_int_eq(run(arguments), cases[i].status);
        const char *text = cases[i].status == 0 ? out : err;
        ck_assert_msg(strncmp(text, cases[i].text, strlen(cases[i].text)) == 0, "%s", text);
        ck_assert_str_eq(cases[i].status == 0 ? err : out, "");
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("bench_models");
    ck_add(suite, "models", every_model_serves_requests_that_wait_and_compute,
           every_model_serves_requests_that_do_neither, a_model_is_told_as_json_and_as_a_table,
           waits_are_random_or_fixed, requests_come_at_a_rate,
           a_pool_of_threads_comes_in_several_sizes, a_live_run_tells_how_it_goes,
           nothing_outlives_a_bench_that_is_killed, an_interrupted_bench_tells_what_it_has,
           nothing_that_can_be_measured_is_a_status_of_its_own);
    ck_add(suite, "costs", costs_are_told_and_leave_no_file,
           a_cost_that_cannot_be_measured_says_why, help_and_mistakes_are_told);
    return suite;
}
