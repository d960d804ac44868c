/* text.h: text that grows from the front of the caller's buffer.
 *
 * Invariant: `length` is what was asked for so far, written or not. Once it passes `size` nothing
 * more is written, and `length` goes on counting: the caller grows its buffer to `length` and
 * starts over. A text without a buffer (`{0}`) only counts.
 * Threading: none of its own; pure functions without I/O or allocation, as are those that write
 * pages and fields with it. */
#ifndef EDDY_CMD_SERVE_TEXT_H
#define EDDY_CMD_SERVE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    char *bytes; /* not ended by a NUL */
    size_t size, length;
};

static inline bool text_fits(const struct text *text) {
    return text->length <= text->size;
}

static inline void text_put(struct text *text, const char *bytes, size_t length) {
    size_t end = text->length + length;
    if (end <= text->size && length > 0) memcpy(text->bytes + text->length, bytes, length);
    text->length = end;
}

/* A literal: its length is known to the compiler. */
#define text_put_literal(text, literal) text_put(text, "" literal, sizeof(literal) - 1)

void text_put_string(struct text *text, const char *string);
void text_put_number(struct text *text, uint64_t number);
void text_put_hex(struct text *text, uint64_t number); /* lower case, no leading zeros */

/* As character data or a quoted attribute value of HTML. Control characters, which a file's name
 * may hold, become U+FFFD, and so do those that turn the direction of text. */
void text_put_html(struct text *text, const char *bytes, size_t length);

/* As path segments of a URL: everything but unreserved characters and '/' becomes %XX. */
void text_put_url(struct text *text, const char *bytes, size_t length);

#endif
