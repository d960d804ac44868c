/* http_bytes.c: see http_bytes.h. */
#include "http_bytes.h"

#include <string.h>

/* clang-format off */
const uint8_t eddy__http_classes[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0, /* 0 */
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0, /* 1 */
     0,  7,  2,  1,  7,  3,  7,  7,  6,  6,  7,  7,  6,  7,  3,  2, /* 2 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  2,  6,  2,  6,  2,  2, /* 3 */
     2, 15, 15, 15, 15, 15, 15,  7,  7,  7,  7,  7,  7,  7,  7,  7, /* 4 */
     7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  2,  2,  2,  3,  7, /* 5 */
     3, 15, 15, 15, 15, 15, 15,  7,  7,  7,  7,  7,  7,  7,  7,  7, /* 6 */
     7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  2,  3,  2,  7,  0, /* 7 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 8 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 9 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* A */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* B */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* C */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* D */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* E */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* F */
};
/* clang-format on */

bool eddy__http_name_is(const char *name, size_t length, const char *lower) {
    for (size_t i = 0; i < length; i++) {
        char byte = name[i];
        if (byte >= 'A' && byte <= 'Z') byte |= 0x20;
        if (byte != lower[i] || byte == '\0') return false;
    }
    return lower[length] == '\0';
}

bool eddy__http_is_token(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!http_byte_is(bytes[i], HTTP_BYTE_TOKEN)) return false;
    return length > 0;
}

static bool bytes_are_clean(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return false;
    }
    return true;
}

/* Whether no byte of the eight is below 0x20 or is 0x7f. */
static inline bool bytes_are_clean_word(const char *bytes) {
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    uint64_t deletes = word ^ (ones * 0x7f);
    return ((((word - ones * 0x20) & ~word) | ((deletes - ones) & ~deletes)) & tops) == 0;
}

/* Eight bytes at a time, the last eight may overlap those before; what looks odd there, a tab
 * perhaps, is looked at again byte by byte. */
bool eddy__http_is_value(const char *bytes, size_t length) {
    if (length < 8) return bytes_are_clean(bytes, length);
    bool clean = bytes_are_clean_word(bytes + length - 8);
    for (size_t i = 0; i + 8 < length; i += 8) clean &= bytes_are_clean_word(bytes + i);
    return clean || bytes_are_clean(bytes, length);
}
