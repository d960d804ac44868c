/* file_ring.c: transfers and syncs that the kernel does by itself, through io_uring: a request of a
 * file that is read past the cache costs neither a thread nor two changes of one.
 * Invariant: the token 0 is that of cancels; between two submits nothing else is in the ring's
 * queue than what was put since. Read ring.h first. */
#include "os.h"

#include "eddy_config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#ifdef HAVE_IO_URING
#include "ring.h"

enum { FILE_RING_COPIED_MAX = 256 << 10 }; /* more, copied while it is submitted, takes too long */

/* Without IPIs to a loop that runs: it looks for itself before it sleeps. */
int eddy_os_file_ring_open(struct eddy_os_ring *ring, unsigned entries, unsigned under_way) {
    /* Each may be cancelled once, and that is told as well. */
    return eddy_os_ring_make(ring, entries, 2 * under_way,
                             IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL);
}

void eddy_os_file_ring_close(struct eddy_os_ring *ring) {
    eddy_os_ring_unmake(ring);
}

/* Of a pipe or a terminal io_uring would read, though an offset is given, and wait for it. Writes
 * into the cache, of which Linux does those to one file one after the other, gain nothing by it. */
bool eddy_os_file_ring_takes(int fd, bool writes, int64_t size) {
    eddy_stat stat;
    if (eddy_os_file_fstat(fd, &stat, EDDY_OS_NOWAIT) < 0) return false;
    if (!S_ISREG(stat.mode) && !S_ISBLK(stat.mode)) return false;
    if (writes || size > FILE_RING_COPIED_MAX) {
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || !(flags & O_DIRECT)) return false;
    }
    struct rlimit limit;
    return !writes || (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY);
}

static void file_ring_fill_transfer(struct io_uring_sqe *sqe, const struct eddy_os_file_job *job) {
    bool is_one = job->count == 1, writes = job->operation == EDDY_OS_FILE_WRITE;
    sqe->off = (uint64_t)job->offset;
    if (is_one) {
        sqe->opcode = writes ? IORING_OP_WRITE : IORING_OP_READ;
        sqe->addr = (uint64_t)(uintptr_t)job->vectors->iov_base;
        sqe->len = (uint32_t)job->vectors->iov_len;
    } else {
        sqe->opcode = writes ? IORING_OP_WRITEV : IORING_OP_READV;
        sqe->addr = (uint64_t)(uintptr_t)job->vectors;
        sqe->len = (uint32_t)job->count;
    }
}

bool eddy_os_file_ring_put(struct eddy_os_ring *ring, const struct eddy_os_file_job *job) {
    struct io_uring_sqe *sqe = eddy_os_ring_request(ring);
    if (sqe == NULL) return false;
    sqe->fd = job->fd;
    sqe->user_data = (uint64_t)(uintptr_t)job->token;
    if (job->operation == EDDY_OS_FILE_READ || job->operation == EDDY_OS_FILE_WRITE) {
        file_ring_fill_transfer(sqe, job);
    } else {
        sqe->opcode = IORING_OP_FSYNC;
        if (job->operation == EDDY_OS_FILE_DATASYNC) sqe->fsync_flags = IORING_FSYNC_DATASYNC;
    }
    return true;
}

unsigned eddy_os_file_ring_submit(struct eddy_os_ring *ring) {
    int taken = 1;
    while (ring_waiting(ring) > 0 && (taken > 0 || taken == -EINTR))
        taken = eddy_os_ring_enter(ring, 0, -1);
    unsigned left = ring_waiting(ring);
    ring_withdraw(ring);
    return left;
}

int eddy_os_file_ring_next(struct eddy_os_ring *ring, struct eddy_os_file_result *results,
                           int room) {
    unsigned there = ring_completions(ring), seen = 0;
    int count = 0;
    for (; seen < there && count < room; seen++) {
        const struct io_uring_cqe *cqe = ring_completion(ring, seen);
        if (cqe->user_data == 0) continue;
        results[count].token = (void *)(uintptr_t)cqe->user_data;
        results[count++].result = cqe->res;
    }
    if (seen > 0) ring_advance(ring, seen);
    return count;
}

/* The newest one of that token: a cancel that was told before has the same. */
static const struct io_uring_cqe *file_ring_find(const struct eddy_os_ring *ring, uint64_t token) {
    for (unsigned i = ring_completions(ring); i > 0; i--)
        if (ring_completion(ring, i - 1)->user_data == token) return ring_completion(ring, i - 1);
    return NULL;
}

/* The kernel looks for it at once, so that its answer is there when the call returns. It cannot
 * call back what it has given to a device. */
int eddy_os_file_ring_cancel(struct eddy_os_ring *ring, void *token) {
    uint64_t number = (uint64_t)(uintptr_t)token;
    if (file_ring_find(ring, number) != NULL) return -EALREADY;
    struct io_uring_sqe *sqe = eddy_os_ring_request(ring);
    if (sqe == NULL) return -EBUSY;
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = number;
    if (eddy_os_file_ring_submit(ring) > 0) return -EBUSY;
    const struct io_uring_cqe *answer = file_ring_find(ring, 0);
    if (answer != NULL && answer->res == 0) return 0;
    return file_ring_find(ring, number) != NULL ? -EALREADY : -EBUSY;
}

#else

int eddy_os_file_ring_open(struct eddy_os_ring *ring, unsigned entries, unsigned under_way) {
    (void)entries, (void)under_way;
    *ring = (struct eddy_os_ring){.fd = -1};
    return -ENOSYS;
}

/* Without one of them there is no call for the others. */
void eddy_os_file_ring_close(struct eddy_os_ring *ring) {
    (void)ring;
}

bool eddy_os_file_ring_takes(int fd, bool writes, int64_t size) {
    (void)fd, (void)writes, (void)size;
    return false;
}

bool eddy_os_file_ring_put(struct eddy_os_ring *ring, const struct eddy_os_file_job *job) {
    (void)ring, (void)job;
    return false;
}

unsigned eddy_os_file_ring_submit(struct eddy_os_ring *ring) {
    (void)ring;
    return 0;
}

int eddy_os_file_ring_next(struct eddy_os_ring *ring, struct eddy_os_file_result *results,
                           int room) {
    (void)ring, (void)results, (void)room;
    return 0;
}

int eddy_os_file_ring_cancel(struct eddy_os_ring *ring, void *token) {
    (void)ring, (void)token;
    return -EALREADY;
}

#endif
