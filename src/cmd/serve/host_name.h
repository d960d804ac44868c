/* host_name.h: what stands for a host on the command line. Pure. */
#ifndef EDDY_CMD_SERVE_HOST_NAME_H
#define EDDY_CMD_SERVE_HOST_NAME_H

#include <stdbool.h>
#include <sys/socket.h>

enum { HOST_BYTES = 253 };

/* Reads an address, one of IPv6 also in brackets, as it stands in a URL. Returns its length, or
 * -EINVAL. */
int host_parse(struct sockaddr_storage *address, const char *host, unsigned port);

/* Whether it is an address, or may be a name. */
bool host_is_valid(const char *host);

#endif
