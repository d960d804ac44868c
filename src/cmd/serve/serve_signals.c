/* serve_signals.c: what signals do to a program that serves.
 * Threading: the main thread's, in callbacks of the first loop. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "serve_program.h"
#include "system.h"

/* --- Stopping --- */

/* What we kept of the sockets would keep their backlog open, in which nobody is served. */
void program_stop(struct program *program, int level) {
    if (level <= program->stop_level) return;
    program->stop_level = level;
    sockets_close(&program->sockets);
    for (unsigned i = 0; i < program->options.loops; i++)
        server_stop(&program->threads[i].server, level);
}

static void on_signal(struct program *program) {
    successor_cancel(&program->successor);
    program_stop(program, program->stop_level < SERVER_FINISHES ? SERVER_FINISHES : SERVER_ENDS);
}

static void on_interrupt(eddy_signal *watcher, int number) {
    (void)number;
    on_signal(eddy_container_of(watcher, struct program, interrupt));
}

static void on_terminate(eddy_signal *watcher, int number) {
    (void)number;
    on_signal(eddy_container_of(watcher, struct program, terminate));
}

/* --- Opening anew --- */

static void on_reopen(eddy_signal *watcher, int number) {
    struct program *program = eddy_container_of(watcher, struct program, reopen);
    (void)number;
    if (program->options.log) log_writer_reopen(&program->threads[0].server.context.writer);
}

/* DIR may be another directory by now: it gets the number of the old one, which all loops have, and
 * what is being read goes on. What is kept open of the old one is for a second at most. */
static void on_reload(eddy_signal *watcher, int number) {
    struct program *program = eddy_container_of(watcher, struct program, reload);
    const char *name = program->options.directory;
    char text[64];
    on_reopen(&program->reopen, number);
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_open = fd >= 0 && dup2(fd, program->root) >= 0;
    if (is_open)
        system_say("serving %s anew", name);
    else
        system_say("cannot serve %s anew, the old one stays: %s", name,
                   eddy_strerror(errno, text, sizeof text));
    if (is_open) (void)fcntl(program->root, F_SETFD, FD_CLOEXEC);
    if (fd >= 0) close(fd);
}

/* --- Restarting --- */

static void on_taken_over(struct successor *successor) {
    struct program *program = eddy_container_of(successor, struct program, successor);
    program_leave_names(program);
    program_stop(program, SERVER_DRAINS);
}

static void on_restart(eddy_signal *watcher, int number) {
    struct program *program = eddy_container_of(watcher, struct program, restart);
    char text[64];
    (void)number;
    if (program->stop_level != SERVER_RUNS) return;
    int err =
        successor_start(&program->successor, program->arguments, &program->sockets, on_taken_over);
    if (err == -EALREADY)
        system_say("process %d is being started already", (int)program->successor.pid);
    else if (err < 0)
        system_say("cannot start %s anew, this process goes on: %s", program->arguments[0],
                   eddy_strerror(err, text, sizeof text));
}

/* --- Watching --- */

int program_watch_signals(struct program *program) {
    eddy_loop *loop = program->threads[0].server.context.loop;
    const struct {
        eddy_signal *watcher;
        eddy_signal_fn *fn;
        int number;
    } signals[] = {
        {&program->interrupt, on_interrupt, SIGINT}, {&program->terminate, on_terminate, SIGTERM},
        {&program->reopen, on_reopen, SIGUSR1},      {&program->reload, on_reload, SIGHUP},
        {&program->restart, on_restart, SIGUSR2},
    };
    int err = 0;
    signal(SIGPIPE, SIG_IGN); /* sockets raise none, but the log may lose its reader */
    successor_init(&program->successor, loop);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        eddy_signal_init(signals[i].watcher, loop);
        eddy_unref(&signals[i].watcher->handle);
    }
    for (size_t i = 0; i < sizeof signals / sizeof signals[0] && err == 0; i++)
        err = eddy_signal_start(signals[i].watcher, signals[i].fn, signals[i].number);
    sigset_t none; /* whoever started the program may have left some blocked: exec keeps that */
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    return err;
}

void program_unwatch_signals(struct program *program) {
    successor_cancel(&program->successor);
    eddy_signal_stop(&program->interrupt);
    eddy_signal_stop(&program->terminate);
    eddy_signal_stop(&program->reopen);
    eddy_signal_stop(&program->reload);
    eddy_signal_stop(&program->restart);
}
