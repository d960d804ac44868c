/* pass_untaken.c: descriptors that nobody takes, and what is not passed at all. */
#include "pass_net.h"

static const unsigned kinds[] = {0, EDDY_SEQPACKET};
enum { KINDS = 2 };

/* --- What nobody takes --- */

/* What the callback leaves is closed when it returns, also when it stops, detaches or closes. */
enum after { AFTER_STOP, AFTER_DETACH, AFTER_CLOSE, AFTERS };
static enum after after_read;
static int detached;

static void on_read_and_leave(eddy_stream *stream, void *data, ssize_t size) {
    struct taker *taker = taker_of(stream);
    (void)data;
    ck_assert_int_eq(size, 1);
    if (after_read == AFTER_STOP) eddy_stream_read_stop(stream);
    if (after_read == AFTER_DETACH) detached = eddy_stream_detach(stream);
    if (after_read == AFTER_CLOSE) ck_assert_int_eq(eddy_stream_close(stream, end_on_close), 0);
    taker->fds[taker->count++] = eddy_pass_take(stream); /* still possible */
    taker->any = true;
}

START_TEST(what_is_not_taken_is_closed) {
    for (after_read = 0; after_read < AFTERS; after_read++) {
        eddy_loop *loop = test_loop_open();
        struct taker taker;
        struct end sender;
        eddy_pass pass;
        int ends[2];
        test_pipe(ends);
        ck_assert(taker_open(&taker, &sender, loop, 0));
        int fds[3] = {ends[0], ends[0], ends[0]}, before = descriptors_open(256);
        ck_assert_int_eq(eddy_pass_receive(&taker.end.stream, true), 0);
        ck_assert_int_eq(eddy_stream_read_start(&taker.end.stream, on_read_and_leave), 0);
        ck_assert_int_eq(eddy_pass_write(&sender.stream, &pass, "x", 1, fds, 3, end_on_written), 0);
        test_turn_until(loop, &taker.any);
        ck_assert_int_ge(taker.fds[0], 0);
        close(taker.fds[0]);
        turn_until_written(loop, &sender, 1);
        if (after_read == AFTER_CLOSE) test_turn_until(loop, &taker.end.closed);
        if (after_read == AFTER_CLOSE) before--;
        ck_assert_int_eq(descriptors_open(256), before);
        close(ends[0]);
        ck_assert(pipe_is_dead(ends[1]));
        if (after_read == AFTER_DETACH) close(detached);
        if (after_read != AFTER_CLOSE) end_close(&taker.end);
        end_close(&sender);
        close(ends[1]);
        test_loop_close(loop);
    }
}
END_TEST

/* Who does not ask for descriptors gets none, and has none open; nor when it asks no longer. */
START_TEST(who_does_not_ask_gets_none) {
    for (int i = 0; i < KINDS; i++) {
        eddy_loop *loop = test_loop_open();
        struct taker taker;
        struct end sender;
        eddy_pass pass;
        int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (taker_open(&taker, &sender, loop, kinds[i])) {
            int before = descriptors_open(256);
            ck_assert_int_eq(eddy_stream_read_start(&taker.end.stream, taker_on_read), 0);
            for (int k = 0; k < 3; k++) {
                taker.any = false;
                if (k > 0) ck_assert_int_eq(eddy_pass_receive(&taker.end.stream, k == 1), 0);
                ck_assert_int_eq(
                    eddy_pass_write(&sender.stream, &pass, "x", 1, &fd, 1, end_on_written), 0);
                test_turn_until(loop, &taker.any);
                turn_until_written(loop, &sender, (unsigned)k + 1);
                ck_assert_uint_eq(taker.count, k > 0);
                ck_assert_int_eq(descriptors_open(256), before + (k > 0));
            }
            taker_close(&taker);
            end_close(&sender);
        }
        close(fd);
        test_loop_close(loop);
    }
}
END_TEST

static void on_read_and_ask(eddy_stream *stream, void *data, ssize_t size) {
    int err = eddy_pass_receive(stream, true);
    ck_assert_int_eq(err, 0);
    taker_on_read(stream, data, size);
}

/* A protocol that comes to descriptors later: with what it reads next, though it is there already.
 */
START_TEST(who_asks_in_the_callback_gets_the_next) {
    for (int i = 0; i < KINDS; i++) {
        eddy_loop *loop = test_loop_open();
        struct taker taker;
        struct end sender;
        eddy_write write;
        eddy_pass passes[2];
        char byte;
        int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (taker_open(&taker, &sender, loop, kinds[i])) {
            eddy_stream *stream = &sender.stream;
            ck_assert_int_eq(eddy_stream_write(stream, &write, "x", 1, end_on_written), 0);
            for (int k = 0; k < 2; k++)
                ck_assert_int_eq(
                    eddy_pass_write(stream, &passes[k], "y", 1, &fd, 1, end_on_written), 0);
            turn_until_written(loop, &sender, 3);
            ck_assert_int_eq(eddy_stream_read_into(&taker.end.stream, &byte, 1, on_read_and_ask),
                             0);
            taker.wanted = 3;
            test_turn_until(loop, &taker.enough);
            ck_assert_uint_eq(taker.count, 2);
            taker_close(&taker);
            end_close(&sender);
        }
        close(fd);
        test_loop_close(loop);
    }
}
END_TEST

/* The peer goes with descriptors unread, or the sender with some unsent. */
START_TEST(closing_leaves_nothing_open) {
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender;
    static char data[1 << 20];
    static eddy_pass passes[64];
    int ends[2];
    test_pipe(ends);
    for (int how = 0; how < 2; how++) {
        ck_assert(taker_open(&taker, &sender, loop, 0));
        int before = descriptors_open(512) - 2;
        for (int i = 0; i < 64; i++)
            ck_assert_int_eq(eddy_pass_write(&sender.stream, &passes[i], data, sizeof data / 64,
                                             ends, 1, end_on_written),
                             0);
        turn_until_written(loop, &sender, 2);
        ck_assert_uint_gt(eddy_stream_queued(&sender.stream), 0);
        end_close(how == 0 ? &sender : &taker.end);
        turn_until_written(loop, &sender, 64);
        ck_assert_int_lt(sender.status, 0);
        end_close(how == 1 ? &sender : &taker.end);
        ck_assert_int_eq(descriptors_open(512), before);
    }
    close(ends[0]);
    ck_assert(pipe_is_dead(ends[1]));
    close(ends[1]);
    test_loop_close(loop);
}
END_TEST

/* A stream that is paused keeps them in the kernel; a deadline that comes first tells them too. */
START_TEST(what_came_in_time_is_taken_before_a_deadline_is_told) {
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.stream_bytes_per_turn = 4});
    struct taker taker;
    struct end sender;
    static eddy_pass passes[20];
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert(taker_open(&taker, &sender, loop, 0));
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(
            eddy_pass_write(&sender.stream, &passes[i], "ab", 2, &fd, 1, end_on_written), 0);
    turn_until_written(loop, &sender, 20);
    taker_read(&taker);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&taker.end.stream, 0), 0);
    test_turn_until(loop, &taker.end.told);
    ck_assert_int_eq(taker.end.error, -ETIMEDOUT);
    ck_assert_uint_eq(taker.count, 20);
    ck_assert_uint_eq(taker.end.received, 40);
    taker_close(&taker);
    end_close(&sender);
    close(fd);
    test_loop_close(loop);
}
END_TEST

/* One too large for the reader's buffer is lost, with all that it brought, and the next is whole.
 */
START_TEST(a_record_that_is_cut_leaves_no_descriptor) {
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender;
    eddy_pass passes[2];
    char room[4];
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (taker_open(&taker, &sender, loop, EDDY_SEQPACKET)) {
        eddy_stream *stream = &sender.stream;
        int before = descriptors_open(256);
        ck_assert_int_eq(eddy_pass_receive(&taker.end.stream, true), 0);
        ck_assert_int_eq(eddy_stream_read_into(&taker.end.stream, room, sizeof room, taker_on_read),
                         0);
        ck_assert_int_eq(eddy_pass_write(stream, &passes[0], "12345", 5, &fd, 1, end_on_written),
                         0);
        ck_assert_int_eq(eddy_pass_write(stream, &passes[1], "123", 3, &fd, 1, end_on_written), 0);
        test_turn_until(loop, &taker.end.told);
        ck_assert_int_eq(taker.end.error, -EMSGSIZE);
        ck_assert_uint_eq(taker.count, 0);
        turn_until_written(loop, &sender, 2);
        ck_assert_int_eq(descriptors_open(256), before);
        taker.end.told = taker.any = false;
        ck_assert_int_eq(eddy_stream_read_into(&taker.end.stream, room, sizeof room, taker_on_read),
                         0);
        test_turn_until(loop, &taker.any);
        ck_assert_uint_eq(taker.count, 1);
        taker_close(&taker);
        end_close(&sender);
    }
    close(fd);
    test_loop_close(loop);
}
END_TEST

/* --- What is refused --- */

START_TEST(what_cannot_be_passed_is_refused_at_once) {
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender, tcp;
    eddy_pass pass;
    eddy_write shutdown;
    int fds[EDDY_PASS_MAX + 1];
    for (int i = 0; i <= EDDY_PASS_MAX; i++) fds[i] = 0;
    int plain = end_connect(&tcp, loop);
    end_init(&sender, loop);
    ck_assert_int_eq(eddy_pass_write(&sender.stream, &pass, "x", 1, fds, 1, end_on_written),
                     -ENOTCONN);
    ck_assert_int_eq(eddy_pass_receive(&sender.stream, true), -ENOTCONN);
    ck_assert_int_eq(eddy_pass_take(&sender.stream), -EAGAIN);
    ck_assert(taker_open(&taker, &sender, loop, 0));
    eddy_stream *stream = &sender.stream;
    int before = descriptors_open(256);
    ck_assert_int_eq(eddy_pass_write(stream, &pass, "", 0, fds, 1, end_on_written), -EINVAL);
    ck_assert_int_eq(eddy_pass_write(stream, &pass, "x", 1, fds, 0, end_on_written), -EINVAL);
    ck_assert_int_eq(eddy_pass_write(stream, &pass, "x", 1, fds, EDDY_PASS_MAX + 1, end_on_written),
                     -EINVAL);
    ck_assert_int_eq(eddy_pass_write(&tcp.stream, &pass, "x", 1, fds, 1, end_on_written), -ENOTSUP);
    ck_assert_int_eq(eddy_pass_receive(&tcp.stream, true), -ENOTSUP);
    fds[9] = -1;
    ck_assert_int_eq(eddy_pass_write(stream, &pass, "x", 1, fds, 10, end_on_written), -EBADF);
    ck_assert_int_eq(descriptors_open(256), before);
    ck_assert_uint_eq(eddy_stream_queued(stream), 0);
    ck_assert_int_eq(eddy_stream_shutdown(stream, &shutdown, end_on_written), 0);
    ck_assert_int_eq(eddy_pass_write(stream, &pass, "x", 1, fds, 1, end_on_written), -EPIPE);
    ck_assert_int_eq(descriptors_open(256), before);
    turn_until_written(loop, &sender, 1);
    taker_close(&taker);
    ck_assert_int_eq(eddy_stream_close(stream, end_on_close), 0);
    ck_assert_int_eq(eddy_pass_write(stream, &pass, "x", 1, fds, 1, end_on_written), -EINVAL);
    ck_assert_int_eq(eddy_pass_receive(stream, true), -EINVAL);
    test_turn_until(loop, &sender.closed);
    end_close(&tcp);
    close(plain);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("pass_untaken");
    ck_add(suite, "untaken", what_is_not_taken_is_closed, who_does_not_ask_gets_none,
           who_asks_in_the_callback_gets_the_next, closing_leaves_nothing_open,
           what_came_in_time_is_taken_before_a_deadline_is_told,
           a_record_that_is_cut_leaves_no_descriptor, what_cannot_be_passed_is_refused_at_once);
    return suite;
}
