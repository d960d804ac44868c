/* address.c: numeric addresses and their text.
 * Threading: any thread; nothing here is shared. */
#include "net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int address_parse_ipv4(struct sockaddr_storage *address, const char *host, in_port_t port) {
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
    if (inet_pton(AF_INET, host, &ipv4->sin_addr) != 1) return -EINVAL;
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = port;
    return (int)sizeof *ipv4;
}

/* The scope of a link-local address is an interface's name, which may begin with a digit or be made
 * of them, or its number. */
static uint32_t address_parse_scope(const char *scope) {
    char *end;
    uint32_t named = eddy_os_interface_index(scope);
    if (named != 0) return named;
    if (scope[0] < '0' || scope[0] > '9') return 0;
    errno = 0;
    unsigned long number = strtoul(scope, &end, 10);
    return *end == '\0' && errno == 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

static int address_parse_ipv6(struct sockaddr_storage *address, const char *host, in_port_t port) {
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
    char text[INET6_ADDRSTRLEN];
    size_t length = strcspn(host, "%");
    if (length >= sizeof text) return -EINVAL;
    memcpy(text, host, length);
    text[length] = '\0';
    if (inet_pton(AF_INET6, text, &ipv6->sin6_addr) != 1) return -EINVAL;
    if (host[length] == '%') {
        ipv6->sin6_scope_id = address_parse_scope(host + length + 1);
        if (ipv6->sin6_scope_id == 0) return -EINVAL;
    }
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = port;
    return (int)sizeof *ipv6;
}

int eddy_address_parse(struct sockaddr_storage *address, const char *host, unsigned port) {
    memset(address, 0, sizeof *address);
    if (port > UINT16_MAX) return -EINVAL;
    in_port_t port_there = htons((uint16_t)port);
    int length = address_parse_ipv4(address, host, port_there);
    return length > 0 ? length : address_parse_ipv6(address, host, port_there);
}

int eddy_address_format(const struct sockaddr *address, char *text, size_t size) {
    char host[INET6_ADDRSTRLEN];
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof host);
        return snprintf(text, size, "%s:%d", host, ntohs(ipv4->sin_port));
    }
    if (address->sa_family != AF_INET6) return -EAFNOSUPPORT;
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)(const void *)address;
    inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof host);
    int port = ntohs(ipv6->sin6_port);
    if (ipv6->sin6_scope_id == 0) return snprintf(text, size, "[%s]:%d", host, port);
    return snprintf(text, size, "[%s%%%u]:%d", host, (unsigned)ipv6->sin6_scope_id, port);
}

int eddy_address_port(const struct sockaddr *address) {
    if (address->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return -EAFNOSUPPORT;
}
