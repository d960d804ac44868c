/* http_file.c: files that are read into the output, or sent by the kernel.
 *
 * What does not fit behind the head is read into a big block, of which there are few: whoever finds
 * none waits for one, and gives it to the next when its bytes are out. Of what does not fit into
 * that either, as much is read as fits behind the head, and the kernel sends the rest.
 * Invariant: whoever is in http->waiting has is_waiting, and no block. Threading: the loop's. */
#include "http_server.h"

/* --- Blocks --- */

static void enqueue(eddy_http_request *request) {
    eddy_http *http = request->http;
    request->is_waiting = true;
    request->next_waiting = NULL;
    *http->waiting_end = request;
    http->waiting_end = &request->next_waiting;
}

void eddy__http_dequeue(eddy_http_request *request) {
    eddy_http *http = request->http;
    eddy_http_request **at = &http->waiting;
    while (*at != request) at = &(*at)->next_waiting;
    *at = request->next_waiting;
    if (*at == NULL) http->waiting_end = at;
    request->is_waiting = false;
}

/* Whoever has waited longest gets it. */
void eddy__http_give_big(eddy_http *http, void *block) {
    eddy_http_request *request = http->waiting;
    if (request == NULL) {
        eddy__http_give(http, &http->big, block);
        return;
    }
    eddy__http_dequeue(request);
    request->granted = block;
    eddy__http_later(request);
}

/* --- Reading --- */

/* A file that fails, or is shorter than it was: if nothing is out, another answer takes its place.
 */
static void fail_file(eddy_http_request *request, int error) {
    if (request->has_sent || !request->is_ended || request->is_cut) {
        eddy__http_cut_answer(request, error);
        return;
    }
    request->output.used = request->output.answer_start;
    eddy__http_forget_sources(request);
    eddy__http_refuse(request, eddy__http_status_of(error));
}

static void on_file_read(eddy_file *file) {
    eddy_http_request *request = eddy_container_of(file, eddy_http_request, file);
    struct http_connection *it = request->connection;
    struct http_output *output = &request->output;
    int64_t result = file->result;
    request->is_reading = false;
    if (it->is_closing) {
        eddy__http_advance(it);
        return;
    }
    it->is_advancing = true;
    if (result == request->wanted) {
        output->used += request->wanted;
        output->from_file += request->wanted;
        request->file_offset += result;
        request->file_left -= result;
        request->body_bytes += result;
        request->way = HTTP_BY_KERNEL;
    } else {
        fail_file(request, result < 0 ? (int)result : -EIO);
    }
    it->is_advancing = false;
    eddy__http_advance(it);
}

/* --- From page to packet --- */

static void on_file_sent(eddy_file *file) {
    eddy_http_request *request = eddy_container_of(file, eddy_http_request, file);
    int64_t sent = file->result > 0 ? file->result : 0;
    request->is_reading = request->is_sending = false;
    if (sent < request->wanted) request->way = HTTP_BY_FEW_BYTES;
    request->file_offset += sent;
    request->file_left -= sent;
    request->body_bytes += sent;
    eddy__http_go_on_closing(request->connection);
    eddy__http_advance(request->connection);
}

static void send_piece(eddy_http_request *request) {
    struct http_connection *it = request->connection;
    if (eddy__http_flush(it) == HTTP_WAITS) return;
    eddy__http_free_output(request);
    request->wanted =
        request->file_left < HTTP_SEND_BYTES ? (uint32_t)request->file_left : HTTP_SEND_BYTES;
    int err = eddy_file_send(request->http->loop, &request->file, eddy_stream_fd(&it->stream),
                             request->fd, request->file_offset, request->wanted, on_file_sent);
    request->is_reading = request->is_sending = err == 0;
    if (err < 0) fail_file(request, err);
}

/* --- By way of blocks --- */

/* Has a big block, or waits for one. */
static bool have_big(eddy_http_request *request) {
    eddy_http *http = request->http;
    if (request->output.kind == HTTP_BIG) return true;
    char *big = request->granted;
    request->granted = NULL;
    if (big == NULL && http->waiting == NULL) big = eddy__http_take(http, &http->big);
    if (big != NULL) {
        eddy__http_move_output(request, big, HTTP_PIECE_BYTES, HTTP_BIG);
        return true;
    }
    if (http->waiting != NULL || http->big.taken == http->big.taken_max)
        enqueue(request);
    else
        fail_file(request, -ENOMEM);
    return false;
}

/* Reads as much of the file as there is room for. Errors: as eddy_file_read. */
static int start_reading(eddy_http_request *request) {
    struct http_output *output = &request->output;
    uint32_t room = output->size - output->used;
    request->wanted = request->file_left < room ? (uint32_t)request->file_left : room;
    int err = eddy_file_read(request->http->loop, &request->file, request->fd,
                             output->bytes + output->used, request->wanted, request->file_offset,
                             on_file_read);
    request->is_reading = err == 0;
    return err;
}

/* Whether the output has room for the next piece, as it is. */
static bool file_has_room(const eddy_http_request *request) {
    const struct http_output *output = &request->output;
    uint32_t room = output->size - output->used;
    if (room >= request->file_left) return true;
    return room >= HTTP_FIRST_BYTES &&
           request->file_left > HTTP_PIECE_BYTES - (output->used - output->sent);
}

bool eddy__http_start_file(eddy_http_request *request) {
    const struct http_output *output = &request->output;
    if (output->is_writing || request->is_reading || request->is_waiting) return false;
    if (!request->has_head && !eddy__http_put_head(request)) return false;
    if (request->file_left == 0) return false; /* or no body is to be sent */
    return file_has_room(request) && start_reading(request) == 0;
}

/* Has a block with room for more of the file, or waits for it. */
static bool have_room(eddy_http_request *request) {
    const struct http_output *output = &request->output;
    if (request->way == HTTP_BY_FEW_BYTES) { /* all before is sent, and no memory is held */
        eddy__http_move_output(request, request->fields_inline, sizeof request->fields_inline,
                               HTTP_INLINE);
        return true;
    }
    if (file_has_room(request)) return true;
    if (output->used - output->sent > HTTP_BLOCK_BYTES &&
        eddy__http_flush(request->connection) == HTTP_WAITS)
        return false;
    return have_big(request);
}

void eddy__http_read_piece(eddy_http_request *request) {
    if (request->output.is_writing) return;
    if (request->way == HTTP_BY_KERNEL) {
        send_piece(request);
    } else if (have_room(request)) {
        int err = start_reading(request);
        if (err < 0) fail_file(request, err);
    }
}
