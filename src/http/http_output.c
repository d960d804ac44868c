/* http_output.c: the bytes of an answer on their way out.
 *
 * Answers gather in the output, head and body, one behind the other, and go to the kernel when
 * nothing else is to be answered now: a small file costs one write, and so do the answers to
 * requests that came together. What a handler has lent goes straight from its memory. Files are
 * read into big blocks, of which there are few: whoever finds none waits for one, and what a slow
 * client does not take of a piece is forgotten, but for a few bytes, and read again when it is
 * wanted. Invariants: while `file` is under way, or a write, the output's bytes do not move; a
 * client that does not take its answer has no big block. Threading: the loop's. */
#include "http_server.h"

#include <string.h>

/* --- Memory --- */

static void free_bytes(eddy_http *http, const struct http_output *output) {
    if (output->kind == HTTP_SMALL) eddy__http_give(http, &http->small, output->bytes);
    if (output->kind == HTTP_BIG) eddy__http_give_big(http, output->bytes);
    if (output->kind == HTTP_ODD) (void)eddy__http_resize(http, output->bytes, output->size, 0);
}

void eddy__http_free_output(eddy_http_request *request) {
    struct http_output *output = &request->output;
    free_bytes(request->http, output);
    output->kind = HTTP_NO_MEMORY;
    output->bytes = NULL;
    output->size = output->used = output->sent = output->answer_start = output->from_file = 0;
}

void eddy__http_move_output(eddy_http_request *request, char *bytes, uint32_t size,
                            enum http_memory_kind kind) {
    struct http_output *output = &request->output, old = *output;
    uint32_t length = old.used - old.sent;
    if (length > 0) memcpy(bytes, old.bytes + old.sent, length);
    output->bytes = bytes;
    output->size = size;
    output->kind = (uint8_t)kind;
    output->used = length;
    output->sent = 0;
    output->answer_start = old.answer_start > old.sent ? old.answer_start - old.sent : 0;
    free_bytes(request->http, &old);
}

void eddy__http_send_some(eddy_http_request *request) {
    struct http_output *output = &request->output;
    if (output->is_writing) return;
    if (output->used == output->sent) return; /* it may have no bytes at all */
    struct iovec all = {output->bytes + output->sent, output->used - output->sent};
    ssize_t sent = eddy_stream_try_write(&request->connection->stream, &all, 1);
    if (sent <= 0) return;
    output->sent += (uint32_t)sent;
    if (request->has_head && output->sent > output->answer_start) request->has_sent = true;
}

int eddy__http_reserve(eddy_http_request *request, uint32_t bytes) {
    eddy_http *http = request->http;
    const struct http_output *output = &request->output;
    if (output->size - output->used >= bytes) return 0;
    if (output->is_writing || request->is_reading) return -EAGAIN;
    if (output->used - output->sent + bytes > HTTP_BLOCK_BYTES) eddy__http_send_some(request);
    uint32_t needed = output->used - output->sent + bytes;
    if (needed <= HTTP_BLOCK_BYTES) {
        char *small = eddy__http_take(http, &http->small);
        if (small == NULL) return -ENOMEM;
        eddy__http_move_output(request, small, HTTP_BLOCK_BYTES, HTTP_SMALL);
    } else {
        char *odd = eddy__http_resize(http, NULL, 0, needed);
        if (odd == NULL) return -ENOMEM;
        eddy__http_move_output(request, odd, needed, HTTP_ODD);
    }
    return 0;
}

void eddy__http_put(eddy_http_request *request, const void *bytes, size_t length) {
    struct http_output *output = &request->output;
    if (length > 0) memcpy(output->bytes + output->used, bytes, length);
    output->used += (uint32_t)length;
    output->from_file = 0;
}

void eddy__http_forget_sources(eddy_http_request *request) {
    eddy_http *http = request->http;
    if (request->is_waiting) eddy__http_dequeue(request);
    if (request->granted != NULL) eddy__http_give_big(http, request->granted);
    request->granted = NULL;
    if (request->copy != NULL) (void)eddy__http_resize(http, request->copy, request->copy_bytes, 0);
    request->copy = NULL;
    request->memory_left = 0;
    request->file_left = 0;
    request->ends_chunk = false;
    request->output.from_file = 0;
}

/* --- To the kernel --- */

static void on_written(eddy_write *write, int status) {
    struct http_output *output = eddy_container_of(write, struct http_output, write);
    eddy_http_request *request = eddy_container_of(output, eddy_http_request, output);
    output->is_writing = false;
    output->sent = output->writing;
    if (output->sent == output->used) output->used = output->sent = output->answer_start = 0;
    if (output->writes_memory) {
        /* Of a write that fails, its last vector is what is left. */
        size_t left = status < 0 ? output->vectors[1].iov_len : 0;
        request->body_bytes += (int64_t)(request->memory_left - left);
        request->memory_left = 0;
    }
    if (status == -ETIMEDOUT) request->http->counts.timed_out++;
    if (status < 0) {
        if (request->error == 0) request->error = status;
        eddy__http_disconnect(request->connection, false);
    }
    eddy__http_advance(request->connection);
}

/* The client does not keep up: what can be read again need not be held for it. */
static void let_big_go(eddy_http_request *request) {
    eddy_http *http = request->http;
    struct http_output *output = &request->output;
    uint32_t length = output->used - output->sent, size = sizeof request->fields_inline;
    uint32_t again = length < output->from_file ? length : output->from_file;
    enum http_memory_kind kind = HTTP_INLINE;
    char *bytes = request->fields_inline;
    if (output->kind != HTTP_BIG || length - again > HTTP_BLOCK_BYTES) return;
    if (length - again > size) {
        kind = HTTP_SMALL;
        size = HTTP_BLOCK_BYTES;
        bytes = eddy__http_take(http, &http->small);
    }
    if (bytes == NULL) return;
    again = length > size ? length - size : 0;
    output->used -= again;
    output->from_file = 0;
    request->file_offset -= again;
    request->file_left += again;
    request->body_bytes -= again;
    eddy__http_move_output(request, bytes, size, kind);
}

static enum http_progress send_rest(struct http_connection *it) {
    eddy_http_request *request = it->request;
    struct http_output *output = &request->output;
    bool has_bytes = output->used > output->sent, has_memory = request->memory_left > 0;
    if (output->used > output->answer_start || has_memory) request->has_sent = true;
    if (has_bytes) let_big_go(request);
    if (has_bytes)
        output->vectors[0] =
            (struct iovec){output->bytes + output->sent, output->used - output->sent};
    output->vectors[1] = (struct iovec){(void *)(uintptr_t)request->memory, request->memory_left};
    output->writing = output->used;
    output->writes_memory = has_memory;
    int err = eddy_stream_writev(&it->stream, &output->write, output->vectors + !has_bytes,
                                 has_bytes + has_memory, on_written);
    output->is_writing = err == 0;
    if (err < 0) eddy__http_disconnect(it, false);
    return HTTP_WAITS;
}

/* Counts `sent` bytes as with the kernel, those of the output first. */
static void advance_sent(eddy_http_request *request, size_t sent) {
    struct http_output *output = &request->output;
    uint32_t length = output->used - output->sent;
    uint32_t first = sent < length ? (uint32_t)sent : length;
    output->sent += first;
    if (sent > 0 && (output->sent > output->answer_start || sent > first)) request->has_sent = true;
    if (sent > first) request->memory += sent - first; /* else it may be NULL */
    request->memory_left -= sent - first;
    request->body_bytes += (int64_t)(sent - first);
    if (output->sent == output->used) output->sent = output->used = output->answer_start = 0;
}

/* Earlier answers wait for a little while for one that is being made. */
static bool wait_for_more(struct http_connection *it) {
    if (it->gathered >= HTTP_GATHER_TURNS) return false;
    eddy__http_defer(it->request);
    return true;
}

static void flush_ready(struct http_connection *it) {
    eddy_http_request *request = it->request;
    struct http_output *output = &request->output;
    if (output->answer_start <= output->sent || output->is_writing) return;
    if (wait_for_more(it)) return;
    it->gathered = 0;
    struct iovec ready = {output->bytes + output->sent, output->answer_start - output->sent};
    ssize_t sent = eddy_stream_try_write(&it->stream, &ready, 1);
    if (sent > 0) output->sent += (uint32_t)sent;
    if (sent < 0 && sent != -EAGAIN) eddy__http_disconnect(it, false);
}

enum http_progress eddy__http_flush(struct http_connection *it) {
    eddy_http_request *request = it->request;
    struct http_output *output = &request->output;
    if (output->is_writing) return HTTP_WAITS;
    if (request->is_reading || request->is_waiting) {
        flush_ready(it);
        return HTTP_WAITS;
    }
    struct iovec all[2];
    int count = 0;
    if (output->used > output->sent)
        all[count++] = (struct iovec){output->bytes + output->sent, output->used - output->sent};
    if (request->memory_left > 0)
        all[count++] = (struct iovec){(void *)(uintptr_t)request->memory, request->memory_left};
    if (count == 0) return HTTP_DONE;
    if (request->is_answering && !request->has_begun && wait_for_more(it)) return HTTP_WAITS;
    it->gathered = 0;
    ssize_t sent = eddy_stream_try_write(&it->stream, all, count);
    if (sent < 0 && sent != -EAGAIN) {
        if (request->error == 0) request->error = (int)sent;
        eddy__http_disconnect(it, false);
        return HTTP_WAITS;
    }
    advance_sent(request, sent > 0 ? (size_t)sent : 0);
    if (output->used == output->sent && request->memory_left == 0) return HTTP_DONE;
    return send_rest(it);
}

/* --- From the handler --- */

void eddy__http_cut_answer(eddy_http_request *request, int error) {
    if (request->error == 0) request->error = error;
    request->is_cut = request->is_last = true;
    request->wants_drained = !request->is_ended; /* its next call says -EPIPE */
    if (request->has_head && request->has_body && request->length < 0 && !request->is_chunked)
        request->connection->is_torn = true;
    eddy__http_forget_sources(request);
}

/* Small pieces of memory go along with the head. */
static enum http_progress give_memory(eddy_http_request *request) {
    const struct http_output *output = &request->output;
    if (output->is_writing) return HTTP_WAITS;
    if (request->memory_left > output->size - output->used)
        return eddy__http_flush(request->connection);
    eddy__http_put(request, request->memory, request->memory_left);
    request->body_bytes += (int64_t)request->memory_left;
    request->memory_left = 0;
    return HTTP_DONE;
}

/* What stands behind the last byte. */
static enum http_progress put_end(eddy_http_request *request) {
    if (!request->has_body) return HTTP_DONE;
    if (request->length >= 0 && request->given < request->length) {
        eddy__http_cut_answer(request, -EMSGSIZE);
        return HTTP_DONE;
    }
    if (!request->is_chunked) return HTTP_DONE;
    int err = eddy__http_reserve(request, 5);
    if (err == -ENOMEM) eddy__http_cut_answer(request, err);
    if (err == 0) eddy__http_put(request, "0\r\n\r\n", 5);
    return err == -EAGAIN ? HTTP_WAITS : HTTP_DONE;
}

enum http_progress eddy__http_fill(eddy_http_request *request) {
    struct http_output *output = &request->output;
    if (request->is_reading || request->is_waiting || !request->has_begun) return HTTP_WAITS;
    if (!request->has_head && !eddy__http_put_head(request)) return HTTP_WAITS;
    if (request->memory_left > 0 && give_memory(request) == HTTP_WAITS) return HTTP_WAITS;
    if (request->file_left > 0) {
        eddy__http_read_piece(request);
        /* A file that failed is answered otherwise, or cut. */
        return request->file_left > 0 ? HTTP_WAITS : eddy__http_fill(request);
    }
    /* The file is needed until all of it is out, or in a small block; the big one is for others,
     * and the request's own memory for the next request. */
    if (output->kind == HTTP_BIG || output->kind == HTTP_INLINE) {
        if (eddy__http_flush(request->connection) == HTTP_DONE)
            eddy__http_free_output(request);
        else if (request->file_left > 0 || request->connection->is_closing ||
                 output->kind == HTTP_INLINE)
            return HTTP_WAITS;
    }
    output->from_file = 0;
    if (request->ends_chunk) {
        int err = eddy__http_reserve(request, 2);
        if (err == -EAGAIN) return HTTP_WAITS;
        if (err < 0)
            eddy__http_cut_answer(request, err);
        else
            eddy__http_put(request, "\r\n", 2);
        request->ends_chunk = false;
    }
    if (request->is_cut || !request->is_ended) return HTTP_DONE;
    return put_end(request);
}
