/* terminal.c: faults while a program makes a terminal, changes it, watches its size and restores
 * it. Whatever fails, a change that was refused has changed nothing, and nothing stays open. */
#include "fault.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

static eddy_loop *loop;
static int manager, terminal;
static struct termios before;

static bool is_as_before(void) {
    struct termios now;
    fault_assert(tcgetattr(terminal, &now) == 0);
    return now.c_iflag == before.c_iflag && now.c_oflag == before.c_oflag &&
           now.c_lflag == before.c_lflag && now.c_cflag == before.c_cflag;
}

static bool has_handler(void) {
    struct sigaction now;
    fault_assert(sigaction(SIGHUP, NULL, &now) == 0);
    return now.sa_handler != SIG_DFL;
}

static void change_mode(void) {
    int err = eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, EDDY_RESTORE_ALWAYS);
    fault_assert(err == 0 || !fault_is_unhurt());
    fault_assert(err != -ENOMEM); /* the first few need no memory */
    fault_assert(is_as_before() == (err < 0));
    fault_assert(has_handler() == (err == 0));
    int again = eddy_terminal_set_mode(terminal, EDDY_TERMINAL_CBREAK, 0);
    fault_assert(again == 0 || !fault_is_unhurt());
    fault_assert(is_as_before() == (err < 0 && again < 0));
    err = eddy_terminal_restore(terminal);
    fault_assert(err == 0 || !fault_is_unhurt());
    fault_assert(is_as_before() || err < 0);
    fault_assert(!has_handler());
    fault_assert(tcsetattr(terminal, TCSANOW, &before) == 0);
}

static void on_resize(eddy_resize *resize, const eddy_terminal_size *size) {
    fault_assert(size->columns == 100);
    eddy_resize_stop(resize);
}

static void watch_size(void) {
    const eddy_terminal_size size = {.columns = 100, .rows = 50};
    eddy_resize resize;
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    eddy_resize_init(&resize, loop);
    int err = eddy_resize_start(&resize, on_resize, terminal);
    fault_assert(err == 0 || !fault_is_unhurt());
    fault_assert(eddy_is_active(&resize.signal.handle) == (err == 0));
    err = eddy_terminal_set_size(manager, &size);
    fault_assert(err == 0 || !fault_is_unhurt());
    for (int i = 0; i < 3 && eddy_is_active(&resize.signal.handle); i++) {
        raise(SIGWINCH);
        (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    }
    fault_assert(!eddy_is_active(&resize.signal.handle) || !fault_is_unhurt());
    eddy_resize_stop(&resize);
    fault_loop_close(loop);
}

static void use_terminal(void) {
    const eddy_terminal_size size = {.columns = 80, .rows = 25};
    char name[64];
    int others[2];
    int err = eddy_terminal_pair(&manager, &terminal, &size, EDDY_TERMINAL_ORIGINAL);
    fault_assert(err == 0 || !fault_is_unhurt());
    if (err < 0) return;
    fault_assert(tcgetattr(terminal, &before) == 0);
    change_mode();
    watch_size();
    err = eddy_terminal_name(terminal, name, sizeof name);
    fault_assert(err == 0 || !fault_is_unhurt());
    err = eddy_terminal_pair(&others[0], &others[1], NULL, EDDY_TERMINAL_RAW);
    fault_assert(err == 0 || !fault_is_unhurt());
    if (err == 0) {
        err = eddy_terminal_imitate(others[0], terminal);
        fault_assert(err == 0 || !fault_is_unhurt());
        close(others[0]);
        close(others[1]);
    }
    close(manager);
    close(terminal);
}

START_TEST(a_terminal_is_changed_and_restored_or_left_alone) {
    signal(SIGWINCH, SIG_IGN);
    fault_loop("terminal", use_terminal);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault terminal");
    ck_add(suite, "terminal", a_terminal_is_changed_and_restored_or_left_alone);
    return suite;
}
