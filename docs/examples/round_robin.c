/* round_robin.c: how connections come to several loops. Four loops, a thread each, get a hundred
 * connections in two ways:
 *
 *   dealt out   one loop accepts, and posts each descriptor to the next loop in turn
 *   REUSEPORT   each loop listens on the port with a socket of its own, and the kernel picks one by
 *               a hash of the addresses
 *
 * The first is even, and costs a post; the second needs nobody in the middle, and is even on
 * average. Read beside it: docs/07-streams.md. */
#include <eddy.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOOPS = 4, CLIENTS = 100 };

struct worker {
    eddy_loop *loop;
    pthread_t thread;
    eddy_wake stays; /* as long as it is started the loop is alive; a send ends it */
    eddy_listener listener;
    int served, errors;
};

static struct worker workers[LOOPS];

/* --- What each loop does with a connection: a byte, and the end --- */

struct connection {
    eddy_post post;
    eddy_stream stream;
    eddy_write write;
    struct worker *worker;
    int fd;
};

static void on_closed(eddy_stream *stream) {
    free(eddy_container_of(stream, struct connection, stream));
}

static void on_answered(eddy_write *write, int status) {
    struct connection *it = eddy_container_of(write, struct connection, write);
    it->worker->errors += status < 0;
    eddy_stream_close(&it->stream, on_closed);
}

/* In the loop that it belongs to from now on. */
static void serve(struct connection *it) {
    it->worker->served++;
    eddy_stream_init(&it->stream, it->worker->loop);
    if (eddy_stream_attach(&it->stream, it->fd) < 0) {
        it->worker->errors++;
        close(it->fd);
        free(it);
    } else if (eddy_stream_write(&it->stream, &it->write, "!", 1, on_answered) < 0) {
        eddy_stream_close(&it->stream, on_closed);
    }
}

static struct connection *connection_new(struct worker *worker, int fd) {
    struct connection *it = fd >= 0 ? malloc(sizeof *it) : NULL;
    if (it != NULL) {
        it->worker = worker;
        it->fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    return it;
}

/* --- Dealt out --- */

static void on_dealt(eddy_post *post) {
    serve(eddy_container_of(post, struct connection, post));
}

static void on_accept_and_deal(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    static int next;
    (void)listener, (void)peer;
    struct worker *worker = &workers[next];
    struct connection *it = connection_new(worker, fd);
    if (it == NULL) return;
    next = (next + 1) % LOOPS;
    eddy_loop_post(worker->loop, &it->post, on_dealt); /* to itself as well: all are alike */
}

/* --- REUSEPORT --- */

static void on_accept_own(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)peer;
    struct worker *worker = eddy_container_of(listener, struct worker, listener);
    struct connection *it = connection_new(worker, fd);
    if (it != NULL) serve(it);
}

/* --- The loops, and their clients --- */

static void on_end(eddy_wake *wake) {
    struct worker *worker = eddy_container_of(wake, struct worker, stays);
    eddy_wake_stop(wake);
    if (eddy_listener_fd(&worker->listener) >= 0) eddy_listener_close(&worker->listener, NULL);
}

static void *worker_run(void *argument) {
    struct worker *it = argument;
    it->errors += eddy_loop_run(it->loop, EDDY_RUN_DEFAULT) != 0;
    return NULL;
}

static int worker_open(struct worker *it) {
    it->served = it->errors = 0;
    int err = eddy_loop_open(&it->loop, NULL);
    if (err < 0) return err;
    eddy_listener_init(&it->listener, it->loop);
    eddy_wake_init(&it->stays, it->loop);
    return eddy_wake_start(&it->stays, on_end);
}

/* One client after the other, as they would come from outside; it knows nothing of loops. */
static int ask(const struct sockaddr *address, socklen_t length) {
    char byte;
    int fd = socket(address->sa_family, SOCK_STREAM, 0);
    bool is_served = fd >= 0 && connect(fd, address, length) == 0 && read(fd, &byte, 1) == 1;
    if (fd >= 0) close(fd);
    return is_served ? 0 : -EIO;
}

/* The first loop's listener takes a port, and those of the others, if they have one, the same. */
static int listen_all(int count, unsigned options, eddy_accept_fn *fn,
                      struct sockaddr_storage *storage, socklen_t *length) {
    struct sockaddr *address = (struct sockaddr *)storage;
    int err = eddy_address_parse(storage, "127.0.0.1", 0);
    *length = (socklen_t)err;
    for (int i = 0; err >= 0 && i < count; i++) {
        err = eddy_tcp_listen(&workers[i].listener, address, *length, 0, options, fn);
        socklen_t room = sizeof *storage;
        if (err == 0) err = eddy_listener_address(&workers[i].listener, address, &room);
    }
    return err < 0 ? err : 0;
}

static int count_served(const char *name) {
    int errors = 0;
    printf("%-10s", name);
    for (int i = 0; i < LOOPS; i++) {
        printf("%5d", workers[i].served);
        errors += workers[i].errors;
    }
    puts("");
    return errors > 0 ? -EIO : 0;
}

static int measure(const char *name, int listeners, unsigned options, eddy_accept_fn *fn) {
    struct sockaddr_storage address;
    socklen_t length;
    int err = 0, started = 0;
    for (int i = 0; err == 0 && i < LOOPS; i++) err = worker_open(&workers[i]);
    if (err == 0) err = listen_all(listeners, options, fn, &address, &length);
    while (err == 0 && started < LOOPS) {
        err = -pthread_create(&workers[started].thread, NULL, worker_run, &workers[started]);
        if (err == 0) started++;
    }
    for (int i = 0; err == 0 && i < CLIENTS; i++) err = ask((struct sockaddr *)&address, length);
    for (int i = 0; i < started; i++) eddy_wake_send(&workers[i].stays);
    for (int i = 0; i < started; i++) pthread_join(workers[i].thread, NULL);
    if (err == 0) err = count_served(name);
    for (int i = 0; err == 0 && i < LOOPS; i++) err = eddy_loop_close(workers[i].loop);
    return err;
}

int main(void) {
    char text[80];
    printf("%d connections to %d loops\n", CLIENTS, LOOPS);
    int err = measure("dealt out", 1, 0, on_accept_and_deal);
    if (err == 0) err = measure("REUSEPORT", LOOPS, EDDY_REUSEPORT, on_accept_own);
    if (err == -ENOTSUP) puts("REUSEPORT is not to be had on this system");
    if (err < 0 && err != -ENOTSUP)
        fprintf(stderr, "round_robin: %s\n", eddy_strerror(err, text, sizeof text));
    return err < 0 && err != -ENOTSUP;
}
