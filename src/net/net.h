/* net.h: what the files of src/net share.
 *
 *   net_part.c      what the streams of a loop share
 *   stream.c        the life of a stream: attach, detach, readiness, deadlines, close
 *   stream_read.c   reading
 *   stream_write.c  the queue of writes, shutting down, marks
 *   stream_send.c   sending the queue, and telling what became of it
 *   stream_record.c reading and writing records
 *   channel.c       reading and writing what is no socket
 *   stream_pass.c   passing descriptors
 *   stdio.c         standard input and output, and what else others share
 *   stdio_job.c     transfers of these by the pool
 *   connect.c       connecting
 *   tcp.c           TCP: options, listening, addresses of both ends
 *   local.c         local sockets: pairs, names, who is there
 *   listener.c      accepting
 *   reader.c        requests for so many bytes or a line, on top of a stream
 *   address.c       numeric and local addresses, and their text
 *
 * Callbacks may close the stream, but its memory stays until phase 8: code that calls one looks
 * at `state` afterwards, and nothing else needs to be remembered. Threading: loop thread only. */
#ifndef EDDY_NET_NET_H
#define EDDY_NET_NET_H

#include <eddy/stream.h>
#include <eddy/tcp.h>

#include "../core/callback.h"
#include "../core/handle.h"
#include "../core/list.h"
#include "../core/loop.h"
#include "../core/observe.h"
#include "../core/walk.h"

#include <errno.h>
#include <netinet/in.h>

/* Of `eddy_stream.state`. 0 is an unconnected stream. */
enum {
    STREAM_CONNECTING = 1 << 0,
    STREAM_CONNECTED = 1 << 1, /* has a socket that may be read and written */
    STREAM_READING = 1 << 2,
    STREAM_BLOCKED = 1 << 3,  /* the queue waits for EDDY_WRITE, which is its interest just then */
    STREAM_WRITABLE = 1 << 4, /* connected, not shut down, and no write has failed */
    STREAM_FULL = 1 << 5,     /* has reached the high mark, and not fallen to the low one since */
    STREAM_CLOSING = 1 << 6,
    STREAM_DRAINS = 1 << 7,         /* has been full since `drained` was told last */
    STREAM_REFUSED = 1 << 8,        /* blocked, because the kernel took no more */
    STREAM_WRITE_AGAIN = 1 << 9,    /* blocked for want of memory: not EDDY_WRITE but the timer */
    STREAM_READ_AGAIN = 1 << 10,    /* reading, and the same */
    STREAM_HANGUP = 1 << 11,        /* not reading, and EDDY_HANGUP is its interest */
    STREAM_CONNECT_AGAIN = 1 << 12, /* connecting: the other side's backlog is full */
    STREAM_RECORDS = 1 << 13,       /* of a SOCK_SEQPACKET */
    STREAM_CHANNEL = 1 << 14,       /* reads and writes by the calls of its channel */
    STREAM_PASSES = 1 << 15,        /* may have descriptors in its queue, or receive some */
    /* Whose bytes do not simply go by receive and send. */
    STREAM_OTHERWISE = STREAM_RECORDS | STREAM_CHANNEL | STREAM_PASSES,
};

/* Counts of an eddy_write that are none. */
enum {
    WRITE_SHUTDOWN = -1, /* the count of a request that carries the end of the stream */
    WRITE_DONE = -2,     /* the count of one whose status is known, and not told yet */
};

#define NEVER_NS        INT64_MAX
#define WRITE_MARK_MAX  INT32_MAX      /* fits a mark and ssize_t on every system */
#define WRITE_BYTES_MAX (SIZE_MAX / 2) /* of a queue: what fits ssize_t */

/* What the kernel had no memory for is tried again after so long: the socket is ready all the
 * while, so an event would spin. */
#define AGAIN_NS (10 * EDDY_NS_PER_MS)

static inline eddy_loop *stream_loop(const eddy_stream *stream) {
    return stream->io.handle.loop;
}

/* Of a stream that has a socket. */
static inline int stream_fd(const eddy_stream *stream) {
    return (int)stream->io.handle.place;
}

/* The time `delay_ns` from now; beyond the clock's range is never. */
static inline int64_t due_after_ns(eddy_loop *loop, int64_t delay_ns) {
    int64_t now_ns = loop_now_ns(loop);
    return delay_ns < NEVER_NS - now_ns ? now_ns + delay_ns : NEVER_NS;
}

/* --- channel.c: what a stream has beside it that is not simply a socket --- */

struct channel;

struct channel_calls {
    eddy_io_fn *ready; /* the watcher's callback */
    /* What the kernel has, or takes, now; a count or a negative errno, -EAGAIN if nothing. */
    ssize_t (*read)(eddy_stream *stream, void *data, size_t size);
    ssize_t (*write)(eddy_stream *stream, const struct iovec *vectors, int count);
    int (*end)(eddy_stream *stream); /* no more is written: what the other side is told */
    /* NULL, both of them, if the kernel does what is asked of it at once. */
    void (*update)(eddy_stream *stream); /* in place of the interest that the state calls for */
    bool (*close)(eddy_stream *stream);  /* true: it is busy, and eddy__stream_closed comes later */
    /* In a forked child, of one that is busy: what it waits for is the parent's. */
    void (*end_in_child)(struct channel *channel);
};

/* It takes the place of `read_data`, whose pointer it has itself. */
struct channel {
    const struct channel_calls *calls;
    size_t bytes;     /* of the block that begins with it */
    void *data;       /* where the reader wants its bytes: the caller's buffer, or the loop's */
    eddy_link ending; /* in net_part's list while it is closed and busy */
    int fd;           /* for eddy_stream_fd, if it is not the watcher's; or -1 */
    bool can_read, can_write;
    bool is_socket;
    bool is_refused; /* the flag of eddy_os_write_vectors */
    bool reads_on;   /* an end is tried again later */
};

/* Of a stream with STREAM_CHANNEL. */
static inline struct channel *channel_of(const eddy_stream *stream) {
    return (struct channel *)stream->read_data;
}

/* --- net_part.c: what the streams of a loop share --- */
struct net_part {
    struct part part;
    void *read_buffer; /* lent to the streams that read; allocated when the first one does */
    struct net_passed *passed; /* descriptors that have come; NULL: no stream receives any */
    eddy_link flushing;        /* streams that have written since phase 7, in order */
    eddy_defer flush;          /* queued while `flushing` is not empty, and maybe longer */
    eddy_link ending;          /* channels whose streams are closed, and which are busy */
};

extern const struct part_kind eddy__net_kind;

/* Of a stream that has, or has had, a socket: joining is part of getting one. Each write asks for
 * it, so the loop keeps it at hand. */
static inline struct net_part *net_part_of(const eddy_stream *stream) {
    return (struct net_part *)stream_loop(stream)->hot_part;
}

/* What the number means by now is no socket of ours: somebody has closed it, and it may have
 * another owner, whose file it would be wrong to close, read or write. */
static inline bool net_has_lost(ssize_t error) {
    return error == -EBADF || error == -ENOTSOCK;
}

/* Want of memory ends no connection: it passes. */
static inline bool stream_is_short(ssize_t error) {
    return error == -ENOBUFS || error == -ENOMEM;
}

/* The kernel gives out a socket's error once, and only -EPIPE leaves the reader's end true. */
static inline bool stream_send_failed(eddy_stream *stream, ssize_t sent) {
    if (sent >= 0 || sent == -EAGAIN || stream_is_short(sent)) return false;
    if (sent != -EPIPE) stream->error = (int16_t)sent;
    return true;
}

/* Where it is known by now that nobody looks. */
static inline ssize_t stream_send_unseen(eddy_stream *stream, const struct iovec *vectors,
                                         int count) {
    stream_loop(stream)->metrics.writes++;
    return eddy_os_send(stream_fd(stream), vectors, count);
}

static inline ssize_t stream_send_vectors(eddy_stream *stream, const struct iovec *vectors,
                                          int count) {
    ssize_t sent = stream_send_unseen(stream, vectors, count);
    observe_note(stream_loop(stream), EDDY_TRACE_WRITE, EDDY_KIND_STREAM, stream, sent);
    return sent;
}

static inline int net_join(eddy_loop *loop) {
    return eddy__part_of(loop, &eddy__net_kind) != NULL ? 0 : -ENOMEM;
}

/* Whether a socket is TCP, or else local. */
static inline bool net_is_of(int family, bool is_local) {
    return is_local ? family == AF_UNIX : family == AF_INET || family == AF_INET6;
}

/* --- stream.c --- */
bool eddy__stream_has_owner(const eddy_loop *loop, int fd); /* a stream or listener has `fd` */
void eddy__stream_ready(eddy_io *io, unsigned events);      /* the watcher's callback */
void eddy__stream_ready_for_more(eddy_stream *stream, unsigned events);
int eddy__stream_watch(eddy_stream *stream, int fd, bool records, unsigned events);
void eddy__stream_update_interest(eddy_stream *stream);         /* the events its state calls for */
int eddy__stream_arm(eddy_stream *stream, int64_t due_ns);      /* the timer, if it is later */
void eddy__stream_begin(eddy_stream *stream, unsigned state);   /* a new socket */
void eddy__stream_close_socket(eddy_stream *stream, int error); /* which tells if it is gone */

void eddy__stream_closed(eddy_stream *stream); /* of one that a channel's close has held up */

/* --- channel.c --- */
int eddy__channel_attach(eddy_stream *stream, int fd);
/* `channel` is filled in, but for what is not given here. The caller frees it on an error. */
int eddy__channel_begin(eddy_stream *stream, int fd, struct channel *channel);
void eddy__channel_release(eddy_stream *stream);        /* gives its memory back, if it has one */
void eddy__channel_ready(eddy_io *io, unsigned events); /* the watcher's callback */
void eddy__channel_read(eddy_stream *stream);
ssize_t eddy__channel_receive(eddy_stream *stream);
ssize_t eddy__channel_send(eddy_stream *stream, const struct iovec *vectors, int count);
ssize_t eddy__channel_try(eddy_stream *stream, const struct iovec *vectors, int count);

/* --- stream_read.c --- */
void eddy__stream_read(eddy_stream *stream);
void eddy__stream_read_again(eddy_stream *stream);
void eddy__stream_read_verdict(eddy_stream *stream, ssize_t size); /* of a read without data */
void eddy__stream_read_end(eddy_stream *stream, ssize_t verdict);  /* the last call of read_fn */
void eddy__stream_read_late(eddy_stream *stream);
void eddy__stream_hangup_end(eddy_stream *stream, int status); /* tells of it */
void eddy__stream_tell_loss(eddy_stream *stream); /* whoever would read, as no event would come */

/* --- stream_write.c --- */
int eddy__stream_flush_later(eddy_stream *stream); /* has it looked at in phase 7; 0 */

/* --- stream_send.c --- */
enum { SEND_VECTORS_MAX = 64 }; /* of a system call: 1 KiB of stack; more hardly save anything */
void eddy__stream_flush_all(eddy_defer *defer); /* phase 7 of the part */
void eddy__stream_send(eddy_stream *stream);    /* what waits for EDDY_WRITE */
void eddy__stream_write_fail(eddy_stream *stream, int error);
void eddy__stream_write_late(eddy_stream *stream);
void eddy__stream_write_cancel(eddy_stream *stream); /* of a closed stream */

/* --- stream_record.c --- */
void eddy__record_ready(eddy_io *io, unsigned events); /* the watcher's callback */
void eddy__record_read(eddy_stream *stream);
ssize_t eddy__record_receive(const eddy_stream *stream);
/* Sends a whole request, of `*asked` bytes, and nothing behind it. */
ssize_t eddy__record_send(eddy_stream *stream, eddy_write *write, size_t *asked);
ssize_t eddy__record_try(eddy_stream *stream, const struct iovec *vectors, int count);

/* --- stream_pass.c --- */
bool eddy__pass_carries(const eddy_write *write); /* descriptors that have not been sent yet */
/* Sends them with what the kernel takes of a request, of `*asked` bytes, and nothing behind it. */
ssize_t eddy__pass_send(eddy_stream *stream, eddy_write *write, size_t *asked);
bool eddy__pass_receives(const eddy_stream *stream);
void eddy__pass_read(eddy_stream *stream);
ssize_t eddy__pass_receive(const eddy_stream *stream);
void eddy__pass_tell(eddy_stream *stream, ssize_t size); /* calls read_fn with what was received */
void eddy__pass_end(eddy_loop *loop, struct net_part *net);

/* --- connect.c --- */
int eddy__connect_start(eddy_stream *stream, bool is_local, int type,
                        const struct sockaddr *address, socklen_t length, int64_t timeout_ns,
                        eddy_connect_fn *fn);
void eddy__connect_again(eddy_stream *stream);
void eddy__connect_forget(eddy_stream *stream); /* what a next attempt would need */
void eddy__connect_ready(eddy_stream *stream);
void eddy__connect_late(eddy_stream *stream);
void eddy__connect_end(eddy_stream *stream, int verdict);

/* --- address.c --- */
int eddy__address_of_stream(const eddy_stream *stream, bool is_peer, bool is_local,
                            struct sockaddr *address, socklen_t *length);

/* --- listener.c --- */
enum { LISTENER_BACKLOG = 511 }; /* what servers ask for; the kernel caps it */
int eddy__listener_check(const eddy_listener *listener, eddy_accept_fn *fn); /* may it start? */
int eddy__listener_watch(eddy_listener *listener, int fd, bool is_local, eddy_accept_fn *fn);

#endif
