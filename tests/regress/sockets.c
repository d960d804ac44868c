/* sockets.c: errors that are told once by the kernel, sockets that are not connected yet, writers
 * whom nobody reads. */
#include "net.h"
#include "system.h"

static char big[1 << 20];

/* --- SO_ERROR is consumed by whoever asks first --- */

/* The write is told of the reset, which takes it out of the socket: a read of the socket would only
 * see an end. The reader must hear of the reset all the same. */
START_TEST(an_error_that_a_write_was_told_is_told_to_the_reader) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq((int)send(eddy_stream_fd(&end.stream), "unread", 6, 0), 6);
    close(peer); /* with bytes that it has not read: a reset */
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, "x", 1, end_on_written), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(end.written, 1);
    ck_assert_int_eq(end.status, -ECONNRESET);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    test_turn_until(loop, &end.told);
    ck_assert_int_eq(end.error, -ECONNRESET);
    ck_assert_uint_eq(end.ends, 0);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static int outcome;
static bool connect_told;

static void on_connect(eddy_stream *stream, int status) {
    (void)stream;
    ck_assert(!connect_told);
    connect_told = true;
    outcome = status;
}

/* What connect() says at once is kept until the loop tells it. The stream is as new afterwards:
 * what was wrong with its first socket is not told of its second. */
START_TEST(a_refusal_is_not_told_of_the_next_connection) {
    eddy_loop *loop = test_loop_open();
    struct sockaddr_storage everybody, open;
    socklen_t length;
    int listener = listen_plain(&open, &length, 1);
    ck_assert_int_eq(eddy_address_parse(&everybody, "255.255.255.255", 1), (int)length);
    struct end end;
    end_init(&end, loop);
    for (int i = 0; i < 2; i++) {
        connect_told = false;
        const struct sockaddr *address = (struct sockaddr *)(i == 0 ? &everybody : &open);
        ck_assert_int_eq(eddy_tcp_connect(&end.stream, address, length, 0, on_connect), 0);
        test_turn_until(loop, &connect_told);
        if (i == 0) ck_assert_int_lt(outcome, 0);
        if (i == 1) ck_assert_int_eq(outcome, 0);
    }
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    close(accept(listener, NULL, NULL));
    test_turn_until(loop, &end.told);
    ck_assert_uint_eq(end.ends, 1);
    close(listener);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* --- Not connected yet --- */

static unsigned seen, calls;

static void on_event(eddy_io *io, unsigned events) {
    (void)io;
    seen = events;
    calls++;
}

/* A socket that is watched too early may be told to be writable, with a hang-up. That must be no
 * more than a hint: muted it is silent, and once connected it is writable and nothing else. */
START_TEST(a_socket_registered_before_connect_can_be_muted_and_is_told_when_connected) {
    eddy_loop *loop = test_loop_open();
    struct sockaddr_storage address;
    socklen_t length;
    int listener = listen_plain(&address, &length, 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    eddy_io io;
    seen = calls = 0;
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, on_event, fd, EDDY_WRITE), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(seen & ~(unsigned)(EDDY_WRITE | EDDY_HANGUP), 0);
    ck_assert_int_eq(eddy_io_change(&io, 0), 0);
    unsigned waits = test_metric_waits(loop);
    calls = 0;
    test_turn_for(loop, 30 * EDDY_NS_PER_MS);
    ck_assert_uint_le(test_metric_waits(loop) - waits, 3);
    ck_assert_uint_eq(calls, 0);
    int err = connect(fd, (struct sockaddr *)&address, length);
    ck_assert(err == 0 || errno == EINPROGRESS);
    ck_assert_int_eq(eddy_io_change(&io, EDDY_WRITE), 0);
    while (calls == 0) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    ck_assert_uint_eq(seen, EDDY_WRITE);
    eddy_io_stop(&io);
    close(fd);
    close(listener);
    test_loop_close(loop);
}
END_TEST

static void read_once(eddy_io *io, unsigned events) {
    char byte;
    on_event(io, events);
    (void)!read(eddy_io_fd(io), &byte, 1);
}

/* The one-shot fires and the peer resets, which is not told. The same interest, given again, must
 * arm it again, although nothing in it has changed. */
START_TEST(a_reset_after_a_one_shot_is_told_when_armed_for_the_same_again) {
    if (!test_backend_can(EDDY_CAN_ONESHOT)) return;
    eddy_loop *loop = test_loop_open();
    int pair[2];
    eddy_io io;
    calls = 0;
    tcp_pair(pair);
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, read_once, pair[0], EDDY_READ | EDDY_ONESHOT), 0);
    put(pair[1], "x");
    while (calls == 0) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    reset_plain(pair[1]);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(calls, 1);
    ck_assert_int_eq(eddy_io_change(&io, EDDY_READ | EDDY_ONESHOT), 0);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
    ck_assert_uint_eq(calls, 2);
    eddy_io_stop(&io);
    close(pair[0]);
    test_loop_close(loop);
}
END_TEST

/* A stream asks the kernel to connect before it watches: nothing is told while nobody answers. The
 * backlog is full, so that nobody does. */
START_TEST(a_stream_that_nobody_answers_is_not_told_to_be_connected) {
    struct sockaddr_storage address;
    socklen_t length;
    int others[8];
    int listener = listen_full(&address, &length, others, 8);
    if (listener < 0) return;
    eddy_loop *loop = test_loop_open();
    struct end end;
    end_init(&end, loop);
    connect_told = false;
    ck_assert_int_eq(
        eddy_tcp_connect(&end.stream, (struct sockaddr *)&address, length, 0, on_connect), 0);
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 30 * EDDY_NS_PER_MS);
    ck_assert(!connect_told);
    ck_assert_uint_le(test_metric_waits(loop) - waits, 3);
    end_close(&end);
    ck_assert_int_eq(outcome, -ECANCELED);
    for (int i = 0; i < 8; i++) close(others[i]);
    close(listener);
    test_loop_close(loop);
}
END_TEST

/* --- Partial writes --- */

enum { PIECES = 2 * 1024 + 100 }; /* twice IOV_MAX of the systems we know, and some */
static struct iovec pieces[PIECES];

/* One byte a piece, and a few that the smallest buffer has to cut in their middle. */
START_TEST(one_byte_pieces_arrive_whole_through_the_smallest_buffer) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write, shutdown;
    size_t at = 0;
    for (size_t i = 0; i < sizeof big; i++) big[i] = (char)(i * 2654435761u >> 13);
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = (struct iovec){big + at, i % 500 == 499 ? 100000 : 1};
        at += pieces[i].iov_len;
    }
    ck_assert_uint_le(at, sizeof big);
    int peer = end_connect_narrow(&end, loop);
    ck_assert_int_eq(eddy_stream_writev(&end.stream, &write, pieces, PIECES, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_shutdown(&end.stream, &shutdown, end_on_written), 0);
    uint64_t sum = 0;
    size_t received = 0;
    bool ended = false;
    int64_t give_up_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (!ended && test_now_ns() < give_up_ns) {
        received += drain_plain(peer, &sum, &ended);
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    }
    ck_assert(ended);
    ck_assert_uint_eq(received, at);
    ck_assert_uint_eq(sum, sum_bytes(0, big, at));
    ck_assert_uint_eq(end.written, 2);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* --- A peer that never reads --- */

enum { MESSAGE = 1000, WRITES = 200, LOW = 2000, HIGH = 10000 };
static eddy_write writes[WRITES];
static unsigned writes_made;
static size_t queued_most;

static void produce(eddy_stream *stream) {
    while (!eddy_stream_is_full(stream) && writes_made < WRITES) {
        ck_assert_int_eq(
            eddy_stream_write(stream, &writes[writes_made++], big, MESSAGE, end_on_written), 0);
        if (eddy_stream_queued(stream) > queued_most) queued_most = eddy_stream_queued(stream);
    }
}

static void produce_again(eddy_stream *stream) {
    ck_assert_uint_le(eddy_stream_queued(stream), LOW);
    produce(stream);
}

/* A producer that heeds the marks has at most the high one and a message in its queue, however long
 * the peer does not read, and goes on when it does. */
START_TEST(a_producer_that_heeds_the_marks_queues_no_more_than_them) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    writes_made = 0;
    queued_most = 0;
    int peer = end_connect_narrow(&end, loop);
    ck_assert_int_eq(eddy_stream_set_marks(&end.stream, LOW, HIGH, produce_again), 0);
    produce(&end.stream);
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 30 * EDDY_NS_PER_MS);
    ck_assert_uint_le(test_metric_waits(loop) - waits, 3);
    ck_assert_uint_lt(writes_made, WRITES / 2);
    uint64_t sum = 0;
    size_t received = 0;
    bool ended = false;
    int64_t give_up_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (received < WRITES * MESSAGE && test_now_ns() < give_up_ns) {
        received += drain_plain(peer, &sum, &ended);
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    }
    ck_assert_uint_eq(received, WRITES * MESSAGE);
    ck_assert_uint_ge(queued_most, HIGH);
    ck_assert_uint_lt(queued_most, HIGH + MESSAGE);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("sockets");
    ck_add(suite, "errors", an_error_that_a_write_was_told_is_told_to_the_reader,
           a_refusal_is_not_told_of_the_next_connection);
    ck_add(suite, "connect",
           a_socket_registered_before_connect_can_be_muted_and_is_told_when_connected,
           a_reset_after_a_one_shot_is_told_when_armed_for_the_same_again,
           a_stream_that_nobody_answers_is_not_told_to_be_connected);
    ck_add(suite, "writes", one_byte_pieces_arrive_whole_through_the_smallest_buffer,
           a_producer_that_heeds_the_marks_queues_no_more_than_them);
    return suite;
}
