/* http_path.h: from a request's target to a path beneath the root.
 *
 * Invariant: a decoded path is relative, has no empty, "." or ".." segment and no NUL, so that it
 * names something beneath the root as far as its spelling goes (symbolic links are the opener's).
 * Decoding happens once: "%252e" is the name "%2e". */
#ifndef EDDY_CMD_SERVE_HTTP_PATH_H
#define EDDY_CMD_SERVE_HTTP_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_text.h"

enum { HTTP_PATH_MAX = 4095 };

struct http_path {
    uint32_t length;
    bool has_slash; /* the target ended in "/", "/." or "/..": a directory is meant */
    uint32_t query_offset, query_length; /* in the target, with its "?"; length 0: none */
    char text[HTTP_PATH_MAX + 1];        /* ended by a NUL; "" is the root itself */
};

/* 0; 400: a bad escape, %00, a raw control character or '#', a ".." above the root; 404: an escaped
 * slash, which no name holds; 414: longer than HTTP_PATH_MAX. Repeated slashes count as one.
 * `target` is a request's target: it starts with '/', or is empty or a bare query (the root). */
int http_path_decode(struct http_path *path, const char *target, size_t length);

/* The Location of the directory: "/", the path percent-encoded, "/", the query. It is made from the
 * decoded path, as the raw target may be "//host", which would lead to another site. */
void http_path_put_location(struct http_text *text, const struct http_path *path,
                            const char *target);

#endif
