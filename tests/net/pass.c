/* pass.c: descriptors that go with the bytes of local sockets. */
#include "pass_net.h"

#include <pthread.h>

static const unsigned kinds[] = {0, EDDY_SEQPACKET};
enum { KINDS = 2 };

/* --- Sending and taking --- */

/* The sender may close its own right away: what is sent was duplicated. */
static void check_pipe_passes(unsigned options) {
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender;
    eddy_pass pass;
    int ends[2];
    char byte;
    test_pipe(ends);
    if (taker_open(&taker, &sender, loop, options)) {
        taker_read(&taker);
        ck_assert_int_eq(
            eddy_pass_write(&sender.stream, &pass, "abc", 3, &ends[0], 1, end_on_written), 0);
        ck_assert_uint_eq(eddy_stream_queued(&sender.stream), 3);
        ck_assert_int_eq(close(ends[0]), 0);
        test_turn_until(loop, &taker.any);
        turn_until_written(loop, &sender, 1);
        ck_assert_int_eq(sender.status, 0);
        ck_assert_uint_eq(taker.end.received, 3);
        ck_assert_uint_eq(taker.count, 1);
        ck_assert_int_eq(write(ends[1], "x", 1), 1);
        ck_assert_int_eq(read(taker.fds[0], &byte, 1), 1);
        ck_assert_int_eq(eddy_pass_take(&taker.end.stream), -EAGAIN);
        taker_close(&taker);
        end_close(&sender);
        ck_assert(pipe_is_dead(ends[1]));
        close(ends[1]);
    } else {
        close_both(ends);
    }
    test_loop_close(loop);
}

START_TEST(a_descriptor_comes_with_its_bytes) {
    for (int i = 0; i < KINDS; i++) check_pipe_passes(kinds[i]);
}
END_TEST

/* Any kind, in their order, as many as the system lets go at once. */
START_TEST(all_of_a_write_come_in_order) {
    static const unsigned counts[] = {1, EDDY_PASS_FEW, EDDY_PASS_FEW + 1, EDDY_PASS_MAX};
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender;
    eddy_pass passes[4];
    int fds[EDDY_PASS_MAX], ends[2], tcp[2];
    struct stat sent, got;
    test_pipe(ends);
    tcp_pair(tcp);
    ck_assert_int_ge(descriptors_allow(1024), 1024);
    ck_assert(taker_open(&taker, &sender, loop, 0));
    fds[0] = tcp[0];
    fds[1] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fds[2] = eddy_stream_fd(&sender.stream);
    for (unsigned i = 3; i < EDDY_PASS_MAX; i++) fds[i] = ends[i % 2];
    taker_read(&taker);
    unsigned all = 0;
    for (unsigned k = 0; k < 4; k++) {
        ck_assert_int_eq(
            eddy_pass_write(&sender.stream, &passes[k], "x", 1, fds, counts[k], end_on_written), 0);
        all += counts[k];
    }
    taker.wanted = 4;
    test_turn_until(loop, &taker.enough);
    ck_assert_uint_eq(taker.pieces, 4);
    ck_assert_uint_eq(taker.count, all);
    const int *at = taker.fds;
    for (unsigned k = 0; k < 4; k++) {
        for (unsigned i = 0; i < counts[k]; i++, at++) {
            ck_assert_int_eq(fstat(fds[i], &sent), 0);
            ck_assert_int_eq(fstat(*at, &got), 0);
            if (sent.st_ino != got.st_ino || sent.st_dev != got.st_dev)
                ck_abort_msg("%u of %u is another file", i, counts[k]);
        }
    }
    taker_close(&taker);
    end_close(&sender);
    close(fds[1]);
    close_both(ends);
    close_both(tcp);
    test_loop_close(loop);
}
END_TEST

/* Bytes before it and behind it go without; it has its place among them. */
START_TEST(a_pass_keeps_its_place_in_the_queue) {
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender;
    eddy_write writes[4];
    eddy_pass passes[3];
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert(taker_open(&taker, &sender, loop, 0));
    eddy_stream *stream = &sender.stream;
    const char *text = "one two three four five six seven";
    uint64_t sum = sum_bytes(0, text, strlen(text));
    static const struct {
        unsigned size, fds;
    } parts[] = {{4, 0}, {4, 1}, {6, 0}, {5, 2}, {5, 3}, {4, 0}, {5, 0}};
    unsigned w = 0, p = 0;
    taker_read(&taker);
    for (unsigned i = 0; i < 7; i++, text += parts[i - 1].size) {
        int fds[3] = {fd, fd, fd}, err;
        if (parts[i].fds > 0)
            err = eddy_pass_write(stream, &passes[p++], text, parts[i].size, fds, parts[i].fds,
                                  end_on_written);
        else
            err = eddy_stream_write(stream, &writes[w++], text, parts[i].size, end_on_written);
        ck_assert_int_eq(err, 0);
    }
    taker.wanted = 33;
    test_turn_until(loop, &taker.enough);
    turn_until_written(loop, &sender, 7);
    ck_assert_uint_eq(taker.end.sum, sum);
    ck_assert_uint_eq(taker.count, 6);
    ck_assert_uint_eq(taker.pieces, 3);
    static const size_t firsts[] = {4, 14, 19};
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_le(taker.before[i], firsts[i]);
        ck_assert_uint_gt(taker.before[i] + taker.sizes[i], firsts[i]);
        if (i < 2) ck_assert_uint_le(taker.before[i] + taker.sizes[i], firsts[i + 1]);
    }
    taker_close(&taker);
    end_close(&sender);
    close(fd);
    test_loop_close(loop);
}
END_TEST

/* Of records each has its own, and those without stay without. */
START_TEST(records_have_their_own_descriptors) {
    eddy_loop *loop = test_loop_open();
    struct taker taker;
    struct end sender;
    eddy_pass passes[2];
    eddy_write write;
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fds[2] = {fd, fd};
    static char large[4 << 20];
    if (taker_open(&taker, &sender, loop, EDDY_SEQPACKET)) {
        eddy_stream *stream = &sender.stream;
        taker_read(&taker);
        ck_assert_int_eq(
            eddy_pass_write(stream, &passes[0], large, sizeof large, fds, 1, end_on_written), 0);
        turn_until_written(loop, &sender, 1);
        ck_assert_int_eq(sender.status, -EMSGSIZE);
        ck_assert_int_eq(eddy_pass_write(stream, &passes[0], "ab", 2, fds, 2, end_on_written), 0);
        ck_assert_int_eq(eddy_stream_write(stream, &write, "cde", 3, end_on_written), 0);
        ck_assert_int_eq(eddy_pass_write(stream, &passes[1], "f", 1, fds, 1, end_on_written), 0);
        taker.wanted = 6;
        test_turn_until(loop, &taker.enough);
        ck_assert_uint_eq(taker.end.reads, 3);
        ck_assert_uint_eq(taker.pieces, 2);
        ck_assert_uint_eq(taker.count, 3);
        ck_assert_uint_eq(taker.before[0], 0);
        ck_assert_uint_eq(taker.before[1], 5);
        taker_close(&taker);
        end_close(&sender);
    }
    close(fd);
    test_loop_close(loop);
}
END_TEST

/* Reading is as before for a stream that only sends descriptors: as much in a turn. */
START_TEST(who_only_sends_descriptors_reads_as_before) {
    enum { RECORDS = 40 };
    for (int i = 0; i < KINDS; i++) {
        eddy_loop *loop = test_loop_open();
        struct taker taker;
        struct end sender;
        static eddy_write writes[RECORDS];
        eddy_pass pass;
        char room[2];
        int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (taker_open(&taker, &sender, loop, kinds[i])) {
            ck_assert_int_eq(eddy_pass_write(&sender.stream, &pass, "x", 1, &fd, 1, end_on_written),
                             0);
            for (int k = 0; k < RECORDS; k++)
                ck_assert_int_eq(
                    eddy_stream_write(&taker.end.stream, &writes[k], "ab", 2, end_on_written), 0);
            turn_until_written(loop, &taker.end, RECORDS);
            turn_until_written(loop, &sender, 1);
            ck_assert_int_eq(eddy_stream_read_into(&sender.stream, room, sizeof room, end_on_read),
                             0);
            while (sender.received == 0) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
            ck_assert_uint_eq(sender.reads, RECORDS);
            taker_close(&taker);
            end_close(&sender);
        }
        close(fd);
        test_loop_close(loop);
    }
}
END_TEST

/* --- Between threads --- */

enum { LETTERS = 200 };

struct other_side {
    struct taker taker;
    eddy_loop *loop;
};

static void *take_all(void *argument) {
    struct other_side *it = argument;
    int64_t give_up_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (!it->taker.enough && test_now_ns() < give_up_ns)
        ck_assert_int_ge(test_run(it->loop, EDDY_RUN_NOWAIT), 0);
    return NULL;
}

/* Each end has a loop and a thread of its own. */
START_TEST(descriptors_go_to_another_threads_loop) {
    eddy_loop *loop = test_loop_open();
    struct other_side other = {.loop = test_loop_open()};
    struct end sender;
    static eddy_pass passes[LETTERS];
    pthread_t thread;
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    other.taker.room = CARGO_MAX;
    other.taker.wanted = LETTERS;
    end_init(&sender, loop);
    end_init(&other.taker.end, other.loop);
    ck_assert_int_ge(descriptors_allow(1024), 1024);
    ck_assert_int_eq(eddy_local_pair(&sender.stream, &other.taker.end.stream, 0), 0);
    taker_read(&other.taker);
    ck_assert_int_eq(pthread_create(&thread, NULL, take_all, &other), 0);
    for (unsigned i = 0; i < LETTERS; i++) {
        ck_assert_int_eq(
            eddy_pass_write(&sender.stream, &passes[i], "x", 1, &fd, 1, end_on_written), 0);
        if (i % 7 == 0) ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
    }
    turn_until_written(loop, &sender, LETTERS);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(other.taker.count, LETTERS);
    taker_close(&other.taker);
    end_close(&sender);
    close(fd);
    test_loop_close(other.loop);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("pass");
    ck_add(suite, "pass", a_descriptor_comes_with_its_bytes, all_of_a_write_come_in_order,
           a_pass_keeps_its_place_in_the_queue, records_have_their_own_descriptors,
           who_only_sends_descriptors_reads_as_before, descriptors_go_to_another_threads_loop);
    return suite;
}
