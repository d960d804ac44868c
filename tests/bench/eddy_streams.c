/* eddy_streams.c: eddy's streams: messages that are written by request and without one, and short
 * connections. */
#include "peer_eddy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- Streams --- */

struct reply {
    eddy_write write;
    size_t size;
    char data[];
};

/* What was read is lent, and a request wants it until it is sent: so it is copied. */
static struct reply *take_reply(const void *data, size_t size) {
    struct reply *reply = peers_block_take(sizeof *reply + peers_reply_bytes);
    if (reply == NULL) return NULL;
    reply->size = size;
    memcpy(reply->data, data, size);
    return reply;
}

static void on_sent(eddy_write *write, int status) {
    struct reply *reply = eddy_container_of(write, struct reply, write);
    size_t size = reply->size;
    peers_block_give(reply);
    if (status < 0) peers_fail(status);
    peers_echoed(size);
}

/* What is worth a system call of its own while it is in the cache (eddy/stream.h). */
enum { FLUSHED_BYTES = 64 << 10 };

static void on_data(eddy_stream *stream, void *data, ssize_t size) {
    bool is_right = size > 0 && (size_t)size <= peers_reply_bytes;
    struct reply *reply = is_right ? take_reply(data, (size_t)size) : NULL;
    if (reply == NULL) {
        peers_fail(-EPIPE);
        return;
    }
    int err = eddy_stream_write(stream, &reply->write, reply->data, reply->size, on_sent);
    if (err < 0) peers_fail(err);
    if (reply->size >= FLUSHED_BYTES) (void)eddy_stream_flush(stream); /* `on_sent` hears of it */
}

/* Without a request: what cannot be written at once is an error here. */
static void on_data_try(eddy_stream *stream, void *data, ssize_t size) {
    struct iovec vector = {data, size < 0 ? 0 : (size_t)size};
    if (size <= 0 || eddy_stream_try_write(stream, &vector, 1) != size)
        peers_fail(-EPIPE);
    else
        peers_echoed((size_t)size);
}

static int serve_with(eddy_read_fn *fn, const int *fds, unsigned count) {
    eddy_stream *streams = malloc(count * sizeof *streams);
    int err = streams == NULL ? -ENOMEM : 0;
    for (unsigned i = 0; i < count && err == 0; i++) {
        eddy_stream_init(&streams[i], peers_eddy_loop());
        err = eddy_stream_attach(&streams[i], fds[i]);
        if (err == 0) err = eddy_stream_read_start(&streams[i], fn);
    }
    return err;
}

int peers_eddy_serve(const int *fds, unsigned count, unsigned active) {
    (void)active;
    return serve_with(on_data, fds, count);
}

int peers_eddy_serve_try(const int *fds, unsigned count, unsigned active) {
    (void)active;
    return serve_with(on_data_try, fds, count);
}

/* --- Short connections --- */

static struct visitor {
    eddy_stream stream;
    struct visitor *next;
} * free_visitor;

static void on_visitor_closed(eddy_stream *stream) {
    struct visitor *visitor = eddy_container_of(stream, struct visitor, stream);
    visitor->next = free_visitor;
    free_visitor = visitor;
    peers_visited();
}

static void on_byte(eddy_stream *stream, void *data, ssize_t size) {
    struct iovec vector = {data, 1};
    if (size != 1 || eddy_stream_try_write(stream, &vector, 1) != 1)
        (void)eddy_stream_close(stream, on_visitor_closed);
}

static void on_visitor(eddy_listener *listener, int fd, const struct sockaddr *from) {
    struct visitor *visitor = free_visitor;
    (void)listener, (void)from;
    if (fd < 0 || visitor == NULL) {
        peers_fail(fd < 0 ? fd : -ENOBUFS);
        return;
    }
    free_visitor = visitor->next;
    eddy_stream_init(&visitor->stream, peers_eddy_loop());
    int err = eddy_stream_attach(&visitor->stream, fd);
    if (err == 0) err = eddy_stream_read_start(&visitor->stream, on_byte);
    if (err < 0) peers_fail(err);
}

/* There are more than are active: one's next connection may come before the end of its last one. */
int peers_eddy_receive_visits(int fd, unsigned active) {
    static eddy_listener listener;
    unsigned count = 2 * active + 1024;
    struct visitor *visitors = malloc(count * sizeof *visitors);
    if (visitors == NULL) return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        visitors[i].next = free_visitor;
        free_visitor = &visitors[i];
    }
    eddy_listener_init(&listener, peers_eddy_loop());
    return eddy_listener_attach(&listener, fd, on_visitor);
}
