/* stream.c: the life of a stream: where its descriptor comes from and goes to, what its readiness
 * leads to, and its deadlines.
 * Invariants: the watcher is started exactly while the stream has a socket, with the interest that
 * `state` calls for; the timer, if it runs, is due no later than the nearest deadline.
 * Threading: loop thread only. */
#include "net.h"

/* The first marks. A stream that passes on what it reads queues a lent buffer at a time: a high
 * mark of one would make it full with the first, before the kernel was offered anything; with
 * several it is full when the kernel does not keep up. The low one leaves work for the turn that
 * refills. */
enum { STREAM_LOW_BYTES = 64 << 10, STREAM_HIGH_PER_LOW = 4 };

/* A server with a million idle connections pays this a million times. */
_Static_assert(sizeof(void *) > 8 || sizeof(eddy_stream) <= 192, "a stream has become fat");

/* --- The watcher --- */

void eddy__stream_update_interest(eddy_stream *stream) {
    unsigned state = stream->state;
    if ((state & STREAM_CHANNEL) && channel_of(stream)->calls->update != NULL) {
        channel_of(stream)->calls->update(stream);
        return;
    }
    unsigned events =
        (state & (STREAM_READING | STREAM_READ_AGAIN)) == STREAM_READING ? EDDY_READ : 0;
    if ((state & (STREAM_BLOCKED | STREAM_WRITE_AGAIN)) == STREAM_BLOCKED) events |= EDDY_WRITE;
    if (state & STREAM_HANGUP) events |= EDDY_HANGUP;
    if ((state & (STREAM_CONNECTING | STREAM_CONNECT_AGAIN)) == STREAM_CONNECTING)
        events |= EDDY_WRITE;
    int err = eddy_io_change(&stream->io, events);
    EDDY_ASSERT(err == 0);
}

/* The backend has lost the descriptor: without this no callback would ever come again. */
static void stream_lose(eddy_stream *stream, int error) {
    if (stream->state & STREAM_CONNECTING) {
        eddy__connect_end(stream, error);
        return;
    }
    eddy__stream_write_fail(stream, error);
    if (stream->error != error) return; /* a callback has given the stream another socket */
    eddy__stream_tell_loss(stream);
}

/* The kernel gives out a socket's error once; a later read is to tell it as well. What is no socket
 * has none: of its writing end that is the reader who has gone. */
static int stream_take_error(eddy_stream *stream) {
    int error = 0;
    if ((stream->state & STREAM_CHANNEL) && !channel_of(stream)->is_socket)
        return channel_of(stream)->can_read ? 0 : -EPIPE;
    int err = eddy_os_socket_error(stream_fd(stream), &error);
    if (err == 0) err = error;
    if (err < 0 && stream->error == 0) stream->error = (int16_t)err;
    return stream->error;
}

/* And not of a socket that a callback has just given it: its end is not at hand. */
static bool stream_awaits_hangup(const eddy_stream *stream) {
    return (stream->state & STREAM_HANGUP) && stream->io.born != stream_loop(stream)->turn;
}

RARE static void stream_read_either(eddy_stream *stream) {
    if (eddy__pass_receives(stream))
        eddy__pass_read(stream);
    else if (stream->state & STREAM_RECORDS)
        eddy__record_read(stream);
    else if (stream->state & STREAM_CHANNEL)
        eddy__channel_read(stream);
    else
        eddy__stream_read(stream);
}

/* Writes go first: what they free, a reader that was paused for it may use in the same turn. */
RARE void eddy__stream_ready_for_more(eddy_stream *stream, unsigned events) {
    if (events & EDDY_ERROR) {
        int error = eddy_io_error(&stream->io);
        if (error != 0) {
            stream_lose(stream, error);
            return;
        }
    }
    if (stream->state & STREAM_CONNECTING) {
        eddy__connect_ready(stream);
        return;
    }
    if ((events & EDDY_WRITE) && (stream->state & STREAM_BLOCKED)) eddy__stream_send(stream);
    if ((events & EDDY_READ) && (stream->state & STREAM_READING))
        stream_read_either(stream);
    else if ((events & (EDDY_HANGUP | EDDY_ERROR)) && stream_awaits_hangup(stream))
        eddy__stream_hangup_end(stream, stream_take_error(stream));
}

/* EDDY_READ is told only while it is asked for, which is while the stream reads. */
void eddy__stream_ready(eddy_io *io, unsigned events) {
    eddy_stream *stream = eddy_container_of(io, eddy_stream, io);
    if (events == EDDY_READ)
        eddy__stream_read(stream); /* the usual case */
    else
        eddy__stream_ready_for_more(stream, events);
}

int eddy__stream_watch(eddy_stream *stream, int fd, bool records, unsigned events) {
    return eddy_io_start(&stream->io, records ? eddy__record_ready : eddy__stream_ready, fd,
                         events);
}

/* --- Deadlines --- */

static int64_t stream_nearest_ns(const eddy_stream *stream) {
    int64_t due_ns =
        stream->read_due_ns < stream->write_due_ns ? stream->read_due_ns : stream->write_due_ns;
    if (!(stream->state & (STREAM_READ_AGAIN | STREAM_WRITE_AGAIN | STREAM_CONNECT_AGAIN)))
        return due_ns;
    int64_t again_ns = due_after_ns(stream_loop(stream), AGAIN_NS);
    return again_ns < due_ns ? again_ns : due_ns;
}

static void stream_write_on_time(eddy_stream *stream, int64_t now_ns) {
    if (stream->write_due_ns > now_ns) {
        if (stream->state & STREAM_WRITE_AGAIN) eddy__stream_send(stream);
        if (stream->state & STREAM_CONNECT_AGAIN) eddy__connect_again(stream);
    } else if (stream->state & STREAM_CONNECTING) {
        eddy__connect_late(stream);
    } else {
        eddy__stream_write_late(stream);
    }
}

static void stream_read_on_time(eddy_stream *stream, int64_t now_ns) {
    if (stream->read_due_ns <= now_ns)
        eddy__stream_read_late(stream);
    else if (stream->state & STREAM_READ_AGAIN)
        eddy__stream_read_again(stream);
}

/* Deadlines that were met or pushed away leave the timer where it is: it fires once for nothing,
 * which costs less than moving it with every message. */
static void stream_on_deadline(eddy_timer *timer) {
    eddy_stream *stream = eddy_container_of(timer, eddy_stream, timer);
    int64_t now_ns = stream_loop(stream)->now_ns;
    /* It has just left its place among the timers, and takes one again before a callback can: so
     * that the deadline that remains needs no memory. */
    (void)eddy_timer_start(timer, stream_on_deadline, NEVER_NS, 0);
    stream_write_on_time(stream, now_ns);
    if (stream->state & STREAM_CLOSING) return; /* the timer's place is taken */
    stream_read_on_time(stream, now_ns);
    if (stream->state & STREAM_CLOSING) return;
    int64_t due_ns = stream_nearest_ns(stream);
    if (due_ns == NEVER_NS)
        eddy_timer_stop(timer);
    else
        (void)eddy__stream_arm(stream, due_ns);
}

int eddy__stream_arm(eddy_stream *stream, int64_t due_ns) {
    if (due_ns == NEVER_NS) return 0;
    int64_t armed_ns = eddy_timer_due_ns(&stream->timer);
    if (armed_ns >= 0 && armed_ns <= due_ns) return 0;
    return eddy_timer_start_at(&stream->timer, stream_on_deadline, due_ns, 0);
}

/* --- Life --- */

void eddy_stream_init(eddy_stream *stream, eddy_loop *loop) {
    size_t lent = loop->config.read_buffer_bytes, most = WRITE_MARK_MAX / STREAM_HIGH_PER_LOW;
    uint32_t low =
        lent < STREAM_LOW_BYTES ? STREAM_LOW_BYTES : (uint32_t)(lent < most ? lent : most);
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_IO, stream));
    *stream = (eddy_stream){.low = low, .high = low * STREAM_HIGH_PER_LOW};
    eddy_io_init(&stream->io, loop);
    handle_set_what(&stream->io.handle, EDDY_KIND_STREAM);
    eddy_timer_init(&stream->timer, loop);
    handle_set_inner(&stream->timer.handle);
    eddy_unref(&stream->timer.handle); /* the watcher is what keeps the loop alive */
    link_init(&stream->flush);
    eddy__stream_begin(stream, 0);
}

void eddy__stream_begin(eddy_stream *stream, unsigned state) {
    stream->write_last = NULL;
    stream->queued = 0;
    stream->read_due_ns = stream->write_due_ns = NEVER_NS;
    stream->state = (uint16_t)state;
    stream->error = 0;
}

/* Two streams would take each other's bytes, and close it twice. */
bool eddy__stream_has_owner(const eddy_loop *loop, int fd) {
    if (fd < 0 || (unsigned)fd >= loop->io.slots_count) return false;
    for (const eddy_io *io = loop->io.slots[fd].first; io != NULL; io = io->next)
        if (handle_what(&io->handle) != EDDY_KIND_IO) return true;
    return false;
}

int eddy_stream_attach(eddy_stream *stream, int fd) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    EDDY_ASSERT(handle_is_initialised(&stream->io.handle));
    if (stream->state & STREAM_CLOSING) return -EINVAL;
    if (stream->state != 0) return -EISCONN;
    if (eddy__stream_has_owner(stream_loop(stream), fd)) return -EBUSY;
    /* Asked to find out what is no socket, or not open; and a local one may be of records. */
    int err = eddy_os_local_address(fd, (struct sockaddr *)&address, &length);
    if (err == -ENOTSOCK) return eddy__channel_attach(stream, fd);
    if (err < 0) return err;
    err = net_join(stream_loop(stream));
    if (err < 0) return err;
    err = eddy_os_prepare_socket(fd);
    if (err < 0) return err;
    int type = address.ss_family == AF_UNIX ? eddy_os_socket_type(fd) : SOCK_STREAM;
    if (type < 0) return type;
    bool records = type == SOCK_SEQPACKET;
    err = eddy__stream_watch(stream, fd, records, 0);
    if (err < 0) return err;
    eddy__stream_begin(stream, STREAM_CONNECTED | STREAM_WRITABLE | (records ? STREAM_RECORDS : 0));
    return 0;
}

int eddy_stream_detach(eddy_stream *stream) {
    if (stream->state & STREAM_CLOSING) return -ENOTCONN;
    if ((stream->state & STREAM_CONNECTING) || stream->write_last != NULL) return -EBUSY;
    if (!(stream->state & STREAM_CONNECTED)) return -ENOTCONN;
    if ((stream->state & STREAM_CHANNEL) && channel_of(stream)->calls->close != NULL)
        return -ENOTSUP;
    int fd = eddy_stream_fd(stream);
    eddy_io_stop(&stream->io);
    eddy_timer_stop(&stream->timer);
    link_remove(&stream->flush);
    eddy__channel_release(stream);
    eddy__stream_begin(stream, 0);
    return fd >= 0 ? fd : -EBADF;
}

int eddy_stream_fd(const eddy_stream *stream) {
    if (net_has_lost(stream->error)) return -1;
    bool is_other = (stream->state & STREAM_CHANNEL) && channel_of(stream)->fd >= 0;
    return is_other ? channel_of(stream)->fd : eddy_io_fd(&stream->io);
}

/* A descriptor that was closed behind the stream's back may have another owner by now. */
void eddy__stream_close_socket(eddy_stream *stream, int error) {
    int fd = eddy_io_fd(&stream->io);
    eddy_io_stop(&stream->io);
    if (fd >= 0 && !net_has_lost(error)) eddy_os_close(fd);
}

static void stream_on_closed(eddy_defer *defer) {
    eddy_stream *stream = eddy_container_of(defer, eddy_stream, closing);
    eddy__stream_write_cancel(stream);
    if (stream->state & STREAM_CONNECTING)
        CALLBACK(stream_loop(stream), EDDY_KIND_CONNECT, stream, stream->connect_fn, stream,
                 -ECANCELED);
    if (stream->close_fn != NULL) /* the stream may be gone after it */
        CALLBACK(stream_loop(stream), EDDY_KIND_STREAM, stream, stream->close_fn, stream);
}

void eddy__stream_closed(eddy_stream *stream) {
    eddy__closing_add(&stream->closing, stream_on_closed);
}

int eddy_stream_close(eddy_stream *stream, eddy_stream_fn *fn) {
    EDDY_ASSERT(handle_is_initialised(&stream->io.handle));
    if (stream->state & STREAM_CLOSING) return -EALREADY;
    eddy__stream_close_socket(stream, stream->error);
    eddy__connect_forget(stream);
    bool is_busy = (stream->state & STREAM_CHANNEL) && channel_of(stream)->calls->close != NULL &&
                   channel_of(stream)->calls->close(stream);
    if (!is_busy) eddy__channel_release(stream);
    eddy_timer_stop(&stream->timer);
    link_remove(&stream->flush);
    stream->state = STREAM_CLOSING | (stream->state & STREAM_CONNECTING);
    stream->close_fn = fn;
    eddy__closing_init(&stream->closing, stream_loop(stream), EDDY_KIND_STREAM,
                       offsetof(eddy_stream, closing));
    if (!is_busy) eddy__stream_closed(stream);
    return 0;
}

int eddy_stream_reset(eddy_stream *stream, eddy_stream_fn *fn) {
    int fd = eddy_stream_fd(stream);
    bool is_shared = (stream->state & STREAM_CHANNEL) != 0; /* or no socket */
    if (fd >= 0 && !is_shared) (void)eddy_os_set_reset_on_close(fd);
    return eddy_stream_close(stream, fn);
}
