/* http_answer.c: what handlers call to answer. All of it notes what is to be sent and has advance
 * called; nothing here touches the socket. Threading: the loop's. */
#include "http_server.h"

#include <string.h>

bool eddy__http_is_gone(const eddy_http_request *request) {
    return request->connection->is_closing || request->is_cut;
}

/* --- Fields --- */

/* An Upgrade field is about this connection only, and has to be named as such (RFC 9110 §7.8). */
static bool is_upgrade_option(const char *name, size_t length, const char *value) {
    return eddy__http_name_is(name, length, "connection") &&
           eddy__http_name_is(value, strlen(value), "upgrade");
}

/* Each has a length of its own, which most others do not have. */
static bool is_ours(const char *name, size_t length) {
    switch (length) {
    case 4:
        return eddy__http_name_is(name, length, "date");
    case 6:
        return eddy__http_name_is(name, length, "server");
    case 10:
        return eddy__http_name_is(name, length, "connection");
    case 14:
        return eddy__http_name_is(name, length, "content-length");
    case 17:
        return eddy__http_name_is(name, length, "transfer-encoding");
    default:
        return false;
    }
}

static bool grow_fields(eddy_http_request *request, size_t size) {
    char *old = request->fields == request->fields_inline ? NULL : request->fields;
    size_t grown = 2 * (size_t)request->fields_size;
    while (grown < size) grown *= 2;
    char *fields =
        eddy__http_resize(request->http, old, old != NULL ? request->fields_size : 0, grown);
    if (fields == NULL) return false;
    if (old == NULL) memcpy(fields, request->fields_inline, request->fields_used);
    request->fields = fields;
    request->fields_size = (uint32_t)grown;
    return true;
}

static int add_field(eddy_http_request *request, const char *name, size_t name_length,
                     const char *value, size_t value_length) {
    size_t size = request->fields_used + name_length + value_length + 4;
    if (size > HTTP_FIELDS_ROOM) return -EMSGSIZE;
    if (size > request->fields_size && !grow_fields(request, size)) return -ENOMEM;
    char *at = request->fields + request->fields_used;
    memcpy(at, name, name_length);
    memcpy(at + name_length, ": ", 2);
    memcpy(at + name_length + 2, value, value_length);
    memcpy(at + name_length + 2 + value_length, "\r\n", 2);
    request->fields_used = (uint32_t)size;
    return 0;
}

int eddy_http_add(eddy_http_request *request, const char *name, const char *value) {
    if (eddy__http_is_gone(request)) return -EPIPE;
    if (request->has_begun || request->is_ended) return -EALREADY;
    size_t length = strlen(name), value_length = strlen(value);
    if (is_upgrade_option(name, length, value)) {
        request->names_upgrade = true;
        return 0;
    }
    if (!eddy__http_is_token(name, length) || is_ours(name, length)) return -EINVAL;
    if (!eddy__http_is_value(value, value_length)) return -EINVAL;
    return add_field(request, name, length, value, value_length);
}

void eddy_http_clear(eddy_http_request *request) {
    if (request->has_begun) return;
    request->fields_used = 0;
    request->names_upgrade = false;
}

void eddy_http_set_last(eddy_http_request *request) {
    if (!request->has_begun) request->is_last = true;
}

/* --- Answers --- */

/* Notes how the answer begins. 0, or why it does not. */
static int begin(eddy_http_request *request, int status, int64_t length) {
    if (eddy__http_is_gone(request)) return -EPIPE;
    if (request->has_begun || request->is_ended) return -EALREADY;
    if (status < 200 || status > 599 || length < -1) return -EINVAL;
    request->status = status;
    request->length = length;
    request->given = 0;
    bool may_have_body = status != 204 && status != 205 && status != 304;
    request->has_body = request->head.method != HTTP_HEAD && may_have_body;
    request->is_chunked = length < 0 && request->head.minor > 0 && may_have_body;
    request->has_begun = true;
    return 0;
}

/* Not even the refusal can be answered. */
static void give_up(eddy_http_request *request, int error) {
    if (request->error == 0) request->error = error;
    eddy__http_disconnect(request->connection, false);
}

/* The handler's part is over, also where it could not be as it wanted. */
static int end(eddy_http_request *request, int err) {
    if (err == -EALREADY && request->is_ended) return err;
    request->is_ended = true;
    if (err < 0 && err != -EPIPE) {
        if (request->has_head)
            eddy__http_cut_answer(request, err);
        else if (request->is_refused)
            give_up(request, err);
        else /* by advance, as the program's function for it may be called */
            request->refusal = eddy__http_status_of(err);
    }
    eddy__http_later(request);
    return err;
}

static void lend(eddy_http_request *request, const void *body, size_t size) {
    request->memory = body;
    request->memory_left = size;
    request->given = (int64_t)size;
}

int eddy_http_respond_lent(eddy_http_request *request, int status, const void *body, size_t size) {
    bool is_there = size <= SIZE_MAX / 2 && (body != NULL || size == 0);
    int err = is_there ? begin(request, status, (int64_t)size) : -EINVAL;
    if (err == 0) lend(request, body, size);
    return end(request, err);
}

/* What is small goes straight into the output, head and body. False: there is no room just now. */
static bool put_small(eddy_http_request *request, const void *body, size_t size) {
    uint32_t needed = HTTP_HEAD_ROOM + request->fields_used + (uint32_t)size;
    if (size > HTTP_BLOCK_BYTES || needed > HTTP_BLOCK_BYTES) return false;
    if (eddy__http_reserve(request, needed) < 0 || !eddy__http_put_head(request)) return false;
    if (request->has_body) {
        eddy__http_put(request, body, size);
        request->body_bytes += (int64_t)size;
    }
    request->given = (int64_t)size;
    return true;
}

/* What is not stays in memory of its own until it is with the kernel. */
static int copy_body(eddy_http_request *request, const void *body, size_t size) {
    char *copy = eddy__http_resize(request->http, NULL, 0, size);
    if (copy == NULL) return -ENOMEM;
    memcpy(copy, body, size);
    lend(request, copy, size);
    request->copy = copy;
    request->copy_bytes = size;
    return 0;
}

int eddy_http_respond(eddy_http_request *request, int status, const void *body, size_t size) {
    bool is_there = size <= SIZE_MAX / 2 && (body != NULL || size == 0);
    int err = is_there ? begin(request, status, (int64_t)size) : -EINVAL;
    if (err == 0 && size > 0 && !put_small(request, body, size) && request->has_body)
        err = copy_body(request, body, size);
    return end(request, err);
}

static void lend_file(eddy_http_request *request, int fd, int64_t offset, int64_t length) {
    request->fd = fd;
    request->file_offset = offset;
    request->file_left = length;
    request->way = HTTP_BY_BLOCK;
    request->given += length;
}

int eddy_http_respond_file(eddy_http_request *request, int status, int fd, int64_t offset,
                           int64_t length) {
    int err = offset < 0 || length < 0 ? -EINVAL : begin(request, status, length);
    if (err == 0) lend_file(request, fd, offset, length);
    if (err == 0 && eddy__http_start_file(request)) {
        request->is_ended = true;
        return 0;
    }
    return end(request, err);
}

int eddy_http_start(eddy_http_request *request, int status, int64_t length) {
    int err = begin(request, status, length);
    if (err == 0) eddy__http_later(request);
    return err;
}

/* How much of `size` the client may still be given. */
static int may_give(const eddy_http_request *request, uint64_t size) {
    if (eddy__http_is_gone(request)) return -EPIPE;
    if (request->is_ended) return -EALREADY;
    if (!request->has_begun) return -EINVAL;
    if (request->length >= 0 && size > (uint64_t)(request->length - request->given))
        return -EMSGSIZE;
    return 0;
}

static void put_chunk_size(eddy_http_request *request, uint64_t size) {
    char digits[18];
    size_t at = sizeof digits - 2;
    memcpy(digits + at, "\r\n", 2);
    do {
        digits[--at] = "0123456789abcdef"[size & 15];
        size >>= 4;
    } while (size > 0);
    eddy__http_put(request, digits + at, sizeof digits - at);
}

/* No more than a block's worth waits, however small the pieces are that a handler goes on giving.
 */
static int reserve_piece(eddy_http_request *request, size_t bytes) {
    const struct http_output *output = &request->output;
    uint32_t waiting = output->used - output->sent;
    if (output->size - output->used >= bytes) return 0;
    if (waiting > 0 && waiting + bytes > HTTP_BLOCK_BYTES) return -EAGAIN;
    int err = eddy__http_reserve(request, (uint32_t)bytes);
    return err == -ENOMEM ? -EAGAIN : err;
}

/* What goes before a piece of `bytes` must be out, or in the output; of a file, also what follows.
 * 0, -EAGAIN, -EPIPE. */
static int prepare_piece(eddy_http_request *request, size_t bytes) {
    if (request->is_reading || request->is_waiting || request->file_left > 0) return -EAGAIN;
    if (request->ends_chunk || request->output.from_file > 0) return -EAGAIN;
    if (!request->has_head && !eddy__http_put_head(request))
        return eddy__http_is_gone(request) ? -EPIPE : -EAGAIN;
    return reserve_piece(request, HTTP_CHUNK_ROOM + bytes);
}

static ssize_t put_piece(eddy_http_request *request, const void *data, size_t size) {
    uint32_t overhead = request->is_chunked ? HTTP_CHUNK_ROOM : 0;
    uint32_t room = request->output.size - request->output.used;
    if (room <= overhead) return -EAGAIN;
    size_t taken = size < room - overhead ? size : room - overhead;
    if (request->is_chunked) put_chunk_size(request, taken);
    eddy__http_put(request, data, taken);
    if (request->is_chunked) eddy__http_put(request, "\r\n", 2);
    request->given += (int64_t)taken;
    request->body_bytes += (int64_t)taken;
    return (ssize_t)taken;
}

ssize_t eddy_http_write(eddy_http_request *request, const void *data, size_t size) {
    int err = may_give(request, size);
    if (err < 0) return err;
    if (!request->has_body) {
        request->given += (int64_t)size;
        return (ssize_t)size;
    }
    if (size == 0) return 0;
    err = prepare_piece(request, 1);
    ssize_t taken = err < 0 ? err : put_piece(request, data, size);
    if (taken < 0 || (size_t)taken < size) request->wants_drained = true;
    eddy__http_later(request);
    return taken;
}

/* Here the kernel is asked at once, as an event that has no room is lost on a client. */
int eddy__http_write_whole(eddy_http_request *request, const void *data, size_t size) {
    int err = may_give(request, size);
    if (err < 0 || !request->has_body) return err;
    err = prepare_piece(request, size);
    if (err == -EAGAIN) {
        eddy__http_send_some(request);
        err = prepare_piece(request, size);
    }
    if (err == 0) (void)put_piece(request, data, size);
    if (err < 0) request->wants_drained = true;
    eddy__http_later(request);
    return err;
}

int eddy_http_write_file(eddy_http_request *request, int fd, int64_t offset, int64_t length) {
    if (offset < 0 || length < 0) return -EINVAL;
    int err = may_give(request, (uint64_t)length);
    if (err < 0) return err;
    request->wants_drained = true;
    eddy__http_later(request);
    if (!request->has_body) {
        request->given += length;
        return 0;
    }
    err = prepare_piece(request, 0);
    if (err < 0) return err;
    if (length > 0 && request->is_chunked) {
        put_chunk_size(request, (uint64_t)length);
        request->ends_chunk = true;
    }
    lend_file(request, fd, offset, length);
    return 0;
}

int eddy_http_end(eddy_http_request *request) {
    int err = eddy__http_is_gone(request) ? -EPIPE : 0;
    if (request->is_ended) return -EALREADY;
    if (err == 0 && !request->has_begun) err = -EINVAL;
    return end(request, err);
}

void eddy_http_abort(eddy_http_request *request) {
    if (!request->is_ended) (void)end(request, eddy__http_is_gone(request) ? -EPIPE : -EIO);
}

int eddy_http_upgrade(eddy_http_request *request, eddy_http_upgrade_fn *fn, void *context) {
    int err = eddy__http_is_gone(request) ? -EPIPE : 0;
    if (request->has_begun || request->is_ended) return -EALREADY;
    if (err == 0 &&
        (fn == NULL || request->head.minor == 0 || request->body_state != HTTP_BODY_NONE))
        err = -EINVAL;
    if (err == 0) {
        request->status = 101;
        request->length = -1;
        request->has_begun = true;
        request->upgrade = fn;
        request->upgrade_context = context;
    }
    return end(request, err);
}

void eddy_http_on_done(eddy_http_request *request, eddy_http_fn *done, void *context) {
    request->done = done;
    request->done_context = context;
}

void *eddy_http_done_context(const eddy_http_request *request) {
    return request->done_context;
}

void eddy_http_on_gone(eddy_http_request *request, eddy_http_fn *gone, void *context) {
    request->gone = gone;
    request->gone_context = context;
}

void eddy_http_on_drained(eddy_http_request *request, eddy_http_fn *drained, void *context) {
    request->drained = drained;
    request->drained_context = context;
}
