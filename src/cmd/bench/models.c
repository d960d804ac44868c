/* models.c: `eddy bench models`: which models of a server, with how many connections. A model is a
 * line in `models_list` and a function in models_blocking.c or models_loop.c. */
#include "models.h"
#include "bench_guard.h"
#include "bench_options.h"
#include "samples.h"

#include <stdlib.h>
#include <string.h>

enum { CHOSEN_MAX = 16, SUBJECTS_MAX = 2 * CHOSEN_MAX, CASES_MAX = 4096 };

const struct model models_list[] = {
    {"one-at-a-time", "serve a connection to its end, then accept the next one", 1,
     models_serve_one},
    {"fork", "a process for each connection", MODELS_ALL, models_serve_fork},
    {"thread", "a thread for each connection", MODELS_ALL, models_serve_thread},
    {"thread-pool", "a fixed number of threads, each serving a connection to its end",
     MODELS_THREADS, models_serve_pool},
    {"event-loop", "an eddy loop: one thread waits for all, and computes", MODELS_ALL,
     models_serve_loop},
    {"event-loop-pool", "the same, but a pool of threads computes", MODELS_ALL,
     models_serve_loop_pool},
};
const size_t models_count = sizeof models_list / sizeof models_list[0];

static const unsigned usual_connections[] = {1, 10, 100, 1000, 5000};
/* A pool of threads that wait does as much as it has threads, so its size is a part of its name. */
static const unsigned usual_threads[] = {32, 128};
static const struct bench_rates usual_rates = {.list = {2000, 8000, 16000}, .count = 3};

struct options {
    struct bench_options common; /* first */
    const char *models[CHOSEN_MAX];
    unsigned connections[CHOSEN_MAX];
    unsigned threads[CHOSEN_MAX];
    size_t model_count, connections_count, threads_count;
    unsigned wait_ms, burn_us, requests, live_ms;
    bool is_fixed;
};

/* --- The command line --- */

static bool set_model(void *to, const char *value) {
    struct options *options = to;
    if (options->model_count == CHOSEN_MAX) return false;
    for (size_t i = 0; i < models_count; i++) {
        if (strcmp(models_list[i].name, value) != 0) continue;
        options->models[options->model_count++] = value;
        return true;
    }
    return false;
}

static bool set_connections(void *to, const char *value) {
    struct options *options = to;
    return options->connections_count < CHOSEN_MAX &&
           command_line_number(value, 1, 20000,
                               &options->connections[options->connections_count++]);
}

static bool set_wait_ms(void *to, const char *value) {
    return command_line_number(value, 0, 10000, &((struct options *)to)->wait_ms);
}

static bool set_wait(void *to, const char *value) {
    ((struct options *)to)->is_fixed = strcmp(value, "fixed") == 0;
    return strcmp(value, "fixed") == 0 || strcmp(value, "random") == 0;
}

static bool set_burn_us(void *to, const char *value) {
    return command_line_number(value, 0, 100000, &((struct options *)to)->burn_us);
}

static bool set_requests(void *to, const char *value) {
    return command_line_number(value, 1, 1000000, &((struct options *)to)->requests);
}

static bool set_threads(void *to, const char *value) {
    struct options *options = to;
    return options->threads_count < CHOSEN_MAX &&
           command_line_number(value, 1, 1024, &options->threads[options->threads_count++]);
}

static bool set_live_ms(void *to, const char *value) {
    return command_line_number(value, 10, 10000, &((struct options *)to)->live_ms);
}

static const struct option_rule rules[] = {
    {"model", "NAME", "a model of \"eddy bench models --help\"", set_model,
     "compare this model; may be given several times (default: all)"},
    {"connections", "N", "a number from 1 to 20000, 16 of them at most", set_connections,
     "with so many clients at once; may be given several times" COMMAND_LINE_INDENT
     "(default: 1, 10, 100, 1000 and 5000)"},
    {"wait-ms", "N", "a number from 0 to 10000", set_wait_ms,
     "each request waits so many milliseconds on average (default 5)"},
    {"wait", "KIND", "random or fixed", set_wait,
     "random: from nothing to twice the average, in the same sequence for" COMMAND_LINE_INDENT
     "all (default); fixed: each the average, so that clients go in step"},
    {"burn-us", "N", "a number from 0 to 100000", set_burn_us,
     "and then computes for so many microseconds (default 50)"},
    {"arrivals", "KIND", "closed, constant or poisson", bench_set_arrivals,
     "closed: a client sends the next request when it has an answer" COMMAND_LINE_INDENT
     "(default); constant, poisson: requests come at a rate, evenly or as" COMMAND_LINE_INDENT
     "of many who know nothing of each other, whether the server keeps up" COMMAND_LINE_INDENT
     "or not, and the time of each begins when it should have been sent"},
    {"rate", "N", "a number from 1 to 10000000, 24 of them at most", bench_set_rate,
     "so many requests a second, of all clients; may be given several" COMMAND_LINE_INDENT
     "times (default: 2000, 8000 and 16000); poisson, if nothing is said"},
    {"sweep", NULL, "", bench_set_sweep,
     "rates from --rate (default 2000) on, two for each doubling, until a" COMMAND_LINE_INDENT
     "model answers less than 95 of 100 that are due"},
    {"requests", "N", "a number from 1 to 1000000", set_requests,
     "a client sends so many requests over a connection, then opens" COMMAND_LINE_INDENT
     "another one (default 20)"},
    {"threads", "N", "a number from 1 to 1024, 16 of them at most", set_threads,
     "of the thread-pool; may be given several times (default: 32 and 128)"},
    BENCH_RULE_NETWORK,
    BENCH_RULE_ROUNDS("6"),
    BENCH_RULE_SAMPLE_MS(
        "measure for so many milliseconds each, longer if few answers" COMMAND_LINE_INDENT
        "come (default 250)"),
    {"live", "MS", "a number from 10 to 10000", set_live_ms,
     "one sample of each, without one to warm up, and no report, but, while" COMMAND_LINE_INDENT
     "it is measured, a line of JSON so often: how it went since the last one"},
    BENCH_RULE_SEED,
    BENCH_RULE_JSON,
    BENCH_RULE_CSV,
    BENCH_RULE_PLOT("draw it, a panel for each figure"),
    BENCH_RULE_REPORT,
    BENCH_RULE_HELP,
};

static const struct command_line line = {
    .command = "eddy bench models",
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .take_argument = bench_refuse_argument,
};

static void help(void) {
    fputs(
        "usage: eddy bench models [options]\n\n"
        "The same small server, written in the ways that servers are written, and what each makes "
        "of more\nand more clients. This is what event loops are for.\n\nmodels:\n",
        stdout);
    for (size_t i = 0; i < models_count; i++)
        printf("  %-15s %s\n", models_list[i].name, models_list[i].help);
    fputs("\n"
          "A request is 32 bytes and so is its answer. In between the server waits, as for a "
          "database, and\ncomputes. The wait is a sleep of the thread or process that serves, and "
          "a timer of the loop: what\nit would cost to talk to the database is the same for all "
          "and not in the figures. How long it is\ncomes with the request, at random from a fixed "
          "seed for each client: waits of one length would have\nall clients come back together. "
          "The computation is the same number of steps for all, sized on an\nidle processor. A "
          "client sends its next request when the answer is there, so that a slow server is "
          "asked less; with\n--arrivals requests come at a rate, as from the world, and wait where "
          "the "
          "server does not keep up. The\nclients are one more process, on the same machine.\n\n"
          "How to read it:\n"
          "  a second  requests answered. While they wait, nothing limits it but the number of "
          "clients that are\n            served at once: so many per wait. Then the processors "
          "do, at a computation each.\n"
          "  p99       99 of 100 answers came within this time, from the moment that a client "
          "wanted one (the\n            first of a connection: from connecting). Clients that got "
          "none count with their wait.\n"
          "  served    clients that got an answer at all. A model that serves few at a time leaves "
          "the others\n            waiting, however good its other figures are.\n"
          "  CPU       of the server per request, with its share of making connections, processes "
          "and threads.\n"
          "  switches  how often per request a thread of the server gave up its processor.\n"
          "  memory    proportional set size of the server's processes while all clients are "
          "connected.\n"
          "  a client  what a client adds to it; on average, if not all of them are held at once.\n"
          "  kernel's  what a client adds to the kernel's own memory: slabs (sockets, descriptors, "
          "processes), page\n            tables, stacks, and what there is of for each "
          "processor. The system tells it for all\n            processes together, so the "
          "client's end of the connection is in it, and whatever else\n            the machine "
          "does; below 1,000 clients that is more than what they take.\n"
          "A model that cannot reach a number of clients says why.\n\noptions:\n",
          stdout);
    command_line_help(&line, stdout);
}

/* --- The cases --- */

/* How many steps take a microsecond: the fastest of some tries, which nobody has disturbed. */
static double steps_per_us(void) {
    enum { STEPS = 300000, TRIES = 9 };
    int64_t best_ns = INT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        int64_t since_ns = bench_now_ns();
        models_burn(STEPS);
        int64_t time_ns = bench_now_ns() - since_ns;
        if (time_ns < best_ns) best_ns = time_ns;
    }
    return (double)STEPS * 1e3 / (double)(best_ns > 0 ? best_ns : 1);
}

static bool is_chosen(const struct options *options, const char *name) {
    for (size_t i = 0; i < options->model_count; i++)
        if (strcmp(options->models[i], name) == 0) return true;
    return options->model_count == 0;
}

/* The models that were chosen, the pool of threads once for each of its sizes. */
static size_t make_subjects(struct models_subject *subjects, const struct options *options,
                            struct models_settings settings) {
    size_t count = 0;
    for (size_t i = 0; i < models_count; i++) {
        const struct model *model = &models_list[i];
        bool has_threads = model->at_once == MODELS_THREADS;
        for (size_t k = 0; k < (has_threads ? options->threads_count : 1); k++) {
            if (!is_chosen(options, model->name)) continue;
            struct models_subject *it = &subjects[count++];
            *it = (struct models_subject){.model = model, .settings = settings};
            if (has_threads) it->settings.threads = options->threads[k];
            snprintf(it->name, sizeof it->name, has_threads ? "%s-%u" : "%s", model->name,
                     it->settings.threads);
        }
    }
    return count;
}

/* "100 clients, poisson 8000/s, random 5 ms + 50 us" */
static void say_setting(struct bench_case *it, const struct models_settings *settings,
                        unsigned connections, unsigned burn_us) {
    char arrivals[32];
    bench_rates_text(arrivals, sizeof arrivals, settings->arrivals, settings->rate);
    snprintf(it->setting, sizeof it->setting, "%u client%s, %s%s%u ms + %u us", connections,
             connections == 1 ? "" : "s", arrivals, settings->is_fixed ? "" : "random ",
             settings->wait_ms, burn_us);
}

static size_t add_group(struct bench_case *cases, const struct models_subject *subjects,
                        size_t subject_count, unsigned connections, const struct options *options) {
    for (size_t i = 0; i < subject_count; i++) {
        cases[i] = (struct bench_case){
            .kind = BENCH_SERVERS,
            .workload = "models",
            .subject = subjects[i].name,
            .operation = "request",
            .size = connections,
            .rate = subjects[i].settings.rate,
            .extra = &subjects[i],
            .run = models_run,
        };
        say_setting(&cases[i], &subjects[i].settings, connections, options->burn_us);
    }
    return subject_count;
}

/* For each rate (one that is none where the load is closed) and each number of clients a group. */
static size_t make_cases(struct bench_case *cases, struct models_subject *subjects,
                         const struct options *options) {
    struct models_settings settings = {
        .arrivals = options->common.rates.arrivals,
        .wait_ms = options->wait_ms,
        .is_fixed = options->is_fixed,
        .burn_steps = (uint64_t)(options->burn_us * steps_per_us()),
        .requests = options->requests,
        .live_ms = options->live_ms,
    };
    const struct bench_rates *rates = &options->common.rates;
    size_t count = 0;
    for (size_t i = 0; i < options->connections_count; i++) {
        for (size_t k = 0; k < rates->count && count + SUBJECTS_MAX <= CASES_MAX; k++) {
            struct models_subject *of_rate = &subjects[k * SUBJECTS_MAX];
            settings.rate = rates->list[k];
            size_t subject_count = make_subjects(of_rate, options, settings);
            count +=
                add_group(&cases[count], of_rate, subject_count, options->connections[i], options);
        }
    }
    return count;
}

/* What cannot be measured says so in a line of its own. */
static int run_live(const struct options *options, const struct bench_case *cases, size_t count) {
    struct bench_plan plan = {
        .rounds = 1, .is_cold = true, .time_ns = options->common.sample_ms * EDDY_NS_PER_MS};
    char text[64];
    if (!bench_network_open(&options->common.network)) return 2;
    for (size_t i = 0; i < count; i++) {
        const struct models_subject *subject = cases[i].extra;
        struct bench_samples samples;
        int err = bench_samples_init(&samples, &cases[i], 1, false);
        if (err == 0) err = bench_run(&samples, &plan);
        if (err < 0) {
            fprintf(stderr, "eddy: %s\n", eddy_strerror(err, text, sizeof text));
            return 1;
        }
        if (samples.rows[0].error != 0)
            printf("{\"model\": \"%s\", \"error\": \"%s\"}\n", subject->model->name,
                   samples.rows[0].why);
        fflush(stdout);
        bench_samples_free(&samples);
        if (bench_interrupted() != 0) return 128 + bench_interrupted();
    }
    return 0;
}

static size_t usual(unsigned *chosen, const unsigned *numbers, size_t count) {
    memcpy(chosen, numbers, count * sizeof *numbers);
    return count;
}

#define USUAL(chosen, numbers) usual(chosen, numbers, sizeof(numbers) / sizeof *(numbers))

static void choose_usual(struct options *options) {
    if (options->connections_count == 0)
        options->connections_count = USUAL(options->connections, usual_connections);
    if (options->threads_count == 0)
        options->threads_count = USUAL(options->threads, usual_threads);
}

static int run_cases(const struct options *options) {
    static struct models_subject subjects[BENCH_RATES_MAX * SUBJECTS_MAX];
    struct bench_case *cases = calloc(CASES_MAX, sizeof *cases);
    if (cases == NULL) {
        fputs("eddy: there is no memory for what is to be measured\n", stderr);
        return 3;
    }
    size_t count = make_cases(cases, subjects, options);
    int status = options->live_ms > 0 ? run_live(options, cases, count)
                                      : bench_execute(&options->common, cases, count);
    free(cases);
    return status;
}

int bench_models_main(int argc, char **argv) {
    struct options options = {
        .common = bench_options_make(&line, 6, 250, argc, argv),
        .wait_ms = 5,
        .burn_us = 50,
        .requests = 20,
    };
    int status;
    if (!bench_parse(&line, &options.common, help, &status)) return status;
    if (!bench_rates_settle(&options.common.rates, &usual_rates)) return 2;
    choose_usual(&options);
    return run_cases(&options);
}
