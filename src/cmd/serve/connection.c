/* connection.c: bytes in, requests out; opening, waiting, closing. See connection.h for the states.
 * Invariants: reading is on only if one more read fits the input; a connection is in its context's
 * list until its stream has closed and its last file request has come back.
 * Threading: the loop's. */
#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "answer.h"
#include "file_handler.h"
#include "system.h"

/* How long a client may go on sending to a connection that we have shut down. Closing at once would
 * make the kernel answer such bytes with a reset, which can overtake our last answer. */
#define LINGER_NS (2 * EDDY_NS_PER_S)

static void on_read(eddy_stream *stream, void *data, ssize_t size);
static void on_flushed(struct output *output, int status);
static void advance(struct exchange *exchange);

static struct connection *connection_of(eddy_stream *stream) {
    return eddy_container_of(stream, struct connection, stream);
}

/* --- The context's lists --- */

static struct connection_list *list_of(struct connection *it) {
    return it->is_idle ? &it->context->idle : &it->context->busy;
}

static void list_add(struct connection *it) {
    struct connection_list *list = list_of(it);
    it->prev = NULL;
    it->next = list->first;
    if (it->next != NULL)
        it->next->prev = it;
    else
        list->last = it;
    list->first = it;
}

static void list_remove(struct connection *it) {
    struct connection_list *list = list_of(it);
    if (it->prev != NULL)
        it->prev->next = it->next;
    else
        list->first = it->next;
    if (it->next != NULL)
        it->next->prev = it->prev;
    else
        list->last = it->prev;
}

static void set_idle(struct connection *connection, bool is_idle) {
    if (connection->is_idle == is_idle) return;
    list_remove(connection);
    connection->is_idle = is_idle;
    list_add(connection);
}

static void enter(struct connection *connection) {
    struct context *context = connection->context;
    list_add(connection);
    context->connection_count++;
    context->on_opened(context);
}

static void leave(struct connection *connection) {
    struct context *context = connection->context;
    list_remove(connection);
    context->connection_count--;
    free_list_give(&context->spare_connections, connection);
    context->on_closed(context);
}

/* --- Opening --- */

static void keep_peer(struct connection *connection, const struct sockaddr *peer) {
    connection->peer.is_v6 = peer->sa_family == AF_INET6;
    if (connection->peer.is_v6) {
        struct sockaddr_in6 address;
        memcpy(&address, peer, sizeof address);
        memcpy(connection->peer.address, &address.sin6_addr, 16);
    } else {
        struct sockaddr_in address;
        memcpy(&address, peer, sizeof address);
        memcpy(connection->peer.address, &address.sin_addr, 4);
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

void connection_open(struct context *context, int fd, const struct sockaddr *peer) {
    struct connection *connection = free_list_take(&context->spare_connections);
    if (connection == NULL) {
        system_close(fd);
        return;
    }
    memset(connection, 0, sizeof *connection);
    eddy_stream_init(&connection->stream, context->loop);
    if (eddy_stream_attach(&connection->stream, fd) < 0) {
        free_list_give(&context->spare_connections, connection);
        system_close(fd);
        return;
    }
    connection->context = context;
    keep_peer(connection, peer);
    enter(connection);
    /* Answers that need several writes are not to wait for the client's acknowledgements. */
    (void)eddy_tcp_set_nodelay(&connection->stream, true);
    if (eddy_stream_set_write_timeout(&connection->stream, context->timeout_ns) < 0) {
        connection_close(connection);
        return;
    }
    set_deadline(connection, context->timeout_ns);
    if (!connection->is_closing) start_reading(connection);
}

/* --- Reading --- */

static struct exchange *take_exchange(struct connection *connection) {
    struct exchange *exchange = exchange_open(connection->context, &connection->stream);
    if (exchange == NULL) return NULL;
    exchange->connection = connection;
    exchange->peer = &connection->peer;
    exchange->advance = advance;
    exchange->output.on_flushed = on_flushed;
    connection->exchange = exchange;
    set_idle(connection, false);
    return exchange;
}

static void give_exchange(struct connection *connection) {
    exchange_close(connection->exchange);
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
    advance(exchange);
}

static bool is_busy(const struct connection *connection) {
    const struct exchange *exchange = connection->exchange;
    return exchange != NULL && (exchange->is_answering || exchange->output.is_flushing);
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
    advance(exchange);
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
        file_handler_begin(exchange);
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
    exchange_free_output(exchange);
    if (connection->has_end ||
        eddy_stream_shutdown(&connection->stream, &exchange->output.write, on_shutdown) < 0) {
        connection_close(connection);
        return;
    }
    set_deadline(connection, LINGER_NS);
    if (!connection->is_closing) start_reading(connection);
}

/* Everything that came has been answered, and the answers are with the kernel. */
static void rest(struct connection *connection) {
    struct exchange *exchange = connection->exchange;
    if (exchange->is_last || connection->context->is_stopping) {
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
        set_idle(connection, true);
        set_deadline(connection, connection->context->timeout_ns);
    } else {
        exchange_free_output(exchange);
        memmove(exchange->input, exchange->input + exchange->start, length);
        exchange->start = 0;
        exchange->used = length;
        /* Set once, at the first bytes: further ones do not push it away. */
        if (!exchange->is_waiting) set_deadline(connection, connection->context->timeout_ns);
        exchange->is_waiting = true;
    }
    if (!connection->is_closing) start_reading(connection);
}

static void let_go(struct connection *connection) {
    struct exchange *exchange = connection->exchange;
    if (exchange != NULL) {
        if (exchange->in_flight > 0) return;
        if (exchange->is_answering) exchange_end(exchange);
        give_exchange(connection);
    }
    leave(connection);
}

static void fail(struct connection *connection, enum exchange_failure failure) {
    if (failure == EXCHANGE_RESETS)
        connection_reset(connection);
    else
        connection_close(connection);
}

/* Moves on as far as possible: answers requests that are complete, sends what has gathered, and
 * then waits for more, or closes. Nothing before the last lines closes the connection. */
static void advance(struct exchange *exchange) {
    struct connection *connection = exchange->connection;
    if (connection->is_closing) {
        if (connection->is_closed) let_go(connection);
        return;
    }
    while (!exchange->is_answering && !exchange->output.is_flushing) {
        if (exchange->is_last || connection->context->is_stopping) break;
        if (OUTPUT_BYTES - exchange->output.used < OUTPUT_ROOM && !exchange_flush(exchange)) break;
        if (!next_request(exchange)) break;
    }
    bool is_done = !exchange->is_answering && exchange_flush(exchange);
    if (is_done)
        rest(connection);
    else if (exchange->failure != EXCHANGE_GOES_ON)
        fail(connection, exchange->failure);
}

static void on_flushed(struct output *output, int status) {
    struct exchange *exchange = eddy_container_of(output, struct exchange, output);
    if (status < 0) {
        connection_close(exchange->connection);
        return;
    }
    if (exchange->is_answering) answer_continue(exchange);
    advance(exchange);
}

/* --- Closing --- */

static void on_closed(eddy_stream *stream) {
    struct connection *connection = connection_of(stream);
    connection->is_closed = true;
    let_go(connection);
}

static void begin_closing(struct connection *connection) {
    connection->is_closing = true;
    if (connection->exchange != NULL) connection->exchange->is_cancelled = true;
}

void connection_close(struct connection *connection) {
    if (connection->is_closing) return;
    begin_closing(connection);
    (void)eddy_stream_close(&connection->stream, on_closed);
}

void connection_reset(struct connection *connection) {
    if (connection->is_closing) return;
    begin_closing(connection);
    (void)eddy_stream_reset(&connection->stream, on_closed);
}

void connection_finish(struct connection *connection) {
    if (!is_busy(connection) && !connection->is_lingering) connection_close(connection);
}
