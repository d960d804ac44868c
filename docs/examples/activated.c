/* activated.c: a server that is started when somebody connects: socket activation, by hand. Who
 * starts it (systemd, systemd-socket-activate, a script) has made the listening sockets, and passes
 * them as the descriptors from 3 on: LISTEN_FDS says how many, LISTEN_PID for whom, so that a child
 * that inherits the environment does not take them, LISTEN_FDNAMES what they are called.
 *
 *     systemd-socket-activate -l 7000 -l /tmp/socket --fdname=web:control activated [SECONDS]
 *
 * Each line that comes is sent back behind the name of its socket, over TCP, local sockets and
 * local sockets of records. After SECONDS (10) without a connection it ends, and the sockets are
 * still its starter's: who connects next waits in the backlog for the next start. */
#include <eddy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3, SOCKETS_MAX = 16, PIECE_BYTES = 1024, NAME_BYTES = 32 };
#define PATIENCE_NS (60 * EDDY_NS_PER_S) /* with a visitor */

struct door {
    eddy_listener listener;
    char name[NAME_BYTES]; /* and ": " behind it */
};

struct visitor {
    eddy_stream stream;
    eddy_write answer;
    struct iovec pieces[2];
    struct door *door;
    char data[PIECE_BYTES];
};

static struct door doors[SOCKETS_MAX];
static int doors_count;
static unsigned visitors;
static eddy_timer idle;
static eddy_defer last_look;
static int64_t idle_ns = 10 * EDDY_NS_PER_S;

static int fail(const char *what, int error) {
    char text[80];
    fprintf(stderr, "activated: %s%s\n", what, eddy_strerror(error, text, sizeof text));
    return EXIT_FAILURE;
}

/* --- Visitors --- */

static void on_read(eddy_stream *stream, void *data, ssize_t size);

/* Who connects from here on has the next start. */
static void on_last_look(eddy_defer *defer) {
    (void)defer;
    if (visitors > 0) return;
    for (int i = 0; i < doors_count; i++) eddy_listener_close(&doors[i].listener, NULL);
}

/* Who waits at a door is let in after the timers of a turn, and before its deferred calls. */
static void on_idle(eddy_timer *timer) {
    (void)timer;
    (void)eddy_defer_start(&last_look, on_last_look);
}

static void on_closed(eddy_stream *stream) {
    free(eddy_container_of(stream, struct visitor, stream));
    if (--visitors == 0 && eddy_timer_start(&idle, on_idle, idle_ns, 0) < 0) on_idle(&idle);
}

static void visitor_listen(struct visitor *it) {
    eddy_stream *stream = &it->stream;
    int err = eddy_stream_read_into(stream, it->data, sizeof it->data, on_read);
    if (err == 0) err = eddy_stream_set_read_deadline(stream, PATIENCE_NS);
    if (err < 0) eddy_stream_close(stream, on_closed);
}

static void on_answered(eddy_write *write, int status) {
    struct visitor *it = eddy_container_of(write, struct visitor, answer);
    if (status < 0)
        eddy_stream_close(write->stream, on_closed);
    else
        visitor_listen(it);
}

/* One answer at a time, so the buffer can wait with it. */
static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct visitor *it = eddy_container_of(stream, struct visitor, stream);
    eddy_stream_read_stop(stream);
    if (size > 0) {
        it->pieces[0] = (struct iovec){it->door->name, strlen(it->door->name)};
        it->pieces[1] = (struct iovec){data, (size_t)size};
    }
    if (size <= 0 || eddy_stream_writev(stream, &it->answer, it->pieces, 2, on_answered) < 0)
        eddy_stream_close(stream, on_closed);
}

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)peer;
    struct visitor *it = fd >= 0 ? malloc(sizeof *it) : NULL;
    if (it == NULL) {
        if (fd >= 0) close(fd);
        return;
    }
    it->door = eddy_container_of(listener, struct door, listener);
    eddy_stream_init(&it->stream, eddy_handle_loop(&listener->io.handle));
    if (eddy_stream_attach(&it->stream, fd) < 0) {
        close(fd);
        free(it);
        return;
    }
    visitors++;
    eddy_timer_stop(&idle);
    visitor_listen(it);
}

/* --- What was passed --- */

/* A number of the environment, or -1. */
static long number_of(const char *name) {
    const char *text = getenv(name);
    char *end;
    if (text == NULL || *text == '\0') return -1;
    errno = 0;
    long number = strtol(text, &end, 10);
    return *end == '\0' && errno == 0 && number >= 0 ? number : -1;
}

/* How many descriptors are this process's; 0: none. Out of the environment, which children get. */
static int take_sockets(char *names, size_t size) {
    long process = number_of("LISTEN_PID"), count = number_of("LISTEN_FDS");
    const char *given = getenv("LISTEN_FDNAMES");
    snprintf(names, size, "%s", given != NULL ? given : "");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (process != (long)getpid() || count <= 0) return 0;
    return count <= SOCKETS_MAX ? (int)count : SOCKETS_MAX + 1;
}

static int listen_all(eddy_loop *loop, const char *names, int count) {
    for (int i = 0; i < count; i++) {
        struct door *door = &doors[i];
        size_t size = strcspn(names, ":");
        int shown = size == 0 ? 7 : size < NAME_BYTES - 2 ? (int)size : NAME_BYTES - 3;
        snprintf(door->name, sizeof door->name, "%.*s: ", shown, size > 0 ? names : "unknown");
        names += names[size] != '\0' ? size + 1 : size;
        eddy_listener_init(&door->listener, loop);
        int err = eddy_listener_attach(&door->listener, FIRST_FD + i, on_accept);
        if (err < 0) return fail(door->name, err);
        doors_count++;
    }
    return 0;
}

int main(int argc, char **argv) {
    char names[SOCKETS_MAX * NAME_BYTES], *end = NULL;
    double seconds = argc > 1 ? strtod(argv[1], &end) : 10;
    if (argc > 2 || (argc > 1 && (end == argv[1] || *end != '\0')) ||
        !(seconds >= 0 && seconds < 1e6)) {
        fprintf(stderr, "usage: activated [SECONDS], with sockets passed by LISTEN_FDS\n");
        return 2;
    }
    idle_ns = (int64_t)(seconds * EDDY_NS_PER_S);
    int count = take_sockets(names, sizeof names);
    if (count == 0) return fail("LISTEN_FDS, LISTEN_PID: ", -ENOENT);
    if (count > SOCKETS_MAX) return fail("LISTEN_FDS: ", -ERANGE);

    eddy_loop *loop;
    int err = eddy_loop_open(&loop, NULL);
    if (err < 0) return fail("loop: ", err);
    eddy_defer_init(&last_look, loop);
    eddy_timer_init(&idle, loop);
    err = eddy_timer_start(&idle, on_idle, idle_ns, 0);
    if (err < 0) return fail("timer: ", err);
    if (listen_all(loop, names, count) != 0) return EXIT_FAILURE;
    err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    if (err < 0) return fail("run: ", err);
    eddy_loop_close(loop);
    return EXIT_SUCCESS;
}
