/* pipes.c: streams over pipes and a file, turned until they are over: the stream's own, or shared
 * with others, which goes by way of what the system has for that. */
#include "script.h"

#include <stdio.h>
#include <string.h>

enum { PIPES = 4, WRITES = 5, BYTES_MAX = 20000, TURNS_MAX = 100000 };

struct line {
    struct thing near, far; /* the writer, and the reader */
    eddy_stream writer, reader;
    eddy_write writes[WRITES], shutdown;
    size_t received;
    uint64_t sum;
    bool is_shared, is_shut, has_ended;
    unsigned closed;
};

static struct line lines[PIPES + 1]; /* the last one is a file, which is only read */
static char bytes[BYTES_MAX];

static void on_closed(eddy_stream *stream) {
    (void)stream;
    for (unsigned i = 0; i <= PIPES; i++)
        lines[i].closed += stream == &lines[i].writer || stream == &lines[i].reader;
}

static void on_written(eddy_write *write, int status) {
    struct line *it = eddy_container_of(write->stream, struct line, writer);
    thing_note(&it->near, " w%d:%d", (int)(write - it->writes), status);
}

/* What is shared ends when the stream lets go of it. */
static void on_shut(eddy_write *write, int status) {
    struct line *it = eddy_container_of(write, struct line, shutdown);
    thing_note(&it->near, " shut:%d", status);
    it->is_shut = true;
    if (it->is_shared) (void)eddy_stream_close(&it->writer, on_closed);
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct line *it = eddy_container_of(stream, struct line, reader);
    const unsigned char *at = data;
    for (ssize_t i = 0; i < size; i++) it->sum = (it->sum ^ at[i]) * UINT64_C(0x100000001b3);
    if (size > 0) {
        it->received += (size_t)size;
        return;
    }
    thing_note(&it->far, " %zu bytes, sum %llx, end %d", it->received, (unsigned long long)it->sum,
               (int)size);
    it->has_ended = true;
}

static void attach(eddy_stream *stream, struct script *script, int fd, bool is_shared) {
    eddy_stream_init(stream, script->loop);
    int err = is_shared ? eddy_stdio_attach(stream, fd) : eddy_stream_attach(stream, fd);
    if (err < 0) script_fail("attach", err);
    if (is_shared) world_close(fd);
}

static void begin_line(struct line *it, struct script *script, unsigned i) {
    memset(it, 0, sizeof *it);
    thing_begin(&it->near, "writer", script->random + i);
    thing_begin(&it->far, "reader", i);
    it->is_shared = i >= PIPES / 2;
}

static void open_pipe(struct script *script, unsigned i) {
    struct line *it = &lines[i];
    int ends[2];
    begin_line(it, script, i);
    world_pipe(ends);
    attach(&it->reader, script, ends[0], it->is_shared);
    attach(&it->writer, script, ends[1], it->is_shared);
    int err = eddy_stream_read_start(&it->writer, on_read);
    thing_note(&it->near, " read:%d", err);
    err = eddy_stream_write(&it->reader, &it->writes[0], bytes, 1, on_written);
    thing_note(&it->far, " write:%d", err);
    unsigned count = 1 + random_of(&it->near.random, WRITES);
    for (unsigned k = 0; k < count; k++) {
        size_t size = random_of(&it->near.random, k == 0 ? 200 : BYTES_MAX);
        err = eddy_stream_write(&it->writer, &it->writes[k], bytes, size, on_written);
        if (err < 0) script_fail("write", err);
    }
    err = eddy_stream_shutdown(&it->writer, &it->shutdown, on_shut);
    if (err == 0) err = eddy_stream_read_start(&it->reader, on_read);
    if (err < 0) script_fail("start", err);
}

static void open_file(struct script *script) {
    struct line *it = &lines[PIPES];
    begin_line(it, script, PIPES);
    attach(&it->reader, script, world_file(), true);
    it->is_shut = true;
    it->closed = 1;
    int err = eddy_stream_read_start(&it->reader, on_read);
    if (err < 0) script_fail("start", err);
}

static void turn_until(struct script *script, bool (*is_over)(const struct line *it)) {
    for (unsigned i = 0, over = 0; over <= PIPES; i++) {
        if (i == TURNS_MAX) script_fail("pipes never end", -1);
        over = 0;
        for (unsigned k = 0; k <= PIPES; k++) over += is_over(&lines[k]);
        if (over > PIPES) return;
        int result = eddy_loop_run(script->loop, EDDY_RUN_ONCE);
        if (result < 0) script_fail("a turn", result);
    }
}

static bool has_ended(const struct line *it) {
    return it->has_ended && it->is_shut;
}

static bool is_closed(const struct line *it) {
    return it->closed == 2;
}

/* What was the script's before is its own again. */
static void close_own(eddy_stream *stream) {
    int fd = eddy_stream_detach(stream);
    if (fd < 0) script_fail("detach", fd);
    world_close(fd);
    (void)eddy_stream_close(stream, on_closed);
}

void pipes_run(struct script *script) {
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7);
    for (unsigned i = 0; i < PIPES; i++) open_pipe(script, i);
    open_file(script);
    turn_until(script, has_ended);
    for (unsigned i = 0; i <= PIPES; i++) {
        if (lines[i].is_shared)
            (void)eddy_stream_close(&lines[i].reader, on_closed);
        else
            close_own(&lines[i].reader);
        if (!lines[i].is_shared) close_own(&lines[i].writer);
    }
    turn_until(script, is_closed);
    for (unsigned i = 0; i <= PIPES; i++) {
        printf("pipe %u writer:%s\n", i, lines[i].near.trace);
        printf("pipe %u reader:%s\n", i, lines[i].far.trace);
    }
}
