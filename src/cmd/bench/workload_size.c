/* workload_size.c: messages of a given size over TCP that come back, piece by piece as they are
 * read, by streams. What is read is copied into a piece of memory that is free again once it is
 * sent. */
#include "service.h"
#include "workloads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS = 10, PIECE_BYTES = 65536 };

struct piece {
    eddy_write write;
    struct piece *next; /* that is free */
    size_t bytes;
    char data[PIECE_BYTES];
};

static struct mirror {
    struct bench_service service;
    eddy_stream streams[CONNECTIONS];
    struct piece *free;
    uint64_t bytes, message_bytes; /* sent; of a message */
} mirror;

static struct piece *take_piece(void) {
    struct piece *piece = mirror.free;
    if (piece == NULL) return malloc(sizeof *piece);
    mirror.free = piece->next;
    return piece;
}

static void on_sent(eddy_write *write, int status) {
    struct piece *piece = eddy_container_of(write, struct piece, write);
    mirror.bytes += piece->bytes;
    mirror.service.operations = mirror.bytes / mirror.message_bytes;
    piece->next = mirror.free;
    mirror.free = piece;
    if (status < 0) bench_service_fail(&mirror.service, status);
}

static int send_back(eddy_stream *stream, const char *data, size_t size) {
    struct piece *piece = take_piece();
    if (piece == NULL) return -ENOMEM;
    piece->bytes = size < PIECE_BYTES ? size : PIECE_BYTES;
    memcpy(piece->data, data, piece->bytes);
    return eddy_stream_write(stream, &piece->write, piece->data, piece->bytes, on_sent);
}

static void on_data(eddy_stream *stream, void *data, ssize_t size) {
    int err = size > 0 ? 0 : size < 0 ? (int)size : -EPIPE;
    for (ssize_t done = 0; done < size && err == 0; done += PIECE_BYTES)
        err = send_back(stream, (const char *)data + done, (size_t)(size - done));
    if (err < 0) bench_service_fail(&mirror.service, err);
}

static int serve(const struct bench_case *it, struct bench_sample *sample,
                 struct bench_load *load) {
    int fds[CONNECTIONS];
    mirror.message_bytes = it->numbers[0];
    int err = bench_load_connect(load, fds, CONNECTIONS);
    if (err == 0) err = bench_open_loop(&mirror.service.loop, it);
    for (unsigned i = 0; i < CONNECTIONS && err == 0; i++) {
        eddy_stream_init(&mirror.streams[i], mirror.service.loop);
        err = eddy_stream_attach(&mirror.streams[i], fds[i]);
        if (err == 0) err = eddy_stream_read_start(&mirror.streams[i], on_data);
    }
    if (err == 0) err = bench_load_echo_bytes(load, CONNECTIONS, it->numbers[0]);
    if (err == 0) err = bench_service_measure(&mirror.service, load, it, sample);
    return err;
}

void bench_echo_size_run(const struct bench_case *it, struct bench_sample *sample) {
    enum { BYTES_MAX = 1 << 24 }; /* a client sends a whole one before it reads */
    struct bench_load *load = NULL;
    if (it->numbers[0] > BYTES_MAX) {
        bench_cannot(sample, "more than 16 MiB", -EMSGSIZE);
        return;
    }
    if (!bench_allow_descriptors(CONNECTIONS, sample)) return;
    int err = bench_load_open_many(&load, sample, BENCH_CROWDS);
    if (err == 0) err = serve(it, sample, load);
    bench_load_close(load);
    if (err < 0) bench_cannot(sample, "echo", err);
}
