/* http_path.c: from a request's target to a path.
 * Invariant: what is decoded has no empty, "." or ".." segment and no NUL, so that it names nothing
 * above "/" as far as its spelling goes (symbolic links are the opener's). Decoding happens once:
 * "%252e" is the name "%2e". Threading: none of its own; pure. */
#include "http_server.h"

#include <string.h>

/* Bytes that mean something in a target or may not be there; all others stand for themselves. */
/* clang-format off */
static const bool special_in_path[256] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    [' '] = 1, ['#'] = 1, ['%'] = 1, ['/'] = 1, ['?'] = 1, [0x7f] = 1,
};
/* clang-format on */

/* Ends the segment that begins at `start`, behind a slash; returns where the next one begins, or
 * NULL when ".." leads above the root. */
static char *end_segment(const char *path, char *start, char *end, bool with_slash) {
    size_t length = (size_t)(end - start);
    if (length == 0 || (length == 1 && start[0] == '.')) return start;
    if (length == 2 && start[0] == '.' && start[1] == '.') {
        if (start == path + 1) return NULL;
        start--;
        while (start[-1] != '/') start--;
        return start;
    }
    if (with_slash) *end++ = '/';
    return end;
}

/* The byte that "%XX" stands for, or minus the status of an error. */
static int unescape(const char *escape, size_t length) {
    if (length < 3) return -400;
    int byte = http_byte_of_hex(escape + 1);
    if (byte <= 0) return -400;
    return byte == '/' ? -404 : byte;
}

int eddy__http_path_decode(char *path, uint32_t *path_length, const char *target, uint32_t length,
                           uint32_t *query) {
    if (length == 1 && target[0] == '*') {
        memcpy(path, "*", 2);
        *path_length = *query = 1;
        return 0;
    }
    path[0] = '/';
    char *segment = path + 1, *out = segment;
    uint32_t i = 0;
    for (; i < length && target[i] != '?'; i++) {
        int byte = (unsigned char)target[i];
        if (special_in_path[byte]) {
            if (byte == '/') {
                segment = out = end_segment(path, segment, out, true);
                if (segment == NULL) return 400;
                continue;
            }
            byte = byte == '%' ? unescape(target + i, length - i) : -400;
            if (byte < 0) return -byte;
            i += 2;
        }
        *out++ = (char)byte;
    }
    out = end_segment(path, segment, out, false);
    if (out == NULL) return 400;
    *out = '\0';
    *path_length = (uint32_t)(out - path);
    *query = i;
    return 0;
}
