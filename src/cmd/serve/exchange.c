/* exchange.c: see exchange.h. */
#include "exchange.h"

#include <string.h>

#include "system.h"

void opened_drop(struct opened *opened) {
    /* Closing a file that was only read does not wait for the disk, so a request through the pool
     * would cost more than it saves. */
    if (opened->cached != NULL)
        file_cache_release(opened->cached);
    else if (opened->fd >= 0)
        system_close(opened->fd);
    opened->cached = NULL;
    opened->fd = -1;
}

static void on_done(eddy_http_request *request, void *context) {
    struct exchange *exchange = context;
    (void)request;
    opened_drop(&exchange->opened);
    if (exchange->page != NULL) exchange->page->free(exchange->page);
    system_free(exchange->parts);
    system_free(exchange->variant);
    if (exchange->path != exchange->path_inline) system_free(exchange->path);
    free_list_give(&exchange->context->spare_exchanges, exchange);
}

static void on_gone(eddy_http_request *request, void *context) {
    struct exchange *exchange = context;
    exchange->is_gone = true;
    if (exchange->in_flight == 0) eddy_http_abort(request);
}

bool exchange_landed(struct exchange *exchange) {
    context_label(exchange->context, exchange->request);
    exchange->in_flight--;
    if (!exchange->is_gone) return true;
    if (exchange->in_flight == 0) eddy_http_abort(exchange->request);
    return false;
}

/* Relative, and without its slash: so it is opened, and so it is shown. */
static bool keep_path(struct exchange *exchange, const char *path) {
    size_t length = strlen(++path);
    exchange->has_slash = length == 0 || path[length - 1] == '/';
    if (length > 0 && exchange->has_slash) length--;
    exchange->path_length = length;
    exchange->path = exchange->path_inline;
    size_t room = length + exchange->context->path_room;
    if (room > sizeof exchange->path_inline) exchange->path = system_resize(NULL, room);
    if (exchange->path == NULL) return false;
    memcpy(exchange->path, path, length);
    exchange->path[length] = '\0';
    return true;
}

struct exchange *exchange_open(struct context *context, eddy_http_request *request) {
    const char *path = eddy_http_path(request);
    struct exchange *exchange = free_list_take(&context->spare_exchanges);
    if (exchange == NULL) return NULL;
    memset(exchange, 0, offsetof(struct exchange, path_length));
    exchange->context = context;
    exchange->request = request;
    exchange->opened.fd = -1;
    exchange->opened.cached = NULL;
    if (!keep_path(exchange, path)) {
        free_list_give(&context->spare_exchanges, exchange);
        return NULL;
    }
    eddy_http_on_done(request, on_done, exchange);
    eddy_http_on_gone(request, on_gone, exchange);
    return exchange;
}
