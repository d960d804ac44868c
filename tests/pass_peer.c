/* pass_peer.c: gives back what comes over a local socket, bytes and descriptors, for
 * pass_others.py: `pass_peer FD BACKEND`. It says so when descriptors were lost. */
#include <eddy.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct echo {
    eddy_pass pass;
    eddy_write plain;
    char data[];
};

static void on_passed(eddy_write *write, int status) {
    if (status < 0) fprintf(stderr, "to pass gives %d\n", status);
    free(eddy_container_of(write, struct echo, pass.write));
}

static void on_written(eddy_write *write, int status) {
    if (status < 0) fprintf(stderr, "to write gives %d\n", status);
    free(eddy_container_of(write, struct echo, plain));
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    int fds[EDDY_PASS_MAX], fd, err;
    unsigned count = 0;
    while (count < EDDY_PASS_MAX && (fd = eddy_pass_take(stream)) >= 0) fds[count++] = fd;
    if (eddy_pass_take(stream) == -EMFILE) fprintf(stderr, "lost some\n");
    if (size <= 0) {
        eddy_stream_close(stream, NULL);
        return;
    }
    struct echo *it = malloc(sizeof *it + (size_t)size);
    if (it == NULL) abort();
    memcpy(it->data, data, (size_t)size);
    if (count > 0)
        err = eddy_pass_write(stream, &it->pass, it->data, (size_t)size, fds, count, on_passed);
    else
        err = eddy_stream_write(stream, &it->plain, it->data, (size_t)size, on_written);
    if (err < 0) fprintf(stderr, "a write gives %d\n", err);
    if (err < 0) free(it);
    while (count > 0) close(fds[--count]);
}

int main(int argc, char **argv) {
    eddy_loop *loop;
    eddy_stream stream;
    if (argc != 3) return fprintf(stderr, "usage: pass_peer FD BACKEND\n"), 2;
    int err = eddy_loop_open(&loop, &(eddy_loop_config){.backend = argv[2]});
    if (err < 0) return err == -EPERM || err == -ENOSYS ? 77 : 1; /* the system refuses it */
    eddy_stream_init(&stream, loop);
    err = eddy_stream_attach(&stream, atoi(argv[1]));
    if (err == 0) err = eddy_pass_receive(&stream, true);
    if (err == 0) err = eddy_stream_read_start(&stream, on_read);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return err < 0 || eddy_loop_close(loop) < 0;
}
