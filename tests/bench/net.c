/* net.c: the workloads on descriptors: a ring of socket pairs, the start of watchers, messages that
 * come back over TCP, and the memory of idle connections. */
#include "load.h"
#include "peers.h"

#include <errno.h>
#include <netinet/in.h>
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

static void on_ring(unsigned i) {
    char byte;
    if (read(ring.read_fds[i], &byte, 1) != 1) return;
    if (ring.sent < ring.limit) {
        ring.sent++;
        unsigned next = i + 1 == ring.count ? 0 : i + 1;
        if (write(ring.write_fds[next], &byte, 1) != 1) peers_fail(-errno);
    }
    if (++ring.received == ring.limit) peer->stop(0);
}

static int open_pairs(unsigned count, int *firsts, int *seconds) {
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
    return open_pairs(count, *firsts, *seconds);
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
    if (err == 0) err = peer->watch(ring.read_fds, ring.count);
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
    peer->unwatch(count);
    int err = peer->turn();
    for (unsigned i = 0; i < count; i++) {
        close(fds[i]);
        close(others[i]);
    }
    return err < 0 ? err : open_pairs(count, fds, others);
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
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        err = peer->watch(fds, count);
        if (err == 0) err = peer->turn();
        peers_end(sample, count);
        if (err == 0) err = renew(fds, others, count);
    }
    free(fds);
    free(others);
    if (err < 0) bench_cannot(sample, "watch", err);
}

/* --- Echo --- */

static struct { unsigned echoed, limit; } server;

void peers_echoed(void) {
    if (++server.echoed == server.limit) peer->stop(0);
}

static int serve_messages(unsigned count) {
    server.echoed = 0;
    server.limit = count;
    int err = peer->run(0);
    return err < 0 ? err : peers_error();
}

/* The clients in a process of their own. The time is the server's processor time: what the clients
 * need, and who waits for whom, is not the peer's. */
static int serve_load(const struct bench_case *it, struct bench_sample *sample,
                      struct bench_load *load) {
    unsigned count = it->numbers[0], messages = count < 1000 ? 1000 : count;
    int *fds = calloc(count, sizeof *fds);
    int err = fds == NULL ? -ENOMEM : bench_load_connect(load, fds, count);
    if (err == 0) err = peer->open(false);
    if (err == 0) err = peer->serve(fds, count, count);
    if (err == 0) err = peer->turn();
    if (err == 0) err = bench_load_echo(load, count);
    if (err == 0) bench_load_count(load, true);
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        err = serve_messages(messages);
        peers_end(sample, messages);
    }
    sample->time_ns = sample->cpu_ns;
    free(fds);
    return err;
}

static int connect_pair(int listener, const struct sockaddr_in *address, int *server_fd,
                        int *client_fd) {
    *client_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (*client_fd < 0) return -errno;
    if (connect(*client_fd, (const struct sockaddr *)address, sizeof *address) < 0) return -errno;
    *server_fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    return *server_fd < 0 ? -errno : 0;
}

static int connect_pairs(unsigned count, int *server_fds, int *client_fds) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0) return -errno;
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 16) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        return -errno;
    int err = 0;
    for (unsigned i = 0; i < count && err == 0; i++)
        err = connect_pair(listener, &address, &server_fds[i], &client_fds[i]);
    close(listener);
    return err;
}

typedef int connect_fn(unsigned count, int *server_fds, int *client_fds);
typedef int serve_fn(const int *fds, unsigned count, unsigned active);

/* The clients in this process, between the parts that count: each turn finds all messages there. */
static int serve_by_turns(const struct bench_case *it, struct bench_sample *sample,
                          connect_fn *connect_all, serve_fn *serve) {
    char message[PEERS_MESSAGE_BYTES] = {0};
    unsigned count = it->numbers[0];
    int *fds = calloc(count, sizeof *fds), *clients = calloc(count, sizeof *clients);
    int err = fds == NULL || clients == NULL ? -ENOMEM : connect_all(count, fds, clients);
    if (err == 0) err = peer->open(false);
    if (err == 0) err = serve(fds, count, count);
    if (err == 0) err = peer->turn(); /* what is there to be told before the first message */
    while (err == 0 && peers_go_on(it, sample)) {
        for (unsigned i = 0; i < count; i++)
            if (write(clients[i], message, sizeof message) != sizeof message) return -errno;
        peers_begin();
        err = serve_messages(count);
        peers_end(sample, count);
        for (unsigned i = 0; i < count; i++)
            if (recv(clients[i], message, sizeof message, MSG_DONTWAIT) != sizeof message)
                return -EIO;
    }
    free(clients);
    free(fds);
    return err;
}

void peers_echo_run(const struct bench_case *it, struct bench_sample *sample) {
    struct bench_load *load = NULL;
    peer = peers_of(it);
    if (!bench_allow_descriptors(2 * it->numbers[0], sample)) return;
    int err = peers_is_counting() ? 0 : bench_load_open(&load, sample);
    if (err == 0)
        err = load == NULL ? serve_by_turns(it, sample, connect_pairs, peer->serve)
                           : serve_load(it, sample, load);
    bench_load_close(load);
    if (err < 0) bench_cannot(sample, "echo", err);
}

void peers_local_echo_run(const struct bench_case *it, struct bench_sample *sample) {
    peer = peers_of(it);
    if (!bench_allow_descriptors(2 * it->numbers[0], sample)) return;
    serve_fn *serve = peer->serve_local != NULL ? peer->serve_local : peer->serve;
    int err = serve_by_turns(it, sample, open_pairs, serve);
    if (err < 0) bench_cannot(sample, "echo", err);
}

/* --- Idle connections --- */

/* What is timed is how long it takes to take them over. */
static int take_over(const struct bench_case *it, struct bench_sample *sample,
                     struct bench_load *load) {
    struct bench_meter meter;
    unsigned count = it->numbers[0];
    int *fds = calloc(count, sizeof *fds);
    int err = fds == NULL ? -ENOMEM : bench_load_connect(load, fds, count);
    if (err == 0) err = peer->open(false);
    int64_t before_bytes = bench_memory_bytes();
    bench_start(&meter);
    if (err == 0) err = peer->serve(fds, count, 1);
    if (err == 0) err = peer->turn();
    bench_stop(&meter, sample);
    if (before_bytes >= 0) sample->memory_bytes = bench_memory_bytes() - before_bytes;
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
