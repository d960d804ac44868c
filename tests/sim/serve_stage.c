/* serve_stage.c: see serve_stage.h.
 * Threading: the thread that opens it runs and closes it. */
#include "serve_stage.h"

#include <arpa/inet.h>
#include <string.h>

#include "../../src/cmd/serve/exchange.h"
#include "serve_system.h"
#include "serve_tree.h"
#include "world.h"

enum {
    ATTEMPTS_MAX = 500, /* to open something while calls fail */
    /* A listing holds 8 slots and a buffer until it is sorted, and a block of entries. */
    LISTING_BYTES_MAX = 100 * 1024,
    EXCHANGE_BYTES_MAX = sizeof(struct exchange) + LISTING_BYTES_MAX,
};

#define LOG "log"

/* Where the first three numbers are taken by somebody else, the log finds no stdout, and ends. */
static void open_files(struct serve_stage *stage, size_t large_bytes) {
    tree_put(large_bytes);
    sim_put_file(LOG, "", 0);
    for (int i = 0; i < 3; i++) stage->standard[i] = sim_open(LOG);
    stage->root = sim_open(TREE_ROOT);
}

static int open_server(struct serve_stage *stage, const struct server_config *given,
                       unsigned pool_threads) {
    struct server_config config = *given;
    eddy_pool_config pool_config = {.threads = pool_threads};
    int err = eddy_pool_open(&stage->pool, &pool_config);
    if (err < 0) return err;
    config.root = stage->root;
    config.pool = stage->pool;
    err = server_open(&stage->server, &config);
    if (err < 0) sim_check(eddy_pool_close(stage->pool) == 0, "a failed server holds its pool");
    return err;
}

static void listen_somewhere(struct serve_stage *stage) {
    struct sockaddr_storage storage = {0};
    stage->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(8080)};
    stage->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&storage, &stage->address, sizeof stage->address);
    int attempts = 0;
    while (server_listen(&stage->server, &storage, sizeof stage->address, 0) < 0)
        sim_check(attempts++ < ATTEMPTS_MAX, "it cannot listen");
}

void serve_stage_open(struct serve_stage *stage, const struct server_config *config,
                      unsigned pool_threads, size_t large_bytes) {
    int attempts = 0;
    memset(stage, 0, sizeof *stage);
    open_files(stage, large_bytes);
    while (open_server(stage, config, pool_threads) < 0)
        sim_check(attempts++ < ATTEMPTS_MAX, "it cannot open");
    sim_watch_loop(stage->server.context.loop);
    listen_somewhere(stage);
}

void serve_stage_stop(struct serve_stage *stage, int level) {
    if (stage->is_over || level <= stage->level) return; /* as the program, which goes on only */
    stage->level = level;
    sim_note("stop, level %d", level);
    if (stage->stopped_ns == 0) stage->stopped_ns = sim_now_ns();
    if (level == SERVER_ENDS && stage->cut_ns == 0) stage->cut_ns = sim_now_ns();
    server_stop(&stage->server, level);
}

/* The wait itself may fail: the loop stays usable. */
void serve_stage_run(struct serve_stage *stage) {
    int err;
    while ((err = server_run(&stage->server)) < 0 && stage->server.error == 0)
        sim_note("the wait fails with %s", sim_result(err));
    sim_check(stage->server.error == 0, "it gives up with %d", stage->server.error);
    sim_check(stage->stopped_ns > 0, "it has ended by itself");
    int64_t now_ns = sim_now_ns();
    sim_check(now_ns - stage->stopped_ns < 14 * EDDY_NS_PER_S, "it has not ended in time");
    if (stage->cut_ns > 0)
        sim_check(now_ns - stage->cut_ns < 4 * EDDY_NS_PER_S, "it was not cut off");
    /* It does not wait for a disk that is slow; we do, to see that nothing is lost. */
    bool is_alive = eddy_loop_is_alive(stage->server.context.loop);
    sim_check(!is_alive || sim_weather()->disk_ns >= EDDY_NS_PER_MS, "something is left behind");
    while (eddy_loop_is_alive(stage->server.context.loop))
        (void)eddy_loop_run(stage->server.context.loop, EDDY_RUN_DEFAULT);
    stage->is_over = true;
}

void serve_stage_check(const struct serve_stage *stage) {
    const struct server *server = &stage->server;
    unsigned places = server->config.connections_max;
    sim_check(server_connections(server) <= places, "%u connections in %u places",
              server_connections(server), places);
    size_t bytes = serve_system_bytes();
    sim_check(bytes <= places * (size_t)EXCHANGE_BYTES_MAX + ACCESS_LOG_BYTES,
              "%zu bytes for %u places", bytes, places);
}

void serve_stage_close(struct serve_stage *stage) {
    sim_check(server_connections(&stage->server) == 0, "%u connections are left",
              server_connections(&stage->server));
    sim_check(server_close(&stage->server) == 0, "the server cannot close");
    sim_check(eddy_pool_close(stage->pool) == 0, "the pool cannot close");
    sim_check(serve_system_bytes() == 0, "the server has kept %zu bytes", serve_system_bytes());
    sim_close(stage->root);
    for (int i = 0; i < 3; i++) sim_close(stage->standard[i]);
}

unsigned serve_stage_log_lines(void) {
    size_t size;
    unsigned lines = 0;
    const char *log = sim_file_bytes(LOG, &size);
    for (size_t i = 0; log != NULL && i < size; i++) {
        sim_check(log[i] == '\n' || (log[i] >= ' ' && log[i] < 0x7f), "the log holds a byte %d",
                  log[i]);
        lines += log[i] == '\n';
    }
    return lines;
}
