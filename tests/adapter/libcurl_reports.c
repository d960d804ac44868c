/* libcurl_reports.c: what was reported of libcurl on other loops, and must not be here. Each test
 * names the report. */
#include "transfers.h"

static struct get get;
static eddy_timer timer;

static void begin(void) {
    memset(&get, 0, sizeof get);
    open_all();
    eddy_timer_init(&timer, loop);
}

static void end(void) {
    ck_assert_int_eq(get.done, 1);
    get_free(&get);
    close_all();
}

/* --- curl/curl#8360: a transfer that is paused from outside stays watched --- */

static unsigned waits_before;

static void on_resume(eddy_timer *it) {
    (void)it;
    ck_assert_uint_lt(test_metric_waits(loop) - waits_before, 50);
    ck_assert_int_eq(curl_easy_pause(get.easy, CURLPAUSE_CONT), CURLE_OK);
}

static void on_pause(eddy_timer *it) {
    ck_assert_uint_gt(get.bytes, 0);
    ck_assert_int_eq(curl_easy_pause(get.easy, CURLPAUSE_ALL), CURLE_OK);
    waits_before = test_metric_waits(loop);
    ck_assert_int_eq(eddy_timer_start(it, on_resume, 200 * EDDY_NS_PER_MS, 0), 0);
}

static void pause_soon(struct get *it) {
    it->on_bytes = NULL;
    ck_assert_int_eq(eddy_timer_start(&timer, on_pause, 0, 0), 0);
}

/* Bytes go on coming; the loop must not turn for each moment of it. */
START_TEST(a_transfer_that_is_paused_from_outside_does_not_spin) {
    begin();
    get.on_bytes = pause_soon;
    get_url(&get, server.port, "/slow/middle");
    curl_easy_setopt(get.easy, CURLOPT_RANGE, "0-29999"); /* for more than a second */
    get_start(&get);
    run_out();
    ck_assert_int_eq(get.result, CURLE_OK);
    ck_assert_uint_eq(get.bytes, 30000);
    end();
}
END_TEST

/* --- rakshasa/libtorrent#622: the number is another socket's, and libcurl has told nothing --- */

static int upload_fd, ends[2];
static size_t upload_left;

static curl_socket_t note_fd(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
    upload_fd = open_socket(context, purpose, address);
    return upload_fd;
}

/* With the last bytes: from now on libcurl only reads, which changes the interest of a socket that
 * the loop's backend does not know. */
static size_t upload_read(char *data, size_t size, size_t count, void *context) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother";
    size_t room = size * count;
    (void)context;
    if (upload_left == 0) return 0;
    if (room >= upload_left) {
        room = upload_left;
        test_socket_pair(ends);
        ck_assert_int_eq(write(ends[1], answer, sizeof answer - 1), sizeof answer - 1);
        ck_assert_int_eq(dup2(ends[0], upload_fd), upload_fd);
        close(ends[0]);
    }
    memset(data, 'u', room);
    upload_left -= room;
    return room;
}

START_TEST(a_socket_that_was_replaced_behind_the_loops_back_is_watched) {
    begin();
    upload_left = 500 * 1000;
    get_url(&get, server.port, "/put/file");
    curl_easy_setopt(get.easy, CURLOPT_OPENSOCKETFUNCTION, note_fd);
    curl_easy_setopt(get.easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(get.easy, CURLOPT_INFILESIZE, (long)upload_left);
    curl_easy_setopt(get.easy, CURLOPT_READFUNCTION, upload_read);
    curl_easy_setopt(get.easy, CURLOPT_TIMEOUT, 20L);
    get_start(&get);
    run_out();
    ck_assert_int_eq(get.result, CURLE_OK);
    ck_assert_str_eq(get.text, "other");
    close(ends[1]);
    end();
}
END_TEST

/* --- curl/curl#1253 and #5485: a time-out that is none, and a timer that goes on for ever --- */

static void do_nothing(eddy_timer *it) {
    (void)it;
}

START_TEST(an_idle_handle_makes_no_turn) {
    begin();
    get_url(&get, server.port, "/small");
    get_start(&get);
    run_out();
    eddy_timer_start(&timer, do_nothing, 300 * EDDY_NS_PER_MS, 0);
    waits_before = test_metric_waits(loop);
    run_out();
    ck_assert_uint_le(test_metric_waits(loop) - waits_before, 5);
    end();
}
END_TEST

/* --- curl/curl#6237, #14976, #3597: EBADF, as a socket is closed before it is told --- */

static void restart(struct get *it) {
    ck_assert_int_eq(it->result, CURLE_OK);
    if (it->done == 3) return;
    ck_assert_int_eq(eddy_curl_start(&curl, &it->transfer, it->easy, get_done), CURLM_OK);
}

/* A connection cache of one (curl/curl#16026): the others' connections are closed as they end. */
START_TEST(connections_that_the_cache_has_no_place_for_are_closed_unwatched) {
    enum { COUNT = 8 };
    static struct get gets[COUNT];
    begin();
    curl_multi_setopt(curl.multi, CURLMOPT_MAXCONNECTS, 1L);
    memset(gets, 0, sizeof gets);
    for (int i = 0; i < COUNT; i++) {
        gets[i].on_done = restart;
        get_url(&gets[i], server.port, "/middle");
        ck_assert_int_eq(eddy_curl_start(&curl, &gets[i].transfer, gets[i].easy, get_done),
                         CURLM_OK);
    }
    run_out();
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(gets[i].done, 3);
        get_free(&gets[i]);
    }
    get.done = 1;
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("libcurl, reports");
    ck_add(suite, "reports", a_transfer_that_is_paused_from_outside_does_not_spin,
           a_socket_that_was_replaced_behind_the_loops_back_is_watched,
           an_idle_handle_makes_no_turn,
           connections_that_the_cache_has_no_place_for_are_closed_unwatched);
    return suite;
}
