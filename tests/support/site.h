/* site.h: an HTTP server in the test's own process, on loopback, and clients that are plain
 * sockets. Its memory is counted, and all of it has to be given back. Threading: one. */
#ifndef EDDY_TESTS_SITE_H
#define EDDY_TESTS_SITE_H

#include "memory.h"
#include "net.h"

#include <eddy/http.h>
#include <stdio.h>

struct site {
    eddy_loop *loop;
    eddy_http *http;
    eddy_http_listener listener;
    struct sockaddr_storage address;
    socklen_t length;
    struct test_memory memory;
    bool stopped;
};

/* What a client was sent, ended by a NUL. */
struct site_reply {
    size_t used;
    bool ended;
    char text[64 * 1024];
};

static inline void site_open(struct site *site, eddy_http_config config) {
    memset(site, 0, sizeof *site);
    site->memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&site->memory);
    config.allocator = &allocator;
    site->loop = test_loop_open();
    ck_assert_int_eq(eddy_http_open(&site->http, site->loop, &config), 0);
    site->length = loopback(&site->address, AF_INET);
    const struct sockaddr *address = (const struct sockaddr *)&site->address;
    int err = eddy_http_listen(site->http, &site->listener, address, site->length, 0, NULL);
    ck_assert_int_eq(err, 0);
    err = eddy_listener_address(&site->listener.listener, (struct sockaddr *)&site->address,
                                &site->length);
    ck_assert_int_eq(err, 0);
}

static inline void site_on_stopped(eddy_http *http, void *context) {
    struct site *site = context;
    ck_assert_ptr_eq(http, site->http);
    ck_assert(!site->stopped);
    site->stopped = true;
}

static inline void site_close(struct site *site) {
    ck_assert_int_eq(eddy_http_stop(site->http, site_on_stopped, site), 0);
    test_turn_until(site->loop, &site->stopped);
    ck_assert_int_eq(eddy_http_close(site->http), 0);
    ck_assert_uint_eq(site->memory.blocks, 0);
    test_loop_close(site->loop);
}

static inline int site_connect(const struct site *site) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&site->address, site->length), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Requests are small enough for the kernel's buffers. */
static inline void site_send(int fd, const char *bytes, size_t length) {
    ck_assert_int_eq(send(fd, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

/* Turns the loop once and takes what has come by then. */
static inline void site_turn(const struct site *site, int fd, struct site_reply *reply) {
    ck_assert_int_ge(test_run(site->loop, EDDY_RUN_NOWAIT), 0);
    size_t room = sizeof reply->text - 1 - reply->used;
    ck_assert_uint_gt(room, 0);
    ssize_t size = recv(fd, reply->text + reply->used, room, MSG_DONTWAIT);
    ck_assert(size >= 0 || errno == EAGAIN);
    if (size == 0) reply->ended = true;
    if (size > 0) reply->used += (size_t)size;
    reply->text[reply->used] = '\0';
}

/* Sends all that a client has to say and gives it what the server answers, to the end. */
static inline void site_ask_bytes(const struct site *site, const char *bytes, size_t length,
                                  struct site_reply *reply) {
    int fd = site_connect(site);
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    reply->used = 0;
    reply->ended = false;
    site_send(fd, bytes, length);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    while (!reply->ended) {
        site_turn(site, fd, reply);
        ck_assert_int_lt(test_now_ns(), give_up_ns);
    }
    close(fd);
}

/* Returns the status of the first answer. */
static inline int site_ask(const struct site *site, const char *request, struct site_reply *reply) {
    int status = 0;
    site_ask_bytes(site, request, strlen(request), reply);
    int read = sscanf(reply->text, "HTTP/1.1 %3d ", &status);
    ck_assert_msg(read == 1, "no answer to %s, but %s", request, reply->text);
    return status;
}

#endif
