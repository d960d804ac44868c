/* pipes.c: streams of what is no socket: both ends of pipes, FIFOs, and ptys. */
#include "pipe_net.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { LINES = 20000 };

static char fifo_path[64];

static void fifo_make(void) {
    char name[] = "/tmp/eddy-fifo-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(name));
    snprintf(fifo_path, sizeof fifo_path, "%s/f", name);
    ck_assert_int_eq(mkfifo(fifo_path, 0600), 0);
}

static void fifo_remove(void) {
    ck_assert_int_eq(unlink(fifo_path), 0);
    *strrchr(fifo_path, '/') = '\0';
    ck_assert_int_eq(rmdir(fifo_path), 0);
}

/* --- Bytes, and the end --- */

/* More than the pipe takes, by pieces and whole, and the shutdown behind it is the end. */
static void expect_passage(struct end *from, struct end *to, int round) {
    eddy_write writes[3];
    struct iovec pieces[100];
    size_t first = 100 * 999;
    for (int i = 0; i < 100; i++)
        pieces[i] = (struct iovec){.iov_base = data + 999 * i, .iov_len = 999};
    read_all(to);
    ck_assert_int_eq(eddy_stream_writev(&from->stream, &writes[0], pieces, 100, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_write(&from->stream, &writes[1], data + first, sizeof data - first,
                                       end_on_written),
                     0);
    if (round == 0)
        ck_assert_int_eq(eddy_stream_shutdown(&from->stream, &writes[2], end_on_written), 0);
    turn_until_received(to, sizeof data);
    turn_until_written(from, round == 0 ? 3 : 2);
    ck_assert_int_eq(from->status, 0);
    ck_assert_uint_eq(to->sum, sum_bytes(0, data, sizeof data));
}

START_TEST(a_pipe_carries_all_bytes_and_its_shutdown_is_the_end) {
    begin_pipe();
    expect_passage(&writer, &reader, 0);
    test_turn_until(loop, &reader.ended);
    int fd = eddy_stream_fd(&writer.stream);
    ck_assert_int_ge(fd, 0);
    eddy_write more;
    ck_assert_int_eq(eddy_stream_write(&writer.stream, &more, "x", 1, end_on_written), -EPIPE);
    end_close(&writer);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    finish();
}
END_TEST

/* The number stays taken until the stream is closed, so that nobody else's file has it. */
START_TEST(the_number_of_a_pipe_that_was_shut_down_stays_the_streams) {
    begin_pipe();
    int fd = eddy_stream_fd(&writer.stream);
    eddy_write end;
    ck_assert_int_eq(eddy_stream_shutdown(&writer.stream, &end, end_on_written), 0);
    turn_until_written(&writer, 1);
    ck_assert_int_eq(writer.status, 0);
    int other = dup(0);
    ck_assert_int_ne(other, fd);
    close(other);
    ck_assert_int_eq(eddy_stream_detach(&writer.stream), fd);
    ck_assert_int_ne(fcntl(fd, F_GETFD), -1);
    close(fd);
    finish();
}
END_TEST

/* Both directions of a pty, a terminal among them; a shutdown there says nothing to the other side,
 * and breaks nothing. */
START_TEST(a_pty_carries_bytes_both_ways_and_ends_with_its_slave) {
    int slave;
    begin_pipe();
    end_close(&writer);
    end_close(&reader);
    attach(&reader, pty_open(&slave));
    attach(&writer, slave);
    expect_passage(&writer, &reader, 0);
    ck_assert(!reader.told);
    end_close(&writer);
    test_turn_until(loop, &reader.ended);
    finish();
}
END_TEST

START_TEST(a_terminal_is_read_as_well) {
    int slave;
    begin_pipe();
    end_close(&writer);
    end_close(&reader);
    attach(&writer, pty_open(&slave));
    attach(&reader, slave);
    expect_passage(&writer, &reader, 1);
    end_close(&writer);
    test_turn_until(loop, &reader.told); /* a hang-up: the end, or EIO where a read came before */
    finish();
}
END_TEST

/* HUP comes without IN while a pty still has bytes, and each read gives a piece of them. */
START_TEST(all_that_a_slave_wrote_comes_before_its_end) {
    int slave;
    begin_pipe();
    end_close(&reader);
    end_close(&writer);
    for (int round = 0; round < 20; round++) {
        attach(&reader, pty_open(&slave));
        size_t size = 1000 + (size_t)round * 150;
        ck_assert_int_eq((int)write(slave, data, size), (int)size);
        close(slave);
        read_all(&reader);
        test_turn_until(loop, &reader.ended);
        ck_assert_uint_eq(reader.received, size);
        end_close(&reader);
    }
    writer.closed = reader.closed = true;
    finish();
}
END_TEST

/* Another process's, as a child's output would be. Never returns. */
static void write_lines(int slave) {
    char bytes[512];
    size_t used = 0;
    for (int i = 0; i < LINES; i++) {
        used += (size_t)snprintf(bytes + used, sizeof bytes - used, "line %d\n", i);
        if (used < sizeof bytes - 16 && i < LINES - 1) continue;
        if (write(slave, bytes, used) != (ssize_t)used) _exit(1);
        used = 0;
    }
    _exit(0);
}

/* The writer ends at once after its last line: what the master is told of first is the hang-up, and
 * a read that gives less than was asked is not the last one. EDDY_TEST_ROUNDS: how often. */
START_TEST(each_of_20000_lines_arrives_though_their_writer_has_ended) {
    const char *asked = getenv("EDDY_TEST_ROUNDS");
    int rounds = asked != NULL ? atoi(asked) : 2, status;
    size_t size = 0;
    for (int i = 0; i < LINES; i++) size += (size_t)snprintf(NULL, 0, "line %d\n", i);
    loop = test_loop_open();
    for (int round = 0; round < rounds; round++) {
        int slave, master = pty_open(&slave);
        pid_t child = fork();
        if (child == 0) write_lines(slave);
        ck_assert_int_gt(child, 0);
        close(slave);
        attach(&reader, master);
        read_all(&reader);
        test_turn_until(loop, &reader.ended);
        ck_assert_uint_eq(reader.received, size);
        end_close(&reader);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    }
    test_loop_close(loop);
}
END_TEST

/* --- What a master without a slave is --- */

/* login closes the slave and opens it anew: the end is no end, and waiting for it does not spin. */
START_TEST(reading_goes_on_past_the_end_of_a_slave) {
    int slave;
    begin_pipe();
    end_close(&reader);
    int master = pty_open(&slave);
    attach(&reader, master);
    ck_assert_int_eq(eddy_stream_read_past_end(&reader.stream, true), 0);
    read_all(&reader);
    ck_assert_int_eq((int)write(slave, "one", 3), 3);
    close(slave);
    turn_until_received(&reader, 3);
    unsigned before = test_metric_waits(loop);
    test_turn_for(loop, 200 * EDDY_NS_PER_MS);
    ck_assert_uint_le(test_metric_waits(loop) - before, 60);
    ck_assert(!reader.told);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(slave, 0);
    ck_assert_int_eq((int)write(slave, "two", 3), 3);
    turn_until_received(&reader, 6);
    ck_assert_int_eq(eddy_stream_read_past_end(&reader.stream, false), 0);
    close(slave);
    test_turn_until(loop, &reader.ended);
    finish();
}
END_TEST

/* --- FIFOs --- */

/* Nothing is told before the first writer, and nothing spins; behind the last one, who reads past
 * the end has what the next one writes. */
START_TEST(a_fifo_waits_for_its_writers_without_spinning) {
    begin_pipe();
    end_close(&reader);
    fifo_make();
    int fd = open(fifo_path, O_RDONLY | O_NONBLOCK);
    ck_assert_int_ge(fd, 0);
    attach(&reader, fd);
    ck_assert_int_eq(eddy_stream_read_past_end(&reader.stream, true), 0);
    read_all(&reader);
    unsigned before = test_metric_waits(loop);
    test_turn_for(loop, 200 * EDDY_NS_PER_MS);
    ck_assert_uint_lt(test_metric_waits(loop) - before, 6);
    for (unsigned i = 1; i <= 2; i++) {
        int other = open(fifo_path, O_WRONLY);
        ck_assert_int_ge(other, 0);
        ck_assert_int_eq((int)write(other, "hello", 5), 5);
        close(other);
        turn_until_received(&reader, i * 5);
        test_turn_for(loop, 30 * EDDY_NS_PER_MS);
    }
    ck_assert(!reader.told);
    fifo_remove();
    finish();
}
END_TEST

/* Opened for both, a FIFO always has a writer. */
START_TEST(a_fifo_opened_for_both_never_ends) {
    begin_pipe();
    end_close(&reader);
    fifo_make();
    attach(&reader, open(fifo_path, O_RDWR));
    read_all(&reader);
    for (unsigned i = 1; i <= 2; i++) {
        int other = open(fifo_path, O_WRONLY);
        ck_assert_int_eq((int)write(other, "hello", 5), 5);
        close(other);
        turn_until_received(&reader, i * 5);
        turns(3);
    }
    ck_assert(!reader.told);
    fifo_remove();
    finish();
}
END_TEST

/* --- One direction only --- */

START_TEST(an_end_refuses_the_direction_that_it_has_not) {
    begin_pipe();
    eddy_write write;
    struct iovec one = {data, 1};
    char byte;
    ck_assert_int_eq(eddy_stream_read_start(&writer.stream, end_on_read), -EBADF);
    ck_assert_int_eq(eddy_stream_read_into(&writer.stream, &byte, 1, end_on_read), -EBADF);
    ck_assert_int_eq(eddy_stream_write(&reader.stream, &write, data, 1, end_on_written), -EBADF);
    ck_assert_int_eq(eddy_stream_shutdown(&reader.stream, &write, end_on_written), -EBADF);
    ck_assert_int_eq((int)eddy_stream_try_write(&reader.stream, &one, 1), -EBADF);
    /* Neither is lost by it. */
    ck_assert_int_ge(eddy_stream_fd(&writer.stream), 0);
    ck_assert_int_ge(eddy_stream_fd(&reader.stream), 0);
    expect_passage(&writer, &reader, 0);
    test_turn_until(loop, &reader.ended);
    finish();
}
END_TEST

START_TEST(what_only_sockets_have_is_refused) {
    begin_pipe();
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    ck_assert_int_eq(eddy_tcp_peer_address(&reader.stream, (struct sockaddr *)&address, &length),
                     -ENOTSOCK);
    ck_assert_int_eq(eddy_tcp_set_nodelay(&writer.stream, true), -ENOTSOCK);
    eddy_credentials who;
    if (getenv("EDDY_TEST_PLAIN") == NULL) /* which has no such question */
        ck_assert_int_eq(eddy_local_peer_credentials(eddy_stream_fd(&writer.stream), &who),
                         -ENOTSOCK);
    int ends[2];
    test_socket_pair(ends);
    struct end socket;
    attach(&socket, ends[0]);
    ck_assert_int_eq(eddy_stream_read_past_end(&socket.stream, true), -ENOTSUP);
    end_close(&socket);
    close(ends[1]);
    finish();
}
END_TEST

/* What cannot be watched is refused, and not even made non-blocking. */
START_TEST(a_file_is_refused_and_left_as_it_was) {
    begin_pipe();
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    struct end end;
    end_init(&end, loop);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, fileno(file)), -EPERM);
    ck_assert_int_eq(fcntl(fileno(file), F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, eddy_stream_fd(&reader.stream)), -EBUSY);
    fclose(file);
    finish();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("pipes");
    ck_add(suite, "bytes", a_pipe_carries_all_bytes_and_its_shutdown_is_the_end,
           the_number_of_a_pipe_that_was_shut_down_stays_the_streams,
           a_pty_carries_bytes_both_ways_and_ends_with_its_slave, a_terminal_is_read_as_well,
           all_that_a_slave_wrote_comes_before_its_end,
           each_of_20000_lines_arrives_though_their_writer_has_ended);
    ck_add(suite, "past the end", reading_goes_on_past_the_end_of_a_slave,
           a_fifo_waits_for_its_writers_without_spinning, a_fifo_opened_for_both_never_ends);
    ck_add(suite, "one direction", an_end_refuses_the_direction_that_it_has_not,
           what_only_sockets_have_is_refused, a_file_is_refused_and_left_as_it_was);
    return suite;
}
