/* connection.c: bytes in, requests out; opening, waiting, closing. See connection.h for the states.
 * Invariants: reading is on only if one more read fits the input; a connection is in its server's
 * list until its stream has closed and its last file request has come back.
 * Threading: the server's loop. */
#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* How long a client may go on sending to a connection that we have shut down. Closing at once would
 * make the kernel answer such bytes with a reset, which can overtake our last answer. */
#define LINGER_NS (2 * EDDY_NS_PER_S)

static void on_read(eddy_stream *stream, void *data, ssize_t size);

static struct connection *connection_of(eddy_stream *stream) {
    return eddy_container_of(stream, struct connection, stream);
}

/* --- Opening --- */

static void keep_peer(struct connection *connection, const struct sockaddr *peer) {
    connection->peer_is_v6 = peer->sa_family == AF_INET6;
    if (connection->peer_is_v6) {
        struct sockaddr_in6 address;
        memcpy(&address, peer, sizeof address);
        memcpy(connection->peer, &address.sin6_addr, 16);
    } else {
        struct sockaddr_in address;
        memcpy(&address, peer, sizeof address);
        memcpy(connection->peer, &address.sin_addr, 4);
    }
}

static void start_reading(struct connection *connection) {
    if (connection->is_reading || connection->has_end) return;
    connection->is_reading = true;
    if (eddy_stream_read_start(&connection->stream, on_read) < 0) connection_close(connection);
}

static void set_deadline(struct connection *connection, int64_t delay_ns) {
    if (eddy_stream_set_read_deadline(&connection->stream, delay_ns) < 0)
        connection_close(connection);
}

void connection_open(struct server *server, int fd, const struct sockaddr *peer) {
    struct connection *connection = stock_take(&server->connection_stock);
    if (connection == NULL) {
        system_close(fd);
        return;
    }
    memset(connection, 0, sizeof *connection);
    eddy_stream_init(&connection->stream, server->loop);
    if (eddy_stream_attach(&connection->stream, fd) < 0) {
        stock_give(&server->connection_stock, connection);
        system_close(fd);
        return;
    }
    connection->server = server;
    keep_peer(connection, peer);
    server_admit(server, connection);
    /* Answers that need several writes are not to wait for the client's acknowledgements. */
    (void)eddy_tcp_set_nodelay(&connection->stream, true);
    if (eddy_stream_set_write_timeout(&connection->stream, server->config.timeout_ns) < 0) {
        connection_close(connection);
        return;
    }
    set_deadline(connection, server->config.timeout_ns);
    if (!connection->is_closing) start_reading(connection);
}

/* --- Reading --- */

static struct exchange *take_exchange(struct connection *connection) {
    struct exchange *exchange = stock_take(&connection->server->exchange_stock);
    if (exchange == NULL) return NULL;
    /* The buffers at its end stay as they are: clearing them would cost more than the rest. */
    memset(exchange, 0, offsetof(struct exchange, ranges));
    exchange->connection = connection;
    exchange->fd = -1;
    exchange->start = exchange->used = 0;
    exchange->skip = 0;
    http_request_init(&exchange->request);
    connection->exchange = exchange;
    server_set_idle(connection->server, connection, false);
    return exchange;
}

static void give_output(struct exchange *exchange) {
    stock_give(&exchange->connection->server->output_stock, exchange->output);
    exchange->output = NULL;
}

static void give_exchange(struct connection *connection) {
    give_output(connection->exchange);
    stock_give(&connection->server->exchange_stock, connection->exchange);
    connection->exchange = NULL;
}

/* The bytes move from the loop's buffer into the exchange, as the answer is made in later turns and
 * still needs the head. That copy of some hundred bytes is the price of no buffer while idle. */
static void take_bytes(struct connection *connection, const void *data, size_t size) {
    struct exchange *exchange = connection->exchange;
    if (exchange == NULL) exchange = take_exchange(connection);
    if (exchange == NULL) {
        connection_close(connection);
        return;
    }
    memcpy(exchange->input + exchange->used, data, size);
    exchange->used += (uint32_t)size;
    if (INPUT_BYTES - exchange->used < READ_BYTES) {
        eddy_stream_read_stop(&connection->stream);
        connection->is_reading = false;
    }
    connection_advance(connection);
}

static bool is_busy(const struct connection *connection) {
    const struct exchange *exchange = connection->exchange;
    return exchange != NULL && (exchange->is_answering || exchange->is_flushing);
}

/* The read deadline has come: the client is idle, or too slow with a request. One that is being
 * answered has the write timeout; reading goes on when the answer is out. */
static void on_deadline(struct connection *connection) {
    struct exchange *exchange = connection->exchange;
    if (is_busy(connection) && !connection->is_lingering) return;
    if (exchange == NULL || exchange->start == exchange->used || connection->is_lingering) {
        connection_close(connection);
        return;
    }
    exchange->is_answering = exchange->is_last = true;
    answer_status(exchange, 408);
    connection_advance(connection);
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct connection *connection = connection_of(stream);
    if (size > 0) {
        if (!connection->is_lingering) take_bytes(connection, data, (size_t)size);
        return;
    }
    connection->is_reading = false;
    if (size == -ETIMEDOUT) {
        on_deadline(connection);
    } else if (size == 0 && is_busy(connection) && !connection->is_lingering) {
        connection->has_end = true; /* it has asked its last, and may still listen */
    } else {
        connection_close(connection);
    }
}

/* --- Going on --- */

/* Begins to answer the next request, if all of its head is there. */
static bool next_request(struct exchange *exchange) {
    uint32_t length = exchange->used - exchange->start;
    if (exchange->skip > 0) {
        uint32_t skipped = exchange->skip < length ? (uint32_t)exchange->skip : length;
        exchange->start += skipped;
        exchange->skip -= skipped;
        length -= skipped;
        if (exchange->skip > 0) return false;
        exchange->is_waiting = false;
    }
    if (length == 0) return false;
    int status = http_request_parse(&exchange->request, exchange->input + exchange->start, length,
                                    &http_limits_default);
    if (status == HTTP_MORE) return false;
    exchange->is_answering = true;
    exchange->is_waiting = false;
    exchange->status = 0;
    if (status == HTTP_COMPLETE) {
        exchange_begin(exchange);
    } else {
        exchange->is_last = true;
        answer_status(exchange, status);
    }
    return true;
}

static void on_shutdown(eddy_write *write, int status) {
    if (status < 0) connection_close(connection_of(write->stream));
}

static void linger(struct connection *connection) {
    struct exchange *exchange = connection->exchange;
    connection->is_lingering = true;
    give_output(exchange);
    if (connection->has_end ||
        eddy_stream_shutdown(&connection->stream, &exchange->write, on_shutdown) < 0) {
        connection_close(connection);
        return;
    }
    set_deadline(connection, LINGER_NS);
    if (!connection->is_closing) start_reading(connection);
}

/* Everything that came has been answered, and the answers are with the kernel. */
static void rest(struct connection *connection) {
    struct exchange *exchange = connection->exchange;
    if (exchange->is_last || connection->server->is_stopping) {
        linger(connection);
        return;
    }
    if (connection->has_end) {
        connection_close(connection);
        return;
    }
    uint32_t length = exchange->used - exchange->start;
    if (length == 0 && exchange->skip == 0) {
        give_exchange(connection);
        server_set_idle(connection->server, connection, true);
        set_deadline(connection, connection->server->config.timeout_ns);
    } else {
        give_output(exchange);
        memmove(exchange->input, exchange->input + exchange->start, length);
        exchange->start = 0;
        exchange->used = length;
        /* Set once, at the first bytes: further ones do not push it away. */
        if (!exchange->is_waiting) set_deadline(connection, connection->server->config.timeout_ns);
        exchange->is_waiting = true;
    }
    if (!connection->is_closing) start_reading(connection);
}

void connection_advance(struct connection *connection) {
    struct exchange *exchange = connection->exchange;
    while (!connection->is_closing && !exchange->is_answering && !exchange->is_flushing) {
        if (exchange->is_last || connection->server->is_stopping) break;
        if (OUTPUT_BYTES - exchange->output_used < OUTPUT_ROOM && !answer_flush(exchange)) return;
        if (!next_request(exchange)) break;
    }
    if (connection->is_closing || exchange->is_answering) return;
    if (answer_flush(exchange)) rest(connection);
}

/* --- File requests --- */

bool exchange_launched(struct exchange *exchange, int err) {
    if (err < 0) {
        answer_error(exchange, err);
        return false;
    }
    exchange->in_flight++;
    return true;
}

static void let_go(struct connection *connection) {
    struct exchange *exchange = connection->exchange;
    if (exchange != NULL) {
        if (exchange->in_flight > 0) return;
        if (exchange->is_answering) answer_end(exchange);
        give_exchange(connection);
    }
    server_forget(connection->server, connection);
}

bool exchange_landed(struct exchange *exchange) {
    struct connection *connection = exchange->connection;
    exchange->in_flight--;
    if (!connection->is_closing) return true;
    if (connection->is_closed) let_go(connection);
    return false;
}

/* --- Closing --- */

static void on_closed(eddy_stream *stream) {
    struct connection *connection = connection_of(stream);
    connection->is_closed = true;
    let_go(connection);
}

void connection_close(struct connection *connection) {
    if (connection->is_closing) return;
    connection->is_closing = true;
    (void)eddy_stream_close(&connection->stream, on_closed);
}

void connection_reset(struct connection *connection) {
    if (connection->is_closing) return;
    connection->is_closing = true;
    (void)eddy_stream_reset(&connection->stream, on_closed);
}

void connection_finish(struct connection *connection) {
    if (!is_busy(connection) && !connection->is_lingering) connection_close(connection);
}
