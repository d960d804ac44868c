/* load.c: see load.h. The process that is measured tells the clients what to do in orders over a
 * socket pair, and waits for the answer to each. Invariant: no client outlives the server, since
 * they see the socket pair end, however that comes. */
#include "load.h"
#include "load_clients.h"
#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOT = 100 /* connections made at a time: fewer than any kernel's backlog holds */ };

struct bench_load {
    struct bench_sample *sample;
    struct load_shared *shared;
    unsigned count;
    bool has_rate;
    struct {
        pid_t child;
        int control;
    } crowds[LOAD_CROWDS_MAX];
};

_Noreturn static void run_crowd(const struct bench_load *it, int control) {
    for (unsigned i = 0; i < it->count; i++) close(it->crowds[i].control);
    load_run_clients(it->shared, it->count, it->sample, control);
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
    atomic_store(&it->shared->from_ns, INT64_MAX);
    atomic_store(&it->shared->to_ns, INT64_MAX);
    *load = it;
    int err = 0;
    while (err == 0 && it->count < processes && it->count < LOAD_CROWDS_MAX) err = fork_crowd(it);
    return err;
}

int bench_load_open(struct bench_load **load, struct bench_sample *sample) {
    return bench_load_open_many(load, sample, 1);
}

static int command(const struct bench_load *it, unsigned i, struct load_order order) {
    int answer, fd = it->crowds[i].control;
    if (write(fd, &order, sizeof order) != sizeof order) return -EPIPE;
    return read(fd, &answer, sizeof answer) == sizeof answer ? answer : -EPIPE;
}

/* What the i-th of the processes has to do of all. */
static unsigned share_of(const struct bench_load *it, unsigned i, unsigned all) {
    return all / it->count + (i < all % it->count ? 1 : 0);
}

/* To those that have a share: of what is active, what is slow and of the rate. */
static int command_all(const struct bench_load *it, struct load_order order) {
    unsigned all = order.count, slow = order.slow;
    unsigned parts = all < it->count ? all : it->count;
    int err = 0;
    order.rate /= parts;
    for (unsigned i = 0; i < parts && err == 0; i++) {
        order.count = share_of(it, i, all);
        order.slow = share_of(it, i, slow);
        order.is_first = i == 0;
        err = command(it, i, order);
    }
    return err;
}

static int listen_here(unsigned *port) {
    struct sockaddr_in address = bench_network_address();
    socklen_t length = sizeof address;
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
                         struct load_order order, int *fds) {
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
    struct load_order order = {.what = LOAD_CONNECT};
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
    return command_all(load,
                       (struct load_order){.what = LOAD_ECHO, .count = active, .bytes = bytes});
}

int bench_load_rate(struct bench_load *load, unsigned active, enum bench_arrivals arrivals,
                    unsigned rate) {
    load->has_rate = true;
    return command_all(load, (struct load_order){.what = LOAD_RATE,
                                                 .count = active,
                                                 .bytes = BENCH_MESSAGE_BYTES,
                                                 .arrivals = arrivals,
                                                 .rate = rate});
}

int bench_load_echo(struct bench_load *load, unsigned active) {
    return bench_load_echo_bytes(load, active, BENCH_MESSAGE_BYTES);
}

int bench_load_fan_in(struct bench_load *load, unsigned count) {
    return command_all(
        load,
        (struct load_order){.what = LOAD_FAN_IN, .count = count, .bytes = BENCH_MESSAGE_BYTES});
}

int bench_load_fan_out(struct bench_load *load, unsigned count, unsigned bytes, unsigned slow) {
    return command_all(
        load,
        (struct load_order){.what = LOAD_FAN_OUT, .count = count, .bytes = bytes, .slow = slow});
}

int bench_load_visit(struct bench_load *load, unsigned port, unsigned active) {
    return command_all(load,
                       (struct load_order){.what = LOAD_VISIT, .port = port, .count = active});
}

void bench_load_count(struct bench_load *load, bool on) {
    atomic_store(on ? &load->shared->from_ns : &load->shared->to_ns, bench_now_ns());
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
    if (load->has_rate) load->sample->due = 0;
    for (unsigned i = 0; i < load->count; i++) {
        end_crowd(load->crowds[i].child);
        eddy_histogram_merge(&load->sample->latency, &load->shared->crowds[i].latency);
        if (load->has_rate) load->sample->due += load->shared->crowds[i].due;
    }
    munmap(load->shared, sizeof *load->shared);
    free(load);
}
