/* http_connection.c: what goes on with a client: bytes in, time limits, answers one after another.
 * Invariant: reading is off while bytes of a later request wait behind one that is being answered.
 * Threading: the loop's. */
#include "http_server.h"

#include <string.h>

static void on_read(eddy_stream *stream, void *data, ssize_t size);

/* A time limit has passed. */
static void on_limit(struct http_connection *it) {
    eddy_http_request *request = it->request;
    if (!it->is_lingering) it->http->counts.timed_out++;
    if (it->limit == HTTP_BODY_LIMIT && request->is_answering) {
        eddy__http_fail_body(request, -ETIMEDOUT);
    } else if (it->limit == HTTP_HEAD_LIMIT && !it->is_lingering &&
               request->body_state == HTTP_BODY_NONE) {
        eddy__http_begin_answering(it);
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
        if (it->limit == HTTP_BODY_LIMIT) it->limit = HTTP_OLD_LIMIT; /* some has come */
        if (request != NULL && request->at == request->used &&
            request->body_state == HTTP_BODY_READ)
            taken = eddy__http_take_body(request, data, (size_t)size);
        if (!it->is_closing && taken < (size_t)size &&
            !eddy__http_keep_bytes(it, (const char *)data + taken, (size_t)size - taken))
            eddy__http_disconnect(it, false);
    } else if (size == -ETIMEDOUT) {
        on_limit(it);
    } else if (size == 0 && request != NULL && !it->is_lingering) {
        it->has_end = it->has_left = true; /* it has asked its last, and may still listen */
    } else {
        eddy__http_disconnect(it, false);
    }
    it->is_advancing = false;
    eddy__http_advance(it);
}

static void on_hangup(eddy_stream *stream, int status) {
    struct http_connection *it = http_connection_of(stream);
    it->is_watching = false;
    it->has_left = true;
    if (status < 0) eddy__http_disconnect(it, false);
    eddy__http_advance(it);
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

/* Answers that the client does not take are not to gather: then the next request waits. */
static bool may_begin(struct http_connection *it) {
    const struct http_output *output = &it->request->output;
    return output->used - output->sent <= HTTP_BLOCK_BYTES || eddy__http_flush(it) == HTTP_DONE;
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
    eddy__http_begin_answering(it);
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

/* What its handler could not answer, or has given up. */
static void refuse_if_due(eddy_http_request *request) {
    int refusal = request->refusal;
    request->refusal = 0;
    if (refusal != 0) eddy__http_refuse(request, refusal);
}

/* Moves an answer on. False: it waits, for the handler or the client. */
static bool answer_on(struct http_connection *it) {
    eddy_http_request *request = it->request;
    refuse_if_due(request);
    deliver_body(request);
    refuse_if_due(request); /* nothing may come that would call again */
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
    if (it->limit == (uint8_t)limit) return;
    it->limit = (uint8_t)limit;
    int64_t delay_ns = -1;
    if (limit == HTTP_IDLE_LIMIT) delay_ns = config->idle_ns;
    if (limit == HTTP_HEAD_LIMIT) delay_ns = config->head_ns;
    if (limit == HTTP_BODY_LIMIT) delay_ns = config->body_ns;
    if (it->is_lingering) delay_ns = HTTP_LINGER_NS;
    if (eddy_stream_set_read_deadline(&it->stream, delay_ns) < 0) eddy__http_disconnect(it, false);
}

static void go_on_reading(struct http_connection *it) {
    if (it->is_reading || it->has_end) return;
    it->is_reading = true;
    it->is_watching = false;
    it->limit = HTTP_NO_LIMIT;
    int err = eddy_stream_read_into(&it->stream, it->http->read_buffer,
                                    sizeof it->http->read_buffer, on_read);
    if (err < 0) eddy__http_disconnect(it, false);
}

/* Nobody reads, so nothing else tells that the client has left. */
static void stop_reading(struct http_connection *it) {
    if (it->is_reading) eddy_stream_read_stop(&it->stream);
    it->is_reading = false;
    it->limit = HTTP_NO_LIMIT;
    if (it->is_watching || it->has_left) return;
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
    eddy__http_set_list(it, HTTP_COLLECTING);
    it->limit = HTTP_NO_LIMIT;
    go_on_reading(it);
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
    go_on_reading(it);
    if (it->is_closing) return;
    if (request == NULL ||
        (request->at == request->used && request->body_state == HTTP_BODY_NONE)) {
        if (request != NULL) eddy__http_give_request(it);
        if (it->list != HTTP_NEW) eddy__http_set_list(it, HTTP_IDLE);
        set_limit(it, HTTP_IDLE_LIMIT);
    } else {
        eddy__http_free_output(request);
        eddy__http_set_list(it,
                            request->body_state == HTTP_BODY_SKIPPED ? HTTP_BUSY : HTTP_COLLECTING);
        /* Set once, at the first bytes: further ones do not push it away. */
        set_limit(it, HTTP_HEAD_LIMIT);
    }
}

static void tell_gone(eddy_http_request *request) {
    if (request->gone == NULL || request->is_told_gone || request->is_ended) return;
    request->is_told_gone = true;
    request->gone(request, request->gone_context);
    eddy__http_defer(request); /* whatever it has called */
}

/* A request is being answered. */
static void attend(struct http_connection *it) {
    eddy_http_request *request = it->request;
    if (it->has_left && it->http->config.end_is_gone) tell_gone(request);
    if (it->is_closing) return;
    bool reads_body = wants_body(request);
    if (!reads_body && request->at < request->used) {
        stop_reading(it);
        return;
    }
    if (!reads_body &&
        (request->body_state == HTTP_BODY_PAUSED || request->body_state == HTTP_BODY_UNREAD)) {
        stop_reading(it);
        return;
    }
    go_on_reading(it);
    if (!it->is_closing && it->is_reading)
        set_limit(it, reads_body ? HTTP_BODY_LIMIT : HTTP_NO_LIMIT);
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
                eddy__http_hand_over(it);
            else
                eddy__http_end_request(it);
        } else if (request->is_last || it->http->is_stopping || !may_begin(it) ||
                   !next_request(it)) {
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
    it->is_advancing = false;
    if (it->is_closed) eddy__http_let_go(it);
}
