/* answer_heads.c: what a program may do to the head of its answer, and what the server puts there.
 */
#include "http_visit.h"

static struct site site;
static unsigned over, told;
static eddy_http_fn *act; /* what the handler does */

static void on_done(eddy_http_request *request, void *context) {
    (void)request;
    (void)context;
    over++;
}

static void handle(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_on_done(request, on_done, NULL);
    act(request, NULL);
}

static void open_site_with(eddy_http_config config) {
    over = told = 0;
    site_open(&site, config);
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", handle, NULL), 0);
}

static void open_site(void) {
    open_site_with((eddy_http_config){0});
}

static struct answer ask(struct visit *visit, eddy_http_fn *fn) {
    act = fn;
    visit_get(visit, "/");
    return visit_answer(visit);
}

static void respond(eddy_http_request *request, int status) {
    ck_assert_int_eq(eddy_http_respond(request, status, "body\n", 5), 0);
}

/* --- Fields --- */

static void add_bad_fields(eddy_http_request *request, void *context) {
    static const char *const own[] = {"Date", "server", "CONTENT-LENGTH", "Transfer-Encoding",
                                      "Connection"};
    static const char *const names[] = {"", "a b", "a:", "a\r\nb", "\xc3\xa4", "a\tb", "a\x7f"};
    static const char *const values[] = {"\r\nb: c", "a\rb", "a\nb", "\n",
                                         "a\x01",    "\x7f", "a\x1f"};
    (void)context;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        ck_assert_int_eq(eddy_http_add(request, own[i], "1"), -EINVAL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_int_eq(eddy_http_add(request, names[i], "1"), -EINVAL);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        ck_assert_int_eq(eddy_http_add(request, "Bad", values[i]), -EINVAL);
    ck_assert_int_eq(eddy_http_add(request, "Good", "a\tb \xc3\xa4"), 0);
    ck_assert_int_eq(eddy_http_add(request, "Empty", ""), 0);
    ck_assert_int_eq(eddy_http_add(request, "Good", "again"), 0);
    respond(request, 200);
}

START_TEST(fields_that_would_break_the_head_are_refused) {
    open_site();
    struct visit visit = visit_begin(&site);
    struct answer answer = ask(&visit, add_bad_fields);
    ck_assert_ptr_null(answer_field(&answer, "Bad"));
    ck_assert_ptr_null(answer_field(&answer, "b"));
    ck_assert(answer_has(&answer, "Good", "a\tb \xc3\xa4"));
    ck_assert(answer_has(&answer, "Empty", ""));
    ck_assert(answer_has(&answer, "Content-Length", "5"));
    ck_assert_ptr_nonnull(strstr(answer.head, "\r\nGood: again\r\n"));
    visit_end(&visit);
    site_close(&site);
}
END_TEST

enum { FIELDS_BYTES = 32 * 1024, LINE_BYTES = 1000 };

static void add_too_much(eddy_http_request *request, void *context) {
    char value[LINE_BYTES];
    int err, count = 0;
    (void)context;
    memset(value, 'v', sizeof value);
    value[LINE_BYTES - 3 - 4] = '\0'; /* a line of LINE_BYTES with its name and ends */
    while ((err = eddy_http_add(request, "Add", value)) == 0) count++;
    ck_assert_int_eq(err, -EMSGSIZE);
    ck_assert_int_eq(count, FIELDS_BYTES / LINE_BYTES);
    ck_assert_int_eq(eddy_http_add(request, "Small", "still fits"), 0);
    respond(request, 200);
}

static void add_and_clear(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_add(request, "Old", "1"), 0);
    eddy_http_clear(request);
    ck_assert_int_eq(eddy_http_add(request, "New", "1"), 0);
    respond(request, 200);
    eddy_http_clear(request);
    ck_assert_int_eq(eddy_http_add(request, "Late", "1"), -EALREADY);
}

/* Whatever one answer adds is not in the next. */
START_TEST(fields_go_as_far_as_32_kib_and_can_be_taken_back) {
    open_site();
    struct visit visit = visit_begin(&site);
    struct answer answer = ask(&visit, add_too_much);
    ck_assert_uint_gt(strlen(answer.head), FIELDS_BYTES - LINE_BYTES);
    ck_assert(answer_has(&answer, "Small", "still fits"));
    answer = ask(&visit, add_and_clear);
    ck_assert_ptr_null(answer_field(&answer, "Add"));
    ck_assert_ptr_null(answer_field(&answer, "Old"));
    ck_assert_ptr_null(answer_field(&answer, "Late"));
    ck_assert(answer_has(&answer, "New", "1"));
    visit_end(&visit);
    site_close(&site);
}
END_TEST

/* --- The connection --- */

static void respond_last(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_set_last(request);
    respond(request, 200);
}

static void respond_ok(eddy_http_request *request, void *context) {
    (void)context;
    respond(request, 200);
}

START_TEST(the_last_answer_ends_the_connection) {
    open_site();
    struct visit visit = visit_begin(&site);
    struct answer answer = ask(&visit, respond_ok);
    ck_assert(answer_has(&answer, "Connection", NULL));
    act = respond_last;
    visit_get(&visit, "/");
    visit_get(&visit, "/nobody-answers-this");
    answer = visit_answer(&visit);
    ck_assert(answer_has(&answer, "Connection", "close"));
    visit_expect_end(&visit);
    ck_assert_uint_eq(over, 2);
    visit_end(&visit);
    site_close(&site);
}
END_TEST

static void start_unknown(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_start(request, 200, -1), 0);
    ck_assert_int_eq(eddy_http_write(request, "body\n", 5), 5);
    ck_assert_int_eq(eddy_http_end(request), 0);
}

static struct answer ask_old(struct visit *visit, const char *fields, eddy_http_fn *fn) {
    char text[256];
    snprintf(text, sizeof text, "GET / HTTP/1.0\r\n%s\r\n", fields);
    act = fn;
    visit_send(visit, text);
    struct answer answer = visit_answer(visit);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_eq(answer.size, 5);
    ck_assert_ptr_null(answer_field(&answer, "Transfer-Encoding"));
    return answer;
}

START_TEST(a_client_of_http_1_0_keeps_its_connection_only_if_it_says_so) {
    open_site();
    struct visit visit = visit_begin(&site);
    struct answer answer = ask_old(&visit, "Connection: keep-alive\r\n", respond_ok);
    ck_assert(answer_has(&answer, "Connection", "keep-alive"));
    answer = ask_old(&visit, "Connection: x, Keep-Alive\r\n", respond_ok);
    ck_assert(answer_has(&answer, "Connection", "keep-alive"));
    answer = ask_old(&visit, "", respond_ok);
    ck_assert(answer_has(&answer, "Connection", "close"));
    visit_expect_end(&visit);
    visit_end(&visit);
    /* Of a length that nobody knows the end of the connection is the end. */
    visit = visit_begin(&site);
    answer = ask_old(&visit, "Connection: keep-alive\r\n", start_unknown);
    ck_assert(answer.until_end);
    ck_assert(answer_has(&answer, "Connection", "close"));
    visit_end(&visit);
    site_close(&site);
}
END_TEST

/* How often a field stands in the head. */
static unsigned count_fields(const struct answer *answer, const char *name) {
    unsigned count = 0;
    size_t length = strlen(name);
    for (const char *at = answer->head; (at = strchr(at, '\n')) != NULL;)
        count += strncasecmp(++at, name, length) == 0 && at[length] == ':';
    return count;
}

static void offer(eddy_http_request *request) {
    ck_assert_int_eq(eddy_http_add(request, "Upgrade", "mine"), 0);
    ck_assert_int_eq(eddy_http_add(request, "Connection", "upgrade"), 0);
    ck_assert_int_eq(eddy_http_add(request, "connection", "Upgrade"), 0);
    ck_assert_int_eq(eddy_http_add(request, "Connection", "close"), -EINVAL);
}

static void respond_offering(eddy_http_request *request, void *context) {
    (void)context;
    offer(request);
    respond(request, 200);
}

static void respond_last_offering(eddy_http_request *request, void *context) {
    (void)context;
    offer(request);
    eddy_http_set_last(request);
    respond(request, 200);
}

static void take_offer_back(eddy_http_request *request, void *context) {
    (void)context;
    offer(request);
    eddy_http_clear(request);
    respond(request, 200);
}

static void expect_connection(const struct answer *answer, const char *value) {
    ck_assert_uint_eq(count_fields(answer, "Connection"), value != NULL);
    ck_assert(answer_has(answer, "Connection", value));
}

/* Who offers another protocol names the field, in the one list that also tells of the connection.
 */
START_TEST(the_connection_has_one_field) {
    open_site();
    struct visit visit = visit_begin(&site);
    struct answer answer = ask(&visit, respond_offering);
    expect_connection(&answer, "Upgrade");
    ck_assert(answer_has(&answer, "Upgrade", "mine"));
    answer = ask(&visit, take_offer_back);
    expect_connection(&answer, NULL);
    answer = ask(&visit, respond_ok);
    expect_connection(&answer, NULL);
    answer = ask_old(&visit, "Connection: keep-alive\r\n", respond_offering);
    expect_connection(&answer, "keep-alive, Upgrade");
    answer = ask(&visit, respond_last_offering);
    expect_connection(&answer, "close, Upgrade");
    visit_expect_end(&visit);
    visit_end(&visit);
    site_close(&site);
}
END_TEST

/* --- What cannot be --- */

static const char *calling; /* what the program is just calling */

static void on_error(eddy_http_request *request, int status, void *context) {
    (void)context;
    ck_assert_msg(calling == NULL, "called inside of %s", calling);
    told++;
    ck_assert_int_eq(eddy_http_respond(request, status, "mine\n", 5), 0);
}

static void respond_badly(eddy_http_request *request, void *context) {
    (void)context;
    calling = "eddy_http_respond";
    ck_assert_int_eq(eddy_http_respond(request, 199, "body\n", 5), -EINVAL);
    ck_assert_int_eq(eddy_http_respond(request, 200, "body\n", 5), -EALREADY);
    ck_assert_int_eq((int)eddy_http_write(request, "body\n", 5), -EALREADY);
    calling = NULL;
}

static void start_badly(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_start(request, 600, -1), -EINVAL);
    ck_assert_int_eq(eddy_http_start(request, 200, -2), -EINVAL);
    ck_assert_int_eq((int)eddy_http_write(request, "a", 1), -EINVAL);
    ck_assert_int_eq(eddy_http_write_file(request, 0, 0, 1), -EINVAL);
    calling = "eddy_http_end";
    ck_assert_int_eq(eddy_http_end(request), -EINVAL);
    calling = NULL;
}

static void respond_twice(eddy_http_request *request, void *context) {
    (void)context;
    ck_assert_int_eq(eddy_http_start(request, 200, 3), 0);
    ck_assert_int_eq(eddy_http_start(request, 200, 3), -EALREADY);
    calling = "eddy_http_respond_lent";
    ck_assert_int_eq(eddy_http_respond_lent(request, 200, "body\n", 5), -EALREADY);
    calling = NULL;
}

static void abort_at_once(eddy_http_request *request, void *context) {
    (void)context;
    calling = "eddy_http_abort";
    eddy_http_abort(request);
    eddy_http_abort(request);
    calling = NULL;
}

static void send_file_badly(eddy_http_request *request, void *context) {
    (void)context;
    calling = "eddy_http_respond_file";
    ck_assert_int_eq(eddy_http_respond_file(request, 200, -1, -1, 1), -EINVAL);
    calling = NULL;
}

static void lend_nothing(eddy_http_request *request, void *context) {
    (void)context;
    calling = "eddy_http_respond_lent";
    ck_assert_int_eq(eddy_http_respond_lent(request, 200, NULL, 10), -EINVAL);
    calling = NULL;
}

static void upgrade_to_nothing(eddy_http_request *request, void *context) {
    (void)context;
    calling = "eddy_http_upgrade";
    ck_assert_int_eq(eddy_http_read_body(request, 0, NULL, NULL), -EINVAL);
    ck_assert_int_eq(eddy_http_upgrade(request, NULL, NULL), -EINVAL);
    calling = NULL;
}

static void fail_for_want_of_memory(eddy_http_request *request, void *context) {
    static const char body[100000];
    (void)context;
    site.memory.fail_in = 0;
    calling = "eddy_http_respond";
    ck_assert_int_eq(eddy_http_respond(request, 200, body, sizeof body), -ENOMEM);
    calling = NULL;
}

/* The program's own answer takes the place, and no callback runs inside of the call. */
START_TEST(what_cannot_be_answered_is_an_error_and_a_500) {
    static eddy_http_fn *const fns[] = {
        respond_badly,   start_badly,  respond_twice,      abort_at_once,
        send_file_badly, lend_nothing, upgrade_to_nothing, fail_for_want_of_memory};
    enum { COUNT = sizeof fns / sizeof fns[0] };
    for (int own = 0; own < 2; own++) {
        open_site_with((eddy_http_config){.error = own ? on_error : NULL});
        struct visit visit = visit_begin(&site);
        for (size_t i = 0; i < COUNT; i++) {
            struct answer answer = ask(&visit, fns[i]);
            ck_assert_int_eq(answer.status, fns[i] == fail_for_want_of_memory ? 503 : 500);
            ck_assert(answer_has(&answer, "Content-Length", NULL) == false);
        }
        ck_assert_uint_eq(over, COUNT);
        ck_assert_uint_eq(told, own ? COUNT : 0);
        visit_end(&visit);
        site_close(&site);
    }
}
END_TEST

START_TEST(a_server_may_have_another_name_or_none) {
    static const char *const names[] = {NULL, "", "mine/1"};
    for (size_t i = 0; i < 3; i++) {
        open_site_with((eddy_http_config){.server = names[i]});
        struct visit visit = visit_begin(&site);
        struct answer answer = ask(&visit, respond_ok);
        ck_assert(answer_has(&answer, "Server", i == 0 ? "eddy" : i == 1 ? NULL : "mine/1"));
        ck_assert_ptr_nonnull(answer_field(&answer, "Date"));
        visit_end(&visit);
        site_close(&site);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("answer_heads");
    ck_add(suite, "fields", fields_that_would_break_the_head_are_refused,
           fields_go_as_far_as_32_kib_and_can_be_taken_back,
           a_server_may_have_another_name_or_none);
    ck_add(suite, "connection", the_last_answer_ends_the_connection, the_connection_has_one_field,
           a_client_of_http_1_0_keeps_its_connection_only_if_it_says_so);
    ck_add(suite, "errors", what_cannot_be_answered_is_an_error_and_a_500);
    return suite;
}
