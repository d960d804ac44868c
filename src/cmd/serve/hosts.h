/* hosts.h: the addresses that a server is to listen on. */
#ifndef EDDY_CMD_SERVE_HOSTS_H
#define EDDY_CMD_SERVE_HOSTS_H

#include <sys/socket.h>

enum {
    HOST_ADDRESSES_MAX = 16, /* as many as a server listens on */
    HOST_ADDRESS_TEXT = 448, /* a local one, each byte of it as \xNN */
};

struct host_address {
    struct sockaddr_storage address;
    socklen_t length;
};

/* Finds all addresses of the hosts, without those that come twice, and those of a name that this
 * machine does not have beside others. May wait for a name server. Returns how many; 0: none, after
 * a line on stderr that says why. */
unsigned hosts_find(const char *const *hosts, unsigned host_count, unsigned port,
                    struct host_address addresses[HOST_ADDRESSES_MAX]);

#endif
