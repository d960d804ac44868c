/* chunk_feed.h: gives a body in chunks to the parser in pieces, for its unit tests and its fuzz
 * target. Each piece is a block of exactly its size, so that a sanitizer sees every look behind it.
 */
#ifndef EDDY_TESTS_CHUNK_FEED_H
#define EDDY_TESTS_CHUNK_FEED_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "src/http/http_chunk.h"

/* What came of a body; `data` has room for all of the input. */
struct chunk_body {
    enum http_chunk_result result; /* HTTP_CHUNK_MORE: it is not complete */
    bool is_sound;                 /* the parser has kept its own rules */
    size_t taken, size;            /* of the input when it was complete, and of the data */
    char *data;
};

static inline void chunk_feed_piece(struct http_chunk *chunk, struct chunk_body *body,
                                    const char *bytes, size_t length) {
    char *copy = malloc(length > 0 ? length : 1);
    if (copy == NULL) abort();
    if (length > 0) memcpy(copy, bytes, length);
    for (size_t at = 0;;) {
        const char *data;
        size_t taken, size;
        body->result = eddy__http_chunk_take(chunk, copy + at, length - at, &taken, &data, &size);
        if (taken > length - at || size > taken) {
            body->is_sound = false;
            break;
        }
        at += taken;
        body->taken += taken;
        if (body->result != HTTP_CHUNK_DATA) {
            if (size != 0 || (body->result == HTTP_CHUNK_MORE && at < length))
                body->is_sound = false;
            break;
        }
        if (size == 0 || data + size != copy + at) body->is_sound = false;
        memcpy(body->data + body->size, data, size);
        body->size += size;
    }
    free(copy);
}

/* `piece` bytes at a time, after `first` of them. */
static inline struct chunk_body chunk_feed(const char *bytes, size_t length, size_t first,
                                           size_t piece) {
    struct http_chunk chunk;
    struct chunk_body body = {.is_sound = true, .data = malloc(length > 0 ? length : 1)};
    if (body.data == NULL) abort();
    memset(&chunk, 0xa5, sizeof chunk);
    eddy__http_chunk_init(&chunk);
    chunk_feed_piece(&chunk, &body, bytes, first);
    for (size_t at = first; at < length && body.result == HTTP_CHUNK_MORE;) {
        size_t size = length - at < piece ? length - at : piece;
        chunk_feed_piece(&chunk, &body, bytes + at, size);
        at += size;
    }
    return body;
}

/* Whether both came to the same. Where an error is found does not count: nobody goes on. */
static inline bool chunk_same_body(const struct chunk_body *a, const struct chunk_body *b) {
    if (!a->is_sound || !b->is_sound || a->result != b->result || a->size != b->size) return false;
    if (a->result != HTTP_CHUNK_ERROR && a->taken != b->taken) return false;
    return a->size == 0 || memcmp(a->data, b->data, a->size) == 0;
}

#endif
