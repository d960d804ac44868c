/* models_loop.c: the models with an event loop. The loop waits for all clients at once: what has to
 * be waited for beside them is a timer, since it takes nobody's time. What has to be computed is
 * computed on the loop, while all others wait, or given to a pool of threads.
 * Threading: the loop's, but for `compute`, which runs on the pool. */
#include "models.h"
#include "network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
    struct models_job *job;
    eddy_loop *loop;
    eddy_listener listener;
    bool has_pool;
};

/* One request at a time is under way: a client that sends another one meanwhile has gone wrong. */
struct connection {
    eddy_stream stream;
    struct server *server;
    union { /* one after the other */
        eddy_timer timer;
        eddy_work work;
        eddy_write write;
    };
    models_wait wait_us; /* of the request under way */
    unsigned got;        /* bytes of it */
    enum { IDLE, WAITING, COMPUTING, WRITING } state;
    bool is_over;
};

static const char answer[MODELS_MESSAGE_BYTES] = "an answer";

static void on_closed(eddy_stream *stream) {
    free(eddy_container_of(stream, struct connection, stream));
}

/* A job of the pool comes back first: it holds on to the connection. */
static void finish(struct connection *it) {
    it->is_over = true;
    if (it->state == COMPUTING) return;
    if (it->state == WAITING) eddy_timer_stop(&it->timer);
    it->state = IDLE;
    eddy_stream_close(&it->stream, on_closed);
}

static void on_written(eddy_write *write, int status) {
    struct connection *it = eddy_container_of(write, struct connection, write);
    if (it->is_over) return; /* is closing */
    it->state = IDLE;
    if (status < 0) finish(it);
}

static void send_answer(struct connection *it) {
    it->state = WRITING;
    if (eddy_stream_write(&it->stream, &it->write, answer, sizeof answer, on_written) < 0) {
        it->state = IDLE;
        finish(it);
    }
}

static void compute(eddy_work *work) {
    struct connection *it = eddy_container_of(work, struct connection, work);
    models_burn(it->server->job->settings.burn_steps);
}

static void on_computed(eddy_work *work, int status) {
    struct connection *it = eddy_container_of(work, struct connection, work);
    it->state = IDLE;
    if (status < 0 || it->is_over)
        finish(it);
    else
        send_answer(it);
}

static void begin_to_compute(struct connection *it) {
    struct server *server = it->server;
    if (!server->has_pool) {
        models_burn(server->job->settings.burn_steps);
        send_answer(it);
        return;
    }
    int err = eddy_work_submit(server->loop, &it->work, EDDY_LANE_CPU, compute, on_computed);
    if (err < 0) models_fail(server->job, "the pool", err);
    it->state = COMPUTING;
}

static void on_time(eddy_timer *timer) {
    struct connection *it = eddy_container_of(timer, struct connection, timer);
    it->state = IDLE;
    begin_to_compute(it);
}

static void begin_to_wait(struct connection *it) {
    eddy_timer_init(&it->timer, it->server->loop);
    /* Others have computed since the loop has read its clock: none may wait less for that. */
    eddy_loop_update_now(it->server->loop);
    int err = eddy_timer_start(&it->timer, on_time, it->wait_us * EDDY_NS_PER_US, 0);
    if (err < 0) models_fail(it->server->job, "a timer", err);
    it->state = WAITING;
}

static void take_request(struct connection *it) {
    it->got = 0;
    if (it->wait_us > 0)
        begin_to_wait(it);
    else
        begin_to_compute(it);
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct connection *it = eddy_container_of(stream, struct connection, stream);
    if (size <= 0 || it->state != IDLE || it->got + (size_t)size > MODELS_MESSAGE_BYTES) {
        finish(it);
        return;
    }
    if (it->got < sizeof it->wait_us) {
        size_t room = sizeof it->wait_us - it->got;
        memcpy((char *)&it->wait_us + it->got, data, (size_t)size < room ? (size_t)size : room);
    }
    it->got += (unsigned)size;
    if (it->got == MODELS_MESSAGE_BYTES) take_request(it);
}

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    struct server *server = eddy_container_of(listener, struct server, listener);
    (void)peer;
    if (fd < 0) models_fail(server->job, "accept", fd);
    struct connection *it = models_memory(server->job, sizeof *it);
    it->server = server;
    eddy_stream_init(&it->stream, server->loop);
    int err = eddy_stream_attach(&it->stream, fd);
    if (err == 0) err = eddy_stream_read_start(&it->stream, on_read);
    if (err < 0) models_fail(server->job, "a stream", err);
}

static int start_to_listen(struct server *server) {
    struct sockaddr_in address = bench_network_address();
    socklen_t length = sizeof address;
    eddy_listener_init(&server->listener, server->loop);
    int err = eddy_tcp_listen(&server->listener, (struct sockaddr *)&address, length,
                              MODELS_BACKLOG, 0, on_accept);
    if (err == 0)
        err = eddy_listener_address(&server->listener, (struct sockaddr *)&address, &length);
    return err < 0 ? err : ntohs(address.sin_port);
}

/* The lane for computation leaves one thread to others: so one more than there are processors. */
static unsigned count_threads(void) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < 1 ? 2 : processors > 256 ? 257 : (unsigned)processors + 1;
}

static void serve(struct models_job *job, bool has_pool) {
    struct server server = {.job = job, .has_pool = has_pool};
    eddy_loop_config config = {.pool_threads = count_threads()};
    int err = eddy_loop_open(&server.loop, &config);
    if (err < 0) models_fail(job, "the loop", err);
    int port = start_to_listen(&server);
    if (port < 0) models_fail(job, "listen", port);
    models_ready(job, (unsigned)port);
    err = eddy_loop_run(server.loop, EDDY_RUN_DEFAULT);
    models_fail(job, "the loop", err);
}

void models_serve_loop(struct models_job *job) {
    serve(job, false);
}

void models_serve_loop_pool(struct models_job *job) {
    serve(job, true);
}
