/* no_heap.c: a server that has no heap. The loop and all that it needs are in an array, whose size
 * is known to the compiler; connections are in another. Whoever calls malloc, the C library too,
 * ends the program: below are its own malloc and free.
 *
 * `no_heap [PORT]` sends back what it gets, on the loopback address, until it is stopped. `no_heap
 * --test` lets in as many as it has places for, turns one away, and ends when all have their
 * answer. Read beside it: docs/21-embedding.md and include/eddy/arena.h. */
#include <eddy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "number.h"

enum {
    PLACES = 4,
    VISITORS = PLACES + 1,      /* of the test */
    DESCRIPTORS = 32,           /* numbers: three are open before, the loop's own come next */
    TIMERS = PLACES + VISITORS, /* a deadline each */
    EVENTS = 16,
    BYTES = 64, /* that a connection reads at once */
};

#define SILENCE_NS (10 * EDDY_NS_PER_S)

/* epoll needs less than kqueue, and so does poll. */
static _Alignas(
    max_align_t) char memory[EDDY_LOOP_BYTES(DESCRIPTORS, TIMERS, EVENTS) +
                             EDDY_LOOP_KQUEUE_BYTES(DESCRIPTORS, EVENTS) + EDDY_STREAMS_BYTES(0)];
static eddy_arena arena;
static eddy_loop *loop;
static eddy_listener listener;

/* --- No heap --- */

#ifndef WITH_HEAP /* a sanitizer has its own */
static _Noreturn void refuse(void) {
    static const char text[] = "no_heap: somebody wants memory of the heap\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    abort();
}

void *malloc(size_t size) {
    (void)size;
    refuse();
}

void *calloc(size_t count, size_t size) {
    (void)count, (void)size;
    refuse();
}

void *realloc(void *block, size_t size) {
    (void)block, (void)size;
    refuse();
}

void free(void *block) {
    if (block != NULL) refuse();
}
#endif

/* --- Connections --- */

static struct place {
    eddy_stream stream;
    eddy_write write;
    bool is_taken;
    char bytes[BYTES];
} places[PLACES];
static unsigned served, turned_away;

static void on_closed(eddy_stream *stream) {
    eddy_container_of(stream, struct place, stream)->is_taken = false;
}

static void on_read(eddy_stream *stream, void *data, ssize_t size);

/* There is a deadline for the next bytes, and for the client to take these. */
static void read_on(struct place *it) {
    int err = eddy_stream_read_into(&it->stream, it->bytes, BYTES, on_read);
    if (err == 0) err = eddy_stream_set_read_deadline(&it->stream, SILENCE_NS);
    if (err < 0) eddy_stream_close(&it->stream, on_closed);
}

static void on_written(eddy_write *write, int status) {
    struct place *it = eddy_container_of(write, struct place, write);
    if (status == 0)
        read_on(it);
    else
        eddy_stream_close(&it->stream, on_closed); /* harmless if it is closing already */
}

/* What was read goes out of the same bytes, so nothing is read before it has gone. */
static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct place *it = eddy_container_of(stream, struct place, stream);
    eddy_stream_read_stop(stream);
    if (size > 0) served++;
    if (size <= 0 || eddy_stream_write(stream, &it->write, data, (size_t)size, on_written) < 0)
        eddy_stream_close(stream, on_closed);
}

/* A connection beyond the last place, or for which the loop has no room, is closed: no other one
 * is the worse for it. */
static void on_accept(eddy_listener *listening, int fd, const struct sockaddr *peer) {
    (void)listening, (void)peer;
    if (fd < 0) return;
    struct place *it = places;
    while (it != places + PLACES && it->is_taken) it++;
    if (it == places + PLACES) {
        turned_away++;
        close(fd);
        return;
    }
    eddy_stream_init(&it->stream, loop);
    if (eddy_stream_attach(&it->stream, fd) < 0) {
        turned_away++;
        close(fd);
        return;
    }
    it->is_taken = true;
    (void)eddy_stream_set_write_timeout(&it->stream, SILENCE_NS);
    read_on(it);
}

/* --- The visitors of the test --- */

static struct visitor {
    eddy_stream stream;
    eddy_write write;
    char bytes[BYTES];
} visitors[VISITORS];
static unsigned answered, refused;

/* They leave together, so that one is too many. */
static void visitor_read(eddy_stream *stream, void *data, ssize_t size) {
    (void)stream, (void)data;
    if (size > 0)
        answered++;
    else
        refused++;
    eddy_stream_read_stop(stream);
    if (answered + refused < VISITORS) return;
    for (int i = 0; i < VISITORS; i++) eddy_stream_close(&visitors[i].stream, NULL);
    eddy_listener_close(&listener, NULL);
}

static void visitor_written(eddy_write *write, int status) {
    (void)write, (void)status; /* the reader hears of it */
}

static void visitor_connected(eddy_stream *stream, int status) {
    struct visitor *it = eddy_container_of(stream, struct visitor, stream);
    if (status == 0) status = eddy_stream_read_into(stream, it->bytes, BYTES, visitor_read);
    if (status == 0) status = eddy_stream_set_read_deadline(stream, SILENCE_NS);
    if (status == 0) status = eddy_stream_write(stream, &it->write, "hello", 5, visitor_written);
    if (status < 0) visitor_read(stream, NULL, status);
}

static int visit(const struct sockaddr *address, socklen_t length) {
    int err = 0;
    for (int i = 0; i < VISITORS && err == 0; i++) {
        eddy_stream_init(&visitors[i].stream, loop);
        err = eddy_tcp_connect(&visitors[i].stream, address, length, 0, visitor_connected);
    }
    return err;
}

/* --- All together --- */

static int fail(const char *what, int error) {
    char text[80];
    fprintf(stderr, "no_heap: %s: %s\n", what, eddy_strerror(error, text, sizeof text));
    return EXIT_FAILURE;
}

static int open_loop(void) {
    eddy_backend_info best;
    eddy_arena_init(&arena, memory, sizeof memory);
    eddy_allocator allocator = eddy_arena_allocator(&arena);
    int err = eddy_backend_at(0, &best);
    if (err < 0) return err;
    eddy_loop_config config = {.backend = best.name,
                               .allocator = &allocator,
                               .is_fixed = true,
                               .descriptors = DESCRIPTORS,
                               .timers = TIMERS,
                               .events_per_turn = EVENTS};
    return eddy_loop_open(&loop, &config);
}

int main(int argc, char **argv) {
    static char output[256]; /* or printf takes some of the heap */
    bool test = argc > 1 && strcmp(argv[1], "--test") == 0;
    long port = 0;
    setvbuf(stdout, output, _IOLBF, sizeof output);
    if (argc > 2 || (argc == 2 && !test && !number_parse(argv[1], 0, 65535, &port))) {
        fprintf(stderr, "usage: no_heap [PORT | --test]\n");
        return 2;
    }
    struct sockaddr_storage storage;
    struct sockaddr *address = (struct sockaddr *)&storage;
    int length = eddy_address_parse(&storage, "127.0.0.1", (unsigned)port);
    int err = length < 0 ? length : open_loop();
    if (err < 0) return fail("loop", err);
    eddy_listener_init(&listener, loop);
    err = eddy_tcp_listen(&listener, address, (socklen_t)length, 0, 0, on_accept);
    if (err < 0) return fail("listen", err);

    char text[64];
    socklen_t room = sizeof storage;
    eddy_listener_address(&listener, address, &room);
    eddy_address_format(address, text, sizeof text);
    printf("no_heap: %s, %zu of %zu bytes in use\n", text, eddy_arena_used(&arena), sizeof memory);
    if (test && (err = visit(address, room)) < 0) return fail("visit", err);
    err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    if (err < 0) return fail("run", err);
    err = eddy_loop_close(loop);
    if (err < 0) return fail("close", err);
    printf("no_heap: %u answered, %u turned away, at most %zu bytes in use, %zu now\n", served,
           turned_away, eddy_arena_peak(&arena), eddy_arena_used(&arena));
    return answered == PLACES && refused == 1 && eddy_arena_used(&arena) == 0 ? EXIT_SUCCESS
                                                                              : EXIT_FAILURE;
}
