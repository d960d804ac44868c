/* lifetimes.c: when a request is over, and when a server is. */
#include "http_visit.h"

#include <stdlib.h>

/* A request, and all that it was told of, in order: b(ody error) g(one) l(og) d(one). */
static struct {
    eddy_http_request *request;
    char told[16];
    int status, error;
    int64_t body_bytes;
    bool is_gone, is_over;
} seen;

static struct site site;
static eddy_http_fn *act;
static bool stopped;
static char *large;

enum { LARGE_BYTES = 20 * 1024 * 1024 };

static void tell(char what) {
    size_t length = strlen(seen.told);
    ck_assert_uint_lt(length, sizeof seen.told - 1);
    seen.told[length] = what;
}

static void on_log(eddy_http_request *request, const eddy_http_outcome *outcome, void *context) {
    (void)context;
    if (request != seen.request) return;
    tell('l');
    seen.status = outcome->status;
    seen.error = outcome->error;
    seen.body_bytes = outcome->body_bytes;
}

static void on_done(eddy_http_request *request, void *context) {
    ck_assert_ptr_eq(context, &seen);
    ck_assert_ptr_eq(request, seen.request);
    ck_assert_ptr_nonnull(eddy_http_path(request)); /* all that it has is still there */
    tell('d');
    seen.is_over = true;
    seen.request = NULL;
}

static void on_gone(eddy_http_request *request, void *context) {
    ck_assert_ptr_eq(context, &seen);
    ck_assert_ptr_eq(request, seen.request);
    tell('g');
    seen.is_gone = true;
}

static void handle(eddy_http_request *request, void *context) {
    (void)context;
    memset(&seen, 0, sizeof seen);
    seen.request = request;
    eddy_http_on_done(request, on_done, &seen);
    eddy_http_on_gone(request, on_gone, &seen);
    if (act != NULL) act(request, NULL);
}

static void respond_other(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_respond(request, 200, "other", 5), 0);
}

static void open_site(eddy_http_fn *fn) {
    act = fn;
    stopped = false;
    memset(&seen, 0, sizeof seen);
    site_open(&site, (eddy_http_config){.log = on_log});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", handle, NULL), 0);
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/other", respond_other, NULL), 0);
}

static eddy_http_counts counts(void) {
    eddy_http_counts it;
    eddy_http_read_counts(site.http, &it, sizeof it);
    return it;
}

static void leave_at_once(struct visit *visit) {
    struct linger at_once = {.l_onoff = 1};
    ck_assert_int_eq(setsockopt(visit->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    visit_end(visit);
}

/* Sends a request and waits until its handler has been called. */
static struct visit ask(void) {
    struct visit visit = visit_begin_with(&site, 4096);
    visit_get(&visit, "/");
    while (seen.request == NULL && seen.told[0] == '\0') visit_turn(&visit);
    return visit;
}

/* --- Clients that go --- */

static void start(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_start(request, 200, -1), 0);
    ck_assert_int_gt((int)eddy_http_write(request, "a", 1), 0);
}

/* Each way to answer is harmless, and what it says is that nobody is there. */
static void answer_in_vain(int way) {
    eddy_http_request *request = seen.request;
    ck_assert_int_eq(eddy_http_add(request, "A", "b"), -EPIPE);
    ck_assert_int_eq((int)eddy_http_write(request, "a", 1), -EPIPE);
    ck_assert_int_eq(eddy_http_write_file(request, 0, 0, 1), -EPIPE);
    ck_assert_int_eq(eddy_http_event(request, NULL, NULL, "a", 1), -EPIPE);
    ck_assert_int_eq(eddy_http_start(request, 200, 5), -EPIPE);
    eddy_http_pause_body(request);
    eddy_http_resume_body(request);
    eddy_http_set_last(request);
    eddy_http_clear(request);
    int err = -EPIPE;
    if (way == 0) err = eddy_http_respond(request, 200, "a", 1);
    if (way == 1) err = eddy_http_respond_lent(request, 200, "a", 1);
    if (way == 2) err = eddy_http_respond_file(request, 200, 0, 0, 1);
    if (way == 3) err = eddy_http_end(request);
    if (way == 4) eddy_http_abort(request);
    ck_assert_int_eq(err, -EPIPE);
}

static void check_gone(eddy_http_fn *fn, int way) {
    open_site(fn);
    struct visit visit = ask();
    leave_at_once(&visit);
    test_turn_until(site.loop, &seen.is_gone);
    ck_assert(!seen.is_over);
    ck_assert_uint_eq(counts().open, 0);
    ck_assert_uint_eq(counts().answering, 1);
    ck_assert_int_eq(eddy_http_close(site.http), -EBUSY);
    answer_in_vain(way);
    ck_assert_str_eq(seen.told, "g"); /* nothing inside of a call */
    test_turn_until(site.loop, &seen.is_over);
    ck_assert_str_eq(seen.told, "gld");
    ck_assert_int_eq(seen.error, -ECONNRESET);
    if (fn == NULL) ck_assert_int_eq(seen.status, 0);
    ck_assert_uint_eq(counts().answering, 0);
    ck_assert_uint_eq(counts().gone, 1);
    site_close(&site);
}

START_TEST(answering_a_client_that_has_gone_is_harmless) {
    if (!test_backend_can(EDDY_CAN_HANGUP)) return;
    for (int way = 0; way < 5; way++) {
        check_gone(NULL, way);
        check_gone(start, way);
    }
}
END_TEST

static void end_in_gone(eddy_http_request *request, void *context) {
    on_gone(request, context);
    eddy_http_abort(request);
}

static void end_when_gone(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_on_gone(request, end_in_gone, &seen);
}

START_TEST(a_request_may_be_ended_when_its_client_goes) {
    open_site(end_when_gone);
    struct visit visit = ask();
    leave_at_once(&visit);
    test_turn_until(site.loop, &seen.is_over);
    ck_assert_str_eq(seen.told, "gld");
    site_close(&site);
}
END_TEST

/* Unless the program says so: then it is told at once, also where nothing is read, and may answer.
 */
START_TEST(a_client_that_sends_no_more_has_gone_if_that_is_said) {
    if (!test_backend_can(EDDY_CAN_HANGUP)) return;
    for (int with_more = 0; with_more < 2; with_more++) {
        for (int answers = 0; answers < 2; answers++) {
            act = answers ? NULL : end_when_gone;
            memset(&seen, 0, sizeof seen);
            site_open(&site, (eddy_http_config){.log = on_log, .end_is_gone = true});
            ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", handle, NULL), 0);
            ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/other", respond_other, NULL), 0);
            struct visit visit = ask();
            /* What waits behind the request is not read, and hides the end from a reader. */
            if (with_more) visit_get(&visit, "/other");
            for (int i = 0; i < 5; i++) test_run(site.loop, EDDY_RUN_NOWAIT);
            ck_assert_int_eq(shutdown(visit.fd, SHUT_WR), 0);
            test_turn_until(site.loop, &seen.is_gone);
            if (answers) ck_assert_int_eq(eddy_http_respond(seen.request, 200, "a", 1), 0);
            ck_assert_int_eq(visit_answer(&visit).status, answers ? 200 : 500);
            visit_end(&visit);
            site_close(&site);
        }
    }
}
END_TEST

/* A half-close is not the end of a client. */
START_TEST(a_client_that_only_listens_gets_its_answer) {
    open_site(NULL);
    struct visit visit = ask();
    ck_assert_int_eq(shutdown(visit.fd, SHUT_WR), 0);
    test_turn_for(site.loop, EDDY_NS_PER_S / 50);
    ck_assert_str_eq(seen.told, "");
    ck_assert_int_eq(eddy_http_respond(seen.request, 200, "still", 5), 0);
    ck_assert_uint_eq(visit_answer(&visit).size, 5);
    ck_assert_str_eq(seen.told, "ld");
    visit_expect_end(&visit);
    visit_end(&visit);
    site_close(&site);
}
END_TEST

static void respond_large(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_respond_lent(request, 200, large, LARGE_BYTES), 0);
}

/* It was ended, so that nobody is told; what the kernel has had is counted. */
START_TEST(a_client_that_goes_while_it_is_answered_ends_the_request) {
    large = calloc(1, LARGE_BYTES);
    open_site(respond_large);
    struct visit visit = ask();
    for (int i = 0; i < 20; i++) ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_str_eq(seen.told, "");
    leave_at_once(&visit);
    test_turn_until(site.loop, &seen.is_over);
    ck_assert_str_eq(seen.told, "ld");
    ck_assert_int_lt(seen.error, 0);
    ck_assert_int_eq(seen.status, 200);
    ck_assert_int_gt(seen.body_bytes, 0);
    ck_assert_int_lt(seen.body_bytes, LARGE_BYTES);
    ck_assert_uint_eq(counts().gone, 1);
    free(large);
    site_close(&site);
}
END_TEST

/* --- The end of a server --- */

static void on_stopped(eddy_http *http, void *context) {
    ck_assert_ptr_eq(http, site.http);
    ck_assert_ptr_eq(context, &stopped);
    ck_assert(!stopped);
    stopped = true;
    ck_assert_int_eq(eddy_http_close(http), 0);
}

static void close_stopped(void) {
    test_turn_until(site.loop, &stopped);
    ck_assert_uint_eq(site.memory.blocks, 0);
    test_loop_close(site.loop);
}

static void stop(void) {
    ck_assert_int_eq(eddy_http_stop(site.http, on_stopped, &stopped), 0);
    ck_assert_int_eq(eddy_http_stop(site.http, on_stopped, &stopped), -EALREADY);
    ck_assert(!stopped);
    eddy_http_listener other;
    const struct sockaddr *address = (const struct sockaddr *)&site.address;
    ck_assert_int_eq(eddy_http_listen(site.http, &other, address, site.length, 0, NULL),
                     -ECANCELED);
    ck_assert_int_eq(eddy_http_accept(site.http, 0, address), -ECANCELED);
}

/* Who is being answered gets all of it; all others are closed. */
START_TEST(a_stop_waits_for_what_is_being_answered) {
    open_site(NULL);
    struct visit idle = visit_begin(&site), half = visit_begin(&site), silent = visit_begin(&site);
    struct visit visit = ask();
    visit_get(&idle, "/other");
    ck_assert_uint_eq(visit_answer(&idle).size, 5);
    visit_send(&half, "GET / HTT");
    visit_get(&visit, "/other"); /* comes too late */
    for (int i = 0; i < 20; i++) visit_turn(&half);
    ck_assert_uint_eq(counts().open, 4);
    ck_assert_int_eq(eddy_http_close(site.http), -EBUSY);
    stop();
    visit_expect_end(&idle);
    visit_expect_end(&half);
    visit_expect_end(&silent);
    ck_assert(!stopped);
    ck_assert_uint_eq(counts().open, 1);
    ck_assert_int_eq(eddy_http_respond(seen.request, 200, "whole", 5), 0);
    struct answer got = visit_answer(&visit);
    ck_assert_uint_eq(got.size, 5);
    ck_assert(answer_has(&got, "Connection", "close"));
    visit_expect_end(&visit);
    visit_end(&visit);
    visit_end(&idle);
    visit_end(&half);
    visit_end(&silent);
    close_stopped();
    ck_assert_str_eq(seen.told, "ld");
}
END_TEST

/* Its body would be skipped; to close at once would be a reset, which takes the answer along. */
START_TEST(a_stop_does_not_take_an_answer_back) {
    open_site(NULL);
    for (int after = 0; after < 2; after++) {
        struct visit visit = visit_begin(&site);
        visit_send(&visit, "POST /other HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n");
        visit_send(&visit, "body");
        if (after) visit_send(&visit, "more");
        ck_assert_uint_eq(visit_answer(&visit).size, 5);
        visit_end(&visit);
    }
    struct visit visit = visit_begin(&site);
    visit_send(&visit, "POST /other HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n");
    while (counts().requests < 3) ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
    visit_send(&visit, "body"); /* is with the kernel when the server stops */
    stop();
    ck_assert_uint_eq(visit_answer(&visit).size, 5);
    visit_expect_end(&visit);
    visit_end(&visit);
    close_stopped();
}
END_TEST

static void expect_last(struct visit *visit) {
    struct answer got = visit_answer(visit);
    ck_assert_uint_eq(got.size, 5);
    ck_assert(answer_has(&got, "Connection", "close"));
    visit_expect_end(visit);
    visit_end(visit);
}

/* Who has not asked yet may still do so, and whoever is idle may ask once more; whoever comes later
 * is served by another listener of the socket. */
START_TEST(a_drain_answers_who_is_connected) {
    open_site(NULL);
    eddy_http_listener other;
    const struct sockaddr *address = (const struct sockaddr *)&site.address;
    int fd = dup(eddy_listener_fd(&site.listener.listener));
    struct visit idle = visit_begin(&site), half = visit_begin(&site), silent = visit_begin(&site);
    struct visit busy = ask();
    visit_get(&idle, "/other");
    struct answer first = visit_answer(&idle);
    ck_assert(!answer_has(&first, "Connection", "close"));
    visit_send(&half, "GET /other HTT");
    for (int i = 0; i < 20; i++) visit_turn(&half);
    ck_assert_uint_eq(counts().open, 4);
    ck_assert_int_eq(eddy_http_drain(site.http, on_stopped, &stopped), 0);
    ck_assert_int_eq(eddy_http_drain(site.http, on_stopped, &stopped), -EALREADY);
    ck_assert_int_eq(eddy_http_listen(site.http, &other, address, site.length, 0, NULL),
                     -ECANCELED);
    ck_assert_int_eq(eddy_http_attach(site.http, &other, fd, NULL), -ECANCELED);
    ck_assert_int_eq(eddy_http_accept(site.http, 0, address), -ECANCELED);
    struct visit late = visit_begin(&site); /* `fd` keeps the backlog */
    for (int i = 0; i < 20; i++) visit_turn(&late);
    ck_assert_uint_eq(counts().open, 4);
    visit_send(&half, "P/1.1\r\nHost: h\r\n\r\n");
    expect_last(&half);
    visit_get(&idle, "/other");
    expect_last(&idle);
    ck_assert_int_eq(eddy_http_respond(seen.request, 200, "whole", 5), 0);
    expect_last(&busy);
    while (counts().open > 1) visit_turn(&silent);
    ck_assert(!stopped);
    visit_get(&silent, "/other");
    expect_last(&silent);
    visit_end(&late);
    close(fd);
    close_stopped();
}
END_TEST

/* In which those who do not ask are not waited for; only the stop tells of the end. */
START_TEST(a_stop_ends_a_drain) {
    open_site(NULL);
    struct visit silent = visit_begin(&site);
    while (counts().open == 0) visit_turn(&silent);
    ck_assert_int_eq(eddy_http_drain(site.http, NULL, NULL), 0);
    stop();
    ck_assert_int_eq(eddy_http_drain(site.http, NULL, NULL), -EALREADY);
    visit_expect_end(&silent);
    visit_end(&silent);
    close_stopped();
}
END_TEST

/* A server over a socket that listens already. */
START_TEST(an_inherited_socket_is_served) {
    open_site(NULL);
    eddy_http_listener other;
    int fd = dup(eddy_listener_fd(&site.listener.listener));
    ck_assert_int_eq(eddy_http_attach(site.http, &other, -1, NULL), -EBADF);
    ck_assert_int_eq(eddy_http_attach(site.http, &other, fd, NULL), 0);
    for (int i = 0; i < 10; i++) {
        struct visit visit = visit_begin(&site);
        visit_get(&visit, "/other");
        ck_assert_uint_eq(visit_answer(&visit).size, 5);
        visit_end(&visit);
    }
    ck_assert_uint_eq(counts().connections, 10);
    stop();
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    close_stopped();
}
END_TEST

/* Who was being answered sees a reset; the listener goes on. */
START_TEST(a_cut_ends_all_connections) {
    open_site(start);
    struct visit idle = visit_begin(&site), visit = ask(), next;
    for (int i = 0; i < 20; i++) visit_turn(&visit);
    for (int i = 0; i < 5; i++) visit_turn(&idle);
    eddy_http_cut(site.http);
    ck_assert_uint_eq(counts().open, 0);
    ck_assert_str_eq(seen.told, "");
    test_turn_until(site.loop, &seen.is_gone);
    visit_expect_end(&idle);
    while (visit.error == 0 && !visit.ended) visit_turn(&visit);
    ck_assert_int_eq(visit.error, ECONNRESET);
    ck_assert_int_eq(eddy_http_end(seen.request), -EPIPE);
    test_turn_until(site.loop, &seen.is_over);
    ck_assert_str_eq(seen.told, "gld");
    next = visit_begin(&site);
    visit_get(&next, "/other");
    ck_assert_uint_eq(visit_answer(&next).size, 5);
    stop();
    eddy_http_cut(site.http);
    visit_end(&idle);
    visit_end(&visit);
    visit_end(&next);
    close_stopped();
}
END_TEST

/* A request that outlives its client keeps the server, also once it was cut. */
START_TEST(a_server_waits_for_requests_that_are_not_ended) {
    open_site(NULL);
    struct visit visit = ask();
    stop();
    eddy_http_cut(site.http);
    test_turn_until(site.loop, &seen.is_gone);
    test_turn_for(site.loop, EDDY_NS_PER_S / 50);
    ck_assert(!stopped);
    eddy_http_abort(seen.request);
    visit_end(&visit);
    close_stopped();
    ck_assert_str_eq(seen.told, "gld");
}
END_TEST

static void on_done_cut(eddy_http_request *request, void *context) {
    on_done(request, context);
    stop();
    eddy_http_cut(site.http);
}

static void cut_in_handler(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_cut(site.http);
    ck_assert_int_eq(eddy_http_respond(request, 200, "a", 1), -EPIPE);
    eddy_http_on_done(request, on_done_cut, &seen);
}

START_TEST(a_server_may_be_cut_and_stopped_by_its_callbacks) {
    open_site(cut_in_handler);
    struct visit visit = visit_begin(&site);
    visit_get(&visit, "/");
    visit_get(&visit, "/");
    close_stopped();
    ck_assert_str_eq(seen.told, "ld");
    visit_end(&visit);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("lifetimes");
    ck_add(suite, "gone", answering_a_client_that_has_gone_is_harmless,
           a_request_may_be_ended_when_its_client_goes,
           a_client_that_sends_no_more_has_gone_if_that_is_said,
           a_client_that_only_listens_gets_its_answer,
           a_client_that_goes_while_it_is_answered_ends_the_request);
    ck_add(suite, "stop", a_stop_waits_for_what_is_being_answered,
           a_stop_does_not_take_an_answer_back, a_drain_answers_who_is_connected,
           a_stop_ends_a_drain, an_inherited_socket_is_served, a_cut_ends_all_connections,
           a_server_waits_for_requests_that_are_not_ended,
           a_server_may_be_cut_and_stopped_by_its_callbacks);
    return suite;
}
