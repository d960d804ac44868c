/* loops_epoll.c: see loops.h; a loop by hand with epoll, which does what is needed and no more.
 * Threading: each worker's own; they share the listening socket. */
#include "loops.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

static int watch(int epoll, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data = {.fd = fd}};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Another worker may have been faster: EAGAIN. */
static int accept_some(int epoll, int listener) {
    for (int i = 0; i < LOOPS_ACCEPTS; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return errno == EAGAIN || errno == ECONNABORTED ? 0 : -errno;
        int err = watch(epoll, fd, EPOLLIN);
        if (err < 0) return err;
    }
    return 0;
}

static void serve(struct loops_worker *worker, int fd) {
    char byte;
    ssize_t got = read(fd, &byte, 1);
    if (got == 1 && write(fd, &byte, 1) == 1) return;
    if (got < 0 && errno == EAGAIN) return;
    close(fd);
    atomic_fetch_add_explicit(&worker->served, 1, memory_order_relaxed);
}

static int turn(struct loops_worker *worker, int epoll) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll, events, EVENTS, -1), err = 0;
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count && err == 0; i++)
        if (events[i].data.fd == worker->listener)
            err = accept_some(epoll, worker->listener);
        else
            serve(worker, events[i].data.fd);
    return err;
}

int loops_serve_by_hand(struct loops_worker *worker, bool is_exclusive) {
    uint32_t events = EPOLLIN;
#ifdef EPOLLEXCLUSIVE
    if (is_exclusive) events |= EPOLLEXCLUSIVE;
#else
    if (is_exclusive) return -ENOTSUP;
#endif
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int err = epoll < 0 ? -errno : watch(epoll, worker->listener, events);
    while (err == 0) err = turn(worker, epoll);
    return err;
}
