/* arrivals.c: see arrivals.h. The clients connect at once, and wait for a byte over a socket pair
 * to begin. Invariant: they do not outlive the server, since they see the socket pair end. */
#include "arrivals.h"
#include "echo.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATIENCE_S = 240,           /* longer than any sample may take */
    BACKLOG = 4096,             /* they all connect before one is accepted */
    WARM_NS = 10 * 1000 * 1000, /* whose latencies do not count */
};

struct peers_arrivals {
    pid_t child;
    int control, listener;
    unsigned count;
};

/* --- In the clients' process --- */

struct client {
    eddy_io io;
    int fd;
    unsigned received; /* bytes of the oldest message */
    unsigned first, pending;
    int64_t due_ns[PEERS_ARRIVALS_PENDING]; /* when they should have been sent */
};

static struct {
    eddy_loop *loop;
    eddy_timer timer;
    struct client *clients;
    unsigned count, rate;
    bool is_poisson, is_held; /* no connection has room */
    uint64_t random;
    double next_ns; /* when the next message is due; with fractions, so that none add up */
    int64_t start_ns;
    struct bench_sample *sample;
} crowd;

static double gap_ns(void) {
    double mean_ns = 1e9 / crowd.rate;
    if (!crowd.is_poisson) return mean_ns;
    double share = ((double)(bench_random(&crowd.random) >> 11) + 1) * 0x1p-53; /* (0, 1] */
    return -log(share) * mean_ns;
}

/* The chosen one, or the next that has room; NULL: none has. */
static struct client *choose(void) {
    unsigned from = (unsigned)(bench_random(&crowd.random) % crowd.count);
    for (unsigned i = 0; i < crowd.count; i++) {
        struct client *client = &crowd.clients[(from + i) % crowd.count];
        if (client->pending < PEERS_ARRIVALS_PENDING) return client;
    }
    return NULL;
}

static void send_message(struct client *client, int64_t due_ns) {
    static const char message[PEERS_MESSAGE_BYTES];
    unsigned place = (client->first + client->pending++) % PEERS_ARRIVALS_PENDING;
    client->due_ns[place] = due_ns;
    if (send(client->fd, message, sizeof message, MSG_NOSIGNAL) != sizeof message) _exit(0);
}

static void on_due(eddy_timer *timer) {
    double now_ns = (double)bench_now_ns();
    crowd.is_held = false;
    while (crowd.next_ns <= now_ns) {
        struct client *client = choose();
        crowd.is_held = client == NULL;
        if (crowd.is_held) return; /* a reply goes on */
        send_message(client, (int64_t)crowd.next_ns);
        crowd.next_ns += gap_ns();
    }
    if (eddy_timer_start(timer, on_due, (int64_t)(crowd.next_ns - now_ns), 0) < 0) _exit(0);
}

static void take_reply(struct client *client, int64_t now_ns) {
    int64_t due_ns = client->due_ns[client->first];
    client->first = (client->first + 1) % PEERS_ARRIVALS_PENDING;
    client->pending--;
    if (due_ns - crowd.start_ns > WARM_NS)
        eddy_histogram_record(&crowd.sample->latency, now_ns - due_ns);
}

static void on_reply(eddy_io *io, unsigned events) {
    struct client *client = eddy_container_of(io, struct client, io);
    char data[PEERS_ARRIVALS_PENDING * PEERS_MESSAGE_BYTES];
    (void)events;
    ssize_t got = recv(client->fd, data, sizeof data, 0);
    if (got <= 0) _exit(0); /* the server is over */
    client->received += (unsigned)got;
    int64_t now_ns = bench_now_ns();
    for (; client->received >= PEERS_MESSAGE_BYTES; client->received -= PEERS_MESSAGE_BYTES)
        take_reply(client, now_ns);
    if (crowd.is_held) on_due(&crowd.timer);
}

static void on_control(eddy_io *io, unsigned events) {
    char byte;
    (void)events;
    if (read(eddy_io_fd(io), &byte, 1) != 1) _exit(0);
    crowd.start_ns = bench_now_ns();
    crowd.next_ns = (double)crowd.start_ns;
    on_due(&crowd.timer);
}

static int connect_client(struct client *client, const struct sockaddr_in *address) {
    int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0) return -errno;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (const struct sockaddr *)address, sizeof *address) < 0) return -errno;
    eddy_io_init(&client->io, crowd.loop);
    return eddy_io_start(&client->io, on_reply, client->fd, EDDY_READ);
}

static void run_clients(int control, const struct sockaddr_in *address) {
    eddy_io io;
    alarm(PATIENCE_S);
    crowd.clients = calloc(crowd.count, sizeof *crowd.clients);
    int err = crowd.clients == NULL ? -ENOMEM : eddy_loop_open(&crowd.loop, NULL);
    for (unsigned i = 0; i < crowd.count && err == 0; i++)
        err = connect_client(&crowd.clients[i], address);
    if (err == 0) {
        eddy_timer_init(&crowd.timer, crowd.loop);
        eddy_io_init(&io, crowd.loop);
        err = eddy_io_start(&io, on_control, control, EDDY_READ);
    }
    if (err == 0) err = eddy_loop_run(crowd.loop, EDDY_RUN_DEFAULT);
    if (err < 0) bench_cannot(crowd.sample, "a client", err);
    _exit(0);
}

/* --- In the process that is measured --- */

static int fork_clients(struct peers_arrivals *it, const struct sockaddr_in *address) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
    it->child = fork();
    if (it->child == 0) {
        close(ends[0]);
        run_clients(ends[1], address);
    }
    int err = it->child < 0 ? -errno : 0;
    close(ends[1]);
    it->control = ends[0];
    if (err < 0) close(ends[0]);
    return err;
}

int peers_arrivals_open(struct peers_arrivals **arrivals, struct bench_sample *sample,
                        unsigned connections, unsigned rate, bool is_poisson) {
    struct sockaddr_in address;
    struct peers_arrivals *it = calloc(1, sizeof *it);
    if (it == NULL) return -ENOMEM;
    crowd.count = it->count = connections;
    crowd.rate = rate;
    crowd.is_poisson = is_poisson;
    crowd.sample = sample;
    it->listener = peers_listen(BACKLOG, &address);
    int err = it->listener < 0 ? it->listener : fork_clients(it, &address);
    if (err == 0) {
        *arrivals = it;
        return 0;
    }
    if (it->listener >= 0) close(it->listener);
    free(it);
    return err;
}

/* Waits for the next connection, or for the end of the clients. */
static int accept_one(const struct peers_arrivals *it) {
    struct pollfd fds[2] = {{.fd = it->listener, .events = POLLIN},
                            {.fd = it->control, .events = POLLIN}};
    int on = 1;
    if (poll(fds, 2, -1) < 0) return -errno;
    if (fds[1].revents != 0) return -EPIPE;
    int fd = accept4(it->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int peers_arrivals_connect(struct peers_arrivals *it, int *fds) {
    for (unsigned i = 0; i < it->count; i++) {
        fds[i] = accept_one(it);
        if (fds[i] < 0) return fds[i];
    }
    return 0;
}

int peers_arrivals_start(struct peers_arrivals *it) {
    return write(it->control, "", 1) == 1 ? 0 : -EPIPE;
}

void peers_arrivals_close(struct peers_arrivals *it) {
    if (it == NULL) return;
    close(it->listener);
    close(it->control);
    kill(it->child, SIGKILL); /* it may be waiting for a connection that nobody accepts */
    while (waitpid(it->child, NULL, 0) < 0 && errno == EINTR) continue;
    free(it);
}
