/* workload_ring.c: the workload that the authors of libevent and libev compared their libraries
 * with. There are n socket pairs, each watched at one end. a of them begin with a byte each;
 * a pair that gets one sends it to the next pair, until w bytes have been sent. What is timed is
 * what the loop takes to hear of and deliver them, however many pairs are silent. */
#include "bench.h"
#include "workloads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
    eddy_io io;
    struct ring *ring;
    int write_fd; /* of the next pair */
};

struct ring {
    struct pair *pairs;
    unsigned count, active;
    uint64_t sent, received, limit;
    int64_t calls; /* the workload's own */
    eddy_loop *loop;
};

static void on_byte(eddy_io *io, unsigned events) {
    struct pair *pair = eddy_container_of(io, struct pair, io);
    struct ring *ring = pair->ring;
    char byte;
    (void)events;
    if (read(eddy_io_fd(io), &byte, 1) != 1) return;
    ring->calls++;
    if (ring->sent < ring->limit) {
        ring->sent++;
        ring->calls++;
        if (write(pair->write_fd, &byte, 1) != 1) eddy_loop_stop(ring->loop);
    }
    if (++ring->received == ring->limit) eddy_loop_stop(ring->loop);
}

static int open_pairs(struct ring *ring) {
    int first_write = -1;
    for (unsigned i = 0; i < ring->count; i++) {
        struct pair *pair = &ring->pairs[i];
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return -errno;
        for (int end = 0; end < 2; end++)
            if (fcntl(ends[end], F_SETFL, O_NONBLOCK) < 0) return -errno;
        pair->ring = ring;
        /* The one before writes to this one. */
        if (i == 0)
            first_write = ends[1];
        else
            ring->pairs[i - 1].write_fd = ends[1];
        eddy_io_init(&pair->io, ring->loop);
        int err = eddy_io_start(&pair->io, on_byte, ends[0], EDDY_READ);
        if (err < 0) return err;
    }
    ring->pairs[ring->count - 1].write_fd = first_write;
    return 0;
}

static int send_round(struct ring *ring, uint64_t bytes) {
    ring->sent = ring->received = 0;
    ring->limit = bytes;
    unsigned apart = ring->count / ring->active;
    for (unsigned i = 0; i < ring->active && ring->sent < bytes; i++, ring->sent++)
        if (write(ring->pairs[i * apart].write_fd, "", 1) != 1) return -errno;
    ring->calls += (int64_t)ring->sent;
    int err = eddy_loop_run(ring->loop, EDDY_RUN_DEFAULT);
    if (err < 0) return err;
    return ring->received == bytes ? 0 : -EIO;
}

static int measure(struct ring *ring, const struct bench_case *it, struct bench_sample *sample) {
    uint64_t bytes = it->numbers[2];
    struct bench_meter meter;
    int err = send_round(ring, bytes / 10 + 1); /* warms up */
    ring->calls = 0;
    bench_start_loop(&meter, ring->loop);
    do {
        if (err == 0) err = send_round(ring, bytes);
        sample->operations += bytes;
    } while (err == 0 && bench_now_ns() - meter.start_ns < it->time_ns);
    bench_stop(&meter, sample);
    sample->calls += ring->calls;
    return err;
}

void bench_ring_run(const struct bench_case *it, struct bench_sample *sample) {
    struct ring ring = {.count = it->numbers[0], .active = it->numbers[1]};
    if (!bench_allow_descriptors(2 * ring.count, sample)) return;
    int64_t before_bytes = bench_memory_bytes();
    int err = bench_open_loop(&ring.loop, it);
    if (err == 0) {
        ring.pairs = calloc(ring.count, sizeof *ring.pairs);
        err = ring.pairs == NULL ? -ENOMEM : open_pairs(&ring);
    }
    if (err == 0) err = measure(&ring, it, sample);
    if (before_bytes >= 0) sample->memory_bytes = bench_memory_bytes() - before_bytes;
    if (err < 0) bench_cannot(sample, "ring", err);
}
