/* answer.c: see answer.h. What is put into the output goes out when it is full (here), or when
 * there is nothing else to answer (connection.c). */
#include "answer.h"

#include <errno.h>
#include <string.h>

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

/* The fields that every head has. False: there is no memory for it. */
static bool begin_answer(struct exchange *exchange, int status, struct http_response *response) {
    struct context *context = exchange->context;
    struct output *output = &exchange->output;
    if (output->bytes == NULL) {
        output->bytes = free_list_take(&context->spare_outputs);
        output->used = 0;
    }
    if (output->bytes == NULL) {
        exchange->failure = EXCHANGE_CLOSES;
        return false;
    }
    if (!exchange->request.keep_alive || context->is_crowded || context->is_stopping)
        exchange->is_last = true;
    exchange->status = status;
    output->answer_start = output->used;
    output->is_sent = false;
    exchange->is_multipart = false;
    exchange->ranges.count = exchange->next_part = 0;
    exchange->left = exchange->body_bytes = 0;
    *response = (struct http_response){
        .status = status,
        .date = context_date(context),
        .keep_alive = !exchange->is_last,
        .is_old = exchange->request.minor == 0,
    };
    return true;
}

static void put_head(struct exchange *exchange, const struct http_response *response) {
    struct http_text text = {exchange->output.bytes, OUTPUT_BYTES, exchange->output.used};
    http_response_put_head(&text, response);
    exchange->output.used = (uint32_t)text.length;
}

static void put_page(struct exchange *exchange, struct http_response *response) {
    char bytes[HTTP_RESPONSE_PAGE_BYTES];
    struct http_text page = {bytes, sizeof bytes, 0};
    http_response_put_page(&page, response->status);
    response->type = html;
    response->length = (int64_t)page.length;
    put_head(exchange, response);
    if (!is_head(exchange)) {
        memcpy(exchange->output.bytes + exchange->output.used, bytes, page.length);
        exchange->output.used += (uint32_t)page.length;
        exchange->body_bytes = (int64_t)page.length;
    }
    exchange_end(exchange);
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
    case -ENOBUFS:
    case -EAGAIN:
        answer_status(exchange, 503);
        break;
    default:
        answer_status(exchange, 500);
    }
}

void answer_launched(struct exchange *exchange, int err) {
    if (err < 0)
        answer_error(exchange, err);
    else
        exchange->in_flight++;
}

/* --- Bodies --- */

static struct http_multipart multipart_of(const struct exchange *exchange) {
    return (struct http_multipart){exchange->type, exchange->stat.size, exchange->boundary};
}

/* Puts what stands before the next part, or at the end, of a body of several ranges. */
static void begin_part(struct exchange *exchange) {
    struct http_text text = {exchange->output.bytes, OUTPUT_BYTES, exchange->output.used};
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
    exchange->body_bytes += (int64_t)text.length - exchange->output.used;
    exchange->output.used = (uint32_t)text.length;
}

static void advance_part(struct exchange *exchange, uint32_t bytes) {
    exchange->output.used += bytes;
    exchange->body_bytes += bytes;
    exchange->offset += bytes;
    exchange->left -= bytes;
}

static void copy_page(struct exchange *exchange, uint32_t bytes) {
    memcpy(exchange->output.bytes + exchange->output.used, exchange->page->text + exchange->offset,
           bytes);
    advance_part(exchange, bytes);
}

static void on_file_read(eddy_file *file);

static void read_file(struct exchange *exchange, uint32_t bytes) {
    exchange->wanted = bytes;
    answer_launched(exchange, eddy_file_read(exchange->context->loop, &exchange->file, exchange->fd,
                                             exchange->output.bytes + exchange->output.used, bytes,
                                             exchange->offset, on_file_read));
}

/* Goes on with the body until it is all in the output, a file request is under way, or the output
 * is full and the socket takes no more; the callback of what is waited for calls again. */
void answer_continue(struct exchange *exchange) {
    for (;;) {
        unsigned parts = exchange->ranges.count + (exchange->is_multipart ? 1 : 0);
        if (exchange->left == 0 && exchange->next_part == parts) break;
        uint32_t room = OUTPUT_BYTES - exchange->output.used;
        if (room < HTTP_MULTIPART_PART_BYTES) {
            if (!exchange_flush(exchange)) return;
            continue;
        }
        uint32_t bytes = exchange->left < room ? (uint32_t)exchange->left : room;
        if (exchange->left == 0) {
            begin_part(exchange);
        } else if (exchange->page != NULL) {
            copy_page(exchange, bytes);
        } else {
            read_file(exchange, bytes);
            return;
        }
    }
    exchange_end(exchange);
}

/* The file gives less than its size promised: it shrank, or it cannot be read. If the head is still
 * ours it is taken back; if not, only a reset tells the client that its file is not whole. */
static void fail_body(struct exchange *exchange, int error) {
    if (exchange->output.is_sent) {
        exchange->failure = EXCHANGE_RESETS;
        return;
    }
    exchange->output.used = exchange->output.answer_start;
    answer_error(exchange, error < 0 ? error : -EIO);
}

static void on_file_read(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    if (!exchange_landed(exchange)) return;
    if (file->result == exchange->wanted) {
        advance_part(exchange, exchange->wanted);
        answer_continue(exchange);
    } else {
        fail_body(exchange, file->result < 0 ? (int)file->result : 0);
    }
    exchange->advance(exchange);
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
        exchange->boundary = context_random(exchange->context);
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
    int64_t now_s = context_now_s(exchange->context);
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
        exchange_end(exchange);
    else
        answer_continue(exchange);
}

void answer_page(struct exchange *exchange) {
    struct http_response response;
    if (!begin_answer(exchange, 200, &response)) return;
    response.type = html;
    response.length = (int64_t)exchange->page->length;
    put_head(exchange, &response);
    exchange->ranges.count = 1;
    exchange->ranges.list[0] = (struct http_range){0, response.length - 1};
    if (is_head(exchange))
        exchange_end(exchange);
    else
        answer_continue(exchange);
}
