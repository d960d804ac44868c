/* tcp.c: connecting, socket options, the addresses of both ends.
 * Invariant: while a stream connects, its write deadline is the deadline of connecting: nothing
 * can be written yet. Threading: loop thread only. */
#include "net.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

/* Of keepalive, as libuv has them: a dead peer is told ten seconds after the first probe, where the
 * system's own numbers would take eleven minutes. */
enum { TCP_PROBE_INTERVAL_S = 1, TCP_PROBES = 10 };

/* Errors of the caller's making, which no other address would cure. */
static bool tcp_is_misuse(int error) {
    return error == -EINVAL || error == -EAFNOSUPPORT;
}

/* The watcher is started after connect(): an unconnected socket would report EDDY_WRITE and
 * EDDY_HANGUP at once. What connect() says at once is told by phase 7. */
static int tcp_connect_socket(eddy_stream *stream, int fd, const struct sockaddr *address,
                              socklen_t length, int64_t due_ns) {
    int verdict = eddy_os_connect(fd, address, length);
    if (verdict < 0 && tcp_is_misuse(verdict)) return verdict;
    bool under_way = verdict == -EINPROGRESS;
    int err = eddy__stream_arm(stream, due_ns);
    if (err < 0) return err;
    err = eddy_io_start(&stream->io, eddy__stream_ready, fd, under_way ? EDDY_WRITE : 0);
    if (err < 0) {
        eddy_timer_stop(&stream->timer);
        return err;
    }
    eddy__stream_begin(stream, STREAM_CONNECTING);
    stream->write_due_ns = due_ns;
    if (!under_way) {
        stream->error = (int16_t)verdict;
        eddy__stream_flush_later(stream);
    }
    return 0;
}

int eddy_tcp_connect(eddy_stream *stream, const struct sockaddr *address, socklen_t length,
                     int64_t timeout_ns, eddy_connect_fn *fn) {
    EDDY_ASSERT(fn != NULL);
    EDDY_ASSERT(handle_is_initialised(&stream->io.handle));
    if ((stream->state & STREAM_CLOSING) || timeout_ns < 0) return -EINVAL;
    if (stream->state & STREAM_CONNECTED) return -EISCONN;
    if (stream->state & STREAM_CONNECTING) return -EALREADY;
    int err = net_join(stream_loop(stream));
    if (err < 0) return err;
    int fd = eddy_os_socket(address->sa_family, SOCK_STREAM, 0);
    if (fd < 0) return fd;
    int64_t due_ns = timeout_ns > 0 ? due_after_ns(stream_loop(stream), timeout_ns) : NEVER_NS;
    err = tcp_connect_socket(stream, fd, address, length, due_ns);
    if (err < 0) {
        eddy_os_close(fd);
        return err;
    }
    stream->connect_fn = fn;
    return 0;
}

void eddy__connect_end(eddy_stream *stream, int verdict) {
    eddy_connect_fn *fn = stream->connect_fn;
    if (verdict == 0) {
        eddy__stream_begin(stream, STREAM_CONNECTED | STREAM_WRITABLE);
        eddy__stream_update_interest(stream);
    } else {
        eddy__stream_close_socket(stream, verdict);
        eddy_timer_stop(&stream->timer);
        link_remove(&stream->flush);
        eddy__stream_begin(stream, 0);
    }
    CALLBACK(stream_loop(stream), stream, fn(stream, verdict));
}

/* Readiness is a hint. SO_ERROR is given out once, so the answer must be used; and it is 0
 * also while connecting is still under way, which only the peer's address tells apart. */
static int tcp_verdict(const eddy_stream *stream) {
    int fd = eddy_io_fd(&stream->io);
    int error = 0;
    int err = eddy_os_socket_error(fd, &error);
    if (err < 0) return err;
    if (error != 0) return error;
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    err = eddy_os_peer_address(fd, (struct sockaddr *)&peer, &length);
    return err == -ENOTCONN ? -EINPROGRESS : err;
}

void eddy__connect_ready(eddy_stream *stream) {
    int verdict = tcp_verdict(stream);
    if (verdict != -EINPROGRESS) eddy__connect_end(stream, verdict);
}

/* A loop that was busy past the deadline still looks whether it has succeeded by now. */
void eddy__connect_late(eddy_stream *stream) {
    int verdict = link_is_empty(&stream->flush) ? tcp_verdict(stream) : stream->error;
    eddy__connect_end(stream, verdict != -EINPROGRESS ? verdict : -ETIMEDOUT);
}

/* --- Options and addresses --- */

int eddy_tcp_set_nodelay(eddy_stream *stream, bool on) {
    int fd = eddy_stream_fd(stream);
    return fd < 0 ? -ENOTCONN : eddy_os_set_option(fd, IPPROTO_TCP, TCP_NODELAY, on);
}

int eddy_tcp_set_keepalive(eddy_stream *stream, unsigned idle_s, unsigned interval_s,
                           unsigned count) {
    int fd = eddy_stream_fd(stream);
    if (fd < 0) return -ENOTCONN;
    if (interval_s == 0) interval_s = TCP_PROBE_INTERVAL_S;
    if (count == 0) count = TCP_PROBES;
    return eddy_os_set_keepalive(fd, idle_s, interval_s, count);
}

int eddy_tcp_local_address(const eddy_stream *stream, struct sockaddr *address, socklen_t *length) {
    int fd = eddy_stream_fd(stream);
    return fd < 0 ? -ENOTCONN : eddy_os_local_address(fd, address, length);
}

int eddy_tcp_peer_address(const eddy_stream *stream, struct sockaddr *address, socklen_t *length) {
    int fd = eddy_stream_fd(stream);
    return fd < 0 ? -ENOTCONN : eddy_os_peer_address(fd, address, length);
}
