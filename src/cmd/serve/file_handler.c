/* file_handler.c: from a request to the file that answers it.
 *
 *     /path    open ---> stat ---> a file: answer_file()
 *                             +--> a directory: 301 to /path/
 *     /path/   open index.html ---> stat ---> a file: answer_file()
 *                    | none             +--> something else
 *                    v                  v
 *              open the directory ---> listing_begin()
 *
 * Each arrow is a file request, whose callback takes the next step. A file that the cache holds is
 * answered with at once.
 * Invariant: at most one of these requests is under way; exchange->fd is the file it is about.
 * Threading: the loop's. */
#include "file_handler.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "answer.h"
#include "listing.h"
#include "system.h"

/* Without O_NONBLOCK, opening a FIFO would wait for its writer. O_NOCTTY: a terminal that lies in
 * the directory must not become ours. */
enum { OPEN_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY };

static const char index_name[] = "/index.html";

static void on_opened(eddy_file *file);
static void choose_answer(struct exchange *exchange);

/* The path that is opened: the target's, or that of the index below it. */
static const char *path_of(const struct exchange *exchange) {
    const struct http_path *path = &exchange->path;
    return exchange->is_index && path->length == 0 ? index_name + 1 : path->text;
}

static void open_path(struct exchange *exchange) {
    struct context *context = exchange->context;
    const char *path = path_of(exchange);
    exchange->cached = file_cache_find(&context->cache, path, eddy_loop_now_ns(context->loop));
    if (exchange->cached != NULL) {
        exchange->fd = exchange->cached->fd;
        exchange->stat = exchange->cached->stat;
        choose_answer(exchange);
        return;
    }
    answer_launched(exchange, eddy_file_open(context->loop, &exchange->file, context->root, path,
                                             OPEN_FLAGS, 0, EDDY_BENEATH, on_opened));
}

static void on_directory_opened(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    int64_t fd = file->result;
    if (!exchange_landed(exchange)) {
        if (fd >= 0) system_close((int)fd);
        return;
    }
    if (fd < 0) {
        answer_error(exchange, (int)fd);
    } else {
        exchange->fd = (int)fd;
        listing_begin(exchange);
    }
    exchange->advance(exchange);
}

static void open_directory(struct exchange *exchange) {
    struct context *context = exchange->context;
    struct http_path *path = &exchange->path;
    path->text[path->length] = '\0'; /* takes off the index.html */
    answer_launched(exchange,
                    eddy_file_open(context->loop, &exchange->file, context->root,
                                   path->length > 0 ? path->text : ".", OPEN_FLAGS | O_DIRECTORY, 0,
                                   EDDY_BENEATH, on_directory_opened));
}

static void open_index(struct exchange *exchange) {
    struct http_path *path = &exchange->path;
    if (path->length + sizeof index_name > sizeof path->text) {
        open_directory(exchange);
        return;
    }
    exchange->is_index = true;
    memcpy(path->text + path->length, index_name, sizeof index_name);
    open_path(exchange);
}

/* Files of the next second need not be opened. */
static void keep(struct exchange *exchange) {
    exchange->cached =
        context_keep_file(exchange->context, path_of(exchange), exchange->fd, &exchange->stat);
}

static void choose_answer(struct exchange *exchange) {
    uint32_t mode = exchange->stat.mode;
    if (S_ISREG(mode)) {
        answer_file(exchange);
    } else if (exchange->is_index) {
        system_close(exchange->fd);
        exchange->fd = -1;
        open_directory(exchange);
    } else if (S_ISDIR(mode)) {
        answer_redirect(exchange);
    } else {
        answer_status(exchange, 404); /* a FIFO, a socket, a device */
    }
}

static void on_stat(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    if (!exchange_landed(exchange)) return;
    if (file->result < 0) {
        answer_error(exchange, (int)file->result);
    } else {
        if (S_ISREG(exchange->stat.mode)) keep(exchange);
        choose_answer(exchange);
    }
    exchange->advance(exchange);
}

static void on_opened(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    int64_t fd = file->result;
    if (!exchange_landed(exchange)) {
        if (fd >= 0) system_close((int)fd);
        return;
    }
    if (fd >= 0) {
        exchange->fd = (int)fd;
        answer_launched(exchange, eddy_file_fstat(exchange->context->loop, &exchange->file,
                                                  exchange->fd, &exchange->stat, on_stat));
    } else if (exchange->is_index && (fd == -ENOENT || fd == -ENXIO)) {
        open_directory(exchange);
    } else {
        answer_error(exchange, (int)fd);
    }
    exchange->advance(exchange);
}

void file_handler_begin(struct exchange *exchange) {
    const struct http_request *request = &exchange->request;
    exchange->is_index = false;
    if (request->method == HTTP_METHOD_UNKNOWN) {
        answer_status(exchange, 501);
        return;
    }
    if (request->method == HTTP_METHOD_KNOWN) {
        answer_status(exchange, 405);
        return;
    }
    int status = http_path_decode(&exchange->path,
                                  exchange->input + exchange->start + request->target.offset,
                                  request->target.length);
    if (status != 0) {
        answer_status(exchange, status);
    } else if (exchange->path.has_slash || exchange->path.length == 0) {
        open_index(exchange);
    } else {
        open_path(exchange);
    }
}
