/* http_bytes.h: what a byte may be part of in HTTP's grammar.
 * Threading: none of its own; pure. */
#ifndef EDDY_HTTP_HTTP_BYTES_H
#define EDDY_HTTP_HTTP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_BYTE_TOKEN = 1,
    HTTP_BYTE_TARGET = 2, /* wider than RFC 3986: people type UTF-8 into curl */
    HTTP_BYTE_LABEL = 4,  /* of a host's name between its dots, escapes aside */
    HTTP_BYTE_HEX = 8,
};

extern const uint8_t eddy__http_classes[256];

static inline bool http_byte_is(char byte, int class) {
    return (eddy__http_classes[(unsigned char)byte] & class) != 0;
}

static inline bool http_byte_is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

static inline bool http_byte_is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static inline int http_digit_of_hex(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* The byte that two digits of hex stand for, or -1. */
static inline int http_byte_of_hex(const char *digits) {
    int high = http_digit_of_hex(digits[0]), low = http_digit_of_hex(digits[1]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* The first byte that is not of the class. There has to be one: the caller's line ends with CR,
 * which is of none. Four to a round, as half of the parser's time goes here. */
static inline const char *http_skip(const char *bytes, int class) {
    for (;; bytes += 4) {
        if (!http_byte_is(bytes[0], class)) return bytes;
        if (!http_byte_is(bytes[1], class)) return bytes + 1;
        if (!http_byte_is(bytes[2], class)) return bytes + 2;
        if (!http_byte_is(bytes[3], class)) return bytes + 3;
    }
}

/* Whether both are the same field name, in whatever case. `lower` is in lower case. */
bool eddy__http_name_is(const char *name, size_t length, const char *lower);

/* Whether these are a token (RFC 9110 §5.6.2), and whether they may be a field's value: neither
 * CR, LF, NUL nor other control characters but tabs. */
bool eddy__http_is_token(const char *bytes, size_t length);
bool eddy__http_is_value(const char *bytes, size_t length);

#endif
