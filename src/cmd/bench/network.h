/* network.h: between a server and its clients: the loopback of the machine, or a pair of virtual
 * devices (veth) between two network namespaces, with delay and loss if that is wanted (netem).
 * Namespaces and devices die with the last process that has them: nothing is left behind, however
 * that ends. State of the process, which its children inherit: which of the two. */
#ifndef EDDY_CMD_BENCH_NETWORK_H
#define EDDY_CMD_BENCH_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>

/* As text that tc takes; empty: none. */
struct bench_network {
    const char *text;         /* as it was said; NULL: the loopback */
    char delay[16], loss[16]; /* each way */
};

/* "netns", "netns,delay=5ms,loss=0.1%". */
bool bench_network_parse(struct bench_network *network, const char *text);

/* This process and those that it starts are in a namespace of their own from here on; only once,
 * and before there are threads. False: it could not be done, and why has been told. */
bool bench_network_open(const struct bench_network *network);
/* In a process of clients, before it has sockets: it goes where they are. Returns 0 or a negative
 * errno. */
int bench_network_enter(void);
/* Which it is: "loopback", or what was said. */
const char *bench_network_text(void);
/* Where servers listen; without a port. */
struct sockaddr_in bench_network_address(void);

/* --- What network_netns.c does, where there are namespaces --- */

/* Makes both, and goes into the server's. Returns a descriptor of the clients' one, or a negative
 * errno: no namespace can be made. */
int network_make(void);
int network_go(int fd);

#endif
