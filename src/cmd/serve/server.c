/* server.c: the life of a serving loop, and its list of connections.
 * Invariant: the two lists hold connection_count connections, each until server_forget().
 * Threading: see server.h. */
#include "server.h"

#include <errno.h>

#include "connection.h"

#define GRACE_NS (10 * EDDY_NS_PER_S) /* for running transfers after the first signal */
#define CUT_NS   (1 * EDDY_NS_PER_S)  /* then for file requests and logs that hang in the kernel */

enum {
    /* Clients that connect while all places are taken wait here; the kernel may cap it. */
    BACKLOG = 4096,
};

static void on_stop(eddy_wake *wake);
static void expect_end(struct server *server);

/* --- Opening and closing --- */

int server_open(struct server *server, const struct server_config *config) {
    *server = (struct server){.config = *config, .random_state = system_seed()};
    eddy_loop_config loop_config = {
        .backend = config->backend,
        .pool = config->pool,
        .read_buffer_bytes = READ_BYTES,
    };
    int err = eddy_loop_open(&server->loop, &loop_config);
    if (err < 0) return err;
    err = access_log_open(&server->log, server->loop, config->log);
    if (err < 0) goto close_loop;
    eddy_wake_init(&server->stop, server->loop);
    eddy_unref(&server->stop.handle);
    err = eddy_wake_start(&server->stop, on_stop);
    if (err < 0) goto close_log;
    eddy_listener_init(&server->listener, server->loop);
    eddy_timer_init(&server->grace, server->loop);
    eddy_unref(&server->grace.handle);
    eddy_timer_init(&server->expiry, server->loop);
    eddy_unref(&server->expiry.handle);
    file_cache_init(&server->cache, config->cached_files);
    stock_init(&server->connection_stock, sizeof(struct connection), 1024);
    stock_init(&server->exchange_stock, sizeof(struct exchange), 128);
    stock_init(&server->output_stock, OUTPUT_BYTES, 128);
    return 0;

close_log:
    access_log_close(&server->log);
close_loop:
    (void)eddy_loop_close(server->loop);
    return err;
}

int server_close(struct server *server) {
    eddy_wake_stop(&server->stop);
    eddy_timer_stop(&server->grace);
    eddy_timer_stop(&server->expiry);
    file_cache_clear(&server->cache);
    access_log_close(&server->log);
    int err = eddy_loop_close(server->loop);
    if (err < 0) return err;
    stock_clear(&server->connection_stock);
    stock_clear(&server->exchange_stock);
    stock_clear(&server->output_stock);
    return 0;
}

/* --- Serving --- */

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    struct server *server = eddy_container_of(listener, struct server, listener);
    if (fd < 0) {
        char text[64];
        system_say("accepting connections failed: %s", eddy_strerror(fd, text, sizeof text));
        server->error = fd;
        server_stop(server, SERVER_FINISHES);
        return;
    }
    connection_open(server, fd, peer);
}

int server_listen(struct server *server, const struct sockaddr_storage *address, socklen_t length,
                  unsigned listen_options) {
    return eddy_tcp_listen(&server->listener, (const struct sockaddr *)address, length, BACKLOG,
                           listen_options, on_accept);
}

int server_run(struct server *server) {
    int err = eddy_loop_run(server->loop, EDDY_RUN_DEFAULT);
    return err < 0 ? err : server->error;
}

/* --- Connections --- */

static struct connection_list *list_of(struct server *server, const struct connection *it) {
    return it->is_idle ? &server->idle : &server->busy;
}

static void list_add(struct server *server, struct connection *it) {
    struct connection_list *list = list_of(server, it);
    it->prev = NULL;
    it->next = list->first;
    if (it->next != NULL)
        it->next->prev = it;
    else
        list->last = it;
    list->first = it;
}

static void list_remove(struct server *server, struct connection *it) {
    struct connection_list *list = list_of(server, it);
    if (it->prev != NULL)
        it->prev->next = it->next;
    else
        list->first = it->next;
    if (it->next != NULL)
        it->next->prev = it->prev;
    else
        list->last = it->prev;
}

/* When as many are served as may be, the listener pauses: further clients wait in the kernel's
 * backlog, and are taken as others leave. The client that has been idle longest makes room, and
 * until it is less crowded answers say that the connection ends with them. */
void server_admit(struct server *server, struct connection *connection) {
    list_add(server, connection);
    server->connection_count++;
    if (server->connection_count < server->config.connections_max) return;
    server->is_full = server->is_crowded = true;
    eddy_listener_pause(&server->listener);
    if (server->idle.last != NULL) connection_close(server->idle.last);
}

void server_forget(struct server *server, struct connection *connection) {
    list_remove(server, connection);
    server->connection_count--;
    stock_give(&server->connection_stock, connection);
    unsigned places = server->config.connections_max;
    if (server->connection_count < places - places / 4) server->is_crowded = false;
    if (server->is_stopping) {
        if (server->connection_count == 0) expect_end(server);
    } else if (server->is_full) {
        server->is_full = eddy_listener_resume(&server->listener) < 0;
    }
}

void server_set_idle(struct server *server, struct connection *connection, bool is_idle) {
    if (connection->is_idle == is_idle) return;
    list_remove(server, connection);
    connection->is_idle = is_idle;
    list_add(server, connection);
}

/* --- What answers need --- */

/* Late is soon enough: what is too old is not found, and only takes a descriptor. Without a timer
 * it would keep it until it has to make room. */
static void on_expiry(eddy_timer *timer) {
    struct server *server = eddy_container_of(timer, struct server, expiry);
    if (file_cache_expire(&server->cache, eddy_loop_now_ns(server->loop)) >= 0)
        server_expect_expiry(server);
}

void server_expect_expiry(struct server *server) {
    if (!eddy_is_active(&server->expiry.handle))
        (void)eddy_timer_start(&server->expiry, on_expiry, FILE_CACHE_NS, 0);
}

int64_t server_now_s(struct server *server) {
    int64_t now_s = system_time_s();
    if (now_s != server->date_s) {
        server->date_s = now_s;
        http_date_format(server->date, now_s);
    }
    return now_s;
}

const char *server_date(struct server *server) {
    (void)server_now_s(server);
    return server->date;
}

/* SplitMix64: its output mixes a counter so that neighbours have nothing in common. */
uint64_t server_random(struct server *server) {
    uint64_t mixed = server->random_state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* --- Stopping --- */

static void on_cut(eddy_timer *timer) {
    eddy_loop_stop(eddy_container_of(timer, struct server, grace)->loop);
}

/* No connection is left, or soon none: the loop ends by itself, unless something hangs. */
static void expect_end(struct server *server) {
    (void)eddy_timer_start(&server->grace, on_cut, CUT_NS, 0);
}

static void end(struct server *server) {
    if (server->is_ending) return;
    server->is_ending = true;
    for (struct connection *it = server->busy.first; it != NULL; it = it->next)
        connection_reset(it);
    expect_end(server);
}

static void on_grace_over(eddy_timer *timer) {
    end(eddy_container_of(timer, struct server, grace));
}

static void finish(struct server *server) {
    if (server->is_stopping) return;
    server->is_stopping = true;
    (void)eddy_listener_close(&server->listener, NULL);
    for (struct connection *it = server->idle.first; it != NULL; it = it->next)
        connection_close(it);
    for (struct connection *it = server->busy.first; it != NULL; it = it->next)
        connection_finish(it);
    if (server->connection_count == 0)
        expect_end(server);
    else if (eddy_timer_start(&server->grace, on_grace_over, GRACE_NS, 0) < 0)
        end(server);
}

static void on_stop(eddy_wake *wake) {
    struct server *server = eddy_container_of(wake, struct server, stop);
    finish(server);
    if (server->stop_level == SERVER_ENDS) end(server);
}

void server_stop(struct server *server, int level) {
    server->stop_level = level;
    eddy_wake_send(&server->stop);
}
