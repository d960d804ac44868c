/* peer_libxev.c: libxev, as far as its C interface goes: timers of milliseconds and wake-ups, on
 * io_uring. Each timer is a request in the kernel, and to stop it or push it away is another one.
 * Descriptors, streams and files can be had from Zig only, and so can an end of its loop: here it
 * makes turns until it is told to stop.
 *
 * What is used of its header is declared here, since the sizes there are constant variables, which
 * GCC does not take for the size of an array. */
#include "peers.h"

#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

enum { LOOP_BYTES = 512, COMPLETION_BYTES = 320, WATCHER_BYTES = 256 };
enum { RUN_NO_WAIT, RUN_ONCE };
enum { DISARM, REARM };

typedef struct {
    alignas(max_align_t) unsigned char data[LOOP_BYTES];
} xev_loop;
typedef struct {
    alignas(max_align_t) unsigned char data[COMPLETION_BYTES];
} xev_completion;
typedef struct {
    alignas(max_align_t) unsigned char data[WATCHER_BYTES];
} xev_watcher;
typedef int xev_fn(xev_loop *loop, xev_completion *completion, int result, void *data);

int xev_loop_init(xev_loop *loop);
int xev_loop_run(xev_loop *loop, int mode);
void xev_completion_zero(xev_completion *completion);
int xev_timer_init(xev_watcher *timer);
void xev_timer_run(xev_watcher *timer, xev_loop *loop, xev_completion *completion, uint64_t ms,
                   void *data, xev_fn *fn);
void xev_timer_reset(xev_watcher *timer, xev_loop *loop, xev_completion *completion,
                     xev_completion *cancel, uint64_t ms, void *data, xev_fn *fn);
void xev_timer_cancel(xev_watcher *timer, xev_loop *loop, xev_completion *completion,
                      xev_completion *cancel, void *data, xev_fn *fn);
int xev_async_init(xev_watcher *async);
int xev_async_notify(xev_watcher *async);
void xev_async_wait(xev_watcher *async, xev_loop *loop, xev_completion *completion, void *data,
                    xev_fn *fn);

static struct side {
    xev_loop loop;
    xev_watcher async;
    xev_completion awaited;
    bool is_stopped;
} sides[PEERS_SIDES];

static int open_loops(bool has_threads) {
    for (int i = 0; i < (has_threads ? PEERS_SIDES : 1); i++)
        if (xev_loop_init(&sides[i].loop) != 0) return -EIO;
    return 0;
}

static int run(unsigned side) {
    struct side *it = &sides[side];
    it->is_stopped = false;
    while (!it->is_stopped)
        if (xev_loop_run(&it->loop, RUN_ONCE) != 0) return -EIO;
    return 0;
}

static void stop(unsigned side) {
    sides[side].is_stopped = true;
}

static int turn(void) {
    return xev_loop_run(&sides[0].loop, RUN_NO_WAIT) == 0 ? 0 : -EIO;
}

/* --- Timers --- */

/* A timer's watcher has no state. */
static xev_watcher watcher;

static struct timer { xev_completion completion, cancel; } * timers;

static int timers_make(unsigned count) {
    timers = calloc(count, sizeof *timers);
    for (unsigned i = 0; i < count && timers != NULL; i++) {
        xev_completion_zero(&timers[i].completion);
        xev_completion_zero(&timers[i].cancel);
    }
    return timers == NULL ? -ENOMEM : xev_timer_init(&watcher) == 0 ? 0 : -EIO;
}

/* Also of one that was stopped, whose result is an error. */
static int on_timer(xev_loop *loop, xev_completion *completion, int result, void *data) {
    (void)loop, (void)completion, (void)data;
    if (result == 0) peers_fired++;
    return DISARM;
}

static int on_cancelled(xev_loop *loop, xev_completion *completion, int result, void *data) {
    (void)loop, (void)completion, (void)result, (void)data;
    return DISARM;
}

static uint64_t ms_of(int64_t ns) {
    return (uint64_t)((ns + EDDY_NS_PER_MS - 1) / EDDY_NS_PER_MS);
}

static int timers_start(const int64_t *delays_ns, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        xev_timer_run(&watcher, &sides[0].loop, &timers[i].completion, ms_of(delays_ns[i]), NULL,
                      on_timer);
    return 0;
}

static void timer_stop(struct timer *it) {
    xev_timer_cancel(&watcher, &sides[0].loop, &it->completion, &it->cancel, NULL, on_cancelled);
}

static void timers_stop(unsigned count) {
    for (unsigned i = 0; i < count; i++) timer_stop(&timers[i]);
}

static void timer_push(struct timer *it, int64_t delay_ns) {
    xev_timer_reset(&watcher, &sides[0].loop, &it->completion, &it->cancel, ms_of(delay_ns), NULL,
                    on_timer);
}

static int timers_push(int64_t delay_ns, const unsigned *which, unsigned count) {
    for (unsigned i = 0; i < count; i++) timer_push(&timers[which[i]], delay_ns);
    return 0;
}

/* One that repeats with each turn is a descriptor that is always ready. */
static int on_always(xev_loop *loop, xev_completion *completion, int result, void *data) {
    (void)loop, (void)completion, (void)data;
    if (result != 0) peers_fail(-EIO);
    peers_ready(0);
    return sides[0].is_stopped ? DISARM : REARM;
}

static int watch_one(int fd) {
    static xev_completion always;
    (void)fd;
    xev_completion_zero(&always);
    xev_timer_run(&watcher, &sides[0].loop, &always, 0, NULL, on_always);
    return 0;
}

static int on_tick(xev_loop *loop, xev_completion *completion, int result, void *data) {
    (void)loop, (void)completion, (void)data;
    if (result != 0) peers_fail(-EIO);
    peers_ticked();
    return REARM;
}

static int tick_start(int64_t period_ns) {
    static xev_completion completion;
    xev_completion_zero(&completion);
    if (xev_timer_init(&watcher) != 0) return -EIO;
    xev_timer_run(&watcher, &sides[0].loop, &completion, ms_of(period_ns), NULL, on_tick);
    return 0;
}

/* --- Wake-ups --- */

static int on_async(xev_loop *loop, xev_completion *completion, int result, void *data) {
    (void)loop, (void)completion;
    if (result != 0) peers_fail(-EIO);
    peers_woken((unsigned)((struct side *)data - sides));
    return REARM;
}

static int wake_open(unsigned side) {
    struct side *it = &sides[side];
    xev_completion_zero(&it->awaited);
    if (xev_async_init(&it->async) != 0) return -EIO;
    xev_async_wait(&it->async, &it->loop, &it->awaited, it, on_async);
    return 0;
}

static void wake_send(unsigned side, unsigned times) {
    for (unsigned i = 0; i < times; i++)
        if (xev_async_notify(&sides[side].async) != 0) peers_fail(-EIO);
}

static int post_open(void) {
    return wake_open(0);
}

static void post(void) {
    wake_send(0, 1);
}

static const char *library(void) {
    return "libxev";
}

const struct peer peer_libxev = {
    .name = "libxev",
    .library = library,
    .open = open_loops,
    .run = run,
    .stop = stop,
    .turn = turn,
    .watch_one = watch_one,
    .timers_make = timers_make,
    .timers_start = timers_start,
    .timers_stop = timers_stop,
    .timers_push = timers_push,
    .tick_start = tick_start,
    .wake_open = wake_open,
    .wake_send = wake_send,
    .post_open = post_open,
    .post = post,
    .defers_timers = true,
};
