/* http_request.c: the life of a request: the block that it takes, its input, its beginning and end.
 * Invariant: the head of a request that is being answered does not move. Threading: the loop's. */
#include "http_server.h"

#include <string.h>

static void on_later(eddy_defer *defer) {
    struct http_connection *it = eddy_container_of(defer, eddy_http_request, later)->connection;
    it->gathered++;
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

void eddy__http_give_request(struct http_connection *it) {
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
bool eddy__http_keep_bytes(struct http_connection *it, const char *bytes, size_t size) {
    eddy_http_request *request = it->request;
    if (request == NULL) request = take_request(it);
    if (request == NULL) return false;
    if (request->input_size - request->used < size && !grow_input(request, (uint32_t)size))
        return false;
    memcpy(request->input + request->used, bytes, size);
    request->used += (uint32_t)size;
    return true;
}

/* --- From one to the next --- */

void eddy__http_begin_answering(struct http_connection *it) {
    eddy_http_request *request = it->request;
    eddy__http_set_list(it, HTTP_BUSY);
    request->text = request->input + request->at;
    request->is_answering = true;
    it->http->counts.requests++;
    it->http->counts.answering++;
}

void eddy__http_tell_log(eddy_http_request *request) {
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

void eddy__http_end_request(struct http_connection *it) {
    eddy_http_request *request = it->request;
    eddy__http_tell_log(request);
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
