/* trace_causes.c: what led to a call is found where it is not next to it: among events of the same
 * wait, through the pool, and over what was lost or belonged to another trace. */
#include "suite.h"

#include "src/core/observe.h"

#include <eddy/trace.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS_MAX = 512 };

static _Alignas(EDDY_TRACE_ALIGN) char memory[2][1 << 16];
static eddy_trace *traces[2];
static eddy_trace_reader reader;
static eddy_trace_record records[RECORDS_MAX];
static int record_count;

static void begin(int which, eddy_loop *loop) {
    ck_assert_int_eq(eddy_trace_open(&traces[which], memory[which], sizeof memory[which]), 0);
    ck_assert_int_eq(eddy_trace_start(traces[which], loop), 0);
}

static void read_all(int which) {
    eddy_trace_reader_init(&reader, traces[which]);
    record_count = eddy_trace_read(&reader, records, RECORDS_MAX);
    ck_assert_int_lt(record_count, RECORDS_MAX);
    ck_assert_uint_eq(reader.lost, 0);
}

static const eddy_trace_record *find(eddy_trace_kind kind, uint64_t object) {
    for (int i = 0; i < record_count; i++)
        if (records[i].kind == kind && records[i].object == object) return &records[i];
    ck_abort_msg("no %s", eddy_trace_kind_name(kind));
    return NULL;
}

static int count(eddy_trace_kind kind, const void *object) {
    int found = 0;
    for (int i = 0; i < record_count; i++)
        found += records[i].kind == kind && records[i].object == (uintptr_t)object;
    return found;
}

static void on_io(eddy_io *io, unsigned events) {
    (void)events;
    eddy_io_stop(io);
}

/* Of two descriptors that one wait tells of, neither leads to the other. */
START_TEST(an_event_is_led_to_by_nothing) {
    eddy_loop *loop = test_loop_open();
    eddy_io io[2];
    int ends[2][2];
    for (int i = 0; i < 2; i++) {
        test_pipe(ends[i]);
        ck_assert_int_eq(write(ends[i][1], "x", 1), 1);
        eddy_io_init(&io[i], loop);
        ck_assert_int_eq(eddy_io_start(&io[i], on_io, ends[i][0], EDDY_READ), 0);
    }
    begin(0, loop);
    test_run(loop, EDDY_RUN_DEFAULT);
    eddy_trace_stop(traces[0]);
    read_all(0);
    for (int i = 0; i < 2; i++) {
        const eddy_trace_record *event = find(EDDY_TRACE_EVENT, (unsigned)ends[i][0]);
        const eddy_trace_record *call = find(EDDY_TRACE_CALL, (uintptr_t)&io[i]);
        ck_assert_uint_eq(event->cause, 0);
        ck_assert_uint_eq(call->cause, event->number);
        ck_assert_uint_eq(find(EDDY_TRACE_RETURN, (uintptr_t)&io[i])->cause, call->number);
        close(ends[i][0]);
        close(ends[i][1]);
    }
    test_loop_close(loop);
}
END_TEST

static void on_closed(eddy_file *file) {
    ck_assert_int_eq(file->result, 0);
}

static void on_file_written(eddy_file *file) {
    ck_assert_int_eq(file->result, 1);
}

/* A request need not be set to anything before: whose function it has is no matter of its memory.
 */
START_TEST(a_request_in_any_memory_is_a_call) {
    eddy_loop *loop = test_loop_open();
    eddy_file file;
    char byte = 'x';
    int ends[2];
    test_pipe(ends);
    memset(&file, 1, sizeof file);
    begin(0, loop);
    ck_assert_int_eq(eddy_file_write(loop, &file, ends[1], &byte, 1, -1, on_file_written), 0);
    test_run(loop, EDDY_RUN_DEFAULT);
    eddy_trace_stop(traces[0]);
    read_all(0);
    ck_assert_int_eq(find(EDDY_TRACE_CALL, (uintptr_t)&file)->what, EDDY_KIND_FILE);
    close(ends[0]);
    close(ends[1]);
    test_loop_close(loop);
}
END_TEST

/* A file request is known by its own address from the start to its call. */
START_TEST(a_file_request_leads_through_the_pool_to_its_call) {
    eddy_loop *loop = test_loop_open();
    eddy_file file = {0};
    int ends[2];
    test_pipe(ends);
    begin(0, loop);
    ck_assert_int_eq(eddy_file_close(loop, &file, ends[0], on_closed), 0);
    test_run(loop, EDDY_RUN_DEFAULT);
    eddy_trace_stop(traces[0]);
    read_all(0);
    const eddy_trace_record *submit = find(EDDY_TRACE_SUBMIT, (uintptr_t)&file);
    const eddy_trace_record *job = find(EDDY_TRACE_BEGIN, (uintptr_t)&file);
    const eddy_trace_record *done = find(EDDY_TRACE_DONE, (uintptr_t)&file);
    const eddy_trace_record *call = find(EDDY_TRACE_CALL, (uintptr_t)&file);
    ck_assert_int_eq(submit->what, EDDY_KIND_FILE);
    ck_assert_int_eq(submit->argument, EDDY_LANE_FILE);
    ck_assert_int_eq(job->what, EDDY_KIND_FILE);
    ck_assert_uint_eq(job->cause, submit->number);
    ck_assert_uint_eq(done->cause, job->number);
    ck_assert_int_eq(call->what, EDDY_KIND_FILE);
    ck_assert_uint_eq(call->cause, done->number);
    close(ends[1]);
    test_loop_close(loop);
}
END_TEST

static void on_timer_that_changes(eddy_timer *timer) {
    eddy_trace_stop(traces[0]);
    begin(1, eddy_handle_loop(&timer->handle));
}

static void on_timer(eddy_timer *timer) {
    (void)timer;
}

/* With somebody else who looks all the time, so that the loop goes on being observed. */
START_TEST(a_call_that_another_trace_saw_begin_does_not_end_in_this_one) {
    struct observer observer;
    eddy_loop *loop = test_loop_open();
    eddy_timer first, second;
    memset(&observer, 0, sizeof observer);
    eddy__observe_begin(loop, &observer);
    begin(0, loop);
    eddy_timer_init(&first, loop);
    eddy_timer_init(&second, loop);
    ck_assert_int_eq(eddy_timer_start(&first, on_timer_that_changes, 0, 0), 0);
    ck_assert_int_eq(eddy_timer_start(&second, on_timer, 0, 0), 0);
    test_run(loop, EDDY_RUN_DEFAULT);
    eddy_trace_stop(traces[1]);
    eddy__observe_end(loop, &observer);
    read_all(1);
    ck_assert_int_eq(count(EDDY_TRACE_RETURN, &first), 0);
    ck_assert_uint_eq(find(EDDY_TRACE_CALL, (uintptr_t)&second)->cause, 0); /* its start: in [0] */
    read_all(0);
    ck_assert_int_eq(count(EDDY_TRACE_CALL, &first), 1);
    test_loop_close(loop);
}
END_TEST

/* What asked for the call may have been among the lost: then nothing is better than what asked for
 * an earlier one. */
START_TEST(no_cause_is_told_over_what_was_lost) {
    eddy_loop *loop = test_loop_open();
    eddy_timer timer;
    eddy_trace_record record = {0};
    begin(0, loop);
    eddy_timer_init(&timer, loop);
    eddy_trace_reader_init(&reader, traces[0]);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    ck_assert_int_eq(eddy_trace_read(&reader, &record, 1), 1);
    ck_assert_int_eq(record.kind, EDDY_TRACE_TIMER_START);
    eddy_timer_stop(&timer);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    for (int i = 0; i < 1 << 12; i++) eddy_trace_mark(loop, NULL, i);
    test_run(loop, EDDY_RUN_DEFAULT);
    eddy_trace_stop(traces[0]);
    int calls = 0;
    while (eddy_trace_read(&reader, &record, 1) == 1) {
        if (record.kind != EDDY_TRACE_CALL || record.object != (uintptr_t)&timer) continue;
        ck_assert_uint_eq(record.cause, 0);
        calls++;
    }
    ck_assert_int_eq(calls, 1);
    ck_assert_uint_gt(reader.lost, 0);
    test_loop_close(loop);
}
END_TEST

static int wait_length_seen;
static void look_at_wait(const eddy_trace_record *record, void *context) {
    static int64_t began_ns;
    (void)context;
    if (record->kind == EDDY_TRACE_WAIT) began_ns = record->time_ns;
    if (record->kind != EDDY_TRACE_WAITED) return;
    ck_assert_int_ge(record->time_ns, began_ns);
    wait_length_seen++;
}

/* A turn that waits again, because its first wait was full: both ends are after their beginnings.
 */
START_TEST(a_second_wait_of_a_turn_ends_after_it_began) {
    enum { PIPES = 3 };
    eddy_loop *loop =
        test_loop_open_with((eddy_loop_config){.events_per_turn = 1, .waits_per_turn = PIPES});
    eddy_io io[PIPES];
    int ends[PIPES][2];
    for (int i = 0; i < PIPES; i++) {
        test_pipe(ends[i]);
        ck_assert_int_eq(write(ends[i][1], "x", 1), 1);
        eddy_io_init(&io[i], loop);
        ck_assert_int_eq(eddy_io_start(&io[i], on_io, ends[i][0], EDDY_READ), 0);
    }
    begin(0, loop);
    wait_length_seen = 0;
    eddy_trace_watch(traces[0], look_at_wait, NULL);
    test_run(loop, EDDY_RUN_ONCE);
    ck_assert_int_gt(wait_length_seen, 1);
    eddy_trace_stop(traces[0]);
    for (int i = 0; i < PIPES; i++) {
        eddy_io_stop(&io[i]);
        close(ends[i][0]);
        close(ends[i][1]);
    }
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("loop/trace_causes");
    ck_add(suite, "causes", an_event_is_led_to_by_nothing, a_request_in_any_memory_is_a_call,
           a_file_request_leads_through_the_pool_to_its_call,
           a_call_that_another_trace_saw_begin_does_not_end_in_this_one,
           no_cause_is_told_over_what_was_lost, a_second_wait_of_a_turn_ends_after_it_began);
    return suite;
}
