/* send_file.c: sends a file to whoever connects: `send_file FILE [PORT]`, on the loopback address;
 * `send_file FILE --test` is its own client, once.
 *
 * The kernel passes the file's pages on, as many as the socket takes. When it takes no more, the
 * next few bytes are read and written instead: their write ends when there is room again. */
#include <eddy.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "number.h"

enum { PIECE_BYTES = 256 * 1024 }; /* so that one client does not keep the loop to itself */

struct client {
    eddy_stream stream;
    eddy_file request; /* while it sends, the stream must not be closed */
    eddy_write write;
    int64_t offset;
    char bytes[4096];
};

static int file;
static eddy_listener listener;

static void on_closed(eddy_stream *stream) {
    free(eddy_container_of(stream, struct client, stream));
}

static void leave(struct client *it) {
    eddy_stream_close(&it->stream, on_closed);
}

static void send_next(struct client *it);

static void on_written(eddy_write *write, int status) {
    struct client *it = eddy_container_of(write, struct client, write);
    if (status < 0)
        leave(it);
    else
        send_next(it);
}

static void on_read(eddy_file *request) {
    struct client *it = eddy_container_of(request, struct client, request);
    if (request->result <= 0) { /* an error, or the end */
        leave(it);
        return;
    }
    it->offset += request->result;
    if (eddy_stream_write(&it->stream, &it->write, it->bytes, (size_t)request->result, on_written) <
        0)
        leave(it);
}

/* Whatever was the matter, the file or the client, is told again by the read or by the write. */
static void on_sent(eddy_file *request) {
    struct client *it = eddy_container_of(request, struct client, request);
    if (request->result > 0) it->offset += request->result;
    if (request->result == PIECE_BYTES)
        send_next(it);
    else if (eddy_file_read(eddy_file_loop(request), request, file, it->bytes, sizeof it->bytes,
                            it->offset, on_read) < 0)
        leave(it);
}

static void send_next(struct client *it) {
    if (eddy_file_send(eddy_handle_loop(&it->stream.io.handle), &it->request,
                       eddy_stream_fd(&it->stream), file, it->offset, PIECE_BYTES, on_sent) < 0)
        leave(it);
}

static void on_accept(eddy_listener *it, int fd, const struct sockaddr *peer) {
    (void)peer;
    struct client *client = fd >= 0 ? calloc(1, sizeof *client) : NULL;
    if (client == NULL) {
        if (fd >= 0) close(fd);
        return;
    }
    eddy_stream_init(&client->stream, eddy_handle_loop(&it->io.handle));
    if (eddy_stream_attach(&client->stream, fd) < 0) {
        close(fd);
        free(client);
    } else {
        send_next(client);
    }
}

/* --- The client of the test --- */

static int64_t received;

static void client_read(eddy_stream *stream, void *data, ssize_t size) {
    (void)data;
    if (size > 0) {
        received += size;
        return;
    }
    eddy_stream_close(stream, NULL);
    eddy_listener_close(&listener, NULL);
}

static void client_connected(eddy_stream *stream, int status) {
    if (status == 0) status = eddy_stream_read_start(stream, client_read);
    if (status < 0) client_read(stream, NULL, status);
}

static int fail(const char *what, int error) {
    char text[80];
    fprintf(stderr, "send_file: %s: %s\n", what, eddy_strerror(error, text, sizeof text));
    return EXIT_FAILURE;
}

int main(int argc, char **argv) {
    bool test = argc == 3 && strcmp(argv[2], "--test") == 0;
    long port = 0;
    if (argc < 2 || argc > 3 || (argc == 3 && !test && !number_parse(argv[2], 0, 65535, &port))) {
        fprintf(stderr, "usage: send_file FILE [PORT | --test]\n");
        return 2;
    }
    file = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        perror(argv[1]);
        return EXIT_FAILURE;
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
    printf("send_file: listening on %s\n", text);
    fflush(stdout);

    eddy_stream client;
    eddy_stream_init(&client, loop);
    if (test) err = eddy_tcp_connect(&client, address, room, 0, client_connected);
    if (err < 0) return fail("connect", err);
    err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    if (err < 0) return fail("run", err);
    eddy_loop_close(loop);
    return !test || received == lseek(file, 0, SEEK_END) ? EXIT_SUCCESS : EXIT_FAILURE;
}
