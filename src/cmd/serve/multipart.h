/* multipart.h: the parts of a 206 with several ranges (RFC 9110 §14.6).
 * The body is, for each range, multipart_put_part() and the file's bytes, and at last
 * multipart_put_end(). */
#ifndef EDDY_CMD_SERVE_MULTIPART_H
#define EDDY_CMD_SERVE_MULTIPART_H

#include <stdint.h>

#include "range.h"
#include "text.h"

struct multipart {
    const char *type;  /* of the file */
    int64_t size;      /* of the whole file */
    uint64_t boundary; /* random: the file must not hold it */
};

enum { MULTIPART_TYPE_BYTES = 64, MULTIPART_PART_BYTES = 256 };

/* The Content-Type of the whole answer, with a NUL, within MULTIPART_TYPE_BYTES. */
void multipart_put_type(struct text *text, const struct multipart *multipart);

/* What goes before the bytes of `range`; within MULTIPART_PART_BYTES, as is the end. */
void multipart_put_part(struct text *text, const struct multipart *multipart,
                        const struct range *range);
void multipart_put_end(struct text *text, const struct multipart *multipart);

/* The exact length of the whole body. */
int64_t multipart_bytes(const struct multipart *multipart, const struct ranges *ranges);

#endif
