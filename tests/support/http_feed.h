/* http_feed.h: gives a request to the parser in pieces, for its unit tests and its fuzz target.
 *
 * Each call gets the bytes in a block of exactly their size, at a new address: a sanitizer sees
 * every look behind the end, and every pointer that was kept. */
#ifndef EDDY_TESTS_HTTP_FEED_H
#define EDDY_TESTS_HTTP_FEED_H

#include <stdlib.h>
#include <string.h>

#include "http_request.h"

static inline int http_feed(struct http_request *request, const char *bytes, size_t length,
                            const struct http_limits *limits) {
    char *copy = malloc(length > 0 ? length : 1);
    if (copy == NULL) abort();
    if (length > 0) memcpy(copy, bytes, length);
    int status = http_request_parse(request, copy, length, limits);
    free(copy);
    return status;
}

static inline int http_feed_whole(struct http_request *request, const char *bytes, size_t length,
                                  const struct http_limits *limits) {
    http_request_init(request);
    return http_feed(request, bytes, length, limits);
}

/* First `cut` bytes, then all of them. */
static inline int http_feed_cut(struct http_request *request, const char *bytes, size_t length,
                                size_t cut, const struct http_limits *limits) {
    http_request_init(request);
    int status = http_feed(request, bytes, cut, limits);
    return status != HTTP_MORE ? status : http_feed(request, bytes, length, limits);
}

static inline int http_feed_bytewise(struct http_request *request, const char *bytes, size_t length,
                                     const struct http_limits *limits) {
    http_request_init(request);
    int status = http_feed(request, bytes, 0, limits);
    for (size_t i = 1; i <= length && status == HTTP_MORE; i++)
        status = http_feed(request, bytes, i, limits);
    return status;
}

static inline bool http_span_equals(struct http_span a, struct http_span b) {
    return a.offset == b.offset && a.length == b.length;
}

/* Whether two parses came to the same, as far as the results are valid. */
static inline bool http_same_result(const struct http_request *a, const struct http_request *b,
                                    int status) {
    if (!http_span_equals(a->line, b->line)) return false;
    if (status != HTTP_COMPLETE) return true;
    for (int i = 0; i < HTTP_FIELDS; i++)
        if (!http_span_equals(a->fields[i], b->fields[i])) return false;
    return http_span_equals(a->target, b->target) && a->body_bytes == b->body_bytes &&
           a->head_bytes == b->head_bytes && a->method == b->method && a->minor == b->minor &&
           a->keep_alive == b->keep_alive;
}

#endif
