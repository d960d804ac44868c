/* peer_raw.c: what is written by hand, as the limit: a bare epoll loop, a bare pipe between
 * threads, a bare pread. */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of one wait: as eddy asks for, and as libuv does. */
enum { EVENTS = 256, EVENTS_MAX = 1024 };

/* --- epoll --- */

static struct {
    int epoll, events;
    bool is_stopped, has_timer;
    int64_t due_ns, period_ns; /* of the one timer */
    int wake;
    int64_t waits, ready;
} loop;

static int open_epoll(bool has_threads) {
    (void)has_threads;
    loop.events = EVENTS;
    loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    return loop.epoll < 0 ? -errno : 0;
}

static int open_epoll_large(bool has_threads) {
    int err = open_epoll(has_threads);
    loop.events = EVENTS_MAX;
    return err;
}

static int turn(int timeout_ms) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop.epoll, events, loop.events, timeout_ms);
    if (count < 0) return -errno;
    loop.waits++;
    loop.ready += count;
    for (int i = 0; i < count; i++) peers_ready(events[i].data.u32);
    return 0;
}

static int turn_with_timer(void) {
    int64_t left_ns = loop.due_ns - bench_now_ns();
    int err = turn(left_ns < 0 ? 0 : (int)((left_ns + EDDY_NS_PER_MS - 1) / EDDY_NS_PER_MS));
    int64_t now_ns = bench_now_ns();
    if (err < 0 || loop.due_ns > now_ns) return err;
    loop.due_ns = now_ns + loop.period_ns;
    peers_ticked();
    return 0;
}

static int run_epoll(unsigned side) {
    (void)side;
    loop.is_stopped = false;
    int err = 0;
    while (!loop.is_stopped && err == 0) err = loop.has_timer ? turn_with_timer() : turn(-1);
    return err;
}

static int turn_epoll(void) {
    return turn(0);
}

static void stop_epoll(unsigned side) {
    (void)side;
    loop.is_stopped = true;
}

/* What somebody keeps of each connection at the least. */
static struct connection {
    int fd;
    void *owner, *data;
    size_t size;
} * connections;

static int open_watchers(unsigned count) {
    connections = malloc(count * sizeof *connections);
    return connections == NULL ? -ENOMEM : 0;
}

static void read_counts(int64_t *waits, int64_t *events) {
    *waits = loop.waits;
    *events = loop.ready;
}

static int watch_epoll(unsigned i, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    connections[i] = (struct connection){.fd = fd};
    return epoll_ctl(loop.epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void unwatch_epoll(unsigned i, int fd) {
    (void)i;
    (void)epoll_ctl(loop.epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* One timer needs no heap. */
static int start_timer(int64_t period_ns) {
    loop.has_timer = true;
    loop.period_ns = period_ns;
    loop.due_ns = bench_now_ns() + period_ns;
    return 0;
}

static void on_wake(unsigned i) {
    uint64_t count;
    (void)i;
    if (read(loop.wake, &count, sizeof count) != sizeof count) peers_fail(-errno);
    peers_woken(0);
}

static int open_wake(void) {
    peers_ready = on_wake;
    loop.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int err = loop.wake < 0 ? -errno : open_watchers(1);
    return err < 0 ? err : watch_epoll(0, loop.wake);
}

static void wake(void) {
    uint64_t one = 1;
    if (write(loop.wake, &one, sizeof one) != sizeof one) peers_fail(-errno);
}

const struct peer peer_epoll = {
    .name = "epoll",
    .open = open_epoll,
    .run = run_epoll,
    .stop = stop_epoll,
    .turn = turn_epoll,
    .read_counts = read_counts,
    .watch_open = open_watchers,
    .watch = watch_epoll,
    .unwatch = unwatch_epoll,
    .tick_start = start_timer,
    .post_open = open_wake,
    .post = wake,
};

/* Only where there may be more events than one wait takes. */
const struct peer peer_epoll_large = {
    .name = "epoll-1024",
    .open = open_epoll_large,
    .run = run_epoll,
    .stop = stop_epoll,
    .turn = turn_epoll,
    .read_counts = read_counts,
    .watch_open = open_watchers,
    .watch = watch_epoll,
    .unwatch = unwatch_epoll,
    .is_server = true,
};

/* --- Pipes --- */

static struct {
    int ends[2];
    bool is_stopped;
} sides[PEERS_SIDES];

static int open_nothing(bool has_threads) {
    (void)has_threads;
    return 0;
}

static int open_pipe(unsigned side) {
    return pipe(sides[side].ends) < 0 ? -errno : 0;
}

static void send_byte(unsigned side, unsigned times) {
    for (unsigned i = 0; i < times; i++)
        if (write(sides[side].ends[1], "", 1) != 1) peers_fail(-errno);
}

static int run_pipe(unsigned side) {
    char byte;
    sides[side].is_stopped = false;
    while (!sides[side].is_stopped) {
        if (read(sides[side].ends[0], &byte, 1) != 1) return -errno;
        peers_woken(side);
    }
    return 0;
}

static void stop_pipe(unsigned side) {
    sides[side].is_stopped = true;
}

/* It has no `turn`: wake-ups are not sent to it while it is behind, which would fill the pipe. */
const struct peer peer_pipe = {
    .name = "pipe",
    .open = open_nothing,
    .run = run_pipe,
    .stop = stop_pipe,
    .wake_open = open_pipe,
    .wake_send = send_byte,
};

/* --- pread --- */

static struct {
    struct read {
        unsigned i;
        int fd;
        void *data;
        size_t size;
        int64_t offset;
    } * reads;
    unsigned depth, first, count;
    bool is_stopped;
} queue;

static int make_reads(unsigned depth) {
    queue.reads = calloc(depth, sizeof *queue.reads);
    queue.depth = depth;
    return queue.reads == NULL ? -ENOMEM : 0;
}

static int submit_read(unsigned i, int fd, void *data, size_t size, int64_t offset) {
    unsigned place = queue.first + queue.count++;
    if (place >= queue.depth) place -= queue.depth;
    queue.reads[place] = (struct read){i, fd, data, size, offset};
    return 0;
}

static int run_reads(unsigned side) {
    (void)side;
    queue.is_stopped = false;
    while (!queue.is_stopped && queue.count > 0) {
        struct read it = queue.reads[queue.first];
        if (++queue.first == queue.depth) queue.first = 0;
        queue.count--;
        peers_done(it.i, pread(it.fd, it.data, it.size, it.offset));
    }
    return 0;
}

static void stop_reads(unsigned side) {
    (void)side;
    queue.is_stopped = true;
}

const struct peer peer_pread = {
    .name = "pread",
    .open = open_nothing,
    .run = run_reads,
    .stop = stop_reads,
    .jobs_make = make_reads,
    .file_submit = submit_read,
};
