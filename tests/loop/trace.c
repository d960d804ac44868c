/* trace.c: what a loop does is recorded: each kind of record, in order, with what led to it. */
#include "net.h"

#include <eddy/trace.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { RECORDS_MAX = 4096 };

static _Alignas(EDDY_TRACE_ALIGN) char memory[1 << 19];
static eddy_trace_record records[RECORDS_MAX];
static int record_count;

static eddy_trace *begin(eddy_loop *loop) {
    eddy_trace *trace;
    ck_assert_int_eq(eddy_trace_open(&trace, memory, sizeof memory), 0);
    ck_assert_int_eq(eddy_trace_start(trace, loop), 0);
    return trace;
}

/* What every sequence of records must be: calls and returns are balanced, waits end, phases ascend,
 * numbers are each there once, and causes came before. */
static void expect_sound(void) {
    unsigned depth = 0, phase = 0;
    bool waits = false;
    uint64_t last_own = 0;
    for (int i = 0; i < record_count; i++) {
        const eddy_trace_record *record = &records[i];
        ck_assert_uint_ne(record->number, 0);
        ck_assert_int_lt(record->kind, EDDY_TRACE_KINDS);
        ck_assert_uint_ne(record->cause, record->number);
        if (record->number % 2 != 0) continue; /* of any thread */
        ck_assert_uint_gt(record->number, last_own);
        last_own = record->number;
        ck_assert_int_eq(waits, record->kind == EDDY_TRACE_WAITED);
        waits = record->kind == EDDY_TRACE_WAIT;
        depth += record->kind == EDDY_TRACE_CALL;
        if (record->kind == EDDY_TRACE_RETURN) {
            ck_assert_uint_gt(depth, 0);
            depth--;
        }
        if (record->kind == EDDY_TRACE_TURN) phase = 0;
        if (record->kind == EDDY_TRACE_PHASE) {
            ck_assert_uint_gt(record->phase, phase);
            phase = record->phase;
        }
    }
    ck_assert_uint_eq(depth, 0);
}

static void end(eddy_trace *trace) {
    static eddy_trace_reader reader;
    eddy_trace_stop(trace);
    ck_assert(!eddy_trace_is_on(trace));
    eddy_trace_reader_init(&reader, trace);
    record_count = eddy_trace_read(&reader, records, RECORDS_MAX);
    ck_assert_int_lt(record_count, RECORDS_MAX);
    ck_assert_uint_eq(reader.lost, 0);
    expect_sound();
}

/* The only record of that kind and object, or the `nth` of several; fails if there is none. */
static const eddy_trace_record *find_nth(eddy_trace_kind kind, const void *object, int nth) {
    for (int i = 0; i < record_count; i++)
        if (records[i].kind == kind && records[i].object == (uintptr_t)object && nth-- == 0)
            return &records[i];
    ck_abort_msg("no %s", eddy_trace_kind_name(kind));
    return NULL;
}

static const eddy_trace_record *find(eddy_trace_kind kind, const void *object) {
    return find_nth(kind, object, 0);
}

static int count(eddy_trace_kind kind, const void *object) {
    int found = 0;
    for (int i = 0; i < record_count; i++)
        found += records[i].kind == kind && records[i].object == (uintptr_t)object;
    return found;
}

/* That `asked` led to the call of `object`, and that the call is of that kind, phase and function.
 */
static void expect_call(const void *object, const eddy_trace_record *asked, eddy_kind what,
                        int phase, uintptr_t fn) {
    const eddy_trace_record *call = find(EDDY_TRACE_CALL, object);
    ck_assert_uint_eq(call->cause, asked->number);
    ck_assert_int_eq(call->what, what);
    ck_assert_int_eq(call->phase, phase);
    ck_assert_int_eq(call->argument, (int64_t)fn);
    const eddy_trace_record *ret = find(EDDY_TRACE_RETURN, object);
    ck_assert_uint_eq(ret->cause, call->number);
    ck_assert_int_ge(ret->argument, 0);
    ck_assert_int_ge(ret->time_ns, call->time_ns);
}

/* --- Each kind --- */

static eddy_timer timer, other_timer;
static eddy_defer defer;
static eddy_post post;
static eddy_wake wake;
static eddy_work work;
static bool done;

static void on_timer(eddy_timer *it) {
    eddy_timer_stop(&other_timer);
    eddy_trace_mark(eddy_handle_loop(&it->handle), it, 77);
    done = true;
}

START_TEST(a_timer_is_started_fires_and_is_stopped) {
    eddy_loop *loop = test_loop_open();
    eddy_trace *trace = begin(loop);
    done = false;
    eddy_timer_init(&timer, loop);
    eddy_timer_init(&other_timer, loop);
    eddy_timer_start(&other_timer, on_timer, EDDY_NS_PER_S, 0);
    eddy_timer_start(&timer, on_timer, EDDY_NS_PER_MS, 0);
    int64_t due_ns = eddy_timer_due_ns(&timer);
    test_run(loop, EDDY_RUN_DEFAULT);
    ck_assert(done);
    end(trace);
    const eddy_trace_record *start = find(EDDY_TRACE_TIMER_START, &timer);
    ck_assert_int_eq(start->argument, due_ns);
    ck_assert_uint_eq(start->cause, 0);
    expect_call(&timer, start, EDDY_KIND_TIMER, 4, (uintptr_t)on_timer);
    const eddy_trace_record *call = find(EDDY_TRACE_CALL, &timer);
    ck_assert_int_ge(call->time_ns, due_ns);
    ck_assert_uint_eq(find(EDDY_TRACE_TIMER_STOP, &other_timer)->cause, call->number);
    ck_assert_uint_eq(find(EDDY_TRACE_MARK, &timer)->cause, call->number);
    ck_assert_int_eq(find(EDDY_TRACE_MARK, &timer)->argument, 77);
    ck_assert_int_eq(count(EDDY_TRACE_CALL, &other_timer), 0);
    const eddy_trace_record *wait = find(EDDY_TRACE_WAIT, NULL);
    ck_assert_int_ge(wait->argument, 0); /* on a busy machine it was due by then */
    ck_assert_int_le(wait->argument, EDDY_NS_PER_MS);
    test_loop_close(loop);
}
END_TEST

static void on_defer(eddy_defer *it) {
    (void)it;
}

static void on_post(eddy_post *it) {
    (void)it;
}

static void on_wake(eddy_wake *it) {
    eddy_wake_stop(it);
}

static void run(eddy_work *it) {
    (void)it;
}

static void on_done(eddy_work *it, int status) {
    (void)status;
    eddy_defer_start(&defer, on_defer);
    eddy_loop_post(eddy_work_loop(it), &post, on_post);
    eddy_wake_send(&wake);
}

START_TEST(jobs_posts_wakes_and_deferred_calls_lead_to_their_calls) {
    eddy_loop *loop = test_loop_open();
    eddy_trace *trace = begin(loop);
    eddy_defer_init(&defer, loop);
    eddy_wake_init(&wake, loop);
    eddy_wake_start(&wake, on_wake);
    ck_assert_int_eq(eddy_work_submit(loop, &work, EDDY_LANE_CPU, run, on_done), 0);
    test_run(loop, EDDY_RUN_DEFAULT);
    end(trace);
    const eddy_trace_record *submit = find(EDDY_TRACE_SUBMIT, &work);
    const eddy_trace_record *job = find(EDDY_TRACE_BEGIN, &work);
    const eddy_trace_record *ended = find(EDDY_TRACE_DONE, &work);
    ck_assert_int_eq(submit->argument, EDDY_LANE_CPU);
    ck_assert_uint_eq(job->cause, submit->number);
    ck_assert_int_gt(job->thread, 0);
    ck_assert_int_lt(job->thread, 255);
    ck_assert_uint_eq(ended->cause, job->number);
    ck_assert_int_eq(ended->thread, job->thread);
    expect_call(&work, ended, EDDY_KIND_WORK, 6, (uintptr_t)on_done);
    ck_assert_int_eq(count(EDDY_TRACE_CALL, &work), 1); /* not its post as well */
    uint64_t call = find(EDDY_TRACE_CALL, &work)->number;
    ck_assert_uint_eq(find(EDDY_TRACE_POST, &post)->cause, call);
    ck_assert_int_eq(find(EDDY_TRACE_POST, &post)->thread, 0);
    ck_assert_uint_eq(find(EDDY_TRACE_WAKE, &wake)->cause, call);
    expect_call(&defer, find(EDDY_TRACE_DEFER, &defer), EDDY_KIND_DEFER, 7, (uintptr_t)on_defer);
    expect_call(&post, find(EDDY_TRACE_POST, &post), EDDY_KIND_POST, 6, (uintptr_t)on_post);
    expect_call(&wake, find(EDDY_TRACE_WAKE, &wake), EDDY_KIND_WAKE, 6, (uintptr_t)on_wake);
    test_loop_close(loop);
}
END_TEST

static eddy_stream streams[2];
static eddy_write write_request;

static void on_closed(eddy_stream *stream) {
    (void)stream;
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    (void)stream;
    (void)data;
    ck_assert_int_eq(size, 5);
    for (int i = 0; i < 2; i++) eddy_stream_close(&streams[i], on_closed);
}

static void on_written(eddy_write *write, int status) {
    (void)write;
    ck_assert_int_eq(status, 0);
}

START_TEST(the_way_of_bytes_is_a_line) {
    eddy_loop *loop = test_loop_open();
    eddy_label label;
    char text[48];
    for (int i = 0; i < 2; i++) eddy_stream_init(&streams[i], loop);
    ck_assert_int_eq(eddy_local_pair(&streams[0], &streams[1], 0), 0);
    int fd = eddy_stream_fd(&streams[1]);
    eddy_label_init(&label, loop);
    eddy_label_set(&label, &streams[1], "reader");
    eddy_trace *trace = begin(loop);
    ck_assert_int_eq(eddy_stream_read_start(&streams[1], on_read), 0);
    eddy_stream_write(&streams[0], &write_request, "hello", 5, on_written);
    test_run(loop, EDDY_RUN_DEFAULT);
    end(trace);
    ck_assert_int_eq(find(EDDY_TRACE_QUEUE, &write_request)->argument, 5);
    ck_assert_int_eq(find(EDDY_TRACE_WRITE, &streams[0])->argument, 5);
    expect_call(&write_request, find(EDDY_TRACE_QUEUE, &write_request), EDDY_KIND_WRITE, 7,
                (uintptr_t)on_written);
    const eddy_trace_record *event = find(EDDY_TRACE_EVENT, (void *)(uintptr_t)fd);
    ck_assert(event->argument & EDDY_READ);
    ck_assert_int_eq(event->what, EDDY_KINDS);
    ck_assert_uint_eq(find(EDDY_TRACE_READ, &streams[1])->cause, event->number);
    ck_assert_int_eq(find(EDDY_TRACE_READ, &streams[1])->argument, 5);
    expect_call(&streams[1], event, EDDY_KIND_STREAM, 5, (uintptr_t)on_read);
    const eddy_trace_record *close = find(EDDY_TRACE_CLOSE, &streams[0]);
    ck_assert_uint_eq(close->cause, find(EDDY_TRACE_CALL, &streams[1])->number);
    expect_call(&streams[0], close, EDDY_KIND_STREAM, 8, (uintptr_t)on_closed);
    ck_assert_uint_eq(eddy_trace_label(trace, (uintptr_t)&streams[1], text, sizeof text), 6);
    ck_assert_str_eq(text, "reader");
    ck_assert_uint_eq(eddy_trace_label(trace, (uintptr_t)&streams[0], text, sizeof text), 0);
    eddy_label_clear(&label);
    test_loop_close(loop);
}
END_TEST

static void on_signal(eddy_signal *watcher, int number) {
    (void)number;
    eddy_signal_stop(watcher);
}

START_TEST(a_signal_and_the_byte_that_wakes_are_records) {
    static eddy_signal watcher;
    eddy_loop *loop = test_loop_open();
    eddy_trace *trace = begin(loop);
    eddy_signal_init(&watcher, loop);
    ck_assert_int_eq(eddy_signal_start(&watcher, on_signal, SIGUSR1), 0);
    raise(SIGUSR1);
    test_run(loop, EDDY_RUN_DEFAULT);
    end(trace);
    ck_assert_int_eq(find(EDDY_TRACE_SIGNAL, &watcher)->argument, SIGUSR1);
    ck_assert_int_eq(count(EDDY_TRACE_WAKEUP, NULL), 1);
    expect_call(&watcher, find(EDDY_TRACE_SIGNAL, &watcher), EDDY_KIND_SIGNAL, 6,
                (uintptr_t)on_signal);
    test_loop_close(loop);
}
END_TEST

/* --- On and off --- */

static void on_timer_that_starts(eddy_timer *it) {
    begin(eddy_handle_loop(&it->handle));
    eddy_defer_start(&defer, on_defer);
}

static void on_timer_that_stops(eddy_timer *it) {
    eddy_trace_stop(eddy_loop_trace(eddy_handle_loop(&it->handle)));
    eddy_defer_start(&defer, on_defer);
}

START_TEST(it_can_be_started_and_stopped_in_a_callback) {
    eddy_loop *loop = test_loop_open();
    eddy_timer_init(&timer, loop);
    eddy_defer_init(&defer, loop);
    eddy_timer_start(&timer, on_timer_that_starts, 0, 0);
    test_run(loop, EDDY_RUN_DEFAULT);
    eddy_trace *trace = eddy_loop_trace(loop);
    ck_assert_ptr_nonnull(trace);
    ck_assert_int_eq(eddy_trace_start(trace, loop), -EBUSY);
    eddy_timer_start(&timer, on_timer_that_stops, 0, 0);
    test_run(loop, EDDY_RUN_DEFAULT);
    ck_assert_ptr_null(eddy_loop_trace(loop));
    static eddy_trace_reader reader;
    eddy_trace_reader_init(&reader, trace);
    record_count = eddy_trace_read(&reader, records, RECORDS_MAX);
    ck_assert_int_eq(count(EDDY_TRACE_CALL, &defer), 1); /* of the first run */
    ck_assert_int_eq(count(EDDY_TRACE_CALL, &timer), 1); /* of the second one */
    ck_assert_int_eq(count(EDDY_TRACE_RETURN, &timer), 0);
    test_loop_close(loop);
}
END_TEST

START_TEST(memory_that_does_not_fit_is_refused) {
    eddy_trace *trace;
    ck_assert_int_eq(eddy_trace_open(&trace, memory, EDDY_TRACE_BYTES_MIN - 1), -EINVAL);
    ck_assert_int_eq(eddy_trace_open(&trace, memory + 8, EDDY_TRACE_BYTES_MIN), -EINVAL);
    ck_assert_int_eq(eddy_trace_open(&trace, memory, EDDY_TRACE_BYTES_MIN), 0);
}
END_TEST

/* A loop that is closed lets its trace go: there is nothing that could be stopped any more. */
START_TEST(what_was_recorded_outlives_its_loop) {
    eddy_loop *loop = test_loop_open();
    eddy_trace *trace = begin(loop);
    test_run(loop, EDDY_RUN_NOWAIT);
    test_loop_close(loop);
    ck_assert(!eddy_trace_is_on(trace));
    end(trace);
    ck_assert_int_gt(record_count, 0);
    loop = test_loop_open();
    ck_assert_int_eq(eddy_trace_start(trace, loop), 0);
    eddy_trace_stop(trace);
    test_loop_close(loop);
}
END_TEST

enum { APART = 64 };

/* None of them takes the place of another one in the reader's table. */
START_TEST(many_that_are_asked_for_together_have_each_its_cause) {
    static eddy_timer timers[APART * APART];
    eddy_loop *loop = test_loop_open();
    eddy_trace *trace = begin(loop);
    for (int i = 0; i < APART; i++) {
        eddy_timer *it = &timers[i * i];
        eddy_timer_init(it, loop);
        eddy_timer_start(it, on_timer, 0, 0);
    }
    test_run(loop, EDDY_RUN_DEFAULT);
    end(trace);
    for (int i = 0; i < APART; i++) {
        const eddy_timer *it = &timers[i * i];
        expect_call(it, find(EDDY_TRACE_TIMER_START, it), EDDY_KIND_TIMER, 4, (uintptr_t)on_timer);
    }
    test_loop_close(loop);
}
END_TEST

static int watched;

static void on_record(const eddy_trace_record *record, void *context) {
    ck_assert_ptr_eq(context, &watched);
    ck_assert_int_eq(record->number % 2, 0);
    watched++;
}

START_TEST(who_watches_sees_each_record_of_the_loop) {
    eddy_loop *loop = test_loop_open();
    eddy_trace *trace = begin(loop);
    eddy_trace_watch(trace, on_record, &watched);
    watched = 0;
    eddy_timer_init(&timer, loop);
    eddy_timer_init(&other_timer, loop);
    eddy_timer_start(&timer, on_timer, 0, 0);
    test_run(loop, EDDY_RUN_DEFAULT);
    eddy_trace_watch(trace, NULL, NULL);
    end(trace);
    ck_assert_int_eq(watched, record_count);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("loop/trace");
    ck_add(suite, "kinds", a_timer_is_started_fires_and_is_stopped,
           many_that_are_asked_for_together_have_each_its_cause,
           jobs_posts_wakes_and_deferred_calls_lead_to_their_calls, the_way_of_bytes_is_a_line,
           a_signal_and_the_byte_that_wakes_are_records);
    ck_add(suite, "on and off", it_can_be_started_and_stopped_in_a_callback,
           memory_that_does_not_fit_is_refused, what_was_recorded_outlives_its_loop,
           who_watches_sees_each_record_of_the_loop);
    return suite;
}
