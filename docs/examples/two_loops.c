/* two_loops.c: two loops on two threads, which share nothing but what they post to each other. The
 * first reads a request from a connection, and hands the connection over, request and all; the
 * second answers it, and posts back that it has done so. No lock: each struct has one owner at a
 * time. Read beside it: docs/03-handles.md, "Threads". */
#include <eddy.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 3 };

/* A connection on its way: the descriptor, and what was read from it already. */
struct connection {
    eddy_post post; /* brings it to the other loop, and the news of its end back */
    eddy_stream stream;
    eddy_write write;
    int number, fd, error;
    char request[64], answer[96];
};

static eddy_loop *first, *second;
static eddy_wake first_stays, second_stays; /* posts alone keep no loop alive before they come */
static pthread_t first_thread;
static int left = CONNECTIONS, errors;

/* Whose thread this is. */
static const char *where(void) {
    return pthread_equal(pthread_self(), first_thread) ? "first: " : "second:";
}

/* --- In the first loop again --- */

static void on_reported(eddy_post *post) {
    struct connection *it = eddy_container_of(post, struct connection, post);
    errors += it->error < 0;
    printf("%s connection %d is done\n", where(), it->number);
    if (--left > 0) return;
    eddy_wake_stop(&first_stays);
    eddy_wake_send(&second_stays);
}

/* --- In the second loop --- */

static void on_closed(eddy_stream *stream) {
    struct connection *it = eddy_container_of(stream, struct connection, stream);
    eddy_loop_post(first, &it->post, on_reported); /* from here on it is not ours */
}

static void on_answered(eddy_write *write, int status) {
    struct connection *it = eddy_container_of(write, struct connection, write);
    if (status < 0) it->error = status;
    eddy_stream_close(&it->stream, on_closed);
}

static void on_handed_over(eddy_post *post) {
    struct connection *it = eddy_container_of(post, struct connection, post);
    printf("%s connection %d asks \"%s\"\n", where(), it->number, it->request);
    eddy_stream_init(&it->stream, second);
    it->error = eddy_stream_attach(&it->stream, it->fd);
    if (it->error < 0) {
        close(it->fd);
        eddy_loop_post(first, &it->post, on_reported);
        return;
    }
    int length = snprintf(it->answer, sizeof it->answer, "you said %s", it->request);
    it->error = eddy_stream_write(&it->stream, &it->write, it->answer, (size_t)length, on_answered);
    if (it->error < 0) eddy_stream_close(&it->stream, on_closed);
}

static void on_end(eddy_wake *wake) {
    eddy_wake_stop(wake); /* with nothing left to wait for, the loop ends */
}

static void *second_run(void *result) {
    *(int *)result = eddy_loop_run(second, EDDY_RUN_DEFAULT);
    return NULL;
}

/* --- In the first loop --- */

/* After a detach the stream has to be closed all the same, before its memory is used again. */
static void on_detached(eddy_stream *stream) {
    struct connection *it = eddy_container_of(stream, struct connection, stream);
    printf("%s connection %d goes to the second loop\n", where(), it->number);
    eddy_loop_post(second, &it->post, on_handed_over); /* from here on it is not ours */
}

static void on_request(eddy_stream *stream, void *data, ssize_t size) {
    struct connection *it = eddy_container_of(stream, struct connection, stream);
    if (size <= 0) {
        it->error = -EIO;
        eddy_stream_close(stream, on_closed);
        return;
    }
    snprintf(it->request, sizeof it->request, "%.*s", (int)size, (const char *)data);
    it->fd = eddy_stream_detach(stream); /* reading has stopped; the socket is ours */
    eddy_stream_close(stream, on_detached);
}

/* `*client` is the other end, which has asked already. */
static int connection_open(struct connection *it, int *client) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return -errno;
    *client = ends[1];
    eddy_stream_init(&it->stream, first);
    int err = eddy_stream_attach(&it->stream, ends[0]);
    if (err == 0) err = eddy_stream_read_start(&it->stream, on_request);
    if (err == 0 && write(*client, "hello", 5) != 5) err = -EIO;
    return err;
}

static int open_all(void) {
    if (eddy_loop_open(&first, NULL) < 0 || eddy_loop_open(&second, NULL) < 0) return -1;
    eddy_wake_init(&first_stays, first);
    eddy_wake_init(&second_stays, second);
    if (eddy_wake_start(&first_stays, on_end) < 0) return -1;
    return eddy_wake_start(&second_stays, on_end);
}

int main(void) {
    static struct connection connections[CONNECTIONS];
    int clients[CONNECTIONS], second_result = -1;
    pthread_t thread;
    first_thread = pthread_self();
    if (open_all() < 0) return 1;
    for (int i = 0; i < CONNECTIONS; i++) {
        connections[i].number = i + 1;
        if (connection_open(&connections[i], &clients[i]) < 0) return 1;
    }
    if (pthread_create(&thread, NULL, second_run, &second_result) != 0) return 1;
    int result = eddy_loop_run(first, EDDY_RUN_DEFAULT);
    pthread_join(thread, NULL);
    for (int i = 0; i < CONNECTIONS; i++) {
        char answer[96];
        ssize_t size = read(clients[i], answer, sizeof answer);
        if (size > 0) printf("client: %.*s\n", (int)size, answer);
        close(clients[i]);
    }
    if (result != 0 || second_result != 0 || errors > 0) return 1;
    return eddy_loop_close(second) < 0 || eddy_loop_close(first) < 0;
}
