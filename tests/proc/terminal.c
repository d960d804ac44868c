/* terminal.c: modes, as seen by what comes through; whose the old ones are; pairs. */
#include "sanitized.h"
#include "session.h"

#include <pthread.h>

/* --- Modes --- */

static void open_pair(eddy_terminal_mode mode) {
    ck_assert_int_eq(eddy_terminal_pair(&manager, &terminal, NULL, mode), 0);
    modes_before = session_modes();
}

static void close_pair(void) {
    close(manager);
    close(terminal);
}

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

/* --- Whose --- */

static int open_again(void) {
    char name[64];
    ck_assert_int_eq(eddy_terminal_name(terminal, name, sizeof name), 0);
    int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Two parts of a program have a terminal each, which are one: the second to come must not take the
 * first one's mode for the original. */
START_TEST(two_descriptors_of_a_terminal_restore_it_in_either_order) {
    for (int i = 0; i < 8; i++) {
        open_pair(EDDY_TERMINAL_ORIGINAL);
        int fds[2] = {dup(terminal), i & 4 ? dup(terminal) : open_again()};
        ck_assert_int_eq(eddy_terminal_set_mode(fds[0], EDDY_TERMINAL_RAW, 0), 0);
        ck_assert_int_eq(eddy_terminal_set_mode(fds[1], EDDY_TERMINAL_CBREAK, 0), 0);
        if (i & 2) close(fds[i & 1]);
        ck_assert_int_eq(eddy_terminal_restore(fds[i & 1]), 0);
        ck_assert_int_eq(eddy_terminal_restore(fds[!(i & 1)]), 0);
        ck_assert(modes_are_original());
        if (!(i & 2)) close(fds[i & 1]);
        close(fds[!(i & 1)]);
        close_pair();
    }
}
END_TEST

enum { ROUNDS = IS_SANITIZED ? 100 : 500 };
static pthread_barrier_t meeting;

static void *change(void *argument) {
    const int *fd = argument;
    for (int i = 0; i < ROUNDS; i++) {
        eddy_terminal_mode mode = i % 3 == 0 ? EDDY_TERMINAL_CBREAK : EDDY_TERMINAL_RAW;
        if (eddy_terminal_set_mode(*fd, mode, EDDY_RESTORE_ALWAYS) != 0) return argument;
        if (i % 5 == 0 && eddy_terminal_restore_all() != 0) return argument;
        if (eddy_terminal_restore(*fd) != 0) return argument;
        /* Both are done: it is as it was, in whatever order. */
        pthread_barrier_wait(&meeting);
        bool is_original = modes_are_original();
        pthread_barrier_wait(&meeting);
        if (!is_original) return argument;
    }
    return NULL;
}

START_TEST(two_threads_that_change_a_terminal_leave_it_as_it_was) {
    pthread_t threads[2];
    open_pair(EDDY_TERMINAL_ORIGINAL);
    int fds[2] = {dup(terminal), open_again()};
    ck_assert_int_eq(pthread_barrier_init(&meeting, NULL, 2), 0);
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, change, &fds[i]);
    for (int i = 0; i < 2; i++) {
        void *failed;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    pthread_barrier_destroy(&meeting);
    for (int i = 0; i < 2; i++) close(fds[i]);
    close_pair();
}
END_TEST

/* A number is another terminal's by now. */
START_TEST(a_closed_descriptor_means_the_terminal_that_it_changed_last) {
    int others[2];
    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert_int_eq(eddy_terminal_pair(&others[0], &others[1], NULL, EDDY_TERMINAL_ORIGINAL), 0);
    int fd = dup(terminal);
    ck_assert_int_eq(eddy_terminal_set_mode(fd, EDDY_TERMINAL_RAW, 0), 0);
    ck_assert_int_eq(dup2(others[1], fd), fd);
    ck_assert_int_eq(eddy_terminal_set_mode(fd, EDDY_TERMINAL_RAW, 0), 0);
    close(fd);
    ck_assert_int_eq(eddy_terminal_restore(fd), 0);
    ck_assert(modes_are_raw());
    ck_assert_int_eq(eddy_terminal_restore(fd), 0);
    ck_assert(modes_are_raw());
    struct termios modes;
    ck_assert_int_eq(tcgetattr(others[1], &modes), 0);
    ck_assert_uint_eq(modes.c_lflag, modes_before.c_lflag);
    ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
    ck_assert(modes_are_original());
    close(others[0]);
    close(others[1]);
    close_pair();
}
END_TEST

static void use_each_name(void) {
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    need(fd >= 0);
    need(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 0) == 0);
    need(eddy_terminal_set_mode(fd, EDDY_TERMINAL_CBREAK, 0) == 0);
    need(eddy_terminal_restore(fd) == 0);
    need(modes_are_original());
    need(eddy_terminal_set_mode(fd, EDDY_TERMINAL_RAW, 0) == 0);
    need(eddy_terminal_restore(manager) == 0);
    need(modes_are_original());
}

/* Where the system does not say so, /dev/tty has a number of its own. */
START_TEST(a_terminal_is_the_same_by_each_of_its_names) {
    if (getenv("EDDY_TEST_PLAIN") != NULL) return;
    in_session(use_each_name);
}
END_TEST

START_TEST(what_is_hung_up_is_forgotten) {
    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, EDDY_RESTORE_ALWAYS), 0);
    close(manager);
    ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_CBREAK, 0), -EIO);
    ck_assert_int_eq(eddy_terminal_restore(terminal), -EIO);
    ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
    ck_assert_int_eq(eddy_terminal_restore_all(), 0);
    close(terminal);
}
END_TEST

/* Nothing of ours keeps a manager open: the programs on its terminal hear that it is gone. */
START_TEST(a_mode_set_on_the_manager_holds_nothing) {
    open_pair(EDDY_TERMINAL_ORIGINAL);
    ck_assert_int_eq(eddy_terminal_set_mode(manager, EDDY_TERMINAL_RAW, 0), 0);
    ck_assert(modes_are_raw());
    ck_assert_int_eq(eddy_terminal_set_mode(manager, EDDY_TERMINAL_RAW, EDDY_RESTORE_AT_EXIT),
                     -EINVAL);
    close(manager);
    char byte;
    ck_assert_int_eq(read(terminal, &byte, 1), 0);
    close(terminal);
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

static int open_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

START_TEST(nothing_stays_open_after_restoring) {
    int before = open_descriptors();
    open_pair(EDDY_TERMINAL_ORIGINAL);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, 0), 0);
        ck_assert_int_eq(open_descriptors(), before + 3);
        ck_assert_int_eq(i & 1 ? eddy_terminal_restore_all() : eddy_terminal_restore(terminal), 0);
        ck_assert_int_eq(open_descriptors(), before + 2);
    }
    ck_assert_int_eq(eddy_terminal_restore(terminal), 0);
    close_pair();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("terminal");
    ck_add(suite, "modes", raw_passes_every_byte_as_it_is,
           raw_input_still_processes_what_is_written,
           cbreak_gives_keys_at_once_and_keeps_the_signals,
           a_mode_is_made_of_the_original_and_not_of_the_one_before,
           what_somebody_changes_after_a_restore_is_the_new_original,
           a_terminal_whose_output_is_stuck_changes_its_mode_at_once);
    ck_add(suite, "whose", two_descriptors_of_a_terminal_restore_it_in_either_order,
           two_threads_that_change_a_terminal_leave_it_as_it_was,
           a_closed_descriptor_means_the_terminal_that_it_changed_last,
           a_terminal_is_the_same_by_each_of_its_names, what_is_hung_up_is_forgotten,
           a_mode_set_on_the_manager_holds_nothing,
           what_is_no_terminal_is_refused_and_so_are_bad_arguments);
    ck_add(suite, "pairs", a_pair_is_close_on_exec_and_only_the_manager_does_not_block,
           an_imitation_has_the_original_modes_and_the_size,
           a_pair_becomes_nobodys_controlling_terminal, nothing_stays_open_after_restoring);
    return suite;
}
