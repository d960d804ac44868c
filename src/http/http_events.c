/* http_events.c: streams of events (HTML §9.2, server-sent events). Threading: the loop's. */
#include "http_server.h"

#include <string.h>

enum { HTTP_EVENT_BYTES = HTTP_BLOCK_BYTES };

void eddy__http_heartbeat(eddy_timer *timer) {
    eddy_http_request *request = eddy_container_of(timer, eddy_http_request, heartbeat);
    if (request->is_ended || eddy__http_is_gone(request)) return;
    int64_t silent_ns = eddy_loop_now_ns(request->http->loop) - request->event_ns;
    if (silent_ns >= request->heartbeat_ns) {
        /* Without room nothing is needed: what waits is enough to find a dead connection out. A
         * part of a comment would swallow the event behind it. */
        bool wants_drained = request->wants_drained;
        (void)eddy__http_write_whole(request, ":\n\n", 3);
        request->wants_drained = wants_drained;
        silent_ns = 0;
    }
    (void)eddy_timer_start(timer, eddy__http_heartbeat, request->heartbeat_ns - silent_ns, 0);
}

int eddy_http_start_events(eddy_http_request *request, int64_t heartbeat_ns) {
    if (heartbeat_ns < 0) return -EINVAL;
    uint32_t before = request->fields_used;
    int err = eddy_http_add(request, "Content-Type", "text/event-stream");
    if (err == 0) err = eddy_http_add(request, "Cache-Control", "no-store");
    if (err == 0 && heartbeat_ns > 0)
        err = eddy_timer_start(&request->heartbeat, eddy__http_heartbeat, heartbeat_ns, 0);
    if (err < 0) {
        if (!request->has_begun) request->fields_used = before;
        return err;
    }
    request->heartbeat_ns = heartbeat_ns;
    request->event_ns = eddy_loop_now_ns(request->http->loop);
    return eddy_http_start(request, 200, -1);
}

/* An event as it grows: what does not fit is only counted. */
struct event_text {
    char bytes[HTTP_EVENT_BYTES];
    size_t length;
};

static void put_text(struct event_text *event, const char *bytes, size_t length) {
    if (length > 0 && event->length + length <= sizeof event->bytes)
        memcpy(event->bytes + event->length, bytes, length);
    event->length += length;
}

static void put_line(struct event_text *event, const char *name, const char *bytes, size_t length) {
    put_text(event, name, strlen(name));
    put_text(event, ": ", 2);
    put_text(event, bytes, length);
    put_text(event, "\n", 1);
}

/* A line ends in CR LF, LF or CR, as the reader of the stream has it. */
static void put_data(struct event_text *event, const char *data, size_t size) {
    if (size == 0) data = ""; /* it may be NULL */
    const char *end = data + size;
    for (;;) {
        const char *at = data;
        while (at < end && *at != '\n' && *at != '\r') at++;
        put_line(event, "data", data, (size_t)(at - data));
        if (at == end) return;
        data = at + 1;
        if (*at == '\r' && data < end && *data == '\n') data++;
    }
}

int eddy_http_event(eddy_http_request *request, const char *type, const char *id, const char *data,
                    size_t size) {
    if (type != NULL && strpbrk(type, "\r\n") != NULL) return -EINVAL;
    if (id != NULL && strpbrk(id, "\r\n") != NULL) return -EINVAL;
    if (size > HTTP_EVENT_BYTES) return -EMSGSIZE;
    struct event_text event;
    event.length = 0;
    if (type != NULL) put_line(&event, "event", type, strlen(type));
    if (id != NULL) put_line(&event, "id", id, strlen(id));
    put_data(&event, data, size);
    put_text(&event, "\n", 1);
    if (event.length > sizeof event.bytes) return -EMSGSIZE;
    int err = eddy__http_write_whole(request, event.bytes, event.length);
    if (err == 0) request->event_ns = eddy_loop_now_ns(request->http->loop);
    return err;
}
