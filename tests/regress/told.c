/* told.c: who is told what, where watchers start, stop and change between the wait and their call.
 */
#include "suite.h"
#include "system.h"

static eddy_loop *loop;
static eddy_io a, b;
static int ends[2];
static unsigned told[2], seen[2];

static void begin(eddy_loop_config config) {
    loop = test_loop_open_with(config);
    eddy_io_init(&a, loop);
    eddy_io_init(&b, loop);
    test_socket_pair(ends);
    told[0] = told[1] = seen[0] = seen[1] = 0;
}

static void end(void) {
    eddy_io_stop(&a);
    eddy_io_stop(&b);
    close_both(ends);
    test_loop_close(loop);
}

static void on_event(eddy_io *io, unsigned events) {
    told[io == &b]++;
    seen[io == &b] = events;
}

static void turns(int count) {
    for (int i = 0; i < count; i++) ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void stop_and_arm_b(eddy_io *io, unsigned events) {
    on_event(io, events);
    eddy_io_stop(io);
    ck_assert_int_eq(eddy_io_change(&b, EDDY_READ | EDDY_ONESHOT), 0);
}

/* What it hears of this record is its one call. */
START_TEST(a_one_shot_asked_for_by_a_neighbours_callback_is_told_once) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin((eddy_loop_config){0});
    ck_assert_int_eq(eddy_io_start(&a, stop_and_arm_b, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_start(&b, on_event, ends[0], EDDY_READ), 0);
    put(ends[1], "x");
    turns(5);
    ck_assert_uint_eq(told[1], 1);
    end();
}
END_TEST

/* Hints come with what was asked for, never by themselves. */
START_TEST(a_hangup_that_only_a_neighbour_asked_for_calls_nobody_else) {
    if (!test_backend_can(EDDY_CAN_HANGUP)) return;
    begin((eddy_loop_config){0});
    fill(ends[0]);
    ck_assert_int_eq(eddy_io_start(&a, on_event, ends[0], EDDY_WRITE), 0);
    ck_assert_int_eq(eddy_io_start(&b, on_event, ends[0], EDDY_HANGUP), 0);
    shutdown(ends[1], SHUT_WR);
    turns(3);
    ck_assert_uint_eq(told[0], 0);
    ck_assert_uint_eq(told[1], 1);
    end();
}
END_TEST

/* Between the wait and the call it has thought better of it. */
START_TEST(a_hangup_that_is_not_asked_for_any_more_is_not_told) {
    if (!test_backend_can(EDDY_CAN_HANGUP)) return;
    begin((eddy_loop_config){0});
    fill(ends[0]);
    ck_assert_int_eq(eddy_io_start(&a, on_event, ends[0], EDDY_WRITE | EDDY_HANGUP), 0);
    shutdown(ends[1], SHUT_WR);
    int64_t timeout_ns;
    ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
    ck_assert_int_ge(eddy_loop_wait(loop, 0), 1);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_WRITE), 0);
    ck_assert_int_ge(eddy_loop_dispatch(loop), 0);
    ck_assert_uint_eq(told[0], 0);
    end();
}
END_TEST

static int fresh[2], old_fd;
static eddy_io starter;

static void start_b_under_the_old_number(eddy_io *io, unsigned events) {
    (void)events;
    drain(eddy_io_fd(io), NULL);
    if (eddy_is_active(&b.handle)) return;
    ck_assert_int_eq(dup2(fresh[0], old_fd), old_fd);
    ck_assert_int_eq(eddy_io_start(&b, on_event, old_fd, EDDY_READ), 0);
    put(fresh[1], "y");
}

static void stop_when_lost(eddy_io *io, unsigned events) {
    on_event(io, events);
    eddy_io_stop(io);
}

/* The wait has found that the number is closed; before that is told, it is somebody else's. */
START_TEST(a_watcher_of_a_number_used_again_outlives_the_loss_of_the_old_one) {
    begin((eddy_loop_config){0});
    int closed[2];
    test_socket_pair(fresh);
    test_socket_pair(closed);
    old_fd = closed[0];
    eddy_io_init(&starter, loop);
    ck_assert_int_eq(eddy_io_start(&starter, start_b_under_the_old_number, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_start(&a, stop_when_lost, old_fd, EDDY_READ), 0);
    put(ends[1], "x");
    close(old_fd);
    turns(6);
    ck_assert_uint_ge(told[1], 1);
    ck_assert_uint_eq(seen[1], EDDY_READ);
    ck_assert_int_eq(eddy_io_error(&b), 0);
    eddy_io_stop(&starter);
    eddy_io_stop(&b);
    close(old_fd);
    close(closed[1]);
    close_both(fresh);
    end();
}
END_TEST

static void start_a_and_close(eddy_io *io, unsigned events) {
    (void)events;
    if (eddy_is_active(&a.handle)) return;
    (void)io;
    old_fd = dup(ends[0]);
    ck_assert_int_eq(eddy_io_start(&a, on_event, old_fd, EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_WRITE), 0);
    close(old_fd);
}

/* Started and lost in one turn of several waits: it is muted, and hears why. */
START_TEST(a_loss_between_two_waits_of_a_turn_is_told) {
    begin((eddy_loop_config){.events_per_turn = 1, .waits_per_turn = 3});
    bool finds_out = strcmp(test_backend, "epoll") != 0 && strcmp(test_backend, "kqueue") != 0;
    eddy_io_init(&starter, loop);
    ck_assert_int_eq(eddy_io_start(&starter, start_a_and_close, ends[0], EDDY_READ), 0);
    put(ends[1], "x");
    turns(6);
    ck_assert_int_eq(eddy_io_error(&a) == 0, eddy_io_events(&a) != 0);
    if (eddy_io_events(&a) == 0 || finds_out) {
        ck_assert_uint_eq(told[0], 1);
        ck_assert_uint_eq(seen[0], EDDY_ERROR);
    }
    eddy_io_stop(&starter);
    end();
}
END_TEST

static void start_a(eddy_io *io, unsigned events) {
    (void)events;
    drain(eddy_io_fd(io), NULL);
    if (!eddy_is_active(&a.handle))
        ck_assert_int_eq(eddy_io_start(&a, on_event, fresh[0], EDDY_HANGUP), 0);
}

/* The second wait finds its hang-up, and may not tell of it yet. */
START_TEST(a_hangup_found_in_the_turn_that_asked_for_it_is_told_in_the_next) {
    if (!test_backend_can(EDDY_CAN_HANGUP)) return;
    begin((eddy_loop_config){.events_per_turn = 1, .waits_per_turn = 3});
    test_socket_pair(fresh);
    close(fresh[1]);
    eddy_io_init(&starter, loop);
    ck_assert_int_eq(eddy_io_start(&starter, start_a, ends[0], EDDY_READ), 0);
    put(ends[1], "x");
    turns(4);
    ck_assert_uint_eq(told[0], 1);
    eddy_io_stop(&starter);
    eddy_io_stop(&a);
    close(fresh[0]);
    end();
}
END_TEST

/* Everything is registered anew while what was told before is still asked of the backend. */
START_TEST(interest_that_was_dropped_before_a_new_backend_leaves_the_loop_whole) {
    if (!test_backend_can(EDDY_CAN_HANGUP)) return;
    begin((eddy_loop_config){0});
    ck_assert_int_eq(eddy_io_start(&a, on_event, ends[0], EDDY_READ | EDDY_HANGUP), 0);
    turns(1);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ), 0);
    ck_assert_int_eq(eddy_loop_after_fork(loop), 0);
    ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
    put(ends[1], "x");
    turns(1);
    ck_assert_uint_eq(told[0], 1);
    ck_assert_uint_eq(seen[0], EDDY_READ);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("told");
    ck_add(suite, "hints", a_hangup_that_only_a_neighbour_asked_for_calls_nobody_else,
           a_hangup_that_is_not_asked_for_any_more_is_not_told,
           a_hangup_found_in_the_turn_that_asked_for_it_is_told_in_the_next,
           a_one_shot_asked_for_by_a_neighbours_callback_is_told_once,
           interest_that_was_dropped_before_a_new_backend_leaves_the_loop_whole);
    ck_add(suite, "losses", a_watcher_of_a_number_used_again_outlives_the_loss_of_the_old_one,
           a_loss_between_two_waits_of_a_turn_is_told);
    return suite;
}
