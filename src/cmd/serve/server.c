/* server.c: the life of a serving loop, and the limit of its connections.
 * Threading: see server.h. */
#include "server.h"

#include <errno.h>

#include "connection.h"
#include "system.h"

#define GRACE_NS (10 * EDDY_NS_PER_S) /* for running transfers after the first signal */
#define CUT_NS \
    (1 * EDDY_NS_PER_S) /* then for file requests and logs that are stuck in the kernel */

enum {
    /* Clients that connect while all places are taken wait here; the kernel may cap it. */
    BACKLOG = 4096,
};

static void on_stop(eddy_wake *wake);
static void on_opened(struct context *context);
static void on_closed(struct context *context);
static void expect_end(struct server *server);

/* --- Opening and closing --- */

int server_open(struct server *server, const struct server_config *config) {
    *server = (struct server){.config = *config};
    struct context *context = &server->context;
    uint64_t seed = system_seed();
    eddy_loop *loop;
    eddy_loop_config loop_config = {
        .backend = config->backend,
        .pool = config->pool,
        .read_buffer_bytes = READ_BYTES,
    };
    int err = eddy_loop_open(&loop, &loop_config);
    if (err < 0) return err;
    struct context_config context_config = {
        .loop = loop,
        .root = config->root,
        .timeout_ns = config->timeout_ns,
        .cached_files = config->cached_files,
        .seed = seed,
        .log = config->log,
    };
    err = context_open(context, &context_config);
    if (err < 0) goto close_loop;
    eddy_wake_init(&server->stop, loop);
    eddy_unref(&server->stop.handle);
    err = eddy_wake_start(&server->stop, on_stop);
    if (err < 0) goto close_context;
    eddy_listener_init(&server->listener, loop);
    eddy_timer_init(&server->grace, loop);
    eddy_unref(&server->grace.handle);
    context->on_opened = on_opened;
    context->on_closed = on_closed;
    free_list_init(&context->spare_connections, sizeof(struct connection), 1024);
    free_list_init(&context->spare_exchanges, sizeof(struct exchange), 128);
    free_list_init(&context->spare_outputs, OUTPUT_BYTES, 128);
    return 0;

close_context:
    context_close(context);
close_loop:
    (void)eddy_loop_close(loop);
    return err;
}

int server_close(struct server *server) {
    eddy_wake_stop(&server->stop);
    eddy_timer_stop(&server->grace);
    context_close(&server->context);
    int err = eddy_loop_close(server->context.loop);
    if (err < 0) return err;
    context_free(&server->context);
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
    connection_open(&server->context, fd, peer);
}

int server_listen(struct server *server, const struct sockaddr_storage *address, socklen_t length,
                  unsigned listen_options) {
    return eddy_tcp_listen(&server->listener, (const struct sockaddr *)address, length, BACKLOG,
                           listen_options, on_accept);
}

int server_run(struct server *server) {
    int err = eddy_loop_run(server->context.loop, EDDY_RUN_DEFAULT);
    return err < 0 ? err : server->error;
}

/* --- Connections --- */

/* When as many are served as may be, the listener pauses: further clients wait in the kernel's
 * backlog, and are taken as others leave. The client that has been idle longest makes room, and
 * until it is less crowded answers say that the connection ends with them. */
static void on_opened(struct context *context) {
    struct server *server = eddy_container_of(context, struct server, context);
    if (context->connection_count < server->config.connections_max) return;
    server->is_full = context->is_crowded = true;
    eddy_listener_pause(&server->listener);
    if (context->idle.last != NULL) connection_close(context->idle.last);
}

static void on_closed(struct context *context) {
    struct server *server = eddy_container_of(context, struct server, context);
    unsigned places = server->config.connections_max;
    if (context->connection_count < places - places / 4) context->is_crowded = false;
    if (context->is_stopping) {
        if (context->connection_count == 0) expect_end(server);
    } else if (server->is_full) {
        server->is_full = eddy_listener_resume(&server->listener) < 0;
    }
}

/* --- Stopping --- */

static void on_cut(eddy_timer *timer) {
    eddy_loop_stop(eddy_container_of(timer, struct server, grace)->context.loop);
}

/* No connection is left, or soon none: the loop ends by itself, unless a file request is stuck. */
static void expect_end(struct server *server) {
    (void)eddy_timer_start(&server->grace, on_cut, CUT_NS, 0);
}

static void end(struct server *server) {
    if (server->is_ending) return;
    server->is_ending = true;
    for (struct connection *it = server->context.busy.first; it != NULL; it = it->next)
        connection_reset(it);
    expect_end(server);
}

static void on_grace_over(eddy_timer *timer) {
    end(eddy_container_of(timer, struct server, grace));
}

static void finish(struct server *server) {
    if (server->context.is_stopping) return;
    server->context.is_stopping = true;
    (void)eddy_listener_close(&server->listener, NULL);
    for (struct connection *it = server->context.idle.first; it != NULL; it = it->next)
        connection_close(it);
    for (struct connection *it = server->context.busy.first; it != NULL; it = it->next)
        connection_finish(it);
    if (server->context.connection_count == 0)
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
