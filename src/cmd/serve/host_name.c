/* host_name.c: see host_name.h. */
#include "host_name.h"

#include <eddy.h>
#include <errno.h>
#include <string.h>

/* Of names that the system's resolver may know; underscores are in use. */
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

int host_parse(struct sockaddr_storage *address, const char *host, unsigned port) {
    char text[HOST_BYTES + 1];
    size_t length = strlen(host);
    if (host[0] != '[') return eddy_address_parse(address, host, port);
    if (length < 3 || length > HOST_BYTES || host[length - 1] != ']') return -EINVAL;
    memcpy(text, host + 1, length - 2);
    text[length - 2] = '\0';
    int parsed = eddy_address_parse(address, text, port);
    return parsed > 0 && address->ss_family == AF_INET6 ? parsed : -EINVAL;
}

bool host_is_valid(const char *host) {
    struct sockaddr_storage address;
    size_t length = strlen(host);
    if (length == 0 || length > HOST_BYTES) return false;
    if (host_parse(&address, host, 0) > 0) return true;
    if (strspn(host, "0123456789.") == length) return false; /* "1.2.3" is a slip, and no name */
    return strspn(host, NAME_BYTES) == length && host[0] != '-' && host[0] != '.';
}
