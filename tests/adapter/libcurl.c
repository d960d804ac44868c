/* libcurl.c: transfers through the adapter, from a real server. */
#include "transfers.h"

/* A body comes, the loop lives as long as the transfer, and no longer: the connection stays open.
 */
START_TEST(a_transfer_keeps_the_loop_alive_until_it_is_told) {
    open_all();
    struct get get = {.easy = NULL};
    ck_assert(!eddy_loop_is_alive(loop));
    get_url(&get, server.port, "/small");
    get_start(&get);
    ck_assert(eddy_loop_is_alive(loop));
    run_out();
    ck_assert_int_eq(get.done, 1);
    ck_assert_int_eq(get.result, CURLE_OK);
    ck_assert_str_eq(get.text, "hello, world");
    ck_assert_int_eq(open_sockets, 1);
    get_free(&get);
    close_all();
}
END_TEST

/* The second transfer goes over the first one's connection. */
START_TEST(a_connection_is_used_again) {
    open_all();
    struct get get = {.easy = NULL};
    for (int i = 0; i < 3; i++) {
        get_url(&get, server.port, "/middle");
        get.done = 0;
        get_start(&get);
        run_out();
        ck_assert_int_eq(get.result, CURLE_OK);
    }
    ck_assert_int_eq(sockets_opened, 1);
    ck_assert_uint_eq(get.bytes, 3 * NGINX_MIDDLE_BYTES);
    get_free(&get);
    close_all();
}
END_TEST

/* The number of a socket that is closed is that of the next one: each answer ends its connection.
 */
START_TEST(a_socket_closed_and_its_number_used_again_is_watched_anew) {
    open_all();
    enum { ROUNDS = 20 };
    struct get get = {.easy = NULL};
    for (int i = 0; i < ROUNDS; i++) {
        get_url(&get, server.port, "/once/small");
        get.done = 0;
        get_start(&get);
        run_out();
        ck_assert_int_eq(get.result, CURLE_OK);
    }
    ck_assert_int_eq(sockets_opened, ROUNDS);
    get_free(&get);
    close_all();
}
END_TEST

static struct get many[3000];

static int count_ok(size_t count) {
    int ok = 0;
    for (size_t i = 0; i < count; i++) ok += many[i].done == 1 && many[i].result == CURLE_OK;
    return ok;
}

static void start_many(size_t count, const char *path) {
    memset(many, 0, sizeof many);
    for (size_t i = 0; i < count; i++) {
        get_url(&many[i], server.port, path);
        get_start(&many[i]);
    }
}

START_TEST(two_hundred_transfers_share_ten_connections) {
    open_all();
    curl_multi_setopt(curl.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 10L);
    start_many(200, "/middle");
    run_out();
    ck_assert_int_eq(count_ok(200), 200);
    ck_assert_int_eq(open_sockets_max, 10);
    for (int i = 0; i < 200; i++) get_free(&many[i]);
    close_all();
}
END_TEST

START_TEST(thousands_of_transfers_wait_for_a_connection) {
    size_t count = is_slow() ? 300 : 3000;
    open_all();
    curl_multi_setopt(curl.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 20L);
    start_many(count, "/small");
    run_out();
    ck_assert_int_eq(count_ok(count), (int)count);
    ck_assert_int_le(open_sockets_max, 20);
    for (size_t i = 0; i < count; i++) get_free(&many[i]);
    close_all();
}
END_TEST

/* All of them with a connection of their own, which are closed in between. */
START_TEST(many_connections_at_once_and_one_after_the_other) {
    open_all();
    curl_multi_setopt(curl.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 50L);
    start_many(500, "/once/small");
    run_out();
    ck_assert_int_eq(count_ok(500), 500);
    ck_assert_int_eq(sockets_opened, 500);
    for (int i = 0; i < 500; i++) get_free(&many[i]);
    close_all();
}
END_TEST

START_TEST(a_redirect_is_followed) {
    open_all();
    struct get get = {.easy = NULL};
    long count = 0;
    get_url(&get, server.port, "/moved");
    curl_easy_setopt(get.easy, CURLOPT_FOLLOWLOCATION, 1L);
    get_start(&get);
    run_out();
    ck_assert_int_eq(get.result, CURLE_OK);
    curl_easy_getinfo(get.easy, CURLINFO_REDIRECT_COUNT, &count);
    ck_assert_int_eq(count, 1);
    get_free(&get);
    close_all();
}
END_TEST

/* The first address refuses, the second one answers: its socket has the first one's number. */
START_TEST(a_second_address_is_tried_when_the_first_one_refuses) {
    open_all();
    struct get get = {.easy = NULL};
    char resolve[64], path[64];
    snprintf(resolve, sizeof resolve, "two.example:%d:127.0.0.2,127.0.0.1", server.port);
    struct curl_slist *list = curl_slist_append(NULL, resolve);
    get_url(&get, server.port, "/small");
    snprintf(path, sizeof path, "http://two.example:%d/small", server.port);
    curl_easy_setopt(get.easy, CURLOPT_URL, path);
    curl_easy_setopt(get.easy, CURLOPT_RESOLVE, list);
    get_start(&get);
    run_out();
    ck_assert_int_eq(get.result, CURLE_OK);
    ck_assert_int_eq(sockets_opened, 2);
    get_free(&get);
    curl_slist_free_all(list);
    close_all();
}
END_TEST

/* IPv6 does not answer, as its queue of connections is full; IPv4 is tried beside it after 200 ms
 * and wins, and the other one is closed. */
START_TEST(a_connection_that_loses_against_another_is_not_watched) {
    open_all();
    struct get get = {.easy = NULL};
    char text[64];
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    address.sin6_port = htons((uint16_t)server.port);
    int listener = socket(AF_INET6, SOCK_STREAM, 0), fillers[4];
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == 0) {
        ck_assert_int_eq(listen(listener, 0), 0);
        for (int i = 0; i < 4; i++) {
            fillers[i] = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
            (void)connect(fillers[i], (struct sockaddr *)&address, sizeof address);
        }
        snprintf(text, sizeof text, "two.example:%d:[::1],127.0.0.1", server.port);
        struct curl_slist *list = curl_slist_append(NULL, text);
        get_url(&get, server.port, "/small");
        snprintf(text, sizeof text, "http://two.example:%d/small", server.port);
        curl_easy_setopt(get.easy, CURLOPT_URL, text);
        curl_easy_setopt(get.easy, CURLOPT_RESOLVE, list);
        get_start(&get);
        run_out();
        ck_assert_int_eq(get.result, CURLE_OK);
        ck_assert_int_eq(sockets_opened, 2);
        /* libcurl 7.88 closes it first and tells then, in the same call: before the loop waits. */
        ck_assert_int_le(closed_watched, 1);
        closed_watched = 0;
        get_free(&get);
        curl_slist_free_all(list);
        for (int i = 0; i < 4; i++) close(fillers[i]);
    }
    close(listener);
    close_all();
}
END_TEST

/* --- Bodies that wait --- */

static eddy_timer resume;

static void on_resume(eddy_timer *timer) {
    (void)timer;
    ck_assert_int_eq(curl_easy_pause(many[0].easy, CURLPAUSE_CONT), CURLE_OK);
}

static void resume_later(struct get *get) {
    get->on_bytes = NULL;
    ck_assert_int_eq(eddy_timer_start(&resume, on_resume, 20 * EDDY_NS_PER_MS, 0), 0);
}

START_TEST(a_body_that_was_paused_goes_on) {
    open_all();
    memset(many, 0, sizeof many);
    many[0] = (struct get){.pauses = true, .on_bytes = resume_later};
    eddy_timer_init(&resume, loop);
    get_url(&many[0], server.port, "/middle");
    get_start(&many[0]);
    run_out();
    ck_assert_int_eq(many[0].result, CURLE_OK);
    ck_assert_uint_eq(many[0].bytes, NGINX_MIDDLE_BYTES);
    get_free(&many[0]);
    close_all();
}
END_TEST

static size_t upload_left;
static bool upload_pauses;

static size_t upload_read(char *data, size_t size, size_t count, void *context) {
    size_t room = size * count;
    if (upload_pauses) {
        upload_pauses = false;
        resume_later(context);
        return CURL_READFUNC_PAUSE;
    }
    if (room > upload_left) room = upload_left;
    memset(data, 'u', room);
    upload_left -= room;
    return room;
}

START_TEST(an_upload_that_was_paused_goes_on) {
    enum { BYTES = 3000 * 1000 };
    open_all();
    memset(many, 0, sizeof many);
    eddy_timer_init(&resume, loop);
    upload_left = BYTES;
    upload_pauses = true;
    long status = 0;
    get_url(&many[0], server.port, "/put/file");
    curl_easy_setopt(many[0].easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(many[0].easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)BYTES);
    curl_easy_setopt(many[0].easy, CURLOPT_READFUNCTION, upload_read);
    curl_easy_setopt(many[0].easy, CURLOPT_READDATA, &many[0]);
    get_start(&many[0]);
    run_out();
    ck_assert_int_eq(many[0].result, CURLE_OK);
    curl_easy_getinfo(many[0].easy, CURLINFO_RESPONSE_CODE, &status);
    ck_assert_int_eq(status, 201);
    ck_assert_uint_eq(upload_left, 0);
    get_free(&many[0]);

    many[0] = (struct get){.easy = NULL};
    get_url(&many[0], server.port, "/put/file");
    get_start(&many[0]);
    run_out();
    ck_assert_uint_eq(many[0].bytes, BYTES);
    ck_assert_int_eq(many[0].text[0], 'u');
    get_free(&many[0]);
    close_all();
}
END_TEST

/* --- Beside it the loop goes on --- */

/* 100 MB. */
static void download_beside_a_timer(long buffer_bytes) {
    const off_t size = (off_t)(is_slow() ? 10 : 100) * 1000 * 1000;
    char what[64];
    open_all();
    struct get get = {.easy = NULL};
    nginx_file(&server, "large", "", size);
    get_url(&get, server.port, "/large");
    curl_easy_setopt(get.easy, CURLOPT_BUFFERSIZE, buffer_bytes);
    get_start(&get);
    lag_begin(loop);
    run_out();
    snprintf(what, sizeof what, "%lld MB by %ld bytes", (long long)size / 1000000, buffer_bytes);
    lag_end(what);
    ck_assert_int_eq(get.result, CURLE_OK);
    ck_assert_uint_eq(get.bytes, (size_t)size);
    get_free(&get);
    close_all();
}

START_TEST(a_large_download_leaves_the_loop_its_time) {
    download_beside_a_timer(CURL_MAX_WRITE_SIZE); /* the default */
    download_beside_a_timer(1024);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("libcurl");
    ck_add(suite, "transfers", a_transfer_keeps_the_loop_alive_until_it_is_told,
           a_connection_is_used_again, a_socket_closed_and_its_number_used_again_is_watched_anew,
           a_redirect_is_followed, a_second_address_is_tried_when_the_first_one_refuses,
           a_connection_that_loses_against_another_is_not_watched);
    ck_add(suite, "many", two_hundred_transfers_share_ten_connections,
           thousands_of_transfers_wait_for_a_connection,
           many_connections_at_once_and_one_after_the_other);
    ck_add(suite, "paused", a_body_that_was_paused_goes_on, an_upload_that_was_paused_goes_on);
    ck_add(suite, "beside", a_large_download_leaves_the_loop_its_time);
    return suite;
}
