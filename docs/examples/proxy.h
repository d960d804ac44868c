/* proxy.h: what proxy.c and http_proxy.c share: upstreams, taken in turn and left alone for a while
 * when they fail; and the relay, two sockets of which each gets what the other one sends.
 *
 * A relay holds at most one read of each direction (eddy_loop_config.read_buffer_bytes), and only
 * while the other side does not take it: then the sender is not read, and its kernel and the
 * network hold what it still wants to send. Chapter 15 walks through it. */
#ifndef EXAMPLE_PROXY_H
#define EXAMPLE_PROXY_H

#include <eddy.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "number.h"

/* --- Upstreams --- */

/* "127.0.0.1:80" or "[::1]:80": the length of the address, or -EINVAL. */
static int parse_address(struct sockaddr_storage *address, const char *text) {
    char host[64];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] == '\0' || strspn(colon + 1, "0123456789") > 5) return -EINVAL;
    if (colon[1 + strspn(colon + 1, "0123456789")] != '\0') return -EINVAL;
    size_t length = (size_t)(colon - text);
    if (length > 2 && text[0] == '[' && colon[-1] == ']') text++, length -= 2;
    if (length >= sizeof host) return -EINVAL;
    memcpy(host, text, length);
    host[length] = '\0';
    return eddy_address_parse(address, host, (unsigned)atoi(colon + 1));
}

enum { UPSTREAMS_MAX = 64 }; /* a bit each of those that were tried */

struct upstream {
    struct sockaddr_storage address;
    socklen_t length;
    char name[64];
    bool has_failed; /* when it was tried last */
    int64_t rests_until_ns;
};

struct upstreams {
    struct upstream all[UPSTREAMS_MAX];
    unsigned count, next;
    int64_t rest_ns;
};

static bool upstreams_parse(struct upstreams *it, char **names, int count) {
    if (count < 1 || count > UPSTREAMS_MAX) return false;
    for (it->count = 0; it->count < (unsigned)count; it->count++) {
        struct upstream *one = &it->all[it->count];
        int length = parse_address(&one->address, names[it->count]);
        if (length < 0 || eddy_address_port((struct sockaddr *)&one->address) == 0) return false;
        one->length = (socklen_t)length;
        eddy_address_format((struct sockaddr *)&one->address, one->name, sizeof one->name);
    }
    return true;
}

/* The next one that is not in `*tried`, whose bit is set. One that rests is better than none. When
 * its rest is over it is tried by one connection; the others leave it alone until that is known. */
static struct upstream *upstream_pick(struct upstreams *it, uint64_t *tried, int64_t now_ns) {
    struct upstream *picked = NULL;
    for (unsigned i = 0; i < it->count; i++) {
        unsigned place = (it->next + i) % it->count;
        struct upstream *one = &it->all[place];
        if (*tried >> place & 1) continue;
        if (picked == NULL || one->rests_until_ns <= now_ns) picked = one;
        if (one->rests_until_ns <= now_ns) break;
    }
    if (picked == NULL) return NULL;
    unsigned place = (unsigned)(picked - it->all);
    *tried |= UINT64_C(1) << place;
    it->next = place + 1;
    if (picked->has_failed) picked->rests_until_ns = now_ns + it->rest_ns;
    return picked;
}

/* It has connected, or why it has not. */
static void upstream_tell(const struct upstreams *it, struct upstream *one, int status,
                          int64_t now_ns) {
    char text[80];
    if (status < 0 && !one->has_failed)
        fprintf(stderr, "%s: %s\n", one->name, eddy_strerror(status, text, sizeof text));
    if (status == 0 && one->has_failed) fprintf(stderr, "%s: is back\n", one->name);
    one->has_failed = status < 0;
    one->rests_until_ns = status < 0 ? now_ns + it->rest_ns : 0;
}

/* Want of descriptors and memory is the proxy's own, and says nothing of an upstream. */
static bool is_shortage(int error) {
    return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

/* --- Options --- */

struct settings {
    eddy_loop_config loop;
    struct sockaddr_storage address;
    int length;
    unsigned limit; /* connections at once */
    int64_t connect_ns, idle_ns, answer_ns;
    struct upstreams upstreams;
};

/* "1.5": a time in nanoseconds, or -1. */
static int64_t parse_seconds(const char *text) {
    char *end;
    double seconds = strtod(text, &end);
    bool is_good = end != text && *end == '\0' && seconds > 0 && seconds < 1e6;
    return is_good ? (int64_t)(seconds * (double)EDDY_NS_PER_S) : -1;
}

/* Of one option of getopt(3). */
static bool settings_take(struct settings *it, int option, const char *text) {
    if (option == '?') return false;
    long number = 0;
    bool is_number = number_parse(text, 1, (1 << 30) - 1, &number);
    int64_t time_ns = parse_seconds(text);
    if (option == 'b') it->loop.backend = text;
    if (option == 'n') it->limit = (unsigned)number;
    if (option == 'm') it->loop.read_buffer_bytes = (size_t)number;
    if (option == 'i') it->idle_ns = time_ns;
    if (option == 't') it->connect_ns = time_ns;
    if (option == 'a') it->answer_ns = time_ns;
    if (option == 'r') it->upstreams.rest_ns = time_ns;
    if (option == 'n' || option == 'm') return is_number;
    return option == 'b' || time_ns > 0;
}

/* False, and said how, if the arguments are no good. */
static bool settings_parse(struct settings *it, int argc, char **argv) {
    const char *program = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
    int option;
    bool is_good = true;
    it->limit = 1000;
    it->idle_ns = 600 * EDDY_NS_PER_S;
    it->answer_ns = 60 * EDDY_NS_PER_S;
    it->connect_ns = 3 * EDDY_NS_PER_S;
    it->upstreams.rest_ns = 5 * EDDY_NS_PER_S;
    while (is_good && (option = getopt(argc, argv, "b:n:m:i:t:a:r:")) != -1)
        is_good = settings_take(it, option, optarg);
    it->length = is_good && optind < argc ? parse_address(&it->address, argv[optind]) : -1;
    if (it->length > 0 && upstreams_parse(&it->upstreams, argv + optind + 1, argc - optind - 1))
        return true;
    fprintf(stderr,
            "usage: %s [-b backend] [-n connections] [-m bytes] [-i idle seconds]\n"
            "    [-t connect seconds] [-a answer seconds] [-r rest seconds]\n"
            "    ADDRESS:PORT UPSTREAM:PORT ...\n",
            program);
    return false;
}

/* Two descriptors a connection, and some others. */
static void settings_fit(struct settings *it, unsigned others) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return;
    rlim_t most = limit.rlim_cur > others + 2 ? (limit.rlim_cur - others) / 2 : 1;
    if (most < it->limit) it->limit = (unsigned)most;
}

static int fail(const char *program, const char *what, int error) {
    char text[80];
    fprintf(stderr, "%s: %s: %s\n", program, what, eddy_strerror(error, text, sizeof text));
    return EXIT_FAILURE;
}

static void tell_address(const char *program, const eddy_listener *listener) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char text[64] = "?";
    if (eddy_listener_address(listener, (struct sockaddr *)&address, &length) == 0)
        eddy_address_format((struct sockaddr *)&address, text, sizeof text);
    printf("%s: listening on %s\n", program, text);
    fflush(stdout);
}

/* --- SIGTERM and SIGINT --- */

struct signals {
    eddy_signal watchers[2];
    void (*fn)(struct signals *signals, bool is_first);
    unsigned count;
};

static void on_signal_number(eddy_signal *watcher, int number) {
    struct signals *it =
        eddy_container_of(watcher, struct signals, watchers[number == SIGINT ? 1 : 0]);
    it->fn(it, it->count++ == 0);
}

/* Alone they do not keep the loop running. */
static int signals_start(struct signals *it, eddy_loop *loop,
                         void (*fn)(struct signals *signals, bool is_first)) {
    const int numbers[] = {SIGTERM, SIGINT};
    int err = 0;
    it->fn = fn;
    for (int i = 0; i < 2; i++) {
        eddy_signal_init(&it->watchers[i], loop);
        eddy_unref(&it->watchers[i].handle);
        if (err == 0) err = eddy_signal_start(&it->watchers[i], on_signal_number, numbers[i]);
    }
    return err;
}

static void signals_stop(struct signals *it) {
    for (int i = 0; i < 2; i++) eddy_signal_stop(&it->watchers[i]);
}

/* --- The relay --- */

struct relay;

struct side {
    eddy_stream stream;
    struct side *other;
    struct relay *relay;
    eddy_write write, end;
    void *rest;       /* of what the other side has sent: not taken by this one yet */
    eddy_timer again; /* asks once more whether it is gone */
};

struct relay {
    struct side client, upstream;
    eddy_timer idle;
    int64_t idle_ns;             /* without a byte from either side */
    struct relay *next, **place; /* in the list of all */
    void (*closed)(struct relay *relay);
    size_t queued; /* in both, when it was touched last */
    bool is_closing;
    unsigned ends; /* that were passed on */
    unsigned open; /* streams whose close callback is to come */
};

static void on_side_closed(eddy_stream *stream) {
    struct relay *it = eddy_container_of(stream, struct side, stream)->relay;
    if (--it->open == 0) it->closed(it);
}

/* A stream that is cut must not look like a whole one: then both sides get a reset. */
static void relay_close(struct relay *it, bool is_cut) {
    struct side *sides[] = {&it->client, &it->upstream};
    if (it->is_closing) return;
    it->is_closing = true;
    *it->place = it->next;
    if (it->next != NULL) it->next->place = it->place;
    eddy_timer_stop(&it->idle);
    for (int i = 0; i < 2; i++) {
        eddy_timer_stop(&sides[i]->again);
        (is_cut ? eddy_stream_reset : eddy_stream_close)(&sides[i]->stream, on_side_closed);
    }
}

static void relay_close_all(struct relay **all) {
    while (*all != NULL) relay_close(*all, true);
}

static void on_idle(eddy_timer *timer);

static size_t relay_queued(const struct relay *it) {
    return eddy_stream_queued(&it->client.stream) + eddy_stream_queued(&it->upstream.stream);
}

/* Costs a store: the deadline moves away. */
static int relay_touch(struct relay *it) {
    it->queued = relay_queued(it);
    return eddy_timer_start(&it->idle, on_idle, it->idle_ns, 0);
}

/* What waits may have become less, without a callback yet. */
static void on_idle(eddy_timer *timer) {
    struct relay *it = eddy_container_of(timer, struct relay, idle);
    size_t before = it->queued;
    int err = relay_touch(it);
    if (err < 0 || it->queued >= before) relay_close(it, true);
}

static void relay_init(struct relay *it, eddy_loop *loop, struct relay **all, int64_t idle_ns,
                       void (*closed)(struct relay *relay)) {
    struct side *sides[] = {&it->client, &it->upstream};
    *it = (struct relay){.idle_ns = idle_ns, .closed = closed, .open = 2};
    it->next = *all;
    it->place = all;
    if (it->next != NULL) it->next->place = &it->next;
    *all = it;
    eddy_timer_init(&it->idle, loop);
    for (int i = 0; i < 2; i++) {
        sides[i]->relay = it;
        sides[i]->other = sides[1 - i];
        eddy_stream_init(&sides[i]->stream, loop);
        eddy_timer_init(&sides[i]->again, loop);
    }
}

/* --- A side that is not read --- */

static void on_hangup(eddy_stream *stream, int status);

/* It is paused, and a read that is not done cannot tell that it has gone. Without EDDY_CAN_HANGUP
 * (select) the idle time-out tells. */
static void side_watch(struct side *it) {
    (void)eddy_stream_hangup_start(&it->stream, on_hangup);
}

static void on_again(eddy_timer *timer) {
    side_watch(eddy_container_of(timer, struct side, again));
}

/* With status 0 it sends no more, and may still listen: what it has sent is passed on first. A
 * reset that follows is told if one asks anew, which tells of the end at once: so not in each
 * turn. */
static void on_hangup(eddy_stream *stream, int status) {
    struct side *it = eddy_container_of(stream, struct side, stream);
    if (status == 0) status = eddy_timer_start(&it->again, on_again, EDDY_NS_PER_S, 0);
    if (status < 0) relay_close(it->relay, true);
}

/* --- One direction --- */

static void on_read(eddy_stream *stream, void *data, ssize_t size);

static void on_rest_written(eddy_write *write, int status) {
    struct side *to = eddy_container_of(write, struct side, write);
    free(to->rest);
    to->rest = NULL;
    if (status == 0) status = relay_touch(to->relay);
    if (status == 0) status = eddy_stream_read_start(&to->other->stream, on_read);
    if (status < 0) relay_close(to->relay, true);
}

/* What the kernel takes at once needs no memory. The rest is kept, and the sender is not read until
 * it is gone. */
static int pass_bytes(struct side *from, const void *data, size_t size) {
    struct side *to = from->other;
    struct iovec piece = {(void *)(uintptr_t)data, size};
    ssize_t sent = eddy_stream_try_write(&to->stream, &piece, 1);
    if (sent == -EAGAIN) sent = 0;
    if (sent < 0) return (int)sent;
    size_t left = size - (size_t)sent;
    if (left == 0) return 0;
    to->rest = malloc(left);
    if (to->rest == NULL) return -ENOMEM;
    memcpy(to->rest, (const char *)data + sent, left);
    int err = eddy_stream_write(&to->stream, &to->write, to->rest, left, on_rest_written);
    if (err < 0) {
        free(to->rest);
        to->rest = NULL;
        return err;
    }
    from->relay->queued = relay_queued(from->relay);
    eddy_stream_read_stop(&from->stream);
    side_watch(from);
    return 0;
}

/* Both have sent all, and each other's end is with the kernel. */
static void on_end_written(eddy_write *write, int status) {
    struct relay *it = eddy_container_of(write, struct side, end)->relay;
    if (status < 0 || ++it->ends == 2) relay_close(it, status < 0);
}

/* It may still listen, which is heard of as of one that is paused. */
static int pass_end(struct side *from) {
    struct side *to = from->other;
    int err = eddy_stream_shutdown(&to->stream, &to->end, on_end_written);
    return err < 0 ? err : eddy_timer_start(&from->again, on_again, EDDY_NS_PER_S, 0);
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct side *from = eddy_container_of(stream, struct side, stream);
    int err = size < 0 ? (int)size : relay_touch(from->relay);
    if (size > 0 && err == 0) err = pass_bytes(from, data, (size_t)size);
    if (size == 0 && err == 0) err = pass_end(from);
    if (err < 0) relay_close(from->relay, true);
}

/* Both are connected. Small pieces are to go on as they came, not gathered (TCP_NODELAY). */
static void relay_start(struct relay *it) {
    struct side *sides[] = {&it->client, &it->upstream};
    int err = relay_touch(it);
    for (int i = 0; i < 2; i++) {
        (void)eddy_tcp_set_nodelay(&sides[i]->stream, true);
        if (sides[i]->other->rest != NULL) continue; /* first bytes, which wait */
        err = err < 0 ? err : eddy_stream_read_start(&sides[i]->stream, on_read);
    }
    if (err < 0) relay_close(it, true);
}

#endif
