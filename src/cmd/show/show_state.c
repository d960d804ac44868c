/* show_state.c: see show_state.h. */
#include "show_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LATE_MS = 150 }; /* a look that takes longer */

static const char *const lanes[EDDY_LANES] = {"file", "lookup", "cpu"};

void show_state_init(struct show_state *state, struct show_observed *observed,
                     struct show_load *load, struct show_board *board) {
    memset(state, 0, sizeof *state);
    state->observed = observed;
    state->load = load;
    state->board = board;
    state->started_ns = state->asked_ns = show_now_ns();
}

void show_label(struct show_observed *observed, uint64_t object, char *text, size_t size) {
    text[0] = '\0';
    pthread_mutex_lock(&observed->trace_lock);
    if (observed->trace != NULL) (void)eddy_trace_label(observed->trace, object, text, size);
    pthread_mutex_unlock(&observed->trace_lock);
}

static int64_t ms(int64_t time_ns) {
    return time_ns / EDDY_NS_PER_MS;
}

static double us(int64_t time_ns) {
    return (double)time_ns / (double)EDDY_NS_PER_US;
}

/* --- Rates and shares --- */

static uint64_t system_calls(const eddy_metrics *metrics) {
    return metrics->waits + metrics->backend_adds + metrics->backend_modifies +
           metrics->backend_removes + metrics->wake_reads + metrics->reads + metrics->writes +
           metrics->accepts + metrics->file_attempts;
}

/* Of the time between two looks. If none has come for long, nothing has happened. */
static void note_rates(struct show_state *state, const struct show_look *look, int64_t waiting_ns) {
    const eddy_metrics *now = &look->metrics, *old = &state->look.metrics;
    if (look->time_ns == state->look.time_ns && waiting_ns < LATE_MS * EDDY_NS_PER_MS) return;
    memset(state->rates, 0, sizeof state->rates);
    if (look->opened != state->look.opened || look->time_ns <= state->look.time_ns) return;
    double seconds = (double)(look->time_ns - state->look.time_ns) / (double)EDDY_NS_PER_S;
    const uint64_t counts[] = {
        now->turns - old->turns,
        now->events - old->events,
        now->callbacks + now->timers + now->completions + now->deferred + now->closed -
            old->callbacks - old->timers - old->completions - old->deferred - old->closed,
        now->timers - old->timers,
        now->jobs - old->jobs,
        system_calls(now) - system_calls(old),
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        state->rates[i] = (double)counts[i] / seconds;
}

static void add_rates(const struct show_state *state, struct json *json) {
    static const char *const names[] = {"turns",  "events", "calls",
                                        "timers", "jobs",   "system_calls"};
    json_add(json, ",\"rates\":{");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        json_add(json, "%s\"%s\":%.0f", i > 0 ? "," : "", names[i], state->rates[i]);
    json_add(json, "}");
}

/* The phase under way counts as far as it has come; what is read between two stores of the other
 * thread is put right by the next state. While it is held there are none. */
static void add_shares(struct show_state *state, struct json *json, bool is_held, int64_t now_ns) {
    struct show_watch *watch = &state->observed->watch;
    int64_t spans[WATCH_PHASES], sum = 0;
    unsigned phase = atomic_load_explicit(&watch->phase, memory_order_relaxed);
    int64_t since_ns = atomic_load_explicit(&watch->phase_since_ns, memory_order_relaxed);
    for (int i = 0; i < WATCH_PHASES; i++) {
        int64_t sum_ns = atomic_load_explicit(&watch->phase_ns[i], memory_order_relaxed);
        if (i == (int)phase && !is_held && now_ns > since_ns) sum_ns += now_ns - since_ns;
        spans[i] = sum_ns > state->phase_ns[i] ? sum_ns - state->phase_ns[i] : 0;
        if (!is_held) state->phase_ns[i] = sum_ns;
        sum += spans[i];
    }
    json_add(json, ",\"shares\":[");
    for (int i = 0; i < WATCH_PHASES; i++)
        json_add(json, "%s%.4f", i > 0 ? "," : "", sum > 0 ? (double)spans[i] / (double)sum : 0.0);
    json_add(json, "]");
}

/* --- What blocks it --- */

static void add_blocked(struct show_state *state, struct json *json, bool is_held, int64_t now_ns) {
    struct show_stall stall;
    char function[64];
    show_stalls_read(&state->observed->stalls, &stall);
    if (stall.number == 0 || is_held) {
        json_add(json, ",\"blocked_ms\":0,\"blocked\":null");
        return;
    }
    show_function(stall.function, function, sizeof function);
    json_add(json, ",\"blocked_ms\":%" PRId64 ",\"blocked\":{\"kind\":\"%s\",\"label\":",
             ms(now_ns - stall.start_ns), eddy_kind_name(stall.kind));
    json_add_text(json, stall.label);
    json_add(json, ",\"function\":");
    json_add_text(json, function);
    json_add(json, ",\"phase\":%d}", stall.phase);
}

static void add_held(struct show_state *state, struct json *json, bool is_held,
                     const eddy_trace_record *record) {
    char label[48];
    if (!is_held) {
        json_add(json, ",\"held\":null");
        return;
    }
    show_label(state->observed, record->object, label, sizeof label);
    json_add(json, ",\"held\":{\"phase\":%u,\"record\":%" PRIu64 ",\"what\":\"%s", record->phase,
             record->number, eddy_trace_kind_name((eddy_trace_kind)record->kind));
    if (record->kind == EDDY_TRACE_CALL)
        json_add(json, " %s", eddy_kind_name((eddy_kind)record->what));
    json_add(json, "\",\"label\":");
    json_add_text(json, label);
    json_add(json, "}");
}

/* --- What it holds --- */

static void add_timers(const struct show_look *look, struct json *json) {
    json_add(json, ",\"timer_count\":%u,\"timers\":[", look->timer_count);
    for (unsigned i = 0; i < look->timer_count && i < LOOK_TIMERS; i++) {
        json_add(json, "%s{\"label\":", i > 0 ? "," : "");
        json_add_text(json, look->timers[i].label);
        json_add(json, ",\"due_ms\":%.1f}",
                 (double)(look->timers[i].due_ns - look->time_ns) / (double)EDDY_NS_PER_MS);
    }
    json_add(json, "]");
}

static const char *events_name(unsigned events) {
    static const char *const names[] = {"", "r", "w", "rw"};
    return names[((events & EDDY_READ) != 0) + 2 * ((events & EDDY_WRITE) != 0)];
}

static void add_fds(struct show_state *state, const struct show_look *look, struct json *json) {
    struct show_watch *watch = &state->observed->watch;
    json_add(json, ",\"fd_count\":%u,\"fds\":[", look->fd_count);
    for (unsigned i = 0; i < look->fd_count && i < LOOK_FDS; i++) {
        int fd = look->fds[i].fd;
        unsigned ready = 0, interest = EDDY_READ;
        if (fd < WATCH_FDS) {
            ready = atomic_exchange_explicit(&watch->ready[fd], 0, memory_order_relaxed);
            interest = atomic_load_explicit(&watch->interest[fd], memory_order_relaxed);
        }
        json_add(json, "%s{\"fd\":%d,\"label\":", i > 0 ? "," : "", fd);
        json_add_text(json, look->fds[i].label);
        json_add(json, ",\"interest\":\"%s\",\"ready\":\"%s\"}", events_name(interest),
                 events_name(ready));
    }
    json_add(json, "],\"inbox\":%u,\"deferred\":%u,\"closing\":%u", look->inbox, look->deferred,
             look->closing);
}

static void add_pool(const struct show_look *look, struct json *json, int64_t now_ns) {
    json_add(json, ",\"pool\":{\"threads\":%u,\"idle\":%u,\"max\":%u,\"lanes\":[",
             look->pool.threads, look->pool.threads_idle, look->pool_threads);
    for (int i = 0; i < EDDY_LANES; i++) {
        const eddy_lane_metrics *lane = &look->pool.lanes[i];
        json_add(json, "%s{\"name\":\"%s\",\"queued\":%u,\"running\":%u,\"quota\":%u}",
                 i > 0 ? "," : "", lanes[i], lane->queued, lane->running, lane->quota);
    }
    json_add(json, "],\"jobs\":[");
    for (unsigned i = 0; i < look->job_count && i < LOOK_JOBS; i++) {
        int64_t since_ns = look->jobs[i].since_ns;
        json_add(json, "%s{\"label\":", i > 0 ? "," : "");
        json_add_text(json, look->jobs[i].label);
        json_add(json, ",\"lane\":\"%s\",\"ms\":%" PRId64 "}",
                 look->jobs[i].lane >= 0 ? lanes[look->jobs[i].lane] : "file",
                 since_ns > 0 ? ms(now_ns - since_ns) : 0);
    }
    json_add(json, "]}");
}

static void add_load(struct show_state *state, struct json *json) {
    struct show_load_figures figures;
    show_load_read(state->load, &figures);
    json_add(json,
             ",\"load\":{\"clients\":%u,\"rate\":%u,\"open\":%s,\"connected\":%u,"
             "\"done_per_s\":%" PRIu64 ",\"errors\":%" PRIu64
             ",\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}",
             figures.settings.clients, figures.settings.rate,
             figures.settings.is_open ? "true" : "false", figures.connected, figures.latency.count,
             figures.errors, us(figures.latency.p50_ns), us(figures.latency.p99_ns),
             us(figures.latency.max_ns));
}

static void add_scenes(const struct show_state *state, struct json *json) {
    json_add(json, ",\"scenes\":{");
    for (unsigned scene = 0; scene < SHOW_SCENES; scene++)
        json_add(json, "%s\"%s\":%s", scene > 0 ? "," : "", show_scene_texts[scene].id,
                 show_board_is_on(state->board, (enum show_scene)scene) ? "true" : "false");
    json_add(json, "}");
}

/* Of the whole program: what is resident, or, where nobody tells that, the most that was. */
static long memory_kb(void) {
    struct rusage usage;
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        int got = fscanf(file, "%*d %ld", &pages);
        fclose(file);
        if (got == 1) return pages * (sysconf(_SC_PAGESIZE) / 1024);
    }
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0;
}

void show_state_write(struct show_state *state, struct json *json) {
    struct show_look look;
    eddy_trace_record record;
    bool is_held = show_watch_is_held(&state->observed->watch, &record);
    int64_t now_ns = show_now_ns();
    int64_t waiting_ns = show_observed_look(state->observed, &look);
    note_rates(state, &look, waiting_ns);
    json_add(json, "{\"time_ms\":%" PRId64 ",\"backend\":\"%s\",\"turn\":%" PRIu64,
             ms(now_ns - state->started_ns), look.backend != NULL ? look.backend : "",
             look.metrics.turns);
    add_blocked(state, json, is_held, now_ns);
    add_rates(state, json);
    add_shares(state, json, is_held, now_ns);
    json_add(json, ",\"lag_us\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}", us(look.lag.p50_ns),
             us(look.lag.p99_ns), us(look.lag.max_ns));
    json_add(json, ",\"late_us\":{\"last\":%.1f,\"p99\":%.1f,\"max\":%.1f}", us(look.late_last_ns),
             us(look.late.p99_ns), us(look.late.max_ns));
    add_timers(&look, json);
    add_fds(state, &look, json);
    add_pool(&look, json, now_ns);
    add_load(state, json);
    json_add(json, ",\"shed\":%" PRIu64 ",\"memory_kb\":%ld", look.metrics.accepts_shed,
             memory_kb());
    add_held(state, json, is_held, &record);
    add_scenes(state, json);
    json_add(json, "}");
    state->look = look;
}

/* What is in the binary may be refused by the kernel, or a sandbox. */
static bool is_to_be_had(const char *backend) {
    eddy_loop *loop;
    if (eddy_loop_open(&loop, &(eddy_loop_config){.backend = backend}) < 0) return false;
    (void)eddy_loop_close(loop);
    return true;
}

void show_hello_write(struct json *json, struct show_observed *observed, bool has_guide) {
    struct show_look look;
    eddy_backend_info info;
    (void)show_observed_look(observed, &look);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    json_add(json, "{\"version\":\"%s\",\"backends\":[", eddy_version());
    for (size_t i = 0; eddy_backend_at(i, &info) == 0; i++)
        if (is_to_be_had(info.name)) json_add(json, "%s\"%s\"", i > 0 ? "," : "", info.name);
    json_add(json, "],\"backend\":\"%s\",\"processors\":%ld,\"guide\":%s,\"recorded\":false",
             look.backend, processors > 0 ? processors : 1, has_guide ? "true" : "false");
    json_add(json, ",\"scenes\":[");
    for (unsigned i = 0; i < SHOW_SCENES; i++) {
        const struct show_scene_text *scene = &show_scene_texts[i];
        json_add(json, "%s{\"id\":\"%s\",\"title\":", i > 0 ? "," : "", scene->id);
        json_add_text(json, scene->title);
        json_add(json, ",\"why\":");
        json_add_text(json, scene->why);
        json_add(json, ",\"guide\":\"%s\",\"source\":\"%s\",\"on\":%s}", scene->guide,
                 show_source_lines[scene->source],
                 show_board_is_on(observed->board, (enum show_scene)i) ? "true" : "false");
    }
    json_add(json, "],\"models\":[\"one\",\"fork\",\"thread\",\"thread-pool\",\"loop\","
                   "\"loop-pool\"]}");
}
