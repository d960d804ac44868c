/* http_chunk.h: a body in chunks (RFC 9112 §7.1), taken apart piece by piece.
 *
 * Strict as the head's parser is: each line ends in CR LF, sizes are up to 15 digits of hex,
 * extensions are skipped, and so are trailers, each within a limit. How the input was cut never
 * changes the result. Threading: none of its own; pure. */
#ifndef EDDY_HTTP_HTTP_CHUNK_H
#define EDDY_HTTP_HTTP_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_CHUNK_LINE_BYTES = 4096,     /* of a size with its extensions */
    HTTP_CHUNK_TRAILER_BYTES = 16384, /* of all trailers */
};

struct http_chunk {
    uint8_t state;
    uint32_t line_bytes; /* of the line or the trailers so far */
    uint64_t left;       /* of the chunk */
};

enum http_chunk_result {
    HTTP_CHUNK_MORE,  /* all is taken, and there is more to come */
    HTTP_CHUNK_DATA,  /* a piece is at *data */
    HTTP_CHUNK_END,   /* the body is complete; what is not taken is the next request's */
    HTTP_CHUNK_ERROR, /* 400 */
};

void eddy__http_chunk_init(struct http_chunk *chunk);

/* Takes what is at `bytes`: `*taken` says how much. With HTTP_CHUNK_DATA the `*size` bytes at
 * `*data`, which are counted in `*taken`, belong to the body; call again with the rest. */
enum http_chunk_result eddy__http_chunk_take(struct http_chunk *chunk, const char *bytes,
                                             size_t length, size_t *taken, const char **data,
                                             size_t *size);

#endif
