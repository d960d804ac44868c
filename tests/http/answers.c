/* answers.c: answers from memory and from files, given wherever a program may give them. */
#include "http_visit.h"

#include <pthread.h>
#include <stdlib.h>

enum { FILE_BYTES = 20 * 1024 * 1024 };
enum source { COPIED, LENT, FROM_FILE, SOURCES };
enum moment { IN_HANDLER, IN_LATER_TURN, IN_POST, IN_FILE_DONE, MOMENTS };

/* A request that is going to be answered. */
struct job {
    eddy_http_request *request;
    enum source source;
    int status;
    size_t size;
    char *bytes;
    eddy_defer later;
    eddy_post post;
    eddy_file file;
    eddy_stat stat;
    pthread_t thread;
    bool has_thread;
};

static struct site site;
static unsigned handled, over;
static int file_fd;

static void open_file(void) {
    char path[] = "/tmp/eddy-test-XXXXXX", *bytes = malloc(FILE_BYTES);
    ck_assert_ptr_nonnull(bytes);
    visit_fill(bytes, FILE_BYTES);
    file_fd = mkstemp(path);
    ck_assert_int_ge(file_fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(write(file_fd, bytes, FILE_BYTES), FILE_BYTES);
    free(bytes);
}

/* --- The handler --- */

static void on_done(eddy_http_request *request, void *context) {
    struct job *job = context;
    ck_assert_ptr_eq(request, job->request);
    over++;
    if (job->has_thread) ck_assert_int_eq(pthread_join(job->thread, NULL), 0);
    if (job->bytes != NULL) memset(job->bytes, '!', job->size);
    free(job->bytes);
    free(job);
}

static void give_copied(struct job *job) {
    char *bytes = malloc(job->size + 1);
    size_t size = job->size;
    ck_assert_ptr_nonnull(bytes);
    visit_fill(bytes, size);
    ck_assert_int_eq(eddy_http_respond(job->request, job->status, bytes, size), 0);
    memset(bytes, '!', size);
    free(bytes);
}

static void give(struct job *job) {
    int err;
    if (job->source == COPIED) {
        give_copied(job);
        return;
    }
    if (job->source == LENT) {
        job->bytes = malloc(job->size + 1);
        ck_assert_ptr_nonnull(job->bytes);
        visit_fill(job->bytes, job->size);
        err = eddy_http_respond_lent(job->request, job->status, job->bytes, job->size);
    } else {
        /* Where no body is sent no file is read, nor need there be one. */
        int fd = strcmp(eddy_http_method(job->request), "HEAD") == 0 ? -1 : file_fd;
        err = eddy_http_respond_file(job->request, job->status, fd, 0, (int64_t)job->size);
    }
    ck_assert_int_eq(err, 0);
}

static void on_later(eddy_defer *later) {
    give(eddy_container_of(later, struct job, later));
}

static void on_post(eddy_post *post) {
    give(eddy_container_of(post, struct job, post));
}

static void on_stat(eddy_file *file) {
    struct job *job = eddy_container_of(file, struct job, file);
    ck_assert_int_eq(file->result, 0);
    ck_assert_int_eq(job->stat.size, FILE_BYTES);
    give(job);
}

static void *send_post(void *data) {
    struct job *job = data;
    eddy_loop_post(site.loop, &job->post, on_post);
    return NULL;
}

static int number_of(const eddy_http_request *request, const char *name, int otherwise) {
    char text[16];
    return eddy_http_query_value(request, name, text, sizeof text) > 0 ? atoi(text) : otherwise;
}

static void handle(eddy_http_request *request, void *context) {
    struct job *job = calloc(1, sizeof *job);
    (void)context;
    ck_assert_ptr_nonnull(job);
    handled++;
    job->request = request;
    job->source = (enum source)number_of(request, "source", COPIED);
    job->size = (size_t)number_of(request, "size", 0);
    job->status = number_of(request, "status", 200);
    eddy_http_on_done(request, on_done, job);
    switch (number_of(request, "moment", IN_HANDLER)) {
    case IN_LATER_TURN:
        eddy_defer_init(&job->later, site.loop);
        ck_assert_int_eq(eddy_defer_start(&job->later, on_later), 0);
        break;
    case IN_POST:
        job->has_thread = true;
        ck_assert_int_eq(pthread_create(&job->thread, NULL, send_post, job), 0);
        break;
    case IN_FILE_DONE:
        ck_assert_int_eq(eddy_file_fstat(site.loop, &job->file, file_fd, &job->stat, on_stat), 0);
        break;
    default:
        give(job);
    }
}

static void open_site(void) {
    open_file();
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", handle, NULL), 0);
}

static void close_site(void) {
    site_close(&site);
    ck_assert_uint_eq(over, handled);
    ck_assert_int_eq(close(file_fd), 0);
}

/* --- Tests --- */

static void ask(const struct visit *visit, const char *method, int source, int moment,
                size_t size) {
    char text[256];
    snprintf(text, sizeof text, "%s /?source=%d&moment=%d&size=%zu HTTP/1.1\r\nHost: h\r\n\r\n",
             method, source, moment, size);
    visit_send(visit, text);
}

static void check_answer(struct visit *visit, size_t size) {
    char text[32];
    struct answer answer = visit_answer(visit);
    snprintf(text, sizeof text, "%zu", size);
    ck_assert_int_eq(answer.status, 200);
    ck_assert(answer_has(&answer, "Content-Length", text));
    ck_assert_uint_eq(answer.size, size);
    visit_check(answer.body, size);
}

static const size_t sizes[] = {0, 1, 7 * 1024, 9 * 1024, 1024 * 1024};

START_TEST(every_body_is_whole_wherever_it_is_given) {
    open_site();
    struct visit visit = visit_begin(&site);
    for (int source = 0; source < SOURCES; source++) {
        for (int moment = 0; moment < MOMENTS; moment++) {
            for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                ask(&visit, "GET", source, moment, sizes[i]);
                check_answer(&visit, sizes[i]);
            }
        }
    }
    ck_assert_uint_eq(handled, SOURCES * MOMENTS * sizeof sizes / sizeof sizes[0]);
    visit_end(&visit);
    close_site();
}
END_TEST

/* More than the kernel holds for a connection, to a client that takes 64 KiB a turn. */
START_TEST(a_slow_client_gets_all_of_a_large_body) {
    open_site();
    for (int source = 0; source < SOURCES; source++) {
        struct visit visit = visit_begin_with(&site, 32 * 1024);
        visit.step = 64 * 1024;
        ask(&visit, "GET", source, source, FILE_BYTES);
        check_answer(&visit, FILE_BYTES);
        visit_end(&visit);
    }
    close_site();
}
END_TEST

START_TEST(a_client_may_read_byte_by_byte) {
    open_site();
    struct visit visit = visit_begin(&site);
    visit.step = 1;
    for (int source = 0; source < SOURCES; source++) {
        ask(&visit, "GET", source, IN_HANDLER, 9 * 1024);
        check_answer(&visit, 9 * 1024);
    }
    visit_end(&visit);
    close_site();
}
END_TEST

/* Requests that come together are answered in their order, though some take longer to make. */
START_TEST(pipelined_answers_are_in_order) {
    open_site();
    struct visit visit = visit_begin(&site);
    srand(1);
    for (int round = 0; round < 10; round++) {
        enum { COUNT = 40 };
        size_t wanted[COUNT];
        for (int i = 0; i < COUNT; i++) {
            wanted[i] = (size_t)(rand() % 3 == 0 ? rand() % 200000 : rand() % 3000);
            ask(&visit, "GET", rand() % SOURCES, rand() % MOMENTS, wanted[i]);
        }
        for (int i = 0; i < COUNT; i++) check_answer(&visit, wanted[i]);
    }
    visit_end(&visit);
    close_site();
}
END_TEST

/* The next answer would be taken for the body of one that has none. */
START_TEST(a_head_has_no_body) {
    open_site();
    struct visit visit = visit_begin(&site);
    for (int source = 0; source < SOURCES; source++) {
        for (int moment = 0; moment < MOMENTS; moment++) {
            for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                char text[32];
                struct answer answer;
                ask(&visit, "HEAD", source, moment, sizes[i]);
                ask(&visit, "GET", source, moment, 5);
                ck_assert(visit_answer_to(&visit, true, &answer));
                snprintf(text, sizeof text, "%zu", sizes[i]);
                ck_assert(answer_has(&answer, "Content-Length", text));
                check_answer(&visit, 5);
            }
        }
    }
    visit_end(&visit);
    close_site();
}
END_TEST

START_TEST(every_status_is_told_by_its_name) {
    open_site();
    struct visit visit = visit_begin(&site);
    for (int status = 200; status < 600; status++) {
        char text[256];
        bool has_length = status != 204 && status != 304, has_body = has_length && status != 205;
        snprintf(text, sizeof text, "GET /?source=%d&status=%d&size=%d HTTP/1.1\r\nHost: h\r\n\r\n",
                 status % SOURCES, status, status % 2 == 0 ? 300 : 30000);
        visit_send(&visit, text);
        struct answer answer = visit_answer(&visit);
        ck_assert_int_eq(answer.status, status);
        snprintf(text, sizeof text, "HTTP/1.1 %d %s\r\n", status, eddy_http_reason(status));
        ck_assert_msg(strncmp(answer.head, text, strlen(text)) == 0, "%.40s", answer.head);
        ck_assert(has_length == (answer_field(&answer, "Content-Length") != NULL));
        if (status == 205) ck_assert(answer_has(&answer, "Content-Length", "0"));
        ck_assert_uint_eq(answer.size, !has_body ? 0 : status % 2 == 0 ? 300 : 30000);
        visit_check(answer.body, answer.size);
    }
    visit_end(&visit);
    close_site();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("answers");
    ck_add(suite, "bodies", every_body_is_whole_wherever_it_is_given,
           a_slow_client_gets_all_of_a_large_body, a_client_may_read_byte_by_byte,
           pipelined_answers_are_in_order);
    ck_add(suite, "heads", a_head_has_no_body, every_status_is_told_by_its_name);
    return suite;
}
