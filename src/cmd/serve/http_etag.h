/* http_etag.h: entity tags (RFC 9110 §8.8.3). */
#ifndef EDDY_CMD_SERVE_HTTP_ETAG_H
#define EDDY_CMD_SERVE_HTTP_ETAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_text.h"

enum { HTTP_ETAG_BYTES = 64 }; /* the longest, with its quotes */

/* A strong tag. It changes when the file is replaced (inode), grows, shrinks or is written to; two
 * writes of one length within the tick of the file system's clock are beyond it. */
void http_etag_put(struct http_text *text, uint64_t inode, int64_t size, int64_t modified_s,
                   int64_t modified_ns);

enum http_etag_compare { HTTP_ETAG_WEAK, HTTP_ETAG_STRONG };

/* Whether `list`, the value of If-Match or If-None-Match, is "*" or holds `tag`. A malformed list
 * matches nothing. */
bool http_etag_matches(const char *list, size_t length, const char *tag, size_t tag_length,
                       enum http_etag_compare compare);

#endif
