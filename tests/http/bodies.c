/* bodies.c: the bodies of requests: read, refused, skipped, and what comes behind them. */
#include "http_visit.h"

#include <stdlib.h>

enum { MIB = 1024 * 1024 };

/* What a reader was told. */
static struct {
    eddy_http_request *request;
    size_t size;
    unsigned ends, errors, pieces;
    int error;
    bool pauses;
    uint64_t limit;
} reader;

static struct site site;
static unsigned over;
static char *body;

static void on_done(eddy_http_request *request, void *context) {
    (void)request;
    (void)context;
    over++;
}

static void answer(eddy_http_request *request, int status) {
    char text[32];
    int length = snprintf(text, sizeof text, "%zu", reader.size);
    int err = eddy_http_respond(request, status, text, (size_t)length);
    ck_assert(err == 0 || err == -EPIPE);
}

static int status_of(ssize_t error) {
    return error == -EMSGSIZE ? 413 : error == -ETIMEDOUT ? 408 : 400;
}

static void on_body(eddy_http_request *request, const void *data, ssize_t size, void *context) {
    ck_assert_ptr_eq(context, &reader);
    ck_assert_msg(reader.ends + reader.errors == 0, "called after the end");
    if (size > 0) {
        const char *bytes = data;
        reader.pieces++;
        for (ssize_t i = 0; i < size; i++)
            if (bytes[i] != body[reader.size + (size_t)i]) ck_abort_msg("another byte");
        reader.size += (size_t)size;
        if (reader.pauses) eddy_http_pause_body(request);
    } else if (size == 0) {
        reader.ends++;
        answer(request, 200);
    } else {
        reader.errors++;
        reader.error = (int)size;
        answer(request, status_of(size));
    }
}

static void start_over(eddy_http_request *request) {
    reader.request = request;
    reader.size = 0;
    reader.ends = reader.errors = reader.pieces = 0;
    eddy_http_on_done(request, on_done, NULL);
}

static void read_all(eddy_http_request *request, void *context) {
    (void)context;
    start_over(request);
    int err = eddy_http_read_body(request, reader.limit, on_body, &reader);
    if (err == -EMSGSIZE)
        answer(request, 413);
    else
        ck_assert_int_eq(err, 0);
    if (err == 0) ck_assert_int_eq(eddy_http_read_body(request, 0, on_body, &reader), -EALREADY);
}

static void read_none(eddy_http_request *request, void *context) {
    (void)context;
    start_over(request);
    ck_assert_int_eq(eddy_http_respond(request, 200, "none", 4), 0);
}

static void open_site_with(eddy_http_config config) {
    body = malloc(2 * MIB);
    ck_assert_ptr_nonnull(body);
    visit_fill(body, 2 * MIB);
    memset(&reader, 0, sizeof reader);
    over = 0;
    site_open(&site, config);
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", read_none, NULL), 0);
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/read", read_all, NULL), 0);
}

static void open_site(void) {
    open_site_with((eddy_http_config){0});
}

static void close_site(void) {
    site_close(&site);
    free(body);
}

/* --- Clients --- */

/* A request with a body, whole, in memory. Returns its length. */
static size_t make_request(char *text, const char *target, size_t size, size_t chunk,
                           const char *fields) {
    int length = sprintf(text, "POST %s HTTP/1.1\r\nHost: h\r\n%s", target, fields);
    if (chunk == 0) {
        length += sprintf(text + length, "Content-Length: %zu\r\n\r\n", size);
        memcpy(text + length, body, size);
        return (size_t)length + size;
    }
    length += sprintf(text + length, "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < size;) {
        size_t piece = size - at < chunk ? size - at : chunk;
        length += sprintf(text + length, "%zx%s\r\n", piece, at == 0 ? ";a=\"b\"" : "");
        memcpy(text + length, body + at, piece);
        length += (int)piece;
        length += sprintf(text + length, "\r\n");
        at += piece;
    }
    length += sprintf(text + length, "0\r\nTrailer: t\r\n\r\n");
    return (size_t)length;
}

/* Sends in pieces, turning in between as the kernel wants. */
static void send_pieces(struct visit *visit, const char *text, size_t length, size_t piece) {
    int64_t give_up_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    for (size_t at = 0; at < length;) {
        size_t size = length - at < piece ? length - at : piece;
        ssize_t sent = send(visit->fd, text + at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return;
        if (sent > 0) at += (size_t)sent;
        visit_turn(visit);
        if (test_now_ns() > give_up_ns) ck_abort_msg("nobody reads");
    }
}

static void check_read(struct visit *visit, size_t size) {
    struct answer got = visit_answer(visit);
    ck_assert_int_eq(got.status, 200);
    ck_assert_uint_eq(strtoul(got.body, NULL, 10), size);
    ck_assert_uint_eq(reader.size, size);
    ck_assert_uint_eq(reader.ends, 1);
}

static void check_not_read(struct visit *visit) {
    struct answer got = visit_answer(visit);
    ck_assert_int_eq(got.status, 200);
    ck_assert_uint_eq(got.size, 4);
}

static void post(struct visit *visit, const char *target, size_t size, size_t chunk, size_t piece,
                 const char *fields) {
    char *text = malloc(size * 8 + 1024);
    ck_assert_ptr_nonnull(text);
    size_t length = make_request(text, target, size, chunk, fields);
    send_pieces(visit, text, length, piece);
    free(text);
}

/* --- Read --- */

START_TEST(a_body_is_read_however_it_is_cut) {
    static const size_t sizes[] = {0, 1, 100, 20000}, chunks[] = {0, 1, 1000, 65536};
    static const size_t pieces[] = {1, 17, 4096, 1 << 20};
    open_site();
    struct visit visit = visit_begin(&site);
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            for (size_t k = 0; k < 4; k++) {
                if (sizes[i] > 1000 && pieces[k] == 1 && chunks[j] == 1) continue;
                post(&visit, "/read", sizes[i], chunks[j], pieces[k], "");
                check_read(&visit, sizes[i]);
            }
        }
    }
    visit_get(&visit, "/read"); /* none is at its end at once */
    check_read(&visit, 0);
    visit_end(&visit);
    close_site();
}
END_TEST

/* What is behind a body is the next request, whether the body looks like one or not. */
START_TEST(bodies_hide_no_requests) {
    static const char hidden[] = "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 35\r\n\r\n"
                                 "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n\r\n"
                                 "POST %s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "23\r\nGET /hidden HTTP/1.1\r\nHost: h\r\n\r\n\r\n\r\n0\r\n\r\n"
                                 "GET /end HTTP/1.1\r\nHost: h\r\n\r\n";
    open_site();
    for (size_t piece = 1; piece < sizeof hidden + 20; piece += piece < 8 ? 1 : 37) {
        char text[sizeof hidden + 20];
        struct visit visit = visit_begin(&site);
        int length = snprintf(text, sizeof text, hidden, "/", "/");
        send_pieces(&visit, text, (size_t)length, piece);
        for (int i = 0; i < 3; i++) check_not_read(&visit);
        ck_assert_uint_eq(visit.at, visit.used);
        visit_end(&visit);
    }
    close_site();
}
END_TEST

/* While it is paused the client has to wait, and what it has sent is not taken. */
START_TEST(a_paused_body_is_not_read) {
    for (size_t chunk = 0; chunk <= 5000; chunk += 5000) {
        open_site();
        struct visit visit = visit_begin(&site);
        char *text = malloc(4 * MIB);
        ck_assert_ptr_nonnull(text);
        size_t length = make_request(text, "/read", 1 * MIB, chunk, "");
        reader.pauses = true;
        for (size_t at = 0; reader.ends == 0;) {
            ssize_t sent = send(visit.fd, text + at, length - at, MSG_NOSIGNAL);
            if (sent > 0) at += (size_t)sent;
            unsigned pieces = reader.pieces;
            for (int i = 0; i < 5; i++) visit_turn(&visit);
            ck_assert_uint_le(reader.pieces, pieces + 1);
            if (reader.request != NULL && reader.ends == 0) {
                eddy_http_pause_body(reader.request);
                eddy_http_resume_body(reader.request);
                eddy_http_resume_body(reader.request);
            }
        }
        check_read(&visit, 1 * MIB);
        free(text);
        visit_end(&visit);
        close_site();
    }
}
END_TEST

/* --- Too long, too slow, not as announced --- */

START_TEST(a_body_beyond_its_limit_is_refused) {
    for (int own = 0; own < 2; own++) {
        open_site_with((eddy_http_config){.body_bytes = own ? 0 : 1000, .discard_bytes = 500});
        reader.limit = own ? 1000 : 0;
        struct visit visit = visit_begin(&site);
        post(&visit, "/read", 1000, 0, 4096, "");
        check_read(&visit, 1000);
        post(&visit, "/read", 1000, 7, 4096, "");
        check_read(&visit, 1000);
        post(&visit, "/read", 1001, 0, 4096, "");
        struct answer got = visit_answer(&visit);
        ck_assert_int_eq(got.status, 413);
        ck_assert_uint_eq(reader.size, 0);
        visit_expect_end(&visit);
        visit_end(&visit);
        visit = visit_begin(&site);
        post(&visit, "/read", 1001, 7, 4096, "");
        got = visit_answer(&visit);
        ck_assert_int_eq(got.status, 413);
        ck_assert_uint_le(reader.size, 1000);
        ck_assert_int_eq(reader.error, -EMSGSIZE);
        visit_expect_end(&visit);
        visit_end(&visit);
        /* A chunk that cannot fit need not come first. */
        visit = visit_begin(&site);
        visit_send(&visit,
                   "POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n");
        ck_assert_int_eq(visit_answer(&visit).status, 413);
        visit_expect_end(&visit);
        visit_end(&visit);
        close_site();
    }
}
END_TEST

START_TEST(bad_chunks_are_a_400_and_end_the_connection) {
    static const char *const bad[] = {
        "\r\n",
        "g\r\n",
        "1\nab",
        "1\r\nab\r\n0\r\n\r\n",
        "-1\r\n",
        "1\r\na\n",
        "0x1\r\na\r\n",
        " 1\r\na\r\n",
        "1 \r\na\r\n",
        "1;\x01\r\na\r\n",
        "0\r\nA\r\n",
        "0\r\n A: b\r\n",
        "0\r\nA : b\r\n\r\n",
        "1000000000000000\r\n",
    };
    open_site();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct visit visit = visit_begin(&site);
        visit_send(&visit, "POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
        visit_send(&visit, bad[i]);
        visit_get(&visit, "/");
        struct answer got = visit_answer(&visit);
        ck_assert_msg(got.status == 400, "%d for chunk %zu", got.status, i);
        ck_assert_int_eq(reader.error, -EBADMSG);
        ck_assert(answer_has(&got, "Connection", "close"));
        visit_expect_end(&visit);
        visit_end(&visit);
    }
    close_site();
}
END_TEST

static void check_fails(const char *text, int how, int error) {
    open_site_with((eddy_http_config){.body_ns = EDDY_NS_PER_S / 20});
    struct linger at_once = {.l_onoff = 1};
    struct visit visit = visit_begin(&site);
    visit_send(&visit, text);
    while (reader.request == NULL) visit_turn(&visit);
    if (how == 1) ck_assert_int_eq(shutdown(visit.fd, SHUT_WR), 0);
    if (how == 2) {
        ck_assert_int_eq(setsockopt(visit.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        visit_end(&visit);
    }
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (over == 0 && test_now_ns() < give_up_ns)
        ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(over, 1);
    ck_assert_uint_eq(reader.errors, 1);
    ck_assert_int_eq(reader.error, error);
    if (how != 2) {
        ck_assert_int_eq(visit_answer(&visit).status, status_of(error));
        visit_expect_end(&visit);
        visit_end(&visit);
    }
    close_site();
}

/* It does not come, the client ends in its middle, or is gone. */
START_TEST(a_body_without_its_end_is_an_error) {
    static const char *const requests[] = {
        "POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\naho",
        "POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\naho\r\n",
    };
    static const int errors[] = {-ETIMEDOUT, -EBADMSG, -ECONNRESET};
    for (int kind = 0; kind < 2; kind++)
        for (int how = 0; how < 3; how++) check_fails(requests[kind], how, errors[how]);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("bodies");
    ck_add(suite, "read", a_body_is_read_however_it_is_cut, bodies_hide_no_requests,
           a_paused_body_is_not_read);
    ck_add(suite, "errors", a_body_beyond_its_limit_is_refused,
           bad_chunks_are_a_400_and_end_the_connection, a_body_without_its_end_is_an_error);
    return suite;
}
