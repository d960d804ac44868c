/* range.h: the Range header (RFC 9110 §14). */
#ifndef EDDY_CMD_SERVE_RANGE_H
#define EDDY_CMD_SERVE_RANGE_H

#include <stddef.h>
#include <stdint.h>

#include "text.h"

enum { RANGES_MAX = 200 }; /* as Apache: zsync asks for dozens */

struct range {
    int64_t first, last; /* inclusive: 0 <= first <= last < size */
};

struct ranges {
    unsigned count;
    struct range list[RANGES_MAX]; /* in the order asked for */
};

/* The status of the answer: 206 with 1 to RANGES_MAX ranges; 416 when none lies in the file;
 * 200 (the whole file) when the value is not valid, names too many, or the ranges overlap so much
 * that together they exceed the file. */
int range_parse(struct ranges *ranges, const char *value, size_t length, int64_t size);

/* A Content-Range: "bytes 0-9/100", with a star for the range when `range` is NULL. */
void range_put(struct text *text, const struct range *range, int64_t size);

#endif
