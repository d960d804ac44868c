/* answer.c: the answer of an exchange: head, body, and sending them.
 *
 * Heads and bodies are put into one output buffer, behind each other, and go to the socket when the
 * buffer is full or nothing else is to be answered now: a small file costs one write, and so do the
 * answers to requests that came together.
 * Invariants: between answer_start and output_used is the answer being made, as long as is_sent is
 * false; while is_flushing the output is not touched.
 * Threading: the server's loop. */
#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>

#include "http_conditional.h"
#include "http_etag.h"
#include "http_mime.h"
#include "http_multipart.h"
#include "http_response.h"

/* "/", a path of which each byte is escaped, "/", a query as long as a request line may be. */
enum { LOCATION_BYTES = 2 + 3 * HTTP_PATH_MAX + 8 * 1024 };

_Static_assert(OUTPUT_ROOM > HTTP_RESPONSE_HEAD_BYTES + LOCATION_BYTES + HTTP_RESPONSE_PAGE_BYTES,
               "any head with its page fits where an answer may begin");

static const char html[] = "text/html; charset=utf-8";

static bool is_head(const struct exchange *exchange) {
    return exchange->request.method == HTTP_HEAD;
}

/* --- Heads --- */

/* The fields that every head has. False: there is no memory, and the connection closes. */
static bool begin_answer(struct exchange *exchange, int status, struct http_response *response) {
    struct server *server = exchange->connection->server;
    if (exchange->output == NULL) {
        exchange->output = stock_take(&server->output_stock);
        exchange->output_used = 0;
    }
    if (exchange->output == NULL) {
        connection_close(exchange->connection);
        return false;
    }
    if (!exchange->request.keep_alive || server->is_crowded || server->is_stopping)
        exchange->is_last = true;
    exchange->status = status;
    exchange->answer_start = exchange->output_used;
    exchange->is_sent = false;
    exchange->is_multipart = false;
    exchange->ranges.count = exchange->next_part = 0;
    exchange->left = exchange->body_bytes = 0;
    *response = (struct http_response){
        .status = status,
        .date = server_date(server),
        .keep_alive = !exchange->is_last,
        .is_old = exchange->request.minor == 0,
    };
    return true;
}

static void put_head(struct exchange *exchange, const struct http_response *response) {
    struct http_text text = {exchange->output, OUTPUT_BYTES, exchange->output_used};
    http_response_put_head(&text, response);
    exchange->output_used = (uint32_t)text.length;
}

static void put_page(struct exchange *exchange, struct http_response *response) {
    char bytes[HTTP_RESPONSE_PAGE_BYTES];
    struct http_text page = {bytes, sizeof bytes, 0};
    http_response_put_page(&page, response->status);
    response->type = html;
    response->length = (int64_t)page.length;
    put_head(exchange, response);
    if (!is_head(exchange)) {
        memcpy(exchange->output + exchange->output_used, bytes, page.length);
        exchange->output_used += (uint32_t)page.length;
        exchange->body_bytes = (int64_t)page.length;
    }
    answer_end(exchange);
}

void answer_status(struct exchange *exchange, int status) {
    struct http_response response;
    if (!begin_answer(exchange, status, &response)) return;
    if (status == 416) response.size = exchange->stat.size;
    put_page(exchange, &response);
}

void answer_redirect(struct exchange *exchange) {
    char bytes[LOCATION_BYTES];
    struct http_text location = {bytes, sizeof bytes, 0};
    struct http_response response;
    if (!begin_answer(exchange, 301, &response)) return;
    http_path_put_location(&location, &exchange->path,
                           exchange->input + exchange->start + exchange->request.target.offset);
    response.location = bytes;
    response.location_length = location.length;
    put_page(exchange, &response);
}

void answer_error(struct exchange *exchange, int error) {
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
    case -ELOOP: /* a symbolic link that leads nowhere … */
    case -EXDEV: /* … or out of the directory */
    case -ENXIO: /* a socket, or a device that is not there */
    case -ENODEV:
        answer_status(exchange, 404);
        break;
    case -EACCES:
    case -EPERM:
        answer_status(exchange, 403);
        break;
    case -EMFILE: /* short of something, but not for ever */
    case -ENFILE:
    case -ENOMEM:
    case -EAGAIN:
        answer_status(exchange, 503);
        break;
    default:
        answer_status(exchange, 500);
    }
}

/* --- Bodies --- */

static struct http_multipart multipart_of(const struct exchange *exchange) {
    return (struct http_multipart){exchange->type, exchange->stat.size, exchange->boundary};
}

/* Puts what stands before the next part, or at the end, of a body of several ranges. */
static void begin_part(struct exchange *exchange) {
    struct http_text text = {exchange->output, OUTPUT_BYTES, exchange->output_used};
    struct http_multipart multipart = multipart_of(exchange);
    unsigned part = exchange->next_part++;
    if (part < exchange->ranges.count) {
        const struct http_range *range = &exchange->ranges.list[part];
        if (exchange->is_multipart) http_multipart_put_part(&text, &multipart, range);
        exchange->offset = range->first;
        exchange->left = range->last - range->first + 1;
    } else {
        http_multipart_put_end(&text, &multipart);
    }
    exchange->body_bytes += (int64_t)text.length - exchange->output_used;
    exchange->output_used = (uint32_t)text.length;
}

static void advance_part(struct exchange *exchange, uint32_t bytes) {
    exchange->output_used += bytes;
    exchange->body_bytes += bytes;
    exchange->offset += bytes;
    exchange->left -= bytes;
}

static void copy_listing(struct exchange *exchange, uint32_t bytes) {
    size_t length;
    const char *text = listing_text(exchange->listing, &length);
    memcpy(exchange->output + exchange->output_used, text + exchange->offset, bytes);
    advance_part(exchange, bytes);
}

static void on_file_read(eddy_file *file);

static void read_file(struct exchange *exchange, uint32_t bytes) {
    exchange->wanted = bytes;
    exchange_launched(exchange,
                      eddy_file_read(exchange->connection->server->loop, &exchange->file,
                                     exchange->fd, exchange->output + exchange->output_used, bytes,
                                     exchange->offset, on_file_read));
}

/* Goes on with the body until it is all in the output, a file request is under way, or the output
 * is full and the socket takes no more; the callback of what is waited for calls again. */
static void continue_body(struct exchange *exchange) {
    for (;;) {
        unsigned parts = exchange->ranges.count + (exchange->is_multipart ? 1 : 0);
        if (exchange->left == 0 && exchange->next_part == parts) break;
        uint32_t room = OUTPUT_BYTES - exchange->output_used;
        if (room < HTTP_MULTIPART_PART_BYTES) {
            if (!answer_flush(exchange)) return;
            continue;
        }
        uint32_t bytes = exchange->left < room ? (uint32_t)exchange->left : room;
        if (exchange->left == 0) {
            begin_part(exchange);
        } else if (exchange->listing != NULL) {
            copy_listing(exchange, bytes);
        } else {
            read_file(exchange, bytes);
            return;
        }
    }
    answer_end(exchange);
}

/* The file gives less than its size promised: it shrank, or it cannot be read. If the head is still
 * ours it is taken back; if not, only a reset tells the client that its file is not whole. */
static void fail_body(struct exchange *exchange, int error) {
    if (exchange->is_sent) {
        connection_reset(exchange->connection);
        return;
    }
    exchange->output_used = exchange->answer_start;
    answer_error(exchange, error < 0 ? error : -EIO);
}

static void on_file_read(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    if (!exchange_landed(exchange)) return;
    if (file->result == exchange->wanted) {
        advance_part(exchange, exchange->wanted);
        continue_body(exchange);
    } else {
        fail_body(exchange, file->result < 0 ? (int)file->result : 0);
    }
    connection_advance(exchange->connection);
}

/* --- Whole answers --- */

static void put_file_head(struct exchange *exchange, struct http_response *response) {
    char type[HTTP_MULTIPART_TYPE_BYTES];
    struct http_ranges *ranges = &exchange->ranges;
    exchange->type =
        exchange->is_index ? html : http_mime_type(exchange->path.text, exchange->path.length);
    response->type = exchange->type;
    response->accepts_ranges = true;
    response->size = exchange->stat.size;
    if (response->status == 200) {
        ranges->count = response->size > 0 ? 1 : 0;
        ranges->list[0] = (struct http_range){0, response->size - 1};
        response->length = response->size;
    } else if (ranges->count == 1) {
        response->range = &ranges->list[0];
        response->length = ranges->list[0].last - ranges->list[0].first + 1;
    } else {
        exchange->is_multipart = true;
        exchange->boundary = server_random(exchange->connection->server);
        struct http_multipart multipart = multipart_of(exchange);
        struct http_text text = {type, sizeof type, 0};
        http_multipart_put_type(&text, &multipart);
        response->type = type;
        response->length = http_multipart_bytes(&multipart, ranges);
    }
    put_head(exchange, response);
}

void answer_file(struct exchange *exchange) {
    char etag[HTTP_ETAG_BYTES], modified[HTTP_DATE_BYTES];
    const eddy_stat *stat = &exchange->stat;
    struct http_text tag = {etag, sizeof etag, 0};
    http_etag_put(&tag, stat->inode, stat->size, stat->modify_s, stat->modify_ns);
    int64_t now_s = server_now_s(exchange->connection->server);
    struct http_validators validators = {
        .etag = etag,
        .etag_length = tag.length,
        .modified_s = stat->modify_s < now_s ? stat->modify_s : now_s,
        .size = stat->size,
    };
    struct http_ranges ranges;
    int status = http_conditional(&exchange->request, exchange->input + exchange->start,
                                  &validators, &ranges);
    if (status == 412 || status == 416) {
        answer_status(exchange, status);
        return;
    }
    struct http_response response;
    if (!begin_answer(exchange, status, &response)) return;
    http_date_format(modified, validators.modified_s);
    response.last_modified = modified;
    response.etag = etag;
    response.etag_length = tag.length;
    if (status == 304) {
        response.length = -1;
        put_head(exchange, &response);
    } else {
        if (status == 206) exchange->ranges = ranges;
        put_file_head(exchange, &response);
    }
    if (status == 304 || is_head(exchange))
        answer_end(exchange);
    else
        continue_body(exchange);
}

void answer_listing(struct exchange *exchange) {
    size_t length;
    struct http_response response;
    if (!begin_answer(exchange, 200, &response)) return;
    (void)listing_text(exchange->listing, &length);
    response.type = html;
    response.length = (int64_t)length;
    put_head(exchange, &response);
    exchange->ranges.count = 1;
    exchange->ranges.list[0] = (struct http_range){0, (int64_t)length - 1};
    if (is_head(exchange))
        answer_end(exchange);
    else
        continue_body(exchange);
}

/* --- Sending --- */

static void on_flushed(eddy_write *write, int status) {
    struct exchange *exchange = eddy_container_of(write, struct exchange, write);
    struct connection *connection = exchange->connection;
    exchange->is_flushing = false;
    exchange->output_used = 0;
    if (status < 0) {
        connection_close(connection);
        return;
    }
    if (exchange->is_answering) continue_body(exchange);
    connection_advance(connection);
}

bool answer_flush(struct exchange *exchange) {
    struct connection *connection = exchange->connection;
    if (exchange->is_flushing) return false;
    if (exchange->output_used == 0) return true;
    struct iovec all = {exchange->output, exchange->output_used};
    ssize_t sent = eddy_stream_try_write(&connection->stream, &all, 1);
    if (sent < 0 && sent != -EAGAIN) {
        connection_close(connection);
        return false;
    }
    exchange->is_sent = true;
    uint32_t done = sent > 0 ? (uint32_t)sent : 0;
    if (done == exchange->output_used) {
        exchange->output_used = 0;
        return true;
    }
    exchange->is_flushing = true;
    if (eddy_stream_write(&connection->stream, &exchange->write, exchange->output + done,
                          exchange->output_used - done, on_flushed) < 0) {
        exchange->is_flushing = false;
        connection_close(connection);
    }
    return false;
}

/* --- The end --- */

static void log_answer(struct exchange *exchange) {
    struct connection *connection = exchange->connection;
    const struct http_request *request = &exchange->request;
    char peer[INET6_ADDRSTRLEN];
    inet_ntop(connection->peer_is_v6 ? AF_INET6 : AF_INET, connection->peer, peer, sizeof peer);
    struct access_line line = {
        .peer = peer,
        .status = exchange->status,
        .body_bytes = exchange->body_bytes,
    };
    if (request->line.length > 0) {
        line.request = exchange->input + exchange->start + request->line.offset;
        line.request_length = request->line.length;
    }
    access_log_put(&connection->server->log, &line);
}

void answer_end(struct exchange *exchange) {
    if (access_log_is_on(&exchange->connection->server->log) && exchange->status != 0)
        log_answer(exchange);
    /* Closing a file that was only read does not wait for the disk, so a request through the pool
     * would cost more than it saves. */
    if (exchange->cached != NULL)
        file_cache_release(exchange->cached);
    else if (exchange->fd >= 0)
        system_close(exchange->fd);
    exchange->cached = NULL;
    exchange->fd = -1;
    listing_free(exchange->listing);
    exchange->listing = NULL;
    exchange->is_answering = false;
    exchange->start += exchange->request.head_bytes;
    exchange->skip = exchange->request.body_bytes;
    if (exchange->start == exchange->used) exchange->start = exchange->used = 0;
    http_request_init(&exchange->request);
}
