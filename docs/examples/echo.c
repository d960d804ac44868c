/* echo.c: sends back what it gets, over TCP. `echo [PORT]` serves on the loopback address until it
 * is stopped; `echo --test` is its own client for one message.
 *
 * A client that sends and never reads would fill the memory. So each connection stops reading when
 * its stream is full, and goes on when the stream has drained: then the client's own kernel holds
 * what it still wants to send. */
#include <eddy.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "number.h"

struct connection {
    eddy_stream stream;
    eddy_write shutdown;
};

struct message {
    eddy_write write;
    char data[];
};

static void on_read(eddy_stream *stream, void *data, ssize_t size);

static void on_closed(eddy_stream *stream) {
    free(eddy_container_of(stream, struct connection, stream));
}

static void on_shut(eddy_write *write, int status) {
    (void)status;
    eddy_stream_close(write->stream, on_closed);
}

static void on_written(eddy_write *write, int status) {
    eddy_stream *stream = write->stream;
    free(eddy_container_of(write, struct message, write));
    if (status < 0) eddy_stream_close(stream, on_closed); /* harmless if it is closing already */
}

static void on_drained(eddy_stream *stream) {
    if (eddy_stream_read_start(stream, on_read) < 0) eddy_stream_close(stream, on_closed);
}

static int echo(eddy_stream *stream, const void *data, size_t size) {
    struct message *message = malloc(sizeof *message + size);
    if (message == NULL) return -ENOMEM;
    memcpy(message->data, data, size);
    int err = eddy_stream_write(stream, &message->write, message->data, size, on_written);
    if (err < 0) free(message);
    return err;
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct connection *it = eddy_container_of(stream, struct connection, stream);
    int err = (int)size; /* of an error; the end and data are put right below */
    if (size > 0) err = echo(stream, data, (size_t)size);
    if (size == 0) err = eddy_stream_shutdown(stream, &it->shutdown, on_shut);
    if (err < 0) {
        eddy_stream_close(stream, on_closed);
    } else if (eddy_stream_is_full(stream)) {
        eddy_stream_read_stop(stream);
    }
}

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)peer;
    struct connection *it = fd >= 0 ? malloc(sizeof *it) : NULL;
    if (it == NULL) {
        if (fd >= 0) close(fd);
        return;
    }
    eddy_stream_init(&it->stream, eddy_handle_loop(&listener->io.handle));
    eddy_stream_set_marks(&it->stream, 16 << 10, 64 << 10, on_drained);
    if (eddy_stream_attach(&it->stream, fd) < 0) {
        close(fd);
        free(it);
    } else {
        on_drained(&it->stream);
    }
}

/* --- The client of the test --- */

static const char hello[] = "round and round";
static eddy_listener listener;
static eddy_write client_write;
static int result = EXIT_FAILURE;

static void client_read(eddy_stream *stream, void *data, ssize_t size) {
    if (data != NULL && size == sizeof hello && memcmp(data, hello, sizeof hello) == 0)
        result = EXIT_SUCCESS;
    eddy_stream_close(stream, NULL);
    eddy_listener_close(&listener, NULL);
}

static void client_written(eddy_write *write, int status) {
    (void)write, (void)status;
}

static void client_connected(eddy_stream *stream, int status) {
    if (status == 0) status = eddy_stream_read_start(stream, client_read);
    if (status == 0)
        status = eddy_stream_write(stream, &client_write, hello, sizeof hello, client_written);
    if (status < 0 || eddy_stream_set_read_deadline(stream, 5 * EDDY_NS_PER_S) < 0)
        client_read(stream, NULL, status);
}

static int fail(const char *what, int error) {
    char text[80];
    fprintf(stderr, "echo: %s: %s\n", what, eddy_strerror(error, text, sizeof text));
    return EXIT_FAILURE;
}

int main(int argc, char **argv) {
    bool test = argc > 1 && strcmp(argv[1], "--test") == 0;
    long port = 0;
    if (argc > 2 || (argc == 2 && !test && !number_parse(argv[1], 0, 65535, &port))) {
        fprintf(stderr, "usage: echo [PORT | --test]\n");
        return 2;
    }
    struct sockaddr_storage storage;
    struct sockaddr *address = (struct sockaddr *)&storage;
    int length = eddy_address_parse(&storage, "127.0.0.1", (unsigned)port);
    if (length < 0) return fail("port", length);

    eddy_loop *loop;
    int err = eddy_loop_open(&loop, NULL);
    if (err < 0) return fail("loop", err);
    eddy_listener_init(&listener, loop);
    err = eddy_tcp_listen(&listener, address, (socklen_t)length, 0, 0, on_accept);
    if (err < 0) return fail("listen", err);

    char text[64];
    socklen_t room = sizeof storage;
    eddy_listener_address(&listener, address, &room);
    eddy_address_format(address, text, sizeof text);
    printf("echo: listening on %s\n", text);
    fflush(stdout);

    eddy_stream client;
    eddy_stream_init(&client, loop);
    if (test) err = eddy_tcp_connect(&client, address, room, 0, client_connected);
    if (err < 0) return fail("connect", err);
    err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    if (err < 0) return fail("run", err);
    eddy_loop_close(loop);
    return test ? result : EXIT_SUCCESS;
}
