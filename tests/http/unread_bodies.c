/* unread_bodies.c: bodies that are asked for, that nobody reads, and that are read too late. */
#include "http_visit.h"

#include <stdlib.h>

enum { DISCARD_BYTES = 1000 };

static struct site site;
static unsigned over, handled;
static eddy_http_request *kept;
static int body_error;
static size_t body_size;
static bool is_gone, body_ended;
static eddy_timer timer;

static void on_done(eddy_http_request *request, void *context) {
    (void)context;
    over++;
    if (kept == request) kept = NULL;
}

static void begin(eddy_http_request *request) {
    handled++;
    kept = request;
    eddy_http_on_done(request, on_done, NULL);
}

static void respond(eddy_http_request *request) {
    ck_assert_int_eq(eddy_http_respond(request, 200, "done", 4), 0);
}

static void respond_at_once(eddy_http_request *request, void *context) {
    (void)context;
    begin(request);
    respond(request);
}

static void keep(eddy_http_request *request, void *context) {
    (void)context;
    begin(request);
}

static void on_body(eddy_http_request *request, const void *data, ssize_t size, void *context) {
    (void)data;
    (void)context;
    if (size > 0) body_size += (size_t)size;
    if (size < 0) body_error = (int)size;
    if (size > 0) return;
    body_ended = true;
    (void)eddy_http_respond(request, size == 0 ? 200 : 400, "read", 4);
}

static void read_all(eddy_http_request *request, void *context) {
    (void)context;
    begin(request);
    ck_assert_int_eq(eddy_http_read_body(request, 0, on_body, NULL), 0);
}

static void on_some(eddy_http_request *request, const void *data, ssize_t size, void *context) {
    (void)data;
    (void)context;
    ck_assert_int_gt(size, 0);
    body_size += (size_t)size;
    respond(request);
}

static void read_some(eddy_http_request *request, void *context) {
    (void)context;
    begin(request);
    ck_assert_int_eq(eddy_http_read_body(request, 0, on_some, NULL), 0);
}

static void open_site(void) {
    static const struct {
        const char *prefix;
        eddy_http_fn *fn;
    } handlers[] = {
        {"/", respond_at_once}, {"/keep", keep}, {"/read", read_all}, {"/some", read_some}};
    kept = NULL;
    over = handled = 0;
    body_error = 0;
    body_size = 0;
    body_ended = is_gone = false;
    site_open(&site,
              (eddy_http_config){.discard_bytes = DISCARD_BYTES, .body_ns = EDDY_NS_PER_S / 5});
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        ck_assert_int_eq(
            eddy_http_handle(site.http, NULL, handlers[i].prefix, handlers[i].fn, NULL), 0);
}

static void check_done(struct visit *visit, const char *text, bool is_last) {
    struct answer got = visit_answer(visit);
    ck_assert_int_eq(got.status, 200);
    ck_assert_uint_eq(got.size, 4);
    ck_assert(memcmp(got.body, text, 4) == 0);
    ck_assert(answer_has(&got, "Connection", is_last ? "close" : NULL));
}

static void send_body(const struct visit *visit, size_t size, bool chunked) {
    char text[32 * 1024];
    size_t length = 0;
    if (chunked) length = (size_t)sprintf(text, "%zx\r\n", size);
    memset(text + length, 'b', size);
    length += size;
    if (chunked) length += (size_t)sprintf(text + length, "\r\n0\r\n\r\n");
    (void)send(visit->fd, text, length, MSG_NOSIGNAL); /* where the connection has ended: -1 */
}

static void send_head(const struct visit *visit, const char *target, size_t size, bool chunked,
                      bool expects) {
    char text[256];
    int length = snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: h\r\n%s", target,
                          expects ? "Expect: 100-continue\r\n" : "");
    if (chunked)
        snprintf(text + length, sizeof text - (size_t)length, "Transfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(text + length, sizeof text - (size_t)length, "Content-Length: %zu\r\n\r\n", size);
    visit_send(visit, text);
}

/* --- 100 Continue --- */

static void check_continued(struct visit *visit, const char *target, bool chunked) {
    send_head(visit, target, 10, chunked, true);
    ck_assert_int_eq(visit_answer(visit).status, 100);
    for (int i = 0; i < 20; i++) visit_turn(visit);
    ck_assert_uint_eq(visit->at, visit->used);
    send_body(visit, 10, chunked);
}

/* Also behind an answer that is not out yet, and if the body has come already. */
START_TEST(a_client_is_asked_once_for_the_body_that_it_waits_with) {
    open_site();
    struct visit visit = visit_begin(&site);
    for (int chunked = 0; chunked < 2; chunked++) {
        check_continued(&visit, "/read", chunked);
        check_done(&visit, "read", false);
        visit_get(&visit, "/");
        send_head(&visit, "/read", 10, chunked, true);
        send_body(&visit, 10, chunked);
        check_done(&visit, "done", false);
        ck_assert_int_eq(visit_answer(&visit).status, 100);
        check_done(&visit, "read", false);
    }
    visit_end(&visit);
    site_close(&site);
}
END_TEST

START_TEST(nobody_is_asked_for_a_body_that_is_not_read) {
    open_site();
    for (int chunked = 0; chunked < 2; chunked++) {
        struct visit visit = visit_begin(&site);
        send_head(&visit, "/read", 10, chunked, false); /* does not wait */
        send_body(&visit, 10, chunked);
        check_done(&visit, "read", false);
        send_head(&visit, "/", 10, chunked, true); /* is not read: it is not known what follows */
        check_done(&visit, "done", true);
        send_body(&visit, 10, chunked);
        visit_get(&visit, "/");
        visit_expect_end(&visit);
        visit_end(&visit);
    }
    struct visit visit = visit_begin(&site); /* no body, nothing to wait with */
    send_head(&visit, "/read", 0, false, true);
    check_done(&visit, "read", false);
    visit_send(&visit, "POST /read HTTP/1.0\r\nExpect: 100-continue\r\nConnection: keep-alive\r\n"
                       "Content-Length: 1\r\n\r\nb");
    struct answer got = visit_answer(&visit);
    ck_assert_int_eq(got.status, 200);
    visit_end(&visit);
    site_close(&site);
    ck_assert_uint_eq(over, handled);
    ck_assert_uint_eq(handled, 6);
}
END_TEST

/* --- What nobody reads --- */

/* Sent before the answer or after it, it is skipped as far as discard_bytes. */
static void check_rest(const char *target, size_t size, bool chunked, bool late, bool goes_on) {
    struct visit visit = visit_begin(&site);
    bool is_known = !chunked; /* the head of the answer can tell that it is the last */
    handled = over = 0;
    send_head(&visit, target, size, chunked, false);
    if (!late) send_body(&visit, size, chunked);
    check_done(&visit, "done", is_known && !goes_on);
    if (late) {
        for (int i = 0; i < 10; i++) visit_turn(&visit);
        send_body(&visit, size, chunked);
    }
    if (goes_on) {
        visit_get(&visit, "/");
        check_done(&visit, "done", false);
        ck_assert_uint_eq(over, 2);
    } else {
        visit_expect_end(&visit);
        ck_assert_uint_eq(handled, 1);
    }
    visit_end(&visit);
}

START_TEST(a_body_that_nobody_reads_is_skipped_up_to_a_limit) {
    open_site();
    for (int chunked = 0; chunked < 2; chunked++) {
        for (int late = 0; late < 2; late++) {
            check_rest("/", 1, chunked, late, true);
            check_rest("/", DISCARD_BYTES, chunked, late, true);
            check_rest("/", DISCARD_BYTES + 1, chunked, late, false);
            check_rest("/", 30000, chunked, late, false);
        }
    }
    site_close(&site);
}
END_TEST

/* The handler answers with the first piece: what is left is nobody's. */
START_TEST(a_body_that_is_not_read_to_its_end_is_skipped) {
    open_site();
    for (int chunked = 0; chunked < 2; chunked++) {
        check_rest("/some", 10, chunked, false, true);
        struct visit visit = visit_begin(&site);
        visit_send(&visit, chunked
                               ? "POST /some HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                                 "\r\n1\r\nb\r\n40\r\n"
                               : "POST /some HTTP/1.1\r\nHost: h\r\nContent-Length: 65\r\n\r\nb");
        check_done(&visit, "done", false);
        /* The rest looks like a request, which it is not. */
        visit_send(&visit,
                   "GET /a_request_that_has_64_bytes_____ HTTP/1.1\r\nHost: abcdef\r\n\r\n");
        if (chunked) visit_send(&visit, "\r\n0\r\n\r\n");
        visit_get(&visit, "/");
        check_done(&visit, "done", false);
        ck_assert_uint_eq(visit.at, visit.used);
        visit_end(&visit);
    }
    site_close(&site);
    ck_assert_uint_eq(handled, over);
}
END_TEST

/* --- Too late --- */

static void on_gone(eddy_http_request *request, void *context) {
    (void)request;
    (void)context;
    is_gone = true;
}

/* The callback would never come, and who waits for it never end the request. */
START_TEST(a_body_cannot_be_read_once_the_client_has_gone) {
    struct linger at_once = {.l_onoff = 1};
    if (!test_backend_can(EDDY_CAN_HANGUP)) return;
    open_site();
    struct visit visit = visit_begin(&site);
    send_head(&visit, "/keep", 10, false, false);
    while (kept == NULL) visit_turn(&visit);
    eddy_http_on_gone(kept, on_gone, NULL);
    ck_assert_int_eq(setsockopt(visit.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    visit_end(&visit);
    test_turn_until(site.loop, &is_gone);
    ck_assert_int_eq(eddy_http_read_body(kept, 0, on_body, NULL), -EPIPE);
    eddy_http_abort(kept);
    site_close(&site);
    ck_assert_uint_eq(over, 1);
}
END_TEST

static void write_now_and_then(eddy_timer *it) {
    if (kept == NULL || body_ended) return;
    ck_assert_int_eq((int)eddy_http_write(kept, "w", 1), 1);
    ck_assert_int_eq(eddy_timer_start(it, write_now_and_then, EDDY_NS_PER_S / 50, 0), 0);
}

static void on_timed_body(eddy_http_request *request, const void *data, ssize_t size,
                          void *context) {
    (void)data;
    (void)context;
    if (size > 0) {
        body_size += (size_t)size;
        return;
    }
    body_error = (int)size;
    body_ended = true;
    (void)eddy_http_end(request);
}

static void answer_while_reading(eddy_http_request *request, void *context) {
    (void)context;
    begin(request);
    ck_assert_int_eq(eddy_http_read_body(request, 0, on_timed_body, NULL), 0);
    ck_assert_int_eq(eddy_http_start(request, 200, -1), 0);
    eddy_timer_init(&timer, site.loop);
    ck_assert_int_eq(eddy_timer_start(&timer, write_now_and_then, 1, 0), 0);
}

/* Only what comes of it pushes the limit away: not what its handler does meanwhile. */
START_TEST(a_body_has_its_time_limit_while_the_answer_goes_on) {
    open_site();
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/both", answer_while_reading, NULL), 0);
    struct visit visit = visit_begin(&site);
    send_head(&visit, "/both", 4, false, false);
    int64_t begun_ns = test_now_ns(), next_ns = begun_ns;
    while (!body_ended) {
        if (body_size < 3 && test_now_ns() > next_ns) {
            visit_send(&visit, "b"); /* in time, as long as there is some */
            next_ns += EDDY_NS_PER_S * 15 / 100;
        }
        visit_turn(&visit);
        if (test_now_ns() > begun_ns + 5 * EDDY_NS_PER_S) ck_abort_msg("there is no limit");
    }
    ck_assert_uint_eq(body_size, 3);
    ck_assert_int_eq(body_error, -ETIMEDOUT);
    ck_assert_int_gt(test_now_ns() - begun_ns, EDDY_NS_PER_S * 45 / 100);
    eddy_timer_stop(&timer);
    visit_end(&visit);
    site_close(&site);
}
END_TEST

static void give_up_on_body(eddy_http_request *request, const void *data, ssize_t size,
                            void *context) {
    (void)data;
    (void)size;
    (void)context;
    if (!body_ended) eddy_http_abort(request);
    body_ended = true;
}

static void read_and_give_up(eddy_http_request *request, void *context) {
    (void)context;
    begin(request);
    ck_assert_int_eq(eddy_http_read_body(request, 0, give_up_on_body, NULL), 0);
}

/* Be it at a piece that came with the head, or at the end of a client that sends no more: nothing
 * else would come that could call for the answer. */
START_TEST(a_body_that_its_handler_gives_up_is_answered) {
    open_site();
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/up", read_and_give_up, NULL), 0);
    for (int has_end = 0; has_end < 2; has_end++) {
        struct visit visit = visit_begin(&site);
        body_ended = false;
        visit_send(&visit, has_end
                               ? "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"
                               : "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
        if (has_end) ck_assert_int_eq(shutdown(visit.fd, SHUT_WR), 0);
        ck_assert_int_eq(visit_answer(&visit).status, 500);
        visit_end(&visit);
    }
    site_close(&site);
    ck_assert_uint_eq(over, 2);
}
END_TEST

static void read_after_the_end(eddy_http_request *request, void *context) {
    (void)context;
    begin(request);
    respond(request);
    ck_assert_int_eq(eddy_http_read_body(request, 0, on_body, NULL), -EALREADY);
}

/* Its function would never be called. */
START_TEST(a_body_cannot_be_read_once_the_request_is_ended) {
    open_site();
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/ended", read_after_the_end, NULL), 0);
    struct visit visit = visit_begin(&site);
    send_head(&visit, "/ended", 10, false, false);
    send_body(&visit, 10, false);
    check_done(&visit, "done", false);
    visit_get(&visit, "/");
    check_done(&visit, "done", false);
    ck_assert(!body_ended);
    visit_end(&visit);
    site_close(&site);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("unread_bodies");
    ck_add(suite, "asked", a_client_is_asked_once_for_the_body_that_it_waits_with,
           nobody_is_asked_for_a_body_that_is_not_read);
    ck_add(suite, "skipped", a_body_that_nobody_reads_is_skipped_up_to_a_limit,
           a_body_that_is_not_read_to_its_end_is_skipped);
    ck_add(suite, "late", a_body_cannot_be_read_once_the_client_has_gone,
           a_body_cannot_be_read_once_the_request_is_ended,
           a_body_has_its_time_limit_while_the_answer_goes_on,
           a_body_that_its_handler_gives_up_is_answered);
    return suite;
}
