/* pass.c: descriptors that are sent twice, lost silently, a stranger's by the time they go, or
 * never freed. */
#include "pass_net.h"

static ino_t inode_of(int fd) {
    struct stat stat;
    ck_assert_int_eq(fstat(fd, &stat), 0);
    return stat.st_ino;
}

/* --- Sending --- */

/* A partial sendmsg that is tried again with its control message sends the descriptors again; each
 * round would bring one more. */
START_TEST(a_write_in_many_parts_sends_its_descriptors_once) {
    eddy_loop *loop = test_loop_open();
    struct taker taker = {.room = CARGO_MAX, .wanted = 2 << 20};
    struct end sender;
    static char data[1 << 20];
    eddy_write write;
    eddy_pass pass;
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int other = end_connect_narrow(&sender, loop);
    end_init(&taker.end, loop);
    ck_assert_int_eq(eddy_stream_attach(&taker.end.stream, other), 0);
    ck_assert_int_eq(eddy_stream_write(&sender.stream, &write, data, sizeof data, end_on_written),
                     0);
    ck_assert_int_eq(
        eddy_pass_write(&sender.stream, &pass, data, sizeof data, &fd, 1, end_on_written), 0);
    taker_read(&taker);
    test_turn_until(loop, &taker.enough);
    turn_until_written(loop, &sender, 2);
    ck_assert_uint_eq(taker.end.received, 2 << 20);
    ck_assert_uint_eq(taker.count, 1);
    ck_assert_uint_le(taker.before[0], 1 << 20);
    ck_assert_uint_gt(taker.before[0] + taker.sizes[0], 1 << 20);
    taker_close(&taker);
    end_close(&sender);
    close(fd);
    test_loop_close(loop);
}
END_TEST

/* A number that is looked up when the kernel takes it, and not when it was given, may be closed or
 * another file's by then. */
START_TEST(what_was_given_goes_though_its_number_is_used_again) {
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender;
    eddy_pass pass;
    ck_assert(taker_open(&taker, &sender, loop, 0));
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ino_t inode = inode_of(fd);
    ck_assert_int_eq(eddy_pass_write(&sender.stream, &pass, "x", 1, &fd, 1, end_on_written), 0);
    int stranger = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(dup2(stranger, fd), fd);
    taker_read(&taker);
    test_turn_until(loop, &taker.any);
    ck_assert_uint_eq(taker.count, 1);
    ck_assert_uint_eq(inode_of(taker.fds[0]), inode);
    taker_close(&taker);
    end_close(&sender);
    close(fd);
    close(stranger);
    test_loop_close(loop);
}
END_TEST

/* Stream sockets bring descriptors with data only. */
START_TEST(a_descriptor_without_a_byte_is_refused) {
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender;
    eddy_pass pass;
    int fd = 0, before;
    ck_assert(taker_open(&taker, &sender, loop, 0));
    before = descriptors_open(256);
    ck_assert_int_eq(eddy_pass_write(&sender.stream, &pass, "", 0, &fd, 1, end_on_written),
                     -EINVAL);
    ck_assert_int_eq(descriptors_open(256), before);
    taker_close(&taker);
    end_close(&sender);
    test_loop_close(loop);
}
END_TEST

/* One of ten that is not open: none goes. If its duplicate is closed behind the library's back the
 * write fails alone. */
START_TEST(one_that_is_not_open_keeps_the_others_back) {
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender;
    eddy_pass pass;
    eddy_write write;
    int fds[10], fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert(taker_open(&taker, &sender, loop, 0));
    for (int i = 0; i < 10; i++) fds[i] = fd;
    taker_read(&taker);
    ck_assert_int_eq(eddy_pass_write(&sender.stream, &pass, "abc", 3, fds, 10, end_on_written), 0);
    ck_assert_int_eq(eddy_stream_write(&sender.stream, &write, "d", 1, end_on_written), 0);
    for (int at = 255; at > fd; at--)
        if (fcntl(at, F_GETFD) >= 0 && inode_of(at) == inode_of(fd)) {
            close(at);
            break;
        }
    test_turn_until(loop, &taker.any);
    turn_until_written(loop, &sender, 2);
    ck_assert_int_eq(sender.status, 0);
    ck_assert_int_eq(pass.write.status, -EBADF);
    ck_assert_uint_eq(taker.end.received, 1);
    ck_assert_uint_eq(taker.count, 0);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    taker_close(&taker);
    end_close(&sender);
    close(fd);
    test_loop_close(loop);
}
END_TEST

/* Linux lets a user have as many on their way as a process may have open. It is told to the write,
 * the caller's stay open, those behind it go on, and after some were received there is room. */
START_TEST(too_many_on_their_way_fail_one_write) {
    enum { LIMIT = 64, WRITES = 5 };
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender;
    eddy_pass passes[WRITES];
    eddy_write write;
    struct rlimit limit;
    int fds[LIMIT / 2], fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < LIMIT / 2; i++) fds[i] = fd;
    ck_assert(taker_open(&taker, &sender, loop, 0));
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = LIMIT;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    /* What another test of this user's has on its way counts, too. */
    if (geteuid() == 0) ck_assert_int_eq(setuid(100000 + (uid_t)getpid()), 0);
    unsigned done = 0;
    int failed = 0;
    for (; done < WRITES && failed == 0; failed = sender.status) {
        ck_assert_int_eq(
            eddy_pass_write(&sender.stream, &passes[done], "x", 1, fds, LIMIT / 2, end_on_written),
            0);
        turn_until_written(loop, &sender, ++done);
    }
    if (failed != 0) { /* the BSDs have no such limit */
        ck_assert_int_eq(failed, -ETOOMANYREFS);
        ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
        ck_assert_int_eq(eddy_stream_write(&sender.stream, &write, "y", 1, end_on_written), 0);
        turn_until_written(loop, &sender, ++done);
        ck_assert_int_eq(sender.status, 0);
        taker.room = 0;
        taker.wanted = done - 1;
        taker_read(&taker);
        test_turn_until(loop, &taker.enough);
        ck_assert_int_eq(
            eddy_pass_write(&sender.stream, &passes[0], "z", 1, fds, LIMIT / 2, end_on_written), 0);
        turn_until_written(loop, &sender, ++done);
        ck_assert_int_eq(sender.status, 0);
    }
    taker_close(&taker);
    end_close(&sender);
    close(fd);
    test_loop_close(loop);
}
END_TEST

/* --- Receiving --- */

/* The kernel drops what it has no numbers for, and tells by a flag only: the bytes come, those that
 * were given are given, and the connection goes on. */
START_TEST(what_the_limit_cuts_is_told_and_nothing_leaks) {
    enum { SENT = 10, GIVEN = 4 };
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender;
    eddy_pass pass;
    struct rlimit limit, before;
    int fds[SENT], fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < SENT; i++) fds[i] = fd;
    ck_assert(taker_open(&taker, &sender, loop, 0));
    for (unsigned round = 0; round < 2; round++) {
        int open_before = descriptors_open(512), free_seen = 0, most = 0;
        ck_assert_int_eq(
            eddy_pass_write(&sender.stream, &pass, "abc", 3, fds, SENT, end_on_written), 0);
        turn_until_written(loop, &sender, round + 1);
        for (; free_seen < GIVEN; most++) free_seen += fcntl(most, F_GETFD) < 0;
        while (fcntl(most, F_GETFD) >= 0) most++;
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
        limit = (struct rlimit){.rlim_cur = (rlim_t)most, .rlim_max = before.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        taker.any = false;
        if (round == 0) taker_read(&taker);
        test_turn_until(loop, &taker.any);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        ck_assert_uint_eq(taker.end.received, 3 * (round + 1));
        ck_assert_uint_eq(taker.cut, round + 1);
#ifdef __linux__ /* the BSDs give none of a message that they cut */
        ck_assert_uint_eq(taker.count, GIVEN);
#endif
        ck_assert_int_eq(descriptors_open(512), open_before + (int)taker.count);
        while (taker.count > 0) close(taker.fds[--taker.count]);
    }
    ck_assert_int_eq(eddy_pass_write(&sender.stream, &pass, "d", 1, &fd, 1, end_on_written), 0);
    taker.any = false;
    test_turn_until(loop, &taker.any);
    ck_assert_uint_eq(taker.count, 1);
    ck_assert_uint_eq(taker.cut, 2);
    taker_close(&taker);
    end_close(&sender);
    close(fd);
    test_loop_close(loop);
}
END_TEST

/* --- Loops of references --- */

/* Whether the kernel still has the socket. */
static bool socket_is_there(ino_t inode) {
    char line[512];
    FILE *file = fopen("/proc/net/unix", "re");
    bool found = false;
    unsigned long number;
    if (file == NULL) return false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = sscanf(line, "%*s %*x %*x %*x %*x %*x %lu", &number) == 1 && number == inode;
    ck_assert_int_eq(fclose(file), 0);
    return found;
}

static void wait_for_end_of(ino_t inode) {
    int64_t give_up_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (socket_is_there(inode)) {
        ck_assert_msg(test_now_ns() < give_up_ns, "socket %lu stays", (unsigned long)inode);
        int ends[2]; /* closing one is when the kernel looks for loops */
        test_socket_pair(ends);
        close_both(ends);
        sleep_ns(1000000);
    }
}

/* A socket that is on its way to itself keeps itself open: the kernel finds that out by itself, if
 * nothing here keeps a descriptor of it. */
START_TEST(sockets_that_hold_each_other_are_freed) {
    for (unsigned unread = 0; unread < 2; unread++) {
        eddy_loop *loop = test_loop_open();
        struct taker taker;
        struct end sender;
        eddy_pass passes[2];
        int before = descriptors_open(256);
        ck_assert(taker_open(&taker, &sender, loop, 0));
        int ends[2] = {eddy_stream_fd(&sender.stream), eddy_stream_fd(&taker.end.stream)};
        ino_t inodes[2] = {inode_of(ends[0]), inode_of(ends[1])};
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(
                eddy_pass_write(&sender.stream, &passes[i], "x", 1, ends, 2, end_on_written), 0);
        turn_until_written(loop, &sender, 2);
        if (unread == 0) taker_read(&taker);
        if (unread == 0) test_turn_until(loop, &taker.any);
        taker_close(&taker);
        end_close(&sender);
        ck_assert_int_eq(descriptors_open(256), before);
        for (int i = 0; i < 2; i++) wait_for_end_of(inodes[i]);
        test_loop_close(loop);
    }
}
END_TEST

/* It arrives though its listener is closed by then, and back on its way over a connection that it
 * has made itself it does not outlive that. */
START_TEST(a_listening_socket_goes_over_its_own_connection) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    struct taker taker = {.room = CARGO_MAX};
    struct end client;
    eddy_pass pass;
    local_place_make(&place);
    ck_assert_int_eq(local_listen(&server, loop, &place, 0), 0);
    ck_assert_int_eq(local_connect(&client, loop, &place, 0, 0), 0);
    ck_assert_int_eq(local_outcome(&client), 0);
    test_turn_until(loop, &server.any);
    end_init(&taker.end, loop);
    ck_assert_int_eq(eddy_stream_attach(&taker.end.stream, server.accepted[0]), 0);
    server.count = 0;
    int listening = eddy_listener_fd(&server.listener);
    ino_t inode = inode_of(listening);
    ck_assert_int_eq(eddy_pass_write(&client.stream, &pass, "x", 1, &listening, 1, end_on_written),
                     0);
    turn_until_written(loop, &client, 1);
    local_server_close(&server);
    taker_read(&taker);
    test_turn_until(loop, &taker.any);
    ck_assert_uint_eq(taker.count, 1);
    ck_assert_uint_eq(inode_of(taker.fds[0]), inode);
    ck_assert_int_eq(
        eddy_pass_write(&client.stream, &pass, "x", 1, &taker.fds[0], 1, end_on_written), 0);
    turn_until_written(loop, &client, 2);
    taker_close(&taker);
    end_close(&client);
    wait_for_end_of(inode);
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("regress pass");
    ck_add(suite, "sending", a_write_in_many_parts_sends_its_descriptors_once,
           what_was_given_goes_though_its_number_is_used_again,
           a_descriptor_without_a_byte_is_refused, one_that_is_not_open_keeps_the_others_back,
           too_many_on_their_way_fail_one_write);
    ck_add(suite, "receiving", what_the_limit_cuts_is_told_and_nothing_leaks);
    ck_add(suite, "loops", sockets_that_hold_each_other_are_freed,
           a_listening_socket_goes_over_its_own_connection);
    return suite;
}
