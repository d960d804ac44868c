/* channel.c: streams of what is no socket: pipes, FIFOs, terminals, ptys, character devices. They
 * have a watcher's callback of their own, so that streams of sockets need not ask what they are,
 * and what they need beside the stream is a block of its own.
 * Invariants: a stream has a channel exactly while STREAM_CHANNEL is set; one that was opened for
 * reading only is never STREAM_WRITABLE, for writing only never STREAM_READING. After a callback
 * the channel may be gone. Threading: loop thread only. */
#include "net.h"

#include "../core/io.h"
#include "../core/room.h"

#include <fcntl.h>

ROOM_FITS(sizeof(struct channel), EDDY_PIPE_BYTES);

/* --- What the system does --- */

static ssize_t pipe_read(eddy_stream *stream, void *data, size_t size) {
    return eddy_os_read(stream_fd(stream), data, size);
}

static ssize_t pipe_write(eddy_stream *stream, const struct iovec *vectors, int count) {
    return eddy_os_write_vectors(stream_fd(stream), vectors, count,
                                 &channel_of(stream)->is_refused);
}

/* The other side sees an end only when the descriptor is closed; its number is the stream's to
 * close, so something good for nothing takes its place. What is open for reading too stays. */
static int pipe_end(eddy_stream *stream) {
    if (channel_of(stream)->can_read) return 0;
    int reserve = eddy_os_open_reserve();
    if (reserve < 0) return reserve;
    eddy__io_withdraw(&stream->io);
    int err = eddy_os_replace(stream_fd(stream), reserve);
    return err == -EBADF ? -EMFILE : err; /* of a number beyond a limit that was lowered since */
}

static const struct channel_calls pipe_calls = {
    .ready = eddy__channel_ready,
    .read = pipe_read,
    .write = pipe_write,
    .end = pipe_end,
};

/* --- Life --- */

/* Some systems have no filter for the direction that a descriptor cannot take, and a muted watcher
 * is added for reading. */
static int channel_watch(eddy_stream *stream, int fd, const struct channel *channel) {
    int err =
        eddy_io_start(&stream->io, channel->calls->ready, fd, channel->can_read ? 0 : EDDY_WRITE);
    if (err == 0) (void)eddy_io_change(&stream->io, 0);
    return err;
}

int eddy__channel_begin(eddy_stream *stream, int fd, struct channel *channel) {
    int err = channel_watch(stream, fd, channel);
    if (err < 0) return err;
    eddy__stream_begin(stream, STREAM_CONNECTED | STREAM_CHANNEL |
                                   (channel->can_write ? STREAM_WRITABLE : 0));
    stream->read_data = channel;
    return 0;
}

/* It is watched first, so that what cannot be is left as it was. */
int eddy__channel_attach(eddy_stream *stream, int fd) {
    eddy_loop *loop = stream_loop(stream);
    int mode = eddy_os_access_mode(fd);
    if (mode < 0) return mode;
    int err = net_join(loop);
    if (err < 0) return err;
    struct channel *channel = eddy__resize(loop, NULL, 0, sizeof *channel);
    if (channel == NULL) return -ENOMEM;
    *channel = (struct channel){.calls = &pipe_calls,
                                .bytes = sizeof *channel,
                                .fd = -1,
                                .can_read = mode != O_WRONLY,
                                .can_write = mode != O_RDONLY};
    err = eddy__channel_begin(stream, fd, channel);
    if (err < 0) goto release;
    err = eddy_os_prepare_descriptor(fd);
    if (err < 0) goto stop;
    return 0;
stop:
    eddy_io_stop(&stream->io);
    eddy__stream_begin(stream, 0);
release:
    eddy__resize(loop, channel, sizeof *channel, 0);
    return err;
}

void eddy__channel_release(eddy_stream *stream) {
    if (!(stream->state & STREAM_CHANNEL)) return;
    struct channel *channel = channel_of(stream);
    eddy__resize(stream_loop(stream), channel, channel->bytes, 0);
    stream->read_data = NULL;
    stream->state &= (uint16_t)~STREAM_CHANNEL;
}

void eddy__channel_ready(eddy_io *io, unsigned events) {
    eddy__stream_ready_for_more(eddy_container_of(io, eddy_stream, io), events);
}

/* --- Reading --- */

/* A pty's master reads EIO for as long as nobody has its slave open; on a terminal it is an error,
 * as of a process in the background. */
static bool channel_is_end(const eddy_stream *stream, ssize_t size) {
    return size == 0 || (size == -EIO && eddy_os_is_pty_master(stream_fd(stream)));
}

ssize_t eddy__channel_receive(eddy_stream *stream) {
    struct channel *channel = channel_of(stream);
    stream_loop(stream)->metrics.reads++;
    ssize_t size = channel->calls->read(stream, channel->data, stream->read_size);
    observe_note(stream_loop(stream), EDDY_TRACE_READ, EDDY_KIND_STREAM, stream, size);
    if (size > 0 || !channel_is_end(stream, size)) return size;
    /* As from want of memory: the descriptor is ready all the while, so the timer tries again. */
    return channel->reads_on ? -ENOBUFS : 0;
}

/* A terminal gives its bytes in pieces, so fewer than asked need not be all: then it stays ready.
 */
void eddy__channel_read(eddy_stream *stream) {
    size_t budget = stream_loop(stream)->config.stream_bytes_per_turn, total = 0;
    const unsigned reads = STREAM_READING | STREAM_CHANNEL;
    while ((stream->state & reads) == reads && total < budget) {
        ssize_t size = eddy__channel_receive(stream);
        if (size <= 0) {
            eddy__stream_read_verdict(stream, size);
            return;
        }
        bool is_full = (size_t)size == stream->read_size;
        total += (size_t)size;
        CALLBACK(stream_loop(stream), handle_called(&stream->io.handle, EDDY_KIND_STREAM), stream,
                 stream->read_fn, stream, channel_of(stream)->data, size);
        if (!is_full) return;
    }
}

int eddy_stream_read_past_end(eddy_stream *stream, bool on) {
    if (stream->state & STREAM_CLOSING) return -EINVAL;
    if (!(stream->state & STREAM_CONNECTED)) return -ENOTCONN;
    if (!(stream->state & STREAM_CHANNEL) || channel_of(stream)->is_socket) return -ENOTSUP;
    channel_of(stream)->reads_on = on;
    return 0;
}

/* --- Writing --- */

ssize_t eddy__channel_send(eddy_stream *stream, const struct iovec *vectors, int count) {
    stream_loop(stream)->metrics.writes++;
    ssize_t sent = channel_of(stream)->calls->write(stream, vectors, count);
    observe_note(stream_loop(stream), EDDY_TRACE_WRITE, EDDY_KIND_STREAM, stream, sent);
    return sent;
}

/* Of pieces without number what fits one call. */
ssize_t eddy__channel_try(eddy_stream *stream, const struct iovec *vectors, int count) {
    struct iovec fitting[SEND_VECTORS_MAX];
    size_t bytes = 0, room = EDDY_OS_TRANSFER_MAX;
    int used = 0;
    bool is_later = channel_of(stream)->calls->update != NULL;
    if (count < 0) return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len > WRITE_BYTES_MAX - bytes) return -EINVAL;
        bytes += vectors[i].iov_len;
        if (used == SEND_VECTORS_MAX || room == 0 || vectors[i].iov_len == 0) continue;
        fitting[used] = vectors[i];
        if (fitting[used].iov_len > room) fitting[used].iov_len = room;
        room -= fitting[used++].iov_len;
    }
    if (used == 0) return 0;
    return is_later ? -EAGAIN : eddy__channel_send(stream, fitting, used);
}
