/* http_chunk.h: a body in chunks (RFC 9112 §7.1), taken apart piece by piece.
 *
 * Strict as the head's parser is: each line ends in CR LF, sizes are up to 15 digits of hex.
 * Extensions and trailers are skipped, each within a limit; neither may hold control characters,
 * and trailers have to be fields. How the input was cut never changes the result.
 * Threading: none of its own; pure. */
#ifndef EDDY_HTTP_HTTP_CHUNK_H
#define EDDY_HTTP_HTTP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_CHUNK_LINE_BYTES = 4096,     /* of a size with its extensions and the line's end */
    HTTP_CHUNK_TRAILER_BYTES = 16384, /* of all trailers with the empty line */
    /* By which all lines of sizes together may be longer than 16 bytes and twice the data for each
     * chunk: else a body of chunks of a byte, each with extensions, would be as short as allowed
     * and yet take thousands of times that on the wire. */
    HTTP_CHUNK_EXCESS_BYTES = 16384,
    HTTP_CHUNK_FREE_BYTES = 16,
};

struct http_chunk {
    uint8_t state;
    uint32_t line_bytes; /* of the size's line so far, or of the trailers */
    uint32_t excess_bytes;
    uint64_t left; /* of the chunk */
};

enum http_chunk_result {
    HTTP_CHUNK_MORE,  /* all is taken, and there is more to come */
    HTTP_CHUNK_DATA,  /* a piece is at *data */
    HTTP_CHUNK_END,   /* the body is complete; what is not taken is the next request's */
    HTTP_CHUNK_ERROR, /* 400 */
};

void eddy__http_chunk_init(struct http_chunk *chunk);

/* Takes what is at `bytes`: `*taken` says how much. With HTTP_CHUNK_DATA the `*size` bytes at
 * `*data`, which are counted in `*taken`, belong to the body; call again with the rest, of which
 * there may be none. After HTTP_CHUNK_END and HTTP_CHUNK_ERROR it takes nothing and says the same.
 */
enum http_chunk_result eddy__http_chunk_take(struct http_chunk *chunk, const char *bytes,
                                             size_t length, size_t *taken, const char **data,
                                             size_t *size);

#endif
