/* hangup.c: a stream that does not read hears that its other side has gone. */
#include "net.h"

static eddy_loop *loop;
static struct end end;
static int peer;
static unsigned hangups;
static bool told;

static bool begin(void) {
    if (!test_backend_can(EDDY_CAN_HANGUP)) return false;
    hangups = 0;
    told = false;
    loop = test_loop_open();
    peer = end_connect(&end, loop);
    return true;
}

static void finish(void) {
    if (peer >= 0) close(peer);
    end_close(&end);
    test_loop_close(loop);
}

static int last_status;

static void on_hangup(eddy_stream *stream, int status) {
    ck_assert_ptr_eq(stream, &end.stream);
    hangups++;
    last_status = status;
    told = true;
}

static void await(void) {
    ck_assert_int_eq(eddy_stream_hangup_start(&end.stream, on_hangup), 0);
}

static void turns(int count) {
    for (int i = 0; i < count; i++) ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void reset_peer(void) {
    struct linger reset = {.l_onoff = 1};
    ck_assert_int_eq(setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(peer);
    peer = -1;
}

START_TEST(a_backend_that_cannot_tell_says_so) {
    if (test_backend_can(EDDY_CAN_HANGUP)) return;
    loop = test_loop_open();
    peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_hangup_start(&end.stream, on_hangup), -ENOTSUP);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    finish();
}
END_TEST

/* Reading was stopped with bytes on their way; they are there when it goes on. */
START_TEST(a_paused_stream_hears_of_the_end_and_can_still_read_all) {
    if (!begin()) return;
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    turns(1);
    eddy_stream_read_stop(&end.stream);
    await();
    ck_assert_int_eq((int)send(peer, "some bytes", 10, 0), 10);
    turns(5);
    ck_assert_uint_eq(hangups, 0);
    ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
    test_turn_until(loop, &told);
    turns(5);
    ck_assert_uint_eq(hangups, 1);
    ck_assert_int_eq(last_status, 0);
    ck_assert_uint_eq(end.received, 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    test_turn_until(loop, &end.ended);
    ck_assert_uint_eq(end.received, 10);
    ck_assert_uint_eq(hangups, 1);
    finish();
}
END_TEST

START_TEST(a_reset_is_told_and_then_read_as_one) {
    if (!begin()) return;
    await();
    reset_peer();
    test_turn_until(loop, &told);
    turns(3);
    ck_assert_uint_eq(hangups, 1);
    ck_assert_int_eq(last_status, -ECONNRESET);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    test_turn_until(loop, &end.told);
    ck_assert_int_eq(end.error, -ECONNRESET);
    finish();
}
END_TEST

/* Its own queue is blocked by the peer that is then gone: both are told. */
START_TEST(a_writer_that_waits_hears_of_it_too) {
    static char bytes[8 << 20];
    eddy_write write;
    if (!begin()) return;
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, bytes, sizeof bytes, end_on_written),
                     0);
    turns(2);
    ck_assert(eddy_stream_is_blocked(&end.stream));
    await();
    reset_peer();
    test_turn_until(loop, &told);
    while (end.written == 0) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_int_lt(end.status, 0);
    turns(3);
    ck_assert_uint_eq(hangups, 1);
    finish();
}
END_TEST

START_TEST(reading_ends_the_waiting) {
    if (!begin()) return;
    await();
    ck_assert_int_eq(eddy_stream_hangup_start(&end.stream, on_hangup), -EALREADY);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_hangup_start(&end.stream, on_hangup), -EALREADY);
    close(peer);
    peer = -1;
    test_turn_until(loop, &end.ended);
    turns(3);
    ck_assert_uint_eq(hangups, 0);
    finish();
}
END_TEST

START_TEST(read_stop_ends_it_as_well) {
    if (!begin()) return;
    await();
    eddy_stream_read_stop(&end.stream);
    eddy_stream_read_stop(&end.stream);
    close(peer);
    peer = -1;
    turns(5);
    ck_assert_uint_eq(hangups, 0);
    await(); /* it lasts */
    test_turn_until(loop, &told);
    ck_assert_uint_eq(hangups, 1);
    finish();
}
END_TEST

START_TEST(only_a_connected_stream_waits_for_it) {
    if (!test_backend_can(EDDY_CAN_HANGUP)) return;
    eddy_stream idle;
    loop = test_loop_open();
    eddy_stream_init(&idle, loop);
    ck_assert_int_eq(eddy_stream_hangup_start(&idle, on_hangup), -ENOTCONN);
    peer = end_connect(&end, loop);
    await();
    int fd = eddy_stream_detach(&end.stream); /* which ends it */
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(eddy_stream_hangup_start(&end.stream, on_hangup), -ENOTCONN);
    ck_assert_int_eq(eddy_stream_attach(&idle, fd), 0);
    ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
    hangups = 0;
    turns(3);
    ck_assert_uint_eq(hangups, 0);
    ck_assert_int_eq(eddy_stream_close(&idle, NULL), 0);
    ck_assert_int_eq(eddy_stream_hangup_start(&idle, on_hangup), -EINVAL);
    turns(1);
    finish();
}
END_TEST

static void on_hangup_close(eddy_stream *stream, int status) {
    on_hangup(stream, status);
    ck_assert_int_eq(eddy_stream_close(stream, end_on_close), 0);
}

START_TEST(its_callback_may_close_the_stream) {
    if (!begin()) return;
    ck_assert_int_eq(eddy_stream_hangup_start(&end.stream, on_hangup_close), 0);
    close(peer);
    test_turn_until(loop, &end.closed);
    ck_assert_uint_eq(hangups, 1);
    test_loop_close(loop);
}
END_TEST

/* Of those that can tell a hang-up, poll alone finds out; the others forget it in silence. */
START_TEST(a_descriptor_closed_behind_its_back_is_one) {
    if (strcmp(test_backend, "poll") != 0 || !begin()) return;
    await();
    turns(1);
    close(eddy_stream_fd(&end.stream));
    test_turn_until(loop, &told);
    turns(2);
    ck_assert_uint_eq(hangups, 1);
    ck_assert_int_eq(last_status, -EBADF);
    finish();
}
END_TEST

/* A write finds out that the socket is gone: no event would come. */
START_TEST(a_loss_that_a_write_finds_is_one) {
    static const char byte[1];
    eddy_write write;
    if (strcmp(test_backend, "poll") == 0 || !begin()) return; /* poll finds out by itself */
    await();
    turns(1);
    close(eddy_stream_fd(&end.stream));
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, byte, 1, end_on_written), 0);
    test_turn_until(loop, &told);
    ck_assert_uint_eq(hangups, 1);
    ck_assert_int_eq(last_status, -EBADF);
    ck_assert_int_eq(eddy_stream_hangup_start(&end.stream, on_hangup), -EBADF);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), -EBADF);
    finish();
}
END_TEST

static void on_first_written(eddy_write *write, int status) {
    end_on_written(write, status);
    ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
}

/* Told in one record; the loop is whole in each callback. */
START_TEST(the_loop_is_whole_while_writes_are_told_before_it) {
    static char bytes[8 << 20];
    eddy_write writes[2];
    if (!begin()) return;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            eddy_stream_write(&end.stream, &writes[i], bytes, sizeof bytes, on_first_written), 0);
    turns(2);
    await();
    reset_peer();
    test_turn_until(loop, &told);
    while (end.written < 2) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    finish();
}
END_TEST

static int fresh_fd;

static void change_socket(eddy_write *write, int status) {
    eddy_stream *stream = write->stream;
    end_on_written(write, status);
    if (end.written < 2) return;
    close(eddy_stream_detach(stream));
    ck_assert_int_eq(eddy_stream_attach(stream, fresh_fd), 0);
    ck_assert_int_eq(eddy_stream_hangup_start(stream, on_hangup), 0);
}

/* One record tells the write of its failure and has the hang-up; in between the stream has changed
 * its socket. */
START_TEST(a_hangup_of_one_socket_is_not_told_of_the_next) {
    static char bytes[8 << 20];
    eddy_write writes[2];
    int fresh[2];
    if (!begin()) return;
    tcp_pair(fresh);
    fresh_fd = fresh[0];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            eddy_stream_write(&end.stream, &writes[i], bytes, sizeof bytes, change_socket), 0);
    turns(2);
    ck_assert(eddy_stream_is_blocked(&end.stream));
    await();
    reset_peer();
    while (end.written < 2) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    turns(3);
    ck_assert_uint_eq(hangups, 0);
    close(fresh[1]);
    test_turn_until(loop, &told);
    ck_assert_uint_eq(hangups, 1);
    finish();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("hangup");
    ck_add(suite, "told", a_backend_that_cannot_tell_says_so,
           a_paused_stream_hears_of_the_end_and_can_still_read_all,
           a_reset_is_told_and_then_read_as_one, a_writer_that_waits_hears_of_it_too,
           a_descriptor_closed_behind_its_back_is_one, a_loss_that_a_write_finds_is_one,
           the_loop_is_whole_while_writes_are_told_before_it);
    ck_add(suite, "ended", reading_ends_the_waiting, read_stop_ends_it_as_well,
           only_a_connected_stream_waits_for_it, a_hangup_of_one_socket_is_not_told_of_the_next,
           its_callback_may_close_the_stream);
    return suite;
}
