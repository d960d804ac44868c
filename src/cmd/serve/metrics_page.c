/* metrics_page.c: see metrics_page.h. */
#include "metrics_page.h"

enum { BUCKET_BITS_FIRST = 10, BUCKET_BITS_LAST = 34, BUCKET_BITS_STEP = 2 };

static const char *const lane_names[EDDY_LANES] = {
    [EDDY_LANE_FILE] = "file", [EDDY_LANE_LOOKUP] = "lookup", [EDDY_LANE_CPU] = "cpu"};
static const char *const phase_names[EDDY_STATS_PHASES] = {
    "between", "flush", "wait", "clock", "timers", "ready", "inbox", "deferred", "closing"};

/* --- Parts of a line --- */

static void put_seconds(struct text *text, uint64_t time_ns) {
    char digits[] = ".000000000";
    size_t length = sizeof digits - 1;
    uint64_t rest = time_ns % (uint64_t)EDDY_NS_PER_S;
    for (size_t i = length - 1; i > 0; i--, rest /= 10) digits[i] = (char)('0' + rest % 10);
    text_put_number(text, time_ns / (uint64_t)EDDY_NS_PER_S);
    text_put(text, digits, length);
}

static void put_head(struct text *text, const char *name, const char *type, const char *help) {
    text_put_literal(text, "# HELP eddy_");
    text_put_string(text, name);
    text_put_literal(text, " ");
    text_put_string(text, help);
    text_put_literal(text, "\n# TYPE eddy_");
    text_put_string(text, name);
    text_put_literal(text, " ");
    text_put_string(text, type);
    text_put_literal(text, "\n");
}

static void put_name(struct text *text, const char *name, const char *suffix) {
    text_put_literal(text, "eddy_");
    text_put_string(text, name);
    text_put_string(text, suffix);
}

/* `label` NULL: none. Values hold nothing that would have to be escaped. */
static void put_label(struct text *text, const char *label, const char *value) {
    if (label == NULL) return;
    text_put_literal(text, "{");
    text_put_string(text, label);
    text_put_literal(text, "=\"");
    text_put_string(text, value);
    text_put_literal(text, "\"}");
}

static void put_sample(struct text *text, const char *name, const char *label, const char *value,
                       uint64_t number) {
    put_name(text, name, "");
    put_label(text, label, value);
    text_put_literal(text, " ");
    text_put_number(text, number);
    text_put_literal(text, "\n");
}

static void put_count(struct text *text, const char *name, const char *help, uint64_t count) {
    put_head(text, name, "counter", help);
    put_sample(text, name, NULL, NULL, count);
}

static void put_gauge(struct text *text, const char *name, const char *help, uint64_t number) {
    put_head(text, name, "gauge", help);
    put_sample(text, name, NULL, NULL, number);
}

/* --- Histograms --- */

static void put_bucket(struct text *text, const char *name, const char *label, const char *value,
                       unsigned bits, uint64_t count) {
    put_name(text, name, "_bucket{");
    if (label != NULL) {
        text_put_string(text, label);
        text_put_literal(text, "=\"");
        text_put_string(text, value);
        text_put_literal(text, "\",");
    }
    text_put_literal(text, "le=\"");
    if (bits > 0)
        put_seconds(text, (UINT64_C(1) << bits) - 1);
    else
        text_put_literal(text, "+Inf");
    text_put_literal(text, "\"} ");
    text_put_number(text, count);
    text_put_literal(text, "\n");
}

/* One series of it. */
static void put_histogram(struct text *text, const char *name, const char *label, const char *value,
                          const eddy_histogram *histogram) {
    eddy_histogram_bucket bucket;
    unsigned place = 0;
    uint64_t count = 0;
    bool is_there = eddy_histogram_next(histogram, &place, &bucket);
    for (unsigned bits = BUCKET_BITS_FIRST; bits <= BUCKET_BITS_LAST; bits += BUCKET_BITS_STEP) {
        while (is_there && bucket.first_ns < INT64_C(1) << bits) {
            count += bucket.count;
            is_there = eddy_histogram_next(histogram, &place, &bucket);
        }
        put_bucket(text, name, label, value, bits, count);
    }
    put_bucket(text, name, label, value, 0, histogram->count);
    put_name(text, name, "_sum");
    put_label(text, label, value);
    text_put_literal(text, " ");
    put_seconds(text, histogram->sum_ns);
    text_put_literal(text, "\n");
    put_name(text, name, "_count");
    put_label(text, label, value);
    text_put_literal(text, " ");
    text_put_number(text, histogram->count);
    text_put_literal(text, "\n");
}

static void put_times(struct text *text, const char *name, const char *help,
                      const eddy_histogram *histogram) {
    put_head(text, name, "histogram", help);
    put_histogram(text, name, NULL, NULL, histogram);
}

/* --- The page --- */

static void put_program(struct text *text, const struct metrics *metrics) {
    put_head(text, "build_info", "gauge", "The version, and what waits for descriptors.");
    text_put_literal(text, "eddy_build_info{version=\"");
    text_put_string(text, metrics->version);
    text_put_literal(text, "\",backend=\"");
    text_put_string(text, metrics->backend);
    text_put_literal(text, "\"} 1\n");
    put_head(text, "loop_figures_age_seconds", "gauge",
             "How old the figures of each loop are: beyond 1, the loop is held up.");
    for (unsigned i = 0; i < metrics->loops; i++) {
        char digits[8];
        struct text number = {digits, sizeof digits - 1, 0};
        text_put_number(&number, i);
        digits[number.length] = '\0';
        put_name(text, "loop_figures_age_seconds", "");
        put_label(text, "loop", digits);
        text_put_literal(text, " ");
        put_seconds(text, metrics->ages_ns[i] > 0 ? (uint64_t)metrics->ages_ns[i] : 0);
        text_put_literal(text, "\n");
    }
}

static void put_http(struct text *text, const eddy_http_counts *http) {
    put_count(text, "http_connections_total", "Connections accepted.", http->connections);
    put_count(text, "http_requests_total", "Requests whose head was complete or refused.",
              http->requests);
    put_count(text, "http_evicted_total", "Connections that made room for others.", http->evicted);
    put_count(text, "http_refused_total", "Requests that no handler was called for.",
              http->refused);
    put_count(text, "http_gone_total", "Clients that went before their request was over.",
              http->gone);
    put_count(text, "http_timed_out_total", "Connections and requests that a time limit ended.",
              http->timed_out);
    put_gauge(text, "http_open", "Connections now.", http->open);
    put_gauge(text, "http_answering", "Connections with a request that is not over.",
              http->answering);
    put_gauge(text, "http_memory_bytes", "Memory that the HTTP servers hold.", http->memory_bytes);
}

static void put_loops(struct text *text, const struct figures *figures) {
    const eddy_loop_stats *loop = &figures->loop;
    put_times(text, "loop_lag_seconds",
              "From the end of a turn's wait until its last callback has ended.", &loop->lag);
    put_times(text, "callback_seconds", "How long callbacks take.", &loop->calls);
    put_times(text, "timer_late_seconds", "How long after its deadline a timer is called.",
              &loop->late);
    put_head(text, "phase_seconds", "histogram", "How long each phase of a turn takes.");
    for (unsigned i = 0; i < EDDY_STATS_PHASES; i++)
        put_histogram(text, "phase_seconds", "phase", phase_names[i], &loop->phases[i]);
    put_head(text, "queued", "gauge", "Calls that are queued in the loops.");
    put_sample(text, "queued", "queue", "inbox", loop->inbox.now);
    put_sample(text, "queued", "queue", "deferred", loop->deferred.now);
    put_sample(text, "queued", "queue", "closing", loop->closing.now);
}

static void put_metrics(struct text *text, const eddy_metrics *it) {
    put_count(text, "turns_total", "Turns of the loops.", it->turns);
    put_count(text, "waits_total", "Waits of the backend.", it->waits);
    put_count(text, "waits_empty_total", "Waits that found nothing.", it->waits_empty);
    put_count(text, "events_total", "Records of the backend.", it->events);
    put_count(text, "events_stale_total", "Records that came too late.", it->events_stale);
    put_head(text, "calls_total", "counter", "Callbacks called.");
    put_sample(text, "calls_total", "of", "io", it->callbacks);
    put_sample(text, "calls_total", "of", "timer", it->timers);
    put_sample(text, "calls_total", "of", "inbox", it->completions);
    put_sample(text, "calls_total", "of", "deferred", it->deferred);
    put_sample(text, "calls_total", "of", "closing", it->closed);
    put_head(text, "backend_changes_total", "counter", "Calls of the backend beside its waits.");
    put_sample(text, "backend_changes_total", "kind", "add", it->backend_adds);
    put_sample(text, "backend_changes_total", "kind", "modify", it->backend_modifies);
    put_sample(text, "backend_changes_total", "kind", "remove", it->backend_removes);
    put_count(text, "wake_reads_total", "Reads of the loops' pipes.", it->wake_reads);
    put_count(text, "stream_reads_total", "System calls that read streams.", it->reads);
    put_count(text, "stream_writes_total", "System calls that write streams.", it->writes);
    put_count(text, "accepts_total", "Calls of accept.", it->accepts);
    put_count(text, "accepts_shed_total", "Connections closed for want of descriptors.",
              it->accepts_shed);
    put_count(text, "file_attempts_total", "File requests tried without a thread.",
              it->file_attempts);
    put_count(text, "file_hits_total", "File requests done without a thread.", it->file_hits);
    put_count(text, "jobs_total", "Jobs handed to the pool.", it->jobs);
    put_count(text, "ring_jobs_total", "File requests done by the loops' rings.", it->ring_jobs);
    put_count(text, "allocations_total", "Calls of the loops' allocators.", it->allocations);
    put_gauge(text, "active", "Handles and requests that keep loops alive.", it->active);
    put_gauge(text, "timers_active", "Timers that are started.", it->timers_active);
}

static void put_pool(struct text *text, const struct metrics *metrics) {
    const eddy_pool_metrics *pool = &metrics->pool;
    put_gauge(text, "pool_threads", "Threads of the pool now.", pool->threads);
    put_gauge(text, "pool_threads_idle", "Threads that wait for work.", pool->threads_idle);
    put_gauge(text, "pool_threads_max", "Threads that there may be.", pool->threads_max);
    put_head(text, "pool_queued", "gauge", "Jobs that wait for a thread.");
    for (int i = 0; i < EDDY_LANES; i++)
        put_sample(text, "pool_queued", "lane", lane_names[i], pool->lanes[i].queued);
    put_head(text, "pool_running", "gauge", "Jobs that are being done.");
    for (int i = 0; i < EDDY_LANES; i++)
        put_sample(text, "pool_running", "lane", lane_names[i], pool->lanes[i].running);
    put_head(text, "pool_done_total", "counter", "Jobs that were done.");
    for (int i = 0; i < EDDY_LANES; i++)
        put_sample(text, "pool_done_total", "lane", lane_names[i], pool->lanes[i].done);
    put_head(text, "pool_cancelled_total", "counter", "Jobs taken out of the queue.");
    for (int i = 0; i < EDDY_LANES; i++)
        put_sample(text, "pool_cancelled_total", "lane", lane_names[i], pool->lanes[i].cancelled);
    put_head(text, "pool_wait_seconds", "histogram", "How long jobs wait for a thread.");
    for (int i = 0; i < EDDY_LANES; i++)
        put_histogram(text, "pool_wait_seconds", "lane", lane_names[i],
                      &metrics->jobs.lanes[i].wait);
    put_head(text, "pool_run_seconds", "histogram", "How long jobs take.");
    for (int i = 0; i < EDDY_LANES; i++)
        put_histogram(text, "pool_run_seconds", "lane", lane_names[i], &metrics->jobs.lanes[i].run);
}

void metrics_page_put(struct text *text, const struct metrics *metrics) {
    put_program(text, metrics);
    put_http(text, &metrics->figures.http);
    put_loops(text, &metrics->figures);
    put_metrics(text, &metrics->figures.metrics);
    put_pool(text, metrics);
}
