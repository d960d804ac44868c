/* bench_guard.c: see bench_guard.h. Threading: one. State of the process is what its signal handler
 * needs. */
#include "bench_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static struct sigaction before[SIGNALS];
static volatile sig_atomic_t interrupted_by; /* a signal; 0: none */
static volatile sig_atomic_t waited_for;     /* a process that has not been reaped; 0: none */

/* --- Signals --- */

static void on_signal(int number) {
    interrupted_by = number;
    if (waited_for > 0) kill((pid_t)waited_for, SIGKILL);
}

/* What is ignored stays so: the program was started by nohup, or in the background by a script. */
static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) sigaction(signals[i], &action, NULL);
    }
}

static void release_signals(void) {
    for (size_t i = 0; i < SIGNALS; i++) sigaction(signals[i], &before[i], NULL);
}

int bench_interrupted(void) {
    return (int)interrupted_by;
}

/* A signal between fork() and here finds nobody to end, and one after the process was reaped must
 * not end another one that has got its number. */
int bench_guard_wait(pid_t child) {
    int status = 0;
    siginfo_t info;
    waited_for = child;
    if (interrupted_by != 0) kill(child, SIGKILL);
    while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) continue;
    waited_for = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return status;
}

/* --- The group --- */

/* The other end of the pipe is in the process that takes the samples, and in no other. */
static void wait_and_kill(int fd) {
    char byte;
    for (size_t i = 0; i < SIGNALS; i++) signal(signals[i], SIG_IGN);
    while (read(fd, &byte, 1) < 0 && errno == EINTR) continue;
    kill(0, SIGKILL);
}

int bench_guard_open(struct bench_guard *guard) {
    int ends[2];
    if (pipe(ends) < 0) return -errno;
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    guard->fd = ends[1];
    guard->group = fork();
    if (guard->group == 0) {
        close(ends[1]);
        /* Without a group of its own it would end its parent's. */
        if (setpgid(0, 0) == 0) wait_and_kill(ends[0]);
        _exit(1);
    }
    int err = guard->group < 0 ? -errno : 0;
    close(ends[0]);
    if (err < 0) {
        close(ends[1]);
        return err;
    }
    signal(SIGCHLD, SIG_DFL); /* who ignores it is told of no status */
    setpgid(guard->group, 0); /* whichever of the two comes first */
    catch_signals();
    return 0;
}

void bench_guard_close(struct bench_guard *guard) {
    close(guard->fd);
    while (waitpid(guard->group, NULL, 0) < 0 && errno == EINTR) continue;
    release_signals();
}

void bench_guard_join(const struct bench_guard *guard, pid_t runner) {
    close(guard->fd);
    /* Seen to be there after this one has joined, it ends later than that. */
    if (setpgid(0, guard->group) < 0 || getppid() != runner) _exit(1);
    for (size_t i = 0; i < SIGNALS; i++)
        if (before[i].sa_handler != SIG_IGN) signal(signals[i], SIG_DFL);
    signal(SIGTTOU, SIG_IGN); /* not in the foreground of a terminal, it may write there */
}
