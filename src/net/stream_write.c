/* stream_write.c: the queue of writes, and shutting down.
 *
 * A write only joins the queue; phase 7, or EDDY_WRITE when the kernel was full before, sends what
 * is there. Sending and telling are apart: first the kernel takes what it takes and each request
 * learns its status, without a callback running; then those that are done are told, in order. So no
 * callback ever sees a half-updated queue, and what a callback queues waits for the next turn.
 *
 * Invariants: STREAM_BLOCKED is set exactly while the queue waits for EDDY_WRITE; until then a
 * queue that is not empty has phase 7 to come. Threading: loop thread only. */
#include "net.h"

enum {
    WRITE_VECTORS_MAX = 64, /* of one system call: 1 KiB of stack; more hardly save anything */
    WRITE_SHUTDOWN = -1     /* the count of a request that carries the end of the stream */
};

#define WRITE_BYTES_MAX (SIZE_MAX / 2) /* of a queue: what fits ssize_t */
#define WRITE_MARK_MAX  INT32_MAX      /* fits that on every system */

/* --- The queue: the last one points at the first, so that one pointer finds both ends --- */

static eddy_write *write_first(const eddy_stream *stream) {
    return stream->write_last != NULL ? stream->write_last->next : NULL;
}

static eddy_write *write_after(const eddy_write *write) {
    return write != write->stream->write_last ? write->next : NULL;
}

static void write_append(eddy_stream *stream, eddy_write *write) {
    eddy_write *last = stream->write_last;
    if (last == NULL) {
        write->next = write;
    } else {
        write->next = last->next;
        last->next = write;
    }
    stream->write_last = write;
}

static eddy_write *write_take_first(eddy_stream *stream) {
    eddy_write *last = stream->write_last;
    eddy_write *write = last->next;
    if (write == last) {
        stream->write_last = NULL;
    } else {
        last->next = write->next;
    }
    return write;
}

/* --- Phase 7: the streams that have written in this turn --- */

void eddy__stream_flush_all(eddy_defer *defer) {
    struct net_part *net = eddy_container_of(defer, struct net_part, flush);
    eddy_link streams;
    link_move_all(&streams, &net->flushing);
    while (!link_is_empty(&streams)) {
        eddy_stream *stream = eddy_container_of(streams.next, eddy_stream, flush);
        link_remove(&stream->flush);
        eddy__stream_flush(stream);
    }
}

int eddy__stream_flush_later(eddy_stream *stream) {
    if (!link_is_empty(&stream->flush)) return 0;
    struct net_part *net = net_part_of(stream);
    link_add_last(&net->flushing, &stream->flush);
    if (handle_is_active(&net->flush.handle)) return 0;
    return eddy_defer_start(&net->flush, eddy__stream_flush_all);
}

/* --- Joining the queue --- */

static bool write_is_allowed(const eddy_stream *stream) {
    return (stream->state & STREAM_WRITABLE) != 0;
}

static int write_refusal(const eddy_stream *stream) {
    if (stream->state & STREAM_CLOSING) return -EINVAL;
    return stream->state & STREAM_CONNECTED ? -EPIPE : -ENOTCONN;
}

static void write_join(eddy_stream *stream, eddy_write *write, size_t bytes, eddy_write_fn *fn) {
    EDDY_ASSERT(fn != NULL);
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
    if (stream->queued >= stream->high) stream->state |= STREAM_FULL;
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
    if (stream->write_last != NULL || bytes >= stream->high)
        return write_push_checked(stream, write, bytes, fn);
    write_join(stream, write, bytes, fn);
    return eddy__stream_flush_later(stream);
}

int eddy_stream_write(eddy_stream *stream, eddy_write *write, const void *data, size_t size,
                      eddy_write_fn *fn) {
    if (!write_is_allowed(stream)) return write_refusal(stream);
    /* An iovec is not const, though nobody writes through this one. */
    write->one.iov_base = (void *)(uintptr_t)data;
    write->one.iov_len = size;
    write->vectors = &write->one;
    write->count = size > 0;
    return write_push(stream, write, size, fn);
}

int eddy_stream_writev(eddy_stream *stream, eddy_write *write, struct iovec *vectors, int count,
                       eddy_write_fn *fn) {
    if (!write_is_allowed(stream)) return write_refusal(stream);
    if (count < 0) return -EINVAL;
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len > WRITE_BYTES_MAX - bytes) return -EINVAL;
        bytes += vectors[i].iov_len;
    }
    write->vectors = vectors;
    write->count = count;
    return write_push(stream, write, bytes, fn);
}

int eddy_stream_shutdown(eddy_stream *stream, eddy_write *write, eddy_write_fn *fn) {
    if (!write_is_allowed(stream)) return write_refusal(stream);
    write->count = WRITE_SHUTDOWN;
    int err = write_push(stream, write, 0, fn);
    if (err == 0) stream->state &= (uint16_t)~STREAM_WRITABLE;
    return err;
}

/* --- Sending --- */

static ssize_t write_send_vectors(eddy_stream *stream, const struct iovec *vectors, int count) {
    stream_loop(stream)->metrics.writes++;
    return eddy_os_send(stream_fd(stream), vectors, count);
}

/* The kernel gives out a socket's error once, and only -EPIPE leaves the reader's end true. */
static bool write_has_failed(eddy_stream *stream, ssize_t sent) {
    if (sent >= 0 || sent == -EAGAIN) return false;
    if (sent != -EPIPE) stream->error = (int16_t)sent;
    return true;
}

/* Sends the vectors of `write` and of those behind it, up to a shutdown, as far as one call goes.
 * `*asked` is how many bytes that were. */
static ssize_t write_send_gathered(eddy_stream *stream, const eddy_write *write, size_t *asked) {
    struct iovec vectors[WRITE_VECTORS_MAX];
    int count = 0;
    *asked = 0;
    for (; write != NULL && write->count >= 0 && count < WRITE_VECTORS_MAX;
         write = write_after(write)) {
        for (int i = 0; i < write->count && count < WRITE_VECTORS_MAX; i++) {
            *asked += write->vectors[i].iov_len;
            vectors[count++] = write->vectors[i];
        }
    }
    return write_send_vectors(stream, vectors, count);
}

/* Takes what was sent out of the requests' vectors, cutting the last one where the kernel stopped.
 */
static void write_take(eddy_write *write, size_t bytes) {
    for (; write != NULL && write->count >= 0; write = write_after(write)) {
        while (write->count > 0 && write->vectors->iov_len <= bytes) {
            bytes -= write->vectors->iov_len;
            write->vectors++;
            write->count--;
        }
        if (write->count > 0) {
            write->vectors->iov_base = (char *)write->vectors->iov_base + bytes;
            write->vectors->iov_len -= bytes;
            return;
        }
    }
}

static void write_set_blocked(eddy_stream *stream, bool blocked) {
    if (blocked == ((stream->state & STREAM_BLOCKED) != 0)) return;
    stream->state ^= STREAM_BLOCKED;
    eddy__stream_update_interest(stream);
}

/* Everything from `write` on has failed. What was sent before has left a hole at its end, so
 * nothing more may be sent. */
static size_t write_fail(eddy_stream *stream, eddy_write *write, int error) {
    size_t done = 0;
    for (; write != NULL; write = write_after(write), done++) write->status = error;
    stream->queued = 0;
    stream->write_due_ns = NEVER_NS;
    stream->state &= (uint16_t)~STREAM_WRITABLE;
    write_set_blocked(stream, false);
    return done;
}

/* `bytes` of the queue were sent, and `left` is the first request that is not done. */
static void write_settle(eddy_stream *stream, const eddy_write *left, size_t bytes) {
    stream->queued -= bytes;
    if (left == NULL) {
        stream->write_due_ns = NEVER_NS;
    } else if (bytes > 0 && stream->write_timeout_ns != 0) {
        stream->write_due_ns = due_after_ns(stream_loop(stream), stream->write_timeout_ns);
    }
    write_set_blocked(stream, left != NULL);
}

/* Sends what the kernel takes now, within the stream's share of the turn. Runs no callback; returns
 * how many requests at the head of the queue are done. */
static size_t write_send_queue(eddy_stream *stream) {
    size_t budget = stream_loop(stream)->config.stream_bytes_per_turn;
    size_t done = 0, total = 0;
    bool blocked = false;
    eddy_write *write = write_first(stream);
    while (write != NULL) {
        if (write->count <= 0) {
            bool is_end = write->count == WRITE_SHUTDOWN;
            write->status = is_end ? eddy_os_shutdown_write(stream_fd(stream)) : 0;
            write = write_after(write);
            done++;
            continue;
        }
        /* Fewer bytes than asked mean a full kernel: the call that would say so is saved. */
        if (blocked || total >= budget) break;
        size_t asked;
        ssize_t sent = write_send_gathered(stream, write, &asked);
        if (write_has_failed(stream, sent)) return done + write_fail(stream, write, (int)sent);
        size_t taken = sent > 0 ? (size_t)sent : 0;
        blocked = taken < asked;
        if (taken > 0 || asked == 0) write_take(write, taken);
        total += taken;
    }
    write_settle(stream, write, total);
    return done;
}

/* --- Telling --- */

static void write_tell(eddy_stream *stream) {
    eddy_write *write = write_take_first(stream);
    request_end(stream_loop(stream));
    CALLBACK(stream_loop(stream), write, write->fn(write, write->status)); /* it may be gone now */
}

RARE static void write_tell_drained(eddy_stream *stream) {
    if (!(stream->state & STREAM_CONNECTED) || stream->queued > stream->low) return;
    stream->state &= (uint16_t)~STREAM_FULL;
    if (stream->drained_fn != NULL)
        CALLBACK(stream_loop(stream), stream, stream->drained_fn(stream));
}

/* A callback may close the stream: its memory stays, and what was done before stays done. */
static void write_tell_done(eddy_stream *stream, size_t done) {
    for (; done > 0; done--) write_tell(stream);
    if (stream->state & STREAM_FULL) write_tell_drained(stream);
}

/* Also what connect() said at once. */
RARE static void write_flush_otherwise(eddy_stream *stream) {
    if (stream->state & STREAM_CONNECTING)
        eddy__connect_end(stream, stream->error);
    else
        write_tell_done(stream, write_send_queue(stream));
}

/* `sent` is what the kernel said to the only request, and not all of it. */
RARE static void write_flush_partly(eddy_stream *stream, ssize_t sent) {
    eddy_write *write = stream->write_last;
    if (write_has_failed(stream, sent)) {
        write_tell_done(stream, write_fail(stream, write, (int)sent));
        return;
    }
    size_t taken = sent > 0 ? (size_t)sent : 0;
    write_take(write, taken);
    write_settle(stream, write, taken);
}

/* One request of one piece, and nothing to tell but that it is done. */
static bool write_has_usual_queue(const eddy_stream *stream) {
    const eddy_write *write = stream->write_last;
    return write != NULL && write->next == write && write->count == 1 &&
           !(stream->state & (STREAM_BLOCKED | STREAM_FULL));
}

/* The usual queue, if it is sent whole, goes without the loops. An error, as a size, is more than
 * any queue has. */
void eddy__stream_flush(eddy_stream *stream) {
    if (!write_has_usual_queue(stream)) {
        write_flush_otherwise(stream);
        return;
    }
    ssize_t sent = write_send_vectors(stream, stream->write_last->vectors, 1);
    if ((size_t)sent != stream->queued) {
        write_flush_partly(stream, sent);
        return;
    }
    eddy_write *write = stream->write_last;
    stream->write_last = NULL;
    stream->queued = 0;
    stream->write_due_ns = NEVER_NS;
    request_end(stream_loop(stream));
    CALLBACK(stream_loop(stream), write, write->fn(write, 0)); /* it may be gone now */
}

void eddy__stream_write_fail(eddy_stream *stream, int error) {
    stream->error = (int16_t)error;
    write_tell_done(stream, write_fail(stream, write_first(stream), error));
}

/* A loop that was busy past the deadline still tries whether the kernel has room by now. */
void eddy__stream_write_late(eddy_stream *stream) {
    int64_t now_ns = stream_loop(stream)->now_ns;
    eddy__stream_flush(stream);
    if ((stream->state & STREAM_CONNECTED) && stream->write_due_ns <= now_ns)
        write_tell_done(stream, write_fail(stream, write_first(stream), -ETIMEDOUT));
}

void eddy__stream_write_cancel(eddy_stream *stream) {
    write_tell_done(stream, write_fail(stream, write_first(stream), -ECANCELED));
}

/* --- Without a request, and the settings --- */

ssize_t eddy_stream_try_write(eddy_stream *stream, const struct iovec *vectors, int count) {
    if (!write_is_allowed(stream)) return write_refusal(stream);
    if (count < 0) return -EINVAL;
    if (stream->write_last != NULL) return -EAGAIN;
    ssize_t sent = write_send_vectors(stream, vectors, count);
    if (write_has_failed(stream, sent)) stream->state &= (uint16_t)~STREAM_WRITABLE;
    return sent;
}

size_t eddy_stream_queued(const eddy_stream *stream) {
    return stream->queued;
}

int eddy_stream_set_marks(eddy_stream *stream, size_t low, size_t high, eddy_stream_fn *drained) {
    if (stream->state & STREAM_CLOSING) return -EINVAL;
    if (low > high || high == 0) return -EINVAL;
    stream->low = low < WRITE_MARK_MAX ? (uint32_t)low : WRITE_MARK_MAX;
    stream->high = high < WRITE_MARK_MAX ? (uint32_t)high : WRITE_MARK_MAX;
    stream->drained_fn = drained;
    return 0;
}

bool eddy_stream_is_full(const eddy_stream *stream) {
    return (stream->state & STREAM_FULL) != 0;
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
