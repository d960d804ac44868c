/* misuse.h: a child does what must end a program, and what it says on stderr is read. */
#ifndef EDDY_TESTS_MISUSE_H
#define EDDY_TESTS_MISUSE_H

#include "suite.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* valgrind cannot always extend the stack of a forked child: it inherits one that is there. */
__attribute__((noinline)) static void misuse_use_stack(void) {
    volatile char room[1 << 16];
    for (size_t i = sizeof room; i >= 4096; i -= 4096) room[i - 1] = 0;
}

/* Returns what waitpid gave. */
static inline int misuse_run(void (*misuse)(eddy_loop *loop), char *text, size_t size) {
    int ends[2], status;
    size_t length = 0;
    ck_assert_int_eq(pipe(ends), 0);
    misuse_use_stack();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        eddy_loop *loop;
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGALRM, SIG_DFL); /* which is of the tests' own here */
        alarm(20);                /* what is not seen may go on for ever */
        dup2(ends[1], STDERR_FILENO);
        eddy_loop_config config = {.backend = test_backend};
        if (eddy_loop_open(&loop, &config) == 0) misuse(loop);
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t got = 1; got > 0; length += got > 0 ? (size_t)got : 0)
        got = read(ends[0], text + length, size - 1 - length);
    text[length] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

/* It has to end the program, and to say that `promise` must hold. */
static inline void misuse_must_die(const char *name, void (*misuse)(eddy_loop *loop),
                                   const char *promise) {
    char text[4096];
    int status = misuse_run(misuse, text, sizeof text);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s: %d, \"%s\"", name,
                  status, text);
    const char *said = strstr(text, ": this must hold: ");
    ck_assert_msg(said != NULL, "%s: \"%s\"", name, text);
    ck_assert_msg(strstr(said, promise) != NULL, "%s: not \"%s\", but \"%s\"", name, promise, text);
}

#endif
