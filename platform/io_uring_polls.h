/* io_uring_polls.h: the requests of io_uring.c: which descriptors are asked for, under which names,
 * and how the kernel gets to know.
 *
 * Invariant: a registered descriptor has a request in the kernel (ARMED), is in a queue, or was
 * told for good (FIRED). A request has its descriptor's number and a serial for a name; of all the
 * names that a descriptor has had, only the one that is ARMED is listened to. */
#ifndef EDDY_PLATFORM_IO_URING_POLLS_H
#define EDDY_PLATFORM_IO_URING_POLLS_H

#include "backend.h"
#include "backend_common.h"
#include "os.h"
#include "ring.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    URING_REQUESTS = 256,
    /* Also the size of the table in which the kernel finds a request that is to be cancelled, which
     * is at its largest then: 256 lists. */
    URING_COMPLETIONS = 8192,
    /* Completions are made when the ring is entered, not by an interruption of what the thread
     * does then; the flag says that there are some to be made. */
    URING_SETUP = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                  IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL,

    URING_LOOKED_AT = 128, /* together: 1 KiB of stack */
    URING_MANY = 4,        /* told at once: worth a look at all of them, which is a call */
    URING_LOOKS_MAX = 16,  /* of a wait, when each finds nothing, and there is more at once */

    URING_QUEUED = 1 << 0,   /* in a queue, where one that was removed is passed over */
    URING_ARMED = 1 << 1,    /* the request `serial` is in the kernel */
    URING_OUTDATED = 1 << 2, /* it is there still, and nobody listens to it */
    URING_FIRED = 1 << 3,    /* told for good, as one-shots are: nothing to ask for */
    URING_STREAM = 1 << 4,   /* asked for as an edge is, whatever it is: see uring_is_void */
};

/* Of requests that nobody waits for: no descriptor has that number. */
#define URING_NOBODY UINT64_MAX

struct uring_watch {
    eddy_token token;
    uint32_t serial;   /* of its last request */
    uint32_t armed_at; /* the wait that asked */
    int next;          /* in the queue; -1: the last one */
    int place;         /* one more than its record's index, in the wait that told it last */
    uint8_t events;    /* asked for; 0: not registered */
    uint8_t flags;
};

struct uring_queue {
    int first, last; /* descriptors; -1: none */
};

struct uring_state {
    eddy_allocator memory;
    struct uring_watch *watches; /* by descriptor */
    unsigned watches_capacity;
    struct eddy_os_ring ring; /* not open after an error: the next wait makes a new one */
    bool is_enabled;          /* it has its thread */
    bool is_shown;            /* somebody watches event_fd, which else is -1 */
    int event_fd;
    struct uring_queue due;     /* to be asked for */
    struct uring_queue doubted; /* to be looked at: what a wait had no room for comes first */
    struct uring_queue told;    /* by the last wait */

    /* The wait under way */
    uint32_t wait;
    bool is_busy;    /* the last one told many */
    bool is_crowded; /* there was no room in the last one: others come first */
    bool has_news;   /* since this was cleared: a record, or something to see to */
    bool is_stale;   /* what comes now may have happened before it */
    struct eddy_record *records;
    int count, capacity;
};

static inline uint16_t uring_mask(unsigned events) {
    unsigned mask = 0;
    if (events & EDDY_READ) mask |= POLLIN;
    if (events & EDDY_WRITE) mask |= POLLOUT;
    if (events & EDDY_HANGUP) mask |= POLLRDHUP;
    return (uint16_t)mask;
}

static inline uint32_t uring_events(int mask) {
    uint32_t events = 0;
    if (mask & POLLIN) events |= EDDY_READ;
    if (mask & POLLOUT) events |= EDDY_WRITE;
    if (mask & POLLRDHUP) events |= EDDY_HANGUP | EDDY_READ;
    if (mask & POLLERR) events |= EDDY_ERROR | EDDY_READ | EDDY_WRITE;
    if (mask & POLLHUP) events |= EDDY_HANGUP | EDDY_READ | EDDY_WRITE;
    return events;
}

static inline bool uring_is_edge(const struct uring_watch *watch) {
    return (watch->events & (EDDY_EDGE | EDDY_ONESHOT)) == EDDY_EDGE;
}

/* --- Queues --- */

static inline void uring_queue(struct uring_state *it, struct uring_queue *queue, int fd) {
    struct uring_watch *watch = &it->watches[fd];
    if (watch->flags & URING_QUEUED) return;
    watch->flags |= URING_QUEUED;
    watch->next = -1;
    if (queue->last >= 0)
        it->watches[queue->last].next = fd;
    else
        queue->first = fd;
    queue->last = fd;
    it->has_news = true;
}

static inline int uring_unqueue(struct uring_state *it, struct uring_queue *queue) {
    int fd = queue->first;
    queue->first = it->watches[fd].next;
    if (queue->first < 0) queue->last = -1;
    it->watches[fd].flags &= (uint8_t)~URING_QUEUED;
    return fd;
}

/* Whatever the kernel has of it, nobody listens to any more. */
static inline void uring_ask_anew(struct uring_state *it, int fd) {
    struct uring_watch *watch = &it->watches[fd];
    if (watch->flags & URING_ARMED) watch->flags ^= URING_ARMED | URING_OUTDATED;
    uring_queue(it, &it->due, fd);
}

/* All that is in it is looked at; or asked for, if it is not any more or somebody else watches.
 * Asking again for one or two that were told comes with the wait, and is the only call then; of
 * many it costs less that they go on, and are looked at together. */
static inline void uring_requeue(struct uring_state *it, struct uring_queue *queue) {
    while (queue->first >= 0) {
        int fd = uring_unqueue(it, queue);
        struct uring_watch *watch = &it->watches[fd];
        if ((watch->flags & URING_ARMED) && !it->is_shown) {
            uring_queue(it, &it->doubted, fd);
            continue;
        }
        if (it->is_busy && !(watch->events & EDDY_ONESHOT)) watch->flags |= URING_STREAM;
        uring_ask_anew(it, fd);
    }
}

/* --- The ring --- */

static inline int uring_register(const struct uring_state *it, unsigned what, const void *argument,
                                 unsigned count) {
    return syscall(SYS_io_uring_register, it->ring.fd, what, argument, count) < 0 ? -errno : 0;
}

/* Without what can be left out of other rings (before Linux 6.1) this one would be another. */
static inline int uring_make_ring(struct uring_state *it) {
    it->is_enabled = false;
    int err = eddy_os_ring_make(&it->ring, URING_REQUESTS, URING_COMPLETIONS, URING_SETUP);
    if (err < 0) return err;
    err = (it->ring.flags & URING_SETUP) == URING_SETUP ? 0 : -ENOSYS;
    if (err == 0 && it->is_shown)
        err = uring_register(it, IORING_REGISTER_EVENTFD, &it->event_fd, 1);
    if (err < 0) eddy_os_ring_unmake(&it->ring);
    return err;
}

/* The kernel gives up a ring that is closed a moment later, in a thread of its own. */
static inline int uring_lose(struct uring_state *it, int err) {
    eddy_os_ring_unmake(&it->ring);
    return err;
}

/* The ring is another thread's, or completions were dropped for want of the kernel's memory: all is
 * asked for anew. Test: a_loop_goes_on_in_another_thread. */
static inline int uring_make_again(struct uring_state *it) {
    int err = uring_make_ring(it);
    if (err < 0) return err;
    for (unsigned fd = 0; fd < it->watches_capacity; fd++) {
        struct uring_watch *watch = &it->watches[fd];
        watch->flags &= URING_QUEUED | URING_FIRED;
        if (watch->events != 0) uring_queue(it, &it->due, (int)fd);
    }
    return 0;
}

/* With that error the ring was closed: a new one may be tried. */
static inline bool uring_is_lost(int err) {
    return err == -EEXIST || err == -EBADR;
}

/* Takes all that was queued in the ring to the kernel, and waits for a completion if `waits`. */
static inline int uring_enter(struct uring_state *it, bool waits, int64_t timeout_ns) {
    if (!it->is_enabled) {
        int err = uring_register(it, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
        if (err < 0) return err;
        it->is_enabled = true;
    }
    if (timeout_ns > BACKEND_TIMEOUT_MAX_NS) timeout_ns = BACKEND_TIMEOUT_MAX_NS;
    int taken = eddy_os_ring_enter(&it->ring, waits ? 1 : 0, timeout_ns);
    if (taken >= 0 || taken == -ETIME) return 0;
    if (uring_is_lost(taken)) return uring_lose(it, taken);
    return taken;
}

/* --- Asking --- */

static inline uint64_t uring_name(int fd, uint32_t serial) {
    return (uint64_t)serial << 32 | (uint32_t)fd;
}

static inline void uring_cancel(struct uring_state *it, uint64_t name) {
    struct io_uring_sqe *sqe = eddy_os_ring_request(&it->ring);
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->addr = name;
    sqe->user_data = URING_NOBODY;
}

static inline void uring_arm(struct uring_state *it, int fd) {
    struct uring_watch *watch = &it->watches[fd];
    bool goes_on = uring_is_edge(watch) || (watch->flags & URING_STREAM);
    struct io_uring_sqe *sqe = eddy_os_ring_request(&it->ring);
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = fd;
    sqe->poll_events = uring_mask(watch->events); /* 16 bits: the same in any order of bytes */
    sqe->len = goes_on ? IORING_POLL_ADD_MULTI : 0;
    sqe->user_data = uring_name(fd, ++watch->serial);
    watch->armed_at = it->wait;
    watch->flags |= URING_ARMED;
}

/* Puts the requests for what is due into the ring, as far as there is room in it. Whether one of
 * them completes with what is nothing to wait for. */
static inline bool uring_ask(struct uring_state *it) {
    bool is_noisy = false;
    while (it->due.first >= 0 && ring_waiting(&it->ring) + 2 <= it->ring.entries) {
        int fd = uring_unqueue(it, &it->due);
        struct uring_watch *watch = &it->watches[fd];
        if (watch->flags & URING_OUTDATED) uring_cancel(it, uring_name(fd, watch->serial));
        is_noisy |= (watch->flags & URING_OUTDATED) != 0;
        watch->flags &= (uint8_t)~URING_OUTDATED;
        if (watch->events == 0 || (watch->flags & URING_FIRED)) continue;
        uring_arm(it, fd);
    }
    return is_noisy;
}

#endif
