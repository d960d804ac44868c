/* http_body.c: the body of a request: to who reads it, or to nobody.
 * Invariant: body_fn is called only while the state is HTTP_BODY_READ, and not after the request
 * was ended. Threading: the loop's. */
#include "http_server.h"

void eddy__http_begin_body(eddy_http_request *request) {
    const struct http_head *head = &request->head;
    request->body_limit = request->http->config.body_bytes;
    request->is_continued = !head->expects_continue;
    if (head->is_chunked)
        eddy__http_chunk_init(&request->chunk);
    else
        request->body_left = head->body_bytes;
    bool has_any = head->is_chunked || head->body_bytes > 0;
    request->body_state = has_any ? HTTP_BODY_UNREAD : HTTP_BODY_NONE;
    request->is_chunked_body = head->is_chunked;
    request->is_body_whole = false; /* another one may have been skipped before it */
    request->body_taken = 0;
}

bool eddy__http_body_ends_connection(const eddy_http_request *request) {
    if (request->body_state == HTTP_BODY_NONE) return false;
    /* Who waits for a 100 that does not come may send its body, or its next request. */
    if (!request->is_continued) return true;
    return !request->is_chunked_body && request->body_left > request->http->config.discard_bytes;
}

/* Nothing more of it comes, or is wanted. */
static void stop_body(eddy_http_request *request, int error) {
    bool is_read = request->body_state == HTTP_BODY_READ || request->body_state == HTTP_BODY_PAUSED;
    request->body_state = HTTP_BODY_NONE;
    if (error < 0) request->is_last = true;
    if (is_read && !request->is_ended)
        request->body_fn(request, NULL, error, request->body_context);
}

void eddy__http_fail_body(eddy_http_request *request, int error) {
    if (request->body_state != HTTP_BODY_NONE) stop_body(request, error);
}

static void give_piece(eddy_http_request *request, const char *bytes, size_t length) {
    if (request->body_state == HTTP_BODY_READ && !request->is_ended)
        request->body_fn(request, bytes, (ssize_t)length, request->body_context);
}

static size_t take_length(eddy_http_request *request, const char *bytes, size_t length) {
    size_t taken = length < request->body_left ? length : (size_t)request->body_left;
    request->body_left -= taken;
    if (request->body_left == 0) request->is_body_whole = true;
    if (taken > 0) give_piece(request, bytes, taken);
    return taken;
}

static size_t take_chunks(eddy_http_request *request, const char *bytes, size_t length) {
    size_t all = 0;
    uint8_t state = request->body_state;
    while (all < length && request->body_state == state && !request->is_body_whole) {
        const char *data;
        size_t taken, size = 0;
        enum http_chunk_result result =
            eddy__http_chunk_take(&request->chunk, bytes + all, length - all, &taken, &data, &size);
        all += taken;
        if (result == HTTP_CHUNK_END) request->is_body_whole = true;
        if (result == HTTP_CHUNK_DATA) request->body_taken += size;
        if (result == HTTP_CHUNK_ERROR) {
            stop_body(request, -EBADMSG);
            return length;
        }
        /* What has been announced counts: it need not come first. */
        if (request->body_taken + request->chunk.left > request->body_limit) {
            stop_body(request, -EMSGSIZE);
            return length;
        }
        if (result == HTTP_CHUNK_MORE) break;
        if (result == HTTP_CHUNK_DATA) give_piece(request, data, size);
    }
    return all;
}

size_t eddy__http_take_body(eddy_http_request *request, const char *bytes, size_t length) {
    size_t taken = 0;
    if (!request->is_body_whole)
        taken = request->is_chunked_body ? take_chunks(request, bytes, length)
                                         : take_length(request, bytes, length);
    if (request->is_body_whole && request->body_state != HTTP_BODY_PAUSED) stop_body(request, 0);
    return taken;
}

int64_t eddy_http_body_length(const eddy_http_request *request) {
    return request->head.is_chunked ? -1 : (int64_t)request->head.body_bytes;
}

int eddy_http_read_body(eddy_http_request *request, uint64_t limit, eddy_http_body_fn *fn,
                        void *context) {
    if (eddy__http_is_gone(request)) return -EPIPE; /* nothing would ever call `fn` */
    if (request->body_fn != NULL || request->is_ended) return -EALREADY;
    if (fn == NULL) return -EINVAL;
    if (limit == 0) limit = request->http->config.body_bytes;
    if (!request->head.is_chunked && request->head.body_bytes > limit) return -EMSGSIZE;
    request->body_limit = limit;
    request->body_fn = fn;
    request->body_context = context;
    if (request->body_state == HTTP_BODY_NONE) request->is_body_whole = true;
    request->body_state = HTTP_BODY_READ;
    eddy__http_later(request);
    return 0;
}

void eddy_http_pause_body(eddy_http_request *request) {
    if (request->body_state == HTTP_BODY_READ) request->body_state = HTTP_BODY_PAUSED;
}

void eddy_http_resume_body(eddy_http_request *request) {
    if (request->body_state != HTTP_BODY_PAUSED) return;
    request->body_state = HTTP_BODY_READ;
    eddy__http_later(request);
}
