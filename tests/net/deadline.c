/* deadline.c: deadlines of reading and of write progress, and the budget of a turn. */
#include "net.h"

#include <sys/ioctl.h>

static char big[4 << 20];

START_TEST(read_deadline_fires_once_and_not_early) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, -2), -EINVAL);
    eddy_loop_update_now(loop);
    int64_t start_ns = eddy_loop_now_ns(loop);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, 20 * EDDY_NS_PER_MS), 0);
    test_turn_until(loop, &end.told);
    ck_assert_int_eq(end.error, -ETIMEDOUT);
    ck_assert_int_ge(test_now_ns() - start_ns, 20 * EDDY_NS_PER_MS);
    test_turn_for(loop, 30 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(end.errors, 1);
    /* Reading can go on: the connection is as it was. */
    end.told = false;
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    close(peer);
    test_turn_until(loop, &end.ended);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static int64_t pushed_ns, told_ns;

static void push_away(eddy_stream *stream, void *data, ssize_t size) {
    end_on_read(stream, data, size);
    told_ns = eddy_loop_now_ns(stream->io.handle.loop);
    if (size > 0) pushed_ns = told_ns;
    if (size > 0) ck_assert_int_eq(eddy_stream_set_read_deadline(stream, 100 * EDDY_NS_PER_MS), 0);
}

/* A byte every 10 ms for longer than the deadline; then silence. The deadline comes 100 ms after
 * the last byte that was read, and on a machine that is busy elsewhere that may be an earlier one.
 */
START_TEST(deadline_pushed_away_by_the_callback_means_idleness) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, push_away), 0);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, 100 * EDDY_NS_PER_MS), 0);
    unsigned sent = 0;
    for (; sent < 20 && !end.told; sent++) {
        ck_assert_int_eq(send(peer, "x", 1, 0), 1);
        test_turn_for(loop, 10 * EDDY_NS_PER_MS);
    }
    test_turn_until(loop, &end.told);
    ck_assert_int_eq(end.error, -ETIMEDOUT);
    ck_assert_int_ge(told_ns - pushed_ns, 100 * EDDY_NS_PER_MS);
    ck_assert_uint_le(end.received, sent);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* Bytes alone do not push the deadline away: a byte now and then is no excuse. */
START_TEST(deadline_holds_although_bytes_arrive) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    int64_t deadline_ns = 60 * EDDY_NS_PER_MS;
    do { /* again, and longer, where a busy machine has let no bytes through in that time */
        end.told = false;
        end.received = 0;
        ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
        ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, deadline_ns), 0);
        int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
        while (!end.told && test_now_ns() < give_up_ns) {
            ck_assert_int_eq(send(peer, "x", 1, 0), 1);
            test_turn_for(loop, 5 * EDDY_NS_PER_MS);
        }
        ck_assert_int_eq(end.error, -ETIMEDOUT);
        deadline_ns *= 2;
    } while (end.received < 2);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static void be_busy(void) {
    int64_t end_ns = test_now_ns() + 60 * EDDY_NS_PER_MS;
    while (test_now_ns() < end_ns) continue;
}

/* The data was there in time; only the loop was late. */
START_TEST(late_loop_reads_what_came_before_it_gives_up) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, push_away), 0);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, 30 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(send(peer, "x", 1, 0), 1);
    be_busy();
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert(!end.told);
    ck_assert_uint_eq(end.received, 1);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* All of it: what one turn has no share for is read in the next ones, and the verdict follows. */
START_TEST(late_loop_reads_all_that_came_before_it_gives_up) {
    static const size_t shares[] = {5000, 8192, 1 << 20}, buffers[] = {1024, 4096, 100};
    for (int i = 0; i < 3; i++) {
        eddy_loop *loop = test_loop_open_with((eddy_loop_config){
            .read_buffer_bytes = buffers[i], .stream_bytes_per_turn = shares[i]});
        struct end end;
        int peer = end_connect(&end, loop);
        ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
        ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, 5 * EDDY_NS_PER_MS), 0);
        ssize_t sent = send(peer, big, 100000, 0);
        ck_assert_int_gt(sent, 60000);
        be_busy();
        test_turn_until(loop, &end.told);
        ck_assert_uint_eq(end.received, (size_t)sent);
        ck_assert_int_eq(end.error, -ETIMEDOUT);
        ck_assert_uint_eq(end.errors, 1);
        close(peer);
        end_close(&end);
        test_loop_close(loop);
    }
}
END_TEST

static int flood_peer;

static void read_and_flood(eddy_stream *stream, void *data, ssize_t size) {
    end_on_read(stream, data, size);
    while (size > 0 && send(flood_peer, big, sizeof big / 64, MSG_DONTWAIT) > 0) continue;
}

/* But no more than that: a peer whose bytes never end has a deadline too. */
START_TEST(deadline_holds_although_there_are_always_bytes) {
    eddy_loop *loop = test_loop_open_with(
        (eddy_loop_config){.read_buffer_bytes = 1024, .stream_bytes_per_turn = 8192});
    struct end end;
    flood_peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, read_and_flood), 0);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, 20 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(send(flood_peer, "x", 1, 0), 1);
    test_turn_until(loop, &end.told);
    ck_assert_int_eq(end.error, -ETIMEDOUT);
    close(flood_peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

START_TEST(stopped_reader_and_deadline_taken_back_stay_silent) {
    eddy_loop *loop = test_loop_open();
    struct end a, b;
    end_connect_both(&a, loop, &b, loop);
    ck_assert_int_eq(eddy_stream_read_start(&a.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_read_start(&b.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&a.stream, 10 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&b.stream, 10 * EDDY_NS_PER_MS), 0);
    eddy_stream_read_stop(&a.stream);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&b.stream, -1), 0);
    test_turn_for(loop, 40 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(a.reads + b.reads, 0);
    ck_assert_int_eq(eddy_stream_read_start(&a.stream, end_on_read), 0);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(a.reads, 0);
    end_close(&a);
    end_close(&b);
    test_loop_close(loop);
}
END_TEST

/* A deadline is of the reading: without any it passes in silence, and one that is out of the
 * clock's range never comes. */
START_TEST(deadline_without_a_reader_passes) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, 5 * EDDY_NS_PER_MS), 0);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, INT64_MAX), 0);
    test_turn_for(loop, 5 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(end.reads, 0);
    ck_assert_int_eq(send(peer, "x", 1, 0), 1);
    while (end.received == 0) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_uint_eq(end.reads, 1);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* --- Writes --- */

/* A limit that comes while a queue waits counts from there; one that is taken back does not. */
START_TEST(write_timeout_may_come_to_a_waiting_queue) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int peer = end_connect_narrow(&end, loop);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&end.stream, INT64_MAX), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, sizeof big, end_on_written), 0);
    test_turn_for(loop, 5 * EDDY_NS_PER_MS);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&end.stream, 10 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&end.stream, 0), 0);
    test_turn_for(loop, 30 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(end.written, 0);
    eddy_loop_update_now(loop);
    int64_t start_ns = eddy_loop_now_ns(loop);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&end.stream, 20 * EDDY_NS_PER_MS), 0);
    while (end.written == 0) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_int_eq(end.status, -ETIMEDOUT);
    ck_assert_int_ge(test_now_ns() - start_ns, 20 * EDDY_NS_PER_MS);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static void close_in_write(eddy_write *write, int status) {
    end_on_written(write, status);
    if (end_of(write->stream)->written == 3)
        ck_assert_int_eq(eddy_stream_close(write->stream, end_on_close), 0);
}

START_TEST(write_timeout_gives_up_when_no_byte_moves) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    eddy_write writes[3];
    ck_assert_int_eq(eddy_stream_set_write_timeout(&end.stream, -1), -EINVAL);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&end.stream, 30 * EDDY_NS_PER_MS), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            eddy_stream_write(&end.stream, &writes[i], big, sizeof big, close_in_write), 0);
    test_turn_until(loop, &end.closed);
    ck_assert_uint_eq(end.written, 3);
    ck_assert_int_eq(end.status, -ETIMEDOUT);
    close(peer);
    test_loop_close(loop);
}
END_TEST

/* Nothing is queued, so nothing can be late. */
START_TEST(refused_write_begins_no_timeout) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    eddy_write write;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&end.stream, EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, SIZE_MAX, end_on_written),
                     -EINVAL);
    test_turn_for(loop, 3 * EDDY_NS_PER_MS);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, 1, end_on_written), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(end.written, 1);
    ck_assert_int_eq(end.status, 0);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* The peer takes a part now and then, slower than the timeout as a whole, but it moves: unless this
 * machine is so busy that a pause takes longer than the timeout. */
START_TEST(write_timeout_waits_as_long_as_bytes_move) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect_narrow(&end, loop);
    eddy_write write;
    /* The queue is there before the limit. */
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, 40000, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&end.stream, 400 * EDDY_NS_PER_MS), 0);
    int64_t start_ns = test_now_ns(), moved_ns = start_ns, longest_ns = 0;
    while (end.written == 0) {
        char some[700];
        if (recv(peer, some, sizeof some, MSG_DONTWAIT) > 0) continue;
        test_turn_for(loop, 60 * EDDY_NS_PER_MS);
        int64_t now_ns = test_now_ns();
        if (now_ns - moved_ns > longest_ns) longest_ns = now_ns - moved_ns;
        moved_ns = now_ns;
        ck_assert_int_lt(now_ns - start_ns, 40 * EDDY_NS_PER_S);
    }
    if (longest_ns < 200 * EDDY_NS_PER_MS) ck_assert_int_eq(end.status, 0);
    /* An empty queue has no deadline. */
    test_turn_for(loop, 450 * EDDY_NS_PER_MS);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, 1, end_on_written), 0);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* --- The share of a turn --- */

static void count_turn_bytes(eddy_stream *stream, void *data, ssize_t size) {
    (void)data;
    ck_assert_int_gt(size, 0);
    end_of(stream)->received += (size_t)size;
}

START_TEST(flooder_gets_its_share_of_a_turn_and_no_more) {
    eddy_loop *loop = test_loop_open_with(
        (eddy_loop_config){.read_buffer_bytes = 4096, .stream_bytes_per_turn = 8192});
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert_int_gt(send(peer, big, 100000, 0), 60000);
    for (int there = 0; there < 5 * 8192; poll(NULL, 0, 1)) /* to be waited for on a busy machine */
        ck_assert_int_eq(ioctl(eddy_stream_fd(&end.stream), FIONREAD, &there), 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, count_turn_bytes), 0);
    for (size_t turn = 1; turn <= 5; turn++) {
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
        ck_assert_uint_eq(end.received, turn * 8192);
    }
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

START_TEST(writer_gets_its_share_of_a_turn_and_no_more) {
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.stream_bytes_per_turn = 5000});
    struct end end;
    eddy_write writes[20];
    int peer = end_connect(&end, loop);
    for (int i = 0; i < 20; i++) {
        static struct iovec pieces[20][64];
        for (int k = 0; k < 64; k++) pieces[i][k] = (struct iovec){big, 100};
        ck_assert_int_eq(eddy_stream_writev(&end.stream, &writes[i], pieces[i], 64, end_on_written),
                         0);
    }
    for (unsigned turn = 1; turn <= 20; turn++) {
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_uint_eq(end.written, turn);
    }
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("deadline");
    ck_add(suite, "read", read_deadline_fires_once_and_not_early,
           deadline_pushed_away_by_the_callback_means_idleness,
           deadline_holds_although_bytes_arrive, late_loop_reads_what_came_before_it_gives_up,
           late_loop_reads_all_that_came_before_it_gives_up,
           deadline_holds_although_there_are_always_bytes,
           stopped_reader_and_deadline_taken_back_stay_silent, deadline_without_a_reader_passes);
    ck_add(suite, "write", write_timeout_gives_up_when_no_byte_moves,
           write_timeout_waits_as_long_as_bytes_move, write_timeout_may_come_to_a_waiting_queue,
           refused_write_begins_no_timeout);
    ck_add(suite, "share", flooder_gets_its_share_of_a_turn_and_no_more,
           writer_gets_its_share_of_a_turn_and_no_more);
    return suite;
}
