/* reader.c: requests for so many bytes, or up to a delimiter: what they are answered. */
#include "talk.h"

/* --- Pieces --- */

/* Sends `text` in pieces that end where `cuts` has a bit, each read by itself, and then ends. */
static void hear_cut(struct talk *talk, const char *text, const char *script, unsigned cuts) {
    size_t length = strlen(text), from = 0;
    talk_begin(talk, script);
    for (size_t at = 1; at <= length; at++) {
        if (at < length && !(cuts >> (at - 1) & 1U)) continue;
        talk_send(talk, text + from, at - from);
        from = at;
        talk_turn(talk);
    }
    talk_end(talk);
}

static void same_for_all_cuts(const char *text, const char *script, const char *delimiter,
                              const char *expected) {
    for (unsigned cuts = 0; cuts < 1U << (strlen(text) - 1); cuts++) {
        struct talk talk;
        talk_open(&talk);
        talk.delimiter = delimiter;
        hear_cut(&talk, text, script, cuts);
        ck_assert_msg(strcmp(talk.said, expected) == 0, "cut %x: %s and not %s", cuts, talk.said,
                      expected);
        talk_close(&talk);
    }
}

START_TEST(answers_do_not_depend_on_the_pieces) {
    same_for_all_cuts("a\nbc\n\nd", "u", "\n", "[a\n][bc\n][\n]end[d]");
    same_for_all_cuts("a\r\n\r\r\n\n", "u", "\r\n", "[a\r\n][\r\r\n]end[\n]");
    same_for_all_cuts("aab.aaab", "u", "aab", "[aab][.aaab]end[]");
    same_for_all_cuts("\r\n\r\r\n\r\n", "u", "\r\n\r\n", "[\r\n\r\r\n\r\n]end[]");
    same_for_all_cuts("abcdefgh", "3021", "\n", "[abc][][de][f][g][h]end[]");
}
END_TEST

START_TEST(kinds_of_requests_may_follow_each_other) {
    same_for_all_cuts("5\nhello!x\n", "u5u", "\n", "[5\n][hello][!x\n]end[]");
    same_for_all_cuts("0123456789\n", "iu", "\n", "[0123456789][\n]end[]");
    same_for_all_cuts("x\n012345678", "uiu", "\n", "[x\n]end[012345678]");
}
END_TEST

/* Each byte is in an answer once, however the pieces fall. */
START_TEST(some_is_what_there_is) {
    struct talk talk;
    talk_open(&talk);
    talk_begin(&talk, "us");
    talk_text(&talk, "a\r\nrest");
    talk_turn(&talk);
    ck_assert_str_eq(talk.said, "[a\r\n][rest]");
    talk_text(&talk, "more");
    talk_turn(&talk);
    talk_end(&talk);
    ck_assert_str_eq(talk.said, "[a\r\n][rest][more]end[]");
    talk_close(&talk);
}
END_TEST

/* --- Limits --- */

/* The delimiter's first byte is the buffer's last: what is skipped ends before it, also where that
 * was asked for before, and not taken. */
START_TEST(a_long_line_is_skipped_up_to_its_end) {
    for (size_t i = 0; i < 12; i++) {
        size_t length = ROOM - 3 + i / 2;
        bool stops = i % 2 != 0;
        struct talk talk;
        char text[2 * ROOM] = "one\r\n";
        talk_open(&talk);
        memset(text + 5, 'x', length);
        memcpy(text + 5 + length, "\r\ntwo\r\nthree\r\n", 15);
        talk_begin(&talk, "u-");
        talk_text(&talk, text);
        const char *last = "";
        for (unsigned asked = 0; asked < 9 && strcmp(last, "[three\r\n]") != 0; asked++) {
            talk.told = false;
            talk.length = 0;
            bool was_full = talk.failed;
            talk.failed = false;
            if (was_full && stops) {
                ck_assert_int_eq(talk_ask(&talk, 's'), 0);
                eddy_reader_stop(&talk.reader);
            }
            if (asked > 0) ck_assert_int_eq(talk_ask(&talk, was_full ? 's' : 'u'), 0);
            test_turn_until(talk.loop, &talk.told);
            last = talk.said;
            /* The end of the long line, or a whole one. */
            bool is_line = strcmp(last, "[one\r\n]") == 0 || strcmp(last, "[two\r\n]") == 0 ||
                           strcmp(last, "[three\r\n]") == 0;
            ck_assert(is_line || talk.failed || strspn(last, "[x\r\n]") == strlen(last));
        }
        ck_assert_str_eq(last, "[three\r\n]");
        talk_close(&talk);
    }
}
END_TEST

START_TEST(full_buffer_without_a_delimiter_is_told_and_stays) {
    struct talk talk;
    char line[ROOM + 1];
    talk_open(&talk);
    memset(line, 'x', ROOM);
    line[ROOM] = '\0';
    talk_begin(&talk, "u");
    talk_text(&talk, line);
    test_turn_until(talk.loop, &talk.failed);
    ck_assert_int_eq(talk.status, -EMSGSIZE);
    ck_assert_uint_eq(talk.length, 4 + 2 + ROOM);
    talk_turn(&talk);
    ck_assert_uint_eq(talk.answers, 1);

    /* The rest of the line is skipped by what there is and the same request again. */
    talk.length = 0;
    talk_begin(&talk, "suu");
    talk_text(&talk, "tail\r\nnext\r\n");
    talk.told = false;
    while (talk.answers < 4) talk_turn(&talk);
    ck_assert_str_eq(talk.said + ROOM + 2, "[tail\r\n][next\r\n]");
    talk_close(&talk);
}
END_TEST

START_TEST(line_as_long_as_the_buffer_fits_wherever_it_begins) {
    for (size_t before = 0; before < ROOM; before++) {
        struct talk talk;
        char text[2 * ROOM];
        talk_open(&talk);
        memset(text, 'x', sizeof text);
        if (before > 0) memcpy(text + before - 1, "\n", 1);
        memcpy(text + before + ROOM - 1, "\n", 1);
        talk.delimiter = "\n";
        talk_begin(&talk, "u");
        talk_send(&talk, text, before + ROOM - 1);
        talk_turn(&talk);
        talk_send(&talk, "\n", 1);
        while (talk.answers < (before > 0 ? 2 : 1)) talk_turn(&talk);
        ck_assert(!talk.failed);
        talk_close(&talk);
    }
}
END_TEST

START_TEST(senseless_requests_are_refused) {
    struct talk talk;
    char buffer[8];
    eddy_reader lonely;
    talk_open(&talk);
    ck_assert_int_eq(eddy_reader_exactly(&talk.reader, ROOM + 1, talk_on_answer), -EMSGSIZE);
    ck_assert_int_eq(eddy_reader_until(&talk.reader, talk.said, ROOM + 1, talk_on_answer),
                     -EMSGSIZE);
    ck_assert_int_eq(eddy_reader_until(&talk.reader, "", 0, talk_on_answer), -EINVAL);
    ck_assert_int_eq(eddy_reader_set_deadline(&talk.reader, 1), -EINVAL);
    talk_begin(&talk, "u");
    ck_assert_int_eq(eddy_reader_some(&talk.reader, talk_on_answer), -EALREADY);
    ck_assert_int_eq(eddy_reader_set_deadline(&talk.reader, -2), -EINVAL);
    eddy_reader_stop(&talk.reader);
    ck_assert_int_eq(eddy_stream_read_start(&talk.reader.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_reader_some(&talk.reader, talk_on_answer), -EALREADY);
    eddy_reader_stop(&talk.reader); /* of somebody else's reading it is not the owner */
    ck_assert_int_eq(eddy_stream_read_start(&talk.reader.stream, end_on_read), -EALREADY);
    eddy_stream_read_stop(&talk.reader.stream);
    eddy_reader_init(&lonely, talk.loop, buffer, sizeof buffer);
    ck_assert_int_eq(eddy_reader_some(&lonely, talk_on_answer), -ENOTCONN);
    ck_assert_int_eq(eddy_reader_close(&lonely, NULL), 0);
    ck_assert_int_eq(eddy_reader_some(&lonely, talk_on_answer), -EINVAL);
    ck_assert_int_eq(eddy_reader_close(&lonely, NULL), -EALREADY);
    talk_turn(&talk);
    talk_close(&talk);
}
END_TEST

/* --- In a row --- */

/* A hundred lines in one read are a hundred answers in one turn, none inside another. */
START_TEST(lines_of_one_read_are_answered_in_one_turn) {
    struct talk talk;
    char text[ROOM];
    talk_open(&talk);
    talk.delimiter = "\n";
    memset(text, '\n', sizeof text);
    talk_send(&talk, text, sizeof text);
    talk_begin(&talk, "u");
    talk_turn(&talk);
    ck_assert_uint_eq(talk.answers, ROOM);
    talk_close(&talk);
}
END_TEST

/* What the buffer holds beyond the share waits, as what a socket holds does: twice the share at
 * most, once when it was read and once in phase 7. */
START_TEST(share_of_a_turn_holds_for_what_is_in_the_buffer) {
    struct talk talk;
    char text[ROOM];
    talk_open_on(&talk, test_loop_open_with((eddy_loop_config){.stream_bytes_per_turn = 8}), ROOM);
    talk.delimiter = "\n";
    memset(text, '\n', sizeof text);
    talk_send(&talk, text, sizeof text);
    talk_begin(&talk, "u");
    unsigned turns = 0;
    while (talk.answers < ROOM) {
        unsigned before = talk.answers;
        talk_turn(&talk);
        turns++;
        ck_assert_uint_le(talk.answers - before, 16);
        ck_assert_uint_gt(talk.answers - before, 0);
    }
    ck_assert_uint_ge(turns, ROOM / 16);
    talk_close(&talk);
}
END_TEST

/* A request for nothing takes nothing out, and must not be answered for ever. */
START_TEST(requests_for_nothing_starve_nobody) {
    struct talk talk;
    talk_open_on(&talk, test_loop_open_with((eddy_loop_config){.stream_bytes_per_turn = 8}), ROOM);
    talk_begin(&talk, "0");
    for (unsigned i = 1; i <= 3; i++) {
        talk_turn(&talk);
        ck_assert_uint_eq(talk.answers, 8 * i);
    }
    talk_close(&talk);
}
END_TEST

/* Nobody has asked: it stays with the sender. */
START_TEST(nothing_is_read_without_a_request) {
    struct talk talk;
    char text[ROOM];
    talk_open(&talk);
    memset(text, 'x', sizeof text);
    talk_begin(&talk, "1-");
    talk_send(&talk, text, 1);
    talk_turn(&talk);
    talk_send(&talk, text, sizeof text);
    talk_turn(&talk);
    talk_turn(&talk);
    ck_assert_uint_eq(talk.answers, 1);
    void *rest;
    ck_assert_uint_eq(eddy_reader_rest(&talk.reader, &rest), 0);
    talk_close(&talk);
}
END_TEST

/* --- Work --- */

/* Byte by byte a line of 64 KiB is searched once: were it searched from its start for each, that
 * would be 2 GiB. */
START_TEST(long_line_in_small_pieces_is_searched_once) {
    enum { LONG = 1 << 16 };
    static char buffer[LONG];
    struct talk talk;
    talk_open(&talk);
    talk.reader.buffer = buffer;
    talk.reader.size = LONG;
    talk.delimiter = "xy";
    talk_begin(&talk, "u-");
    for (int i = 0; i < 1000; i++) {
        talk_text(&talk, i % 2 ? "xxxxxxxx" : "zzzzzzzz");
        size_t before = talk.reader.end;
        while (talk.reader.end == before) talk_turn(&talk);
        ck_assert_uint_eq(talk.reader.done, talk.reader.end - 1);
    }
    talk_close(&talk);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("reader");
    ck_add(suite, "pieces", answers_do_not_depend_on_the_pieces,
           kinds_of_requests_may_follow_each_other, some_is_what_there_is,
           a_long_line_is_skipped_up_to_its_end);
    ck_add(suite, "limits", full_buffer_without_a_delimiter_is_told_and_stays,
           line_as_long_as_the_buffer_fits_wherever_it_begins, senseless_requests_are_refused);
    ck_add(suite, "in_a_row", lines_of_one_read_are_answered_in_one_turn,
           share_of_a_turn_holds_for_what_is_in_the_buffer, requests_for_nothing_starve_nobody,
           nothing_is_read_without_a_request, long_line_in_small_pieces_is_searched_once);
    return suite;
}
