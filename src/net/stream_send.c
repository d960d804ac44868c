/* stream_send.c: sending the queue of writes, and telling what became of each.
 *
 * The two are apart: first the kernel takes what it takes and each request learns its status,
 * without a callback running; then those that are done are told, in order. So no callback ever sees
 * a half-updated queue or marks that are behind it, and what a callback queues waits for the next
 * turn.
 *
 * Invariants: the requests that are done are the first ones of the queue, and have WRITE_DONE as
 * their count. STREAM_BLOCKED is set exactly while the rest waits for EDDY_WRITE, or for the timer
 * with STREAM_WRITE_AGAIN. Threading: loop thread only. */
#include "net.h"

static eddy_write *write_first(const eddy_stream *stream) {
    return stream->write_last != NULL ? stream->write_last->next : NULL;
}

static eddy_write *write_after(const eddy_write *write) {
    return write != write->stream->write_last ? write->next : NULL;
}

/* --- What the queue waits for --- */

/* `waits`: of STREAM_BLOCKED, STREAM_REFUSED and STREAM_WRITE_AGAIN. */
static void send_set_waits(eddy_stream *stream, unsigned waits) {
    const unsigned all = STREAM_BLOCKED | STREAM_REFUSED | STREAM_WRITE_AGAIN;
    unsigned changed = (stream->state ^ waits) & all;
    stream->state ^= (uint16_t)changed;
    if (changed & (STREAM_BLOCKED | STREAM_WRITE_AGAIN)) eddy__stream_update_interest(stream);
}

/* The kernel had no memory. Without any for the timer either, EDDY_WRITE and spinning are better
 * than never coming back. */
RARE static void send_again_later(eddy_stream *stream) {
    if (eddy__stream_arm(stream, due_after_ns(stream_loop(stream), AGAIN_NS)) < 0) return;
    send_set_waits(stream, STREAM_BLOCKED | STREAM_REFUSED | STREAM_WRITE_AGAIN);
}

/* `bytes` were sent, and `left` is the first request that is not done. The marks follow the queue
 * here, before anybody is told. */
static void send_settle(eddy_stream *stream, const eddy_write *left, size_t bytes, bool refused) {
    stream->queued -= bytes;
    if (stream->queued <= stream->low) stream->state &= (uint16_t)~STREAM_FULL;
    if (left == NULL) {
        stream->write_due_ns = NEVER_NS;
    } else if (bytes > 0 && stream->write_timeout_ns != 0) {
        stream->write_due_ns = due_after_ns(stream_loop(stream), stream->write_timeout_ns);
    }
    unsigned waits = left == NULL ? 0 : STREAM_BLOCKED;
    if (left != NULL && refused) waits |= STREAM_REFUSED;
    send_set_waits(stream, waits);
}

/* Everything from `write` on has failed, but for what was done before and is about to be told. What
 * was sent has left a hole at its end, so nothing may be sent any more. */
static void send_fail(eddy_stream *stream, eddy_write *write, int error) {
    for (; write != NULL; write = write_after(write)) {
        if (write->count == WRITE_DONE) continue;
        write->count = WRITE_DONE;
        write->status = error;
    }
    stream->queued = 0;
    stream->write_due_ns = NEVER_NS;
    stream->state &= (uint16_t) ~(STREAM_WRITABLE | STREAM_FULL);
    send_set_waits(stream, 0);
}

/* --- Sending --- */

/* A write whose descriptors are still to be sent has system calls of its own. */
static inline bool send_is_apart(const eddy_write *write, bool passes) {
    return passes && eddy__pass_carries(write);
}

/* The vectors of `write` and of those behind it, up to a shutdown or one that is apart, as far as
 * one call goes, to `vectors`. Returns how many; `*asked` is how many bytes that are. */
static inline int send_gather(const eddy_write *write, bool passes, struct iovec *vectors,
                              size_t *asked) {
    int count = 0;
    size_t room = EDDY_OS_TRANSFER_MAX;
    for (; write != NULL && write->count >= 0; write = write_after(write)) {
        if (send_is_apart(write, passes)) break;
        for (int i = 0; i < write->count && count < SEND_VECTORS_MAX && room > 0; i++) {
            struct iovec *vector = &vectors[count++];
            *vector = write->vectors[i];
            if (vector->iov_len > room) vector->iov_len = room;
            room -= vector->iov_len;
        }
        if (count == SEND_VECTORS_MAX || room == 0) break;
    }
    *asked = EDDY_OS_TRANSFER_MAX - room;
    return count;
}

/* As many empty pieces: a call would send nothing, and what it says about that means nothing. */
static ssize_t send_gathered(eddy_stream *stream, const eddy_write *write, size_t *asked) {
    struct iovec vectors[SEND_VECTORS_MAX];
    int count = send_gather(write, false, vectors, asked);
    return *asked > 0 ? stream_send_vectors(stream, vectors, count) : 0;
}

RARE static ssize_t send_otherwise(eddy_stream *stream, eddy_write *write, size_t *asked) {
    struct iovec vectors[SEND_VECTORS_MAX];
    bool passes = (stream->state & STREAM_PASSES) != 0;
    if (send_is_apart(write, passes)) return eddy__pass_send(stream, write, asked);
    if (stream->state & STREAM_RECORDS) return eddy__record_send(stream, write, asked);
    int count = send_gather(write, passes, vectors, asked);
    if (*asked == 0) return 0;
    return stream->state & STREAM_CHANNEL ? eddy__channel_send(stream, vectors, count)
                                          : stream_send_vectors(stream, vectors, count);
}

RARE static int send_end(eddy_stream *stream) {
    return stream->state & STREAM_CHANNEL ? channel_of(stream)->calls->end(stream)
                                          : eddy_os_shutdown_write(stream_fd(stream));
}

/* Takes what was sent out of the requests' vectors, cutting the last one where the kernel stopped.
 */
static void send_take(eddy_write *write, size_t bytes) {
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

/* A request that has nothing left to send. */
static void send_finish(eddy_stream *stream, eddy_write *write) {
    if (write->count == WRITE_DONE) return;
    bool is_end = write->count == WRITE_SHUTDOWN;
    write->status = is_end ? send_end(stream) : 0;
    write->count = WRITE_DONE;
    if (net_has_lost(write->status)) stream->error = (int16_t)write->status;
}

/* Its interest may be told and yet nothing be taken. */
static bool send_may_spin(const eddy_stream *stream) {
    if (stream->state & (STREAM_RECORDS | STREAM_PASSES)) return true;
    return (stream->state & STREAM_CHANNEL) && channel_of(stream)->calls->update == NULL;
}

/* Sends what the kernel takes now, within the stream's share of the turn. Runs no callback.
 * `is_told`: that there is room. Returns 0, or why there can be no more. */
static int send_queue(eddy_stream *stream, bool is_told) {
    size_t budget = stream_loop(stream)->config.stream_bytes_per_turn;
    size_t total = 0;
    ssize_t sent = 0;
    bool refused = false;
    eddy_write *write = write_first(stream);
    while (write != NULL) {
        if (write->count <= 0) {
            send_finish(stream, write);
            write = write_after(write);
            continue;
        }
        /* Fewer bytes than asked mean a full kernel: the call that would say so is saved. */
        if (refused || total >= budget) break;
        size_t asked;
        sent = stream->state & STREAM_OTHERWISE ? send_otherwise(stream, write, &asked)
                                                : send_gathered(stream, write, &asked);
        if (stream_send_failed(stream, sent)) {
            send_fail(stream, write, (int)sent);
            return (int)sent;
        }
        size_t taken = sent > 0 ? (size_t)sent : 0;
        refused = taken < asked;
        if (taken > 0 || asked == 0) send_take(write, taken);
        total += taken;
    }
    send_settle(stream, write, total, refused);
    /* Ready, and yet too full for anything: for a record, or for descriptors, as some BSDs tell of
     * any room; or for a line's end that a terminal makes two characters of. */
    bool is_too_full = is_told && total == 0 && sent == -EAGAIN && send_may_spin(stream);
    if (stream_is_short(sent) || is_too_full) send_again_later(stream);
    return 0;
}

/* --- Telling --- */

static void tell_first(eddy_stream *stream) {
    eddy_write *last = stream->write_last;
    eddy_write *write = last->next;
    EDDY_ASSERT(write->stream == stream);
    if (write == last) {
        EDDY_ASSERT(stream->queued == 0);
        stream->write_last = NULL;
    } else {
        last->next = write->next;
    }
    request_end(stream_loop(stream));
    CALLBACK(stream_loop(stream), EDDY_KIND_WRITE, write, write->fn, write,
             write->status); /* it may be gone now */
}

/* The writes' callbacks may have filled it again: then it is drained once more later. */
RARE static void tell_drained(eddy_stream *stream) {
    if (!(stream->state & STREAM_CONNECTED) || (stream->state & STREAM_FULL)) return;
    stream->state &= (uint16_t)~STREAM_DRAINS;
    if (stream->drained_fn != NULL)
        CALLBACK(stream_loop(stream), EDDY_KIND_STREAM, stream, stream->drained_fn, stream);
}

/* Tells those that are done by now; what is sent by their callbacks is told in the next turn. A
 * callback may close the stream: its memory stays, and what was done before stays done. */
static void tell_done(eddy_stream *stream) {
    size_t done = 0;
    const eddy_write *write = write_first(stream);
    for (; write != NULL && write->count == WRITE_DONE; write = write_after(write)) done++;
    for (; done > 0; done--) tell_first(stream);
    if (stream->state & STREAM_DRAINS) tell_drained(stream);
    /* The descriptor is gone, so no event would come for the reader. */
    if (net_has_lost(stream->error)) eddy__stream_tell_loss(stream);
}

void eddy__stream_send(eddy_stream *stream) {
    (void)send_queue(stream, true);
    tell_done(stream);
}

/* --- Phase 7: the streams that have written in this turn --- */

/* Also what connect() said at once. A queue that is blocked was sent by eddy_stream_flush, and has
 * only to be told. */
RARE static void flush_otherwise(eddy_stream *stream) {
    if (stream->state & STREAM_CONNECTING) {
        eddy__connect_end(stream, stream->error);
        return;
    }
    if (!(stream->state & STREAM_BLOCKED)) (void)send_queue(stream, false);
    tell_done(stream);
}

/* `sent` is what the kernel said to the only request, and not all of it. */
RARE static void flush_partly(eddy_stream *stream, ssize_t sent) {
    eddy_write *write = stream->write_last;
    if (stream_send_failed(stream, sent)) {
        send_fail(stream, write, (int)sent);
        tell_done(stream);
        return;
    }
    size_t taken = sent > 0 ? (size_t)sent : 0;
    send_take(write, taken);
    send_settle(stream, write, taken, taken < EDDY_OS_TRANSFER_MAX);
    if (stream_is_short(sent)) send_again_later(stream);
}

/* One request of one piece, no record, without descriptors, and nothing to tell but that it is
 * done, to nobody else. */
static bool flush_is_usual(const eddy_stream *stream) {
    const eddy_write *write = stream->write_last;
    return write != NULL && write->next == write && write->count == 1 &&
           !(stream->state & (STREAM_BLOCKED | STREAM_DRAINS | STREAM_OTHERWISE)) &&
           !loop_is_observed(stream_loop(stream));
}

/* The usual queue, if it is sent whole, goes without the loops. An error, as a size, is more than
 * any queue has. */
static void flush_stream(eddy_stream *stream) {
    if (!flush_is_usual(stream)) {
        flush_otherwise(stream);
        return;
    }
    ssize_t sent = stream_send_unseen(stream, stream->write_last->vectors, 1);
    if ((size_t)sent != stream->queued) {
        flush_partly(stream, sent);
        return;
    }
    eddy_write *write = stream->write_last;
    EDDY_ASSERT(write->stream == stream);
    stream->write_last = NULL;
    stream->queued = 0;
    stream->write_due_ns = NEVER_NS;
    request_end(stream_loop(stream));
    CALLBACK_UNSEEN(write->fn, write, 0); /* it may be gone now */
}

void eddy__stream_flush_all(eddy_defer *defer) {
    struct net_part *net = eddy_container_of(defer, struct net_part, flush);
    eddy_link streams;
    link_move_all(&streams, &net->flushing);
    while (!link_is_empty(&streams)) {
        eddy_stream *stream = eddy_container_of(streams.next, eddy_stream, flush);
        link_remove(&stream->flush);
        flush_stream(stream);
    }
}

/* --- At once, too late, and never --- */

int eddy_stream_flush(eddy_stream *stream) {
    if (stream->state & STREAM_CLOSING) return -EINVAL;
    if (!(stream->state & STREAM_CONNECTED)) return -ENOTCONN;
    if (stream->write_last == NULL) return 0;
    int err = send_queue(stream, false);
    eddy__stream_flush_later(stream);
    if (err < 0) return err;
    return stream->state & STREAM_BLOCKED ? -EAGAIN : 0;
}

void eddy__stream_write_fail(eddy_stream *stream, int error) {
    stream->error = (int16_t)error;
    send_fail(stream, write_first(stream), error);
    tell_done(stream);
}

/* A loop that was busy past the deadline still tries whether the kernel has room by now. */
void eddy__stream_write_late(eddy_stream *stream) {
    int64_t now_ns = stream_loop(stream)->now_ns;
    eddy__stream_send(stream);
    if (!(stream->state & STREAM_CONNECTED) || stream->write_due_ns > now_ns) return;
    send_fail(stream, write_first(stream), -ETIMEDOUT);
    tell_done(stream);
}

void eddy__stream_write_cancel(eddy_stream *stream) {
    send_fail(stream, write_first(stream), -ECANCELED);
    tell_done(stream);
}
