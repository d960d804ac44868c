/* connect.c: connecting a stream, whatever its socket is.
 * Invariants: while a stream connects, its write deadline is the deadline of connecting: nothing
 * can be written yet. With STREAM_CONNECT_AGAIN nothing is under way in the kernel: the timer tries
 * again, with the address in `read_data`. Threading: loop thread only. */
#include "net.h"

#include "../core/room.h"

#include <string.h>
#include <sys/un.h>

/* Errors of the caller's making, which no other address would cure; the last two are of a socket
 * that the caller gave. */
static bool connect_is_misuse(int error) {
    return error == -EINVAL || error == -EAFNOSUPPORT || error == -EISCONN || error == -EALREADY;
}

/* --- A local socket whose backlog is full --- */

struct connect_target {
    socklen_t length;
    struct sockaddr_un address;
};
ROOM_FITS(sizeof(struct connect_target), EDDY_PENDING_BYTES);

static int connect_try_later(eddy_stream *stream, const struct sockaddr *address,
                             socklen_t length) {
    eddy_loop *loop = stream_loop(stream);
    struct connect_target *target = eddy__resize(loop, NULL, 0, sizeof *target);
    if (target == NULL) return -ENOMEM;
    int err = eddy__stream_arm(stream, due_after_ns(loop, AGAIN_NS));
    if (err < 0) {
        eddy__resize(loop, target, sizeof *target, 0);
        return err;
    }
    target->length = length;
    memcpy(&target->address, address, length);
    stream->read_data = target;
    stream->state |= STREAM_CONNECT_AGAIN;
    return 0;
}

void eddy__connect_forget(eddy_stream *stream) {
    if (!(stream->state & STREAM_CONNECT_AGAIN)) return;
    eddy__resize(stream_loop(stream), stream->read_data, sizeof(struct connect_target), 0);
    stream->read_data = NULL;
    stream->state &= (uint16_t)~STREAM_CONNECT_AGAIN;
}

static int connect_try(const eddy_stream *stream) {
    const struct connect_target *target = stream->read_data;
    return eddy_os_connect(eddy_io_fd(&stream->io), (const struct sockaddr *)&target->address,
                           target->length);
}

/* The timer is armed again by who calls: nothing has changed. */
void eddy__connect_again(eddy_stream *stream) {
    int verdict = connect_try(stream);
    if (verdict == -EAGAIN) return;
    if (verdict != -EINPROGRESS) {
        eddy__connect_end(stream, verdict);
        return;
    }
    eddy__connect_forget(stream);
    eddy__stream_update_interest(stream);
}

/* --- The start --- */

/* The watcher is started after connect(): an unconnected socket would report EDDY_WRITE and
 * EDDY_HANGUP at once. What connect() says at once is told by phase 7. */
static int connect_socket(eddy_stream *stream, int fd, bool records, const struct sockaddr *address,
                          socklen_t length, int64_t due_ns) {
    int verdict = eddy_os_connect(fd, address, length);
    if (verdict < 0 && connect_is_misuse(verdict)) return verdict;
    bool under_way = verdict == -EINPROGRESS;
    int err = eddy__stream_arm(stream, due_ns);
    if (err < 0) return err;
    if (verdict == -EAGAIN && address->sa_family == AF_UNIX && length <= sizeof(struct sockaddr_un))
        err = connect_try_later(stream, address, length);
    if (err == 0) err = eddy__stream_watch(stream, fd, records, under_way ? EDDY_WRITE : 0);
    if (err < 0) {
        eddy__connect_forget(stream);
        eddy_timer_stop(&stream->timer);
        return err;
    }
    unsigned again = stream->state & STREAM_CONNECT_AGAIN;
    eddy__stream_begin(stream, STREAM_CONNECTING | again | (records ? STREAM_RECORDS : 0));
    stream->write_due_ns = due_ns;
    if (!under_way && !again) {
        stream->error = (int16_t)verdict;
        eddy__stream_flush_later(stream);
    }
    return 0;
}

static int connect_check(const eddy_stream *stream, int64_t timeout_ns, eddy_connect_fn *fn) {
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&stream->io.handle));
    if ((stream->state & STREAM_CLOSING) || timeout_ns < 0) return -EINVAL;
    if (stream->state & STREAM_CONNECTED) return -EISCONN;
    return stream->state & STREAM_CONNECTING ? -EALREADY : 0;
}

static int64_t connect_due_ns(const eddy_stream *stream, int64_t timeout_ns) {
    return timeout_ns > 0 ? due_after_ns(stream_loop(stream), timeout_ns) : NEVER_NS;
}

int eddy__connect_start(eddy_stream *stream, bool is_local, int type,
                        const struct sockaddr *address, socklen_t length, int64_t timeout_ns,
                        eddy_connect_fn *fn) {
    int err = connect_check(stream, timeout_ns, fn);
    if (err < 0) return err;
    if (!net_is_of(address->sa_family, is_local)) return -EAFNOSUPPORT;
    err = net_join(stream_loop(stream));
    if (err < 0) return err;
    int fd = eddy_os_socket(address->sa_family, type, 0);
    if (fd < 0) return fd;
    err = connect_socket(stream, fd, type == SOCK_SEQPACKET, address, length,
                         connect_due_ns(stream, timeout_ns));
    if (err < 0) {
        eddy_os_close(fd);
        return err;
    }
    stream->connect_fn = fn;
    return 0;
}

/* The type of a socket of that family which a stream can go over. */
static int connect_type_of(int fd, int family) {
    struct sockaddr_storage own = {0};
    socklen_t length = sizeof own;
    int err = eddy_os_local_address(fd, (struct sockaddr *)&own, &length);
    if (err < 0) return err;
    bool is_local = own.ss_family == AF_UNIX;
    if (own.ss_family != family || !net_is_of(family, is_local)) return -EAFNOSUPPORT;
    int type = eddy_os_socket_type(fd);
    bool fits = type < 0 || type == SOCK_STREAM || (is_local && type == SOCK_SEQPACKET);
    return fits ? type : -EPROTOTYPE;
}

int eddy_stream_connect(eddy_stream *stream, int fd, const struct sockaddr *address,
                        socklen_t length, int64_t timeout_ns, eddy_connect_fn *fn) {
    int err = connect_check(stream, timeout_ns, fn);
    if (err < 0) return err;
    if (length > sizeof(struct sockaddr_storage)) return -EINVAL;
    if (eddy__stream_has_owner(stream_loop(stream), fd)) return -EBUSY;
    int type = connect_type_of(fd, address->sa_family);
    if (type < 0) return type;
    err = net_join(stream_loop(stream));
    if (err == 0) err = eddy_os_prepare_socket(fd);
    if (err == 0)
        err = connect_socket(stream, fd, type == SOCK_SEQPACKET, address, length,
                             connect_due_ns(stream, timeout_ns));
    if (err == 0) stream->connect_fn = fn;
    return err;
}

/* --- The end --- */

void eddy__connect_end(eddy_stream *stream, int verdict) {
    eddy_connect_fn *fn = stream->connect_fn;
    eddy__connect_forget(stream);
    if (verdict == 0) {
        eddy__stream_begin(stream,
                           STREAM_CONNECTED | STREAM_WRITABLE | (stream->state & STREAM_RECORDS));
        eddy__stream_update_interest(stream);
    } else {
        eddy__stream_close_socket(stream, verdict);
        eddy_timer_stop(&stream->timer);
        link_remove(&stream->flush);
        eddy__stream_begin(stream, 0);
    }
    CALLBACK(stream_loop(stream), EDDY_KIND_CONNECT, stream, fn, stream, verdict);
}

/* Readiness is a hint. SO_ERROR is given out once, so the answer must be used; and it is 0
 * also while connecting is still under way, which only the peer's address tells apart. */
static int connect_verdict(const eddy_stream *stream) {
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
    int verdict = connect_verdict(stream);
    if (verdict != -EINPROGRESS) eddy__connect_end(stream, verdict);
}

static int connect_last_verdict(const eddy_stream *stream) {
    if (!link_is_empty(&stream->flush)) return stream->error;
    return stream->state & STREAM_CONNECT_AGAIN ? connect_try(stream) : connect_verdict(stream);
}

/* A loop that was busy past the deadline still looks whether it has succeeded by now. */
void eddy__connect_late(eddy_stream *stream) {
    int verdict = connect_last_verdict(stream);
    bool goes_on = verdict == -EINPROGRESS || verdict == -EAGAIN;
    eddy__connect_end(stream, goes_on ? -ETIMEDOUT : verdict);
}
