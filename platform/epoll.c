/* epoll.c: the backend on Linux's epoll.
 * Invariant: the kernel's set is the only record of what is registered; the state is one
 * descriptor. Threading: loop thread only. Read backend.h first. */
#include "backend.h"
#include "backend_common.h"
#include "compiler.h"
#include "missing.h"
#include "os.h"

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "eddy_config.h"

struct epoll_state {
    int epoll_fd;
    bool pwait2_missing; /* by the kernel or its sandbox */
};

static uint32_t epoll_mask(unsigned events) {
    uint32_t mask = (events & EDDY_READ) | (events & EDDY_WRITE) << 1;
    if (events & EDDY_HANGUP) mask |= EPOLLRDHUP; /* of pipes nothing but EPOLLHUP and EPOLLERR */
    if (events & EDDY_EDGE) mask |= EPOLLET;
    if (events & EDDY_ONESHOT) mask |= EPOLLONESHOT;
    return mask;
}

/* The bits of both sides lie in the same order, WRITE, ERROR and HANGUP one place apart, so that a
 * mask and a shift translate them all. */
_Static_assert((int)EPOLLIN == EDDY_READ, "READ is told by the same bit");
_Static_assert((int)EPOLLOUT == EDDY_WRITE << 1, "one place apart");
_Static_assert((int)EPOLLERR == EDDY_ERROR << 1, "one place apart");
_Static_assert((int)EPOLLHUP == EDDY_HANGUP << 1, "one place apart");

static uint32_t epoll_events(uint32_t mask) {
    uint32_t events = (mask & EDDY_READ) | (mask >> 1 & (EDDY_WRITE | EDDY_ERROR | EDDY_HANGUP));
    /* What was not asked for, the loop takes away again. */
    if (mask & (EPOLLERR | EPOLLHUP)) events |= EDDY_READ | EDDY_WRITE;
    if (mask & EPOLLRDHUP) events |= EDDY_HANGUP | EDDY_READ;
    return events;
}

/* What is there already is modified, and what is not is added.
 *
 * EEXIST: this number was closed with its registration left in the set, which a duplicate keeps
 * alive, and now means the same description again. ENOENT: the number was closed and opened again
 * behind the loop's back. */
static int epoll_control(void *state, int fd, unsigned events, eddy_token token, int operation) {
    const struct epoll_state *it = state;
    struct epoll_event event = {.events = epoll_mask(events), .data = {.u64 = token}};
    int result = epoll_ctl(it->epoll_fd, operation, fd, &event);
    if (result < 0 && operation != EPOLL_CTL_DEL && (errno == EEXIST || errno == ENOENT)) {
        operation = errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        result = epoll_ctl(it->epoll_fd, operation, fd, &event);
    }
    return result < 0 ? -errno : 0;
}

static int epoll_open(void *state, const eddy_allocator *memory, int capacity) {
    (void)capacity;
    struct epoll_state *it = state;
    (void)memory;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    it->epoll_fd = fd < 0 ? -errno : eddy_os_lift(fd);
    return it->epoll_fd < 0 ? it->epoll_fd : 0;
}

static void epoll_close(void *state) {
    struct epoll_state *it = state;
    if (it->epoll_fd >= 0) eddy_os_close(it->epoll_fd);
    it->epoll_fd = -1;
}

/* A fork shares the kernel's set: a removal by the child would remove the parent's. Closing the
 * child's descriptor takes nothing out of it. Test: forked_child_leaves_the_parent_alone. */
static int epoll_reopen(void *state) {
    epoll_close(state);
    return epoll_open(state, NULL, 0);
}

static int epoll_add(void *state, int fd, unsigned events, eddy_token token) {
    return epoll_control(state, fd, events, token, EPOLL_CTL_ADD);
}

static int epoll_modify(void *state, int fd, unsigned old_events, unsigned events,
                        eddy_token token) {
    (void)old_events;
    return epoll_control(state, fd, events, token, EPOLL_CTL_MOD);
}

static int epoll_remove(void *state, int fd, unsigned events) {
    return epoll_control(state, fd, events, 0, EPOLL_CTL_DEL);
}

#if defined(SYS_epoll_pwait2) /* by number: musl has no function for it */
struct epoll_time {
    int64_t s, ns; /* of 64 bits on 32-bit systems as well */
};

APART static int epoll_ask_to_the_ns(struct epoll_state *it, struct epoll_event *events,
                                     int capacity, int64_t timeout_ns) {
    struct timespec rest = backend_timespec(timeout_ns);
    struct epoll_time time = {rest.tv_sec, rest.tv_nsec};
    int count =
        (int)syscall(SYS_epoll_pwait2, it->epoll_fd, events, (long)capacity, &time, NULL, 0L);
    if (count >= 0 || !call_is_missing(errno)) return count; /* Linux before 5.11 lacks it */
    it->pwait2_missing = true;
    return epoll_wait(it->epoll_fd, events, capacity, backend_timeout_ms(timeout_ns));
}
#endif

APART static int epoll_ask_timed(struct epoll_state *it, struct epoll_event *events, int capacity,
                                 int64_t timeout_ns) {
#ifdef SYS_epoll_pwait2
    if (!IS_SMALL && !it->pwait2_missing)
        return epoll_ask_to_the_ns(it, events, capacity, timeout_ns);
#endif
    return epoll_wait(it->epoll_fd, events, capacity, backend_timeout_ms(timeout_ns));
}

_Static_assert(sizeof(struct epoll_event) <= sizeof(struct eddy_record), "translated in place");

/* The kernel writes its events where the records are to be, and as they are no larger, they can be
 * translated from the last to the first without overwriting one. */
static inline void epoll_translate(struct eddy_record *records, int count) {
    const char *at = (const char *)records + (size_t)count * sizeof(struct epoll_event);
    struct eddy_record *record = records + count;
    do {
        uint32_t mask;
        eddy_token token;
        at -= sizeof(struct epoll_event);
        memcpy(&mask, at + offsetof(struct epoll_event, events), sizeof mask);
        memcpy(&token, at + offsetof(struct epoll_event, data), sizeof token);
        record--;
        record->token = token;
        record->events = !IS_SMALL && mask == EPOLLIN ? EDDY_READ : epoll_events(mask);
        record->error = 0;
    } while (record != records);
}

/* More than fit come next time, and fairly: the kernel puts what it told at the end of its list. */
static int epoll_wait_records(void *state, struct eddy_record *records, int capacity,
                              int64_t timeout_ns) {
    struct epoll_state *it = state;
    struct epoll_event *events = (void *)records;
    int count = IS_SMALL || timeout_ns > 0
                    ? epoll_ask_timed(it, events, capacity, timeout_ns)
                    : epoll_wait(it->epoll_fd, events, capacity, (int)timeout_ns); /* 0 or -1 */
    if (count > 0)
        epoll_translate(records, count);
    else if (count < 0)
        return errno == EINTR ? 0 : -errno;
    return count;
}

static int epoll_descriptor(void *state) {
    return ((struct epoll_state *)state)->epoll_fd;
}

const struct eddy_backend eddy_backend_epoll = {
    .name = "epoll",
    .capabilities = EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_NEST | EDDY_CAN_HANGUP |
                    BACKEND_TELLS_EACH_WRITE,
    .fd_max = INT_MAX,
    .state_bytes = sizeof(struct epoll_state),
    .open = epoll_open,
    .close = epoll_close,
    .reserve = NULL,
    .reopen = epoll_reopen,
    .add = epoll_add,
    .modify = epoll_modify,
    .remove = epoll_remove,
    .wait = epoll_wait_records,
    .descriptor = epoll_descriptor,
};
