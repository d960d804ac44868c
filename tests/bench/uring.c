/* uring.c: see uring.h. What is submitted goes to the kernel in the call that waits, one a turn,
 * and completions are made in that call as well (DEFER_TASKRUN), which is the cheapest way that the
 * kernel has without a thread of its own. */
#include "uring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Entries that are submitted in a call, and completions that fit: more than connections, so that
 * none overflows. */
enum { ENTRIES = 1024, COMPLETIONS = 32768 };

void (*peers_uring_completed)(const struct io_uring_cqe *it);

static struct {
    int fd;
    struct io_uring_sqe *entries;
    unsigned entry_mask, entry_count, tail, submitted;
    _Atomic(unsigned) *shared_tail;
    struct io_uring_cqe *completions;
    unsigned completion_mask;
    _Atomic(unsigned) *done_head, *done_tail;
    bool is_stopped;
    int64_t waits, events;
} ring;

/* --- Opening --- */

static void *map(size_t size, off_t offset) {
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, offset);
    return at == MAP_FAILED ? NULL : at;
}

/* The array of indices never changes: entry i is the i-th. */
static int map_all(const struct io_uring_params *of) {
    size_t entries_end = of->sq_off.array + of->sq_entries * sizeof(unsigned);
    size_t completions_end = of->cq_off.cqes + of->cq_entries * sizeof(struct io_uring_cqe);
    char *rings =
        map(entries_end > completions_end ? entries_end : completions_end, IORING_OFF_SQ_RING);
    ring.entries = map(of->sq_entries * sizeof *ring.entries, IORING_OFF_SQES);
    if (rings == NULL || ring.entries == NULL) return -ENOMEM;
    unsigned *array = (unsigned *)(void *)(rings + of->sq_off.array);
    for (unsigned i = 0; i < of->sq_entries; i++) array[i] = i;
    ring.entry_count = of->sq_entries;
    ring.entry_mask = of->sq_entries - 1;
    ring.shared_tail = (void *)(rings + of->sq_off.tail);
    ring.completions = (void *)(rings + of->cq_off.cqes);
    ring.completion_mask = of->cq_entries - 1;
    ring.done_head = (void *)(rings + of->cq_off.head);
    ring.done_tail = (void *)(rings + of->cq_off.tail);
    return 0;
}

static int set_up(struct io_uring_params *params) {
    *params = (struct io_uring_params){
        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        .cq_entries = COMPLETIONS,
    };
    int fd = (int)syscall(SYS_io_uring_setup, ENTRIES, params);
    return fd < 0 ? -errno : fd;
}

int peers_uring_probe(void) {
    struct io_uring_params params;
    int fd = set_up(&params);
    if (fd >= 0) close(fd);
    return fd < 0 ? fd : 0;
}

int peers_uring_open(bool has_threads) {
    struct io_uring_params params;
    (void)has_threads;
    ring.fd = set_up(&params);
    return ring.fd < 0 ? ring.fd : map_all(&params);
}

int peers_uring_register(unsigned what, void *argument, unsigned count) {
    return syscall(SYS_io_uring_register, ring.fd, what, argument, count) < 0 ? -errno : 0;
}

/* --- Turns --- */

static int enter(unsigned wait_for) {
    unsigned count = ring.tail - ring.submitted;
    atomic_store_explicit(ring.shared_tail, ring.tail, memory_order_release);
    long done = syscall(SYS_io_uring_enter, ring.fd, count, wait_for, IORING_ENTER_GETEVENTS, NULL,
                        (size_t)0);
    if (done < 0) return errno == EINTR ? 0 : -errno;
    ring.submitted += (unsigned)done;
    return 0;
}

struct io_uring_sqe *peers_uring_entry(void) {
    if (ring.tail - ring.submitted == ring.entry_count) {
        int err = enter(0);
        if (err < 0) peers_fail(err);
    }
    struct io_uring_sqe *entry = &ring.entries[ring.tail++ & ring.entry_mask];
    memset(entry, 0, sizeof *entry);
    return entry;
}

/* Those that were there when it began, as a loop does that gives each turn an end. */
static int turn(unsigned wait_for) {
    int err = enter(wait_for);
    if (err < 0) return err;
    unsigned head = atomic_load_explicit(ring.done_head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(ring.done_tail, memory_order_acquire);
    ring.waits++;
    ring.events += tail - head;
    while (head != tail) {
        struct io_uring_cqe it = ring.completions[head & ring.completion_mask];
        atomic_store_explicit(ring.done_head, ++head, memory_order_release);
        peers_uring_completed(&it);
    }
    return 0;
}

int peers_uring_run(unsigned side) {
    (void)side;
    int err = 0;
    for (ring.is_stopped = false; !ring.is_stopped && err == 0;) err = turn(1);
    return err;
}

void peers_uring_stop(unsigned side) {
    (void)side;
    ring.is_stopped = true;
}

int peers_uring_turn(void) {
    return turn(0);
}

void peers_uring_read_counts(int64_t *waits, int64_t *events) {
    *waits = ring.waits;
    *events = ring.events;
}
