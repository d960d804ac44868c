/* http_authority.c: see http_authority.h.
 *
 * At `end` is a byte that belongs to no authority, so that what looks at bytes one by one stops
 * there without asking. */
#include "http_authority.h"

#include "http_bytes.h"

#include <string.h>

static bool authority_is_ipv4(const char *text, const char *end) {
    for (int i = 0; i < 4; i++) {
        if (i > 0 && *text++ != '.') return false;
        const char *start = text;
        int number = 0;
        while (text - start < 3 && http_byte_is_digit(*text))
            number = number * 10 + (*text++ - '0');
        if (text == start || number > 255 || (*start == '0' && text - start > 1)) return false;
    }
    return text == end;
}

static bool authority_is_ipv6(const char *text, const char *end) {
    int groups = 0;
    bool has_gap = text[0] == ':' && text[1] == ':';
    bool is_open = !has_gap; /* a group has to follow */
    if (has_gap) text += 2;
    while (text < end) {
        const char *start = text;
        while (text - start < 4 && http_byte_is(*text, HTTP_BYTE_HEX)) text++;
        is_open = false;
        if (*text == '.') {
            groups += 2;
            if (!authority_is_ipv4(start, end)) return false;
            break;
        }
        if (text == start) return false;
        groups++;
        if (text == end) break;
        if (*text++ != ':') return false;
        is_open = *text != ':';
        if (is_open) continue;
        if (has_gap) return false;
        has_gap = true;
        text++;
    }
    return !is_open && (has_gap ? groups <= 7 : groups == 8);
}

static bool authority_is_ip_future(const char *text, const char *end) {
    if ((*text++ | 0x20) != 'v') return false;
    const char *version = text;
    text = http_skip(text, HTTP_BYTE_HEX);
    if (text == version || *text++ != '.' || text == end) return false;
    while (http_byte_is(*text, HTTP_BYTE_LABEL) || *text == '.' || *text == ':') text++;
    return text == end;
}

/* Where the host at `text` ends; NULL if it is none. A dot ends a label, so that there is none
 * before the first, nor are there two together. */
static const char *authority_host_end(const char *text, const char *end) {
    if (*text == '[') {
        const char *close = memchr(text, ']', (size_t)(end - text));
        if (close == NULL) return NULL;
        text++;
        return authority_is_ipv6(text, close) || authority_is_ip_future(text, close) ? close + 1
                                                                                     : NULL;
    }
    for (;;) {
        const char *label = text;
        while (*(text = http_skip(text, HTTP_BYTE_LABEL)) == '%') {
            if (!http_byte_is(text[1], HTTP_BYTE_HEX) || !http_byte_is(text[2], HTTP_BYTE_HEX))
                return NULL;
            text += 3;
        }
        if (*text != '.') return text;
        if (text++ == label) return NULL;
    }
}

const char *eddy__http_authority_end(const char *text, const char *end) {
    const char *host_end = authority_host_end(text, end);
    if (host_end == NULL || host_end == text) return NULL;
    if (*host_end != ':') return host_end;
    const char *port = host_end + 1;
    while (*port == '0') port++;
    const char *port_end = port;
    while (http_byte_is_digit(*port_end)) port_end++;
    bool fits = port_end - port < 5 || (port_end - port == 5 && memcmp(port, "65535", 5) <= 0);
    return fits ? port_end : NULL;
}
