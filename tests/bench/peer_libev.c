/* peer_libev.c: libev, on epoll. Idle timeouts are pushed away with ev_timer_again. */
#include "peers.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#include <ev.h>
#pragma GCC diagnostic pop

static struct ev_loop *loops[PEERS_SIDES];

static int open_loops(bool has_threads) {
    for (int side = 0; side < (has_threads ? PEERS_SIDES : 1); side++) {
        loops[side] = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
        if (loops[side] == NULL) return -EIO;
    }
    return 0;
}

static int run(unsigned side) {
    ev_run(loops[side], 0);
    return 0;
}

static void stop(unsigned side) {
    ev_break(loops[side], EVBREAK_ONE);
}

static int turn(void) {
    ev_run(loops[0], EVRUN_NOWAIT);
    return 0;
}

/* --- Watchers --- */

static ev_io *ios;

static void on_ready(struct ev_loop *loop, ev_io *io, int events) {
    (void)loop, (void)events;
    peers_ready((unsigned)(io - ios));
}

static int watch_open(unsigned count) {
    ios = malloc(count * sizeof *ios);
    for (unsigned i = 0; i < count && ios != NULL; i++) ev_init(&ios[i], on_ready);
    return ios == NULL ? -ENOMEM : 0;
}

static int watch(unsigned i, int fd) {
    ev_io_set(&ios[i], fd, EV_READ);
    ev_io_start(loops[0], &ios[i]);
    return 0;
}

static void unwatch(unsigned i, int fd) {
    (void)fd;
    ev_io_stop(loops[0], &ios[i]);
}

/* --- Timers --- */

static ev_timer *timers;

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events) {
    (void)loop, (void)timer, (void)events;
    peers_fired++;
}

static int timers_make(unsigned count) {
    timers = malloc(count * sizeof *timers);
    for (unsigned i = 0; i < count && timers != NULL; i++)
        ev_timer_init(&timers[i], on_timer, 0., 60.);
    return timers == NULL ? -ENOMEM : 0;
}

static int timers_start(const int64_t *delays_ns, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        ev_timer_set(&timers[i], (double)delays_ns[i] * 1e-9, 0.);
        ev_timer_start(loops[0], &timers[i]);
    }
    return 0;
}

static void timers_stop(unsigned count) {
    for (unsigned i = 0; i < count; i++) ev_timer_stop(loops[0], &timers[i]);
}

static int timers_push(int64_t delay_ns, const unsigned *which, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        timers[which[i]].repeat = (double)delay_ns * 1e-9;
        ev_timer_again(loops[0], &timers[which[i]]);
    }
    return 0;
}

static int timer_change(unsigned which, bool is_due) {
    ev_timer_stop(loops[0], &timers[which]);
    ev_timer_set(&timers[which], 0., 0.);
    if (is_due) ev_timer_start(loops[0], &timers[which]);
    return 0;
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events) {
    (void)loop, (void)timer, (void)events;
    peers_ticked();
}

/* What is due already makes a turn that does not wait; a picosecond later it is. */
static int tick_start(int64_t period_ns) {
    static ev_timer timer;
    double repeat = period_ns == 0 ? 1e-12 : (double)period_ns * 1e-9;
    ev_timer_init(&timer, on_tick, repeat, repeat);
    ev_timer_start(loops[0], &timer);
    return 0;
}

/* --- Wake-ups --- */

static ev_async asyncs[PEERS_SIDES];

static void on_async(struct ev_loop *loop, ev_async *async, int events) {
    (void)loop, (void)events;
    peers_woken((unsigned)(async - asyncs));
}

static int wake_open(unsigned side) {
    ev_async_init(&asyncs[side], on_async);
    ev_async_start(loops[side], &asyncs[side]);
    return 0;
}

static void wake_send(unsigned side, unsigned times) {
    for (unsigned i = 0; i < times; i++) ev_async_send(loops[side], &asyncs[side]);
}

static int post_open(void) {
    return wake_open(0);
}

/* It writes nothing where the loop is awake: the next turn finds the flag and does not wait. */
static void post(void) {
    ev_async_send(loops[0], &asyncs[0]);
}

/* --- Children: it watches them, in its default loop, and starts none --- */

static ev_child *children;

static void on_child(struct ev_loop *loop, ev_child *child, int events) {
    (void)events;
    ev_child_stop(loop, child);
    peers_exited((unsigned)(child - children),
                 WIFEXITED(child->rstatus) ? WEXITSTATUS(child->rstatus) : -1);
}

static int spawn_open(unsigned depth) {
    children = calloc(depth, sizeof *children);
    loops[0] = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
    return children == NULL || loops[0] == NULL ? -ENOMEM : 0;
}

static int spawn(unsigned i, char *const *arguments) {
    pid_t child;
    int err = posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ);
    if (err != 0) return -err;
    ev_child_init(&children[i], on_child, child, 0);
    ev_child_start(loops[0], &children[i]);
    return 0;
}

static const char *library(void) {
    static char text[32];
    snprintf(text, sizeof text, "libev %d.%d", ev_version_major(), ev_version_minor());
    return text;
}

const struct peer peer_libev = {
    .name = "libev",
    .library = library,
    .open = open_loops,
    .run = run,
    .stop = stop,
    .turn = turn,
    .watch_open = watch_open,
    .watch = watch,
    .unwatch = unwatch,
    .timers_make = timers_make,
    .timers_start = timers_start,
    .timers_stop = timers_stop,
    .timers_push = timers_push,
    .timer_change = timer_change,
    .tick_start = tick_start,
    .wake_open = wake_open,
    .wake_send = wake_send,
    .post_open = post_open,
    .post = post,
    .spawn_open = spawn_open,
    .spawn = spawn,
};
