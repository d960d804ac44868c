/* stream_write.c: the queue of writes, shutting down, and the marks.
 *
 * A write only joins the queue; phase 7, or EDDY_WRITE when the kernel was full before, sends what
 * is there: stream_send.c.
 *
 * Invariant: a queue that is not STREAM_BLOCKED, and not empty, has phase 7 to come.
 * Threading: loop thread only. */
#include "net.h"

/* --- The queue: the last one points at the first, so that one pointer finds both ends --- */

#ifdef EDDY_CHECKS
static bool write_is_queued(const eddy_stream *stream, const eddy_write *write) {
    const eddy_write *last = stream->write_last;
    for (const eddy_write *it = last->next; it != last; it = it->next)
        if (it == write) return true;
    return last == write;
}
#endif

static void write_append(eddy_stream *stream, eddy_write *write) {
    eddy_write *last = stream->write_last;
    if (last == NULL) {
        write->next = write;
    } else {
        EDDY_ASSERT(write != last);
        EDDY_ASSERT(write != last->next);
        EDDY_CHECK(!write_is_queued(stream, write));
        write->next = last->next;
        last->next = write;
    }
    stream->write_last = write;
}

int eddy__stream_flush_later(eddy_stream *stream) {
    if (!link_is_empty(&stream->flush)) return 0;
    struct net_part *net = net_part_of(stream);
    link_add_last(&net->flushing, &stream->flush);
    if (!handle_is_active(&net->flush.handle)) eddy__defer_add(&net->flush, eddy__stream_flush_all);
    return 0;
}

/* --- Joining the queue --- */

static bool write_is_allowed(const eddy_stream *stream) {
    return (stream->state & STREAM_WRITABLE) != 0;
}

static int write_refusal(const eddy_stream *stream, bool is_heard) {
    if (!is_heard || (stream->state & STREAM_CLOSING)) return -EINVAL;
    if (!(stream->state & STREAM_CONNECTED)) return -ENOTCONN;
    return (stream->state & STREAM_CHANNEL) && !channel_of(stream)->can_write ? -EBADF : -EPIPE;
}

static void write_join(eddy_stream *stream, eddy_write *write, size_t bytes, eddy_write_fn *fn) {
    write->stream = stream;
    write->fn = fn;
    write_append(stream, write);
    stream->queued += bytes;
    request_begin(stream_loop(stream));
}

static int write_push_checked(eddy_stream *stream, eddy_write *write, size_t bytes,
                              eddy_write_fn *fn) {
    if (bytes > WRITE_BYTES_MAX - stream->queued) return -EINVAL;
    write_join(stream, write, bytes, fn);
    observe_note(stream_loop(stream), EDDY_TRACE_QUEUE, EDDY_KIND_WRITE, write, (int64_t)bytes);
    if (stream->queued >= stream->high) stream->state |= STREAM_FULL | STREAM_DRAINS;
    return stream->state & STREAM_BLOCKED ? 0 : eddy__stream_flush_later(stream);
}

/* A queue that begins gets a deadline. One of requests that are done and about to be told has none
 * either. */
RARE static int write_push_in_time(eddy_stream *stream, eddy_write *write, size_t bytes,
                                   eddy_write_fn *fn) {
    if (stream->write_last != NULL && stream->write_due_ns != NEVER_NS)
        return write_push_checked(stream, write, bytes, fn);
    int64_t due_ns = due_after_ns(stream_loop(stream), stream->write_timeout_ns);
    int err = eddy__stream_arm(stream, due_ns);
    if (err < 0) return err;
    stream->write_due_ns = due_ns;
    return write_push_checked(stream, write, bytes, fn);
}

/* The usual write begins a queue, and leaves it below the high mark: there is nothing to check. */
static int write_push(eddy_stream *stream, eddy_write *write, size_t bytes, eddy_write_fn *fn) {
    if (stream->write_timeout_ns != 0) return write_push_in_time(stream, write, bytes, fn);
    if (stream->write_last != NULL || bytes >= stream->high ||
        loop_is_observed(stream_loop(stream)))
        return write_push_checked(stream, write, bytes, fn);
    write_join(stream, write, bytes, fn);
    return eddy__stream_flush_later(stream);
}

int eddy_stream_write(eddy_stream *stream, eddy_write *write, const void *data, size_t size,
                      eddy_write_fn *fn) {
    if (fn == NULL || !write_is_allowed(stream)) return write_refusal(stream, fn != NULL);
    /* An iovec is not const, though nobody writes through this one. */
    write->one.iov_base = (void *)(uintptr_t)data;
    write->one.iov_len = size;
    write->vectors = &write->one;
    write->count = size > 0;
    return write_push(stream, write, size, fn);
}

int eddy_stream_writev(eddy_stream *stream, eddy_write *write, struct iovec *vectors, int count,
                       eddy_write_fn *fn) {
    if (fn == NULL || !write_is_allowed(stream)) return write_refusal(stream, fn != NULL);
    if (count < 0) return -EINVAL;
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len > WRITE_BYTES_MAX - bytes) return -EINVAL;
        bytes += vectors[i].iov_len;
    }
    write->vectors = vectors;
    write->count = bytes > 0 ? count : 0;
    return write_push(stream, write, bytes, fn);
}

int eddy_stream_shutdown(eddy_stream *stream, eddy_write *write, eddy_write_fn *fn) {
    if (fn == NULL || !write_is_allowed(stream)) return write_refusal(stream, fn != NULL);
    write->count = WRITE_SHUTDOWN;
    int err = write_push(stream, write, 0, fn);
    if (err == 0) stream->state &= (uint16_t)~STREAM_WRITABLE;
    return err;
}

/* --- Without a request --- */

/* What cannot be sent as it is and want of memory leave the connection as it was. */
RARE static ssize_t write_try_failed(eddy_stream *stream, ssize_t sent) {
    if (sent == -EINVAL || (sent == -EMSGSIZE && (stream->state & STREAM_RECORDS))) return sent;
    if (stream_send_failed(stream, sent)) stream->state &= (uint16_t)~STREAM_WRITABLE;
    if (net_has_lost(stream->error)) eddy__stream_flush_later(stream); /* which tells the reader */
    return stream_is_short(sent) ? -EAGAIN : sent;
}

/* Requests that are done, and only wait to be told, are not in the way. */
RARE static ssize_t write_try_otherwise(eddy_stream *stream, const struct iovec *vectors,
                                        int count) {
    if (!write_is_allowed(stream)) return write_refusal(stream, true);
    if (stream->write_last != NULL && stream->write_last->count != WRITE_DONE) return -EAGAIN;
    ssize_t sent = stream->state & STREAM_RECORDS   ? eddy__record_try(stream, vectors, count)
                   : stream->state & STREAM_CHANNEL ? eddy__channel_try(stream, vectors, count)
                                                    : stream_send_vectors(stream, vectors, count);
    return sent < 0 ? write_try_failed(stream, sent) : sent;
}

ssize_t eddy_stream_try_write(eddy_stream *stream, const struct iovec *vectors, int count) {
    const unsigned ways = STREAM_WRITABLE | STREAM_RECORDS | STREAM_CHANNEL;
    if ((stream->state & ways) != STREAM_WRITABLE || stream->write_last != NULL ||
        loop_is_observed(stream_loop(stream)))
        return write_try_otherwise(stream, vectors, count);
    ssize_t sent = stream_send_unseen(stream, vectors, count);
    return UNLIKELY(sent < 0) ? write_try_failed(stream, sent) : sent;
}

/* --- Marks, and the timeout --- */

size_t eddy_stream_queued(const eddy_stream *stream) {
    return stream->queued;
}

/* The state follows the new marks as it follows the queue; phase 7 tells who is drained by them. */
static void write_apply_marks(eddy_stream *stream) {
    if (!(stream->state & STREAM_CONNECTED)) return;
    if (stream->queued >= stream->high) {
        stream->state |= STREAM_FULL | STREAM_DRAINS;
    } else if ((stream->state & STREAM_FULL) && stream->queued <= stream->low) {
        stream->state &= (uint16_t)~STREAM_FULL;
        eddy__stream_flush_later(stream);
    }
}

int eddy_stream_set_marks(eddy_stream *stream, size_t low, size_t high, eddy_stream_fn *drained) {
    if (stream->state & STREAM_CLOSING) return -EINVAL;
    if (low > high || high == 0) return -EINVAL;
    stream->low = low < WRITE_MARK_MAX ? (uint32_t)low : WRITE_MARK_MAX;
    stream->high = high < WRITE_MARK_MAX ? (uint32_t)high : WRITE_MARK_MAX;
    stream->drained_fn = drained;
    write_apply_marks(stream);
    return 0;
}

bool eddy_stream_is_full(const eddy_stream *stream) {
    return (stream->state & STREAM_FULL) != 0;
}

bool eddy_stream_is_blocked(const eddy_stream *stream) {
    return (stream->state & STREAM_REFUSED) != 0;
}

int eddy_stream_set_write_timeout(eddy_stream *stream, int64_t timeout_ns) {
    if (timeout_ns < 0 || (stream->state & STREAM_CLOSING)) return -EINVAL;
    int64_t due_ns = NEVER_NS;
    if (timeout_ns > 0 && stream->write_last != NULL) {
        due_ns = due_after_ns(stream_loop(stream), timeout_ns);
        int err = eddy__stream_arm(stream, due_ns);
        if (err < 0) return err;
    }
    stream->write_timeout_ns = timeout_ns;
    if (stream->state & STREAM_CONNECTED) stream->write_due_ns = due_ns;
    return 0;
}
