/* libuv_process.c: libuv's children, pipes, local sockets and passing of handles. */
#include "peer_libuv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* --- Children --- */

static uv_process_t *children;

static void on_closed(uv_handle_t *handle) {
    uv_process_t *child = (uv_process_t *)handle;
    peers_exited((unsigned)(child - children), (int)(intptr_t)child->data);
}

/* The handle may be used again once it is closed. */
static void on_ended(uv_process_t *child, int64_t status, int number) {
    child->data = (void *)(intptr_t)(number != 0 ? -1 : (int)status);
    uv_close((uv_handle_t *)child, on_closed);
}

int peers_libuv_spawn_open(unsigned depth) {
    children = calloc(depth, sizeof *children);
    return children == NULL ? -ENOMEM : 0;
}

int peers_libuv_spawn(unsigned i, char *const *arguments) {
    uv_stdio_container_t fds[3];
    for (int k = 0; k < 3; k++) {
        fds[k].flags = UV_INHERIT_FD;
        fds[k].data.fd = k;
    }
    uv_process_options_t options = {
        .exit_cb = on_ended,
        .file = arguments[0],
        .args = (char **)(uintptr_t)arguments,
        .stdio = fds,
        .stdio_count = 3,
    };
    return uv_spawn(peers_libuv_loop(), &children[i], &options);
}

/* --- A pipe --- */

static uv_pipe_t writer;
static uv_write_t *writes;

static void on_written(uv_write_t *write, int status) {
    if (status < 0) peers_fail(status);
    peers_written((unsigned)(write - writes));
}

int peers_libuv_pipe_open(int fd, unsigned depth) {
    writes = calloc(depth, sizeof *writes);
    if (writes == NULL) return -ENOMEM;
    int err = uv_pipe_init(peers_libuv_loop(), &writer, 0);
    return err < 0 ? err : uv_pipe_open(&writer, fd);
}

int peers_libuv_pipe_write(unsigned i, void *data, size_t size) {
    uv_buf_t buffer = uv_buf_init(data, (unsigned)size);
    return uv_write(&writes[i], (uv_stream_t *)&writer, &buffer, 1, on_written);
}

/* --- Passing: a pipe's reading end, as libuv passes handles only --- */

static uv_pipe_t from, to, passed;
static uv_write_t pass;

static void lend(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    static char data[64];
    (void)handle, (void)size;
    *buffer = uv_buf_init(data, sizeof data);
}

static void on_taken_closed(uv_handle_t *handle) {
    free(handle);
}

static void on_pass(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
    (void)buffer;
    if (size == 0) return;
    uv_pipe_t *taken = malloc(sizeof *taken);
    if (size < 0 || taken == NULL || uv_pipe_init(peers_libuv_loop(), taken, 0) < 0 ||
        uv_accept(stream, (uv_stream_t *)taken) < 0) {
        peers_fail(-EPIPE);
        return;
    }
    uv_close((uv_handle_t *)taken, on_taken_closed);
    peers_passed();
}

static void on_pass_sent(uv_write_t *write, int status) {
    (void)write;
    if (status < 0) peers_fail(status);
}

static int open_pipe(uv_pipe_t *pipe, int fd, int ipc) {
    int err = uv_pipe_init(peers_libuv_loop(), pipe, ipc);
    return err < 0 ? err : uv_pipe_open(pipe, fd);
}

int peers_libuv_pass_open(int from_fd, int to_fd, int fd) {
    int err = open_pipe(&from, from_fd, 1);
    if (err == 0) err = open_pipe(&to, to_fd, 1);
    if (err == 0) err = open_pipe(&passed, fd, 0);
    return err < 0 ? err : uv_read_start((uv_stream_t *)&to, lend, on_pass);
}

/* It is done before the byte has come: this loop sends and then reads. */
int peers_libuv_pass_send(void) {
    static char byte[1];
    uv_buf_t buffer = uv_buf_init(byte, 1);
    return uv_write2(&pass, (uv_stream_t *)&from, &buffer, 1, (uv_stream_t *)&passed, on_pass_sent);
}
