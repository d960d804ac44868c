/* ring.h: a ring of io_uring, for the files of platform/ that ask the kernel through one. Only
 * where HAVE_IO_URING.
 *
 *     sqe = eddy_os_ring_request(ring)    as often as there is room; fill it
 *     eddy_os_ring_enter(ring, …)         the kernel takes them, and may be waited for
 *     cqe = ring_completion(ring, 0)      look at what came of it, and then
 *     ring_advance(ring, 1)
 *
 * What a request points at (vectors, paths, but not the buffers) may go after the enter that took
 * it. There is room for every completion if never more than `capacity` are owed; beyond that the
 * kernel keeps them back, and gives them with an enter (ring_needs_enter).
 *
 * A forked child has the same memory and the same kernel's object: it closes the ring, and does
 * nothing else with it. The parent does not notice.
 *
 * A ring belongs to no thread, but to one at a time. When a thread ends, the kernel cancels what it
 * submitted (-ECANCELED, -EINTR): whoever did not ask for that submits it again. Without
 * IORING_SETUP_DEFER_TASKRUN, requests end in the thread that submitted them: one that sleeps in
 * the kernel is woken, so that a wait says EINTR, and the completion is there. */
#ifndef EDDY_PLATFORM_RING_H
#define EDDY_PLATFORM_RING_H

#include "os.h"

#include <linux/io_uring.h>
#include <stdatomic.h>

/* Numbers are rounded up to powers of 2; `capacity` is at least `entries`. `wanted` are
 * IORING_SETUP_… that may be left out where the kernel does not know them: ring->flags tells.
 * Errors: -ENOSYS (no io_uring, or one before Linux 5.12), -EPERM (kernel.io_uring_disabled, a
 * sandbox), -EMFILE, -ENFILE, -ENOMEM; then ring->fd is negative. */
int eddy_os_ring_make(struct eddy_os_ring *ring, unsigned entries, unsigned capacity,
                      unsigned wanted);
/* In the process that made it nothing may be under way that has memory of the program's. */
void eddy_os_ring_unmake(struct eddy_os_ring *ring);

/* A further one, all zeros, that goes with the next enter; NULL: there is no room before that. */
struct io_uring_sqe *eddy_os_ring_request(struct eddy_os_ring *ring);

/* Has the kernel take what was handed out, runs what it has kept back for this thread, and waits
 * for `wait_for` completions, at most `timeout_ns` (-1: without end). Returns how many it took,
 * which may be fewer than there are: the others stay, for the next enter or ring_withdraw. Errors,
 * if it took none: -EAGAIN, -ENOMEM (of the kernel), -EBUSY (completions have to be looked at
 * first), and of waiting -ETIME, -EINTR. */
int eddy_os_ring_enter(struct eddy_os_ring *ring, unsigned wait_for, int64_t timeout_ns);

/* Requests that were handed out and that the kernel has not taken. */
static inline unsigned ring_waiting(const struct eddy_os_ring *ring) {
    return ring->tail - atomic_load_explicit(ring->request_head, memory_order_acquire);
}

/* Takes them back. */
static inline void ring_withdraw(struct eddy_os_ring *ring) {
    ring->tail = atomic_load_explicit(ring->request_head, memory_order_acquire);
}

/* Completions that are there. */
static inline unsigned ring_completions(const struct eddy_os_ring *ring) {
    return atomic_load_explicit(ring->completion_tail, memory_order_acquire) -
           atomic_load_explicit(ring->completion_head, memory_order_relaxed);
}

/* The one behind `index` others, of those that are there. */
static inline const struct io_uring_cqe *ring_completion(const struct eddy_os_ring *ring,
                                                         unsigned index) {
    const struct io_uring_cqe *all = ring->completions;
    unsigned head = atomic_load_explicit(ring->completion_head, memory_order_relaxed);
    return &all[(head + index) & (ring->capacity - 1)];
}

/* The first `count` have been looked at: their places are the kernel's again. */
static inline void ring_advance(struct eddy_os_ring *ring, unsigned count) {
    unsigned head = atomic_load_explicit(ring->completion_head, memory_order_relaxed);
    atomic_store_explicit(ring->completion_head, head + count, memory_order_release);
}

/* There is more than is to be seen: completions without room, or, with IORING_SETUP_TASKRUN_FLAG,
 * what waits for this thread to enter. */
static inline bool ring_needs_enter(const struct eddy_os_ring *ring) {
    enum { OVERFLOWN = IORING_SQ_CQ_OVERFLOW, HELD_BACK = IORING_SQ_TASKRUN };
    unsigned flags = atomic_load_explicit(ring->request_flags, memory_order_relaxed);
    return (flags & (OVERFLOWN | HELD_BACK)) != 0;
}

#endif
