/* etag.h: entity tags (RFC 9110 §8.8.3). */
#ifndef EDDY_CMD_SERVE_ETAG_H
#define EDDY_CMD_SERVE_ETAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

enum { ETAG_BYTES = 64 }; /* the longest, with its quotes */

/* A strong tag, which changes when the file grows, shrinks, is written to or replaced by another
 * that was written at another time; an identical one with its time kept has the same, on whatever
 * disk. Two writes of one length within the tick of the file system's clock are beyond it. */
void etag_put(struct text *text, int64_t size, int64_t modified_s, int64_t modified_ns);

enum etag_compare { ETAG_WEAK, ETAG_STRONG };

/* Whether `list`, the value of If-Match or If-None-Match, is "*" or holds `tag`. A malformed list
 * matches nothing. */
bool etag_matches(const char *list, size_t length, const char *tag, size_t tag_length,
                  enum etag_compare compare);

#endif
