/* port.h: one port for several sockets. Threading: the loop's, before it runs. */
#ifndef EDDY_CMD_SERVE_PORT_H
#define EDDY_CMD_SERVE_PORT_H

#include <eddy.h>
#include <stdbool.h>

#include "hosts.h"

/* Has the port of the addresses for itself at all of them, for a moment: several sockets on one
 * port would join those of another program that allows it, and take half of its clients; so one
 * that allows nobody must get the port first. With `any_port` the kernel picks one, which the
 * addresses then have. Errors: as eddy_tcp_listen, of the address `*failed`. */
int port_claim(eddy_loop *loop, struct host_address *addresses, unsigned count, bool any_port,
               unsigned *failed);

/* Gives all addresses the port of a listener. Errors: as eddy_listener_address. */
int port_share(struct host_address *addresses, unsigned count, const eddy_listener *listener);

#endif
