/* send.c: a file's bytes into a socket: as many as it takes, and nothing else is held up. */
#include "files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

enum { BYTES = 200 * 1024 };

static char data[BYTES], back[BYTES + 1];

static int create_pattern(struct place *place) {
    for (int i = 0; i < BYTES; i++) data[i] = (char)(i * 7 + i / 251);
    return create(place, "a", data, BYTES);
}

/* Receives until nothing more is there. */
static int64_t receive(int fd, char *bytes, size_t size) {
    size_t got = 0;
    while (got < size) {
        ssize_t part = recv(fd, bytes + got, size - got, MSG_DONTWAIT);
        if (part <= 0) break;
        got += (size_t)part;
    }
    return (int64_t)got;
}

static void end(struct place *place, int fd, int ends[2]) {
    close(fd);
    close(ends[0]);
    close(ends[1]);
    erase(place, "a");
    place_close(place);
}

/* From any offset, and in pieces as long as the socket has room; the file's position stays. */
START_TEST(what_the_socket_takes_is_sent) {
    struct place place = place_open(_i);
    int ends[2], fd = create_pattern(&place), pieces = 0;
    test_socket_pair(ends);
    ck_assert_int_eq(lseek(fd, 77, SEEK_SET), 77);
    for (int64_t at = 3; at < BYTES; pieces++) {
        int64_t sent = WAIT(&place, eddy_file_send, ends[1], fd, at, BYTES - at);
        ck_assert_int_gt(sent, 0);
        ck_assert_int_eq(receive(ends[0], back, sizeof back), sent);
        ck_assert(memcmp(back, data + at, (size_t)sent) == 0);
        at += sent;
    }
    ck_assert_int_gt(pieces, 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 77);
    end(&place, fd, ends);
}
END_TEST

START_TEST(a_full_socket_is_not_waited_for) {
    struct place place = place_open(_i);
    int ends[2], fd = create_pattern(&place);
    int64_t sent;
    test_socket_pair(ends);
    do {
        sent = WAIT(&place, eddy_file_send, ends[1], fd, 0, BYTES);
        ck_assert(sent > 0 || sent == -EAGAIN);
    } while (sent > 0);
    ck_assert_int_gt(receive(ends[0], back, 10000), 0);
    while (receive(ends[0], back, sizeof back) > 0) continue;
    ck_assert_int_gt(WAIT(&place, eddy_file_send, ends[1], fd, 0, BYTES), 0);
    end(&place, fd, ends);
}
END_TEST

/* Fewer at the end of the file, and none behind it; none is none anywhere. */
START_TEST(the_end_of_the_file_is_told) {
    struct place place = place_open(_i);
    int ends[2], fd = create_pattern(&place);
    test_socket_pair(ends);
    ck_assert_int_eq(WAIT(&place, eddy_file_send, ends[1], fd, BYTES - 10, 100), 10);
    ck_assert_int_eq(WAIT(&place, eddy_file_send, ends[1], fd, BYTES, 100), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_send, ends[1], fd, (int64_t)5 << 32, 100), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_send, ends[1], fd, 0, 0), 0);
    ck_assert_int_eq(receive(ends[0], back, sizeof back), 10);
    ck_assert(memcmp(back, data + BYTES - 10, 10) == 0);
    end(&place, fd, ends);
}
END_TEST

START_TEST(offsets_past_4_gib_are_sent_from) {
    struct place place = place_open(_i);
    static const int64_t at = ((int64_t)5 << 30) - 4;
    int ends[2], fd = create(&place, "a", "", 0);
    test_socket_pair(ends);
    ck_assert_int_eq(pwrite(fd, "last", 4, (off_t)at), 4);
    ck_assert_int_eq(WAIT(&place, eddy_file_send, ends[1], fd, at - 4, 100), 8);
    ck_assert_int_eq(receive(ends[0], back, sizeof back), 8);
    ck_assert_mem_eq(back, "\0\0\0\0last", 8);
    /* More at once than any system takes. */
    ck_assert_int_gt(WAIT(&place, eddy_file_send, ends[1], fd, 0, at), 0);
    end(&place, fd, ends);
}
END_TEST

/* The process lives, though nobody has changed what SIGPIPE does. */
START_TEST(a_peer_that_has_left_is_told_without_a_signal) {
    struct place place = place_open(_i);
    int ends[2], fd = create_pattern(&place);
    sigset_t pending;
    signal(SIGPIPE, SIG_DFL);
    test_socket_pair(ends);
    close(ends[0]);
    ck_assert_int_eq(WAIT(&place, eddy_file_send, ends[1], fd, 0, 100), -EPIPE);
    ck_assert_int_eq(WAIT(&place, eddy_file_send, ends[1], fd, 0, BYTES), -EPIPE);
    ck_assert_int_eq(sigpending(&pending), 0);
    ck_assert_int_eq(sigismember(&pending, SIGPIPE), 0);
    ends[0] = dup(fd);
    end(&place, fd, ends);
}
END_TEST

/* Over TCP the first bytes are taken, and their reset is what the next ones meet, in one call. */
START_TEST(a_peer_that_leaves_gives_no_signal_either) {
    struct place place = place_open(_i);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int ends[2], fd = create_pattern(&place), listener = socket(AF_INET, SOCK_STREAM, 0);
    sigset_t pending;
    signal(SIGPIPE, SIG_DFL);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(ends[1], (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    ends[0] = accept(listener, NULL, NULL);
    close(ends[0]);
    ends[0] = listener;
    (void)WAIT(&place, eddy_file_send, ends[1], fd, 0, BYTES);
    int64_t sent = WAIT(&place, eddy_file_send, ends[1], fd, 0, BYTES);
    ck_assert_msg(sent == -EPIPE || sent == -ECONNRESET, "sent %lld", (long long)sent);
    ck_assert_int_eq(sigpending(&pending), 0);
    ck_assert_int_eq(sigismember(&pending, SIGPIPE), 0);
    end(&place, fd, ends);
}
END_TEST

/* It would hold up whoever sends, be it a thread of the pool. */
START_TEST(a_socket_that_blocks_is_refused) {
    struct place place = place_open(_i);
    int ends[2], fd = create_pattern(&place);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_send, ends[1], fd, 0, 100), -EINVAL);
    end(&place, fd, ends);
}
END_TEST

START_TEST(a_send_says_what_is_wrong) {
    struct place place = place_open(_i);
    int ends[2], fd = create_pattern(&place);
    struct request it = {.done = false};
    test_socket_pair(ends);
    ck_assert_int_eq(eddy_file_send(place.loop, &it.file, ends[1], fd, -1, 1, request_done),
                     -EINVAL);
    ck_assert_int_eq(eddy_file_send(place.loop, &it.file, ends[1], fd, 0, -1, request_done),
                     -EINVAL);
    ck_assert_int_eq(eddy_file_send(place.loop, &it.file, ends[1], fd, 2, INT64_MAX, request_done),
                     -EINVAL);
    ck_assert_int_eq(WAIT(&place, eddy_file_send, -1, fd, 0, 100), -EBADF);
    ck_assert_int_eq(WAIT(&place, eddy_file_send, 12345, fd, 0, 100), -EBADF);
    ck_assert_int_eq(WAIT(&place, eddy_file_send, ends[1], 12345, 0, 100), -EBADF);
    ck_assert_int_lt(WAIT(&place, eddy_file_send, ends[1], place.dir, 0, 100), 0);
    ck_assert_int_lt(WAIT(&place, eddy_file_send, ends[1], ends[0], 0, 100), 0);
    ck_assert_int_eq(receive(ends[0], back, sizeof back), 0);
    end(&place, fd, ends);
}
END_TEST

/* Files that have no pages to pass on are read and sent. */
START_TEST(a_file_that_is_made_up_as_it_is_read_is_sent) {
    struct place place = place_open(_i);
    int ends[2], fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    test_socket_pair(ends);
    if (fd >= 0) {
        ck_assert_int_gt(WAIT(&place, eddy_file_send, ends[1], fd, 0, 5), 0);
        ck_assert_int_gt(receive(ends[0], back, sizeof back), 0);
        ck_assert_mem_eq(back, "Name:", 5);
    }
    close(create_pattern(&place));
    end(&place, fd, ends);
}
END_TEST

/* Whether this kernel, and this file system, tell what is in memory. */
static bool is_told(struct place *place, int fd) {
    uint64_t before = loop_metrics(place->loop).file_hits;
    ck_assert_int_eq(WAIT(place, eddy_file_read, fd, back, 1, 0), 1);
    if (loop_metrics(place->loop).file_hits == before) return false;
#if defined __linux__ && defined SYS_openat2
    const long cachestat = SYS_openat2 - 437 + 451; /* older headers have no name for it */
    uint64_t range[2] = {0, 1}, pages[5];
    return syscall(cachestat, fd, range, pages, 0L) == 0;
#else
    return false;
#endif
}

/* What is in memory takes no thread, where that is told. */
START_TEST(cached_bytes_take_no_thread) {
    struct place place = place_open(1);
    int ends[2], fd = create_pattern(&place);
    test_socket_pair(ends);
    bool is_certain = is_told(&place, fd); /* else they may be read at once, and sent */
    eddy_metrics before = loop_metrics(place.loop);
    ck_assert_int_gt(WAIT(&place, eddy_file_send, ends[1], fd, 0, 60000), 0);
    eddy_metrics after = loop_metrics(place.loop);
    ck_assert_uint_eq(after.file_attempts, before.file_attempts + 1);
    ck_assert_uint_ge(after.file_hits, before.file_hits + is_certain);
    end(&place, fd, ends);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("send");
    files_add(suite, "bytes", what_the_socket_takes_is_sent, a_full_socket_is_not_waited_for,
              the_end_of_the_file_is_told, offsets_past_4_gib_are_sent_from,
              a_file_that_is_made_up_as_it_is_read_is_sent);
    files_add(suite, "errors", a_peer_that_has_left_is_told_without_a_signal,
              a_peer_that_leaves_gives_no_signal_either, a_socket_that_blocks_is_refused,
              a_send_says_what_is_wrong);
    ck_add(suite, "attempt", cached_bytes_take_no_thread);
    return suite;
}
