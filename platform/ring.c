/* ring.c: a ring of io_uring by raw calls: see ring.h. Never with a polling thread of the kernel's
 * (SQPOLL), which takes a processor for itself.
 * Invariant: ring->fd is negative, or both mappings are there. */
#include "ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    RING_NEEDS = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                 IORING_FEAT_EXT_ARG | IORING_FEAT_NATIVE_WORKERS,
};

static int ring_setup(unsigned entries, struct io_uring_params *params, unsigned capacity,
                      unsigned wanted) {
    *params = (struct io_uring_params){.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | wanted,
                                       .cq_entries = capacity};
    long fd = syscall(SYS_io_uring_setup, entries, params);
    return fd < 0 ? -errno : (int)fd;
}

static int ring_map(const struct eddy_os_ring *ring, size_t size, off_t what, void **memory) {
    int access = PROT_READ | PROT_WRITE;
    *memory = mmap(NULL, size, access, MAP_SHARED | MAP_POPULATE, ring->fd, what);
    return *memory == MAP_FAILED ? -errno : 0;
}

static _Atomic(unsigned) *ring_word(const struct eddy_os_ring *ring, unsigned offset) {
    return (_Atomic(unsigned) *)(void *)((char *)ring->memory + offset);
}

static size_t ring_requests_size(const struct eddy_os_ring *ring) {
    return ring->entries * sizeof(struct io_uring_sqe);
}

/* Requests are taken in the order of their places, so that the table of which is next never
 * changes. */
static void ring_order(const struct eddy_os_ring *ring, unsigned offset) {
    unsigned *places = (unsigned *)(void *)((char *)ring->memory + offset);
    for (unsigned i = 0; i < ring->entries; i++) places[i] = i;
}

static int ring_map_all(struct eddy_os_ring *ring, const struct io_uring_params *params) {
    size_t of_requests = params->sq_off.array + params->sq_entries * sizeof(unsigned);
    size_t of_completions = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    ring->memory_size = of_requests > of_completions ? of_requests : of_completions;
    int err = ring_map(ring, ring->memory_size, (off_t)IORING_OFF_SQ_RING, &ring->memory);
    if (err < 0) return err;
    err = ring_map(ring, ring_requests_size(ring), (off_t)IORING_OFF_SQES, &ring->requests);
    if (err < 0) {
        munmap(ring->memory, ring->memory_size);
        return err;
    }
    ring->completions = (char *)ring->memory + params->cq_off.cqes;
    ring->request_head = ring_word(ring, params->sq_off.head);
    ring->request_tail = ring_word(ring, params->sq_off.tail);
    ring->request_flags = ring_word(ring, params->sq_off.flags);
    ring->completion_head = ring_word(ring, params->cq_off.head);
    ring->completion_tail = ring_word(ring, params->cq_off.tail);
    ring_order(ring, params->sq_off.array);
    return 0;
}

int eddy_os_ring_make(struct eddy_os_ring *ring, unsigned entries, unsigned capacity,
                      unsigned wanted) {
    struct io_uring_params params;
    int fd = ring_setup(entries, &params, capacity, wanted);
    if (fd == -EINVAL) fd = ring_setup(entries, &params, capacity, 0);
    *ring = (struct eddy_os_ring){.fd = -1};
    /* Kernels before 5.6 do not know CLAMP. */
    if (fd == -EINVAL) return -ENOSYS;
    if (fd < 0) return fd == -EACCES ? -EPERM : fd;
    if ((params.features & RING_NEEDS) != RING_NEEDS) {
        eddy_os_close(fd);
        return -ENOSYS;
    }
    ring->fd = eddy_os_lift(fd);
    if (ring->fd < 0) return ring->fd;
    ring->flags = params.flags;
    ring->entries = params.sq_entries;
    ring->capacity = params.cq_entries;
    int err = ring_map_all(ring, &params);
    if (err == 0) return 0;
    eddy_os_close(ring->fd);
    ring->fd = -1;
    return err;
}

void eddy_os_ring_unmake(struct eddy_os_ring *ring) {
    if (ring->fd < 0) return;
    munmap(ring->requests, ring_requests_size(ring));
    munmap(ring->memory, ring->memory_size);
    eddy_os_close(ring->fd);
    ring->fd = -1;
}

struct io_uring_sqe *eddy_os_ring_request(struct eddy_os_ring *ring) {
    if (ring_waiting(ring) == ring->entries) return NULL;
    struct io_uring_sqe *all = ring->requests;
    struct io_uring_sqe *sqe = &all[ring->tail++ & (ring->entries - 1)];
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

int eddy_os_ring_enter(struct eddy_os_ring *ring, unsigned wait_for, int64_t timeout_ns) {
    struct __kernel_timespec until = {.tv_sec = timeout_ns / 1000000000,
                                      .tv_nsec = timeout_ns % 1000000000};
    struct io_uring_getevents_arg wait = {.ts = timeout_ns < 0 ? 0 : (uint64_t)(uintptr_t)&until};
    atomic_store_explicit(ring->request_tail, ring->tail, memory_order_release);
    long taken = syscall(SYS_io_uring_enter, ring->fd, ring_waiting(ring), wait_for,
                         IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &wait, sizeof wait);
    return taken < 0 ? -errno : (int)taken;
}
