/* show_measure.c: see show_measure.h. */
#include "show_measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECONDS = 5, THREADS = 32, POOL_THREADS = 4 };

/* What the page calls a model, and `eddy bench models` does. */
static const struct {
    const char *name, *bench;
} models[] = {
    {"one", "one-at-a-time"},       {"fork", "fork"},       {"thread", "thread"},
    {"thread-pool", "thread-pool"}, {"loop", "event-loop"}, {"loop-pool", "event-loop-pool"},
};
enum { ONE, FORK, THREAD, THREAD_POOL, LOOP, LOOP_POOL, MODELS };

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

/* The number behind `name` in what the bench has printed; 0: there is none. */
static double number_of(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at != NULL ? strtod(at + strlen(name), NULL) : 0;
}

static unsigned threads_of(unsigned model, unsigned clients) {
    return model == THREAD        ? clients + 1
           : model == THREAD_POOL ? THREADS + 1
           : model == LOOP_POOL   ? POOL_THREADS + 1
                                  : 1;
}

static void tell_model(struct show_measure *measure, const char *text, bool is_end) {
    char event[512];
    double each_ns = number_of(text, "\"time_ns\": {\"median\": ");
    unsigned processes = measure->model == FORK ? measure->clients + 1 : 1;
    int length = snprintf(
        event, sizeof event,
        "{\"model\":\"%s\",\"second\":%u,\"done_per_s\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
        "\"memory_kb\":%.0f,\"threads\":%u,\"processes\":%u,\"clients\":%u,\"served\":%.0f,"
        "\"end\":%s}",
        models[measure->model].name, measure->second, each_ns > 0 ? 1e9 / each_ns : 0,
        number_of(text, "\"p50_ns\": ") / 1e3, number_of(text, "\"p99_ns\": ") / 1e3,
        number_of(text, "\"memory_bytes\": ") / 1024,
        threads_of(measure->model, measure->clients) * processes, processes, measure->clients,
        number_of(text, "\"served\": "), is_end ? "true" : "false");
    measure->tell(measure->context, "model", event, (size_t)length);
}

static void on_sample(struct show_program *program, const char *text, int error);

static int begin_sample(struct show_measure *measure) {
    char clients[16], threads[16];
    const char *const arguments[] = {measure->self,
                                     "bench",
                                     "models",
                                     "--model",
                                     models[measure->model].bench,
                                     "--connections",
                                     clients,
                                     "--threads",
                                     threads,
                                     "--rounds",
                                     "1",
                                     "--sample-ms",
                                     "400",
                                     "--wait-ms",
                                     "5",
                                     "--burn-us",
                                     "50",
                                     "--json",
                                     NULL};
    snprintf(clients, sizeof clients, "%u", measure->clients);
    snprintf(threads, sizeof threads, "%d", THREADS);
    return show_program_start(&measure->models, arguments, on_sample);
}

static void end_models(struct show_measure *measure, const char *why) {
    measure->is_on = false;
    show_say(measure->board, "%s", why);
}

static void on_sample(struct show_program *program, const char *text, int error) {
    struct show_measure *measure = eddy_container_of(program, struct show_measure, models);
    if (!measure->is_on) return;
    if (error < 0) {
        show_say(measure->board, "The model \"%s\" could not be measured with %u clients.",
                 models[measure->model].name, measure->clients);
        measure->second = SECONDS;
        text = "";
    }
    bool is_over = ++measure->second >= SECONDS;
    tell_model(measure, text, is_over);
    if (is_over) {
        measure->second = 0;
        measure->model++;
    }
    if (measure->model == MODELS)
        end_models(measure, "All models have been measured.");
    else if (begin_sample(measure) < 0)
        end_models(measure, "The models cannot be measured: no process can be started.");
}

int show_measure_models(struct show_measure *measure, bool on, unsigned clients) {
    if (!on) {
        measure->is_on = false;
        show_program_kill(&measure->models);
        return 0;
    }
    if (measure->is_on || show_program_runs(&measure->models)) return -EALREADY;
    measure->model = measure->second = 0;
    measure->clients = clients;
    int err = begin_sample(measure);
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
    const char *const arguments[] = {measure->self, "bench", "costs",  "--rounds", "3",
                                     "--sample-ms", "30",    "--json", NULL};
    struct show_waiter *waiter = measure->waiters;
    if (measure->costs_text != NULL) {
        answer(measure, request);
        return;
    }
    while (waiter < measure->waiters + MEASURE_WAITERS && waiter->request != NULL) waiter++;
    bool has_place = waiter < measure->waiters + MEASURE_WAITERS;
    bool runs = has_place && (show_program_runs(&measure->costs) ||
                              show_program_start(&measure->costs, arguments, on_costs) == 0);
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
