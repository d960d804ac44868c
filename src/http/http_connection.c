/* http_connection.c: a client: bytes in, time limits, what goes on next, the end.
 * Invariants: a connection is in one list of its server until it begins to close, and is freed when
 * its stream has closed, no file request of it is under way, and its request has been ended.
 * Reading is off while bytes of a later request wait behind one that is being answered. Threading:
 * the loop's. */
#include "http_server.h"

#include <string.h>

static void on_read(eddy_stream *stream, void *data, ssize_t size);
static void let_go(struct http_connection *it);

static void set_list(struct http_connection *it, enum http_list list) {
    if (it->list == list) return;
    eddy__http_list_remove(it);
    eddy__http_list_add(it, list);
    if (it->http->is_full || it->http->counts.open >= it->http->config.connections)
        eddy__http_update_places(it->http);
}

/* --- The request that a connection takes with its first byte --- */

static void on_later(eddy_defer *defer) {
    struct http_connection *it = eddy_container_of(defer, eddy_http_request, later)->connection;
    it->is_late = true;
    eddy__http_advance(it);
}

void eddy__http_defer(eddy_http_request *request) {
    (void)eddy_defer_start(&request->later, on_later); /* -EALREADY is as good */
}

void eddy__http_later(eddy_http_request *request) {
    if (!request->connection->is_advancing) eddy__http_defer(request);
}

/* The buffers behind `head` stay as they are: clearing them would cost more than the rest. */
static void clear_request(eddy_http_request *request) {
    memset((char *)request + offsetof(eddy_http_request, text), 0,
           offsetof(eddy_http_request, head) - offsetof(eddy_http_request, text));
    eddy__http_head_init(&request->head);
    request->begun_ns = eddy_loop_now_ns(request->http->loop);
    request->fd = -1;
}

static eddy_http_request *take_request(struct http_connection *it) {
    eddy_http *http = it->http;
    eddy_http_request *request = eddy__http_take(http, &http->small);
    if (request == NULL) return NULL;
    memset(&request->output, 0, sizeof request->output);
    request->http = http;
    request->connection = it;
    clear_request(request);
    eddy_defer_init(&request->later, http->loop);
    eddy_timer_init(&request->heartbeat, http->loop);
    request->fields = request->fields_inline;
    request->fields_size = sizeof request->fields_inline;
    request->input = request->bytes;
    request->input_size = HTTP_BLOCK_BYTES - (uint32_t)offsetof(eddy_http_request, bytes);
    request->kept = NULL;
    request->at = request->used = 0;
    it->request = request;
    return request;
}

static void free_input(eddy_http_request *request, char *input, uint32_t size) {
    if (input != request->bytes && input != NULL)
        (void)eddy__http_resize(request->http, input, size, 0);
}

/* What a request took beside its block. */
static void free_parts(eddy_http_request *request) {
    eddy_http *http = request->http;
    eddy_timer_stop(&request->heartbeat);
    eddy__http_forget_sources(request);
    free_input(request, request->kept, request->kept_size);
    request->kept = NULL;
    if (request->path_room > 0) (void)eddy__http_resize(http, request->path, request->path_room, 0);
    request->path_room = 0;
    if (request->fields != request->fields_inline)
        (void)eddy__http_resize(http, request->fields, request->fields_size, 0);
    request->fields = request->fields_inline;
    request->fields_size = sizeof request->fields_inline;
}

static void give_request(struct http_connection *it) {
    eddy_http_request *request = it->request;
    eddy_defer_stop(&request->later);
    free_parts(request);
    eddy__http_free_output(request);
    free_input(request, request->input, request->input_size);
    eddy__http_give(it->http, &it->http->small, request);
    it->request = NULL;
}

/* --- Bytes in --- */

/* The input moves to where there is room. The head of a request that is being answered stays where
 * it is, as its handler may hold pointers into it. */
static bool grow_input(eddy_http_request *request, uint32_t more) {
    uint32_t length = request->used - request->at, size = HTTP_BLOCK_BYTES;
    while (size < length + more) size *= 2;
    char *moved = eddy__http_resize(request->http, NULL, 0, size);
    if (moved == NULL) return false;
    memcpy(moved, request->input + request->at, length);
    if (request->is_answering && request->kept == NULL) {
        request->kept = request->input;
        request->kept_size = request->input_size;
    } else {
        free_input(request, request->input, request->input_size);
    }
    request->input = moved;
    request->input_size = size;
    request->at = 0;
    request->used = length;
    return true;
}

/* They move out of the server's buffer, as the answer is made in later turns and still needs the
 * head. That copy of some hundred bytes is the price of no buffer while idle. */
static bool keep_bytes(struct http_connection *it, const char *bytes, size_t size) {
    eddy_http_request *request = it->request;
    if (request == NULL) request = take_request(it);
    if (request == NULL) return false;
    if (request->input_size - request->used < size && !grow_input(request, (uint32_t)size))
        return false;
    memcpy(request->input + request->used, bytes, size);
    request->used += (uint32_t)size;
    return true;
}

/* From here on a handler, or the server for it, has to end the request. */
static void begin_answering(struct http_connection *it) {
    eddy_http_request *request = it->request;
    set_list(it, HTTP_BUSY);
    request->text = request->input + request->at;
    request->is_answering = true;
    it->http->counts.requests++;
    it->http->counts.answering++;
}

/* A time limit has passed. */
static void on_limit(struct http_connection *it) {
    eddy_http_request *request = it->request;
    it->http->counts.timed_out++;
    if (it->limit == HTTP_BODY_LIMIT && request->is_answering) {
        eddy__http_fail_body(request, -ETIMEDOUT);
    } else if (it->limit == HTTP_HEAD_LIMIT && !it->is_lingering &&
               request->body_state == HTTP_BODY_NONE) {
        begin_answering(it);
        request->at = request->used;
        request->is_last = true;
        eddy__http_refuse(request, 408);
    } else {
        eddy__http_disconnect(it, false);
    }
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct http_connection *it = http_connection_of(stream);
    eddy_http_request *request = it->request;
    if (size <= 0) it->is_reading = false;
    it->is_advancing = true; /* what is called here need not call back */
    if (size > 0 && it->is_lingering) {
        it->is_advancing = false;
        return;
    }
    if (size > 0) {
        size_t taken = 0;
        if (request != NULL && request->at == request->used &&
            request->body_state == HTTP_BODY_READ)
            taken = eddy__http_take_body(request, data, (size_t)size);
        if (!it->is_closing && taken < (size_t)size &&
            !keep_bytes(it, (const char *)data + taken, (size_t)size - taken))
            eddy__http_disconnect(it, false);
    } else if (size == -ETIMEDOUT) {
        on_limit(it);
    } else if (size == 0 && request != NULL && !it->is_lingering) {
        it->has_end = true; /* it has asked its last, and may still listen */
    } else {
        eddy__http_disconnect(it, false);
    }
    it->is_advancing = false;
    eddy__http_advance(it);
}

static void on_hangup(eddy_stream *stream, int status) {
    struct http_connection *it = http_connection_of(stream);
    it->is_watching = false;
    if (status < 0) eddy__http_disconnect(it, false);
}

/* --- Going on --- */

/* Throws away what is left of a body. False: there is more to come. */
static bool skip_body(eddy_http_request *request) {
    if (request->body_state != HTTP_BODY_SKIPPED) return true;
    size_t taken =
        eddy__http_take_body(request, request->input + request->at, request->used - request->at);
    request->at += (uint32_t)taken;
    return request->body_state == HTTP_BODY_NONE;
}

/* Begins to answer the next request, if all of its head is there. */
static bool next_request(struct http_connection *it) {
    eddy_http_request *request = it->request;
    if (!skip_body(request)) return false;
    uint32_t length = request->used - request->at;
    if (length == 0) return false;
    if (request->begun_ns == 0) request->begun_ns = eddy_loop_now_ns(it->http->loop);
    int status = eddy__http_head_parse(&request->head, request->input + request->at, length,
                                       &it->http->limits);
    if (status == HTTP_MORE) return false;
    begin_answering(it);
    if (status == HTTP_COMPLETE) {
        request->at += request->head.head_bytes;
        request->is_last = !request->head.keep_alive;
        eddy__http_begin_body(request);
        eddy__http_dispatch(request);
    } else {
        request->at = request->used; /* nobody knows where the next one begins */
        request->is_last = true;
        eddy__http_refuse(request, status);
    }
    return true;
}

static void tell_log(eddy_http_request *request) {
    eddy_http *http = request->http;
    if (http->config.log == NULL) return;
    eddy_http_outcome outcome = {
        .status = request->has_head ? request->status : 0,
        .error = request->error,
        .body_bytes = request->body_bytes,
        .taken_ns = eddy_loop_now_ns(http->loop) - request->begun_ns,
    };
    http->config.log(request, &outcome, http->config.context);
}

/* The answer has been given, whole or not: nothing of the handler's is needed any more. */
static void end_request(struct http_connection *it) {
    eddy_http_request *request = it->request;
    tell_log(request);
    it->http->counts.answering--;
    if (request->done != NULL) request->done(request, request->done_context);
    bool is_skipping = request->body_state != HTTP_BODY_NONE;
    struct http_chunk chunk = request->chunk;
    uint64_t left = request->body_left;
    bool is_chunked = request->is_chunked_body, is_whole = request->is_body_whole;
    bool was_last = request->is_last;
    free_parts(request);
    clear_request(request);
    request->begun_ns = 0;
    request->is_last = was_last; /* for all that follow */
    if (is_skipping) {
        request->body_state = HTTP_BODY_SKIPPED;
        request->body_left = left;
        request->body_limit = it->http->config.discard_bytes;
        request->chunk = chunk;
        request->is_chunked_body = is_chunked;
        request->is_body_whole = is_whole;
    }
    if (request->at == request->used) request->at = request->used = 0;
    it->limit = HTTP_OLD_LIMIT;
}

static bool wants_body(const eddy_http_request *request) {
    return request->body_state == HTTP_BODY_READ && !request->is_ended;
}

/* A client that waits to be asked for its body is asked. */
static void ask_for_body(eddy_http_request *request) {
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (request->is_continued || request->has_begun || !wants_body(request)) return;
    if (eddy__http_reserve(request, sizeof text - 1) < 0) return;
    eddy__http_put(request, text, sizeof text - 1);
    request->is_continued = true;
}

/* Has body_fn get what is there. */
static void deliver_body(eddy_http_request *request) {
    ask_for_body(request);
    if (wants_body(request) && request->is_body_whole) (void)eddy__http_take_body(request, NULL, 0);
    while (wants_body(request) && request->at < request->used) {
        size_t taken = eddy__http_take_body(request, request->input + request->at,
                                            request->used - request->at);
        request->at += (uint32_t)taken;
        if (taken == 0) break;
    }
    if (wants_body(request) && request->connection->has_end)
        eddy__http_fail_body(request, -EBADMSG);
}

static bool has_room(const eddy_http_request *request) {
    const struct http_output *output = &request->output;
    return !request->is_reading && !request->is_waiting && !output->is_writing &&
           request->file_left == 0 && request->memory_left == 0;
}

/* Moves an answer on. False: it waits, for the handler or the client. */
static bool answer_on(struct http_connection *it) {
    eddy_http_request *request = it->request;
    deliver_body(request);
    if (it->is_closing || eddy__http_fill(request) == HTTP_WAITS) return false;
    if (request->is_ended) {
        if (request->upgrade != NULL && eddy__http_flush(it) == HTTP_WAITS) return false;
        return true;
    }
    if (!request->wants_drained || eddy__http_flush(it) == HTTP_WAITS || !has_room(request))
        return false;
    request->wants_drained = false;
    if (request->drained == NULL) return false;
    request->drained(request, request->drained_context);
    if (it->is_closing) return false;
    if (request->is_ended) return answer_on(it);
    /* A client that takes all at once is not to keep the loop to itself. */
    eddy__http_defer(request);
    return false;
}

/* --- What the connection does next --- */

static void set_limit(struct http_connection *it, enum http_limit limit) {
    const eddy_http_config *config = &it->http->config;
    if (it->limit == (uint8_t)limit && limit != HTTP_BODY_LIMIT) return;
    it->limit = (uint8_t)limit;
    int64_t delay_ns = -1;
    if (limit == HTTP_IDLE_LIMIT) delay_ns = config->idle_ns;
    if (limit == HTTP_HEAD_LIMIT) delay_ns = config->head_ns;
    if (limit == HTTP_BODY_LIMIT) delay_ns = config->body_ns;
    if (it->is_lingering) delay_ns = HTTP_LINGER_NS;
    if (eddy_stream_set_read_deadline(&it->stream, delay_ns) < 0) eddy__http_disconnect(it, false);
}

static void read_on(struct http_connection *it) {
    if (it->is_reading || it->has_end) return;
    it->is_reading = true;
    it->is_watching = false;
    it->limit = HTTP_NO_LIMIT;
    int err = eddy_stream_read_into(&it->stream, it->http->read_buffer,
                                    sizeof it->http->read_buffer, on_read);
    if (err < 0) eddy__http_disconnect(it, false);
}

/* Nobody reads, so nothing else tells that the client has left. */
static void read_no_more(struct http_connection *it) {
    if (it->is_reading) eddy_stream_read_stop(&it->stream);
    it->is_reading = false;
    it->limit = HTTP_NO_LIMIT;
    if (it->is_watching || it->has_end) return;
    it->is_watching = eddy_stream_hangup_start(&it->stream, on_hangup) == 0;
}

static void on_shutdown(eddy_write *write, int status) {
    struct http_connection *it = http_connection_of(write->stream);
    if (it->request != NULL) it->request->output.is_writing = false;
    if (status < 0) eddy__http_disconnect(it, false);
}

static void linger(struct http_connection *it) {
    eddy_http_request *request = it->request;
    eddy__http_free_output(request);
    if (it->is_torn) {
        eddy__http_disconnect(it, true);
        return;
    }
    if (it->has_end || eddy_stream_shutdown(&it->stream, &request->output.write, on_shutdown) < 0) {
        eddy__http_disconnect(it, false);
        return;
    }
    request->output.is_writing = true;
    it->is_lingering = true;
    set_list(it, HTTP_COLLECTING);
    it->limit = HTTP_NO_LIMIT;
    read_on(it);
    if (!it->is_closing) set_limit(it, HTTP_HEAD_LIMIT);
}

/* Everything that came has been answered, and the answers are with the kernel. */
static void rest(struct http_connection *it) {
    eddy_http_request *request = it->request;
    if (request != NULL && (request->is_last || it->http->is_stopping)) {
        linger(it);
        return;
    }
    if (it->has_end) {
        eddy__http_disconnect(it, false);
        return;
    }
    read_on(it);
    if (it->is_closing) return;
    if (request == NULL ||
        (request->at == request->used && request->body_state == HTTP_BODY_NONE)) {
        if (request != NULL) give_request(it);
        if (it->list != HTTP_NEW) set_list(it, HTTP_IDLE);
        set_limit(it, HTTP_IDLE_LIMIT);
    } else {
        eddy__http_free_output(request);
        set_list(it, request->body_state == HTTP_BODY_SKIPPED ? HTTP_BUSY : HTTP_COLLECTING);
        /* Set once, at the first bytes: further ones do not push it away. */
        set_limit(it, HTTP_HEAD_LIMIT);
    }
}

/* A request is being answered. */
static void attend(struct http_connection *it) {
    eddy_http_request *request = it->request;
    bool reads_body = wants_body(request);
    if (!reads_body && request->at < request->used) {
        read_no_more(it);
        return;
    }
    if (!reads_body &&
        (request->body_state == HTTP_BODY_PAUSED || request->body_state == HTTP_BODY_UNREAD)) {
        read_no_more(it);
        return;
    }
    read_on(it);
    if (!it->is_closing && it->is_reading)
        set_limit(it, reads_body ? HTTP_BODY_LIMIT : HTTP_NO_LIMIT);
}

static void upgraded(struct http_connection *it) {
    eddy_http_request *request = it->request;
    eddy_http_upgrade_fn *fn = request->upgrade;
    void *context = request->upgrade_context;
    eddy_stream_read_stop(&it->stream);
    it->is_reading = it->is_watching = false;
    int fd = eddy_stream_detach(&it->stream);
    tell_log(request);
    it->http->counts.answering--;
    if (request->done != NULL) request->done(request, request->done_context);
    fn(fd < 0 ? -1 : fd, request->input + request->at, request->used - request->at, context);
    request->is_answering = false;
    request->upgrade = NULL;
    eddy__http_disconnect(it, false);
}

/* Moves on as far as possible: answers requests that are complete, sends what has gathered, and
 * then waits for more, or closes. */
void eddy__http_advance(struct http_connection *it) {
    if (it->is_advancing) return;
    it->is_advancing = true;
    while (!it->is_closing && it->request != NULL && !it->is_lingering) {
        eddy_http_request *request = it->request;
        if (request->is_answering) {
            if (!answer_on(it)) break;
            if (request->upgrade != NULL)
                upgraded(it);
            else
                end_request(it);
        } else if (request->is_last || it->http->is_stopping || !next_request(it)) {
            break;
        }
    }
    if (!it->is_closing && !it->is_lingering) {
        eddy_http_request *request = it->request;
        bool is_sent = request == NULL || eddy__http_flush(it) == HTTP_DONE;
        if (it->is_closing) {
            /* flushing found the connection broken */
        } else if (request != NULL && (request->is_answering || !is_sent)) {
            attend(it);
        } else if (is_sent) {
            rest(it);
        }
    }
    it->is_advancing = it->is_late = false;
    if (it->is_closed) let_go(it);
}

/* --- The end --- */

static void let_go(struct http_connection *it) {
    eddy_http_request *request = it->request;
    if (request != NULL) {
        if (request->is_reading) return;
        if (request->is_answering && !request->is_ended) return;
        if (request->is_answering) {
            if (request->error == 0) request->error = -ECONNRESET;
            tell_log(request);
            it->http->counts.answering--;
            it->http->counts.gone++;
            eddy_http_upgrade_fn *upgrade = request->upgrade;
            if (request->done != NULL) request->done(request, request->done_context);
            if (upgrade != NULL) upgrade(-1, NULL, 0, request->upgrade_context);
        }
        give_request(it);
    }
    eddy__http_left(it->http, it);
}

static void on_closed(eddy_stream *stream) {
    struct http_connection *it = http_connection_of(stream);
    eddy_http_request *request = it->request;
    it->is_closed = true;
    if (request != NULL && request->is_answering && !request->is_ended) {
        it->is_advancing = true; /* let_go follows, whatever is called */
        eddy__http_fail_body(request, -ECONNRESET);
        if (request->gone != NULL && !request->is_told_gone && !request->is_ended)
            request->gone(request, request->gone_context);
        request->is_told_gone = true;
        it->is_advancing = false;
    }
    let_go(it);
}

void eddy__http_disconnect(struct http_connection *it, bool with_reset) {
    if (it->is_closing) return;
    it->is_closing = true;
    eddy__http_list_remove(it);
    it->http->counts.open--;
    eddy__http_update_places(it->http);
    int err = with_reset ? eddy_stream_reset(&it->stream, on_closed)
                         : eddy_stream_close(&it->stream, on_closed);
    (void)err; /* -EALREADY cannot be: is_closing tells */
}

void eddy__http_finish(struct http_connection *it) {
    const eddy_http_request *request = it->request;
    if (it->is_lingering) return;
    if (request == NULL || !(request->is_answering || request->output.is_writing))
        eddy__http_disconnect(it, false);
}

/* --- The beginning --- */

static void keep_peer(struct http_connection *it, const struct sockaddr *peer) {
    it->peer.any.sa_family = peer->sa_family;
    if (peer->sa_family == AF_INET)
        memcpy(&it->peer.in, peer, sizeof it->peer.in);
    else if (peer->sa_family == AF_INET6)
        memcpy(&it->peer.in6, peer, sizeof it->peer.in6);
}

int eddy__http_connect(eddy_http *http, int fd, const struct sockaddr *peer) {
    struct http_connection *it = eddy__http_take(http, &http->connections);
    if (it == NULL) return -ENOMEM;
    memset(it, 0, sizeof *it);
    it->http = http;
    keep_peer(it, peer);
    eddy_stream_init(&it->stream, http->loop);
    int err = eddy_stream_attach(&it->stream, fd);
    if (err < 0) {
        eddy__http_give(http, &http->connections, it);
        return err;
    }
    http->kept++;
    http->counts.connections++;
    http->counts.open++;
    eddy__http_list_add(it, HTTP_NEW);
    /* Answers that need several writes are not to wait for the client's acknowledgements; other
     * sockets than TCP's have nothing of the kind. */
    (void)eddy_tcp_set_nodelay(&it->stream, true);
    if (eddy_stream_set_write_timeout(&it->stream, http->config.answer_ns) < 0)
        eddy__http_disconnect(it, false);
    else
        rest(it);
    return 0;
}
