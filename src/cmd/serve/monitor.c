/* monitor.c: see monitor.h. */
#include "monitor.h"

#include <errno.h>
#include <string.h>

#include "file_handler.h"
#include "stats_line.h"
#include "system.h"

#define SHOW_NS EDDY_NS_PER_S /* from one showing of a loop's figures to the next */

/* What is needed while somebody asks. */
struct gathering {
    struct metrics all;
    struct figures one;
};

/* --- One loop --- */

/* The slowest call since the last line. A loop's list is emptied each time, so that what was slower
 * before hides none; whatever ended before the time that is told of is forgotten. */
static void note_slowest(struct monitor *monitor) {
    int64_t period_ns = atomic_load_explicit(&monitor->board->period_ns, memory_order_relaxed);
    struct figures *own = &monitor->own;
    eddy_slow_call *slowest = &own->slowest;
    if (slowest->began_ns + slowest->taken_ns < period_ns) slowest->taken_ns = 0;
    for (unsigned i = 0; i < own->loop.slow_count; i++) {
        const eddy_slow_call *call = &own->loop.slowest[i];
        if (call->began_ns + call->taken_ns >= period_ns && call->taken_ns > slowest->taken_ns)
            *slowest = *call;
    }
    eddy_loop_reset_slowest(monitor->context->loop);
}

static void show(struct monitor *monitor) {
    struct figures *own = &monitor->own;
    (void)eddy_loop_read_stats(monitor->context->loop, &own->loop, sizeof own->loop);
    eddy_loop_read_metrics(monitor->context->loop, &own->metrics, sizeof own->metrics);
    eddy_http_read_counts(monitor->http, &own->http, sizeof own->http);
    own->oldest_ns = own->loop.now_ns;
    note_slowest(monitor);
    figures_show(&monitor->window, own);
}

static void on_tick(eddy_timer *timer) {
    show(eddy_container_of(timer, struct monitor, tick));
}

/* --- All of them --- */

/* NULL: there is no memory. */
static struct gathering *gather(struct monitor *monitor) {
    struct monitor_board *board = monitor->board;
    struct gathering *it = system_take_pages(sizeof *it);
    if (it == NULL) return NULL;
    memset(it, 0, sizeof *it);
    show(monitor);
    int64_t now_ns = monitor->own.oldest_ns;
    struct metrics *all = &it->all;
    all->figures.oldest_ns = now_ns;
    for (unsigned i = 0; i < board->count; i++) {
        figures_look(&board->monitors[i]->window, &it->one);
        figures_merge(&all->figures, &it->one);
        all->ages_ns[i] = now_ns - it->one.oldest_ns;
    }
    all->loops = board->count;
    all->version = eddy_version();
    all->backend = eddy_loop_backend(monitor->context->loop)->name;
    eddy_pool_read_metrics(board->pool, &all->pool, sizeof all->pool);
    (void)eddy_pool_read_stats(board->pool, &all->jobs, sizeof all->jobs);
    return it;
}

static void gather_end(struct gathering *it) {
    system_give_pages(it, sizeof *it);
}

/* --- The page --- */

static void answer_metrics(eddy_http_request *request, const struct metrics *metrics) {
    struct text page = {0};
    metrics_page_put(&page, metrics);
    size_t size = page.length;
    char *bytes = system_take_pages(size);
    if (bytes == NULL) {
        (void)eddy_http_respond(request, 503, NULL, 0);
        return;
    }
    page = (struct text){bytes, size, 0};
    metrics_page_put(&page, metrics);
    (void)eddy_http_add(request, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    (void)eddy_http_add(request, "Cache-Control", "no-store");
    (void)eddy_http_respond(request, 200, bytes, page.length);
    system_give_pages(bytes, size);
}

/* What lies below the path is DIR's. */
static void on_metrics(eddy_http_request *request, void *context) {
    struct monitor *monitor = context;
    if (strcmp(eddy_http_path(request), monitor->board->path) != 0) {
        file_handler(request, monitor->context);
        return;
    }
    struct gathering *it = gather(monitor);
    if (it == NULL) {
        (void)eddy_http_respond(request, 503, NULL, 0);
        return;
    }
    answer_metrics(request, &it->all);
    gather_end(it);
}

/* --- The line --- */

/* What has been seen since, and remembers that. */
static void take_span(eddy_histogram *now, eddy_histogram *told) {
    eddy_histogram before = *told;
    *told = *now;
    eddy_histogram_subtract(now, &before);
}

static void say_line(struct monitor_board *board, struct metrics *metrics, int64_t now_ns) {
    char bytes[STATS_LINE_BYTES];
    struct text line = {bytes, sizeof bytes, 0};
    eddy_histogram *lag = &metrics->figures.loop.lag;
    eddy_histogram *wait = &metrics->jobs.lanes[0].wait;
    unsigned queued = 0;
    for (int i = 0; i < EDDY_LANES; i++) {
        queued += metrics->pool.lanes[i].queued;
        if (i > 0) eddy_histogram_merge(wait, &metrics->jobs.lanes[i].wait);
    }
    take_span(lag, &board->told_lag);
    take_span(wait, &board->told_wait);
    struct stats_span span = {
        .time_ns = now_ns - atomic_load_explicit(&board->period_ns, memory_order_relaxed),
        .requests = metrics->figures.http.requests - board->told_requests,
        .connections = metrics->figures.http.open,
        .lag = lag,
        .slowest = &metrics->figures.slowest,
        .wait = wait,
        .queued = queued,
    };
    stats_line_put(&line, &span);
    board->told_requests = metrics->figures.http.requests;
    system_say("%.*s", (int)line.length, bytes);
}

/* Without memory there is no line this time. */
static void on_line(eddy_timer *timer) {
    struct monitor *monitor = eddy_container_of(timer, struct monitor, line);
    struct gathering *it = gather(monitor);
    if (it == NULL) return;
    int64_t now_ns = monitor->own.oldest_ns;
    say_line(monitor->board, &it->all, now_ns);
    atomic_store_explicit(&monitor->board->period_ns, now_ns, memory_order_relaxed);
    gather_end(it);
}

/* --- Beginning and end --- */

static int start(struct monitor *monitor) {
    struct monitor_board *board = monitor->board;
    eddy_loop *loop = monitor->context->loop;
    bool has_line = board->count == 0 && board->period_s > 0;
    int err = eddy_stats_start(&monitor->stats, loop);
    if (err == 0) err = eddy_timer_start(&monitor->tick, on_tick, SHOW_NS, SHOW_NS);
    int64_t period_ns = board->period_s * EDDY_NS_PER_S;
    if (err == 0 && has_line) err = eddy_timer_start(&monitor->line, on_line, period_ns, period_ns);
    if (err == 0 && board->path != NULL)
        err = eddy_http_handle(monitor->http, "GET", board->path, on_metrics, monitor);
    if (has_line) atomic_store(&board->period_ns, eddy_loop_now_ns(loop));
    return err;
}

static void stop(struct monitor *monitor) {
    eddy_timer_stop(&monitor->tick);
    eddy_timer_stop(&monitor->line);
    eddy_stats_stop(&monitor->stats);
    system_give_pages(monitor, sizeof *monitor);
}

int monitor_open(struct monitor **result, struct monitor_board *board, struct context *context,
                 eddy_http *http) {
    struct monitor *monitor = system_take_pages(sizeof *monitor);
    if (monitor == NULL) return -ENOMEM;
    memset(monitor, 0, sizeof *monitor);
    monitor->board = board;
    monitor->context = context;
    monitor->http = http;
    eddy_timer_init(&monitor->tick, context->loop);
    eddy_timer_init(&monitor->line, context->loop);
    eddy_unref(&monitor->tick.handle);
    eddy_unref(&monitor->line.handle);
    int err = start(monitor);
    if (err < 0) {
        stop(monitor);
        return err;
    }
    show(monitor);
    board->monitors[board->count++] = monitor;
    *result = monitor;
    return 0;
}

void monitor_close(struct monitor *monitor) {
    if (monitor != NULL) stop(monitor);
}
