/* copy.c: copies a file through the pool: `copy FROM TO`. The loop never waits for the disk: each
 * request hands over to the callback that starts the next one. */
#include <eddy.h>

#include <fcntl.h>
#include <stdio.h>

struct copy {
    eddy_file request; /* one at a time, so one is enough */
    const char *to;
    int in, out;
    int64_t offset, error;
    char buffer[64 * 1024];
};

static void read_next(struct copy *copy);

/* Nothing is started after a failure, so the loop ends by itself. */
static bool failed(struct copy *copy, int64_t result) {
    if (result < 0) copy->error = result;
    return result < 0;
}

static void on_written(eddy_file *request) {
    struct copy *copy = eddy_container_of(request, struct copy, request);
    if (failed(copy, request->result)) return;
    copy->offset += request->result; /* all of it, or what found room: then the next write fails */
    read_next(copy);
}

static void on_read(eddy_file *request) {
    struct copy *copy = eddy_container_of(request, struct copy, request);
    if (failed(copy, request->result)) return;
    if (request->result == 0) return; /* the end of the file: nothing is left to do */
    int err = eddy_file_write(eddy_file_loop(request), request, copy->out, copy->buffer,
                              (size_t)request->result, copy->offset, on_written);
    (void)failed(copy, err);
}

static void read_next(struct copy *copy) {
    eddy_loop *loop = eddy_file_loop(&copy->request);
    int err = eddy_file_read(loop, &copy->request, copy->in, copy->buffer, sizeof copy->buffer,
                             copy->offset, on_read);
    (void)failed(copy, err);
}

static void on_output(eddy_file *request) {
    struct copy *copy = eddy_container_of(request, struct copy, request);
    if (failed(copy, request->result)) return;
    copy->out = (int)request->result;
    read_next(copy);
}

static void on_input(eddy_file *request) {
    struct copy *copy = eddy_container_of(request, struct copy, request);
    if (failed(copy, request->result)) return;
    copy->in = (int)request->result;
    int err = eddy_file_open(eddy_file_loop(request), request, EDDY_CWD, copy->to,
                             O_WRONLY | O_CREAT | O_TRUNC, 0666, 0, on_output);
    (void)failed(copy, err);
}

int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "usage: copy FROM TO\n"), 2;
    static struct copy copy = {.in = -1, .out = -1};
    copy.to = argv[2];
    eddy_loop *loop;
    int err = eddy_loop_open(&loop, NULL);
    if (err == 0)
        err = eddy_file_open(loop, &copy.request, EDDY_CWD, argv[1], O_RDONLY, 0, 0, on_input);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    if (err == 0) err = (int)copy.error;
    char text[100];
    if (err < 0) return fprintf(stderr, "copy: %s\n", eddy_strerror(err, text, sizeof text)), 1;
    printf("%lld bytes copied\n", (long long)copy.offset);
    return eddy_loop_close(loop) < 0; /* the descriptors go with the program */
}
