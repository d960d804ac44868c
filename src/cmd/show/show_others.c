/* show_others.c: see show_others.h. */
#include "show_others.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    IDLE_BATCH = 100,
    IDLE_EVERY_MS = 20,
    FDS_SPARE = 200, /* for all else */
    SLOW_EVERY_MS = 100,
    SLOW_BYTES = 16 * 1024,
    FLOOD_BYTES = 64 * 1024,
    SHORT_MS = 2500,
};

static void on_closed(eddy_stream *stream) {
    struct show_other *other = eddy_container_of(stream, struct show_other, stream);
    struct show_others *others = other->others;
    other->is_open = false;
    bool is_idle =
        others->idle != NULL && other >= others->idle && other < others->idle + others->idle_opened;
    if (!is_idle || --others->idle_closing > 0) return;
    free(others->idle);
    others->idle = NULL;
}

static void close_other(struct show_other *other) {
    if (other->is_open) (void)eddy_stream_close(&other->stream, on_closed);
}

static int open_other(struct show_others *others, struct show_other *other, eddy_connect_fn *fn) {
    if (other->is_open) return -EAGAIN;
    other->others = others;
    eddy_stream_init(&other->stream, others->loop);
    int err = eddy_tcp_connect(&other->stream, others->address, others->address_length, 0, fn);
    other->is_open = err == 0;
    return err;
}

/* Whoever fails is closed, and its scene is over. */
static void fail(struct show_other *other, enum show_scene scene, int error) {
    struct show_others *others = other->others;
    char text[64];
    if (show_board_is_on(others->board, scene))
        show_say(others->board, "\"%s\" has ended: %s.", show_scene_texts[scene].title,
                 eddy_strerror(error, text, sizeof text));
    (void)show_others_set(others, scene, false, 0);
    close_other(other);
}

/* --- 1,000 that say nothing --- */

static void on_idle_connected(eddy_stream *stream, int status) {
    (void)stream; /* one that cannot connect is silent as well */
    (void)status;
}

static void on_idle(eddy_timer *timer) {
    struct show_others *others = eddy_container_of(timer, struct show_others, idle_timer);
    char text[64];
    int err = 0;
    for (int i = 0; i < IDLE_BATCH && others->idle_opened < others->idle_wanted && err == 0; i++) {
        err = open_other(others, &others->idle[others->idle_opened], on_idle_connected);
        if (err == 0) others->idle_opened++;
    }
    if (err == 0 && others->idle_opened < others->idle_wanted) return;
    eddy_timer_stop(timer);
    if (err < 0)
        show_say(others->board, "%u silent clients are connected, no more: %s.",
                 others->idle_opened, eddy_strerror(err, text, sizeof text));
    else
        show_say(others->board, "%u silent clients are connected.", others->idle_opened);
}

static void stop_idle(struct show_others *others) {
    eddy_timer_stop(&others->idle_timer);
    if (others->idle == NULL || others->idle_closing > 0) return;
    others->idle_closing = others->idle_opened;
    for (unsigned i = 0; i < others->idle_opened; i++) close_other(&others->idle[i]);
    if (others->idle_closing > 0) return;
    free(others->idle);
    others->idle = NULL;
}

static int set_idle(struct show_others *others, bool on, unsigned count) {
    struct rlimit limit;
    stop_idle(others);
    if (!on) return 0;
    if (others->idle != NULL) return -EAGAIN;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    /* Both ends are descriptors of this process. */
    rlim_t most = limit.rlim_cur > 2 * FDS_SPARE ? (limit.rlim_cur - FDS_SPARE) / 2 : 1;
    others->idle_wanted = count < most ? count : (unsigned)most;
    others->idle = calloc(others->idle_wanted, sizeof *others->idle);
    if (others->idle == NULL) return -ENOMEM;
    others->idle_opened = 0;
    return eddy_timer_start(&others->idle_timer, on_idle, 0, IDLE_EVERY_MS * EDDY_NS_PER_MS);
}

/* --- One that reads slowly --- */

static void on_slow_written(eddy_write *write, int status) {
    struct show_others *others = eddy_container_of(write, struct show_others, slow_write);
    if (status < 0 && status != -ECANCELED) fail(&others->slow, SHOW_SLOW_READER, status);
}

static void ask_for_much(struct show_others *others) {
    static const char request[] = "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int err = eddy_stream_write(&others->slow.stream, &others->slow_write, request,
                                sizeof request - 1, on_slow_written);
    if (err < 0) fail(&others->slow, SHOW_SLOW_READER, err);
}

/* A piece, and then no more until the timer. */
static void on_slow_read(eddy_stream *stream, void *data, ssize_t size) {
    struct show_other *other = eddy_container_of(stream, struct show_other, stream);
    (void)data;
    eddy_stream_read_stop(stream);
    if (size <= 0) fail(other, SHOW_SLOW_READER, size < 0 ? (int)size : -ECONNRESET);
}

static void on_slow(eddy_timer *timer) {
    static char piece[SLOW_BYTES]; /* what comes is not looked at */
    struct show_others *others = eddy_container_of(timer, struct show_others, slow_timer);
    int err = eddy_stream_read_into(&others->slow.stream, piece, sizeof piece, on_slow_read);
    if (err < 0 && err != -EALREADY && err != -ENOTCONN) fail(&others->slow, SHOW_SLOW_READER, err);
}

static void on_slow_connected(eddy_stream *stream, int status) {
    struct show_other *other = eddy_container_of(stream, struct show_other, stream);
    int small = SLOW_BYTES; /* else the kernel takes most of it at once */
    if (status < 0) {
        fail(other, SHOW_SLOW_READER, status);
        return;
    }
    (void)setsockopt(eddy_stream_fd(stream), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    ask_for_much(other->others);
}

static int set_slow(struct show_others *others, bool on) {
    eddy_timer_stop(&others->slow_timer);
    if (!on) {
        close_other(&others->slow);
        return 0;
    }
    int err = open_other(others, &others->slow, on_slow_connected);
    if (err < 0) return err;
    return eddy_timer_start(&others->slow_timer, on_slow, 0, SLOW_EVERY_MS * EDDY_NS_PER_MS);
}

/* --- One that sends without end --- */

static void on_flood_written(eddy_write *write, int status) {
    static const char piece[FLOOD_BYTES];
    struct show_others *others = eddy_container_of(write, struct show_others, flood_write);
    if (status == 0)
        status =
            eddy_stream_write(&others->flood.stream, write, piece, sizeof piece, on_flood_written);
    if (status < 0 && status != -ECANCELED) fail(&others->flood, SHOW_FLOOD, status);
}

static void on_flood_connected(eddy_stream *stream, int status) {
    static const char request[] = "POST /sink HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Length: 1000000000000000\r\n\r\n";
    struct show_other *other = eddy_container_of(stream, struct show_other, stream);
    struct show_others *others = other->others;
    if (status == 0)
        status = eddy_stream_write(stream, &others->flood_write, request, sizeof request - 1,
                                   on_flood_written);
    if (status < 0) fail(other, SHOW_FLOOD, status);
}

static int set_flood(struct show_others *others, bool on) {
    if (on) return open_other(others, &others->flood, on_flood_connected);
    close_other(&others->flood);
    return 0;
}

/* --- No descriptors --- */

static void on_shed_read(eddy_stream *stream, void *data, ssize_t size) {
    struct show_other *other = eddy_container_of(stream, struct show_other, stream);
    (void)data;
    if (size <= 0) other->is_shed = true;
}

static void on_shed_connected(eddy_stream *stream, int status) {
    struct show_other *other = eddy_container_of(stream, struct show_other, stream);
    if (status == 0) status = eddy_stream_read_start(stream, on_shed_read);
    if (status < 0) other->is_shed = true;
}

static int end_shortage(struct show_others *others) {
    if (!others->is_short) return 0;
    unsigned count = 0;
    others->is_short = false;
    (void)setrlimit(RLIMIT_NOFILE, &others->limit);
    eddy_timer_stop(&others->shed_timer);
    for (unsigned i = 0; i < OTHERS_SHED; i++) {
        count += others->shed[i].is_shed;
        close_other(&others->shed[i]);
    }
    show_say(others->board,
             "Without descriptors: %u of %d new connections were shed, the others waited.", count,
             OTHERS_SHED);
    show_board_set(others->board, SHOW_DESCRIPTORS, false);
    return 0;
}

static void on_shortage_over(eddy_timer *timer) {
    (void)end_shortage(eddy_container_of(timer, struct show_others, shed_timer));
}

/* The clients have their sockets before there are no more. */
static int begin_shortage(struct show_others *others) {
    int fds[OTHERS_SHED], count = 0, err = 0;
    if (others->is_short || others->shed[0].is_open) return -EAGAIN;
    for (; count < OTHERS_SHED && err == 0; count++) {
        fds[count] = socket(others->address->sa_family, SOCK_STREAM, 0);
        if (fds[count] < 0) err = -errno;
    }
    int lowest = err == 0 ? dup(fds[0]) : -1;
    if (err == 0 && lowest < 0) err = -errno;
    if (lowest >= 0) close(lowest);
    struct rlimit less = {.rlim_cur = (rlim_t)(lowest < 0 ? 0 : lowest)};
    if (err == 0 && getrlimit(RLIMIT_NOFILE, &others->limit) < 0) err = -errno;
    less.rlim_max = others->limit.rlim_max;
    if (err == 0)
        err = eddy_timer_start(&others->shed_timer, on_shortage_over, SHORT_MS * EDDY_NS_PER_MS, 0);
    for (int i = 0; i < count; i++) {
        struct show_other *other = &others->shed[i];
        *other = (struct show_other){.others = others};
        eddy_stream_init(&other->stream, others->loop);
        if (i == 0 && err == 0 && setrlimit(RLIMIT_NOFILE, &less) < 0) err = -errno;
        int connected = err == 0 ? eddy_stream_connect(&other->stream, fds[i], others->address,
                                                       others->address_length, 0, on_shed_connected)
                                 : err;
        other->is_open = connected == 0;
        if (connected < 0 && fds[i] >= 0) close(fds[i]);
    }
    others->is_short = err == 0;
    if (err < 0) eddy_timer_stop(&others->shed_timer);
    return err;
}

/* --- Switching --- */

void show_others_init(struct show_others *others, eddy_loop *loop, struct show_board *board,
                      const struct sockaddr *address, socklen_t length) {
    memset(others, 0, sizeof *others);
    others->loop = loop;
    others->board = board;
    others->address = address;
    others->address_length = length;
    eddy_timer_init(&others->idle_timer, loop);
    eddy_timer_init(&others->slow_timer, loop);
    eddy_timer_init(&others->shed_timer, loop);
}

int show_others_set(struct show_others *others, enum show_scene scene, bool on, unsigned count) {
    show_board_set(others->board, scene, on);
    int err = scene == SHOW_IDLE_CLIENTS  ? set_idle(others, on, count)
              : scene == SHOW_SLOW_READER ? set_slow(others, on)
              : scene == SHOW_FLOOD       ? set_flood(others, on)
              : on                        ? begin_shortage(others)
                                          : end_shortage(others);
    if (err < 0 && on) show_board_set(others->board, scene, false);
    return err;
}

void show_others_stop(struct show_others *others) {
    for (unsigned scene = SHOW_IDLE_CLIENTS; scene < SHOW_SCENES; scene++)
        (void)show_others_set(others, (enum show_scene)scene, false, 0);
}

void show_others_end(struct show_others *others) {
    free(others->idle);
}
