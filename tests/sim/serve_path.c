/* serve_path.c: see serve_path.h. Without state. */
#include "serve_path.h"

#include <stdlib.h>
#include <string.h>

enum { SEGMENTS_MAX = 4100 };

static int hex_of(char digit) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = digit != '\0' ? strchr(digits, digit) : NULL;
    return at != NULL ? (int)(at - digits) % 16 : -1;
}

/* No byte becomes a slash, so that the segments can be looked at afterwards. */
static bool unescape(char *text, size_t room, const char *target, size_t length) {
    size_t used = 0;
    for (size_t i = 0; i < length && target[i] != '?'; i++) {
        int byte = (unsigned char)target[i];
        if (byte < 0x21 || byte == 0x7f || byte == '#' || used + 1 == room) return false;
        if (byte == '%') {
            if (length - i < 3 || hex_of(target[i + 1]) < 0 || hex_of(target[i + 2]) < 0)
                return false;
            byte = 16 * hex_of(target[i + 1]) + hex_of(target[i + 2]);
            if (byte == 0 || byte == '/') return false;
            i += 2;
        }
        text[used++] = (char)byte;
    }
    text[used] = '\0';
    return true;
}

bool serve_path(char *path, size_t path_bytes, const char *target, size_t length) {
    size_t used = 0, depth = 0, starts[SEGMENTS_MAX];
    char *text = malloc(length + 1);
    if (text == NULL) abort();
    bool is_good = unescape(text, length + 1, target, length);
    for (char *at = text; is_good && *at != '\0';) {
        size_t segment = strcspn(at, "/");
        if (segment == 2 && memcmp(at, "..", 2) == 0) {
            is_good = depth > 0;
            if (is_good) used = starts[--depth];
        } else if (segment > 0 && !(segment == 1 && at[0] == '.')) {
            is_good = used + segment + 2 <= path_bytes && depth < SEGMENTS_MAX;
            if (!is_good) break;
            starts[depth++] = used;
            if (used > 0) path[used++] = '/';
            memcpy(path + used, at, segment);
            used += segment;
        }
        at += segment + (at[segment] == '/');
    }
    path[used] = '\0';
    free(text);
    return is_good;
}
