/* pty.c: runs a program on a terminal of its own, and passes on what is typed here and what it
 * writes, as script(1) and ssh do. Our terminal is raw meanwhile: Ctrl-C and the like are for the
 * program inside; and the window inside has the size of ours, also when that changes.
 *
 *     example_pty [COMMAND [ARGUMENT…]]        without: $SHELL, or /bin/sh */
#include <eddy.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* After the program has ended, what it wrote may still be on its way, and others may keep its
 * terminal open: the last of its output is what comes before a pause. */
#define LAST_WORDS_NS (200 * EDDY_NS_PER_MS)

struct side;

/* What was read at one side and is to be written at the other. */
struct buffer {
    char bytes[16384];
    size_t begin, end;
};

struct side {
    eddy_io io;
    int fd;
    struct buffer in; /* read here */
    struct side *other;
};

static struct session {
    struct side ours, inner; /* our terminal, and the manager of the one inside */
    eddy_resize resize;
    eddy_signal child_signal;
    eddy_timer last_words;
    pid_t pid;
    int status; /* of the exit, as a shell tells it; -1: it runs */
    int error;
} session;

static int fail(const char *what, int err) {
    char text[128];
    fprintf(stderr, "pty: %s: %s\n", what, eddy_strerror(err, text, sizeof text));
    return 1;
}

static void session_end(int err) {
    session.error = err;
    eddy_io_stop(&session.ours.io);
    eddy_io_stop(&session.inner.io);
    eddy_resize_stop(&session.resize);
    eddy_timer_stop(&session.last_words);
    if (err < 0 || session.status >= 0) eddy_signal_stop(&session.child_signal);
}

static void on_silence(eddy_timer *timer) {
    (void)timer;
    session_end(0);
}

/* --- Copying --- */

static bool is_empty(const struct buffer *it) {
    return it->begin == it->end;
}

/* A side is read when what came before has been written, so that memory is bounded, and whoever
 * writes too fast waits. */
static int update(struct side *it) {
    unsigned events = is_empty(&it->in) ? EDDY_READ : 0;
    if (!is_empty(&it->other->in)) events |= EDDY_WRITE;
    return eddy_io_events(&it->io) == events ? 0 : eddy_io_change(&it->io, events);
}

/* 1: there may be more; 0: not now; -EIO: nobody has the terminal any more; another error. */
static int fill(struct side *it) {
    ssize_t size = read(it->fd, it->in.bytes, sizeof it->in.bytes);
    if (size > 0) {
        it->in.begin = 0;
        it->in.end = (size_t)size;
        return 1;
    }
    if (size == 0) return -EIO;
    return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static int drain(struct buffer *it, int fd) {
    while (!is_empty(it)) {
        ssize_t size = write(fd, it->bytes + it->begin, it->end - it->begin);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno == EAGAIN ? 0 : -errno;
        it->begin += (size_t)size;
    }
    return 0;
}

/* At once, from either side: most of the time the other one takes it. */
static void on_ready(eddy_io *io, unsigned events) {
    struct side *it = eddy_container_of(io, struct side, io);
    int err = 0;
    if (events & EDDY_WRITE) err = drain(&it->other->in, it->fd);
    if (err == 0 && (events & EDDY_READ) && is_empty(&it->in)) err = fill(it);
    if (err > 0) {
        if (it == &session.inner && session.status >= 0) /* it is not silent yet */
            (void)eddy_timer_start(&session.last_words, on_silence, LAST_WORDS_NS, 0);
        err = drain(&it->in, it->other->fd);
    }
    if (err == 0) err = update(it);
    if (err == 0) err = update(it->other);
    if (err < 0) session_end(it == &session.inner && err == -EIO ? 0 : err);
}

/* --- The program inside --- */

static void on_resize(eddy_resize *resize, const eddy_terminal_size *size) {
    (void)resize;
    (void)eddy_terminal_set_size(session.inner.fd, size);
}

static void on_child(eddy_signal *watcher, int number) {
    int status;
    (void)number;
    if (waitpid(session.pid, &status, WNOHANG) != session.pid) return;
    if (!WIFEXITED(status) && !WIFSIGNALED(status)) return;
    session.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    eddy_signal_stop(watcher);
    if (!eddy_is_active(&session.inner.io.handle)) return;
    int err = eddy_timer_start(&session.last_words, on_silence, LAST_WORDS_NS, 0);
    if (err < 0) session_end(err);
}

static void become(int terminal, char **command) {
    if (setsid() < 0 || ioctl(terminal, TIOCSCTTY, 0) < 0) _exit(fail("cannot lead", -errno));
    for (int fd = 0; fd < 3; fd++)
        if (dup2(terminal, fd) < 0) _exit(fail("cannot use the terminal", -errno));
    execvp(command[0], command);
    fail(command[0], -errno);
    _exit(127);
}

/* The name, and not /dev/tty, which not every system can watch. Opened anew, so that nobody else
 * has a descriptor that does not block. */
static int open_ours(void) {
    char name[256];
    int err = eddy_terminal_name(STDIN_FILENO, name, sizeof name);
    if (err < 0) return err;
    int fd = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int session_start(int ours, char **command) {
    int manager, terminal;
    int err = eddy_terminal_pair(&manager, &terminal, NULL, EDDY_TERMINAL_ORIGINAL);
    if (err < 0) return err;
    err = eddy_terminal_imitate(terminal, ours);
    session.ours.fd = ours;
    session.inner.fd = manager;
    session.ours.other = &session.inner;
    session.inner.other = &session.ours;
    if (err == 0) err = eddy_io_start(&session.ours.io, on_ready, ours, EDDY_READ);
    if (err == 0) err = eddy_io_start(&session.inner.io, on_ready, manager, EDDY_READ);
    if (err == 0) err = eddy_resize_start(&session.resize, on_resize, ours);
    if (err == 0) err = eddy_signal_start(&session.child_signal, on_child, SIGCHLD);
    if (err == 0) err = eddy_terminal_set_mode(ours, EDDY_TERMINAL_RAW, EDDY_RESTORE_ALWAYS);
    if (err == 0) {
        session.pid = fork();
        if (session.pid == 0) become(terminal, command);
        if (session.pid < 0) err = -errno;
    }
    close(terminal); /* else the manager would never hear that all others have closed it */
    if (err == 0) return 0;
    session.status = 1;
    session_end(err);
    close(manager);
    return err;
}

static int run(eddy_loop *loop, int ours, char **command) {
    session.status = -1;
    eddy_io_init(&session.ours.io, loop);
    eddy_io_init(&session.inner.io, loop);
    eddy_resize_init(&session.resize, loop);
    eddy_signal_init(&session.child_signal, loop);
    eddy_timer_init(&session.last_words, loop);
    int err = session_start(ours, command);
    if (err < 0) return err;
    err = eddy_loop_run(loop, EDDY_RUN_DEFAULT); /* until it has ended and all is said */
    close(session.inner.fd);                     /* what is left inside is hung up */
    return err < 0 ? err : session.error;
}

int main(int argc, char **argv) {
    static char plain_shell[] = "/bin/sh";
    char *shell[] = {getenv("SHELL"), NULL};
    char **command = argc > 1 ? argv + 1 : shell;
    eddy_loop *loop;
    if (command[0] != NULL && command[0][0] == '-') {
        fprintf(stderr, "usage: pty [COMMAND [ARGUMENT...]]\n");
        return 2;
    }
    if (command[0] == NULL || command[0][0] == '\0') command[0] = plain_shell;
    int ours = open_ours();
    if (ours < 0) return fail("standard input is no terminal that can be opened", ours);
    int err = eddy_loop_open(&loop, NULL);
    if (err < 0) return fail("cannot open a loop", err);
    err = run(loop, ours, command);
    int closed = eddy_loop_close(loop);
    int restored = eddy_terminal_restore(ours);
    close(ours);
    if (err == 0) err = closed < 0 ? closed : restored;
    return err < 0 ? fail("the terminal", err) : session.status;
}
