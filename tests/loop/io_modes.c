/* io_modes.c: edge-triggered and one-shot watchers, and what may be mixed on one descriptor. */
#include "suite.h"
#include "system.h"
#include "trace.h"

static eddy_loop *loop;
static eddy_io a, b;
static int ends[2];

static void begin(void) {
    trace_clear();
    loop = test_loop_open();
    eddy_io_init(&a, loop);
    eddy_io_init(&b, loop);
    test_socket_pair(ends);
}

static void end(void) {
    eddy_io_stop(&a);
    eddy_io_stop(&b);
    close_both(ends);
    test_loop_close(loop);
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void on_event(eddy_io *io, unsigned events) {
    ck_assert((events & (EDDY_READ | EDDY_WRITE)) != 0);
    ck_assert((events & (EDDY_EDGE | EDDY_ONESHOT)) == 0);
    note(io == &a ? 'a' : 'b');
}

static int start(eddy_io *io, unsigned events) {
    return eddy_io_start(io, on_event, ends[0], events);
}

START_TEST(without_the_capability_a_mode_is_not_supported) {
    begin();
    static const struct {
        unsigned mode, capability;
    } modes[] = {{EDDY_EDGE, EDDY_CAN_EDGE}, {EDDY_ONESHOT, EDDY_CAN_ONESHOT}};
    for (int i = 0; i < 2; i++) {
        int expected = test_backend_can(modes[i].capability) ? 0 : -ENOTSUP;
        ck_assert_int_eq(start(&a, EDDY_READ | modes[i].mode), expected);
        ck_assert_int_eq(eddy_is_active(&a.handle), expected == 0);
        eddy_io_stop(&a);
    }
    ck_assert(!eddy_loop_is_alive(loop));
    end();
}
END_TEST

/* --- edge-triggered --- */

START_TEST(an_edge_watcher_is_told_once_an_arrival) {
    if (!test_backend_can(EDDY_CAN_EDGE)) return;
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(start(&a, EDDY_READ | EDDY_EDGE), 0);
    for (int i = 0; i < 3; i++) turn();
    trace_is("a");
    put(ends[1], "y");
    for (int i = 0; i < 3; i++) turn();
    trace_is("a");
    ck_assert_int_eq(drain(ends[0], NULL), 2);
    turn();
    trace_is("");
    close(ends[1]);
    turn();
    trace_is("a");
    end();
}
END_TEST

START_TEST(edge_watchers_of_one_descriptor_share_an_arrival) {
    if (!test_backend_can(EDDY_CAN_EDGE)) return;
    begin();
    ck_assert_int_eq(start(&a, EDDY_READ | EDDY_EDGE), 0);
    ck_assert_int_eq(start(&b, EDDY_READ | EDDY_EDGE), 0);
    put(ends[1], "x");
    for (int i = 0; i < 3; i++) turn();
    ck_assert_uint_eq(trace_length, 2);
    ck_assert(trace[0] != trace[1]);
    end();
}
END_TEST

/* Changing the interest makes the backend look again: what is ready then is an arrival. */
START_TEST(an_edge_watcher_that_changes_is_told_of_what_is_ready) {
    if (!test_backend_can(EDDY_CAN_EDGE)) return;
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(start(&a, EDDY_WRITE | EDDY_EDGE), 0);
    for (int i = 0; i < 2; i++) turn();
    trace_is("a");
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_EDGE), 0);
    for (int i = 0; i < 3; i++) turn();
    trace_is("a");
    end();
}
END_TEST

START_TEST(watchers_of_one_descriptor_agree_on_edges) {
    if (!test_backend_can(EDDY_CAN_EDGE)) return;
    begin();
    ck_assert_int_eq(start(&a, EDDY_READ), 0);
    ck_assert_int_eq(start(&b, EDDY_READ | EDDY_EDGE), -EINVAL);
    ck_assert(!eddy_is_active(&b.handle));
    eddy_io_stop(&a);
    ck_assert_int_eq(start(&a, EDDY_READ | EDDY_EDGE), 0);
    ck_assert_int_eq(start(&b, EDDY_WRITE), -EINVAL);
    ck_assert_int_eq(start(&b, EDDY_WRITE | EDDY_EDGE), 0);
    ck_assert_int_eq(eddy_io_change(&b, EDDY_WRITE), -EINVAL);
    ck_assert_int_eq(eddy_io_change(&b, EDDY_READ | EDDY_EDGE), 0);
    eddy_io_stop(&a);
    ck_assert_int_eq(eddy_io_change(&b, EDDY_READ), 0);
    put(ends[1], "x");
    for (int i = 0; i < 3; i++) turn();
    trace_is("bbb");
    end();
}
END_TEST

/* --- one-shot --- */

START_TEST(a_one_shot_watcher_is_told_once_until_it_is_armed_again) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(start(&a, EDDY_READ | EDDY_ONESHOT), 0);
    for (int i = 0; i < 3; i++) turn();
    trace_is("a");
    ck_assert(eddy_is_active(&a.handle));
    put(ends[1], "y");
    for (int i = 0; i < 2; i++) turn();
    trace_is("");
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_ONESHOT), 0);
        for (int i = 0; i < 2; i++) turn();
        trace_is("a");
    }
    end();
}
END_TEST

/* Both directions are ready: that is one call, even where the kernel tells of each by itself. */
START_TEST(one_shot_means_one_for_both_directions) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(start(&a, EDDY_READ | EDDY_WRITE | EDDY_ONESHOT), 0);
    for (int i = 0; i < 3; i++) turn();
    trace_is("a");
    end();
}
END_TEST

/* Only one direction is ready when the one-shot fires; the other one must not fire later. */
START_TEST(one_direction_that_fires_disarms_the_other) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin();
    ck_assert_int_eq(start(&a, EDDY_READ | EDDY_WRITE | EDDY_ONESHOT), 0);
    turn();
    trace_is("a");
    put(ends[1], "x");
    for (int i = 0; i < 3; i++) turn();
    trace_is("");
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    ck_assert_uint_le(test_metric_waits(loop) - waits, 4);
    trace_is("");
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_ONESHOT), 0);
    turn();
    trace_is("a");
    end();
}
END_TEST

static void rearm(eddy_io *io, unsigned events) {
    on_event(io, events);
    if (trace_length < 4) ck_assert_int_eq(eddy_io_change(io, EDDY_READ | EDDY_ONESHOT), 0);
}

START_TEST(a_one_shot_watcher_arms_itself_in_its_callback) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&a, rearm, ends[0], EDDY_READ | EDDY_ONESHOT), 0);
    turn();
    ck_assert_str_eq(trace, "a");
    for (int i = 0; i < 6; i++) turn();
    trace_is("aaaa");
    end();
}
END_TEST

START_TEST(a_fired_one_shot_may_become_a_plain_watcher) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(start(&a, EDDY_READ | EDDY_ONESHOT), 0);
    turn();
    trace_is("a");
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ), 0);
    for (int i = 0; i < 3; i++) turn();
    trace_is("aaa");
    end();
}
END_TEST

START_TEST(a_fired_one_shot_may_be_stopped_and_its_descriptor_watched_anew) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin();
    put(ends[1], "x");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(start(&a, EDDY_READ | EDDY_ONESHOT), 0);
        turn();
        turn();
        trace_is("a");
        eddy_io_stop(&a);
    }
    ck_assert_int_eq(start(&b, EDDY_READ), 0);
    turn();
    trace_is("b");
    end();
}
END_TEST

/* The wait has found it ready when a timer of the same turn makes a one-shot of it: that call is
 * the one. */
static void on_due(eddy_timer *timer) {
    (void)timer;
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_ONESHOT), 0);
}

START_TEST(a_watcher_that_becomes_a_one_shot_between_wait_and_call_is_called_once) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    const unsigned before[] = {EDDY_READ, EDDY_READ | EDDY_ONESHOT};
    for (int i = 0; i < 2; i++) {
        begin();
        eddy_timer timer;
        eddy_timer_init(&timer, loop);
        put(ends[1], "x");
        ck_assert_int_eq(start(&a, before[i]), 0);
        ck_assert_int_eq(eddy_timer_start(&timer, on_due, 0, 0), 0);
        for (int j = 0; j < 3; j++) turn();
        trace_is("a");
        ck_assert_int_eq(eddy_io_change(&a, EDDY_READ), 0);
        for (int j = 0; j < 2; j++) turn();
        trace_is("aa");
        end();
    }
}
END_TEST

START_TEST(a_one_shot_stays_armed_when_its_watcher_no_longer_asks_for_what_came) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    const unsigned before[] = {EDDY_WRITE, EDDY_WRITE | EDDY_ONESHOT};
    for (int i = 0; i < 2; i++) {
        begin();
        eddy_timer timer;
        eddy_timer_init(&timer, loop);
        ck_assert_int_eq(start(&a, before[i]), 0);
        ck_assert_int_eq(eddy_timer_start(&timer, on_due, 0, 0), 0);
        for (int j = 0; j < 2; j++) turn();
        trace_is("");
        put(ends[1], "x");
        for (int j = 0; j < 3; j++) turn();
        trace_is("a");
        end();
    }
}
END_TEST

START_TEST(a_one_shot_watcher_wants_its_descriptor_alone) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin();
    ck_assert_int_eq(start(&a, EDDY_READ | EDDY_ONESHOT), 0);
    ck_assert_int_eq(start(&b, EDDY_READ), -EINVAL);
    ck_assert_int_eq(start(&b, EDDY_READ | EDDY_ONESHOT), -EINVAL);
    eddy_io_stop(&a);
    ck_assert_int_eq(start(&b, EDDY_READ), 0);
    ck_assert_int_eq(start(&a, EDDY_READ | EDDY_ONESHOT), -EINVAL);
    ck_assert_int_eq(start(&a, EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_ONESHOT), -EINVAL);
    eddy_io_stop(&b);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_ONESHOT), 0);
    end();
}
END_TEST

START_TEST(an_edge_watcher_may_be_a_one_shot_too) {
    if (!test_backend_can(EDDY_CAN_ONESHOT) || !test_backend_can(EDDY_CAN_EDGE)) return;
    begin();
    ck_assert_int_eq(start(&a, EDDY_READ | EDDY_EDGE | EDDY_ONESHOT), 0);
    put(ends[1], "x");
    turn();
    put(ends[1], "y");
    turn();
    trace_is("a");
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_EDGE | EDDY_ONESHOT), 0);
    turn();
    turn();
    trace_is("a");
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("io_modes");
    ck_add(suite, "capability", without_the_capability_a_mode_is_not_supported);
    ck_add(suite, "edge", an_edge_watcher_is_told_once_an_arrival,
           edge_watchers_of_one_descriptor_share_an_arrival,
           an_edge_watcher_that_changes_is_told_of_what_is_ready,
           watchers_of_one_descriptor_agree_on_edges);
    ck_add(suite, "oneshot", a_one_shot_watcher_is_told_once_until_it_is_armed_again,
           a_watcher_that_becomes_a_one_shot_between_wait_and_call_is_called_once,
           a_one_shot_stays_armed_when_its_watcher_no_longer_asks_for_what_came,
           one_shot_means_one_for_both_directions, one_direction_that_fires_disarms_the_other,
           a_one_shot_watcher_arms_itself_in_its_callback,
           a_fired_one_shot_may_become_a_plain_watcher,
           a_fired_one_shot_may_be_stopped_and_its_descriptor_watched_anew,
           a_one_shot_watcher_wants_its_descriptor_alone, an_edge_watcher_may_be_a_one_shot_too);
    return suite;
}
