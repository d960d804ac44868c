/* reader_ends.c: how requests of a reader end without an answer: the other side, the owner, time.
 */
#include "talk.h"

/* --- The end --- */

START_TEST(end_between_requests_is_told_apart_from_one_within) {
    for (int within = 0; within < 2; within++) {
        struct talk talk;
        talk_open(&talk);
        talk_begin(&talk, "4");
        talk_text(&talk, within ? "abcdef" : "abcd");
        talk_end(&talk);
        ck_assert_str_eq(talk.said, within ? "[abcd]end[ef]" : "[abcd]end[]");
        ck_assert_int_eq(talk.status, -EPIPE);
        /* What there is stays, and so does the end. */
        talk.failed = false;
        talk_begin(&talk, "2");
        test_turn_until(talk.loop, &talk.failed);
        ck_assert_str_eq(talk.said, within ? "[abcd]end[ef][ef]end[]" : "[abcd]end[]end[]");
        talk_close(&talk);
    }
}
END_TEST

START_TEST(reset_is_told_with_what_there_was) {
    struct talk talk;
    int ends[2];
    memset(&talk, 0, sizeof talk);
    talk.loop = test_loop_open();
    tcp_pair(ends);
    talk.peer = ends[1];
    talk.delimiter = "\n";
    eddy_reader_init(&talk.reader, talk.loop, talk.buffer, ROOM);
    ck_assert_int_eq(eddy_stream_attach(&talk.reader.stream, ends[0]), 0);
    talk_begin(&talk, "u");
    talk_text(&talk, "half");
    while (talk.reader.end < 4) talk_turn(&talk);
    reset_plain(talk.peer);
    talk.peer = -1;
    test_turn_until(talk.loop, &talk.failed);
    ck_assert_int_eq(talk.status, -ECONNRESET);
    ck_assert_str_eq(talk.said, "error[half]");
    talk_close(&talk);
}
END_TEST

/* Who asks again whatever it is told must not keep the loop from turning. */
static void on_end_again(eddy_reader *reader, int status, void *data, size_t size) {
    struct talk *talk = talk_of(reader);
    (void)data, (void)size;
    ck_assert_int_eq(status, -EPIPE);
    talk->answers++;
    ck_assert_int_eq(eddy_reader_some(reader, on_end_again), 0);
}

static void on_full_again(eddy_reader *reader, int status, void *data, size_t size) {
    (void)data, (void)size;
    ck_assert_int_eq(status, -EMSGSIZE);
    talk_of(reader)->answers++;
    ck_assert_int_eq(eddy_reader_until(reader, "\n", 1, on_full_again), 0);
}

START_TEST(asking_again_with_a_full_buffer_takes_a_turn) {
    struct talk talk;
    char text[ROOM];
    talk_open(&talk);
    memset(text, 'x', sizeof text);
    ck_assert_int_eq(eddy_reader_until(&talk.reader, "\n", 1, on_full_again), 0);
    talk_send(&talk, text, sizeof text);
    for (unsigned i = 0; i < 5; i++) {
        unsigned before = talk.answers;
        talk_turn(&talk); /* once when it was read, and once in phase 7 */
        ck_assert_uint_le(talk.answers - before, 2);
    }
    ck_assert_uint_ge(talk.answers, 5);
    talk_close(&talk);
}
END_TEST

START_TEST(asking_again_after_the_end_takes_a_turn) {
    struct talk talk;
    talk_open(&talk);
    ck_assert_int_eq(eddy_reader_some(&talk.reader, on_end_again), 0);
    close(talk.peer);
    talk.peer = -1;
    for (unsigned i = 0; i < 5; i++) {
        unsigned before = talk.answers;
        talk_turn(&talk);
        ck_assert_uint_le(talk.answers - before, 1);
    }
    ck_assert_uint_ge(talk.answers, 2);
    talk_close(&talk);
}
END_TEST

/* --- Callbacks that end it --- */

static void on_last(eddy_reader *reader, int status, void *data, size_t size) {
    struct talk *talk = talk_of(reader);
    talk_say(talk, status, data, size);
    talk->answers++;
    talk->told = true;
    switch (talk->script[0]) {
    case 'c':
        ck_assert_int_eq(eddy_reader_close(reader, talk_on_closed), 0);
        ck_assert_int_eq(eddy_reader_some(reader, on_last), -EINVAL);
        break;
    case 'x': /* by the stream's own function, with nothing asked for */
        ck_assert_int_eq(eddy_stream_close(&reader->stream, talk_on_closed), 0);
        break;
    case 'd':
        close(eddy_stream_detach(&reader->stream));
        ck_assert_int_eq(eddy_reader_some(reader, on_last), -ENOTCONN);
        break;
    case 's':
        ck_assert_int_eq(eddy_reader_some(reader, on_last), 0);
        eddy_reader_stop(reader);
        break;
    default: /* stopped, and then asked anew, in one callback */
        eddy_reader_stop(reader);
        if (talk->answers == 1) ck_assert_int_eq(eddy_reader_some(reader, on_last), 0);
        break;
    }
}

START_TEST(callback_may_close_detach_or_stop) {
    for (const char *way = "cxdsa"; *way != '\0'; way++) {
        for (int ends = 0; ends < 2; ends++) {
            struct talk talk;
            talk_open(&talk);
            talk.script = way;
            ck_assert_int_eq(eddy_reader_exactly(&talk.reader, 2, on_last), 0);
            talk_text(&talk, ends ? "a" : "abrest");
            if (ends) close(talk.peer);
            test_turn_until(talk.loop, &talk.told);
            for (int i = 0; i < 3; i++) talk_turn(&talk);
            ck_assert_uint_eq(talk.answers, *way == 'a' ? 2 : 1);
            ck_assert_str_eq(talk.said, *way == 'a' ? ends ? "end[a][a]" : "[ab][rest]"
                                        : ends      ? "end[a]"
                                                    : "[ab]");
            if (ends) talk.peer = -1;
            if (talk.closed) {
                if (talk.peer >= 0) close(talk.peer);
                test_loop_close(talk.loop);
            } else {
                talk_close(&talk);
            }
        }
    }
}
END_TEST

START_TEST(reader_is_its_owners_after_a_stop) {
    struct talk talk;
    talk_open(&talk);
    talk_begin(&talk, "u-");
    talk_text(&talk, "a\r\nb\r\n");
    test_turn_until(talk.loop, &talk.told);
    talk_begin(&talk, "u-"); /* phase 7 would look */
    ck_assert(eddy_is_active(&talk.reader.later.handle));
    eddy_reader_stop(&talk.reader);
    eddy_reader_stop(&talk.reader);
    ck_assert(!eddy_is_active(&talk.reader.later.handle));
    talk_turn(&talk);
    ck_assert_str_eq(talk.said, "[a\r\n]");
    void *rest;
    ck_assert_uint_eq(eddy_reader_rest(&talk.reader, &rest), 3);
    ck_assert_int_eq(memcmp(rest, "b\r\n", 3), 0);
    ck_assert_uint_eq(eddy_reader_rest(&talk.reader, &rest), 0);
    talk_close(&talk);
}
END_TEST

START_TEST(stream_closed_before_phase_7_is_silent) {
    struct talk talk;
    talk_open(&talk);
    talk_begin(&talk, "u-");
    talk_text(&talk, "a\r\nb\r\n");
    test_turn_until(talk.loop, &talk.told);
    talk_begin(&talk, "u-");
    ck_assert_int_eq(eddy_stream_close(&talk.reader.stream, talk_on_closed), 0);
    test_turn_until(talk.loop, &talk.closed);
    ck_assert_str_eq(talk.said, "[a\r\n]");
    close(talk.peer);
    test_loop_close(talk.loop);
}
END_TEST

/* The protocol changes in the middle: what came early is the next one's, and all of it. */
START_TEST(rest_goes_to_who_reads_the_stream_next) {
    struct talk talk;
    struct end end;
    void *rest;
    talk_open(&talk);
    talk_begin(&talk, "u-");
    talk_text(&talk, "upgrade\r\nearly");
    test_turn_until(talk.loop, &talk.told);
    ck_assert_uint_eq(eddy_reader_rest(&talk.reader, &rest), 5);
    ck_assert_int_eq(memcmp(rest, "early", 5), 0);
    end_init(&end, talk.loop);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, eddy_stream_detach(&talk.reader.stream)), 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    talk_text(&talk, "late");
    close(talk.peer);
    talk.peer = -1;
    test_turn_until(talk.loop, &end.told);
    ck_assert_uint_eq(end.received, 4);
    end_close(&end);
    talk_close(&talk);
}
END_TEST

/* --- Deadlines --- */

static int slow_peer;

/* A peer that goes on sending has a deadline too. */
static void send_more(eddy_timer *timer) {
    (void)timer;
    ck_assert_int_eq((int)send(slow_peer, "x", 1, 0), 1);
}

START_TEST(bytes_do_not_push_the_deadline_away) {
    struct talk talk;
    eddy_timer timer;
    talk_open(&talk);
    slow_peer = talk.peer;
    talk_begin(&talk, "u");
    int64_t start_ns = test_now_ns();
    eddy_timer_init(&timer, talk.loop);
    ck_assert_int_eq(eddy_timer_start(&timer, send_more, 0, 20 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(eddy_reader_set_deadline(&talk.reader, 50 * EDDY_NS_PER_MS), 0);
    test_turn_until(talk.loop, &talk.failed);
    ck_assert_int_ge(test_now_ns() - start_ns, 50 * EDDY_NS_PER_MS);
    ck_assert_int_eq(talk.status, -ETIMEDOUT);
    ck_assert_uint_ge(talk.length, strlen("late[x]"));
    eddy_timer_stop(&timer);
    talk_close(&talk);
}
END_TEST

START_TEST(deadline_goes_with_its_request) {
    struct talk talk;
    talk_open(&talk);
    talk_begin(&talk, "u");
    ck_assert_int_eq(eddy_reader_set_deadline(&talk.reader, 20 * EDDY_NS_PER_MS), 0);
    talk_text(&talk, "in time\r\nand");
    test_turn_until(talk.loop, &talk.told);
    test_turn_for(talk.loop, 40 * EDDY_NS_PER_MS);
    ck_assert_str_eq(talk.said, "[in time\r\n]");
    ck_assert_int_eq(eddy_reader_set_deadline(&talk.reader, 20 * EDDY_NS_PER_MS), 0);
    ck_assert_int_eq(eddy_reader_set_deadline(&talk.reader, -1), 0);
    test_turn_for(talk.loop, 40 * EDDY_NS_PER_MS);
    ck_assert_uint_eq(talk.answers, 1);
    ck_assert_int_eq(eddy_reader_set_deadline(&talk.reader, 0), 0);
    test_turn_until(talk.loop, &talk.failed);
    ck_assert_str_eq(talk.said, "[in time\r\n]late[and]");
    /* Another request goes on where that one was. */
    talk_begin(&talk, "u");
    talk_text(&talk, " on\r\n");
    while (talk.answers < 3) talk_turn(&talk);
    ck_assert_str_eq(talk.said, "[in time\r\n]late[and][and on\r\n]");
    talk_close(&talk);
}
END_TEST

/* Set in the callback, and through several reads of pieces. */
START_TEST(deadline_lasts_through_pieces) {
    struct talk talk;
    talk_open(&talk);
    talk.delay_ns = 30 * EDDY_NS_PER_MS;
    talk_begin(&talk, "uu");
    talk_text(&talk, "1\r\n2");
    test_turn_until(talk.loop, &talk.told);
    talk_text(&talk, "3");
    test_turn_until(talk.loop, &talk.failed);
    ck_assert_str_eq(talk.said, "[1\r\n]late[23]");
    talk_close(&talk);
}
END_TEST

#ifdef F_SETPIPE_SZ
/* A read of a pipe of packets gives one, however much was asked for: so one request takes many. */
enum { IN_TIME = 40, SHARE = 2, MORE = 5, PACKET = 150, PIPE_BYTES = 1 << 19 };
static char sink[1 << 20];

static void on_sink(eddy_reader *reader, int status, void *data, size_t size) {
    struct talk *talk = talk_of(reader);
    (void)data;
    talk->told = true;
    talk->status = status;
    talk->length = size;
}

static bool packet_talk_open(struct talk *talk) {
    int ends[2];
    if (pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC) < 0) return false;
    if (fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < 0) { /* the user has too many */
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    memset(talk, 0, sizeof *talk);
    talk->loop = test_loop_open_with((eddy_loop_config){.stream_bytes_per_turn = SHARE * PACKET});
    talk->peer = ends[1];
    eddy_reader_init(&talk->reader, talk->loop, talk->buffer, ROOM);
    ck_assert_int_eq(eddy_stream_attach(&talk->reader.stream, ends[0]), 0);
    return true;
}

static void send_packets(const struct talk *talk, int count) {
    static const char packet[PACKET];
    for (; count > 0; count--) ck_assert_int_eq(write(talk->peer, packet, PACKET), PACKET);
}

/* A loop that is late by much more than its turn's share: what came in time is counted once, and
 * the count is kept through the pieces. So it is an answer, if it is enough; and a peer that goes
 * on sending, more than is read in a turn, does not put off the deadline for ever. */
START_TEST(late_loop_owes_what_came_in_time_and_no_more) {
    for (int is_enough = 0; is_enough < 2; is_enough++) {
        struct talk talk;
        unsigned turns = 0;
        if (!packet_talk_open(&talk)) return;
        size_t asked = is_enough ? IN_TIME * PACKET : sizeof sink;
        ck_assert_int_eq(eddy_reader_exactly_into(&talk.reader, sink, asked, on_sink), 0);
        ck_assert_int_eq(eddy_reader_set_deadline(&talk.reader, EDDY_NS_PER_MS), 0);
        send_packets(&talk, IN_TIME);
        int64_t end_ns = test_now_ns() + 5 * EDDY_NS_PER_MS;
        while (test_now_ns() < end_ns) continue;
        for (; !talk.told; turns++) {
            ck_assert_uint_lt(turns, 2 * IN_TIME / SHARE);
            talk_turn(&talk);
            if (!is_enough) send_packets(&talk, MORE);
        }
        ck_assert_int_eq(talk.status, is_enough ? 0 : -ETIMEDOUT);
        ck_assert_uint_ge(talk.length, IN_TIME * PACKET);
        ck_assert_uint_gt(turns, 1);
        talk_close(&talk);
    }
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("reader_ends");
    ck_add(suite, "end", end_between_requests_is_told_apart_from_one_within,
           reset_is_told_with_what_there_was, asking_again_after_the_end_takes_a_turn,
           asking_again_with_a_full_buffer_takes_a_turn);
    ck_add(suite, "owner", callback_may_close_detach_or_stop, reader_is_its_owners_after_a_stop,
           stream_closed_before_phase_7_is_silent, rest_goes_to_who_reads_the_stream_next);
    ck_add(suite, "deadline", bytes_do_not_push_the_deadline_away, deadline_goes_with_its_request,
           deadline_lasts_through_pieces);
#ifdef F_SETPIPE_SZ
    ck_add(suite, "count", late_loop_owes_what_came_in_time_and_no_more);
#endif
    return suite;
}
