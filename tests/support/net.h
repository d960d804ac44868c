/* net.h: sockets for the tests of streams, on loopback only. */
#ifndef EDDY_TESTS_NET_H
#define EDDY_TESTS_NET_H

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One end of a connection, and what its callbacks were told. */
struct end {
    eddy_stream stream;
    bool closed, ended, told, connected, drained;
    unsigned reads, ends, errors, written, drains;
    int error, status;
    size_t received;
    uint64_t sum; /* depends on every byte and its place */
};

static inline void end_init(struct end *end, eddy_loop *loop) {
    memset(end, 0, sizeof *end);
    eddy_stream_init(&end->stream, loop);
}

static inline struct end *end_of(eddy_stream *stream) {
    return eddy_container_of(stream, struct end, stream);
}

static inline uint64_t sum_bytes(uint64_t sum, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3) + 1;
    return sum;
}

static inline void end_on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct end *end = end_of(stream);
    ck_assert_msg(!end->told, "a read callback came after the end or an error");
    end->reads++;
    if (size > 0) {
        end->received += (size_t)size;
        end->sum = sum_bytes(end->sum, data, (size_t)size);
        return;
    }
    end->told = true;
    if (size == 0) {
        end->ended = true;
        end->ends++;
    } else {
        end->error = (int)size;
        end->errors++;
    }
}

static inline void end_on_close(eddy_stream *stream) {
    ck_assert(!end_of(stream)->closed);
    end_of(stream)->closed = true;
}

static inline void end_on_written(eddy_write *write, int status) {
    end_of(write->stream)->written++;
    end_of(write->stream)->status = status;
}

static inline void end_close(struct end *end) {
    ck_assert_int_eq(eddy_stream_close(&end->stream, end_on_close), 0);
    ck_assert(!end->closed);
    test_turn_until(end->stream.io.handle.loop, &end->closed);
}

/* The loopback address, port 0. Returns its length. */
static inline socklen_t loopback(struct sockaddr_storage *address, int family) {
    int length = eddy_address_parse(address, family == AF_INET6 ? "::1" : "127.0.0.1", 0);
    ck_assert_int_gt(length, 0);
    return (socklen_t)length;
}

/* A listening socket of the system's own, and its address. */
static inline int listen_plain(struct sockaddr_storage *address, socklen_t *length, int backlog) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    *length = loopback(address, AF_INET);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, *length), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, length), 0);
    return fd;
}

/* A port that refuses: nobody listens, and nobody else can take it for as long as the result is
 * open. */
static inline int hold_plain(struct sockaddr_storage *address, socklen_t *length) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    *length = loopback(address, AF_INET);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, *length), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, length), 0);
    return fd;
}

/* A listener that is full: `others` are the clients that fill it. Returns -1, with everything
 * closed, on systems that answer the next one with a reset instead of leaving it waiting. */
static inline int listen_full(struct sockaddr_storage *address, socklen_t *length, int *others,
                              int count) {
    int listener = listen_plain(address, length, 0);
    for (int i = 0; i < count; i++) {
        others[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(others[i], 0);
        (void)connect(others[i], (struct sockaddr *)address, *length);
    }
    struct pollfd last = {.fd = others[count - 1], .events = POLLOUT};
    if (poll(&last, 1, 10) == 0) return listener;
    for (int i = 0; i < count; i++) close(others[i]);
    close(listener);
    return -1;
}

/* Two connected TCP sockets, blocking, as a foreign library might hand them over. */
static inline void tcp_pair(int ends[2]) {
    struct sockaddr_storage address;
    socklen_t length;
    int listener = listen_plain(&address, &length, 1);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(ends[0], 0);
    ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&address, length), 0);
    ends[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(ends[1], 0);
    close(listener);
}

/* A stream on one end of a TCP connection; returns the other end, a plain non-blocking socket. */
static inline int end_connect(struct end *end, eddy_loop *loop) {
    int ends[2];
    tcp_pair(ends);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    end_init(end, loop);
    ck_assert_int_eq(eddy_stream_attach(&end->stream, ends[0]), 0);
    return ends[1];
}

/* The same over a local pair with the smallest buffers, so that a queue forms soon; with TCP, small
 * windows are slow. */
static inline int end_connect_narrow(struct end *end, eddy_loop *loop) {
    int ends[2],
        least = 2048; /* Linux's least is more than twice that; a BSD takes it by its word */
    test_socket_pair(ends);
    ck_assert_int_eq(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least), 0);
    end_init(end, loop);
    ck_assert_int_eq(eddy_stream_attach(&end->stream, ends[0]), 0);
    return ends[1];
}

/* Both ends as streams, of one loop or of two. */
static inline void end_connect_both(struct end *a, eddy_loop *loop_a, struct end *b,
                                    eddy_loop *loop_b) {
    int ends[2];
    tcp_pair(ends);
    end_init(a, loop_a);
    end_init(b, loop_b);
    ck_assert_int_eq(eddy_stream_attach(&a->stream, ends[0]), 0);
    ck_assert_int_eq(eddy_stream_attach(&b->stream, ends[1]), 0);
}

/* The peer vanishes with a reset. */
static inline void reset_plain(int fd) {
    struct linger linger = {1, 0};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    ck_assert_int_eq(close(fd), 0);
}

/* Reads what a plain socket holds, without waiting. Returns the bytes; `*ended` after the end. */
static inline size_t drain_plain(int fd, uint64_t *sum, bool *ended) {
    static char buffer[65536];
    size_t total = 0;
    ssize_t size;
    while ((size = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
        *sum = sum_bytes(*sum, buffer, (size_t)size);
        total += (size_t)size;
    }
    if (size == 0) *ended = true;
    return total;
}

#endif
