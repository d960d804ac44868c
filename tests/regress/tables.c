/* tables.c: what is noted in the loop's tables survives that they grow and move. */
#include "suite.h"
#include "system.h"

enum { COUNT = 30, HIGH = 900 }; /* more than the first size of the table, and below select's end */

static eddy_loop *loop;
static eddy_io low[COUNT], high;
static int told;

static void on_low(eddy_io *io, unsigned events) {
    ck_assert_uint_eq(events, EDDY_READ);
    told++;
    eddy_io_stop(io);
}

static void on_high(eddy_io *io, unsigned events) {
    (void)io, (void)events;
}

/* A descriptor whose number lies far beyond the table makes it grow at once. */
static void watch_high(int fd) {
    ck_assert_int_eq(fcntl(fd, F_DUPFD_CLOEXEC, HIGH), HIGH);
    eddy_io_init(&high, loop);
    ck_assert_int_eq(eddy_io_start(&high, on_high, HIGH, 0), 0);
}

static void grow_in_callback(eddy_timer *timer) {
    (void)timer;
    for (int i = 0; i < COUNT; i++) ck_assert_int_eq(eddy_io_change(&low[i], EDDY_READ), 0);
    watch_high(eddy_io_fd(&low[0]));
}

/* Thirty watchers change their interest, and before the changes are flushed the table grows, from
 * outside of the loop or in a callback of it. All changes are made. */
START_TEST(changes_noted_before_the_table_moves_are_flushed) {
    loop = test_loop_open();
    ck_assert_int_ge(descriptors_allow(HIGH + 10), HIGH + 1);
    int ends[2], fds[COUNT];
    eddy_timer timer;
    told = 0;
    test_pipe(ends);
    put(ends[1], "x");
    for (int i = 0; i < COUNT; i++) {
        fds[i] = dup(ends[0]);
        eddy_io_init(&low[i], loop);
        ck_assert_int_eq(eddy_io_start(&low[i], on_low, fds[i], 0), 0);
    }
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1); /* muted: out of the backend */
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, grow_in_callback, 0, 0), 0);
    if (_i == 0) {
        grow_in_callback(&timer);
        eddy_timer_stop(&timer);
    }
    for (int i = 0; i < 4; i++) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
    ck_assert_int_eq(told, COUNT);
    eddy_io_stop(&high);
    close(HIGH);
    for (int i = 0; i < COUNT; i++) close(fds[i]);
    close_both(ends);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("tables");
    TCase *tcase = tcase_create("io");
    tcase_set_timeout(tcase, 60); /* as ck_add does */
    tcase_add_loop_test(tcase, changes_noted_before_the_table_moves_are_flushed, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
