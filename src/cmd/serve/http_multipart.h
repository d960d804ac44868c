/* http_multipart.h: the parts of a 206 with several ranges (RFC 9110 §14.6).
 * The body is, for each range, http_multipart_put_part() and the file's bytes, and at last
 * http_multipart_put_end(). */
#ifndef EDDY_CMD_SERVE_HTTP_MULTIPART_H
#define EDDY_CMD_SERVE_HTTP_MULTIPART_H

#include <stdint.h>

#include "http_range.h"
#include "http_text.h"

struct http_multipart {
    const char *type;  /* of the file */
    int64_t size;      /* of the whole file */
    uint64_t boundary; /* random: the file must not hold it */
};

enum { HTTP_MULTIPART_TYPE_BYTES = 64, HTTP_MULTIPART_PART_BYTES = 256 };

/* The Content-Type of the whole answer, with a NUL, within HTTP_MULTIPART_TYPE_BYTES. */
void http_multipart_put_type(struct http_text *text, const struct http_multipart *multipart);

/* What goes before the bytes of `range`; within HTTP_MULTIPART_PART_BYTES, as is the end. */
void http_multipart_put_part(struct http_text *text, const struct http_multipart *multipart,
                             const struct http_range *range);
void http_multipart_put_end(struct http_text *text, const struct http_multipart *multipart);

/* The exact length of the whole body. */
int64_t http_multipart_bytes(const struct http_multipart *multipart,
                             const struct http_ranges *ranges);

#endif
