/* load_clients.c: see load_clients.h; here are the clients that send when they have an answer.
 * State of the process: its clients. */
#include "load_clients.h"
#include "network.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PATIENCE_S = 240, /* longer than any sample may take */
    PIECE_BYTES = 65536,
};

struct load_crowd load_crowd;

/* --- What all have in common --- */

bool load_counts(int64_t time_ns) {
    const struct load_shared *shared = load_crowd.shared;
    return time_ns >= atomic_load_explicit(&shared->from_ns, memory_order_relaxed) &&
           time_ns <= atomic_load_explicit(&shared->to_ns, memory_order_relaxed);
}

void load_keep(int64_t time_ns, int64_t since_ns, int64_t now_ns) {
    if (load_counts(time_ns))
        eddy_histogram_record(&load_crowd.shared->crowds[load_crowd.index].latency,
                              now_ns - since_ns);
}

/* A reset instead of an end leaves no port behind that could not be used for a minute. */
static int connect_client(struct load_client *client) {
    struct sockaddr_in address = bench_network_address();
    struct linger reset = {.l_onoff = 1};
    int on = 1;
    address.sin_port = htons((uint16_t)load_crowd.port);
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0) return -errno;
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0) return -errno;
    return 0;
}

static int connect_lot(unsigned count) {
    struct load_client *clients =
        realloc(load_crowd.clients, (load_crowd.count + count) * sizeof *clients);
    if (clients == NULL) return -ENOMEM;
    load_crowd.clients = clients;
    for (unsigned i = 0; i < count; i++) {
        int err = connect_client(&clients[load_crowd.count]);
        if (err < 0) return err;
        load_crowd.count++;
    }
    return 0;
}

int load_make_message(unsigned bytes) {
    load_crowd.message = calloc(1, bytes);
    load_crowd.bytes = bytes;
    return load_crowd.message == NULL ? -ENOMEM : 0;
}

int load_watch(struct load_client *client, eddy_io_fn *fn) {
    client->received = 0;
    eddy_io_init(&client->io, load_crowd.loop);
    return eddy_io_start(&client->io, fn, client->fd, EDDY_READ);
}

void load_send(struct load_client *client) {
    client->received = 0;
    if (write(client->fd, load_crowd.message, load_crowd.bytes) != (ssize_t)load_crowd.bytes)
        _exit(0);
}

bool load_receive(struct load_client *client) {
    static char data[PIECE_BYTES];
    ssize_t got = read(client->fd, data, sizeof data);
    if (got <= 0) _exit(0); /* the server is over */
    client->received += (unsigned)got;
    return client->received >= load_crowd.bytes;
}

/* --- Messages, each when the last one has come back --- */

static void send_message(struct load_client *client) {
    client->since_ns = bench_now_ns();
    load_send(client);
}

static void on_reply(eddy_io *io, unsigned events) {
    struct load_client *client = eddy_container_of(io, struct load_client, io);
    (void)events;
    if (!load_receive(client)) return;
    int64_t now_ns = bench_now_ns();
    load_keep(now_ns, client->since_ns, now_ns);
    send_message(client);
}

static int begin_echo(unsigned active, unsigned bytes) {
    int err = load_make_message(bytes);
    for (unsigned i = 0; i < active && i < load_crowd.count && err == 0; i++)
        err = load_watch(&load_crowd.clients[i], on_reply);
    for (unsigned i = 0; i < active && i < load_crowd.count && err == 0; i++)
        send_message(&load_crowd.clients[i]);
    return err;
}

/* --- Short connections --- */

static void on_farewell(eddy_io *io, unsigned events);

static int visit(struct load_client *client) {
    client->since_ns = bench_now_ns();
    int err = connect_client(client);
    if (err == 0 && write(client->fd, "", 1) != 1) err = -errno;
    return err < 0 ? err : load_watch(client, on_farewell);
}

static void on_farewell(eddy_io *io, unsigned events) {
    struct load_client *client = eddy_container_of(io, struct load_client, io);
    char byte;
    (void)events;
    if (read(client->fd, &byte, 1) != 1) _exit(0);
    int64_t now_ns = bench_now_ns();
    load_keep(now_ns, client->since_ns, now_ns);
    eddy_io_stop(io);
    close(client->fd);
    if (visit(client) < 0) _exit(0);
}

static int begin_visits(unsigned active) {
    int err = 0;
    load_crowd.clients = calloc(active, sizeof *load_crowd.clients);
    if (load_crowd.clients == NULL) return -ENOMEM;
    for (unsigned i = 0; i < active && err == 0; i++) err = visit(&load_crowd.clients[i]);
    return err;
}

/* --- Orders --- */

/* The server has closed its end. */
static void on_over(eddy_io *io, unsigned events) {
    (void)io, (void)events;
    eddy_loop_stop(load_crowd.loop);
}

static int run_until_over(int control) {
    eddy_io io;
    eddy_io_init(&io, load_crowd.loop);
    int err = eddy_io_start(&io, on_over, control, EDDY_READ);
    return err < 0 ? err : eddy_loop_run(load_crowd.loop, EDDY_RUN_DEFAULT);
}

static int begin(const struct load_order *order) {
    switch (order->what) {
    case LOAD_CONNECT:
        return connect_lot(order->count);
    case LOAD_ECHO:
        return begin_echo(order->count, order->bytes);
    case LOAD_RATE:
        return load_begin_rate(order);
    case LOAD_FAN_IN:
        return load_begin_fan_in(order);
    case LOAD_FAN_OUT:
        return load_begin_fan_out(order);
    case LOAD_VISIT: /* after the answer */
        break;
    }
    return 0;
}

void load_run_clients(struct load_shared *shared, unsigned index, struct bench_sample *sample,
                      int control) {
    struct load_order order;
    load_crowd.shared = shared;
    load_crowd.index = index;
    load_crowd.sample = sample;
    alarm(PATIENCE_S);
    int err = bench_network_enter();
    if (err == 0) err = eddy_loop_open(&load_crowd.loop, NULL);
    while (read(control, &order, sizeof order) == sizeof order) {
        load_crowd.port = order.port;
        if (err == 0) err = begin(&order);
        if (write(control, &err, sizeof err) != sizeof err) break;
        if (order.what == LOAD_CONNECT) continue;
        /* After the answer: a server with a short backlog has to accept some before all are there.
         */
        if (err == 0 && order.what == LOAD_VISIT) err = begin_visits(order.count);
        if (err == 0) err = run_until_over(control);
        if (err >= 0 && order.what == LOAD_RATE) load_end_rate();
        if (err < 0) bench_cannot(sample, "a client", err);
        break;
    }
    _exit(0);
}
