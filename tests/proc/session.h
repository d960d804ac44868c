/* session.h: a terminal of a test's own, with a session on it. The scenario is run by the leader of
 * the session, which is the shell there: it starts programs, gives them the terminal and takes it
 * back. What it finds wrong ends it, and fails the test. A program is a function that runs in a
 * forked process with a process group of its own; the leader must outlive it, as the kernel resets
 * the terminal of a session that has lost its leader. */
#ifndef EDDY_TESTS_SESSION_H
#define EDDY_TESTS_SESSION_H

#include "suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { SESSION_PATIENCE_S = 30 };

static int manager, terminal; /* the leader has both, a program the terminal */
static int told[2];           /* a pipe: from a program to the leader */
static struct termios modes_before;

#define need(condition) ((condition) ? (void)0 : session_fail(#condition, __FILE__, __LINE__))

static inline void session_fail(const char *what, const char *file, int line) {
    fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", file, line, what, errno);
    _exit(99);
}

static inline struct termios session_modes(void) {
    struct termios modes;
    need(tcgetattr(terminal, &modes) == 0);
    return modes;
}

static inline bool modes_are(const struct termios *modes) {
    struct termios now = session_modes();
    return now.c_iflag == modes->c_iflag && now.c_oflag == modes->c_oflag &&
           now.c_cflag == modes->c_cflag && now.c_lflag == modes->c_lflag &&
           memcmp(now.c_cc, modes->c_cc, sizeof now.c_cc) == 0;
}

static inline bool modes_are_original(void) {
    return modes_are(&modes_before);
}

static inline bool modes_are_raw(void) {
    struct termios now = session_modes();
    return (now.c_lflag & (tcflag_t)(ICANON | ECHO | ISIG)) == 0;
}

static inline void open_pair(eddy_terminal_mode mode) {
    ck_assert_int_eq(eddy_terminal_pair(&manager, &terminal, NULL, mode), 0);
    modes_before = session_modes();
}

static inline void close_pair(void) {
    close(manager);
    close(terminal);
}

/* A condition that another process brings about. */
#define need_soon(condition)                                                    \
    do {                                                                        \
        int64_t until_ns_ = test_now_ns() + SESSION_PATIENCE_S * EDDY_NS_PER_S; \
        while (!(condition) && test_now_ns() < until_ns_) usleep(1000);         \
        need(condition);                                                        \
    } while (0)

static inline void session_tell(void) {
    need(write(told[1], "", 1) == 1);
}

static inline void session_hear(void) {
    char byte;
    need(read(told[0], &byte, 1) == 1);
}

/* Stops the program until the leader has looked: signals come to it here. */
static inline void session_pause(void) {
    session_tell();
    for (;;) pause();
}

static inline void session_give_to(pid_t group) {
    need(tcsetpgrp(terminal, group) == 0);
}

static inline pid_t session_start(void (*program)(void)) {
    pid_t pid = fork();
    need(pid >= 0);
    setpgid(pid, pid == 0 ? 0 : pid);
    if (pid != 0) {
        session_give_to(pid);
        return pid;
    }
    need(tcsetpgrp(terminal, getpid()) == 0); /* whoever is first */
    signal(SIGTTOU, SIG_DFL);
    close(manager);
    program();
    exit(0);
}

/* waitpid's status; stopped counts. */
static inline int session_wait(pid_t pid) {
    int status;
    need(waitpid(pid, &status, WUNTRACED) == pid);
    return status;
}

static inline void session_lead(void (*scenario)(void)) {
    need(setsid() > 0);
    need(ioctl(terminal, TIOCSCTTY, 0) == 0);
    /* As a login has them: check handles some, and who started it may ignore others. */
    int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGALRM, SIGTSTP, SIGCONT};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) signal(numbers[i], SIG_DFL);
    signal(SIGTTOU, SIG_IGN); /* as shells do */
    alarm(SESSION_PATIENCE_S * 2);
    scenario();
    fflush(NULL);
    _exit(0);
}

static inline void in_session(void (*scenario)(void)) {
    ck_assert_int_eq(eddy_terminal_pair(&manager, &terminal, NULL, EDDY_TERMINAL_ORIGINAL), 0);
    ck_assert_int_eq(pipe(told), 0);
    modes_before = session_modes();
    pid_t leader = fork();
    ck_assert_int_ge(leader, 0);
    if (leader == 0) session_lead(scenario);
    int status;
    ck_assert_int_eq(waitpid(leader, &status, 0), leader);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the leader's status: %x", status);
    close(manager);
    close(terminal);
    close(told[0]);
    close(told[1]);
}

#endif
