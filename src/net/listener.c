/* listener.c: accepting connections.
 * Invariant: the watcher's interest is EDDY_READ unless somebody has paused it: the user, or the
 * listener itself while the system is short of something, or accept fails again and again. The
 * reserve descriptor is open, or will be tried again after the next pause. Threading: loop thread
 * only. */
#include "net.h"

#include <netinet/in.h>

enum {
    LISTENER_ACCEPTS_PER_TURN = 64,
    /* Failures in a row, with neither a connection nor the end of the backlog between them, after
     * which the listener pauses: they may take no connection with them, as a sandbox's refusal does
     * not, and the loop would spin. An abort says that it has taken one; so many in a row no
     * backlog holds. */
    LISTENER_FAILURES_MAX = 16,
    LISTENER_ABORTS_MAX = 4096,
};

#define LISTENER_PAUSE_NS (100 * EDDY_NS_PER_MS)

/* Of `eddy_listener.state`. */
enum {
    LISTENER_PAUSED = 1 << 0, /* by the user */
    LISTENER_SHORT = 1 << 1,  /* of descriptors or memory, until the timer fires */
    LISTENER_CLOSING = 1 << 2,
};

static eddy_loop *listener_loop(const eddy_listener *listener) {
    return listener->io.handle.loop;
}

static bool listener_is_accepting(const eddy_listener *listener) {
    return eddy_io_fd(&listener->io) >= 0 && listener->state == 0;
}

static void listener_update_interest(eddy_listener *listener) {
    if (eddy_io_fd(&listener->io) < 0) return;
    int err = eddy_io_change(&listener->io, listener->state == 0 ? EDDY_READ : 0);
    EDDY_ASSERT(err == 0);
}

static void listener_close_reserve(eddy_listener *listener) {
    if (listener->reserve >= 0) eddy_os_close(listener->reserve);
    listener->reserve = -1;
}

static void listener_close_socket(eddy_listener *listener, int error) {
    int fd = eddy_io_fd(&listener->io);
    if (listener->owner != 0 && !net_has_lost(error)) listener->remove_name(listener);
    eddy_io_stop(&listener->io);
    eddy_timer_stop(&listener->pause);
    if (fd >= 0 && !net_has_lost(error)) eddy_os_close(fd);
    listener_close_reserve(listener);
}

/* --- Shortage --- */

/* There may be no descriptor just now, or another thread may have taken the one that the reserve
 * gave up: then it is tried again after the next pause, and until then nothing can be shed. */
static void listener_reopen_reserve(eddy_listener *listener) {
    if (listener->reserve >= 0) return;
    int fd = eddy_os_open_reserve();
    if (fd >= 0) listener->reserve = fd;
}

static void listener_on_pause_over(eddy_timer *timer) {
    eddy_listener *listener = eddy_container_of(timer, eddy_listener, pause);
    listener_reopen_reserve(listener);
    listener->state &= ~(uint32_t)LISTENER_SHORT;
    listener_update_interest(listener);
}

/* A connection that cannot be accepted stays queued and ready, and the loop would spin on it. If
 * there is no memory even for the timer, spinning is better than never coming back. */
static void listener_be_short(eddy_listener *listener) {
    if (eddy_timer_start(&listener->pause, listener_on_pause_over, LISTENER_PAUSE_NS, 0) == 0)
        listener->state |= LISTENER_SHORT;
    listener->failures = 0;
    listener_update_interest(listener);
}

/* One waiting client learns at once that it is not served; the others keep their place. */
static void listener_shed(eddy_listener *listener) {
    eddy_loop *loop = listener_loop(listener);
    if (listener->reserve < 0) return;
    listener_close_reserve(listener);
    loop->metrics.accepts++;
    int fd = eddy_os_accept(eddy_io_fd(&listener->io), NULL, NULL);
    observe_note(loop, EDDY_TRACE_ACCEPT, EDDY_KIND_LISTENER, listener, fd);
    if (fd >= 0) {
        eddy_os_close(fd);
        loop->metrics.accepts_shed++;
    }
    listener_reopen_reserve(listener);
}

/* --- Accepting --- */

/* What only concerns the connection that was about to be accepted. Linux hands on errors that are
 * pending on the new socket, as ICMP and the peer may have left there, and a firewall's refusal as
 * EPERM. */
static bool listener_is_of_connection(int error) {
    switch (-error) {
    case ECONNABORTED:
    case ECONNREFUSED:
    case ECONNRESET:
    case EACCES:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EINTR:
    case EMSGSIZE:
    case ENETDOWN:
    case ENETRESET:
    case ENETUNREACH:
    case ENOPROTOOPT:
    case ENOTCONN:
#ifdef ENONET
    case ENONET:
#endif
    case EOPNOTSUPP:
    case EPERM:
    case EPIPE:
    case EPROTO:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

/* Whether the next connection may be asked for at once. */
static bool listener_may_go_on(eddy_listener *listener, int error) {
    unsigned most = error == -ECONNABORTED ? LISTENER_ABORTS_MAX : LISTENER_FAILURES_MAX;
    if (listener->failures < UINT32_MAX) listener->failures++;
    return listener->failures < most;
}

static void listener_fail(eddy_listener *listener, int error) {
    listener_close_socket(listener, error);
    CALLBACK(listener_loop(listener), EDDY_KIND_LISTENER, listener, listener->accept_fn, listener,
             error, NULL);
}

static void listener_get_over(eddy_listener *listener, int error) {
    switch (-error) {
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
        listener_fail(listener, error);
        return;
    case EMFILE:
    case ENFILE:
        listener_shed(listener);
        break;
    default:
        break; /* ENOMEM, ENOBUFS, too many in a row, or nothing we know: waiting is the best */
    }
    listener_be_short(listener);
}

static void listener_on_ready(eddy_io *io, unsigned events) {
    eddy_listener *listener = eddy_container_of(io, eddy_listener, io);
    int error = events & EDDY_ERROR ? eddy_io_error(io) : 0;
    if (error != 0) { /* the backend could not take the descriptor back after a pause */
        listener_get_over(listener, error);
        return;
    }
    for (int i = 0; i < LISTENER_ACCEPTS_PER_TURN && listener_is_accepting(listener); i++) {
        struct sockaddr_storage peer = {0}; /* a local one may have no name, and no family */
        socklen_t length = sizeof peer;
        listener_loop(listener)->metrics.accepts++;
        int fd = eddy_os_accept(eddy_io_fd(io), (struct sockaddr *)&peer, &length);
        observe_note(listener_loop(listener), EDDY_TRACE_ACCEPT, EDDY_KIND_LISTENER, listener, fd);
        if (fd == -EAGAIN) {
            listener->failures = 0; /* those who waited have been taken */
            return;
        }
        if (fd >= 0) {
            listener->failures = 0;
            if (listener->is_local) peer.ss_family = AF_UNIX;
            CALLBACK(listener_loop(listener), EDDY_KIND_LISTENER, listener, listener->accept_fn,
                     listener, fd, (const struct sockaddr *)&peer);
        } else if (!listener_is_of_connection(fd) || !listener_may_go_on(listener, fd)) {
            listener_get_over(listener, fd);
            return;
        }
    }
}

/* --- Life --- */

void eddy_listener_init(eddy_listener *listener, eddy_loop *loop) {
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_IO, listener));
    *listener = (eddy_listener){.reserve = -1};
    eddy_io_init(&listener->io, loop);
    handle_set_what(&listener->io.handle, EDDY_KIND_LISTENER);
    eddy_timer_init(&listener->pause, loop);
    eddy_unref(&listener->pause.handle); /* the watcher is what keeps the loop alive */
    handle_set_inner(&listener->pause.handle);
    eddy__closing_init(&listener->closing, loop, EDDY_KIND_LISTENER,
                       offsetof(eddy_listener, closing));
}

static int listener_set_options(int fd, int family, unsigned options) {
    int err = eddy_os_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (err == 0 && (options & EDDY_REUSEPORT)) err = eddy_os_reuse_port(fd);
    if (err == 0 && family == AF_INET6) {
        bool only = (options & EDDY_IPV6_ONLY) != 0;
        err = eddy_os_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, only);
        if (!only) err = 0; /* a system that never takes both refuses to be asked for it */
    }
    return err;
}

static int listener_open_socket(const struct sockaddr *address, socklen_t length, int backlog,
                                unsigned options) {
    int fd = eddy_os_socket(address->sa_family, SOCK_STREAM, 0);
    if (fd < 0) return fd;
    int err = listener_set_options(fd, address->sa_family, options);
    if (err == 0) err = eddy_os_bind(fd, address, length);
    if (err == 0) err = eddy_os_listen(fd, backlog > 0 ? backlog : LISTENER_BACKLOG);
    if (err == 0) return fd;
    eddy_os_close(fd);
    return err;
}

int eddy__listener_watch(eddy_listener *listener, int fd, bool is_local, eddy_accept_fn *fn) {
    listener_reopen_reserve(listener); /* without it the listener only sheds nobody yet */
    int err =
        eddy_io_start(&listener->io, listener_on_ready, fd, listener->state == 0 ? EDDY_READ : 0);
    if (err < 0) {
        listener_close_reserve(listener);
        return err;
    }
    listener->accept_fn = fn;
    listener->failures = 0;
    listener->owner = 0;
    listener->is_local = is_local;
    return 0;
}

int eddy__listener_check(const eddy_listener *listener, eddy_accept_fn *fn) {
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&listener->io.handle));
    if (listener->state & LISTENER_CLOSING) return -EINVAL;
    return eddy_io_fd(&listener->io) >= 0 ? -EALREADY : 0;
}

int eddy_tcp_listen(eddy_listener *listener, const struct sockaddr *address, socklen_t length,
                    int backlog, unsigned options, eddy_accept_fn *fn) {
    const unsigned known = EDDY_REUSEPORT | EDDY_IPV6_ONLY;
    int err = eddy__listener_check(listener, fn);
    if (err < 0) return err;
    if (backlog < 0 || (options & ~known)) return -EINVAL;
    if (!net_is_of(address->sa_family, false)) return -EAFNOSUPPORT;
    int fd = listener_open_socket(address, length, backlog, options);
    if (fd < 0) return fd;
    err = eddy__listener_watch(listener, fd, false, fn);
    if (err < 0) eddy_os_close(fd);
    return err;
}

/* Whether it is what eddy_tcp_listen or eddy_local_listen makes. A socket that does not listen is
 * ready at once, and accept would fail for good. */
static int listener_check_socket(int fd, bool *is_local) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    int is_listening = eddy_os_is_listening(fd);
    if (is_listening < 0) return is_listening;
    int err = eddy_os_local_address(fd, (struct sockaddr *)&address, &length);
    if (err < 0) return err;
    *is_local = address.ss_family == AF_UNIX;
    if (!net_is_of(address.ss_family, *is_local)) return -EAFNOSUPPORT;
    return is_listening ? 0 : -EINVAL;
}

int eddy_listener_attach(eddy_listener *listener, int fd, eddy_accept_fn *fn) {
    bool is_local = false;
    int err = eddy__listener_check(listener, fn);
    if (err < 0) return err;
    if (eddy__stream_has_owner(listener_loop(listener), fd)) return -EBUSY;
    err = listener_check_socket(fd, &is_local);
    if (err == 0) err = eddy_os_prepare_socket(fd);
    return err < 0 ? err : eddy__listener_watch(listener, fd, is_local, fn);
}

int eddy_listener_fd(const eddy_listener *listener) {
    return eddy_io_fd(&listener->io);
}

void eddy_listener_pause(eddy_listener *listener) {
    listener->state |= LISTENER_PAUSED;
    listener_update_interest(listener);
}

int eddy_listener_resume(eddy_listener *listener) {
    if (eddy_io_fd(&listener->io) < 0) return -EINVAL;
    listener->state &= ~(uint32_t)LISTENER_PAUSED;
    listener_update_interest(listener);
    return 0;
}

int eddy_listener_address(const eddy_listener *listener, struct sockaddr *address,
                          socklen_t *length) {
    int fd = eddy_io_fd(&listener->io);
    return fd < 0 ? -ENOTCONN : eddy_os_local_address(fd, address, length);
}

static void listener_on_closed(eddy_defer *defer) {
    eddy_listener *listener = eddy_container_of(defer, eddy_listener, closing);
    if (listener->close_fn != NULL) /* the listener may be gone after it */
        CALLBACK(listener_loop(listener), EDDY_KIND_LISTENER, listener, listener->close_fn,
                 listener);
}

int eddy_listener_close(eddy_listener *listener, eddy_listener_fn *fn) {
    EDDY_ASSERT(handle_is_initialised(&listener->io.handle));
    if (listener->state & LISTENER_CLOSING) return -EALREADY;
    listener_close_socket(listener, 0);
    listener->state = LISTENER_CLOSING;
    listener->close_fn = fn;
    eddy__closing_add(&listener->closing, listener_on_closed);
    return 0;
}
