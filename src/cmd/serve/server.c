/* server.c: the life of a serving loop.
 * Threading: see server.h. */
#include "server.h"

#include <errno.h>
#include <unistd.h>

#include "answer.h"
#include "file_handler.h"
#include "page_memory.h"
#include "system.h"

#define GRACE_NS (10 * EDDY_NS_PER_S) /* for running transfers, if nobody says */
#define CUT_NS \
    (1 * EDDY_NS_PER_S) /* then for file requests and logs that are stuck in the kernel */

/* In the log, of a client that went away before it was answered: who asks cannot keep that out of
 * the log by not waiting. It is nginx's number, which who reads logs knows. */
enum { STATUS_GONE = 499 };

static void on_stop(eddy_wake *wake);

/* --- Opening and closing --- */

static void on_request_over(eddy_http_request *request, const eddy_http_outcome *outcome,
                            void *context) {
    struct server *server = context;
    struct access_log *log = &server->context.log;
    struct sockaddr_storage forwarded;
    struct access_line line = {
        .peer = eddy_http_peer(request),
        .status = outcome->status != 0 ? outcome->status : STATUS_GONE,
        .body_bytes = outcome->body_bytes,
        .taken_ns = outcome->taken_ns,
    };
    line.request = eddy_http_line(request, &line.request_length);
    if (line.request_length == 0) line.request = NULL;
    if (outcome->status == 0 && line.request == NULL) return; /* nothing was asked for */
    if (log->trusts_proxy &&
        access_peer_forwarded(eddy_http_field(request, "X-Forwarded-For"), &forwarded))
        line.peer = (const struct sockaddr *)&forwarded;
    if (log->format != ACCESS_COMMON) {
        line.referer = eddy_http_field(request, "Referer");
        line.user_agent = eddy_http_field(request, "User-Agent");
    }
    access_log_put(log, &line);
}

/* What the HTTP server refuses by itself looks like what we refuse. */
static void on_refused(eddy_http_request *request, int status, void *context) {
    struct server *server = context;
    if (status == 500 && file_handler_again(request)) return;
    answer_status(&server->context, request, status);
}

static int open_http(struct server *server, const struct server_config *config) {
    eddy_http_config http_config = {
        .connections = config->connections_max,
        .idle_ns = config->timeout_ns,
        .head_ns = config->timeout_ns,
        .body_ns = config->timeout_ns,
        .answer_ns = config->timeout_ns,
        .log = config->log ? on_request_over : NULL,
        .error = on_refused,
        .context = server,
        .allocator = &page_memory,
        .time_s = system_time_s,
        .close = system_close,
    };
    int err = eddy_http_open(&server->http, server->context.loop, &http_config);
    if (err < 0) return err;
    err = eddy_http_handle(server->http, "GET", "/", file_handler, &server->context);
    if (err == 0 && server->context.policy->allows_origins)
        err = eddy_http_handle(server->http, "OPTIONS", "/", answer_preflight, &server->context);
    if (err < 0) (void)eddy_http_close(server->http);
    return err;
}

int server_open(struct server *server, const struct server_config *config) {
    *server = (struct server){.config = *config};
    struct log_config *log = &server->config.log_config;
    if (log->file.path == NULL) log->file.fd = STDOUT_FILENO;
    eddy_loop *loop;
    /* A request is touched in several turns, with those that came with it in between: so many stay
     * in the processor's caches. */
    eddy_loop_config loop_config = {
        .backend = config->backend,
        .files = config->files,
        .pool = config->pool,
        .events_per_turn = 32,
    };
    int err = eddy_loop_open(&loop, &loop_config);
    if (err < 0) return err;
    struct context_config context_config = {
        .loop = loop,
        .root = config->root,
        .cached_files = config->cached_files,
        .exchange_bytes = sizeof(struct exchange),
        .log = config->log ? &server->config.log_config : NULL,
        .policy = config->policy,
    };
    err = context_open(&server->context, &context_config);
    if (err < 0) goto close_loop;
    eddy_wake_init(&server->stop, loop);
    eddy_unref(&server->stop.handle);
    eddy_timer_init(&server->grace, loop);
    eddy_unref(&server->grace.handle);
    err = eddy_wake_start(&server->stop, on_stop);
    if (err < 0) goto close_context;
    err = open_http(server, config);
    if (err < 0) goto stop_wake;
    if (config->board == NULL) return 0;
    err = monitor_open(&server->monitor, config->board, &server->context, server->http);
    if (err == 0) return 0;
    (void)eddy_http_close(server->http);

stop_wake:
    eddy_wake_stop(&server->stop);
close_context:
    context_close(&server->context);
    context_free(&server->context);
close_loop:
    (void)eddy_loop_close(loop);
    return err;
}

int server_close(struct server *server) {
    eddy_wake_stop(&server->stop);
    eddy_timer_stop(&server->grace);
    int err = eddy_http_close(server->http);
    if (err < 0) return err;
    monitor_close(server->monitor);
    context_close(&server->context);
    err = eddy_loop_close(server->context.loop);
    if (err < 0) return err;
    context_free(&server->context);
    return 0;
}

/* --- Serving --- */

static void on_failed(eddy_http_listener *listener, int status) {
    struct server *server = eddy_container_of(listener, struct server_listener, http)->server;
    char text[64];
    system_say("accepting connections failed: %s", eddy_strerror(status, text, sizeof text));
    server->error = status;
    server_stop(server, SERVER_FINISHES);
}

int server_listen(struct server *server, const struct sockaddr_storage *address, socklen_t length,
                  unsigned listen_options) {
    if (server->listener_count == SERVER_LISTENERS_MAX) return -ENOSPC;
    struct server_listener *listener = &server->listeners[server->listener_count];
    listener->server = server;
    int err = eddy_http_listen(server->http, &listener->http, (const struct sockaddr *)address,
                               length, listen_options, on_failed);
    if (err == 0) server->listener_count++;
    return err;
}

int server_attach(struct server *server, int fd) {
    if (server->listener_count == SERVER_LISTENERS_MAX) return -ENOSPC;
    struct server_listener *listener = &server->listeners[server->listener_count];
    listener->server = server;
    int err = eddy_http_attach(server->http, &listener->http, fd, on_failed);
    if (err == 0) server->listener_count++;
    return err;
}

int server_run(struct server *server) {
    int err = eddy_loop_run(server->context.loop, EDDY_RUN_DEFAULT);
    return err < 0 ? err : server->error;
}

unsigned server_connections(const struct server *server) {
    eddy_http_counts counts;
    eddy_http_read_counts(server->http, &counts, sizeof counts);
    return counts.open;
}

/* --- Stopping --- */

static void on_cut(eddy_timer *timer) {
    struct server *server = eddy_container_of(timer, struct server, grace);
    access_log_flush(&server->context.log);
    if (server->context.writer.loop != NULL) log_writer_give_up(&server->context.writer);
    eddy_loop_stop(server->context.loop);
}

/* No connection is left, or soon none: the loop ends by itself, unless a file request is stuck. */
static void expect_end(struct server *server) {
    server->is_over = true;
    if (!server->config.stays) (void)eddy_timer_start(&server->grace, on_cut, CUT_NS, 0);
}

static void end(struct server *server) {
    if (server->is_ending) return;
    server->is_ending = true;
    eddy_http_cut(server->http);
    expect_end(server);
}

static void on_grace_over(eddy_timer *timer) {
    end(eddy_container_of(timer, struct server, grace));
}

static void on_finished(eddy_http *http, void *context) {
    struct server *server = context;
    (void)http;
    access_log_flush(&server->context.log);
    eddy_timer_stop(&server->grace);
    expect_end(server);
}

void server_let_end(struct server *server) {
    server->config.stays = false;
    if (server->is_over) expect_end(server);
}

static void start_grace(struct server *server) {
    int64_t grace_ns = server->config.grace_ns > 0 ? server->config.grace_ns : GRACE_NS;
    if (eddy_timer_start(&server->grace, on_grace_over, grace_ns, 0) < 0) end(server);
}

static void drain(struct server *server) {
    if (server->is_draining) return;
    server->is_draining = true;
    start_grace(server);
    (void)eddy_http_drain(server->http, on_finished, server);
}

static void finish(struct server *server) {
    if (server->is_finishing) return;
    server->is_finishing = true;
    start_grace(server);
    (void)eddy_http_stop(server->http, on_finished, server);
}

static void on_stop(eddy_wake *wake) {
    struct server *server = eddy_container_of(wake, struct server, stop);
    if (server->stop_level == SERVER_DRAINS)
        drain(server);
    else
        finish(server);
    if (server->stop_level == SERVER_ENDS) end(server);
}

void server_stop(struct server *server, int level) {
    server->stop_level = level;
    eddy_wake_send(&server->stop);
}
