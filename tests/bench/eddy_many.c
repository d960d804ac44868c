/* eddy_many.c: operations of eddy that may cost more the more there is of something, with much of
 * it; only counted, by instructions.sh. What each promises is at the function in its header. */
#include "peers.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROUND = 64 };

static int open_loop(eddy_loop **loop, void *memory) {
    return memory == NULL ? -ENOMEM : eddy_loop_open(loop, NULL);
}

static int turn(eddy_loop *loop) {
    int err = eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    return err < 0 ? err : 0;
}

/* --- Watchers of one descriptor --- */

static void on_io(eddy_io *io, unsigned events) {
    (void)io;
    (void)events;
}

/* One of them changes what it wants and back, stops, and starts again. */
static int use_watcher(eddy_io *io, int fd) {
    int err = eddy_io_change(io, 0);
    if (err == 0) err = eddy_io_change(io, EDDY_READ);
    eddy_io_stop(io);
    return err == 0 ? eddy_io_start(io, on_io, fd, EDDY_READ) : err;
}

void peers_watch_shared_run(const struct bench_case *it, struct bench_sample *sample) {
    unsigned count = it->numbers[0];
    eddy_io *watchers = calloc(count, sizeof *watchers);
    eddy_loop *loop;
    int ends[2];
    int err = open_loop(&loop, watchers);
    if (err == 0 && pipe(ends) < 0) err = -errno;
    for (unsigned i = 0; i < count && err == 0; i++) {
        eddy_io_init(&watchers[i], loop);
        err = eddy_io_start(&watchers[i], on_io, ends[0], EDDY_READ);
    }
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        for (unsigned i = 0; i < ROUND && err == 0; i++)
            err = use_watcher(&watchers[i * (count / ROUND)], ends[0]);
        if (err == 0) err = turn(loop);
        peers_end(sample, ROUND);
    }
    if (err < 0) bench_cannot(sample, "watch-shared", err);
}

/* --- A wake that is sent, and stopped before it could run --- */

static void on_post(eddy_post *post) {
    (void)post;
}

static void on_wake(eddy_wake *wake) {
    (void)wake;
}

void peers_wake_stop_run(const struct bench_case *it, struct bench_sample *sample) {
    unsigned count = it->numbers[0];
    eddy_post *posts = calloc(count, sizeof *posts);
    eddy_wake wake;
    eddy_loop *loop;
    int err = open_loop(&loop, posts);
    if (err == 0) eddy_wake_init(&wake, loop);
    while (err == 0 && peers_go_on(it, sample)) {
        for (unsigned i = 0; i < count; i++) eddy_loop_post(loop, &posts[i], on_post);
        peers_begin();
        for (int i = 0; i < ROUND && err == 0; i++) {
            err = eddy_wake_start(&wake, on_wake);
            eddy_wake_send(&wake);
            eddy_wake_stop(&wake);
        }
        peers_end(sample, ROUND);
        while (err == 0 && eddy_loop_is_alive(loop)) err = turn(loop);
    }
    if (err < 0) bench_cannot(sample, "wake-stop", err);
}

/* --- Watchers of one signal --- */

static void on_signal(eddy_signal *watcher, int number) {
    (void)watcher;
    (void)number;
}

void peers_signal_stop_run(const struct bench_case *it, struct bench_sample *sample) {
    unsigned count = it->numbers[0], oldest = 0;
    eddy_signal *watchers = calloc(count, sizeof *watchers);
    eddy_loop *loop;
    int err = open_loop(&loop, watchers);
    for (unsigned i = 0; i < count && err == 0; i++) {
        eddy_signal_init(&watchers[i], loop);
        err = eddy_signal_start(&watchers[i], on_signal, SIGUSR1);
    }
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        for (int i = 0; i < ROUND && err == 0; i++) {
            eddy_signal_stop(&watchers[oldest]);
            err = eddy_signal_start(&watchers[oldest], on_signal, SIGUSR1);
            oldest = (oldest + 1) % count;
        }
        peers_end(sample, ROUND);
    }
    if (err < 0) bench_cannot(sample, "signal-stop", err);
}
