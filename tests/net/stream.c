/* stream.c: the life of a stream: attach, read, detach, close. */
#include "net.h"

#include <pthread.h>

/* --- Attach and its errors --- */

START_TEST(attach_makes_the_socket_non_blocking_and_close_on_exec) {
    eddy_loop *loop = test_loop_open();
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct end end;
    end_init(&end, loop);
    ck_assert_int_eq(eddy_stream_fd(&end.stream), -1);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, ends[0]), 0);
    ck_assert_int_eq(eddy_stream_fd(&end.stream), ends[0]);
    ck_assert(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(ends[0], F_GETFD) & FD_CLOEXEC);
    end_close(&end);
    ck_assert_int_eq(fcntl(ends[0], F_GETFD), -1);
    close(ends[1]);
    test_loop_close(loop);
}
END_TEST

static void on_watched(eddy_io *io, unsigned events) {
    (void)io, (void)events;
}

START_TEST(attach_refuses_what_is_not_open_or_has_a_socket) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    end_init(&end, loop);
    int closed = dup(0), pair[2];
    test_socket_pair(pair);
    close(closed);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, closed), -EBADF);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, -1), -EBADF);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, pair[0]), 0);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, pair[1]), -EISCONN);
    ck_assert_int_eq(eddy_stream_close(&end.stream, end_on_close), 0);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, pair[1]), -EINVAL);
    ck_assert_int_eq(eddy_stream_close(&end.stream, end_on_close), -EALREADY);
    test_turn_until(loop, &end.closed);
    close(pair[1]);
    test_loop_close(loop);
}
END_TEST

/* Both would read from it, and both would close it. A watcher beside the stream is another thing.
 */
START_TEST(a_socket_is_one_streams_only) {
    eddy_loop *loop = test_loop_open();
    struct end ends[2];
    int pair[2];
    test_socket_pair(pair);
    for (int i = 0; i < 2; i++) end_init(&ends[i], loop);
    eddy_io io;
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, on_watched, pair[0], 0), 0);
    ck_assert_int_eq(eddy_stream_attach(&ends[0].stream, pair[0]), 0);
    ck_assert_int_eq(eddy_stream_attach(&ends[1].stream, pair[0]), -EBUSY);
    ck_assert_int_eq(eddy_stream_detach(&ends[0].stream), pair[0]);
    ck_assert_int_eq(eddy_stream_attach(&ends[1].stream, pair[0]), 0);
    eddy_io_stop(&io);
    for (int i = 0; i < 2; i++) end_close(&ends[i]);
    close(pair[1]);
    test_loop_close(loop);
}
END_TEST

/* Calls on a stream that has no connection, or is closing, say so and never call back. */
START_TEST(calls_out_of_place_are_refused) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    char byte = 0;
    struct iovec vector = {&byte, 1};
    struct sockaddr_storage address;
    struct sockaddr *to = (struct sockaddr *)&address;
    socklen_t length = sizeof address;
    end_init(&end, loop);
    eddy_stream *stream = &end.stream;
    for (int closing = 0; closing < 2; closing++) {
        int expected = closing ? -EINVAL : -ENOTCONN;
        ck_assert_int_eq(eddy_stream_read_start(stream, end_on_read), expected);
        ck_assert_int_eq(eddy_stream_read_into(stream, &byte, 1, end_on_read), expected);
        ck_assert_int_eq(eddy_stream_set_read_deadline(stream, 1), expected);
        ck_assert_int_eq(eddy_stream_write(stream, &write, &byte, 1, end_on_written), expected);
        ck_assert_int_eq(eddy_stream_writev(stream, &write, &vector, 1, end_on_written), expected);
        ck_assert_int_eq(eddy_stream_try_write(stream, &vector, 1), expected);
        ck_assert_int_eq(eddy_stream_shutdown(stream, &write, end_on_written), expected);
        ck_assert_int_eq(eddy_stream_detach(stream), -ENOTCONN);
        ck_assert_int_eq(eddy_tcp_set_nodelay(stream, true), -ENOTCONN);
        ck_assert_int_eq(eddy_tcp_set_keepalive(stream, 60, 0, 0), -ENOTCONN);
        ck_assert_int_eq(eddy_tcp_local_address(stream, to, &length), -ENOTCONN);
        ck_assert_int_eq(eddy_tcp_peer_address(stream, to, &length), -ENOTCONN);
        ck_assert_int_eq(eddy_stream_fd(stream), -1);
        eddy_stream_read_stop(stream);
        if (!closing) ck_assert_int_eq(eddy_stream_close(stream, end_on_close), 0);
    }
    ck_assert_int_eq(eddy_stream_set_marks(stream, 1, 2, NULL), -EINVAL);
    ck_assert_int_eq(eddy_stream_set_write_timeout(stream, 1), -EINVAL);
    ck_assert(!end.closed);
    test_turn_until(loop, &end.closed);
    ck_assert_uint_eq(end.written + end.reads, 0);
    test_loop_close(loop);
}
END_TEST

/* --- Reading --- */

START_TEST(reader_gets_all_data_and_one_end) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), -EALREADY);
    ck_assert_int_eq(send(peer, "vortex", 6, 0), 6);
    close(peer);
    test_turn_until(loop, &end.ended);
    ck_assert_uint_eq(end.received, 6);
    ck_assert_uint_eq(end.sum, sum_bytes(0, "vortex", 6));
    test_turn_for(loop, 10 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(end.ends, 1);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static void read_own(eddy_stream *stream, void *data, ssize_t size) {
    static char *own;
    if (own == NULL) own = data;
    if (size > 0) ck_assert_ptr_eq(data, own);
    ck_assert_int_le(size, 3);
    end_on_read(stream, data, size);
}

START_TEST(reader_may_bring_its_own_buffer) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    char own[3];
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_into(&end.stream, own, 0, read_own), -EINVAL);
    ck_assert_int_eq(eddy_stream_read_into(&end.stream, NULL, 1, read_own), -EINVAL);
    ck_assert_int_eq(eddy_stream_read_into(&end.stream, own, sizeof own, read_own), 0);
    ck_assert_int_eq(send(peer, "maelstrom", 9, 0), 9);
    close(peer);
    test_turn_until(loop, &end.ended);
    ck_assert_uint_eq(end.received, 9);
    ck_assert_uint_eq(end.sum, sum_bytes(0, "maelstrom", 9));
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static void read_and_stop(eddy_stream *stream, void *data, ssize_t size) {
    end_on_read(stream, data, size);
    eddy_stream_read_stop(stream);
}

/* The buffer is smaller than what is there: the stop must hold within the same turn. */
START_TEST(stopped_reader_hears_nothing_until_it_starts_again) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    char own[4];
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_into(&end.stream, own, sizeof own, read_and_stop), 0);
    ck_assert_int_eq(send(peer, "12345678", 8, 0), 8);
    while (end.reads == 0) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(end.reads, 1);
    ck_assert_uint_eq(end.received, 4);
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    ck_assert_uint_lt(test_metric_waits(loop) - waits, 5);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, read_and_stop), 0);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(end.received, 8);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* Data was sent before the reset: the reader gets it, then the error, once. */
START_TEST(reset_is_told_once_after_the_data) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(send(peer, "last", 4, 0), 4);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    while (end.received < 4) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    reset_plain(peer);
    test_turn_until(loop, &end.told);
    test_turn_for(loop, 10 * EDDY_NS_PER_MS);
    ck_assert_int_eq(end.error, -ECONNRESET);
    ck_assert_uint_eq(end.errors, 1);
    ck_assert_uint_eq(end.ends, 0);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* That nobody reads what is written is the writer's error: to the reader the end is still the end,
 * behind the data. */
START_TEST(end_is_told_though_a_write_has_failed_before) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int peer = end_connect_narrow(&end, loop);
    ck_assert_int_eq((int)send(peer, "last", 4, 0), 4);
    close(peer);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, "x", 1, end_on_written), 0);
    while (end.written == 0) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_int_eq(end.status, -EPIPE);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    test_turn_until(loop, &end.told);
    ck_assert_uint_eq(end.received, 4);
    ck_assert_uint_eq(end.ends, 1);
    ck_assert_uint_eq(end.errors, 0);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

START_TEST(connected_stream_keeps_the_loop_alive_unless_unreferenced) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert(eddy_loop_is_alive(loop));
    eddy_unref(&end.stream.io.handle);
    ck_assert(!eddy_loop_is_alive(loop));
    eddy_write write;
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, "x", 1, end_on_written), 0);
    ck_assert(eddy_loop_is_alive(loop));
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_uint_eq(end.written, 1);
    ck_assert_int_eq(eddy_stream_close(&end.stream, end_on_close), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert(end.closed);
    close(peer);
    test_loop_close(loop);
}
END_TEST

/* --- The end --- */

START_TEST(close_gives_an_end_and_reset_gives_an_error) {
    for (int reset = 0; reset < 2; reset++) {
        eddy_loop *loop = test_loop_open();
        struct end a, b;
        end_connect_both(&a, loop, &b, loop);
        ck_assert_int_eq(eddy_stream_read_start(&b.stream, end_on_read), 0);
        if (reset) {
            ck_assert_int_eq(eddy_stream_reset(&a.stream, end_on_close), 0);
        } else {
            ck_assert_int_eq(eddy_stream_close(&a.stream, end_on_close), 0);
        }
        ck_assert(!a.closed);
        test_turn_until(loop, &a.closed);
        test_turn_until(loop, &b.told);
        ck_assert_int_eq(b.error, reset ? -ECONNRESET : 0);
        end_close(&b);
        test_loop_close(loop);
    }
}
END_TEST

/* --- Detach --- */

START_TEST(detached_socket_is_whole_and_can_be_attached_again) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    eddy_write write;
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, "x", 1, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_detach(&end.stream), -EBUSY);
    while (end.written == 0) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    int fd = eddy_stream_detach(&end.stream);
    ck_assert_int_ge(fd, 0);
    ck_assert(!eddy_loop_is_alive(loop));
    ck_assert_int_eq(eddy_stream_detach(&end.stream), -ENOTCONN);
    ck_assert_int_eq(send(peer, "y", 1, 0), 1);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, fd), 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    while (end.received == 0) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static void echo_back(eddy_stream *stream, void *data, ssize_t size) {
    if (size > 0) {
        struct iovec vector = {data, (size_t)size};
        ck_assert_int_eq(eddy_stream_try_write(stream, &vector, 1), size);
        return;
    }
    ck_assert_int_eq(size, 0);
    ck_assert_int_eq(eddy_stream_close(stream, NULL), 0);
}

static void *run_other(void *argument) {
    int fd = *(int *)argument;
    eddy_loop *loop = test_loop_open();
    eddy_stream stream;
    eddy_stream_init(&stream, loop);
    ck_assert_int_eq(eddy_stream_attach(&stream, fd), 0);
    ck_assert_int_eq(eddy_stream_read_start(&stream, echo_back), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    test_loop_close(loop);
    return NULL;
}

static int detached_fd;

static void detach_here(eddy_stream *stream, void *data, ssize_t size) {
    end_on_read(stream, data, size);
    detached_fd = eddy_stream_detach(stream);
    ck_assert_int_ge(detached_fd, 0);
}

/* The first message is read here, the second one by another thread's loop. */
START_TEST(descriptor_moves_to_another_threads_loop) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(fcntl(peer, F_SETFL, 0), 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, detach_here), 0);
    ck_assert_int_eq(send(peer, "a", 1, 0), 1);
    while (end.reads == 0) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_other, &detached_fd), 0);
    ck_assert_int_eq(send(peer, "bc", 2, 0), 2);
    char back[2];
    ck_assert_int_eq(recv(peer, back, 2, MSG_WAITALL), 2);
    ck_assert_mem_eq(back, "bc", 2);
    close(peer);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("stream");
    ck_add(suite, "attach", attach_makes_the_socket_non_blocking_and_close_on_exec,
           attach_refuses_what_is_not_open_or_has_a_socket, a_socket_is_one_streams_only,
           calls_out_of_place_are_refused);
    ck_add(suite, "read", reader_gets_all_data_and_one_end, reader_may_bring_its_own_buffer,
           stopped_reader_hears_nothing_until_it_starts_again, reset_is_told_once_after_the_data,
           end_is_told_though_a_write_has_failed_before,
           connected_stream_keeps_the_loop_alive_unless_unreferenced);
    ck_add(suite, "end", close_gives_an_end_and_reset_gives_an_error,
           detached_socket_is_whole_and_can_be_attached_again,
           descriptor_moves_to_another_threads_loop);
    return suite;
}
