/* port.c: see port.h. */
#include "port.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

enum { ATTEMPTS = 16 }; /* to find one that is free at all addresses */

static void refuse(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)listener;
    (void)peer;
    if (fd >= 0) close(fd);
}

static void set_port(struct sockaddr_storage *address, in_port_t port) {
    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)(void *)address)->sin_port = port;
    else
        ((struct sockaddr_in6 *)(void *)address)->sin6_port = port;
}

/* The kernel has picked a port for the first address, which all others are to have as well. */
int port_share(struct host_address *addresses, unsigned count, const eddy_listener *listener) {
    struct sockaddr_storage picked = {0};
    socklen_t room = sizeof picked;
    int err = eddy_listener_address(listener, (struct sockaddr *)&picked, &room);
    for (unsigned i = 0; err == 0 && i < count; i++)
        set_port(&addresses[i].address, picked.ss_family == AF_INET
                                            ? ((struct sockaddr_in *)(void *)&picked)->sin_port
                                            : ((struct sockaddr_in6 *)(void *)&picked)->sin6_port);
    return err;
}

/* Has the port at all addresses for a moment. */
static int claim(eddy_loop *loop, struct host_address *addresses, unsigned count,
                 unsigned *failed) {
    eddy_listener claims[HOST_ADDRESSES_MAX];
    unsigned claimed = 0;
    int err = 0;
    while (err == 0 && claimed < count) {
        const struct host_address *it = &addresses[claimed];
        *failed = claimed;
        eddy_listener_init(&claims[claimed], loop);
        err = eddy_tcp_listen(&claims[claimed], (const struct sockaddr *)&it->address, it->length,
                              1, 0, refuse);
        if (err == 0 && claimed++ == 0) err = port_share(addresses, count, &claims[0]);
    }
    while (claimed > 0) (void)eddy_listener_close(&claims[--claimed], NULL);
    /* Phase 8 of the first turn gives their memory back. */
    int alive = eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    return err < 0 ? err : alive < 0 ? alive : 0;
}

int port_claim(eddy_loop *loop, struct host_address *addresses, unsigned count, bool any_port,
               unsigned *failed) {
    int err = -EADDRINUSE;
    for (int i = 0; err == -EADDRINUSE && i < (any_port ? ATTEMPTS : 1); i++) {
        if (any_port) set_port(&addresses[0].address, 0);
        err = claim(loop, addresses, count, failed);
    }
    return err;
}
