/* http_life.c: a connection's beginning and end.
 * Invariant: it is in one list of its server until it begins to close, and is freed when its stream
 * has closed, no file request of it is under way, and its request has been ended.
 * Threading: the loop's. */
#include "http_server.h"

#include <string.h>

/* --- The end --- */

void eddy__http_let_go(struct http_connection *it) {
    eddy_http_request *request = it->request;
    if (request != NULL) {
        if (request->is_reading) return;
        /* Its handler may take its time; the buffers are for others. */
        eddy__http_forget_sources(request);
        eddy__http_free_output(request);
        if (request->is_answering && !request->is_ended) return;
        if (request->is_answering) {
            if (request->error == 0) request->error = -ECONNRESET;
            eddy__http_tell_log(request);
            it->http->counts.answering--;
            it->http->counts.gone++;
            eddy_http_upgrade_fn *upgrade = request->upgrade;
            if (request->done != NULL) request->done(request, request->done_context);
            if (upgrade != NULL) upgrade(-1, NULL, 0, request->upgrade_context);
        }
        eddy__http_give_request(it);
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
    eddy__http_let_go(it);
}

static bool is_sending(const struct http_connection *it) {
    return it->request != NULL && it->request->is_sending;
}

void eddy__http_go_on_closing(struct http_connection *it) {
    if (!it->is_closing || is_sending(it)) return;
    int err = it->is_torn ? eddy_stream_reset(&it->stream, on_closed)
                          : eddy_stream_close(&it->stream, on_closed);
    (void)err; /* -EALREADY cannot be: is_closing tells */
}

void eddy__http_disconnect(struct http_connection *it, bool with_reset) {
    if (it->is_closing) return;
    it->is_closing = true;
    it->is_torn = with_reset;
    eddy__http_list_remove(it);
    it->http->counts.open--;
    eddy__http_update_places(it->http);
    if (is_sending(it)) {
        eddy_stream_read_stop(&it->stream);
        (void)eddy_file_cancel(&it->request->file); /* what a thread has begun soon ends */
    }
    eddy__http_go_on_closing(it);
}

void eddy__http_finish(struct http_connection *it) {
    const eddy_http_request *request = it->request;
    if (it->is_lingering) return;
    if (request != NULL && (request->is_answering || request->output.is_writing)) return;
    /* While a body is skipped the client may still be sending, and a close would be a reset, which
     * takes the last answer along: it lingers. */
    if (request != NULL && request->body_state != HTTP_BODY_NONE)
        eddy__http_advance(it);
    else
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
        eddy__http_advance(it);
    return 0;
}

/* --- Another protocol --- */

void eddy__http_hand_over(struct http_connection *it) {
    eddy_http_request *request = it->request;
    eddy_http_upgrade_fn *fn = request->upgrade;
    void *context = request->upgrade_context;
    eddy_stream_read_stop(&it->stream);
    it->is_reading = it->is_watching = false;
    int fd = eddy_stream_detach(&it->stream);
    eddy__http_tell_log(request);
    it->http->counts.answering--;
    if (request->done != NULL) request->done(request, request->done_context);
    fn(fd < 0 ? -1 : fd, request->input + request->at, request->used - request->at, context);
    request->is_answering = false;
    request->upgrade = NULL;
    eddy__http_disconnect(it, false);
}
