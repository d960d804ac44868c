/* accept.c: listeners on a kernel that refuses what belongs to one connection, or accept4. In the
 * plain half another socket option plays macOS's SO_NOSIGPIPE, and what a connection lacks after
 * accept is set by calls that may fail. */
#include "calls.h"
#include "net.h"

#include <stdlib.h>

static eddy_loop *loop;
static eddy_listener listener;
static struct sockaddr_storage address;
static socklen_t length;
static int accepted, failed;
static bool told, closed;

static void on_accept(eddy_listener *it, int fd, const struct sockaddr *peer) {
    (void)it, (void)peer;
    told = true;
    if (fd < 0) {
        failed = fd;
        return;
    }
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    close(fd);
    accepted++;
}

static void on_closed(eddy_listener *it) {
    (void)it;
    closed = true;
}

static int knock(void) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&address, length), 0);
    return client;
}

/* Two clients, and `kind` refused so many times; returns how many were served. */
static int serve_with(enum call kind, unsigned times, int error) {
    calls_refuse(CALL_ANY, 0, 0);
    loop = test_loop_open();
    length = loopback(&address, AF_INET);
    eddy_listener_init(&listener, loop);
    ck_assert_int_eq(
        eddy_tcp_listen(&listener, (struct sockaddr *)&address, length, 0, 0, on_accept), 0);
    ck_assert_int_eq(eddy_listener_address(&listener, (struct sockaddr *)&address, &length), 0);
    int off = 0; /* or the connections inherit the option, and nobody asks for it */
    ck_assert_int_eq(
        setsockopt(eddy_io_fd(&listener.io), SOL_SOCKET, SO_OOBINLINE, &off, sizeof off), 0);
    accepted = failed = 0;
    told = closed = false;
    int clients[2] = {knock(), knock()};
    calls_refuse(kind, times, error);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    calls_refuse(CALL_ANY, 0, 0);
    for (int i = 0; i < 2; i++) close(clients[i]);
    ck_assert_int_eq(failed, 0);
    ck_assert_int_eq(eddy_listener_close(&listener, on_closed), 0);
    test_turn_until(loop, &closed);
    test_loop_close(loop);
    return accepted;
}

/* It connects and resets, and on macOS no option can be set any more: its own affair. */
START_TEST(a_connection_that_takes_no_option_is_not_the_listeners_end) {
    bool is_plain = getenv("EDDY_TEST_PLAIN") != NULL;
    ck_assert_int_eq(serve_with(CALL_setsockopt, 1, EINVAL), is_plain ? 1 : 2);
    ck_assert_int_eq(serve_with(CALL_fcntl, 1, EINVAL), is_plain ? 1 : 2);
}
END_TEST

START_TEST(without_accept4_there_is_accept) {
    static const int errors[] = {ENOSYS, EPERM, EACCES, EOPNOTSUPP};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        ck_assert_int_eq(serve_with(CALL_accept4, UINT_MAX, errors[i]), 2);
}
END_TEST

/* No descriptor for the reserve, or a sandbox that allows none of its kinds: no reason not to
 * serve. */
START_TEST(without_a_reserve_there_is_a_listener) {
    struct sockaddr_storage any;
    for (int i = 0; i < 2; i++) {
        loop = test_loop_open();
        length = loopback(&any, AF_INET);
        eddy_listener_init(&listener, loop);
        calls_refuse(CALL_eventfd, UINT_MAX, i == 0 ? EMFILE : EPERM);
        ck_assert_int_eq(
            eddy_tcp_listen(&listener, (struct sockaddr *)&any, length, 0, 0, on_accept), 0);
        ck_assert_uint_eq(calls.made[CALL_open], 0); /* nor a name */
        calls_refuse(CALL_ANY, 0, 0);
        closed = false;
        ck_assert_int_eq(eddy_listener_close(&listener, on_closed), 0);
        test_turn_until(loop, &closed);
        test_loop_close(loop);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("accept");
    ck_add(suite, "accept", a_connection_that_takes_no_option_is_not_the_listeners_end,
           without_accept4_there_is_accept, without_a_reserve_there_is_a_listener);
    return suite;
}
