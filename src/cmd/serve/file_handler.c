/* file_handler.c: from a request to the file that answers it.
 *
 *     /path    look it up ---> a file: answer_file()
 *                         +--> a directory: 301 to /path/
 *     /path/   look up an index ---> a file: answer_file()
 *                    | none     +--> something else: the next index
 *                    v
 *              open the directory ---> listing_begin()
 *
 * What is not there, and what the policy hides, is a 404 or, for a page, the policy's fallback. A
 * file may be answered with a compressed one beside it (variant.h).
 * Each arrow is a lookup or a file request, whose callback takes the next step.
 * Invariant: at most one of these is under way; exchange->opened is the file it is about.
 * Threading: the loop's. */
#include "file_handler.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "answer.h"
#include "listing.h"
#include "lookup.h"
#include "variant.h"
#include "wants_page.h"

enum { BODY_BYTES_MAX = 64 * 1024 }; /* a body that a GET may have, to be thrown away */

static void on_found(struct exchange *exchange, int error);
static void answer_failure(struct exchange *exchange, int error);

static void open_path(struct exchange *exchange) {
    (void)answer_launched(exchange, lookup_begin(exchange, on_found));
}

static void on_directory_opened(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    int64_t fd = file->result;
    if (fd >= 0) exchange->opened.fd = (int)fd;
    if (!exchange_landed(exchange)) return;
    if (fd < 0)
        answer_failure(exchange, (int)fd);
    else
        listing_begin(exchange);
}

static void open_directory(struct exchange *exchange) {
    struct context *context = exchange->context;
    exchange->path[exchange->path_length] = '\0'; /* takes off the index */
    const char *path = exchange->path_length > 0 ? exchange->path : ".";
    (void)answer_launched(exchange, eddy_file_open(context->loop, &exchange->file, context->root,
                                                   path, O_RDONLY | O_DIRECTORY, 0,
                                                   context_beneath(context), on_directory_opened));
}

/* The next index of a directory; after the last one, the directory itself. */
static void open_index(struct exchange *exchange) {
    const struct policy *policy = exchange->context->policy;
    exchange->is_index = exchange->index < policy->index_count;
    if (!exchange->is_index) {
        open_directory(exchange);
        return;
    }
    const char *name = policy->indexes[exchange->index++];
    size_t length = exchange->path_length;
    if (length > 0) exchange->path[length++] = '/';
    memcpy(exchange->path + length, name, strlen(name) + 1);
    open_path(exchange);
}

/* The fallback is looked for once, in place of what is not there. */
static void answer_missing(struct exchange *exchange) {
    const struct policy *policy = exchange->context->policy;
    const char *asked = eddy_http_path(exchange->request);
    const char *accept = eddy_http_field(exchange->request, "Accept");
    opened_drop(&exchange->opened);
    if (exchange->is_fallback || policy->fallback == NULL || !wants_page(asked, accept)) {
        answer_error(exchange, -ENOENT);
        return;
    }
    exchange->is_fallback = true;
    exchange->is_index = false;
    exchange->path_length = strlen(policy->fallback);
    memcpy(exchange->path, policy->fallback, exchange->path_length + 1);
    open_path(exchange);
}

static void answer_failure(struct exchange *exchange, int error) {
    if (answer_status_of(error) == 404)
        answer_missing(exchange);
    else
        answer_error(exchange, error);
}

static void choose_answer(struct exchange *exchange) {
    uint32_t mode = exchange->opened.stat.mode;
    if (S_ISREG(mode)) {
        variant_answer(exchange);
    } else if (exchange->is_index) {
        opened_drop(&exchange->opened);
        open_index(exchange);
    } else if (!S_ISDIR(mode) || exchange->has_slash || exchange->is_fallback) {
        answer_missing(exchange); /* a FIFO, a socket, a device */
    } else {
        answer_redirect(exchange);
    }
}

static void on_found(struct exchange *exchange, int error) {
    if (!exchange_landed(exchange)) return;
    if (error == 0)
        choose_answer(exchange);
    else if (exchange->is_index && (error == -ENOENT || error == -ENXIO))
        open_index(exchange);
    else
        answer_failure(exchange, error);
}

void file_handler(eddy_http_request *request, void *context) {
    context_label(context, request);
    if (eddy_http_body_length(request) > BODY_BYTES_MAX) {
        answer_status(context, request, 413);
        return;
    }
    if (strlen(eddy_http_path(request)) > PATH_BYTES) {
        answer_status(context, request, 414);
        return;
    }
    struct exchange *exchange = exchange_open(context, request);
    if (exchange == NULL)
        answer_status(context, request, 503);
    else if (policy_hides_path(exchange->context->policy, exchange->path))
        answer_failure(exchange, -ENOENT);
    else if (exchange->has_slash)
        open_index(exchange);
    else
        open_path(exchange);
}

static void on_stat_again(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    if (!exchange_landed(exchange)) return;
    const eddy_stat *now = &exchange->opened.stat, *before = &exchange->before;
    bool is_as_it_was = now->size == before->size && now->modify_s == before->modify_s &&
                        now->modify_ns == before->modify_ns;
    if (file->result < 0 || is_as_it_was)
        answer_error(exchange, file->result < 0 ? (int)file->result : -EIO);
    else
        answer_file(exchange);
}

bool file_handler_again(eddy_http_request *request) {
    struct exchange *exchange = eddy_http_done_context(request);
    if (exchange == NULL || exchange->opened.fd < 0 || exchange->page != NULL ||
        exchange->parts != NULL)
        return false;
    exchange->is_again = true;
    exchange->before = exchange->opened.stat;
    (void)answer_launched(exchange, eddy_file_fstat(exchange->context->loop, &exchange->file,
                                                    exchange->opened.fd, &exchange->opened.stat,
                                                    on_stat_again));
    return true;
}
