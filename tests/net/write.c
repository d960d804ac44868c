/* write.c: the queue of writes, marks, shutting down, closing with writes pending. */
#include "net.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { MANY = 100 };

static char big[4 << 20];

static void fill_big(void) {
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
}

/* Reads all that the plain socket gets until the writer's side has ended. */
static size_t drain_until_end(eddy_loop *loop, int peer, uint64_t *sum) {
    size_t total = 0;
    bool ended = false;
    int64_t give_up_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (!ended) {
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        total += drain_plain(peer, sum, &ended);
        ck_assert_int_lt(test_now_ns(), give_up_ns);
    }
    return total;
}

/* --- Order and completeness --- */

static unsigned order_next;

struct ordered {
    eddy_write write;
    unsigned number;
};

static void in_order(eddy_write *write, int status) {
    struct ordered *it = eddy_container_of(write, struct ordered, write);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(it->number, order_next++);
}

/* One turn, one system call, callbacks in order, nothing inside the API calls. */
START_TEST(writes_of_a_turn_go_out_in_one_call_and_in_order) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    struct ordered writes[32];
    int peer = end_connect(&end, loop);
    uint64_t expected = 0, sum = 0;
    bool ended = false;
    order_next = 0;
    for (unsigned i = 0; i < 32; i++) {
        writes[i].number = i;
        size_t size = i % 7; /* some of them are of 0 bytes */
        ck_assert_int_eq(
            eddy_stream_write(&end.stream, &writes[i].write, "abcdefg", size, in_order), 0);
        expected = sum_bytes(expected, "abcdefg", size);
    }
    ck_assert_uint_eq(order_next, 0);
    ck_assert_uint_gt(eddy_stream_queued(&end.stream), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(order_next, 32);
    ck_assert_uint_eq(eddy_stream_queued(&end.stream), 0);
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    ck_assert_uint_eq(metrics.writes, 1);
    drain_plain(peer, &sum, &ended);
    ck_assert_uint_eq(sum, expected);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* More vectors than one call takes, empty ones among them, and buffers that cut them anywhere. */
START_TEST(vectors_of_any_number_arrive_whole_through_small_buffers) {
    enum { COUNT = 3000 };
    static struct iovec vectors[COUNT];
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect_narrow(&end, loop);
    fill_big();
    size_t at = 0;
    for (int i = 0; i < COUNT; i++) {
        vectors[i] = (struct iovec){big + at, (size_t)i % 613};
        at += vectors[i].iov_len;
    }
    eddy_write write, shutdown;
    uint64_t sum = 0;
    ck_assert_int_eq(eddy_stream_writev(&end.stream, &write, vectors, -1, end_on_written), -EINVAL);
    ck_assert_int_eq(eddy_stream_writev(&end.stream, &write, vectors, COUNT, end_on_written), 0);
    ck_assert_uint_eq(eddy_stream_queued(&end.stream), at);
    ck_assert_int_eq(eddy_stream_shutdown(&end.stream, &shutdown, end_on_written), 0);
    ck_assert_uint_eq(drain_until_end(loop, peer, &sum), at);
    ck_assert_uint_eq(sum, sum_bytes(0, big, at));
    ck_assert_uint_eq(end.written, 2);
    ck_assert_int_eq(end.status, 0);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static void write_again(eddy_write *write, int status) {
    struct end *end = end_of(write->stream);
    ck_assert_int_eq(status, 0);
    if (++end->written < MANY)
        ck_assert_int_eq(eddy_stream_write(write->stream, write, "", 0, write_again), 0);
}

/* A request is its caller's again in its callback; and what it queues then waits for the next
 * turn, so that even a write of nothing cannot keep the phase from ending. */
START_TEST(callback_may_use_its_request_again_once_a_turn) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    eddy_write write;
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, "", 0, write_again), 0);
    for (unsigned turn = 1; turn <= MANY; turn++) {
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_uint_eq(end.written, turn);
    }
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static void free_request(eddy_write *write, int status) {
    end_on_written(write, status);
    free(write);
}

START_TEST(callback_may_free_its_request) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(
            eddy_stream_write(&end.stream, malloc(sizeof(eddy_write)), "abc", 3, free_request), 0);
    while (end.written < 10) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

START_TEST(try_write_takes_what_fits_and_never_overtakes) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    struct iovec some = {big, 10}, all = {big, sizeof big};
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, &some, 1), 10);
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, &some, -1), -EINVAL);
    eddy_write write;
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, "x", 1, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, &some, 1), -EAGAIN);
    while (end.written == 0) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    ssize_t size;
    while ((size = eddy_stream_try_write(&end.stream, &all, 1)) > 0) continue;
    ck_assert_int_eq(size, -EAGAIN);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

START_TEST(more_bytes_than_can_be_counted_are_refused) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    eddy_write write;
    struct iovec vectors[2] = {{big, SIZE_MAX / 2}, {big, 1}};
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, SIZE_MAX, end_on_written),
                     -EINVAL);
    ck_assert_int_eq(eddy_stream_writev(&end.stream, &write, vectors, 2, end_on_written), -EINVAL);
    ck_assert_uint_eq(eddy_stream_queued(&end.stream), 0);
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, vectors, 2), -EINVAL);
    vectors[0].iov_len = SIZE_MAX;
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, vectors, 1), -EINVAL);
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, vectors, 0), 0);
    /* What is queued counts too. */
    eddy_write second;
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, 1, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &second, big, SIZE_MAX / 2, end_on_written),
                     -EINVAL);
    ck_assert_uint_eq(eddy_stream_queued(&end.stream), 1);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(end.written, 1);
    ck_assert_int_eq(end.status, 0);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

#ifndef MAP_NORESERVE /* FreeBSD reserves nothing anyway */
#define MAP_NORESERVE 0
#endif

/* A piece that is larger than a call takes, with another behind it: its beginning is sent. */
START_TEST(a_piece_that_is_too_large_for_a_call_is_begun) {
    size_t size = ((size_t)1 << 30) + 1;
    void *large = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (large == MAP_FAILED) return; /* no room for it in a small address space */
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect_narrow(&end, loop);
    struct iovec vectors[3] = {{big, 0}, {large, size}, {big, 1}};
    ssize_t sent = eddy_stream_try_write(&end.stream, vectors, 3);
    ck_assert_int_gt(sent, 0);
    ck_assert_int_lt(sent, (ssize_t)size);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
    munmap(large, size);
}
END_TEST

/* --- Marks --- */

static void on_drained(eddy_stream *stream) {
    struct end *end = end_of(stream);
    end->drains++;
    end->drained = true;
    ck_assert(!eddy_stream_is_full(stream));
    ck_assert_uint_le(eddy_stream_queued(stream), 1000);
}

START_TEST(drained_is_called_once_after_the_queue_was_full) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    eddy_stream *stream = &end.stream;
    ck_assert_int_eq(eddy_stream_set_marks(stream, 2, 1, on_drained), -EINVAL);
    ck_assert_int_eq(eddy_stream_set_marks(stream, 0, 0, on_drained), -EINVAL);
    ck_assert_int_eq(eddy_stream_set_marks(stream, SIZE_MAX, SIZE_MAX, on_drained), 0);
    ck_assert(!eddy_stream_is_full(stream));
    ck_assert_int_eq(eddy_stream_set_marks(stream, 1000, 100000, on_drained), 0);
    eddy_write small, large, shutdown;
    ck_assert_int_eq(eddy_stream_write(stream, &small, big, 99999, end_on_written), 0);
    ck_assert(!eddy_stream_is_full(stream));
    while (end.written == 0) {
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        bool ended;
        uint64_t sum;
        drain_plain(peer, &sum, &ended);
    }
    ck_assert_uint_eq(end.drains, 0); /* it was never full */
    ck_assert_int_eq(eddy_stream_write(stream, &large, big, sizeof big, end_on_written), 0);
    ck_assert(eddy_stream_is_full(stream));
    ck_assert_int_eq(eddy_stream_shutdown(stream, &shutdown, end_on_written), 0);
    uint64_t sum = 0;
    drain_until_end(loop, peer, &sum);
    ck_assert_uint_eq(end.drains, 1);
    ck_assert_uint_eq(end.written, 3);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* --- Shutdown --- */

START_TEST(shutdown_comes_after_the_queue_and_only_once) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect_narrow(&end, loop);
    eddy_write write, shutdown, late;
    uint64_t sum = 0;
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, 300000, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_shutdown(&end.stream, &shutdown, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_shutdown(&end.stream, &late, end_on_written), -EPIPE);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &late, big, 1, end_on_written), -EPIPE);
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, write.vectors, 1), -EPIPE);
    ck_assert_uint_eq(drain_until_end(loop, peer, &sum), 300000);
    ck_assert_uint_eq(end.written, 2);
    ck_assert_int_eq(end.status, 0);
    /* The other direction is still open. */
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(send(peer, "still", 5, 0), 5);
    close(peer);
    test_turn_until(loop, &end.ended);
    ck_assert_uint_eq(end.received, 5);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* --- Failure --- */

/* The peer is gone: every queued request learns it once, in order, and the next call at once. */
START_TEST(failed_write_fails_the_queue_and_later_writes) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    eddy_write writes[3], late;
    ck_assert_int_eq(eddy_stream_set_marks(&end.stream, 0, 10, on_drained), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            eddy_stream_write(&end.stream, &writes[i], big, sizeof big, end_on_written), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_lt(end.written, 3);
    reset_plain(peer);
    test_turn_until(loop, &end.drained);
    ck_assert_uint_eq(end.written, 3);
    ck_assert(end.status == -ECONNRESET || end.status == -EPIPE);
    ck_assert_uint_eq(eddy_stream_queued(&end.stream), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &late, "x", 1, end_on_written), -EPIPE);
    /* The write took the socket's error out; the reader must not take that for a clean end. */
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    test_turn_until(loop, &end.told);
    ck_assert_int_eq(end.error, -ECONNRESET);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* --- Close --- */

static unsigned cancelled;

static void on_cancelled(eddy_write *write, int status) {
    struct ordered *it = eddy_container_of(write, struct ordered, write);
    ck_assert_int_eq(status, -ECANCELED);
    ck_assert_uint_eq(it->number, cancelled++);
    ck_assert(!end_of(write->stream)->closed);
    ck_assert_int_eq(eddy_stream_close(write->stream, NULL), -EALREADY);
}

static void closed_after_all(eddy_stream *stream) {
    ck_assert_uint_eq(cancelled, MANY);
    end_on_close(stream);
}

/* Over a local pair: a TCP connection that was full may take a little more a moment later, when its
 * packets have been taken on. */
START_TEST(close_cancels_a_hundred_pending_writes_in_order_before_its_callback) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    struct ordered writes[MANY];
    cancelled = 0;
    int peer = end_connect_narrow(&end, loop);
    struct iovec all = {big, sizeof big};
    while (eddy_stream_try_write(&end.stream, &all, 1) > 0) continue;
    for (unsigned i = 0; i < MANY; i++) {
        writes[i].number = i;
        ck_assert_int_eq(eddy_stream_write(&end.stream, &writes[i].write, "x", 1, on_cancelled), 0);
        if (i == MANY / 2) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    }
    ck_assert_int_eq(eddy_stream_close(&end.stream, closed_after_all), 0);
    ck_assert_uint_eq(cancelled, 0);
    test_turn_until(loop, &end.closed);
    ck_assert_uint_eq(cancelled, MANY);
    close(peer);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("write");
    ck_add(suite, "queue", writes_of_a_turn_go_out_in_one_call_and_in_order,
           vectors_of_any_number_arrive_whole_through_small_buffers,
           callback_may_use_its_request_again_once_a_turn, callback_may_free_its_request,
           try_write_takes_what_fits_and_never_overtakes,
           more_bytes_than_can_be_counted_are_refused,
           a_piece_that_is_too_large_for_a_call_is_begun);
    ck_add(suite, "marks", drained_is_called_once_after_the_queue_was_full);
    ck_add(suite, "end", shutdown_comes_after_the_queue_and_only_once,
           failed_write_fails_the_queue_and_later_writes,
           close_cancels_a_hundred_pending_writes_in_order_before_its_callback);
    return suite;
}
