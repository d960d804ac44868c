/* http_conditional.h: what a request's conditions and ranges come to (RFC 9110 §13.2.2). */
#ifndef EDDY_CMD_SERVE_HTTP_CONDITIONAL_H
#define EDDY_CMD_SERVE_HTTP_CONDITIONAL_H

#include <stddef.h>
#include <stdint.h>

#include "http_range.h"
#include "http_request.h"

struct http_validators {
    const char *etag;
    size_t etag_length;
    int64_t modified_s; /* what Last-Modified says */
    int64_t size;
};

/* The status of a GET or HEAD of an existing file: 200, 206 (with `ranges`; GET only), 304, 412 or
 * 416. `bytes` is where the request's bytes begin. */
int http_conditional(const struct http_request *request, const char *bytes,
                     const struct http_validators *file, struct http_ranges *ranges);

#endif
