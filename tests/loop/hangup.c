/* hangup.c: EDDY_HANGUP that is asked for: who does not read hears that the other side has gone. */
#include "suite.h"
#include "system.h"

#include <netinet/in.h>

static eddy_loop *loop;
static eddy_io a, b;
static int ends[2];
static unsigned calls, seen;

static void begin(void) {
    loop = test_loop_open();
    eddy_io_init(&a, loop);
    eddy_io_init(&b, loop);
    test_socket_pair(ends);
    calls = seen = 0;
}

static void end(void) {
    eddy_io_stop(&a);
    eddy_io_stop(&b);
    close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
    test_loop_close(loop);
}

static bool can(void) {
    return test_backend_can(EDDY_CAN_HANGUP);
}

static void on_event(eddy_io *io, unsigned events) {
    (void)io;
    calls++;
    seen = events;
}

static void on_other(eddy_io *io, unsigned events) {
    (void)io;
    (void)events;
}

static void start(eddy_io *io, int fd, unsigned events) {
    ck_assert_int_eq(eddy_io_start(io, io == &a ? on_event : on_other, fd, events), 0);
}

static void turns(int count) {
    for (int i = 0; i < count; i++) ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
}

/* What is told in the next turns, all together once. */
static void ck_told_once(unsigned events) {
    calls = 0;
    turns(4);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(seen, events);
}

static void ck_quiet(void) {
    calls = 0;
    turns(4);
    ck_assert_uint_eq(calls, 0);
}

START_TEST(a_backend_that_cannot_tell_of_it_says_so) {
    begin();
    if (!can()) {
        ck_assert_int_eq(eddy_io_start(&a, on_event, ends[0], EDDY_HANGUP), -ENOTSUP);
        ck_assert(!eddy_is_active(&a.handle));
        start(&a, ends[0], EDDY_READ);
        ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_HANGUP), -ENOTSUP);
        put(ends[1], "x");
        calls = 0;
        turns(1);
        ck_assert_uint_eq(calls, 1);
    }
    end();
}
END_TEST

START_TEST(an_end_is_told_and_what_was_sent_before_stays) {
    if (!can()) return;
    begin();
    start(&a, ends[0], EDDY_HANGUP);
    ck_quiet();
    put(ends[1], "before the end");
    ck_quiet();
    shutdown(ends[1], SHUT_WR);
    ck_told_once(EDDY_HANGUP);
    bool at_end;
    ck_assert_int_eq(drain(ends[0], &at_end), 14);
    ck_assert(at_end);
    put(ends[0], "it may still be listening");
    end();
}
END_TEST

/* It lasts, and would be told for ever: a loop that waits for something else sleeps meanwhile. */
START_TEST(a_hangup_that_was_told_does_not_wake_the_loop_again) {
    if (!can()) return;
    begin();
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    start(&a, ends[0], EDDY_HANGUP);
    close(ends[1]);
    ends[1] = -1;
    calls = 0;
    turns(2);
    ck_assert_uint_eq(calls, 1);
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 30 * EDDY_NS_PER_MS);
    ck_assert_uint_le(test_metric_waits(loop) - waits, 4);
    ck_assert_uint_eq(calls, 1);
    end();
}
END_TEST

START_TEST(it_is_told_again_to_who_asks_again) {
    if (!can()) return;
    begin();
    start(&a, ends[0], EDDY_HANGUP);
    shutdown(ends[1], SHUT_WR);
    for (int i = 0; i < 3; i++) {
        ck_told_once(EDDY_HANGUP);
        ck_assert_int_eq(eddy_io_change(&a, EDDY_HANGUP), 0);
    }
    eddy_io_stop(&a);
    start(&a, ends[0], EDDY_HANGUP);
    ck_told_once(EDDY_HANGUP);
    end();
}
END_TEST

static void on_event_ask_again(eddy_io *io, unsigned events) {
    on_event(io, events);
    if (calls < 3) ck_assert_int_eq(eddy_io_change(io, EDDY_HANGUP), 0);
}

START_TEST(its_callback_may_ask_again) {
    if (!can()) return;
    begin();
    ck_assert_int_eq(eddy_io_start(&a, on_event_ask_again, ends[0], EDDY_HANGUP), 0);
    shutdown(ends[1], SHUT_WR);
    turns(10);
    ck_assert_uint_eq(calls, 3);
    end();
}
END_TEST

/* A reader hears with the first byte that the end has come behind it, and reads on by level. */
START_TEST(a_reader_is_told_at_once) {
    if (!can()) return;
    begin();
    start(&a, ends[0], EDDY_READ | EDDY_HANGUP);
    put(ends[1], "x");
    turns(1);
    ck_assert_uint_eq(seen, EDDY_READ);
    shutdown(ends[1], SHUT_WR);
    calls = 0;
    turns(1);
    ck_assert_uint_eq(seen, EDDY_READ | EDDY_HANGUP);
    turns(3);
    ck_assert_uint_eq(calls, 4);
    ck_assert_uint_eq(seen & EDDY_READ, EDDY_READ);
    ck_assert_int_eq(drain(ends[0], NULL), 1);
    end();
}
END_TEST

START_TEST(a_writer_hears_of_it_beside_writing) {
    if (!can()) return;
    begin();
    fill(ends[0]);
    start(&a, ends[0], EDDY_WRITE | EDDY_HANGUP);
    ck_quiet();
    shutdown(ends[1], SHUT_WR);
    ck_told_once(EDDY_HANGUP);
    drain(ends[1], NULL);
    calls = 0;
    turns(2);
    ck_assert_uint_eq(calls, 2);
    ck_assert_uint_eq(seen, EDDY_WRITE);
    end();
}
END_TEST

/* As a proxy does it: reading is paused and goes on, again and again, while bytes come. */
START_TEST(pausing_and_going_on_loses_nothing) {
    if (!can()) return;
    begin();
    start(&a, ends[0], EDDY_READ | EDDY_HANGUP);
    for (int i = 0; i < 5; i++) {
        put(ends[1], "x");
        calls = 0;
        turns(1);
        ck_assert_uint_eq(calls, 1);
        ck_assert_uint_eq(seen, EDDY_READ);
        ck_assert_int_eq(eddy_io_change(&a, EDDY_HANGUP), 0);
        ck_quiet();
        put(ends[1], "y");
        ck_quiet();
        ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | (i % 2 ? EDDY_HANGUP : 0)), 0);
        turns(1);
        ck_assert_uint_eq(seen, EDDY_READ);
        ck_assert_int_eq(drain(ends[0], NULL), 2);
    }
    ck_assert_int_eq(eddy_io_change(&a, EDDY_HANGUP), 0);
    ck_quiet();
    close(ends[1]);
    ends[1] = -1;
    calls = 0;
    turns(3);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_ne(seen & EDDY_HANGUP, 0);
    end();
}
END_TEST

/* Each neighbour has its own interest, and is told once. */
START_TEST(neighbours_each_hear_what_they_asked_for) {
    if (!can()) return;
    begin();
    start(&a, ends[0], EDDY_HANGUP);
    start(&b, ends[0], EDDY_READ);
    put(ends[1], "x");
    ck_quiet();
    shutdown(ends[1], SHUT_WR);
    ck_told_once(EDDY_HANGUP);
    eddy_io_stop(&b);
    ck_quiet();
    end();
}
END_TEST

START_TEST(a_reset_is_one) {
    if (!can()) return;
    begin();
    int pair[2];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    pair[1] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(pair[1], (struct sockaddr *)&address, length), 0);
    pair[0] = accept(listener, NULL, NULL);
    ck_assert_int_ge(pair[0], 0);
    start(&a, pair[0], EDDY_HANGUP);
    ck_quiet();
    struct linger reset = {.l_onoff = 1};
    ck_assert_int_eq(setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(pair[1]);
    while (calls == 0) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_uint_ne(seen & (EDDY_HANGUP | EDDY_ERROR), 0);
    ck_quiet();
    eddy_io_stop(&a);
    close(pair[0]);
    close(listener);
    end();
}
END_TEST

START_TEST(a_pipe_whose_writers_are_gone_is_one) {
    if (!can()) return;
    begin();
    int pipe_ends[2];
    test_pipe(pipe_ends);
    start(&a, pipe_ends[0], EDDY_HANGUP);
    put(pipe_ends[1], "x");
    ck_quiet();
    close(pipe_ends[1]);
    ck_told_once(EDDY_HANGUP);
    eddy_io_stop(&a);
    close(pipe_ends[0]);
    end();
}
END_TEST

/* An error by itself, to many mechanisms. Of a writing end not every BSD tells it. */
START_TEST(a_pipe_whose_readers_are_gone_is_one) {
    if (!can() || strcmp(test_backend, "kqueue") == 0) return;
    begin();
    int pipe_ends[2];
    test_pipe(pipe_ends);
    start(&a, pipe_ends[1], EDDY_HANGUP);
    ck_quiet();
    close(pipe_ends[0]);
    ck_told_once(EDDY_HANGUP | EDDY_ERROR);
    eddy_io_stop(&a);
    close(pipe_ends[1]);
    end();
}
END_TEST

static void on_timer(eddy_timer *timer) {
    (void)timer;
    calls += 100;
}

/* One wait lasts until the timer, though bytes are there. */
START_TEST(bytes_do_not_wake_who_only_waits_for_the_end) {
    if (!can()) return;
    begin();
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    start(&a, ends[0], EDDY_HANGUP);
    put(ends[1], "x");
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 20 * EDDY_NS_PER_MS, 0), 0);
    ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_uint_eq(calls, 100);
    end();
}
END_TEST

/* Shutting down one's own side is nobody else's hang-up. */
START_TEST(its_own_end_is_none) {
    if (!can()) return;
    begin();
    start(&a, ends[0], EDDY_WRITE | EDDY_HANGUP);
    turns(1);
    ck_assert_uint_eq(seen, EDDY_WRITE);
    shutdown(ends[0], SHUT_WR);
    for (int i = 0; i < 3; i++) {
        turns(1);
        ck_assert_uint_eq(seen, EDDY_WRITE);
    }
    ck_assert_int_eq(eddy_io_change(&a, EDDY_HANGUP), 0);
    ck_quiet();
    close(ends[1]);
    ends[1] = -1;
    calls = 0;
    turns(3);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_ne(seen & EDDY_HANGUP, 0);
    end();
}
END_TEST

/* Told of READ or of the hang-up, a one-shot is silent; asked again it tells. */
START_TEST(a_one_shot_is_told_of_one_thing) {
    if (!can() || !test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin();
    start(&a, ends[0], EDDY_HANGUP | EDDY_ONESHOT);
    put(ends[1], "x");
    ck_quiet();
    shutdown(ends[1], SHUT_WR);
    ck_told_once(EDDY_HANGUP);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_HANGUP | EDDY_ONESHOT), 0);
    ck_told_once(EDDY_READ | EDDY_HANGUP);
    end();
}
END_TEST

START_TEST(edges_and_hangups_go_together) {
    if (!can() || !test_backend_can(EDDY_CAN_EDGE)) return;
    begin();
    start(&a, ends[0], EDDY_READ | EDDY_HANGUP | EDDY_EDGE);
    put(ends[1], "x");
    ck_told_once(EDDY_READ);
    drain(ends[0], NULL);
    shutdown(ends[1], SHUT_WR);
    calls = 0;
    turns(1);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(seen, EDDY_READ | EDDY_HANGUP);
    turns(2); /* taking the interest back may show the edge once more */
    ck_assert_uint_le(calls, 2);
    end();
}
END_TEST

/* Nobody is there to hear of it, and nothing has been sent: the descriptor leaves the backend. */
START_TEST(who_asks_no_more_is_muted) {
    if (!can()) return;
    begin();
    start(&a, ends[0], EDDY_HANGUP);
    ck_quiet();
    ck_assert_int_eq(eddy_io_change(&a, 0), 0);
    close(ends[1]);
    ends[1] = -1;
    ck_quiet();
    ck_assert_int_eq(eddy_io_change(&a, EDDY_HANGUP), 0);
    calls = 0;
    turns(3);
    ck_assert_uint_eq(calls, 1);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("hangup");
    ck_add(suite, "asked", a_backend_that_cannot_tell_of_it_says_so,
           an_end_is_told_and_what_was_sent_before_stays,
           a_hangup_that_was_told_does_not_wake_the_loop_again, it_is_told_again_to_who_asks_again,
           its_callback_may_ask_again, bytes_do_not_wake_who_only_waits_for_the_end,
           who_asks_no_more_is_muted);
    ck_add(suite, "beside", a_reader_is_told_at_once, a_writer_hears_of_it_beside_writing,
           pausing_and_going_on_loses_nothing, neighbours_each_hear_what_they_asked_for,
           a_one_shot_is_told_of_one_thing, edges_and_hangups_go_together);
    ck_add(suite, "kinds", a_reset_is_one, its_own_end_is_none,
           a_pipe_whose_readers_are_gone_is_one, a_pipe_whose_writers_are_gone_is_one);
    return suite;
}
