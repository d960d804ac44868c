/* socket.c: sockets. None of them ever raises SIGPIPE. */
#include "os.h"

#include "compiler.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

#include "eddy_config.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

/* Systems without MSG_NOSIGNAL have a socket option instead. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static int socket_silence_sigpipe(int fd) {
#ifdef SO_NOSIGPIPE
    /* macOS refuses every option of a socket whose peer has reset, with EINVAL. One that we have
     * accepted has it already, and is told by what reads it. Test: calls/accept. */
    int on = 0;
    socklen_t length = sizeof on;
    if (getsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, &length) == 0 && on != 0) return 0;
    on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on) == 0) return 0;
    return errno == EINVAL ? -ECONNRESET : -errno;
#else
    (void)fd;
    return 0;
#endif
}

int eddy_os_prepare_socket(int fd) {
    int err = eddy_os_prepare_descriptor(fd);
    return err < 0 ? err : socket_silence_sigpipe(fd);
}

/* What a new socket still lacks; closes it if it cannot have it. */
static int socket_finish(int fd, bool prepared) {
    int err = prepared ? socket_silence_sigpipe(fd) : eddy_os_prepare_socket(fd);
    if (err == 0) return fd;
    eddy_os_close(fd);
    return err;
}

int eddy_os_socket(int family, int type, int protocol) {
#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    return fd < 0 ? -errno : socket_finish(fd, true);
#else
    int fd = socket(family, type, protocol);
    return fd < 0 ? -errno : socket_finish(fd, false);
#endif
}

/* Neither needs a name in the file system. Where sandboxes are, they may refuse the first. */
int eddy_os_open_reserve(void) {
    int fd = eddy_os_eventfd();
    if (fd != -ENOSYS && fd != -EPERM && fd != -EACCES) return fd;
    return eddy_os_socket(AF_UNIX, SOCK_STREAM, 0);
}

int eddy_os_bind(int fd, const struct sockaddr *address, socklen_t length) {
    return bind(fd, address, length) < 0 ? -errno : 0;
}

int eddy_os_listen(int fd, int backlog) {
    return listen(fd, backlog) < 0 ? -errno : 0;
}

int eddy_os_is_listening(int fd) {
    int value = 0;
    socklen_t length = sizeof value;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) < 0) return -errno;
    return value != 0;
}

/* Old kernels do not know accept4, and a sandbox may refuse it: then accept knows better. Where the
 * refusal was of a connection, a firewall's, there is the next one or none. */
static int socket_accept(int fd, struct sockaddr *address, socklen_t *length, bool *prepared) {
#ifdef HAVE_ACCEPT4
    int connection = accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    *prepared = connection >= 0;
    if (connection >= 0) return connection;
    if (errno != ENOSYS && errno != EPERM && errno != EACCES && errno != EOPNOTSUPP) return -1;
#else
    *prepared = false;
#endif
    return accept(fd, address, length);
}

int eddy_os_accept(int fd, struct sockaddr *address, socklen_t *length) {
    int connection;
    bool prepared;
    do {
        connection = socket_accept(fd, address, length, &prepared);
    } while (connection < 0 && errno == EINTR);
    if (connection < 0) return -errno;
    /* What a connection cannot have is its own affair, never the listener's. */
    return socket_finish(connection, prepared) < 0 ? -ECONNABORTED : connection;
}

int eddy_os_connect(int fd, const struct sockaddr *address, socklen_t length) {
    if (connect(fd, address, length) == 0) return 0;
    /* An interrupted connect goes on by itself; calling again would give EALREADY. */
    return errno == EINTR ? -EINPROGRESS : -errno;
}

int eddy_os_shutdown_write(int fd) {
    return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

int eddy_os_set_option(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

int eddy_os_set_reset_on_close(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0 ? -errno : 0;
}

/* The largest that Linux takes; all others take more. */
enum { KEEPALIVE_SECONDS_MAX = 32767, KEEPALIVE_COUNT_MAX = 127 };

#define NO_OPTION (-1) /* the system's own number stays */
#if defined(TCP_KEEPIDLE)
#define KEEPALIVE_IDLE TCP_KEEPIDLE
#elif defined(TCP_KEEPALIVE)
#define KEEPALIVE_IDLE TCP_KEEPALIVE
#else
#define KEEPALIVE_IDLE NO_OPTION
#endif
#ifdef TCP_KEEPINTVL
#define KEEPALIVE_INTERVAL TCP_KEEPINTVL
#else
#define KEEPALIVE_INTERVAL NO_OPTION
#endif
#ifdef TCP_KEEPCNT
#define KEEPALIVE_COUNT TCP_KEEPCNT
#else
#define KEEPALIVE_COUNT NO_OPTION
#endif

static int socket_set_probe(int fd, int name, unsigned value, unsigned most) {
    if (name == NO_OPTION) return 0;
    return eddy_os_set_option(fd, IPPROTO_TCP, name, (int)(value < most ? value : most));
}

/* It is switched on last: then all of it holds, or nothing has been. */
int eddy_os_set_keepalive(int fd, unsigned idle_s, unsigned interval_s, unsigned count) {
    if (idle_s == 0) return eddy_os_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    int err = socket_set_probe(fd, KEEPALIVE_IDLE, idle_s, KEEPALIVE_SECONDS_MAX);
    if (err == 0) err = socket_set_probe(fd, KEEPALIVE_INTERVAL, interval_s, KEEPALIVE_SECONDS_MAX);
    if (err == 0) err = socket_set_probe(fd, KEEPALIVE_COUNT, count, KEEPALIVE_COUNT_MAX);
    return err < 0 ? err : eddy_os_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

int eddy_os_reuse_port(int fd) {
    /* FreeBSD's SO_REUSEPORT gives all connections to the last socket; the one that shares has its
     * own name there. */
#if defined(SO_REUSEPORT_LB)
    return eddy_os_set_option(fd, SOL_SOCKET, SO_REUSEPORT_LB, 1);
#elif defined(SO_REUSEPORT)
    return eddy_os_set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#else
    (void)fd;
    return -ENOTSUP;
#endif
}

int eddy_os_socket_error(int fd, int *error) {
    int value = 0;
    socklen_t length = sizeof value;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &length) < 0) return -errno;
    *error = -value;
    return 0;
}

/* macOS and the BSDs tell of a local socket without a name that it has one of zeros, as long as an
 * address of IPv4, which on Linux would be an abstract one. */
static void socket_cut_zeros(const struct sockaddr *address, socklen_t *length) {
#ifndef __linux__
    const socklen_t head = offsetof(struct sockaddr_un, sun_path);
    bool is_local = *length > head && address->sa_family == AF_UNIX;
    if (is_local && ((const struct sockaddr_un *)(const void *)address)->sun_path[0] == '\0')
        *length = head;
#else
    (void)address;
    (void)length;
#endif
}

int eddy_os_local_address(int fd, struct sockaddr *address, socklen_t *length) {
    if (getsockname(fd, address, length) < 0) return -errno;
    socket_cut_zeros(address, length);
    return 0;
}

int eddy_os_peer_address(int fd, struct sockaddr *address, socklen_t *length) {
    if (getpeername(fd, address, length) < 0) return -errno;
    socket_cut_zeros(address, length);
    return 0;
}

/* Calls that never wait are not interrupted; if one was, all the same, the caller tries
 * again when it hears that the descriptor is still ready. Each message pays for what stands here.
 */
static ssize_t socket_failed(void) {
    return errno == EINTR ? -EAGAIN : -errno;
}

ssize_t eddy_os_receive(int fd, void *data, size_t size) {
    ssize_t count = recv(fd, data, size, 0);
    return count < 0 ? socket_failed() : count;
}

/* What does not fit is gone, and only the flags tell. */
ssize_t eddy_os_receive_record(int fd, void *data, size_t size) {
    struct iovec vector = {.iov_base = data, .iov_len = size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    ssize_t count = recvmsg(fd, &message, 0);
    if (count < 0) return socket_failed();
    return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : count;
}

int eddy_os_unread(int fd) {
    int count = 0;
    return ioctl(fd, FIONREAD, &count) < 0 ? -errno : count;
}

static ssize_t socket_send_bytes(int fd, const void *data, size_t size) {
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    return sent < 0 ? socket_failed() : sent;
}

/* Whether all of it fits ssize_t. */
static bool socket_can_count(const struct iovec *vectors, int count) {
    size_t room = SIZE_MAX / 2;
    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len > room) return false;
        room -= vectors[i].iov_len;
    }
    return true;
}

/* More than one call takes: the vectors that fit are sent, or the beginning of the first one. */
RARE static ssize_t socket_send_part(int fd, const struct iovec *vectors, int count) {
    int first = 0, fitting = 0;
    if (!socket_can_count(vectors, count)) return -EINVAL;
    while (vectors[first].iov_len == 0) first++;
    if (vectors[first].iov_len >= EDDY_OS_TRANSFER_MAX)
        return socket_send_bytes(fd, vectors[first].iov_base, EDDY_OS_TRANSFER_MAX);
    for (size_t room = EDDY_OS_TRANSFER_MAX; vectors[first + fitting].iov_len <= room; fitting++)
        room -= vectors[first + fitting].iov_len;
    return eddy_os_send(fd, vectors + first, fitting);
}

APART static ssize_t socket_send_several(int fd, const struct iovec *vectors, int count) {
    size_t room = EDDY_OS_TRANSFER_MAX;
    if (count < 0) return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len > room) return socket_send_part(fd, vectors, count);
        room -= vectors[i].iov_len;
    }
    /* sendmsg takes the vectors as not constant, and does not change them. */
    union {
        const struct iovec *in;
        struct iovec *out;
    } vector = {.in = vectors};
    struct msghdr message = {.msg_iov = vector.out};
    message.msg_iovlen = (__typeof__(message.msg_iovlen))(count > IOV_MAX ? IOV_MAX : count);
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    return sent < 0 ? socket_failed() : sent;
}

/* One piece, which is the usual case, costs the kernel less without a message around it. */
ssize_t eddy_os_send(int fd, const struct iovec *vectors, int count) {
    if (count != 1) return socket_send_several(fd, vectors, count);
    size_t size = vectors->iov_len;
    if (UNLIKELY(size > EDDY_OS_TRANSFER_MAX)) return socket_send_part(fd, vectors, 1);
    return socket_send_bytes(fd, vectors->iov_base, size);
}

ssize_t eddy_os_receive_shared(int fd, void *data, size_t size) {
    ssize_t count = recv(fd, data, size, MSG_DONTWAIT);
    return count < 0 ? socket_failed() : count;
}

ssize_t eddy_os_send_shared(int fd, const struct iovec *vectors, int count) {
    union {
        const struct iovec *in;
        struct iovec *out;
    } vector = {.in = vectors};
    struct msghdr message = {.msg_iov = vector.out};
    message.msg_iovlen = (__typeof__(message.msg_iovlen))count;
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? socket_failed() : sent;
}

unsigned eddy_os_interface_index(const char *name) {
    return if_nametoindex(name);
}
