/* tcp.h: TCP over IPv4 and IPv6: connecting, listening, options, addresses; and listeners, which
 * local sockets (local.h) have too. The functions eddy_tcp_… are for TCP alone: -EAFNOSUPPORT.
 * Loop thread only.
 * @since 0.1 */
#ifndef EDDY_TCP_H
#define EDDY_TCP_H

#include <eddy/stream.h>

#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes `*address` of a numeric host ("127.0.0.1", "::1", "fe80::1%eth0", "fe80::1%2") and a port.
 * A scope is looked up as an interface's name first, then taken as a number. A host that begins
 * with "unix:" is a local address in the words of eddy_address_format_whole (local.h), and has port
 * 0. Returns its length. Errors: -EINVAL, -ENAMETOOLONG. Any thread. */
EDDY_API int eddy_address_parse(struct sockaddr_storage *address, const char *host, unsigned port);

/* Writes "127.0.0.1:8080" or "[::1]:8080", a scope as its number, or "unix:/path". Returns the
 * length without the end, as snprintf does: if it is not less than `size`, the text was cut. Of a
 * local address it reads a whole struct sockaddr_un, whose bytes behind the name must be 0; zeros
 * that end an abstract name are not seen: eddy_address_format_whole takes the length. Errors:
 * -EAFNOSUPPORT. Any thread. */
EDDY_API int eddy_address_format(const struct sockaddr *address, char *text, size_t size);

/* The port, or -EAFNOSUPPORT. Any thread. */
EDDY_API int eddy_address_port(const struct sockaddr *address);

/* Connects the unconnected stream; `fn` is called once with 0, or with why not: -ECONNREFUSED,
 * -ENETUNREACH and whatever else the network says, also if the kernel knew it at once; -ETIMEDOUT
 * after `timeout_ns` (0: as long as the kernel tries), -ECANCELED when closed before.
 * After a failure the stream is unconnected again: try another address, or close it.
 * Errors, after which `fn` never runs: -EISCONN, -EALREADY (connecting), -EINVAL, -EAFNOSUPPORT,
 * -EMFILE, -ENFILE, -ENOMEM, or as eddy_io_start. */
EDDY_API int eddy_tcp_connect(eddy_stream *stream, const struct sockaddr *address, socklen_t length,
                              int64_t timeout_ns, eddy_connect_fn *fn);

/* Whether small writes go out at once (TCP_NODELAY) instead of waiting for the peer to confirm the
 * ones before. Errors: -ENOTCONN, or as setsockopt(2). */
EDDY_API int eddy_tcp_set_nodelay(eddy_stream *stream, bool on);

/* Probes the peer after `idle_s` seconds of silence (SO_KEEPALIVE), then every `interval_s` seconds
 * until it answers; when `count` probes in a row had no answer it is gone, which is told as
 * -ETIMEDOUT: idle_s + interval_s * count seconds after its last sign of life. 0 for `interval_s`
 * or `count` is 1 or 10, as libuv and Node have it; 0 for `idle_s` switches it off. More than
 * 32,767 seconds or 127 probes count as that. An error leaves it off if it was off. Errors: as
 * eddy_tcp_set_nodelay. */
EDDY_API int eddy_tcp_set_keepalive(eddy_stream *stream, unsigned idle_s, unsigned interval_s,
                                    unsigned count);

/* The addresses of both ends. `*length` is the room, then the length. Errors: -ENOTCONN. */
EDDY_API int eddy_tcp_local_address(const eddy_stream *stream, struct sockaddr *address,
                                    socklen_t *length);
EDDY_API int eddy_tcp_peer_address(const eddy_stream *stream, struct sockaddr *address,
                                   socklen_t *length);

/* --- Listening --- */

typedef struct eddy_listener eddy_listener;

/* A connection: `fd` is yours, non-blocking and close-on-exec; attach it to a stream of this loop
 * or another one's, or close it. A negative `fd` is an error that the listener could not get over
 * (-EBADF, -EINVAL …); it has stopped and wants to be closed. */
typedef void eddy_accept_fn(eddy_listener *listener, int fd, const struct sockaddr *peer);
typedef void eddy_listener_fn(eddy_listener *listener);

/* Options of eddy_tcp_listen. SO_REUSEADDR is always set. */
enum {
    EDDY_REUSEPORT = 1 << 0, /* several sockets on one port, each with a share of the connections;
                              * docs/examples/round_robin.c counts them, and has another way */
    EDDY_IPV6_ONLY = 1 << 1, /* "::" does not take IPv4 as well */
};

/* All fields are private, but for `io.handle`, to be given to eddy_unref and its like. */
struct eddy_listener {
    eddy_io io;
    eddy_timer pause; /* while descriptors are short */
    eddy_defer closing;
    eddy_accept_fn *accept_fn;
    eddy_listener_fn *close_fn;
    int reserve; /* a descriptor, given up for a moment to shed a connection */
    uint32_t state;
    uint32_t failures;      /* of accept, in a row */
    int owner;              /* the process that removes the name of a local socket; 0: none does */
    uint64_t device, inode; /* of that name */
    eddy_listener_fn *remove_name;
    bool is_local;
};

/* Makes `listener` a closed one of `loop`. Cannot fail. */
EDDY_API void eddy_listener_init(eddy_listener *listener, eddy_loop *loop);

/* Listens on `address` and calls `fn` for each connection, up to 64 of them a turn. `backlog` 0
 * means 511, as servers have it; the kernel may cap it.
 * When descriptors run out (EMFILE, ENFILE) a connection that waits is accepted with a reserve
 * descriptor and closed at once, so that its client knows; the listener then pauses 100 ms, counts
 * it in eddy_metrics.accepts_shed, and goes on. It pauses as well when memory is short, and when
 * accept fails 16 times in a row. Errors that belong to one connection are passed over.
 * A listener keeps the loop alive until it is closed, unless eddy_unref(&listener->io.handle).
 * Errors: -EALREADY (listening), -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EAFNOSUPPORT, -EINVAL,
 * -ENOTSUP (REUSEPORT), -EMFILE, -ENFILE, -ENOMEM, or as eddy_io_start. */
EDDY_API int eddy_tcp_listen(eddy_listener *listener, const struct sockaddr *address,
                             socklen_t length, int backlog, unsigned options, eddy_accept_fn *fn);

/* The same with a socket that listens already, TCP or local, of bytes or of records: one that was
 * inherited from the process that started this one (docs/examples/activated.c), or a duplicate of
 * another listener's. From now on the listener closes it. It is made close-on-exec, and
 * non-blocking, also for all that share it and for good: a process whose accept is to wait has to
 * ask for that again. Listeners of several loops, each with a duplicate of its own, may share a
 * socket: a connection wakes the loops that wait, the first to accept has it, and the others go on;
 * as long as one of them is open the backlog stays. Errors, which leave `fd` yours: -EALREADY
 * (listening), -EBADF, -ENOTSOCK, -EAFNOSUPPORT (of neither IPv4 nor IPv6, nor local), -EINVAL (it
 * does not listen, as no socket of datagrams does, or the listener is closing), -EBUSY (a stream or
 * listener of this loop has it), or as eddy_io_start. */
EDDY_API int eddy_listener_attach(eddy_listener *listener, int fd, eddy_accept_fn *fn);

/* The listening socket, which stays the listener's: to ask for its options, or to duplicate it.
 * -1: none. */
EDDY_API int eddy_listener_fd(const eddy_listener *listener);

/* Stops accepting until eddy_listener_resume; connections wait in the backlog, and the listener
 * still keeps the loop alive. Idempotent; before eddy_tcp_listen it makes that begin paused. */
EDDY_API void eddy_listener_pause(eddy_listener *listener);
/* Errors: -EINVAL (not listening). */
EDDY_API int eddy_listener_resume(eddy_listener *listener);

/* The address it listens on, with the port that the kernel picked. As eddy_tcp_local_address. */
EDDY_API int eddy_listener_address(const eddy_listener *listener, struct sockaddr *address,
                                   socklen_t *length);

/* Closes the socket at once and calls `fn` (may be NULL) in phase 8: the listener is yours then.
 * Errors: -EALREADY (closing). */
EDDY_API int eddy_listener_close(eddy_listener *listener, eddy_listener_fn *fn);

#ifdef __cplusplus
}
#endif
#endif
