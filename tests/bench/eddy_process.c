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
