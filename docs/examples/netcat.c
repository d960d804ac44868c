/* netcat.c: what is typed goes into a socket, and what the socket says to the terminal:
 * `netcat ADDRESS PORT`, and with pipes and files as well: `netcat 127.0.0.1 80 < request`.
 *
 * A terminal or pipe is watched. A file is not (-EPERM): it is read by file requests, which is what
 * to do with a descriptor that somebody else has chosen. Each way has one buffer, and goes on when
 * that is empty, so that the slower side holds up the faster one.
 *
 * What is watched should not block all the same: somebody else may read first what was there, and a
 * write may be larger than the room. But O_NONBLOCK is a property of the open file, and the shell
 * has the same one. So it is put back at the end, on a signal, and while the program is stopped;
 * SIGKILL, SIGSTOP and a crash leave it. Read beside it: docs/03-handles.md. */
#include <eddy.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "number.h"

enum { BUFFER_BYTES = 16 * 1024 };

/* stdin or stdout. */
struct end {
    int fd, flags; /* as they were; -1: they were not changed */
    bool is_watched;
    eddy_io io;
    eddy_file file;
    char data[BUFFER_BYTES];
    size_t offset, used; /* stdout: what is still to be written */
};

static eddy_loop *loop;
static eddy_stream stream;
static eddy_write write_request, shutdown_request;
static struct end input = {.fd = STDIN_FILENO, .flags = -1};
static struct end output = {.fd = STDOUT_FILENO, .flags = -1};
static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static eddy_signal signals[4], stop_signal;
static bool is_over;
static int result;

/* --- Non-blocking, and back --- */

static void set_nonblocking(struct end *end) {
    if (!end->is_watched || (end->flags = fcntl(end->fd, F_GETFL)) < 0) return;
    (void)fcntl(end->fd, F_SETFL, end->flags | O_NONBLOCK);
}

static void restore(struct end *end) {
    if (end->flags >= 0) (void)fcntl(end->fd, F_SETFL, end->flags);
    end->flags = -1;
}

/* Both may be one open file: what the second one found was the first one's doing. */
static void restore_both(void) {
    restore(&output);
    restore(&input);
}

static void on_end_signal(eddy_signal *watcher, int number) {
    restore_both();
    eddy_signal_stop(watcher); /* it is what it was before: */
    raise(number);
}

static void on_stop_signal(eddy_signal *watcher, int number) {
    (void)watcher, (void)number;
    restore_both();
    raise(SIGSTOP); /* here it goes on after a SIGCONT */
    set_nonblocking(&input);
    set_nonblocking(&output);
}

/* --- The end --- */

static void finish(const char *what, int error) {
    char text[80];
    if (is_over) return;
    is_over = true;
    if (error < 0) {
        fprintf(stderr, "netcat: %s: %s\n", what, eddy_strerror(error, text, sizeof text));
        result = 1;
    }
    eddy_io_stop(&input.io);
    eddy_io_stop(&output.io);
    eddy_stream_close(&stream, NULL);
    for (int i = 0; i < 4; i++) eddy_signal_stop(&signals[i]);
    eddy_signal_stop(&stop_signal);
}

/* --- stdin to the socket --- */

static void read_input(void);

static void on_shut(eddy_write *write, int status) {
    (void)write, (void)status; /* the socket's reader hears of the connection's end */
}

static void on_sent(eddy_write *write, int status) {
    (void)write;
    if (status == 0 && !is_over) read_input();
}

/* 0: the end, which is passed on; the other side may still have much to say. */
static void take_input(int64_t size) {
    if (is_over) return;
    int err = (int)size;
    if (size > 0)
        err = eddy_stream_write(&stream, &write_request, input.data, (size_t)size, on_sent);
    if (size == 0) err = eddy_stream_shutdown(&stream, &shutdown_request, on_shut);
    if (err == -EPIPE) err = 0; /* the same */
    if (size < 0 || err < 0) finish("stdin", err);
}

static void on_input_file(eddy_file *file) {
    take_input(file->result);
}

static void on_input(eddy_io *io, unsigned events) {
    (void)events;
    ssize_t size = read(input.fd, input.data, sizeof input.data);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size > 0)
        eddy_io_change(io, 0); /* until this has been sent */
    else
        eddy_io_stop(io);
    take_input(size < 0 ? -errno : size);
}

static void read_input(void) {
    int err = input.is_watched ? eddy_io_change(&input.io, EDDY_READ)
                               : eddy_file_read(loop, &input.file, input.fd, input.data,
                                                sizeof input.data, -1, on_input_file);
    if (err < 0) finish("stdin", err);
}

/* --- The socket to stdout --- */

static void on_received(eddy_stream *it, void *data, ssize_t size);

static void receive(void) {
    int err = eddy_stream_read_into(&stream, output.data, sizeof output.data, on_received);
    if (err < 0) finish("connection", err);
}

static void on_output_file(eddy_file *file) {
    if (is_over) return;
    if (file->result < (int64_t)output.used)
        finish("stdout", file->result < 0 ? (int)file->result : -ENOSPC);
    else
        receive();
}

static void write_output(void) {
    ssize_t size = write(output.fd, output.data + output.offset, output.used - output.offset);
    if (size < 0 && errno != EAGAIN && errno != EINTR) {
        finish("stdout", -errno);
        return;
    }
    if (size > 0) output.offset += (size_t)size;
    bool is_done = output.offset == output.used;
    int err = eddy_io_change(&output.io, is_done ? 0 : EDDY_WRITE);
    if (err < 0)
        finish("stdout", err);
    else if (is_done)
        receive();
}

static void on_output(eddy_io *io, unsigned events) {
    (void)io, (void)events;
    write_output();
}

static void on_received(eddy_stream *it, void *data, ssize_t size) {
    (void)data; /* it is in `output` */
    if (size <= 0) {
        finish("connection", (int)size);
        return;
    }
    eddy_stream_read_stop(it); /* until this has been written */
    output.offset = 0;
    output.used = (size_t)size;
    if (output.is_watched) {
        write_output();
        return;
    }
    int err = eddy_file_write(loop, &output.file, output.fd, output.data, output.used, -1,
                              on_output_file);
    if (err < 0) finish("stdout", err);
}

/* --- The beginning --- */

/* Muted at first. What cannot be watched is left to file requests. */
static int end_start(struct end *end, eddy_io_fn *fn) {
    int err = eddy_io_start(&end->io, fn, end->fd, 0);
    end->is_watched = err == 0;
    set_nonblocking(end);
    return err == -EPERM ? 0 : err;
}

static bool is_ignored(int signal_number) {
    struct sigaction now;
    return sigaction(signal_number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* What is ignored (nohup, a job in the background of a script) stays ignored. */
static int watch_signals(void) {
    int err = 0;
    for (int i = 0; err == 0 && i < 4; i++)
        if (!is_ignored(deadly[i])) err = eddy_signal_start(&signals[i], on_end_signal, deadly[i]);
    signal(SIGPIPE, SIG_IGN); /* a write to stdout says -EPIPE */
    if (err < 0 || is_ignored(SIGTSTP)) return err;
    return eddy_signal_start(&stop_signal, on_stop_signal, SIGTSTP);
}

static void on_connected(eddy_stream *it, int status) {
    (void)it;
    if (status < 0) {
        finish("connect", status);
        return;
    }
    receive();
    read_input();
}

static int usage(void) {
    fprintf(stderr, "usage: netcat ADDRESS PORT\n");
    return 2;
}

int main(int argc, char **argv) {
    struct sockaddr_storage address;
    long port;
    if (argc != 3 || !number_parse(argv[2], 1, 65535, &port)) return usage();
    int length = eddy_address_parse(&address, argv[1], (unsigned)port);
    if (length < 0) return usage();
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    eddy_stream_init(&stream, loop);
    eddy_io_init(&input.io, loop);
    eddy_io_init(&output.io, loop);
    for (int i = 0; i < 4; i++) eddy_signal_init(&signals[i], loop);
    eddy_signal_init(&stop_signal, loop);

    int err = watch_signals();
    if (err < 0) finish("signals", err);
    if (!is_over && (err = end_start(&input, on_input)) < 0) finish("stdin", err);
    if (!is_over && (err = end_start(&output, on_output)) < 0) finish("stdout", err);
    if (!is_over) {
        err = eddy_tcp_connect(&stream, (struct sockaddr *)&address, (socklen_t)length,
                               10 * EDDY_NS_PER_S, on_connected);
        if (err < 0) finish("connect", err);
    }
    err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    restore_both();
    return err < 0 || eddy_loop_close(loop) < 0 || result;
}
