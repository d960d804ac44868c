/* http_multipart.c: see http_multipart.h. */
#include "http_multipart.h"

static void put_boundary(struct http_text *text, const struct http_multipart *multipart) {
    http_text_put_literal(text, "eddy-");
    http_text_put_hex(text, multipart->boundary);
}

void http_multipart_put_type(struct http_text *text, const struct http_multipart *multipart) {
    http_text_put_literal(text, "multipart/byteranges; boundary=");
    put_boundary(text, multipart);
    http_text_put(text, "", 1);
}

void http_multipart_put_part(struct http_text *text, const struct http_multipart *multipart,
                             const struct http_range *range) {
    http_text_put_literal(text, "\r\n--");
    put_boundary(text, multipart);
    http_text_put_literal(text, "\r\nContent-Type: ");
    http_text_put_string(text, multipart->type);
    http_text_put_literal(text, "\r\nContent-Range: ");
    http_range_put(text, range, multipart->size);
    http_text_put_literal(text, "\r\n\r\n");
}

void http_multipart_put_end(struct http_text *text, const struct http_multipart *multipart) {
    http_text_put_literal(text, "\r\n--");
    put_boundary(text, multipart);
    http_text_put_literal(text, "--\r\n");
}

int64_t http_multipart_bytes(const struct http_multipart *multipart,
                             const struct http_ranges *ranges) {
    /* The ranges together are no longer than the file, so this sum cannot overflow. */
    struct http_text count = {0};
    int64_t content = 0;
    for (unsigned i = 0; i < ranges->count; i++) {
        http_multipart_put_part(&count, multipart, &ranges->list[i]);
        content += ranges->list[i].last - ranges->list[i].first + 1;
    }
    http_multipart_put_end(&count, multipart);
    return content + (int64_t)count.length;
}
