/* eddy bench, as a program: each workload runs on each backend, and what is wrong is told. */
#include "program.h"

static char out[256 * 1024], err[4096];

static int run(const char *const *arguments) {
    struct program program = program_start(arguments);
    read_text(program.out, out, sizeof out, false);
    read_text(program.err, err, sizeof err, false);
    return program_wait(&program);
}

static unsigned count_lines(const char *text) {
    unsigned count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++) count++;
    return count;
}

static unsigned count_backends(void) {
    eddy_backend_info info;
    unsigned count = 0;
    while (eddy_backend_at(count, &info) == 0) count++;
    return count;
}

START_TEST(help_and_mistakes_are_told) {
    static const struct {
        const char *arguments[6];
        int status;
        const char *text;
    } cases[] = {
        {{"bench"}, 2, "eddy: a bench is missing; \"eddy bench --help\" lists them\n"},
        {{"bench", "fly"}, 2, "eddy: unknown bench \"fly\"; \"eddy bench --help\" lists them\n"},
        {{"bench", "--help"}, 0, "usage: eddy bench "},
        {{"bench", "-h"}, 0, "usage: eddy bench "},
        {{"bench", "backends", "--help"}, 0, "usage: eddy bench backends "},
        {{"bench", "backends", "x"}, 2, "eddy: \"x\" is no option; "},
        {{"bench", "backends", "--workload", "x"}, 2, "eddy: --workload: \"x\" is not a workload"},
        {{"bench", "backends", "--backend", "x"}, 2, "eddy: --backend: \"x\" is not a backend"},
        {{"bench", "backends", "--size", "0"}, 2, "eddy: --size: \"0\" is not a number from 1 to"},
        {{"bench", "backends", "--rounds", "101"}, 2, "eddy: --rounds: \"101\" is not a number"},
        {{"bench", "backends", "--plot", "/nowhere/a.svg"},
         2,
         "eddy: --plot: \"/nowhere/a.svg\" cannot"},
        {{"bench", "backends", "--plot", "|/nowhere"}, 2, "eddy: --plot: \"|/nowhere\" cannot"},
        {{"bench", "backends", "--trace", "/nowhere/a"}, 2, "eddy: --trace: \"/nowhere/a\" cannot"},
        {{"bench", "backends", "--plot", ""}, 2, "eddy: --plot: \"\" is not the name"},
        {{"bench", "backends", "--report", ""}, 2, "eddy: --report: \"\" is not a directory"},
        {{"bench", "backends", "--report", "/nowhere/a"}, 2, "eddy: --report: \"/nowhere/a\" ca"},
        {{"bench", "backends", "--report", "/dev/null"}, 2, "eddy: --report: \"/dev/null\" can"},
        {{"bench", "backends", "--report", "/usr"}, 2, "eddy: --report: \"/usr\" is not empty; "},
        {{"bench", "merge"}, 2, "eddy: a report is missing; \"eddy bench merge --help\" tells"},
        {{"bench", "merge", "/nowhere"}, 2, "eddy: \"/nowhere/raw.jsonl\" cannot be read: "},
        {{"bench", "backends", "--rate", "0"}, 2, "eddy: --rate: \"0\" is not a number from 1 to"},
        {{"bench", "backends", "--arrivals", "closed", "--sweep"},
         2,
         "eddy: --sweep is for --arrivals constant or poisson, not closed\n"},
        {{"bench", "backends", "--rate=1", "--rate=2", "--sweep"},
         2,
         "eddy: --sweep takes one --rate, to begin with, and finds the others\n"},
        {{"bench", "backends", "--rate=1", "--workload=ring"},
         2,
         "eddy: \"ring\" has no messages that could come at a rate; echo, echo-io, "},
        {{"bench", "loops", "--help"}, 0, "usage: eddy bench loops "},
        {{"bench", "loops", "--loops", "65"}, 2, "eddy: --loops: \"65\" is not a number from 1"},
        {{"bench", "loops", "--way", "x"}, 2, "eddy: --way: \"x\" is not a way of"},
        {{"bench", "backends", "--network", "netns,delay=5"},
         2,
         "eddy: --network: \"netns,delay=5\" is not netns, or with a delay and a loss, as netns,"},
        {{"bench", "loops", "--network", "netns,loss=.%"},
         2,
         "eddy: --network: \"netns,loss=.%\" is"},
        {{"bench", "advise", "--time", "0"}, 2, "eddy: --time: \"0\" is not a number of seconds"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *arguments[7] = {NULL};
        memcpy(arguments, cases[i].arguments, sizeof cases[i].arguments);
        ck_assert_int_eq(run(arguments), cases[i].status);
        const char *text = cases[i].status == 0 ? out : err;
        ck_assert_msg(strncmp(text, cases[i].text, strlen(cases[i].text)) == 0, "%s", text);
        ck_assert_str_eq(cases[i].status == 0 ? err : out, "");
    }
}
END_TEST

/* All workloads, small and short: a line for each on each backend, and none with an error, but
 * where a backend cannot tell of edges or once. */
START_TEST(every_workload_runs_on_every_backend) {
    const char *const arguments[] = {"bench", "backends",    "--size", "20",    "--rounds",
                                     "1",     "--sample-ms", "1",      "--csv", NULL};
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_str_eq(err, "");
    const char *line = strchr(out, '\n') + 1;
    unsigned lines = 0;
    eddy_loop *ring;
    int has_ring = eddy_loop_open(&ring, &(eddy_loop_config){.backend = "io_uring"});
    if (has_ring == 0) ck_assert_int_eq(eddy_loop_close(ring), 0);
    for (; *line != '\0'; line = strchr(line, '\n') + 1, lines++)
        ck_assert_msg((has_ring < 0 && strstr(line, ",io_uring,") != NULL &&
                       strstr(line, ",io_uring,") < strchr(line, '\n')) ||
                          strchr(line, '\n')[-1] == ',' || strncmp(line, "echo-edge,", 10) == 0 ||
                          strncmp(line, "echo-one-shot,", 14) == 0,
                      "%.*s", (int)strcspn(line, "\n"), line);
    ck_assert_uint_gt(lines, 0);
    ck_assert_uint_eq(lines % (count_backends() + 1), 0);
}
END_TEST

static unsigned count_of(const char *text, const char *word) {
    unsigned count = 0;
    for (; (text = strstr(text, word)) != NULL; text++) count++;
    return count;
}

/* In JSON, with the calls and latencies of what has clients. Brackets and quotes are in pairs. */
START_TEST(servers_are_told_in_json) {
    const char *const arguments[] = {
        "bench",      "backends", "--workload",  "echo", "--workload", "echo-io",
        "--size",     "20",       "--rounds",    "1",    "--workload", "accept",
        "--workload", "idle",     "--sample-ms", "20",   "--json",     NULL};
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_str_eq(err, "");
    unsigned results = count_of(out, "{\"workload\": ");
    ck_assert_uint_eq(results, 4 * (count_backends() + 1));
    unsigned refused = count_of(out, "\"error\""); /* by the kernel: a backend in all four */
    ck_assert_uint_eq(refused % 4, 0);
    results -= refused;
    ck_assert_uint_eq(count_of(out, "\"time_ns\": {\"median\": "), results);
    ck_assert_uint_eq(count_of(out, "\"spread_too_wide\": "), results);
    ck_assert_uint_eq(count_of(out, "\"busy\": {\"median\": "), results);
    ck_assert_uint_eq(count_of(out, "\"events\": {\"median\": "), results);
    ck_assert_uint_eq(count_of(out, "{"), count_of(out, "}"));
    ck_assert_uint_eq(count_of(out, "\"") % 2, 0);
    int timed = 0;
    for (const char *it = out; (it = strstr(it, "\"operation\": \"message\"")) != NULL; it++) {
        int length = (int)strcspn(it, "\n");
        const char *error = strstr(it, "\"error\"");
        if (error != NULL && error < it + length) continue;
        const char *calls = strstr(it, "\"calls\": {"), *p50 = strstr(it, "\"p50_ns\": ");
        ck_assert_msg(calls != NULL && calls < it + length, "%.*s", length, it);
        ck_assert_msg(p50 != NULL && p50 < it + length, "%.*s", length, it);
        timed += strncmp(p50 + 10, "null", 4) != 0;
    }
    ck_assert_msg(timed > 0, "%s", out); /* on a busy machine some have too few messages for it */
}
END_TEST

/* The table divides by their number what machines are told in all. */
START_TEST(memory_of_idle_connections_is_told_of_each) {
    const char *const arguments[] = {"bench",    "backends", "--workload",  "idle",
                                     "--size",   "500",      "--sample-ms", "1",
                                     "--rounds", "1",        NULL};
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_ptr_nonnull(strstr(out, "\nidle: 500 connections, 10 active\n"));
    ck_assert_uint_eq(count_of(out, "mem. each   n\n"), 1);
    /* A stream takes 192 bytes: not so many KiB. */
    ck_assert_uint_eq(count_of(out, " KiB   1\n") + count_of(out, " MiB   1\n"), 0);
}
END_TEST

/* What a backend cannot watch is told in its line; the others go on. */
START_TEST(a_size_that_does_not_fit_is_told) {
    static const char *const names[] = {"echo", "churn-start"};
    bool has_select = false, has_others = false;
    eddy_backend_info info;
    for (size_t i = 0; eddy_backend_at(i, &info) == 0; i++) {
        has_select = has_select || info.fd_max < 1100;
        has_others = has_others || info.fd_max >= 1100;
    }
    for (int i = 0; i < 2; i++) {
        const char *const arguments[] = {"bench",    "backends", "--workload",  names[i],
                                         "--size",   "1100",     "--sample-ms", "1",
                                         "--rounds", "1",        NULL};
        ck_assert_int_eq(run(arguments), 0);
        const char *text = "more descriptors than the backend can watch\n";
        ck_assert_msg(!has_select || count_of(out, text) == 1, "%s", out);
        ck_assert_msg(!has_others || count_of(out, " 1.00 ") >= 1, "%s", out);
    }
}
END_TEST

/* Starting a watcher and stopping it: two calls where the kernel keeps a set, and one, which asks
 * whether the descriptor can be watched, where it does not. */
START_TEST(only_calls_of_the_system_count_as_such) {
    const char *const arguments[] = {"bench",    "backends", "--workload",  "churn-start",
                                     "--size",   "10",       "--sample-ms", "1",
                                     "--rounds", "1",        "--csv",       NULL};
    ck_assert_int_eq(run(arguments), 0);
    eddy_backend_info info;
    for (size_t i = 0; eddy_backend_at(i, &info) == 0; i++) {
        char start[64];
        snprintf(start, sizeof start, "silent\",%s,", info.name);
        const char *at = strstr(out, start);
        ck_assert_msg(at != NULL, "%s", out);
        for (int commas = 0; commas < 11; commas++) at = strchr(at, ',') + 1;
        if (*at == ',') continue; /* the kernel refuses the backend */
        int calls = info.capabilities & EDDY_CAN_NEST ? 2 : 1;
        ck_assert_msg(strtod(at, NULL) == calls, "%s: %s", info.name, at);
    }
}
END_TEST

START_TEST(a_chosen_workload_is_told_in_three_ways) {
    static const char *const ways[] = {"--csv", "--json", "--quiet"};
    for (int i = 0; i < 3; i++) {
        const char *arguments[] = {"bench",
                                   "backends",
                                   "--workload",
                                   "ring",
                                   "--size",
                                   "10",
                                   "--rounds",
                                   "2",
                                   "--sample-ms",
                                   "1",
                                   i < 2 ? ways[i] : NULL,
                                   NULL};
        ck_assert_int_eq(run(arguments), 0);
        ck_assert_ptr_nonnull(strstr(out, "10 pairs, 10 active"));
        if (i == 0) ck_assert_uint_eq(count_lines(out), 2 + count_backends());
        if (i == 1) ck_assert_int_eq(out[0], '{');
        if (i == 2) ck_assert_ptr_nonnull(strstr(out, "\nring: 10 pairs, 10 active\n"));
    }
}
END_TEST

/* What a loop says that it calls is what the kernel sees, but for what happens once, for the calls
 * that the double of kqueue() makes, and for a second one that io_uring may make in a wait. */
START_TEST(calls_that_are_counted_are_those_that_are_told) {
    const char *const arguments[] = {
        "bench", "backends",    "--workload", "ring",          "--size", "100", "--rounds",
        "1",     "--sample-ms", "5",          "--count-calls", "--json", NULL};
    ck_assert_int_eq(run(arguments), 0);
    unsigned rows = 0, compared = 0;
    for (const char *it = out; (it = strstr(it, "\"subject\": \"")) != NULL; it++) {
        if (strncmp(it, "\"subject\": \"kqueue", 18) == 0) continue;
        const char *calls = strstr(it, "\"calls\": {\"median\": ");
        const char *counted = strstr(it, "\"calls_counted\": {\"median\": ");
        const char *end = it + strcspn(it, "\n");
        rows++;
        if (calls == NULL || calls > end) { /* the kernel refuses the backend */
            rows--;
            continue;
        }
        if (counted == NULL || counted > end) continue; /* a sandbox may forbid it */
        double said = strtod(calls + strlen("\"calls\": {\"median\": "), NULL);
        double seen = strtod(counted + strlen("\"calls_counted\": {\"median\": "), NULL);
        double more = strncmp(it, "\"subject\": \"io_uring", 20) == 0 ? 0.1 : 0.02;
        ck_assert_msg(seen > said - 0.02 && seen < said + more, "%g %g", said, seen);
        compared++;
    }
    ck_assert(compared == 0 || compared == rows);
}
END_TEST

/* Whatever its name is: it is that of a file. */
START_TEST(a_plot_is_a_picture) {
    char directory[] = "/tmp/eddy-test-XXXXXX", plot[64], text[16384] = "";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(plot, sizeof plot, "%s/it's | a.svg", directory);
    const char *const arguments[] = {"bench", "backends",    "--workload", "churn-start", "--size",
                                     "10",    "--rounds",    "1",          "--plot",      plot,
                                     "--csv", "--sample-ms", "1",          NULL};
    ck_assert_int_eq(run(arguments), 0);
    int fd = open(plot, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(read(fd, text, sizeof text - 1), 0);
    close(fd);
    ck_assert_uint_eq(count_of(text, ">churn-start</text>"), 1);
    unsigned told = count_of(text, ", size 10: "); /* but what the kernel refuses */
    ck_assert(told >= 1 && told <= count_backends());
    remove_tree(directory);
}
END_TEST

static double number_behind(const char *at, const char *name) {
    const char *it = strstr(at, name);
    ck_assert_msg(it != NULL, "no %s in %s", name, at);
    return strtod(it + strlen(name), NULL);
}

/* No faster than they are due, whatever sends them back. */
START_TEST(messages_come_at_a_rate) {
    static const char *const names[] = {"echo", "echo-io", "idle"};
    for (int i = 0; i < 3; i++) {
        const char *const arguments[] = {
            "bench",    "backends",  "--workload", names[i],      "--size", "20",
            "--rounds", "1",         "--rate",     "2000",        "--json", "--arrivals",
            "constant", "--backend", "select",     "--sample-ms", "50",     NULL};
        ck_assert_int_eq(run(arguments), 0);
        ck_assert_uint_eq(count_of(out, "\"setting\": \"constant 2000/s, 20 connections, "), 2);
        ck_assert_uint_eq(count_of(out, ", \"rate\": 2000, "), 2);
        ck_assert_double_gt(number_behind(out, "\"time_ns\": {\"median\": "), 0.9 * 1e9 / 2000);
        ck_assert_double_gt(number_behind(out, "\"answered\": "), 0);
    }
}
END_TEST

/* No backend keeps up with ten million a second; each is asked for no more than the first rate that
 * it falls behind at. */
START_TEST(a_sweep_ends_where_a_backend_falls_behind) {
    const char *const arguments[] = {"bench",    "backends", "--sweep",     "--rate", "3000000",
                                     "--rounds", "1",        "--sample-ms", "5",      NULL};
    ck_assert_int_eq(run(arguments), 0);
    unsigned lines = count_of(out, "\necho: poisson, 100 connections, all active: ");
    ck_assert_uint_eq(lines, count_backends() + 1);
    unsigned behind = count_of(out, "%   1  behind\n");
    ck_assert_uint_ge(behind, count_backends() - 1); /* a kernel may refuse io_uring */
    ck_assert_uint_eq(count_of(out, "  behind\n  does not keep up with 3.00 M "), behind);
    ck_assert_uint_eq(count_of(out, " it answers "), behind);
}
END_TEST

/* They miss what does not fit into their queue, and the server keeps no more than that. */
START_TEST(slow_readers_miss_messages_and_take_no_memory) {
    const char *const arguments[] = {
        "bench", "backends", "--workload",  "slow-readers", "--size",    "98",   "--rounds",
        "1",     "--json",   "--sample-ms", "200",          "--backend", "poll", NULL};
    ck_assert_int_eq(run(arguments), 0);
    double share = number_behind(out, "\"answered\": ");
    ck_assert_msg(share > 0.01 && share < 0.99, "%s", out);
    ck_assert_double_lt(number_behind(out, "\"memory_bytes\": "), 4 << 20);
    ck_assert_uint_eq(count_of(out, "\"p50_ns\": null"), 0);
}
END_TEST

/* In every way they are served, and by no loop more than by all together. */
START_TEST(connections_come_to_several_loops) {
    const char *const arguments[] = {"bench",       "loops", "--loops",  "3", "--clients", "9",
                                     "--sample-ms", "20",    "--rounds", "1", "--json",    NULL};
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_uint_eq(count_of(out, "\"setting\": \"3 loops, 9 clients\""), 6);
    ck_assert_uint_eq(count_of(out, "\"why\""), 0);
    for (const char *it = out; (it = strstr(it, "\"spread\": ")) != NULL; it++) {
        double spread = strtod(it + strlen("\"spread\": "), NULL);
        ck_assert_msg(spread >= 1 && spread <= 3, "%g", spread);
    }
}
END_TEST

/* Where the system lets it, over devices of its own; else why not is told, and nothing measured. */
START_TEST(clients_are_in_a_namespace_of_their_own) {
    const char *const arguments[] = {
        "bench",       "backends", "--network", "netns", "--workload", "accept",
        "--workload",  "echo",     "--size",    "4",     "--rounds",   "1",
        "--sample-ms", "5",        "--backend", "poll",  NULL};
    int status = run(arguments);
    if (status == 2) {
        ck_assert_ptr_nonnull(strstr(err, "eddy: --network: "));
        ck_assert_str_eq(out, "");
        return;
    }
    ck_assert_int_eq(status, 0);
    ck_assert_ptr_nonnull(strstr(out, "between server and clients: --network netns\n"));
    ck_assert_uint_eq(count_of(out, "\n  poll again "), 2);
    ck_assert_uint_eq(count_of(out, "   1\n"), 4); /* rounds: all were measured */
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("bench");
    ck_add(suite, "bench", help_and_mistakes_are_told, every_workload_runs_on_every_backend,
           servers_are_told_in_json, memory_of_idle_connections_is_told_of_each,
           a_size_that_does_not_fit_is_told, only_calls_of_the_system_count_as_such,
           calls_that_are_counted_are_those_that_are_told, a_chosen_workload_is_told_in_three_ways,
           a_plot_is_a_picture, messages_come_at_a_rate, a_sweep_ends_where_a_backend_falls_behind,
           slow_readers_miss_messages_and_take_no_memory, connections_come_to_several_loops,
           clients_are_in_a_namespace_of_their_own);
    return suite;
}
