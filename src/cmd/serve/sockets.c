/* sockets.c: see sockets.h. */
#include "sockets.h"

#include "command_line.h"

#include <eddy.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system.h"

/* --- What the environment says --- */

/* How many there are, whoever says so; -1: it makes no sense, which has been said. */
static int count_in(struct sockets *sockets, const char *variable, const char *value) {
    unsigned count;
    sockets->variable = variable;
    if (command_line_number(value, 0, SOCKETS_MAX, &count)) return (int)count;
    system_say("%s: \"%s\" is not a number from 0 to %d", variable, value, SOCKETS_MAX);
    return -1;
}

/* They may be meant for the process that started us. */
static bool is_for_us(const char *pid) {
    unsigned number;
    return pid != NULL && command_line_number(pid, 1, INT32_MAX, &number) &&
           number == (unsigned)getpid();
}

static int announced(struct sockets *sockets) {
    const char *restart = getenv(SOCKETS_RESTART_VARIABLE);
    const char *activation = getenv("LISTEN_FDS");
    int count = 0;
    if (restart != NULL) {
        count = count_in(sockets, SOCKETS_RESTART_VARIABLE, restart);
        if (count >= 0) sockets->ready = SOCKETS_FIRST + count;
    } else if (activation != NULL && is_for_us(getenv("LISTEN_PID"))) {
        count = count_in(sockets, "LISTEN_FDS", activation);
    }
    unsetenv(SOCKETS_RESTART_VARIABLE);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return count;
}

/* --- Keeping --- */

/* Room for one more, or NULL. */
static struct shared_socket *add(struct sockets *sockets) {
    size_t bytes = (sockets->count + 1) * sizeof *sockets->all;
    struct shared_socket *all = system_resize(sockets->all, bytes);
    if (all == NULL) return NULL;
    sockets->all = all;
    struct shared_socket *it = &all[sockets->count++];
    memset(it, 0, sizeof *it);
    return it;
}

int sockets_keep(struct sockets *sockets, int fd) {
    struct shared_socket *it = add(sockets);
    if (it == NULL) return -ENOMEM;
    it->fd = fcntl(fd, F_DUPFD_CLOEXEC, SOCKETS_FIRST);
    return it->fd < 0 ? -errno : 0;
}

void sockets_close(struct sockets *sockets) {
    for (unsigned i = 0; i < sockets->count; i++)
        if (sockets->all[i].fd >= 0) close(sockets->all[i].fd);
    system_free(sockets->all);
    sockets->all = NULL;
    sockets->count = 0;
}

int sockets_refuse(const struct sockets *sockets, int fd, int error) {
    char text[64];
    bool is_wrong = error == -EINVAL || error == -EAFNOSUPPORT || error == -ENOTSOCK;
    if (error == -ENOSPC)
        system_say("%s has more sockets than a loop can listen on", sockets->variable);
    else if (is_wrong)
        system_say("descriptor %d of %s is not a listening TCP or local socket", fd,
                   sockets->variable);
    else
        system_say("cannot listen on descriptor %d of %s: %s", fd, sockets->variable,
                   eddy_strerror(error, text, sizeof text));
    return 1;
}

/* --- Inheriting --- */

static int take(struct sockets *sockets, int fd) {
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return -errno;
    struct shared_socket *it = add(sockets);
    if (it == NULL) return -ENOMEM;
    struct sockaddr *address = (struct sockaddr *)&it->address.address;
    it->fd = fd;
    it->address.length = sizeof it->address.address;
    if (getsockname(fd, address, &it->address.length) < 0) return -errno;
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0) return -errno;
    if (type != SOCK_STREAM) return -EINVAL;
    int family = address->sa_family;
    bool is_known = family == AF_INET || family == AF_INET6 || family == AF_UNIX;
    return is_known ? 0 : -EAFNOSUPPORT;
}

/* The kernel clears what of an address has no meaning. */
static bool is_same(const struct host_address *a, const struct host_address *b) {
    return a->length == b->length && memcmp(&a->address, &b->address, a->length) == 0;
}

static void rank(struct sockets *sockets) {
    for (unsigned i = 0; i < sockets->count; i++) {
        struct shared_socket *it = &sockets->all[i];
        for (unsigned k = 0; k < sockets->count; k++) {
            if (!is_same(&it->address, &sockets->all[k].address)) continue;
            it->rank += k < i;
            it->of++;
        }
    }
}

int sockets_inherit(struct sockets *sockets) {
    *sockets = (struct sockets){.ready = -1};
    int count = announced(sockets);
    if (count < 0) return 1;
    for (int fd = SOCKETS_FIRST; fd < SOCKETS_FIRST + count; fd++) {
        int err = take(sockets, fd);
        if (err < 0) return sockets_refuse(sockets, fd, err);
    }
    rank(sockets);
    if (sockets->ready >= 0 && fcntl(sockets->ready, F_SETFD, FD_CLOEXEC) < 0) sockets->ready = -1;
    return 0;
}

void sockets_tell_ready(struct sockets *sockets) {
    if (sockets->ready < 0) return;
    (void)!write(sockets->ready, "", 1); /* it may have ended meanwhile, which is as good */
    close(sockets->ready);
    sockets->ready = -1;
}
