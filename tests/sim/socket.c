/* socket.c: sockets as the program sees them: making, accepting, connecting; transfer.c has the
 * calls of a connection. An injected error has its effect: what says that the connection is gone
 * breaks it; and an error that would be a lie about the descriptor (-EBADF, -ENOTSOCK) is left out,
 * since whoever believes it rightly never closes it. */
#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* --- The kind --- */

ssize_t socket_receive(void *object, void *data, size_t size) {
    struct sim_socket *socket = object;
    switch (socket->state) {
    case SOCKET_CONNECTED:
        return sim_end_receive(socket->end, data, size);
    case SOCKET_CONNECTING:
        return -EAGAIN;
    case SOCKET_FAILED:
    case SOCKET_NEW:
    case SOCKET_LISTENING:
        break;
    }
    int error = socket->error;
    socket->error = 0;
    if (error != 0) return -error;
    return socket->state == SOCKET_FAILED ? 0 : -ENOTCONN;
}

ssize_t socket_send(void *object, const void *data, size_t size) {
    struct sim_socket *socket = object;
    if (socket->state == SOCKET_CONNECTED) return sim_end_send(socket->end, data, size);
    if (socket->state == SOCKET_CONNECTING) return -EAGAIN;
    int error = socket->error;
    socket->error = 0;
    return error != 0 ? -error : -EPIPE;
}

/* As Linux has it, a socket that is not connected is writable and hangs up. */
static unsigned socket_ready(void *object) {
    const struct sim_socket *socket = object;
    switch (socket->state) {
    case SOCKET_CONNECTED:
        return sim_end_ready(socket->end);
    case SOCKET_CONNECTING:
        return 0;
    case SOCKET_LISTENING:
        return socket->queue != NULL ? EDDY_READ : 0;
    case SOCKET_FAILED:
        return EDDY_READ | EDDY_WRITE | EDDY_HANGUP | (socket->error != 0 ? EDDY_ERROR : 0U);
    case SOCKET_NEW:
        break;
    }
    return EDDY_WRITE | EDDY_HANGUP;
}

static void socket_close(void *object) {
    struct sim_socket *socket = object;
    if (socket->attempt != NULL) network_give_up(socket->attempt);
    if (socket->end != NULL) sim_end_close(socket->end, socket->reset_on_close);
    network_forget(socket);
    local_forget(socket);
    free(socket);
}

static const struct sim_kind socket_kind = {
    .name = "socket",
    .read = socket_receive,
    .write = socket_send,
    .ready = socket_ready,
    .close = socket_close,
    .can_be_watched = true,
};

static void end_changed(void *owner, unsigned anew) {
    struct sim_socket *socket = owner;
    if (anew != 0) sim_description_changed(socket->description, anew);
}

static void take_end(struct sim_socket *socket, struct sim_end *end) {
    socket->state = SOCKET_CONNECTED;
    socket->end = end;
    socket->local = end->local;
    end->changed = end_changed;
    end->owner = socket;
}

static int add_socket(int family, struct sim_socket **made) {
    struct sim_socket *socket = calloc(1, sizeof *socket);
    if (socket == NULL) sim_fail("no memory for the simulation itself");
    int fd = sim_descriptor_add(&socket_kind, socket);
    if (fd < 0) {
        free(socket);
        *made = NULL;
        return fd;
    }
    socket->description = sim_descriptor_get(fd);
    socket->family = family;
    socket->queue_last = &socket->queue;
    *made = socket;
    return fd;
}

int socket_add(int family, struct sim_end *end) {
    struct sim_socket *socket;
    int fd = add_socket(family, &socket);
    if (fd < 0)
        sim_end_close(end, true);
    else
        take_end(socket, end);
    return fd;
}

static int find(int fd, struct sim_socket **socket) {
    *socket = sim_object_get(fd, &socket_kind);
    if (*socket != NULL) return 0;
    return sim_descriptor_get(fd) == NULL ? -EBADF : -ENOTSOCK;
}

int socket_enter(enum os_call call, int fd, struct sim_socket **socket) {
    int err = sim_enter(call);
    int found = find(fd, socket);
    if (found < 0) return found;
    return err == -EBADF || err == -ENOTSOCK ? 0 : err;
}

/* --- Making and preparing --- */

int eddy_os_socket(int family, int type, int protocol) {
    (void)protocol;
    int err = sim_enter(OS_CALL_socket);
    if (err < 0) return err;
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) return -EAFNOSUPPORT;
    if (type != SOCK_STREAM) return -EPROTONOSUPPORT;
    struct sim_socket *socket;
    int fd = add_socket(family, &socket);
    sim_note("socket: %d", fd);
    return fd;
}

int eddy_os_prepare_socket(int fd) {
    struct sim_socket *socket;
    return socket_enter(OS_CALL_prepare_socket, fd, &socket);
}

int eddy_os_set_option(int fd, int level, int name, int value) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_set_option, fd, &socket);
    if (err < 0) return err;
    if (level == SOL_SOCKET && name == SO_REUSEADDR) socket->reuse_address = value != 0;
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) socket->v6_only = value != 0;
    return 0;
}

int eddy_os_set_reset_on_close(int fd) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_set_reset_on_close, fd, &socket);
    if (err == 0) socket->reset_on_close = true;
    return err;
}

int eddy_os_set_keepalive(int fd, unsigned idle_s, unsigned interval_s, unsigned count) {
    struct sim_socket *socket;
    (void)idle_s, (void)interval_s, (void)count;
    return socket_enter(OS_CALL_set_keepalive, fd, &socket);
}

int eddy_os_reuse_port(int fd) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_reuse_port, fd, &socket);
    if (err == 0) socket->reuse_port = true;
    return err;
}

int eddy_os_bind(int fd, const struct sockaddr *address, socklen_t length) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_bind, fd, &socket);
    if (err < 0) return err;
    return socket->family == AF_UNIX ? local_bind(socket, address, length)
                                     : network_bind(socket, address, length);
}

int eddy_os_listen(int fd, int backlog) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_listen, fd, &socket);
    if (err < 0) return err;
    if (socket->state != SOCKET_NEW && socket->state != SOCKET_LISTENING) return -EINVAL;
    if (socket->family != AF_UNIX)
        err = network_listen(socket);
    else if (socket->is_bound)
        socket->state = SOCKET_LISTENING;
    else
        err = -EINVAL;
    if (err < 0) return err;
    socket->backlog = backlog < 0 ? 0 : (unsigned)backlog;
    sim_description_changed(socket->description, SIM_BOTH);
    sim_note("listen %d", fd);
    return 0;
}

int eddy_os_is_listening(int fd) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_is_listening, fd, &socket);
    return err < 0 ? err : socket->state == SOCKET_LISTENING;
}

/* --- Accepting and connecting --- */

void socket_give_address(const struct sim_address *from, struct sockaddr *address,
                         socklen_t *length) {
    if (address == NULL) return;
    memcpy(address, &from->storage, from->length < *length ? from->length : *length);
    *length = from->length;
}

const struct sim_address *socket_name(const struct sim_socket *socket,
                                      const struct sim_address *name) {
    static struct sim_address unnamed = {.length = sizeof unnamed.storage.ss_family};
    unnamed.storage.ss_family = AF_UNIX;
    return socket->family == AF_UNIX && name->length == 0 ? &unnamed : name;
}

static struct sim_end *take_queued(struct sim_socket *listener) {
    struct sim_end *end = listener->queue;
    listener->queue = end->next;
    if (listener->queue == NULL) listener->queue_last = &listener->queue;
    listener->queued--;
    sim_progress();
    return end;
}

/* Errors of the connection that was next take it away; all others leave it. */
static int fail_accept(struct sim_socket *listener, int err) {
    bool takes = err == -ECONNABORTED || err == -EPROTO || err == -EPERM;
    if (takes && listener->queue == NULL) return -EAGAIN;
    if (takes) sim_end_close(take_queued(listener), true);
    sim_description_changed(listener->description, EDDY_READ);
    return err;
}

int eddy_os_accept(int fd, struct sockaddr *address, socklen_t *length) {
    struct sim_socket *listener;
    int err = socket_enter(OS_CALL_accept, fd, &listener);
    if (err < 0 && listener == NULL) return err;
    if (listener->state != SOCKET_LISTENING) return -EINVAL;
    if (err < 0) return fail_accept(listener, err);
    /* As Linux has it, whether anybody waits or not. */
    if (sim_descriptors_are_all_used()) return -EMFILE;
    if (listener->queue == NULL) return -EAGAIN;
    struct sim_socket *socket;
    int connection = add_socket(listener->family, &socket);
    struct sim_end *end = take_queued(listener);
    take_end(socket, end);
    socket_give_address(socket_name(socket, &end->peer), address, length);
    sim_note("accept %d: %s", fd, sim_result(connection));
    return connection;
}

int socket_take_error(struct sim_socket *socket) {
    int *at = socket->end != NULL ? &socket->end->error : &socket->error;
    int error = *at;
    *at = 0;
    return error;
}

static void connected(void *owner, struct sim_end *end, int error) {
    struct sim_socket *socket = owner;
    socket->attempt = NULL;
    if (end != NULL) {
        take_end(socket, end);
        socket->has_connected = true;
    } else {
        socket->state = SOCKET_FAILED;
        socket->error = error;
    }
    sim_note("connecting ends with %s", sim_result(-error));
    sim_description_changed(socket->description, SIM_BOTH);
}

static int check_connect(const struct sim_socket *socket, const struct sockaddr *address,
                         socklen_t length) {
    bool is_v6 = socket->family == AF_INET6;
    if (length < (is_v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in))) return -EINVAL;
    if (address->sa_family != socket->family) return -EAFNOSUPPORT;
    if (socket->state == SOCKET_CONNECTING) return -EALREADY;
    if (socket->state == SOCKET_CONNECTED || socket->state == SOCKET_LISTENING) return -EISCONN;
    return socket->state == SOCKET_FAILED ? -ECONNABORTED : 0;
}

/* What fails late does so in the end as well as at once. */
static int late_failure(void) {
    static const int errors[] = {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH};
    if (!sim_happens(sim_weather()->faults)) return 0;
    return errors[sim_below(sizeof errors / sizeof errors[0])];
}

static int connect_local(int fd, struct sim_socket *socket, const struct sockaddr *address,
                         socklen_t length) {
    struct sim_end *end;
    int err = local_connect(socket, address, length, &end);
    if (err == 0) take_end(socket, end);
    if (err == 0) sim_description_changed(socket->description, SIM_BOTH);
    sim_note("connect %d to a name: %s", fd, sim_result(err));
    return err;
}

int eddy_os_connect(int fd, const struct sockaddr *address, socklen_t length) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_connect, fd, &socket);
    if (err < 0 && err != -ETIMEDOUT) return err; /* no time has passed that could be over */
    if (socket == NULL) return err;
    if (socket->has_connected) { /* as Linux has it, once */
        socket->has_connected = false;
        return 0;
    }
    if (socket->family == AF_UNIX) return connect_local(fd, socket, address, length);
    err = check_connect(socket, address, length);
    if (err < 0) return err;
    socket->state = SOCKET_CONNECTING;
    sim_note("connect %d", fd);
    /* Where nothing has to travel, some systems know at once. */
    bool at_once = sim_weather()->latency_ns == 0 && sim_below(2) == 0;
    network_connect(address, &socket->local, late_failure(), at_once, connected, socket,
                    &socket->attempt);
    if (!at_once) return -EINPROGRESS;
    socket->has_connected = false;
    if (socket->state == SOCKET_CONNECTED) return 0;
    if (socket->state == SOCKET_FAILED) return -socket_take_error(socket);
    return -EINPROGRESS;
}

unsigned eddy_os_interface_index(const char *name) {
    sim_step();
    return strcmp(name, "lo") == 0 ? 1 : 0;
}

/* --- The program's own --- */

static void add_pair(int ends[2], int family, struct sim_end *end) {
    struct sim_end *other = end->other;
    sim_faults_off();
    ends[0] = socket_add(family, end);
    ends[1] = socket_add(family, other);
    sim_faults_on();
    sim_check(ends[0] >= 0 && ends[1] >= 0, "all numbers of descriptors are taken");
    sim_note("pair: %d %d", ends[0], ends[1]);
}

void sim_local_pair(int ends[2]) {
    add_pair(ends, AF_UNIX, sim_wire_open(true));
}

void sim_tcp_pair(int ends[2]) {
    struct sim_end *end = sim_wire_open(false);
    network_name_pair(end);
    add_pair(ends, AF_INET, end);
}

void sim_shut_down(int fd) {
    struct sim_socket *socket;
    sim_check(find(fd, &socket) == 0, "sim_shut_down of %d, which is no socket", fd);
    if (socket->state == SOCKET_CONNECTED) sim_end_finish(socket->end);
}

void sim_reset(int fd) {
    struct sim_socket *socket;
    sim_check(find(fd, &socket) == 0, "sim_reset of %d, which is no socket", fd);
    socket->reset_on_close = true;
    sim_close(fd);
}
