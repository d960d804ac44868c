/* kernel_sockets.h: what the tests of descriptors and sockets share. They see a kernel through poll
 * and the calls themselves; the same code runs on the real kernel and on the simulated one
 * (posix.h): where they differ, one of the two fails. */
#ifndef EDDY_TESTS_SIM_KERNEL_SOCKETS_H
#define EDDY_TESTS_SIM_KERNEL_SOCKETS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

enum { ALL = POLLIN | POLLOUT, GONE = POLLIN | POLLOUT | POLLHUP };

/* What poll comes to tell; things may take their time to arrive. */
static inline int told(int fd, int expected) {
    struct pollfd polled = {.fd = fd, .events = ALL};
    struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 500; i++) {
        ck_assert_int_ge(poll(&polled, 1, 0), 0);
        if (polled.revents == expected) break;
        nanosleep(&pause, NULL);
    }
    return polled.revents;
}
#define ck_told(fd, expected) ck_assert_int_eq(told(fd, expected), expected)

static inline void ck_read(int fd, ssize_t expected) {
    char data[64];
    ck_assert_int_eq(read(fd, data, sizeof data), expected);
}

#define ck_fails(call, error)           \
    do {                                \
        ck_assert_int_eq(call, -1);     \
        ck_assert_int_eq(errno, error); \
    } while (0)

static inline ssize_t read_some(int fd) {
    char data[64];
    return read(fd, data, sizeof data);
}

static inline ssize_t write_one(int fd) {
    return write(fd, "x", 1);
}

static inline int error_of(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    return error;
}

static inline void reset_on_close(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
}

static inline int new_socket(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

struct name {
    struct sockaddr_in address;
    socklen_t length;
};

static inline struct name loopback(void) {
    struct name name = {.address = {.sin_family = AF_INET}, .length = sizeof name.address};
    name.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return name;
}

static inline int new_listener(struct name *name) {
    int fd = new_socket();
    *name = loopback();
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name->address, name->length), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name->address, &name->length), 0);
    return fd;
}

static inline int start_connecting(const struct name *name) {
    int fd = new_socket();
    int result = connect(fd, (const struct sockaddr *)&name->address, name->length);
    ck_assert(result == 0 || errno == EINPROGRESS);
    return fd;
}

static inline void tcp_pair(int ends[2]) {
    struct name name;
    int listener = new_listener(&name);
    ends[0] = start_connecting(&name);
    ck_told(listener, POLLIN);
    ends[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(ends[1], 0);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    ck_told(ends[0], POLLOUT);
    ck_told(ends[1], POLLOUT);
    close(listener);
}

static inline void fill(int fd) {
    static char data[4096];
    struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 20; i++) {
        while (write(fd, data, sizeof data) > 0) continue;
        ck_assert_int_eq(errno, EAGAIN);
        nanosleep(&pause, NULL); /* the peer's kernel takes some more */
    }
}

static inline void drain(int fd) {
    static char data[4096];
    struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 20; i++) {
        while (read(fd, data, sizeof data) > 0) continue;
        nanosleep(&pause, NULL);
    }
}

static inline void close_both(const int ends[2]) {
    close(ends[0]);
    close(ends[1]);
}

#endif
