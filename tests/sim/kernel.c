/* kernel.c: what the library relies on of pipes, numbers and connecting. See kernel_sockets.h. */
#include "kernel_sockets.h"

#include <signal.h>
#include <sys/un.h>

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

/* --- Local sockets --- */

static int new_local(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* What the connect of a new socket says: the socket, or the error. */
static int connect_local(const struct sockaddr_un *to, socklen_t length) {
    int fd = new_local();
    if (connect(fd, (const struct sockaddr *)to, length) == 0) return fd;
    int error = errno;
    close(fd);
    return -error;
}

/* A connect is done at once, or refused at once: nothing is ever under way. */
START_TEST(local_connect_tells_at_once) {
    struct sockaddr_un name = {.sun_family = AF_UNIX}, known = {0};
    struct sockaddr_un nowhere = {.sun_family = AF_UNIX, .sun_path = "no/such/name"};
    socklen_t length = sizeof known;
    int listener = new_local(), clients[3];
    ck_fails(listen(listener, 1), EINVAL);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&name, sizeof name.sun_family), 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&name, sizeof name.sun_family), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&name, &length), 0);
    ck_assert_int_eq(name.sun_path[0], 0);
    ck_assert_uint_eq(length, sizeof name.sun_family + 6);
    ck_fails(bind(listener, (struct sockaddr *)&name, length), EINVAL);
    ck_assert_int_eq(connect_local(&name, length), -ECONNREFUSED);
    ck_assert_int_eq(connect_local(&name, sizeof name.sun_family), -EINVAL);
    ck_assert_int_eq(connect_local(&nowhere, sizeof nowhere), -ENOENT);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_told(listener, 0);
    for (int i = 0; i < 2; i++) {
        clients[i] = connect_local(&name, length);
        ck_assert_int_ge(clients[i], 0);
        ck_told(clients[i], POLLOUT);
    }
    ck_told(listener, POLLIN);
    ck_assert_int_eq(connect_local(&name, length), -EAGAIN);
    ck_fails(connect(clients[0], (struct sockaddr *)&name, length), EAGAIN);
    ck_assert_int_eq(write_one(clients[0]), 1);
    socklen_t room = sizeof known;
    int server = accept(listener, (struct sockaddr *)&known, &room);
    ck_assert_int_ge(server, 0);
    ck_assert_uint_eq(room, sizeof known.sun_family);
    ck_read(server, 1);
    ck_fails(connect(clients[0], (struct sockaddr *)&name, length), EISCONN);
    clients[2] = connect_local(&name, length);
    ck_assert_int_ge(clients[2], 0);
    close(listener);
    for (int i = 1; i < 3; i++) { /* who was never accepted */
        ck_told(clients[i], GONE | POLLERR);
        ck_fails(read_some(clients[i]), ECONNRESET);
        close(clients[i]);
    }
    room = sizeof known;
    ck_assert_int_eq(getpeername(clients[0], (struct sockaddr *)&known, &room), 0);
    ck_assert_uint_eq(room, length);
    ck_assert_int_eq(connect_local(&name, length), -ECONNREFUSED);
    close(server);
    ck_told(clients[0], GONE);
    ck_read(clients[0], 0);
    close(clients[0]);
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
#ifdef __linux__ /* the simulation's are Linux's */
    ck_add(suite, "local", local_connect_tells_at_once);
#endif
    return suite;
}
