/* trace_writer.c: what records look like as text, line by line; what becomes of names, numbers,
 * lost records and a sink that fails. Perfetto's form is read by tests/perfetto.py. */
#include "suite.h"

#include <eddy/trace_writer.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static eddy_trace_writer writer;
static eddy_trace_source source;
static char written[1 << 16];
static size_t written_bytes;
static int sink_calls, sink_error;

static int keep(void *context, const void *data, size_t size) {
    ck_assert_ptr_eq(context, written);
    sink_calls++;
    if (sink_error != 0) return sink_error;
    ck_assert_uint_le(size, 4096);
    ck_assert_uint_lt(written_bytes + size, sizeof written);
    memcpy(written + written_bytes, data, size);
    written_bytes += size;
    written[written_bytes] = '\0';
    return 0;
}

static void begin(void) {
    written_bytes = 0;
    written[0] = '\0';
    sink_calls = sink_error = 0;
    eddy_trace_writer_init(&writer, "test", keep, written);
    eddy_trace_source_init(&source, &writer, "loop");
}

/* Compares without the comment at the top, and with runs of spaces as one, but at the indentation.
 */
static void text_is(const char *expected) {
    const char *at = strchr(written, '\n');
    ck_assert_ptr_nonnull(at);
    ck_assert(written[0] == '#');
    ck_assert_str_eq(at + 1, expected);
}

static void put(const eddy_trace_record *records, int count) {
    ck_assert_int_eq(eddy_trace_write_text(&source, records, count), 0);
}

#define PUT(...)                                                 \
    do {                                                         \
        const eddy_trace_record records[] = {__VA_ARGS__};       \
        put(records, (int)(sizeof records / sizeof records[0])); \
    } while (0)

/* {number, cause, time, object, argument, kind, what, phase, thread, reserved} */
#define NONE EDDY_KINDS

static size_t name_client(const void *context, uint64_t address, char *text, size_t size) {
    if (address != 0x1000) return 0;
    return (size_t)snprintf(text, size, "%s", (const char *)context);
}

static size_t name_function(const void *context, uint64_t address, char *text, size_t size) {
    (void)context;
    return address == 0x99 ? (size_t)snprintf(text, size, "on_read") : 0;
}

/* A request that is read, answered and computed: each line says what it is inside of. */
START_TEST(lines_tell_a_turn) {
    begin();
    source.label = name_client;
    source.label_context = "client";
    source.function = name_function;
    PUT({1, 0, 5000, 0, 7, EDDY_TRACE_TURN, NONE, 0, 0, 0},
        {2, 0, 5100, 0, 0, EDDY_TRACE_PHASE, NONE, 2, 0, 0},
        {3, 0, 5200, 0, 1500000, EDDY_TRACE_WAIT, NONE, 2, 0, 0},
        {4, 0, 6200, 0, 1, EDDY_TRACE_WAITED, NONE, 2, 0, 0},
        {5, 0, 6300, 0, 0, EDDY_TRACE_PHASE, NONE, 5, 0, 0},
        {6, 0, 6400, 9, EDDY_READ | EDDY_HANGUP, EDDY_TRACE_EVENT, NONE, 5, 0, 0},
        {7, 6, 6500, 0x1000, 0x99, EDDY_TRACE_CALL, EDDY_KIND_STREAM, 5, 0, 0},
        {8, 7, 6600, 0x1000, 512, EDDY_TRACE_READ, EDDY_KIND_STREAM, 5, 0, 0},
        {9, 7, 6700, 0x1000, -EAGAIN, EDDY_TRACE_READ, EDDY_KIND_STREAM, 5, 0, 0},
        {10, 7, 6800, 0x2000, 1, EDDY_TRACE_SUBMIT, EDDY_KIND_WORK, 5, 0, 0},
        {11, 7, 7750, 0x1000, 1250, EDDY_TRACE_RETURN, EDDY_KIND_STREAM, 5, 0, 0},
        {12, 10, 7800, 0x2000, 1, EDDY_TRACE_BEGIN, EDDY_KIND_WORK, 0, 3, 0},
        {13, 0, 8800, 0x2000, 1000, EDDY_TRACE_DONE, EDDY_KIND_WORK, 0, 3, 0});
    text_is("       0.000 loop          1      - 0 turn 7\n"
            "       0.100 loop          2      - 2   phase wait\n"
            "       0.200 loop          3      - 2     wait 1500.000us\n"
            "       1.200 loop          4      - 2     waited 1\n"
            "       1.300 loop          5      - 5   phase ready\n"
            "       1.400 loop          6      - 5     event fd 9 read,hangup\n"
            "       1.500 loop          7      6 5     call stream 1 'client' on_read\n"
            "       1.600 loop          8      7 5       read stream 1 'client' 512\n"
            "       1.700 loop          9      7 5       read stream 1 'client' EAGAIN\n"
            "       1.800 loop         10      7 5       submit work 1 lookup\n"
            "       2.750 loop         11      7 5     return stream 1 'client' 1.250us\n"
            "       2.800 pool-3       12     10 0 begin work 1 lookup\n"
            "       3.800 pool-3       13      - 0 done work 1 1.000us\n");
}
END_TEST

/* The rest of the kinds, once each. */
START_TEST(each_kind_has_its_words) {
    begin();
    PUT({1, 0, 0, 7, EDDY_READ | EDDY_WRITE, EDDY_TRACE_ADD, NONE, 0, 0, 0},
        {2, 0, 0, 7, 0, EDDY_TRACE_MODIFY, NONE, 1, 0, 0},
        {3, 0, 0, 0, 0, EDDY_TRACE_REMOVE, NONE, 1, 0, 0},
        {4, 0, 0, 8, EDDY_READ, EDDY_TRACE_STALE, NONE, 5, 0, 0},
        {5, 0, 0, 0x10, 10000000, EDDY_TRACE_TIMER_START, EDDY_KIND_TIMER, 5, 0, 0},
        {6, 0, 0, 0x10, 0, EDDY_TRACE_TIMER_STOP, EDDY_KIND_TIMER, 5, 0, 0},
        {7, 0, 0, 0x20, 12, EDDY_TRACE_ACCEPT, EDDY_KIND_LISTENER, 5, 0, 0},
        {8, 0, 0, 0x30, -EPIPE, EDDY_TRACE_WRITE, EDDY_KIND_STREAM, 5, 0, 0},
        {9, 0, 0, 0x40, 100, EDDY_TRACE_QUEUE, EDDY_KIND_WRITE, 5, 0, 0},
        {10, 0, 0, 0x50, 0, EDDY_TRACE_DEFER, EDDY_KIND_DEFER, 5, 0, 0},
        {11, 0, 0, 0x30, 0, EDDY_TRACE_CLOSE, EDDY_KIND_STREAM, 5, 0, 0},
        {12, 0, 0, 0x60, 0, EDDY_TRACE_POST, EDDY_KIND_POST, 0, 255, 0},
        {13, 0, 0, 0x70, 0, EDDY_TRACE_WAKE, EDDY_KIND_WAKE, 0, 255, 0},
        {14, 0, 0, 0, 0, EDDY_TRACE_WAKEUP, NONE, 0, 255, 0},
        {15, 0, 0, 0x80, 15, EDDY_TRACE_SIGNAL, EDDY_KIND_SIGNAL, 6, 0, 0},
        {16, 0, 0, 0x90, -EALREADY, EDDY_TRACE_CANCEL, EDDY_KIND_FILE, 6, 0, 0},
        {17, 0, 0, 0xA0, -42, EDDY_TRACE_MARK, NONE, 6, 0, 0},
        {18, 0, 0, 0, -1, EDDY_TRACE_WAIT, NONE, 2, 0, 0},
        {19, 0, 0, 0, -123456, EDDY_TRACE_WAITED, NONE, 2, 0, 0},
        {20, 0, 0, 0, 0, 99, NONE, 99, 0, 0});
    text_is("       0.000 loop          1      - 0 add fd 7 read,write\n"
            "       0.000 loop          2      - 1 modify fd 7 none\n"
            "       0.000 loop          3      - 1 remove fd 0\n"
            "       0.000 loop          4      - 5 stale fd 8 read\n"
            "       0.000 loop          5      - 5 timer-start timer 1 in 10000.000us\n"
            "       0.000 loop          6      - 5 timer-stop timer 1\n"
            "       0.000 loop          7      - 5 accept listener 1 fd 12\n"
            "       0.000 loop          8      - 5 write stream 1 EPIPE\n"
            "       0.000 loop          9      - 5 queue write 1 100\n"
            "       0.000 loop         10      - 5 defer defer 1\n"
            "       0.000 loop         11      - 5 close stream 1\n"
            "       0.000 other        12      - 0 post post 1\n"
            "       0.000 other        13      - 0 wake wake 1\n"
            "       0.000 other        14      - 0 wakeup\n"
            "       0.000 loop         15      - 6 signal signal 1 15\n"
            "       0.000 loop         16      - 6 cancel file 1 EALREADY\n"
            "       0.000 loop         17      - 6 mark object 1 -42\n"
            "       0.000 loop         18      - 2 wait without end\n"
            "       0.000 loop         19      - 2 waited -123456\n"
            "       0.000 loop         20      - 99 unknown\n");
}
END_TEST

/* The same address is another request each time, and a stream's after its last call; what threads
 * of the pool say late is still of the old one. */
START_TEST(requests_are_numbered_each_time) {
    begin();
    PUT({1, 0, 0, 0x10, 0, EDDY_TRACE_SUBMIT, EDDY_KIND_FILE, 5, 0, 0},
        {2, 1, 0, 0x10, 0, EDDY_TRACE_CALL, EDDY_KIND_FILE, 6, 0, 0},
        {3, 2, 0, 0x10, 9, EDDY_TRACE_DONE, EDDY_KIND_FILE, 0, 1, 0},
        {4, 2, 0, 0x10, 0, EDDY_TRACE_SUBMIT, EDDY_KIND_FILE, 6, 0, 0},
        {5, 2, 0, 0x10, 1000, EDDY_TRACE_RETURN, EDDY_KIND_FILE, 6, 0, 0},
        {6, 0, 0, 0x20, 0, EDDY_TRACE_CALL, EDDY_KIND_STREAM, 5, 0, 0},
        {7, 6, 0, 0x20, 0, EDDY_TRACE_RETURN, EDDY_KIND_STREAM, 5, 0, 0},
        {8, 0, 0, 0x20, 0, EDDY_TRACE_CALL, EDDY_KIND_STREAM, 8, 0, 0},
        {9, 8, 0, 0x20, 0, EDDY_TRACE_RETURN, EDDY_KIND_STREAM, 8, 0, 0},
        {10, 0, 0, 0x20, 3, EDDY_TRACE_READ, EDDY_KIND_STREAM, 5, 0, 0});
    text_is("       0.000 loop          1      - 5 submit file 1 file\n"
            "       0.000 loop          2      1 6 call file 1\n"
            "       0.000 pool-1        3      2 0 done file 1 0.009us\n"
            "       0.000 loop          4      2 6   submit file 2 file\n"
            "       0.000 loop          5      2 6 return file 1 1.000us\n"
            "       0.000 loop          6      - 5 call stream 1\n"
            "       0.000 loop          7      6 5 return stream 1 0.000us\n"
            "       0.000 loop          8      - 8 call stream 1\n"
            "       0.000 loop          9      8 8 return stream 1 0.000us\n"
            "       0.000 loop         10      - 5 read stream 2 3\n");
}
END_TEST

/* Numbers come from the order of the records alone, also once more objects were named than are
 * remembered: the same run elsewhere in memory has the same text. */
START_TEST(numbers_do_not_depend_on_addresses) {
    static char first[sizeof written];
    static const uint64_t bases[] = {0x1000, 0x7F0012345000, 0xFFFFFFFFFF000000};
    for (size_t base = 0; base < 3; base++) {
        uint64_t state = 1;
        begin();
        for (uint64_t i = 1; i <= 6000; i++) {
            state = state * 6364136223846793005ULL + 1442695040888963407ULL;
            uint64_t object = bases[base] + 48 * ((state >> 33) % 3000);
            written_bytes = i <= 5500 ? 0 : written_bytes;
            PUT({i, 0, 0, object, 0, EDDY_TRACE_TIMER_STOP, EDDY_KIND_TIMER, 5, 0, 0});
        }
        if (base == 0) memcpy(first, written, sizeof first);
        ck_assert_str_eq(first, written);
    }
    ck_assert_ptr_nonnull(strstr(first, "timer 3"));
}
END_TEST

/* A label is one column of one line, and text, whatever the program has put there. */
START_TEST(labels_are_made_printable) {
    begin();
    source.label = name_client;
    source.label_context = "a\nb\x7f\xff \xe2\x82\xac\xed\xa0\x80\xc3";
    PUT({1, 0, 0, 0x1000, 1, EDDY_TRACE_MARK, NONE, 0, 0, 0});
    text_is("       0.000 loop          1      - 0 mark object 1 'a?b?? \xe2\x82\xac?\?\?\?' 1\n");
    begin();
    source.label = name_client;
    source.label_context = "\xc2\x9b"
                           "31m\xc2\xa0";
    PUT({1, 0, 0, 0x1000, 1, EDDY_TRACE_MARK, NONE, 0, 0, 0});
    text_is("       0.000 loop          1      - 0 mark object 1 '?\?31m\xc2\xa0' 1\n");
}
END_TEST

START_TEST(lost_records_are_told_once) {
    begin();
    PUT({1, 0, 0, 0x10, 0, EDDY_TRACE_CALL, EDDY_KIND_TIMER, 4, 0, 0});
    source.lost = 12;
    PUT({20, 0, 0, 0x10, 0, EDDY_TRACE_CALL, EDDY_KIND_TIMER, 4, 0, 0},
        {21, 0, 0, 0x10, 0, EDDY_TRACE_TIMER_STOP, EDDY_KIND_TIMER, 4, 0, 0});
    text_is("       0.000 loop          1      - 4 call timer 1\n"
            "# loop: 12 records were lost\n"
            "       0.000 loop         20      - 4 call timer 1\n"
            "       0.000 loop         21      - 4   timer-stop timer 1\n");
}
END_TEST

/* Two loops of one pool: a thread has one name. */
START_TEST(threads_have_names) {
    static eddy_trace_source second, third;
    begin();
    eddy_trace_source_init(&second, &writer, "loop two");
    eddy_trace_source_init(&third, &writer, "loop 3");
    second.pool = &source;
    const eddy_trace_record records[] = {{1, 0, 0, 0, 0, EDDY_TRACE_TURN, NONE, 0, 0, 0},
                                         {2, 0, -1500, 0, 0, EDDY_TRACE_WAKEUP, NONE, 0, 2, 0}};
    ck_assert_int_eq(eddy_trace_write_text(&second, records, 2), 0);
    ck_assert_int_eq(eddy_trace_write_text(&third, records, 2), 0);
    text_is("       0.000 loop-two      1      - 0 turn 0\n"
            "      -1.500 pool-2        2      - 0 wakeup\n"
            "       0.000 loop-3        1      - 0 turn 0\n"
            "      -1.500 pool-3-2      2      - 0 wakeup\n");
}
END_TEST

/* Nothing is given to it any more, and each further call says why. */
START_TEST(a_sink_that_fails_is_the_end) {
    const eddy_trace_record record = {1, 0, 0, 0, 0, EDDY_TRACE_TURN, NONE, 0, 0, 0};
    begin();
    sink_error = -ENOSPC;
    ck_assert_int_eq(eddy_trace_write_text(&source, &record, 1), -ENOSPC);
    ck_assert_int_eq(eddy_trace_write_text(&source, &record, 1), -ENOSPC);
    ck_assert_int_eq(sink_calls, 1);
    begin();
    sink_error = -EPIPE;
    ck_assert_int_eq(eddy_trace_write_perfetto(&source, &record, 1), -EPIPE);
    ck_assert_int_eq(eddy_trace_write_perfetto(&source, &record, 1), -EPIPE);
    ck_assert_int_eq(eddy_trace_end_perfetto(&source), -EPIPE);
    ck_assert_int_eq(sink_calls, 1);
}
END_TEST

/* A sink that is write(2): that some bytes were taken is not what it was asked. */
START_TEST(a_sink_that_returns_a_count_is_an_error) {
    const eddy_trace_record record = {1, 0, 0, 0, 0, EDDY_TRACE_TURN, NONE, 0, 0, 0};
    begin();
    sink_error = 17;
    ck_assert_int_eq(eddy_trace_write_text(&source, &record, 1), -EINVAL);
    ck_assert_int_eq(eddy_trace_write_text(&source, &record, 1), -EINVAL);
    ck_assert_int_eq(sink_calls, 1);
}
END_TEST

static bool was_written(const char *text) {
    size_t size = strlen(text);
    for (size_t at = 0; at + size <= written_bytes; at++)
        if (memcmp(written + at, text, size) == 0) return true;
    return false;
}

/* Also where no record comes after them; once each. */
START_TEST(lost_records_are_instants) {
    const eddy_trace_record records[] = {
        {2, 0, 0, 0x10, 0, EDDY_TRACE_CALL, EDDY_KIND_TIMER, 4, 0, 0},
        {40, 0, 9, 0x10, 0, EDDY_TRACE_TIMER_STOP, EDDY_KIND_TIMER, 4, 0, 0},
    };
    begin();
    source.lost = 3;
    ck_assert_int_eq(eddy_trace_end_perfetto(&source), 0);
    ck_assert_uint_eq(written_bytes, 0);
    ck_assert_int_eq(eddy_trace_write_perfetto(&source, &records[0], 1), 0);
    ck_assert(was_written("3 records were lost"));
    source.lost = 21;
    ck_assert_int_eq(eddy_trace_write_perfetto(&source, &records[1], 1), 0);
    ck_assert(was_written("18 records were lost"));
    source.lost = 26;
    written_bytes = 0;
    ck_assert_int_eq(eddy_trace_end_perfetto(&source), 0);
    ck_assert(was_written("5 records were lost"));
    written_bytes = 0;
    ck_assert_int_eq(eddy_trace_end_perfetto(&source), 0);
    ck_assert(!was_written("records were lost"));
}
END_TEST

/* Nothing comes of nothing, and a trace that is ended twice has ended. */
START_TEST(an_end_is_written_once) {
    const eddy_trace_record record = {1, 0, 0, 0, 0, EDDY_TRACE_TURN, NONE, 0, 0, 0};
    begin();
    ck_assert_int_eq(eddy_trace_end_perfetto(&source), 0);
    ck_assert_uint_eq(written_bytes, 0);
    ck_assert_int_eq(eddy_trace_write_perfetto(&source, &record, 1), 0);
    size_t before = written_bytes;
    ck_assert_int_eq(eddy_trace_end_perfetto(&source), 0);
    size_t after = written_bytes;
    ck_assert_uint_gt(after, before);
    ck_assert_int_eq(eddy_trace_end_perfetto(&source), 0);
    ck_assert_uint_eq(written_bytes, after);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("trace_writer");
    ck_add(suite, "text", lines_tell_a_turn, each_kind_has_its_words,
           requests_are_numbered_each_time, numbers_do_not_depend_on_addresses,
           labels_are_made_printable, lost_records_are_told_once, threads_have_names);
    ck_add(suite, "sink", a_sink_that_fails_is_the_end, a_sink_that_returns_a_count_is_an_error,
           lost_records_are_instants, an_end_is_written_once);
    return suite;
}
