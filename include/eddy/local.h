/* local.h: local sockets (AF_UNIX), streams and records: addresses, connecting, listening, pairs,
 * who is at the other end. Loop thread only. Chapter 7 has an example.
 *
 * What they connect is a stream and what listens a listener: stream.h and tcp.h hold for them, but
 * for the functions eddy_tcp_..., which refuse them. An address is a path; on Linux it may also be
 * an abstract name, which is in no directory, has no permissions, is gone with its socket, and may
 * contain zeros; and a socket may have none. Paths are those of the calling process: one that is
 * relative starts from its working directory.
 *
 * EDDY_SEQPACKET: each write is a record, sent whole or not at all, and each call of the read
 * callback is one. A record that is more than the socket takes (SO_SNDBUF), or of more than 1,024
 * pieces, is told as -EMSGSIZE to its write, and the others go on. One that is more than the
 * reader's buffer is lost: the read callback gets -EMSGSIZE and reading has stopped; it may be
 * started again. A write of 0 bytes sends no record, which its reader could not tell from the end.
 * macOS has no such sockets: -EPROTONOSUPPORT.
 *
 * What is not as with TCP: a hang-up is told also while bytes before it are unread;
 * eddy_stream_reset ends the stream as a close does; what was sent is with the peer's kernel at
 * once. A descriptor that is sent along with bytes is closed, unless the stream asks for it
 * (pass.h). Credentials that are sent along are not told.
 * @since 0.1 */
#ifndef EDDY_LOCAL_H
#define EDDY_LOCAL_H

#include <eddy/tcp.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Addresses --- */

/* Makes `*address` of a name of `size` bytes: a path; an abstract name, whose first byte is 0; or
 * nothing. A path has no zeros in it, and room for one behind it: on Linux 107 bytes are the most,
 * on the BSDs 103. An abstract name may have 107 behind its first byte. Returns the length, which
 * counts: "\0a" and "\0a\0" are two names.
 * Errors: -ENAMETOOLONG, -EINVAL (a zero in a path). Any thread. */
EDDY_API int eddy_address_of_name(struct sockaddr_storage *address, const void *name, size_t size);

/* As eddy_address_format, of an address of any kind with its length: "unix:/run/a", "unix:@a" for
 * an abstract name, "unix:" for none. Bytes below 32, 127 and backslashes are written as "\x0a", so
 * that it is one line and a zero is seen, and so is an "@" that begins a path. eddy_address_parse
 * makes the same address of it. */
EDDY_API int eddy_address_format_whole(const struct sockaddr *address, socklen_t length, char *text,
                                       size_t size);

/* --- Connecting --- */

/* Connects the unconnected stream; `options`: 0 or EDDY_SEQPACKET. `fn` is called once with 0 or
 * with why not: -ENOENT (there is no such name), -ECONNREFUSED (nobody listens there),
 * -EACCES (to connect is to write), -EPROTOTYPE (it is of the other kind), -ETIMEDOUT,
 * -ECANCELED. A socket of Linux whose backlog is full has no queue for who comes then, and tells
 * nobody when there is room again: the connect is tried every 10 ms, until it comes to an end or
 * `timeout_ns` is over (0: for as long as the stream is open). Those who wait are not served in
 * order. The BSDs refuse at once.
 * After a failure the stream is unconnected again.
 * Errors, after which `fn` never runs: as eddy_tcp_connect, -EPROTONOSUPPORT. */
EDDY_API int eddy_local_connect(eddy_stream *stream, const struct sockaddr *address,
                                socklen_t length, unsigned options, int64_t timeout_ns,
                                eddy_connect_fn *fn);

/* Connects two unconnected streams with each other, at once and without a name. They may belong to
 * two loops if this thread may use both now: an end can be detached, to be given to a child or to
 * another thread's loop. Errors, after which both are as they were: -EISCONN, -EINVAL (closing; the
 * same stream twice; options), -EMFILE, -ENFILE, -ENOMEM, -EPROTONOSUPPORT, or as eddy_io_start. */
EDDY_API int eddy_local_pair(eddy_stream *one, eddy_stream *other, unsigned options);

/* The addresses of both ends. The one that has connected mostly has none: `*length` is then that of
 * an address of 0 bytes. `*length` is the room, then the length. Errors: -ENOTCONN, -EAFNOSUPPORT
 * (it is no local socket). */
EDDY_API int eddy_local_address(const eddy_stream *stream, struct sockaddr *address,
                                socklen_t *length);
EDDY_API int eddy_local_peer_address(const eddy_stream *stream, struct sockaddr *address,
                                     socklen_t *length);

/* Who is at the other end: the process that connected, or the one that made the pair; seen from the
 * client, the one that listened. They are as they were then: it may have become another user since,
 * given the socket away, or ended, and its number may be another's. */
typedef struct eddy_credentials {
    pid_t pid; /* 0: not known, as in another namespace of numbers, or the system does not say */
    uid_t uid;
    gid_t gid;
} eddy_credentials;

/* Of a connected socket: eddy_stream_fd(stream), or what the accept callback got. Errors: -ENOTCONN
 * (or it is not local), -EBADF, -ENOTSOCK, -ENOTSUP (the system does not tell). Any thread. */
EDDY_API int eddy_local_peer_credentials(int fd, eddy_credentials *peer);

/* --- Listening --- */

/* Options, not to be mixed with those of eddy_tcp_listen. */
enum {
    EDDY_SEQPACKET = 1 << 2,     /* records */
    EDDY_REPLACE_STALE = 1 << 3, /* listen over a name that a socket has left behind */
    EDDY_KEEP_NAME = 1 << 4,     /* do not remove the name when the listener is closed */
};

/* One of the options too: the permissions of the name, as 0660; to connect is to write. Without it
 * they are 0777 less the umask, with which on most systems nobody else may connect. The umask does
 * not matter to it and is not touched. Nobody can connect before they are set. */
#define EDDY_LOCAL_MODE(mode) (((unsigned)(mode)&0777U) << 16 | 1U << 25)

/* Listens on `address` as eddy_tcp_listen does. With no name Linux picks an abstract one, which
 * eddy_listener_address tells. The `peer` of the accept callback is mostly unnamed; all its bytes
 * behind its name are 0, up to the size of a sockaddr_storage.
 *
 * A name that is there is -EADDRINUSE and stays there, whatever it is. With EDDY_REPLACE_STALE it
 * is removed if it is a socket's and a connect to it is refused. That leaves three gaps. A server
 * that has bound and does not listen yet refuses as well (this function does both in a row). And
 * when two servers replace the same name at once, each looks again whether it is still the same
 * just before it removes it, which no system does in one step: in between the other one may have
 * put its own there, and would go on listening without a name. And a server on one of the BSDs or
 * macOS whose backlog is full just then is taken for gone, as these refuse in the same words. A
 * lock file, held while this is called, keeps all three out.
 *
 * When the listener is closed, the name is removed if it is a path, this process is the one that
 * bound it, and it is still the same file (device and inode); with the same race: who puts another
 * in its place in that very moment loses it. A relative path is looked for from the working
 * directory of that time. A user who may not write in the directory by then leaves the name there;
 * so does a process that is killed. Clients that wait in the backlog are cut off.
 *
 * The names are looked at by system calls of this thread, which a network's file system may keep
 * waiting.
 * Errors: -EALREADY (listening), -EADDRINUSE, -ENOENT (the directory), -ENOTDIR, -EACCES, -EROFS,
 * -EAFNOSUPPORT, -EINVAL, -EPROTONOSUPPORT (SEQPACKET), -ENOTSUP (a mode beyond the umask, on a
 * Linux that cannot set it without following a link), -EMFILE, -ENFILE, -ENOMEM, or as
 * eddy_io_start. After any of them no name is left that was not there. */
EDDY_API int eddy_local_listen(eddy_listener *listener, const struct sockaddr *address,
                               socklen_t length, int backlog, unsigned options, eddy_accept_fn *fn);

/* Whether this process removes the name when it closes the listener: at first it does after
 * eddy_local_listen without EDDY_KEEP_NAME, and not after eddy_listener_attach. `false` when
 * another process is to go on with the socket, `true` in that one: the name is then what is there
 * now. `false` never fails. Errors: -ENOTCONN (not listening), -EAFNOSUPPORT (not local), -EINVAL
 * (it has no path), -EEXIST (there is something else by now), -ENOENT, -EACCES. */
EDDY_API int eddy_local_own_name(eddy_listener *listener, bool own);

#ifdef __cplusplus
}
#endif
#endif
