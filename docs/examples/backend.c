/* backend.c: lists the backends of this binary, or opens a loop with the one that is named and
 * shows how often each way of watching tells of the same byte.
 *
 *     backend          the list
 *     backend poll     a loop on poll
 *
 * Read beside it: docs/04-backends.md and include/eddy/io.h. */
#include <eddy.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    unsigned bit;
    const char *name;
} capabilities[] = {
    {EDDY_CAN_EDGE, "edge"},   {EDDY_CAN_ONESHOT, "one-shot"}, {EDDY_CAN_NEST, "nest"},
    {EDDY_CAN_BATCH, "batch"}, {EDDY_CAN_HANGUP, "hang-up"},
};

static void print_backend(const eddy_backend_info *info) {
    printf("%s:", info->name);
    for (size_t i = 0; i < sizeof capabilities / sizeof capabilities[0]; i++)
        if (info->capabilities & capabilities[i].bit) printf(" %s", capabilities[i].name);
    if (info->fd_max < INT_MAX - 1) printf(" (descriptors up to %d)", info->fd_max);
    printf("\n");
}

static int list_backends(void) {
    eddy_backend_info info;
    for (size_t i = 0; eddy_backend_at(i, &info) == 0; i++) print_backend(&info);
    return 0;
}

struct counter {
    eddy_io io;
    int calls;
};

/* Leaves the byte where it is, so that each way of watching shows what it makes of it. */
static void on_readable(eddy_io *io, unsigned events) {
    (void)events;
    eddy_container_of(io, struct counter, io)->calls++;
}

/* How often a watcher is told of one byte that nobody reads, in `turns` turns. */
static int count_calls(eddy_loop *loop, int fd, unsigned events, int turns) {
    struct counter counter = {.calls = 0};
    eddy_io_init(&counter.io, loop);
    int err = eddy_io_start(&counter.io, on_readable, fd, events);
    if (err < 0) return err;
    while (turns-- > 0) {
        err = eddy_loop_run(loop, EDDY_RUN_NOWAIT);
        if (err < 0) break;
    }
    eddy_io_stop(&counter.io);
    return err < 0 ? err : counter.calls;
}

static void show(const char *way, int calls) {
    char text[64];
    if (calls < 0)
        printf("  %-9s %s\n", way, eddy_strerror(calls, text, sizeof text));
    else
        printf("  %-9s told %d times in 5 turns\n", way, calls);
}

static int try_backend(const char *name) {
    eddy_loop *loop;
    int err = eddy_loop_open(&loop, &(eddy_loop_config){.backend = name});
    if (err < 0) {
        char text[64];
        fprintf(stderr, "backend: cannot open a loop on \"%s\": %s\n", name,
                eddy_strerror(err, text, sizeof text));
        return 1;
    }
    print_backend(eddy_loop_backend(loop));

    int ends[2];
    if (pipe(ends) == 0) {
        if (write(ends[1], "x", 1) == 1) {
            show("level", count_calls(loop, ends[0], EDDY_READ, 5));
            show("edge", count_calls(loop, ends[0], EDDY_READ | EDDY_EDGE, 5));
            show("one-shot", count_calls(loop, ends[0], EDDY_READ | EDDY_ONESHOT, 5));
        }
        close(ends[0]);
        close(ends[1]);
    }
    return eddy_loop_close(loop) == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    return argc > 1 ? try_backend(argv[1]) : list_backends();
}
