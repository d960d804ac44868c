/* hosts.c: see hosts.h. */
#include "hosts.h"

#include <eddy.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "host_name.h"
#include "system.h"

/* Compares what an address is made of: the rest of the struct may hold anything. */
static bool is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b) {
    if (a->ss_family != b->ss_family) return false;
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *left = (const void *)a, *right = (const void *)b;
        return left->sin_addr.s_addr == right->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *left = (const void *)a, *right = (const void *)b;
    return left->sin6_scope_id == right->sin6_scope_id &&
           memcmp(&left->sin6_addr, &right->sin6_addr, sizeof left->sin6_addr) == 0;
}

static bool add(struct host_address *addresses, unsigned *count,
                const struct sockaddr_storage *address, socklen_t length) {
    for (unsigned i = 0; i < *count; i++)
        if (is_same(&addresses[i].address, address)) return true;
    if (*count == HOST_ADDRESSES_MAX) return false;
    addresses[(*count)++] = (struct host_address){*address, length};
    return true;
}

/* "localhost" often has an address of IPv6 on machines that have no IPv6. */
static bool is_here(const struct addrinfo *info) {
    struct sockaddr_storage any_port;
    memcpy(&any_port, info->ai_addr, info->ai_addrlen);
    if (info->ai_family == AF_INET)
        ((struct sockaddr_in *)(void *)&any_port)->sin_port = 0;
    else
        ((struct sockaddr_in6 *)(void *)&any_port)->sin6_port = 0;
    int fd = socket(info->ai_family, SOCK_STREAM, 0);
    if (fd < 0) return errno != EAFNOSUPPORT;
    int err = bind(fd, (const struct sockaddr *)&any_port, info->ai_addrlen) < 0 ? errno : 0;
    close(fd);
    return err != EADDRNOTAVAIL && err != EAFNOSUPPORT;
}

static bool is_usable(const struct addrinfo *info) {
    return info->ai_family == AF_INET || info->ai_family == AF_INET6;
}

static bool add_name(struct host_address *addresses, unsigned *count, const char *name,
                     unsigned port) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int err = getaddrinfo(name, NULL, &hints, &found);
    if (err != 0) {
        system_say("cannot find the host %s: %s", name, gai_strerror(err));
        return false;
    }
    unsigned here = 0;
    for (const struct addrinfo *it = found; it != NULL; it = it->ai_next)
        here += is_usable(it) && is_here(it);
    bool fits = true;
    for (const struct addrinfo *it = found; it != NULL && fits; it = it->ai_next) {
        struct sockaddr_storage address = {0};
        if (!is_usable(it) || (here > 0 && !is_here(it))) continue;
        memcpy(&address, it->ai_addr, it->ai_addrlen);
        if (it->ai_family == AF_INET)
            ((struct sockaddr_in *)(void *)&address)->sin_port = htons((uint16_t)port);
        else
            ((struct sockaddr_in6 *)(void *)&address)->sin6_port = htons((uint16_t)port);
        fits = add(addresses, count, &address, it->ai_addrlen);
    }
    freeaddrinfo(found);
    if (!fits) system_say("the hosts have more than %d addresses together", HOST_ADDRESSES_MAX);
    return fits;
}

unsigned hosts_find(const char *const *hosts, unsigned host_count, unsigned port,
                    struct host_address addresses[HOST_ADDRESSES_MAX]) {
    unsigned count = 0;
    for (unsigned i = 0; i < host_count; i++) {
        struct sockaddr_storage address = {0};
        int length = host_parse(&address, hosts[i], port);
        bool fits = length > 0 ? add(addresses, &count, &address, (socklen_t)length)
                               : add_name(addresses, &count, hosts[i], port);
        if (!fits) return 0; /* 8 hosts that are addresses always fit */
    }
    if (count == 0) system_say("the hosts have no address of IPv4 or IPv6");
    return count;
}
