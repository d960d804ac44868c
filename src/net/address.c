/* address.c: numeric and local addresses, and their text.
 * Threading: any thread; nothing here is shared. */
#include "net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const char LOCAL_PREFIX[] = "unix:";

enum {
    LOCAL_PREFIX_LENGTH = sizeof LOCAL_PREFIX - 1,
    LOCAL_HEAD = offsetof(struct sockaddr_un, sun_path),
    LOCAL_NAME_MAX = sizeof((struct sockaddr_un *)NULL)->sun_path,
};

/* --- Local addresses --- */

int eddy_address_of_name(struct sockaddr_storage *address, const void *name, size_t size) {
    struct sockaddr_un *local = (struct sockaddr_un *)address;
    const char *bytes = name;
    memset(address, 0, sizeof *address);
    local->sun_family = AF_UNIX;
    if (size == 0) return LOCAL_HEAD;
    size_t end = bytes[0] != '\0'; /* of a path */
    if (end && memchr(bytes, '\0', size) != NULL) return -EINVAL;
    if (size > LOCAL_NAME_MAX - end) return -ENAMETOOLONG;
    memcpy(local->sun_path, bytes, size);
    return (int)(LOCAL_HEAD + size + end);
}

static int address_digit(char digit) {
    const char *at = digit != '\0' ? strchr("0123456789abcdef", digit) : NULL;
    return at != NULL ? (int)(at - "0123456789abcdef") : -1;
}

/* The text of a name behind "unix:". */
static int address_parse_local(struct sockaddr_storage *address, const char *text) {
    char name[LOCAL_NAME_MAX];
    size_t size = 0;
    bool is_abstract = text[0] == '@';
    for (const char *at = text; *at != '\0'; at++) {
        char byte = is_abstract && at == text ? '\0' : *at;
        if (byte == '\\') {
            if (at[1] != 'x') return -EINVAL;
            int high = address_digit(at[2]), low = high >= 0 ? address_digit(at[3]) : -1;
            if (low < 0) return -EINVAL;
            byte = (char)(high * 16 + low);
            if (at == text && byte == '\0') return -EINVAL; /* that is "@" */
            at += 3;
        }
        if (size == sizeof name) return -ENAMETOOLONG;
        name[size++] = byte;
    }
    return eddy_address_of_name(address, name, size);
}

struct address_text {
    char *text;
    size_t size, length;
};

static void address_put(struct address_text *to, char byte) {
    if (to->length + 1 < to->size) to->text[to->length] = byte;
    to->length++;
}

static void address_put_text(struct address_text *to, const char *text) {
    while (*text != '\0') address_put(to, *text++);
}

static void address_put_number(struct address_text *to, uint32_t number) {
    char digits[sizeof "4294967295"], *at = digits + sizeof digits - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    address_put_text(to, at);
}

/* As snprintf: what does not fit is cut off, and the whole length is told. */
static int address_finish(const struct address_text *to) {
    if (to->size > 0) to->text[to->length < to->size ? to->length : to->size - 1] = '\0';
    return (int)to->length;
}

static void address_put_escaped(struct address_text *to, unsigned char byte) {
    static const char digits[] = "0123456789abcdef";
    address_put(to, '\\');
    address_put(to, 'x');
    address_put(to, digits[byte >> 4]);
    address_put(to, digits[byte & 15]);
}

static int address_format_local(const char *name, size_t size, char *text, size_t text_size) {
    struct address_text to = {.text = text, .size = text_size};
    bool is_abstract = size > 0 && name[0] == '\0';
    if (!is_abstract) size = strnlen(name, size);
    address_put_text(&to, LOCAL_PREFIX);
    if (is_abstract) address_put(&to, '@');
    for (size_t i = is_abstract; i < size; i++) {
        unsigned char byte = (unsigned char)name[i];
        if (byte < ' ' || byte == 127 || byte == '\\' || (byte == '@' && i == 0))
            address_put_escaped(&to, byte);
        else
            address_put(&to, name[i]);
    }
    return address_finish(&to);
}

int eddy_address_format_whole(const struct sockaddr *address, socklen_t length, char *text,
                              size_t size) {
    if (address->sa_family != AF_UNIX) return eddy_address_format(address, text, size);
    /* Linux tells one byte more than it has room for, of a path that fills it. */
    size_t name_size = length > LOCAL_HEAD ? length - LOCAL_HEAD : 0;
    if (name_size > LOCAL_NAME_MAX) name_size = LOCAL_NAME_MAX;
    return address_format_local(((const struct sockaddr_un *)(const void *)address)->sun_path,
                                name_size, text, size);
}

/* --- Numeric addresses --- */

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
    if (strncmp(host, LOCAL_PREFIX, LOCAL_PREFIX_LENGTH) == 0)
        return port == 0 ? address_parse_local(address, host + LOCAL_PREFIX_LENGTH) : -EINVAL;
    in_port_t port_there = htons((uint16_t)port);
    int length = address_parse_ipv4(address, host, port_there);
    return length > 0 ? length : address_parse_ipv6(address, host, port_there);
}

static int address_format_ipv4(const struct sockaddr_in *ipv4, char *text, size_t size) {
    struct address_text to = {.text = text, .size = size};
    char host[INET_ADDRSTRLEN];
    address_put_text(&to, inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof host));
    address_put(&to, ':');
    address_put_number(&to, ntohs(ipv4->sin_port));
    return address_finish(&to);
}

static int address_format_ipv6(const struct sockaddr_in6 *ipv6, char *text, size_t size) {
    struct address_text to = {.text = text, .size = size};
    char host[INET6_ADDRSTRLEN];
    address_put(&to, '[');
    address_put_text(&to, inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof host));
    if (ipv6->sin6_scope_id != 0) {
        address_put(&to, '%');
        address_put_number(&to, ipv6->sin6_scope_id);
    }
    address_put_text(&to, "]:");
    address_put_number(&to, ntohs(ipv6->sin6_port));
    return address_finish(&to);
}

int eddy_address_format(const struct sockaddr *address, char *text, size_t size) {
    if (address->sa_family == AF_INET)
        return address_format_ipv4((const struct sockaddr_in *)(const void *)address, text, size);
    if (address->sa_family == AF_UNIX) {
        const char *name = ((const struct sockaddr_un *)(const void *)address)->sun_path;
        size_t length = LOCAL_NAME_MAX;
        while (length > 0 && name[length - 1] == '\0') length--;
        return address_format_local(name, length, text, size);
    }
    if (address->sa_family != AF_INET6) return -EAFNOSUPPORT;
    return address_format_ipv6((const struct sockaddr_in6 *)(const void *)address, text, size);
}

int eddy_address_port(const struct sockaddr *address) {
    if (address->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return -EAFNOSUPPORT;
}

/* The kernel tells as much as there is room for, so the kind is looked at in an address of our own.
 */
int eddy__address_of_stream(const eddy_stream *stream, bool is_peer, bool is_local,
                            struct sockaddr *address, socklen_t *length) {
    struct sockaddr_storage whole = {0};
    socklen_t room = sizeof whole;
    int fd = eddy_stream_fd(stream);
    if (fd < 0) return -ENOTCONN;
    int err = is_peer ? eddy_os_peer_address(fd, (struct sockaddr *)&whole, &room)
                      : eddy_os_local_address(fd, (struct sockaddr *)&whole, &room);
    if (err < 0) return err;
    if (!net_is_of(whole.ss_family, is_local)) return -EAFNOSUPPORT;
    memcpy(address, &whole, *length < room ? *length : room);
    *length = room;
    return 0;
}
