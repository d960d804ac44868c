/* trace.c: a trace on a kernel that refuses: it asks the system for nothing itself, and has what
 * the calls of its loop have given. */
#include "calls.h"
#include "suite.h"
#include "system.h"

#include <eddy.h>
#include <eddy/trace.h>
#include <eddy/trace_writer.h>
#include <string.h>

enum { TURNS = 8, BATCH = 16 };

static _Alignas(EDDY_TRACE_ALIGN) char memory[1 << 16];
static eddy_trace *trace;
static eddy_trace_reader reader;
static eddy_loop *loop;
static eddy_stream stream;
static eddy_write request;
static eddy_timer timer;
static eddy_wake wake;
static eddy_defer defer;
static eddy_post post;
static ssize_t told; /* by the stream */

static void on_read(eddy_stream *it, void *data, ssize_t size) {
    (void)it, (void)data;
    told = size;
}

static void on_written(eddy_write *it, int status) {
    (void)it, (void)status;
}

static void on_defer(eddy_defer *it) {
    (void)it;
}

static void on_timer(eddy_timer *it) {
    (void)it;
    eddy_wake_send(&wake);
    (void)eddy_defer_start(&defer, on_defer);
}

static void on_wake(eddy_wake *it) {
    (void)it;
}

static void on_post(eddy_post *it) {
    (void)it;
}

static void open_loop(int ends[2], bool is_traced) {
    eddy_loop_config config = {.backend = test_backend};
    ck_assert_int_eq(eddy_loop_open(&loop, &config), 0);
    test_socket_pair(ends);
    ck_assert_int_eq(eddy_trace_open(&trace, memory, sizeof memory), 0);
    eddy_trace_reader_init(&reader, trace);
    calls = (struct calls){0};
    if (is_traced) ck_assert_int_eq(eddy_trace_start(trace, loop), 0);
    eddy_stream_init(&stream, loop);
    eddy_timer_init(&timer, loop);
    eddy_wake_init(&wake, loop);
    eddy_defer_init(&defer, loop);
    ck_assert_int_eq(eddy_stream_attach(&stream, ends[0]), 0);
    ck_assert_int_eq(eddy_stream_read_start(&stream, on_read), 0);
}

static void close_loop(int ends[2]) {
    eddy_timer_stop(&timer);
    eddy_wake_stop(&wake);
    eddy_defer_stop(&defer);
    ck_assert_int_eq(eddy_stream_close(&stream, NULL), 0);
    while (eddy_loop_is_alive(loop)) (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    eddy_trace_stop(trace);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
    close(ends[1]);
}

static int drop(void *context, const void *data, size_t size) {
    (void)context, (void)data, (void)size;
    return 0;
}

/* Reads all, and writes it down. Returns how many there were, and the last of a kind. */
static unsigned read_all(eddy_trace_kind kind, int64_t *argument) {
    static eddy_trace_writer writer;
    static eddy_trace_source source;
    eddy_trace_record records[BATCH];
    unsigned found = 0;
    int count;
    eddy_trace_writer_init(&writer, "calls", drop, NULL);
    eddy_trace_source_init(&source, &writer, "loop");
    while ((count = eddy_trace_read(&reader, records, BATCH)) > 0) {
        ck_assert_int_eq(eddy_trace_write_text(&source, records, count), 0);
        for (int i = 0; i < count; i++, found++)
            if (records[i].kind == kind) *argument = records[i].argument;
    }
    return found;
}

static struct calls make_turns(bool is_traced) {
    int ends[2];
    int64_t ignored = 0;
    open_loop(ends, is_traced);
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 1), 0);
    for (int i = 0; i < TURNS; i++) {
        ck_assert_int_eq(eddy_stream_write(&stream, &request, "x", 1, on_written), 0);
        ck_assert_int_eq(write(ends[1], "y", 1), 1);
        eddy_loop_post(loop, &post, on_post);
        (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    }
    unsigned found = read_all(EDDY_TRACE_TURN, &ignored);
    ck_assert_uint_eq(found > TURNS, is_traced);
    struct calls made = calls;
    close_loop(ends);
    return made;
}

/* Not even one that it could do without. */
START_TEST(a_trace_asks_the_system_for_nothing) {
    struct calls without = make_turns(false), with = make_turns(true);
    for (int i = 0; i < CALLS_COUNT; i++)
        ck_assert_msg(without.made[i] == with.made[i], "call %d: %u times, and %u when traced", i,
                      without.made[i], with.made[i]);
}
END_TEST

START_TEST(an_error_of_a_read_is_in_the_trace) {
    int ends[2];
    int64_t argument = 0;
    open_loop(ends, true);
    told = 0;
    ck_assert_int_eq(write(ends[1], "y", 1), 1);
    calls_refuse(CALL_recv, 1, ECONNRESET);
    (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    ck_assert_uint_eq(calls.failed, 1);
    ck_assert_int_eq(told, -ECONNRESET);
    (void)read_all(EDDY_TRACE_READ, &argument);
    ck_assert_int_eq(argument, -ECONNRESET);
    close_loop(ends);
}
END_TEST

START_TEST(an_error_of_a_wait_is_in_the_trace) {
    int ends[2];
    int64_t argument = 0;
    open_loop(ends, true);
    calls_refuse(CALL_ANY, 1, ENOMEM);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), -ENOMEM);
    (void)read_all(EDDY_TRACE_WAITED, &argument);
    ck_assert_int_eq(argument, -ENOMEM);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
    (void)read_all(EDDY_TRACE_WAITED, &argument);
    ck_assert_int_eq(argument, 0);
    close_loop(ends);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("calls of a trace");
    ck_add(suite, "trace", a_trace_asks_the_system_for_nothing, an_error_of_a_read_is_in_the_trace,
           an_error_of_a_wait_is_in_the_trace);
    return suite;
}
