/* text.c: see text.h. */
#include "text.h"

void text_put_string(struct text *text, const char *string) {
    text_put(text, string, strlen(string));
}

void text_put_number(struct text *text, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_put(text, digits + at, sizeof digits - at);
}

void text_put_hex(struct text *text, uint64_t number) {
    char digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number > 0);
    text_put(text, digits + at, sizeof digits - at);
}

static const char *html_of(unsigned char byte) {
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return byte < 0x20 || byte == 0x7f ? "\xEF\xBF\xBD" : NULL;
    }
}

void text_put_html(struct text *text, const char *bytes, size_t length) {
    size_t plain = 0; /* where the bytes begin that are not written yet */
    for (size_t i = 0; i < length; i++) {
        const char *escaped = html_of((unsigned char)bytes[i]);
        if (escaped == NULL) continue;
        text_put(text, bytes + plain, i - plain);
        text_put_string(text, escaped);
        plain = i + 1;
    }
    text_put(text, bytes + plain, length - plain);
}

static bool is_plain_in_url(unsigned char byte) {
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')) return true;
    if (byte >= '0' && byte <= '9') return true;
    return byte == '-' || byte == '.' || byte == '_' || byte == '~' || byte == '/';
}

void text_put_url(struct text *text, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (is_plain_in_url(byte)) {
            text_put(text, bytes + i, 1);
        } else {
            const char *hex = "0123456789ABCDEF";
            char escaped[3] = {'%', hex[byte >> 4], hex[byte & 15]};
            text_put(text, escaped, 3);
        }
    }
}
