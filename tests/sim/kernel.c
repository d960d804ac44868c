/* kernel.c: what the library relies on in a kernel, seen through poll and the calls themselves.
 * The same code runs on the real kernel and on the simulated one (posix.h): where they differ, one
 * of the two fails. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

enum { ALL = POLLIN | POLLOUT, GONE = POLLIN | POLLOUT | POLLHUP };

/* What poll comes to tell; things may take their time to arrive. */
static int told(int fd, int expected) {
    struct pollfd polled = {.fd = fd, .events = ALL};
    struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 500; i++) {
        ck_assert_int_ge(poll(&polled, 1, 0), 0);
        if (polled.revents == expected) break;
        nanosleep(&pause, NULL);
    }
    return polled.revents;
}
#define ck_told(fd, expected) ck_assert_int_eq(told(fd, expected), expected)

static void ck_read(int fd, ssize_t expected) {
    char data[64];
    ck_assert_int_eq(read(fd, data, sizeof data), expected);
}

#define ck_fails(call, error)           \
    do {                                \
        ck_assert_int_eq(call, -1);     \
        ck_assert_int_eq(errno, error); \
    } while (0)

static ssize_t read_some(int fd) {
    char data[64];
    return read(fd, data, sizeof data);
}

static ssize_t write_one(int fd) {
    return write(fd, "x", 1);
}

static int error_of(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    return error;
}

static void reset_on_close(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
}

static int new_socket(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

struct name {
    struct sockaddr_in address;
    socklen_t length;
};

static struct name loopback(void) {
    struct name name = {.address = {.sin_family = AF_INET}, .length = sizeof name.address};
    name.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return name;
}

static int new_listener(struct name *name) {
    int fd = new_socket();
    *name = loopback();
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name->address, name->length), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name->address, &name->length), 0);
    return fd;
}

static int start_connecting(const struct name *name) {
    int fd = new_socket();
    int result = connect(fd, (const struct sockaddr *)&name->address, name->length);
    ck_assert(result == 0 || errno == EINPROGRESS);
    return fd;
}

static void tcp_pair(int ends[2]) {
    struct name name;
    int listener = new_listener(&name);
    ends[0] = start_connecting(&name);
    ck_told(listener, POLLIN);
    ends[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(ends[1], 0);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    ck_told(ends[0], POLLOUT);
    ck_told(ends[1], POLLOUT);
    close(listener);
}

static void fill(int fd) {
    static char data[4096];
    struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 20; i++) {
        while (write(fd, data, sizeof data) > 0) continue;
        ck_assert_int_eq(errno, EAGAIN);
        nanosleep(&pause, NULL); /* the peer's kernel takes some more */
    }
}

static void drain(int fd) {
    static char data[4096];
    struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 20; i++) {
        while (read(fd, data, sizeof data) > 0) continue;
        nanosleep(&pause, NULL);
    }
}

static void close_both(const int ends[2]) {
    close(ends[0]);
    close(ends[1]);
}

/* --- Pipes --- */

START_TEST(drained_pipe_without_writers_hangs_up_and_is_not_readable) {
    int ends[2];
    test_pipe(ends);
    ck_told(ends[0], 0);
    ck_told(ends[1], POLLOUT);
    ck_fails(read_some(ends[0]), EAGAIN);
    ck_assert_int_eq(write_one(ends[1]), 1);
    ck_told(ends[0], POLLIN);
    close(ends[1]);
    ck_told(ends[0], POLLIN | POLLHUP);
    ck_read(ends[0], 1);
    ck_told(ends[0], POLLHUP);
    ck_read(ends[0], 0);
    close(ends[0]);
}
END_TEST

START_TEST(pipe_without_readers_is_an_error) {
    int ends[2];
    test_pipe(ends);
    fill(ends[1]);
    ck_told(ends[1], 0);
    ck_fails(write_one(ends[1]), EAGAIN);
    close(ends[0]);
    ck_told(ends[1], POLLERR);
    ck_fails(write_one(ends[1]), EPIPE);
    close(ends[1]);
    test_pipe(ends);
    close(ends[0]);
    ck_told(ends[1], POLLERR | POLLOUT);
    close(ends[1]);
}
END_TEST

/* --- Numbers --- */

START_TEST(lowest_number_is_given_out_again_at_once) {
    int first[2], second[2];
    test_pipe(first);
    test_pipe(second);
    close(first[0]);
    int copy = dup(second[0]);
    ck_assert_int_eq(copy, first[0]);
    ck_assert_int_eq(write_one(second[1]), 1);
    close(second[0]);
    ck_told(copy, POLLIN);
    ck_assert_int_eq(dup2(first[1], copy), copy); /* closes the last reader */
    ck_fails(write_one(second[1]), EPIPE);
    ck_fails(read_some(second[0]), EBADF);
    ck_fails(close(second[0]), EBADF);
    close(copy);
    close(first[1]);
    close(second[1]);
}
END_TEST

/* --- Connecting --- */

START_TEST(unconnected_socket_is_writable_and_hangs_up) {
    int fd = new_socket();
    struct name name = loopback();
    ck_told(fd, POLLOUT | POLLHUP);
    ck_fails(read_some(fd), ENOTCONN);
    ck_fails(write_one(fd), EPIPE);
    ck_fails(shutdown(fd, SHUT_WR), ENOTCONN);
    ck_fails(getpeername(fd, (struct sockaddr *)&name.address, &name.length), ENOTCONN);
    close(fd);
}
END_TEST

START_TEST(refused_connection_gives_its_error_out_once) {
    struct name name;
    close(new_listener(&name)); /* nobody listens there any more */
    for (int i = 0; i < 2; i++) {
        int fd = new_socket();
        ck_fails(connect(fd, (struct sockaddr *)&name.address, name.length), EINPROGRESS);
        ck_told(fd, GONE | POLLERR);
        ck_assert_int_eq(error_of(fd), ECONNREFUSED);
        ck_told(fd, GONE);
        ck_assert_int_eq(error_of(fd), 0);
        ck_read(fd, 0);
        ck_fails(write_one(fd), EPIPE);
        ck_fails(getpeername(fd, (struct sockaddr *)&name.address, &name.length), ENOTCONN);
        close(fd);
    }
}
END_TEST

START_TEST(both_ends_know_each_other_by_name) {
    struct name name, there, here;
    int listener = new_listener(&name);
    ck_told(listener, 0);
    int client = start_connecting(&name);
    ck_told(listener, POLLIN);
    there = here = loopback();
    int server = accept(listener, (struct sockaddr *)&there.address, &there.length);
    ck_assert_int_ge(server, 0);
    ck_told(listener, 0);
    ck_assert_int_eq(getsockname(client, (struct sockaddr *)&here.address, &here.length), 0);
    ck_assert_int_eq(here.address.sin_port, there.address.sin_port);
    ck_assert_int_eq(getpeername(client, (struct sockaddr *)&here.address, &here.length), 0);
    ck_assert_int_eq(here.address.sin_port, name.address.sin_port);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&name.address, name.length), 0);
    ck_fails(connect(client, (struct sockaddr *)&name.address, name.length), EISCONN);
    close(client);
    close(server);
    close(listener);
}
END_TEST

START_TEST(who_is_never_accepted_is_reset_with_the_listener) {
    struct name name;
    int listener = new_listener(&name);
    int client = start_connecting(&name);
    ck_told(listener, POLLIN);
    close(listener);
    ck_told(client, GONE | POLLERR);
    ck_fails(read_some(client), ECONNRESET);
    close(client);
}
END_TEST

START_TEST(address_is_in_use_while_somebody_listens) {
    struct name name;
    int listener = new_listener(&name);
    int other = new_socket();
    ck_fails(bind(other, (struct sockaddr *)&name.address, name.length), EADDRINUSE);
    close(listener);
    ck_assert_int_eq(bind(other, (struct sockaddr *)&name.address, name.length), 0);
    ck_fails(bind(other, (struct sockaddr *)&name.address, name.length), EINVAL);
    close(other);
}
END_TEST

/* --- Connections --- */

START_TEST(half_closed_connection_goes_on_the_other_way) {
    int ends[2];
    tcp_pair(ends);
    ck_assert_int_eq(write_one(ends[1]), 1);
    ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
    ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
    ck_fails(write_one(ends[1]), EPIPE);
    ck_told(ends[1], POLLOUT);
    ck_told(ends[0], POLLIN | POLLOUT);
    ck_read(ends[0], 1);
    ck_read(ends[0], 0);
    ck_read(ends[0], 0);
    ck_told(ends[0], POLLIN | POLLOUT);
    ck_assert_int_eq(write_one(ends[0]), 1);
    ck_told(ends[1], POLLIN | POLLOUT);
    ck_read(ends[1], 1);
    ck_assert_int_eq(shutdown(ends[0], SHUT_WR), 0);
    ck_told(ends[0], GONE);
    ck_told(ends[1], GONE);
    ck_read(ends[1], 0);
    close_both(ends);
}
END_TEST

START_TEST(bytes_to_a_closed_socket_break_the_connection) {
    int ends[2];
    tcp_pair(ends);
    close(ends[1]);
    ck_told(ends[0], POLLIN | POLLOUT);
    ck_assert_int_eq(write_one(ends[0]), 1);
    ck_told(ends[0], GONE | POLLERR);
    ck_read(ends[0], 0); /* the end hides the error */
    ck_assert_int_eq(error_of(ends[0]), EPIPE);
    ck_told(ends[0], GONE);
    ck_fails(write_one(ends[0]), EPIPE);
    close(ends[0]);
}
END_TEST

START_TEST(close_with_bytes_unread_resets) {
    int ends[2];
    tcp_pair(ends);
    ck_assert_int_eq(write_one(ends[0]), 1);
    ck_told(ends[1], POLLIN | POLLOUT);
    close(ends[1]);
    ck_told(ends[0], GONE | POLLERR);
    ck_fails(read_some(ends[0]), ECONNRESET);
    ck_told(ends[0], GONE);
    ck_read(ends[0], 0);
    ck_fails(write_one(ends[0]), EPIPE);
    close(ends[0]);
}
END_TEST

START_TEST(what_has_arrived_before_a_reset_can_be_read) {
    int ends[2];
    tcp_pair(ends);
    ck_assert_int_eq(write_one(ends[1]), 1);
    ck_told(ends[0], POLLIN | POLLOUT);
    reset_on_close(ends[1]);
    close(ends[1]);
    ck_told(ends[0], GONE | POLLERR);
    ck_read(ends[0], 1);
    ck_fails(read_some(ends[0]), ECONNRESET);
    ck_read(ends[0], 0);
    close(ends[0]);
}
END_TEST

START_TEST(write_takes_the_error_of_a_reset_too) {
    int ends[2];
    tcp_pair(ends);
    reset_on_close(ends[1]);
    close(ends[1]);
    ck_told(ends[0], GONE | POLLERR);
    ck_fails(write_one(ends[0]), ECONNRESET);
    ck_fails(write_one(ends[0]), EPIPE);
    ck_read(ends[0], 0);
    ck_fails(shutdown(ends[0], SHUT_WR), ENOTCONN);
    close(ends[0]);
}
END_TEST

START_TEST(reset_after_the_end_is_a_broken_pipe) {
    int ends[2];
    tcp_pair(ends);
    ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
    ck_told(ends[0], POLLIN | POLLOUT);
    reset_on_close(ends[1]);
    close(ends[1]);
    ck_told(ends[0], GONE | POLLERR);
    ck_read(ends[0], 0);
    ck_fails(write_one(ends[0]), EPIPE);
    ck_told(ends[0], GONE);
    close(ends[0]);
}
END_TEST

START_TEST(full_connection_is_writable_once_it_is_drained) {
    int ends[2];
    tcp_pair(ends);
    fill(ends[0]);
    ck_told(ends[0], 0);
    ck_fails(write_one(ends[0]), EAGAIN);
    drain(ends[1]);
    ck_told(ends[0], POLLOUT);
    close_both(ends);
}
END_TEST

START_TEST(local_peer_that_is_gone_hangs_up) {
    int ends[2];
    test_socket_pair(ends);
    ck_told(ends[0], POLLOUT);
    ck_assert_int_eq(write_one(ends[1]), 1);
    close(ends[1]);
    ck_told(ends[0], GONE);
    ck_fails(write_one(ends[0]), EPIPE);
    ck_read(ends[0], 1);
    ck_read(ends[0], 0);
    close(ends[0]);
    test_socket_pair(ends);
    ck_assert_int_eq(write_one(ends[0]), 1);
    close(ends[1]); /* with bytes unread */
    ck_told(ends[0], GONE | POLLERR);
    ck_fails(write_one(ends[0]), EPIPE);
    ck_fails(read_some(ends[0]), ECONNRESET);
    ck_read(ends[0], 0);
    close(ends[0]);
}
END_TEST

START_TEST(local_connection_closes_by_halves) {
    int ends[2];
    test_socket_pair(ends);
    ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
    ck_told(ends[0], POLLIN | POLLOUT);
    ck_read(ends[0], 0);
    ck_assert_int_eq(write_one(ends[0]), 1);
    ck_told(ends[1], POLLIN | POLLOUT);
    ck_assert_int_eq(shutdown(ends[0], SHUT_WR), 0);
    ck_told(ends[0], GONE);
    ck_told(ends[1], GONE);
    ck_read(ends[1], 1);
    ck_read(ends[1], 0);
    close_both(ends);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("kernel");
    signal(SIGPIPE, SIG_IGN);
    ck_add(suite, "pipes", drained_pipe_without_writers_hangs_up_and_is_not_readable,
           pipe_without_readers_is_an_error);
    ck_add(suite, "numbers", lowest_number_is_given_out_again_at_once);
    ck_add(suite, "connecting", unconnected_socket_is_writable_and_hangs_up,
           refused_connection_gives_its_error_out_once, both_ends_know_each_other_by_name,
           who_is_never_accepted_is_reset_with_the_listener,
           address_is_in_use_while_somebody_listens);
    ck_add(suite, "connections", half_closed_connection_goes_on_the_other_way,
           bytes_to_a_closed_socket_break_the_connection, close_with_bytes_unread_resets,
           what_has_arrived_before_a_reset_can_be_read, write_takes_the_error_of_a_reset_too,
           reset_after_the_end_is_a_broken_pipe, full_connection_is_writable_once_it_is_drained,
           local_peer_that_is_gone_hangs_up, local_connection_closes_by_halves);
    return suite;
}
