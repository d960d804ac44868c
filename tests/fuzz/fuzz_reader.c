/* fuzz_reader.c: any bytes through a reader, in any pieces, by any requests. The answers are those
 * of a model that sees the whole at once.
 *
 * The first byte chooses the delimiter, the second the buffer's size, the third says how many of
 * the next are requests, which go round; the rest is what is sent. */
#include "fuzz.h"

#include <eddy.h>

#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 3, TARGET_MAX = 300 };

static const char *const delimiters[] = {"\n", "\r\n", "aab", "\r\n\r\n", "aaaa", "\n\n"};

struct talk {
    eddy_reader reader;
    const uint8_t *requests, *data;
    size_t requests_count, asked, size, at, room; /* `at`: what has been answered */
    size_t wanted;
    const char *delimiter;
    enum { EXACTLY, INTO, UNTIL, SOME } kind;
    bool is_over, is_closed;
    char buffer[64], target[TARGET_MAX];
};

static void on_answer(eddy_reader *reader, int status, void *data, size_t size);

static void ask(struct talk *talk, bool some) {
    eddy_reader *reader = &talk->reader;
    unsigned request = talk->requests[talk->asked++ % talk->requests_count];
    talk->kind = some ? SOME : request & 3U;
    talk->wanted = request >> 2;
    int err = 0;
    if (talk->kind == EXACTLY) {
        talk->wanted %= talk->room + 1;
        err = eddy_reader_exactly(reader, talk->wanted, on_answer);
    } else if (talk->kind == INTO) {
        talk->wanted *= 4;
        err = eddy_reader_exactly_into(reader, talk->target, talk->wanted, on_answer);
    } else if (talk->kind == UNTIL) {
        err = eddy_reader_until(reader, talk->delimiter, strlen(talk->delimiter), on_answer);
        if (strlen(talk->delimiter) > talk->room) {
            FUZZ_CHECK(err == -EMSGSIZE);
            talk->kind = SOME;
            err = eddy_reader_some(reader, on_answer);
        }
    } else {
        err = eddy_reader_some(reader, on_answer);
    }
    FUZZ_CHECK(err == 0);
}

/* Up to the first delimiter among the next `most` bytes; 0: there is none. */
static size_t find(const struct talk *talk, size_t most) {
    size_t length = strlen(talk->delimiter);
    for (size_t end = length; end <= most; end++)
        if (memcmp(talk->data + talk->at + end - length, talk->delimiter, length) == 0) return end;
    return 0;
}

static void check(const struct talk *talk, int status, size_t size) {
    size_t left = talk->size - talk->at, most = left < talk->room ? left : talk->room;
    if (talk->kind == SOME) {
        FUZZ_CHECK(left > 0 ? status == 0 && size > 0 && size <= most
                            : status == -EPIPE && size == 0);
    } else if (talk->kind == UNTIL) {
        size_t line = find(talk, most);
        if (line > 0)
            FUZZ_CHECK(status == 0 && size == line);
        else
            FUZZ_CHECK(status == (most == talk->room ? -EMSGSIZE : -EPIPE) && size == most);
    } else if (left >= talk->wanted) {
        FUZZ_CHECK(status == 0 && size == talk->wanted);
    } else {
        FUZZ_CHECK(status == -EPIPE && size == left);
    }
}

static void on_answer(eddy_reader *reader, int status, void *data, size_t size) {
    struct talk *talk = eddy_container_of(reader, struct talk, reader);
    FUZZ_CHECK(!talk->is_over);
    check(talk, status, size);
    FUZZ_CHECK(size == 0 || memcmp(data, talk->data + talk->at, size) == 0);
    if (status == 0) talk->at += size;
    talk->is_over = status == -EPIPE;
    /* Of nothing there may be requests for ever. */
    bool some = status == -EMSGSIZE || talk->asked % 8 == 0;
    if (!talk->is_over) ask(talk, some);
}

static void on_closed(eddy_stream *stream) {
    eddy_container_of(stream, struct talk, reader.stream)->is_closed = true;
}

static void run(struct talk *talk, eddy_loop *loop, int peer) {
    uint32_t random = (uint32_t)talk->size * 2654435761U + talk->requests[0];
    for (size_t sent = 0; sent < talk->size;) {
        random = random * 1664525 + 1013904223;
        size_t piece = (random >> 16) % (random >> 31 ? 4 : 100) + 1;
        if (piece > talk->size - sent) piece = talk->size - sent;
        FUZZ_CHECK(send(peer, talk->data + sent, piece, 0) == (ssize_t)piece);
        sent += piece;
        /* What is not read at once fits the socket. */
        if (random & 1U << 20) FUZZ_CHECK(eddy_loop_run(loop, EDDY_RUN_NOWAIT) >= 0);
    }
    close(peer);
    while (!talk->is_over) FUZZ_CHECK(eddy_loop_run(loop, EDDY_RUN_NOWAIT) >= 0);
    FUZZ_CHECK(eddy_reader_close(&talk->reader, on_closed) == 0);
    while (!talk->is_closed) FUZZ_CHECK(eddy_loop_run(loop, EDDY_RUN_NOWAIT) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct talk talk = {0};
    eddy_loop *loop;
    int ends[2];
    if (size < HEAD_BYTES + 1) return 0;
    talk.delimiter = delimiters[data[0] % (sizeof delimiters / sizeof *delimiters)];
    talk.room = data[1] % sizeof talk.buffer + 1;
    talk.requests = data + HEAD_BYTES;
    talk.requests_count = data[2] % (size - HEAD_BYTES) + 1;
    talk.data = talk.requests + talk.requests_count;
    talk.size = size - HEAD_BYTES - talk.requests_count;
    if (talk.size > 4096) talk.size = 4096;
    FUZZ_CHECK(eddy_loop_open(&loop, NULL) == 0);
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    eddy_reader_init(&talk.reader, loop, talk.buffer, talk.room);
    FUZZ_CHECK(eddy_stream_attach(&talk.reader.stream, ends[0]) == 0);
    ask(&talk, false);
    run(&talk, loop, ends[1]);
    FUZZ_CHECK(eddy_loop_close(loop) == 0);
    return 0;
}
