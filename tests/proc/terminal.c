/* terminal.c: modes, as seen by what comes through; pairs. */
#include "session.h"

/* --- Modes --- */

/* What arrives at `to` after `bytes` were written at `from`, `count` of them. */
static void pass(int from, int to, const char *bytes, const char *expected) {
    char buffer[64];
    size_t count = strlen(expected), arrived = 0;
    ck_assert_int_eq(write(from, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
    int64_t until_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (arrived < count && test_now_ns() < until_ns) {
        ssize_t size = read(to, buffer + arrived, sizeof buffer - arrived);
        ck_assert_msg(size > 0 || errno == EAGAIN, "read: %d", errno);
        if (size > 0) arrived += (size_t)size;
    }
    ck_assert_uint_eq(arrived, count);
    ck_assert_int_eq(memcmp(buffer, expected, count), 0);
}

static bool manager_has_bytes(void) {
    int count = 0;
    ck_assert_int_eq(ioctl(manager, FIONREAD, &count), 0);
    return count > 0;
}

START_TEST(raw_passes_every_byte_as_it_is) {
    open_pair(EDDY_TERMINAL_ORIGINAL);
    pass(terminal, manager, "a\n", "a\r\n");
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 0), 0);
    pass(manager, terminal, "\r\x03\x1a\x04\x11\x13\xff", "\r\x03\x1a\x04\x11\x13\xff");
    ck_assert(!manager_has_bytes()); /* no echo */
    pass(terminal, manager, "a\nb", "a\nb");
    ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
    ck_assert(modes_are_original());
    close_pair();
}
END_TEST

START_TEST(raw_input_still_processes_what_is_written) {
    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW_INPUT, 0), 0);
    pass(manager, terminal, "\r\x03\x04", "\r\x03\x04");
    pass(terminal, manager, "a\nb", "a\r\nb");
    ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
    ck_assert(modes_are_original());
    close_pair();
}
END_TEST

static volatile sig_atomic_t interrupts;

static void on_interrupt(int number) {
    (void)number;
    interrupts = interrupts + 1;
}

static void type_in_cbreak(void) {
    signal(SIGINT, on_interrupt);
    need(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_CBREAK, 0) == 0);
    need(write(manager, "x", 1) == 1);
    char byte;
    need(read(terminal, &byte, 1) == 1 && byte == 'x');
    need(write(manager, "\x03", 1) == 1);
    need_soon(interrupts == 1);
    int count = 0;
    need(ioctl(manager, FIONREAD, &count) == 0 && count <= 2); /* "^C" may be echoed, x is not */
    need(eddy_terminal_restore(terminal) == 0);
    need(modes_are_original());
}

START_TEST(cbreak_gives_keys_at_once_and_keeps_the_signals) {
    in_session(type_in_cbreak);
}
END_TEST

START_TEST(a_mode_is_made_of_the_original_and_not_of_the_one_before) {
    struct termios direct;
    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_CBREAK, 0), 0);
    direct = session_modes();
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 0), 0);
    ck_assert(modes_are_raw());
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_CBREAK, 0), 0);
    ck_assert(modes_are(&direct));
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_ORIGINAL, 0), 0);
    ck_assert(modes_are_original());
    close_pair();
}
END_TEST

START_TEST(what_somebody_changes_after_a_restore_is_the_new_original) {
    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 0), 0);
    ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
    modes_before.c_lflag &= ~(tcflag_t)ECHO;
    ck_assert_int_eq(tcsetattr(terminal, TCSANOW, &modes_before), 0);
    ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
    ck_assert(modes_are_original());
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 0), 0);
    ck_assert_int_eq(eddy_terminal_restore_all(), 0);
    ck_assert(modes_are_original());
    close_pair();
}
END_TEST

enum { TERMINALS = 8 };

/* More than the library has room for without asking for memory. */
START_TEST(each_of_many_terminals_gets_its_own_modes_back) {
    int managers[TERMINALS], terminals[TERMINALS];
    struct termios modes;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < TERMINALS; i++) {
            ck_assert_int_eq(
                eddy_terminal_pair(&managers[i], &terminals[i], NULL, EDDY_TERMINAL_ORIGINAL), 0);
            ck_assert_int_eq(tcgetattr(terminals[i], &modes), 0);
            modes.c_cc[VEOF] = (cc_t)(i + 1);
            ck_assert_int_eq(tcsetattr(terminals[i], TCSANOW, &modes), 0);
            ck_assert_int_eq(eddy_terminal_set_mode(terminals[i], EDDY_TERMINAL_CBREAK, 0), 0);
        }
        for (int i = 0; i < TERMINALS; i++) {
            ck_assert_int_eq(eddy_terminal_set_mode(terminals[i], EDDY_TERMINAL_RAW, 0), 0);
            if (i % 2 == 0) ck_assert_int_eq(eddy_terminal_restore(terminals[i]), 0);
        }
        ck_assert_int_eq(eddy_terminal_restore_all(), 0);
        for (int i = 0; i < TERMINALS; i++) {
            ck_assert_int_eq(tcgetattr(terminals[i], &modes), 0);
            ck_assert_uint_eq(modes.c_cc[VEOF], (unsigned)i + 1);
            ck_assert_uint_ne(modes.c_lflag & (tcflag_t)ICANON, 0);
            close(managers[i]);
            close(terminals[i]);
        }
    }
}
END_TEST

/* A process that waits for room in the terminal's output. */
static pid_t start_writer(void) {
    char bytes[4096], path[64], state = 'R';
    memset(bytes, 'x', sizeof bytes);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        for (;;) (void)!write(terminal, bytes, sizeof bytes);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int64_t until_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (state == 'R' && test_now_ns() < until_ns) {
        FILE *file = fopen(path, "r");
        if (file == NULL) break; /* no Linux: it will wait soon */
        ck_assert_int_eq(fscanf(file, "%*s %*s %c", &state), 1);
        fclose(file);
    }
    return pid;
}

/* Draining waits for output that nobody takes, and on Linux for who waits to write it: nobody reads
 * the pty, or Ctrl-S has stopped it. */
START_TEST(a_terminal_whose_output_is_stuck_changes_its_mode_at_once) {
    for (int i = 0; i < 2; i++) {
        open_pair(EDDY_TERMINAL_ORIGINAL);
        if (i == 1) ck_assert_int_eq(tcflow(terminal, TCOOFF), 0);
        pid_t pid = start_writer();
        alarm(20);
        ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 0), 0);
        ck_assert(modes_are_raw());
        ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
        ck_assert(modes_are_original());
        ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 0), 0);
        ck_assert_int_eq(eddy_terminal_restore_all(), 0);
        ck_assert(modes_are_original());
        alarm(0);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        close_pair();
    }
}
END_TEST

START_TEST(what_is_no_terminal_is_refused_and_so_are_bad_arguments) {
    int ends[2];
    char name[64];
    eddy_terminal_size size = {80, 25, 0, 0}, large = {.rows = 65536};
    test_pipe(ends);
    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert(!eddy_is_terminal(ends[0]) && !eddy_is_terminal(-1));
    ck_assert(eddy_is_terminal(terminal) && eddy_is_terminal(manager));
    ck_assert_int_eq(eddy_terminal_set_mode(ends[0], EDDY_TERMINAL_RAW, 0), -ENOTTY);
    ck_assert_int_eq(eddy_terminal_set_mode(-1, EDDY_TERMINAL_RAW, 0), -EBADF);
    ck_assert_int_eq(eddy_terminal_restore(ends[0]), 0);
    ck_assert_int_eq(eddy_terminal_restore(-1), 0);
    ck_assert_int_eq(eddy_terminal_get_size(ends[0], &size), -ENOTTY);
    ck_assert_int_eq(eddy_terminal_set_size(-1, &size), -EBADF);
    ck_assert_int_eq(eddy_terminal_set_size(manager, &large), -EINVAL);
    ck_assert_int_eq(eddy_terminal_name(ends[0], name, sizeof name), -ENOTTY);
    ck_assert_int_eq(eddy_terminal_name(-1, name, sizeof name), -EBADF);
    ck_assert_int_eq(eddy_terminal_name(terminal, name, 3), -ERANGE);
    ck_assert_int_eq(eddy_terminal_name(manager, name, 3), -ERANGE);
    ck_assert_int_eq(eddy_terminal_imitate(ends[0], terminal), -ENOTTY);
    ck_assert_int_eq(eddy_terminal_imitate(terminal, ends[0]), -ENOTTY);
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, (eddy_terminal_mode)4, 0), -EINVAL);
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 8), -EINVAL);
    int unchanged = -7;
    ck_assert_int_eq(eddy_terminal_pair(&unchanged, &unchanged, &large, EDDY_TERMINAL_RAW),
                     -EINVAL);
    ck_assert_int_eq(eddy_terminal_pair(&unchanged, &unchanged, &size, (eddy_terminal_mode)4),
                     -EINVAL);
    ck_assert_int_eq(unchanged, -7);
    ck_assert(modes_are_original());
    close(ends[0]);
    close(ends[1]);
    close_pair();
}
END_TEST

/* --- Pairs --- */

START_TEST(a_pair_is_close_on_exec_and_only_the_manager_does_not_block) {
    eddy_terminal_size size = {.columns = 132, .rows = 43, .width = 1000, .height = 700}, now;
    char names[2][64];
    ck_assert_int_eq(eddy_terminal_pair(&manager, &terminal, &size, EDDY_TERMINAL_RAW), 0);
    ck_assert_int_ne(fcntl(manager, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(terminal, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(manager, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(fcntl(terminal, F_GETFL) & O_NONBLOCK, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(eddy_terminal_get_size(i == 0 ? manager : terminal, &now), 0);
        ck_assert_int_eq(memcmp(&size, &now, sizeof now), 0);
        ck_assert_int_eq(eddy_terminal_name(i == 0 ? manager : terminal, names[i], sizeof names[i]),
                         0);
    }
    ck_assert_str_eq(names[0], names[1]);
    pass(manager, terminal, "\r\x04", "\r\x04");
    close_pair();

    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert_int_eq(eddy_terminal_get_size(terminal, &now), 0);
    ck_assert_uint_eq(now.columns + now.rows + now.width + now.height, 0);
    close_pair();
}
END_TEST

START_TEST(an_imitation_has_the_original_modes_and_the_size) {
    eddy_terminal_size size = {.columns = 99, .rows = 33}, now;
    struct termios modes;
    int others[2];
    open_pair(EDDY_TERMINAL_ORIGINAL);
    modes_before.c_cc[VERASE] = '#';
    ck_assert_int_eq(tcsetattr(terminal, TCSANOW, &modes_before), 0);
    ck_assert_int_eq(eddy_terminal_set_size(terminal, &size), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(eddy_terminal_pair(&others[0], &others[1], NULL, EDDY_TERMINAL_RAW), 0);
        ck_assert_int_eq(eddy_terminal_imitate(others[i], terminal), 0);
        ck_assert_int_eq(tcgetattr(others[1], &modes), 0);
        ck_assert(modes_are_original() == (i == 0));
        ck_assert_uint_eq(modes.c_lflag, modes_before.c_lflag);
        ck_assert_int_eq(memcmp(modes.c_cc, modes_before.c_cc, sizeof modes.c_cc), 0);
        ck_assert_int_eq(eddy_terminal_get_size(others[0], &now), 0);
        ck_assert_int_eq(memcmp(&now, &size, sizeof now), 0);
        close(others[0]);
        close(others[1]);
        ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 0), 0);
    }
    ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
    close_pair();
}
END_TEST

static void open_without_terminal(void) {
    int ends[2];
    need(ioctl(terminal, TIOCNOTTY) == 0);
    signal(SIGHUP, SIG_DFL);
    need(eddy_terminal_pair(&ends[0], &ends[1], NULL, EDDY_TERMINAL_RAW) == 0);
    need(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO);
}

static void leave_and_open(void) {
    signal(SIGHUP, SIG_IGN); /* that the terminal is given up */
    open_without_terminal();
}

START_TEST(a_pair_becomes_nobodys_controlling_terminal) {
    in_session(leave_and_open);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("terminal");
    ck_add(suite, "modes", raw_passes_every_byte_as_it_is,
           raw_input_still_processes_what_is_written,
           cbreak_gives_keys_at_once_and_keeps_the_signals,
           a_mode_is_made_of_the_original_and_not_of_the_one_before,
           what_somebody_changes_after_a_restore_is_the_new_original,
           each_of_many_terminals_gets_its_own_modes_back,
           a_terminal_whose_output_is_stuck_changes_its_mode_at_once,
           what_is_no_terminal_is_refused_and_so_are_bad_arguments);
    ck_add(suite, "pairs", a_pair_is_close_on_exec_and_only_the_manager_does_not_block,
           an_imitation_has_the_original_modes_and_the_size,
           a_pair_becomes_nobodys_controlling_terminal);
    return suite;
}
