/* chat.c: a chat server, for nc or telnet: `chat [PORT]`, then `nc 127.0.0.1 PORT` several times.
 * The first line is one's name; /names tells who is there, /quit leaves.
 *
 * Somebody does not read. What others say to such a client has to be kept, dropped, or refused;
 * kept without end it fills the memory of the server. The rule here: what the kernel does not take
 * waits in two halves of 32 KiB, one that is being written and one that fills, and when that is
 * full the client is dropped. So none costs more than its struct.
 * Read beside it: docs/07-streams.md. */
#include <eddy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "number.h"

enum {
    CLIENTS_MAX = 256, /* then nobody else is accepted until one leaves */
    NAME_BYTES = 21,
    LINE_BYTES = 512, /* what is longer is cut */
    HALF_BYTES = 32 * 1024,
};

struct client {
    struct client *next, **at; /* in the list, while it is connected */
    eddy_stream stream;
    eddy_write write;
    const char *why; /* it leaves; NULL: it does not */
    char name[NAME_BYTES];
    char line[LINE_BYTES];
    size_t line_used;
    /* What the kernel has refused: one half is being written, the other one filled. */
    char halves[2][HALF_BYTES];
    int filling;
    size_t filled;
    bool is_writing;
};

static eddy_loop *loop;
static eddy_listener listener;
static eddy_signal interrupt, terminate;
static struct client *clients;
static int count;

/* --- Leaving --- */

static void tell_all(const struct client *but, const char *text);

static void on_closed(eddy_stream *stream) {
    struct client *it = eddy_container_of(stream, struct client, stream);
    char text[64];
    if (it->name[0] != '\0') {
        snprintf(text, sizeof text, "* %s %s\n", it->name, it->why);
        tell_all(NULL, text);
    }
    free(it);
    if (count-- == CLIENTS_MAX) (void)eddy_listener_resume(&listener);
}

static const char too_slow[] = "was too slow";

/* Its memory stays until on_closed, so whoever is just talking to it may go on. Of one that does
 * not read the kernel would keep what it holds for long; a reset has it forget that, too. */
static void leave(struct client *it, const char *why) {
    if (it->why != NULL) return;
    it->why = why;
    *it->at = it->next;
    if (it->next != NULL) it->next->at = it->at;
    (why == too_slow ? eddy_stream_reset : eddy_stream_close)(&it->stream, on_closed);
}

/* --- What is said to a client --- */

static void write_half(struct client *it);

static void on_written(eddy_write *write, int status) {
    struct client *it = eddy_container_of(write, struct client, write);
    it->is_writing = false;
    if (status < 0)
        leave(it, "is gone");
    else if (it->filled > 0)
        write_half(it);
}

static void write_half(struct client *it) {
    int err =
        eddy_stream_write(&it->stream, &it->write, it->halves[it->filling], it->filled, on_written);
    if (err < 0) {
        leave(it, "is gone");
        return;
    }
    it->is_writing = true;
    it->filling ^= 1;
    it->filled = 0;
}

/* The kernel is offered it at once, so that what waits is only what it has refused: a client that
 * reads is not dropped because much was said in one turn, as long as the kernel holds it. */
static void tell(struct client *it, const char *text) {
    if (it->why != NULL) return;
    struct iovec all = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    ssize_t taken = it->is_writing ? 0 : eddy_stream_try_write(&it->stream, &all, 1);
    if (taken == -EAGAIN) taken = 0;
    if (taken < 0) {
        leave(it, "is gone");
        return;
    }
    size_t left = all.iov_len - (size_t)taken;
    if (left == 0) return;
    if (left > HALF_BYTES - it->filled) {
        leave(it, too_slow);
        return;
    }
    memcpy(it->halves[it->filling] + it->filled, text + taken, left);
    it->filled += left;
    if (!it->is_writing) write_half(it);
}

/* Who is told may leave for it, and nobody else. */
static void tell_all(const struct client *but, const char *text) {
    for (struct client *it = clients, *next; it != NULL; it = next) {
        next = it->next;
        if (it != but && it->name[0] != '\0') tell(it, text);
    }
}

/* --- What a client says --- */

static bool is_free(const char *name) {
    for (const struct client *it = clients; it != NULL; it = it->next)
        if (strcmp(it->name, name) == 0) return false;
    return true;
}

static void take_name(struct client *it) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    char text[64];
    size_t length = strspn(it->line, allowed);
    if (length == 0 || length >= NAME_BYTES || it->line[length] != '\0') {
        tell(it, "* up to 20 letters, digits, - or _, please\n");
    } else if (!is_free(it->line)) {
        tell(it, "* that one is taken\n");
    } else {
        memcpy(it->name, it->line, length + 1);
        (void)eddy_stream_set_read_deadline(&it->stream, -1);
        snprintf(text, sizeof text, "* %s is here\n", it->name);
        tell_all(NULL, text);
    }
}

static void tell_names(struct client *it) {
    char text[NAME_BYTES + 3];
    for (const struct client *other = clients; other != NULL; other = other->next) {
        if (other->name[0] == '\0') continue;
        snprintf(text, sizeof text, "* %s\n", other->name);
        tell(it, text);
    }
}

static void take_line(struct client *it) {
    char text[NAME_BYTES + LINE_BYTES + 3];
    if (it->name[0] == '\0') {
        take_name(it);
    } else if (strcmp(it->line, "/quit") == 0) {
        leave(it, "has left");
    } else if (strcmp(it->line, "/names") == 0) {
        tell_names(it);
    } else if (it->line[0] != '\0') {
        snprintf(text, sizeof text, "%s: %s\n", it->name, it->line);
        tell_all(it, text);
    }
}

/* Control characters would reach the others' terminals; telnet's CR is one of them. */
static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct client *it = eddy_container_of(stream, struct client, stream);
    const char *bytes = data;
    if (size <= 0) leave(it, size == 0 ? "has left" : "is gone");
    for (ssize_t i = 0; i < size && it->why == NULL; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\n') {
            it->line[it->line_used] = '\0';
            it->line_used = 0;
            take_line(it);
        } else if (c >= ' ' && c != 0x7f && it->line_used < sizeof it->line - 1) {
            it->line[it->line_used++] = (char)c;
        }
    }
}

/* --- Coming, and the end --- */

static int welcome(struct client *it, int fd) {
    eddy_stream_init(&it->stream, loop);
    int err = eddy_stream_attach(&it->stream, fd);
    if (err < 0) return err;
    it->at = &clients;
    it->next = clients;
    if (clients != NULL) clients->at = &it->next;
    clients = it;
    if (++count == CLIENTS_MAX) eddy_listener_pause(&listener);
    (void)eddy_tcp_set_keepalive(&it->stream, 60, 10, 6); /* a cable that was pulled */
    err = eddy_stream_read_start(&it->stream, on_read);
    if (err == 0) err = eddy_stream_set_read_deadline(&it->stream, 60 * EDDY_NS_PER_S);
    if (err < 0)
        leave(it, "is gone");
    else
        tell(it, "* your name?\n");
    return 0;
}

static void on_accept(eddy_listener *l, int fd, const struct sockaddr *peer) {
    (void)l, (void)peer;
    struct client *it = fd >= 0 ? calloc(1, sizeof *it) : NULL;
    if (it != NULL && welcome(it, fd) == 0) return;
    free(it);
    if (fd >= 0) close(fd);
}

static void on_signal(eddy_signal *watcher, int number) {
    (void)watcher, (void)number;
    eddy_signal_stop(&interrupt); /* a second one ends it as signals do */
    eddy_signal_stop(&terminate);
    eddy_listener_close(&listener, NULL);
    tell_all(NULL, "* that was it\n");
    while (clients != NULL) leave(clients, "was here");
}

static int start(const struct sockaddr *address, socklen_t length) {
    eddy_listener_init(&listener, loop);
    eddy_signal_init(&interrupt, loop);
    eddy_signal_init(&terminate, loop);
    int err = eddy_tcp_listen(&listener, address, length, 0, 0, on_accept);
    if (err == 0) err = eddy_signal_start(&interrupt, on_signal, SIGINT);
    if (err == 0) err = eddy_signal_start(&terminate, on_signal, SIGTERM);
    return err;
}

int main(int argc, char **argv) {
    struct sockaddr_storage address;
    char text[80];
    long port = 0;
    if (argc > 2 || (argc == 2 && !number_parse(argv[1], 0, 65535, &port)))
        return fprintf(stderr, "usage: chat [PORT]\n"), 2;
    /* A read full of short lines is many messages to everybody: little of it in a turn. */
    eddy_loop_config config = {.read_buffer_bytes = 1024, .stream_bytes_per_turn = 1024};
    int err = eddy_loop_open(&loop, &config);
    int length = eddy_address_parse(&address, "127.0.0.1", (unsigned)port);
    if (err == 0) err = start((struct sockaddr *)&address, (socklen_t)length);
    if (err < 0) return fprintf(stderr, "chat: %s\n", eddy_strerror(err, text, sizeof text)), 1;
    socklen_t room = sizeof address;
    err = eddy_listener_address(&listener, (struct sockaddr *)&address, &room);
    if (err == 0) err = eddy_address_format((struct sockaddr *)&address, text, sizeof text);
    printf("chat: listening on %s\n", err > 0 ? text : "?");
    fflush(stdout);
    err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return err < 0 || eddy_loop_close(loop) < 0;
}
