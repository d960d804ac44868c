/* pipeline.c: three children in a row with a stream at each end, as a shell has them in a pipeline:
 * `pipeline [MEGABYTES]` (8 without).
 *
 *     this program --stream--> tr a-z A-Z --pipe--> cat --pipe--> tr A-Z a-z --stream--> this
 * program
 *
 * What is written comes back; two buffers are on their way at a time, however much it is, since the
 * next write waits for the one before it, and that for the slowest of the three. */
#include <eddy.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "number.h"

enum { BUFFER_BYTES = 64 * 1024, BUFFERS = 2, CHILDREN = 3 };

struct buffer {
    eddy_write write;
    char bytes[BUFFER_BYTES];
};

static eddy_loop *loop;
static eddy_stream to, from;
static struct buffer buffers[BUFFERS];
static eddy_write end;
static eddy_child children[CHILDREN];
static long long left, received;
static unsigned writing, running, failed;

static void check(int err, const char *what) {
    char text[64];
    if (err >= 0) return;
    fprintf(stderr, "pipeline: %s: %s\n", what, eddy_strerror(err, text, sizeof text));
    exit(1);
}

/* --- Writing --- */

static void on_end_written(eddy_write *write, int status) {
    eddy_stream_close(write->stream, NULL);
    check(status, "the end");
}

static void on_written(eddy_write *write, int status) {
    check(status, "write"); /* -EPIPE: the first child does not read any more */
    if (left == 0) {
        if (--writing == 0) check(eddy_stream_shutdown(&to, &end, on_end_written), "shutdown");
        return;
    }
    struct buffer *buffer = eddy_container_of(write, struct buffer, write);
    size_t size = left < BUFFER_BYTES ? (size_t)left : BUFFER_BYTES;
    left -= (long long)size;
    check(eddy_stream_write(&to, write, buffer->bytes, size, on_written), "write");
}

static void begin_writing(void) {
    for (int i = 0; i < BUFFERS && left > 0; i++) {
        for (int byte = 0; byte < BUFFER_BYTES; byte++)
            buffers[i].bytes[byte] = byte % 64 == 63 ? '\n' : (char)('a' + byte % 26);
        writing++;
        on_written(&buffers[i].write, 0);
    }
}

/* --- Reading --- */

/* Whatever the exits say: the output is at its end when its stream says so. */
static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    check((int)(size < 0 ? size : 0), "read");
    const char *bytes = data;
    for (ssize_t i = 0; i < size; i++) failed += bytes[i] >= 'A' && bytes[i] <= 'Z';
    received += size;
    if (size == 0) eddy_stream_close(stream, NULL);
}

/* --- The children --- */

static void on_exit_of(eddy_child *child, const eddy_exit *exit) {
    int number = (int)(child - children) + 1;
    running--;
    if (exit->error < 0 || exit->signal != 0 || exit->status != 0) {
        printf("child %d: error %d, status %d, signal %d\n", number, exit->error, exit->status,
               exit->signal);
        failed++;
    }
}

static void start(int number, char *const *arguments, eddy_child_fd in, eddy_child_fd out) {
    eddy_child_fd fds[] = {in, out};
    fds[0].number = STDIN_FILENO;
    fds[1].number = STDOUT_FILENO; /* 2 is ours, as it is not named */
    eddy_child_options options = {.arguments = arguments, .fds = fds, .fd_count = 2};
    eddy_child_init(&children[number], loop);
    check(eddy_child_spawn(&children[number], &options, on_exit_of), arguments[0]);
    running++;
}

/* Close-on-exec: each child gets its own end, and no other, so that ends are seen. */
static void make_pipe(int ends[2]) {
    if (pipe(ends) < 0 || fcntl(ends[0], F_SETFD, FD_CLOEXEC) < 0 ||
        fcntl(ends[1], F_SETFD, FD_CLOEXEC) < 0)
        check(-errno, "pipe");
}

static void start_all(void) {
    char tr[] = "tr", cat[] = "cat", small[] = "a-z", large[] = "A-Z";
    char *first[] = {tr, small, large, NULL}, *second[] = {cat, NULL},
         *third[] = {tr, large, small, NULL};
    int one[2], two[2];
    make_pipe(one);
    make_pipe(two);
    start(0, first, (eddy_child_fd){.source = EDDY_CHILD_READS, .stream = &to},
          (eddy_child_fd){.source = EDDY_CHILD_FD, .fd = one[1]});
    start(1, second, (eddy_child_fd){.source = EDDY_CHILD_FD, .fd = one[0]},
          (eddy_child_fd){.source = EDDY_CHILD_FD, .fd = two[1]});
    start(2, third, (eddy_child_fd){.source = EDDY_CHILD_FD, .fd = two[0]},
          (eddy_child_fd){.source = EDDY_CHILD_WRITES, .stream = &from});
    for (int i = 0; i < 2; i++) { /* they are the children's now */
        close(one[i]);
        close(two[i]);
    }
}

int main(int count, char **arguments) {
    long megabytes = 8;
    if (count > 2 || (count == 2 && !number_parse(arguments[1], 1, 1000000, &megabytes))) {
        fprintf(stderr, "usage: pipeline [MEGABYTES]\n");
        return 2;
    }
    const long long all = megabytes * 1000000LL;
    left = all;
    check(eddy_loop_open(&loop, NULL), "loop");
    eddy_stream_init(&to, loop);
    eddy_stream_init(&from, loop);
    start_all();
    check(eddy_stream_read_start(&from, on_read), "read");
    begin_writing();
    check(eddy_loop_run(loop, EDDY_RUN_DEFAULT), "run");
    printf("%lld of %lld bytes came back\n", received, all);
    check(eddy_loop_close(loop), "close");
    return received == all && failed == 0 && running == 0 ? 0 : 1;
}
