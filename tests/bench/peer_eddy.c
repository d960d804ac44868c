/* peer_eddy.c: eddy, on its best backend: with watchers; with as many events of a wait as libuv
 * takes; with file reads that only the pool does; woken by an eventfd instead of the pipe; and
 * measured (stats.h). */
#include "peer_eddy.h"

#include <errno.h>
#include <stdlib.h>

static eddy_loop *loops[PEERS_SIDES];

static int open_with(const eddy_loop_config *config, bool has_threads) {
    int err = eddy_loop_open(&loops[0], config);
    return err < 0 || !has_threads ? err : eddy_loop_open(&loops[1], config);
}

eddy_loop *peers_eddy_loop(void) {
    return loops[0];
}

static int open_loops(bool has_threads) {
    return open_with(NULL, has_threads);
}

static int open_with_eventfd(bool has_threads) {
    return open_with(&(eddy_loop_config){.wakeup = EDDY_WAKEUP_EVENTFD}, has_threads);
}

/* As many events from a wait as libuv takes. */
static int open_large(bool has_threads) {
    return open_with(&(eddy_loop_config){.events_per_turn = 1024}, has_threads);
}

static int open_measured(bool has_threads) {
    static eddy_stats stats[PEERS_SIDES];
    int err = open_loops(has_threads);
    for (unsigned i = 0; i < PEERS_SIDES && err == 0; i++)
        if (loops[i] != NULL) err = eddy_stats_start(&stats[i], loops[i]);
    return err;
}

static int run(unsigned side) {
    int err = eddy_loop_run(loops[side], EDDY_RUN_DEFAULT);
    return err < 0 ? err : 0;
}

static void stop(unsigned side) {
    eddy_loop_stop(loops[side]);
}

static int turn(void) {
    int err = eddy_loop_run(loops[0], EDDY_RUN_NOWAIT);
    return err < 0 ? err : 0;
}

static void read_counts(int64_t *waits, int64_t *events) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(loops[0], &metrics, sizeof metrics);
    *waits = (int64_t)metrics.waits;
    *events = (int64_t)metrics.events;
}

/* --- Watchers --- */

static eddy_io *ios;

static void on_ready(eddy_io *io, unsigned events) {
    (void)events;
    peers_ready((unsigned)(io - ios));
}

static int watch_open(unsigned count) {
    ios = malloc(count * sizeof *ios);
    for (unsigned i = 0; i < count && ios != NULL; i++) eddy_io_init(&ios[i], loops[0]);
    return ios == NULL ? -ENOMEM : 0;
}

static int watch(unsigned i, int fd) {
    return eddy_io_start(&ios[i], on_ready, fd, EDDY_READ);
}

static void unwatch(unsigned i, int fd) {
    (void)fd;
    eddy_io_stop(&ios[i]);
}

/* --- Timers --- */

static eddy_timer *timers;

static void on_timer(eddy_timer *timer) {
    (void)timer;
    peers_fired++;
}

static int timers_make(unsigned count) {
    timers = malloc(count * sizeof *timers);
    for (unsigned i = 0; i < count && timers != NULL; i++) eddy_timer_init(&timers[i], loops[0]);
    return timers == NULL ? -ENOMEM : 0;
}

static int timers_start(const int64_t *delays_ns, unsigned count) {
    int err = 0;
    for (unsigned i = 0; i < count && err == 0; i++)
        err = eddy_timer_start(&timers[i], on_timer, delays_ns[i], 0);
    return err;
}

static void timers_stop(unsigned count) {
    for (unsigned i = 0; i < count; i++) eddy_timer_stop(&timers[i]);
}

static int timers_push(int64_t delay_ns, const unsigned *which, unsigned count) {
    int err = 0;
    for (unsigned i = 0; i < count && err == 0; i++)
        err = eddy_timer_start(&timers[which[i]], on_timer, delay_ns, 0);
    return err;
}

static int timer_change(unsigned which, bool is_due) {
    eddy_timer_stop(&timers[which]);
    return is_due ? eddy_timer_start(&timers[which], on_timer, 0, 0) : 0;
}

static void on_tick(eddy_timer *timer) {
    (void)timer;
    peers_ticked();
}

/* A turn takes longer than a nanosecond, so that such a timer is due again. */
static int tick_start(int64_t period_ns) {
    static eddy_timer timer;
    int64_t repeat_ns = period_ns == 0 ? 1 : period_ns;
    eddy_timer_init(&timer, loops[0]);
    return eddy_timer_start(&timer, on_tick, repeat_ns, repeat_ns);
}

/* --- Wake-ups --- */

static eddy_wake wakes[PEERS_SIDES];

static void on_wake(eddy_wake *wake) {
    peers_woken((unsigned)(wake - wakes));
}

static int wake_open(unsigned side) {
    eddy_wake_init(&wakes[side], loops[side]);
    return eddy_wake_start(&wakes[side], on_wake);
}

static void wake_send(unsigned side, unsigned times) {
    for (unsigned i = 0; i < times; i++) eddy_wake_send(&wakes[side]);
}

static void on_post(eddy_post *post) {
    (void)post;
    peers_woken(0);
}

static int post_open(void) {
    return 0;
}

static void post(void) {
    static eddy_post message;
    eddy_loop_post(loops[0], &message, on_post);
}

/* --- Jobs --- */

static eddy_work *works;
static eddy_file *files;

static int jobs_make(unsigned depth) {
    works = malloc(depth * sizeof *works);
    files = malloc(depth * sizeof *files);
    return works == NULL || files == NULL ? -ENOMEM : 0;
}

/* No attempt to read without a thread. */
static int jobs_make_pool(unsigned depth) {
    eddy_file_set_attempt(loops[0], false);
    return jobs_make(depth);
}

static void do_nothing(eddy_work *work) {
    (void)work;
}

static void on_work(eddy_work *work, int status) {
    peers_done((unsigned)(work - works), status);
}

static void on_file(eddy_file *file) {
    peers_done((unsigned)(file - files), file->result);
}

static int job_submit(unsigned i) {
    return eddy_work_submit(loops[0], &works[i], EDDY_LANE_FILE, do_nothing, on_work);
}

static int file_submit(unsigned i, int fd, void *data, size_t size, int64_t offset) {
    return eddy_file_read(loops[0], &files[i], fd, data, size, offset, on_file);
}

const struct peer peer_eddy = {
    .name = "eddy",
    .open = open_loops,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = read_counts,
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
    .jobs_make = jobs_make,
    .job_submit = job_submit,
    .file_submit = file_submit,
    .spawn_open = peers_eddy_spawn_open,
    .spawn = peers_eddy_spawn,
    .pipe_open = peers_eddy_pipe_open,
    .pipe_write = peers_eddy_pipe_write,
    .pass_open = peers_eddy_pass_open,
    .pass_send = peers_eddy_pass_send,
};

const struct peer peer_eddy_large = {
    .name = "eddy-1024",
    .open = open_large,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = read_counts,
    .watch_open = watch_open,
    .watch = watch,
    .unwatch = unwatch,
    .is_server = true,
};

const struct peer peer_eddy_stream = {
    .name = "eddy-stream",
    .open = open_loops,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = read_counts,
    .serve = peers_eddy_serve,
    .receive_visits = peers_eddy_receive_visits,
};

const struct peer peer_eddy_try = {
    .name = "eddy-try",
    .open = open_loops,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = read_counts,
    .serve = peers_eddy_serve_try,
};

const struct peer peer_eddy_stats = {
    .name = "eddy-stats",
    .open = open_measured,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = read_counts,
    .watch_open = watch_open,
    .watch = watch,
    .unwatch = unwatch,
    .timers_make = timers_make,
    .timers_start = timers_start,
    .timers_stop = timers_stop,
    .timers_push = timers_push,
    .timer_change = timer_change,
    .tick_start = tick_start,
    .post_open = post_open,
    .post = post,
};

const struct peer peer_eddy_stream_stats = {
    .name = "eddy-stream-stats",
    .open = open_measured,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = read_counts,
    .serve = peers_eddy_serve,
};

const struct peer peer_eddy_eventfd = {
    .name = "eddy-eventfd",
    .open = open_with_eventfd,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = read_counts,
    .wake_open = wake_open,
    .wake_send = wake_send,
    .jobs_make = jobs_make,
    .job_submit = job_submit,
};

const struct peer peer_eddy_pool = {
    .name = "eddy-pool",
    .open = open_loops,
    .run = run,
    .stop = stop,
    .turn = turn,
    .read_counts = read_counts,
    .jobs_make = jobs_make_pool,
    .file_submit = file_submit,
};
