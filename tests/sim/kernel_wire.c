/* kernel_wire.c: what the library relies on of connections. See kernel_sockets.h. */
#include "kernel_sockets.h"

#include <signal.h>

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
    /* An acknowledgement that comes late has room for a little, which is not told. */
    while (write_one(ends[0]) == 1) fill(ends[0]);
    ck_assert_int_eq(errno, EAGAIN);
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
    Suite *suite = suite_create("kernel_wire");
    signal(SIGPIPE, SIG_IGN);
    ck_add(suite, "connections", half_closed_connection_goes_on_the_other_way,
           bytes_to_a_closed_socket_break_the_connection, close_with_bytes_unread_resets,
           what_has_arrived_before_a_reset_can_be_read, write_takes_the_error_of_a_reset_too,
           reset_after_the_end_is_a_broken_pipe, full_connection_is_writable_once_it_is_drained,
           local_peer_that_is_gone_hangs_up, local_connection_closes_by_halves);
    return suite;
}
