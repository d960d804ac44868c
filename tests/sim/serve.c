/* serve.c: `eddy serve` in the simulation: its connection code, all of it as it is, among clients
 * of all kinds, until it is told to stop in the middle of them.
 * Threading: "main" runs the server; "operator" stops it; the clients live in events. */
#include <arpa/inet.h>
#include <string.h>

#include "connection.h"
#include "programs.h"
#include "serve_client.h"
#include "serve_system.h"
#include "serve_tree.h"
#include "world.h"

enum {
    ATTEMPTS_MAX = 200, /* to open something while calls fail */
    /* A listing holds 8 slots, a buffer, its entries and its page. */
    LISTING_BYTES_MAX = 200 * 1024,
    CONNECTION_BYTES_MAX =
        sizeof(struct connection) + sizeof(struct exchange) + OUTPUT_BYTES + LISTING_BYTES_MAX,
};

static struct {
    struct server server;
    eddy_pool *pool;
    int standard[3], root;
    uint64_t steps;
    bool is_over;       /* the server has ended */
    bool has_operated;  /* the operator has said all that it wanted to say */
    int64_t stopped_ns; /* when it was first told to */
    int64_t cut_ns;     /* when it was told to do so at once, or 0 */
} serve;

static bool is_foul(void) {
    return sim_weather()->faults > 0 || sim_weather()->no_memory > 0;
}

/* --- What goes on beside it --- */

static void check_server(void) {
    const struct server *server = &serve.server;
    unsigned places = server->config.connections_max;
    sim_check(server->connection_count <= places, "%u connections in %u places",
              server->connection_count, places);
    size_t bytes = serve_system_bytes();
    sim_check(bytes <= places * (size_t)CONNECTION_BYTES_MAX + 2 * ACCESS_LOG_BYTES,
              "%zu bytes for %u places", bytes, places);
    clients_are_crowded(server->is_crowded);
}

/* Clients come, alone or together, and files change. */
static void on_arrival(void *context) {
    static const unsigned spans_ns[] = {1, 1000000, 100000000, 2000000000};
    (void)context;
    if (serve.is_over || sim_steps() >= serve.steps) return;
    check_server();
    for (unsigned i = sim_below(8) == 0 ? 6 : 1; i > 0; i--) clients_add();
    if (sim_below(4) == 0) tree_move();
    sim_after((int64_t)sim_below(spans_ns[sim_below(4)]), on_arrival, NULL);
}

static void stop(int level) {
    sim_note("stop, level %d", level);
    clients_expect_cuts();
    server_stop(&serve.server, level);
}

static void operate(void *context) {
    (void)context;
    while (sim_steps() < serve.steps) sim_sleep(1 + (int64_t)sim_below(50000000));
    check_server();
    serve.stopped_ns = sim_now_ns();
    if (sim_below(4) == 0) {
        serve.cut_ns = serve.stopped_ns;
        stop(SERVER_ENDS);
    } else {
        stop(SERVER_FINISHES);
        if (sim_below(2) == 0) sim_sleep((int64_t)sim_below(2000000000));
        if (sim_below(2) == 0 && !serve.is_over) {
            serve.cut_ns = sim_now_ns();
            stop(SERVER_ENDS);
        }
    }
    serve.has_operated = true;
    sim_wake(&serve.has_operated);
}

/* --- The server --- */

static void open_files(void) {
    static const unsigned large[] = {2000, 20000, 140000, 300000};
    size_t most = sim_weather()->window_bytes * 40;
    size_t bytes = large[sim_below(4)];
    tree_put(bytes < most ? bytes : most);
    sim_put_file("log", "", 0);
    for (int i = 0; i < 3; i++) serve.standard[i] = sim_open("log");
    sim_check(serve.standard[2] == 2, "the log is not stdout");
    serve.root = sim_open(TREE_ROOT);
}

static int open_server(void) {
    static const unsigned places[] = {1, 2, 5, 1000};
    eddy_pool_config pool_config = {.threads = 1 + sim_below(4)};
    int err = eddy_pool_open(&serve.pool, &pool_config);
    if (err < 0) return err;
    struct server_config config = {
        .root = serve.root,
        .pool = serve.pool,
        .connections_max = places[sim_below(4)],
        .timeout_ns = (sim_weather()->window_bytes < 4096 ? 60 : 5) * EDDY_NS_PER_S,
        .log = sim_below(2) == 0,
    };
    err = server_open(&serve.server, &config);
    if (err < 0) sim_check(eddy_pool_close(serve.pool) == 0, "a failed server holds its pool");
    return err;
}

static void listen_somewhere(struct sockaddr_in *address) {
    struct sockaddr_storage storage = {0};
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(8080)};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&storage, address, sizeof *address);
    int attempts = 0;
    while (server_listen(&serve.server, &storage, sizeof *address, 0) < 0)
        sim_check(attempts++ < ATTEMPTS_MAX, "it cannot listen");
}

/* The wait itself may fail: the loop stays usable. */
static void run_server(void) {
    for (int err = -1; err < 0 && serve.server.error == 0;) {
        err = server_run(&serve.server);
        if (err < 0) sim_note("the wait failed with %d", err);
    }
    int64_t took_ns = sim_now_ns() - serve.stopped_ns;
    sim_check(took_ns < 14 * EDDY_NS_PER_S, "it has not ended in time");
    if (serve.cut_ns > 0)
        sim_check(sim_now_ns() - serve.cut_ns < 4 * EDDY_NS_PER_S, "it was not cut off");
    /* It does not wait for a disk that is slow; we do, to see that nothing is lost. */
    bool is_alive = eddy_loop_is_alive(serve.server.loop);
    sim_check(!is_alive || sim_weather()->disk_ns >= EDDY_NS_PER_MS, "something is left behind");
    while (eddy_loop_is_alive(serve.server.loop))
        (void)eddy_loop_run(serve.server.loop, EDDY_RUN_DEFAULT);
}

static void close_all(void) {
    sim_check(serve.server.connection_count == 0, "%u connections are left",
              serve.server.connection_count);
    sim_check(server_close(&serve.server) == 0, "the server cannot close");
    sim_check(eddy_pool_close(serve.pool) == 0, "the pool cannot close");
    sim_check(serve_system_bytes() == 0, "the server has kept %zu bytes", serve_system_bytes());
    sim_close(serve.root);
    for (int i = 0; i < 3; i++) sim_close(serve.standard[i]);
}

static void run(uint64_t steps) {
    struct clients_config config = {.is_foul = is_foul()};
    int attempts = 0;
    memset(&serve, 0, sizeof serve);
    serve.steps = steps;
    open_files();
    while (open_server() < 0) sim_check(attempts++ < ATTEMPTS_MAX, "it cannot open");
    sim_watch_loop(serve.server.loop);
    listen_somewhere(&config.address);
    config.timeout_ns = serve.server.config.timeout_ns;
    clients_begin(&config);
    sim_after(0, on_arrival, NULL);
    sim_thread("operator", operate, NULL);
    run_server();
    serve.is_over = true;
    while (!serve.has_operated) sim_block(&serve.has_operated, -1);
    close_all();
    sim_sleep(10 * sim_weather()->latency_ns + EDDY_NS_PER_S);
    clients_end();
}

const struct sim_program sim_serve = {
    .name = "serve",
    .what = "eddy serve among clients that behave and misbehave",
    .run = run,
};
