/* peer_ae.c: ae, the loop inside Redis, compiled from Redis' sources when they are there
 * (meson.build). Its timers are a list, which has no restart and in which a stop searches, so that
 * it has one timer here and is left out where there are many. It has no wake-ups either: what is
 * posted goes through an eventfd, as by hand. Of what ae.c calls in Redis, what is needed to link
 * it stands at the end; no turn calls any of that. */
#include "peers.h"

#include <ae.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <version.h>

/* The largest descriptor, and the most events that it takes from a wait. Its tables are this long
 * from the start, so that idle connections show no memory. */
enum { DESCRIPTORS = 65536 };

static aeEventLoop *loop;

static int open_loop(bool has_threads) {
    (void)has_threads;
    loop = aeCreateEventLoop(DESCRIPTORS);
    return loop == NULL ? -ENOMEM : 0;
}

static int run(unsigned side) {
    (void)side;
    aeMain(loop);
    return 0;
}

static void stop(unsigned side) {
    (void)side;
    aeStop(loop);
}

static int turn(void) {
    aeProcessEvents(loop, AE_ALL_EVENTS | AE_DONT_WAIT);
    return 0;
}

/* --- Watchers --- */

static void on_ready(aeEventLoop *it, int fd, void *data, int events) {
    (void)it, (void)fd, (void)events;
    peers_ready((unsigned)(uintptr_t)data);
}

static int watch_open(unsigned count) {
    (void)count;
    return 0;
}

static int watch_with(aeFileProc *fn, unsigned i, int fd) {
    int status = aeCreateFileEvent(loop, fd, AE_READABLE, fn, (void *)(uintptr_t)i);
    return status == AE_ERR ? -errno : 0;
}

static int watch(unsigned i, int fd) {
    return watch_with(on_ready, i, fd);
}

static void unwatch(unsigned i, int fd) {
    (void)i;
    aeDeleteFileEvent(loop, fd, AE_READABLE);
}

/* --- A timer --- */

static int on_tick(aeEventLoop *it, long long id, void *data) {
    (void)it, (void)id;
    peers_ticked();
    return *(const int *)data; /* milliseconds from now; 0: in the next turn */
}

static int tick_start(int64_t period_ns) {
    static int period_ms;
    period_ms = (int)(period_ns / EDDY_NS_PER_MS);
    return aeCreateTimeEvent(loop, period_ms, on_tick, &period_ms, NULL) == AE_ERR ? -ENOMEM : 0;
}

/* --- Posted calls --- */

static int wake;

static void on_wake(aeEventLoop *it, int fd, void *data, int events) {
    uint64_t count;
    (void)it, (void)data, (void)events;
    if (read(fd, &count, sizeof count) != sizeof count) peers_fail(-errno);
    peers_woken(0);
}

static int post_open(void) {
    wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return wake < 0 ? -errno : watch_with(on_wake, 0, wake);
}

static void post(void) {
    uint64_t one = 1;
    if (write(wake, &one, sizeof one) != sizeof one) peers_fail(-errno);
}

static const char *library(void) {
    return "ae of Redis " REDIS_VERSION;
}

const struct peer peer_ae = {
    .name = "ae",
    .library = library,
    .open = open_loop,
    .run = run,
    .stop = stop,
    .turn = turn,
    .watch_open = watch_open,
    .watch = watch,
    .unwatch = unwatch,
    .tick_start = tick_start,
    .post_open = post_open,
    .post = post,
};

/* --- For ae.c and monotonic.c --- */

void *zmalloc(size_t size);
void *zrealloc(void *old, size_t size);
void zfree(void *old);
int anetCloexec(int fd);
void _serverAssert(const char *what, const char *file, int line);
void _serverPanic(const char *file, int line, const char *message, ...);

void *zmalloc(size_t size) {
    return malloc(size);
}

void *zrealloc(void *old, size_t size) {
    return realloc(old, size);
}

void zfree(void *old) {
    free(old);
}

int anetCloexec(int fd) {
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void _serverAssert(const char *what, const char *file, int line) {
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

void _serverPanic(const char *file, int line, const char *message, ...) {
    _serverAssert(message, file, line);
}
