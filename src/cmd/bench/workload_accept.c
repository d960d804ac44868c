/* workload_accept.c: short connections: each comes, sends a byte, gets it back, and goes. A
 * listener accepts them and streams serve them. */
#include "network.h"
#include "service.h"
#include "workloads.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

struct visitor {
    eddy_stream stream;
    eddy_write write;
    struct visitor *next; /* that is free */
    char byte;
};

enum { PLACES = 4 }; /* for each client */

static struct host {
    struct bench_service service;
    eddy_listener listener;
    struct visitor *free;
} host;

static void on_closed(eddy_stream *stream) {
    struct visitor *visitor = eddy_container_of(stream, struct visitor, stream);
    visitor->next = host.free;
    host.free = visitor;
    host.service.operations++;
    host.service.calls++; /* close */
}

static void on_sent(eddy_write *write, int status) {
    (void)write, (void)status; /* if it failed, so does the next read */
}

static void on_byte(eddy_stream *stream, void *data, ssize_t size) {
    struct visitor *visitor = eddy_container_of(stream, struct visitor, stream);
    if (size == 1) {
        visitor->byte = *(char *)data;
        if (eddy_stream_write(stream, &visitor->write, &visitor->byte, 1, on_sent) == 0) return;
    }
    (void)eddy_stream_close(stream, on_closed);
}

/* There are more places than clients: one's next connection may come before the end of its last
 * one is seen. */
static void on_visitor(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    struct visitor *visitor = host.free;
    (void)listener, (void)peer;
    if (fd < 0 || visitor == NULL) {
        bench_service_fail(&host.service, fd < 0 ? fd : -ENOBUFS);
        return;
    }
    host.free = visitor->next;
    eddy_stream_init(&visitor->stream, host.service.loop);
    int err = eddy_stream_attach(&visitor->stream, fd);
    host.service.calls += 3; /* what kind of socket it is, and its flags */
    if (err == 0) err = eddy_stream_read_start(&visitor->stream, on_byte);
    if (err < 0) bench_service_fail(&host.service, err);
}

static int make_places(unsigned count) {
    struct visitor *places = calloc(count, sizeof *places);
    if (places == NULL) return -ENOMEM;
    for (unsigned i = 0; i + 1 < count; i++) places[i].next = &places[i + 1];
    host.free = places;
    return 0;
}

static int listen_here(unsigned active) {
    struct sockaddr_in address = bench_network_address();
    socklen_t length = sizeof address;
    eddy_listener_init(&host.listener, host.service.loop);
    int err = eddy_tcp_listen(&host.listener, (struct sockaddr *)&address, length,
                              (int)(2 * active), 0, on_visitor);
    if (err == 0) err = eddy_listener_address(&host.listener, (struct sockaddr *)&address, &length);
    return err < 0 ? err : ntohs(address.sin_port);
}

void bench_accept_run(const struct bench_case *it, struct bench_sample *sample) {
    unsigned active = it->numbers[0];
    struct bench_load *load = NULL;
    if (!bench_allow_descriptors(PLACES * active, sample)) return;
    int err = bench_load_open_many(&load, sample, BENCH_CROWDS);
    if (err == 0) err = bench_open_loop(&host.service.loop, it);
    if (err == 0) err = make_places(PLACES * active);
    int port = err == 0 ? listen_here(active) : err;
    err = port < 0 ? port : bench_load_visit(load, (unsigned)port, active);
    if (err == 0) err = bench_service_measure(&host.service, load, it, sample);
    bench_load_close(load);
    if (err < 0) bench_cannot(sample, "accept", err);
}
