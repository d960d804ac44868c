/* watchers.h: one active watcher of each kind, and callbacks that do nothing. */
#ifndef EDDY_TESTS_WATCHERS_H
#define EDDY_TESTS_WATCHERS_H

#include "net.h"

#include <signal.h>

static inline void on_io(eddy_io *io, unsigned events) {
    (void)io, (void)events;
}
static inline void on_timer(eddy_timer *timer) {
    (void)timer;
}
static inline void on_hook(eddy_hook *hook) {
    (void)hook;
}
static inline void on_defer(eddy_defer *defer) {
    (void)defer;
}
static inline void on_wake(eddy_wake *wake) {
    (void)wake;
}
static inline void on_signal(eddy_signal *watcher, int number) {
    (void)watcher, (void)number;
}
static inline void on_post(eddy_post *post) {
    (void)post;
}
static inline void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)listener, (void)peer;
    if (fd >= 0) close(fd);
}
static inline void on_connected(eddy_stream *stream, int status) {
    (void)stream, (void)status;
}
static inline void on_file(eddy_file *file) {
    (void)file;
}

struct watchers {
    eddy_io io, second;
    eddy_timer timer;
    eddy_hook hook;
    eddy_defer defer;
    eddy_wake wake;
    eddy_signal signal;
    int ends[2];
};

static inline void watchers_start(struct watchers *it, eddy_loop *loop) {
    test_pipe(it->ends);
    eddy_io_init(&it->io, loop);
    eddy_io_init(&it->second, loop);
    eddy_timer_init(&it->timer, loop);
    eddy_hook_init(&it->hook, loop);
    eddy_defer_init(&it->defer, loop);
    eddy_wake_init(&it->wake, loop);
    eddy_signal_init(&it->signal, loop);
    ck_assert_int_eq(eddy_io_start(&it->io, on_io, it->ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_start(&it->second, on_io, it->ends[0], 0), 0);
    ck_assert_int_eq(eddy_timer_start(&it->timer, on_timer, EDDY_NS_PER_S, 0), 0);
    ck_assert_int_eq(eddy_hook_start(&it->hook, EDDY_HOOK_CHECK, on_hook), 0);
    ck_assert_int_eq(eddy_defer_start(&it->defer, on_defer), 0);
    ck_assert_int_eq(eddy_wake_start(&it->wake, on_wake), 0);
    ck_assert_int_eq(eddy_signal_start(&it->signal, on_signal, SIGUSR1), 0);
}

static inline void watchers_stop(struct watchers *it) {
    eddy_io_stop(&it->io);
    eddy_io_stop(&it->second);
    eddy_timer_stop(&it->timer);
    eddy_hook_stop(&it->hook);
    eddy_defer_stop(&it->defer);
    eddy_wake_stop(&it->wake);
    eddy_signal_stop(&it->signal);
    close(it->ends[0]);
    close(it->ends[1]);
}

#endif
