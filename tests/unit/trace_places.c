/* trace_places.c: the ring buffer that threads and signal handlers share, when one of them is held
 * up in the middle of a record: the others go on, nothing is torn, and each record is read or
 * counted. */
#include "src/core/observe.h"
#include "src/core/trace.h"
#include "suite.h"

#include <string.h>

static _Alignas(EDDY_TRACE_ALIGN) char memory[EDDY_TRACE_BYTES_MIN];
static eddy_trace *trace;
static eddy_trace_reader reader;
static eddy_loop *loop;
static uint64_t places, sent, found, last;

static void setup(void) {
    ck_assert_int_eq(eddy_loop_open(&loop, NULL), 0);
    ck_assert_int_eq(eddy_trace_open(&trace, memory, sizeof memory), 0);
    ck_assert_int_eq(eddy_trace_start(trace, loop), 0);
    eddy_trace_reader_init(&reader, trace);
    places = trace->others_mask + 1;
    sent = found = last = 0;
}

static void teardown(void) {
    eddy_trace_stop(trace);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
}

/* Each record's words are those of its index. */
static void send_some(uint64_t count) {
    for (; count > 0; count--, sent++)
        eddy__observe_send(loop, EDDY_TRACE_POST, EDDY_KIND_POST, (void *)(uintptr_t)(sent + 1),
                           (int64_t)(sent * 3), OBSERVE_THREAD_OTHER - 1);
}

static void read_all(void) {
    eddy_trace_record record;
    while (eddy_trace_read(&reader, &record, 1) == 1) {
        uint64_t index = record.object - 1;
        ck_assert_uint_gt(record.number, last);
        ck_assert_uint_eq(record.number, trace_number_other(index));
        ck_assert_int_eq(record.argument, (int64_t)(index * 3));
        ck_assert_int_eq(record.kind, EDDY_TRACE_POST);
        last = record.number;
        found++;
    }
}

/* The next record's sender stops after it has claimed its place. */
static struct trace_place *hold_up(void) {
    uint64_t index = atomic_fetch_add(&trace->others_next, 1);
    struct trace_place *place = &trace->others[index & trace->others_mask];
    ck_assert_uint_eq(index, sent);
    ck_assert_uint_eq(atomic_load(&place->state) & 1, 0);
    atomic_store(&place->state, 2 * index + 1);
    sent++;
    return place;
}

static void finish(struct trace_place *place, uint64_t index) {
    atomic_store(&place->words.object, index + 1);
    atomic_store(&place->words.argument, (int64_t)(index * 3));
    atomic_store(&place->words.packed, EDDY_TRACE_POST);
    atomic_store(&place->state, 2 * index + 2);
}

START_TEST(a_record_that_is_being_written_is_waited_for) {
    send_some(3);
    struct trace_place *place = hold_up();
    send_some(3);
    read_all();
    ck_assert_uint_eq(found, 3);
    finish(place, 3);
    read_all();
    ck_assert_uint_eq(found, sent);
    ck_assert_uint_eq(reader.lost, 0);
}
END_TEST

START_TEST(who_is_held_up_for_a_round_keeps_its_place_and_nobody_waits_for_it) {
    send_some(3);
    struct trace_place *place = hold_up();
    send_some(places - 4);
    read_all();
    ck_assert_uint_eq(found, 3);
    send_some(
        6); /* the fourth of them has that place, and is dropped; two replace what is unread */
    read_all();
    ck_assert_uint_eq(reader.lost, 4);
    ck_assert_uint_eq(found, sent - 4);
    finish(place, 3);
    send_some(places);
    read_all();
    ck_assert_uint_eq(reader.lost, 4);
    ck_assert_uint_eq(found, sent - 4);
}
END_TEST

/* One that is held up between its number and its place finds a later record there. */
START_TEST(a_record_that_comes_a_round_late_is_dropped) {
    uint64_t index = sent;
    send_some(1 + places);
    read_all();
    ck_assert_uint_eq(found + reader.lost, sent);
    uint64_t lost = reader.lost;
    atomic_store(&trace->others_next, index);
    eddy__observe_send(loop, EDDY_TRACE_POST, EDDY_KIND_POST, NULL, -1, OBSERVE_THREAD_OTHER - 1);
    atomic_store(&trace->others_next, sent);
    send_some(3);
    read_all();
    ck_assert_uint_eq(found + reader.lost, sent);
    ck_assert_uint_eq(reader.lost, lost);
}
END_TEST

START_TEST(all_is_read_or_counted_however_late_the_reader_comes) {
    for (uint64_t late = 0; late < 3 * places; late += 7) {
        send_some(late);
        read_all();
        ck_assert_uint_eq(found + reader.lost, sent);
    }
    ck_assert_uint_gt(reader.lost, 0);
}
END_TEST

/* Threads that were in the middle of a record are not there in a child. */
START_TEST(a_fork_takes_places_back_from_threads_that_are_gone) {
    send_some(2);
    hold_up();
    send_some(2);
    atomic_store(&loop->trace_senders, 1);
    eddy__observe_after_fork(loop);
    read_all();
    ck_assert_uint_eq(found, 4);
    ck_assert_uint_eq(reader.lost, 1);
    send_some(places);
    read_all();
    ck_assert_uint_eq(found, sent - 1); /* none more is dropped */
    ck_assert_uint_eq(reader.lost, 1);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("unit/trace_places");
    TCase *places_case = tcase_create("places");
    tcase_add_checked_fixture(places_case, setup, teardown);
    tcase_add_test(places_case, a_record_that_is_being_written_is_waited_for);
    tcase_add_test(places_case, who_is_held_up_for_a_round_keeps_its_place_and_nobody_waits_for_it);
    tcase_add_test(places_case, a_record_that_comes_a_round_late_is_dropped);
    tcase_add_test(places_case, all_is_read_or_counted_however_late_the_reader_comes);
    tcase_add_test(places_case, a_fork_takes_places_back_from_threads_that_are_gone);
    suite_add_tcase(suite, places_case);
    return suite;
}
