/* variant.c: see variant.h.
 *
 *     the file ---> open FILE.br ---> stat ---> a file: answer_file() with it
 *                     | none          | something else
 *                     v               v
 *                   FILE.zst, FILE.gz; after the last one: answer_file() with the file itself
 *
 * In the order of the client's weights, and among equal ones in that of `codings`. Whether a
 * variant is older than its file is not looked at, as with others: whoever has the files made has
 * both made. Invariant: until a variant is found, exchange->fd is the file itself; the variant's
 * descriptor is its callback's. */
#include "variant.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "accept.h"
#include "answer.h"
#include "mime.h"
#include "system.h"

enum { OPEN_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY, CODINGS = 3 };

static const struct coding {
    const char *name, *extension; /* that are four bytes at most: policy_room() */
} codings[CODINGS] = {{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}};

struct variant {
    int fd;                     /* of the one that is looked at */
    struct cached_file *cached; /* whose that is, or NULL */
    eddy_stat stat;
    size_t path_length; /* of the file itself */
    unsigned count, next;
    const struct coding *wanted[CODINGS];
};

static void on_opened(eddy_file *file);
static void on_cached(eddy_file *file);

static int weight_of(const char *accepted, const char *name) {
    int weight = accept_weight(accepted, name);
    if (weight == ACCEPT_UNNAMED && strcmp(name, "gzip") == 0)
        weight = accept_weight(accepted, "x-gzip"); /* RFC 9110 §8.4.1.3 */
    return weight != ACCEPT_UNNAMED ? weight : accept_weight(accepted, "*");
}

/* Fills in what the client takes, best first. Returns how many those are. A client that has the
 * file itself rather than a coding says so by name. */
static unsigned choose(const char *accepted, const struct coding *wanted[CODINGS]) {
    int weights[CODINGS] = {0}, itself = accept_weight(accepted, "identity");
    unsigned count = 0;
    for (unsigned i = 0; i < CODINGS; i++) {
        int weight = weight_of(accepted, codings[i].name);
        if (weight <= 0 || weight < itself) continue;
        unsigned at = count++;
        for (; at > 0 && weights[at - 1] < weight; at--) {
            weights[at] = weights[at - 1];
            wanted[at] = wanted[at - 1];
        }
        weights[at] = weight;
        wanted[at] = &codings[i];
    }
    return count;
}

/* Its name counts for the type, and in the log. */
static void restore_path(struct exchange *exchange) {
    exchange->path[exchange->variant->path_length] = '\0';
}

static void use(struct exchange *exchange, struct cached_file *cached, int fd,
                const eddy_stat *stat) {
    struct variant *variant = exchange->variant;
    exchange_drop_file(exchange);
    exchange->cached = cached;
    exchange->fd = fd;
    exchange->stat = *stat;
    exchange->encoding = variant->wanted[variant->next - 1]->name;
    restore_path(exchange);
    answer_file(exchange);
}

/* Opens the variant that exchange->path names, or asks the one that is kept open. */
static int look_at(struct exchange *exchange) {
    struct context *context = exchange->context;
    struct variant *variant = exchange->variant;
    variant->cached =
        file_cache_find(&context->cache, exchange->path, eddy_loop_now_ns(context->loop));
    if (variant->cached == NULL)
        return eddy_file_open(context->loop, &exchange->file, context->root, exchange->path,
                              OPEN_FLAGS, 0, context_resolve(context, exchange->path), on_opened);
    variant->fd = variant->cached->fd;
    int err =
        eddy_file_fstat(context->loop, &exchange->file, variant->fd, &variant->stat, on_cached);
    if (err < 0) file_cache_release(variant->cached);
    return err;
}

static void try_next(struct exchange *exchange) {
    struct variant *variant = exchange->variant;
    while (variant->next < variant->count) {
        const char *extension = variant->wanted[variant->next++]->extension;
        memcpy(exchange->path + variant->path_length, extension, strlen(extension) + 1);
        if (look_at(exchange) < 0) continue;
        exchange_launched(exchange);
        return;
    }
    restore_path(exchange);
    answer_file(exchange);
}

static void on_stat(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    struct context *context = exchange->context;
    struct variant *variant = exchange->variant;
    int fd = variant->fd;
    if (file->result == 0) context_note_kind(context, exchange->path, &variant->stat);
    if (file->result < 0 || !S_ISREG(variant->stat.mode)) {
        system_close(fd);
        if (exchange_landed(exchange)) try_next(exchange);
        return;
    }
    if (!exchange_landed(exchange)) {
        system_close(fd);
        return;
    }
    use(exchange, context_keep_file(context, exchange->path, fd, &variant->stat), fd,
        &variant->stat);
}

/* One that has changed is looked for once more. */
static void on_cached(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    struct variant *variant = exchange->variant;
    struct cached_file *cached = variant->cached;
    eddy_stat stat = variant->stat;
    bool has_changed = file->result < 0 || file_cache_has_changed(cached, &stat);
    if (has_changed) file_cache_forget(cached);
    bool is_wanted = exchange_landed(exchange); /* else it may be gone, and the variant with it */
    if (is_wanted && !has_changed) {
        use(exchange, cached, cached->fd, &stat);
        return;
    }
    file_cache_release(cached);
    if (!is_wanted) return;
    variant->next--;
    try_next(exchange);
}

/* A variant that cannot be opened is none: the file itself can be. */
static void on_opened(eddy_file *file) {
    struct exchange *exchange = eddy_container_of(file, struct exchange, file);
    struct variant *variant = exchange->variant;
    int64_t fd = file->result;
    if (!exchange_landed(exchange)) {
        if (fd >= 0) system_close((int)fd);
        return;
    }
    int err = (int)fd;
    variant->fd = (int)fd;
    if (fd >= 0)
        err = eddy_file_fstat(exchange->context->loop, file, variant->fd, &variant->stat, on_stat);
    if (err < 0 && fd >= 0) system_close((int)fd);
    if (err < 0)
        try_next(exchange);
    else
        exchange_launched(exchange);
}

void variant_answer(struct exchange *exchange) {
    const struct coding *wanted[CODINGS];
    const char *accepted = NULL;
    size_t length = 0;
    unsigned count = 0;
    if (exchange->context->policy->precompressed) {
        length = strlen(exchange->path);
        if (mime_encoding(exchange->path, length) == NULL)
            accepted = eddy_http_field(exchange->request, "Accept-Encoding");
    }
    if (accepted != NULL) count = choose(accepted, wanted);
    if (count > 0) exchange->variant = system_resize(NULL, sizeof *exchange->variant);
    if (exchange->variant == NULL) { /* also without memory: the file itself is as good */
        answer_file(exchange);
        return;
    }
    exchange->variant->path_length = length;
    exchange->variant->count = count;
    exchange->variant->next = 0;
    memcpy(exchange->variant->wanted, wanted, sizeof wanted);
    try_next(exchange);
}
