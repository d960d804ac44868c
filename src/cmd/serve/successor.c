/* successor.c: see successor.h.
 * Invariant: `pid` is not 0 from when a process is there until it has taken over or has been waited
 * for. */
#include "successor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system.h"

extern char **environ;

/* --- How it went --- */

static void stop_reading(struct successor *successor) {
    if (!eddy_is_active(&successor->ready.handle)) return;
    eddy_io_stop(&successor->ready);
    close(successor->pipe);
}

static void forget(struct successor *successor) {
    stop_reading(successor);
    eddy_signal_stop(&successor->ended);
    successor->pid = 0;
}

/* An end without a byte: SIGCHLD follows, and then it can be said how it ended. */
static void on_ready(eddy_io *io, unsigned events) {
    struct successor *successor = eddy_container_of(io, struct successor, ready);
    char byte;
    (void)events;
    ssize_t got = read(successor->pipe, &byte, 1);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 1) {
        stop_reading(successor);
        return;
    }
    system_say("process %d has taken over", (int)successor->pid);
    forget(successor);
    successor->took_over(successor);
}

static void on_ended(eddy_signal *watcher, int number) {
    struct successor *successor = eddy_container_of(watcher, struct successor, ended);
    int status;
    (void)number;
    if (waitpid(successor->pid, &status, WNOHANG) != successor->pid) return;
    bool is_killed = WIFSIGNALED(status);
    system_say("process %d was to take over, but ended by %s %d; this one goes on",
               (int)successor->pid, is_killed ? "signal" : "exit status",
               is_killed ? WTERMSIG(status) : WEXITSTATUS(status));
    forget(successor);
}

void successor_init(struct successor *successor, eddy_loop *loop) {
    *successor = (struct successor){.pipe = -1};
    eddy_io_init(&successor->ready, loop);
    eddy_unref(&successor->ready.handle);
    eddy_signal_init(&successor->ended, loop);
    eddy_unref(&successor->ended.handle);
}

void successor_cancel(struct successor *successor) {
    if (successor->pid == 0) return;
    kill(successor->pid, SIGTERM);
    forget(successor);
}

/* --- Starting it --- */

/* Ours, and how many sockets there are. NULL: no memory. */
static char **make_environment(char *variable) {
    size_t count = 0;
    while (environ[count] != NULL) count++;
    char **all = system_resize(NULL, (count + 2) * sizeof *all);
    if (all == NULL) return NULL;
    memcpy(all, environ, count * sizeof *all);
    all[count] = variable;
    all[count + 1] = NULL;
    return all;
}

/* Duplicates of the sockets and of the pipe that are above the numbers which they are to have in
 * the new process: else one would get the number of another. Returns how many there are. */
static unsigned copy_descriptors(const struct sockets *sockets, int pipe, int *copies, int *err) {
    int above = SOCKETS_FIRST + (int)sockets->count + 1;
    for (unsigned i = 0; i <= sockets->count; i++) {
        int fd = i < sockets->count ? sockets->all[i].fd : pipe;
        copies[i] = fcntl(fd, F_DUPFD_CLOEXEC, above);
        if (copies[i] >= 0) continue;
        *err = -errno;
        return i;
    }
    return sockets->count + 1;
}

/* Signals are as they are in a new process; those with handlers are so by exec. */
static int prepare(posix_spawnattr_t *attributes, posix_spawn_file_actions_t *actions,
                   const int *copies, unsigned count) {
    sigset_t none, ignored;
    sigemptyset(&none);
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGPIPE);
    int error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0) error = posix_spawnattr_setsigdefault(attributes, &ignored);
    if (error == 0)
        error =
            posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    for (unsigned i = 0; error == 0 && i < count; i++)
        error = posix_spawn_file_actions_adddup2(actions, copies[i], SOCKETS_FIRST + (int)i);
    return -error;
}

static int spawn(struct successor *successor, char **arguments, char **environment,
                 const int *copies, unsigned count) {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int error = posix_spawnattr_init(&attributes);
    if (error != 0) return -error;
    error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = -prepare(&attributes, &actions, copies, count);
        if (error == 0)
            error = posix_spawnp(&successor->pid, arguments[0], &actions, &attributes, arguments,
                                 environment);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    if (error != 0) successor->pid = 0;
    return -error;
}

/* Other threads run, so that nothing of our own runs between fork and exec. */
static int spawn_with(struct successor *successor, char **arguments, const struct sockets *sockets,
                      int pipe) {
    char variable[sizeof SOCKETS_RESTART_VARIABLE + 16];
    int copies[SOCKETS_MAX + 1], err = 0;
    snprintf(variable, sizeof variable, SOCKETS_RESTART_VARIABLE "=%u", sockets->count);
    char **environment = make_environment(variable);
    if (environment == NULL) return -ENOMEM;
    unsigned count = copy_descriptors(sockets, pipe, copies, &err);
    if (err == 0) err = spawn(successor, arguments, environment, copies, count);
    while (count > 0) close(copies[--count]);
    system_free(environment);
    return err;
}

/* Reading does not wait, and no other program gets the ends. */
static int open_pipe(int ends[2]) {
    if (pipe(ends) < 0) return -errno;
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 2; i++) (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    return 0;
}

int successor_start(struct successor *successor, char **arguments, const struct sockets *sockets,
                    void (*took_over)(struct successor *successor)) {
    int ends[2];
    if (successor->pid != 0) return -EALREADY;
    int err = open_pipe(ends);
    if (err < 0) return err;
    successor->pipe = ends[0];
    successor->took_over = took_over;
    err = eddy_io_start(&successor->ready, on_ready, ends[0], EDDY_READ);
    if (err < 0) close(ends[0]);
    if (err == 0) err = eddy_signal_start(&successor->ended, on_ended, SIGCHLD);
    if (err == 0) err = spawn_with(successor, arguments, sockets, ends[1]);
    close(ends[1]);
    if (err < 0) forget(successor);
    return err;
}
