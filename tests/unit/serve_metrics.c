/* serve_metrics.c: figures as a page and as a line, and on their way from loop to loop. */
#include "prometheus.h"
#include "suite.h"

#include <pthread.h>

#include "figures.h"
#include "metrics_page.h"
#include "stats_line.h"

static struct metrics metrics;

static char *make_page(size_t *size) {
    struct text text = {0};
    metrics_page_put(&text, &metrics);
    *size = text.length;
    char *bytes = malloc(*size);
    ck_assert_ptr_nonnull(bytes);
    text = (struct text){bytes, *size, 0};
    metrics_page_put(&text, &metrics);
    ck_assert_uint_eq(text.length, *size);
    return bytes;
}

static struct prometheus *read_page(void) {
    size_t size;
    char *bytes = make_page(&size);
    struct prometheus *page = prometheus_read(bytes, size);
    free(bytes);
    return page;
}

static void check_value(const struct prometheus *page, const char *name, double value) {
    double found = prometheus_value(page, name);
    ck_assert_msg(found >= value - 1e-9 && found <= value + 1e-9, "%s is %g", name, found);
}

/* --- The page --- */

START_TEST(a_page_of_nothing_is_whole) {
    memset(&metrics, 0, sizeof metrics);
    metrics.version = metrics.backend = "x";
    struct prometheus *page = read_page();
    check_value(page, "eddy_http_requests_total", 0);
    check_value(page, "eddy_loop_lag_seconds_count", 0);
    check_value(page, "eddy_loop_lag_seconds_bucket{le=\"+Inf\"}", 0);
    free(page);
}
END_TEST

START_TEST(a_page_says_what_was_seen) {
    memset(&metrics, 0, sizeof metrics);
    metrics.version = "1.2.3";
    metrics.backend = "poll";
    metrics.loops = 2;
    metrics.ages_ns[1] = 1500 * EDDY_NS_PER_MS;
    metrics.figures.http.requests = 12345678901;
    metrics.figures.metrics.timers = 7;
    metrics.pool.lanes[EDDY_LANE_CPU].queued = 4;
    static const int64_t times[] = {0, 1023, 1024, 4095, 5 * EDDY_NS_PER_MS, 20 * EDDY_NS_PER_S};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        eddy_histogram_record(&metrics.figures.loop.lag, times[i]);
        eddy_histogram_record(&metrics.figures.loop.phases[7], times[i]);
        eddy_histogram_record(&metrics.jobs.lanes[EDDY_LANE_FILE].run, times[i]);
    }
    struct prometheus *page = read_page();
    check_value(page, "eddy_build_info{version=\"1.2.3\",backend=\"poll\"}", 1);
    check_value(page, "eddy_loop_figures_age_seconds{loop=\"1\"}", 1.5);
    check_value(page, "eddy_http_requests_total", 12345678901.0);
    check_value(page, "eddy_calls_total{of=\"timer\"}", 7);
    check_value(page, "eddy_pool_queued{lane=\"cpu\"}", 4);
    check_value(page, "eddy_loop_lag_seconds_bucket{le=\"0.000001023\"}", 2);
    check_value(page, "eddy_loop_lag_seconds_bucket{le=\"0.000004095\"}", 4);
    check_value(page, "eddy_loop_lag_seconds_bucket{le=\"0.004194303\"}", 4);
    check_value(page, "eddy_loop_lag_seconds_bucket{le=\"0.016777215\"}", 5);
    check_value(page, "eddy_loop_lag_seconds_bucket{le=\"17.179869183\"}", 5);
    check_value(page, "eddy_loop_lag_seconds_bucket{le=\"+Inf\"}", 6);
    check_value(page, "eddy_loop_lag_seconds_sum", 20.005006142);
    check_value(page, "eddy_phase_seconds_count{phase=\"deferred\"}", 6);
    check_value(page, "eddy_phase_seconds_count{phase=\"wait\"}", 0);
    check_value(page, "eddy_pool_run_seconds_bucket{lane=\"file\",le=\"0.000001023\"}", 2);
    free(page);
}
END_TEST

/* --- The line --- */

static void check_line(const struct stats_span *span, const char *wanted) {
    char bytes[STATS_LINE_BYTES + 1];
    struct text text = {bytes, STATS_LINE_BYTES, 0};
    stats_line_put(&text, span);
    ck_assert(text_fits(&text));
    bytes[text.length] = '\0';
    ck_assert_str_eq(bytes, wanted);
}

START_TEST(a_line_says_how_it_went) {
    static eddy_histogram lag, wait;
    eddy_slow_call slowest = {.kind = EDDY_KIND_STREAM, .label = "a\n\x1b[1m"};
    struct stats_span span = {.time_ns = 2 * EDDY_NS_PER_S,
                              .requests = 2468,
                              .connections = 3,
                              .lag = &lag,
                              .slowest = &slowest,
                              .wait = &wait,
                              .queued = 5};
    check_line(&span,
               "1234 requests/s, 3 connections, lag p50 0ns p99 0ns max 0ns, slowest callback "
               "none, pool 5 queued, wait p99 0ns");
    eddy_histogram_record(&lag, 12340);
    eddy_histogram_record(&lag, 987654321);
    eddy_histogram_record(&wait, 61 * EDDY_NS_PER_S);
    slowest.taken_ns = 1230000;
    check_line(&span, "1234 requests/s, 3 connections, lag p50 12.5us p99 987ms max 987ms, slowest "
                      "callback 1.23ms (stream a??[1m), pool 5 queued, wait p99 61.0s");
}
END_TEST

/* The longest that there is fits. */
START_TEST(a_line_has_room_for_all) {
    static eddy_histogram most;
    eddy_slow_call slowest = {.kind = EDDY_KIND_LISTENER, .taken_ns = INT64_MAX};
    memset(slowest.label, 'x', sizeof slowest.label - 1);
    eddy_histogram_record(&most, INT64_MAX);
    struct stats_span span = {.time_ns = EDDY_NS_PER_MS,
                              .requests = UINT64_MAX / 1000,
                              .connections = UINT32_MAX,
                              .lag = &most,
                              .slowest = &slowest,
                              .wait = &most,
                              .queued = UINT32_MAX};
    char bytes[STATS_LINE_BYTES];
    struct text text = {bytes, sizeof bytes, 0};
    stats_line_put(&text, &span);
    ck_assert(text_fits(&text));
}
END_TEST

/* --- From loop to loop --- */

enum { LOOKS = 1000, NUMBERS = 8 };

static struct figures_window window;
static struct figures shown[NUMBERS], looked;
static EDDY_ATOMIC(bool) is_over;

/* All bytes of one showing are the same. */
static void *show_all(void *argument) {
    (void)argument;
    for (unsigned i = 0; !atomic_load(&is_over); i++) figures_show(&window, &shown[i % NUMBERS]);
    return NULL;
}

/* Shown as fast as it goes, with which no reader can keep up: what it gets is one showing. */
START_TEST(figures_are_never_torn) {
    pthread_t writer;
    for (int i = 0; i < NUMBERS; i++) memset(&shown[i], i, sizeof shown[i]);
    ck_assert_int_eq(pthread_create(&writer, NULL, show_all, NULL), 0);
    for (int look = 0; look < LOOKS; look++) {
        figures_look(&window, &looked);
        const char *bytes = (const char *)&looked;
        if (memcmp(bytes, bytes + 1, sizeof looked - 1) != 0) ck_abort_msg("they are torn");
    }
    atomic_store(&is_over, true);
    pthread_join(writer, NULL);
}
END_TEST

/* Each count of both, and no other. */
START_TEST(merged_figures_are_sums) {
    static struct figures a, b;
    _Static_assert(sizeof a.metrics == 23 * 8 + 2 * 4, "each field is merged, and looked at here");
    _Static_assert(sizeof a.http == 6 * 8 + 2 * 4 + 8, "the same");
    uint64_t *counts = &a.metrics.turns, *others = &b.metrics.turns;
    for (unsigned i = 0; i < 23; i++) {
        counts[i] = i;
        others[i] = 100;
    }
    a.metrics.active = b.metrics.active = a.metrics.timers_active = b.metrics.timers_active = 3;
    counts = &a.http.connections, others = &b.http.connections;
    for (unsigned i = 0; i < 6; i++) {
        counts[i] = i;
        others[i] = 100;
    }
    a.http.open = b.http.open = a.http.answering = b.http.answering = 5;
    a.http.memory_bytes = b.http.memory_bytes = 9;
    a.oldest_ns = 20;
    b.oldest_ns = 10;
    b.slowest.taken_ns = 30;
    eddy_histogram_record(&a.loop.lag, 1);
    eddy_histogram_record(&b.loop.lag, 2);
    eddy_histogram_record(&b.loop.phases[8], 2);
    figures_merge(&a, &b);
    counts = &a.metrics.turns;
    for (unsigned i = 0; i < 23; i++) ck_assert_uint_eq(counts[i], 100 + i);
    counts = &a.http.connections;
    for (unsigned i = 0; i < 6; i++) ck_assert_uint_eq(counts[i], 100 + i);
    ck_assert(a.metrics.active == 6 && a.metrics.timers_active == 6);
    ck_assert(a.http.open == 10 && a.http.answering == 10 && a.http.memory_bytes == 18);
    ck_assert_int_eq(a.oldest_ns, 10);
    ck_assert_int_eq(a.slowest.taken_ns, 30);
    ck_assert_uint_eq(a.loop.lag.count, 2);
    ck_assert_uint_eq(a.loop.phases[8].count, 1);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("serve metrics");
    ck_add(suite, "page", a_page_of_nothing_is_whole, a_page_says_what_was_seen);
    ck_add(suite, "line", a_line_says_how_it_went, a_line_has_room_for_all);
    ck_add(suite, "figures", figures_are_never_torn, merged_figures_are_sums);
    return suite;
}
