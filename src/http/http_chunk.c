/* http_chunk.c: see http_chunk.h.
 *
 * Data goes in pieces as large as they come, all else byte by byte: the state after each byte
 * depends on the bytes before it and on nothing else.
 * Threading: none of its own; pure. */
#include "http_chunk.h"

#include "http_bytes.h"

enum {
    CHUNK_SIZE,      /* digits */
    CHUNK_BLANK,     /* behind them, before an extension */
    CHUNK_EXTENSION, /* all of them, up to the line's end */
    CHUNK_SIZE_LF,   /* the CR before it has come, as in all of these */
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER, /* the first byte of a trailer, or of the empty line */
    CHUNK_NAME,
    CHUNK_VALUE,
    CHUNK_VALUE_LF,
    CHUNK_END_LF,
    CHUNK_END,
    CHUNK_ERROR,
};

enum { CHUNK_DIGITS_MAX = 15 }; /* sums of sizes stay far from 2^63 */

void eddy__http_chunk_init(struct http_chunk *chunk) {
    *chunk = (struct http_chunk){.state = CHUNK_SIZE};
}

static unsigned chunk_digit(char byte) {
    return http_byte_is_digit(byte) ? (unsigned)(byte - '0') : (unsigned)((byte | 0x20) - 'a' + 10);
}

/* A byte of a size's line that is none of its digits. */
static int chunk_read_extension(const struct http_chunk *chunk, char byte) {
    if (chunk->state == CHUNK_EXTENSION && eddy__http_is_value(&byte, 1)) return CHUNK_EXTENSION;
    if (chunk->state == CHUNK_SIZE && chunk->line_bytes == 1) return CHUNK_ERROR; /* no digit */
    if (byte == ';') return CHUNK_EXTENSION;
    if (byte == '\r' && chunk->state != CHUNK_BLANK) return CHUNK_SIZE_LF;
    return http_byte_is_blank(byte) ? CHUNK_BLANK : CHUNK_ERROR;
}

/* A size's line is complete. Lines that are much longer than what they bring, all of them taken
 * together, are not what a client needs: limits of the body count its data only. */
static int chunk_begin_data(struct http_chunk *chunk) {
    uint64_t earned = 2 * chunk->left + HTTP_CHUNK_FREE_BYTES;
    chunk->excess_bytes += chunk->line_bytes;
    chunk->excess_bytes -= earned < chunk->excess_bytes ? (uint32_t)earned : chunk->excess_bytes;
    if (chunk->excess_bytes > HTTP_CHUNK_EXCESS_BYTES) return CHUNK_ERROR;
    chunk->line_bytes = 0;
    return chunk->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
}

static int chunk_read_size(struct http_chunk *chunk, char byte) {
    if (++chunk->line_bytes > HTTP_CHUNK_LINE_BYTES) return CHUNK_ERROR;
    if (chunk->state == CHUNK_SIZE_LF) return byte == '\n' ? chunk_begin_data(chunk) : CHUNK_ERROR;
    if (chunk->state != CHUNK_SIZE || !http_byte_is(byte, HTTP_BYTE_HEX))
        return chunk_read_extension(chunk, byte);
    if (chunk->line_bytes > CHUNK_DIGITS_MAX) return CHUNK_ERROR;
    chunk->left = chunk->left << 4 | chunk_digit(byte);
    return CHUNK_SIZE;
}

/* Trailers are fields, and are as strict. */
static int chunk_read_trailer(struct http_chunk *chunk, char byte) {
    if (++chunk->line_bytes > HTTP_CHUNK_TRAILER_BYTES) return CHUNK_ERROR;
    switch (chunk->state) {
    case CHUNK_TRAILER:
        if (byte == '\r') return CHUNK_END_LF;
        return eddy__http_is_token(&byte, 1) ? CHUNK_NAME : CHUNK_ERROR;
    case CHUNK_NAME:
        if (byte == ':') return CHUNK_VALUE;
        return eddy__http_is_token(&byte, 1) ? CHUNK_NAME : CHUNK_ERROR;
    case CHUNK_VALUE:
        if (byte == '\r') return CHUNK_VALUE_LF;
        return eddy__http_is_value(&byte, 1) ? CHUNK_VALUE : CHUNK_ERROR;
    case CHUNK_VALUE_LF:
        return byte == '\n' ? CHUNK_TRAILER : CHUNK_ERROR;
    default:
        return byte == '\n' ? CHUNK_END : CHUNK_ERROR;
    }
}

static int chunk_read_byte(struct http_chunk *chunk, char byte) {
    if (chunk->state < CHUNK_DATA) return chunk_read_size(chunk, byte);
    if (chunk->state == CHUNK_DATA_CR) return byte == '\r' ? CHUNK_DATA_LF : CHUNK_ERROR;
    if (chunk->state == CHUNK_DATA_LF) return byte == '\n' ? CHUNK_SIZE : CHUNK_ERROR;
    return chunk_read_trailer(chunk, byte);
}

static void chunk_take_data(struct http_chunk *chunk, size_t length, size_t *size) {
    *size = chunk->left < length ? (size_t)chunk->left : length;
    chunk->left -= *size;
    if (chunk->left == 0) chunk->state = CHUNK_DATA_CR;
}

enum http_chunk_result eddy__http_chunk_take(struct http_chunk *chunk, const char *bytes,
                                             size_t length, size_t *taken, const char **data,
                                             size_t *size) {
    size_t at = 0;
    enum http_chunk_result result = HTTP_CHUNK_MORE;
    *data = NULL;
    *size = 0;
    while (at < length && chunk->state < CHUNK_END && result == HTTP_CHUNK_MORE) {
        if (chunk->state == CHUNK_DATA) {
            *data = bytes + at;
            chunk_take_data(chunk, length - at, size);
            at += *size;
            result = HTTP_CHUNK_DATA;
        } else {
            chunk->state = (uint8_t)chunk_read_byte(chunk, bytes[at++]);
        }
    }
    *taken = at;
    if (result == HTTP_CHUNK_DATA || chunk->state < CHUNK_END) return result;
    return chunk->state == CHUNK_END ? HTTP_CHUNK_END : HTTP_CHUNK_ERROR;
}
