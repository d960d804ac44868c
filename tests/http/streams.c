/* streams.c: answers whose bodies come in pieces. */
#include "http_visit.h"

#include <stdlib.h>

enum { TOTAL_MAX = 20 * 1024 * 1024 };

/* Gives `total` bytes in pieces of `piece`, as fast as there is room. */
struct producer {
    eddy_http_request *request;
    size_t total, piece, given, filed;
    unsigned drains;
    bool is_short; /* the last piece was not taken whole */
    eddy_http_fn *finish;
};

static struct site site;
static struct producer producer;
static unsigned over;
static int last_error;
static char *pattern;

static void on_done(eddy_http_request *request, void *context) {
    ck_assert_ptr_eq(context, &producer);
    ck_assert_ptr_eq(request, producer.request);
    over++;
}

static void on_log(eddy_http_request *request, const eddy_http_outcome *outcome, void *context) {
    (void)request;
    (void)context;
    last_error = outcome->error;
}

static void produce(eddy_http_request *request, void *context) {
    struct producer *it = context;
    while (it->given < it->total) {
        size_t left = it->total - it->given, size = left < it->piece ? left : it->piece;
        ssize_t taken = eddy_http_write(request, pattern + it->given, size);
        if (taken < 0) ck_assert_int_eq((int)taken, -EAGAIN);
        if (taken > 0) it->given += (size_t)taken;
        it->is_short = taken < (ssize_t)size;
        if (it->is_short) return;
    }
    it->finish(request, it);
}

static void on_drained(eddy_http_request *request, void *context) {
    struct producer *it = context;
    ck_assert_msg(it->is_short, "drained without a write that was short");
    it->drains++;
    produce(request, context);
}

static void end(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_end(request), 0);
}

static int64_t announced; /* -1: nobody knows */

static void handle(eddy_http_request *request, void *context) {
    (void)context;
    producer.request = request;
    producer.given = 0;
    producer.is_short = false;
    eddy_http_on_done(request, on_done, &producer);
    eddy_http_on_drained(request, on_drained, &producer);
    ck_assert_int_eq(eddy_http_start(request, 200, announced), 0);
    produce(request, &producer);
}

static void open_site(eddy_http_fn *fn) {
    if (pattern == NULL) {
        pattern = malloc(TOTAL_MAX);
        ck_assert_ptr_nonnull(pattern);
        visit_fill(pattern, TOTAL_MAX);
    }
    producer = (struct producer){.finish = end};
    over = 0;
    site_open(&site, (eddy_http_config){.log = on_log});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", fn, NULL), 0);
}

static void close_site(void) {
    site_close(&site);
    free(pattern);
    pattern = NULL;
}

/* --- Whole bodies --- */

enum kind { BY_LENGTH, IN_CHUNKS, UNTIL_END, KINDS };

static void check_stream(int kind, size_t total, size_t piece, size_t step) {
    struct visit visit = visit_begin_with(&site, step > 0 ? 32 * 1024 : 0);
    struct answer answer;
    unsigned before = over;
    visit.step = step;
    producer.total = total;
    producer.piece = piece;
    announced = kind == BY_LENGTH ? (int64_t)total : -1;
    if (kind == UNTIL_END)
        visit_send(&visit, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    else
        visit_get(&visit, "/");
    if (kind != UNTIL_END) visit_send(&visit, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    answer = visit_answer(&visit);
    ck_assert_uint_eq(answer.size, total);
    visit_check(answer.body, total);
    ck_assert(answer.until_end == (kind == UNTIL_END));
    ck_assert(answer_has(&answer, "Transfer-Encoding", "chunked") == (kind == IN_CHUNKS));
    if (kind != UNTIL_END) {
        ck_assert(visit_answer_to(&visit, true, &answer));
        ck_assert_int_eq(answer.status, 200);
        ck_assert(answer_has(&answer, "Transfer-Encoding", "chunked") == (kind == IN_CHUNKS));
    }
    ck_assert_uint_eq(over, before + (kind == UNTIL_END ? 1 : 2));
    visit_end(&visit);
}

START_TEST(pieces_of_any_size_make_a_whole_body) {
    static const size_t totals[] = {0, 1, 8192, 20000}, pieces[] = {1, 7, 4096, 8192, 100000};
    open_site(handle);
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
            for (size_t j = 0; j < sizeof pieces / sizeof pieces[0]; j++)
                check_stream(kind, totals[i], pieces[j], 0);
    close_site();
}
END_TEST

START_TEST(a_slow_client_gets_all_pieces) {
    open_site(handle);
    for (int kind = 0; kind < KINDS; kind++) {
        check_stream(kind, 1500000, 5000, 10000);
        ck_assert_uint_gt(producer.drains, 100);
    }
    close_site();
}
END_TEST

/* --- Too much, too little --- */

static void write_too_much(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_start(request, 200, 10), 0);
    ck_assert_int_eq((int)eddy_http_write(request, pattern, 11), -EMSGSIZE);
    ck_assert_int_eq((int)eddy_http_write(request, pattern, 4), 4);
    ck_assert_int_eq(eddy_http_write_file(request, 0, 0, 7), -EMSGSIZE);
    ck_assert_int_eq((int)eddy_http_write(request, pattern + 4, 7), -EMSGSIZE);
    ck_assert_int_eq((int)eddy_http_write(request, pattern, 0), 0);
    ck_assert_int_eq((int)eddy_http_write(request, pattern + 4, 6), 6);
    ck_assert_int_eq((int)eddy_http_write(request, pattern, 1), -EMSGSIZE);
    end(request, NULL);
}

START_TEST(more_than_was_announced_is_refused) {
    open_site(write_too_much);
    struct visit visit = visit_begin(&site);
    for (int i = 0; i < 2; i++) {
        visit_get(&visit, "/");
        struct answer answer = visit_answer(&visit);
        ck_assert_uint_eq(answer.size, 10);
        visit_check(answer.body, 10);
    }
    visit_end(&visit);
    close_site();
}
END_TEST

static void respond_first(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_respond(request, 200, pattern, 3000), 0);
}

static void give_up(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_abort(request);
}

/* What came before is whole. Only where nothing else shows the cut it is a reset. */
static void check_cut(int kind, size_t total, int64_t length, eddy_http_fn *finish, int error) {
    struct visit visit = visit_begin(&site);
    struct answer answer;
    producer.total = total;
    producer.piece = 1000;
    producer.finish = finish;
    announced = kind == BY_LENGTH ? length : -1;
    visit_send(&visit, kind == UNTIL_END
                           ? "GET /first HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                             "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                           : "GET /first HTTP/1.1\r\nHost: h\r\n\r\n"
                             "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /first HTTP/1.1\r\n\r\n");
    answer = visit_answer(&visit);
    ck_assert_uint_eq(answer.size, 3000);
    visit_check(answer.body, 3000);
    ck_assert(!visit_answer_to(&visit, false, &answer));
    if (kind != UNTIL_END) {
        ck_assert_int_eq(answer.status, 200);
        if (kind == BY_LENGTH) ck_assert_uint_eq(answer.size, total);
        visit_expect_end(&visit);
    } else {
        ck_assert_int_eq(visit.error, ECONNRESET);
    }
    ck_assert_int_eq(last_error, error);
    visit_end(&visit);
}

START_TEST(an_answer_without_its_end_is_cut) {
    open_site(handle);
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/first", respond_first, NULL), 0);
    check_cut(BY_LENGTH, 5000, 5001, end, -EMSGSIZE);
    check_cut(BY_LENGTH, 5000, 9000, give_up, -EIO);
    check_cut(BY_LENGTH, 50000, 50001, give_up, -EIO);
    check_cut(IN_CHUNKS, 5000, -1, give_up, -EIO);
    check_cut(IN_CHUNKS, 50000, -1, give_up, -EIO);
    check_cut(UNTIL_END, 5000, -1, give_up, -EIO);
    check_cut(UNTIL_END, 50000, -1, give_up, -EIO);
    close_site();
}
END_TEST

static eddy_http_request *begun;

static void begin_and_leave(eddy_http_request *request, void *context) {
    (void)context;
    begun = request;
    ck_assert_int_eq(eddy_http_start(request, 200, announced), 0);
}

/* A HEAD has no body that could be cut: its answer is whole, and its connection ends in order. */
START_TEST(the_answer_to_a_head_is_never_reset) {
    open_site(begin_and_leave);
    for (int minor = 0; minor < 2; minor++) {
        for (int known = 0; known < 2; known++) {
            struct visit visit = visit_begin(&site);
            struct answer answer;
            announced = known ? 9000 : -1;
            visit_send(&visit, minor == 0 ? "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                                          : "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
            ck_assert(visit_answer_to(&visit, true, &answer));
            ck_assert_int_eq(answer.status, 200);
            eddy_http_abort(begun);
            visit_expect_end(&visit);
            ck_assert_int_eq(last_error, -EIO);
            visit_end(&visit);
        }
    }
    close_site();
}
END_TEST

/* --- Who does not read --- */

static void count_until_full(eddy_http_request *request, void *context) {
    struct producer *it = context;
    while (it->given + it->piece <= TOTAL_MAX) {
        ssize_t taken = eddy_http_write(request, pattern + it->given, it->piece);
        if (taken > 0) it->given += (size_t)taken;
        if (taken != (ssize_t)it->piece) break;
    }
    ck_assert_msg(it->given + it->piece <= TOTAL_MAX, "there was always room");
}

static void on_drained_again(eddy_http_request *request, void *context) {
    count_until_full(request, context);
}

static void fill_up(eddy_http_request *request, void *context) {
    (void)context;
    producer.request = request;
    eddy_http_on_drained(request, on_drained_again, &producer);
    ck_assert_int_eq(eddy_http_start(request, 200, announced), 0);
    count_until_full(request, &producer);
}

static uint64_t memory_bytes(void) {
    eddy_http_counts counts;
    eddy_http_read_counts(site.http, &counts, sizeof counts);
    return counts.memory_bytes;
}

/* Waits until nothing more goes out. */
static void turn_until_stuck(void) {
    size_t given = (size_t)-1;
    for (int same = 0; same < 50; same = producer.given == given ? same + 1 : 0) {
        given = producer.given;
        test_turn_for(site.loop, EDDY_NS_PER_S / 1000);
    }
}

/* Pieces smaller than what surrounds a chunk are no exception. */
START_TEST(a_client_that_does_not_read_has_little_memory) {
    static const size_t pieces[] = {1, 2, 32, 33, 34, 1000, 4096, 8192};
    open_site(fill_up);
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            struct visit visit = visit_begin_with(&site, 4096);
            producer.given = 0;
            producer.piece = pieces[i];
            announced = kind == BY_LENGTH ? TOTAL_MAX + 1 : -1;
            visit_get(&visit, "/");
            uint64_t before = memory_bytes();
            turn_until_stuck();
            ck_assert_uint_gt(producer.given, 4096);
            ck_assert_uint_le(memory_bytes(), before + 300 + 8 * 1024 + 16 * 1024 + 1024);
            eddy_http_abort(producer.request);
            visit_end(&visit);
        }
    }
    close_site();
}
END_TEST

/* One read's worth of requests is as much as is taken of what comes too early. */
static void check_pipelined(size_t body) {
    struct visit visit = visit_begin_with(&site, 4096);
    char requests[16 * 1024];
    size_t length = 0;
    unsigned count = 0;
    producer.total = body;
    for (; length + 40 < sizeof requests; count++)
        length += (size_t)sprintf(requests + length, "GET /small HTTP/1.1\r\nHost:\r\n\r\n");
    uint64_t before = memory_bytes();
    site_send(visit.fd, requests, length);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_uint_le(memory_bytes(), before + 300 + 8 * 1024 + 17 * 1024 + 17 * 1024);
    }
    for (; count > 0; count--) {
        struct answer answer = visit_answer(&visit);
        ck_assert_uint_eq(answer.size, body);
        visit_check(answer.body, body);
    }
    visit_end(&visit);
}

static void respond_small(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_respond(request, 200, pattern, producer.total), 0);
}

START_TEST(answers_that_nobody_reads_do_not_gather) {
    open_site(respond_small);
    check_pipelined(0);
    check_pipelined(3000);
    check_pipelined(7500);
    check_pipelined(9000);
    close_site();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("streams");
    ck_add(suite, "whole", pieces_of_any_size_make_a_whole_body, a_slow_client_gets_all_pieces);
    ck_add(suite, "sizes", more_than_was_announced_is_refused, an_answer_without_its_end_is_cut,
           the_answer_to_a_head_is_never_reset);
    ck_add(suite, "room", a_client_that_does_not_read_has_little_memory,
           answers_that_nobody_reads_do_not_gather);
    return suite;
}
