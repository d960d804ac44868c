/* trace_threads.c: a trace is read and written by several threads at once: no record is torn, none
 * comes twice, and those that are missing are counted. */
#include "sanitized.h"
#include "suite.h"

#include <eddy/trace.h>
#include <pthread.h>
#include <stdatomic.h>

enum { SENDERS = 3, MARKS_A_TURN = 64 };

static _Alignas(EDDY_TRACE_ALIGN) char memory[EDDY_TRACE_BYTES_MIN];
static eddy_trace *trace;
static eddy_loop *loop;
static atomic_bool is_over;
static uint64_t marks; /* that the loop has made */
static eddy_post posts[SENDERS];
static atomic_bool is_free[SENDERS];

/* What a mark's words are, all of them, by the number of the mark. */
static uint64_t object_of(uint64_t number) {
    return (number * UINT64_C(0x9E3779B97F4A7C15)) & UINTPTR_MAX;
}

struct found {
    uint64_t marks, posts, lost, last_mark, last_own, last_other;
};

static void look(const eddy_trace_record *record, struct found *found) {
    uint64_t *last = record->number % 2 == 0 ? &found->last_own : &found->last_other;
    ck_assert_uint_gt(record->number, *last);
    *last = record->number;
    ck_assert_int_lt(record->kind, EDDY_TRACE_KINDS);
    if (record->kind == EDDY_TRACE_MARK) {
        uint64_t number = (uint64_t)record->argument;
        ck_assert_uint_eq(record->object, object_of(number));
        ck_assert_uint_gt(number, found->last_mark);
        found->last_mark = number;
        found->marks++;
    } else if (record->kind == EDDY_TRACE_POST) {
        ck_assert_uint_ge(record->object, (uintptr_t)&posts[0]);
        ck_assert_uint_le(record->object, (uintptr_t)&posts[SENDERS - 1]);
        ck_assert_int_eq(record->thread, 255);
        found->posts++;
    }
}

static void *read_all(void *argument) {
    static _Thread_local eddy_trace_reader reader;
    struct found *found = argument;
    eddy_trace_record records[16];
    eddy_trace_reader_init(&reader, trace);
    for (;;) {
        bool was_over = atomic_load(&is_over);
        int count;
        while ((count = eddy_trace_read(&reader, records, 16)) > 0)
            for (int i = 0; i < count; i++) look(&records[i], found);
        if (was_over) break;
    }
    found->lost = reader.lost;
    return NULL;
}

static void on_post(eddy_post *post) {
    atomic_store(&is_free[post - posts], true);
}

static void *send_all(void *argument) {
    eddy_post *post = argument;
    while (!atomic_load(&is_over))
        if (atomic_exchange(&is_free[post - posts], false)) eddy_loop_post(loop, post, on_post);
    return NULL;
}

static void on_timer(eddy_timer *timer) {
    (void)timer;
    for (int i = 0; i < MARKS_A_TURN; i++) {
        marks++;
        eddy_trace_mark(loop, (void *)(uintptr_t)object_of(marks), (int64_t)marks);
    }
}

START_TEST(readers_see_whole_records_or_count_them_as_lost) {
    enum { READERS = 2 };
    struct found found[READERS] = {{0}};
    pthread_t readers[READERS], senders[SENDERS];
    eddy_timer timer;
    loop = test_loop_open();
    marks = 0;
    atomic_store(&is_over, false);
    ck_assert_int_eq(eddy_trace_open(&trace, memory, sizeof memory), 0);
    ck_assert_int_eq(eddy_trace_start(trace, loop), 0);
    for (int i = 0; i < READERS; i++) pthread_create(&readers[i], NULL, read_all, &found[i]);
    for (int i = 0; i < SENDERS; i++) {
        atomic_store(&is_free[i], true);
        pthread_create(&senders[i], NULL, send_all, &posts[i]);
    }
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 1), 0);
    int64_t until_ns = test_now_ns() + (IS_SANITIZED ? 100 : 300) * EDDY_NS_PER_MS;
    while (test_now_ns() < until_ns || marks < 10 * MARKS_A_TURN) test_run(loop, EDDY_RUN_ONCE);
    atomic_store(&is_over, true);
    for (int i = 0; i < SENDERS; i++) pthread_join(senders[i], NULL);
    eddy_timer_stop(&timer);
    while (test_run(loop, EDDY_RUN_NOWAIT) > 0) continue;
    eddy_trace_stop(trace);
    for (int i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
    for (int i = 0; i < READERS; i++) {
        ck_assert_uint_eq(found[i].last_mark, marks); /* the newest are there in any case */
        ck_assert_uint_le(found[i].marks, marks);
        ck_assert(found[i].marks == marks || found[i].lost > 0);
    }
    test_loop_close(loop);
}
END_TEST

/* A reader that comes late begins with the oldest record that is still there. */
START_TEST(the_newest_records_replace_the_oldest) {
    static eddy_trace_reader reader;
    struct found found = {0};
    eddy_trace_record record;
    loop = test_loop_open();
    ck_assert_int_eq(eddy_trace_open(&trace, memory, sizeof memory), 0);
    ck_assert_int_eq(eddy_trace_start(trace, loop), 0);
    eddy_trace_reader_init(&reader, trace);
    for (marks = 1; marks <= 10000; marks++)
        eddy_trace_mark(loop, (void *)(uintptr_t)object_of(marks), (int64_t)marks);
    while (eddy_trace_read(&reader, &record, 1) == 1) look(&record, &found);
    ck_assert_uint_gt(found.marks, 32);
    ck_assert_uint_eq(found.marks + reader.lost, 10000);
    ck_assert_uint_eq(found.last_mark, 10000);
    eddy_trace_stop(trace);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("loop/trace_threads");
    ck_add(suite, "threads", readers_see_whole_records_or_count_them_as_lost,
           the_newest_records_replace_the_oldest);
    return suite;
}
