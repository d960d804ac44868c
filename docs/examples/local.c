/* local.c: a daemon with a control socket, and the client that commands it. The daemon listens to
 * its own user and to root: the permissions of the name keep others away where the system looks at
 * them, and the credentials of who has connected do so everywhere else.
 *
 *     local serve /tmp/daemon            runs until "stop" or SIGINT, and takes the name along
 *     local ask /tmp/daemon status       "status" or "stop"
 *     local --test                       both in one process */
#include <eddy.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 64 };
#define PATIENCE_NS (5 * EDDY_NS_PER_S) /* with either side */

static int fail(const char *what, int err) {
    char text[64];
    fprintf(stderr, "local: %s: %s\n", what, eddy_strerror(err, text, sizeof text));
    return 1;
}

/* --- The daemon --- */

struct daemon {
    eddy_listener listener;
    eddy_signal interrupt;
    unsigned commands;
};

/* Somebody who commands it: one line, one answer. */
struct visitor {
    eddy_stream stream;
    eddy_write answer, end;
    struct daemon *daemon;
    size_t used;
    char line[LINE_BYTES], text[LINE_BYTES];
};

/* Nothing else keeps the loop alive but those who still get their answer. */
static void daemon_stop(struct daemon *it) {
    eddy_listener_close(&it->listener, NULL); /* -EALREADY is as good */
    eddy_signal_stop(&it->interrupt);
}

static void on_interrupt(eddy_signal *watcher, int number) {
    (void)number;
    daemon_stop(eddy_container_of(watcher, struct daemon, interrupt));
}

static void on_visitor_closed(eddy_stream *stream) {
    free(eddy_container_of(stream, struct visitor, stream));
}

/* Whether the answer got through is for the visitor to say. */
static void on_answered(eddy_write *write, int status) {
    (void)status;
    eddy_stream_close(write->stream, on_visitor_closed);
}

static void on_answer_sent(eddy_write *write, int status) {
    (void)write;
    (void)status; /* the end behind it is told the same */
}

static void obey(struct visitor *it) {
    struct daemon *daemon = it->daemon;
    bool stops = strcmp(it->line, "stop") == 0;
    daemon->commands++;
    if (stops)
        snprintf(it->text, sizeof it->text, "stopping\n");
    else if (strcmp(it->line, "status") == 0)
        snprintf(it->text, sizeof it->text, "process %d, command %u\n", (int)getpid(),
                 daemon->commands);
    else
        snprintf(it->text, sizeof it->text, "status and stop are what there is\n");
    int err =
        eddy_stream_write(&it->stream, &it->answer, it->text, strlen(it->text), on_answer_sent);
    if (err == 0) err = eddy_stream_shutdown(&it->stream, &it->end, on_answered);
    if (err < 0) eddy_stream_close(&it->stream, on_visitor_closed);
    if (stops) daemon_stop(daemon);
}

/* A line may come in pieces. One that is too long, or has no end, is nobody's command. */
static void on_line(eddy_stream *stream, void *data, ssize_t size) {
    struct visitor *it = eddy_container_of(stream, struct visitor, stream);
    size_t room = sizeof it->line - it->used;
    if (size <= 0 || (size_t)size > room) {
        eddy_stream_close(stream, on_visitor_closed);
        return;
    }
    memcpy(it->line + it->used, data, (size_t)size);
    it->used += (size_t)size;
    char *end = memchr(it->line, '\n', it->used);
    if (end == NULL) return;
    *end = '\0';
    eddy_stream_read_stop(stream);
    obey(it);
}

static bool may_command(int fd) {
    eddy_credentials peer;
    int err = eddy_local_peer_credentials(fd, &peer);
    if (err < 0) return fail("who has connected is not known", err) == 0;
    if (peer.uid == geteuid() || peer.uid == 0) return true;
    fprintf(stderr, "local: user %u, process %d, is refused\n", (unsigned)peer.uid, (int)peer.pid);
    return false;
}

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)peer; /* it has no name */
    if (fd < 0) {
        fail("cannot accept", fd);
        daemon_stop(eddy_container_of(listener, struct daemon, listener));
        return;
    }
    struct visitor *it = may_command(fd) ? calloc(1, sizeof *it) : NULL;
    if (it == NULL) {
        close(fd);
        return;
    }
    it->daemon = eddy_container_of(listener, struct daemon, listener);
    eddy_stream_init(&it->stream, eddy_handle_loop(&listener->io.handle));
    int err = eddy_stream_attach(&it->stream, fd);
    if (err < 0) {
        close(fd);
        free(it);
        return;
    }
    err = eddy_stream_read_start(&it->stream, on_line);
    if (err == 0) err = eddy_stream_set_read_deadline(&it->stream, PATIENCE_NS);
    if (err == 0) err = eddy_stream_set_write_timeout(&it->stream, PATIENCE_NS);
    if (err < 0) eddy_stream_close(&it->stream, on_visitor_closed);
}

/* The name that a daemon has left which was killed is in nobody's way; that of one which runs is.
 */
static int daemon_start(struct daemon *it, eddy_loop *loop, const char *path) {
    struct sockaddr_storage address;
    it->commands = 0;
    eddy_listener_init(&it->listener, loop);
    eddy_signal_init(&it->interrupt, loop);
    int length = eddy_address_of_name(&address, path, strlen(path));
    if (length < 0) return length;
    int err = eddy_signal_start(&it->interrupt, on_interrupt, SIGINT);
    if (err < 0) return err;
    eddy_unref(&it->interrupt.handle);
    err = eddy_local_listen(&it->listener, (struct sockaddr *)&address, (socklen_t)length, 0,
                            EDDY_REPLACE_STALE | EDDY_LOCAL_MODE(0600), on_accept);
    if (err < 0) eddy_signal_stop(&it->interrupt);
    return err;
}

/* --- The client --- */

struct client {
    eddy_stream stream;
    eddy_write write;
    char line[LINE_BYTES];
    bool is_answered;
    int status; /* of its exit */
};

static void client_end(struct client *it, const char *what, int err) {
    it->status = err < 0 ? fail(what, err) : 0;
    eddy_stream_close(&it->stream, NULL);
}

static void on_answer(eddy_stream *stream, void *data, ssize_t size) {
    struct client *it = eddy_container_of(stream, struct client, stream);
    if (size > 0) {
        it->is_answered = true;
        fwrite(data, 1, (size_t)size, stdout);
    } else {
        client_end(it, "no answer", size == 0 && !it->is_answered ? -EACCES : (int)size);
    }
}

static void on_asked(eddy_write *write, int status) {
    (void)write;
    (void)status; /* the reader is told as well */
}

static void on_connected(eddy_stream *stream, int status) {
    struct client *it = eddy_container_of(stream, struct client, stream);
    if (status == 0) status = eddy_stream_read_start(stream, on_answer);
    if (status == 0) status = eddy_stream_set_read_deadline(stream, PATIENCE_NS);
    if (status == 0)
        status = eddy_stream_write(stream, &it->write, it->line, strlen(it->line), on_asked);
    if (status < 0) client_end(it, "cannot ask the daemon", status);
}

static int client_start(struct client *it, eddy_loop *loop, const char *path, const char *command) {
    struct sockaddr_storage address;
    *it = (struct client){.status = 1};
    eddy_stream_init(&it->stream, loop);
    int length = eddy_address_of_name(&address, path, strlen(path));
    if (length < 0) return length;
    int size = snprintf(it->line, sizeof it->line, "%s\n", command);
    if (size >= (int)sizeof it->line) return -EMSGSIZE;
    return eddy_local_connect(&it->stream, (struct sockaddr *)&address, (socklen_t)length, 0,
                              PATIENCE_NS, on_connected);
}

/* --- The program --- */

static int run(eddy_loop *loop, int status) {
    int err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    int closed = eddy_loop_close(loop);
    if (err == 0) err = closed;
    return err < 0 ? fail("cannot go on", err) : status;
}

static int test(eddy_loop *loop) {
    char directory[] = "/tmp/eddy-example-XXXXXX", path[64];
    struct daemon daemon;
    struct client asks, stops;
    if (mkdtemp(directory) == NULL) return fail(directory, -errno);
    snprintf(path, sizeof path, "%s/daemon", directory);
    int err = daemon_start(&daemon, loop, path);
    if (err == 0) err = client_start(&asks, loop, path, "status");
    if (err == 0) err = client_start(&stops, loop, path, "stop");
    int status = err < 0 ? fail(path, err) : run(loop, 0);
    if (rmdir(directory) < 0) return fail(directory, -errno); /* the name has to be gone */
    return status + asks.status + stops.status;
}

int main(int argc, char **argv) {
    bool serves = argc == 3 && strcmp(argv[1], "serve") == 0;
    bool asks = argc == 4 && strcmp(argv[1], "ask") == 0;
    eddy_loop *loop;
    struct daemon daemon;
    struct client client;
    if (!serves && !asks && !(argc == 2 && strcmp(argv[1], "--test") == 0)) {
        fprintf(stderr, "usage: local serve PATH | ask PATH COMMAND | --test\n");
        return 2;
    }
    int err = eddy_loop_open(&loop, NULL);
    if (err < 0) return fail("cannot open a loop", err);
    if (!serves && !asks) return test(loop);
    err = serves ? daemon_start(&daemon, loop, argv[2])
                 : client_start(&client, loop, argv[2], argv[3]);
    if (err == 0 && serves) return run(loop, 0);
    if (err == 0) {
        int status = run(loop, 0);
        return status != 0 ? status : client.status;
    }
    eddy_loop_close(loop);
    return fail(argv[2], err);
}
