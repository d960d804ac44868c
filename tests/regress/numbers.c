/* numbers.c: descriptors' numbers that are closed behind the loop's back and used again, and what
 * the loop may do about it. */
#include "suite.h"
#include "system.h"

#include <sys/resource.h>

static eddy_loop *loop;
static int told[3];

static void on_io(eddy_io *io, unsigned events) {
    char byte;
    (void)events;
    told[0]++;
    (void)!read(eddy_io_fd(io), &byte, 1);
}

static void on_second(eddy_io *io, unsigned events) {
    (void)io, (void)events;
    told[1]++;
}

static void turn(void) {
    ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
}

/* The number is another file's by now, and somebody else starts to watch it beside the one who has
 * not noticed: the kernel has forgotten the old file, and has to hear of the new one. */
START_TEST(a_second_watcher_of_a_number_used_again_is_told) {
    for (unsigned events = EDDY_READ; events <= (EDDY_READ | EDDY_WRITE); events += EDDY_WRITE) {
        loop = test_loop_open();
        eddy_io first, second;
        int old[2], fresh[2];
        test_pipe(old);
        eddy_io_init(&first, loop);
        eddy_io_init(&second, loop);
        ck_assert_int_eq(eddy_io_start(&first, on_io, old[0], EDDY_READ), 0);
        turn();
        int fd = old[0];
        close(old[0]);
        close(old[1]);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fresh), 0);
        if (fresh[0] != fd) { /* the lowest number that is free is the one that was closed */
            ck_assert_int_eq(dup2(fresh[0], fd), fd);
            close(fresh[0]);
        }
        if (fresh[1] == fd) fresh[1] = fresh[0];
        ck_assert_int_eq(eddy_io_start(&second, on_second, fd, events), 0);
        put(fresh[1], "x");
        told[1] = 0;
        turn();
        turn();
        ck_assert_int_ge(told[1], 1);
        eddy_io_stop(&first);
        eddy_io_stop(&second);
        close(fd);
        close(fresh[1]);
        test_loop_close(loop);
    }
}
END_TEST

/* Everything is registered anew only where a leaked registration is told of, not wherever anybody
 * was stopped too late and something else was dropped as stale. */
static eddy_io many[20];

static void stop_the_rest(eddy_io *io, unsigned events) {
    (void)events;
    for (int i = 0; i < 20; i++)
        if (&many[i] != io) eddy_io_stop(&many[i]);
}

START_TEST(a_stop_after_the_close_costs_no_new_registrations) {
    loop = test_loop_open();
    int ends[20][2], late[2];
    eddy_io io;
    for (int round = 0; round < 5; round++) {
        test_pipe(late); /* nobody else has it: the kernel forgets it when it is closed */
        eddy_io_init(&io, loop);
        ck_assert_int_eq(eddy_io_start(&io, on_io, late[0], EDDY_READ), 0);
        turn();
        close(late[0]);
        close(late[1]);
        eddy_io_stop(&io);
        for (int i = 0; i < 20; i++) {
            test_pipe(ends[i]);
            put(ends[i][1], "x");
            eddy_io_init(&many[i], loop);
            ck_assert_int_eq(eddy_io_start(&many[i], stop_the_rest, ends[i][0], EDDY_READ), 0);
        }
        turn(); /* nineteen stale records */
        eddy_metrics before, after;
        eddy_loop_read_metrics(loop, &before, sizeof before);
        turn();
        turn();
        eddy_loop_read_metrics(loop, &after, sizeof after);
        ck_assert_uint_eq(after.backend_adds, before.backend_adds);
        for (int i = 0; i < 20; i++) {
            eddy_io_stop(&many[i]);
            close(ends[i][0]);
            close(ends[i][1]);
        }
    }
    test_loop_close(loop);
}
END_TEST

/* When the backend has to be opened anew and cannot be, the run says why. */
START_TEST(a_backend_that_cannot_be_opened_anew_says_why) {
    if (strcmp(test_backend, "epoll") != 0) return; /* the others keep no closed file */
    loop = test_loop_open();
    int ends[2];
    struct rlimit usual, none;
    eddy_io io, other;
    test_pipe(ends);
    int copy = dup(ends[0]);
    eddy_io_init(&io, loop);
    eddy_io_init(&other, loop);
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_io_start(&other, on_second, ends[1], 0), 0);
    close(ends[0]);
    eddy_io_stop(&io);
    turn(); /* is told of the leaked registration */
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    int result = eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    int again = eddy_loop_run(loop, EDDY_RUN_ONCE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    ck_assert_int_eq(result, -EMFILE);
    ck_assert_int_eq(again, -EMFILE);
    turn();
    eddy_io_stop(&other);
    close(ends[1]);
    close(copy);
    test_loop_close(loop);
}
END_TEST

/* What has changed between prepare and the wait takes part in it, a backend after a fork too. */
START_TEST(a_wait_knows_what_has_changed_since_prepare) {
    loop = test_loop_open();
    int ends[2];
    int64_t timeout_ns;
    eddy_io io;
    test_pipe(ends);
    put(ends[1], "x");
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], 0), 0);
    ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
    ck_assert_int_eq(eddy_io_change(&io, EDDY_READ), 0);
    ck_assert_int_eq(eddy_loop_wait(loop, 0), 1);
    told[0] = 0;
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    ck_assert_int_eq(told[0], 1);
    put(ends[1], "x");
    ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        child_assert(eddy_loop_after_fork(loop) == 0);
        child_assert(eddy_loop_wait(loop, 0) == 1);
        _exit(0);
    }
    child_is_content(child);
    eddy_io_stop(&io);
    close(ends[0]);
    close(ends[1]);
    test_loop_close(loop);
}
END_TEST

static unsigned told_events;

static void on_healthy(eddy_io *io, unsigned events) {
    char byte;
    told_events |= events;
    (void)!read(eddy_io_fd(io), &byte, 1);
}

/* The flush finds that a descriptor is gone, and before that is told its watcher has been stopped,
 * and somebody else watches another file under the same number: the loss is none of theirs. */
START_TEST(a_new_watcher_is_not_told_of_its_predecessors_loss) {
    loop = test_loop_open();
    eddy_io lost, healthy;
    int64_t timeout_ns;
    int old[2], fresh[2];
    test_pipe(old);
    test_pipe(fresh);
    eddy_io_init(&lost, loop);
    eddy_io_init(&healthy, loop);
    ck_assert_int_eq(eddy_io_start(&lost, on_io, old[0], EDDY_READ), 0);
    turn();
    close(old[0]);
    ck_assert_int_eq(eddy_io_change(&lost, EDDY_READ | EDDY_WRITE), 0);
    ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
    eddy_io_stop(&lost);
    ck_assert_int_eq(dup2(fresh[0], old[0]), old[0]);
    ck_assert_int_eq(eddy_io_start(&healthy, on_healthy, old[0], EDDY_READ), 0);
    told[0] = 0;
    told_events = 0;
    ck_assert_int_ge(eddy_loop_wait(loop, 0), 0);
    ck_assert_int_ge(eddy_loop_dispatch(loop), 0);
    ck_assert_int_eq(told[0], 0);
    ck_assert_uint_eq(told_events, 0);
    put(fresh[1], "x");
    turn();
    ck_assert_uint_eq(told_events, EDDY_READ);
    eddy_io_stop(&healthy);
    close(old[0]);
    close(old[1]);
    close_both(fresh);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("numbers");
    ck_add(suite, "numbers", a_second_watcher_of_a_number_used_again_is_told,
           a_stop_after_the_close_costs_no_new_registrations,
           a_backend_that_cannot_be_opened_anew_says_why,
           a_wait_knows_what_has_changed_since_prepare,
           a_new_watcher_is_not_told_of_its_predecessors_loss);
    return suite;
}
