/* wakeup.c: a byte in a pipe wakes a loop that sleeps in its backend.
 *
 * Where each write is told as an edge, though nobody has read the one before (epoll), the pipe is
 * read only now and then, long before it can be full: a wake-up costs two system calls, write and
 * wait, not three. An eventfd does the same, and is there for comparison.
 *
 * Invariant: for each list that was begun at the waiting marker there is exactly one write that has
 * been or will be, read back or refused. Counting all of them is how a close knows that no sender
 * still uses the loop. Threading: eddy__wakeup_send from any thread and from signal handlers, the
 * rest from the loop's. */
#include "wakeup.h"

#include "handle.h"
#include "loop.h"

#include <errno.h>
#include <stdatomic.h>

/* Bytes that may lie in the pipe unread once a wait has told of them; a pipe that holds one more
 * never refuses a write but with an edge still to be told. The smallest holds 4,096: one page,
 * which is all that Linux gives to a user who has many (fs.pipe-user-pages-soft). */
enum { WAKEUP_UNREAD_MAX = 1024, WAKEUP_READ_BYTES = 2 * WAKEUP_UNREAD_MAX };

void eddy__wakeup_send(eddy_loop *loop) {
    struct wakeup *wakeup = &loop->wakeup;
    static const uint64_t one = 1;
    size_t size = wakeup->is_eventfd ? sizeof one : 1; /* a number to add, or a byte */
    unsigned rounds = 0;
    if (wakeup->error < 0) return;
    observe_send(loop, EDDY_TRACE_WAKEUP, EDDY_KINDS, NULL, 0);
    ssize_t written;
    /* A full pipe is as good as a byte more: the list is the truth. But Linux may have no page for
     * a pipe just now, and without the byte the loop would sleep on. Test: tests/fault/core.c. */
    while ((written = eddy_os_write(wakeup->ends[1], &one, size)) == -ENOMEM)
        eddy_os_back_off(&rounds);
    /* Release: the sender has done with the loop then, which close acquires. */
    if (written < 0) atomic_fetch_add_explicit(&wakeup->refused, 1, memory_order_release);
}

void eddy__wakeup_read(eddy_loop *loop) {
    struct wakeup *wakeup = &loop->wakeup;
    uint64_t data[WAKEUP_READ_BYTES / sizeof(uint64_t)];
    ssize_t bytes = eddy_os_read(wakeup->ends[0], data, sizeof data);
    loop->metrics.wake_reads++;
    if (bytes > 0) wakeup->read += wakeup->is_eventfd ? data[0] : (uint64_t)bytes;
}

void eddy__wakeup_expect(eddy_loop *loop) {
    loop->wakeup.due++;
}

/* Written, or about to be, and not read. Signed: in a child that has only its parent's pipe, more
 * than will ever be due counts as read. */
static int64_t wakeup_unread(const struct wakeup *wakeup) {
    unsigned refused = atomic_load_explicit(&wakeup->refused, memory_order_relaxed);
    return (int64_t)(wakeup->due - wakeup->read - refused);
}

/* Only here, after a wait has told of it, may the pipe be read: before, the byte is what shows to
 * somebody else's poller that the loop has to be run. All is read, since Linux uses a page anew
 * only when it has been read to its end. Test: tests/regress/inbox.c. */
void eddy__wakeup_see(eddy_loop *loop) {
    struct wakeup *wakeup = &loop->wakeup;
    if (!wakeup->is_edge) {
        eddy__wakeup_read(loop);
    } else if (!wakeup->is_eventfd && wakeup_unread(wakeup) >= WAKEUP_UNREAD_MAX) {
        uint64_t before;
        do {
            before = wakeup->read;
            eddy__wakeup_read(loop);
        } while (wakeup->read - before == WAKEUP_READ_BYTES);
    }
}

static unsigned wakeup_interest(const struct wakeup *wakeup) {
    return wakeup->is_edge ? EDDY_READ | EDDY_EDGE : EDDY_READ;
}

/* Phase 5 sees it first; its turn is phase 6. After a fork, or when leaked registrations were
 * ended, the backend may have had no memory for it. Nobody else would ever ask for it again, so the
 * loop does so in each turn until it has, and looks into its inbox meanwhile. */
static void on_wakeup(eddy_io *io, unsigned events) {
    struct wakeup *wakeup = &io->handle.loop->wakeup;
    int error = events & EDDY_ERROR ? eddy_io_error(io) : 0;
    if (error != 0 && error != -EBADF) (void)eddy_io_change(io, wakeup_interest(wakeup));
    io->handle.loop->due |= DUE_WAKEUP;
    io->handle.loop->metrics.callbacks--; /* nobody's but the loop's */
}

/* --- Opening and closing --- */

static int wakeup_open_ends(const struct wakeup *wakeup, int ends[2]) {
    if (!wakeup->is_eventfd) return eddy_os_pipe(ends);
    ends[0] = ends[1] = eddy_os_eventfd();
    return ends[0] < 0 ? ends[0] : 0;
}

static void wakeup_close_ends(const int ends[2]) {
    eddy_os_close(ends[0]);
    if (ends[1] != ends[0]) eddy_os_close(ends[1]);
}

/* Whether this kernel tells of a byte that is written behind one that nobody has read. Linux does,
 * but not from 5.5 to 5.13 (5.10 again since .56); sleeping there would be for ever. */
static bool wakeup_tells_each_write(eddy_loop *loop) {
    for (int i = 0; i < 2; i++) {
        struct eddy_record record = {0};
        int count = 0;
        eddy__wakeup_send(loop);
        loop->wakeup.due++;
        /* A signal may end a wait, so one that found nothing has not said no. */
        for (int tries = 0; tries < 4 && count == 0; tries++)
            count = loop_backend(loop)->wait(loop->backend_state, &record, 1, 0);
        if (count != 1 || (int)(uint32_t)record.token != loop->wakeup.ends[0]) return false;
    }
    return true;
}

int eddy__wakeup_open(eddy_loop *loop) {
    struct wakeup *wakeup = &loop->wakeup;
    atomic_init(&wakeup->refused, 0);
    wakeup->is_eventfd = loop->config.wakeup == EDDY_WAKEUP_EVENTFD;
    wakeup->is_edge = (loop_backend(loop)->capabilities & BACKEND_TELLS_EACH_WRITE) != 0;
    eddy_io_init(&wakeup->io, loop);
    handle_set_inner(&wakeup->io.handle);
    eddy_unref(&wakeup->io.handle);
    int err = wakeup_open_ends(wakeup, wakeup->ends);
    if (err < 0) return err;
    err = eddy_io_start(&wakeup->io, on_wakeup, wakeup->ends[0], wakeup_interest(wakeup));
    if (err == 0 && wakeup->is_edge && !wakeup->is_eventfd && !wakeup_tells_each_write(loop)) {
        eddy__wakeup_read(loop);
        wakeup->is_edge = false;
        err = eddy_io_change(&wakeup->io, wakeup_interest(wakeup));
    }
    if (err < 0) wakeup_close_ends(wakeup->ends);
    return err;
}

static bool wakeup_is_under_way(eddy_loop *loop) {
    struct wakeup *wakeup = &loop->wakeup;
    unsigned refused = atomic_load_explicit(&wakeup->refused, memory_order_acquire);
    return wakeup->read + refused < wakeup->due;
}

void eddy__wakeup_close(eddy_loop *loop) {
    /* A sender pushes and then writes. Its call has been run or withdrawn, or the loop would not be
     * closing, but the write may still be under way, and the pipe must be there for it: a
     * withdrawal takes the list without waiting for it. */
    unsigned rounds = 0;
    while (wakeup_is_under_way(loop)) {
        eddy__wakeup_read(loop);
        if (wakeup_is_under_way(loop)) eddy_os_back_off(&rounds);
    }
    eddy_io_stop(&loop->wakeup.io);
    wakeup_close_ends(loop->wakeup.ends);
}

/* The new pipe takes the numbers of the old one, so that its watcher need not know. */
static int wakeup_replace(struct wakeup *wakeup) {
    int ends[2];
    int err = wakeup_open_ends(wakeup, ends);
    if (err < 0) return err;
    err = eddy_os_replace(wakeup->ends[0], ends[0]);
    if (ends[1] == ends[0]) return err;
    int result = eddy_os_replace(wakeup->ends[1], ends[1]);
    return err < 0 ? err : result;
}

void eddy__wakeup_reopen(eddy_loop *loop) {
    struct wakeup *wakeup = &loop->wakeup;
    loop->due &= ~(unsigned)DUE_WAKEUP; /* it was told of the parent's */
    atomic_store_explicit(&wakeup->refused, 0, memory_order_relaxed);
    /* Without one of its own a child does not touch its parent's: a byte that it read would be
     * missed by the parent, whose close would wait for it for ever, and one that it wrote would be
     * one too many, after which that would not wait for a sender. So the loop waits for nothing
     * (see eddy__io_rebuild), and its close for nobody: a forked child has no other thread. Test:
     * tests/fault/fork.c. */
    wakeup->error = wakeup_replace(wakeup);
    wakeup->read = UINT64_MAX / 2;
    if (wakeup->error < 0) return;
    wakeup->read = wakeup->due; /* what had arrived was told through the parent's pipe */
    atomic_store(&wakeup->process, eddy_os_process_id());
}
