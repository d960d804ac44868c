/* stream.h: bytes in order, over a connected socket, a pipe, a terminal. Loop thread only.
 *
 * The life of a stream: init; attach, or connect (tcp.h); read and write; close. Its memory is
 * yours again in the close callback, after the callbacks of all its requests; also after a detach
 * or a failed connect it has to be closed, since the library may be about to look at it. Only one
 * that never had a socket, because attach or connect returned an error or was not called, may go
 * without. A write never raises SIGPIPE, whatever the process does with it.
 *
 * A stream keeps the loop alive from attach or connect to close or detach, whether it reads or not:
 * one that is paused waits for somebody to go on. eddy_unref(&stream->io.handle) changes that; its
 * requests keep the loop alive all the same.
 *
 * The socket is the stream's to close. If somebody else has closed it, what the kernel still held
 * is out of reach: the reader keeps what it has been given, and as soon as the backend or a call
 * finds out, the writes under way and the reader are told -EBADF. epoll and kqueue find out
 * nothing by themselves. The stream leaves the number alone then, which may be another file's.
 * @since 0.1 */
#ifndef EDDY_STREAM_H
#define EDDY_STREAM_H

#include <eddy/defer.h>
#include <eddy/io.h>
#include <eddy/timer.h>

#include <sys/socket.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_stream eddy_stream;
typedef struct eddy_write eddy_write;

/* `size` > 0: so many bytes at `data`; in a buffer that the loop lent they are only there during
 * the call, though you may change them. 0: the end, the peer has shut down; reading has stopped.
 * Negative: an error, told once, after all data; reading has stopped. -ETIMEDOUT: the read
 * deadline. Want of memory in the kernel is no error: it is tried again every 10 ms. */
typedef void eddy_read_fn(eddy_stream *stream, void *data, ssize_t size);

/* `status` 0: all bytes are with the kernel (which is not with the peer). Negative: why not all. */
typedef void eddy_write_fn(eddy_write *write, int status);

typedef void eddy_stream_fn(eddy_stream *stream);
typedef void eddy_connect_fn(eddy_stream *stream, int status);
typedef void eddy_hangup_fn(eddy_stream *stream, int status);

/* A write on its way. Fields are private, but for `stream`, which is there in the callback too. */
struct eddy_write {
    eddy_stream *stream;
    eddy_write *next; /* the last one's is the first */
    eddy_write_fn *fn;
    struct iovec *vectors; /* what is left to write */
    struct iovec one;
    int count;
    int status;
};

/* All fields are private, but for `io.handle`, to be given to eddy_unref and its like. What is
 * never in use at the same time shares its place, so that an idle stream takes 192 bytes. */
struct eddy_stream {
    eddy_io io; /* started while the stream has a socket */
    union {
        eddy_timer timer;   /* at the nearest deadline, or before it */
        eddy_defer closing; /* once it is closed */
    };
    eddy_link flush; /* among the streams that want phase 7 to look at them */
    union {
        eddy_read_fn *read_fn;
        eddy_connect_fn *connect_fn; /* while it is connecting */
        eddy_hangup_fn *hangup_fn;   /* while it waits for a hang-up */
    };
    union {
        eddy_stream_fn *drained_fn;
        eddy_stream_fn *close_fn; /* once it is closed */
    };
    void *read_data;        /* the caller's buffer, or the loop's */
    eddy_write *write_last; /* of the queue, whose first one is its `next`; NULL: empty */
    size_t queued;          /* bytes in it */
    int64_t read_due_ns, write_due_ns, write_timeout_ns;
    uint32_t low, high; /* marks */
    uint32_t read_size; /* of read_data */
    uint16_t state;
    int16_t error; /* what took the connection away, once a write has found out */
};

/* Makes `stream` an unconnected stream of `loop`. Cannot fail. */
EDDY_API void eddy_stream_init(eddy_stream *stream, eddy_loop *loop);

/* Makes the connected socket `fd` the stream's; from now on the stream closes it. It is made
 * non-blocking and close-on-exec. Errors, which leave `fd` yours: -EISCONN (it has one), -EBADF,
 * -EINVAL (closing), -EBUSY (a stream or listener of this loop has it), -ECONNRESET (macOS,
 * already), or as eddy_io_start.
 *
 * `fd` may be anything that can be watched: an end of a pipe, a FIFO, a terminal, an end of a pty,
 * a character device; a regular file is -EPERM. What is said of sockets holds, but:
 * - non-blocking is the description, which others may share: for 0, 1 and 2 see stdio.h.
 * - An end that is open for one direction refuses the other: -EBADF from read_start, write, …
 * - A shutdown closes what is open for writing only, so that its reader sees the end; something
 *   that is good for nothing but closing has its number until the stream is closed. What is open
 *   for both, as a terminal, cannot say that no more comes: the status is 0, and the other side
 *   sees the end when the stream is closed.
 * - A pty without a slave, and a FIFO without a writer after it had one, are at their end; and
 *   again each time that reading is started: eddy_stream_read_past_end.
 * - eddy_stream_hangup_start on a writing end tells -EPIPE when the reader has gone.
 * - eddy_stream_reset is a close; what asks for a socket, as eddy_tcp_…, is -ENOTSOCK. */
EDDY_API int eddy_stream_attach(eddy_stream *stream, int fd);

/* Connects the socket `fd`, which you made, to `address`: for one that is bound to an address or a
 * device of yours, or has options that must be there before (SO_RCVBUF, TCP_FASTOPEN_CONNECT …).
 * It is a TCP or a local socket, of bytes or of records. Non-blocking and close-on-exec from now
 * on, and the stream's, which closes it, also when connecting fails later. `fn` and `timeout_ns` as
 * in eddy_tcp_connect (tcp.h); a local one waits for a place in a full backlog (local.h).
 * Errors, after which `fn` never runs and `fd` is yours as it was, but for the two flags, and
 * that after -ENOMEM or an error of eddy_io_start it may be connecting or connected: -EISCONN
 * (the stream or `fd` is connected; of a listening `fd` -EINVAL as well), -EALREADY (connecting,
 * either of them), -EBUSY (a stream or listener of this loop has it), -EBADF, -ENOTSOCK,
 * -EAFNOSUPPORT (neither IP nor local, or `address` is of another family), -EPROTOTYPE (a socket of
 * datagrams), -EINVAL, -ENOMEM, or as eddy_io_start. */
EDDY_API int eddy_stream_connect(eddy_stream *stream, int fd, const struct sockaddr *address,
                                 socklen_t length, int64_t timeout_ns, eddy_connect_fn *fn);

/* Takes the descriptor out of the stream, to close it or to attach it elsewhere, also on another
 * thread's loop. Returns it. Reading and its deadline have stopped; the stream is unconnected, with
 * its marks and its write timeout as they were: attach another, or close it.
 * Errors: -EBUSY (writes, a shutdown or a connect are under way), -ENOTCONN, and -EBADF, after
 * which the stream is unconnected all the same: somebody has closed its socket, as it knows by now,
 * and the number may be another's. */
EDDY_API int eddy_stream_detach(eddy_stream *stream);

/* The descriptor, or -1, also once the stream knows that somebody has closed it. For socket options
 * and the like; closing it is the stream's business. */
EDDY_API int eddy_stream_fd(const eddy_stream *stream);

/* --- Reading --- */

/* Calls `fn` with each piece of data, in a buffer that the loop lends for the call, so that an idle
 * stream holds none. Errors: -ENOTCONN, -EALREADY (reading), -EINVAL (closing), -ENOMEM,
 * -EBADF (somebody has closed its socket, as it knows by now; or it is open for writing only). */
EDDY_API int eddy_stream_read_start(eddy_stream *stream, eddy_read_fn *fn);

/* The same into your own buffer, each time from its beginning: what is to be kept has to be taken
 * out of it in the callback, or reading be stopped and started behind it. Errors also: -EINVAL (no
 * room). */
EDDY_API int eddy_stream_read_into(eddy_stream *stream, void *data, size_t size, eddy_read_fn *fn);

/* No read callback comes after this, until the next start, and no call of eddy_stream_hangup_start.
 * Idempotent. */
EDDY_API void eddy_stream_read_stop(eddy_stream *stream);

/* For a stream that does not read just now: calls `fn` once when the other side hangs up. So a
 * proxy whose other connection is full, or a server that works on an answer, hears that its client
 * is gone. `status` 0: it has shut down its sending or closed, which look the same from here (it
 * may still wait for its answer); negative: the connection is broken, as -ECONNRESET, which a read
 * will tell too. What was sent before is still to be read. TCP brings the end only behind all
 * bytes: of a client that has filled the window and then closes nothing is heard before somebody
 * reads, so a time-out is wanted as well. Ends with the call, and with read_start, read_into or
 * read_stop. Started again after the end has come it calls again in the next turn. Errors:
 * -ENOTCONN, -EALREADY (reading, or waiting already), -EINVAL (closing), -EBADF (somebody has
 * closed its socket, as it knows by now), -ENOTSUP (a backend without EDDY_CAN_HANGUP). How a proxy
 * uses it: docs/15-proxy.md. */
EDDY_API int eddy_stream_hangup_start(eddy_stream *stream, eddy_hangup_fn *fn);

/* For what is no socket: the end is not told, as it may not last: of a pty, whose slave a getty or
 * the next child opens again, or of a FIFO, whose next writer is still to come. Reading goes on
 * instead, and looks every 10 ms for as long as nobody is there; a read deadline limits that, and
 * whoever knows better (a child has ended) stops reading. Holds until detach or close, off at the
 * start. Errors: -ENOTCONN, -ENOTSUP (a socket, whose end lasts), -EINVAL (closing). */
EDDY_API int eddy_stream_read_past_end(eddy_stream *stream, bool on);

/* If the stream still reads, without another deadline, `delay_ns` from now, the read callback gets
 * -ETIMEDOUT and reading has stopped. What came in time is read before, also where the loop is late
 * and that takes several turns. Bytes that arrive do not push it away: call this again in the
 * read callback for a time-out on idleness, which costs a store or two. -1: no deadline. It goes
 * when reading stops, for whatever reason.
 * Errors: -ENOTCONN, -EINVAL (other negative delays; closing), -ENOMEM. */
EDDY_API int eddy_stream_set_read_deadline(eddy_stream *stream, int64_t delay_ns);

/* --- Writing --- */

/* Writes `size` bytes at `data`, which stay yours but must not change before `fn` is called. Writes
 * of one turn go out together in phase 7, up to 64 pieces a system call; what the kernel does not
 * take then waits in `write`. Callbacks come in order. A write of 0 bytes is done when those before
 * it are. When one fails, the rest of the queue fails with it, and there can be no more. Want of
 * memory in the kernel (ENOBUFS, ENOMEM) fails none: it is tried again every 10 ms, until the write
 * timeout, if there is one.
 * Errors, after which `fn` never runs: -ENOTCONN, -EPIPE (after shutdown, or after a write has
 * failed), -EBADF (open for reading only), -EINVAL (closing, or more bytes queued than fit
 * ssize_t), -ENOMEM (a write timeout). */
EDDY_API int eddy_stream_write(eddy_stream *stream, eddy_write *write, const void *data,
                               size_t size, eddy_write_fn *fn);

/* The same for `count` pieces, any number. `vectors` must stay until `fn` is called and may be
 * changed. Errors also: -EINVAL (negative count). */
EDDY_API int eddy_stream_writev(eddy_stream *stream, eddy_write *write, struct iovec *vectors,
                                int count, eddy_write_fn *fn);

/* Writes at once what the kernel takes, without a request. Returns the count of bytes; of records
 * (local.h) it is one, whole or not at all.
 * Errors: -EAGAIN (nothing now, or other writes wait before it), -EINVAL (negative count, more
 * bytes than fit ssize_t), -EMSGSIZE (a record that the socket can never take), which change
 * nothing; or as eddy_stream_write and send(2). */
EDDY_API ssize_t eddy_stream_try_write(eddy_stream *stream, const struct iovec *vectors, int count);

/* Offers the kernel at once what is queued, within the stream's share of a turn, and not only in
 * phase 7. No callback runs inside: those of the writes that are done come in phase 7, as always.
 * Worth it behind a write of 64 KiB or more, which by phase 7 is no longer in the processor's cache
 * if many streams have written as much; behind small ones it costs calls.
 * Errors: -EAGAIN (some bytes wait; eddy_stream_queued says how many), -ENOTCONN, -EINVAL
 * (closing), or as send(2), which the writes are then told as well. */
EDDY_API int eddy_stream_flush(eddy_stream *stream);

/* Bytes of writes that the kernel has not taken yet; those of this turn it is offered in phase 7.
 */
EDDY_API size_t eddy_stream_queued(const eddy_stream *stream);

/* Whether bytes are queued because the kernel refused them when it was offered them last: the peer
 * does not keep up, or the system is short of memory. What was only written in this turn does not
 * count. Ask this before dropping a slow peer. */
EDDY_API bool eddy_stream_is_blocked(const eddy_stream *stream);

/* Marks for a producer that is faster than its peer. When `high` bytes are queued, offered to the
 * kernel or not, the stream is full, and stays so until the queue has fallen to `low`, sent or
 * failed. The state falls with the queue: the callbacks of the writes that made it fall see it
 * already. After them `drained` (may be NULL) is called, unless they have filled the stream again.
 * Writes are accepted all the same. At the start: 64 KiB and 256 KiB, or one and four of the loop's
 * read buffers if those are larger; NULL. Marks beyond 2 GiB count as that; new ones apply at once.
 * Errors: -EINVAL (low above high, high 0; closing). */
EDDY_API int eddy_stream_set_marks(eddy_stream *stream, size_t low, size_t high,
                                   eddy_stream_fn *drained);
EDDY_API bool eddy_stream_is_full(const eddy_stream *stream);

/* If the queue is not empty and the kernel takes no byte of it for `timeout_ns`, the connection is
 * given up for writing: every write gets -ETIMEDOUT. 0: no limit, as at the start. The kernel takes
 * none before a good part of its own buffer is free again (on Linux a third, of up to 4 MB): a peer
 * that reads slowly needs so much time.
 * Errors: -EINVAL (negative; closing), -ENOMEM. */
EDDY_API int eddy_stream_set_write_timeout(eddy_stream *stream, int64_t timeout_ns);

/* Tells the peer that no more bytes come, after all queued writes; then calls `fn`, as a write that
 * carries the end. Errors, after which it never runs: as eddy_stream_write. */
EDDY_API int eddy_stream_shutdown(eddy_stream *stream, eddy_write *write, eddy_write_fn *fn);

/* --- The end --- */

/* Closes: the socket is closed at once, requests under way get -ECANCELED, reading stops, and then,
 * in phase 8, `fn` (may be NULL) is called and the stream is yours. Unwritten bytes are lost: shut
 * down first to have them sent. What the kernel has taken it goes on sending by itself. If you have
 * set SO_LINGER, the close is what close(2) makes of it: with 0 seconds a reset; with more it may
 * keep the loop's thread waiting until all is sent or they have passed, as on Linux it does also
 * for a non-blocking socket. Errors: -EALREADY (closing). */
EDDY_API int eddy_stream_close(eddy_stream *stream, eddy_stream_fn *fn);

/* The same, but the peer gets a reset instead of an end. */
EDDY_API int eddy_stream_reset(eddy_stream *stream, eddy_stream_fn *fn);

#ifdef __cplusplus
}
#endif
#endif
