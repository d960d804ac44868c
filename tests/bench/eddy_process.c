/* eddy_process.c: eddy's children, pipes, and passing of descriptors. */
#include "peer_eddy.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* --- Children --- */

static eddy_child *children;

static void on_exit_of(eddy_child *child, const eddy_exit *exit) {
    bool is_known = exit->error == 0 && exit->signal == 0;
    peers_exited((unsigned)(child - children), is_known ? exit->status : -1);
}

int peers_eddy_spawn_open(unsigned depth) {
    children = malloc(depth * sizeof *children);
    for (unsigned i = 0; i < depth && children != NULL; i++)
        eddy_child_init(&children[i], peers_eddy_loop());
    return children == NULL ? -ENOMEM : 0;
}

int peers_eddy_spawn(unsigned i, char *const *arguments) {
    eddy_child_options options = {.arguments = arguments};
    return eddy_child_spawn(&children[i], &options, on_exit_of);
}

/* --- A pipe --- */

static eddy_stream writer;
static eddy_write *writes;

static void on_written(eddy_write *write, int status) {
    if (status < 0) peers_fail(status);
    peers_written((unsigned)(write - writes));
}

int peers_eddy_pipe_open(int fd, unsigned depth) {
    writes = malloc(depth * sizeof *writes);
    if (writes == NULL) return -ENOMEM;
    eddy_stream_init(&writer, peers_eddy_loop());
    return eddy_stream_attach(&writer, fd);
}

int peers_eddy_pipe_write(unsigned i, void *data, size_t size) {
    return eddy_stream_write(&writer, &writes[i], data, size, on_written);
}

/* --- Passing --- */

static eddy_stream from, to;
static eddy_pass pass;
static int passed;

static void on_byte(eddy_stream *stream, void *data, ssize_t size) {
    (void)data;
    int fd = size == 1 ? eddy_pass_take(stream) : -1;
    if (fd < 0 || close(fd) < 0) peers_fail(-EPIPE);
    peers_passed();
}

static void on_pass_sent(eddy_write *write, int status) {
    (void)write;
    if (status < 0) peers_fail(status);
}

int peers_eddy_pass_open(int from_fd, int to_fd, int fd) {
    passed = fd;
    eddy_stream_init(&from, peers_eddy_loop());
    eddy_stream_init(&to, peers_eddy_loop());
    int err = eddy_stream_attach(&from, from_fd);
    if (err == 0) err = eddy_stream_attach(&to, to_fd);
    if (err == 0) err = eddy_pass_receive(&to, true);
    return err < 0 ? err : eddy_stream_read_start(&to, on_byte);
}

/* It is done before the byte has come: phase 7 of the turn before. */
int peers_eddy_pass_send(void) {
    return eddy_pass_write(&from, &pass, "", 1, &passed, 1, on_pass_sent);
}
