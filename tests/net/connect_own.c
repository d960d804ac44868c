/* connect_own.c: connecting sockets that the program has made. */
#include "local_net.h"

static const struct sockaddr *at(const struct sockaddr_storage *address) {
    return (const struct sockaddr *)address;
}

static int make(int family, int type) {
    int fd = socket(family, type, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static int connect_own(struct end *end, int fd, const struct sockaddr_storage *to, socklen_t length,
                       int64_t timeout_ns) {
    end->connected = false;
    int err = eddy_stream_connect(&end->stream, fd, at(to), length, timeout_ns, local_on_connected);
    ck_assert(!end->connected);
    return err;
}

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

static void close_all(struct end *end, eddy_loop *loop) {
    end_close(end);
    test_loop_close(loop);
}

/* The other side sees the address that it was bound to; options that were set before hold. */
START_TEST(bound_socket_with_options_connects) {
    struct sockaddr_storage server, own, seen;
    socklen_t length, seen_length = sizeof seen;
    int small = 8192, before = 0, after = 0;
    socklen_t size = sizeof before;
    struct end end;
    int listener = listen_plain(&server, &length, 5);
    int fd = make(AF_INET, SOCK_STREAM);
    socklen_t own_length = (socklen_t)eddy_address_parse(&own, "127.0.0.2", 0);
    if (bind(fd, (struct sockaddr *)&own, own_length) < 0) /* only Linux has all of 127/8 */
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&own, loopback(&own, AF_INET)), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &before, &size), 0);

    eddy_loop *loop = test_loop_open();
    end_init(&end, loop);
    ck_assert_int_eq(connect_own(&end, fd, &server, length, EDDY_NS_PER_S), 0);
    ck_assert_int_eq(local_outcome(&end), 0);
    ck_assert_int_eq(eddy_stream_fd(&end.stream), fd);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &after, &size), 0);
    ck_assert_int_eq(after, before);
    int peer = accept(listener, (struct sockaddr *)&seen, &seen_length);
    ck_assert_int_ge(peer, 0);
    ck_assert_int_eq((int)((struct sockaddr_in *)&seen)->sin_addr.s_addr,
                     (int)((struct sockaddr_in *)&own)->sin_addr.s_addr);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq((int)send(peer, "hello", 5, 0), 5);
    close(peer);
    test_turn_until(loop, &end.told);
    ck_assert_uint_eq(end.received, 5);
    close(listener);
    close_all(&end, loop);
}
END_TEST

START_TEST(refused_socket_is_closed_and_the_stream_may_try_another) {
    struct sockaddr_storage refusing, server;
    socklen_t length;
    struct end end;
    int held = hold_plain(&refusing, &length);
    int fd = make(AF_INET, SOCK_STREAM);
    eddy_loop *loop = test_loop_open();
    end_init(&end, loop);
    ck_assert_int_eq(connect_own(&end, fd, &refusing, length, 0), 0);
    ck_assert_int_eq(local_outcome(&end), -ECONNREFUSED);
    ck_assert(!is_open(fd));
    int listener = listen_plain(&server, &length, 5);
    ck_assert_int_eq(connect_own(&end, make(AF_INET, SOCK_STREAM), &server, length, 0), 0);
    ck_assert_int_eq(local_outcome(&end), 0);
    close(listener);
    close(held);
    close_all(&end, loop);
}
END_TEST

START_TEST(time_out_and_close_end_it_and_close_the_socket) {
    enum { FILLERS = 4 };
    struct sockaddr_storage address;
    socklen_t length;
    struct end end;
    int fillers[FILLERS];
    int listener = listen_full(&address, &length, fillers, FILLERS);
    if (listener < 0) return;
    eddy_loop *loop = test_loop_open();
    end_init(&end, loop);
    int fd = make(AF_INET, SOCK_STREAM);
    ck_assert_int_eq(connect_own(&end, fd, &address, length, -1), -EINVAL);
    ck_assert_int_eq(connect_own(&end, fd, &address, length, 30 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(local_outcome(&end), -ETIMEDOUT);
    ck_assert(!is_open(fd));

    fd = make(AF_INET, SOCK_STREAM);
    ck_assert_int_eq(connect_own(&end, fd, &address, length, 0), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(eddy_stream_close(&end.stream, end_on_close), 0);
    ck_assert(!is_open(fd));
    test_turn_until(loop, &end.closed);
    ck_assert(end.connected);
    ck_assert_int_eq(end.status, -ECANCELED);
    for (int i = 0; i < FILLERS; i++) close(fillers[i]);
    close(listener);
    test_loop_close(loop);
}
END_TEST

/* An error of the call leaves the socket to the caller, open. */
static void refused_at_once(struct end *end, int fd, const struct sockaddr_storage *to,
                            socklen_t length, int expected) {
    bool was_open = is_open(fd);
    ck_assert_int_eq(connect_own(end, fd, to, length, 0), expected);
    ck_assert_int_eq(is_open(fd), was_open);
    if (was_open) ck_assert_int_eq(close(fd), 0);
}

START_TEST(socket_that_does_not_fit_stays_the_callers) {
    struct sockaddr_storage server, local;
    socklen_t length, local_length = local_name(&local, "/nowhere", 8);
    struct end end, other;
    int ends[2];
    int listener = listen_plain(&server, &length, 5);
    eddy_loop *loop = test_loop_open();
    end_init(&end, loop);
    refused_at_once(&end, -1, &server, length, -EBADF);
    refused_at_once(&end, make(AF_INET, SOCK_DGRAM), &server, length, -EPROTOTYPE);
    refused_at_once(&end, make(AF_UNIX, SOCK_DGRAM), &local, local_length, -EPROTOTYPE);
    refused_at_once(&end, make(AF_UNIX, SOCK_STREAM), &server, length, -EAFNOSUPPORT);
    refused_at_once(&end, make(AF_INET, SOCK_STREAM), &local, local_length, -EAFNOSUPPORT);
    refused_at_once(&end, make(AF_INET, SOCK_STREAM), &server, 3, -EINVAL);
    refused_at_once(&end, make(AF_INET, SOCK_STREAM), &server, sizeof server + 1, -EINVAL);
    test_pipe(ends);
    refused_at_once(&end, ends[0], &server, length, -ENOTSOCK);
    close(ends[1]);

    tcp_pair(ends);
    refused_at_once(&end, ends[0], &server, length, -EISCONN);
    int peer = end_connect(&other, loop);
    ck_assert_int_eq(connect_own(&end, eddy_stream_fd(&other.stream), &server, length, 0), -EBUSY);
    ck_assert_int_eq(connect_own(&other, ends[1], &server, length, 0), -EISCONN);
    close(ends[1]);
    close(peer);
    close(listener);
    end_close(&other);
    close_all(&end, loop);
}
END_TEST

START_TEST(socket_that_is_connecting_is_refused) {
    enum { FILLERS = 4 };
    struct sockaddr_storage address;
    socklen_t length;
    struct end end;
    int fillers[FILLERS];
    int listener = listen_full(&address, &length, fillers, FILLERS);
    if (listener < 0) return;
    eddy_loop *loop = test_loop_open();
    end_init(&end, loop);
    refused_at_once(&end, fcntl(fillers[FILLERS - 1], F_DUPFD_CLOEXEC, 0), &address, length,
                    -EALREADY);
    for (int i = 0; i < FILLERS; i++) close(fillers[i]);
    close(listener);
    close_all(&end, loop);
}
END_TEST

/* --- Local ones --- */

static void local_of_type(int type, unsigned options) {
    struct local_place place;
    struct local_server server;
    struct sockaddr_storage name, seen;
    socklen_t seen_length = sizeof seen;
    char path[80];
    struct end end;
    int fd = socket(AF_UNIX, type, 0);
    if (fd < 0) return; /* a system without records */
    local_place_make(&place);
    snprintf(path, sizeof path, "%s/client", place.directory);
    socklen_t length = local_name(&name, path, strlen(path));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, length), 0);
    eddy_loop *loop = test_loop_open();
    ck_assert_int_eq(local_listen(&server, loop, &place, options), 0);
    end_init(&end, loop);
    ck_assert_int_eq(connect_own(&end, fd, &place.address, place.length, 0), 0);
    ck_assert_int_eq(local_outcome(&end), 0);
    test_turn_until(loop, &server.any);
    ck_assert_int_eq(getpeername(server.accepted[0], (struct sockaddr *)&seen, &seen_length), 0);
    ck_assert_str_eq(((struct sockaddr_un *)&seen)->sun_path, path);
    /* Two records are two reads; bytes are joined. */
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq((int)send(server.accepted[0], "one", 3, 0), 3);
    ck_assert_int_eq((int)send(server.accepted[0], "two", 3, 0), 3);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(end.received, 6);
    ck_assert_uint_eq(end.reads, type == SOCK_STREAM ? 1 : 2);
    ck_assert_int_eq(unlink(path), 0);
    local_server_close(&server);
    close_all(&end, loop);
    local_place_remove(&place);
}

START_TEST(local_sockets_of_bytes_and_records_connect) {
    local_of_type(SOCK_STREAM, 0);
    local_of_type(SOCK_SEQPACKET, EDDY_SEQPACKET);
}
END_TEST

/* Linux refuses at once and tells nobody later; the BSDs refuse for good. */
START_TEST(full_backlog_is_waited_for) {
    struct local_place place;
    struct end end;
    int others[8], count = 0;
    local_place_make(&place);
    int listener = local_bind_plain(&place, SOCK_STREAM);
    ck_assert_int_eq(listen(listener, 0), 0);
    while (count < 8) {
        others[count] = local_connect_plain(local_at(&place), place.length, SOCK_STREAM);
        if (others[count] < 0) break;
        count++;
    }
    bool waits = count < 8 && others[count] == -EAGAIN;
    eddy_loop *loop = test_loop_open();
    end_init(&end, loop);
    if (waits) {
        int fd = make(AF_UNIX, SOCK_STREAM);
        ck_assert_int_eq(connect_own(&end, fd, &place.address, place.length, 0), 0);
        test_turn_for(loop, 25 * EDDY_NS_PER_MS);
        ck_assert(!end.connected);
        for (int i = 0; i < count; i++) close(accept(listener, NULL, NULL));
        ck_assert_int_eq(local_outcome(&end), 0);
        ck_assert_int_eq(eddy_stream_fd(&end.stream), fd);
    }
    for (int i = 0; i < count; i++) close(others[i]);
    close(listener);
    unlink(place.path);
    close_all(&end, loop);
    local_place_remove(&place);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("connect_own");
    ck_add(suite, "tcp", bound_socket_with_options_connects,
           refused_socket_is_closed_and_the_stream_may_try_another,
           time_out_and_close_end_it_and_close_the_socket,
           socket_that_does_not_fit_stays_the_callers, socket_that_is_connecting_is_refused);
    ck_add(suite, "local", local_sockets_of_bytes_and_records_connect, full_backlog_is_waited_for);
    return suite;
}
