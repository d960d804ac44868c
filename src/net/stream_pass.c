/* stream_pass.c: descriptors that go with the bytes of a local socket.
 *
 * A write that carries some is known by its callback, so that other writes need not say that they
 * do not; STREAM_PASSES says that there may be one in the queue, or that descriptors are received.
 * Whoever receives them has a watcher's callback of its own.
 *
 * Invariants: the duplicates of a request are open until they have been sent or its callback is
 * called. What was received is the stream's that is being told, and nobody's outside of its
 * callback. Threading: loop thread only. */
#include "net.h"

#include "../core/room.h"

#include <eddy/pass.h>

_Static_assert((int)EDDY_PASS_MAX == (int)EDDY_OS_PASSED_MAX, "a call sends all of a write's");

/* Each of them may bring hundreds of descriptors. */
enum { PASSES_PER_TURN = 16 };

/* Allocated when the first stream receives. */
struct net_passed {
    struct eddy_os_passed got;
    unsigned taken;
    const eddy_stream *stream; /* in whose read callback they may be taken; NULL: none */
};
ROOM_FITS(sizeof(struct net_passed), EDDY_PASS_BYTES);

/* --- Whose stream may pass --- */

static int pass_check(const eddy_stream *stream) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (stream->state & STREAM_CLOSING) return -EINVAL;
    if (!(stream->state & STREAM_CONNECTED)) return -ENOTCONN;
    if (net_has_lost(stream->error)) return -EBADF;
    if (stream->state & STREAM_CHANNEL)
        return -ENOTSUP; /* with a way of its own to read and write */
    if (stream->state & STREAM_PASSES) return 0;
    int err = eddy_os_local_address(stream_fd(stream), (struct sockaddr *)&address, &length);
    if (err < 0) return err == -ENOTSOCK ? -ENOTSUP : err;
    return address.ss_family == AF_UNIX ? 0 : -ENOTSUP;
}

/* --- Sending --- */

static void pass_close(eddy_pass *pass) {
    while (pass->count > 0) eddy_os_close(pass->fds[--pass->count]);
}

static void pass_free(eddy_loop *loop, eddy_pass *pass) {
    pass_close(pass);
    if (pass->fds != pass->few) eddy__resize(loop, pass->fds, pass->room * sizeof(int), 0);
}

static void pass_on_written(eddy_write *write, int status) {
    eddy_pass *pass = eddy_container_of(write, eddy_pass, write);
    pass_free(stream_loop(write->stream), pass);
    CALLBACK(stream_loop(write->stream), EDDY_KIND_WRITE, write, pass->fn, write,
             status); /* it may be gone now */
}

static int pass_duplicate(eddy_loop *loop, eddy_pass *pass, const int *fds, unsigned count) {
    pass->fds = pass->few;
    pass->room = count;
    pass->count = 0;
    if (count > EDDY_PASS_FEW) pass->fds = eddy__resize(loop, NULL, 0, count * sizeof(int));
    if (pass->fds == NULL) return -ENOMEM;
    for (int fd; pass->count < count; pass->fds[pass->count++] = fd) {
        fd = eddy_os_duplicate(fds[pass->count]);
        if (fd >= 0) continue;
        pass_free(loop, pass);
        return fd;
    }
    return 0;
}

int eddy_pass_write(eddy_stream *stream, eddy_pass *pass, const void *data, size_t size,
                    const int *fds, unsigned count, eddy_write_fn *fn) {
    if (fn == NULL) return -EINVAL;
    int err = pass_check(stream);
    if (err < 0) return err;
    if (size == 0 || count == 0 || count > EDDY_PASS_MAX) return -EINVAL;
    err = pass_duplicate(stream_loop(stream), pass, fds, count);
    if (err < 0) return err;
    pass->fn = fn;
    err = eddy_stream_write(stream, &pass->write, data, size, pass_on_written);
    if (err < 0)
        pass_free(stream_loop(stream), pass);
    else
        stream->state |= STREAM_PASSES;
    return err;
}

bool eddy__pass_carries(const eddy_write *write) {
    return write->fn == pass_on_written && eddy_container_of(write, eddy_pass, write)->count > 0;
}

/* Whether the kernel has refused the descriptors, or the size, and not the connection. */
static bool pass_is_refused(const eddy_stream *stream, ssize_t sent) {
    if (sent == -EBADF) return eddy_os_is_open(stream_fd(stream));
    return sent == -ETOOMANYREFS || sent == -EINVAL || sent == -EOPNOTSUPP || sent == -EMSGSIZE;
}

ssize_t eddy__pass_send(eddy_stream *stream, eddy_write *write, size_t *asked) {
    eddy_pass *pass = eddy_container_of(write, eddy_pass, write);
    bool is_record = (stream->state & STREAM_RECORDS) != 0;
    size_t size = write->vectors->iov_len;
    ssize_t sent = -EMSGSIZE;
    *asked = size < EDDY_OS_TRANSFER_MAX ? size : EDDY_OS_TRANSFER_MAX;
    if (!is_record || *asked == size) {
        stream_loop(stream)->metrics.writes++;
        sent = eddy_os_send_descriptors(stream_fd(stream), write->vectors->iov_base, *asked,
                                        pass->fds, pass->count);
        observe_note(stream_loop(stream), EDDY_TRACE_WRITE, EDDY_KIND_STREAM, stream, sent);
    }
    if (sent > 0) pass_close(pass);
    if (!pass_is_refused(stream, sent)) return sent;
    write->count = WRITE_DONE;
    write->status = (int)sent;
    *asked = size;
    return (ssize_t)size;
}

/* --- Receiving --- */

static void pass_ready(eddy_io *io, unsigned events) {
    eddy__stream_ready_for_more(eddy_container_of(io, eddy_stream, io), events);
}

bool eddy__pass_receives(const eddy_stream *stream) {
    return stream->io.fn == pass_ready;
}

int eddy_pass_receive(eddy_stream *stream, bool on) {
    int err = pass_check(stream);
    if (err < 0) return err;
    struct net_part *net = net_part_of(stream);
    if (on && net->passed == NULL) {
        net->passed = eddy__resize(stream_loop(stream), NULL, 0, sizeof *net->passed);
        if (net->passed == NULL) return -ENOMEM;
        net->passed->stream = NULL;
    }
    if (on) stream->state |= STREAM_PASSES;
    stream->io.fn = on                               ? pass_ready
                    : stream->state & STREAM_RECORDS ? eddy__record_ready
                                                     : eddy__stream_ready;
    return 0;
}

void eddy__pass_end(eddy_loop *loop, struct net_part *net) {
    if (net->passed != NULL) eddy__resize(loop, net->passed, sizeof *net->passed, 0);
    net->passed = NULL;
}

int eddy_pass_take(eddy_stream *stream) {
    const struct net_part *net = net_part_of(stream);
    struct net_passed *passed = net != NULL ? net->passed : NULL;
    if (passed == NULL || passed->stream != stream) return -EAGAIN;
    if (passed->taken < passed->got.count) return passed->got.fds[passed->taken++];
    return passed->got.is_cut ? -EMFILE : -EAGAIN;
}

static void pass_drop(struct net_passed *passed) {
    while (passed->taken < passed->got.count) eddy_os_close(passed->got.fds[passed->taken++]);
}

ssize_t eddy__pass_receive(const eddy_stream *stream) {
    struct net_passed *passed = net_part_of(stream)->passed;
    passed->taken = 0;
    stream_loop(stream)->metrics.reads++;
    ssize_t size =
        eddy_os_receive_descriptors(stream_fd(stream), stream->read_data, stream->read_size,
                                    (stream->state & STREAM_RECORDS) != 0, &passed->got);
    observe_note(stream_loop(stream), EDDY_TRACE_READ, EDDY_KIND_STREAM, stream, size);
    if (size == 0) pass_drop(passed);
    return size;
}

void eddy__pass_tell(eddy_stream *stream, ssize_t size) {
    struct net_passed *passed = net_part_of(stream)->passed;
    passed->stream = stream;
    CALLBACK(stream_loop(stream), handle_called(&stream->io.handle, EDDY_KIND_STREAM), stream,
             stream->read_fn, stream, stream->read_data, size);
    passed->stream = NULL;
    pass_drop(passed);
}

/* A short piece of bytes without descriptors has emptied the socket, or is followed by some, which
 * make it ready again. */
static bool pass_is_last(const eddy_stream *stream, ssize_t size) {
    const struct eddy_os_passed *got = &net_part_of(stream)->passed->got;
    bool is_short = (size_t)size < stream->read_size && !(stream->state & STREAM_RECORDS);
    return is_short && got->count == 0 && !got->is_cut;
}

void eddy__pass_read(eddy_stream *stream) {
    size_t budget = stream_loop(stream)->config.stream_bytes_per_turn, total = 0;
    for (unsigned i = 0; i < PASSES_PER_TURN && total < budget; i++) {
        ssize_t size = eddy__pass_receive(stream);
        if (size <= 0) {
            eddy__stream_read_verdict(stream, size);
            return;
        }
        total += (size_t)size;
        bool is_last = pass_is_last(stream, size);
        eddy__pass_tell(stream, size);
        if (is_last || !(stream->state & STREAM_READING) || !eddy__pass_receives(stream)) return;
    }
}
