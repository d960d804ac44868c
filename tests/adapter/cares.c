/* cares.c: look-ups through the adapter, from a name server of the test's own on loopback. */
#include "lag.h"
#include "names.h"

enum { ROUNDS = 20 };

/* --- Answers --- */

/* It keeps the loop alive until it is told, and no longer. */
START_TEST(a_name_is_found) {
    open_all(5000, 2);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert(!eddy_loop_is_alive(loop));
    ask(0, "a7.test");
    ck_assert_int_eq(asks[0].done, 0);
    run_out();
    expect(0, ARES_SUCCESS);
    ck_assert_str_eq(asks[0].first, "10.0.0.7");
    ask(1, "alias.test");
    run_out();
    ck_assert_str_eq(asks[1].first, "10.0.0.1");
    close_all();
}
END_TEST

START_TEST(three_hundred_names_are_asked_for_at_once) {
    open_all(5000, 4);
    char name[32];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "a%d.test", i);
        ask(i, name);
    }
    run_out();
    for (int i = 0; i < 300; i++) {
        expect(i, ARES_SUCCESS);
        snprintf(name, sizeof name, "10.0.%d.%d", i / 256, i % 256);
        ck_assert_str_eq(asks[i].first, name);
    }
    close_all();
}
END_TEST

START_TEST(errors_are_told_apart) {
    open_all(5000, 1);
    ask(0, "missing.test");
    ask(1, "broken.test");
    ask(2, "a1.test");
    run_out();
    expect(0, ARES_ENOTFOUND);
    if (asks[1].status != ARES_ECONNREFUSED) expect(1, ARES_ESERVFAIL); /* as 1.18 says */
    expect(2, ARES_SUCCESS);
    close_all();
}
END_TEST

/* Told inside the call. */
START_TEST(what_is_known_at_once_does_not_keep_the_loop_alive) {
    open_all(5000, 1);
    ask(0, "127.0.0.9");
    expect(0, ARES_SUCCESS);
    ck_assert_str_eq(asks[0].first, "127.0.0.9");
    run_out();
    ck_assert_int_eq(sockets_opened, 0);
    close_all();
}
END_TEST

START_TEST(late_answers_hold_up_no_others) {
    open_all(5000, 1);
    ask(0, "late-150.test");
    ask(1, "late-50.test");
    ask(2, "a1.test");
    run_out();
    for (int i = 0; i < 3; i++) expect(i, ARES_SUCCESS);
    ck_assert_uint_eq(asks[0].order, 3);
    ck_assert_uint_eq(asks[2].order, 1);
    close_all();
}
END_TEST

/* It does not fit a datagram. In pieces (scylladb/seastar#3473), too. */
START_TEST(a_truncated_answer_is_fetched_over_tcp) {
    open_all(60 * 1000, 2);
    ask(0, "big.test");
    run_out();
    ask(1, "split.test");
    run_out();
    for (int i = 0; i < 2; i++) expect(i, ARES_SUCCESS);
    for (int i = 0; i < 2; i++) ck_assert_int_eq(asks[i].addresses, 40);
    close_all();
}
END_TEST

/* --- Servers that do not answer --- */

START_TEST(a_silent_server_is_a_time_out) {
    open_all(50, 2);
    ask(0, "silent.test");
    ask(1, "a1.test");
    run_out();
    expect(0, ARES_ETIMEOUT);
    expect(1, ARES_SUCCESS);
    ck_assert_int_ge(asks[0].told_ns - asks[0].asked_ns, 100 * EDDY_NS_PER_MS);
    close_all();
}
END_TEST

static eddy_timer later;

static void ask_later(eddy_timer *timer) {
    (void)timer;
    ask(1, "silent.test");
}

/* The one that was asked later is not told with the first. */
START_TEST(each_query_has_its_own_time_out) {
    open_all(300, 1);
    eddy_timer_init(&later, loop);
    ck_assert_int_eq(eddy_timer_start(&later, ask_later, 100 * EDDY_NS_PER_MS, 0), 0);
    ask(0, "silent.test");
    run_out();
    for (int i = 0; i < 2; i++) {
        expect(i, ARES_ETIMEOUT);
        ck_assert_int_ge(asks[i].told_ns - asks[i].asked_ns, 300 * EDDY_NS_PER_MS);
    }
    ck_assert_int_gt(asks[1].told_ns, asks[0].told_ns);
    close_all();
}
END_TEST

/* Nobody listens at the first one, which an ICMP message tells. */
START_TEST(the_next_server_is_asked_when_the_first_one_refuses) {
    open_all(5000, 1);
    char list[64];
    snprintf(list, sizeof list, "127.0.0.2:9,127.0.0.1:%d", server_port);
    channel_open_anew(list, 5000, 1);
    ask(0, "a3.test");
    run_out();
    expect(0, ARES_SUCCESS);
    channel_open_anew("127.0.0.2:9", 5000, 1);
    ask(1, "a3.test");
    run_out();
    expect(1, ARES_ECONNREFUSED);
    close_all();
}
END_TEST

static struct name_server own;

static void replace_server(eddy_timer *timer) {
    (void)timer;
    server_kill(&own);
    own = server_start_at(own.port);
}

/* What it had been asked is asked again, and what it is asked while it is away is refused; the
 * channel stays what it is. */
START_TEST(a_server_is_killed_and_comes_back) {
    char list[64];
    own = server_start_at(0);
    open_all(5000, 1);
    snprintf(list, sizeof list, "127.0.0.1:%d", own.port);
    channel_open_anew(list, 500, 4);
    ask(0, "a1.test");
    run_out();
    expect(0, ARES_SUCCESS);
    for (int i = 1; i < 5; i++) ask(i, "late-200.test");
    eddy_timer_init(&later, loop);
    ck_assert_int_eq(eddy_timer_start(&later, replace_server, 50 * EDDY_NS_PER_MS, 0), 0);
    run_out();
    for (int i = 1; i < 5; i++) {
        expect(i, ARES_SUCCESS);
        ck_assert_int_ge(asks[i].told_ns - asks[i].asked_ns, 500 * EDDY_NS_PER_MS);
    }
    server_kill(&own);
    ask(5, "a2.test");
    run_out();
    expect(5, ARES_ECONNREFUSED);
    own = server_start_at(own.port);
    ask(6, "a3.test");
    run_out();
    expect(6, ARES_SUCCESS);
    server_kill(&own);
    close_all();
}
END_TEST

/* --- Beside it the loop goes on --- */

static void ask_next(struct ask *it) {
    if (it->done < ROUNDS) ask((int)(it - asks), "a1.test");
}

START_TEST(many_names_leave_the_loop_its_time) {
    open_all(5000, 4);
    for (int i = 0; i < 100; i++) {
        asks[i].on_done = ask_next;
        ask(i, "a1.test");
    }
    lag_begin(loop);
    run_out();
    lag_end("names of 100 askers, one after the other");
    for (int i = 0; i < 100; i++) ck_assert_int_eq(asks[i].done, ROUNDS);
    close_all();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("c-ares");
    server_start();
    ck_add(suite, "answers", a_name_is_found, three_hundred_names_are_asked_for_at_once,
           errors_are_told_apart, what_is_known_at_once_does_not_keep_the_loop_alive,
           late_answers_hold_up_no_others, a_truncated_answer_is_fetched_over_tcp);
    ck_add(suite, "silence", a_silent_server_is_a_time_out, each_query_has_its_own_time_out,
           the_next_server_is_asked_when_the_first_one_refuses, a_server_is_killed_and_comes_back);
    ck_add(suite, "beside", many_names_leave_the_loop_its_time);
    return suite;
}
