/* load.c: see load.h. The process that is measured tells the clients what to do in orders over a
 * socket pair, and waits for the answer to each. Invariant: no client outlives the server, since
 * they see the socket pair end, however that comes. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LOT = 100,        /* connections made at a time: fewer than any kernel's backlog holds */
    PATIENCE_S = 240, /* longer than any sample may take */
    CROWDS_MAX = 4,
    PIECE_BYTES = 65536,
};

struct order {
    enum { CONNECT, ECHO, VISIT } what;
    unsigned port, count, bytes;
};

struct shared {
    _Atomic(bool) is_counting;
    eddy_histogram latency[CROWDS_MAX]; /* of each process */
};

struct bench_load {
    struct bench_sample *sample;
    struct shared *shared;
    unsigned count;
    struct {
        pid_t child;
        int control;
    } crowds[CROWDS_MAX];
};

/* --- In the clients' process --- */

struct client {
    eddy_io io;
    int fd;
    unsigned received; /* bytes of the message under way */
    int64_t since_ns;
};

static struct crowd {
    eddy_loop *loop;
    struct client *clients;
    unsigned count, port;
    const char *message;
    unsigned bytes; /* of it */
    const struct shared *shared;
    eddy_histogram *latency;
    struct bench_sample *sample;
} crowd;

static void keep_latency(const struct client *client) {
    if (atomic_load_explicit(&crowd.shared->is_counting, memory_order_relaxed))
        eddy_histogram_record(crowd.latency, bench_now_ns() - client->since_ns);
}

/* A reset instead of an end leaves no port behind that could not be used for a minute. */
static int connect_client(struct client *client) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)crowd.port)};
    struct linger reset = {.l_onoff = 1};
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0) return -errno;
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0) return -errno;
    return 0;
}

static int connect_lot(unsigned count) {
    struct client *clients = realloc(crowd.clients, (crowd.count + count) * sizeof *clients);
    if (clients == NULL) return -ENOMEM;
    crowd.clients = clients;
    for (unsigned i = 0; i < count; i++) {
        int err = connect_client(&clients[crowd.count]);
        if (err < 0) return err;
        crowd.count++;
    }
    return 0;
}

static void send_message(struct client *client) {
    client->since_ns = bench_now_ns();
    client->received = 0;
    if (write(client->fd, crowd.message, crowd.bytes) != (ssize_t)crowd.bytes) _exit(0);
}

static void on_reply(eddy_io *io, unsigned events) {
    struct client *client = eddy_container_of(io, struct client, io);
    static char data[PIECE_BYTES];
    (void)events;
    ssize_t got = read(client->fd, data, sizeof data);
    if (got <= 0) _exit(0); /* the server is over */
    client->received += (unsigned)got;
    if (client->received < crowd.bytes) return;
    keep_latency(client);
    send_message(client);
}

static int watch(struct client *client, eddy_io_fn *fn) {
    eddy_io_init(&client->io, crowd.loop);
    return eddy_io_start(&client->io, fn, client->fd, EDDY_READ);
}

static int begin_echo(unsigned active, unsigned bytes) {
    crowd.message = calloc(1, bytes);
    crowd.bytes = bytes;
    int err = crowd.message == NULL ? -ENOMEM : 0;
    for (unsigned i = 0; i < active && i < crowd.count && err == 0; i++)
        err = watch(&crowd.clients[i], on_reply);
    for (unsigned i = 0; i < active && i < crowd.count && err == 0; i++)
        send_message(&crowd.clients[i]);
    return err;
}

static void on_farewell(eddy_io *io, unsigned events);

static int visit(struct client *client) {
    client->since_ns = bench_now_ns();
    int err = connect_client(client);
    if (err == 0 && write(client->fd, "", 1) != 1) err = -errno;
    return err < 0 ? err : watch(client, on_farewell);
}

static void on_farewell(eddy_io *io, unsigned events) {
    struct client *client = eddy_container_of(io, struct client, io);
    char byte;
    (void)events;
    if (read(client->fd, &byte, 1) != 1) _exit(0);
    keep_latency(client);
    eddy_io_stop(io);
    close(client->fd);
    if (visit(client) < 0) _exit(0);
}

static int begin_visits(unsigned active) {
    int err = 0;
    crowd.clients = calloc(active, sizeof *crowd.clients);
    if (crowd.clients == NULL) return -ENOMEM;
    for (unsigned i = 0; i < active && err == 0; i++) err = visit(&crowd.clients[i]);
    return err;
}

/* The server has closed its end. */
static void on_over(eddy_io *io, unsigned events) {
    (void)io, (void)events;
    eddy_loop_stop(crowd.loop);
}

static int run_until_over(int control) {
    eddy_io io;
    eddy_io_init(&io, crowd.loop);
    int err = eddy_io_start(&io, on_over, control, EDDY_READ);
    return err < 0 ? err : eddy_loop_run(crowd.loop, EDDY_RUN_DEFAULT);
}

static void run_clients(int control) {
    struct order order;
    alarm(PATIENCE_S);
    int err = eddy_loop_open(&crowd.loop, NULL);
    while (read(control, &order, sizeof order) == sizeof order) {
        crowd.port = order.port;
        if (err == 0 && order.what == CONNECT) err = connect_lot(order.count);
        if (err == 0 && order.what == ECHO) err = begin_echo(order.count, order.bytes);
        if (write(control, &err, sizeof err) != sizeof err) break;
        /* After the answer: a server with a short backlog has to accept some before all are there.
         */
        if (err == 0 && order.what == VISIT) err = begin_visits(order.count);
        if (err == 0 && order.what != CONNECT) err = run_until_over(control);
        if (err < 0 && order.what != CONNECT) bench_cannot(crowd.sample, "a client", err);
        if (order.what != CONNECT) break;
    }
    _exit(0);
}

/* --- In the process that is measured --- */

static void run_crowd(const struct bench_load *it, int control) {
    for (unsigned i = 0; i < it->count; i++) close(it->crowds[i].control);
    crowd.shared = it->shared;
    crowd.latency = &it->shared->latency[it->count];
    crowd.sample = it->sample;
    run_clients(control);
}

static int fork_crowd(struct bench_load *it) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return -errno;
    pid_t child = fork();
    if (child < 0) {
        int err = -errno;
        close(ends[0]);
        close(ends[1]);
        return err;
    }
    if (child == 0) {
        close(ends[0]);
        run_crowd(it, ends[1]);
    }
    close(ends[1]);
    it->crowds[it->count].child = child;
    it->crowds[it->count++].control = ends[0];
    return 0;
}

int bench_load_open_many(struct bench_load **load, struct bench_sample *sample,
                         unsigned processes) {
    struct bench_load *it = calloc(1, sizeof *it);
    if (it == NULL) return -ENOMEM;
    it->sample = sample;
    it->shared =
        mmap(NULL, sizeof *it->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (it->shared == MAP_FAILED) {
        free(it);
        return -ENOMEM;
    }
    *load = it;
    int err = 0;
    while (err == 0 && it->count < processes && it->count < CROWDS_MAX) err = fork_crowd(it);
    return err;
}

int bench_load_open(struct bench_load **load, struct bench_sample *sample) {
    return bench_load_open_many(load, sample, 1);
}

static int command(const struct bench_load *it, unsigned i, struct order order) {
    int answer, fd = it->crowds[i].control;
    if (write(fd, &order, sizeof order) != sizeof order) return -EPIPE;
    return read(fd, &answer, sizeof answer) == sizeof answer ? answer : -EPIPE;
}

/* What the i-th of the processes has to do of all. */
static unsigned share_of(const struct bench_load *it, unsigned i, unsigned all) {
    return all / it->count + (i < all % it->count ? 1 : 0);
}

/* To those that have a share. */
static int command_all(const struct bench_load *it, struct order order) {
    unsigned all = order.count;
    int err = 0;
    for (unsigned i = 0; i < it->count && err == 0; i++) {
        order.count = share_of(it, i, all);
        if (order.count > 0) err = command(it, i, order);
    }
    return err;
}

static int listen_here(unsigned *port) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return -errno;
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, LOT) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static int accept_lot(int listener, int *fds, unsigned count) {
    int on = 1;
    for (unsigned i = 0; i < count; i++) {
        fds[i] = accept(listener, NULL, NULL);
        if (fds[i] < 0 || fcntl(fds[i], F_SETFL, O_NONBLOCK) < 0) return -errno;
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return 0;
}

static int connect_crowd(const struct bench_load *load, unsigned i, int listener,
                         struct order order, int *fds) {
    unsigned count = order.count;
    int err = 0;
    for (unsigned done = 0; done < count && err == 0; done += order.count) {
        order.count = count - done < LOT ? count - done : LOT;
        err = command(load, i, order);
        if (err == 0) err = accept_lot(listener, fds + done, order.count);
    }
    return err;
}

int bench_load_connect(struct bench_load *load, int *fds, unsigned count) {
    struct order order = {.what = CONNECT};
    int listener = listen_here(&order.port);
    if (listener < 0) return listener;
    int err = 0;
    for (unsigned i = 0; i < load->count && err == 0; i++, fds += order.count) {
        order.count = share_of(load, i, count);
        err = connect_crowd(load, i, listener, order, fds);
    }
    close(listener);
    return err;
}

int bench_load_echo_bytes(struct bench_load *load, unsigned active, unsigned bytes) {
    return command_all(load, (struct order){.what = ECHO, .count = active, .bytes = bytes});
}

int bench_load_echo(struct bench_load *load, unsigned active) {
    return bench_load_echo_bytes(load, active, BENCH_MESSAGE_BYTES);
}

int bench_load_visit(struct bench_load *load, unsigned port, unsigned active) {
    return command_all(load, (struct order){.what = VISIT, .port = port, .count = active});
}

void bench_load_count(struct bench_load *load, bool on) {
    atomic_store(&load->shared->is_counting, on);
}

/* They see the end of the socket pair, unless they wait for a connection that nobody accepts. */
static void end_crowd(pid_t child) {
    int64_t give_up_ns = bench_now_ns() + EDDY_NS_PER_S;
    pid_t ended = 0;
    while (ended != child) {
        struct timespec nap = {.tv_nsec = EDDY_NS_PER_MS / 4};
        ended = waitpid(child, NULL, WNOHANG);
        if (ended < 0 && errno != EINTR) break;
        if (bench_now_ns() > give_up_ns) kill(child, SIGKILL);
        if (ended == 0) nanosleep(&nap, NULL);
    }
}

void bench_load_close(struct bench_load *load) {
    if (load == NULL) return;
    for (unsigned i = 0; i < load->count; i++) close(load->crowds[i].control);
    for (unsigned i = 0; i < load->count; i++) {
        end_crowd(load->crowds[i].child);
        eddy_histogram_merge(&load->sample->latency, &load->shared->latency[i]);
    }
    munmap(load->shared, sizeof *load->shared);
    free(load);
}
