/* http_path.c: see http_path.h. */
#include "http_path.h"

/* Bytes that mean something in a target or may not be there; all others stand for themselves. */
/* clang-format off */
static const bool special[256] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    [' '] = 1, ['#'] = 1, ['%'] = 1, ['/'] = 1, ['?'] = 1, [0x7f] = 1,
};
/* clang-format on */

/* Ends the segment that begins at `start`; returns where the next one begins, or NULL when ".."
 * leads above the root. What is written before `start` is whole segments with a slash each. */
static char *end_segment(struct http_path *path, char *start, char *end) {
    size_t length = (size_t)(end - start);
    path->has_slash = true;
    if (length == 0 || (length == 1 && start[0] == '.')) return start;
    if (length == 2 && start[0] == '.' && start[1] == '.') {
        if (start == path->text) return NULL;
        start--;
        while (start > path->text && start[-1] != '/') start--;
        return start;
    }
    path->has_slash = false;
    *end++ = '/';
    return end;
}

static int hex_of(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* The byte that "%XX" stands for, or minus the status of an error. */
static int unescape(const char *escape, size_t length) {
    if (length < 3) return -400;
    int high = hex_of(escape[1]), low = hex_of(escape[2]);
    if (high < 0 || low < 0) return -400;
    int byte = high << 4 | low;
    if (byte == 0) return -400;
    return byte == '/' ? -404 : byte;
}

int http_path_decode(struct http_path *path, const char *target, size_t length) {
    char *segment = path->text, *out = path->text;
    const char *limit = path->text + HTTP_PATH_MAX; /* leaves a byte for a last slash */
    size_t i = 0;
    for (; i < length; i++) {
        int byte = (unsigned char)target[i];
        if (special[byte]) {
            if (byte == '?') break;
            if (byte == '/') {
                segment = out = end_segment(path, segment, out);
                if (segment == NULL) return 400;
                continue;
            }
            byte = byte == '%' ? unescape(target + i, length - i) : -400;
            if (byte < 0) return -byte;
            i += 2;
        }
        if (out >= limit) return 414;
        *out++ = (char)byte;
    }
    out = end_segment(path, segment, out);
    if (out == NULL) return 400;
    if (out > path->text) out--; /* the last slash */
    *out = '\0';
    path->length = (uint32_t)(out - path->text);
    path->query_offset = (uint32_t)i;
    path->query_length = (uint32_t)(length - i);
    return 0;
}

void http_path_put_location(struct http_text *text, const struct http_path *path,
                            const char *target) {
    http_text_put_literal(text, "/");
    http_text_put_url(text, path->text, path->length);
    if (path->length > 0) http_text_put_literal(text, "/");
    http_text_put(text, target + path->query_offset, path->query_length);
}
