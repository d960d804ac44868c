/* show_way.c: see show_way.h. */
#include "show_way.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "show_source.h"

enum { WAY_MAX = 200, TEXT_BYTES = 64 * 1024, RECENT_MAX = 100000, PATIENCE_MS = 1000 };

/* The system call that a record tells of, and where it is made; NULL: none. */
static const char *call_of(const eddy_trace_record *record, const char **source) {
    switch (record->kind) {
    case EDDY_TRACE_WAITED:
        *source = show_source_lines[SOURCE_WAIT];
        return "wait";
    case EDDY_TRACE_ACCEPT:
        *source = show_source_lines[SOURCE_ACCEPT];
        return "accept";
    case EDDY_TRACE_ADD:
    case EDDY_TRACE_MODIFY:
    case EDDY_TRACE_REMOVE:
        *source = show_source_lines[SOURCE_ADD];
        return record->kind == EDDY_TRACE_ADD      ? "add"
               : record->kind == EDDY_TRACE_MODIFY ? "modify"
                                                   : "remove";
    case EDDY_TRACE_READ:
        *source = show_source_lines[SOURCE_RECV];
        return "recv";
    case EDDY_TRACE_WRITE:
        *source = show_source_lines[SOURCE_SEND];
        return "send";
    case EDDY_TRACE_WAKEUP:
        *source = show_source_lines[SOURCE_WAKEUP];
        return "write";
    default:
        return NULL;
    }
}

/* --- Picking --- */

/* Where a request's records are, and which they are. */
struct way {
    const eddy_trace_record *all;
    int begin, end; /* from its turn's beginning to the write of its answer and a bit more */
    uint64_t stream, work;
};

static int turn_of(const eddy_trace_record *all, int place) {
    while (place > 0 && all[place].kind != EDDY_TRACE_TURN) place--;
    return place;
}

/* The first write of the stream from `place` on; -1: there is none. */
static int write_of(const eddy_trace_record *all, int count, int place, uint64_t stream) {
    for (; place < count; place++)
        if (all[place].kind == EDDY_TRACE_WRITE && all[place].object == stream) return place;
    return -1;
}

static uint64_t object_of(const eddy_trace_record *all, int place, uint64_t number) {
    while (place > 0 && all[place].number != number) place--;
    return all[place].number == number ? all[place].object : 0;
}

/* The last one with a job: the call that has submitted it is that of its stream. */
static bool find_with_job(struct way *way, int count) {
    for (int i = count - 1; i >= 0; i--) {
        const eddy_trace_record *submit = &way->all[i];
        if (submit->kind != EDDY_TRACE_SUBMIT || submit->what != EDDY_KIND_WORK) continue;
        way->work = submit->object;
        way->stream = object_of(way->all, i, submit->cause);
        way->begin = turn_of(way->all, i);
        way->end = write_of(way->all, count, i, way->stream);
        if (way->stream != 0 && way->end >= 0) return true;
    }
    return false;
}

/* The last one that was answered in the turn that has read it. */
static bool find_plain(struct way *way, int count) {
    for (int i = count - 1; i >= 0; i--) {
        if (way->all[i].kind != EDDY_TRACE_WRITE || way->all[i].argument <= 0) continue;
        way->stream = way->all[i].object;
        way->work = 0;
        way->begin = turn_of(way->all, i);
        way->end = i;
        for (int read = i; read > way->begin; read--)
            if (way->all[read].kind == EDDY_TRACE_READ && way->all[read].object == way->stream)
                return true;
    }
    return false;
}

static bool is_own(const struct way *way, const eddy_trace_record *record) {
    bool has_object = record->what < EDDY_KINDS;
    return has_object && (record->object == way->stream || record->object == way->work);
}

/* What is of the request, or led to it. */
static bool belongs(const struct way *way, const eddy_trace_record *record) {
    if (is_own(way, record)) return true;
    for (int i = way->begin; i <= way->end; i++)
        if (is_own(way, &way->all[i]) && way->all[i].cause != 0 &&
            (way->all[i].cause == record->number ||
             (record->kind == EDDY_TRACE_RETURN && way->all[i].cause == record->cause)))
            return true;
    return false;
}

static bool is_frame(const eddy_trace_record *record) {
    return record->kind == EDDY_TRACE_TURN || record->kind == EDDY_TRACE_PHASE ||
           record->kind == EDDY_TRACE_WAIT || record->kind == EDDY_TRACE_WAITED;
}

/* Of a turn in which something of the request happens, its phases as well. */
static int pick(const struct way *way, eddy_trace_record *picked) {
    int kept = 0;
    for (int turn = way->begin; turn <= way->end && kept < WAY_MAX;) {
        int next = turn + 1;
        bool is_with = belongs(way, &way->all[turn]);
        for (; next <= way->end && way->all[next].kind != EDDY_TRACE_TURN; next++)
            is_with = is_with || (way->all[next].thread == 0 && belongs(way, &way->all[next]));
        for (int i = turn; i < next && kept < WAY_MAX; i++)
            if ((is_with && is_frame(&way->all[i])) || belongs(way, &way->all[i]))
                picked[kept++] = way->all[i];
        turn = next;
    }
    return kept;
}

/* --- Writing --- */

static void add_calls(struct json *json, const eddy_trace_record *picked, int count) {
    int calls = 0;
    json_add(json, "],\"calls\":[");
    for (int i = 0; i < count; i++) {
        const char *source = NULL, *name = call_of(&picked[i], &source);
        if (name == NULL) continue;
        json_add(json,
                 "%s{\"name\":\"%s\",\"result\":%" PRId64 ",\"source\":\"%s\",\"record\":%" PRIu64
                 "}",
                 calls++ > 0 ? "," : "", name, picked[i].argument, source, picked[i].number);
    }
    json_add(json, "]}");
}

/* The return of the call that has written the answer, too. */
static void go_on_to_return(struct way *way, int count) {
    uint64_t call = way->all[way->end].cause;
    for (int i = way->end; call != 0 && i < count && way->all[i].kind != EDDY_TRACE_TURN; i++)
        if (way->all[i].kind == EDDY_TRACE_RETURN && way->all[i].cause == call) way->end = i;
}

static void write_way(struct show_way *way, struct json *json, eddy_trace_record *all) {
    eddy_trace_record picked[WAY_MAX];
    int64_t since_ns = show_now_ns() - 2 * EDDY_NS_PER_S;
    int count = show_records_since(way->records, since_ns, all, RECENT_MAX), kept = 0;
    struct way found = {.all = all};
    if (find_with_job(&found, count) || find_plain(&found, count)) {
        go_on_to_return(&found, count);
        kept = pick(&found, picked);
    }
    json_add(json, "{\"records\":[");
    for (int i = 0; i < kept; i++) {
        if (i > 0) json_add(json, ",");
        show_record_write(way->records, json, &picked[i]);
    }
    add_calls(json, picked, kept);
}

static void answer_all(struct show_way *way) {
    eddy_trace_record *all = malloc(RECENT_MAX * sizeof *all);
    char *text = malloc(TEXT_BYTES);
    struct json json = {0};
    if (all != NULL && text != NULL) {
        json_begin(&json, text, TEXT_BYTES);
        write_way(way, &json, all);
    }
    for (unsigned i = 0; i < WAY_WAITERS; i++) {
        eddy_http_request *request = way->waiters[i].request;
        if (request == NULL) continue;
        (void)eddy_http_add(request, "Content-Type", "application/json");
        (void)eddy_http_respond(request, json.used > 0 ? 200 : 503, text, json.used);
    }
    free(all);
    free(text);
}

/* --- Our request --- */

static void on_closed(eddy_stream *stream) {
    struct show_way *way = eddy_container_of(stream, struct show_way, stream);
    way->is_busy = false;
    answer_all(way);
}

static void finish(struct show_way *way) {
    eddy_timer_stop(&way->timer);
    if (way->is_busy) (void)eddy_stream_close(&way->stream, on_closed);
}

static void on_time(eddy_timer *timer) {
    finish(eddy_container_of(timer, struct show_way, timer));
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    (void)data;
    if (size <= 0) finish(eddy_container_of(stream, struct show_way, stream));
}

static void on_written(eddy_write *write, int status) {
    if (status < 0 && status != -ECANCELED)
        finish(eddy_container_of(write, struct show_way, write));
}

static void on_connected(eddy_stream *stream, int status) {
    static const char request[] = "GET /work HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\n\r\n";
    struct show_way *way = eddy_container_of(stream, struct show_way, stream);
    if (status == 0) status = eddy_stream_read_start(stream, on_read);
    if (status == 0)
        status = eddy_stream_write(stream, &way->write, request, sizeof request - 1, on_written);
    if (status < 0) finish(way);
}

static int begin(struct show_way *way) {
    const struct show_observed *observed = way->records->observed;
    int err = eddy_timer_start(&way->timer, on_time, PATIENCE_MS * EDDY_NS_PER_MS, 0);
    if (err < 0) return err;
    eddy_stream_init(&way->stream, way->loop);
    err = eddy_tcp_connect(&way->stream, (const struct sockaddr *)&observed->address,
                           observed->address_length, 0, on_connected);
    way->is_busy = err == 0;
    if (err < 0) eddy_timer_stop(&way->timer);
    return err;
}

static void on_done(eddy_http_request *request, void *context) {
    struct show_way_waiter *waiter = context;
    (void)request;
    waiter->request = NULL;
}

void show_way_init(struct show_way *way, struct show_records *records, eddy_loop *loop) {
    memset(way, 0, sizeof *way);
    way->records = records;
    way->loop = loop;
    eddy_timer_init(&way->timer, loop);
}

void show_way_answer(struct show_way *way, eddy_http_request *request) {
    struct show_way_waiter *waiter = way->waiters;
    while (waiter < way->waiters + WAY_WAITERS && waiter->request != NULL) waiter++;
    bool has_place = waiter < way->waiters + WAY_WAITERS;
    if (!has_place || (!way->is_busy && begin(way) < 0)) {
        (void)eddy_http_respond(request, 503, "too many ask\n", 13);
        return;
    }
    waiter->request = request;
    eddy_http_on_done(request, on_done, waiter);
}

void show_way_stop(struct show_way *way) {
    finish(way);
}
