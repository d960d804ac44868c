/* hangup.c: works on an answer, and stops when nobody waits for it any more. While it works the
 * server does not read: whatever its client sends next waits in the kernel. But it wants to hear
 * that the client has gone, and a read that is not done cannot tell. */
#include <eddy.h>

#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    eddy_stream stream;
    eddy_work work;
    unsigned long rounds;
    atomic_bool unwanted;
};

static void compute(eddy_work *work) {
    struct request *it = eddy_container_of(work, struct request, work);
    while (!atomic_load(&it->unwanted)) it->rounds++;
}

static void on_computed(eddy_work *work, int status) {
    struct request *it = eddy_container_of(work, struct request, work);
    printf("the work has %s\n", status == 0 && it->rounds > 0 ? "stopped" : "not begun");
    eddy_stream_close(&it->stream, NULL);
}

/* With status 0 a client may only have shut down its sending, and still wait for its answer; this
 * server's clients keep both open. */
static void on_hangup(eddy_stream *stream, int status) {
    struct request *it = eddy_container_of(stream, struct request, stream);
    printf("the client is gone%s\n", status < 0 ? ", with a reset" : "");
    atomic_store(&it->unwanted, true);
    eddy_work_cancel(&it->work); /* if it has not begun */
}

static void on_request(eddy_stream *stream, void *data, ssize_t size) {
    struct request *it = eddy_container_of(stream, struct request, stream);
    eddy_stream_read_stop(stream);
    int err = size > 0 ? 0 : -1;
    if (err == 0)
        err = eddy_work_submit(eddy_handle_loop(&stream->io.handle), &it->work, EDDY_LANE_CPU,
                               compute, on_computed);
    if (err < 0) {
        eddy_stream_close(stream, NULL);
        return;
    }
    printf("asked for \"%.*s\"\n", (int)size, (const char *)data);
    /* select cannot tell: there this work, which has no end of its own, is not even begun. */
    if (eddy_stream_hangup_start(stream, on_hangup) < 0) atomic_store(&it->unwanted, true);
}

/* The client loses patience. */
static int client;

static void on_impatience(eddy_timer *timer) {
    (void)timer;
    close(client);
}

int main(void) {
    static struct request request;
    eddy_timer impatience;
    eddy_loop *loop;
    int ends[2];
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return 1;
    client = ends[1];
    eddy_stream_init(&request.stream, loop);
    eddy_timer_init(&impatience, loop);
    if (eddy_stream_attach(&request.stream, ends[0]) < 0) return 1;
    if (eddy_stream_read_start(&request.stream, on_request) < 0) return 1;
    if (eddy_timer_start(&impatience, on_impatience, 50 * EDDY_NS_PER_MS, 0) < 0) return 1;
    if (write(client, "all of it", 9) != 9) return 1;
    eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return eddy_loop_close(loop) < 0;
}
