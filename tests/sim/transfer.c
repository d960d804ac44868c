/* transfer.c: the calls of connected sockets: what goes through, what is asked about them. */
#include "socket.h"

#include <errno.h>
#include <netinet/in.h>

/* Breaks the connection with the error that a call is about to tell. */
static int broken_by(struct sim_socket *socket, int err) {
    if (socket->state != SOCKET_CONNECTED) return err;
    sim_end_abort(socket->end, 0);
    return err;
}

int eddy_os_shutdown_write(int fd) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_shutdown_write, fd, &socket);
    if (socket == NULL) return err;
    if (socket->state != SOCKET_CONNECTED) return -ENOTCONN;
    if (err < 0) return broken_by(socket, err);
    if (socket->end->is_broken && socket->family != AF_UNIX) return -ENOTCONN;
    sim_end_finish(socket->end);
    sim_note("shutdown %d", fd);
    return 0;
}

int eddy_os_socket_error(int fd, int *error) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_socket_error, fd, &socket);
    if (err < 0) return err;
    *error = -socket_take_error(socket);
    sim_note("error of %d: %s", fd, sim_result(*error));
    return 0;
}

int eddy_os_local_address(int fd, struct sockaddr *address, socklen_t *length) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_local_address, fd, &socket);
    if (err < 0) return err;
    struct sim_address none = {.length = sizeof(struct sockaddr_in)};
    none.storage.ss_family = (sa_family_t)socket->family;
    if (socket->family == AF_INET6) none.length = sizeof(struct sockaddr_in6);
    if (socket->family == AF_UNIX) none.length = sizeof none.storage.ss_family;
    socket_give_address(socket->local.length > 0 ? &socket->local : &none, address, length);
    return 0;
}

/* Nobody is connected any more, if that is what it fails with. */
int eddy_os_peer_address(int fd, struct sockaddr *address, socklen_t *length) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_peer_address, fd, &socket);
    if (socket == NULL) return err;
    if (socket->state != SOCKET_CONNECTED) return -ENOTCONN;
    if (err == -ENOTCONN) sim_end_abort(socket->end, ECONNRESET);
    if (err < 0) return err;
    if (socket->end->is_broken) return -ENOTCONN;
    socket_give_address(socket_name(socket, &socket->end->peer), address, length);
    return 0;
}

/* Those that pass leave all as it is, as if it had only become possible right after. */
static int fail_transfer(struct sim_socket *socket, int err) {
    if (err == -ECONNRESET || err == -ETIMEDOUT || err == -EPIPE) return broken_by(socket, err);
    sim_description_changed(socket->description, SIM_BOTH);
    return err;
}

ssize_t eddy_os_receive(int fd, void *data, size_t size) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_receive, fd, &socket);
    if (socket == NULL) return err;
    if (err < 0 && socket->state == SOCKET_CONNECTED) return fail_transfer(socket, err);
    size_t asked = sim_shorten(size);
    ssize_t count = socket_receive(socket, data, asked);
    if (count == (ssize_t)asked && asked < size)
        sim_description_changed(socket->description, EDDY_READ);
    sim_note("receive %d: %s", fd, sim_result(count));
    return count;
}

int eddy_os_unread(int fd) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_unread, fd, &socket);
    if (err < 0) return err;
    return socket->state == SOCKET_CONNECTED ? (int)socket->end->in.arrived : 0;
}

static ssize_t send_vectors(struct sim_socket *socket, const struct iovec *vectors, int count,
                            size_t limit) {
    size_t sent = 0;
    for (int i = 0; i < count && limit > 0; i++) {
        size_t size = vectors[i].iov_len < limit ? vectors[i].iov_len : limit;
        if (size == 0) continue;
        ssize_t part = socket_send(socket, vectors[i].iov_base, size);
        if (part < 0) return sent > 0 ? (ssize_t)sent : part;
        sent += (size_t)part;
        limit -= (size_t)part;
        if ((size_t)part < size) break;
    }
    return (ssize_t)sent;
}

/* Nothing here ever blocks. */
ssize_t eddy_os_receive_shared(int fd, void *data, size_t size) {
    return eddy_os_receive(fd, data, size);
}

ssize_t eddy_os_send_shared(int fd, const struct iovec *vectors, int count) {
    return eddy_os_send(fd, vectors, count);
}

ssize_t eddy_os_send(int fd, const struct iovec *vectors, int count) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_send, fd, &socket);
    if (socket == NULL) return err;
    if (err < 0 && socket->state == SOCKET_CONNECTED) return fail_transfer(socket, err);
    size_t size = 0;
    for (int i = 0; i < count; i++) size += vectors[i].iov_len;
    size_t limit = sim_shorten(size);
    ssize_t sent = send_vectors(socket, vectors, count, limit);
    if (sent == (ssize_t)limit && limit < size)
        sim_description_changed(socket->description, EDDY_WRITE);
    sim_note("send %d: %s", fd, sim_result(sent));
    return sent;
}
