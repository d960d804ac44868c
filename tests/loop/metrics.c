/* metrics.c: the counts tell the truth, in scenarios small enough to count by hand. */
#include "suite.h"
#include "system.h"

static eddy_loop *loop;
static eddy_metrics before;

static void mark(void) {
    eddy_loop_read_metrics(loop, &before, sizeof before);
}

/* What was counted since the mark. */
#define since(field) (now().field - before.field)

static eddy_metrics now(void) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    return metrics;
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void ignore_io(eddy_io *io, unsigned events) {
    (void)io;
    (void)events;
}

static void ignore_timer(eddy_timer *timer) {
    (void)timer;
}

static void ignore_defer(eddy_defer *defer) {
    (void)defer;
}

static void ignore_post(eddy_post *post) {
    (void)post;
}

static void ignore_wake(eddy_wake *wake) {
    (void)wake;
}

START_TEST(turns_and_empty_waits_are_counted) {
    loop = test_loop_open();
    ck_assert_uint_eq(now().turns, 0);
    ck_assert_uint_eq(now().waits, 0);
    for (int i = 0; i < 5; i++) turn();
    ck_assert_uint_eq(now().turns, 5);
    ck_assert_uint_eq(now().waits, 5);
    ck_assert_uint_eq(now().waits_empty, 5);
    ck_assert_uint_eq(now().events, 0);
    ck_assert_uint_eq(now().callbacks, 0);
    test_loop_close(loop);
}
END_TEST

/* Two pipes are ready, one has two watchers: two records, three calls. */
START_TEST(events_and_callbacks_are_counted) {
    loop = test_loop_open();
    int ends[2][2];
    eddy_io io[3];
    for (int i = 0; i < 2; i++) {
        test_pipe(ends[i]);
        put(ends[i][1], "x");
    }
    mark();
    for (int i = 0; i < 3; i++) {
        eddy_io_init(&io[i], loop);
        ck_assert_int_eq(eddy_io_start(&io[i], ignore_io, ends[i % 2][0], EDDY_READ), 0);
    }
    ck_assert_uint_eq(since(backend_adds), 2);
    turn();
    ck_assert_uint_eq(since(waits), 1);
    ck_assert_uint_eq(since(waits_empty), 0);
    ck_assert_uint_eq(since(events), 2);
    ck_assert_uint_eq(since(events_stale), 0);
    ck_assert_uint_eq(since(callbacks), 3);
    ck_assert_uint_eq(since(backend_modifies), 1); /* the second watcher of one */
    ck_assert_uint_eq(now().active, 3);
    for (int i = 0; i < 3; i++) eddy_io_stop(&io[i]);
    ck_assert_uint_eq(since(backend_removes), 2);
    ck_assert_uint_eq(now().active, 0);
    for (int i = 0; i < 2; i++) close_both(ends[i]);
    test_loop_close(loop);
}
END_TEST

START_TEST(timers_and_deferred_calls_are_counted) {
    loop = test_loop_open();
    eddy_timer timers[3];
    eddy_defer defers[2];
    mark();
    for (int i = 0; i < 3; i++) {
        eddy_timer_init(&timers[i], loop);
        int64_t delay_ns = i == 2 ? EDDY_NS_PER_S : 0;
        ck_assert_int_eq(eddy_timer_start(&timers[i], ignore_timer, delay_ns, 0), 0);
    }
    for (int i = 0; i < 2; i++) {
        eddy_defer_init(&defers[i], loop);
        ck_assert_int_eq(eddy_defer_start(&defers[i], ignore_defer), 0);
    }
    ck_assert_uint_eq(now().timers_active, 3);
    ck_assert_uint_eq(now().active, 5);
    turn();
    ck_assert_uint_eq(since(timers), 2);
    ck_assert_uint_eq(since(deferred), 2);
    ck_assert_uint_eq(since(callbacks), 0);
    ck_assert_uint_eq(now().timers_active, 1);
    ck_assert_uint_eq(now().active, 1);
    eddy_timer_stop(&timers[2]);
    ck_assert_uint_eq(now().timers_active, 0);
    test_loop_close(loop);
}
END_TEST

START_TEST(inbox_items_are_counted) {
    loop = test_loop_open();
    eddy_wake wake;
    eddy_post posts[2];
    eddy_wake_init(&wake, loop);
    ck_assert_int_eq(eddy_wake_start(&wake, ignore_wake), 0);
    mark();
    eddy_loop_post(loop, &posts[0], ignore_post);
    eddy_loop_post(loop, &posts[1], ignore_post);
    eddy_wake_send(&wake);
    eddy_wake_send(&wake);
    turn();
    ck_assert_uint_eq(since(completions), 3);
    ck_assert_uint_eq(since(wake_reads), test_wake_reads());
    ck_assert_uint_eq(since(events), 1);
    ck_assert_uint_eq(since(events_stale), 0);
    ck_assert_msg(since(callbacks) == 0, "the loop's own pipe is no io watcher of anybody's");
    eddy_wake_stop(&wake);
    test_loop_close(loop);
}
END_TEST

static eddy_io stale[2];
static int stale_ends[2][2], stale_calls;

static void close_other(eddy_io *io, unsigned events) {
    (void)events;
    stale_calls++;
    int other = io == &stale[0];
    eddy_io_stop(&stale[other]);
    close_both(stale_ends[other]);
}

/* The first to be told stops the other, whose record is at hand: it is stale, and counted. */
START_TEST(stale_events_are_counted) {
    loop = test_loop_open();
    stale_calls = 0;
    for (int i = 0; i < 2; i++) {
        test_pipe(stale_ends[i]);
        put(stale_ends[i][1], "x");
        eddy_io_init(&stale[i], loop);
        ck_assert_int_eq(eddy_io_start(&stale[i], close_other, stale_ends[i][0], EDDY_READ), 0);
    }
    mark();
    turn();
    ck_assert_int_eq(stale_calls, 1);
    ck_assert_uint_eq(since(events), 2);
    ck_assert_uint_eq(since(events_stale), 1);
    ck_assert_uint_eq(since(callbacks), 1);
    for (int i = 0; i < 2; i++) {
        if (!eddy_is_active(&stale[i].handle)) continue;
        eddy_io_stop(&stale[i]);
        close_both(stale_ends[i]);
    }
    test_loop_close(loop);
}
END_TEST

/* Both directions of one descriptor: no record is called stale for being merged. */
START_TEST(merged_records_are_not_stale) {
    loop = test_loop_open();
    int ends[2];
    test_socket_pair(ends);
    put(ends[1], "x");
    eddy_io io;
    eddy_io_init(&io, loop);
    static const unsigned modes[] = {0, EDDY_ONESHOT, EDDY_EDGE};
    static const unsigned capabilities[] = {0, EDDY_CAN_ONESHOT, EDDY_CAN_EDGE};
    for (int i = 0; i < 3; i++) {
        if (capabilities[i] != 0 && !test_backend_can(capabilities[i])) continue;
        unsigned events = EDDY_READ | EDDY_WRITE | modes[i];
        ck_assert_int_eq(eddy_io_start(&io, ignore_io, ends[0], events), 0);
        mark();
        turn();
        ck_assert_uint_eq(since(callbacks), 1);
        ck_assert_uint_ge(since(events), 1);
        ck_assert_uint_le(since(events), 2);
        ck_assert_uint_eq(since(events_stale), 0);
        eddy_io_stop(&io);
    }
    close_both(ends);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("metrics");
    ck_add(suite, "metrics", turns_and_empty_waits_are_counted, events_and_callbacks_are_counted,
           timers_and_deferred_calls_are_counted, inbox_items_are_counted, stale_events_are_counted,
           merged_records_are_not_stale);
    return suite;
}
