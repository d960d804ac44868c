/* serve.c: `eddy serve` in the simulation: its connection code, all of it as it is, among clients
 * of all kinds, until it is told to stop in the middle of them.
 * Threading: "main" runs the server; "operator" stops it; the clients live in events. */
#include "programs.h"
#include "serve_ask.h"
#include "serve_client.h"
#include "serve_echo.h"
#include "serve_stage.h"
#include "serve_tree.h"

static struct {
    struct serve_stage stage;
    uint64_t steps;
    bool has_operated; /* the operator has said all that it wanted to say */
} serve;

/* --- What goes on beside it --- */

/* Until the next clients come; at times long enough for all deadlines to come before. */
static int64_t draw_span_ns(void) {
    static const unsigned spans_ns[] = {1, 1000000, 100000000, 2000000000};
    if (sim_below(10) == 0) return 5 * serve.stage.server.config.timeout_ns;
    return sim_below(spans_ns[sim_below(4)]);
}

/* Clients come, alone or together, and files change. */
static void on_arrival(void *context) {
    (void)context;
    if (serve.stage.is_over || sim_steps() >= serve.steps) return;
    serve_stage_check(&serve.stage);
    for (unsigned i = sim_below(8) == 0 ? 6 : 1; i > 0; i--) clients_add();
    if (sim_below(4) == 0) tree_move();
    sim_after(draw_span_ns(), on_arrival, NULL);
}

static void stop(int level) {
    clients_expect_cuts();
    serve_stage_stop(&serve.stage, level);
}

static void operate(void *context) {
    (void)context;
    while (sim_steps() < serve.steps && !serve.stage.is_over)
        sim_sleep(1 + (int64_t)sim_below(50000000));
    serve_stage_check(&serve.stage);
    stop(sim_below(4) == 0 ? SERVER_ENDS : SERVER_FINISHES);
    if (sim_below(2) == 0) sim_sleep((int64_t)sim_below(2000000000));
    if (sim_below(2) == 0) stop(SERVER_ENDS);
    serve.has_operated = true;
    sim_wake(&serve.has_operated);
}

/* --- The run --- */

static const struct policy compressing = {
    .indexes = {"none.html", "index.html"},
    .index_count = 2,
    .precompressed = true,
};

static void open_stage(struct clients_config *config) {
    static const unsigned large[] = {2000, 20000, 140000, 300000}, places[] = {1, 4, 1000, 1000};
    const struct sim_weather *weather = sim_weather();
    size_t most = weather->window_bytes * 40, bytes = large[sim_below(4)];
    unsigned few = 1 + sim_below(6), cached_files = sim_below(2) == 0 ? 0 : few;
    struct server_config server_config = {
        .connections_max = places[sim_below(4)],
        .timeout_ns = (weather->window_bytes < 4096 ? 60 : 5) * EDDY_NS_PER_S,
        .cached_files = cached_files,
        .log = sim_below(2) == 0,
        .log_config.format = (enum access_format)sim_below(3),
        .log_config.trusts_proxy = sim_below(2) == 0,
        .policy = sim_below(2) == 0 ? &compressing : NULL,
    };
    serve_stage_open(&serve.stage, &server_config, 1 + sim_below(4), bytes < most ? bytes : most);
    while (serve_echo_add(serve.stage.server.http) < 0) sim_note("no memory for a handler");
    *config = (struct clients_config){
        .address = serve.stage.address,
        .timeout_ns = server_config.timeout_ns,
        .is_foul = weather->faults > 0 || weather->no_memory > 0,
        .is_crowded = server_config.connections_max < 1000,
    };
}

static void run(uint64_t steps) {
    struct clients_config config;
    serve.steps = steps;
    serve.has_operated = false;
    open_stage(&config);
    clients_begin(&config);
    ask_set_precompressed(serve.stage.server.config.policy != NULL);
    sim_after(0, on_arrival, NULL);
    sim_thread("operator", operate, NULL);
    serve_stage_run(&serve.stage);
    while (!serve.has_operated) sim_block(&serve.has_operated, -1);
    sim_check(serve_echo_open() == 0, "%u echoes are left", serve_echo_open());
    serve_stage_close(&serve.stage);
    sim_sleep(10 * sim_weather()->latency_ns + EDDY_NS_PER_S);
    clients_end();
    sim_note("%u lines in the log", serve_stage_log_lines());
}

const struct sim_program sim_serve = {
    .name = "serve",
    .what = "eddy serve among clients that behave and misbehave",
    .run = run,
};
