/* batches.c: how much of what is ready one turn tells: events_per_turn and waits_per_turn. */
#include "suite.h"
#include "system.h"

/* Descriptors of their own on ten pipes: of one pipe, epolls in epolls take no more than 500. */
enum { MANY = 300, PIPES = 10 };

static eddy_loop *loop;
static int pipes[PIPES][2], fds[MANY];
static eddy_io watchers[MANY];
static unsigned told;

static void begin(unsigned events, unsigned waits, eddy_io_fn *fn, unsigned asked) {
    loop =
        test_loop_open_with((eddy_loop_config){.events_per_turn = events, .waits_per_turn = waits});
    told = 0;
    for (int i = 0; i < PIPES; i++) {
        test_pipe(pipes[i]);
        put(pipes[i][1], "x");
    }
    for (int i = 0; i < MANY; i++) {
        fds[i] = dup(pipes[i % PIPES][0]);
        ck_assert_int_ge(fds[i], 0);
        eddy_io_init(&watchers[i], loop);
        ck_assert_int_eq(eddy_io_start(&watchers[i], fn, fds[i], asked), 0);
    }
}

static void end(void) {
    for (int i = 0; i < MANY; i++) {
        eddy_io_stop(&watchers[i]);
        close(fds[i]);
    }
    for (int i = 0; i < PIPES; i++) close_both(pipes[i]);
    test_loop_close(loop);
}

static uint64_t waits_so_far(void) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    return metrics.waits;
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void on_ready(eddy_io *io, unsigned events) {
    (void)io;
    ck_assert_uint_eq(events, EDDY_READ);
    told++;
}

static void on_ready_once(eddy_io *io, unsigned events) {
    on_ready(io, events);
    eddy_io_stop(io);
}

START_TEST(a_turn_tells_all_that_fits_one_wait) {
    begin(1000, 0, on_ready, EDDY_READ);
    turn();
    ck_assert_uint_eq(told, MANY);
    ck_assert_uint_eq(waits_so_far(), 1);
    end();
}
END_TEST

START_TEST(a_turn_waits_once_unless_asked_for_more) {
    begin(64, 0, on_ready_once, EDDY_READ);
    turn();
    ck_assert_uint_eq(told, 64);
    ck_assert_uint_eq(waits_so_far(), 1);
    end();
}
END_TEST

static unsigned checks;

static void on_check(eddy_hook *hook) {
    (void)hook;
    checks++;
}

/* Five are enough: the last one is not full. The rest of the turn is there once. */
START_TEST(a_wait_that_came_back_full_is_followed_by_another) {
    eddy_hook check;
    begin(64, 20, on_ready_once, EDDY_READ);
    checks = 0;
    eddy_hook_init(&check, loop);
    ck_assert_int_eq(eddy_hook_start(&check, EDDY_HOOK_CHECK, on_check), 0);
    turn();
    ck_assert_uint_eq(told, MANY);
    ck_assert_uint_eq(waits_so_far(), 5);
    ck_assert_uint_eq(checks, 1);
    turn();
    ck_assert_uint_eq(waits_so_far(), 6);
    eddy_hook_stop(&check);
    end();
}
END_TEST

static void on_ready_mute(eddy_io *io, unsigned events) {
    on_ready(io, events);
    ck_assert_int_eq(eddy_io_change(io, 0), 0);
}

/* Changes are made before each wait: what has been muted takes no place in the next one. */
START_TEST(what_is_muted_between_the_waits_is_not_found_again) {
    eddy_metrics metrics;
    begin(64, 20, on_ready_mute, EDDY_READ);
    turn();
    ck_assert_uint_eq(told, MANY);
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    ck_assert_uint_eq(metrics.events, MANY);
    ck_assert_uint_eq(metrics.waits, 5);
    ck_assert_uint_eq(metrics.waits_empty, 0);
    end();
}
END_TEST

START_TEST(a_last_wait_that_finds_nothing_is_counted_as_empty) {
    eddy_metrics metrics;
    begin(MANY / 3, 20, on_ready_once, EDDY_READ);
    turn();
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    ck_assert_uint_eq(metrics.turns, 1);
    ck_assert_uint_eq(metrics.waits, 4);
    ck_assert_uint_eq(metrics.waits_empty, 1);
    end();
}
END_TEST

/* What stays ready would be told for ever. */
START_TEST(no_turn_waits_more_often_than_it_may) {
    begin(64, 3, on_ready, EDDY_READ);
    turn();
    ck_assert_uint_eq(told, 3 * 64);
    ck_assert_uint_eq(waits_so_far(), 3);
    end();
}
END_TEST

static void on_ready_stop_loop(eddy_io *io, unsigned events) {
    on_ready_once(io, events);
    eddy_loop_stop(loop);
}

START_TEST(a_stop_lets_no_further_wait_follow) {
    begin(64, 20, on_ready_stop_loop, EDDY_READ);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 1);
    ck_assert_uint_eq(told, 64);
    ck_assert_uint_eq(waits_so_far(), 1);
    end();
}
END_TEST

START_TEST(a_turn_taken_apart_does_the_same) {
    int64_t timeout_ns;
    begin(64, 20, on_ready_once, EDDY_READ);
    ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
    ck_assert_int_eq(eddy_loop_wait(loop, 0), 64);
    ck_assert_uint_eq(told, 0);
    ck_assert_int_ge(eddy_loop_dispatch(loop), 0);
    ck_assert_uint_eq(told, MANY);
    end();
}
END_TEST

static int late_ends[2];
static eddy_io late;
static unsigned late_told;

static void on_late(eddy_io *io, unsigned events) {
    (void)io;
    (void)events;
    late_told++;
}

static void on_ready_start_late(eddy_io *io, unsigned events) {
    on_ready_once(io, events);
    if (eddy_is_active(&late.handle)) return;
    unsigned edge = test_backend_can(EDDY_CAN_EDGE) ? EDDY_EDGE : 0;
    ck_assert_int_eq(eddy_io_start(&late, on_late, late_ends[0], EDDY_READ | edge), 0);
}

/* The second wait finds it, and may not tell of it yet; what edges do not repeat may not be lost.
 */
START_TEST(a_watcher_that_starts_between_the_waits_is_told_in_the_next_turn) {
    begin(64, 20, on_ready_start_late, EDDY_READ);
    late_told = 0;
    test_pipe(late_ends);
    put(late_ends[1], "x");
    eddy_io_init(&late, loop);
    turn();
    ck_assert_uint_eq(told, MANY);
    ck_assert_uint_eq(late_told, 0);
    turn();
    ck_assert_uint_eq(late_told, 1);
    eddy_io_stop(&late);
    close_both(late_ends);
    end();
}
END_TEST

static void on_ready_disarmed(eddy_io *io, unsigned events) {
    on_ready(io, events);
    if (told == 1) eddy_io_stop(&watchers[MANY - 1 - (io - watchers)]);
}

/* One of the others is stopped before it was its turn. */
START_TEST(a_one_shot_is_told_once_however_often_a_turn_waits) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin(64, 20, on_ready_disarmed, EDDY_READ | EDDY_ONESHOT);
    for (int i = 0; i < 3; i++) turn();
    ck_assert_uint_eq(told, MANY - 1);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("batches");
    ck_add(suite, "events", a_turn_tells_all_that_fits_one_wait,
           a_turn_waits_once_unless_asked_for_more);
    ck_add(suite, "waits", a_wait_that_came_back_full_is_followed_by_another,
           what_is_muted_between_the_waits_is_not_found_again,
           a_last_wait_that_finds_nothing_is_counted_as_empty, no_turn_waits_more_often_than_it_may,
           a_stop_lets_no_further_wait_follow, a_turn_taken_apart_does_the_same,
           a_watcher_that_starts_between_the_waits_is_told_in_the_next_turn,
           a_one_shot_is_told_once_however_often_a_turn_waits);
    return suite;
}
