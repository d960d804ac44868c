/* workload_echo.c: messages over TCP that come back as they were: with streams, and with watchers
 * alone, as in a program that makes the system calls itself. A message is whole as a rule, but need
 * not be. What an idle connection takes is its stream or watcher and no more: a reply is taken from
 * a store that has one for each connection that is active. */
#include "service.h"
#include "workloads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct reply {
    eddy_write write;
    struct reply *next; /* that is free */
    char data[BENCH_MESSAGE_BYTES];
};

static struct server {
    struct bench_service service;
    struct reply *free;
    union {
        eddy_stream *streams;
        eddy_io *ios;
    };
} server;

/* --- With streams --- */

static void on_sent(eddy_write *write, int status) {
    struct reply *reply = eddy_container_of(write, struct reply, write);
    reply->next = server.free;
    server.free = reply;
    server.service.operations++;
    if (status < 0) bench_service_fail(&server.service, status);
}

static void on_message(eddy_stream *stream, void *data, ssize_t size) {
    struct reply *reply = server.free;
    if (size <= 0 || (size_t)size > sizeof reply->data || reply == NULL) {
        bench_service_fail(&server.service, size < 0 ? (int)size : -EPIPE);
        return;
    }
    server.free = reply->next;
    memcpy(reply->data, data, (size_t)size);
    int err = eddy_stream_write(stream, &reply->write, reply->data, (size_t)size, on_sent);
    if (err < 0) bench_service_fail(&server.service, err);
}

static int attach_streams(const int *fds, unsigned count) {
    server.streams = calloc(count, sizeof *server.streams);
    if (server.streams == NULL) return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        eddy_stream_init(&server.streams[i], server.service.loop);
        int err = eddy_stream_attach(&server.streams[i], fds[i]);
        if (err == 0) err = eddy_stream_read_start(&server.streams[i], on_message);
        if (err < 0) return err;
    }
    return 0;
}

static int make_replies(unsigned count) {
    struct reply *replies = calloc(count, sizeof *replies);
    if (replies == NULL) return -ENOMEM;
    for (unsigned i = 0; i + 1 < count; i++) replies[i].next = &replies[i + 1];
    server.free = replies;
    return 0;
}

/* --- With watchers alone --- */

/* Sends one message back; false when there is none. */
static bool echo_once(eddy_io *io) {
    char data[BENCH_MESSAGE_BYTES];
    ssize_t size = recv(eddy_io_fd(io), data, sizeof data, 0);
    server.service.calls++;
    if (size < 0 && errno == EAGAIN) return false;
    if (size > 0) {
        ssize_t sent = send(eddy_io_fd(io), data, (size_t)size, 0);
        server.service.calls++;
        server.service.operations += sent == size;
        if (sent == size || (sent < 0 && errno == EAGAIN)) return sent == size;
    }
    bench_service_fail(&server.service, size < 0 ? -errno : -EPIPE);
    return false;
}

static void on_readable(eddy_io *io, unsigned events) {
    (void)events;
    (void)echo_once(io);
}

static void on_edge(eddy_io *io, unsigned events) {
    (void)events;
    while (echo_once(io)) continue;
}

static void on_one_shot(eddy_io *io, unsigned events) {
    (void)events;
    (void)echo_once(io);
    int err = eddy_io_change(io, EDDY_READ | EDDY_ONESHOT);
    if (err < 0) bench_service_fail(&server.service, err);
}

static int watch_all(const int *fds, unsigned count, unsigned kind) {
    eddy_io_fn *fn = kind == EDDY_EDGE ? on_edge : kind == EDDY_ONESHOT ? on_one_shot : on_readable;
    server.ios = calloc(count, sizeof *server.ios);
    if (server.ios == NULL) return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        eddy_io_init(&server.ios[i], server.service.loop);
        int err = eddy_io_start(&server.ios[i], fn, fds[i], EDDY_READ | kind);
        if (err < 0) return err;
    }
    return 0;
}

/* --- Both --- */

static int serve(const struct bench_case *it, struct bench_sample *sample, struct bench_load *load,
                 bool has_streams) {
    unsigned count = it->numbers[0], active = it->numbers[1];
    int *fds = malloc(count * sizeof *fds);
    int err = fds == NULL ? -ENOMEM : bench_load_connect(load, fds, count);
    if (err == 0) err = make_replies(active);
    if (err == 0) err = bench_open_loop(&server.service.loop, it);
    int64_t before_bytes = bench_memory_bytes();
    if (err == 0)
        err = has_streams ? attach_streams(fds, count) : watch_all(fds, count, it->numbers[2]);
    if (before_bytes >= 0) sample->memory_bytes = bench_memory_bytes() - before_bytes;
    if (err == 0)
        err = it->rate > 0
                  ? bench_load_rate(load, active, (enum bench_arrivals)it->numbers[3], it->rate)
                  : bench_load_echo(load, active);
    if (err == 0) err = bench_service_measure(&server.service, load, it, sample);
    return err;
}

static void run(const struct bench_case *it, struct bench_sample *sample, bool has_streams) {
    struct bench_load *load = NULL;
    if (!bench_allow_descriptors(it->numbers[0], sample)) return;
    int err = bench_load_open_many(&load, sample, BENCH_CROWDS);
    if (err == 0) err = serve(it, sample, load, has_streams);
    bench_load_close(load);
    if (err < 0) bench_cannot(sample, "echo", err);
}

void bench_echo_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, sample, true);
}

void bench_echo_io_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, sample, false);
}
