/* resize.c: the watcher of a window's size. The leader of the session is in the foreground. */
#include "session.h"

static eddy_loop *loop;
static eddy_resize resize, second;
static unsigned calls, second_calls;
static eddy_terminal_size told_size;

static void on_resize(eddy_resize *it, const eddy_terminal_size *size) {
    if (it == &second) {
        second_calls++;
    } else {
        calls++;
        told_size = *size;
    }
}

static void set_size(unsigned columns, unsigned rows) {
    eddy_terminal_size size = {.columns = columns, .rows = rows};
    need(eddy_terminal_set_size(manager, &size) == 0);
}

static void turn_until(unsigned wanted) {
    int64_t until_ns = test_now_ns() + SESSION_PATIENCE_S * EDDY_NS_PER_S;
    while (calls < wanted && test_now_ns() < until_ns) {
        int left = test_run(loop, EDDY_RUN_ONCE);
        need(left >= 0);
    }
    need(calls == wanted);
}

static void begin(void) {
    loop = test_loop_open();
    calls = second_calls = 0;
    eddy_resize_init(&resize, loop);
    eddy_resize_init(&second, loop);
}

static void finish(void) {
    eddy_resize_stop(&resize);
    eddy_resize_stop(&second);
    test_loop_close(loop);
}

static void change_sizes(void) {
    begin();
    set_size(80, 24);
    need(eddy_resize_start(&resize, on_resize, terminal) == 0);
    need(eddy_resize_start(&resize, on_resize, terminal) == -EALREADY);
    set_size(100, 30);
    turn_until(1);
    need(told_size.columns == 100 && told_size.rows == 30);
    /* 0 by 0 is a size as any. */
    set_size(0, 0);
    turn_until(2);
    need(told_size.columns == 0 && told_size.rows == 0);
    /* A signal without a change is no news, and many changes are one. */
    raise(SIGWINCH);
    set_size(0, 0);
    need(test_run(loop, EDDY_RUN_NOWAIT) >= 0 && calls == 2);
    for (unsigned i = 1; i <= 20; i++) set_size(i, i);
    turn_until(3);
    need(told_size.columns == 20);
    need(test_run(loop, EDDY_RUN_NOWAIT) >= 0 && calls == 3);
    /* Nor is a change that was taken back. */
    set_size(21, 21);
    set_size(20, 20);
    need(test_run(loop, EDDY_RUN_NOWAIT) >= 0 && calls == 3);
    eddy_resize_stop(&resize);
    set_size(50, 50);
    need(test_run(loop, EDDY_RUN_NOWAIT) >= 0 && calls == 3);
    finish();
}

START_TEST(a_size_is_told_when_it_is_another) {
    in_session(change_sizes);
}
END_TEST

static volatile sig_atomic_t host_signals;

static void on_host_signal(int number) {
    (void)number;
    host_signals = host_signals + 1;
}

/* The signal is the host's, until somebody asks. */
static void share_signal(void) {
    signal(SIGWINCH, on_host_signal);
    begin();
    set_size(80, 24);
    need(host_signals == 1);
    eddy_terminal_size size;
    need(eddy_terminal_get_size(terminal, &size) == 0 && size.columns == 80);
    need(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, EDDY_RESTORE_ALWAYS) == 0);
    set_size(81, 24);
    need(host_signals == 2);
    need(eddy_terminal_restore(terminal) == 0);
    need(eddy_resize_start(&resize, on_resize, manager) == 0);
    need(eddy_resize_start(&second, on_resize, terminal) == 0);
    set_size(82, 24);
    turn_until(1);
    need(second_calls == 1 && host_signals == 2);
    eddy_resize_stop(&resize);
    set_size(83, 24);
    while (second_calls < 2) need(test_run(loop, EDDY_RUN_ONCE) >= 0);
    need(calls == 1);
    eddy_resize_stop(&second);
    set_size(84, 24);
    need(host_signals == 3);
    finish();
}

START_TEST(the_signal_is_left_to_the_host_unless_a_size_is_watched) {
    in_session(share_signal);
}
END_TEST

static void program_in_front(void) {
    begin();
    need(eddy_resize_start(&resize, on_resize, terminal) == 0);
    session_tell();
    turn_until(1);
    need(told_size.columns == 77);
    finish();
}

static void tell_foreground(void) {
    set_size(76, 20);
    pid_t pid = session_start(program_in_front);
    session_hear();
    set_size(77, 20);
    need(session_wait(pid) == 0);
}

START_TEST(the_foreground_is_told) {
    in_session(tell_foreground);
}
END_TEST

START_TEST(a_start_that_fails_leaves_no_handler) {
    int ends[2];
    struct sigaction now;
    loop = test_loop_open();
    test_pipe(ends);
    eddy_resize_init(&resize, loop);
    ck_assert_int_eq(eddy_resize_start(&resize, on_resize, ends[0]), -ENOTTY);
    ck_assert(!eddy_is_active(&resize.signal.handle));
    ck_assert_int_eq(sigaction(SIGWINCH, NULL, &now), 0);
    ck_assert(now.sa_handler == SIG_DFL);
    eddy_resize_stop(&resize);
    close(ends[0]);
    close(ends[1]);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("resize");
    ck_add(suite, "resize", a_size_is_told_when_it_is_another,
           the_signal_is_left_to_the_host_unless_a_size_is_watched, the_foreground_is_told,
           a_start_that_fails_leaves_no_handler);
    return suite;
}
