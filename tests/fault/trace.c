/* trace.c: faults while a loop is traced: a trace asks the system for nothing, so whatever fails it
 * has each callback by the time that it begins, and the error that the callback is told of; and
 * those who write it down end with their sink's error, once. */
#include "fault.h"
#include "system.h"

#include <eddy/trace.h>
#include <eddy/trace_writer.h>
#include <pthread.h>

enum { BYTES = 1 << 16, RECORDS = 512, BATCH = 64, SENT = 50 };

static _Alignas(EDDY_TRACE_ALIGN) char memory[BYTES];
static eddy_trace *trace;
static eddy_trace_reader reader;
static eddy_trace_record records[RECORDS];
static int count; /* of the first ones, which are written down */

static struct {
    eddy_loop *loop;
    eddy_stream stream;
    eddy_write write;
    eddy_work work;
    eddy_timer timer;
    eddy_post post;
    eddy_hook hook; /* so that nothing is lost in turns that are in vain */
    struct promise reading, writing, working, firing, posting, closing;
    bool over, closed;
    unsigned calls; /* of callbacks */
} it;

static struct {
    uint64_t own, other, called; /* the last numbers; the object of the last call */
    unsigned kinds[EDDY_TRACE_KINDS], depth;
    int64_t read, written; /* what the last of these has given */
    bool waits;
} seen;

/* --- What is in the trace --- */

static void look_at(const eddy_trace_record *record) {
    uint64_t *last = record->number % 2 == 0 ? &seen.own : &seen.other;
    fault_assert(record->kind < EDDY_TRACE_KINDS && record->number > *last);
    fault_assert(record->cause <= (record->cause % 2 == 0 ? seen.own : seen.other));
    *last = record->number;
    seen.kinds[record->kind]++;
    if (record->kind == EDDY_TRACE_READ) seen.read = record->argument;
    if (record->kind == EDDY_TRACE_WRITE) seen.written = record->argument;
    if (record->number % 2 != 0) return;
    fault_assert(seen.waits == (record->kind == EDDY_TRACE_WAITED));
    seen.waits = record->kind == EDDY_TRACE_WAIT;
    if (record->kind == EDDY_TRACE_CALL) {
        seen.depth++;
        seen.called = record->object;
    } else if (record->kind == EDDY_TRACE_RETURN) {
        fault_assert(seen.depth > 0);
        seen.depth--;
    }
}

static void read_all(void) {
    eddy_trace_record batch[BATCH];
    int more;
    while ((more = eddy_trace_read(&reader, batch, BATCH)) > 0)
        for (int i = 0; i < more; i++) {
            look_at(&batch[i]);
            if (count < RECORDS) records[count++] = batch[i];
        }
    fault_assert(reader.lost == 0);
}

/* Every callback begins here. */
static void begin(struct promise *promise, const void *object) {
    if (promise != NULL) promise_keep(promise);
    it.calls++;
    read_all();
    fault_assert(seen.kinds[EDDY_TRACE_CALL] == it.calls && seen.depth > 0);
    fault_assert(seen.called == (uintptr_t)object);
}

static void end(void) {
    it.over = !promise_is_open(&it.reading) && !promise_is_open(&it.writing) &&
              !promise_is_open(&it.working) && !promise_is_open(&it.firing) &&
              !promise_is_open(&it.posting);
}

/* `last` is what the system call has given. What it may be got over, and then the backend may fail.
 */
static void check_told(int64_t last, int64_t told) {
    bool may_pass = last == -EAGAIN || last == -ENOBUFS || last == -ENOMEM || last >= 0;
    if (!may_pass && told != -ECANCELED) fault_assert(last == told);
}

/* --- What the loop does --- */

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    (void)data;
    begin(it.reading.kept ? NULL : &it.reading, stream);
    fault_assert(size > 0 || !fault_is_unhurt());
    if (size < 0 && fault_is_of(OS_CALL_receive)) check_told(seen.read, size);
    eddy_stream_read_stop(stream);
    end();
}

static void on_written(eddy_write *write, int status) {
    begin(&it.writing, write);
    fault_assert(status == 0 || !fault_is_unhurt());
    if (status < 0 && fault_is_of(OS_CALL_send)) check_told(seen.written, status);
    end();
}

static void run(eddy_work *work) {
    (void)work;
}

static void on_done(eddy_work *work, int status) {
    (void)status;
    begin(&it.working, work);
    end();
}

static void on_timer(eddy_timer *timer) {
    begin(&it.firing, timer);
    end();
}

static void on_post(eddy_post *post) {
    begin(&it.posting, post);
    end();
}

static void on_closed(eddy_stream *stream) {
    begin(&it.closing, stream);
    it.closed = true;
}

static void on_turn(eddy_hook *hook) {
    begin(NULL, hook);
}

static void *post_from_elsewhere(void *argument) {
    eddy_loop_post(it.loop, &it.post, on_post);
    return argument;
}

static void start_all(int fd) {
    static char data[SENT];
    eddy_stream_init(&it.stream, it.loop);
    eddy_timer_init(&it.timer, it.loop);
    eddy_hook_init(&it.hook, it.loop);
    eddy_unref(&it.hook.handle);
    fault_assert(eddy_hook_start(&it.hook, EDDY_HOOK_PREPARE, on_turn) == 0);
    int err = eddy_stream_attach(&it.stream, fd);
    if (err < 0) close(fd);
    if (err == 0) err = promise_give(&it.reading, eddy_stream_read_start(&it.stream, on_read));
    if (err == 0) {
        err = eddy_stream_write(&it.stream, &it.write, data, SENT, on_written);
        (void)promise_give(&it.writing, err);
    }
    fault_assert(err == 0 || !fault_is_unhurt());
    err = eddy_work_submit(it.loop, &it.work, EDDY_LANE_CPU, run, on_done);
    fault_assert(promise_give(&it.working, err) == 0 || !fault_is_unhurt());
    err = eddy_timer_start(&it.timer, on_timer, EDDY_NS_PER_MS, 0);
    fault_assert(promise_give(&it.firing, err) == 0 || !fault_is_unhurt());
    (void)promise_give(&it.posting, 0);
}

static void use_all(int ends[2]) {
    pthread_t thread;
    put(ends[1], "x");
    start_all(ends[0]);
    ck_assert_int_eq(pthread_create(&thread, NULL, post_from_elsewhere, NULL), 0);
    (void)fault_turn_until(it.loop, &it.over);
    pthread_join(thread, NULL);
    eddy_timer_stop(&it.timer);
    int err = eddy_stream_close(&it.stream, on_closed);
    fault_assert(promise_give(&it.closing, err) == 0);
    fault_settle(it.loop);
    eddy_hook_stop(&it.hook);
    close(ends[1]);
}

/* --- Those who write it down --- */

static unsigned taken, takes; /* pieces by the sink, and until it fails */

static int sink(void *context, const void *data, size_t size) {
    (void)data;
    fault_assert(size > 0 && taken < takes);
    taken++;
    return taken < takes ? 0 : *(const int *)context;
}

typedef int write_fn(eddy_trace_source *source, const eddy_trace_record *records, int count);

/* All goes to a sink that takes it; then to one that fails at once, or later. */
static void write_all(write_fn *write) {
    static eddy_trace_writer writer;
    static eddy_trace_source source;
    for (unsigned failing = 0; failing < 3; failing++) {
        int err = failing == 0 ? 0 : -ENOSPC;
        taken = 0;
        takes = failing == 0 ? UINT32_MAX : failing;
        eddy_trace_writer_init(&writer, "faults", sink, &err);
        eddy_trace_source_init(&source, &writer, "loop");
        int result = write(&source, records, count);
        fault_assert(result == (taken == takes ? err : 0));
        if (taken < takes) continue;
        fault_assert(write(&source, records, count) == err); /* and calls it no more */
    }
}

static void check_all(void) {
    static const eddy_trace_kind must[] = {
        EDDY_TRACE_TURN,        EDDY_TRACE_EVENT,  EDDY_TRACE_READ,  EDDY_TRACE_WRITE,
        EDDY_TRACE_ADD,         EDDY_TRACE_BEGIN,  EDDY_TRACE_DONE,  EDDY_TRACE_POST,
        EDDY_TRACE_TIMER_START, EDDY_TRACE_SUBMIT, EDDY_TRACE_CLOSE,
    };
    read_all();
    fault_assert(seen.depth == 0 && !seen.waits);
    fault_assert(seen.kinds[EDDY_TRACE_CALL] == it.calls);
    fault_assert(seen.kinds[EDDY_TRACE_RETURN] == it.calls);
    for (size_t i = 0; i < sizeof must / sizeof must[0] && fault_is_unhurt(); i++)
        fault_assert(seen.kinds[must[i]] > 0);
}

static void trace_a_loop(void) {
    memset(&it, 0, sizeof it);
    memset(&seen, 0, sizeof seen);
    count = 0;
    if (fault_loop_open(&it.loop, (eddy_loop_config){0}) < 0) return;
    int ends[2];
    test_socket_pair(ends);
    long blocks = seam_counts().blocks;
    fault_assert(eddy_trace_open(&trace, memory, sizeof memory) == 0);
    fault_assert(eddy_trace_start(trace, it.loop) == 0);
    eddy_trace_reader_init(&reader, trace);
    fault_assert(seam_counts().blocks == blocks);
    use_all(ends);
    check_all();
    eddy_trace_stop(trace);
    write_all(eddy_trace_write_text);
    write_all(eddy_trace_write_perfetto);
    fault_loop_close(it.loop);
}

START_TEST(a_trace_has_what_happened_whatever_fails) {
    fault_loop("trace", trace_a_loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault trace");
    ck_add(suite, "faults", a_trace_has_what_happened_whatever_fails);
    return suite;
}
