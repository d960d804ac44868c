/* activation.h: a program that is started with its sockets, as systemd does it: from descriptor 3
 * on, with LISTEN_PID and LISTEN_FDS in its environment. */
#ifndef EDDY_TESTS_ACTIVATION_H
#define EDDY_TESTS_ACTIVATION_H

#include "client.h"

#include <sys/un.h>

static char root[128];

static int given_fds[8];
static unsigned given_count;
static const char *given_number; /* of LISTEN_FDS; NULL: given_count */
static const char *given_pid;    /* of LISTEN_PID; NULL: the program's */
static bool given_has_pid;

static inline void given_reset(void) {
    given_count = 0;
    given_number = given_pid = NULL;
    given_has_pid = true;
}

static inline void given_close(void) {
    for (unsigned i = 0; i < given_count; i++) close(given_fds[i]);
    given_count = 0;
}

/* On a loopback address and `port`, or one that the kernel picks; blocking. It listens if it can.
 */
static inline int given_bind(int fd, unsigned port, int type) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (type == SOCK_STREAM) ck_assert_int_eq(listen(fd, 100), 0);
    return fd;
}

static inline int given_socket(int family, int type) {
    return given_bind(socket(family, type | SOCK_CLOEXEC, 0), 0, type);
}

static inline int given_socket_shared(unsigned port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    return given_bind(fd, port, SOCK_STREAM);
}

/* Returns the port. */
static inline unsigned given_add(int fd) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    given_fds[given_count++] = fd;
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin_port);
}

/* In the child: the sockets get their numbers, by way of numbers that none of them is to have. */
static inline void given_hand_over(void) {
    char number[16], pid[16];
    for (unsigned i = 0; i < given_count; i++) dup2(given_fds[i], 40 + (int)i);
    for (unsigned i = 0; i < given_count; i++) dup2(40 + (int)i, 3 + (int)i);
    close_from(3 + (int)given_count);
    snprintf(number, sizeof number, "%u", given_count);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_FDS", given_number != NULL ? given_number : number, 1);
    setenv("LISTEN_FDNAMES", "web", 1);
    if (given_has_pid) setenv("LISTEN_PID", given_pid != NULL ? given_pid : pid, 1);
}

/* Starts `eddy serve` of `root` with the sockets, and with options up to a NULL. */
static inline struct program given_start(const char *const *options) {
    const char *arguments[ARGUMENTS_MAX] = {"serve"};
    int count = 1;
    if (test_backend != NULL) {
        arguments[count++] = "--backend";
        arguments[count++] = test_backend;
    }
    for (int i = 0; options[i] != NULL; i++) arguments[count++] = options[i];
    arguments[count++] = root;
    program_prepare = given_hand_over;
    struct program program = program_start(arguments);
    program_prepare = NULL;
    return program;
}

#endif
