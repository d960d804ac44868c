/* local_net.h: local sockets for tests: a directory of their own for names, a server that takes
 * what comes, and plain sockets beside it. */
#ifndef EDDY_TESTS_LOCAL_NET_H
#define EDDY_TESTS_LOCAL_NET_H

#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>

/* A directory, and in it the name "socket". */
struct local_place {
    char directory[32], path[64];
    struct sockaddr_storage address;
    socklen_t length;
};

static inline socklen_t local_name(struct sockaddr_storage *address, const char *name,
                                   size_t size) {
    int length = eddy_address_of_name(address, name, size);
    ck_assert_int_gt(length, 0);
    return (socklen_t)length;
}

static inline void local_place_make(struct local_place *place) {
    strcpy(place->directory, "/tmp/eddy-local-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(place->directory));
    snprintf(place->path, sizeof place->path, "%s/socket", place->directory);
    place->length = local_name(&place->address, place->path, strlen(place->path));
}

/* Nothing may be left in it. */
static inline void local_place_remove(const struct local_place *place) {
    ck_assert_msg(rmdir(place->directory) == 0, "something is left in %s", place->directory);
}

static inline const struct sockaddr *local_at(const struct local_place *place) {
    return (const struct sockaddr *)&place->address;
}

static inline bool local_is_there(const char *path) {
    struct stat stat;
    return lstat(path, &stat) == 0;
}

static inline bool local_is_plain(void) {
    return getenv("EDDY_TEST_PLAIN") != NULL;
}

/* A socket of the system's own, bound there. */
static inline int local_bind_plain(const struct local_place *place, int type) {
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, local_at(place), place->length), 0);
    return fd;
}

static inline int local_connect_plain(const struct sockaddr *address, socklen_t length, int type) {
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(fd, 0);
    if (connect(fd, address, length) == 0) return fd;
    int error = errno;
    close(fd);
    return -error;
}

/* --- A listener that keeps what it accepts --- */

struct local_server {
    eddy_listener listener;
    int accepted[64], count;
    bool any, closed;
};

static inline void local_on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    struct local_server *server = eddy_container_of(listener, struct local_server, listener);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(peer->sa_family, AF_UNIX);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    server->accepted[server->count++] = fd;
    server->any = true;
}

static inline void local_on_closed(eddy_listener *listener) {
    struct local_server *server = eddy_container_of(listener, struct local_server, listener);
    ck_assert(!server->closed);
    server->closed = true;
}

static inline int local_listen(struct local_server *server, eddy_loop *loop,
                               const struct local_place *place, unsigned options) {
    memset(server, 0, sizeof *server);
    eddy_listener_init(&server->listener, loop);
    return eddy_local_listen(&server->listener, local_at(place), place->length, 0, options,
                             local_on_accept);
}

static inline void local_server_close(struct local_server *server) {
    eddy_loop *loop = server->listener.io.handle.loop;
    ck_assert_int_eq(eddy_listener_close(&server->listener, local_on_closed), 0);
    test_turn_until(loop, &server->closed);
    for (int i = 0; i < server->count; i++) close(server->accepted[i]);
}

/* --- A stream that connects --- */

static inline void local_on_connected(eddy_stream *stream, int status) {
    struct end *end = end_of(stream);
    ck_assert(!end->connected);
    end->connected = true;
    end->status = status;
}

static inline int local_connect(struct end *end, eddy_loop *loop, const struct local_place *place,
                                unsigned options, int64_t timeout_ns) {
    end_init(end, loop);
    return eddy_local_connect(&end->stream, local_at(place), place->length, options, timeout_ns,
                              local_on_connected);
}

/* What it comes to. */
static inline int local_outcome(struct end *end) {
    test_turn_until(end->stream.io.handle.loop, &end->connected);
    return end->status;
}

#endif
