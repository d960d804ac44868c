/* pipes.c: faults while bytes go through a pipe, a file or a socket that is a stream at both ends:
 * as its own, or shared with others. */
#include "fault.h"
#include "net.h"

#include <stdio.h>

enum { WRITES = 3, BYTES = 6000 };

struct side {
    eddy_stream stream;
    eddy_write writes[WRITES], shutdown;
    struct promise writing[WRITES], shutting, closing;
    size_t received;
    bool has_end, over;
};

static eddy_loop *loop;
static struct side from, to;
static bool both_over;
static char data[BYTES];
static int held[2]; /* the caller's, of what is shared; -1: none */

/* A listener gets over it; what has to have a descriptor does not. */
static bool is_unhurt(void) {
    return fault_is_unhurt() && !fault_is_of(OS_CALL_open_reserve);
}

static struct side *side_of(eddy_stream *stream) {
    return eddy_container_of(stream, struct side, stream);
}

static void on_closed(eddy_stream *stream) {
    struct side *side = side_of(stream);
    promise_keep(&side->closing);
    for (int i = 0; i < WRITES; i++) fault_assert(!promise_is_open(&side->writing[i]));
    fault_assert(!promise_is_open(&side->shutting));
    side->over = true;
    both_over = from.over && to.over;
}

static void close_side(struct side *side) {
    if (side->closing.given) return;
    int err = eddy_stream_close(&side->stream, on_closed);
    fault_assert(promise_give(&side->closing, err) == 0);
}

static void on_written(eddy_write *write, int status) {
    fault_assert(status == 0 || !is_unhurt() || from.closing.given);
    for (int i = 0; i < WRITES; i++)
        if (write == &from.writes[i]) promise_keep(&from.writing[i]);
    if (write == &from.shutdown) promise_keep(&from.shutting);
    if (status < 0 || write == &from.shutdown) close_side(&from);
    /* What others share ends only when they close it. */
    if (from.closing.given && held[1] >= 0) {
        close(held[1]);
        held[1] = -1;
    }
}

static void on_read(eddy_stream *stream, void *bytes, ssize_t size) {
    struct side *side = side_of(stream);
    fault_assert(size >= 0 || !is_unhurt());
    if (size > 0) {
        const char *at = bytes;
        for (ssize_t i = 0; i < size; i++) fault_assert(at[i] == data[side->received++ % BYTES]);
        return;
    }
    side->has_end = size == 0;
    close_side(side);
}

static void say(void) {
    int err = 0;
    for (int i = 0; err == 0 && i < WRITES; i++) {
        err = eddy_stream_write(&from.stream, &from.writes[i], data, BYTES, on_written);
        promise_give(&from.writing[i], err);
    }
    if (err == 0) {
        err = eddy_stream_shutdown(&from.stream, &from.shutdown, on_written);
        promise_give(&from.shutting, err);
    }
    if (err < 0) close_side(&from);
}

static void begin(void) {
    memset(&from, 0, sizeof from);
    memset(&to, 0, sizeof to);
    both_over = false;
    held[0] = held[1] = -1;
    for (int i = 0; i < BYTES; i++) data[i] = (char)(i * 7);
    eddy_stream_init(&from.stream, loop);
    eddy_stream_init(&to.stream, loop);
}

static void finish(bool is_begun) {
    if (is_begun) (void)fault_turn_until(loop, &both_over);
    if (is_unhurt() && is_begun) fault_assert(to.received == WRITES * BYTES && to.has_end);
    close_side(&from);
    close_side(&to);
    for (int i = 0; i < 2; i++)
        if (held[i] >= 0) close(held[i]);
    fault_loop_close(loop);
    fault_assert(both_over);
}

static void run(int (*make)(int ends[2]), bool is_shared) {
    int ends[2];
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    begin();
    fault_assert(make(ends) == 0);
    int (*attach)(eddy_stream *, int) = is_shared ? eddy_stdio_attach : eddy_stream_attach;
    int err = attach(&to.stream, ends[0]);
    if (is_shared || err < 0) held[0] = ends[0];
    int other = attach(&from.stream, ends[1]);
    if (is_shared || other < 0) held[1] = ends[1];
    if (err == 0) err = other;
    if (err == 0) err = eddy_stream_read_start(&to.stream, on_read);
    fault_assert(err == 0 || !is_unhurt());
    if (err == 0) say();
    finish(err == 0);
}

static int make_pair(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static int make_pipe(int ends[2]) {
    return pipe(ends);
}

static void pipe_own(void) {
    run(make_pipe, false);
}

static void pipe_shared(void) {
    run(make_pipe, true);
}

static void socket_shared(void) {
    run(make_pair, true);
}

START_TEST(a_pipe_carries_all_or_says_why_not) {
    fault_loop("pipe", pipe_own);
    fault_loop("shared pipe", pipe_shared);
    fault_loop("shared socket", socket_shared);
}
END_TEST

/* --- A file: written by one stream, and read by another when that is over --- */

static void on_from_closed(eddy_stream *stream) {
    on_closed(stream);
    if (lseek(held[0], 0, SEEK_SET) != 0 || eddy_stdio_attach(&to.stream, held[0]) < 0 ||
        eddy_stream_read_start(&to.stream, on_read) < 0)
        close_side(&to);
}

static void on_file_written(eddy_write *write, int status) {
    fault_assert(status == 0 || !is_unhurt() || from.closing.given);
    for (int i = 0; i < WRITES; i++)
        if (write == &from.writes[i]) promise_keep(&from.writing[i]);
    if (from.closing.given || (status == 0 && write != &from.writes[WRITES - 1])) return;
    int err = eddy_stream_close(&from.stream, on_from_closed);
    fault_assert(promise_give(&from.closing, err) == 0);
}

static void file_shared(void) {
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    begin();
    FILE *file = tmpfile();
    fault_assert(file != NULL);
    held[0] = dup(fileno(file));
    fclose(file);
    int err = eddy_stdio_attach(&from.stream, held[0]);
    for (int i = 0; err == 0 && i < WRITES; i++) {
        err = eddy_stream_write(&from.stream, &from.writes[i], data, BYTES, on_file_written);
        promise_give(&from.writing[i], err);
    }
    finish(err == 0);
}

START_TEST(a_file_carries_all_or_says_why_not) {
    fault_loop("file", file_shared);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault pipes");
    ck_add(suite, "pipes", a_pipe_carries_all_or_says_why_not, a_file_carries_all_or_says_why_not);
    return suite;
}
