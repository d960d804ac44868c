/* streams.c: traps that streams of other libraries have fallen into. */
#include "memory.h"
#include "net.h"

#include <signal.h>
#include <stdlib.h>

static char big[4 << 20];

static void fill_kernel(struct end *end) {
    struct iovec all = {big, sizeof big};
    while (eddy_stream_try_write(&end->stream, &all, 1) > 0) continue;
}

/* --- Mute --- */

/* epoll and poll report a reset even to who wants nothing: a paused reader must not make the loop
 * spin, and hears of the reset when it reads again. */
START_TEST(mute_is_silent) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    eddy_stream_read_stop(&end.stream);
    reset_plain(peer);
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 200 * EDDY_NS_PER_MS);
    ck_assert_uint_lt(test_metric_waits(loop) - waits, 5);
    ck_assert_uint_eq(end.reads, 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    test_turn_until(loop, &end.told);
    ck_assert_int_eq(end.error, -ECONNRESET);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* Interest in writing that outlives the queue costs a whole processor. */
START_TEST(write_interest_ends_with_the_queue) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, sizeof big, end_on_written), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 50 * EDDY_NS_PER_MS); /* the queue waits, and so does the loop */
    ck_assert_uint_lt(test_metric_waits(loop) - waits, 5);
    uint64_t sum;
    bool ended;
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (end.written == 0) {
        drain_plain(peer, &sum, &ended);
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_int_lt(test_now_ns(), give_up_ns);
    }
    waits = test_metric_waits(loop);
    test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    ck_assert_uint_lt(test_metric_waits(loop) - waits, 5);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* --- Signals and errors --- */

/* With SIGPIPE as the system has it, a write to a closed peer is an error and nothing else. */
START_TEST(closed_peer_raises_no_sigpipe) {
    signal(SIGPIPE, SIG_DFL);
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int peer = end_connect(&end, loop);
    close(peer);
    int err = 0, sent = 0;
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (err == 0 && test_now_ns() < give_up_ns) {
        err = eddy_stream_write(&end.stream, &write, "x", 1, end_on_written);
        if (err == 0) sent++;
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    }
    ck_assert_int_eq(err, -EPIPE);
    ck_assert_uint_eq(end.written, (unsigned)sent);
    ck_assert(end.status == -EPIPE || end.status == -ECONNRESET);
    struct iovec byte = {big, 1};
    ck_assert_int_eq(eddy_stream_try_write(&end.stream, &byte, 1), -EPIPE);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* The end was read, so nobody reads any more when the reset comes: the queue must hear of it. */
START_TEST(reset_after_the_end_is_told_once) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write writes[2];
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
    test_turn_until(loop, &end.ended);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            eddy_stream_write(&end.stream, &writes[i], big, sizeof big, end_on_written), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_lt(end.written, 2);
    reset_plain(peer);
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (end.written < 2 && test_now_ns() < give_up_ns)
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    test_turn_for(loop, 10 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(end.written, 2);
    ck_assert_int_lt(end.status, 0);
    ck_assert_uint_eq(end.ends, 1);
    ck_assert_uint_eq(end.errors, 0);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* A megabyte and the end are there before the reader starts: only a read of 0 is the end. */
START_TEST(end_does_not_hide_the_data_before_it) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    size_t sent = 0;
    ssize_t size;
    while (sent < 1 << 20 && (size = send(peer, big, (1 << 20) - sent, 0)) > 0)
        sent += (size_t)size;
    close(peer);
    test_turn_for(loop, 10 * EDDY_NS_PER_MS);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    test_turn_until(loop, &end.told);
    ck_assert_uint_eq(end.received, sent);
    ck_assert_uint_eq(end.ends, 1);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* The descriptor was closed behind the stream's back, and its number has a new owner: whatever the
 * backend notices, nothing aborts and the new owner keeps its descriptor. */
START_TEST(descriptor_closed_behind_the_streams_back_is_reported) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int peer = end_connect(&end, loop);
    int fd = eddy_stream_fd(&end.stream);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    close(fd);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, "x", 1, end_on_written), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(end.written, 1);
    ck_assert_int_eq(end.status, -EBADF);
    int owner = fcntl(peer, F_DUPFD, fd);
    ck_assert_int_eq(owner, fd);
    end_close(&end);
    ck_assert_int_ge(fcntl(owner, F_GETFD), 0);
    close(owner);
    close(peer);
    test_loop_close(loop);
}
END_TEST

static void lose_own_socket(eddy_stream *stream, void *data, ssize_t size) {
    end_on_read(stream, data, size);
    if (size > 0) close(eddy_stream_fd(stream));
}

/* Who finds out, in a descriptor that was closed behind the stream's back: */
enum finder { BY_WRITE, BY_TRY_WRITE, BY_FLUSH, BY_SHUTDOWN, BY_READ };

/* The reader has what it was given before, loses what was still with the kernel, and is told once,
 * as the write is: also where the backend never finds out. */
static void lose_socket(enum finder finder) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int peer = end_connect_narrow(&end, loop);
    if (finder == BY_READ) {
        fill_kernel(&end);
        ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, 1, end_on_written), 0);
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert(eddy_stream_is_blocked(&end.stream));
    }
    static char room[3];
    ck_assert_int_eq(eddy_stream_read_into(&end.stream, room, sizeof room,
                                           finder == BY_READ ? lose_own_socket : end_on_read),
                     0);
    ck_assert_int_eq((int)send(peer, "abc", 3, 0), 3);
    while (end.received < 3) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    struct iovec vector = {big, 1};
    if (finder != BY_READ) {
        ck_assert_int_eq((int)send(peer, "def", 3, 0), 3);
        close(eddy_stream_fd(&end.stream));
    }
    if (finder == BY_WRITE || finder == BY_FLUSH)
        ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, 1, end_on_written), 0);
    if (finder == BY_SHUTDOWN)
        ck_assert_int_eq(eddy_stream_shutdown(&end.stream, &write, end_on_written), 0);
    if (finder == BY_FLUSH) ck_assert_int_eq(eddy_stream_flush(&end.stream), -EBADF);
    if (finder == BY_TRY_WRITE)
        ck_assert_int_eq((int)eddy_stream_try_write(&end.stream, &vector, 1), -EBADF);
    ck_assert(finder == BY_READ || !end.told);
    test_turn_until(loop, &end.told);
    for (int i = 0; i < 2000 && finder != BY_TRY_WRITE && end.written == 0; i++)
        test_turn_for(loop, EDDY_NS_PER_MS);
    test_turn_for(loop, 5 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(end.received, 3);
    ck_assert_int_eq(end.error, -EBADF);
    ck_assert_uint_eq(end.errors, 1);
    ck_assert_uint_eq(end.written, finder == BY_TRY_WRITE ? 0 : 1);
    if (finder != BY_TRY_WRITE) ck_assert_int_eq(end.status, -EBADF);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}

/* The number has another owner by then, be it a socket or not: nothing of that is closed or read.
 */
START_TEST(the_next_owner_of_a_lost_sockets_number_is_left_alone) {
    for (int is_socket = 0; is_socket < 2; is_socket++) {
        eddy_loop *loop = test_loop_open();
        struct end end;
        eddy_write write;
        int others[2];
        int peer = end_connect(&end, loop);
        int fd = eddy_stream_fd(&end.stream);
        if (is_socket)
            test_socket_pair(others);
        else
            test_pipe(others);
        close(fd);
        if (is_socket)
            ck_assert_int_eq(eddy_stream_shutdown(&end.stream, &write, end_on_written), 0);
        if (is_socket) ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0); /* finds out */
        ck_assert_int_eq(dup2(others[0], fd), fd);
        if (!is_socket)
            ck_assert_int_eq(eddy_stream_write(&end.stream, &write, "x", 1, end_on_written), 0);
        ck_assert_int_eq((int)send(peer, "y", 1, MSG_NOSIGNAL) < 0, 0);
        while (end.written == 0) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
        ck_assert_int_lt(end.status, 0);
        ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), -EBADF);
        end_close(&end);
        ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
        close(fd);
        close(others[0]);
        close(others[1]);
        close(peer);
        test_loop_close(loop);
    }
}
END_TEST

START_TEST(writes_and_reader_are_told_that_the_socket_is_lost_whoever_finds_out) {
    lose_socket((enum finder)_i);
}
END_TEST

/* --- Every order of write, shutdown and close --- */

/* Does the three calls in the order of `order` and looks that each callback comes exactly once. */
static void run_order(const char *order) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write, shutdown;
    int peer = end_connect(&end, loop);
    fill_kernel(&end);
    unsigned accepted = 0;
    bool closed = false, shut = false;
    for (const char *call = order; *call != '\0'; call++) {
        int err;
        if (*call == 'c') {
            ck_assert_int_eq(eddy_stream_close(&end.stream, end_on_close), 0);
            closed = true;
            continue;
        }
        if (*call == 't') {
            ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
            continue;
        }
        if (*call == 'w') {
            err = eddy_stream_write(&end.stream, &write, "x", 1, end_on_written);
        } else {
            err = eddy_stream_shutdown(&end.stream, &shutdown, end_on_written);
        }
        ck_assert_int_eq(err, closed ? -EINVAL : shut ? -EPIPE : 0);
        if (*call == 's') shut = true;
        accepted += err == 0;
    }
    if (!closed) ck_assert_int_eq(eddy_stream_close(&end.stream, end_on_close), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert(end.closed);
    ck_assert_uint_eq(end.written, accepted);
    close(peer);
    test_loop_close(loop);
}

START_TEST(every_order_of_write_shutdown_and_close_ends) {
    static const char *const orders[] = {"wsc",  "wcs",  "swc", "scw",  "cws", "csw", "wtsc",
                                         "stwc", "wstc", "ss",  "wstw", "sc",  "wc",  "c"};
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) run_order(orders[i]);
}
END_TEST

/* --- A callback ends its own object --- */

struct heap_end {
    eddy_stream stream;
    eddy_write writes[3], shutdown;
};

static bool freed;

static void free_on_close(eddy_stream *stream) {
    free(eddy_container_of(stream, struct heap_end, stream));
    freed = true;
}

static void close_now(eddy_stream *stream) {
    ck_assert_int_eq(eddy_stream_close(stream, free_on_close), 0);
}

static void close_in_read(eddy_stream *stream, void *data, ssize_t size) {
    (void)data, (void)size;
    close_now(stream);
}

static void close_in_write(eddy_write *write, int status) {
    (void)status;
    if (eddy_stream_fd(write->stream) >= 0) close_now(write->stream);
}

static void ignore_write(eddy_write *write, int status) {
    (void)write, (void)status;
}

static struct heap_end *heap_connect(eddy_loop *loop, int *peer) {
    int ends[2];
    struct heap_end *it = calloc(1, sizeof *it);
    ck_assert_ptr_nonnull(it);
    freed = false;
    tcp_pair(ends);
    *peer = ends[1];
    eddy_stream_init(&it->stream, loop);
    ck_assert_int_eq(eddy_stream_attach(&it->stream, ends[0]), 0);
    return it;
}

/* Closed with more data there, at the end, on an error, at the deadline. */
START_TEST(stream_may_be_closed_in_its_read_callback) {
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.read_buffer_bytes = 4});
    for (int cause = 0; cause < 4; cause++) {
        int peer;
        struct heap_end *it = heap_connect(loop, &peer);
        ck_assert_int_eq(eddy_stream_read_start(&it->stream, close_in_read), 0);
        ck_assert_int_eq(eddy_stream_write(&it->stream, &it->writes[0], "x", 1, ignore_write), 0);
        if (cause == 0) ck_assert_int_eq(send(peer, big, 100, 0), 100);
        if (cause == 1) ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
        if (cause == 2) reset_plain(peer);
        if (cause == 3)
            ck_assert_int_eq(eddy_stream_set_read_deadline(&it->stream, EDDY_NS_PER_MS), 0);
        test_turn_until(loop, &freed);
        if (cause != 2) close(peer);
    }
    test_loop_close(loop);
}
END_TEST

/* The first of three callbacks of one flush closes: with success, on an error, at the timeout. */
START_TEST(stream_may_be_closed_in_its_write_callback) {
    eddy_loop *loop = test_loop_open();
    for (int cause = 0; cause < 3; cause++) {
        int peer;
        struct heap_end *it = heap_connect(loop, &peer);
        ck_assert_int_eq(eddy_stream_set_marks(&it->stream, 0, 1, close_now), 0);
        size_t size = cause == 0 ? 10 : sizeof big;
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(
                eddy_stream_write(&it->stream, &it->writes[i], big, size, close_in_write), 0);
        if (cause == 2)
            ck_assert_int_eq(eddy_stream_set_write_timeout(&it->stream, EDDY_NS_PER_MS), 0);
        if (cause == 1) reset_plain(peer);
        test_turn_until(loop, &freed);
        if (cause != 1) close(peer);
    }
    test_loop_close(loop);
}
END_TEST

START_TEST(stream_may_be_closed_in_its_drained_and_shutdown_callbacks) {
    eddy_loop *loop = test_loop_open();
    for (int cause = 0; cause < 2; cause++) {
        int peer;
        struct heap_end *it = heap_connect(loop, &peer);
        eddy_stream_fn *drained = cause == 0 ? close_now : NULL;
        eddy_write_fn *shut = cause == 0 ? ignore_write : close_in_write;
        ck_assert_int_eq(eddy_stream_set_marks(&it->stream, 0, 1, drained), 0);
        ck_assert_int_eq(eddy_stream_write(&it->stream, &it->writes[0], "abc", 3, ignore_write), 0);
        ck_assert_int_eq(eddy_stream_shutdown(&it->stream, &it->shutdown, shut), 0);
        test_turn_until(loop, &freed);
        close(peer);
    }
    test_loop_close(loop);
}
END_TEST

/* --- Fairness --- */

static bool flood_over;
static unsigned ticks;

static void swallow(eddy_stream *stream, void *data, ssize_t size) {
    (void)data;
    if (size > 0) end_of(stream)->received += (size_t)size;
}

static void flood_more(eddy_write *write, int status) {
    if (status == 0 && !flood_over)
        ck_assert_int_eq(eddy_stream_write(write->stream, write, big, sizeof big, flood_more), 0);
}

static void tick(eddy_timer *timer) {
    if (++ticks == 20) {
        flood_over = true;
        eddy_timer_stop(timer);
    }
}

/* One end writes without a pause, the other reads without a pause, and a timer still comes: each
 * turn moves at most its share, so ticks that are due are at most a few turns late. */
START_TEST(flood_on_one_stream_does_not_starve_a_timer) {
    eddy_loop *loop = test_loop_open();
    struct end from, to;
    eddy_write write;
    eddy_timer timer;
    eddy_metrics metrics;
    flood_over = false;
    ticks = 0;
    end_connect_both(&from, loop, &to, loop);
    ck_assert_int_eq(eddy_stream_read_start(&to.stream, swallow), 0);
    ck_assert_int_eq(eddy_stream_write(&from.stream, &write, big, sizeof big, flood_more), 0);
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, tick, 10 * EDDY_NS_PER_MS, 10 * EDDY_NS_PER_MS), 0);
    test_turn_until(loop, &flood_over);
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    ck_assert_uint_gt(to.received, sizeof big);
    ck_assert_uint_le(to.received / metrics.turns, (256 << 10) + (64 << 10));
    end_close(&from);
    end_close(&to);
    test_loop_close(loop);
}
END_TEST

/* --- Another socket --- */

static int fresh_fd;

static void change_socket(eddy_write *write, int status) {
    eddy_stream *stream = write->stream;
    ck_assert_int_lt(status, 0);
    ck_assert_int_eq(eddy_stream_fd(stream), -1);
    ck_assert_int_eq(eddy_stream_detach(stream), -EBADF);
    ck_assert_int_eq(eddy_stream_attach(stream, fresh_fd), 0);
    ck_assert_int_eq(eddy_stream_read_start(stream, end_on_read), 0);
    end_of(stream)->drained = true;
}

/* The descriptor was closed behind the stream's back, and the write that hears of it gives the
 * stream another one: what was wrong with the first is not told of the second. */
START_TEST(the_loss_of_one_socket_is_not_told_of_the_next) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int fresh[2], peer = end_connect_narrow(&end, loop);
    test_socket_pair(fresh);
    fresh_fd = fresh[0];
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0); /* muted: not in the backend */
    fill_kernel(&end);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, 1, change_socket), 0);
    close(eddy_stream_fd(&end.stream));
    test_turn_until(loop, &end.drained);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(end.reads, 0);
    ck_assert_int_eq((int)send(fresh[1], big, 1, 0), 1);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(end.received, 1);
    end_close(&end);
    ck_assert_int_lt(fcntl(fresh_fd, F_GETFD), 0);
    close(fresh[1]);
    close(peer);
    test_loop_close(loop);
}
END_TEST

/* --- Deadlines --- */

static eddy_write late;

static void write_more(eddy_write *write, int status) {
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(eddy_stream_write(write->stream, &late, big, 1, end_on_written), 0);
}

static void on_empty(eddy_write *write, int status) {
    (void)write, (void)status;
}

/* A write is queued by the callback of another one behind which a third one is done but not told
 * yet: the queue looks as if it had a deadline already. */
START_TEST(a_write_queued_between_two_callbacks_has_its_timeout) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write first, second;
    int peer = end_connect_narrow(&end, loop);
    fill_kernel(&end);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&end.stream, 20 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &first, big, 0, write_more), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &second, big, 0, on_empty), 0);
    test_turn_for(loop, 100 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(end.written, 1);
    ck_assert_int_eq(end.status, -ETIMEDOUT);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

enum { TIMERS = 64 };
static eddy_timer timers[TIMERS];
static struct test_memory memory;

static void never(eddy_timer *timer) {
    (void)timer;
    ck_abort_msg("a timer of the far future has fired");
}

/* Takes all the places that the heap of timers has, and there are no more. */
static void take_places(eddy_stream *stream, void *data, ssize_t size) {
    end_on_read(stream, data, size);
    memory.fail_in = 0;
    memory.fail_on = true;
    eddy_loop *loop = stream->io.handle.loop;
    int i = 0;
    while (eddy_timer_start(&timers[i], never, 100 * EDDY_NS_PER_S, 0) == 0)
        ck_assert_int_lt(++i, TIMERS);
    ck_assert_int_ge(eddy_loop_is_alive(loop), 1);
}

/* What the callback of one deadline does must not cost the stream its other one. */
START_TEST(a_deadline_survives_the_callback_of_another_one) {
    memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.allocator = &allocator});
    struct end end;
    eddy_write write;
    for (int i = 0; i < TIMERS; i++) eddy_timer_init(&timers[i], loop);
    int peer = end_connect_narrow(&end, loop);
    fill_kernel(&end);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&end.stream, 60 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, 1, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, take_places), 0);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, 20 * EDDY_NS_PER_MS), 0);
    int64_t give_up_ns = test_now_ns() + 2 * EDDY_NS_PER_S;
    while (end.written == 0 && test_now_ns() < give_up_ns)
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(end.errors, 1);
    ck_assert_uint_eq(end.written, 1);
    ck_assert_int_eq(end.status, -ETIMEDOUT);
    for (int i = 0; i < TIMERS; i++) eddy_timer_stop(&timers[i]);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
    ck_assert_uint_eq(memory.blocks, 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("streams");
    ck_add(suite, "interest", mute_is_silent, write_interest_ends_with_the_queue);
    ck_add(suite, "errors", closed_peer_raises_no_sigpipe, reset_after_the_end_is_told_once,
           end_does_not_hide_the_data_before_it,
           descriptor_closed_behind_the_streams_back_is_reported,
           the_loss_of_one_socket_is_not_told_of_the_next);
    TCase *lost = tcase_create("lost");
    tcase_set_timeout(lost, 60); /* as ck_add does */
    tcase_add_loop_test(lost, writes_and_reader_are_told_that_the_socket_is_lost_whoever_finds_out,
                        0, BY_READ + 1);
    tcase_add_test(lost, the_next_owner_of_a_lost_sockets_number_is_left_alone);
    suite_add_tcase(suite, lost);
    ck_add(suite, "end", every_order_of_write_shutdown_and_close_ends,
           stream_may_be_closed_in_its_read_callback, stream_may_be_closed_in_its_write_callback,
           stream_may_be_closed_in_its_drained_and_shutdown_callbacks);
    ck_add(suite, "deadlines", a_write_queued_between_two_callbacks_has_its_timeout,
           a_deadline_survives_the_callback_of_another_one);
    ck_add(suite, "fairness", flood_on_one_stream_does_not_starve_a_timer);
    return suite;
}
