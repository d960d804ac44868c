/* net.c: the workloads on descriptors: a ring of socket pairs, the start of watchers, and the
 * memory of idle connections. */
#include "echo.h"
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct peer *peer;

/* --- Ring --- */

static struct {
    int *read_fds, *write_fds; /* the i-th writes to pair i */
    unsigned count, active;
    unsigned sent, received, limit;
} ring;

static bool pass_on(unsigned i) {
    char byte;
    if (read(ring.read_fds[i], &byte, 1) != 1) return false;
    if (ring.sent < ring.limit) {
        ring.sent++;
        unsigned next = i + 1 == ring.count ? 0 : i + 1;
        if (write(ring.write_fds[next], &byte, 1) != 1) peers_fail(-errno);
    }
    if (++ring.received == ring.limit) peer->stop(0);
    return true;
}

/* A byte at a time, so that those of one turn do not come together more and more. */
static void on_ring(unsigned i) {
    while (pass_on(i) && peer->tells_once) continue;
}

int peers_open_pairs(unsigned count, int *firsts, int *seconds) {
    for (unsigned i = 0; i < count; i++) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0) return -errno;
        firsts[i] = ends[0];
        seconds[i] = ends[1];
    }
    return 0;
}

static int make_pairs(unsigned count, int **firsts, int **seconds) {
    *firsts = calloc(count, sizeof **firsts);
    *seconds = calloc(count, sizeof **seconds);
    if (*firsts == NULL || *seconds == NULL) return -ENOMEM;
    return peers_open_pairs(count, *firsts, *seconds);
}

static int send_round(unsigned bytes) {
    ring.sent = ring.received = 0;
    ring.limit = bytes;
    unsigned apart = ring.count / ring.active;
    for (; ring.sent < ring.active; ring.sent++)
        if (write(ring.write_fds[ring.sent * apart], "", 1) != 1) return -errno;
    return peer->run(0);
}

void peers_ring_run(const struct bench_case *it, struct bench_sample *sample) {
    peer = peers_of(it);
    ring.count = it->numbers[0];
    ring.active = ring.count < 100 ? ring.count : 100;
    peers_ready = on_ring;
    if (!bench_allow_descriptors(2 * ring.count, sample)) return;
    unsigned bytes = ring.count < 1000 ? 1000 : ring.count;
    int err = make_pairs(ring.count, &ring.read_fds, &ring.write_fds);
    if (err == 0) err = peer->open(false);
    if (err == 0) err = peers_watch_all(peer, ring.read_fds, ring.count);
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        err = send_round(bytes);
        peers_end(sample, bytes);
    }
    if (err == 0) err = peers_error();
    if (err < 0) bench_cannot(sample, "ring", err);
}

/* --- Starting watchers --- */

static void on_nothing(unsigned i) {
    (void)i;
}

/* The descriptors are new ones, as those of new connections. */
static int renew(int *fds, int *others, unsigned count) {
    for (unsigned i = 0; i < count; i++) peer->unwatch(i, fds[i]);
    int err = peer->turn();
    for (unsigned i = 0; i < count; i++) {
        close(fds[i]);
        close(others[i]);
    }
    return err < 0 ? err : peers_open_pairs(count, fds, others);
}

/* A turn counts too, since some start in it only. */
void peers_watch_run(const struct bench_case *it, struct bench_sample *sample) {
    unsigned count = it->numbers[0];
    int *fds = NULL, *others = NULL;
    peer = peers_of(it);
    peers_ready = on_nothing;
    if (!bench_allow_descriptors(2 * count, sample)) return;
    int err = make_pairs(count, &fds, &others);
    if (err == 0) err = peer->open(false);
    if (err == 0) err = peer->watch_open(count);
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        for (unsigned i = 0; i < count && err == 0; i++) err = peer->watch(i, fds[i]);
        if (err == 0) err = peer->turn();
        peers_end(sample, count);
        if (err == 0) err = renew(fds, others, count);
    }
    free(fds);
    free(others);
    if (err < 0) bench_cannot(sample, "watch", err);
}

/* --- Idle connections --- */

/* What is timed is how long it takes to take them over. The kernel's memory is what the loop adds
 * to connections that are there: their sockets are not in it. */
static int take_over(const struct bench_case *it, struct bench_sample *sample,
                     struct bench_load *load) {
    struct bench_meter meter;
    unsigned count = it->numbers[0];
    int *fds = calloc(count, sizeof *fds);
    int err = fds == NULL ? -ENOMEM : bench_load_connect(load, fds, count);
    if (err == 0) err = peer->open(false);
    int64_t before_bytes = bench_memory_bytes(), kernel_bytes = bench_kernel_memory_bytes();
    bench_start(&meter);
    if (err == 0) err = peers_serve(peer, fds, count, 1);
    if (err == 0) err = peer->turn();
    bench_stop(&meter, sample);
    sample->time_ns = sample->cpu_ns;
    if (before_bytes >= 0) sample->memory_bytes = bench_memory_bytes() - before_bytes;
    int64_t now_bytes = bench_kernel_memory_bytes();
    if (kernel_bytes >= 0 && now_bytes >= 0)
        sample->kernel_bytes = now_bytes > kernel_bytes ? now_bytes - kernel_bytes : 0;
    sample->operations = count;
    return err;
}

void peers_idle_run(const struct bench_case *it, struct bench_sample *sample) {
    struct bench_load *load = NULL;
    peer = peers_of(it);
    if (!bench_allow_descriptors(it->numbers[0], sample)) return;
    int err = bench_load_open(&load, sample);
    if (err == 0) err = take_over(it, sample, load);
    bench_load_close(load);
    if (err < 0) bench_cannot(sample, "idle", err);
}
