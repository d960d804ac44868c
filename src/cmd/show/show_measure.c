/* show_measure.c: see show_measure.h. */
#include "show_measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the page calls a model, and `eddy bench models` does. */
static const struct {
    const char *name, *bench;
} models[] = {
    {"one", "one-at-a-time"},       {"fork", "fork"},       {"thread", "thread"},
    {"thread-pool", "thread-pool"}, {"loop", "event-loop"}, {"loop-pool", "event-loop-pool"},
};

void show_measure_init(struct show_measure *measure, eddy_loop *loop, const char *self,
                       struct show_board *board,
                       void (*tell)(void *context, const char *type, const char *data, size_t size),
                       void *context) {
    memset(measure, 0, sizeof *measure);
    measure->self = self;
    measure->board = board;
    measure->tell = tell;
    measure->context = context;
    show_program_init(&measure->models, loop);
    show_program_init(&measure->costs, loop);
}

/* --- The models --- */

/* The number behind `name` in a line of the bench; -1: there is none. */
static double number_of(const char *line, const char *name) {
    const char *at = strstr(line, name);
    return at != NULL ? strtod(at + strlen(name), NULL) : -1;
}

/* The page's name of the model that a line is about, or NULL. */
static const char *model_of(const char *line) {
    static const char head[] = "{\"model\": \"";
    if (strncmp(line, head, sizeof head - 1) != 0) return NULL;
    const char *name = line + sizeof head - 1;
    size_t length = strcspn(name, "\"");
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        if (strlen(models[i].bench) == length && memcmp(models[i].bench, name, length) == 0)
            return models[i].name;
    return NULL;
}

static void tell_model(struct show_measure *measure, const char *name, const char *line) {
    char event[512];
    double memory = number_of(line, "\"memory_bytes\": ");
    int length = snprintf(
        event, sizeof event,
        "{\"model\":\"%s\",\"clients\":%u,\"after_ms\":%.0f,\"done_per_s\":%.0f,\"p50_us\":%.1f,"
        "\"p99_us\":%.1f,\"served\":%.0f,\"memory_kb\":%.0f,\"threads\":%.0f,\"processes\":%.0f}",
        name, measure->clients, number_of(line, "\"after_ms\": "),
        number_of(line, "\"answers_a_second\": "), number_of(line, "\"p50_ns\": ") / 1e3,
        number_of(line, "\"p99_ns\": ") / 1e3, number_of(line, "\"served\": "),
        memory < 0 ? -1 : memory / 1024, number_of(line, "\"threads\": "),
        number_of(line, "\"processes\": "));
    measure->tell(measure->context, "model", event, (size_t)length);
}

static void tell_step(struct show_measure *measure, const char *name, const char *step) {
    char event[128];
    int length = snprintf(event, sizeof event, "{\"model\":\"%s\",\"clients\":%u,\"%s\":true}",
                          name, measure->clients, step);
    measure->tell(measure->context, "model", event, (size_t)length);
}

static void on_line(struct show_program *program, const char *line) {
    struct show_measure *measure = eddy_container_of(program, struct show_measure, models);
    static const char error[] = "\"error\": \"";
    const char *name = model_of(line);
    if (name == NULL || !measure->is_on) return;
    if (strstr(line, "\"begins\": true") != NULL)
        tell_step(measure, name, "begins");
    else if (strstr(line, error) != NULL)
        show_say(measure->board, "The model \"%s\" could not be measured with %u clients: %.*s.",
                 name, measure->clients, (int)strcspn(strstr(line, error) + sizeof error - 1, "\""),
                 strstr(line, error) + sizeof error - 1);
    else
        tell_model(measure, name, line);
}

static void on_models_end(struct show_program *program, const char *text, int error) {
    struct show_measure *measure = eddy_container_of(program, struct show_measure, models);
    (void)text;
    tell_step(measure, "", "end");
    if (!measure->is_on) return;
    measure->is_on = false;
    show_say(measure->board, error == 0 ? "All models have been measured."
                                        : "The models could not be measured to the end.");
}

static int begin_models(struct show_measure *measure) {
    char clients[16];
    const char *const arguments[] = {measure->self, "bench",       "models", "--connections",
                                     clients,       "--threads",   "32",     "--live",
                                     "250",         "--sample-ms", "5000",   "--wait-ms",
                                     "5",           "--burn-us",   "50",     NULL};
    snprintf(clients, sizeof clients, "%u", measure->clients);
    return show_program_start(&measure->models, arguments, on_line, on_models_end);
}

int show_measure_models(struct show_measure *measure, bool on, unsigned clients) {
    if (!on) {
        measure->is_on = false;
        show_program_kill(&measure->models);
        return 0;
    }
    if (measure->is_on || show_program_runs(&measure->models)) return -EALREADY;
    measure->clients = clients;
    int err = begin_models(measure);
    measure->is_on = err == 0;
    return err;
}

/* --- The costs --- */

static void answer(struct show_measure *measure, eddy_http_request *request) {
    static const char no[] = "could not be measured\n";
    if (measure->costs_text == NULL) {
        (void)eddy_http_respond_lent(request, 503, no, sizeof no - 1);
        return;
    }
    (void)eddy_http_add(request, "Content-Type", "application/json");
    (void)eddy_http_respond(request, 200, measure->costs_text, strlen(measure->costs_text));
}

static void on_costs(struct show_program *program, const char *text, int error) {
    struct show_measure *measure = eddy_container_of(program, struct show_measure, costs);
    if (error == 0) measure->costs_text = strdup(text);
    for (unsigned i = 0; i < MEASURE_WAITERS; i++)
        if (measure->waiters[i].request != NULL) answer(measure, measure->waiters[i].request);
}

static void on_done(eddy_http_request *request, void *context) {
    struct show_waiter *waiter = context;
    (void)request;
    waiter->request = NULL;
}

static void on_gone(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_abort(request);
}

void show_measure_costs(struct show_measure *measure, eddy_http_request *request) {
    /* Those that differ in pages and cores are for people with more time. */
    const char *const arguments[] = {measure->self, "bench",
                                     "costs",       "--rounds",
                                     "3",           "--sample-ms",
                                     "30",          "--json",
                                     "--cost",      "L1 cache",
                                     "--cost",      "L2 cache",
                                     "--cost",      "L3 cache",
                                     "--cost",      "main memory",
                                     "--cost",      "system call",
                                     "--cost",      "pipe, one thread",
                                     "--cost",      "pipe, two threads",
                                     "--cost",      "TCP, two threads",
                                     "--cost",      "thread",
                                     "--cost",      "process",
                                     "--cost",      "4 KiB read, cached",
                                     "--cost",      "4 KiB read, past the cache",
                                     "--cost",      "4 KiB write and fsync",
                                     NULL};
    struct show_waiter *waiter = measure->waiters;
    if (measure->costs_text != NULL) {
        answer(measure, request);
        return;
    }
    while (waiter < measure->waiters + MEASURE_WAITERS && waiter->request != NULL) waiter++;
    bool has_place = waiter < measure->waiters + MEASURE_WAITERS;
    bool runs = has_place && (show_program_runs(&measure->costs) ||
                              show_program_start(&measure->costs, arguments, NULL, on_costs) == 0);
    if (!runs) {
        answer(measure, request);
        return;
    }
    *waiter = (struct show_waiter){measure, request};
    eddy_http_on_done(request, on_done, waiter);
    eddy_http_on_gone(request, on_gone, waiter);
}

void show_measure_stop(struct show_measure *measure) {
    measure->is_on = false;
    show_program_kill(&measure->models);
    show_program_kill(&measure->costs);
}

void show_measure_end(struct show_measure *measure) {
    free(measure->costs_text);
}
