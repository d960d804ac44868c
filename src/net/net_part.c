/* net_part.c: what the streams of a loop share: the buffer that is lent to those that read, and the
 * list of those that phase 7 is to flush.
 * Invariant: while `flushing` is not empty, `flush` is queued. Threading: loop thread only.
 */
#include "net.h"

#include "../core/room.h"
#include "../core/verify.h"

/* The buffer is rounded up as well. */
ROOM_FITS(ROOM_OF(sizeof(struct net_part)) + ROOM_OF(1) - 1, EDDY_STREAMS_BYTES(0));

static void net_open(struct part *part) {
    struct net_part *net = (struct net_part *)part;
    link_init(&net->flushing);
    link_init(&net->ending);
    eddy_defer_init(&net->flush, part->loop);
    handle_set_inner(&net->flush.handle);
}

static int net_close(struct part *part) {
    struct net_part *net = (struct net_part *)part;
    EDDY_ASSERT(link_is_empty(&net->flushing) && link_is_empty(&net->ending));
    if (net->read_buffer != NULL)
        eddy__resize(part->loop, net->read_buffer, part->loop->config.read_buffer_bytes, 0);
    net->read_buffer = NULL;
    eddy__pass_end(part->loop, net);
    return 0;
}

static int net_after_fork(struct part *part) {
    const struct net_part *net = (const struct net_part *)part;
    for (const eddy_link *link = net->ending.next; link != &net->ending; link = link->next) {
        struct channel *channel = eddy_container_of(link, struct channel, ending);
        channel->calls->end_in_child(channel);
    }
    return 0;
}

/* --- Invariants --- */

static const char *net_verify_queue(const eddy_stream *stream) {
    size_t bytes = 0;
    const eddy_write *last = stream->write_last;
    const eddy_write *write = last != NULL ? last->next : NULL;
    while (write != NULL) {
        HOLDS(write->stream == stream);
        HOLDS(write->fn != NULL);
        for (int i = 0; i < write->count; i++) bytes += write->vectors[i].iov_len;
        write = write != last ? write->next : NULL;
    }
    /* What failed together is told of one by one, and no longer counted meanwhile. */
    bool has_failed = stream->queued == 0 && !(stream->state & STREAM_WRITABLE);
    HOLDS(stream->queued == bytes || has_failed);
    return NULL;
}

/* Of a stream that has a socket. */
static const char *net_verify_stream(const eddy_stream *stream) {
    unsigned state = stream->state;
    HOLDS(!(state & STREAM_CONNECTING) != !(state & STREAM_CONNECTED));
    HOLDS(!(state & STREAM_CLOSING));
    HOLDS(!(state & STREAM_CHANNEL) || !(state & (STREAM_RECORDS | STREAM_PASSES)));
    if (eddy__pass_receives(stream))
        HOLDS((state & STREAM_PASSES) && net_part_of(stream)->passed != NULL);
    else
        HOLDS(stream->io.fn == (state & STREAM_RECORDS   ? eddy__record_ready
                                : state & STREAM_CHANNEL ? channel_of(stream)->calls->ready
                                                         : eddy__stream_ready));
    if (state & STREAM_CHANNEL) {
        HOLDS(channel_of(stream)->can_read || !(state & STREAM_READING));
        HOLDS(channel_of(stream)->can_write || !(state & STREAM_WRITABLE));
    }
    if (state & STREAM_CONNECT_AGAIN)
        HOLDS((state & STREAM_CONNECTING) && eddy_is_active(&stream->timer.handle));
    if (state & (STREAM_READING | STREAM_BLOCKED | STREAM_WRITABLE | STREAM_HANGUP))
        HOLDS(state & STREAM_CONNECTED);
    if (state & STREAM_HANGUP) HOLDS(!(state & STREAM_READING) && stream->hangup_fn != NULL);
    if (state & STREAM_READING) HOLDS(stream->read_fn != NULL && stream->read_size > 0);
    /* A watcher that has lost its descriptor is muted until its callback hears of it. */
    bool reads = (stream->io.events & EDDY_READ) != 0,
         writes = (stream->io.events & EDDY_WRITE) != 0;
    bool has_own_interest = (state & STREAM_CHANNEL) && channel_of(stream)->calls->update != NULL;
    if (stream->io.error == 0 && !has_own_interest) {
        /* The loop takes the interest back before it tells. */
        if (stream->io.events & EDDY_HANGUP) HOLDS(state & STREAM_HANGUP);
        HOLDS(reads == ((state & (STREAM_READING | STREAM_READ_AGAIN)) == STREAM_READING));
        if (state & STREAM_CONNECTED)
            HOLDS(writes == ((state & (STREAM_BLOCKED | STREAM_WRITE_AGAIN)) == STREAM_BLOCKED));
    }
    /* A queue waits for phase 7, for EDDY_WRITE, or for its requests to be told. */
    if (state & STREAM_BLOCKED) HOLDS(stream->write_last != NULL);
    if (state & (STREAM_REFUSED | STREAM_WRITE_AGAIN)) HOLDS(state & STREAM_BLOCKED);
    if (state & STREAM_READ_AGAIN) HOLDS(state & STREAM_READING);
    if (state & (STREAM_WRITE_AGAIN | STREAM_READ_AGAIN))
        HOLDS(eddy_is_active(&stream->timer.handle));
    if (state & STREAM_FULL) HOLDS((state & STREAM_DRAINS) && stream->queued >= stream->low);
    int64_t due_ns =
        stream->read_due_ns < stream->write_due_ns ? stream->read_due_ns : stream->write_due_ns;
    int64_t armed_ns = eddy_timer_due_ns(&stream->timer);
    /* Never is a timer whose callback is under way: it has its place, and no deadline yet. One that
     * has passed, or is put off by a turn, counts from now. */
    if (due_ns != NEVER_NS) HOLDS(armed_ns >= 0);
    if (due_ns > stream_loop(stream)->now_ns) HOLDS(armed_ns <= due_ns || armed_ns == NEVER_NS);
    HOLDS(stream->low <= stream->high);
    return net_verify_queue(stream);
}

/* The streams are found where their watchers are. */
static const char *net_verify(const struct part *part) {
    const struct net_part *net = (const struct net_part *)part;
    const struct io_table *table = &part->loop->io;
    if (!link_is_empty(&net->flushing)) HOLDS(eddy_is_active(&net->flush.handle));
    for (const eddy_link *link = net->flushing.next; link != &net->flushing; link = link->next) {
        const eddy_stream *stream = eddy_container_of(link, eddy_stream, flush);
        HOLDS(link->next->prev == link && link->prev->next == link);
        HOLDS(stream->state & (STREAM_CONNECTING | STREAM_CONNECTED));
    }
    for (unsigned fd = 0; fd < table->slots_count; fd++) {
        for (const eddy_io *io = table->slots[fd].first; io != NULL; io = io->next) {
            if (handle_what(&io->handle) != EDDY_KIND_STREAM) continue;
            const char *broken = net_verify_stream(eddy_container_of(io, eddy_stream, io));
            if (broken != NULL) return broken;
        }
    }
    return NULL;
}

/* --- Requests in flight --- */

static void net_walk(const struct part *part, const struct loop_walk *walk,
                     const eddy_walk_item *of) {
    (void)part;
    if (of == NULL || of->kind != EDDY_KIND_STREAM) return;
    eddy_stream *stream = of->pointer;
    eddy_write *last = stream->write_last;
    if (stream->state & STREAM_CONNECTING)
        eddy__walk_tell(walk, EDDY_KIND_CONNECT, stream, of->referenced);
    if (last == NULL) return;
    for (eddy_write *write = last->next; write != last; write = write->next)
        eddy__walk_tell(walk, EDDY_KIND_WRITE, write, true);
    eddy__walk_tell(walk, EDDY_KIND_WRITE, last, true);
}

const struct part_kind eddy__net_kind = {
    .bytes = sizeof(struct net_part),
    .is_hot = true,
    .open = net_open,
    .after_fork = net_after_fork,
    .close = net_close,
    .verify = net_verify,
    .walk = net_walk,
};
