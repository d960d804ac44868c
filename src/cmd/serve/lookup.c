/* lookup.c: see lookup.h.
 *
 *     open ---> fstat ---> told to all who share it
 *     fstat of what the cache holds ---^
 *               | it is another file now
 *               +---> open …
 */
#include "lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* For what takes a file's place after it was looked at: without O_NONBLOCK, opening a FIFO would
 * wait for its writer. O_NOCTTY: a terminal that lies in the directory must not become ours. */
enum { OPEN_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY };

static void on_opened(eddy_file *file);

/* --- Sharing --- */

static struct exchange **place_of(struct exchange *exchange) {
    return &exchange->context->lookups[path_key_place(&exchange->lookup.key, CONTEXT_LOOKUPS)];
}

/* Whether somebody has asked for the same in this turn, and waits for the first step as well. */
static bool join(struct exchange *exchange) {
    struct exchange *first = *place_of(exchange);
    if (first == NULL || first->lookup.asked_ns != exchange->lookup.asked_ns) return false;
    if (!path_key_is(&first->lookup.key, &exchange->lookup.key)) return false;
    *first->lookup.last = exchange;
    first->lookup.last = &exchange->lookup.next;
    return true;
}

/* The first step has come back: whoever asks from here on may mean something newer. */
static void leave_place(struct exchange *exchange) {
    struct exchange **place = place_of(exchange);
    if (*place == exchange) *place = NULL;
}

/* One descriptor for all who wait behind `first`. */
static int share(struct exchange *first) {
    struct opened *opened = &first->opened;
    if (first->lookup.next == NULL) return 0;
    if (opened->cached == NULL) opened->cached = file_cache_share(opened->fd);
    if (opened->cached == NULL) return -ENOMEM;
    for (struct exchange *it = first->lookup.next; it != NULL; it = it->lookup.next)
        opened->cached->users++;
    return 0;
}

/* In the order in which they asked. Each may be gone when it has been told. */
static void tell(struct exchange *exchange, int error) {
    if (error == 0) error = share(exchange);
    if (error < 0) opened_drop(&exchange->opened);
    struct opened opened = exchange->opened;
    while (exchange != NULL) {
        struct exchange *next = exchange->lookup.next;
        exchange->opened = opened;
        exchange->lookup.fn(exchange, error);
        exchange = next;
    }
}

/* --- Looking --- */

static int open_path(struct exchange *exchange) {
    struct context *context = exchange->context;
    return eddy_file_open(context->loop, &exchange->file, context->root, exchange->path, OPEN_FLAGS,
                          0, context_resolve(context, &exchange->lookup.key), on_opened);
}

/* What is kept open is the file that its path led to a moment ago; its size and time are those of
 * now, whoever has written to it. */
static void on_asked(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    struct opened *opened = &exchange->opened;
    int error = (int)file->result;
    if (error == 0 && file_cache_has_changed(opened->cached, &opened->stat)) {
        file_cache_forget(opened->cached);
        opened_drop(opened);
        error = open_path(exchange);
        if (error == 0) return;
    }
    leave_place(exchange);
    tell(exchange, error);
}

static void on_stat(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    struct context *context = exchange->context;
    struct opened *opened = &exchange->opened;
    if (file->result == 0) {
        const struct path_key *key = &exchange->lookup.key;
        context_note_kind(context, key, &opened->stat);
        if (S_ISREG(opened->stat.mode))
            opened->cached = context_keep_file(context, key, opened->fd, &opened->stat);
    }
    tell(exchange, (int)file->result);
}

static void on_opened(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    struct opened *opened = &exchange->opened;
    int error = (int)file->result;
    leave_place(exchange);
    if (error >= 0) {
        opened->fd = error;
        error = eddy_file_fstat(exchange->context->loop, file, opened->fd, &opened->stat, on_stat);
        if (error == 0) return;
    }
    tell(exchange, error);
}

int lookup_begin(struct exchange *exchange, lookup_fn *fn) {
    struct context *context = exchange->context;
    struct opened *opened = &exchange->opened;
    struct lookup *lookup = &exchange->lookup;
    *lookup = (struct lookup){
        .fn = fn,
        .key = path_key_of(exchange->path),
        .asked_ns = eddy_loop_now_ns(context->loop),
        .last = &lookup->next,
    };
    if (join(exchange)) return 0;
    opened->cached = file_cache_find(&context->cache, &lookup->key, lookup->asked_ns);
    if (opened->cached != NULL) opened->fd = opened->cached->fd;
    int err = opened->cached == NULL ? open_path(exchange)
                                     : eddy_file_fstat(context->loop, &exchange->file, opened->fd,
                                                       &opened->stat, on_asked);
    if (err < 0)
        opened_drop(opened);
    else
        *place_of(exchange) = exchange;
    return err;
}
