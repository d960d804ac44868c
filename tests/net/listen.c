/* listen.c: listening and accepting. */
#include "net.h"

struct server {
    eddy_listener listener;
    struct sockaddr_storage address;
    socklen_t length;
    int accepted[256], count, error;
    int close_after; /* so many connections; 0: never */
    bool closed, failed;
};

static void on_closed(eddy_listener *listener) {
    struct server *server = eddy_container_of(listener, struct server, listener);
    ck_assert(!server->closed);
    server->closed = true;
}

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    struct server *server = eddy_container_of(listener, struct server, listener);
    ck_assert(!server->closed);
    if (fd < 0) {
        ck_assert(!server->failed);
        server->failed = true;
        server->error = fd;
        return;
    }
    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    ck_assert_int_gt(eddy_address_port(peer), 0);
    server->accepted[server->count++] = fd;
    if (server->count == server->close_after)
        ck_assert_int_eq(eddy_listener_close(listener, on_closed), 0);
}

static int try_listen(struct server *server, eddy_loop *loop, int family, unsigned options) {
    memset(server, 0, sizeof *server);
    eddy_listener_init(&server->listener, loop);
    server->length = loopback(&server->address, family);
    int err = eddy_tcp_listen(&server->listener, (struct sockaddr *)&server->address,
                              server->length, 0, options, on_accept);
    if (err < 0) return err;
    return eddy_listener_address(&server->listener, (struct sockaddr *)&server->address,
                                 &server->length);
}

static void start(struct server *server, eddy_loop *loop) {
    ck_assert_int_eq(try_listen(server, loop, AF_INET, 0), 0);
}

static int connect_plain(const struct server *server) {
    int fd = socket(server->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&server->address, server->length), 0);
    return fd;
}

static void turn_until_count(eddy_loop *loop, const struct server *server, int count) {
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (server->count < count) {
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_int_lt(test_now_ns(), give_up_ns);
    }
}

static void finish(struct server *server, eddy_loop *loop) {
    ck_assert_int_eq(eddy_listener_close(&server->listener, on_closed), 0);
    ck_assert_int_eq(eddy_listener_close(&server->listener, on_closed), -EALREADY);
    ck_assert(!server->closed);
    test_turn_until(loop, &server->closed);
    for (int i = 0; i < server->count; i++) close(server->accepted[i]);
}

START_TEST(connections_are_handed_out_non_blocking) {
    eddy_loop *loop = test_loop_open();
    struct server server;
    start(&server, loop);
    int clients[100];
    for (int i = 0; i < 100; i++) clients[i] = connect_plain(&server);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(server.count, 64); /* of a turn */
    turn_until_count(loop, &server, 100);
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    ck_assert_uint_ge(metrics.accepts, 100);
    ck_assert_uint_eq(metrics.accepts_shed, 0);
    for (int i = 0; i < 100; i++) close(clients[i]);
    finish(&server, loop);
    test_loop_close(loop);
}
END_TEST

START_TEST(ipv6_only_leaves_ipv4_alone) {
    eddy_loop *loop = test_loop_open();
    struct server server;
    int err = try_listen(&server, loop, AF_INET6, EDDY_IPV6_ONLY);
    if (err == 0) {
        int client = connect_plain(&server);
        turn_until_count(loop, &server, 1);
        close(client);
        finish(&server, loop);
    } else { /* this machine has no IPv6 */
        ck_assert(err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL);
    }
    test_loop_close(loop);
}
END_TEST

START_TEST(paused_listener_leaves_connections_in_the_backlog) {
    eddy_loop *loop = test_loop_open();
    struct server server;
    start(&server, loop);
    eddy_listener_pause(&server.listener);
    eddy_listener_pause(&server.listener);
    int client = connect_plain(&server);
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    ck_assert_uint_lt(test_metric_waits(loop) - waits, 5);
    ck_assert_int_eq(server.count, 0);
    ck_assert(eddy_loop_is_alive(loop));
    ck_assert_int_eq(eddy_listener_resume(&server.listener), 0);
    turn_until_count(loop, &server, 1);
    close(client);
    finish(&server, loop);
    ck_assert_int_eq(eddy_listener_resume(&server.listener), -EINVAL);
    test_loop_close(loop);
}
END_TEST

START_TEST(errors_of_listening_leave_the_listener_usable) {
    eddy_loop *loop = test_loop_open();
    struct server first, second;
    start(&first, loop);
    struct sockaddr *taken = (struct sockaddr *)&first.address;
    ck_assert_int_eq(eddy_tcp_listen(&first.listener, taken, first.length, 0, 0, on_accept),
                     -EALREADY);
    memset(&second, 0, sizeof second);
    eddy_listener_init(&second.listener, loop);
    eddy_listener *listener = &second.listener;
    ck_assert_int_eq(eddy_tcp_listen(listener, taken, first.length, 0, 0, on_accept), -EADDRINUSE);
    ck_assert_int_eq(eddy_tcp_listen(listener, taken, first.length, -1, 0, on_accept), -EINVAL);
    ck_assert_int_eq(eddy_tcp_listen(listener, taken, first.length, 0, 64, on_accept), -EINVAL);
    ck_assert_int_eq(eddy_tcp_listen(listener, taken, 3, 0, 0, on_accept), -EINVAL);
    struct sockaddr_storage address;
    int length = eddy_address_parse(&address, "192.0.2.1", 0); /* of documentation: never here */
    ck_assert_int_eq(
        eddy_tcp_listen(listener, (struct sockaddr *)&address, (socklen_t)length, 0, 0, on_accept),
        -EADDRNOTAVAIL);
    address.ss_family = 200;
    ck_assert_int_eq(
        eddy_tcp_listen(listener, (struct sockaddr *)&address, (socklen_t)length, 0, 0, on_accept),
        -EAFNOSUPPORT);
    socklen_t room = sizeof address;
    ck_assert_int_eq(eddy_listener_address(listener, (struct sockaddr *)&address, &room),
                     -ENOTCONN);
    ck_assert_int_eq(eddy_listener_close(listener, on_closed), 0);
    ck_assert_int_eq(eddy_tcp_listen(listener, taken, first.length, 0, 0, on_accept), -EINVAL);
    test_turn_until(loop, &second.closed);
    finish(&first, loop);
    test_loop_close(loop);
}
END_TEST

START_TEST(reuseport_listeners_share_a_port) {
    eddy_loop *loop = test_loop_open();
    struct server first, second;
    int err = try_listen(&first, loop, AF_INET, EDDY_REUSEPORT);
    if (err != -ENOTSUP) {
        ck_assert_int_eq(err, 0);
        memset(&second, 0, sizeof second);
        eddy_listener_init(&second.listener, loop);
        ck_assert_int_eq(eddy_tcp_listen(&second.listener, (struct sockaddr *)&first.address,
                                         first.length, 0, EDDY_REUSEPORT, on_accept),
                         0);
        int clients[20];
        for (int i = 0; i < 20; i++) clients[i] = connect_plain(&first);
        int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
        while (first.count + second.count < 20 && test_now_ns() < give_up_ns)
            ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_int_eq(first.count + second.count, 20);
        for (int i = 0; i < 20; i++) close(clients[i]);
        finish(&second, loop);
        finish(&first, loop);
    }
    test_loop_close(loop);
}
END_TEST

/* A connection's descriptor may join any loop: here a stream of the same one. */
START_TEST(accepted_descriptor_attaches_to_a_stream) {
    eddy_loop *loop = test_loop_open();
    struct server server;
    start(&server, loop);
    int client = connect_plain(&server);
    turn_until_count(loop, &server, 1);
    struct end end;
    end_init(&end, loop);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, server.accepted[0]), 0);
    server.count = 0;
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(send(client, "abc", 3, 0), 3);
    close(client);
    test_turn_until(loop, &end.ended);
    ck_assert_uint_eq(end.received, 3);
    end_close(&end);
    finish(&server, loop);
    test_loop_close(loop);
}
END_TEST

/* shutdown() of a listening socket makes accept fail for good: told once, and then silence. */
START_TEST(error_that_does_not_pass_stops_the_listener) {
    eddy_loop *loop = test_loop_open();
    struct server server;
    start(&server, loop);
    int fd = eddy_io_fd(&server.listener.io);
    if (shutdown(fd, SHUT_RDWR) == 0) {
        test_turn_until(loop, &server.failed);
        ck_assert_int_eq(server.error, -EINVAL);
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0); /* nothing is alive */
        ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    }
    finish(&server, loop);
    test_loop_close(loop);
}
END_TEST

/* --- Sockets that listen already --- */

/* As the process that starts us would make it: blocking, and left open by exec. */
static int make_listening(struct server *server, int family, int type) {
    server->length = loopback(&server->address, family);
    int fd = socket(family, type, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&server->address, server->length), 0);
    if (type == SOCK_STREAM) ck_assert_int_eq(listen(fd, 100), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&server->address, &server->length), 0);
    return fd;
}

static void attach(struct server *server, eddy_loop *loop, int fd) {
    eddy_listener_init(&server->listener, loop);
    ck_assert_int_eq(eddy_listener_fd(&server->listener), -1);
    ck_assert_int_eq(eddy_listener_attach(&server->listener, fd, on_accept), 0);
    ck_assert_int_eq(eddy_listener_fd(&server->listener), fd);
}

/* Who connected before is there, the descriptor is as the library's own are, and is closed by it.
 */
START_TEST(inherited_socket_is_a_listener_as_others_are) {
    eddy_loop *loop = test_loop_open();
    struct server server = {0};
    int fd = make_listening(&server, AF_INET, SOCK_STREAM);
    int early = connect_plain(&server);
    attach(&server, loop, fd);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(eddy_listener_attach(&server.listener, fd, on_accept), -EALREADY);
    turn_until_count(loop, &server, 1);
    eddy_listener_pause(&server.listener);
    int late = connect_plain(&server);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    ck_assert_int_eq(server.count, 1);
    ck_assert_int_eq(eddy_listener_resume(&server.listener), 0);
    turn_until_count(loop, &server, 2);
    close(early);
    close(late);
    finish(&server, loop);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    ck_assert_int_eq(eddy_listener_fd(&server.listener), -1);
    test_loop_close(loop);
}
END_TEST

static void expect_refusal(eddy_loop *loop, int fd, int error) {
    struct server server = {0};
    eddy_listener_init(&server.listener, loop);
    ck_assert_int_eq(eddy_listener_attach(&server.listener, fd, on_accept), error);
    ck_assert_int_eq(eddy_listener_fd(&server.listener), -1);
    finish(&server, loop);
}

/* And what is refused is left as it was. */
START_TEST(what_is_no_listening_socket_is_refused) {
    eddy_loop *loop = test_loop_open();
    struct server server = {0};
    int ends[2];
    test_pipe(ends);
    expect_refusal(loop, -1, -EBADF);
    expect_refusal(loop, ends[0], -ENOTSOCK);
    close(ends[0]);
    expect_refusal(loop, ends[0], -EBADF);
    close(ends[1]);
    int datagrams = make_listening(&server, AF_INET, SOCK_DGRAM);
    expect_refusal(loop, datagrams, -EINVAL);
    close(datagrams);
    int quiet = socket(AF_INET, SOCK_STREAM, 0);
    expect_refusal(loop, quiet, -EINVAL);
    ck_assert_int_eq(fcntl(quiet, F_GETFL) & O_NONBLOCK, 0);
    close(quiet);
#ifdef AF_NETLINK /* Linux's: neither TCP nor local */
    int other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (other >= 0) expect_refusal(loop, other, -EAFNOSUPPORT);
    if (other >= 0) close(other);
#endif
    test_socket_pair(ends);
    expect_refusal(loop, ends[0], -EINVAL);
    close(ends[0]);
    close(ends[1]);
    int fd = make_listening(&server, AF_INET, SOCK_STREAM);
    attach(&server, loop, fd);
    expect_refusal(loop, fd, -EBUSY);
    int client = connect_plain(&server);
    turn_until_count(loop, &server, 1);
    close(client);
    finish(&server, loop);
    eddy_listener_init(&server.listener, loop);
    ck_assert_int_eq(eddy_listener_close(&server.listener, NULL), 0);
    ck_assert_int_eq(eddy_listener_attach(&server.listener, fd, on_accept), -EINVAL);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    test_loop_close(loop);
}
END_TEST

/* Both are told of each connection, and whoever comes too late is none the worse for it. When one
 * loop closes its listener the other one has all. */
START_TEST(loops_share_an_inherited_socket) {
    eddy_loop *loops[2] = {test_loop_open(), test_loop_open()};
    struct server servers[2] = {0};
    int fds[2], clients[20];
    fds[0] = make_listening(&servers[0], AF_INET, SOCK_STREAM);
    fds[1] = dup(fds[0]);
    for (int i = 0; i < 2; i++) attach(&servers[i], loops[i], fds[i]);
    for (int i = 0; i < 20; i++) {
        clients[i] = connect_plain(&servers[0]);
        turn_until_count(loops[i % 2], &servers[i % 2], i / 2 + 1);
        ck_assert_int_ge(eddy_loop_run(loops[1 - i % 2], EDDY_RUN_NOWAIT), 0);
    }
    for (int i = 0; i < 20; i++) close(clients[i]);
    finish(&servers[0], loops[0]);
    clients[0] = connect_plain(&servers[0]);
    turn_until_count(loops[1], &servers[1], 11);
    close(clients[0]);
    finish(&servers[1], loops[1]);
    for (int i = 0; i < 2; i++) test_loop_close(loops[i]);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("listen");
    ck_add(suite, "listen", connections_are_handed_out_non_blocking, ipv6_only_leaves_ipv4_alone,
           paused_listener_leaves_connections_in_the_backlog,
           errors_of_listening_leave_the_listener_usable, reuseport_listeners_share_a_port,
           accepted_descriptor_attaches_to_a_stream, error_that_does_not_pass_stops_the_listener);
    ck_add(suite, "inherited", inherited_socket_is_a_listener_as_others_are,
           what_is_no_listening_socket_is_refused, loops_share_an_inherited_socket);
    return suite;
}
