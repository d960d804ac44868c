/* pass.h: descriptors passed over local sockets, to another process or another loop. Loop thread
 * only. Chapter 7 has an example.
 *
 * Any descriptor can be passed: a file, a pipe's end, a listening socket, a connection that another
 * process is to serve. What arrives is a descriptor of the same open file: the position in it, its
 * O_NONBLOCK and all its locks are shared, and it is closed for good when the last descriptor is.
 * It goes over a connected stream of local.h, of bytes or records. What comes from a peer that is
 * not trusted may be anything, also what blocks when it is read or closed: look at it (fstat).
 *
 * Descriptors go with the first byte of a write. They come in the piece that this byte is in. On
 * Linux that may begin with bytes from before; it ends before the first byte of the next write that
 * carries some. The simplest protocol has one descriptor, or a fixed count, with each message.
 * @since 0.1 */
#ifndef EDDY_PASS_H
#define EDDY_PASS_H

#include <eddy/local.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EDDY_PASS_MAX = 253, /* descriptors of a write: Linux takes no more */
    EDDY_PASS_FEW = 4,   /* so many need no memory but the request's */
};

/* A write that carries descriptors. Fields are private, but for `write.stream`, which is there in
 * the callback too. */
typedef struct eddy_pass {
    eddy_write write;
    eddy_write_fn *fn;
    int *fds;             /* duplicates: `few`, or from the loop's allocator */
    unsigned count, room; /* those that are open, and all */
    int few[EDDY_PASS_FEW];
} eddy_pass;

/* Writes `size` bytes at `data` as eddy_stream_write does, and with the first of them `count`
 * descriptors. These are duplicated at once: yours stay yours, and may be closed, or their numbers
 * be used again, right after this. The duplicates are closed when they are sent, or when the write
 * fails or is cancelled, before `fn` is called with `&pass->write`. Until the peer has received
 * them the kernel keeps what they are open; if it closes, or ends, instead, they are closed, and
 * nobody is told: who wants to give them to another one then keeps its own until an answer has
 * come.
 *
 * Where the kernel takes the connection but not these descriptors, the write fails alone, nothing
 * of it is sent, and the writes behind it go on: so it should be a whole message. It is told
 * -ETOOMANYREFS: this user has as many on their way, to whomever, as a process may have open
 * (RLIMIT_NOFILE), and may try again when peers have received some; -EINVAL, -EOPNOTSUPP: such
 * a descriptor cannot be passed, as an io_uring on Linux or a kqueue on the BSDs; -EBADF: somebody
 * has closed a duplicate; -EMSGSIZE: a record that is too large.
 *
 * Errors, after which `fn` never runs and nothing is open that was not: as eddy_stream_write;
 * -EINVAL (also: `size` 0, since descriptors without a byte are lost; `count` 0 or above
 * EDDY_PASS_MAX), -ENOTSUP (no local socket, or one of stdio.h), -EBADF (one of them is not open,
 * or somebody has closed the stream's socket), -EMFILE, -ENOMEM. */
EDDY_API int eddy_pass_write(eddy_stream *stream, eddy_pass *pass, const void *data, size_t size,
                             const int *fds, unsigned count, eddy_write_fn *fn);

/* From now on, with `on`, the descriptors that come are for eddy_pass_take; without it, as at the
 * start, they are closed by the kernel. In a read callback it holds from the next piece on. Call it
 * before reading is started: with what is read without it, they are gone. It ends with detach. A
 * reader (reader.h) collects several pieces, and can take only what came with the last one.
 * Errors: -ENOTCONN, -EINVAL (closing), -ENOTSUP (no local socket, or one of stdio.h), -ENOMEM,
 * -EBADF (somebody has closed its socket). */
EDDY_API int eddy_pass_receive(eddy_stream *stream, bool on);

/* In the read callback of `stream`: the next of the descriptors that came with these bytes, in the
 * order in which they were sent. It is close-on-exec, and yours to close. Those that are not taken
 * when the callback returns are closed by the library. Call it until it gives an error:
 *     -EAGAIN   that were all; also outside of the callback
 *     -EMFILE   that were all that came, and some are lost: this process, or the system, may have
 *               no more open, or a security module has refused them. The connection goes on.
 * A record of 0 bytes that some other program sends is the end, whatever comes with it. */
EDDY_API int eddy_pass_take(eddy_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
