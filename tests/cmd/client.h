/* client.h: a client that speaks HTTP by hand, over a blocking socket that gives up after 20 s. */
#ifndef EDDY_TESTS_CLIENT_H
#define EDDY_TESTS_CLIENT_H

#include "program.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>

struct client {
    int fd;
    size_t start, used; /* received and not looked at yet */
    char buffer[256 * 1024];
};

struct reply {
    int status;
    int minor;
    char head[16 * 1024]; /* ended; every line with its CR LF */
    char *body;           /* ended; NULL when there is none to come */
    int64_t length;       /* Content-Length, or -1: it is chunked, or there is none */
    size_t size;          /* of the body */
};

/* With `receive_bytes`, set before it connects, so little fits into its kernel's buffer (and twice
 * that, which systems make of it); 0: as much as the system likes. */
static inline struct client *client_open_with(unsigned port, int receive_bytes) {
    struct client *client = malloc(sizeof *client);
    ck_assert_ptr_nonnull(client);
    client->start = client->used = 0;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(client->fd, 0);
    struct timeval limit = {20, 0};
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    int on = 1;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receive_bytes > 0)
        setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static inline struct client *client_open(unsigned port) {
    return client_open_with(port, 0);
}

/* Whether somebody listens. */
static inline bool can_connect(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    int result = connect(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
    return result == 0;
}

static inline void client_close(struct client *client) {
    close(client->fd);
    free(client);
}

static inline void client_send_bytes(struct client *client, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(client->fd, bytes, length, MSG_NOSIGNAL);
        ck_assert_msg(sent > 0, "the server does not take the request: %s", strerror(errno));
        bytes += sent;
        length -= (size_t)sent;
    }
}

static inline void client_send(struct client *client, const char *text) {
    client_send_bytes(client, text, strlen(text));
}

/* Receives more behind what is there. Returns the count, 0 at the end, or -errno. */
static inline ssize_t client_receive(struct client *client) {
    memmove(client->buffer, client->buffer + client->start, client->used - client->start);
    client->used -= client->start;
    client->start = 0;
    if (client->used == sizeof client->buffer) ck_abort_msg("the head is larger than any buffer");
    ssize_t got =
        recv(client->fd, client->buffer + client->used, sizeof client->buffer - client->used, 0);
    if (got < 0) return -errno;
    client->used += (size_t)got;
    return got;
}

/* The value of a header in reply.head, up to its CR; NULL when it is not there. */
static inline const char *reply_header(const struct reply *reply, const char *name) {
    size_t length = strlen(name);
    for (const char *line = reply->head; line != NULL; line = strstr(line, "\r\n")) {
        if (line != reply->head) line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " ");
    }
    return NULL;
}

static inline bool reply_header_is(const struct reply *reply, const char *name, const char *value) {
    const char *found = reply_header(reply, name);
    size_t length = strlen(value);
    return found != NULL && strncmp(found, value, length) == 0 && found[length] == '\r';
}

/* Reads a head, leaving what follows in the client's buffer. False: the end came instead. */
static inline bool client_read_head(struct client *client, struct reply *reply) {
    *reply = (struct reply){.length = -1};
    const char *end;
    for (;;) {
        size_t length = client->used - client->start;
        end = memmem(client->buffer + client->start, length, "\r\n\r\n", 4);
        if (end != NULL) break;
        ssize_t got = client_receive(client);
        if (got == 0 && client->used == client->start) return false;
        ck_assert_msg(got > 0, "no whole head came (%zd)", got);
    }
    size_t size = (size_t)(end + 4 - (client->buffer + client->start));
    ck_assert_uint_lt(size, sizeof reply->head);
    memcpy(reply->head, client->buffer + client->start, size);
    reply->head[size] = '\0';
    client->start += size;
    ck_assert_int_eq(sscanf(reply->head, "HTTP/1.%d %d ", &reply->minor, &reply->status), 2);
    const char *length = reply_header(reply, "Content-Length");
    if (length != NULL) reply->length = strtoll(length, NULL, 10);
    return true;
}

/* Moves `size` bytes from the client to the end of the body. */
static inline void client_take(struct client *client, struct reply *reply, size_t size) {
    reply->body = realloc(reply->body, reply->size + size + 1);
    ck_assert_ptr_nonnull(reply->body);
    while (size > 0) {
        size_t here = client->used - client->start;
        if (here > size) here = size;
        memcpy(reply->body + reply->size, client->buffer + client->start, here);
        client->start += here;
        reply->size += here;
        size -= here;
        if (size > 0 && client_receive(client) <= 0)
            ck_abort_msg("the body ends after %zu bytes", reply->size);
    }
    reply->body[reply->size] = '\0';
}

static inline size_t client_read_chunk_size(struct client *client) {
    const char *end;
    while ((end = memmem(client->buffer + client->start, client->used - client->start, "\r\n",
                         2)) == NULL)
        if (client_receive(client) <= 0) ck_abort_msg("the body ends between two chunks");
    size_t size = strtoul(client->buffer + client->start, NULL, 16);
    client->start = (size_t)(end + 2 - client->buffer);
    return size;
}

/* Without trailers. */
static inline void client_read_chunks(struct client *client, struct reply *reply) {
    size_t size;
    do {
        size = client_read_chunk_size(client);
        client_take(client, reply, size + 2);
        reply->size -= 2;
        if (memcmp(reply->body + reply->size, "\r\n", 2) != 0) ck_abort_msg("a chunk has no end");
        reply->body[reply->size] = '\0';
    } while (size > 0);
}

static inline void client_read_body(struct client *client, struct reply *reply) {
    if (reply->length < 0) {
        client_read_chunks(client, reply);
        return;
    }
    client_take(client, reply, (size_t)reply->length);
}

/* Reads an answer: without a body if the request was HEAD or the status has none. */
static inline struct reply *client_read(struct client *client, bool head_only) {
    struct reply *reply = malloc(sizeof *reply);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(client_read_head(client, reply), "the end came instead of an answer");
    if (!head_only && reply->status != 304) client_read_body(client, reply);
    return reply;
}

static inline void reply_free(struct reply *reply) {
    free(reply->body);
    free(reply);
}

/* check notes every assertion that holds in a file, so bytes are compared without one each. */
static inline void expect_pattern(const char *bytes, size_t offset, size_t size) {
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)bytes[i] != pattern_byte(offset + i))
            ck_abort_msg("byte %zu of %zu is wrong", i, size);
}

static inline void expect_body(const struct reply *reply, size_t offset, size_t size) {
    ck_assert_uint_eq(reply->size, size);
    expect_pattern(reply->body, offset, size);
}

/* Nothing more comes, and the connection ends properly. */
static inline void client_expect_end(struct client *client) {
    ck_assert_uint_eq(client->used - client->start, 0);
    ck_assert_int_eq(client_receive(client), 0);
}

/* Sends `method path` with `headers` (each ended by CR LF) on a connection of its own. */
static inline struct reply *ask(unsigned port, const char *method, const char *path,
                                const char *headers) {
    char request[8192];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: test\r\n%s\r\n", method, path,
             headers);
    struct client *client = client_open(port);
    client_send(client, request);
    struct reply *reply = client_read(client, strcmp(method, "HEAD") == 0);
    client_close(client);
    return reply;
}

static inline int ask_status(unsigned port, const char *path) {
    struct reply *reply = ask(port, "GET", path, "");
    int status = reply->status;
    reply_free(reply);
    return status;
}

#endif
