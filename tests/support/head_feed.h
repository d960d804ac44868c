/* head_feed.h: gives a request's head to the parser in pieces, for its unit tests and its fuzz
 * target.
 *
 * Each call gets the bytes in a block of exactly their size, at a new address: a sanitizer sees
 * every look behind the end, and every pointer that was kept. */
#ifndef EDDY_TESTS_HEAD_FEED_H
#define EDDY_TESTS_HEAD_FEED_H

#include <stdlib.h>
#include <string.h>

#include "src/http/http_head.h"

static const struct http_head_limits head_feed_limits = {8192, 8192, 32768, 100};

static inline int head_feed(struct http_head *head, const char *bytes, size_t length,
                            const struct http_head_limits *limits) {
    char *copy = malloc(length > 0 ? length : 1);
    if (copy == NULL) abort();
    if (length > 0) memcpy(copy, bytes, length);
    int status = eddy__http_head_parse(head, copy, length, limits);
    free(copy);
    return status;
}

/* What was in the struct before must not matter. */
static inline void head_feed_init(struct http_head *head) {
    memset(head, 0xa5, sizeof *head);
    eddy__http_head_init(head);
}

static inline int head_feed_whole(struct http_head *head, const char *bytes, size_t length,
                                  const struct http_head_limits *limits) {
    head_feed_init(head);
    return head_feed(head, bytes, length, limits);
}

/* First `cut` bytes, then all of them. */
static inline int head_feed_cut(struct http_head *head, const char *bytes, size_t length,
                                size_t cut, const struct http_head_limits *limits) {
    head_feed_init(head);
    int status = head_feed(head, bytes, cut, limits);
    return status != HTTP_MORE ? status : head_feed(head, bytes, length, limits);
}

static inline int head_feed_bytewise(struct http_head *head, const char *bytes, size_t length,
                                     const struct http_head_limits *limits) {
    head_feed_init(head);
    int status = head_feed(head, bytes, 0, limits);
    for (size_t i = 1; i <= length && status == HTTP_MORE; i++)
        status = head_feed(head, bytes, i, limits);
    return status;
}

static inline bool head_span_equals(struct http_span a, struct http_span b) {
    return a.offset == b.offset && a.length == b.length;
}

/* Whether two parses came to the same, as far as the results are valid. */
static inline bool head_same_result(const struct http_head *a, const struct http_head *b,
                                    int status) {
    if (!head_span_equals(a->line, b->line) || a->method != b->method) return false;
    if (status != HTTP_COMPLETE) return true;
    if (a->field_count != b->field_count) return false;
    for (int i = 0; i < a->field_count; i++)
        if (!head_span_equals(a->fields[i].name, b->fields[i].name) ||
            !head_span_equals(a->fields[i].value, b->fields[i].value))
            return false;
    return head_span_equals(a->target, b->target) && head_span_equals(a->name, b->name) &&
           head_span_equals(a->authority, b->authority) && a->body_bytes == b->body_bytes &&
           a->head_bytes == b->head_bytes && a->minor == b->minor &&
           a->is_chunked == b->is_chunked && a->expects_continue == b->expects_continue &&
           a->keep_alive == b->keep_alive;
}

#endif
