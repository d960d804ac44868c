/* peer_libevent.c: libevent, with events and with bufferevents; without locks where no other thread
 * wakes it. Idle timeouts share a common timeout. */
#include "peers.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct event_base *loops[PEERS_SIDES];

static int open_with(int flags, bool has_threads) {
    if (has_threads && evthread_use_pthreads() < 0) return -EIO;
    for (int side = 0; side < (has_threads ? PEERS_SIDES : 1); side++) {
        struct event_config *config = event_config_new();
        if (config == NULL) return -ENOMEM;
        event_config_set_flag(config, flags | (has_threads ? 0 : EVENT_BASE_FLAG_NOLOCK));
        loops[side] = event_base_new_with_config(config);
        event_config_free(config);
        if (loops[side] == NULL) return -EIO;
    }
    return 0;
}

static int open_loops(bool has_threads) {
    return open_with(0, has_threads);
}

/* Changes of what is watched wait for the turn, and those that cancel out are no system calls. */
static int open_changelist(bool has_threads) {
    return open_with(EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST, has_threads);
}

static int run(unsigned side) {
    return event_base_loop(loops[side], EVLOOP_NO_EXIT_ON_EMPTY) < 0 ? -EIO : 0;
}

static void stop(unsigned side) {
    event_base_loopbreak(loops[side]);
}

static int turn(void) {
    return event_base_loop(loops[0], EVLOOP_NONBLOCK) < 0 ? -EIO : 0;
}

/* --- Watchers --- */

static struct event *ios;

static void on_ready(int fd, short events, void *argument) {
    (void)fd, (void)events;
    peers_ready((unsigned)((struct event *)argument - ios));
}

static int watch_open(unsigned count) {
    ios = malloc(count * sizeof *ios);
    return ios == NULL ? -ENOMEM : 0;
}

static int watch(unsigned i, int fd) {
    if (event_assign(&ios[i], loops[0], fd, EV_READ | EV_PERSIST, on_ready, &ios[i]) < 0)
        return -EINVAL;
    return event_add(&ios[i], NULL) < 0 ? -EIO : 0;
}

static void unwatch(unsigned i, int fd) {
    (void)fd;
    event_del(&ios[i]);
}

/* --- Bufferevents --- */

/* What each has to write: it tells when all is written, and not how much that was. */
static void on_data(struct bufferevent *stream, void *argument) {
    struct evbuffer *input = bufferevent_get_input(stream);
    *(size_t *)argument += evbuffer_get_length(input);
    if (bufferevent_write_buffer(stream, input) < 0) peers_fail(-EIO);
}

static void on_sent(struct bufferevent *stream, void *argument) {
    size_t *unsent = argument, sent = *unsent;
    (void)stream;
    *unsent = 0;
    peers_echoed(sent);
}

static void on_end(struct bufferevent *stream, short events, void *argument) {
    (void)stream, (void)events, (void)argument;
    peers_fail(-EPIPE);
}

static int serve_buffers(const int *fds, unsigned count, unsigned active) {
    size_t *unsent = calloc(count, sizeof *unsent);
    (void)active;
    if (unsent == NULL) return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        struct bufferevent *stream = bufferevent_socket_new(loops[0], fds[i], 0);
        if (stream == NULL) return -ENOMEM;
        bufferevent_setcb(stream, on_data, on_sent, on_end, &unsent[i]);
        if (bufferevent_enable(stream, EV_READ | EV_WRITE) < 0) return -EIO;
    }
    return 0;
}

/* It tells when all is written, and not of what. */
static struct {
    struct bufferevent *stream;
    unsigned queued[16], count;
} writer;

static void on_written(struct bufferevent *stream, void *argument) {
    unsigned done[sizeof writer.queued / sizeof writer.queued[0]], count = writer.count;
    (void)stream, (void)argument;
    memcpy(done, writer.queued, sizeof done);
    writer.count = 0;
    for (unsigned i = 0; i < count; i++) peers_written(done[i]);
}

static int pipe_open(int fd, unsigned depth) {
    if (depth > sizeof writer.queued / sizeof writer.queued[0]) return -EINVAL;
    writer.stream = bufferevent_socket_new(loops[0], fd, 0);
    if (writer.stream == NULL) return -ENOMEM;
    bufferevent_setcb(writer.stream, NULL, on_written, on_end, NULL);
    return bufferevent_enable(writer.stream, EV_WRITE) < 0 ? -EIO : 0;
}

/* By reference, so that nothing is copied. */
static int pipe_write(unsigned i, void *data, size_t size) {
    struct evbuffer *out = bufferevent_get_output(writer.stream);
    writer.queued[writer.count++] = i;
    return evbuffer_add_reference(out, data, size, NULL, NULL) < 0 ? -EIO : 0;
}

/* --- Timers --- */

static struct event *timers;

static struct timeval time_of(int64_t ns) {
    return (struct timeval){.tv_sec = ns / EDDY_NS_PER_S,
                            .tv_usec = ns % EDDY_NS_PER_S / EDDY_NS_PER_US};
}

static void on_timer(int fd, short events, void *argument) {
    (void)fd, (void)events, (void)argument;
    peers_fired++;
}

static int timers_make(unsigned count) {
    timers = malloc(count * sizeof *timers);
    for (unsigned i = 0; i < count && timers != NULL; i++)
        if (evtimer_assign(&timers[i], loops[0], on_timer, NULL) < 0) return -EIO;
    return timers == NULL ? -ENOMEM : 0;
}

static int timers_start(const int64_t *delays_ns, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct timeval delay = time_of(delays_ns[i]);
        if (evtimer_add(&timers[i], &delay) < 0) return -EIO;
    }
    return 0;
}

static void timers_stop(unsigned count) {
    for (unsigned i = 0; i < count; i++) evtimer_del(&timers[i]);
}

static int timers_push(int64_t delay_ns, const unsigned *which, unsigned count) {
    static const struct timeval *common;
    struct timeval delay = time_of(delay_ns);
    if (common == NULL) common = event_base_init_common_timeout(loops[0], &delay);
    if (common == NULL) return -EIO;
    for (unsigned i = 0; i < count; i++)
        if (evtimer_add(&timers[which[i]], common) < 0) return -EIO;
    return 0;
}

static int timer_change(unsigned which, bool is_due) {
    struct timeval zero = {0};
    evtimer_del(&timers[which]);
    return is_due ? evtimer_add(&timers[which], &zero) : 0;
}

static struct event ticker;

static void on_tick(int fd, short events, void *argument) {
    const struct timeval *period = argument;
    (void)fd, (void)events;
    if (event_add(&ticker, period) < 0) peers_fail(-EIO);
    peers_ticked();
}

/* Added again in its callback: what persists counts from a reading before that, and sleeps. */
static int tick_start(int64_t period_ns) {
    static struct timeval period;
    period = time_of(period_ns);
    if (evtimer_assign(&ticker, loops[0], on_tick, &period) < 0) return -EIO;
    return event_add(&ticker, &period) < 0 ? -EIO : 0;
}

/* --- Wake-ups --- */

static struct event wakes[PEERS_SIDES];

static void on_wake(int fd, short events, void *argument) {
    (void)fd, (void)events;
    peers_woken((unsigned)((struct event *)argument - wakes));
}

static int wake_open(unsigned side) {
    return event_assign(&wakes[side], loops[side], -1, EV_PERSIST, on_wake, &wakes[side]) < 0 ? -EIO
                                                                                              : 0;
}

static void wake_send(unsigned side, unsigned times) {
    for (unsigned i = 0; i < times; i++) event_active(&wakes[side], EV_READ, 0);
}

static int post_open(void) {
    return wake_open(0);
}

/* Left alone, libevent would run it in the same turn. */
static void post(void) {
    event_active(&wakes[0], EV_READ, 0);
    event_base_loopcontinue(loops[0]);
}

static const char *library(void) {
    static char text[32];
    snprintf(text, sizeof text, "libevent %s", event_get_version());
    return text;
}

const struct peer peer_libevent = {
    .name = "libevent",
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
};

const struct peer peer_libevent_changelist = {
    .name = "libevent-list",
    .open = open_changelist,
    .run = run,
    .stop = stop,
    .turn = turn,
    .watch_open = watch_open,
    .watch = watch,
    .unwatch = unwatch,
};

const struct peer peer_bufferevent = {
    .name = "bufferevent",
    .open = open_loops,
    .run = run,
    .stop = stop,
    .turn = turn,
    .serve = serve_buffers,
    .pipe_open = pipe_open,
    .pipe_write = pipe_write,
};
