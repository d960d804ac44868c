/* flow.c: answers that compete: with others for the loop's time, with a body for their place. */
#include "http_visit.h"

#include <pthread.h>
#include <stdlib.h>

enum { PIECE = 4096, TOTAL = 16 * 1024 * 1024, FILE_BYTES = 5000 };

static struct site site;
static char piece[PIECE];
static size_t given, most_at_once;
static bool is_over;

static void on_done(eddy_http_request *request, void *context) {
    (void)request;
    (void)context;
    is_over = true;
}

static void respond(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_respond(request, 200, "here", 4), 0);
}

/* --- Time --- */

/* Goes on for as long as there is room: pieces of which two fill a block never come out short. */
static void write_on(eddy_http_request *request, void *context) {
    size_t before = given;
    (void)context;
    while (given < TOTAL) {
        size_t size = TOTAL - given < PIECE ? TOTAL - given : PIECE;
        ssize_t taken = eddy_http_write(request, piece, size);
        if (taken > 0) given += (size_t)taken;
        if (taken != (ssize_t)size) break;
    }
    if (given - before > most_at_once) most_at_once = given - before;
    if (given == TOTAL) ck_assert_int_eq(eddy_http_end(request), 0);
}

static void write_all(eddy_http_request *request, void *context) {
    eddy_http_on_done(request, on_done, NULL);
    eddy_http_on_drained(request, write_on, NULL);
    ck_assert_int_eq(eddy_http_start(request, 200, TOTAL), 0);
    write_on(request, context);
}

static void *read_fast(void *data) {
    struct visit *visit = data;
    char *bytes = malloc(1 << 20);
    while (bytes != NULL && recv(visit->fd, bytes, 1 << 20, 0) > 0) {
    }
    free(bytes);
    return NULL;
}

/* A client in another thread empties the socket as fast as it is filled. */
START_TEST(a_fast_client_does_not_keep_the_loop_to_itself) {
    pthread_t thread;
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", respond, NULL), 0);
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/all", write_all, NULL), 0);
    struct visit fast = visit_begin(&site), other = visit_begin(&site);
    ck_assert_int_eq(fcntl(fast.fd, F_SETFL, 0), 0);
    visit_get(&fast, "/all");
    ck_assert_int_eq(pthread_create(&thread, NULL, read_fast, &fast), 0);
    while (!is_over) {
        visit_get(&other, "/");
        ck_assert_uint_eq(visit_answer(&other).size, 4);
        for (int i = 0; i < 100 && !is_over; i++) visit_turn(&other);
    }
    ck_assert_uint_gt(most_at_once, 0);
    ck_assert_uint_le(most_at_once, 16 * 1024);
    ck_assert_int_eq(shutdown(fast.fd, SHUT_RDWR), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    visit_end(&fast);
    visit_end(&other);
    site_close(&site);
}
END_TEST

/* --- Place --- */

static int file_fd;
static eddy_file look;
static eddy_stat stat_of_file;
static eddy_http_request *both;
static unsigned pieces, to_write;

static void write_rest(eddy_http_request *request, void *context) {
    (void)context;
    while (to_write > 0 && eddy_http_write(request, "x", 1) == 1) to_write--;
    if (to_write == 0 && pieces == 2) ck_assert_int_eq(eddy_http_end(request), 0);
}

static void on_stat(eddy_file *it) {
    (void)it;
    eddy_http_resume_body(both);
}

static void on_body(eddy_http_request *request, const void *data, ssize_t size, void *context) {
    (void)data;
    ck_assert_int_ge(size, 0);
    if (size == 0) return;
    if (++pieces == 1) {
        eddy_http_pause_body(request);
        /* Is done right before the file is read, in the same phase. */
        ck_assert_int_eq(eddy_file_fstat(site.loop, &look, file_fd, &stat_of_file, on_stat), 0);
        ck_assert_int_eq(eddy_http_start(request, 200, -1), 0);
        ck_assert_int_eq(eddy_http_write_file(request, file_fd, 0, FILE_BYTES), 0);
    } else {
        to_write++;
        write_rest(request, context);
    }
}

static void do_both(eddy_http_request *request, void *context) {
    (void)context;
    both = request;
    eddy_http_on_done(request, on_done, NULL);
    eddy_http_on_drained(request, write_rest, NULL);
    ck_assert_int_eq(eddy_http_read_body(request, 0, on_body, NULL), 0);
}

/* The body goes on right before the file has been read: its chunk has to be closed before anything
 * else is written. */
START_TEST(what_a_body_has_written_comes_behind_a_file) {
    char path[] = "/tmp/eddy-test-XXXXXX", bytes[FILE_BYTES];
    visit_fill(bytes, FILE_BYTES);
    file_fd = mkstemp(path);
    ck_assert_int_ge(file_fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(write(file_fd, bytes, FILE_BYTES), FILE_BYTES);
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", do_both, NULL), 0);
    struct visit visit = visit_begin(&site);
    visit_send(&visit, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    struct answer answer = visit_answer(&visit);
    ck_assert_uint_eq(answer.size, FILE_BYTES + 1);
    visit_check(answer.body, FILE_BYTES);
    ck_assert(answer.body[FILE_BYTES] == 'x');
    visit_turn_until(&visit, &is_over);
    visit_end(&visit);
    site_close(&site);
    ck_assert_int_eq(close(file_fd), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("flow");
    ck_add(suite, "time", a_fast_client_does_not_keep_the_loop_to_itself);
    ck_add(suite, "place", what_a_body_has_written_comes_behind_a_file);
    return suite;
}
