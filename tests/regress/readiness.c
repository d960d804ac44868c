/* readiness.c: what descriptors have done to event loops, and what must hold instead. */
#include "suite.h"
#include "system.h"
#include "trace.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>

static eddy_loop *loop;
static eddy_io a, b, c;
static int ends[2], other[2];
static unsigned seen;

static void begin(void) {
    trace_clear();
    seen = 0;
    loop = test_loop_open();
    eddy_io_init(&a, loop);
    eddy_io_init(&b, loop);
    eddy_io_init(&c, loop);
    test_pipe(ends);
    test_pipe(other);
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

/* Waits within the time given: a loop that spins makes thousands. */
static unsigned waits_in(int64_t time_ns) {
    unsigned before = test_metric_waits(loop);
    test_turn_for(loop, time_ns);
    return test_metric_waits(loop) - before;
}

static void on_event(eddy_io *io, unsigned events) {
    note(io == &a ? 'a' : io == &b ? 'b' : 'c');
    seen = events;
}

static void start(eddy_io *io, int fd, unsigned events) {
    ck_assert_int_eq(eddy_io_start(io, on_event, fd, events), 0);
}

/* --- the same number, another owner --- */

/* The first of two ready pipes to be told closes the other, opens a third one at its number, where
 * nothing is to be read, and watches that. The record at hand is of the old owner. */
static void replace_other(eddy_io *io, unsigned events) {
    on_event(io, events);
    eddy_io *victim = io == &a ? &b : &a;
    if (eddy_io_fd(victim) < 0) return;
    int fd = eddy_io_fd(victim), fresh[2];
    eddy_io_stop(victim);
    test_pipe(fresh);
    ck_assert_int_eq(dup2(fresh[0], fd), fd);
    close(fresh[0]);
    start(&c, fd, EDDY_READ);
    close(fresh[1]); /* now it is at its end: what the new owner is told is its own */
}

START_TEST(a_stale_event_does_not_reach_the_new_owner_of_the_number) {
    begin();
    put(ends[1], "x");
    put(other[1], "x");
    ck_assert_int_eq(eddy_io_start(&a, replace_other, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_start(&b, replace_other, other[0], EDDY_READ), 0);
    turn();
    ck_assert_uint_eq(trace_length, 1);
    eddy_io_stop(&a);
    eddy_io_stop(&b);
    trace_clear();
    turn();
    trace_is("c");
    end();
}
END_TEST

/* The same with the watcher's own struct: stopped and started again on the new pipe. */
static void reuse_other(eddy_io *io, unsigned events) {
    on_event(io, events);
    eddy_io *victim = io == &a ? &b : &a;
    int fd = eddy_io_fd(victim), fresh[2];
    eddy_io_stop(victim);
    test_pipe(fresh);
    ck_assert_int_eq(dup2(fresh[0], fd), fd);
    close(fresh[0]);
    close(io == &a ? other[1] : ends[1]);
    (io == &a ? other : ends)[1] = fresh[1];
    start(victim, fd, EDDY_READ);
    eddy_io_stop(io);
}

START_TEST(a_stale_event_does_not_reach_the_same_watcher_on_a_new_descriptor) {
    begin();
    put(ends[1], "x");
    put(other[1], "x");
    ck_assert_int_eq(eddy_io_start(&a, reuse_other, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_start(&b, reuse_other, other[0], EDDY_READ), 0);
    for (int i = 0; i < 3; i++) turn();
    ck_assert_uint_eq(trace_length, 1);
    end();
}
END_TEST

/* --- a description that lives on --- */

/* After stop and close the description lives in a dup: it must not wake the loop. */
START_TEST(a_stopped_descriptor_is_silent_though_a_dup_lives) {
    begin();
    int copy = dup(ends[0]);
    put(ends[1], "x");
    start(&a, ends[0], EDDY_READ);
    turn();
    trace_is("a");
    eddy_io_stop(&a);
    close(ends[0]);
    ck_assert_uint_le(waits_in(50 * EDDY_NS_PER_MS), 4);
    trace_is("");
    /* The number is free for another, whose removal must not be disturbed by the old one. */
    int fresh[2];
    test_pipe(fresh);
    start(&a, fresh[0], EDDY_READ);
    put(fresh[1], "x");
    turn();
    trace_is("a");
    eddy_io_stop(&a);
    close_both(fresh);
    ends[0] = copy;
    end();
}
END_TEST

/* The same in the wrong order: closed first, while the duplicate keeps it in epoll's set, where its
 * number cannot reach it any more. The loop must find out and be silent; its other watchers stay.
 */
START_TEST(a_descriptor_closed_before_its_stop_wakes_nobody_for_long) {
    begin();
    int copy = dup(ends[0]), second[2];
    test_pipe(second);
    start(&b, second[0], EDDY_READ);
    put(ends[1], "x");
    start(&a, ends[0], EDDY_READ);
    close(ends[0]);
    eddy_io_stop(&a);
    ck_assert_uint_le(waits_in(50 * EDDY_NS_PER_MS), 6);
    trace_is("");
    put(second[1], "x");
    turn();
    trace_is("b");
    eddy_io_stop(&b);
    close_both(second);
    ends[0] = copy;
    end();
}
END_TEST

static void on_post(eddy_post *post) {
    (void)post;
    note('p');
}

/* To end the leaked registration the loop opens its backend anew. When there is no descriptor for
 * that, its watchers and its own pipe must not be taken for lost: they are back once there is one.
 */
START_TEST(a_backend_that_cannot_be_opened_anew_loses_nobody) {
    begin();
    int copy = dup(ends[0]), second[2];
    struct rlimit usual, none;
    eddy_post post;
    test_pipe(second);
    start(&b, second[0], EDDY_READ);
    put(ends[1], "x");
    start(&a, ends[0], EDDY_READ);
    close(ends[0]);
    eddy_io_stop(&a);
    turn(); /* sees what leaked, if there is one */
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT); /* may fail */
    (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    turn();
    trace_is("");
    put(second[1], "x");
    eddy_loop_post(loop, &post, on_post);
    turn();
    trace_is("bp");
    eddy_io_stop(&b);
    close_both(second);
    ends[0] = copy;
    end();
}
END_TEST

/* --- hang-ups --- */

/* Nobody wants anything of the descriptor, and its peer is gone: HUP is no reason to wake. */
START_TEST(a_hangup_does_not_wake_a_muted_watcher) {
    begin();
    start(&a, ends[0], EDDY_READ);
    turn();
    ck_assert_int_eq(eddy_io_change(&a, 0), 0);
    close(ends[1]);
    ck_assert_uint_le(waits_in(50 * EDDY_NS_PER_MS), 4);
    trace_is("");
    end();
}
END_TEST

/* A drained pipe without writers gives HUP without IN: a reader must still be told to read. */
START_TEST(the_end_of_a_drained_pipe_is_readable) {
    begin();
    put(ends[1], "bye");
    close(ends[1]);
    bool at_end;
    char text[3];
    ck_assert_int_eq((int)read(ends[0], text, 3), 3);
    start(&a, ends[0], EDDY_READ);
    turn();
    trace_is("a");
    ck_assert((seen & EDDY_READ) != 0);
    drain(ends[0], &at_end);
    ck_assert(at_end);
    end();
}
END_TEST

/* HUP with data still there: all of it is read before the end is. */
START_TEST(a_hangup_comes_after_the_data) {
    begin();
    int sent = fill(ends[1]);
    close(ends[1]);
    start(&a, ends[0], EDDY_READ);
    int got = 0;
    char data[1000];
    for (;;) {
        turn();
        trace_is("a");
        ssize_t size = read(ends[0], data, sizeof data);
        ck_assert_int_ge((int)size, 0);
        if (size == 0) break;
        got += (int)size;
    }
    ck_assert_int_eq(got, sent);
    end();
}
END_TEST

/* --- what cannot be watched --- */

/* One error on every backend, also for a watcher that wants nothing yet. */
START_TEST(regular_files_and_directories_are_refused_alike) {
    begin();
    char name[] = "/tmp/eddy-test-XXXXXX";
    int file = mkstemp(name);
    ck_assert_int_ge(file, 0);
    unlink(name);
    int directory = open("/", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(directory, 0);
    static const unsigned interests[] = {EDDY_READ, EDDY_WRITE, EDDY_READ | EDDY_WRITE, 0};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(eddy_io_start(&a, on_event, file, interests[i]), -EPERM);
        ck_assert_int_eq(eddy_io_start(&a, on_event, directory, interests[i]), -EPERM);
        ck_assert(!eddy_is_active(&a.handle));
    }
    turn();
    trace_is("");
    close(file);
    close(directory);
    end();
}
END_TEST

/* --- one-shot --- */

static void reset_by_peer(const int pair[2]) {
    struct linger now = {1, 0};
    ck_assert_int_eq(setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(pair[1]);
}

static void tcp_pair(int pair[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(pair[0], (const struct sockaddr *)&address, length), 0);
    pair[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(pair[1], 0);
    close(listener);
    ck_assert_int_eq(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
}

/* The one-shot fires, then the peer resets: silent until armed again, and then it is told. */
START_TEST(a_reset_after_a_one_shot_is_told_when_armed_again) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    begin();
    int pair[2];
    tcp_pair(pair);
    start(&a, pair[0], EDDY_WRITE | EDDY_ONESHOT);
    turn();
    trace_is("a");
    reset_by_peer(pair);
    ck_assert_uint_le(waits_in(20 * EDDY_NS_PER_MS), 4);
    trace_is("");
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ | EDDY_ONESHOT), 0);
    for (int i = 0; i < 3; i++) turn();
    trace_is("a");
    eddy_io_stop(&a);
    close(pair[0]);
    end();
}
END_TEST

/* --- writers --- */

/* An unconnected socket may say what it likes; once connecting, it says when it is connected. */
START_TEST(a_socket_registered_after_connect_tells_once_it_is_connected) {
    begin();
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int err = connect(fd, (const struct sockaddr *)&address, length);
    ck_assert(err == 0 || errno == EINPROGRESS);
    start(&a, fd, EDDY_WRITE);
    while (trace_length == 0) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    ck_assert_uint_eq(seen, EDDY_WRITE);
    eddy_io_stop(&a);
    close(fd);
    close(listener);
    end();
}
END_TEST

/* Nobody listens: the refusal makes the socket writable, and the error is the socket's own. */
START_TEST(a_refused_connection_is_told_to_its_writer) {
    begin();
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int closed = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(closed, (const struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(getsockname(closed, (struct sockaddr *)&address, &length), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, length), -1);
    ck_assert_int_eq(errno, EINPROGRESS);
    start(&a, fd, EDDY_WRITE);
    while (trace_length == 0) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    ck_assert((seen & EDDY_WRITE) != 0);
    ck_assert_int_eq(eddy_io_error(&a), 0);
    int error = 0;
    length = sizeof error;
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    ck_assert_int_eq(error, ECONNREFUSED);
    eddy_io_stop(&a);
    close(fd);
    close(closed);
    end();
}
END_TEST

static void write_all(eddy_io *io, unsigned events) {
    on_event(io, events);
    ck_assert_int_eq(eddy_io_change(io, 0), 0); /* the queue is empty now */
}

/* Whoever drops the interest in writing must not be woken by a writable descriptor. */
START_TEST(an_interest_taken_back_costs_no_more_wake_ups) {
    begin();
    ck_assert_int_eq(eddy_io_start(&a, write_all, ends[1], EDDY_WRITE), 0);
    ck_assert_uint_le(waits_in(50 * EDDY_NS_PER_MS), 5);
    trace_is("a");
    end();
}
END_TEST

/* --- closed behind the loop's back --- */

/* Nothing aborts, nothing spins; where the backend notices, it is told as -EBADF, once. */
START_TEST(a_descriptor_closed_behind_the_loop_is_told_or_silent) {
    begin();
    start(&a, ends[0], EDDY_READ);
    start(&b, other[0], EDDY_READ);
    put(ends[1], "x");
    turn();
    trace_is("a");
    close(ends[0]);
    ck_assert_uint_le(waits_in(50 * EDDY_NS_PER_MS), 6);
    ck_assert_uint_le(trace_length, 1);
    if (trace_length == 1) {
        ck_assert_str_eq(trace, "a");
        ck_assert_uint_eq(seen, EDDY_ERROR);
        ck_assert_int_eq(eddy_io_error(&a), -EBADF);
    }
    trace_clear();
    /* The others are served, and the lost one can be stopped. */
    put(other[1], "x");
    turn();
    trace_is("b");
    eddy_io_stop(&a);
    turn();
    trace_is("b");
    ends[0] = dup(other[0]);
    end();
}
END_TEST

/* A change on a closed descriptor must be told on every backend: the kernel refuses it. */
START_TEST(a_change_of_a_closed_descriptor_is_told) {
    begin();
    start(&a, ends[0], 0);
    start(&b, other[0], EDDY_READ);
    put(other[1], "x");
    turn();
    trace_is("b");
    close(ends[0]);
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ), 0);
    eddy_io_stop(&b);
    for (int i = 0; i < 3; i++) turn();
    trace_is("a");
    ck_assert_uint_eq(seen, EDDY_ERROR);
    ck_assert_int_eq(eddy_io_error(&a), -EBADF);
    /* It is muted until changed, and the change finds a new descriptor at the number. */
    int fd = eddy_io_fd(&a);
    ck_assert_int_eq(dup2(other[0], fd), fd);
    turn();
    trace_is("");
    ck_assert_int_eq(eddy_io_change(&a, EDDY_READ), 0);
    turn();
    trace_is("a");
    ck_assert_uint_eq(seen, EDDY_READ);
    ck_assert_int_eq(eddy_io_error(&a), 0);
    end();
}
END_TEST

/* --- the table grows --- */

enum { MANY = 10000, A_PIPE = 200 };
static eddy_io many[MANY];
static int many_fds[MANY], many_pipes[MANY / A_PIPE][2], many_count, many_told;

static void count_and_stop(eddy_io *io, unsigned events) {
    ck_assert_uint_eq(events, EDDY_READ);
    many_told++;
    eddy_io_stop(io);
}

static void open_many(eddy_io *io, unsigned events) {
    on_event(io, events);
    int limit = descriptors_allow(MANY + 300);
    int most = eddy_loop_backend(loop)->fd_max;
    if (limit > most) limit = most;
    int wanted = limit - 300 < MANY ? limit - 300 : MANY;
    for (many_count = 0; many_count < wanted; many_count++) {
        int *pipe_ends = many_pipes[many_count / A_PIPE];
        if (many_count % A_PIPE == 0) {
            test_pipe(pipe_ends);
            put(pipe_ends[1], "x");
        }
        int fd = dup(pipe_ends[0]);
        ck_assert_int_ge(fd, 0);
        many_fds[many_count] = fd;
        eddy_io_init(&many[many_count], loop);
        ck_assert_int_eq(eddy_io_start(&many[many_count], count_and_stop, fd, EDDY_READ), 0);
    }
    eddy_io_stop(io);
}

/* --- many lost at once --- */

enum { LOST = 40 }; /* more than half of the table of descriptors at its first size */
static eddy_io lost[LOST];
static int lost_told;

static void ask_again(eddy_io *io, unsigned events) {
    (void)events;
    lost_told++;
    ck_assert_int_eq(eddy_io_change(io, EDDY_READ), 0);
}

/* Each watcher that hears that its descriptor is lost asks anew in that very callback, and the
 * list of changes has one place for each descriptor, not two. */
START_TEST(many_lost_descriptors_may_be_asked_for_again) {
    begin();
    int fds[LOST];
    lost_told = 0;
    for (int i = 0; i < LOST; i++) {
        fds[i] = dup(ends[0]);
        eddy_io_init(&lost[i], loop);
        ck_assert_int_eq(eddy_io_start(&lost[i], ask_again, fds[i], 0), 0);
    }
    turn(); /* they are muted, so the backend does not have them any more */
    for (int i = 0; i < LOST; i++) {
        close(fds[i]);
        ck_assert_int_eq(eddy_io_change(&lost[i], EDDY_READ), 0);
    }
    turn();
    ck_assert_int_eq(lost_told, LOST);
    turn();
    ck_assert_int_eq(lost_told, 2 * LOST);
    for (int i = 0; i < LOST; i++) eddy_io_stop(&lost[i]);
    end();
}
END_TEST

/* A number that is not open may be any number: no table grows for it. */
START_TEST(a_number_that_is_not_open_costs_no_memory) {
    begin();
    eddy_metrics before, after;
    eddy_loop_read_metrics(loop, &before, sizeof before);
    int err = eddy_io_start(&a, on_event, 10000000, EDDY_READ);
    ck_assert(err == -EBADF || err == -ERANGE);
    eddy_loop_read_metrics(loop, &after, sizeof after);
    ck_assert_uint_eq(after.allocations, before.allocations);
    end();
}
END_TEST

/* The first of several watchers on a descriptor opens ten thousand in its callback: the table
 * moves while it is being walked. */
START_TEST(tables_may_move_inside_a_callback) {
    begin();
    put(ends[1], "x");
    put(other[1], "x");
    many_told = many_count = 0;
    ck_assert_int_eq(eddy_io_start(&a, open_many, ends[0], EDDY_READ), 0);
    start(&b, ends[0], EDDY_READ);
    start(&c, other[0], EDDY_READ);
    turn();
    ck_assert_uint_eq(trace_length, 3);
    ck_assert(strchr(trace, 'a') && strchr(trace, 'b') && strchr(trace, 'c'));
    ck_assert_int_ge(many_count, 500);
    ck_assert_int_eq(many_told, 0);
    eddy_io_stop(&b);
    eddy_io_stop(&c);
    for (int i = 0; i < many_count && many_told < many_count; i++) turn();
    ck_assert_int_eq(many_told, many_count);
    for (int i = 0; i < many_count; i++) close(many_fds[i]);
    for (int i = 0; i < many_count; i += A_PIPE) close_both(many_pipes[i / A_PIPE]);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("readiness");
    ck_add(suite, "owner", a_stale_event_does_not_reach_the_new_owner_of_the_number,
           a_stale_event_does_not_reach_the_same_watcher_on_a_new_descriptor,
           a_stopped_descriptor_is_silent_though_a_dup_lives,
           a_descriptor_closed_before_its_stop_wakes_nobody_for_long,
           a_backend_that_cannot_be_opened_anew_loses_nobody);
    ck_add(suite, "hangup", a_hangup_does_not_wake_a_muted_watcher,
           the_end_of_a_drained_pipe_is_readable, a_hangup_comes_after_the_data,
           a_reset_after_a_one_shot_is_told_when_armed_again);
    ck_add(suite, "writers", a_socket_registered_after_connect_tells_once_it_is_connected,
           a_refused_connection_is_told_to_its_writer,
           an_interest_taken_back_costs_no_more_wake_ups);
    ck_add(suite, "wrong", regular_files_and_directories_are_refused_alike,
           a_descriptor_closed_behind_the_loop_is_told_or_silent,
           a_change_of_a_closed_descriptor_is_told, many_lost_descriptors_may_be_asked_for_again,
           a_number_that_is_not_open_costs_no_memory);
    ck_add(suite, "tables", tables_may_move_inside_a_callback);
    return suite;
}
