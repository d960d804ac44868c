/* serve.c: the workloads with connections that are served: messages that come back over TCP, as
 * fast as they can be served and at a given rate; of several sizes over local sockets; and short
 * connections.
 *
 * Where the clients are processes of their own, what is compared is the server's processor time:
 * what the clients need, and who waits for whom, is not the peer's. */
#include "echo.h"
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Processes: with one, it and the server take turns. */
enum { CLIENTS = 2 };

static const struct peer *peer;
static size_t message_bytes = PEERS_MESSAGE_BYTES;

/* Parts that count, as long as there is time. */
static int measure_echo(const struct bench_case *it, struct bench_sample *sample, unsigned count) {
    int64_t done = 0;
    while (done >= 0 && peers_go_on(it, sample)) {
        peers_begin();
        done = peers_run_echo(peer, (uint64_t)count * message_bytes);
        peers_end(sample, done < 0 ? 0 : (uint64_t)done / message_bytes);
    }
    return done < 0 ? (int)done : 0;
}

/* --- As fast as they are served --- */

static int serve_load(const struct bench_case *it, struct bench_sample *sample,
                      struct bench_load *load) {
    unsigned count = it->numbers[0];
    int *fds = calloc(count, sizeof *fds);
    int err = fds == NULL ? -ENOMEM : bench_load_connect(load, fds, count);
    if (err == 0) err = peer->open(false);
    if (err == 0) err = peers_serve(peer, fds, count, count);
    if (err == 0) err = peer->turn();
    if (err == 0) err = bench_load_echo(load, count);
    if (err == 0) bench_load_count(load, true);
    return err < 0 ? err : measure_echo(it, sample, count < 1000 ? 1000 : count);
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
    struct sockaddr_in address;
    int listener = peers_listen(16, &address), err = listener < 0 ? listener : 0;
    for (unsigned i = 0; i < count && err == 0; i++)
        err = connect_pair(listener, &address, &server_fds[i], &client_fds[i]);
    if (listener >= 0) close(listener);
    return err;
}

typedef int connect_fn(unsigned count, int *server_fds, int *client_fds);
typedef int serve_fn(const struct peer *it, const int *fds, unsigned count, unsigned active);

static int exchange(const int *clients, unsigned count, char *message, bool is_reply) {
    for (unsigned i = 0; i < count; i++) {
        ssize_t done = is_reply ? recv(clients[i], message, message_bytes, MSG_WAITALL)
                                : send(clients[i], message, message_bytes, MSG_DONTWAIT);
        if (done != (ssize_t)message_bytes) return -EMSGSIZE;
    }
    return 0;
}

/* The clients in this process, between the parts that count: each turn finds all messages there. */
static int serve_by_turns(const struct bench_case *it, struct bench_sample *sample, unsigned count,
                          connect_fn *connect_all, serve_fn *serve) {
    char *message = calloc(1, message_bytes);
    int *fds = calloc(count, sizeof *fds), *clients = calloc(count, sizeof *clients);
    bool has_room = fds != NULL && clients != NULL && message != NULL;
    int err = has_room ? connect_all(count, fds, clients) : -ENOMEM;
    if (err == 0) err = peer->open(false);
    if (err == 0) err = serve(peer, fds, count, count);
    if (err == 0) err = peer->turn(); /* what is there to be told before the first message */
    while (err == 0 && peers_go_on(it, sample)) {
        err = exchange(clients, count, message, false);
        if (err < 0) break;
        peers_begin();
        int64_t done = peers_run_echo(peer, (uint64_t)count * message_bytes);
        peers_end(sample, count);
        err = done < 0 ? (int)done : exchange(clients, count, message, true);
    }
    free(message);
    return err;
}

void peers_echo_run(const struct bench_case *it, struct bench_sample *sample) {
    struct bench_load *load = NULL;
    unsigned count = it->numbers[0];
    peer = peers_of(it);
    if (!bench_allow_descriptors(2 * count, sample)) return;
    int err = peers_is_counting() ? 0 : bench_load_open_many(&load, sample, CLIENTS);
    if (err == 0)
        err = load == NULL ? serve_by_turns(it, sample, count, connect_pairs, peers_serve)
                           : serve_load(it, sample, load);
    bench_load_close(load);
    if (err < 0) bench_cannot(sample, "echo", err);
}

void peers_local_echo_run(const struct bench_case *it, struct bench_sample *sample) {
    unsigned count = it->numbers[0];
    peer = peers_of(it);
    if (!bench_allow_descriptors(2 * count, sample)) return;
    int err = serve_by_turns(it, sample, count, peers_open_pairs, peers_serve_local);
    if (err < 0) bench_cannot(sample, "echo", err);
}

/* --- Sizes of messages --- */

/* A message has to fit into the buffer that a socket sends from, in whatever pieces it is written,
 * and so has its reply: what is compared is who sends, not who waits for room. */
enum { SIZE_CONNECTIONS = 16, SIZE_MAX_BYTES = 16384, SIZE_TCP_MAX_BYTES = 1 << 20 };

static void run_size(const struct bench_case *it, struct bench_sample *sample, size_t most,
                     connect_fn *connect_all, serve_fn *serve) {
    peer = peers_of(it);
    message_bytes = it->numbers[0];
    peers_reply_bytes = message_bytes < PEERS_READ_BYTES ? message_bytes : PEERS_READ_BYTES;
    int err = message_bytes > most
                  ? -EMSGSIZE
                  : serve_by_turns(it, sample, SIZE_CONNECTIONS, connect_all, serve);
    if (err < 0) bench_cannot(sample, "messages of that size", err);
}

void peers_size_run(const struct bench_case *it, struct bench_sample *sample) {
    run_size(it, sample, SIZE_MAX_BYTES, peers_open_pairs, peers_serve_local);
}

void peers_size_tcp_run(const struct bench_case *it, struct bench_sample *sample) {
    run_size(it, sample, SIZE_TCP_MAX_BYTES, connect_pairs, peers_serve);
}

/* --- At a given rate --- */

enum { RATE_CONNECTIONS = 1000, RATE_PARTS = 200 /* a second */ };

static int serve_rate(const struct bench_case *it, struct bench_sample *sample,
                      struct bench_load *load, enum bench_arrivals arrivals) {
    int *fds = calloc(RATE_CONNECTIONS, sizeof *fds);
    unsigned rate = 1000 * it->numbers[0];
    int err = fds == NULL ? -ENOMEM : bench_load_connect(load, fds, RATE_CONNECTIONS);
    if (err == 0) err = peer->open(false);
    if (err == 0) err = peers_serve(peer, fds, RATE_CONNECTIONS, RATE_CONNECTIONS);
    if (err == 0) err = peer->turn();
    if (err == 0) err = bench_load_rate(load, RATE_CONNECTIONS, arrivals, rate);
    if (err == 0) bench_load_count(load, true);
    return err < 0 ? err : measure_echo(it, sample, rate / RATE_PARTS + 1);
}

static void run_rate(const struct bench_case *it, struct bench_sample *sample,
                     enum bench_arrivals arrivals) {
    struct bench_load *load = NULL;
    peer = peers_of(it);
    if (it->numbers[0] > BENCH_RATE_MAX / 1000) {
        bench_cannot(sample, "more than ten million messages a second", -EINVAL);
        return;
    }
    if (!bench_allow_descriptors(2 * RATE_CONNECTIONS, sample)) return;
    int err = bench_load_open_many(&load, sample, CLIENTS);
    if (err == 0) err = serve_rate(it, sample, load, arrivals);
    bench_load_close(load);
    sample->due = -1; /* of more time than the parts that count */
    if (err < 0) bench_cannot(sample, "echo", err);
}

void peers_rate_run(const struct bench_case *it, struct bench_sample *sample) {
    run_rate(it, sample, BENCH_CONSTANT);
}

void peers_rate_poisson_run(const struct bench_case *it, struct bench_sample *sample) {
    run_rate(it, sample, BENCH_POISSON);
}

/* --- Short connections --- */

enum { VISITS = 500 };

static int receive_visits(const struct bench_case *it, struct bench_sample *sample,
                          struct bench_load *load) {
    struct sockaddr_in address;
    unsigned active = it->numbers[0];
    int listener = peers_listen((int)(2 * active), &address);
    int err = listener < 0 ? listener : peer->open(false);
    if (err == 0) err = peers_receive_visits(peer, listener, active);
    if (err == 0) err = peer->turn();
    if (err == 0) err = bench_load_visit(load, ntohs(address.sin_port), active);
    if (err == 0) bench_load_count(load, true);
    int64_t done = err;
    while (done >= 0 && peers_go_on(it, sample)) {
        peers_begin();
        done = peers_run_visits(peer, VISITS);
        peers_end(sample, VISITS);
    }
    return done < 0 ? (int)done : 0;
}

void peers_accept_run(const struct bench_case *it, struct bench_sample *sample) {
    struct bench_load *load = NULL;
    unsigned active = it->numbers[0];
    peer = peers_of(it);
    if (!bench_allow_descriptors(8 * active + 2048, sample)) return;
    int err = bench_load_open_many(&load, sample, CLIENTS);
    if (err == 0) err = receive_visits(it, sample, load);
    bench_load_close(load);
    if (err < 0) bench_cannot(sample, "accept", err);
}
