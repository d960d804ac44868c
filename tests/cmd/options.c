/* The command line of `eddy serve`, as a function and as a program. */
#include "program.h"

#include "serve_options.h"

static char error[256];

static int parse(struct options *options, const char *const *arguments) {
    int count = 0;
    while (arguments[count] != NULL) count++;
    error[0] = '\0';
    return options_parse(options, count, (char **)(uintptr_t)arguments, error, sizeof error);
}

/* Without options, the defaults that the help tells. */
START_TEST(nothing_given_means_the_defaults) {
    struct options options;
    ck_assert_int_eq(parse(&options, (const char *[]){NULL}), 0);
    ck_assert_str_eq(options.directory, ".");
    ck_assert_uint_eq(options.host_count, 1);
    ck_assert_str_eq(options.hosts[0], "127.0.0.1");
    ck_assert_uint_eq(options.grace_s, 10);
    ck_assert_ptr_null(options.policy.cache_control);
    ck_assert(!options.policy.has_indexes && !options.policy.shows_hidden);
    ck_assert_uint_eq(options.port, 8080);
    ck_assert_ptr_null(options.backend);
    ck_assert_uint_eq(options.loops, 1);
    ck_assert_uint_eq(options.pool_threads, 4);
    ck_assert_uint_eq(options.connections_max, 0);
    ck_assert_uint_eq(options.timeout_s, 60);
    ck_assert(!options.log && !options.quiet && !options.help);
    ck_assert(options.stats_s == 0 && options.metrics == NULL);
    ck_assert_uint_eq(options.watchdog_ms, 0);
}
END_TEST

/* A value may follow as its own argument or behind "=", and DIR may stand anywhere. */
START_TEST(every_option_is_taken_in_both_spellings) {
    struct options options;
    ck_assert_int_eq(
        parse(&options, (const char *[]){"--host", "::1", "--port=0", "www", "--loops=3",
                                         "--pool-threads", "7", "--max-connections=50", "--timeout",
                                         "9", "--log=common", "--quiet", NULL}),
        0);
    ck_assert_str_eq(options.directory, "www");
    ck_assert_str_eq(options.hosts[0], "::1");
    ck_assert_uint_eq(options.port, 0);
    ck_assert_uint_eq(options.loops, 3);
    ck_assert_uint_eq(options.pool_threads, 7);
    ck_assert_uint_eq(options.connections_max, 50);
    ck_assert_uint_eq(options.timeout_s, 9);
    ck_assert(options.log && options.log_format == ACCESS_COMMON && options.quiet);
    ck_assert_ptr_null(options.log_file);
    ck_assert(!options.trust_proxy);
    ck_assert_int_eq(parse(&options, (const char *[]){"--", "--port", NULL}), 0);
    ck_assert_str_eq(options.directory, "--port");
    ck_assert_int_eq(parse(&options, (const char *[]){"--log=none", "-", NULL}), 0);
    ck_assert_str_eq(options.directory, "-");
    ck_assert(!options.log);
    ck_assert_int_eq(parse(&options, (const char *[]){"--log", "combined", "--log-file=access.log",
                                                      "--trust-proxy", NULL}),
                     0);
    ck_assert(options.log && options.log_format == ACCESS_COMBINED && options.trust_proxy);
    ck_assert_str_eq(options.log_file, "access.log");
    ck_assert_int_eq(parse(&options, (const char *[]){"--log-file", "a", "--log", "json", NULL}),
                     0);
    ck_assert(options.log && options.log_format == ACCESS_JSON);
    ck_assert_int_eq(parse(&options, (const char *[]){"--stats", "5", "--metrics=/-/a_b~1", NULL}),
                     0);
    ck_assert_uint_eq(options.stats_s, 5);
    ck_assert_str_eq(options.metrics, "/-/a_b~1");
    ck_assert_int_eq(parse(&options, (const char *[]){"--watchdog", "50", NULL}), 0);
    ck_assert_uint_eq(options.watchdog_ms, 50);
    ck_assert_int_eq(parse(&options, (const char *[]){"--", "-h", NULL}), 0);
    ck_assert_str_eq(options.directory, "-h");
    ck_assert(!options.help);
    ck_assert_int_eq(parse(&options, (const char *[]){"-p", "1", "-p2", NULL}), 0);
    ck_assert_uint_eq(options.port, 2);
    ck_assert_int_eq(parse(&options, (const char *[]){"-p", "-h", NULL}), -EINVAL);
}
END_TEST

/* What may be given several times is kept in order. */
START_TEST(options_that_are_given_again_add_up) {
    struct options options;
    ck_assert_int_eq(
        parse(&options, (const char *[]){"--host", "localhost", "--host=[::1]", "--host",
                                         "fe80::1%eth0", "--host", "my_host.example.", NULL}),
        0);
    ck_assert_uint_eq(options.host_count, 4);
    ck_assert_str_eq(options.hosts[0], "localhost");
    ck_assert_str_eq(options.hosts[1], "[::1]");
    const struct policy_options *policy = &options.policy;
    ck_assert_int_eq(
        parse(&options, (const char *[]){"--index", "a.html", "--index=b.html", "--hide", "*.bak",
                                         "--hide=~*", "--header", "A: 1", "--header=B:2",
                                         "--error-page", "404=a", "--error-page=404=b",
                                         "--error-page=500=c=d", "--spa", "/app.html", NULL}),
        0);
    ck_assert_uint_eq(policy->index_count, 2);
    ck_assert_str_eq(policy->indexes[1], "b.html");
    ck_assert_uint_eq(policy->pattern_count, 2);
    ck_assert_str_eq(policy->patterns[0], "*.bak");
    ck_assert_uint_eq(policy->field_count, 2);
    ck_assert_uint_eq(policy->page_count, 2);
    ck_assert_str_eq(policy->pages[0].file, "b");
    ck_assert_str_eq(policy->pages[1].file, "c=d");
    ck_assert_str_eq(policy->fallback, "app.html");
    ck_assert_int_eq(parse(&options, (const char *[]){"--index", "a", "--index=", NULL}), 0);
    ck_assert(policy->has_indexes && policy->index_count == 0);
    size_t name_length, value_length;
    const char *value = policy_options_value("X-A: \t b c \t", &name_length, &value_length);
    ck_assert_uint_eq(name_length, 3);
    ck_assert_uint_eq(value_length, 3);
    ck_assert_int_eq(memcmp(value, "b c", 3), 0);
}
END_TEST

/* A name may have a comma; what stands behind the last one is seconds if it is a number. */
START_TEST(a_trace_has_a_file_and_seconds) {
    static const struct {
        const char *value, *path, *second;
        int seconds;
    } cases[] = {
        {"a", "a", "a-2", -1},
        {"a.txt", "a.txt", "a-2.txt", -1},
        {"b.c/a,0", "b.c/a", "b.c/a-2", 0},
        {"b/.a,86400", "b/.a", "b/.a-2", 86400},
        {"a,b.pftrace", "a,b.pftrace", "a,b-2.pftrace", -1},
        {"a,1,2", "a,1", "a,1-2", 2},
        {".txt", ".txt", ".txt-2", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options options;
        char path[TRACE_PATH_MAX];
        ck_assert_int_eq(parse(&options, (const char *[]){"--trace", cases[i].value, NULL}), 0);
        ck_assert_int_eq(options.trace.seconds, cases[i].seconds);
        trace_path_with(path, &options.trace, NULL);
        ck_assert_str_eq(path, cases[i].path);
        trace_path_with(path, &options.trace, "2");
        ck_assert_str_eq(path, cases[i].second);
    }
    ck_assert(trace_path_is_text("a.txt") && !trace_path_is_text(".txt"));
}
END_TEST

#define METRICS_WANTS "a path as /metrics, of letters, digits, \"-\", \"_\", \"~\" and \"/\""
#define NO_HOST       "is not an IPv4 or IPv6 address or a host's name; 8 at most"

static const struct {
    const char *arguments[6];
    const char *message;
} bad[] = {
    {{"--trace", ""}, "--trace: \"\" is not " TRACE_WANTS},
    {{"--trace", ",5"}, "--trace: \",5\" is not " TRACE_WANTS},
    {{"--trace", "a,86401"}, "--trace: \"a,86401\" is not " TRACE_WANTS},
    {{"--trace", "a,"}, "--trace: \"a,\" is not " TRACE_WANTS},
    {{"--port", "x"}, "--port: \"x\" is not a number from 0 to 65535"},
    {{"--port", "65536"}, "--port: \"65536\" is not a number from 0 to 65535"},
    {{"--port", "-1"}, "--port: \"-1\" is not a number from 0 to 65535"},
    {{"--port", "+1"}, "--port: \"+1\" is not a number from 0 to 65535"},
    {{"--port", " 1"}, "--port: \" 1\" is not a number from 0 to 65535"},
    {{"--port", "1x"}, "--port: \"1x\" is not a number from 0 to 65535"},
    {{"--port="}, "--port: \"\" is not a number from 0 to 65535"},
    {{"--port", "18446744073709551617"},
     "--port: \"18446744073709551617\" is not a number from 0 to 65535"},
    {{"--port"}, "--port wants a number from 0 to 65535 behind it"},
    {{"--host", "no where"}, "--host: \"no where\" " NO_HOST},
    {{"--host", ""}, "--host: \"\" " NO_HOST},
    {{"--host", "[127.0.0.1]"}, "--host: \"[127.0.0.1]\" " NO_HOST},
    {{"--host", "[name]"}, "--host: \"[name]\" " NO_HOST},
    {{"--host", "256.1.1.1"}, "--host: \"256.1.1.1\" " NO_HOST},
    {{"--host", "http://a"}, "--host: \"http://a\" " NO_HOST},
    {{"--user="}, "--user: \"\" is not a user or USER:GROUP, by name or number"},
    {{"--user", "a:"}, "--user: \"a:\" is not a user or USER:GROUP, by name or number"},
    {{"--user", ":a"}, "--user: \":a\" is not a user or USER:GROUP, by name or number"},
    {{"--user", "a:b:c"}, "--user: \"a:b:c\" is not a user or USER:GROUP, by name or number"},
    {{"--stats", "0"}, "--stats: \"0\" is not a number from 1 to 86400"},
    {{"--stats"}, "--stats wants a number from 1 to 86400 behind it"},
    {{"--metrics", "metrics"}, "--metrics: \"metrics\" is not " METRICS_WANTS},
    {{"--metrics", "/"}, "--metrics: \"/\" is not " METRICS_WANTS},
    {{"--metrics", "/a/"}, "--metrics: \"/a/\" is not " METRICS_WANTS},
    {{"--metrics", "/a//b"}, "--metrics: \"/a//b\" is not " METRICS_WANTS},
    {{"--metrics", "/../b"}, "--metrics: \"/../b\" is not " METRICS_WANTS},
    {{"--metrics", "/a?b"}, "--metrics: \"/a?b\" is not " METRICS_WANTS},
    {{"--metrics", "/%61"}, "--metrics: \"/%61\" is not " METRICS_WANTS},
    {{"--watchdog", "0"}, "--watchdog: \"0\" is not a number from 1 to 3600000"},
    {{"--watchdog"}, "--watchdog wants a number from 1 to 3600000 behind it"},
    {{"--grace", "x"}, "--grace: \"x\" is not a number from 0 to 86400"},
    {{"--index", "a/b"}, "--index: \"a/b\" is not " POLICY_WANTS_INDEX},
    {{"--index", ".."}, "--index: \"..\" is not " POLICY_WANTS_INDEX},
    {{"--hide", ""}, "--hide: \"\" is not " POLICY_WANTS_PATTERN},
    {{"--hide", "a/*"}, "--hide: \"a/*\" is not " POLICY_WANTS_PATTERN},
    {{"--mime="}, "--mime: \"\" is not a file like /etc/mime.types"},
    {{"--spa", "/"}, "--spa: \"/\" is not " POLICY_WANTS_FALLBACK},
    {{"--spa", "a/"}, "--spa: \"a/\" is not " POLICY_WANTS_FALLBACK},
    {{"--error-page", "404"}, "--error-page: \"404\" is not " POLICY_WANTS_PAGE},
    {{"--error-page", "404="}, "--error-page: \"404=\" is not " POLICY_WANTS_PAGE},
    {{"--error-page", "200=a"}, "--error-page: \"200=a\" is not " POLICY_WANTS_PAGE},
    {{"--error-page", "4040=a"}, "--error-page: \"4040=a\" is not " POLICY_WANTS_PAGE},
    {{"--cache-control", "a\nb"}, "--cache-control: \"a\nb\" is not " POLICY_WANTS_CACHE_CONTROL},
    {{"--header", "a"}, "--header: \"a\" has no colon; a field is written \"Name: value\""},
    {{"--header", "a b: c"},
     "--header: \"a b: c\" has no field's name before the colon, which is of letters, digits and "
     "\"-\""},
    {{"--header", ": c"},
     "--header: \": c\" has no field's name before the colon, which is of letters, digits and "
     "\"-\""},
    {{"--header", "a: b\r\nc: d"},
     "--header: \"a: b\r\nc: d\" has a control character in its value"},
    {{"--header", "content-LENGTH: 1"},
     "--header: \"content-LENGTH: 1\" is a field that the server sets itself"},
    {{"--header", "Cache-Control: x", "--cache-control", "y"},
     "--header: \"Cache-Control: x\" is what --cache-control says; give one of them"},
    {{"--cors", "--header", "Access-Control-Allow-Origin: x"},
     "--header: \"Access-Control-Allow-Origin: x\" is what --cors sets; give one of them"},
    {{"--files", "threads"}, "--files: \"threads\" is not \"pool\" or \"uring\""},
    {{"--backend", "fancy"},
     "--backend: \"fancy\" is not a backend of this binary, which \"eddy backends\" lists"},
    {{"--loops", "0"}, "--loops: \"0\" is not a number from 1 to 64"},
    {{"--loops=65"}, "--loops: \"65\" is not a number from 1 to 64"},
    {{"--pool-threads", "0"}, "--pool-threads: \"0\" is not a number from 1 to 256"},
    {{"--max-connections", "0"}, "--max-connections: \"0\" is not a number from 1 to 1000000"},
    {{"--loops", "3", "--max-connections", "2"},
     "--max-connections: \"2\" is not at least one for each of the 3 loops"},
    {{"--timeout", "0"}, "--timeout: \"0\" is not a number from 1 to 86400"},
    {{"--timeout", "1.5"}, "--timeout: \"1.5\" is not a number from 1 to 86400"},
    {{"--log", "xml"}, "--log: \"xml\" is not none, common, combined or json"},
    {{"--log="}, "--log: \"\" is not none, common, combined or json"},
    {{"--log"}, "--log wants none, common, combined or json behind it"},
    {{"--log", "json", "--log-file="}, "--log-file: \"\" is not the name of a file"},
    {{"--log-file", "x"}, "--log-file is of no use without --log common, combined or json"},
    {{"--log=none", "--trust-proxy"},
     "--trust-proxy is of no use without --log common, combined or json"},
    {{"--log=json", "--trust-proxy=no"}, "--trust-proxy takes no value, but was given \"no\""},
    {{"--quiet=yes"}, "--quiet takes no value, but was given \"yes\""},
    {{"--verbose"}, "unknown option \"--verbose\"; \"eddy serve --help\" lists them"},
    {{"--verbose=3"}, "unknown option \"--verbose\"; \"eddy serve --help\" lists them"},
    {{"--por", "1"}, "unknown option \"--por\"; \"eddy serve --help\" lists them"},
    {{"-q", "1"}, "unknown option \"-q\"; \"eddy serve --help\" lists them"},
    {{"-p"}, "-p wants a number from 0 to 65535 behind it"},
    {{"-px"}, "-p: \"x\" is not a number from 0 to 65535"},
    {{"-hp"}, "unknown option \"-hp\"; \"eddy serve --help\" lists them"},
    {{"a", "b"}, "one DIR can be served, but there are \"a\" and \"b\""},
    {{""}, "DIR is empty; \".\" is the current directory"},
};

/* The message names what was wrong and what would be right. */
START_TEST(bad_options_are_told_apart) {
    struct options options;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(parse(&options, bad[i].arguments), -EINVAL);
        ck_assert_str_eq(error, bad[i].message);
    }
}
END_TEST

/* Runs the program to its end and returns its exit status, and what it wrote. */
static int run(const char *const *arguments, char *out, char *err, size_t size) {
    struct program program = program_start(arguments);
    read_text(program.out, out, size, false);
    read_text(program.err, err, size, false);
    return program_wait(&program);
}

/* The program writes that message as its only line, on stderr, and exits with 2. */
START_TEST(bad_options_end_the_program_with_status_2) {
    char out[4096], err[4096], wanted[512];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *arguments[8] = {"serve"};
        memcpy(arguments + 1, bad[i].arguments, sizeof bad[i].arguments);
        snprintf(wanted, sizeof wanted, "eddy: %s\n", bad[i].message);
        ck_assert_int_eq(run(arguments, out, err, sizeof out), 2);
        ck_assert_str_eq(err, wanted);
        ck_assert_str_eq(out, "");
    }
}
END_TEST

/* The same for the words before the options. */
START_TEST(bad_commands_end_the_program_with_status_2) {
    char out[4096], err[4096];
    ck_assert_int_eq(run((const char *[]){NULL}, out, err, sizeof out), 2);
    ck_assert_str_eq(err, "eddy: a command is missing; \"eddy --help\" lists them\n");
    ck_assert_int_eq(run((const char *[]){"fly", NULL}, out, err, sizeof out), 2);
    ck_assert_str_eq(err, "eddy: unknown command \"fly\"; \"eddy --help\" lists them\n");
    ck_assert_int_eq(run((const char *[]){"backends", "now", NULL}, out, err, sizeof out), 2);
    ck_assert_str_eq(err, "eddy: backends takes no arguments, but was given \"now\"\n");
}
END_TEST

/* Help and version go to stdout, with status 0; the help names every option. */
START_TEST(help_and_version_are_told) {
    char out[8192], err[sizeof out];
    ck_assert_int_eq(run((const char *[]){"--version", NULL}, out, err, sizeof out), 0);
    ck_assert_str_eq(out, "eddy " EDDY_VERSION "\n");
    ck_assert_int_eq(run((const char *[]){"--help", NULL}, out, err, sizeof out), 0);
    ck_assert_ptr_nonnull(strstr(out, "serve"));
    ck_assert_ptr_nonnull(strstr(out, "backends"));
    ck_assert_int_eq(run((const char *[]){"serve", "--help", NULL}, out, err, sizeof out), 0);
    static const char *const names[] = {
        "--host",        "--port",          "--backend",      "--loops",
        "--unix",        "--unix-mode",     "--pool-threads", "--max-connections",
        "--timeout",     "--log",           "--quiet",        "--grace",
        "--log-file",    "--trust-proxy",   "--index",        "--hide",
        "--show-hidden", "--follow-links",  "--mime",         "--header",
        "--cors",        "--cache-control", "--spa",          "--error-page",
        "--files",       "--precompressed", "-p, --port",     "-h, --help",
        "TLS",           "exit status",     "--stats",        "--metrics",
        "--watchdog"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_ptr_nonnull(strstr(out, names[i]));
    ck_assert_str_eq(err, "");
}
END_TEST

/* Whichever way somebody asks. */
START_TEST(help_has_several_spellings) {
    static const char *const ways[][3] = {
        {"--help"},         {"-h"},
        {"help"},           {"serve", "--help"},
        {"serve", "-h"},    {"serve", "-h", "--quiet"},
        {"backends", "-h"}, {"backends", "--help"},
    };
    char out[8192], err[4096];
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const char *arguments[4] = {ways[i][0], ways[i][1], ways[i][2], NULL};
        ck_assert_int_eq(run(arguments, out, err, 4096), 0);
        ck_assert_int_eq(strncmp(out, "usage: eddy ", 12), 0);
        ck_assert_str_eq(err, "");
    }
}
END_TEST

/* `eddy backends` has a line for each one, best first. */
START_TEST(backends_are_listed_in_order) {
    char out[4096], err[4096];
    ck_assert_int_eq(run((const char *[]){"backends", NULL}, out, err, sizeof out), 0);
    const char *line = out;
    eddy_backend_info backend;
    for (size_t i = 0; eddy_backend_at(i, &backend) == 0; i++) {
        line = strchr(line, '\n');
        ck_assert_ptr_nonnull(line);
        line++;
        ck_assert_int_eq(strncmp(line, backend.name, strlen(backend.name)), 0);
    }
    /* And who does files: whatever this kernel says of the ring. */
    line = strstr(line, "\n\nfiles: ");
    ck_assert_ptr_nonnull(line);
    ck_assert(strncmp(line, "\n\nfiles: pool, uring\n", 22) == 0 ||
              strncmp(line, "\n\nfiles: pool; not uring: ", 26) == 0);
}
END_TEST

/* What the system refuses is one line and status 1. */
START_TEST(a_missing_directory_ends_the_program_with_status_1) {
    char out[4096], err[4096];
    const char *const missing[] = {"serve", "--port", "0", "no/such/place", NULL};
    ck_assert_int_eq(run(missing, out, err, sizeof out), 1);
    ck_assert_str_eq(err, "eddy: cannot serve no/such/place: No such file or directory\n");
    ck_assert_str_eq(out, "");
    const char *const no_directory[] = {"serve", getenv("EDDY_PROGRAM"), NULL};
    ck_assert_int_eq(run(no_directory, out, err, sizeof out), 1);
    ck_assert_ptr_nonnull(strstr(err, ": Not a directory\n"));
}
END_TEST

/* A port that another program has is refused, also when several loops would share one. */
START_TEST(a_port_in_use_ends_the_program_with_status_1) {
    char out[4096], err[4096], port[16], wanted[128];
    struct program first = serve_start(".", (const char *[]){"--loops", "2", NULL});
    snprintf(port, sizeof port, "%u", first.port);
    snprintf(wanted, sizeof wanted, "eddy: cannot listen on 127.0.0.1:%s: Address already in use\n",
             port);
    const char *const alone[] = {"serve", "--port", port, ".", NULL};
    ck_assert_int_eq(run(alone, out, err, sizeof out), 1);
    ck_assert_str_eq(err, wanted);
    ck_assert_str_eq(out, "");
    const char *const several[] = {"serve", "--loops", "2", "--port", port, ".", NULL};
    ck_assert_int_eq(run(several, out, err, sizeof out), 1);
    ck_assert_str_eq(err, wanted);
    ck_assert_int_eq(program_stop(&first, SIGTERM), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("options");
    ck_add(suite, "parsing", nothing_given_means_the_defaults,
           every_option_is_taken_in_both_spellings, options_that_are_given_again_add_up,
           a_trace_has_a_file_and_seconds, bad_options_are_told_apart);
    ck_add(suite, "program", bad_options_end_the_program_with_status_2,
           bad_commands_end_the_program_with_status_2, help_and_version_are_told,
           help_has_several_spellings, backends_are_listed_in_order,
           a_missing_directory_ends_the_program_with_status_1,
           a_port_in_use_ends_the_program_with_status_1);
    return suite;
}
