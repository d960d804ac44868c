/* files.c: files that are not what they were, and the few buffers that all share. */
#include "http_visit.h"

#include <stdlib.h>

enum { MIB = 1024 * 1024, FILE_BYTES = 8 * MIB };

static struct site site;
static int file_fd, last_error, last_status;
static int64_t last_bytes;
static unsigned over;

static void on_log(eddy_http_request *request, const eddy_http_outcome *outcome, void *context) {
    (void)context;
    if (strcmp(eddy_http_path(request), "/") == 0) return;
    last_error = outcome->error;
    last_status = outcome->status;
    last_bytes = outcome->body_bytes;
}

static void on_done(eddy_http_request *request, void *context) {
    (void)request;
    (void)context;
    over++;
}

static void open_site(uint32_t buffer_bytes) {
    char path[] = "/tmp/eddy-test-XXXXXX", *bytes = malloc(FILE_BYTES);
    ck_assert_ptr_nonnull(bytes);
    visit_fill(bytes, FILE_BYTES);
    file_fd = mkstemp(path);
    ck_assert_int_ge(file_fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(write(file_fd, bytes, FILE_BYTES), FILE_BYTES);
    free(bytes);
    over = 0;
    site_open(&site, (eddy_http_config){.log = on_log, .buffer_bytes = buffer_bytes});
}

static void close_site(void) {
    site_close(&site);
    ck_assert_int_eq(close(file_fd), 0);
}

static void add_handler(const char *prefix, eddy_http_fn *fn) {
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, prefix, fn, NULL), 0);
}

static void respond_small(eddy_http_request *request, void *context) {
    char body[7500];
    (void)context;
    visit_fill(body, sizeof body);
    ck_assert_int_eq(eddy_http_respond(request, 200, body, sizeof body), 0);
}

static void respond_file(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_on_done(request, on_done, NULL);
    ck_assert_int_eq(eddy_http_respond_file(request, 200, file_fd, 0, FILE_BYTES), 0);
}

static void check_answer(struct visit *visit, size_t size) {
    struct answer answer = visit_answer(visit);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_eq(answer.size, size);
    visit_check(answer.body, size);
}

/* --- Files that shrink --- */

static size_t left; /* of the file, when it is read */

static void respond_shrunk(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_on_done(request, on_done, NULL);
    ck_assert_int_eq(eddy_http_add(request, "Of-The-File", "1"), 0);
    int64_t length = left < 4000 ? 4000 : FILE_BYTES;
    ck_assert_int_eq(eddy_http_respond_file(request, 200, file_fd, 0, length), 0);
    ck_assert_int_eq(ftruncate(file_fd, (off_t)left), 0);
}

/* A file in one piece with its head, and one that takes a buffer: nothing has been sent. */
START_TEST(a_file_that_shrinks_before_it_is_read_is_a_500) {
    static const size_t lefts[] = {5000, 3999, 0};
    open_site(0);
    add_handler("/", respond_small);
    add_handler("/file", respond_shrunk);
    struct visit visit = visit_begin(&site);
    for (size_t i = 0; i < sizeof lefts / sizeof lefts[0]; i++) {
        left = lefts[i];
        visit_get(&visit, "/");
        visit_get(&visit, "/file");
        visit_get(&visit, "/");
        check_answer(&visit, 7500);
        struct answer answer = visit_answer(&visit);
        ck_assert_int_eq(answer.status, 500);
        ck_assert_ptr_null(answer_field(&answer, "Of-The-File"));
        ck_assert_int_eq(last_status, 500);
        check_answer(&visit, 7500);
        ck_assert_uint_eq(over, i + 1);
    }
    visit_end(&visit);
    close_site();
}
END_TEST

/* The connection ends short, without a reset, so that all that was sent arrives. */
START_TEST(a_file_that_shrinks_later_is_cut) {
    open_site(0);
    add_handler("/", respond_small);
    add_handler("/file", respond_file);
    struct visit visit = visit_begin_with(&site, 4096);
    struct answer answer;
    visit_get(&visit, "/");
    visit_get(&visit, "/file");
    visit_get(&visit, "/");
    for (int i = 0; i < 100; i++) ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(ftruncate(file_fd, FILE_BYTES - 1), 0);
    check_answer(&visit, 7500);
    ck_assert(!visit_answer_to(&visit, false, &answer));
    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_gt(answer.size, 0);
    ck_assert_uint_lt(answer.size, FILE_BYTES);
    visit_check(answer.body, answer.size);
    visit_expect_end(&visit);
    ck_assert_int_eq(last_error, -EIO);
    ck_assert_int_eq(last_bytes, (int64_t)answer.size);
    ck_assert_uint_eq(over, 1);
    visit_end(&visit);
    close_site();
}
END_TEST

static void stream_file(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_on_done(request, on_done, NULL);
    ck_assert_int_eq(eddy_http_start(request, 200, -1), 0);
    ck_assert_int_eq(eddy_http_write_file(request, file_fd, 0, FILE_BYTES), 0);
    ck_assert_int_eq(eddy_http_end(request), 0);
}

/* Without a length only a reset tells. What the client had before stays whole. */
START_TEST(a_file_that_is_cut_without_a_length_is_a_reset) {
    open_site(0);
    add_handler("/", respond_small);
    add_handler("/file", stream_file);
    struct visit visit = visit_begin_with(&site, 4096);
    struct answer answer;
    visit_send(&visit, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                       "GET /file HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    check_answer(&visit, 7500);
    for (int i = 0; i < 100; i++) ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(ftruncate(file_fd, FILE_BYTES - 1), 0);
    ck_assert(!visit_answer_to(&visit, false, &answer));
    ck_assert_int_eq(visit.error, ECONNRESET);
    visit_check(answer.body, answer.size);
    visit_end(&visit);
    /* In chunks it is the chunk that is short. */
    visit = visit_begin_with(&site, 4096);
    ck_assert_int_eq(ftruncate(file_fd, FILE_BYTES), 0);
    visit_get(&visit, "/");
    visit_get(&visit, "/file");
    check_answer(&visit, 7500);
    for (int i = 0; i < 100; i++) ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(ftruncate(file_fd, FILE_BYTES - 1), 0);
    ck_assert(!visit_answer_to(&visit, false, &answer));
    visit_expect_end(&visit);
    visit_end(&visit);
    close_site();
}
END_TEST

/* --- Buffers --- */

static eddy_http_request *kept;

static void keep(eddy_http_request *request, void *context) {
    (void)context;
    kept = request;
}

/* Gives a part of a file, and takes its time for the rest. */
static void give_part(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_on_done(request, on_done, NULL);
    eddy_http_on_drained(request, keep, NULL);
    ck_assert_int_eq(eddy_http_start(request, 200, -1), 0);
    ck_assert_int_eq(eddy_http_write_file(request, file_fd, 0, 100000), 0);
}

static void check_file(void) {
    struct visit visit = visit_begin(&site);
    visit_get(&visit, "/file");
    check_answer(&visit, FILE_BYTES);
    visit_end(&visit);
}

/* There is one buffer. Whoever has it must not keep it while it does not read. */
START_TEST(a_handler_that_waits_has_no_buffer) {
    open_site(128 * 1024);
    add_handler("/file", respond_file);
    add_handler("/part", give_part);
    struct visit visit = visit_begin(&site);
    visit_get(&visit, "/part");
    while (kept == NULL) visit_turn(&visit);
    check_file();
    ck_assert_int_eq(eddy_http_end(kept), 0);
    check_answer(&visit, 100000);
    visit_end(&visit);
    close_site();
}
END_TEST

static bool is_handled, is_gone;

static void on_gone(eddy_http_request *request, void *context) {
    (void)request;
    (void)context;
    is_gone = true;
}

static void give_part_for_long(eddy_http_request *request, void *context) {
    is_handled = true;
    kept = request;
    eddy_http_on_gone(request, on_gone, NULL);
    give_part(request, context);
}

/* Its client goes while a thread reads the file. */
START_TEST(a_request_that_outlives_its_client_has_no_buffer) {
    struct linger at_once = {.l_onoff = 1};
    open_site(128 * 1024);
    ck_assert_int_eq(eddy_file_set_attempt(site.loop, false), 0);
    add_handler("/file", respond_file);
    add_handler("/part", give_part_for_long);
    struct visit visit = visit_begin(&site);
    visit_get(&visit, "/part");
    test_turn_until(site.loop, &is_handled);
    ck_assert_int_eq(setsockopt(visit.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    visit_end(&visit);
    test_turn_until(site.loop, &is_gone);
    check_file();
    ck_assert_int_eq(eddy_http_end(kept), -EPIPE);
    close_site();
}
END_TEST

/* Answers from memory that gather behind a file, for a client that takes none of them. */
START_TEST(answers_from_memory_have_no_buffer) {
    open_site(128 * 1024);
    add_handler("/", respond_small);
    add_handler("/file", respond_file);
    add_handler("/part", give_part);
    struct visit visit = visit_begin_with(&site, 4096);
    visit_get(&visit, "/part");
    while (kept == NULL) visit_turn(&visit);
    for (int i = 0; i < 250; i++) visit_get(&visit, "/");
    ck_assert_int_eq(eddy_http_end(kept), 0);
    for (int i = 0; i < 100; i++) ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
    check_file();
    check_answer(&visit, 100000);
    for (int i = 0; i < 250; i++) check_answer(&visit, 7500);
    visit_end(&visit);
    close_site();
}
END_TEST

enum { CLIENTS = 50 };

/* Every third never reads, some leave in the middle; all others get all of it. */
START_TEST(many_clients_share_one_buffer) {
    static struct visit visits[CLIENTS];
    unsigned missing = 0;
    open_site(128 * 1024);
    add_handler("/file", respond_file);
    for (int i = 0; i < CLIENTS; i++) {
        visits[i] = visit_begin_with(&site, i % 3 == 0 ? 4096 : 0);
        visit_get(&visits[i], "/file");
        missing += i % 3 == 1;
    }
    for (unsigned turns = 0; missing > 0; turns++) {
        ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
        for (int i = 1; i < CLIENTS; i++) {
            struct visit *visit = &visits[i];
            if (i % 3 == 0 || visit->fd < 0) continue;
            visit_receive(visit);
            if (i % 3 == 1 && visit->used > FILE_BYTES) {
                check_answer(visit, FILE_BYTES);
                visit_end(visit);
                missing--;
            } else if (i % 3 == 2 && visit->used > (size_t)i * 10000) {
                visit_end(visit);
            }
        }
        if (turns % 256 == 0) ck_assert_uint_lt(turns, 1000000);
    }
    for (int i = 0; i < CLIENTS; i++)
        if (visits[i].fd >= 0) visit_end(&visits[i]);
    eddy_http_cut(site.http);
    close_site();
    ck_assert_uint_eq(over, CLIENTS);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("files");
    ck_add(suite, "shrunk", a_file_that_shrinks_before_it_is_read_is_a_500,
           a_file_that_shrinks_later_is_cut, a_file_that_is_cut_without_a_length_is_a_reset);
    ck_add(suite, "buffers", a_handler_that_waits_has_no_buffer,
           a_request_that_outlives_its_client_has_no_buffer, answers_from_memory_have_no_buffer,
           many_clients_share_one_buffer);
    return suite;
}
