/* restore.c: the terminal of a program that has changed it, however that program ends or stops. */
#include "sanitized.h"
#include "session.h"

#include <sys/resource.h>

static unsigned options;
static int ending; /* a signal; 0: exit */

static void *volatile nowhere;

static void make_raw(void) {
    need(eddy_terminal_set_mode(terminal, EDDY_TERMINAL_RAW, options) == 0);
}

static bool has_default(int number) {
    struct sigaction now;
    need(sigaction(number, NULL, &now) == 0);
    return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL;
}

/* --- Ends --- */

/* The descriptor is gone by then. */
static void end_in_raw(void) {
    struct rlimit none = {0, 0};
    need(setrlimit(RLIMIT_CORE, &none) == 0);
    make_raw();
    need(modes_are_raw());
    close(terminal);
    if (ending == SIGABRT) abort();
    if (ending == SIGSEGV && !IS_SANITIZED) *(volatile int *)nowhere = 1;
    if (ending == 0) exit(7);
    kill(getpid(), ending);
    for (;;) pause();
}

static void expect_end(int status) {
    if (ending == 0)
        need(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    else
        need(WIFSIGNALED(status) && WTERMSIG(status) == ending);
}

static const int endings[] = {0,      SIGHUP, SIGINT,  SIGQUIT, SIGILL, SIGABRT,
                              SIGBUS, SIGFPE, SIGSEGV, SIGPIPE, SIGTERM};
enum { ENDINGS = sizeof endings / sizeof endings[0] };

static void each_end_restores(void) {
    options = EDDY_RESTORE_ALWAYS;
    for (int i = 0; i < ENDINGS; i++) {
        ending = endings[i];
        if (ending != 0 && !has_default(ending)) continue; /* the sanitizer's */
        expect_end(session_wait(session_start(end_in_raw)));
        need(modes_are_original());
    }
}

/* Raw mode was set and the process dies: nobody restores, and the terminal is unusable. A sanitizer
 * handles SIGSEGV and its like itself, which are then left to it. */
START_TEST(a_program_leaves_the_terminal_as_it_was_however_it_ends) {
    in_session(each_end_restores);
}
END_TEST

static void no_end_restores(void) {
    options = 0;
    for (int i = 0; i < 2; i++) {
        ending = i == 0 ? 0 : SIGTERM;
        expect_end(session_wait(session_start(end_in_raw)));
        need(modes_are_raw());
        need(tcsetattr(terminal, TCSANOW, &modes_before) == 0);
    }
    options = EDDY_RESTORE_AT_EXIT;
    expect_end(session_wait(session_start(end_in_raw)));
    need(modes_are_raw());
    need(tcsetattr(terminal, TCSANOW, &modes_before) == 0);
    ending = 0;
    options = EDDY_RESTORE_ON_SIGNALS;
    expect_end(session_wait(session_start(end_in_raw)));
    need(modes_are_raw());
}

START_TEST(what_was_not_asked_for_restores_nothing) {
    in_session(no_end_restores);
}
END_TEST

static void on_term(int number) {
    (void)number;
    _exit(eddy_terminal_restore_all() == 0 ? 5 : 6);
}

static void end_by_own_handler(void) {
    signal(SIGTERM, on_term);
    make_raw();
    close(terminal);
    session_pause();
}

static void own_handler_restores(void) {
    for (int i = 0; i < 2; i++) {
        options = i == 0 ? 0 : EDDY_RESTORE_ALWAYS;
        pid_t pid = session_start(end_by_own_handler);
        session_hear();
        need(modes_are_raw());
        need(kill(pid, SIGTERM) == 0);
        int status = session_wait(pid);
        need(WIFEXITED(status) && WEXITSTATUS(status) == 5);
        need(modes_are_original());
    }
}

START_TEST(a_handler_of_the_program_goes_first_and_may_restore) {
    in_session(own_handler_restores);
}
END_TEST

/* --- The background --- */

static void wait_in_raw(void) {
    make_raw();
    session_pause();
}

static void restore_on_usr1(void) {
    sigset_t awaited;
    int number;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGUSR1);
    need(sigprocmask(SIG_BLOCK, &awaited, NULL) == 0);
    make_raw();
    session_tell();
    need(sigwait(&awaited, &number) == 0);
    exit(eddy_terminal_restore(terminal) == 0 ? 5 : 6);
}

static void background_restores(void) {
    options = EDDY_RESTORE_ALWAYS;
    for (int i = 0; i < 2; i++) {
        pid_t pid = session_start(i == 0 ? wait_in_raw : restore_on_usr1);
        session_hear();
        need(modes_are_raw());
        session_give_to(getpgrp());
        need(kill(pid, i == 0 ? SIGTERM : SIGUSR1) == 0);
        int status = session_wait(pid);
        need(i == 0 ? WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM
                    : WIFEXITED(status) && WEXITSTATUS(status) == 5);
        need(modes_are_original());
    }
}

/* tcsetattr from the background stops the process by SIGTTOU, in its exit path too. */
START_TEST(a_program_in_the_background_restores_and_ends_and_is_not_stopped) {
    in_session(background_restores);
}
END_TEST

/* --- Stopping and going on --- */

static void stop(pid_t pid) {
    need(kill(pid, SIGTSTP) == 0);
    int status = session_wait(pid);
    need(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
    session_give_to(getpgrp());
    need(modes_are_original());
}

static void end(pid_t pid) {
    need(kill(pid, SIGTERM) == 0);
    int status = session_wait(pid);
    need(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void stop_and_go_on(void) {
    options = EDDY_RESTORE_ALWAYS;
    pid_t pid = session_start(wait_in_raw);
    session_hear();
    for (int i = 0; i < 3; i++) {
        stop(pid);
        session_give_to(pid);
        need(kill(pid, SIGCONT) == 0);
        need_soon(modes_are_raw());
    }
    /* While it is stopped somebody changes what it is to go back to. */
    stop(pid);
    modes_before.c_cc[VERASE] = '#';
    need(tcsetattr(terminal, TCSANOW, &modes_before) == 0);
    session_give_to(pid);
    need(kill(pid, SIGCONT) == 0);
    need_soon(modes_are_raw());
    end(pid);
    need(modes_are_original());
}

START_TEST(a_program_that_is_stopped_gives_the_terminal_back_until_it_goes_on) {
    in_session(stop_and_go_on);
}
END_TEST

/* ThreadSanitizer puts off a signal until the handler under way has returned, which waits. */
#ifdef WITH_TSAN
enum { ENDS_IN_BACKGROUND = 1 };
#else
enum { ENDS_IN_BACKGROUND = 2 };
#endif

static void go_on_in_background(void) {
    options = EDDY_RESTORE_ALWAYS;
    for (int i = 0; i < ENDS_IN_BACKGROUND; i++) {
        pid_t pid = session_start(wait_in_raw);
        session_hear();
        stop(pid);
        for (int j = 0; j < 2; j++) {
            need(kill(pid, SIGCONT) == 0);
            int status = session_wait(pid);
            need(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU);
            need(modes_are_original());
        }
        if (i == 0) {
            session_give_to(pid);
            need(kill(pid, SIGCONT) == 0);
            need_soon(modes_are_raw());
        } else {
            need(kill(pid, SIGTERM) == 0 && kill(pid, SIGCONT) == 0);
        }
        if (i == 0) need(kill(pid, SIGTERM) == 0);
        int status = session_wait(pid);
        need(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        need(modes_are_original());
    }
}

/* bg: the terminal is the shell's now. A program that needs it is stopped once more, as job control
 * has it, and can be ended meanwhile. */
START_TEST(a_program_that_goes_on_in_the_background_does_not_touch_the_terminal) {
    in_session(go_on_in_background);
}
END_TEST

/* As a shell does it, and a service manager: the signal, and at once SIGCONT. */
static void end_while_stopped(void) {
    static const int numbers[] = {SIGTERM, SIGHUP, SIGQUIT};
    options = EDDY_RESTORE_ALWAYS;
    for (int i = 0; i < 3; i++) {
        pid_t pid = session_start(wait_in_raw);
        session_hear();
        stop(pid);
        need(kill(pid, numbers[i]) == 0 && kill(pid, SIGCONT) == 0);
        int status = session_wait(pid);
        need(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
        need(modes_are_original());
    }
}

START_TEST(a_program_that_is_stopped_can_be_ended) {
    in_session(end_while_stopped);
}
END_TEST

static void ignore_background(void) {
    signal(SIGTTOU, SIG_IGN);
    wait_in_raw();
}

static void go_on_without_terminal(void) {
    options = EDDY_RESTORE_ALWAYS;
    pid_t pid = session_start(ignore_background);
    int status;
    session_hear();
    stop(pid);
    need(kill(pid, SIGCONT) == 0);
    need(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
    end(pid);
    need(modes_are_original());
}

START_TEST(a_program_that_cannot_be_stopped_goes_on_with_the_terminal_as_it_was) {
    in_session(go_on_without_terminal);
}
END_TEST

/* --- Watchers --- */

static eddy_signal watcher;
static int watched;

static void on_watched(eddy_signal *it, int number) {
    (void)number;
    watched++;
    need(modes_are_raw());
    eddy_signal_stop(it);
    session_tell();
}

static void watch_in_raw(bool is_first) {
    eddy_loop *loop;
    need(eddy_loop_open(&loop, NULL) == 0);
    eddy_signal_init(&watcher, loop);
    if (!is_first) make_raw();
    need(eddy_signal_start(&watcher, on_watched, SIGTERM) == 0);
    if (is_first) make_raw();
    session_tell();
    need(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    need(watched == 1);
    if (is_first) make_raw(); /* now nobody handles it */
    eddy_loop_close(loop);
    session_pause();
}

static void watch_after_raw(void) {
    watch_in_raw(false);
}

static void watch_before_raw(void) {
    watch_in_raw(true);
}

static void watcher_beside(void) {
    options = EDDY_RESTORE_ON_SIGNALS;
    for (int i = 0; i < 2; i++) {
        pid_t pid = session_start(i == 0 ? watch_after_raw : watch_before_raw);
        session_hear();
        need(kill(pid, SIGTERM) == 0);
        session_hear();
        need(modes_are_raw());
        session_hear();
        end(pid);
        need(modes_are_original());
    }
}

START_TEST(a_watcher_of_the_signal_goes_first_and_leaves_the_handler_behind) {
    in_session(watcher_beside);
}
END_TEST

/* --- Handlers of others, and forks --- */

static void handlers(void) {
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, on_term);
    options = EDDY_RESTORE_ALWAYS;
    make_raw();
    need(signal(SIGHUP, SIG_IGN) == SIG_IGN);
    need(signal(SIGTERM, on_term) == on_term);
    need(!has_default(SIGINT) && !has_default(SIGTSTP) && !has_default(SIGCONT));
    need(eddy_terminal_restore(terminal) == 0);
    need(signal(SIGHUP, SIG_IGN) == SIG_IGN);
    need(signal(SIGTERM, on_term) == on_term);
    need(has_default(SIGINT) && has_default(SIGTSTP) && has_default(SIGCONT));
    make_raw();
    need(eddy_terminal_restore_all() == 0);
    need(has_default(SIGINT) && has_default(SIGTSTP) && has_default(SIGCONT));
    signal(SIGTERM, SIG_DFL);
}

START_TEST(handlers_are_there_while_they_are_needed_and_never_over_those_of_others) {
    in_session(handlers);
}
END_TEST

static void fork_in_raw(void) {
    options = EDDY_RESTORE_ALWAYS;
    make_raw();
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        need(pid >= 0);
        if (pid == 0 && i == 1) kill(getpid(), SIGTERM);
        if (pid == 0 && i == 2) {
            need(eddy_terminal_restore_all() == 0);
            need(eddy_terminal_restore(terminal) == 0);
        }
        if (pid == 0) exit(0);
        int status;
        need(waitpid(pid, &status, 0) == pid);
        need(i == 1 ? WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM : status == 0);
        need(modes_are_raw());
    }
    exit(0);
}

static void forked_children(void) {
    need(session_wait(session_start(fork_in_raw)) == 0);
    need(modes_are_original());
}

START_TEST(a_forked_child_restores_nothing) {
    in_session(forked_children);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("restore");
    ck_add(suite, "ends", a_program_leaves_the_terminal_as_it_was_however_it_ends,
           what_was_not_asked_for_restores_nothing,
           a_handler_of_the_program_goes_first_and_may_restore,
           a_program_in_the_background_restores_and_ends_and_is_not_stopped);
    if (getenv("EDDY_TEST_SLOW") == NULL) /* under valgrind 3.19 SIGTSTP stops nobody */
        ck_add(suite, "stops", a_program_that_is_stopped_gives_the_terminal_back_until_it_goes_on,
               a_program_that_goes_on_in_the_background_does_not_touch_the_terminal,
               a_program_that_is_stopped_can_be_ended,
               a_program_that_cannot_be_stopped_goes_on_with_the_terminal_as_it_was);
    ck_add(suite, "others", a_watcher_of_the_signal_goes_first_and_leaves_the_handler_behind,
           handlers_are_there_while_they_are_needed_and_never_over_those_of_others,
           a_forked_child_restores_nothing);
    return suite;
}
