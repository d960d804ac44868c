/* io.c: watching descriptors: start, change, stop, sharing, errors. */
#include "suite.h"
#include "system.h"
#include "trace.h"

#include <signal.h>

static eddy_loop *loop;
static eddy_io a, b, c;
static int ends[2], other[2];
static unsigned seen;
static int calls;

static void begin(void) {
    trace_clear();
    seen = 0;
    calls = 0;
    loop = test_loop_open();
    eddy_io_init(&a, loop);
    eddy_io_init(&b, loop);
    eddy_io_init(&c, loop);
    test_socket_pair(ends);
    test_socket_pair(other);
}

static void end(void) {
    eddy_io_stop(&a);
    eddy_io_stop(&b);
    eddy_io_stop(&c);
    close_both(ends);
    close_both(other);
    test_loop_close(loop);
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static eddy_metrics counts(void) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    return metrics;
}

static void on_event(eddy_io *io, unsigned events) {
    note(io == &a ? 'a' : io == &b ? 'b' : 'c');
    seen = events;
    calls++;
}

static void start(eddy_io *io, int fd, unsigned events) {
    ck_assert_int_eq(eddy_io_start(io, on_event, fd, events), 0);
}

START_TEST(a_watcher_is_told_of_what_it_asked_for) {
    begin();
    start(&a, ends[0], EDDY_READ);
    turn();
    trace_is("");
    put(ends[1], "x");
    turn();
    trace_is("a");
    ck_assert_uint_eq(seen, EDDY_READ);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_WRITE), 0);
    turn();
    trace_is("a");
    ck_assert_uint_eq(seen, EDDY_WRITE);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_WRITE), 0);
    turn();
    trace_is("a");
    ck_assert_uint_eq(seen, EDDY_READ | EDDY_WRITE);
    drain(ends[0], NULL);
    fill(ends[0]);
    turn();
    trace_is("");
    end();
}
END_TEST

/* Level-triggered: what is not read is told again, each turn, and then no more. */
START_TEST(readiness_is_told_as_long_as_it_lasts) {
    begin();
    start(&a, ends[0], EDDY_READ);
    put(ends[1], "x");
    for (int i = 0; i < 3; i++) turn();
    trace_is("aaa");
    drain(ends[0], NULL);
    turn();
    trace_is("");
    end();
}
END_TEST

START_TEST(the_descriptor_is_known_while_started) {
    begin();
    ck_assert_int_eq(eddy_io_fd(&a), -1);
    ck_assert(!eddy_is_active(&a.handle));
    start(&a, ends[0], EDDY_READ);
    ck_assert_int_eq(eddy_io_fd(&a), ends[0]);
    ck_assert(eddy_is_active(&a.handle));
    ck_assert_int_eq(eddy_io_error(&a), 0);
    eddy_io_stop(&a);
    eddy_io_stop(&a);
    ck_assert_int_eq(eddy_io_fd(&a), -1);
    ck_assert(!eddy_is_active(&a.handle));
    end();
}
END_TEST

START_TEST(a_stopped_watcher_is_silent_and_may_start_elsewhere) {
    begin();
    put(ends[1], "x");
    put(other[1], "x");
    start(&a, ends[0], EDDY_READ);
    eddy_io_stop(&a);
    turn();
    trace_is("");
    start(&a, other[0], EDDY_READ);
    drain(ends[0], NULL);
    turn();
    trace_is("a");
    end();
}
END_TEST

/* --- several watchers on one descriptor --- */

START_TEST(watchers_of_one_descriptor_get_each_their_own) {
    begin();
    start(&a, ends[0], EDDY_READ);
    start(&b, ends[0], EDDY_WRITE);
    start(&c, ends[0], EDDY_READ | EDDY_WRITE);
    turn();
    ck_assert_int_eq(calls, 2);
    ck_assert(strchr(trace, 'a') == NULL);
    trace_clear();
    calls = 0;
    put(ends[1], "x");
    turn();
    ck_assert_int_eq(calls, 3);
    end();
}
END_TEST

static void on_read_only(eddy_io *io, unsigned events) {
    note(io == &a ? 'a' : 'b');
    ck_assert_uint_eq(events, EDDY_READ);
}

static void on_write_only(eddy_io *io, unsigned events) {
    note(io == &a ? 'a' : 'b');
    ck_assert_uint_eq(events, EDDY_WRITE);
}

START_TEST(nobody_is_told_what_only_a_neighbour_asked_for) {
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&a, on_read_only, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_start(&b, on_write_only, ends[0], EDDY_WRITE), 0);
    for (int i = 0; i < 3; i++) turn();
    ck_assert_uint_eq(trace_length, 6);
    end();
}
END_TEST

/* One descriptor is one registration, whoever comes and goes; each that comes has it looked at. */
START_TEST(watchers_of_one_descriptor_share_one_registration) {
    begin();
    eddy_metrics before = counts();
    start(&a, ends[0], EDDY_READ);
    start(&b, ends[0], EDDY_READ);
    turn();
    ck_assert_uint_eq(counts().backend_adds - before.backend_adds, 1);
    ck_assert_uint_eq(counts().backend_modifies - before.backend_modifies, 1);
    start(&c, ends[0], EDDY_WRITE);
    turn();
    ck_assert_uint_eq(counts().backend_adds - before.backend_adds, 1);
    ck_assert_uint_eq(counts().backend_modifies - before.backend_modifies, 2);
    eddy_io_stop(&a);
    put(ends[1], "x");
    trace_clear();
    turn();
    ck_assert_uint_eq(trace_length, 2);
    eddy_io_stop(&b);
    eddy_io_stop(&c);
    ck_assert_uint_eq(counts().backend_removes - before.backend_removes, 1);
    end();
}
END_TEST

static eddy_io *victim;

static void stop_victim(eddy_io *io, unsigned events) {
    on_event(io, events);
    eddy_io_stop(victim);
}

/* Every watcher stops every watcher of its descriptor, itself included, from inside. */
START_TEST(watchers_of_one_descriptor_may_stop_each_other) {
    for (int who = 0; who < 3; who++) {
        for (int whom = 0; whom < 3; whom++) {
            begin();
            eddy_io *const all[] = {&a, &b, &c};
            victim = all[whom];
            put(ends[1], "x");
            for (int i = 0; i < 3; i++)
                ck_assert_int_eq(
                    eddy_io_start(all[i], i == who ? stop_victim : on_event, ends[0], EDDY_READ),
                    0);
            turn();
            char letter = (char)('a' + who), other_letter = (char)('a' + whom);
            const char *at = strchr(trace, letter);
            ck_assert_ptr_nonnull(at);
            if (who != whom)
                ck_assert_msg(strchr(at, other_letter) == NULL, "%c was told after %c stopped it",
                              other_letter, letter);
            ck_assert_uint_ge(trace_length, 2);
            trace_clear();
            turn();
            ck_assert_uint_eq(trace_length, 2);
            ck_assert(strchr(trace, other_letter) == NULL);
            end();
        }
    }
}
END_TEST

static void stop_all_three(eddy_io *io, unsigned events) {
    on_event(io, events);
    eddy_io_stop(&a);
    eddy_io_stop(&b);
    eddy_io_stop(&c);
}

START_TEST(a_watcher_may_stop_all_of_its_descriptor) {
    begin();
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&a, stop_all_three, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_start(&b, stop_all_three, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_start(&c, stop_all_three, ends[0], EDDY_READ), 0);
    turn();
    turn();
    ck_assert_uint_eq(trace_length, 1);
    end();
}
END_TEST

static void change_neighbours(eddy_io *io, unsigned events) {
    on_event(io, events);
    ck_assert_int_eq(eddy_io_change(&a, io == &a ? EDDY_READ : 0), 0);
    ck_assert_int_eq(eddy_io_change(&b, io == &b ? EDDY_READ : 0), 0);
}

/* An interest taken back in this turn is not told in this turn: the one that comes first mutes the
 * other, on one descriptor and on two. */
START_TEST(a_change_holds_at_once_also_for_events_at_hand) {
    for (int shared = 0; shared < 2; shared++) {
        begin();
        put(ends[1], "x");
        put(other[1], "x");
        int fd = shared != 0 ? ends[0] : other[0];
        ck_assert_int_eq(eddy_io_start(&a, change_neighbours, ends[0], EDDY_READ), 0);
        ck_assert_int_eq(eddy_io_start(&b, change_neighbours, fd, EDDY_READ), 0);
        turn();
        ck_assert_uint_eq(trace_length, 1);
        turn();
        turn();
        ck_assert_uint_eq(trace_length, 3);
        ck_assert(trace[0] == trace[1] && trace[1] == trace[2]);
        end();
    }
}
END_TEST

/* --- coalescing --- */

START_TEST(changes_of_one_turn_cost_one_call_of_the_backend) {
    begin();
    start(&a, ends[0], EDDY_READ);
    turn();
    eddy_metrics before = counts();
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_WRITE), 0);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_WRITE), 0);
    ck_assert_uint_eq(counts().backend_modifies, before.backend_modifies);
    turn();
    ck_assert_uint_eq(counts().backend_modifies, before.backend_modifies + 1);
    ck_assert_uint_eq(seen, EDDY_WRITE);
    turn();
    ck_assert_uint_eq(counts().backend_modifies, before.backend_modifies + 1);
    end();
}
END_TEST

START_TEST(a_change_there_and_back_costs_nothing) {
    begin();
    start(&a, ends[0], EDDY_READ);
    turn();
    eddy_metrics before = counts();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_WRITE), 0);
        ck_assert_int_eq(eddy_io_change(&a, EDDY_READ), 0);
        ck_assert_int_eq(eddy_io_change(&a, 0), 0);
        ck_assert_int_eq(eddy_io_change(&a, EDDY_READ), 0);
        turn();
    }
    ck_assert_uint_eq(counts().backend_modifies, before.backend_modifies);
    ck_assert_uint_eq(counts().backend_adds, before.backend_adds);
    ck_assert_uint_eq(counts().backend_removes, before.backend_removes);
    end();
}
END_TEST

/* --- muted --- */

/* Nothing is asked for: neither data nor the end of the other side wakes the loop. */
START_TEST(mute_is_silent) {
    begin();
    start(&a, ends[0], 0);
    start(&b, other[0], EDDY_READ);
    turn();
    ck_assert_int_eq(eddy_io_change(&b, 0), 0);
    put(ends[1], "x");
    close(ends[1]);
    close(other[1]);
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    ck_assert_uint_le(test_metric_waits(loop) - waits, 4);
    trace_is("");
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_change(&b, EDDY_READ), 0);
    turn();
    ck_assert_uint_eq(trace_length, 2);
    end();
}
END_TEST

START_TEST(a_muted_watcher_keeps_quiet_beside_a_wakeful_one) {
    begin();
    start(&a, ends[0], 0);
    start(&b, ends[0], EDDY_READ);
    close(ends[1]);
    turn();
    trace_is("b");
    ck_assert((seen & EDDY_READ) != 0);
    end();
}
END_TEST

/* --- errors of start and change --- */

START_TEST(start_twice_is_refused) {
    begin();
    start(&a, ends[0], EDDY_READ);
    ck_assert_int_eq(eddy_io_start(&a, on_event, ends[0], EDDY_READ), -EALREADY);
    ck_assert_int_eq(eddy_io_start(&a, on_event, other[0], EDDY_WRITE), -EALREADY);
    ck_assert_int_eq(eddy_io_fd(&a), ends[0]);
    put(ends[1], "x");
    turn();
    trace_is("a");
    ck_assert_uint_eq(seen, EDDY_READ);
    end();
}
END_TEST

START_TEST(what_is_not_open_cannot_be_watched) {
    begin();
    int fd = dup(ends[0]);
    close(fd);
    static const unsigned interests[] = {0, EDDY_READ, EDDY_WRITE};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(eddy_io_start(&a, on_event, fd, interests[i]), -EBADF);
        ck_assert_int_eq(eddy_io_start(&a, on_event, -1, interests[i]), -EBADF);
        ck_assert(!eddy_is_active(&a.handle));
        ck_assert_int_eq(eddy_io_fd(&a), -1);
    }
    ck_assert(!eddy_loop_is_alive(loop));
    start(&a, ends[0], EDDY_READ);
    end();
}
END_TEST

START_TEST(unknown_events_are_invalid) {
    begin();
    static const unsigned wrong[] = {
        EDDY_ERROR, EDDY_READ | EDDY_ERROR, EDDY_HANGUP | EDDY_ERROR, 1 << 6, 1u << 31, ~0u};
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(eddy_io_start(&a, on_event, ends[0], wrong[i]), -EINVAL);
        ck_assert(!eddy_is_active(&a.handle));
    }
    start(&a, ends[0], EDDY_READ);
    for (int i = 0; i < 6; i++) ck_assert_int_eq(eddy_io_change(&a, wrong[i]), -EINVAL);
    put(ends[1], "x");
    turn();
    trace_is("a");
    ck_assert_uint_eq(seen, EDDY_READ);
    end();
}
END_TEST

START_TEST(a_stopped_watcher_cannot_change) {
    begin();
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ), -EINVAL);
    start(&a, ends[0], EDDY_READ);
    eddy_io_stop(&a);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ), -EINVAL);
    end();
}
END_TEST

/* The highest descriptor a backend can watch, and the one after it. */
START_TEST(descriptors_beyond_the_backend_are_out_of_range) {
    begin();
    int most = descriptors_allow(1200);
    ck_assert_int_ge(most, 1030);
    int limit = eddy_loop_backend(loop)->fd_max;
    int within = fcntl(ends[0], F_DUPFD, 1023);
    int beyond = fcntl(ends[0], F_DUPFD, within + 1);
    ck_assert_int_eq(within, 1023);
    ck_assert_int_eq(beyond, 1024);
    start(&a, within, EDDY_READ);
    int err = eddy_io_start(&b, on_event, beyond, EDDY_READ);
    ck_assert_int_eq(err, limit < beyond ? -ERANGE : 0);
    ck_assert_int_eq(eddy_io_start(&c, on_event, beyond, 0), limit < beyond ? -ERANGE : 0);
    put(ends[1], "x");
    turn();
    ck_assert_int_eq(calls, err == 0 ? 2 : 1);
    eddy_io_stop(&a);
    eddy_io_stop(&b);
    eddy_io_stop(&c);
    close(within);
    close(beyond);
    end();
}
END_TEST

/* --- hints --- */

/* The other side has shut down its half: reading is to give the end, writing still works. */
START_TEST(a_half_closed_socket_reads_its_end_and_still_writes) {
    begin();
    start(&a, ends[0], EDDY_READ);
    start(&b, ends[0], EDDY_WRITE);
    put(ends[1], "bye");
    ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
    turn();
    ck_assert_ptr_nonnull(strchr(trace, 'a'));
    ck_assert_ptr_nonnull(strchr(trace, 'b'));
    bool at_end;
    ck_assert_int_eq(drain(ends[0], &at_end), 3);
    ck_assert(at_end);
    put(ends[0], "answer");
    ck_assert_int_eq(drain(ends[1], NULL), 6);
    end();
}
END_TEST

/* However the end is hinted at, a reader is told to read, and a writer to write. */
START_TEST(a_hangup_makes_reading_and_writing_ready) {
    begin();
    fill(ends[0]);
    start(&a, ends[0], EDDY_WRITE);
    start(&b, other[0], EDDY_READ);
    turn();
    trace_is("");
    close(ends[1]);
    close(other[1]);
    turn();
    ck_assert_ptr_nonnull(strchr(trace, 'a'));
    ck_assert_ptr_nonnull(strchr(trace, 'b'));
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq((int)write(ends[0], "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    bool at_end;
    drain(other[0], &at_end);
    ck_assert(at_end);
    signal(SIGPIPE, SIG_DFL);
    end();
}
END_TEST

/* A pipe without readers: its writer is told to write, with an error or a hang-up as a hint. */
START_TEST(a_broken_pipe_is_told_to_its_writer) {
    begin();
    int pipe_ends[2];
    test_pipe(pipe_ends);
    fill(pipe_ends[1]);
    start(&a, pipe_ends[1], EDDY_WRITE);
    turn();
    trace_is("");
    close(pipe_ends[0]);
    turn();
    trace_is("a");
    ck_assert((seen & EDDY_WRITE) != 0);
    ck_assert((seen & EDDY_READ) == 0);
    ck_assert_int_eq(eddy_io_error(&a), 0);
    eddy_io_stop(&a);
    close(pipe_ends[1]);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("io");
    ck_add(suite, "watch", a_watcher_is_told_of_what_it_asked_for,
           readiness_is_told_as_long_as_it_lasts, the_descriptor_is_known_while_started,
           a_stopped_watcher_is_silent_and_may_start_elsewhere);
    ck_add(suite, "shared", watchers_of_one_descriptor_get_each_their_own,
           nobody_is_told_what_only_a_neighbour_asked_for,
           watchers_of_one_descriptor_share_one_registration,
           watchers_of_one_descriptor_may_stop_each_other, a_watcher_may_stop_all_of_its_descriptor,
           a_change_holds_at_once_also_for_events_at_hand);
    ck_add(suite, "coalesced", changes_of_one_turn_cost_one_call_of_the_backend,
           a_change_there_and_back_costs_nothing);
    ck_add(suite, "muted", mute_is_silent, a_muted_watcher_keeps_quiet_beside_a_wakeful_one);
    ck_add(suite, "errors", start_twice_is_refused, what_is_not_open_cannot_be_watched,
           unknown_events_are_invalid, a_stopped_watcher_cannot_change,
           descriptors_beyond_the_backend_are_out_of_range);
    ck_add(suite, "hints", a_half_closed_socket_reads_its_end_and_still_writes,
           a_hangup_makes_reading_and_writing_ready, a_broken_pipe_is_told_to_its_writer);
    return suite;
}
