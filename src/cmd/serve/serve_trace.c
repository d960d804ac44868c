/* serve_trace.c: see serve_trace.h.
 * Invariant: `file` is not NULL from the beginning of a round until its file is over; a round ends
 * before the next one begins, so each loop hears of each end. */
#include "serve_trace.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "system.h"

static void say_failure(const char *what, const char *path, int err) {
    char text[64];
    system_say("cannot %s %s: %s", what, path, eddy_strerror(err, text, sizeof text));
}

/* --- In the loops' threads --- */

static void begin_recording(struct serve_traced *it) {
    (void)eddy_trace_start(trace_file_trace(it->trace->file, it->number), it->loop);
}

static void end_recording(struct serve_traced *it) {
    struct serve_trace *trace = it->trace;
    eddy_trace_stop(trace_file_trace(trace->file, it->number));
    /* The main thread may free the file from here on. */
    if (atomic_fetch_sub(&trace->recording, 1) == 1) eddy_wake_send(&trace->news);
}

/* Once for each end of a round, however many wakes there were. */
static void on_round(eddy_wake *wake) {
    struct serve_traced *it = eddy_container_of(wake, struct serve_traced, wake);
    unsigned round = atomic_load(&it->trace->round);
    if (it->round == round) return;
    it->round = round;
    if (round % 2 == 1)
        begin_recording(it);
    else
        end_recording(it);
}

/* --- Rounds --- */

static void tell_loops(struct serve_trace *trace) {
    atomic_fetch_add(&trace->round, 1);
    for (unsigned i = 0; i < trace->loop_count; i++) eddy_wake_send(&trace->loops[i].wake);
}

static void end_round(struct serve_trace *trace) {
    eddy_timer_stop(&trace->end);
    if (trace->round % 2 == 1) tell_loops(trace);
}

static void on_end(eddy_timer *timer) {
    end_round(eddy_container_of(timer, struct serve_trace, end));
}

static int start_file(struct serve_trace *trace, bool opens_later) {
    bool is_first = trace->files == 0 && !trace->is_successor;
    struct trace_file_config config = {
        .request = trace->request,
        .process = "eddy serve",
        .loops = trace->loop_count,
        .number = is_first ? 1 : trace->files + 1 + (trace->files == 0),
        .opens_later = opens_later,
        .news = &trace->news,
    };
    struct trace_file_result result;
    int err = trace_file_open(&trace->file, &config);
    if (err < 0) return err;
    trace->files++;
    trace->has_begun = false;
    err = trace_file_start(trace->file);
    if (err == 0) return 0;
    (void)trace_file_close(trace->file, &result);
    trace->file = NULL;
    return err;
}

/* The traces and the file are there. */
static void begin_round(struct serve_trace *trace) {
    trace->has_begun = true;
    atomic_store(&trace->recording, trace->loop_count);
    tell_loops(trace);
    if (trace->request->seconds <= 0) return;
    int err = eddy_timer_start(&trace->end, on_end, trace->request->seconds * EDDY_NS_PER_S, 0);
    if (err < 0) end_round(trace);
}

static void say_result(const struct trace_file_result *result) {
    if (result->error < 0) say_failure("write", result->path, result->error);
    system_say("%s has %llu records, %llu were lost", result->path,
               (unsigned long long)result->records, (unsigned long long)result->lost);
}

/* The file is ready; or no loop records any more; or the file is over, as it has been finished, or
 * could not be written. */
static void on_news(eddy_wake *wake) {
    struct serve_trace *trace = eddy_container_of(wake, struct serve_trace, news);
    struct trace_file_result result;
    if (trace->file == NULL) return;
    if (!trace_file_is_over(trace->file)) {
        if (trace->has_begun && atomic_load(&trace->recording) == 0)
            trace_file_finish(trace->file);
        else if (!trace->has_begun && trace_file_is_ready(trace->file))
            begin_round(trace);
        return;
    }
    end_round(trace);
    if (atomic_load(&trace->recording) > 0) return; /* they still have its traces */
    if (trace_file_close(trace->file, &result) < 0) return;
    trace->file = NULL;
    say_result(&result);
}

static void on_toggle(eddy_signal *watcher, int number) {
    struct serve_trace *trace = eddy_container_of(watcher, struct serve_trace, toggle);
    (void)number;
    if (trace->file == NULL) {
        int err = start_file(trace, true);
        if (err < 0) say_failure("begin a trace in", trace->request->value, err);
    } else if (trace->round % 2 == 1) {
        end_round(trace);
    } else {
        system_say("a trace is just being begun or ended");
    }
}

/* --- Its beginning and end --- */

static int watch(struct serve_trace *trace) {
    eddy_loop *loop = trace->loops[0].loop;
    eddy_signal_init(&trace->toggle, loop);
    eddy_timer_init(&trace->end, loop);
    eddy_wake_init(&trace->news, loop);
    eddy_unref(&trace->toggle.handle);
    eddy_unref(&trace->end.handle);
    eddy_unref(&trace->news.handle);
    for (unsigned i = 0; i < trace->loop_count; i++) {
        eddy_wake_init(&trace->loops[i].wake, trace->loops[i].loop);
        eddy_unref(&trace->loops[i].wake.handle);
    }
    int err = eddy_signal_start(&trace->toggle, on_toggle, SIGPROF);
    if (err == 0) err = eddy_wake_start(&trace->news, on_news);
    for (unsigned i = 0; i < trace->loop_count && err == 0; i++)
        err = eddy_wake_start(&trace->loops[i].wake, on_round);
    return err;
}

int serve_trace_open(struct serve_trace *trace, const struct trace_request *request,
                     struct serve_traced *loops, unsigned loop_count, bool is_successor) {
    if (request->value == NULL) return 0;
    trace->request = request;
    trace->loops = loops;
    trace->loop_count = loop_count;
    trace->is_successor = is_successor;
    for (unsigned i = 0; i < loop_count; i++) {
        loops[i].trace = trace;
        loops[i].number = i;
    }
    int err = watch(trace);
    if (err == 0 && request->seconds != 0) {
        err = start_file(trace, false);
        if (err == 0) begin_round(trace);
    }
    if (err < 0) say_failure("trace to", request->value, err);
    return err < 0 ? 1 : 0;
}

bool serve_trace_close(struct serve_trace *trace) {
    struct trace_file_result result;
    if (trace->request == NULL) return true;
    for (unsigned i = 0; i < trace->loop_count; i++) {
        if (trace->file != NULL && trace->has_begun)
            eddy_trace_stop(trace_file_trace(trace->file, i));
        eddy_wake_stop(&trace->loops[i].wake);
    }
    eddy_signal_stop(&trace->toggle);
    eddy_timer_stop(&trace->end);
    bool is_closed = true;
    if (trace->file != NULL) {
        trace_file_finish(trace->file);
        is_closed = trace_file_close(trace->file, &result) == 0;
        if (is_closed) say_result(&result);
        if (!is_closed) system_say("%s takes no more bytes", trace->request->value);
    }
    eddy_wake_stop(&trace->news);
    return is_closed;
}
