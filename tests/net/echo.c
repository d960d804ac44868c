/* echo.c: random sizes through an echo, both ends in one loop, compared by checksum; and that none
 * of it allocates. */
#include "net.h"

#include <stdlib.h>

enum { TOTAL = 3 << 20, CHUNK_MAX = 100000, BUFFERS = 8 };

/* The echo keeps what it has not sent back yet in a few buffers, and stops reading while all are
 * in use. */
struct echo {
    struct end end;
    struct buffer {
        eddy_write write;
        struct echo *echo;
        bool busy;
        char data[20000];
    } buffers[BUFFERS];
    bool shut;
    eddy_write shutdown;
};

struct source {
    struct end end;
    eddy_write write, shutdown;
    size_t sent;
    uint64_t sum;
    uint32_t seed;
    bool many; /* vectors */
    struct iovec vectors[200];
    char data[CHUNK_MAX];
};

static uint32_t next_random(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void echo_read(eddy_stream *stream, void *data, ssize_t size);

static struct buffer *free_buffer(struct echo *echo) {
    for (int i = 0; i < BUFFERS; i++)
        if (!echo->buffers[i].busy) return &echo->buffers[i];
    return NULL;
}

static void echo_start(struct echo *echo) {
    struct buffer *buffer = free_buffer(echo);
    ck_assert_ptr_nonnull(buffer);
    ck_assert_int_eq(
        eddy_stream_read_into(&echo->end.stream, buffer->data, sizeof buffer->data, echo_read), 0);
}

static void echo_written(eddy_write *write, int status) {
    struct buffer *buffer = eddy_container_of(write, struct buffer, write);
    struct echo *echo = buffer->echo;
    bool was_full = free_buffer(echo) == NULL;
    ck_assert_int_eq(status, 0);
    buffer->busy = false;
    echo->end.written++;
    if (was_full && !echo->shut) echo_start(echo);
}

static void echo_read(eddy_stream *stream, void *data, ssize_t size) {
    struct echo *echo = eddy_container_of(stream, struct echo, end.stream);
    if (size <= 0) {
        ck_assert_int_eq(size, 0);
        echo->shut = true;
        ck_assert_int_eq(eddy_stream_shutdown(stream, &echo->shutdown, end_on_written), 0);
        return;
    }
    struct buffer *buffer = eddy_container_of(data, struct buffer, data);
    buffer->busy = true;
    buffer->echo = echo;
    ck_assert_int_eq(
        eddy_stream_write(stream, &buffer->write, buffer->data, (size_t)size, echo_written), 0);
    eddy_stream_read_stop(stream);
    if (free_buffer(echo) != NULL) echo_start(echo);
}

static void source_write(struct source *source);

static void source_written(eddy_write *write, int status) {
    struct source *source = eddy_container_of(write, struct source, write);
    ck_assert_int_eq(status, 0);
    if (source->sent < TOTAL) {
        source_write(source);
    } else {
        ck_assert_int_eq(
            eddy_stream_shutdown(&source->end.stream, &source->shutdown, end_on_written), 0);
    }
}

static void source_write(struct source *source) {
    size_t size = next_random(&source->seed) % CHUNK_MAX;
    for (size_t i = 0; i < size; i++) source->data[i] = (char)next_random(&source->seed);
    source->sum = sum_bytes(source->sum, source->data, size);
    source->sent += size;
    int err, count = 0;
    if (source->many) {
        size_t at = 0;
        while (at < size) {
            size_t piece = count < 199 ? next_random(&source->seed) % 997 : size - at;
            if (piece > size - at) piece = size - at;
            source->vectors[count++] = (struct iovec){source->data + at, piece};
            at += piece;
        }
        err = eddy_stream_writev(&source->end.stream, &source->write, source->vectors, count,
                                 source_written);
    } else {
        err = eddy_stream_write(&source->end.stream, &source->write, source->data, size,
                                source_written);
    }
    ck_assert_int_eq(err, 0);
}

static void run_echo(eddy_loop *loop, bool many) {
    struct echo *echo = calloc(1, sizeof *echo);
    struct source *source = calloc(1, sizeof *source);
    ck_assert(echo != NULL && source != NULL);
    end_connect_both(&source->end, loop, &echo->end, loop);
    source->seed = many ? 7 : 11;
    source->many = many;
    echo_start(echo);
    ck_assert_int_eq(eddy_stream_read_start(&source->end.stream, end_on_read), 0);
    source_write(source);
    test_turn_until(loop, &source->end.ended);
    ck_assert_uint_eq(source->end.received, source->sent);
    ck_assert_uint_eq(source->end.sum, source->sum);
    end_close(&source->end);
    end_close(&echo->end);
    free(source);
    free(echo);
}

START_TEST(random_sizes_come_back_unchanged) {
    eddy_loop *loop = test_loop_open();
    run_echo(loop, false);
    run_echo(loop, true);
    test_loop_close(loop);
}
END_TEST

/* The same in small shares, so that budgets cut everything. */
START_TEST(random_sizes_come_back_unchanged_in_small_shares) {
    eddy_loop *loop = test_loop_open_with(
        (eddy_loop_config){.read_buffer_bytes = 1000, .stream_bytes_per_turn = 7000});
    run_echo(loop, true);
    test_loop_close(loop);
}
END_TEST

/* --- The hot path --- */

struct pong {
    struct end end;
    eddy_write write;
    char data[64];
    unsigned left;
};

static void pong_written(eddy_write *write, int status) {
    (void)write;
    ck_assert_int_eq(status, 0);
}

static void pong_read(eddy_stream *stream, void *data, ssize_t size) {
    struct pong *pong = eddy_container_of(stream, struct pong, end.stream);
    if (size == 0) return; /* the other one has closed, after the test */
    ck_assert_int_eq(size, sizeof pong->data);
    memcpy(pong->data, data, sizeof pong->data);
    ck_assert_int_eq(eddy_stream_set_read_deadline(stream, 5 * EDDY_NS_PER_S), 0);
    if (pong->left-- == 0) {
        pong->end.told = true; /* the round is over */
        return;
    }
    ck_assert_int_eq(
        eddy_stream_write(stream, &pong->write, pong->data, sizeof pong->data, pong_written), 0);
}

START_TEST(messages_allocate_nothing) {
    eddy_loop *loop = test_loop_open();
    static struct pong a, b;
    end_connect_both(&a.end, loop, &b.end, loop);
    eddy_metrics before, after;
    for (int round = 0; round < 2; round++) {
        eddy_loop_read_metrics(loop, &before, sizeof before);
        a.left = 1000;
        b.left = 2000;
        a.end.told = false;
        if (round == 0) {
            ck_assert_int_eq(eddy_stream_read_start(&a.end.stream, pong_read), 0);
            ck_assert_int_eq(eddy_stream_read_start(&b.end.stream, pong_read), 0);
            ck_assert_int_eq(eddy_stream_set_write_timeout(&a.end.stream, 5 * EDDY_NS_PER_S), 0);
        }
        ck_assert_int_eq(
            eddy_stream_write(&a.end.stream, &a.write, a.data, sizeof a.data, pong_written), 0);
        test_turn_until(loop, &a.end.told);
        eddy_loop_read_metrics(loop, &after, sizeof after);
    }
    ck_assert_uint_eq(after.allocations, before.allocations);
    /* A message is one read and one write, and interest is never changed. */
    ck_assert_uint_le(after.writes - before.writes, 2002);
    ck_assert_uint_le(after.reads - before.reads, 2002);
    ck_assert_uint_eq(after.backend_modifies, before.backend_modifies);
    end_close(&a.end);
    end_close(&b.end);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("echo");
    ck_add(suite, "echo", random_sizes_come_back_unchanged,
           random_sizes_come_back_unchanged_in_small_shares, messages_allocate_nothing);
    return suite;
}
