/* events.c: what a wait tells: clauses 1, 2, 3, 6 and 8 of platform/backend.h. */
#include "contract.h"

#include "os.h"
#include <pthread.h>
#include <time.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Clause 1. What is ready is told with each wait, and no longer once it is not. */
START_TEST(readable_is_told_until_it_is_drained) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    add(it, ends[0], EDDY_READ);
    ck_silent(it);
    put(ends[1], "x");
    for (int i = 0; i < 3; i++) ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
    drain(ends[0]);
    ck_silent(it);
    remove_fd(it, ends[0], EDDY_READ);
    tested_close(it);
    close_both(ends);
}
END_TEST

START_TEST(writable_is_told_until_it_is_full) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    add(it, ends[1], EDDY_WRITE);
    for (int i = 0; i < 3; i++) ck_assert_uint_eq(told(it, ends[1], -1), EDDY_WRITE);
    fill(ends[1]);
    ck_silent(it);
    drain(ends[0]);
    ck_assert_uint_eq(told(it, ends[1], -1), EDDY_WRITE);
    remove_fd(it, ends[1], EDDY_WRITE);
    tested_close(it);
    close_both(ends);
}
END_TEST

START_TEST(both_directions_are_told_in_one_wait) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    add(it, ends[0], BOTH);
    ck_assert_uint_eq(told(it, ends[0], -1), EDDY_WRITE);
    put(ends[1], "x");
    ck_assert_uint_eq(told(it, ends[0], -1), BOTH);
    remove_fd(it, ends[0], BOTH);
    tested_close(it);
    close_both(ends);
}
END_TEST

/* Every way from one set of events to another, several changes between two waits included. */
START_TEST(modify_changes_what_is_told) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    put(ends[1], "x");
    add(it, ends[0], EDDY_READ);
    for (unsigned from = 1; from <= BOTH; from++) {
        for (unsigned to = 1; to <= BOTH; to++) {
            modify(it, ends[0], EDDY_READ, from);
            ck_assert_uint_eq(told(it, ends[0], -1), from);
            modify(it, ends[0], from, to);
            ck_assert_uint_eq(told(it, ends[0], -1), to);
            modify(it, ends[0], to, from);
            modify(it, ends[0], from, BOTH);
            modify(it, ends[0], BOTH, to);
            ck_assert_uint_eq(told(it, ends[0], -1), to);
            modify(it, ends[0], to, EDDY_READ);
        }
    }
    remove_fd(it, ends[0], EDDY_READ);
    ck_silent(it);
    tested_close(it);
    close_both(ends);
}
END_TEST

/* Clause 6. */
START_TEST(records_carry_the_last_token_given) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    put(ends[1], "x");
    eddy_token last = token_of(ends[0], UINT32_MAX);
    add(it, ends[0], BOTH);
    ck_assert_int_eq(it->backend->modify(it->state, ends[0], BOTH, BOTH, last), 0);
    wait_once(it, RECORDS_MAX, -1);
    ck_assert_uint_eq(told_token(it, last), BOTH);
    ck_assert_uint_eq(told_token(it, token_of(ends[0], 1)), 0);
    remove_fd(it, ends[0], BOTH);
    ck_assert_int_eq(it->backend->add(it->state, ends[0], EDDY_READ, token_of(ends[0], 7)), 0);
    wait_once(it, RECORDS_MAX, -1);
    ck_assert_int_eq(it->count, 1);
    ck_assert_uint_eq(told_token(it, token_of(ends[0], 7)), EDDY_READ);
    remove_fd(it, ends[0], EDDY_READ);
    tested_close(it);
    close_both(ends);
}
END_TEST

/* Clause 3. A hang-up wakes whoever waits, whichever direction it waits for. */
START_TEST(hangup_makes_a_reader_readable) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    add(it, ends[0], EDDY_READ);
    close(ends[1]);
    for (int i = 0; i < 2; i++) ck_assert_uint_ne(told(it, ends[0], -1) & EDDY_READ, 0);
    remove_fd(it, ends[0], EDDY_READ);
    ck_silent(it); /* clause 2: not even a hang-up comes of what is not registered */
    tested_close(it);
    close(ends[0]);
}
END_TEST

START_TEST(error_makes_a_blocked_writer_writable) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    fill(ends[1]);
    add(it, ends[1], EDDY_WRITE);
    ck_silent(it);
    close(ends[0]);
    for (int i = 0; i < 2; i++) ck_assert_uint_ne(told(it, ends[1], -1) & EDDY_WRITE, 0);
    remove_fd(it, ends[1], EDDY_WRITE);
    ck_silent(it);
    tested_close(it);
    close(ends[1]);
}
END_TEST

/* A pipe whose reader is gone before it is added, which kqueue refuses with EPIPE. */
START_TEST(broken_pipe_can_be_added_and_is_writable) {
    struct tested *it = tested_open();
    int ends[2], other[2];
    test_pipe(ends);
    test_pipe(other);
    close(ends[0]);
    add(it, ends[1], EDDY_WRITE);
    for (int i = 0; i < 3; i++) ck_assert_uint_ne(told(it, ends[1], -1) & EDDY_WRITE, 0);
    /* Neither does it keep others from being told or changed, nor they it, however little room
     * there is. */
    add(it, other[0], EDDY_READ);
    put(other[1], "x");
    int others = 0, broken = 0;
    for (int i = 0; i < 8; i++) {
        wait_once(it, 1, -1);
        others += told_token(it, token_of(other[0], 1)) != 0;
        broken += told_token(it, token_of(ends[1], 1)) != 0;
    }
    ck_assert_int_ge(others, 2);
    ck_assert_int_ge(broken, 2);
    remove_fd(it, other[0], EDDY_READ);
    remove_fd(it, ends[1], EDDY_WRITE);
    ck_silent(it);
    tested_close(it);
    close_both(other);
    close(ends[1]);
}
END_TEST

/* Data first, then the end: a hang-up does not hide what can be read. */
START_TEST(hangup_comes_with_data_still_to_read) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    add(it, ends[0], EDDY_READ);
    put(ends[1], "data");
    close(ends[1]);
    ck_assert_uint_ne(told(it, ends[0], -1) & EDDY_READ, 0);
    char data[8];
    ck_assert_int_eq(read(ends[0], data, sizeof data), 4);
    ck_assert_uint_ne(told(it, ends[0], -1) & EDDY_READ, 0);
    ck_assert_int_eq(read(ends[0], data, sizeof data), 0);
    remove_fd(it, ends[0], EDDY_READ);
    tested_close(it);
    close(ends[0]);
}
END_TEST

/* A connected pair of TCP sockets over loopback. */
static void tcp_pair(int ends[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&address, length), 0);
    ends[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(ends[1], 0);
    close(listener);
    for (int i = 0; i < 2; i++) ck_assert_int_eq(fcntl(ends[i], F_SETFL, O_NONBLOCK), 0);
}

static void reset(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
}

/* The error itself stays in the socket for the read or write call. */
START_TEST(reset_connection_is_told_in_every_direction_asked_for) {
    for (unsigned events = 1; events <= BOTH; events++) {
        struct tested *it = tested_open();
        int ends[2];
        tcp_pair(ends);
        fill(ends[0]);
        add(it, ends[0], events);
        ck_silent(it);
        reset(ends[1]);
        /* Both directions may take their time one by one, but a record of an error is of both. */
        unsigned all = 0;
        for (int i = 0; i < 100 && (all & events) != events; i++) {
            wait_once(it, 1, 100 * MS);
            unsigned now = told_token(it, token_of(ends[0], 1));
            if (now & EDDY_ERROR) ck_assert_uint_eq(now & events, events);
            all |= now;
        }
        ck_assert_uint_eq(all & events, events);
        char data[8];
        ck_assert_int_eq(read(ends[0], data, sizeof data), -1);
        ck_assert_int_eq(errno, ECONNRESET);
        remove_fd(it, ends[0], events);
        ck_silent(it);
        tested_close(it);
        close(ends[0]);
    }
}
END_TEST

/* Clause 3. Bytes are not what was asked for; the end is, and may be told for as long as it lasts.
 */
START_TEST(hangup_that_was_asked_for_is_told_without_reading) {
    struct tested *it = tested_open();
    if (can(it, EDDY_CAN_HANGUP)) {
        int ends[2];
        test_socket_pair(ends);
        add(it, ends[0], EDDY_HANGUP);
        ck_silent(it);
        put(ends[1], "x");
        ck_silent(it);
        modify(it, ends[0], EDDY_HANGUP, EDDY_READ);
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
        modify(it, ends[0], EDDY_READ, EDDY_HANGUP);
        ck_silent(it);
        ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
        ck_assert_uint_eq(told(it, ends[0], -1) & ~(unsigned)EDDY_READ, EDDY_HANGUP);
        modify(it, ends[0], EDDY_HANGUP, BOTH | EDDY_HANGUP);
        ck_assert_uint_eq(told(it, ends[0], -1), BOTH | EDDY_HANGUP);
        modify(it, ends[0], BOTH | EDDY_HANGUP, EDDY_WRITE);
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_WRITE);
        remove_fd(it, ends[0], EDDY_WRITE);
        ck_silent(it);
        close_both(ends);
    }
    tested_close(it);
}
END_TEST

/* Clauses 1 and 2. What was not asked for neither tells anything nor ends a wait: the other side
 * sends no more, which does not make room. And then it reads. */
START_TEST(a_full_writer_waits_though_its_reader_sends_no_more) {
    static const unsigned modes[] = {0, EDDY_EDGE, EDDY_ONESHOT};
    struct tested *it = tested_open();
    bool can_both = can(it, EDDY_CAN_EDGE) && can(it, EDDY_CAN_ONESHOT);
    for (int i = 0; i < (can_both ? 3 : 1); i++) {
        unsigned wanted = EDDY_WRITE | modes[i];
        int ends[2];
        test_socket_pair(ends);
        fill(ends[0]);
        if (i > 0) add(it, ends[0], wanted);
        shutdown(ends[1], SHUT_WR);
        if (i == 0) add(it, ends[0], wanted);
        ck_silent(it);
        int64_t start_ns = test_now_ns();
        ck_assert_int_eq(wait_once(it, RECORDS_MAX, 5 * MS), 0);
        ck_assert_int_ge(test_now_ns() - start_ns, 5 * MS);
        for (int turn = 0; turn < 3; turn++) {
            drain(ends[1]);
            ck_assert_uint_eq(told(it, ends[0], -1), EDDY_WRITE);
            if (i == 0) ck_assert_uint_eq(told(it, ends[0], -1), EDDY_WRITE);
            fill(ends[0]);
            ck_silent(it);
            if (i > 0) modify(it, ends[0], wanted, wanted);
        }
        remove_fd(it, ends[0], wanted);
        close_both(ends);
    }
    tested_close(it);
}
END_TEST

static void *drain_later(void *fd) {
    const struct timespec while_it_waits = {.tv_nsec = 2000000};
    nanosleep(&while_it_waits, NULL);
    drain(*(const int *)fd);
    return NULL;
}

/* The same once: told, it is silent, whatever goes on. */
START_TEST(a_full_writer_is_told_once_that_there_is_room) {
    struct tested *it = tested_open();
    unsigned once = EDDY_WRITE | EDDY_ONESHOT;
    int ends[2];
    test_socket_pair(ends);
    if (can(it, EDDY_CAN_ONESHOT)) {
        fill(ends[0]);
        ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
        add(it, ends[0], once);
        wait_once(it, RECORDS_MAX, 0); /* the news that it sends no more */
        ck_silent(it);
        drain(ends[1]);
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_WRITE);
        ck_silent(it);
        pthread_t thread;
        fill(ends[0]);
        ck_assert_int_eq(pthread_create(&thread, NULL, drain_later, &ends[1]), 0);
        ck_assert_int_eq(wait_once(it, RECORDS_MAX, 10 * MS), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_silent(it);
        remove_fd(it, ends[0], once);
    }
    close_both(ends);
    tested_close(it);
}
END_TEST

START_TEST(edge_is_told_once_per_arrival) {
    struct tested *it = tested_open();
    if (can(it, EDDY_CAN_EDGE)) {
        int ends[2];
        test_socket_pair(ends);
        const unsigned edge = EDDY_READ | EDDY_EDGE;
        add(it, ends[0], edge);
        put(ends[1], "x");
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
        ck_silent(it); /* although nothing was read */
        put(ends[1], "x");
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
        ck_silent(it);
        modify(it, ends[0], edge, edge); /* looks again, and it is still ready */
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
        ck_silent(it);
        close(ends[1]);
        ck_assert_uint_ne(told(it, ends[0], -1) & EDDY_READ, 0);
        remove_fd(it, ends[0], edge);
        ck_silent(it);
        close(ends[0]);
    }
    tested_close(it);
}
END_TEST

START_TEST(edges_of_both_directions_are_apart) {
    struct tested *it = tested_open();
    if (can(it, EDDY_CAN_EDGE)) {
        int ends[2];
        test_socket_pair(ends);
        add(it, ends[0], BOTH | EDDY_EDGE);
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_WRITE);
        ck_silent(it);
        fill(ends[0]);
        put(ends[1], "x");
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
        ck_silent(it);
        drain(ends[1]);
        ck_assert_uint_ne(told(it, ends[0], -1) & EDDY_WRITE, 0);
        remove_fd(it, ends[0], BOTH | EDDY_EDGE);
        close_both(ends);
    }
    tested_close(it);
}
END_TEST

/* One shot is one for both directions, and a hang-up does not get past it either. */
START_TEST(oneshot_is_silent_after_one_record_until_modify) {
    struct tested *it = tested_open();
    if (can(it, EDDY_CAN_ONESHOT)) {
        int ends[2];
        test_socket_pair(ends);
        const unsigned once = BOTH | EDDY_ONESHOT;
        fill(ends[0]);
        add(it, ends[0], once);
        ck_silent(it);
        put(ends[1], "x");
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
        ck_silent(it);
        drain(ends[1]);
        ck_silent(it); /* it can be written now, but it is disarmed */
        modify(it, ends[0], once, once);
        ck_assert_uint_eq(told(it, ends[0], -1), BOTH);
        ck_silent(it);
        close(ends[1]);
        ck_silent(it);
        modify(it, ends[0], once, once);
        ck_assert_uint_ne(told(it, ends[0], -1) & EDDY_READ, 0);
        ck_silent(it);
        remove_fd(it, ends[0], once);
        close(ends[0]);
    }
    tested_close(it);
}
END_TEST

START_TEST(fired_oneshot_can_be_removed_and_added) {
    struct tested *it = tested_open();
    if (can(it, EDDY_CAN_ONESHOT)) {
        int ends[2];
        test_socket_pair(ends);
        put(ends[1], "x");
        for (int i = 0; i < 3; i++) {
            add(it, ends[0], BOTH | EDDY_ONESHOT);
            ck_assert_uint_eq(told(it, ends[0], -1), BOTH);
            remove_fd(it, ends[0], BOTH | EDDY_ONESHOT);
            ck_silent(it);
        }
        close_both(ends);
    }
    tested_close(it);
}
END_TEST

START_TEST(modify_moves_between_level_edge_and_oneshot) {
    struct tested *it = tested_open();
    const unsigned both_modes = EDDY_CAN_EDGE | EDDY_CAN_ONESHOT;
    if ((it->backend->capabilities & both_modes) == both_modes) {
        int ends[2];
        test_socket_pair(ends);
        put(ends[1], "x");
        const unsigned modes[] = {0, EDDY_EDGE, EDDY_ONESHOT, EDDY_EDGE | EDDY_ONESHOT};
        unsigned now = BOTH;
        add(it, ends[0], now);
        for (unsigned i = 0; i < 16; i++) {
            unsigned next = BOTH | modes[i % 4 ^ i / 4];
            modify(it, ends[0], now, next);
            now = next;
            ck_assert_uint_eq(told(it, ends[0], -1), BOTH);
            if (now == BOTH)
                ck_assert_uint_eq(told(it, ends[0], -1), BOTH);
            else
                ck_silent(it);
        }
        remove_fd(it, ends[0], now);
        close_both(ends);
    }
    tested_close(it);
}
END_TEST

/* --- Clause 8: what lets a loop sleep on a wake-up that it has not read back --- */

enum { WRITES = 2000 };

/* Whether each write is told once, by an edge, though nobody reads: it is so of all or of none. */
static bool tells_each_write(struct tested *it, int fd, int written_fd, size_t size) {
    static const uint64_t one = 1;
    int said = 0;
    add(it, fd, EDDY_READ | EDDY_EDGE);
    ck_assert_int_eq(wait_once(it, RECORDS_MAX, 0), 0);
    for (int i = 0; i < WRITES; i++) {
        ck_assert_int_eq(eddy_os_write(written_fd, &one, size), (ssize_t)size);
        unsigned events = told(it, fd, 0);
        if (i == 0) ck_assert_uint_eq(events, EDDY_READ); /* nothing lay before it */
        if (events != 0) ck_assert_uint_eq(events, EDDY_READ);
        said += events != 0;
        ck_assert_int_eq(wait_once(it, RECORDS_MAX, 0), 0);
    }
    remove_fd(it, fd, EDDY_READ | EDDY_EDGE);
    ck_assert_msg(said == WRITES || said == 1, "%d of %d writes were told", said, WRITES);
    return said == WRITES;
}

START_TEST(each_write_to_an_eventfd_is_told_though_nobody_reads) {
    struct tested *it = tested_open();
    uint64_t number = 0;
    int fd = eddy_os_eventfd();
    bool has_none = getenv("EDDY_TEST_PLAIN") != NULL || !can(it, BACKEND_TELLS_EACH_WRITE);
    ck_assert(fd >= 0 || (has_none && fd == -ENOSYS));
    if (can(it, BACKEND_TELLS_EACH_WRITE) && fd >= 0) {
        ck_assert(tells_each_write(it, fd, fd, sizeof number));
        ck_assert_int_eq(eddy_os_read(fd, &number, sizeof number), sizeof number);
        ck_assert_uint_eq(number, WRITES);
        ck_assert_int_eq(eddy_os_read(fd, &number, sizeof number), -EAGAIN);
    }
    if (fd >= 0) eddy_os_close(fd);
    tested_close(it);
}
END_TEST

/* Linux tells a pipe's as well, but not from 5.5 to 5.13: there the loop has to read
 * (tests/regress/inbox.c). */
START_TEST(each_write_to_a_pipe_is_told_or_none_but_the_first) {
    struct tested *it = tested_open();
    if (can(it, BACKEND_TELLS_EACH_WRITE)) {
        int ends[2];
        ck_assert_int_eq(eddy_os_pipe(ends), 0);
        (void)tells_each_write(it, ends[0], ends[1], 1);
        eddy_os_close(ends[0]);
        eddy_os_close(ends[1]);
    }
    tested_close(it);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("contract/events");
    ck_add(suite, "level", readable_is_told_until_it_is_drained, writable_is_told_until_it_is_full,
           both_directions_are_told_in_one_wait, modify_changes_what_is_told,
           records_carry_the_last_token_given);
    ck_add(suite, "hang-up and error", hangup_makes_a_reader_readable,
           error_makes_a_blocked_writer_writable, broken_pipe_can_be_added_and_is_writable,
           hangup_comes_with_data_still_to_read,
           reset_connection_is_told_in_every_direction_asked_for,
           a_full_writer_waits_though_its_reader_sends_no_more,
           a_full_writer_is_told_once_that_there_is_room,
           hangup_that_was_asked_for_is_told_without_reading);
    ck_add(suite, "edge and one-shot", edge_is_told_once_per_arrival,
           edges_of_both_directions_are_apart, oneshot_is_silent_after_one_record_until_modify,
           fired_oneshot_can_be_removed_and_added, modify_moves_between_level_edge_and_oneshot,
           each_write_to_an_eventfd_is_told_though_nobody_reads,
           each_write_to_a_pipe_is_told_or_none_but_the_first);
    return suite;
}
