/* stream_read.c: reading.
 * Invariants: data goes to the caller before the end or an error does, and after either of these
 * the callback is not called again until reading is started anew; only the read call decides which
 * it is. Threading: loop thread only. */
#include "net.h"

static int read_start(eddy_stream *stream, void *data, size_t size, eddy_read_fn *fn) {
    stream->read_fn = fn;
    if (stream->state & STREAM_CHANNEL)
        channel_of(stream)->data = data;
    else
        stream->read_data = data;
    stream->read_size = (uint32_t)(size < EDDY_OS_TRANSFER_MAX ? size : EDDY_OS_TRANSFER_MAX);
    stream->state = (uint16_t)((stream->state & ~(unsigned)STREAM_HANGUP) | STREAM_READING);
    eddy__stream_update_interest(stream);
    return 0;
}

static int read_check(const eddy_stream *stream) {
    if (stream->state & STREAM_CLOSING) return -EINVAL;
    if (!(stream->state & STREAM_CONNECTED)) return -ENOTCONN;
    if (net_has_lost(stream->error)) return -EBADF;
    return stream->state & STREAM_READING ? -EALREADY : 0;
}

/* A writing end can hang up, and not be read. */
static int read_check_mode(const eddy_stream *stream, eddy_read_fn *fn) {
    int err = fn != NULL ? read_check(stream) : -EINVAL;
    if (err == 0 && (stream->state & STREAM_CHANNEL) && !channel_of(stream)->can_read)
        return -EBADF;
    return err;
}

int eddy_stream_read_start(eddy_stream *stream, eddy_read_fn *fn) {
    eddy_loop *loop = stream_loop(stream);
    int err = read_check_mode(stream, fn);
    if (err < 0) return err;
    struct net_part *net = net_part_of(stream);
    if (net->read_buffer == NULL) {
        net->read_buffer = eddy__resize(loop, NULL, 0, loop->config.read_buffer_bytes);
        if (net->read_buffer == NULL) return -ENOMEM;
    }
    return read_start(stream, net->read_buffer, loop->config.read_buffer_bytes, fn);
}

int eddy_stream_read_into(eddy_stream *stream, void *data, size_t size, eddy_read_fn *fn) {
    int err = read_check_mode(stream, fn);
    if (err < 0) return err;
    if (data == NULL || size == 0) return -EINVAL; /* a read of nothing would look like the end */
    return read_start(stream, data, size, fn);
}

void eddy_stream_read_stop(eddy_stream *stream) {
    if (!(stream->state & (STREAM_READING | STREAM_HANGUP))) return;
    stream->state &= (uint16_t) ~(STREAM_READING | STREAM_READ_AGAIN | STREAM_HANGUP);
    stream->read_due_ns = NEVER_NS;
    eddy__stream_update_interest(stream);
}

int eddy_stream_hangup_start(eddy_stream *stream, eddy_hangup_fn *fn) {
    int err = fn != NULL ? read_check(stream) : -EINVAL;
    if (err < 0) return err;
    if (stream->state & STREAM_HANGUP) return -EALREADY;
    if (!(loop_backend(stream_loop(stream))->capabilities & EDDY_CAN_HANGUP)) return -ENOTSUP;
    stream->hangup_fn = fn;
    stream->state |= STREAM_HANGUP;
    eddy__stream_update_interest(stream);
    return 0;
}

/* For the gate: a reader's function calls its user's. */
static unsigned read_called(const eddy_stream *stream) {
    return handle_called(&stream->io.handle, EDDY_KIND_STREAM);
}

void eddy__stream_hangup_end(eddy_stream *stream, int status) {
    eddy_stream_read_stop(stream);
    CALLBACK(stream_loop(stream), EDDY_KIND_STREAM, stream, stream->hangup_fn, stream, status);
}

void eddy__stream_read_end(eddy_stream *stream, ssize_t verdict) {
    if (net_has_lost(verdict)) stream->error = (int16_t)verdict;
    /* The error of a socket is given out once: if a write got it, the read only sees an end. */
    if (verdict == 0 && stream->error != 0) verdict = stream->error;
    eddy_stream_read_stop(stream);
    CALLBACK(stream_loop(stream), read_called(stream), stream, stream->read_fn, stream, NULL,
             verdict);
}

void eddy__stream_tell_loss(eddy_stream *stream) {
    if (stream->state & STREAM_READING)
        eddy__stream_read_end(stream, stream->error);
    else if (stream->state & STREAM_HANGUP)
        eddy__stream_hangup_end(stream, stream->error);
}

static ssize_t read_unseen(const eddy_stream *stream) {
    stream_loop(stream)->metrics.reads++;
    return eddy_os_receive(stream_fd(stream), stream->read_data, stream->read_size);
}

static ssize_t read_receive(const eddy_stream *stream) {
    ssize_t size = read_unseen(stream);
    observe_note(stream_loop(stream), EDDY_TRACE_READ, EDDY_KIND_STREAM, stream, size);
    return size;
}

/* The kernel had no memory. Without any for the timer either, EDDY_READ and spinning are better
 * than never coming back. */
RARE static void read_again_later(eddy_stream *stream) {
    if (eddy__stream_arm(stream, due_after_ns(stream_loop(stream), AGAIN_NS)) < 0) return;
    stream->state |= STREAM_READ_AGAIN;
    eddy__stream_update_interest(stream);
}

RARE void eddy__stream_read_verdict(eddy_stream *stream, ssize_t size) {
    if (stream_is_short(size))
        read_again_later(stream);
    else if (size != -EAGAIN)
        eddy__stream_read_end(stream, size);
}

/* `size` is what a read gave. What the budget leaves in the kernel makes the descriptor ready again
 * next turn. */
RARE static void read_on(eddy_stream *stream, ssize_t size) {
    size_t budget = stream_loop(stream)->config.stream_bytes_per_turn;
    size_t total = 0;
    while (size > 0) {
        bool is_full = (size_t)size == stream->read_size;
        total += (size_t)size;
        CALLBACK(stream_loop(stream), read_called(stream), stream, stream->read_fn, stream,
                 stream->read_data, size);
        if (!is_full || total >= budget) return;
        /* A callback may have given it something else to read. */
        const unsigned ways = STREAM_READING | STREAM_RECORDS | STREAM_CHANNEL;
        if ((stream->state & ways) != STREAM_READING || eddy__pass_receives(stream)) return;
        size = read_receive(stream);
    }
    eddy__stream_read_verdict(stream, size);
}

/* A read that gives less than was asked has emptied the socket, so the call that would say so is
 * saved. */
void eddy__stream_read(eddy_stream *stream) {
    if (loop_is_observed(stream_loop(stream))) {
        read_on(stream, read_receive(stream));
        return;
    }
    ssize_t size = read_unseen(stream);
    if (size > 0 && (size_t)size < stream->read_size)
        CALLBACK_UNSEEN(stream->read_fn, stream, stream->read_data, size);
    else
        read_on(stream, size);
}

void eddy__stream_read_again(eddy_stream *stream) {
    stream->state &= (uint16_t)~STREAM_READ_AGAIN;
    eddy__stream_update_interest(stream);
    eddy__stream_ready_for_more(stream, EDDY_READ);
}

/* --- The deadline --- */

static ssize_t read_either(eddy_stream *stream, bool passes) {
    if (passes) return eddy__pass_receive(stream);
    if (stream->state & STREAM_RECORDS) return eddy__record_receive(stream);
    return stream->state & STREAM_CHANNEL ? eddy__channel_receive(stream) : read_receive(stream);
}

static void *read_where(const eddy_stream *stream) {
    return stream->state & STREAM_CHANNEL ? channel_of(stream)->data : stream->read_data;
}

/* Reads what is there, as far as `most` and until a callback has settled the matter. `*total` is
 * how many bytes that were. False: there may be more. */
static bool read_rest(eddy_stream *stream, int64_t now_ns, size_t most, size_t *total) {
    for (*total = 0; *total < most;) {
        bool passes = eddy__pass_receives(stream);
        ssize_t size = read_either(stream, passes);
        if (size == -EAGAIN || stream_is_short(size)) return true;
        if (size <= 0) {
            eddy__stream_read_end(stream, size);
            return true;
        }
        *total += (size_t)size;
        if (passes)
            eddy__pass_tell(stream, size);
        else
            CALLBACK(stream_loop(stream), read_called(stream), stream, stream->read_fn, stream,
                     read_where(stream), size);
        if (!(stream->state & STREAM_READING) || stream->read_due_ns > now_ns) return true;
    }
    return false;
}

/* Of a deadline that waits for bytes which came in time: how many are left. It is kept as a time
 * before all others, which the timer of the next turn finds due. */
static size_t read_left(const eddy_stream *stream) {
    return stream->read_due_ns < 0 ? (size_t)-stream->read_due_ns : 0;
}

/* Data before errors: a loop that was busy past the deadline still reads all that has come in time,
 * in several turns if need be. What is there now is all; what comes later is too late, or a peer
 * that never pauses would have no deadline. */
void eddy__stream_read_late(eddy_stream *stream) {
    int64_t now_ns = stream_loop(stream)->now_ns;
    if (!(stream->state & STREAM_READING)) {
        stream->read_due_ns = NEVER_NS;
        return;
    }
    size_t left = read_left(stream), most = stream_loop(stream)->config.stream_bytes_per_turn,
           total;
    if (left > 0 && left < most) most = left;
    bool is_all = read_rest(stream, now_ns, most, &total);
    if (!(stream->state & STREAM_READING) || stream->read_due_ns > now_ns) return;
    if (!is_all && left == 0) {
        int unread = eddy_os_unread(stream_fd(stream));
        left = total + (unread > 0 ? (size_t)unread : 0);
    }
    if (!is_all && left > total)
        stream->read_due_ns = -(int64_t)(left - total);
    else
        eddy__stream_read_end(stream, -ETIMEDOUT);
}

int eddy_stream_set_read_deadline(eddy_stream *stream, int64_t delay_ns) {
    if (delay_ns < -1 || (stream->state & STREAM_CLOSING)) return -EINVAL;
    if (!(stream->state & STREAM_CONNECTED)) return -ENOTCONN;
    int64_t due_ns = delay_ns < 0 ? NEVER_NS : due_after_ns(stream_loop(stream), delay_ns);
    int err = eddy__stream_arm(stream, due_ns);
    if (err < 0) return err;
    stream->read_due_ns = due_ns;
    return 0;
}
