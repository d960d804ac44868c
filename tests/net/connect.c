/* connect.c: connecting, options, the addresses of both ends. */
#include "net.h"

#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

static unsigned connects;
static int connect_status;
static bool connect_told;

static void on_connect(eddy_stream *stream, int status) {
    (void)stream;
    connects++;
    connect_status = status;
    connect_told = true;
}

static void forget(void) {
    connects = 0;
    connect_told = false;
    connect_status = 1;
}

static int connect_to(struct end *end, const struct sockaddr_storage *address, socklen_t length,
                      int64_t timeout_ns) {
    forget();
    const struct sockaddr *to = (const struct sockaddr *)address;
    int err = to->sa_family == AF_UNIX
                  ? eddy_local_connect(&end->stream, to, length, 0, timeout_ns, on_connect)
                  : eddy_tcp_connect(&end->stream, to, length, timeout_ns, on_connect);
    ck_assert_uint_eq(connects, 0);
    return err;
}

static void connects_and_talks(int family) {
    struct sockaddr_storage address, other;
    socklen_t length = loopback(&address, family), other_length = sizeof other;
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0) {
        ck_assert_int_eq(family, AF_INET6); /* this machine has none */
        if (listener >= 0) close(listener);
        return;
    }
    ck_assert_int_eq(listen(listener, 5), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);

    eddy_loop *loop = test_loop_open();
    struct end end;
    end_init(&end, loop);
    ck_assert_int_eq(connect_to(&end, &address, length, EDDY_NS_PER_S), 0);
    ck_assert(eddy_loop_is_alive(loop));
    ck_assert_int_eq(connect_to(&end, &address, length, 0), -EALREADY);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, listener), -EISCONN);
    ck_assert_int_eq(eddy_stream_detach(&end.stream), -EBUSY);
    test_turn_until(loop, &connect_told);
    ck_assert_int_eq(connect_status, 0);
    ck_assert_int_eq(
        eddy_tcp_connect(&end.stream, (struct sockaddr *)&address, length, 0, on_connect),
        -EISCONN);
    int peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(peer, 0);

    ck_assert_int_eq(eddy_tcp_peer_address(&end.stream, (struct sockaddr *)&other, &other_length),
                     0);
    ck_assert_int_eq(eddy_address_port((struct sockaddr *)&other),
                     eddy_address_port((struct sockaddr *)&address));
    other_length = sizeof other;
    ck_assert_int_eq(eddy_tcp_local_address(&end.stream, (struct sockaddr *)&other, &other_length),
                     0);
    ck_assert_int_gt(eddy_address_port((struct sockaddr *)&other), 0);

    eddy_write write;
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, "hello", 5, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(send(peer, "there", 5, 0), 5);
    close(peer);
    test_turn_until(loop, &end.told);
    ck_assert_uint_eq(end.written, 1);
    ck_assert_uint_eq(end.received, 5);
    ck_assert_uint_eq(connects, 1); /* the other attempts were refused */
    close(listener);
    end_close(&end);
    test_loop_close(loop);
}

START_TEST(connects_over_ipv4) {
    connects_and_talks(AF_INET);
}
END_TEST

START_TEST(connects_over_ipv6) {
    connects_and_talks(AF_INET6);
}
END_TEST

START_TEST(refused_stream_is_unconnected_and_may_try_again) {
    eddy_loop *loop = test_loop_open();
    struct sockaddr_storage closed, open;
    socklen_t length;
    int held = hold_plain(&closed, &length);
    struct end end;
    end_init(&end, loop);
    ck_assert_int_eq(connect_to(&end, &closed, length, 0), 0);
    test_turn_until(loop, &connect_told);
    ck_assert_int_eq(connect_status, -ECONNREFUSED);
    ck_assert_int_eq(eddy_stream_fd(&end.stream), -1);
    ck_assert(!eddy_loop_is_alive(loop));
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), -ENOTCONN);
    int listener = listen_plain(&open, &length, 1);
    ck_assert_int_eq(connect_to(&end, &open, length, 0), 0);
    test_turn_until(loop, &connect_told);
    ck_assert_int_eq(connect_status, 0);
    close(listener);
    close(held);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* A local socket answers at once, in both ways: the callback still comes from the loop. */
START_TEST(what_is_known_at_once_is_told_from_the_loop) {
    eddy_loop *loop = test_loop_open();
    struct sockaddr_storage address = {0};
    struct sockaddr_un *local = (struct sockaddr_un *)&address;
    local->sun_family = AF_UNIX;
    snprintf(local->sun_path, sizeof local->sun_path, "eddy-connect-%d", (int)getpid());
    socklen_t length = sizeof *local;
    struct end end;
    end_init(&end, loop);
    ck_assert_int_eq(connect_to(&end, &address, length, 0), 0);
    test_turn_until(loop, &connect_told);
    ck_assert_int_eq(connect_status, -ENOENT);
    ck_assert_int_eq(eddy_stream_fd(&end.stream), -1);

    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)local, length), 0);
    ck_assert_int_eq(listen(listener, 5), 0);
    ck_assert_int_eq(connect_to(&end, &address, length, EDDY_NS_PER_S), 0);
    test_turn_until(loop, &connect_told);
    ck_assert_int_eq(connect_status, 0);
    close(listener);
    unlink(local->sun_path);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    test_turn_until(loop, &end.told);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

START_TEST(connect_timeout_and_close_end_a_connection_that_gets_no_answer) {
    enum { FILLERS = 4 };
    struct sockaddr_storage address;
    socklen_t length;
    int fillers[FILLERS];
    int listener = listen_full(&address, &length, fillers, FILLERS);
    if (listener < 0) return;
    eddy_loop *loop = test_loop_open();
    struct end end;
    end_init(&end, loop);
    ck_assert_int_eq(connect_to(&end, &address, length, -1), -EINVAL);
    eddy_loop_update_now(loop);
    int64_t start_ns = eddy_loop_now_ns(loop);
    ck_assert_int_eq(connect_to(&end, &address, length, 30 * EDDY_NS_PER_MS), 0);
    test_turn_until(loop, &connect_told);
    ck_assert_int_eq(connect_status, -ETIMEDOUT);
    ck_assert_uint_eq(connects, 1);
    ck_assert_int_ge(test_now_ns() - start_ns, 30 * EDDY_NS_PER_MS);
    ck_assert(!eddy_loop_is_alive(loop));

    ck_assert_int_eq(connect_to(&end, &address, length, 0), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(connects, 0);
    ck_assert_int_eq(eddy_stream_close(&end.stream, end_on_close), 0);
    ck_assert_uint_eq(connects, 0);
    test_turn_until(loop, &end.closed);
    ck_assert_uint_eq(connects, 1);
    ck_assert_int_eq(connect_status, -ECANCELED);
    for (int i = 0; i < FILLERS; i++) close(fillers[i]);
    close(listener);
    test_loop_close(loop);
}
END_TEST

/* The descriptor is closed behind the stream's back while it connects: told as soon as the backend
 * hears of it, or at the deadline, and the number is left to whoever has it then. */
START_TEST(descriptor_closed_behind_a_connecting_stream_is_reported) {
    enum { FILLERS = 4 };
    struct sockaddr_storage address;
    socklen_t length;
    int fillers[FILLERS];
    int listener = listen_full(&address, &length, fillers, FILLERS);
    if (listener < 0) return;
    eddy_loop *loop = test_loop_open();
    struct end end;
    end_init(&end, loop);
    eddy_loop_update_now(loop);
    ck_assert_int_eq(connect_to(&end, &address, length, 100 * EDDY_NS_PER_MS), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(close(eddy_stream_fd(&end.stream)), 0);
    test_turn_until(loop, &connect_told);
    ck_assert_int_eq(connect_status, -EBADF);
    ck_assert_uint_eq(connects, 1);
    ck_assert_int_eq(eddy_stream_fd(&end.stream), -1);
    ck_assert(!eddy_loop_is_alive(loop));
    for (int i = 0; i < FILLERS; i++) close(fillers[i]);
    close(listener);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static void close_in_connect(eddy_stream *stream, int status) {
    on_connect(stream, status);
    ck_assert_int_eq(eddy_stream_close(stream, end_on_close), 0);
}

START_TEST(stream_may_be_closed_in_its_connect_callback) {
    eddy_loop *loop = test_loop_open();
    struct sockaddr_storage addresses[2];
    socklen_t length;
    int held = hold_plain(&addresses[0], &length);
    int listener = listen_plain(&addresses[1], &length, 5);
    for (int i = 0; i < 2; i++) {
        struct end end;
        end_init(&end, loop);
        forget();
        ck_assert_int_eq(eddy_tcp_connect(&end.stream, (struct sockaddr *)&addresses[i], length, 0,
                                          close_in_connect),
                         0);
        test_turn_until(loop, &end.closed);
        ck_assert_uint_eq(connects, 1);
    }
    close(listener);
    close(held);
    test_loop_close(loop);
}
END_TEST

START_TEST(senseless_addresses_are_refused_at_once) {
    eddy_loop *loop = test_loop_open();
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    struct end end;
    end_init(&end, loop);
    ck_assert_int_eq(connect_to(&end, &address, 3, 0), -EINVAL);
    address.ss_family = 200;
    ck_assert_int_eq(connect_to(&end, &address, length, 0), -EAFNOSUPPORT);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(connects, 0);
    ck_assert_int_eq(eddy_stream_close(&end.stream, end_on_close), 0);
    ck_assert_int_eq(connect_to(&end, &address, length, 0), -EINVAL);
    test_turn_until(loop, &end.closed);
    test_loop_close(loop);
}
END_TEST

static int option_of(int fd, int level, int name) {
    int value = 0;
    socklen_t length = sizeof value;
    ck_assert_int_eq(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

START_TEST(options_reach_the_socket) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    int fd = eddy_stream_fd(&end.stream);
    for (int on = 1; on >= 0; on--) {
        ck_assert_int_eq(eddy_tcp_set_nodelay(&end.stream, on), 0);
        ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_NODELAY) != 0, on);
        ck_assert_int_eq(eddy_tcp_set_keepalive(&end.stream, on ? 77 : 0, 5, 3), 0);
        ck_assert_int_eq(option_of(fd, SOL_SOCKET, SO_KEEPALIVE) != 0, on);
    }
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static void expect_probes(int fd, int idle_s, int interval_s, int count) {
    ck_assert_int_ne(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
#ifdef TCP_KEEPIDLE
    if (getenv("EDDY_TEST_PLAIN") == NULL)
        ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), idle_s);
#endif
#ifdef TCP_KEEPINTVL
    ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), interval_s);
#endif
#ifdef TCP_KEEPCNT
    ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), count);
#endif
    (void)idle_s, (void)interval_s, (void)count;
}

/* Each number reaches the socket; 0 is ours, not the system's 75 s and 9; what is too large is the
 * most there is. */
START_TEST(keepalive_says_when_a_dead_peer_is_told) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    int fd = eddy_stream_fd(&end.stream);
    ck_assert_int_eq(eddy_tcp_set_keepalive(&end.stream, 60, 7, 4), 0);
    expect_probes(fd, 60, 7, 4);
    ck_assert_int_eq(eddy_tcp_set_keepalive(&end.stream, 30, 0, 0), 0);
    expect_probes(fd, 30, 1, 10);
    ck_assert_int_eq(eddy_tcp_set_keepalive(&end.stream, 0, UINT_MAX, UINT_MAX), 0);
    ck_assert_int_eq(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    ck_assert_int_eq(eddy_tcp_set_keepalive(&end.stream, UINT_MAX, UINT_MAX, UINT_MAX), 0);
    expect_probes(fd, 32767, 32767, 127);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* A socket that is no TCP socket cannot have all of it: then it has nothing. */
START_TEST(keepalive_that_fails_switches_nothing_on) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    int peer = end_connect_narrow(&end, loop);
    ck_assert_int_lt(eddy_tcp_set_keepalive(&end.stream, 60, 7, 4), 0);
    ck_assert_int_eq(option_of(eddy_stream_fd(&end.stream), SOL_SOCKET, SO_KEEPALIVE), 0);
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* A linger of 0 seconds, set by the owner, makes a reset of the close. */
START_TEST(linger_set_by_the_owner_holds_at_close) {
    eddy_loop *loop = test_loop_open();
    struct end end;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    char byte;
    int peer = end_connect(&end, loop);
    int fd = eddy_stream_fd(&end.stream);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    end_close(&end);
    ck_assert_int_lt((int)recv(peer, &byte, 1, 0), 0);
    ck_assert_int_eq(errno, ECONNRESET);
    close(peer);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("connect");
    ck_add(suite, "connect", connects_over_ipv4, connects_over_ipv6,
           refused_stream_is_unconnected_and_may_try_again,
           what_is_known_at_once_is_told_from_the_loop,
           connect_timeout_and_close_end_a_connection_that_gets_no_answer,
           descriptor_closed_behind_a_connecting_stream_is_reported,
           stream_may_be_closed_in_its_connect_callback, senseless_addresses_are_refused_at_once,
           options_reach_the_socket, keepalive_says_when_a_dead_peer_is_told,
           keepalive_that_fails_switches_nothing_on, linger_set_by_the_owner_holds_at_close);
    return suite;
}
