/* peer_libuv.c: libuv: with streams that write by request, which is its usual way; with streams
 * that try to write at once; and with uv_poll, where the server reads and writes itself. */
#include "peer_libuv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static uv_loop_t loops[PEERS_SIDES];

uv_loop_t *peers_libuv_loop(void) {
    return &loops[0];
}

static int open_loops(bool has_threads) {
    setenv("UV_THREADPOOL_SIZE", "4", 1);
    int err = uv_loop_init(&loops[0]);
    return err < 0 || !has_threads ? err : uv_loop_init(&loops[1]);
}

/* Files by io_uring, where it has that (1.45 and later) and the kernel lets a thread of its own
 * poll the ring; else as ever. */
static int open_with_uring(bool has_threads) {
    setenv("UV_USE_IO_URING", "1", 1);
    int err = open_loops(has_threads);
#ifdef UV_LOOP_USE_IO_URING_SQPOLL
    if (err == 0) err = uv_loop_configure(&loops[0], UV_LOOP_USE_IO_URING_SQPOLL);
#endif
    return err;
}

static int run(unsigned side) {
    return uv_run(&loops[side], UV_RUN_DEFAULT) < 0 ? -EIO : 0;
}

static void stop(unsigned side) {
    uv_stop(&loops[side]);
}

static int turn(void) {
    return uv_run(&loops[0], UV_RUN_NOWAIT) < 0 ? -EIO : 0;
}

#if UV_VERSION_HEX >= 0x012d00 /* 1.45 */
static void count_events(int64_t *waits, int64_t *events) {
    uv_metrics_t metrics;
    uv_metrics_info(&loops[0], &metrics);
    *waits = (int64_t)metrics.loop_count;
    *events = (int64_t)metrics.events;
}
#else
#define count_events NULL
#endif

/* --- Watchers --- */

static uv_poll_t *polls;

static void on_ready(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    peers_ready((unsigned)(poll - polls));
}

static int watch_open(unsigned count) {
    polls = malloc(count * sizeof *polls);
    return polls == NULL ? -ENOMEM : 0;
}

/* uv_poll_init tries the descriptor with two system calls, and a start waits for the next turn. */
static int watch(unsigned i, int fd) {
    int err = uv_poll_init(&loops[0], &polls[i], fd);
    return err < 0 ? err : uv_poll_start(&polls[i], UV_READABLE, on_ready);
}

static void unwatch(unsigned i, int fd) {
    (void)fd;
    uv_close((uv_handle_t *)&polls[i], NULL);
}

/* --- Timers --- */

static uv_timer_t *timers;

static void on_timer(uv_timer_t *timer) {
    (void)timer;
    peers_fired++;
}

static int timers_make(unsigned count) {
    timers = malloc(count * sizeof *timers);
    for (unsigned i = 0; i < count && timers != NULL; i++) uv_timer_init(&loops[0], &timers[i]);
    return timers == NULL ? -ENOMEM : 0;
}

static int timers_start(const int64_t *delays_ns, unsigned count) {
    int err = 0;
    for (unsigned i = 0; i < count && err == 0; i++)
        err = uv_timer_start(&timers[i], on_timer, (uint64_t)(delays_ns[i] / EDDY_NS_PER_MS), 0);
    return err;
}

static void timers_stop(unsigned count) {
    for (unsigned i = 0; i < count; i++) uv_timer_stop(&timers[i]);
}

static int timers_push(int64_t delay_ns, const unsigned *which, unsigned count) {
    uint64_t delay_ms = (uint64_t)(delay_ns / EDDY_NS_PER_MS);
    int err = 0;
    for (unsigned i = 0; i < count && err == 0; i++)
        err = uv_timer_start(&timers[which[i]], on_timer, delay_ms, 0);
    return err;
}

static int timer_change(unsigned which, bool is_due) {
    uv_timer_stop(&timers[which]);
    return is_due ? uv_timer_start(&timers[which], on_timer, 0, 0) : 0;
}

static uv_timer_t ticker;

static void on_tick(uv_timer_t *timer) {
    (void)timer;
    peers_ticked();
}

static void on_prepare(uv_prepare_t *prepare) {
    (void)prepare;
    uv_timer_start(&ticker, on_tick, 0, 0);
}

/* Its shortest period is a millisecond, which it would sleep. So the timer is started again with
 * delay 0: not in its own callback, where libuv before 1.45 fires it again in the same turn, but in
 * that of a hook before the wait, whose call is counted with it. */
static int tick_start(int64_t period_ns) {
    static uv_prepare_t prepare;
    uint64_t repeat_ms = (uint64_t)(period_ns / EDDY_NS_PER_MS);
    int err = uv_timer_init(&loops[0], &ticker);
    if (err == 0) err = uv_timer_start(&ticker, on_tick, repeat_ms, repeat_ms);
    if (err == 0 && period_ns == 0) err = uv_prepare_init(&loops[0], &prepare);
    return err < 0 || period_ns > 0 ? err : uv_prepare_start(&prepare, on_prepare);
}

/* --- Wake-ups --- */

static uv_async_t asyncs[PEERS_SIDES];

static void on_async(uv_async_t *async) {
    peers_woken((unsigned)(async - asyncs));
}

static int wake_open(unsigned side) {
    return uv_async_init(&loops[side], &asyncs[side], on_async);
}

static void wake_send(unsigned side, unsigned times) {
    for (unsigned i = 0; i < times; i++) uv_async_send(&asyncs[side]);
}

static int post_open(void) {
    return wake_open(0);
}

static void post(void) {
    uv_async_send(&asyncs[0]);
}

/* --- Jobs --- */

static uv_work_t *works;
static uv_fs_t *files;

static int jobs_make(unsigned depth) {
    works = malloc(depth * sizeof *works);
    files = malloc(depth * sizeof *files);
    return works == NULL || files == NULL ? -ENOMEM : 0;
}

static void do_nothing(uv_work_t *work) {
    (void)work;
}

static void on_work(uv_work_t *work, int status) {
    peers_done((unsigned)(work - works), status);
}

static void on_file(uv_fs_t *file) {
    int64_t result = file->result;
    uv_fs_req_cleanup(file);
    peers_done((unsigned)(file - files), result);
}

static int job_submit(unsigned i) {
    return uv_queue_work(&loops[0], &works[i], do_nothing, on_work);
}

static int file_submit(unsigned i, int fd, void *data, size_t size, int64_t offset) {
    uv_buf_t buffer = uv_buf_init(data, (unsigned)size);
    return uv_fs_read(&loops[0], &files[i], fd, &buffer, 1, offset, on_file);
}

static const char *library(void) {
    static char text[32];
    snprintf(text, sizeof text, "libuv %s", uv_version_string());
    return text;
}

const struct peer peer_libuv = {
    .name = "libuv",
    .library = library,
    .open = open_loops,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = count_events,
    .watch_open = watch_open,
    .watch = watch,
    .unwatch = unwatch,
    .serve = peers_libuv_serve,
    .serve_local = peers_libuv_serve_local,
    .receive_visits = peers_libuv_receive_visits,
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
    .jobs_make = jobs_make,
    .job_submit = job_submit,
    .file_submit = file_submit,
    .spawn_open = peers_libuv_spawn_open,
    .spawn = peers_libuv_spawn,
    .pipe_open = peers_libuv_pipe_open,
    .pipe_write = peers_libuv_pipe_write,
    .pass_open = peers_libuv_pass_open,
    .pass_send = peers_libuv_pass_send,
};

const struct peer peer_libuv_try = {
    .name = "libuv-try",
    .open = open_loops,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = count_events,
    .serve = peers_libuv_serve_try,
    .serve_local = peers_libuv_serve_local_try,
};

const struct peer peer_libuv_poll = {
    .name = "libuv-poll",
    .open = open_loops,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = count_events,
    .watch_open = watch_open,
    .watch = watch,
    .unwatch = unwatch,
    .is_server = true,
};

const struct peer peer_libuv_uring = {
    .name = "libuv-uring",
    .open = open_with_uring,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = count_events,
    .jobs_make = jobs_make,
    .file_submit = file_submit,
};
