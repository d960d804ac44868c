/* cares_ends.c: look-ups that are cancelled, channels that are closed, and what the loop cannot
 * give. */
#include "names.h"

/* --- Cancel and close --- */

START_TEST(all_queries_are_cancelled) {
    open_all(5000, 2);
    for (int i = 0; i < 5; i++) ask(i, "silent.test");
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    eddy_ares_cancel(&ares);
    ck_assert_int_eq(asks[0].done, 0);
    run_out();
    for (int i = 0; i < 5; i++) expect(i, ARES_ECANCELLED);
    ask(5, "a1.test");
    run_out();
    expect(5, ARES_SUCCESS);
    close_all();
}
END_TEST

static void cancel_all(struct ask *it) {
    (void)it;
    eddy_ares_cancel(&ares);
}

START_TEST(queries_are_cancelled_in_a_callback) {
    open_all(100, 1);
    for (int i = 0; i < 8; i++) {
        asks[i].on_done = cancel_all;
        ask(i, i == 7 ? "a1.test" : "silent.test");
    }
    run_out();
    expect(7, ARES_SUCCESS);
    for (int i = 0; i < 7; i++) expect(i, ARES_ECANCELLED);
    memset(asks, 0, sizeof asks);
    for (int i = 0; i < 8; i++) { /* all of them end by the same time-out */
        asks[i].on_done = cancel_all;
        ask(i, "silent.test");
    }
    run_out();
    for (int i = 0; i < 8; i++) ck_assert_int_eq(asks[i].done, 1);
    close_all();
}
END_TEST

START_TEST(queries_in_flight_are_told_when_the_channel_is_closed) {
    open_all(5000, 2);
    for (int i = 0; i < 5; i++) ask(i, "silent.test");
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    close_all();
    for (int i = 0; i < 5; i++) expect(i, ARES_EDESTRUCTION);
}
END_TEST

static void close_channel(struct ask *it) {
    it->on_done = NULL;
    ck_assert_int_eq(eddy_ares_close(&ares, on_closed), 0);
}

START_TEST(the_channel_is_closed_in_a_callback) {
    open_all(5000, 2);
    closed = 0;
    asks[0].on_done = close_channel;
    ask(0, "a1.test");
    for (int i = 1; i < 5; i++) ask(i, "silent.test");
    close_rest();
    expect(0, ARES_SUCCESS);
    for (int i = 1; i < 5; i++) expect(i, ARES_EDESTRUCTION);
}
END_TEST

static void open_again(eddy_ares *it) {
    on_closed(it);
    channel_open(NULL, 5000, 2);
    ask(1, "a2.test");
}

START_TEST(the_channel_is_opened_anew_when_it_has_been_closed) {
    open_all(5000, 2);
    ask(0, "silent.test");
    ck_assert_int_eq(eddy_ares_close(&ares, open_again), 0);
    run_out();
    expect(0, ARES_EDESTRUCTION);
    expect(1, ARES_SUCCESS);
    close_all();
}
END_TEST

/* --- What the loop cannot give --- */

/* No memory for a watcher: told at once, and not by a time-out of a minute. */
START_TEST(a_query_fails_at_once_whose_socket_cannot_be_watched) {
    open_all(5000, 1);
    closed = 0;
    ck_assert_int_eq(eddy_ares_close(&ares, NULL), 0);
    run_out();
    watched_close();
    struct watched_refusal refusal = {sizeof(eddy_ares_socket), 1};
    eddy_allocator allocator = {.resize = watched_resize, .context = &refusal};
    watched_open_with(&allocator);
    channel_open(NULL, 60 * 1000, 1);
    ask(0, "a1.test");
    run_out();
    ck_assert_int_eq(asks[0].done, 1);
    ck_assert_int_ne(asks[0].status, ARES_SUCCESS);
    ck_assert_int_ne(asks[0].status, ARES_ETIMEOUT);
    ask(1, "a1.test");
    run_out();
    expect(1, ARES_SUCCESS);
    close_all();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("c-ares ends");
    server_start();
    ck_add(suite, "ends", all_queries_are_cancelled, queries_are_cancelled_in_a_callback,
           queries_in_flight_are_told_when_the_channel_is_closed,
           the_channel_is_closed_in_a_callback, the_channel_is_opened_anew_when_it_has_been_closed,
           a_query_fails_at_once_whose_socket_cannot_be_watched);
    return suite;
}
