/* seam_ring.c: a ring for files, of which one call fails: it is not to be had, the kernel takes no
 * more requests, or tells of one that it has given up. What it has given up it has not done. And a
 * ring that a backend makes: it is not to be had, or cannot be entered. */
#include "seam.h"

#include "../../platform/os.h"
#include "eddy_config.h"
#ifdef HAVE_IO_URING
#include "../../platform/ring.h"
#endif

#include <stdatomic.h>
#include <string.h>

__typeof__(eddy_os_file_ring_open) real_os_file_ring_open;
int eddy_os_file_ring_open(struct eddy_os_ring *ring, unsigned entries, unsigned under_way) {
    int err = seam_fail(OS_CALL_file_ring_open);
    return err < 0 ? err : real_os_file_ring_open(ring, entries, under_way);
}

/* Those that the kernel will give up, and with which error; scenarios have few under way. */
static struct {
    void *token; /* NULL: the place is free */
    int error;
} given_up[8];

static void give_up(void *token, int error) {
    int place = 0;
    while (given_up[place].token != NULL) place++;
    given_up[place].token = token;
    given_up[place].error = error;
}

static int64_t result_of(const struct eddy_os_file_result *told) {
    for (int i = 0; i < 8; i++) {
        if (given_up[i].token != told->token) continue;
        given_up[i].token = NULL;
        return given_up[i].error;
    }
    return told->result;
}

/* Transfers are cut short as those of threads are. There is nothing to be kept for longer than a
 * run: a sync, as what is given up, is a read of nothing. */
__typeof__(eddy_os_file_ring_put) real_os_file_ring_put;
bool eddy_os_file_ring_put(struct eddy_os_ring *ring, const struct eddy_os_file_job *given) {
    struct eddy_os_file_job job = *given;
    struct iovec one = {0};
    bool syncs = job.operation == EDDY_OS_FILE_SYNC || job.operation == EDDY_OS_FILE_DATASYNC;
    int err = seam_fail(OS_CALL_file_ring_next);
    if (err < 0) give_up(job.token, err);
    if (syncs || err < 0) {
        job.operation = EDDY_OS_FILE_READ;
        job.vectors = &one;
        job.count = 1;
        job.offset = 0;
    } else {
        bool writes = job.operation == EDDY_OS_FILE_WRITE;
        enum os_call call = writes ? OS_CALL_file_write : OS_CALL_file_read;
        job.vectors = seam_cut_vectors(call, job.vectors, &job.count, &one);
    }
    return real_os_file_ring_put(ring, &job);
}

/* Writes as well, though they are not past the cache. */
__typeof__(eddy_os_file_ring_takes) real_os_file_ring_takes;
bool eddy_os_file_ring_takes(int fd, bool writes, int64_t size) {
    (void)writes;
    return real_os_file_ring_takes(fd, false, size);
}

/* None of them is taken. */
__typeof__(eddy_os_file_ring_submit) real_os_file_ring_submit;
unsigned eddy_os_file_ring_submit(struct eddy_os_ring *ring) {
    unsigned head = atomic_load(ring->request_head), left = ring->tail - head;
    if (left == 0 || seam_fail(OS_CALL_file_ring_submit) == 0)
        return real_os_file_ring_submit(ring);
    ring->tail = head;
    memset(given_up, 0, sizeof given_up); /* one at a time: it is the one that was given up */
    return left;
}

__typeof__(eddy_os_file_ring_next) real_os_file_ring_next;
int eddy_os_file_ring_next(struct eddy_os_ring *ring, struct eddy_os_file_result *results,
                           int room) {
    int count = real_os_file_ring_next(ring, results, room);
    for (int i = 0; i < count; i++) results[i].result = result_of(&results[i]);
    return count;
}

__typeof__(eddy_os_file_ring_cancel) real_os_file_ring_cancel;
int eddy_os_file_ring_cancel(struct eddy_os_ring *ring, void *token) {
    int err = seam_fail(OS_CALL_file_ring_cancel);
    return err < 0 ? err : real_os_file_ring_cancel(ring, token);
}

#ifdef HAVE_IO_URING
__typeof__(eddy_os_ring_make) real_os_ring_make;
int eddy_os_ring_make(struct eddy_os_ring *ring, unsigned entries, unsigned capacity,
                      unsigned wanted) {
    int err = seam_fail(OS_CALL_ring_make);
    if (err == 0) return real_os_ring_make(ring, entries, capacity, wanted);
    *ring = (struct eddy_os_ring){.fd = -1};
    return err;
}

__typeof__(eddy_os_ring_enter) real_os_ring_enter;
int eddy_os_ring_enter(struct eddy_os_ring *ring, unsigned wait_for, int64_t timeout_ns) {
    int err = seam_fail(OS_CALL_ring_enter);
    return err < 0 ? err : real_os_ring_enter(ring, wait_for, timeout_ns);
}
#endif
