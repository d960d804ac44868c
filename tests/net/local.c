/* local.c: streams and listeners over local sockets. tests/regress/local.c has what others fell
 * into. */
#include "local_net.h"

START_TEST(bytes_go_both_ways_between_a_client_and_a_server) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    struct end client, peer;
    eddy_write writes[2];
    local_place_make(&place);
    ck_assert_int_eq(local_listen(&server, loop, &place, 0), 0);
    ck_assert_int_eq(local_connect(&client, loop, &place, 0, EDDY_NS_PER_S), 0);
    ck_assert(!client.connected);
    ck_assert_int_eq(local_outcome(&client), 0);
    test_turn_until(loop, &server.any);
    end_init(&peer, loop);
    ck_assert_int_eq(eddy_stream_attach(&peer.stream, server.accepted[0]), 0);
    server.count = 0;
    client.status = -1;
    ck_assert_int_eq(eddy_stream_read_start(&client.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_read_start(&peer.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_write(&client.stream, &writes[0], "ask", 3, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_write(&peer.stream, &writes[1], "answer", 6, end_on_written), 0);
    while (client.received < 6 || peer.received < 3)
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_int_eq(client.status, 0);
    end_close(&client);
    test_turn_until(loop, &peer.ended);
    end_close(&peer);
    local_server_close(&server);
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

START_TEST(why_a_connect_failed_is_told_and_another_may_follow) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    struct end client;
    local_place_make(&place);
    ck_assert_int_eq(local_connect(&client, loop, &place, 0, 0), 0);
    ck_assert_int_eq(local_outcome(&client), -ENOENT);
    close(local_bind_plain(&place, SOCK_STREAM));
    client.connected = false;
    ck_assert_int_eq(eddy_local_connect(&client.stream, local_at(&place), place.length, 0, 0,
                                        local_on_connected),
                     0);
    ck_assert_int_eq(local_outcome(&client), -ECONNREFUSED);
    unlink(place.path);
    ck_assert_int_eq(local_listen(&server, loop, &place, 0), 0);
    client.connected = false;
    ck_assert_int_eq(eddy_local_connect(&client.stream, local_at(&place), place.length, 0, 0,
                                        local_on_connected),
                     0);
    ck_assert_int_eq(local_outcome(&client), 0);
    test_turn_until(loop, &server.any);
    end_close(&client);
    local_server_close(&server);
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

/* What is no TCP is refused by its functions, and the other way round. */
START_TEST(each_kind_of_socket_has_its_own_functions) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    struct sockaddr_storage ipv4, told;
    struct end end;
    int ends[2];
    local_place_make(&place);
    end_init(&end, loop);
    socklen_t length = loopback(&ipv4, AF_INET), room = sizeof told;
    struct sockaddr *tcp = (struct sockaddr *)&ipv4, *at = (struct sockaddr *)&told;
    eddy_stream *stream = &end.stream;
    ck_assert_int_eq(
        eddy_tcp_connect(stream, local_at(&place), place.length, 0, local_on_connected),
        -EAFNOSUPPORT);
    ck_assert_int_eq(eddy_local_connect(stream, tcp, length, 0, 0, local_on_connected),
                     -EAFNOSUPPORT);
    eddy_listener_init(&server.listener, loop);
    eddy_listener *listener = &server.listener;
    ck_assert_int_eq(
        eddy_tcp_listen(listener, local_at(&place), place.length, 0, 0, local_on_accept),
        -EAFNOSUPPORT);
    ck_assert_int_eq(eddy_local_listen(listener, tcp, length, 0, 0, local_on_accept),
                     -EAFNOSUPPORT);
    ck_assert_int_eq(eddy_local_own_name(listener, true), -ENOTCONN);
    test_socket_pair(ends);
    ck_assert_int_eq(eddy_stream_attach(stream, ends[0]), 0);
    ck_assert_int_eq(eddy_tcp_local_address(stream, at, &room), -EAFNOSUPPORT);
    ck_assert_int_eq(eddy_tcp_peer_address(stream, at, &room), -EAFNOSUPPORT);
    ck_assert_int_lt(eddy_tcp_set_nodelay(stream, true), 0);
    ck_assert_int_eq(eddy_local_address(stream, at, &room), 0);
    ck_assert_uint_eq(room, offsetof(struct sockaddr_un, sun_path));
    close(ends[1]);
    end_close(&end);
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_local_address(stream, at, &room), -EAFNOSUPPORT);
    ck_assert_int_eq(eddy_local_peer_address(stream, at, &room), -EAFNOSUPPORT);
    room = sizeof told;
    ck_assert_int_eq(eddy_tcp_peer_address(stream, at, &room), 0);
    close(peer);
    end_close(&end);
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

START_TEST(bad_arguments_are_refused_and_nothing_is_made) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server = {0}, *it = &server;
    struct end end;
    local_place_make(&place);
    end_init(&end, loop);
    const struct sockaddr *at = local_at(&place);
    eddy_listener_init(&it->listener, loop);
    ck_assert_int_eq(eddy_local_listen(&it->listener, at, place.length, -1, 0, local_on_accept),
                     -EINVAL);
    ck_assert_int_eq(
        eddy_local_listen(&it->listener, at, place.length, 0, EDDY_REUSEPORT, local_on_accept),
        -EINVAL);
    ck_assert_int_eq(eddy_local_listen(&it->listener, at, 200, 0, 0, local_on_accept), -EINVAL);
    ck_assert_int_eq(eddy_local_connect(&end.stream, at, place.length, 1, 0, local_on_connected),
                     -EINVAL);
    ck_assert_int_eq(eddy_local_connect(&end.stream, at, place.length, 0, -1, local_on_connected),
                     -EINVAL);
    ck_assert_int_eq(eddy_local_connect(&end.stream, at, 200, 0, 0, local_on_connected), -EINVAL);
    ck_assert_int_eq(eddy_local_pair(&end.stream, &end.stream, 0), -EINVAL);
    strcat(place.path, "s/socket");
    place.length = local_name(&place.address, place.path, strlen(place.path));
    ck_assert_int_eq(local_listen(it, loop, &place, 0), -ENOENT);
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

/* --- Pairs --- */

START_TEST(a_pair_is_connected_at_once) {
    eddy_loop *loop = test_loop_open();
    struct end one, other, third;
    eddy_write write;
    end_init(&one, loop);
    end_init(&other, loop);
    end_init(&third, loop);
    ck_assert_int_eq(eddy_local_pair(&one.stream, &other.stream, 0), 0);
    ck_assert_int_ne(fcntl(eddy_stream_fd(&one.stream), F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(eddy_stream_fd(&other.stream), F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(eddy_local_pair(&one.stream, &third.stream, 0), -EISCONN);
    ck_assert_int_eq(eddy_stream_fd(&third.stream), -1);
    ck_assert_int_eq(eddy_stream_read_start(&other.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_write(&one.stream, &write, "abc", 3, end_on_written), 0);
    while (one.written == 0) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    end_close(&one);
    test_turn_until(loop, &other.ended);
    ck_assert_uint_eq(other.received, 3);
    end_close(&other);
    test_loop_close(loop);
}
END_TEST

/* --- Who is there --- */

START_TEST(the_other_ends_process_and_user_are_known) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    struct end client;
    eddy_credentials peer = {.pid = -2};
    local_place_make(&place);
    ck_assert_int_eq(local_listen(&server, loop, &place, 0), 0);
    ck_assert_int_eq(local_connect(&client, loop, &place, 0, 0), 0);
    ck_assert_int_eq(local_outcome(&client), 0);
    test_turn_until(loop, &server.any);
    const int fds[] = {server.accepted[0], eddy_stream_fd(&client.stream)};
    for (int i = 0; i < 2; i++) {
        int err = eddy_local_peer_credentials(fds[i], &peer);
        if (local_is_plain()) {
            ck_assert_int_eq(err, -ENOTSUP);
            continue;
        }
        ck_assert_int_eq(err, 0);
        ck_assert(peer.pid == getpid() || peer.pid == 0);
        ck_assert_uint_eq(peer.uid, geteuid());
        ck_assert_uint_eq(peer.gid, getegid());
    }
    end_close(&client);
    local_server_close(&server);
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

START_TEST(what_is_no_connection_has_no_credentials) {
    eddy_credentials peer;
    int ends[2];
    if (local_is_plain()) return;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(eddy_local_peer_credentials(fd, &peer), -ENOTCONN);
    close(fd);
    ck_assert_int_eq(eddy_local_peer_credentials(fd, &peer), -EBADF);
    test_pipe(ends);
    ck_assert_int_eq(eddy_local_peer_credentials(ends[0], &peer), -ENOTSOCK);
    close(ends[0]);
    close(ends[1]);
    tcp_pair(ends);
    ck_assert_int_lt(eddy_local_peer_credentials(ends[0], &peer), 0);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* --- Sockets that listen already --- */

START_TEST(an_inherited_local_socket_is_a_listener_and_keeps_its_name) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server = {0};
    local_place_make(&place);
    int fd = local_bind_plain(&place, SOCK_STREAM);
    ck_assert_int_eq(listen(fd, 8), 0);
    eddy_listener_init(&server.listener, loop);
    ck_assert_int_eq(eddy_listener_attach(&server.listener, fd, local_on_accept), 0);
    int client = local_connect_plain(local_at(&place), place.length, SOCK_STREAM);
    ck_assert_int_ge(client, 0);
    test_turn_until(loop, &server.any);
    close(client);
    local_server_close(&server);
    ck_assert(local_is_there(place.path));
    unlink(place.path);
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

/* One process hands the socket on, and the next one removes the name. */
START_TEST(the_name_may_change_hands) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server first, second = {0};
    local_place_make(&place);
    ck_assert_int_eq(local_listen(&first, loop, &place, 0), 0);
    int copy = fcntl(eddy_listener_fd(&first.listener), F_DUPFD_CLOEXEC, 0);
    eddy_listener_init(&second.listener, loop);
    ck_assert_int_eq(eddy_listener_attach(&second.listener, copy, local_on_accept), 0);
    ck_assert_int_eq(eddy_local_own_name(&second.listener, true), 0);
    ck_assert_int_eq(eddy_local_own_name(&first.listener, false), 0);
    local_server_close(&first);
    ck_assert(local_is_there(place.path));
    int client = local_connect_plain(local_at(&place), place.length, SOCK_STREAM);
    ck_assert_int_ge(client, 0);
    test_turn_until(loop, &second.any);
    close(client);
    local_server_close(&second);
    ck_assert(!local_is_there(place.path));
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_name_is_kept_if_so_asked) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    local_place_make(&place);
    ck_assert_int_eq(local_listen(&server, loop, &place, EDDY_KEEP_NAME), 0);
    local_server_close(&server);
    ck_assert(local_is_there(place.path));
    unlink(place.path);
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("local");
    ck_add(suite, "streams", bytes_go_both_ways_between_a_client_and_a_server,
           why_a_connect_failed_is_told_and_another_may_follow,
           each_kind_of_socket_has_its_own_functions, bad_arguments_are_refused_and_nothing_is_made,
           a_pair_is_connected_at_once);
    ck_add(suite, "credentials", the_other_ends_process_and_user_are_known,
           what_is_no_connection_has_no_credentials);
    ck_add(suite, "names", an_inherited_local_socket_is_a_listener_and_keeps_its_name,
           the_name_may_change_hands, a_name_is_kept_if_so_asked);
    return suite;
}
