/* peer_uring.c: io_uring by hand as a way to watch: a poll of each descriptor that stays
 * (multishot) and tells when something has come, once. What it watches has to be read until nothing
 * is left. */
#include "uring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What nobody waits for: the end of a poll that was taken away. */
static const uint64_t silent = UINT64_MAX;

static int *watched;

static void start_poll(unsigned i) {
    struct io_uring_sqe *entry = peers_uring_entry();
    entry->opcode = IORING_OP_POLL_ADD;
    entry->fd = watched[i];
    entry->poll32_events = POLLIN;
    entry->len = IORING_POLL_ADD_MULTI;
    entry->user_data = i;
}

/* A poll may end by itself, and says so. */
static void on_poll(const struct io_uring_cqe *it) {
    unsigned i = (unsigned)it->user_data;
    if (it->user_data == silent || it->res == -ECANCELED) return;
    if (it->res < 0) {
        peers_fail(it->res);
        return;
    }
    peers_ready(i);
    if ((it->flags & IORING_CQE_F_MORE) == 0 && watched[i] >= 0) start_poll(i);
}

static int open_watchers(unsigned count) {
    watched = malloc(count * sizeof *watched);
    peers_uring_completed = on_poll;
    for (unsigned i = 0; i < count && watched != NULL; i++) watched[i] = -1;
    return watched == NULL ? -ENOMEM : 0;
}

static int watch(unsigned i, int fd) {
    watched[i] = fd;
    start_poll(i);
    return 0;
}

static void unwatch(unsigned i, int fd) {
    struct io_uring_sqe *entry = peers_uring_entry();
    (void)fd;
    watched[i] = -1;
    entry->opcode = IORING_OP_POLL_REMOVE;
    entry->addr = i;
    entry->user_data = silent;
}

/* --- Posted calls --- */

static int wake;

static void on_wake(unsigned i) {
    uint64_t count;
    (void)i;
    if (read(wake, &count, sizeof count) != sizeof count) peers_fail(-errno);
    peers_woken(0);
}

static int open_wake(void) {
    peers_ready = on_wake;
    wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int err = wake < 0 ? -errno : open_watchers(1);
    return err < 0 ? err : watch(0, wake);
}

static void post(void) {
    uint64_t one = 1;
    if (write(wake, &one, sizeof one) != sizeof one) peers_fail(-errno);
}

/* --- A timer --- */

static struct __kernel_timespec period;

/* What is due at once is a request that does nothing. */
static void start_timeout(void) {
    struct io_uring_sqe *entry = peers_uring_entry();
    bool is_due = period.tv_sec == 0 && period.tv_nsec == 0;
    entry->opcode = is_due ? IORING_OP_NOP : IORING_OP_TIMEOUT;
    entry->user_data = silent - 1;
    if (is_due) return;
    entry->addr = (uintptr_t)&period;
    entry->len = 1;
}

static void (*completed_otherwise)(const struct io_uring_cqe *it);

static void on_timeout(const struct io_uring_cqe *it) {
    if (it->user_data != silent - 1) {
        completed_otherwise(it);
        return;
    }
    start_timeout();
    peers_ticked();
}

static int tick_start(int64_t period_ns) {
    if (peers_uring_completed == NULL) peers_uring_completed = on_poll;
    completed_otherwise = peers_uring_completed;
    peers_uring_completed = on_timeout;
    period.tv_sec = period_ns / EDDY_NS_PER_S;
    period.tv_nsec = period_ns % EDDY_NS_PER_S;
    start_timeout();
    return 0;
}

const struct peer peer_uring_poll = {
    .name = "uring-poll",
    .probe = peers_uring_probe,
    .open = peers_uring_open,
    .run = peers_uring_run,
    .stop = peers_uring_stop,
    .turn = peers_uring_turn,
    .read_counts = peers_uring_read_counts,
    .watch_open = open_watchers,
    .watch = watch,
    .unwatch = unwatch,
    .tick_start = tick_start,
    .post_open = open_wake,
    .post = post,
    .tells_once = true,
};
