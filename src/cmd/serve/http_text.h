/* http_text.h: text that grows from the front of the caller's buffer.
 *
 * Invariant: `length` is what was asked for so far, written or not. Once it passes `size` nothing
 * more is written, and `length` goes on counting: the caller grows its buffer to `length` and
 * starts over. A text without a buffer (`{0}`) only counts.
 * Threading: none of its own; pure functions without I/O or allocation, like all of http_*.h. */
#ifndef EDDY_CMD_SERVE_HTTP_TEXT_H
#define EDDY_CMD_SERVE_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct http_text {
    char *bytes; /* not ended by a NUL */
    size_t size, length;
};

static inline bool http_text_fits(const struct http_text *text) {
    return text->length <= text->size;
}

static inline void http_text_put(struct http_text *text, const char *bytes, size_t length) {
    size_t end = text->length + length;
    if (end <= text->size && length > 0) memcpy(text->bytes + text->length, bytes, length);
    text->length = end;
}

/* A literal: its length is known to the compiler. */
#define http_text_put_literal(text, literal) http_text_put(text, "" literal, sizeof(literal) - 1)

void http_text_put_string(struct http_text *text, const char *string);
void http_text_put_number(struct http_text *text, uint64_t number);
void http_text_put_hex(struct http_text *text, uint64_t number); /* lower case, no leading zeros */

/* As character data or a quoted attribute value of HTML. Control characters, which a file's name
 * may hold, become U+FFFD. */
void http_text_put_html(struct http_text *text, const char *bytes, size_t length);

/* As path segments of a URL: everything but unreserved characters and '/' becomes %XX. */
void http_text_put_url(struct http_text *text, const char *bytes, size_t length);

#endif
