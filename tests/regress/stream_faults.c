/* stream_faults.c: what send and receive may say, put into their mouths. The link replaces
 * eddy_os_send and eddy_os_receive by the functions below. */
#include "net.h"

ssize_t __real_eddy_os_send(int fd, const struct iovec *vectors, int count);
ssize_t __wrap_eddy_os_send(int fd, const struct iovec *vectors, int count);
ssize_t __real_eddy_os_receive(int fd, void *data, size_t size);
ssize_t __wrap_eddy_os_receive(int fd, void *data, size_t size);

static int fault, sends_left, receives_left, refused;

ssize_t __wrap_eddy_os_send(int fd, const struct iovec *vectors, int count) {
    if (sends_left == 0) return __real_eddy_os_send(fd, vectors, count);
    sends_left--;
    refused++;
    return fault;
}

ssize_t __wrap_eddy_os_receive(int fd, void *data, size_t size) {
    if (receives_left == 0) return __real_eddy_os_receive(fd, data, size);
    receives_left--;
    refused++;
    return fault;
}

static const int errors[] = {-ENOBUFS, -ENOMEM};
enum { ERRORS = 2, FOR_EVER = 1 << 30 };

static void refuse(int error, int sends, int receives) {
    fault = error;
    sends_left = sends;
    receives_left = receives;
    refused = 0;
}

static char bytes[1000];

/* The socket is writable all the while: that must not make the loop spin. A write that comes
 * meanwhile waits behind. */
START_TEST(want_of_memory_to_send_is_got_over) {
    for (int i = 0; i < ERRORS; i++) {
        eddy_loop *loop = test_loop_open();
        struct end end;
        eddy_write writes[3];
        uint64_t sum = 0;
        bool ended = false;
        int peer = end_connect(&end, loop);
        refuse(errors[i], 3, 0);
        int64_t start_ns = test_now_ns();
        unsigned waits = test_metric_waits(loop);
        for (int k = 0; k < 2; k++)
            ck_assert_int_eq(eddy_stream_write(&end.stream, &writes[k], bytes, 500, end_on_written),
                             0);
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert(eddy_stream_is_blocked(&end.stream));
        ck_assert_int_eq(eddy_stream_write(&end.stream, &writes[2], bytes, 500, end_on_written), 0);
        while (end.written < 3) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
        ck_assert_int_eq(end.status, 0);
        ck_assert_int_ge(test_now_ns() - start_ns, 25 * EDDY_NS_PER_MS);
        ck_assert_uint_lt(test_metric_waits(loop) - waits, 12);
        ck_assert_int_eq(eddy_stream_shutdown(&end.stream, &writes[0], end_on_written), 0);
        size_t got = 0;
        while (!ended) {
            ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
            got += drain_plain(peer, &sum, &ended);
        }
        ck_assert_uint_eq(got, 1500);
        close(peer);
        end_close(&end);
        test_loop_close(loop);
    }
}
END_TEST

START_TEST(want_of_memory_to_receive_is_got_over) {
    for (int i = 0; i < ERRORS; i++) {
        eddy_loop *loop = test_loop_open();
        struct end end;
        int peer = end_connect(&end, loop);
        ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
        refuse(errors[i], 0, 3);
        int64_t start_ns = test_now_ns();
        unsigned waits = test_metric_waits(loop);
        ck_assert_int_eq((int)send(peer, bytes, 100, 0), 100);
        while (end.received < 100) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
        ck_assert(!end.told);
        ck_assert_int_ge(test_now_ns() - start_ns, 25 * EDDY_NS_PER_MS);
        ck_assert_uint_lt(test_metric_waits(loop) - waits, 12);
        close(peer);
        test_turn_until(loop, &end.ended);
        end_close(&end);
        test_loop_close(loop);
    }
}
END_TEST

/* While memory is short for ever, deadlines hold, each once, and nothing spins. */
START_TEST(deadlines_hold_while_memory_is_short) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int peer = end_connect(&end, loop);
    refuse(-ENOBUFS, FOR_EVER, FOR_EVER);
    ck_assert_int_eq((int)send(peer, bytes, 100, 0), 100);
    int64_t start_ns = test_now_ns();
    eddy_loop_update_now(loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, 35 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&end.stream, 75 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, bytes, 100, end_on_written), 0);
    test_turn_until(loop, &end.told);
    ck_assert_int_eq(end.error, -ETIMEDOUT);
    ck_assert_int_ge(test_now_ns() - start_ns, 35 * EDDY_NS_PER_MS);
    while (end.written == 0) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_int_eq(end.status, -ETIMEDOUT);
    ck_assert_int_ge(test_now_ns() - start_ns, 75 * EDDY_NS_PER_MS);
    ck_assert_int_lt(refused, 40);
    refuse(0, 0, 0);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* Whoever stops reading, flushes or closes meanwhile is not kept from it. */
START_TEST(calls_while_memory_is_short_do_as_ever) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    struct iovec byte = {bytes, 1};
    int peer = end_connect(&end, loop);
    refuse(-ENOBUFS, 1, 0);
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, &byte, 1), -EAGAIN);
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, &byte, 1), 1);
    refuse(-ENOMEM, 1, 1);
    ck_assert_int_eq((int)send(peer, bytes, 100, 0), 100);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, bytes, 100, end_on_written), 0);
    while (refused < 2) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    eddy_stream_read_stop(&end.stream);
    ck_assert_int_eq(eddy_stream_flush(&end.stream), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(end.written, 1);
    ck_assert_int_eq(end.status, 0);
    test_turn_for(loop, 30 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(end.reads, 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    while (end.received < 100) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    refuse(-ENOMEM, FOR_EVER, FOR_EVER);
    ck_assert_int_eq((int)send(peer, bytes, 100, 0), 100);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, bytes, 100, end_on_written), 0);
    while (refused < 4) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    end_close(&end);
    ck_assert_uint_eq(end.written, 2);
    ck_assert_int_eq(end.status, -ECANCELED);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    refuse(0, 0, 0);
    close(peer);
    test_loop_close(loop);
}
END_TEST

/* Nothing is sent of them, so nothing can be said about it, and nothing is left waiting. */
START_TEST(empty_pieces_meet_no_error) {
    enum { PIECES = 100 };
    for (unsigned requests = 1; requests <= 3; requests++) {
        eddy_loop *loop = test_loop_open();
        struct end end;
        eddy_write writes[3];
        struct iovec pieces[3][PIECES] = {0};
        int peer = end_connect(&end, loop);
        refuse(-ENOMEM, FOR_EVER, 0);
        for (unsigned i = 0; i < requests; i++)
            ck_assert_int_eq(
                eddy_stream_writev(&end.stream, &writes[i], pieces[i], PIECES, end_on_written), 0);
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_uint_eq(end.written, requests);
        ck_assert_int_eq(end.status, 0);
        ck_assert_int_eq(refused, 0);
        ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
        refuse(-ENOMEM, 1, 0);
        pieces[0][PIECES - 1] = (struct iovec){bytes, 1};
        ck_assert_int_eq(
            eddy_stream_writev(&end.stream, &writes[0], pieces[0], PIECES, end_on_written), 0);
        while (end.written == requests) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
        ck_assert_int_eq(end.status, 0);
        ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
        refuse(0, 0, 0);
        close(peer);
        end_close(&end);
        test_loop_close(loop);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("stream_faults");
    ck_add(suite, "memory", want_of_memory_to_send_is_got_over,
           want_of_memory_to_receive_is_got_over, deadlines_hold_while_memory_is_short,
           calls_while_memory_is_short_do_as_ever, empty_pieces_meet_no_error);
    return suite;
}
