/* exchange.c: see exchange.h. */
#include "exchange.h"

#include <stddef.h>
#include <string.h>

#include "system.h"

struct exchange *exchange_open(struct context *context, eddy_stream *stream) {
    struct exchange *exchange = free_list_take(&context->spare_exchanges);
    if (exchange == NULL) return NULL;
    /* The buffers at its end stay as they are: clearing them would cost more than the rest. */
    memset(&exchange->output, 0,
           offsetof(struct exchange, ranges) - offsetof(struct exchange, output));
    exchange->context = context;
    exchange->output.stream = stream;
    exchange->fd = -1;
    exchange->start = exchange->used = 0;
    exchange->skip = 0;
    http_request_init(&exchange->request);
    return exchange;
}

void exchange_free_output(struct exchange *exchange) {
    free_list_give(&exchange->context->spare_outputs, exchange->output.bytes);
    exchange->output.bytes = NULL;
}

void exchange_close(struct exchange *exchange) {
    exchange_free_output(exchange);
    free_list_give(&exchange->context->spare_exchanges, exchange);
}

static void log_answer(struct exchange *exchange) {
    const struct http_request *request = &exchange->request;
    struct access_line line = {
        .peer = exchange->peer,
        .status = exchange->status,
        .body_bytes = exchange->body_bytes,
    };
    if (request->line.length > 0) {
        line.request = exchange->input + exchange->start + request->line.offset;
        line.request_length = request->line.length;
    }
    access_log_put(&exchange->context->log, &line);
}

void exchange_end(struct exchange *exchange) {
    if (access_log_is_on(&exchange->context->log) && exchange->status != 0) log_answer(exchange);
    /* Closing a file that was only read does not wait for the disk, so a request through the pool
     * would cost more than it saves. */
    if (exchange->cached != NULL)
        file_cache_release(exchange->cached);
    else if (exchange->fd >= 0)
        system_close(exchange->fd);
    exchange->cached = NULL;
    exchange->fd = -1;
    if (exchange->page != NULL) exchange->page->free(exchange->page);
    exchange->page = NULL;
    exchange->is_answering = false;
    exchange->start += exchange->request.head_bytes;
    exchange->skip = exchange->request.body_bytes;
    if (exchange->start == exchange->used) exchange->start = exchange->used = 0;
    http_request_init(&exchange->request);
}
