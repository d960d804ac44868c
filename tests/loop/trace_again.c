/* trace_again.c: what a trace tells when much has come and gone: labels, threads, earlier starts.
 */
#include "suite.h"

#include <eddy/label.h>
#include <eddy/trace.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static _Alignas(EDDY_TRACE_ALIGN) char memory[1 << 16];
static eddy_trace *trace;

static eddy_loop *open_traced(void) {
    eddy_loop *loop = test_loop_open();
    ck_assert_int_eq(eddy_trace_open(&trace, memory, sizeof memory), 0);
    ck_assert_int_eq(eddy_trace_start(trace, loop), 0);
    return loop;
}

static const char *label_of(const void *object) {
    static char text[64];
    size_t length = eddy_trace_label(trace, (uintptr_t)object, text, sizeof text);
    ck_assert_uint_eq(strlen(text), length);
    return text;
}

/* --- Labels --- */

/* Of more objects than a trace has places for, one after the other. */
START_TEST(labels_that_are_gone_make_room) {
    enum { OBJECTS = 5000 };
    static char objects[OBJECTS];
    eddy_loop *loop = open_traced();
    eddy_label label, stays;
    eddy_label_init(&label, loop);
    eddy_label_init(&stays, loop);
    ck_assert_int_eq(eddy_label_set(&stays, &stays, "stays"), 0);
    for (int i = 0; i < OBJECTS; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        ck_assert_int_eq(eddy_label_set(&label, &objects[i], text), 0);
        ck_assert_str_eq(label_of(&objects[i]), text);
        if (i > 0) ck_assert_str_eq(label_of(&objects[i - 1]), "");
        ck_assert_str_eq(label_of(&stays), "stays");
        eddy_label_clear(&label);
    }
    eddy_trace_stop(trace);
    eddy_label_clear(&stays);
    test_loop_close(loop);
}
END_TEST

/* Beyond what it has room for, some have none, and nobody has another's. */
START_TEST(a_full_table_tells_no_wrong_label) {
    enum { OBJECTS = 2000 };
    static eddy_label labels[OBJECTS];
    static char texts[OBJECTS][16];
    eddy_loop *loop = open_traced();
    int known = 0;
    for (int i = 0; i < OBJECTS; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", i);
        eddy_label_init(&labels[i], loop);
        ck_assert_int_eq(eddy_label_set(&labels[i], &labels[i], texts[i]), 0);
    }
    for (int i = 0; i < OBJECTS; i++) {
        const char *text = label_of(&labels[i]);
        known += text[0] != '\0';
        if (text[0] != '\0') ck_assert_str_eq(text, texts[i]);
    }
    ck_assert_int_ge(known, 50); /* of 64 places */
    for (int i = 0; i < OBJECTS; i++) eddy_label_clear(&labels[i]);
    for (int i = 0; i < OBJECTS; i++) ck_assert_str_eq(label_of(&labels[i]), "");
    eddy_trace_stop(trace);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_label_that_was_cleared_meanwhile_is_none) {
    eddy_loop *loop = open_traced();
    eddy_label one, other;
    eddy_label_init(&one, loop);
    eddy_label_init(&other, loop);
    ck_assert_int_eq(eddy_label_set(&one, &one, "one"), 0);
    ck_assert_int_eq(eddy_label_set(&other, &other, "other"), 0);
    eddy_trace_stop(trace);
    eddy_label_clear(&one);
    ck_assert_str_eq(label_of(&one), "one"); /* as long as it is off, as it was */
    ck_assert_int_eq(eddy_trace_start(trace, loop), 0);
    ck_assert_str_eq(label_of(&one), "");
    ck_assert_str_eq(label_of(&other), "other");
    eddy_trace_stop(trace);
    eddy_label_clear(&other);
    test_loop_close(loop);
}
END_TEST

/* --- Threads --- */

static eddy_post inner, outer;
static eddy_timer timer;
static eddy_wake keeper;
static atomic_bool has_begun;

static void on_inner(eddy_post *post) {
    (void)post;
    atomic_store(&has_begun, true);
}

static void on_outer(eddy_post *post) {
    (void)post;
    eddy_wake_stop(&keeper);
}

static void on_timer(eddy_timer *it) {
    eddy_loop_post(eddy_handle_loop(&it->handle), &inner, on_inner);
}

static void on_wake(eddy_wake *wake) {
    (void)wake;
}

static void *run(void *loop) {
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    return NULL;
}

static eddy_trace_record find_post(const eddy_post *post) {
    static eddy_trace_reader reader;
    eddy_trace_record record;
    eddy_trace_reader_init(&reader, trace);
    while (eddy_trace_read(&reader, &record, 1) == 1)
        if (record.kind == EDDY_TRACE_POST && record.object == (uintptr_t)post) return record;
    ck_abort_msg("no such post");
}

/* Set up here, run there: what is sent there is the loop's, and what is sent here is not. */
START_TEST(the_loops_thread_is_the_one_that_runs_it) {
    pthread_t thread;
    atomic_store(&has_begun, false);
    eddy_loop *loop = open_traced();
    eddy_timer_init(&timer, loop);
    eddy_wake_init(&keeper, loop);
    ck_assert_int_eq(eddy_wake_start(&keeper, on_wake), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, run, loop), 0);
    while (!atomic_load(&has_begun)) sched_yield();
    eddy_loop_post(loop, &outer, on_outer);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    eddy_trace_stop(trace);
    ck_assert_int_eq(find_post(&inner).thread, 0);
    ck_assert_uint_ne(find_post(&inner).cause, 0);
    ck_assert_int_eq(find_post(&outer).thread, 255);
    ck_assert_uint_eq(find_post(&outer).cause, 0);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("loop/trace_again");
    ck_add(suite, "labels", labels_that_are_gone_make_room, a_full_table_tells_no_wrong_label,
           a_label_that_was_cleared_meanwhile_is_none);
    ck_add(suite, "threads", the_loops_thread_is_the_one_that_runs_it);
    return suite;
}
