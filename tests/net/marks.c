/* marks.c: when a stream is full, when it is blocked, and flushing it at once. */
#include "net.h"

static char big[4 << 20];

static eddy_metrics metrics_of(const eddy_loop *loop) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    return metrics;
}

static void turn(eddy_loop *loop) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void write_bytes(struct end *end, eddy_write *write, size_t size, eddy_write_fn *fn) {
    ck_assert_int_eq(eddy_stream_write(&end->stream, write, big, size, fn), 0);
}

/* Turns the loop and reads the other end until everything has been written. */
static void drain_all(eddy_loop *loop, struct end *end, int peer) {
    uint64_t sum;
    bool ended;
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (eddy_stream_queued(&end->stream) > 0) {
        drain_plain(peer, &sum, &ended);
        turn(loop);
        ck_assert_int_lt(test_now_ns(), give_up_ns);
    }
}

/* --- Full --- */

static void on_drained(eddy_stream *stream) {
    end_of(stream)->drains++;
    ck_assert(!eddy_stream_is_full(stream));
}

static void with_nothing_queued(eddy_write *write, int status) {
    end_on_written(write, status);
    ck_assert_uint_eq(eddy_stream_queued(write->stream), 0);
    ck_assert_msg(!eddy_stream_is_full(write->stream), "full with nothing queued");
    ck_assert_uint_eq(end_of(write->stream)->drains, 0);
}

/* Who goes on in the callback of a write asks there whether the stream is full. */
START_TEST(nothing_queued_is_not_full_in_the_callbacks) {
    for (int way = 0; way < 3; way++) { /* sent in phase 7, by EDDY_WRITE, and failed */
        eddy_loop *loop = test_loop_open();
        struct end end;
        eddy_write writes[2];
        int peer = end_connect_narrow(&end, loop);
        ck_assert_int_eq(eddy_stream_set_marks(&end.stream, 0, 10, on_drained), 0);
        for (int i = 0; i < 2; i++)
            write_bytes(&end, &writes[i], way == 0 ? 10 : sizeof big / 8, with_nothing_queued);
        ck_assert(eddy_stream_is_full(&end.stream));
        if (way == 2) {
            turn(loop);
            close(peer);
        }
        int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
        while (end.drains == 0) {
            uint64_t sum;
            bool ended;
            if (way == 1) drain_plain(peer, &sum, &ended);
            /* The first of the two is told when the second is still queued. */
            if (way == 1 && end.written == 0) writes[0].fn = end_on_written;
            turn(loop);
            ck_assert_int_lt(test_now_ns(), give_up_ns);
        }
        ck_assert_uint_eq(end.written, 2);
        ck_assert_uint_eq(end.drains, 1);
        if (way != 2) close(peer);
        end_close(&end);
        test_loop_close(loop);
    }
}
END_TEST

static eddy_write again;

static void fill_again(eddy_write *write, int status) {
    end_on_written(write, status);
    ck_assert(!eddy_stream_is_full(write->stream));
    write_bytes(end_of(write->stream), &again, 20, end_on_written);
    ck_assert(eddy_stream_is_full(write->stream));
}

static void add_a_little(eddy_write *write, int status) {
    end_on_written(write, status);
    write_bytes(end_of(write->stream), &again, 5, end_on_written);
}

/* A callback that fills the stream again puts `drained` off; one that queues a little does not: who
 * waits for it must not wait for ever. */
START_TEST(drained_comes_once_for_each_time_it_was_full) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_set_marks(&end.stream, 0, 10, on_drained), 0);
    write_bytes(&end, &write, 20, fill_again);
    turn(loop);
    ck_assert_uint_eq(end.written, 1);
    ck_assert_uint_eq(end.drains, 0);
    turn(loop);
    ck_assert_uint_eq(end.written, 2);
    ck_assert_uint_eq(end.drains, 1);
    write_bytes(&end, &write, 20, add_a_little);
    turn(loop);
    ck_assert_uint_eq(end.drains, 2);
    turn(loop);
    ck_assert_uint_eq(end.drains, 2);
    ck_assert_uint_eq(end.written, 4);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

START_TEST(new_marks_apply_at_once) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int peer = end_connect_narrow(&end, loop);
    write_bytes(&end, &write, sizeof big / 8, end_on_written);
    turn(loop);
    ck_assert(eddy_stream_is_full(&end.stream));
    ck_assert_int_eq(eddy_stream_set_marks(&end.stream, sizeof big, sizeof big, on_drained), 0);
    ck_assert(!eddy_stream_is_full(&end.stream));
    ck_assert_uint_eq(end.drains, 0); /* not inside the call */
    turn(loop);
    ck_assert_uint_eq(end.drains, 1);
    ck_assert_int_eq(eddy_stream_set_marks(&end.stream, 0, 1, on_drained), 0);
    ck_assert(eddy_stream_is_full(&end.stream));
    drain_all(loop, &end, peer);
    ck_assert_uint_eq(end.drains, 2);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* Who passes on what it reads queues a whole read before the kernel is offered a byte. */
START_TEST(a_new_stream_is_full_with_several_reads_and_no_sooner) {
    static const size_t buffers[] = {0, 4096, 512 << 10};
    static const size_t marks[] = {256 << 10, 256 << 10, 2 << 20};
    for (int i = 0; i < 3; i++) {
        eddy_loop *loop = test_loop_open_with((eddy_loop_config){.read_buffer_bytes = buffers[i]});
        struct end end;
        eddy_write writes[2];
        int peer = end_connect(&end, loop);
        write_bytes(&end, &writes[0], marks[i] - 1, end_on_written);
        ck_assert(!eddy_stream_is_full(&end.stream));
        write_bytes(&end, &writes[1], 1, end_on_written);
        ck_assert(eddy_stream_is_full(&end.stream));
        drain_all(loop, &end, peer);
        ck_assert(!eddy_stream_is_full(&end.stream));
        close(peer);
        end_close(&end);
        test_loop_close(loop);
    }
}
END_TEST

/* --- Blocked --- */

START_TEST(blocked_is_what_the_kernel_has_refused) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write writes[2];
    int peer = end_connect_narrow(&end, loop);
    ck_assert(!eddy_stream_is_blocked(&end.stream));
    write_bytes(&end, &writes[0], sizeof big / 8, end_on_written);
    ck_assert(eddy_stream_is_full(&end.stream));
    ck_assert(!eddy_stream_is_blocked(&end.stream)); /* nobody was asked */
    turn(loop);
    ck_assert(eddy_stream_is_blocked(&end.stream));
    write_bytes(&end, &writes[1], 1, end_on_written);
    ck_assert(eddy_stream_is_blocked(&end.stream));
    drain_all(loop, &end, peer);
    ck_assert(!eddy_stream_is_blocked(&end.stream));
    ck_assert_uint_eq(end.written, 2);
    close(peer);
    end_close(&end);
    ck_assert(!eddy_stream_is_blocked(&end.stream));
    test_loop_close(loop);
}
END_TEST

/* What waits because the stream's share of the turn is used up, no peer is to be blamed for. */
START_TEST(a_share_that_is_used_up_is_not_blocked) {
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.stream_bytes_per_turn = 100});
    struct end end;
    eddy_write writes[80];
    int peer = end_connect(&end, loop);
    for (int i = 0; i < 80; i++) write_bytes(&end, &writes[i], 100, end_on_written);
    turn(loop);
    ck_assert_uint_gt(eddy_stream_queued(&end.stream), 0);
    ck_assert(!eddy_stream_is_blocked(&end.stream));
    drain_all(loop, &end, peer);
    ck_assert_uint_eq(end.written, 80);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* --- Flush --- */

START_TEST(flush_sends_at_once_and_tells_in_its_phase) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write writes[3], shutdown;
    int peer = end_connect(&end, loop);
    struct iovec byte = {big, 1};
    uint64_t sum = 0;
    bool ended = false;
    ck_assert_int_eq(eddy_stream_flush(&end.stream), 0);
    for (int i = 0; i < 3; i++) write_bytes(&end, &writes[i], (size_t)i * 100, end_on_written);
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, &byte, 1), -EAGAIN);
    ck_assert_int_eq(eddy_stream_flush(&end.stream), 0);
    ck_assert_uint_eq(eddy_stream_queued(&end.stream), 0);
    ck_assert_uint_eq(end.written, 0);
    ck_assert_int_eq(eddy_stream_detach(&end.stream), -EBUSY);         /* three are to be told */
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, &byte, 1), 1); /* and not overtaken */
    while (drain_plain(peer, &sum, &ended) == 0) continue;
    turn(loop);
    ck_assert_uint_eq(end.written, 3);
    ck_assert_int_eq(end.status, 0);
    ck_assert_uint_eq(metrics_of(loop).writes, 2);
    ck_assert_int_eq(eddy_stream_shutdown(&end.stream, &shutdown, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_flush(&end.stream), 0);
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (!ended && test_now_ns() < give_up_ns) drain_plain(peer, &sum, &ended);
    ck_assert(ended);
    ck_assert_uint_eq(end.written, 3);
    turn(loop);
    ck_assert_uint_eq(end.written, 4);
    ck_assert_int_eq(end.status, 0);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* The kernel is full: the flush says so, and what is done by then is told, without another try. */
START_TEST(flush_of_more_than_fits_says_that_some_waits) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write small, large;
    int peer = end_connect_narrow(&end, loop);
    write_bytes(&end, &small, 10, end_on_written);
    write_bytes(&end, &large, sizeof big / 8, end_on_written);
    ck_assert_int_eq(eddy_stream_flush(&end.stream), -EAGAIN);
    ck_assert_uint_lt(eddy_stream_queued(&end.stream), sizeof big / 8);
    ck_assert(eddy_stream_is_blocked(&end.stream));
    uint64_t writes = metrics_of(loop).writes;
    turn(loop);
    ck_assert_uint_eq(end.written, 1);
    ck_assert_uint_eq(metrics_of(loop).writes, writes);
    ck_assert_int_eq(eddy_stream_flush(&end.stream), -EAGAIN);
    drain_all(loop, &end, peer);
    turn(loop);
    ck_assert_uint_eq(end.written, 2);
    ck_assert_int_eq(end.status, 0);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* What was sent is told as sent, although the stream is closed before. */
START_TEST(close_after_a_flush_cancels_only_what_was_not_sent) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write small, large;
    int peer = end_connect_narrow(&end, loop);
    ck_assert_int_eq(eddy_stream_flush(&end.stream), 0);
    write_bytes(&end, &small, 10, end_on_written);
    write_bytes(&end, &large, sizeof big / 8, end_on_written);
    small.status = large.status = 1;
    ck_assert_int_eq(eddy_stream_flush(&end.stream), -EAGAIN);
    end_close(&end);
    ck_assert_uint_eq(end.written, 2);
    ck_assert_int_eq(small.status, 0);
    ck_assert_int_eq(large.status, -ECANCELED);
    ck_assert_int_eq(eddy_stream_flush(&end.stream), -EINVAL);
    end_init(&end, loop);
    ck_assert_int_eq(eddy_stream_flush(&end.stream), -ENOTCONN);
    close(peer);
    test_loop_close(loop);
}
END_TEST

START_TEST(flush_that_fails_tells_the_writes_as_well) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write writes[2];
    int peer = end_connect_narrow(&end, loop);
    close(peer);
    for (int i = 0; i < 2; i++) write_bytes(&end, &writes[i], 10, end_on_written);
    ck_assert_int_eq(eddy_stream_flush(&end.stream), -EPIPE);
    ck_assert_uint_eq(end.written, 0);
    ck_assert_uint_eq(eddy_stream_queued(&end.stream), 0);
    turn(loop);
    ck_assert_uint_eq(end.written, 2);
    ck_assert_int_eq(end.status, -EPIPE);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static void flush_and_write(eddy_write *write, int status) {
    end_on_written(write, status);
    if (end_of(write->stream)->written > 1) return;
    write_bytes(end_of(write->stream), &again, 7, end_on_written);
    ck_assert_int_eq(eddy_stream_flush(write->stream), 0);
}

/* Between the callbacks of two that are done: what it sends is told in the next turn. */
START_TEST(flush_in_a_callback_is_told_in_the_next_turn) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write writes[2];
    int peer = end_connect(&end, loop);
    for (int i = 0; i < 2; i++) write_bytes(&end, &writes[i], 10, flush_and_write);
    turn(loop);
    ck_assert_uint_eq(end.written, 2);
    turn(loop);
    ck_assert_uint_eq(end.written, 3);
    ck_assert_int_eq(end.status, 0);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("marks");
    ck_add(suite, "full", nothing_queued_is_not_full_in_the_callbacks,
           drained_comes_once_for_each_time_it_was_full, new_marks_apply_at_once,
           a_new_stream_is_full_with_several_reads_and_no_sooner);
    ck_add(suite, "blocked", blocked_is_what_the_kernel_has_refused,
           a_share_that_is_used_up_is_not_blocked);
    ck_add(suite, "flush", flush_sends_at_once_and_tells_in_its_phase,
           flush_of_more_than_fits_says_that_some_waits,
           close_after_a_flush_cancels_only_what_was_not_sent,
           flush_that_fails_tells_the_writes_as_well, flush_in_a_callback_is_told_in_the_next_turn);
    return suite;
}
