/* epoll.c: the backend on Linux's epoll.
 * Invariant: the kernel's set is the only record of what is registered; the state is one
 * descriptor. Threading: loop thread only. Read backend.h first. */
#include "backend.h"
#include "backend_common.h"
#include "eddy_config.h"
#include "os.h"

#include <stdbool.h>
#include <sys/epoll.h>

struct state {
    int epoll_fd;
    bool pwait2_missing; /* the kernel is older than the C library */
};

static uint32_t to_epoll(unsigned events) {
    uint32_t mask = 0;
    if (events & BACKEND_READ) mask |= EPOLLIN;
    if (events & BACKEND_WRITE) mask |= EPOLLOUT;
    if (events & BACKEND_EDGE) mask |= EPOLLET;
    if (events & BACKEND_ONESHOT) mask |= EPOLLONESHOT;
    return mask;
}

/* The bits of both sides lie in the same order, WRITE, ERROR and HANGUP one place apart, so that a
 * mask and a shift translate them all. */
_Static_assert((int)EPOLLIN == BACKEND_READ, "READ is told by the same bit");
_Static_assert((int)EPOLLOUT == BACKEND_WRITE << 1, "one place apart");
_Static_assert((int)EPOLLERR == BACKEND_ERROR << 1, "one place apart");
_Static_assert((int)EPOLLHUP == BACKEND_HANGUP << 1, "one place apart");

static uint32_t from_epoll(uint32_t mask) {
    uint32_t events =
        (mask & BACKEND_READ) | (mask >> 1 & (BACKEND_WRITE | BACKEND_ERROR | BACKEND_HANGUP));
    /* What was not asked for, the loop takes away again. */
    if (mask & (EPOLLERR | EPOLLHUP)) events |= BACKEND_READ | BACKEND_WRITE;
    return events;
}

static int control(const struct state *it, int operation, int fd, unsigned events,
                   eddy_token token) {
    struct epoll_event event = {.events = to_epoll(events), .data = {.u64 = token}};
    return epoll_ctl(it->epoll_fd, operation, fd, &event) == 0 ? 0 : -errno;
}

static int epoll_open(void *state, const struct eddy_memory *memory) {
    struct state *it = state;
    (void)memory;
    it->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return it->epoll_fd < 0 ? -errno : 0;
}

static void epoll_close(void *state) {
    struct state *it = state;
    if (it->epoll_fd >= 0) eddy_os_close(it->epoll_fd);
    it->epoll_fd = -1;
}

/* A fork shares the kernel's set: a removal by the child would remove the parent's. Closing the
 * child's descriptor takes nothing out of it. Test: forked_child_leaves_the_parent_alone. */
static int epoll_reopen(void *state) {
    epoll_close(state);
    return epoll_open(state, NULL);
}

/* EEXIST: this number was closed with its registration left in the set, which a duplicate keeps
 * alive, and now means the same description again. */
static int epoll_add(void *state, int fd, unsigned events, eddy_token token) {
    int err = control(state, EPOLL_CTL_ADD, fd, events, token);
    return err == -EEXIST ? control(state, EPOLL_CTL_MOD, fd, events, token) : err;
}

/* ENOENT: the number was closed and opened again behind the loop's back. */
static int epoll_modify(void *state, int fd, unsigned old_events, unsigned events,
                        eddy_token token) {
    (void)old_events;
    int err = control(state, EPOLL_CTL_MOD, fd, events, token);
    return err == -ENOENT ? control(state, EPOLL_CTL_ADD, fd, events, token) : err;
}

static int epoll_remove(void *state, int fd, unsigned events) {
    return control(state, EPOLL_CTL_DEL, fd, events, 0);
}

static int wait_for_events(struct state *it, struct epoll_event *events, int capacity,
                           int64_t timeout_ns) {
#ifdef HAVE_EPOLL_PWAIT2
    if (timeout_ns > 0 && !it->pwait2_missing) {
        struct timespec time = backend_timespec(timeout_ns);
        int count = epoll_pwait2(it->epoll_fd, events, capacity, &time, NULL);
        /* Linux before 5.11 says ENOSYS; sandboxes that do not know the call say EPERM. */
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        it->pwait2_missing = true;
    }
#endif
    return epoll_wait(it->epoll_fd, events, capacity, backend_timeout_ms(timeout_ns));
}

/* More than fit come next time, and fairly: the kernel puts what it told at the end of its list. */
static int epoll_wait_records(void *state, struct eddy_record *records, int capacity,
                              int64_t timeout_ns) {
    struct epoll_event events[BACKEND_RECORDS_MAX];
    int count = wait_for_events(state, events, capacity, timeout_ns);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        records[i].token = events[i].data.u64;
        records[i].events = from_epoll(events[i].events);
        records[i].error = 0;
    }
    return count;
}

static int epoll_descriptor(void *state) {
    return ((struct state *)state)->epoll_fd;
}

const struct eddy_backend eddy_backend_epoll = {
    .name = "epoll",
    .capabilities = BACKEND_CAN_EDGE | BACKEND_CAN_ONESHOT | BACKEND_CAN_NEST | BACKEND_CAN_RING,
    .fd_max = INT_MAX,
    .state_bytes = sizeof(struct state),
    .open = epoll_open,
    .close = epoll_close,
    .reopen = epoll_reopen,
    .add = epoll_add,
    .modify = epoll_modify,
    .remove = epoll_remove,
    .wait = epoll_wait_records,
    .descriptor = epoll_descriptor,
};
