/* stdio.h: standard input, output and error as streams, whatever they are. Loop thread only.
 *
 * What a program was started with it shares with others: the shell, its neighbours in a pipeline.
 * O_NONBLOCK belongs to what is shared, so that a program that sets it breaks the others, and who
 * dies before it is taken back leaves it behind. Here it is never set: the stream has a descriptor
 * of its own, and `fd` stays as it was.
 *
 * - A pipe, a FIFO, a terminal: the stream has it opened anew, for itself. A pipe of packets
 *   (O_DIRECT) stays one.
 * - A socket: the stream has a duplicate, and each call says that it does not wait.
 * - A regular file, a block device, what cannot be watched (/dev/null): read and written by the
 *   loop's pool, at the position that others share: `(a; b) < file`, `>> file`. A directory is
 *   -EISDIR, told to the reader.
 * - What cannot be opened anew (no /proc, another user's terminal, a system other than Linux): the
 *   loop waits until it is ready, then a job of the pool makes one call, of PIPE_BUF bytes at most
 *   if it writes. A thread waits only where somebody else was faster, or a terminal has been
 *   stopped; the close callback, and the pool's end, then wait for it.
 *
 * All of it is a stream as in stream.h: the same calls, marks, deadlines, end.
 * @since 0.1 */
#ifndef EDDY_STDIO_H
#define EDDY_STDIO_H

#include <eddy/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes `fd`, which stays yours and open, the stream's as well: 0, 1, 2, or another one that others
 * share. What is open for reading only cannot be written, nor the other way round (-EBADF).
 *
 * By way of the pool: eddy_stream_try_write is -EAGAIN, eddy_stream_detach -ENOTSUP; nothing is
 * heard by eddy_stream_hangup_start of what cannot be watched. What was read ahead, up to 64 KiB,
 * is gone with the stream. A close while a job runs has its callback when that has ended; what the
 * job was writing may be written although its request is told -ECANCELED.
 *
 * A shutdown, or a reset, ends what the stream has, and leaves a socket's connection, which is the
 * others' as well, as it is. As `fd` is still open, a reader sees the end only when that is closed
 * as well: close(1) beside it, or at the program's end.
 *
 * macOS and NetBSD give the SIGPIPE of a pipe to any thread of the process, so that it is to be
 * ignored there by who uses this. (None of this has run on them.)
 *
 * Errors: -EBADF, -EISCONN (the stream has a descriptor), -EINVAL (closing; a listening socket),
 * -EPROTOTYPE (a socket of datagrams or records), -ENOMEM, -EMFILE, or as eddy_io_start. */
EDDY_API int eddy_stdio_attach(eddy_stream *stream, int fd);

#ifdef __cplusplus
}
#endif
#endif
