/* echo.c: the server of all peers that watch descriptors: it receives and sends by itself, and so
 * does the same whoever tells it of a descriptor. Streams of a library are in the peer's file. */
#include "echo.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct peer *peer;

int peers_watch_all(const struct peer *it, const int *fds, unsigned count) {
    int err = it->watch_open(count);
    for (unsigned i = 0; i < count && err == 0; i++) err = it->watch(i, fds[i]);
    return err;
}

static int run_until(const struct peer *it) {
    peer = it;
    int err = peer->run(0);
    return err < 0 ? err : peers_error();
}

int peers_listen(int backlog, struct sockaddr_in *address) {
    socklen_t length = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) return -errno;
    if (bind(listener, (struct sockaddr *)address, length) == 0 && listen(listener, backlog) == 0 &&
        getsockname(listener, (struct sockaddr *)address, &length) == 0)
        return listener;
    int err = -errno;
    close(listener);
    return err;
}

/* --- Messages --- */

static struct {
    const int *fds;
    uint64_t sent, limit; /* bytes */
} echo;

void peers_echoed(size_t bytes) {
    bool was_over = echo.sent >= echo.limit;
    echo.sent += bytes;
    if (echo.sent >= echo.limit && !was_over) peer->stop(0);
}

/* Of one connection in a turn, as eddy's streams read by default. */
enum { PIECES = 4 };

/* Whether there may be more: a read that gives less than was asked has taken all. */
static inline bool send_back(int fd) {
    static char data[PEERS_READ_BYTES];
    ssize_t size = recv(fd, data, sizeof data, 0);
    if (size > 0 && send(fd, data, (size_t)size, 0) == size)
        peers_echoed((size_t)size);
    else if (size >= 0 || errno != EAGAIN)
        peers_fail(-EPIPE);
    return size == sizeof data;
}

/* Apart, so that the usual message does not pay for it. */
__attribute__((cold, noinline)) static void send_more_back(int fd) {
    for (int pieces = 1; pieces < PIECES || peer->tells_once; pieces++)
        if (!send_back(fd)) return;
}

static void on_message(unsigned i) {
    int fd = echo.fds[i];
    if (send_back(fd)) send_more_back(fd);
}

int peers_serve(const struct peer *it, const int *fds, unsigned count, unsigned active) {
    peer = it;
    if (it->serve != NULL) return it->serve(fds, count, active);
    echo.fds = fds;
    peers_ready = on_message;
    return peers_watch_all(it, fds, count);
}

int peers_serve_local(const struct peer *it, const int *fds, unsigned count, unsigned active) {
    peer = it;
    return it->serve_local != NULL ? it->serve_local(fds, count, active)
                                   : peers_serve(it, fds, count, active);
}

int64_t peers_run_echo(const struct peer *it, uint64_t bytes) {
    echo.sent = 0;
    echo.limit = bytes;
    int err = run_until(it);
    return err < 0 ? err : (int64_t)echo.sent;
}

/* --- Visits --- */

/* The first watcher is the listener's. A place is taken again only after all others, so that what
 * puts an end off to the next turn has ended. */
static struct {
    int *fds;
    unsigned *free, places, first, count;
    unsigned ended, limit;
} visits;

void peers_visited(void) {
    if (++visits.ended == visits.limit) peer->stop(0);
}

static void end_visit(unsigned i) {
    unsigned last = visits.first + visits.count++;
    peer->unwatch(i, visits.fds[i]);
    close(visits.fds[i]);
    visits.free[last % visits.places] = i;
    peers_visited();
}

static void on_visit(unsigned i) {
    char byte;
    ssize_t size = recv(visits.fds[i], &byte, 1, 0);
    if (size == 1 && send(visits.fds[i], &byte, 1, MSG_NOSIGNAL) == 1) return;
    if (size >= 0 || errno != EAGAIN) end_visit(i);
}

static void on_visitor(unsigned i) {
    if (i > 0) {
        on_visit(i);
        return;
    }
    int fd;
    while ((fd = accept4(visits.fds[0], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (visits.count == 0) {
            peers_fail(-ENOBUFS);
            return;
        }
        unsigned place = visits.free[visits.first];
        visits.first = (visits.first + 1) % visits.places;
        visits.count--;
        visits.fds[place] = fd;
        int err = peer->watch(place, fd);
        if (err < 0) peers_fail(err);
    }
    if (errno != EAGAIN) peers_fail(-errno);
}

int peers_receive_visits(const struct peer *it, int listener, unsigned active) {
    peer = it;
    if (it->receive_visits != NULL) return it->receive_visits(listener, active);
    visits.places = 4 * active + 1024;
    visits.fds = calloc(visits.places + 1, sizeof *visits.fds);
    visits.free = calloc(visits.places, sizeof *visits.free);
    if (visits.fds == NULL || visits.free == NULL) return -ENOMEM;
    for (; visits.count < visits.places; visits.count++)
        visits.free[visits.count] = visits.count + 1;
    visits.fds[0] = listener;
    peers_ready = on_visitor;
    int err = it->watch_open(visits.places + 1);
    return err < 0 ? err : it->watch(0, listener);
}

int64_t peers_run_visits(const struct peer *it, unsigned count) {
    visits.ended = 0;
    visits.limit = count;
    int err = run_until(it);
    return err < 0 ? err : (int64_t)visits.ended;
}
