/* visitor.h: a client of `eddy serve` that has sent all its requests and reads what comes, without
 * waiting. It uses the system directly: no fault is meant for it. */
#ifndef EDDY_TESTS_VISITOR_H
#define EDDY_TESTS_VISITOR_H

#include "fault.h"
#include "net.h"

#include <stdlib.h>

struct visitor {
    int fd;
    size_t used;
    bool is_over; /* the server has ended it, or cut it off */
    char bytes[320 * 1024];
};

struct visitor_reply {
    int status;
    const char *body;
    size_t size; /* all of it was there; of chunks 0 */
};

static inline void visitor_open(struct visitor *visitor, const struct sockaddr *address,
                                socklen_t length, const char *requests) {
    visitor->used = 0;
    visitor->is_over = false;
    visitor->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(visitor->fd, 0);
    /* The kernel says yes before anybody accepts. */
    ck_assert_int_eq(connect(visitor->fd, address, length), 0);
    size_t size = strlen(requests);
    ck_assert_int_eq(send(visitor->fd, requests, size, MSG_NOSIGNAL), (ssize_t)size);
}

static inline void visitor_read(struct visitor *visitor) {
    while (!visitor->is_over) {
        size_t room = sizeof visitor->bytes - 1 - visitor->used;
        fault_assert(room > 0);
        ssize_t size = recv(visitor->fd, visitor->bytes + visitor->used, room, MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) visitor->is_over = true;
        if (size > 0) visitor->used += (size_t)size;
    }
}

/* How long the chunks at `at` are; 0: they did not come whole. */
static inline size_t visitor_chunks(const char *at, const char *end) {
    const char *start = at;
    for (;;) {
        char *behind;
        size_t size = strtoul(at, &behind, 16);
        if ((size_t)(end - at) < 2 || behind == at || (size_t)(end - behind) < size + 4) return 0;
        fault_assert(memcmp(behind, "\r\n", 2) == 0 && memcmp(behind + 2 + size, "\r\n", 2) == 0);
        at = behind + size + 4;
        if (size == 0) return (size_t)(at - start);
    }
}

/* The next reply that came whole, from `*position` on. What was cut off is none, but what came is
 * the beginning of one. */
static inline bool visitor_next(struct visitor *visitor, size_t *position,
                                struct visitor_reply *reply) {
    static const char begin[] = "HTTP/1.1 ";
    visitor->bytes[visitor->used] = '\0';
    const char *head = visitor->bytes + *position;
    size_t left = visitor->used - *position;
    size_t known = left < sizeof begin - 1 ? left : sizeof begin - 1;
    fault_assert(memcmp(head, begin, known) == 0);
    const char *end = strstr(head, "\r\n\r\n");
    if (end == NULL) return false;
    const char *length = strstr(head, "Content-Length: ");
    const char *chunked = strstr(head, "Transfer-Encoding: chunked\r\n");
    reply->status = atoi(head + sizeof begin - 1);
    reply->body = end + 4;
    reply->size = 0;
    if (chunked != NULL && chunked < end) {
        size_t used = visitor_chunks(reply->body, visitor->bytes + visitor->used);
        *position += used > 0 ? (size_t)(reply->body - head) + used : 0;
        return used > 0;
    }
    fault_assert(length != NULL && length < end);
    reply->size = strtoul(length + 16, NULL, 10);
    if (left < (size_t)(reply->body - head) + reply->size) return false;
    *position += (size_t)(reply->body - head) + reply->size;
    return true;
}

#endif
