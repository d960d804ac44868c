/* sockets.h: the sockets that a program listens on, as it got them from the one that started it,
 * and as it hands them on to one that takes over.
 *
 * Descriptors come from 3 on, and the environment says how many: LISTEN_FDS for the process that
 * LISTEN_PID names, which is what systemd does, or EDDY_RESTART, in which case one more follows, a
 * pipe that takes a byte once they are served. What is kept here is beside the listeners' own
 * descriptors, so that a listener that ends takes nothing along. Threading: the main thread's. */
#ifndef EDDY_CMD_SERVE_SOCKETS_H
#define EDDY_CMD_SERVE_SOCKETS_H

#include <stdbool.h>

#include "hosts.h"

#define SOCKETS_RESTART_VARIABLE "EDDY_RESTART"

enum {
    SOCKETS_FIRST = 3,  /* the descriptor, as sd_listen_fds(3) has it */
    SOCKETS_MAX = 1024, /* 16 addresses for each of 64 loops */
};

struct shared_socket {
    int fd;
    struct host_address address;
    unsigned rank, of; /* among the sockets that came with this address: 0 … of - 1 */
};

struct sockets {
    struct shared_socket *all;
    unsigned count;
    const char *variable; /* that told of them; NULL: nobody did */
    int ready;            /* the pipe, or -1 */
};

/* Takes what the environment tells of, and takes that out of the environment. To be called before
 * any descriptor is opened. Returns the exit status: 0, or what is wrong has been said. */
int sockets_inherit(struct sockets *sockets);

/* Says that a socket cannot be served; returns the exit status. */
int sockets_refuse(const struct sockets *sockets, int fd, int error);

/* Keeps a duplicate of a listening socket. Errors: -EMFILE, -ENOMEM. */
int sockets_keep(struct sockets *sockets, int fd);

/* Tells whoever handed them on that they are served. */
void sockets_tell_ready(struct sockets *sockets);

/* Closes what is kept; idempotent. */
void sockets_close(struct sockets *sockets);

#endif
