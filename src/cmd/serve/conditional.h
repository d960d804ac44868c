/* conditional.h: what a request's conditions and ranges come to (RFC 9110 §13.2.2). Pure. */
#ifndef EDDY_CMD_SERVE_CONDITIONAL_H
#define EDDY_CMD_SERVE_CONDITIONAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "range.h"

/* The values of the fields; NULL: it did not come. */
struct conditions {
    const char *if_match, *if_unmodified_since, *if_none_match, *if_modified_since;
    const char *if_range, *range;
    bool is_get;
};

struct validators {
    const char *etag;
    size_t etag_length;
    int64_t modified_s; /* what Last-Modified says */
    int64_t size;
};

/* The status of a GET or HEAD of an existing file: 200, 206 (with `ranges`; GET only), 304, 412 or
 * 416. */
int conditional(const struct conditions *conditions, const struct validators *file,
                struct ranges *ranges);

#endif
