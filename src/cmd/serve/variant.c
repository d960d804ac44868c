/* variant.c: see variant.h.
 *
 *     the file ---> look up FILE.br ---> a file: answer_file() with it
 *                     | none, or something else
 *                     v
 *                   FILE.zst, FILE.gz; after the last one: answer_file() with the file itself
 *
 * In the order of the client's weights, and among equal ones in that of `codings`. Whether a
 * variant is older than its file is not looked at, as with others: whoever has the files made has
 * both made. Invariant: while a variant is looked up, the file itself is variant->itself, and
 * nowhere else afterwards. */
#include "variant.h"

#include <string.h>
#include <sys/stat.h>

#include "accept.h"
#include "answer.h"
#include "lookup.h"
#include "mime.h"
#include "system.h"

enum { CODINGS = 3 };

static const struct coding {
    const char *name, *extension; /* that are four bytes at most: policy_room() */
} codings[CODINGS] = {{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}};

struct variant {
    struct opened itself; /* the file that was asked for */
    size_t path_length;   /* of that */
    unsigned count, next;
    const struct coding *wanted[CODINGS];
};

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

static void try_next(struct exchange *exchange);

/* A variant that cannot be opened is none: the file itself can be. */
static void on_found(struct exchange *exchange, int error) {
    struct variant *variant = exchange->variant;
    bool is_one = error == 0 && S_ISREG(exchange->opened.stat.mode);
    opened_drop(is_one ? &variant->itself : &exchange->opened);
    if (!is_one) exchange->opened = variant->itself;
    if (!exchange_landed(exchange)) return;
    /* Its own name counts for the type, and in the log. */
    exchange->path[variant->path_length] = '\0';
    if (!is_one) {
        try_next(exchange);
        return;
    }
    exchange->encoding = variant->wanted[variant->next - 1]->name;
    answer_file(exchange);
}

static void try_next(struct exchange *exchange) {
    struct variant *variant = exchange->variant;
    if (variant->next == variant->count) {
        answer_file(exchange);
        return;
    }
    const char *extension = variant->wanted[variant->next++]->extension;
    memcpy(exchange->path + variant->path_length, extension, strlen(extension) + 1);
    variant->itself = exchange->opened;
    exchange->opened = (struct opened){.fd = -1};
    exchange_launched(exchange);
    int err = lookup_begin(exchange, on_found);
    if (err < 0) on_found(exchange, err);
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
