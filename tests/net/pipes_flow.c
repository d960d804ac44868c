/* pipes_flow.c: pipes that are full, late, closed in between, or without their reader. */
#include "pipe_net.h"

#include <signal.h>
#ifdef __linux__
#include "refuse.h"
#endif

/* --- A reader that has gone --- */

static volatile sig_atomic_t signals;

static void on_sigpipe(int number) {
    (void)number;
    signals++;
}

enum disposition { DEFAULT, IGNORED, HANDLED, BLOCKED, PENDING, DISPOSITIONS };

static bool is_pending(void) {
    sigset_t pending;
    ck_assert_int_eq(sigpending(&pending), 0);
    return sigismember(&pending, SIGPIPE) == 1;
}

static void set_disposition(enum disposition how) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    if (how == IGNORED) action.sa_handler = SIG_IGN;
    if (how == HANDLED) action.sa_handler = on_sigpipe;
    ck_assert_int_eq(sigaction(SIGPIPE, &action, NULL), 0);
    ck_assert_int_eq(sigprocmask(how >= BLOCKED ? SIG_BLOCK : SIG_UNBLOCK, &pipe_only, NULL), 0);
    if (how == PENDING) raise(SIGPIPE);
}

/* The process lives, whatever its disposition is, and that stays: what was not raised is not
 * pending either, and what was pending before still is. */
static void expect_no_signal(void) {
    for (enum disposition how = DEFAULT; how < DISPOSITIONS; how++) {
        eddy_write writes[2];
        struct iovec one = {data, 1};
        begin_pipe();
        set_disposition(how);
        end_close(&reader);
        ck_assert_int_eq(eddy_stream_write(&writer.stream, &writes[0], data, 1, end_on_written), 0);
        ck_assert_int_eq(
            eddy_stream_write(&writer.stream, &writes[1], data, sizeof data, end_on_written), 0);
        turn_until_written(&writer, 2);
        ck_assert_int_eq(writer.status, -EPIPE);
        ck_assert_int_eq((int)eddy_stream_try_write(&writer.stream, &one, 1), -EPIPE);
        ck_assert_int_eq(is_pending(), how == PENDING);
        struct sigaction now;
        ck_assert_int_eq(sigaction(SIGPIPE, NULL, &now), 0);
        ck_assert_int_eq(now.sa_handler == SIG_DFL, how != IGNORED && how != HANDLED);
        finish();
    }
    ck_assert_int_eq(signals, 0);
}

START_TEST(a_pipe_without_its_reader_raises_no_signal) {
    expect_no_signal();
}
END_TEST

#ifdef __linux__
/* Kernels before 6.18 have no flag for it. */
START_TEST(nor_where_the_kernel_has_no_flag) {
    static const long calls[] = {SYS_pwritev2};
    ck_assert(refuse_calls(calls, 1, EOPNOTSUPP));
    expect_no_signal();
}
END_TEST
#endif

/* Who does not write, or only has too much for the pipe, hears of it too. */
START_TEST(a_waiting_writer_hears_that_its_reader_has_gone) {
    eddy_write write;
    begin_pipe();
    ck_assert_int_eq(eddy_stream_write(&writer.stream, &write, data, sizeof data, end_on_written),
                     0);
    turns(5);
    ck_assert_uint_eq(writer.written, 0);
    ck_assert(eddy_stream_is_blocked(&writer.stream));
    end_close(&reader);
    turn_until_written(&writer, 1);
    ck_assert_int_eq(writer.status, -EPIPE);
    finish();
}
END_TEST

static int hangup_status;
static bool is_told;

static void on_hangup(eddy_stream *stream, int status) {
    (void)stream;
    hangup_status = status;
    is_told = true;
}

/* Of a reader there is an end with data before it; a writer has nobody left. */
START_TEST(either_end_can_await_that_the_other_closes) {
    if (!test_backend_can(EDDY_CAN_HANGUP)) return;
    struct iovec some = {data, 10};
    begin_pipe();
    is_told = false;
    ck_assert_int_eq((int)eddy_stream_try_write(&writer.stream, &some, 1), 10);
    ck_assert_int_eq(eddy_stream_hangup_start(&reader.stream, on_hangup), 0);
    turns(3);
    ck_assert(!is_told);
    end_close(&writer);
    test_turn_until(loop, &is_told);
    ck_assert_int_eq(hangup_status, 0);
    read_all(&reader);
    test_turn_until(loop, &reader.ended);
    ck_assert_uint_eq(reader.received, 10);
    finish();

    begin_pipe();
    is_told = false;
    ck_assert_int_eq(eddy_stream_hangup_start(&writer.stream, on_hangup), 0);
    turns(3);
    ck_assert(!is_told);
    end_close(&reader);
    test_turn_until(loop, &is_told);
    ck_assert_int_eq(hangup_status, -EPIPE);
    finish();
}
END_TEST

/* --- As with sockets --- */

/* The end that came while nobody read is there when somebody does: by level, not by an edge. */
START_TEST(an_end_that_came_while_nobody_read_is_told) {
    struct iovec some = {data, 10};
    begin_pipe();
    read_all(&reader);
    turns(1);
    eddy_stream_read_stop(&reader.stream);
    ck_assert_int_eq((int)eddy_stream_try_write(&writer.stream, &some, 1), 10);
    end_close(&writer);
    unsigned before = test_metric_waits(loop);
    test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    ck_assert_uint_lt(test_metric_waits(loop) - before, 6);
    ck_assert_uint_eq(reader.reads, 0);
    read_all(&reader);
    test_turn_until(loop, &reader.ended);
    ck_assert_uint_eq(reader.received, 10);
    finish();
}
END_TEST

static void on_drained(eddy_stream *stream) {
    end_of(stream)->drains++;
}

/* A full pipe costs no turns, the marks go with the queue, and time goes on beside it. */
START_TEST(a_full_pipe_waits_and_its_marks_follow) {
    eddy_write write;
    begin_pipe();
    ck_assert_int_eq(eddy_stream_set_marks(&writer.stream, 1000, 200000, on_drained), 0);
    ck_assert_int_eq(eddy_stream_write(&writer.stream, &write, data, sizeof data, end_on_written),
                     0);
    ck_assert(eddy_stream_is_full(&writer.stream));
    unsigned before = test_metric_waits(loop);
    test_turn_for(loop, 100 * EDDY_NS_PER_MS);
    ck_assert_uint_lt(test_metric_waits(loop) - before, 8);
    size_t queued = eddy_stream_queued(&writer.stream);
    ck_assert(queued > 0 && queued < sizeof data);
    struct iovec one = {data, 1};
    ck_assert_int_eq((int)eddy_stream_try_write(&writer.stream, &one, 1), -EAGAIN);
    ck_assert_int_eq(eddy_stream_flush(&writer.stream), -EAGAIN);
    read_all(&reader);
    turn_until_written(&writer, 1);
    turn_until_received(&reader, sizeof data);
    ck_assert_uint_eq(reader.sum, sum_bytes(0, data, sizeof data));
    ck_assert_uint_eq(writer.drains, 1);
    finish();
}
END_TEST

START_TEST(deadlines_hold_for_pipes) {
    eddy_write write;
    begin_pipe();
    read_all(&reader);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&reader.stream, 20 * EDDY_NS_PER_MS), 0);
    test_turn_until(loop, &reader.told);
    ck_assert_int_eq(reader.error, -ETIMEDOUT);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&writer.stream, 20 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(eddy_stream_write(&writer.stream, &write, data, sizeof data, end_on_written),
                     0);
    turn_until_written(&writer, 1);
    ck_assert_int_eq(writer.status, -ETIMEDOUT);
    finish();
}
END_TEST

/* What came in time is read before the deadline is told, also where it is more than one turn's. */
START_TEST(a_late_loop_reads_a_pipe_before_it_gives_up) {
    eddy_loop_config config = {.stream_bytes_per_turn = 4096, .read_buffer_bytes = 4096};
    begin_pipe();
    finish();
    loop = test_loop_open_with(config);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    attach(&reader, ends[0]);
    attach(&writer, ends[1]);
    read_all(&reader);
    turns(1);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&reader.stream, EDDY_NS_PER_MS), 0);
    struct iovec some = {data, 40000};
    ck_assert_int_eq((int)eddy_stream_try_write(&writer.stream, &some, 1), 40000);
    int64_t until_ns = test_now_ns() + 3 * EDDY_NS_PER_MS;
    while (test_now_ns() < until_ns) continue;
    test_turn_until(loop, &reader.told);
    ck_assert_int_eq(reader.error, -ETIMEDOUT);
    ck_assert_uint_eq(reader.received, 40000);
    finish();
}
END_TEST

START_TEST(a_close_cancels_what_the_pipe_did_not_take) {
    eddy_write writes[2];
    begin_pipe();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            eddy_stream_write(&writer.stream, &writes[i], data, sizeof data, end_on_written), 0);
    turns(3);
    ck_assert_uint_eq(writer.written, 0);
    ck_assert_int_eq(eddy_stream_detach(&writer.stream), -EBUSY);
    ck_assert_int_eq(eddy_stream_reset(&writer.stream, end_on_close), 0);
    test_turn_until(loop, &writer.closed);
    ck_assert_uint_eq(writer.written, 2);
    ck_assert_int_eq(writer.status, -ECANCELED);
    read_all(&reader);
    test_turn_until(loop, &reader.ended);
    finish();
}
END_TEST

/* --- One stream, another descriptor --- */

static int next_fd;

/* Gives the stream another descriptor in the middle of its reading. */
static void on_read_swap(eddy_stream *stream, void *bytes, ssize_t size) {
    (void)bytes;
    ck_assert_int_eq((int)size, 16);
    int fd = eddy_stream_detach(stream);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(eddy_stream_attach(stream, next_fd), 0);
    ck_assert_int_eq(eddy_stream_read_start(stream, end_on_read), 0);
}

/* From a pipe to a socket and the other way, in a callback with bytes left: none is mixed up. */
START_TEST(a_stream_may_change_from_pipe_to_socket_while_it_reads) {
    static char small[16];
    for (int to_pipe = 0; to_pipe < 2; to_pipe++) {
        int pipe_ends[2], socket_ends[2];
        loop = test_loop_open();
        test_pipe(pipe_ends);
        test_socket_pair(socket_ends);
        ck_assert_int_eq((int)write(pipe_ends[1], "0123456789abcdef.pipe.", 22), 22);
        ck_assert_int_eq((int)write(socket_ends[1], "0123456789abcdef.socket", 23), 23);
        attach(&reader, to_pipe ? socket_ends[0] : pipe_ends[0]);
        next_fd = to_pipe ? pipe_ends[0] : socket_ends[0];
        ck_assert_int_eq(eddy_stream_read_into(&reader.stream, small, sizeof small, on_read_swap),
                         0);
        close(pipe_ends[1]);
        close(socket_ends[1]);
        test_turn_until(loop, &reader.ended);
        ck_assert_uint_eq(reader.received, to_pipe ? 22 : 23);
        end_close(&reader);
        test_loop_close(loop);
    }
}
END_TEST

/* Small pieces that the pipe takes whole or not at all: one more than fits is refused in each
 * turn, and yet the next room is heard of as it comes, not 10 ms later. */
START_TEST(a_queue_of_small_writes_goes_as_fast_as_it_is_read) {
    enum { WRITES = 4000, LINE = 50 };
    static eddy_write writes[WRITES];
    static char taken[sizeof data];
    int ends[2];
    loop = test_loop_open();
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    attach(&writer, ends[1]);
    for (int i = 0; i < WRITES; i++)
        ck_assert_int_eq(eddy_stream_write(&writer.stream, &writes[i], data, LINE, end_on_written),
                         0);
    turns(1);
    ck_assert(eddy_stream_is_blocked(&writer.stream));
    for (int round = 0; writer.written < WRITES; round++) {
        unsigned before = writer.written;
        ck_assert_int_lt(round, WRITES);
        ck_assert_int_gt((int)read(ends[0], taken, sizeof taken), 0);
        turns(1);
        ck_assert_uint_gt(writer.written, before);
    }
    close(ends[0]);
    end_close(&writer);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("pipes, flow");
    ck_add(suite, "gone", a_pipe_without_its_reader_raises_no_signal,
           a_waiting_writer_hears_that_its_reader_has_gone,
           either_end_can_await_that_the_other_closes);
#ifdef __linux__
    ck_add(suite, "old kernel", nor_where_the_kernel_has_no_flag);
#endif
    ck_add(suite, "flow", an_end_that_came_while_nobody_read_is_told,
           a_full_pipe_waits_and_its_marks_follow, deadlines_hold_for_pipes,
           a_late_loop_reads_a_pipe_before_it_gives_up, a_close_cancels_what_the_pipe_did_not_take,
           a_queue_of_small_writes_goes_as_fast_as_it_is_read,
           a_stream_may_change_from_pipe_to_socket_while_it_reads);
    return suite;
}
