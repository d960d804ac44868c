/* libcurl_ends.c: transfers that fail, are cancelled, or meet the end of it all. */
#include "transfers.h"

static struct get gets[12];

static void start(int place, const char *path) {
    get_url(&gets[place], server.port, path);
    get_start(&gets[place]);
}

static void begin(void) {
    memset(gets, 0, sizeof gets);
    open_all();
}

static void free_gets(void) {
    for (size_t i = 0; i < sizeof gets / sizeof gets[0]; i++)
        if (gets[i].easy != NULL) get_free(&gets[i]);
}

static void end(void) {
    free_gets();
    close_all();
}

static void expect(int place, CURLcode result) {
    ck_assert_int_eq(gets[place].done, 1);
    ck_assert_int_eq(gets[place].result, result);
}

static void expect_one_of(int place, CURLcode one, CURLcode other) {
    if (gets[place].result != one) expect(place, other);
    ck_assert_int_eq(gets[place].done, 1);
}

/* --- Servers that are no help --- */

START_TEST(a_refused_connection_is_told) {
    begin();
    nginx_kill(&server);
    start(0, "/small");
    run_out();
    expect(0, CURLE_COULDNT_CONNECT);
    end();
}
END_TEST

/* Connected, and then nothing. */
START_TEST(a_silent_server_is_left_in_time) {
    begin();
    int port, listener = nginx_reserve(&port);
    ck_assert_int_eq(listen(listener, 10), 0);
    get_url(&gets[0], port, "/");
    curl_easy_setopt(gets[0].easy, CURLOPT_TIMEOUT_MS, 50L);
    get_start(&gets[0]);
    start(1, "/small");
    run_out();
    expect(0, CURLE_OPERATION_TIMEDOUT);
    expect(1, CURLE_OK);
    close(listener);
    end();
}
END_TEST

/* 20 kB a second, of 300. */
START_TEST(a_slow_server_is_left_in_time) {
    begin();
    get_url(&gets[0], server.port, "/slow/middle");
    curl_easy_setopt(gets[0].easy, CURLOPT_TIMEOUT_MS, 1000L);
    get_start(&gets[0]);
    run_out();
    expect(0, CURLE_OPERATION_TIMEDOUT);
    ck_assert_uint_gt(gets[0].bytes, 0);
    end();
}
END_TEST

static void kill_server(struct get *get) {
    (void)get;
    nginx_kill(&server);
}

/* Two of its answers are under way, and a third waits to be asked for. When it is back, new ones go
 * over new connections. */
START_TEST(a_server_that_dies_ends_its_transfers) {
    begin();
    curl_multi_setopt(curl.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 2L);
    for (int i = 0; i < 3; i++) start(i, "/slow/middle");
    gets[1].on_bytes = kill_server;
    run_out();
    for (int i = 0; i < 2; i++) expect_one_of(i, CURLE_PARTIAL_FILE, CURLE_RECV_ERROR);
    expect(2, CURLE_COULDNT_CONNECT);
    nginx_run(&server);
    for (int i = 0; i < 2; i++) {
        gets[i].on_bytes = NULL;
        gets[i].done = 0;
        start(i, "/small");
    }
    run_out();
    for (int i = 0; i < 2; i++) expect(i, CURLE_OK);
    end();
}
END_TEST

/* A connection that the server has closed while it waited to be used again. */
START_TEST(an_idle_connection_that_was_closed_is_not_used) {
    begin();
    start(0, "/small");
    run_out();
    nginx_kill(&server);
    nginx_run(&server);
    gets[0].done = 0;
    start(0, "/small");
    run_out();
    expect(0, CURLE_OK);
    ck_assert_int_eq(sockets_opened, 2);
    end();
}
END_TEST

/* --- Cancel --- */

static void on_cancel_first(eddy_timer *timer) {
    (void)timer;
    eddy_curl_cancel(&gets[0].transfer);
    eddy_curl_cancel(&gets[0].transfer);
    ck_assert_int_eq(gets[0].done, 0); /* not inside the call */
}

START_TEST(a_cancelled_transfer_is_told_once) {
    begin();
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    start(0, "/slow/middle");
    start(1, "/middle");
    ck_assert_int_eq(eddy_timer_start(&timer, on_cancel_first, 30 * EDDY_NS_PER_MS, 0), 0);
    run_out();
    expect(0, CURLE_ABORTED_BY_CALLBACK);
    expect(1, CURLE_OK);
    end();
}
END_TEST

/* Before anything has happened, and all of them. */
START_TEST(transfers_are_cancelled_before_they_begin) {
    begin();
    for (int i = 0; i < 5; i++) start(i, "/small");
    for (int i = 4; i >= 0; i--) eddy_curl_cancel(&gets[i].transfer);
    run_out();
    for (int i = 0; i < 5; i++) expect(i, CURLE_ABORTED_BY_CALLBACK);
    ck_assert_int_eq(sockets_opened, 0);
    end();
}
END_TEST

/* While they are being connected. */
START_TEST(transfers_are_cancelled_while_they_connect) {
    begin();
    for (int i = 0; i < 5; i++) start(i, "/small");
    while (sockets_opened < 5) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    for (int i = 0; i < 5; i++) eddy_curl_cancel(&gets[i].transfer);
    run_out();
    for (int i = 0; i < 5; i++) expect(i, CURLE_ABORTED_BY_CALLBACK);
    end();
}
END_TEST

/* Inside a callback of libcurl, where it takes no handle back: itself, and neighbours. */
static void cancel_three(struct get *get) {
    get->on_bytes = NULL;
    for (int i = 0; i < 3; i++) eddy_curl_cancel(&gets[i].transfer);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(gets[i].done, 0);
}

START_TEST(transfers_are_cancelled_inside_a_callback_of_libcurl) {
    begin();
    for (int i = 0; i < 4; i++) start(i, i < 3 ? "/slow/middle" : "/middle");
    gets[1].on_bytes = cancel_three;
    run_out();
    for (int i = 0; i < 3; i++) expect(i, CURLE_ABORTED_BY_CALLBACK);
    expect(3, CURLE_OK);
    end();
}
END_TEST

static void start_stream(int place, const char *path) {
    char url[64];
    get_url(&gets[place], server.h2_port, path);
    snprintf(url, sizeof url, "https://127.0.0.1:%d%s", server.h2_port, path);
    curl_easy_setopt(gets[place].easy, CURLOPT_URL, url);
    curl_easy_setopt(gets[place].easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(gets[place].easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(gets[place].easy, CURLOPT_RANGE, "0-29999"); /* of 20 kB a second */
    curl_easy_setopt(gets[place].easy, CURLOPT_TIMEOUT, 30L);
    get_start(&gets[place]);
}

/* Of several that share a connection one is cancelled, whichever of them libcurl has asked for it
 * last: the connection stays, and is watched. */
START_TEST(a_stream_of_a_shared_connection_is_cancelled) {
    enum { STREAMS = 3 };
    begin();
    if (!nginx_add_tls(&server)) {
        end();
        return;
    }
    for (int which = 0; which < STREAMS; which++) {
        for (int i = 0; i <= STREAMS; i++) gets[i].done = 0;
        start_stream(STREAMS, "/small"); /* which connects */
        run_out();
        expect(STREAMS, CURLE_OK);
        for (int i = 0; i < STREAMS; i++) start_stream(i, "/middle");
        size_t before = gets[which].bytes;
        while (gets[which].bytes == before) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
        eddy_curl_cancel(&gets[which].transfer);
        run_out();
        for (int i = 0; i < STREAMS; i++)
            expect(i, i == which ? CURLE_ABORTED_BY_CALLBACK : CURLE_OK);
        ck_assert_int_eq(sockets_opened, 1);
    }
    end();
}
END_TEST

/* In `done` of one: neighbours that have ended in the same turn, too, keep what they ended with. */
static void cancel_others(struct get *get) {
    for (int i = 0; i < 6; i++)
        if (&gets[i] != get && gets[i].done == 0) eddy_curl_cancel(&gets[i].transfer);
}

START_TEST(transfers_are_cancelled_when_another_one_is_told) {
    begin();
    for (int i = 0; i < 6; i++) {
        gets[i].on_done = cancel_others;
        start(i, i < 3 ? "/small" : "/slow/middle");
    }
    run_out();
    for (int i = 0; i < 3; i++) expect_one_of(i, CURLE_OK, CURLE_ABORTED_BY_CALLBACK);
    for (int i = 3; i < 6; i++) expect(i, CURLE_ABORTED_BY_CALLBACK);
    end();
}
END_TEST

static int again_left;

static void again(struct get *get) {
    expect(0, CURLE_OK);
    if (again_left-- == 0) return;
    get->done = 0;
    get_start(get);
}

START_TEST(a_transfer_is_started_again_when_it_is_told) {
    begin();
    again_left = 50;
    gets[0].on_done = again;
    start(0, "/small");
    run_out();
    ck_assert_int_eq(again_left, -1);
    ck_assert_int_eq(sockets_opened, 1);
    end();
}
END_TEST

static void start_inside(struct get *get) {
    get->on_bytes = NULL;
    get_url(&gets[1], server.port, "/small");
    ck_assert_int_eq(eddy_curl_start(&curl, &gets[1].transfer, gets[1].easy, get_done),
                     CURLM_RECURSIVE_API_CALL);
    ck_assert_int_eq(eddy_curl_close(&curl), CURLM_RECURSIVE_API_CALL);
}

START_TEST(libcurl_refuses_to_be_called_inside_its_callbacks) {
    begin();
    gets[0].on_bytes = start_inside;
    start(0, "/middle");
    run_out();
    expect(0, CURLE_OK);
    ck_assert_int_eq(gets[1].done, 0);
    start(1, "/small");
    eddy_curl_transfer other; /* the same handle once more */
    ck_assert_int_eq(eddy_curl_start(&curl, &other, gets[1].easy, get_done), CURLM_ADDED_ALREADY);
    run_out();
    expect(1, CURLE_OK);
    end();
}
END_TEST

/* --- Close --- */

static void close_in_done(struct get *get) {
    for (int i = 0; i < 6; i++)
        if (&gets[i] != get) gets[i].on_done = NULL;
    ck_assert_int_eq(eddy_curl_close(&curl), CURLM_OK);
    memset(&curl, 0xee, sizeof curl);
}

/* The first one that is told closes it, with others in flight, done and not told, and cancelled. */
START_TEST(it_is_closed_when_a_transfer_is_told) {
    begin();
    for (int i = 0; i < 6; i++) {
        gets[i].on_done = close_in_done;
        start(i, i < 3 ? "/small" : "/slow/middle");
    }
    gets[4].on_bytes = cancel_three;
    run_out();
    int told = 0;
    for (int i = 0; i < 6; i++) told += gets[i].done;
    ck_assert_int_eq(told, 1);
    free_gets();
    close_rest();
}
END_TEST

/* At any time, in whatever state the transfers are: nothing is left in the loop, no socket open. */
START_TEST(it_is_closed_at_any_time) {
    for (int turns = 0; turns < 8; turns++) {
        begin();
        for (int i = 0; i < 8; i++) start(i, i % 2 == 0 ? "/slow/middle" : "/small");
        for (int i = 0; i < turns; i++) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
        if (turns % 2 == 0) eddy_curl_cancel(&gets[2].transfer);
        ck_assert_int_eq(eddy_curl_close(&curl), CURLM_OK);
        free_gets();
        run_out();
        close_rest();
    }
}
END_TEST

/* --- What the loop cannot give --- */

/* No memory for a socket's watcher: that transfer ends, the others go on. */
START_TEST(a_transfer_ends_whose_socket_cannot_be_watched) {
    begin();
    ck_assert_int_eq(eddy_curl_close(&curl), CURLM_OK);
    watched_close();
    struct watched_refusal refusal = {sizeof(eddy_curl_socket), 2};
    eddy_allocator allocator = {.resize = watched_resize, .context = &refusal};
    watched_open_with(&allocator);
    ck_assert_int_eq(eddy_curl_open(&curl, loop), 0);
    for (int i = 0; i < 6; i++) start(i, "/middle");
    run_out();
    int refused = 0;
    for (int i = 0; i < 6; i++) {
        expect_one_of(i, CURLE_OK, CURLE_OUT_OF_MEMORY);
        refused += gets[i].result == CURLE_OUT_OF_MEMORY;
    }
    ck_assert_int_eq(refused, 2);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("libcurl ends");
    ck_add(suite, "servers", a_refused_connection_is_told, a_silent_server_is_left_in_time,
           a_slow_server_is_left_in_time, a_server_that_dies_ends_its_transfers,
           an_idle_connection_that_was_closed_is_not_used);
    ck_add(suite, "cancel", a_cancelled_transfer_is_told_once,
           transfers_are_cancelled_before_they_begin, transfers_are_cancelled_while_they_connect,
           transfers_are_cancelled_inside_a_callback_of_libcurl,
           a_stream_of_a_shared_connection_is_cancelled,
           transfers_are_cancelled_when_another_one_is_told,
           a_transfer_is_started_again_when_it_is_told,
           libcurl_refuses_to_be_called_inside_its_callbacks);
    ck_add(suite, "close", it_is_closed_when_a_transfer_is_told, it_is_closed_at_any_time);
    ck_add(suite, "refused", a_transfer_ends_whose_socket_cannot_be_watched);
    return suite;
}
