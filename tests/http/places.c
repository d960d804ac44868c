/* places.c: how many clients are let in, and how long each may take. */
#include "http_visit.h"

#include <stdlib.h>

static struct site site;
static eddy_http_request *kept[8];
static unsigned handled, over, gone;

static void on_done(eddy_http_request *request, void *context) {
    (void)request;
    (void)context;
    over++;
}

static void on_gone(eddy_http_request *request, void *context) {
    (void)context;
    gone++;
    eddy_http_abort(request);
}

static void keep(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_uint_lt(handled, 8);
    eddy_http_on_done(request, on_done, NULL);
    eddy_http_on_gone(request, on_gone, NULL);
    kept[handled++] = request;
}

static void respond(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_respond(request, 200, "here", 4), 0);
}

static void open_site(eddy_http_config config) {
    handled = over = gone = 0;
    site_open(&site, config);
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", respond, NULL), 0);
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/keep", keep, NULL), 0);
}

static eddy_http_counts counts(void) {
    eddy_http_counts it;
    eddy_http_read_counts(site.http, &it, sizeof it);
    return it;
}

static void turn_some(void) {
    for (int i = 0; i < 20; i++) ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
}

static void check_here(struct visit *visit) {
    visit_get(visit, "/");
    ck_assert_uint_eq(visit_answer(visit).size, 4);
}

static void check_waits(struct visit *visit) {
    turn_some();
    visit_receive(visit);
    ck_assert_uint_eq(visit->used, 0);
    ck_assert(!visit->ended && visit->error == 0);
}

/* --- Places --- */

/* Whoever has been idle longest, and nobody who is being answered. */
START_TEST(idle_clients_make_room) {
    open_site((eddy_http_config){.connections = 3});
    struct visit busy = visit_begin(&site), first = visit_begin(&site), second = visit_begin(&site);
    visit_get(&busy, "/keep");
    while (handled == 0) visit_turn(&busy);
    check_here(&first);
    check_here(&second);
    check_here(&first); /* now the second one has been idle longer */
    struct visit third = visit_begin(&site);
    check_here(&third);
    visit_expect_end(&second);
    ck_assert_uint_eq(counts().evicted, 1);
    ck_assert_uint_eq(counts().open, 3);
    struct visit fourth = visit_begin(&site);
    check_here(&fourth);
    visit_expect_end(&first);
    check_here(&third);
    ck_assert_uint_eq(counts().evicted, 2);
    respond(kept[0], NULL);
    ck_assert_uint_eq(visit_answer(&busy).size, 4);
    visit_end(&busy);
    visit_end(&first);
    visit_end(&second);
    visit_end(&third);
    visit_end(&fourth);
    site_close(&site);
}
END_TEST

/* Others wait in the backlog, which is nothing that they notice but time. */
START_TEST(clients_wait_while_all_are_being_answered) {
    open_site((eddy_http_config){.connections = 2});
    struct visit busy[2], waiting[5];
    for (int i = 0; i < 2; i++) {
        busy[i] = visit_begin(&site);
        visit_get(&busy[i], "/keep");
    }
    while (handled < 2) visit_turn(&busy[0]);
    for (int i = 0; i < 5; i++) {
        waiting[i] = visit_begin(&site);
        visit_get(&waiting[i], "/");
    }
    check_waits(&waiting[0]);
    ck_assert_uint_eq(counts().connections, 2);
    ck_assert_int_eq(eddy_http_accept(site.http, 0, (struct sockaddr *)&site.address), -EAGAIN);
    respond(kept[0], NULL);
    ck_assert_uint_eq(visit_answer(&busy[0]).size, 4);
    for (int i = 0; i < 5; i++) ck_assert_uint_eq(visit_answer(&waiting[i]).size, 4);
    ck_assert_uint_eq(counts().connections, 7);
    respond(kept[1], NULL);
    ck_assert_uint_eq(visit_answer(&busy[1]).size, 4);
    for (int i = 0; i < 2; i++) visit_end(&busy[i]);
    for (int i = 0; i < 5; i++) visit_end(&waiting[i]);
    site_close(&site);
}
END_TEST

/* They may take a second, and then have to make room if somebody waits. */
START_TEST(silent_clients_and_half_heads_make_room_after_a_second) {
    static const char *const sent[] = {"", "GET / HTTP/1.1\r\nHo"};
    for (int i = 0; i < 2; i++) {
        open_site((eddy_http_config){.connections = 1});
        int64_t begun_ns = test_now_ns();
        struct visit silent = visit_begin(&site);
        visit_send(&silent, sent[i]);
        while (counts().connections == 0) visit_turn(&silent);
        turn_some();
        struct visit next = visit_begin(&site);
        visit_get(&next, "/");
        check_waits(&next);
        ck_assert_uint_eq(visit_answer(&next).size, 4);
        ck_assert_int_ge(test_now_ns() - begun_ns, EDDY_NS_PER_S);
        ck_assert_int_lt(test_now_ns() - begun_ns, 10 * EDDY_NS_PER_S);
        visit_expect_end(&silent);
        ck_assert_uint_eq(counts().evicted, 1);
        visit_end(&silent);
        visit_end(&next);
        site_close(&site);
    }
}
END_TEST

/* --- The program's own listener --- */

static eddy_listener own;
static int refused;

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)listener;
    ck_assert_int_ge(fd, 0);
    int err = eddy_http_accept(site.http, fd, peer);
    if (err < 0) close(fd);
    refused += err == -EAGAIN;
}

START_TEST(a_program_may_accept_itself) {
    open_site((eddy_http_config){.connections = 1});
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    eddy_listener_init(&own, site.loop);
    ck_assert_int_eq(eddy_tcp_listen(&own, (struct sockaddr *)&address, length, 0, 0, on_accept),
                     0);
    ck_assert_int_eq(eddy_listener_address(&own, (struct sockaddr *)&site.address, &site.length),
                     0);
    struct visit visit = visit_begin(&site), other;
    check_here(&visit);
    visit_get(&visit, "/keep");
    while (handled == 0) visit_turn(&visit);
    other = visit_begin(&site);
    visit_expect_end(&other);
    ck_assert_int_eq(refused, 1);
    visit_end(&other);
    respond(kept[0], NULL);
    ck_assert_uint_eq(visit_answer(&visit).size, 4);
    visit_end(&visit);
    ck_assert_int_eq(eddy_http_accept(site.http, -1, (struct sockaddr *)&address), -EBADF);
    ck_assert_int_eq(eddy_listener_close(&own, NULL), 0);
    test_turn_for(site.loop, EDDY_NS_PER_S / 100);
    site_close(&site);
}
END_TEST

/* A listener that is the server's already stays as it is, and goes on. */
START_TEST(a_listener_listens_once) {
    open_site((eddy_http_config){.connections = 2});
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    ck_assert_int_eq(
        eddy_http_listen(site.http, &site.listener, (struct sockaddr *)&address, length, 0, NULL),
        -EALREADY);
    struct visit visit = visit_begin(&site);
    check_here(&visit);
    visit_end(&visit);
    site_close(&site);
}
END_TEST

/* --- Time limits --- */

START_TEST(a_head_has_its_time) {
    open_site((eddy_http_config){.head_ns = EDDY_NS_PER_S / 10});
    struct visit visit = visit_begin(&site);
    check_here(&visit);
    int64_t begun_ns = test_now_ns(), next_ns = begun_ns;
    size_t sent = 0;
    static const char head[] = "GET / HTTP/1.1\r\nHost: a_host_that_is_sent_byte_by_byte";
    while (visit.used == visit.at) { /* each byte does not buy more of it */
        if (test_now_ns() > next_ns && sent + 1 < sizeof head) {
            ck_assert_int_eq(send(visit.fd, head + sent++, 1, MSG_NOSIGNAL), 1);
            next_ns += EDDY_NS_PER_S / 100;
        }
        visit_turn(&visit);
        if (test_now_ns() > begun_ns + 5 * EDDY_NS_PER_S) ck_abort_msg("there is no limit");
    }
    struct answer got = visit_answer(&visit);
    ck_assert_int_eq(got.status, 408);
    ck_assert_int_ge(test_now_ns() - begun_ns, EDDY_NS_PER_S / 10);
    visit_expect_end(&visit);
    ck_assert_uint_eq(counts().timed_out, 1);
    ck_assert_uint_eq(counts().refused, 1);
    visit_end(&visit);
    site_close(&site);
}
END_TEST

START_TEST(an_idle_client_has_its_time) {
    open_site((eddy_http_config){.idle_ns = EDDY_NS_PER_S / 10, .head_ns = 60 * EDDY_NS_PER_S});
    struct visit visit = visit_begin(&site), silent = visit_begin(&site);
    check_here(&visit);
    visit_expect_end(&visit);
    visit_expect_end(&silent);
    ck_assert_uint_eq(counts().timed_out, 2);
    visit_end(&visit);
    visit_end(&silent);
    /* Who is being answered is not idle. */
    visit = visit_begin(&site);
    visit_get(&visit, "/keep");
    while (handled == 0) visit_turn(&visit);
    test_turn_for(site.loop, EDDY_NS_PER_S / 5);
    respond(kept[0], NULL);
    ck_assert_uint_eq(visit_answer(&visit).size, 4);
    visit_end(&visit);
    site_close(&site);
}
END_TEST

enum { LARGE_BYTES = 8 * 1024 * 1024 };
static char *large;

static void respond_large(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_on_done(request, on_done, NULL);
    ck_assert_int_eq(eddy_http_respond_lent(request, 200, large, LARGE_BYTES), 0);
}

/* Whoever takes some of it now and then may take as long as that lasts. */
START_TEST(an_answer_has_its_time_from_byte_to_byte) {
    large = calloc(1, LARGE_BYTES);
    open_site((eddy_http_config){.answer_ns = EDDY_NS_PER_S / 4});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/large", respond_large, NULL), 0);
    struct visit slow = visit_begin_with(&site, 4096), dead = visit_begin_with(&site, 4096);
    slow.step = 32 * 1024;
    visit_get(&slow, "/large");
    visit_get(&dead, "/large");
    int64_t begun_ns = test_now_ns();
    ck_assert_uint_eq(visit_answer(&slow).size, LARGE_BYTES);
    while (over < 2) {
        ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
        if (test_now_ns() > begun_ns + 10 * EDDY_NS_PER_S) ck_abort_msg("there is no limit");
    }
    ck_assert_int_ge(test_now_ns() - begun_ns, EDDY_NS_PER_S / 4);
    ck_assert_uint_eq(counts().timed_out, 1);
    visit_end(&slow);
    visit_end(&dead);
    free(large);
    site_close(&site);
}
END_TEST

/* --- Another protocol --- */

static char early[64];
static size_t early_bytes;
static int upgraded_fd;
static bool is_upgraded;

static void on_upgraded(int fd, const void *data, size_t size, void *context) {
    ck_assert_ptr_eq(context, &is_upgraded);
    ck_assert_uint_eq(over, 1); /* `done` came before */
    upgraded_fd = fd;
    early_bytes = size;
    memcpy(early, data, size);
    is_upgraded = true;
}

static void upgrade(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_on_done(request, on_done, NULL);
    ck_assert_int_eq(eddy_http_add(request, "Upgrade", "mine"), 0);
    int err = eddy_http_upgrade(request, on_upgraded, &is_upgraded);
    ck_assert_int_eq(
        err, eddy_http_minor(request) == 0 || eddy_http_body_length(request) > 0 ? -EINVAL : 0);
}

START_TEST(an_upgrade_hands_the_connection_over) {
    open_site((eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/up", upgrade, NULL), 0);
    struct visit visit = visit_begin(&site);
    visit_get(&visit, "/"); /* answered before */
    visit_send(&visit, "GET /up HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: mine\r\n\r\n"
                       "GET / HTTP/1.1\r\n\r\n");
    ck_assert_uint_eq(visit_answer(&visit).size, 4);
    struct answer got = visit_answer(&visit);
    ck_assert_int_eq(got.status, 101);
    ck_assert(answer_has(&got, "Connection", "Upgrade"));
    ck_assert(answer_has(&got, "Upgrade", "mine"));
    ck_assert_ptr_null(answer_field(&got, "Content-Length"));
    visit_turn_until(&visit, &is_upgraded);
    ck_assert_uint_eq(early_bytes, 18);
    ck_assert(memcmp(early, "GET / HTTP/1.1\r\n\r\n", 18) == 0);
    turn_some();
    ck_assert_uint_eq(counts().open, 0);
    ck_assert_int_eq(send(upgraded_fd, "mine", 4, MSG_NOSIGNAL), 4);
    while (visit.used < visit.at + 4) visit_receive(&visit);
    ck_assert(memcmp(visit.bytes + visit.at, "mine", 4) == 0);
    ck_assert_int_eq(close(upgraded_fd), 0);
    visit_end(&visit);
    site_close(&site);
}
END_TEST

START_TEST(an_upgrade_needs_http_1_1_and_no_body) {
    static const char *const requests[] = {
        "GET /up HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /up HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nb",
    };
    open_site((eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/up", upgrade, NULL), 0);
    struct visit visit = visit_begin(&site);
    for (int i = 0; i < 2; i++) {
        visit_send(&visit, requests[i]);
        struct answer got = visit_answer(&visit);
        ck_assert_int_eq(got.status, 500);
        ck_assert_ptr_null(answer_field(&got, "Upgrade"));
        check_here(&visit);
    }
    ck_assert(!is_upgraded);
    ck_assert_uint_eq(over, 2);
    visit_end(&visit);
    site_close(&site);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("places");
    ck_add(suite, "places", idle_clients_make_room, clients_wait_while_all_are_being_answered,
           silent_clients_and_half_heads_make_room_after_a_second, a_program_may_accept_itself,
           a_listener_listens_once);
    ck_add(suite, "times", a_head_has_its_time, an_idle_client_has_its_time,
           an_answer_has_its_time_from_byte_to_byte);
    ck_add(suite, "upgrade", an_upgrade_hands_the_connection_over,
           an_upgrade_needs_http_1_1_and_no_body);
    return suite;
}
