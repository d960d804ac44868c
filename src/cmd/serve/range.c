/* range.c: see range.h. */
#include "range.h"

#include <string.h>

struct cursor {
    const char *at, *end;
};

static void skip_blanks(struct cursor *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t')) in->at++;
}

/* Digits, or -1 when there are none. More than fits becomes INT64_MAX, which lies behind the end of
 * every file. */
static int64_t take_number(struct cursor *in) {
    const char *start = in->at;
    int64_t number = 0;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
        int digit = *in->at - '0';
        number = number > (INT64_MAX - digit) / 10 ? INT64_MAX : number * 10 + digit;
    }
    return in->at == start ? -1 : number;
}

enum outcome { IGNORED, OUTSIDE, INSIDE };

/* "first-last", "first-" or "-suffix". */
static enum outcome take_range(struct cursor *in, int64_t size, struct range *range) {
    int64_t first = take_number(in);
    if (in->at == in->end || *in->at != '-') return IGNORED;
    in->at++;
    int64_t last = take_number(in);
    if (first < 0) {
        if (last < 0) return IGNORED;
        if (last == 0) return OUTSIDE;
        /* The last bytes of nothing are nothing, which no Content-Range can say. */
        if (size == 0) return IGNORED;
        *range = (struct range){last < size ? size - last : 0, size - 1};
        return INSIDE;
    }
    if (last >= 0 && last < first) return IGNORED;
    if (first >= size) return OUTSIDE;
    *range = (struct range){first, last < 0 || last >= size ? size - 1 : last};
    return INSIDE;
}

static int take_ranges(struct ranges *ranges, struct cursor *in, int64_t size) {
    int64_t left = size; /* of the bytes that ranges may ask for together */
    bool any = false;
    for (;;) {
        skip_blanks(in);
        if (in->at == in->end) break;
        if (*in->at != ',') {
            struct range range;
            enum outcome outcome = take_range(in, size, &range);
            if (outcome == IGNORED) return 200;
            any = true;
            if (outcome == INSIDE) {
                left -= range.last - range.first + 1;
                if (ranges->count == RANGES_MAX || left < 0) return 200;
                ranges->list[ranges->count++] = range;
            }
            skip_blanks(in);
            if (in->at == in->end) break;
            if (*in->at != ',') return 200;
        }
        in->at++;
    }
    if (!any) return 200;
    return ranges->count > 0 ? 206 : 416;
}

int range_parse(struct ranges *ranges, const char *value, size_t length, int64_t size) {
    ranges->count = 0;
    if (length < 6 || value[5] != '=') return 200;
    for (size_t i = 0; i < 5; i++)
        if ((value[i] | 0x20) != "bytes"[i]) return 200;
    struct cursor in = {value + 6, value + length};
    int status = take_ranges(ranges, &in, size);
    if (status != 206) ranges->count = 0;
    return status;
}

void range_put(struct text *text, const struct range *range, int64_t size) {
    text_put_literal(text, "bytes ");
    if (range != NULL) {
        text_put_number(text, (uint64_t)range->first);
        text_put_literal(text, "-");
        text_put_number(text, (uint64_t)range->last);
    } else {
        text_put_literal(text, "*");
    }
    text_put_literal(text, "/");
    text_put_number(text, (uint64_t)size);
}
