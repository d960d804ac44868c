/* pty.c: runs a program on a terminal of its own, and passes on what is typed here and what it
 * writes, as script(1) and ssh do. Our terminal is raw meanwhile: Ctrl-C and the like are for the
 * program inside; and the window inside has the size of ours, also when that changes.
 *
 *     example_pty [COMMAND [ARGUMENT…]]        without: $SHELL, or /bin/sh */
#include <eddy.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* After the program has ended, what it wrote may still be on its way, and others may keep its
 * terminal open: the last of its output is what comes before a pause. */
#define LAST_WORDS_NS (200 * EDDY_NS_PER_MS)

/* One buffer a direction, read again when it is written: whoever writes too fast waits. */
struct copy {
    eddy_stream *from, *to;
    eddy_write write;
    char bytes[16384];
};

static struct session {
    eddy_stream typed, shown, inner; /* our terminal, twice, and the manager of the one inside */
    struct copy in, out;
    eddy_resize resize;
    eddy_child child;
    eddy_timer last_words;
    bool is_showing; /* something is written to our terminal */
    int manager;     /* while `inner` is open */
    int status;      /* of the exit, as a shell tells it; -1: it runs */
    int error;
} session;

static int fail(const char *what, int err) {
    char text[128];
    fprintf(stderr, "pty: %s: %s\n", what, eddy_strerror(err, text, sizeof text));
    return 1;
}

/* With the manager the terminal inside goes, and a program that is still there gets SIGHUP. */
static void session_end(int err) {
    if (session.error == 0) session.error = err;
    eddy_stream_close(&session.typed, NULL);
    eddy_stream_close(&session.shown, NULL);
    eddy_stream_close(&session.inner, NULL);
    eddy_resize_stop(&session.resize);
    eddy_timer_stop(&session.last_words);
    eddy_child_stop(&session.child);
}

/* --- Copying --- */

static void on_read(eddy_stream *stream, void *data, ssize_t size);

static int copy_next(struct copy *it) {
    return eddy_stream_read_into(it->from, it->bytes, sizeof it->bytes, on_read);
}

/* While our side does not take what is being written, nothing is read, and that is no silence. */
static void on_silence(eddy_timer *timer) {
    (void)timer;
    if (!session.is_showing) session_end(0);
}

static void listen_for_more(void) {
    int err = eddy_timer_start(&session.last_words, on_silence, LAST_WORDS_NS, 0);
    if (err < 0) session_end(err);
}

static void on_written(eddy_write *write, int status) {
    struct copy *it = eddy_container_of(write, struct copy, write);
    if (status == -ECANCELED) return; /* it is over */
    if (it == &session.out) session.is_showing = false;
    if (status == 0) status = copy_next(it);
    if (status == 0 && it == &session.out && session.status >= 0) listen_for_more();
    if (status < 0) session_end(status);
}

/* Nobody has the terminal inside any more. Of a program that runs on without it the exit is awaited
 * all the same. */
static void on_inner_end(void) {
    if (session.status >= 0) session_end(0);
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct copy *it = stream == session.in.from ? &session.in : &session.out;
    eddy_stream_read_stop(stream);
    if (size == 0 && it == &session.out) {
        on_inner_end();
        return;
    }
    int err = size > 0 ? eddy_stream_write(it->to, &it->write, data, (size_t)size, on_written)
                       : (int)size;
    if (size <= 0 || err < 0)
        session_end(size == 0 ? -EIO : err); /* ours was hung up */
    else if (it == &session.out)
        session.is_showing = true;
}

static void on_resize(eddy_resize *resize, const eddy_terminal_size *size) {
    (void)resize;
    (void)eddy_terminal_set_size(session.manager, size);
}

/* --- The program inside --- */

static void on_child_exit(eddy_child *child, const eddy_exit *exit) {
    (void)child;
    session.status = exit->signal != 0 ? 128 + exit->signal : exit->status;
    listen_for_more();
}

static int spawn(int terminal, char **command) {
    const eddy_child_fd fds[] = {{.number = 0, .source = EDDY_CHILD_FD, .fd = terminal},
                                 {.number = 1, .source = EDDY_CHILD_FD, .fd = terminal},
                                 {.number = 2, .source = EDDY_CHILD_FD, .fd = terminal}};
    const eddy_child_options options = {
        .arguments = command, .fds = fds, .fd_count = 3, .flags = EDDY_CHILD_TERMINAL};
    return eddy_child_spawn(&session.child, &options, on_child_exit);
}

/* Standard input and output are shared with the shell: the streams have our terminal opened anew,
 * so that nobody else has a descriptor that does not block. */
static int attach(int manager) {
    int err = eddy_stdio_attach(&session.typed, STDIN_FILENO);
    if (err == 0) err = eddy_stdio_attach(&session.shown, STDOUT_FILENO);
    if (err == 0) err = eddy_stream_attach(&session.inner, manager);
    return err;
}

static int session_start(int manager, int terminal, char **command) {
    int err = eddy_terminal_imitate(terminal, STDIN_FILENO);
    if (err == 0) err = attach(manager);
    if (err < 0) close(manager);
    if (err == 0) err = eddy_resize_start(&session.resize, on_resize, STDIN_FILENO);
    if (err == 0) err = copy_next(&session.in);
    if (err == 0) err = copy_next(&session.out);
    if (err == 0)
        err = eddy_terminal_set_mode(STDIN_FILENO, EDDY_TERMINAL_RAW, EDDY_RESTORE_ALWAYS);
    if (err < 0) {
        fail("the terminal", err);
        return 1;
    }
    err = spawn(terminal, command);
    if (err == 0) return 0;
    (void)eddy_terminal_restore(STDIN_FILENO);
    fail(command[0], err);
    return 127;
}

/* Returns 0 or an exit status. */
static int session_open(eddy_loop *loop, char **command) {
    int terminal;
    session.status = -1;
    session.in.from = &session.typed;
    session.in.to = session.out.from = &session.inner;
    session.out.to = &session.shown;
    eddy_stream_init(&session.typed, loop);
    eddy_stream_init(&session.shown, loop);
    eddy_stream_init(&session.inner, loop);
    eddy_resize_init(&session.resize, loop);
    eddy_child_init(&session.child, loop);
    eddy_timer_init(&session.last_words, loop);
    int err = eddy_terminal_pair(&session.manager, &terminal, NULL, EDDY_TERMINAL_ORIGINAL);
    if (err < 0) return fail("no terminal", err);
    int status = session_start(session.manager, terminal, command);
    close(terminal); /* else the manager would never hear that all others have closed it */
    if (status != 0) session_end(0);
    return status;
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
    if (!eddy_is_terminal(STDIN_FILENO)) return fail("standard input", -ENOTTY);
    int err = eddy_loop_open(&loop, NULL);
    if (err < 0) return fail("cannot open a loop", err);
    int status = session_open(loop, command);
    err = eddy_loop_run(loop, EDDY_RUN_DEFAULT); /* until it has ended and all is said */
    int closed = eddy_loop_close(loop);
    if (err == 0) err = closed < 0 ? closed : session.error;
    int restored = eddy_terminal_restore(STDIN_FILENO);
    if (err == 0) err = restored;
    if (err < 0) return fail("the terminal", err);
    return status != 0 ? status : session.status;
}
