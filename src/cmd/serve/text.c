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

/* U+202A to U+202E and U+2066 to U+2069 in UTF-8, which change the direction of what follows: with
 * them "exe.txt" is shown for a name that ends in "txt.exe". */
static bool turns_text(const char *bytes, size_t length) {
    if (length < 3 || memcmp(bytes, "\xE2\x80", 2) < 0 || memcmp(bytes, "\xE2\x81", 2) > 0)
        return false;
    unsigned char last = (unsigned char)bytes[2];
    if ((unsigned char)bytes[1] == 0x80) return last >= 0xAA && last <= 0xAE;
    return last >= 0xA6 && last <= 0xA9;
}

void text_put_html(struct text *text, const char *bytes, size_t length) {
    size_t plain = 0; /* where the bytes begin that are not written yet */
    for (size_t i = 0; i < length; i++) {
        bool turns = turns_text(bytes + i, length - i);
        const char *escaped = turns ? "\xEF\xBF\xBD" : html_of((unsigned char)bytes[i]);
        if (escaped == NULL) continue;
        text_put(text, bytes + plain, i - plain);
        text_put_string(text, escaped);
        if (turns) i += 2;
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
