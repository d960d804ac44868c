/* http_range.h: the Range header (RFC 9110 §14). */
#ifndef EDDY_CMD_SERVE_HTTP_RANGE_H
#define EDDY_CMD_SERVE_HTTP_RANGE_H

#include <stddef.h>
#include <stdint.h>

#include "http_text.h"

enum { HTTP_RANGES_MAX = 16 }; /* no reader asks for more: the whole file answers that */

struct http_range {
    int64_t first, last; /* inclusive: 0 <= first <= last < size */
};

struct http_ranges {
    unsigned count;
    struct http_range list[HTTP_RANGES_MAX]; /* in the order asked for */
};

/* The status of the answer: 206 with 1 to HTTP_RANGES_MAX ranges; 416 when none lies in the file;
 * 200 (the whole file) when the value is not valid, names too many, or the ranges overlap so much
 * that together they exceed the file. */
int http_range_parse(struct http_ranges *ranges, const char *value, size_t length, int64_t size);

/* A Content-Range: "bytes 0-9/100", with a star for the range when `range` is NULL. */
void http_range_put(struct http_text *text, const struct http_range *range, int64_t size);

#endif
