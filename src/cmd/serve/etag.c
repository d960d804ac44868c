/* etag.c: see etag.h. */
#include "etag.h"

void etag_put(struct text *text, int64_t size, int64_t modified_s, int64_t modified_ns) {
    text_put_literal(text, "\"");
    text_put_hex(text, (uint64_t)size);
    text_put_literal(text, "-");
    text_put_hex(text, (uint64_t)modified_s);
    text_put_literal(text, ".");
    text_put_hex(text, (uint64_t)modified_ns);
    text_put_literal(text, "\"");
}

bool etag_is_young(int64_t modified_s, int64_t modified_ns, int64_t now_ns) {
    int64_t within_ns = modified_ns != 0 ? ETAG_TICK_NS : ETAG_COARSE_NS;
    int64_t now_s = now_ns / 1000000000;
    if (modified_s < now_s - 3 || modified_s > now_s + 3)
        return false; /* whatever it is, no overflow */
    int64_t age_ns = now_ns - modified_s * 1000000000 - modified_ns;
    return age_ns < within_ns && age_ns > -within_ns;
}

static bool is_tag_byte(unsigned char byte) {
    return byte >= 0x21 && byte != '"' && byte != 0x7f;
}

/* The length of the quoted tag at the start of `bytes`, or 0. */
static size_t quoted_length(const char *bytes, size_t length) {
    if (length == 0 || bytes[0] != '"') return 0;
    size_t i = 1;
    while (i < length && is_tag_byte((unsigned char)bytes[i])) i++;
    return i < length && bytes[i] == '"' ? i + 1 : 0;
}

static size_t skip_blanks(const char *list, size_t length, size_t i) {
    while (i < length && (list[i] == ' ' || list[i] == '\t')) i++;
    return i;
}

bool etag_matches(const char *list, size_t length, const char *tag, size_t tag_length,
                  enum etag_compare compare) {
    if (length == 1 && list[0] == '*') return true;
    bool found = false;
    for (size_t i = 0;; i++) {
        i = skip_blanks(list, length, i);
        if (i == length) return found;
        if (list[i] == ',') continue;
        bool is_weak = length - i > 2 && list[i] == 'W' && list[i + 1] == '/';
        if (is_weak) i += 2;
        size_t quoted = quoted_length(list + i, length - i);
        if (quoted == 0) return false;
        if (!(is_weak && compare == ETAG_STRONG))
            found |= quoted == tag_length && memcmp(list + i, tag, quoted) == 0;
        i = skip_blanks(list, length, i + quoted);
        if (i == length) return found;
        if (list[i] != ',') return false;
    }
}
