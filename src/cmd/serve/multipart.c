/* multipart.c: see multipart.h. */
#include "multipart.h"

static void put_boundary(struct text *text, const struct multipart *multipart) {
    text_put_literal(text, "eddy-");
    text_put_hex(text, multipart->boundary);
}

void multipart_put_type(struct text *text, const struct multipart *multipart) {
    text_put_literal(text, "multipart/byteranges; boundary=");
    put_boundary(text, multipart);
    text_put(text, "", 1);
}

void multipart_put_part(struct text *text, const struct multipart *multipart,
                        const struct range *range) {
    text_put_literal(text, "\r\n--");
    put_boundary(text, multipart);
    text_put_literal(text, "\r\nContent-Type: ");
    text_put_string(text, multipart->type);
    text_put_literal(text, "\r\nContent-Range: ");
    range_put(text, range, multipart->size);
    text_put_literal(text, "\r\n\r\n");
}

void multipart_put_end(struct text *text, const struct multipart *multipart) {
    text_put_literal(text, "\r\n--");
    put_boundary(text, multipart);
    text_put_literal(text, "--\r\n");
}

int64_t multipart_bytes(const struct multipart *multipart, const struct ranges *ranges) {
    /* The ranges together are no longer than the file, so this sum cannot overflow. */
    struct text count = {0};
    int64_t content = 0;
    for (unsigned i = 0; i < ranges->count; i++) {
        multipart_put_part(&count, multipart, &ranges->list[i]);
        content += ranges->list[i].last - ranges->list[i].first + 1;
    }
    multipart_put_end(&count, multipart);
    return content + (int64_t)count.length;
}
