/* stdio.c: streams of what others share: files, pipes, terminals, sockets, opened anew or not. */
#include "shared_net.h"

#include <sys/stat.h>
#ifdef __linux__
#include "refuse.h"
#endif

/* --- What a thread does --- */

/* A file, of any length, in pieces of any length, is all of it and then the end. */
START_TEST(a_file_is_read_to_its_end) {
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, sizeof data};
    static char small[1000];
    begin();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int is_small = 0; is_small < 2; is_small++) {
            int fd = file_of(sizes[i]);
            share(&reader, fd);
            int err = is_small
                          ? eddy_stream_read_into(&reader.stream, small, sizeof small, end_on_read)
                          : eddy_stream_read_start(&reader.stream, end_on_read);
            ck_assert_int_eq(err, 0);
            test_turn_until(loop, &reader.ended);
            ck_assert_uint_eq(reader.received, sizes[i]);
            ck_assert_uint_eq(reader.sum, sum_bytes(0, data, sizes[i]));
            end_close(&reader);
            ck_assert_int_eq((int)lseek(fd, 0, SEEK_CUR), (int)sizes[i]);
            close(fd);
        }
    }
    test_loop_close(loop);
}
END_TEST

/* Writes go on from the position that others share, or to the end: `>>`. Full devices say so. */
START_TEST(a_file_is_written_at_the_shared_position) {
    begin();
    int fd = file_of(10);
    ck_assert_int_eq((int)lseek(fd, 5, SEEK_SET), 5);
    share(&writer, fd);
    eddy_write writes[3];
    ck_assert_int_eq(
        eddy_stream_write(&writer.stream, &writes[0], data, sizeof data, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_write(&writer.stream, &writes[1], "end", 3, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_shutdown(&writer.stream, &writes[2], end_on_written), 0);
    turn_until_written(&writer, 3);
    ck_assert_int_eq(writer.status, 0);
    struct stat status;
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq((int)status.st_size, (int)sizeof data + 8);
    ck_assert_int_eq((int)lseek(fd, 0, SEEK_CUR), (int)sizeof data + 8);
    char last[4] = {0};
    ck_assert_int_eq((int)pread(fd, last, 3, status.st_size - 3), 3);
    ck_assert_str_eq(last, "end");
    close(fd);
    end_close(&writer);
    test_loop_close(loop);
}
END_TEST

START_TEST(what_cannot_be_read_or_written_says_why) {
    eddy_write write;
    begin();
    int fd = open("/", O_RDONLY);
    share(&reader, fd);
    read_all(&reader);
    test_turn_until(loop, &reader.told);
    ck_assert_int_eq(reader.error, -EISDIR);
    ck_assert_int_eq(eddy_stream_write(&reader.stream, &write, data, 1, end_on_written), -EBADF);
    end_close(&reader);
    close(fd);
    fd = open("/dev/null", O_RDWR);
    share(&reader, fd);
    read_all(&reader);
    test_turn_until(loop, &reader.ended);
    ck_assert_int_eq(eddy_stream_write(&reader.stream, &write, data, 100, end_on_written), 0);
    turn_until_written(&reader, 1);
    ck_assert_int_eq(reader.status, 0);
    end_close(&reader);
    close(fd);
    fd = open("/dev/full", O_WRONLY);
    if (fd >= 0) {
        share(&writer, fd);
        ck_assert_int_eq(eddy_stream_write(&writer.stream, &write, data, 1, end_on_written), 0);
        turn_until_written(&writer, 1);
        ck_assert_int_eq(writer.status, -ENOSPC);
        end_close(&writer);
        close(fd);
    }
    test_loop_close(loop);
}
END_TEST

START_TEST(attach_and_its_neighbours_refuse_what_they_cannot_do) {
    struct iovec one = {data, 1};
    int pair[2];
    begin();
    int fd = file_of(10);
    share(&reader, fd);
    ck_assert_int_eq(eddy_stdio_attach(&reader.stream, fd), -EISCONN);
    ck_assert_int_eq(eddy_stream_detach(&reader.stream), -ENOTSUP);
    ck_assert_int_eq((int)eddy_stream_try_write(&reader.stream, &one, 1), -EAGAIN);
    end_close(&reader);
    close(fd);
    end_init(&writer, loop);
    ck_assert_int_eq(eddy_stdio_attach(&writer.stream, fd), -EBADF);
    ck_assert_int_eq(eddy_stdio_attach(&writer.stream, -1), -EBADF);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    ck_assert_int_eq(eddy_stdio_attach(&writer.stream, pair[0]), -EPROTOTYPE);
    close(pair[0]);
    close(pair[1]);
    test_loop_close(loop);
}
END_TEST

/* --- Pipes, opened anew or, where that is refused, by way of threads --- */

static void expect_pipe(void) {
    int ends[2];
    eddy_write writes[2];
    begin();
    ck_assert_int_eq(pipe(ends), 0);
    share(&reader, ends[0]);
    share(&writer, ends[1]);
    read_all(&reader);
    ck_assert_int_eq(
        eddy_stream_write(&writer.stream, &writes[0], data, sizeof data, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_write(&writer.stream, &writes[1], data, 100, end_on_written), 0);
    turn_until_received(&reader, sizeof data + 100);
    turn_until_written(&writer, 2);
    ck_assert_uint_eq(reader.sum, sum_bytes(sum_bytes(0, data, sizeof data), data, 100));
    ck_assert(is_blocking(ends[0]) && is_blocking(ends[1]));
    end_close(&writer);
    ck_assert(!reader.told);
    close(ends[1]);
    test_turn_until(loop, &reader.ended);
    end_close(&reader);
    ck_assert_int_ne(fcntl(ends[0], F_GETFD), -1);
    close(ends[0]);
    test_loop_close(loop);
}

START_TEST(a_pipe_is_used_without_being_changed) {
    expect_pipe();
}
END_TEST

static unsigned ticks;

static void on_tick(eddy_timer *timer) {
    (void)timer;
    ticks++;
}

/* Output that nobody reads waits, and the loop goes on: with no turn more than the timer's. */
static void expect_full_pipe(void) {
    int ends[2];
    eddy_write write;
    eddy_timer timer;
    begin();
    ck_assert_int_eq(pipe(ends), 0);
    share(&writer, ends[1]);
    ck_assert_int_eq(eddy_stream_write(&writer.stream, &write, data, sizeof data, end_on_written),
                     0);
    struct pollfd room = {.fd = ends[1], .events = POLLOUT};
    while (poll(&room, 1, 0) != 0) ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
    test_turn_for(loop, 30 * EDDY_NS_PER_MS); /* the job that has filled it is told */
    ticks = 0;
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, on_tick, 10 * EDDY_NS_PER_MS, 10 * EDDY_NS_PER_MS),
                     0);
    unsigned before = test_metric_waits(loop);
    int64_t until_ns = test_now_ns() + 200 * EDDY_NS_PER_MS;
    while (test_now_ns() < until_ns) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_uint_ge(ticks, 5);
    ck_assert_uint_le(test_metric_waits(loop) - before, 30);
    ck_assert_uint_eq(writer.written, 0);
    eddy_timer_stop(&timer);
    ck_assert_int_eq(eddy_stream_set_write_timeout(&writer.stream, 20 * EDDY_NS_PER_MS), 0);
    turn_until_written(&writer, 1);
    ck_assert_int_eq(writer.status, -ETIMEDOUT);
    end_close(&writer);
    close(ends[0]);
    close(ends[1]);
    test_loop_close(loop);
}

START_TEST(a_full_pipe_does_not_stop_the_loop) {
    expect_full_pipe();
}
END_TEST

static void expect_reader_gone(void) {
    int ends[2];
    eddy_write write;
    begin();
    ck_assert_int_eq(pipe(ends), 0);
    share(&writer, ends[1]);
    close(ends[0]);
    ck_assert_int_eq(eddy_stream_write(&writer.stream, &write, data, 10, end_on_written), 0);
    turn_until_written(&writer, 1);
    ck_assert_int_eq(writer.status, -EPIPE);
    end_close(&writer);
    /* And gone before the start, so that it cannot be opened anew. */
    share(&writer, ends[1]);
    ck_assert_int_eq(eddy_stream_write(&writer.stream, &write, data, 10, end_on_written), 0);
    turn_until_written(&writer, 1);
    ck_assert_int_eq(writer.status, -EPIPE);
    end_close(&writer);
    close(ends[1]);
    test_loop_close(loop);
}

START_TEST(output_without_a_reader_ends_with_an_error) {
    expect_reader_gone();
}
END_TEST

#ifdef __linux__
static const size_t packets[] = {10, 4096, 1, 700};
enum { PACKETS = sizeof packets / sizeof packets[0] };
static unsigned packets_read;

static void on_packet(eddy_stream *stream, void *bytes, ssize_t size) {
    (void)stream, (void)bytes;
    if (size == 0) return;
    ck_assert_uint_lt(packets_read, PACKETS);
    ck_assert_int_eq((int)size, (int)packets[packets_read++]);
}

/* A pipe of packets (O_DIRECT) stays one: a write is a packet, and a read gives one. */
static void expect_packets(void) {
    int ends[2];
    eddy_write write_of;
    begin();
    ck_assert_int_eq(pipe2(ends, O_DIRECT | O_CLOEXEC), 0);
    share(&writer, ends[1]);
    for (unsigned i = 0; i < PACKETS; i++) {
        eddy_stream *stream = &writer.stream;
        ck_assert_int_eq(eddy_stream_write(stream, &write_of, data, packets[i], end_on_written), 0);
        turn_until_written(&writer, i + 1);
        ck_assert_int_eq(writer.status, 0);
    }
    for (unsigned i = 0; i < PACKETS; i++) {
        char packet[8192];
        ck_assert_int_eq((int)read(ends[0], packet, sizeof packet), (int)packets[i]);
        ck_assert_int_eq((int)write(ends[1], packet, packets[i]), (int)packets[i]);
    }
    packets_read = 0;
    share(&reader, ends[0]);
    ck_assert_int_eq(eddy_stream_read_start(&reader.stream, on_packet), 0);
    while (packets_read < PACKETS) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert(is_blocking(ends[0]) && is_blocking(ends[1]));
    end_close(&reader);
    end_close(&writer);
    for (int i = 0; i < 2; i++) close(ends[i]);
    test_loop_close(loop);
}

START_TEST(a_pipe_of_packets_stays_one) {
    expect_packets();
}
END_TEST

/* No /proc, or a file that this process may not open. */
START_TEST(all_that_holds_where_nothing_can_be_opened_anew) {
    static const long calls[] = {SYS_openat};
    begin();
    test_loop_close(loop);
    ck_assert(refuse_calls(calls, 1, EACCES));
    expect_pipe();
    expect_full_pipe();
    expect_reader_gone();
    expect_packets();
}
END_TEST
#endif

/* Its writer had gone before: opened anew it would wait for another one. */
START_TEST(the_end_of_a_fifo_is_told_though_it_was_opened_anew) {
    char name[] = "/tmp/eddy-fifo-XXXXXX", path[64];
    begin();
    ck_assert_ptr_nonnull(mkdtemp(name));
    snprintf(path, sizeof path, "%s/f", name);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    int both = open(path, O_RDWR), fd = open(path, O_RDONLY);
    ck_assert_int_eq((int)write(both, "hello", 5), 5);
    close(both);
    share(&reader, fd);
    read_all(&reader);
    test_turn_until(loop, &reader.ended);
    ck_assert_uint_eq(reader.received, 5);
    end_close(&reader);
    close(fd);
    unlink(path);
    rmdir(name);
    test_loop_close(loop);
}
END_TEST

/* --- Terminals and sockets --- */

/* The way it was opened is kept, also where the terminal could be opened for more. */
START_TEST(a_terminal_keeps_its_access_mode) {
    int slave;
    eddy_write write;
    begin();
    int master = pty_open(&slave);
    int only = open(ptsname(master), O_WRONLY | O_NOCTTY);
    share(&writer, only);
    ck_assert_int_eq(eddy_stream_read_start(&writer.stream, end_on_read), -EBADF);
    ck_assert_int_eq(eddy_stream_write(&writer.stream, &write, data, 1000, end_on_written), 0);
    share(&reader, master); /* which would be another pty's, if it was opened anew */
    read_all(&reader);
    turn_until_received(&reader, 1000);
    turn_until_written(&writer, 1);
    ck_assert(is_blocking(master) && is_blocking(only) && is_blocking(slave));
    end_close(&writer);
    close(only);
    close(slave);
    test_turn_until(loop, &reader.ended);
    end_close(&reader);
    close(master);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_socket_is_used_without_being_changed) {
    int ends[2];
    eddy_write writes[2];
    begin();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    share(&reader, ends[0]);
    share(&writer, ends[1]);
    read_all(&reader);
    ck_assert_int_eq(
        eddy_stream_write(&writer.stream, &writes[0], data, sizeof data, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_shutdown(&writer.stream, &writes[1], end_on_written), 0);
    turn_until_received(&reader, sizeof data);
    turn_until_written(&writer, 2);
    ck_assert_uint_eq(reader.sum, sum_bytes(0, data, sizeof data));
    ck_assert(is_blocking(ends[0]) && is_blocking(ends[1]));
    turns(2);
    ck_assert(!reader.ended);
    end_close(&writer);
    close(ends[1]);
    test_turn_until(loop, &reader.ended);
    end_close(&reader);
    close(ends[0]);
    test_loop_close(loop);
}
END_TEST

/* The connection is also the others', so what would end it, or wants another way to it, is refused
 * or left out. */
START_TEST(a_shared_socket_is_not_ended_for_the_others) {
    eddy_write write;
    eddy_pass pass;
    int ends[2];
    char byte;
    begin();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    share(&writer, ends[0]);
    ck_assert_int_eq(eddy_pass_receive(&writer.stream, true), -ENOTSUP);
    ck_assert_int_eq(eddy_pass_receive(&writer.stream, false), -ENOTSUP);
    ck_assert_int_eq(eddy_pass_write(&writer.stream, &pass, "x", 1, &ends[1], 1, end_on_written),
                     -ENOTSUP);
    ck_assert_int_eq(eddy_stream_read_past_end(&writer.stream, true), -ENOTSUP);
    ck_assert_int_eq(eddy_stream_shutdown(&writer.stream, &write, end_on_written), 0);
    turn_until_written(&writer, 1);
    ck_assert_int_eq(eddy_stream_reset(&writer.stream, end_on_close), 0);
    turns(2);
    ck_assert_int_eq((int)send(ends[0], "y", 1, MSG_NOSIGNAL), 1);
    ck_assert_int_eq((int)recv(ends[1], &byte, 1, MSG_DONTWAIT), 1);
    close(ends[0]);
    ck_assert_int_eq((int)recv(ends[1], &byte, 1, MSG_DONTWAIT), 0);
    close(ends[1]);
    int listening = socket(AF_INET, SOCK_STREAM, 0); /* of any port */
    ck_assert_int_eq(listen(listening, 1), 0);
    end_init(&reader, loop);
    ck_assert_int_eq(eddy_stdio_attach(&reader.stream, listening), -EINVAL);
    close(listening);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("stdio");
    ck_add(suite, "files", a_file_is_read_to_its_end, a_file_is_written_at_the_shared_position,
           what_cannot_be_read_or_written_says_why,
           attach_and_its_neighbours_refuse_what_they_cannot_do);
    ck_add(suite, "pipes", a_pipe_is_used_without_being_changed, a_full_pipe_does_not_stop_the_loop,
           output_without_a_reader_ends_with_an_error,
           the_end_of_a_fifo_is_told_though_it_was_opened_anew);
#ifdef __linux__
    ck_add(suite, "packets", a_pipe_of_packets_stays_one);
    ck_add(suite, "refused", all_that_holds_where_nothing_can_be_opened_anew);
#endif
    ck_add(suite, "others", a_terminal_keeps_its_access_mode,
           a_socket_is_used_without_being_changed, a_shared_socket_is_not_ended_for_the_others);
    return suite;
}
