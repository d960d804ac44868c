/* lone.c: a program that posts nothing, and uses nothing that does: of a static library nothing of
 * that is linked, so a loop has no pipe, and all the rest works as ever. Keep it that way here. */
#include "compiler.h"
#include "suite.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int descriptors_open(void) {
    int count = 0;
    for (int fd = 0; fd < 200; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

OPTIONAL void eddy__wakeup_send(eddy_loop *loop);

/* A checked library, or linker, may bring it along all the same. */
static bool is_linked(void) {
    return IS_LINKED(eddy__wakeup_send);
}

START_TEST(a_loop_without_posts_has_no_pipe) {
    int before = descriptors_open();
    eddy_loop *loop = test_loop_open();
    int own = test_backend_can(EDDY_CAN_NEST) ? 1 : 0; /* what another loop would watch */
    if (strcmp(test_backend, "kqueue") == 0) own = 3;  /* on its double */
    if (!is_linked()) ck_assert_int_le(descriptors_open() - before, own);
    test_loop_close(loop);
    ck_assert_int_eq(descriptors_open(), before);
}
END_TEST

static unsigned fired, seen;

static void on_timer(eddy_timer *timer) {
    if (++fired == 3) eddy_timer_stop(timer);
}

static void on_input(eddy_io *io, unsigned events) {
    char byte;
    ck_assert(events & EDDY_READ);
    ck_assert_int_eq(read(eddy_io_fd(io), &byte, 1), 1);
    if (++seen == 2) eddy_io_stop(io);
}

static void start(eddy_loop *loop, eddy_timer *timer, eddy_io *io, int ends[2]) {
    fired = seen = 0;
    test_pipe(ends);
    eddy_timer_init(timer, loop);
    eddy_io_init(io, loop);
    ck_assert_int_eq(eddy_timer_start(timer, on_timer, EDDY_NS_PER_MS, EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(eddy_io_start(io, on_input, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(write(ends[1], "ab", 2), 2);
}

START_TEST(it_runs_timers_and_descriptors) {
    eddy_loop *loop = test_loop_open();
    eddy_timer timer;
    eddy_io io;
    int ends[2];
    start(loop, &timer, &io, ends);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_uint_eq(fired, 3);
    ck_assert_uint_eq(seen, 2);
    test_loop_close(loop);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(its_turn_can_be_taken_apart) {
    eddy_loop *loop = test_loop_open();
    eddy_timer timer;
    eddy_io io;
    int ends[2], is_alive = 1;
    start(loop, &timer, &io, ends);
    while (is_alive) {
        int64_t timeout_ns = test_prepare(loop);
        ck_assert_int_ge(eddy_loop_wait(loop, timeout_ns), 0);
        is_alive = eddy_loop_dispatch(loop);
        ck_assert_int_ge(is_alive, 0);
    }
    ck_assert_uint_eq(fired, 3);
    ck_assert_uint_eq(seen, 2);
    test_loop_close(loop);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* The marker of a loop that may sleep is still there. */
START_TEST(a_dispatch_without_a_wait_finds_nothing) {
    eddy_loop *loop = test_loop_open();
    eddy_timer timer;
    eddy_io io;
    int ends[2];
    start(loop, &timer, &io, ends);
    test_prepare(loop);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 1);
    ck_assert_uint_eq(seen, 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_uint_eq(seen, 2);
    test_loop_close(loop);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("lone");
    ck_add(suite, "lone", a_loop_without_posts_has_no_pipe, it_runs_timers_and_descriptors,
           its_turn_can_be_taken_apart, a_dispatch_without_a_wait_finds_nothing);
    return suite;
}
