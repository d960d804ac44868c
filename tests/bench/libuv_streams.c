/* libuv_streams.c: libuv's streams: messages that are written by request, which is its usual way,
 * and by trying at once, and short connections. */
#include "peer_libuv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- Streams --- */

struct reply {
    uv_write_t write;
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

static void lend(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    static char data[64 * 1024];
    (void)handle, (void)size;
    *buffer = uv_buf_init(data, sizeof data);
}

static void on_sent(uv_write_t *write, int status) {
    struct reply *reply = eddy_container_of(write, struct reply, write);
    size_t size = reply->size;
    peers_block_give(reply);
    if (status < 0) peers_fail(status);
    peers_echoed(size);
}

static void on_data(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
    if (size == 0) return;
    bool is_right = size > 0 && (size_t)size <= peers_reply_bytes;
    struct reply *reply = is_right ? take_reply(buffer->base, (size_t)size) : NULL;
    if (reply == NULL) {
        peers_fail(-EPIPE);
        return;
    }
    uv_buf_t data = uv_buf_init(reply->data, (unsigned)size);
    int err = uv_write(&reply->write, stream, &data, 1, on_sent);
    if (err < 0) peers_fail(err);
}

static void on_data_try(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
    if (size == 0) return;
    uv_buf_t data = uv_buf_init(buffer->base, size < 0 ? 0 : (unsigned)size);
    if (size < 0 || uv_try_write(stream, &data, 1) != size)
        peers_fail(-EPIPE);
    else
        peers_echoed((size_t)size);
}

static int serve_with(uv_read_cb fn, const int *fds, unsigned count) {
    uv_tcp_t *streams = malloc(count * sizeof *streams);
    if (streams == NULL) return -ENOMEM;
    int err = 0;
    for (unsigned i = 0; i < count && err == 0; i++) {
        err = uv_tcp_init(peers_libuv_loop(), &streams[i]);
        if (err == 0) err = uv_tcp_open(&streams[i], fds[i]);
        if (err == 0) err = uv_read_start((uv_stream_t *)&streams[i], lend, fn);
    }
    return err;
}

static int serve_local_with(uv_read_cb fn, const int *fds, unsigned count) {
    uv_pipe_t *streams = malloc(count * sizeof *streams);
    if (streams == NULL) return -ENOMEM;
    int err = 0;
    for (unsigned i = 0; i < count && err == 0; i++) {
        err = uv_pipe_init(peers_libuv_loop(), &streams[i], 0);
        if (err == 0) err = uv_pipe_open(&streams[i], fds[i]);
        if (err == 0) err = uv_read_start((uv_stream_t *)&streams[i], lend, fn);
    }
    return err;
}

int peers_libuv_serve(const int *fds, unsigned count, unsigned active) {
    (void)active;
    return serve_with(on_data, fds, count);
}

int peers_libuv_serve_local(const int *fds, unsigned count, unsigned active) {
    (void)active;
    return serve_local_with(on_data, fds, count);
}

int peers_libuv_serve_local_try(const int *fds, unsigned count, unsigned active) {
    (void)active;
    return serve_local_with(on_data_try, fds, count);
}

int peers_libuv_serve_try(const int *fds, unsigned count, unsigned active) {
    (void)active;
    return serve_with(on_data_try, fds, count);
}

/* --- Short connections --- */

static uv_tcp_t *visitors;
static unsigned *free_visitors, free_count;

static void on_visitor_closed(uv_handle_t *handle) {
    free_visitors[free_count++] = (unsigned)((uv_tcp_t *)handle - visitors);
    peers_visited();
}

static void on_byte(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
    if (size == 0) return;
    uv_buf_t byte = uv_buf_init(buffer->base, 1);
    if (size != 1 || uv_try_write(stream, &byte, 1) != 1)
        uv_close((uv_handle_t *)stream, on_visitor_closed);
}

static void on_visitor(uv_stream_t *listener, int status) {
    if (status < 0 || free_count == 0) {
        peers_fail(status < 0 ? status : -ENOBUFS);
        return;
    }
    uv_tcp_t *visitor = &visitors[free_visitors[--free_count]];
    int err = uv_tcp_init(peers_libuv_loop(), visitor);
    if (err == 0) err = uv_accept(listener, (uv_stream_t *)visitor);
    if (err == 0) err = uv_read_start((uv_stream_t *)visitor, lend, on_byte);
    if (err < 0) peers_fail(err);
}

/* There are more than are active: one's next connection may come before the end of its last one. */
int peers_libuv_receive_visits(int fd, unsigned active) {
    static uv_tcp_t listener;
    unsigned count = 2 * active + 1024;
    visitors = malloc(count * sizeof *visitors);
    free_visitors = malloc(count * sizeof *free_visitors);
    if (visitors == NULL || free_visitors == NULL) return -ENOMEM;
    for (; free_count < count; free_count++) free_visitors[free_count] = free_count;
    int err = uv_tcp_init(peers_libuv_loop(), &listener);
    if (err == 0) err = uv_tcp_open(&listener, fd);
    return err < 0 ? err : uv_listen((uv_stream_t *)&listener, (int)(2 * active), on_visitor);
}
