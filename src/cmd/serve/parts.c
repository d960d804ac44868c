/* parts.c: see parts.h. A part is given to the answer when the one before it is with the kernel. */
#include "parts.h"

#include <string.h>

#include "multipart.h"
#include "system.h"

struct parts {
    struct multipart multipart;
    struct ranges ranges;
    unsigned next; /* whose head is being given; after the last one it is the end */
    bool has_head; /* it has been given, and the file's bytes come */
    char head[MULTIPART_PART_BYTES];
    size_t head_length, head_given;
};

static void make_head(struct parts *parts) {
    struct text text = {parts->head, sizeof parts->head, 0};
    if (parts->next < parts->ranges.count)
        multipart_put_part(&text, &parts->multipart, &parts->ranges.list[parts->next]);
    else
        multipart_put_end(&text, &parts->multipart);
    parts->head_length = text.length;
    parts->head_given = 0;
}

/* False: it has to wait for room, or nobody wants it any more. */
static bool give_head(struct exchange *exchange) {
    struct parts *parts = exchange->parts;
    ssize_t given = eddy_http_write(exchange->request, parts->head + parts->head_given,
                                    parts->head_length - parts->head_given);
    if (given == -EPIPE) eddy_http_abort(exchange->request);
    if (given < 0) return false;
    parts->head_given += (size_t)given;
    return parts->head_given == parts->head_length;
}

static void go_on(eddy_http_request *request, void *context) {
    struct exchange *exchange = context;
    struct parts *parts = exchange->parts;
    while (parts->head_given < parts->head_length || !parts->has_head) {
        if (!give_head(exchange)) return;
        if (parts->next == parts->ranges.count) {
            (void)eddy_http_end(request);
            return;
        }
        parts->has_head = true;
    }
    const struct range *range = &parts->ranges.list[parts->next];
    int err = eddy_http_write_file(request, exchange->opened.fd, range->first,
                                   range->last - range->first + 1);
    if (err == -EAGAIN) return;
    if (err < 0) {
        eddy_http_abort(request);
        return;
    }
    parts->next++;
    parts->has_head = false;
    make_head(parts);
}

int parts_answer(struct exchange *exchange, const char *type, const struct ranges *ranges,
                 uint64_t boundary) {
    char bytes[MULTIPART_TYPE_BYTES];
    eddy_http_request *request = exchange->request;
    struct parts *parts = system_resize(NULL, sizeof *parts);
    if (parts == NULL) return -ENOMEM;
    exchange->parts = parts;
    parts->ranges = *ranges;
    parts->next = 0;
    parts->has_head = false;
    parts->multipart = (struct multipart){type, exchange->opened.stat.size, boundary};
    struct text text = {bytes, sizeof bytes, 0};
    multipart_put_type(&text, &parts->multipart);
    make_head(parts);
    (void)eddy_http_add(request, "Content-Type", bytes);
    eddy_http_on_drained(request, go_on, exchange);
    if (eddy_http_start(request, 206, multipart_bytes(&parts->multipart, ranges)) < 0)
        eddy_http_abort(request);
    else
        go_on(request, exchange);
    return 0;
}
