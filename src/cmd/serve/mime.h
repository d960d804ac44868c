/* mime.h: the media type that a file's name stands for. Pure. */
#ifndef EDDY_CMD_SERVE_MIME_H
#define EDDY_CMD_SERVE_MIME_H

#include <stddef.h>

#include "text.h"

enum { MIME_TYPE_BYTES = 100 }; /* of a map's type, without its charset */

/* Types of the user's own, which go before those that are built in. */
struct mime_map {
    struct mime_own {
        const char *extension, *type;
    } * own; /* in the order of their extensions */
    size_t count;
};

/* By the extension of the path's last segment, or its whole name ("README") if it has none,
 * whatever its case; "application/octet-stream" when that says nothing. `map` may be NULL. */
const char *mime_type(const struct mime_map *map, const char *path, size_t length);

/* The coding that files of that name have been given for good: "gzip" of a .svgz; else NULL. */
const char *mime_encoding(const char *path, size_t length);

/* Reads an ended text in the format of /etc/mime.types: lines of a type and its extensions, and
 * comments behind a "#". If an extension comes twice the later type counts. Types of text without a
 * charset get UTF-8's. The strings go to `bytes`; while that and `map->own` are NULL they are only
 * counted. Returns 0, or the number of the line that is wrong, with what would be right in `error`.
 */
size_t mime_map_read(struct mime_map *map, struct text *bytes, const char *text,
                     const char **error);

#endif
