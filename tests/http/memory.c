/* memory.c: each allocation fails once, and several servers on several loops. */
#include "http_visit.h"

#include <stdlib.h>

enum { BODY_BYTES = 30000, FILE_BYTES = 200000 };

static struct site site;
static unsigned handled, over;
static int file_fd;
static char body[BODY_BYTES];

static void on_done(eddy_http_request *request, void *context) {
    (void)request;
    (void)context;
    over++;
}

static void on_error(eddy_http_request *request, int status, void *context) {
    (void)context;
    (void)eddy_http_respond(request, status, "error", 5);
}

static void end_or_abort(eddy_http_request *request, int err) {
    if (err < 0)
        eddy_http_abort(request);
    else
        (void)eddy_http_end(request);
}

static void on_gone(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_abort(request);
}

static void on_drained(eddy_http_request *request, void *context) {
    (void)context;
    end_or_abort(request, 0);
}

static void on_body(eddy_http_request *request, const void *data, ssize_t size, void *context) {
    (void)data;
    (void)context;
    if (size == 0) (void)eddy_http_respond(request, 200, body, 100);
    if (size < 0) eddy_http_abort(request);
}

/* One of each kind; what fails is answered otherwise, or not at all. */
static void handle(eddy_http_request *request, void *context) {
    char kind = eddy_http_path(request)[1];
    (void)context;
    handled++;
    eddy_http_on_done(request, on_done, NULL);
    eddy_http_on_gone(request, on_gone, NULL);
    for (int i = 0; i < 20 && kind == 'f'; i++) {
        int err = eddy_http_add(request, "Field", "a value that is as long as one may well be");
        ck_assert(err == 0 || err == -ENOMEM);
    }
    if (kind == 's' || kind == 'f') (void)eddy_http_respond(request, 200, body, 100);
    if (kind == 'c') (void)eddy_http_respond(request, 200, body, BODY_BYTES);
    if (kind == 'l') (void)eddy_http_respond_lent(request, 200, body, BODY_BYTES);
    if (kind == 'b') (void)eddy_http_respond_file(request, 200, file_fd, 0, FILE_BYTES);
    if (kind == 'e') {
        int err = eddy_http_start_events(request, EDDY_NS_PER_S);
        if (err == 0) err = eddy_http_event(request, "t", "1", body, 8000);
        end_or_abort(request, err);
    }
    if (kind == 'p') {
        int err = eddy_http_start(request, 200, -1);
        if (err == 0) err = (int)eddy_http_write(request, body, 100);
        if (err >= 0) err = eddy_http_write_file(request, file_fd, 0, FILE_BYTES);
        eddy_http_on_drained(request, on_drained, NULL);
        if (err < 0) eddy_http_abort(request);
    }
    if (kind == 'r' && eddy_http_read_body(request, 0, on_body, NULL) < 0) eddy_http_abort(request);
}

/* Pipelined, so that answers gather, with a path and a head that need memory of their own. */
static void visit_all(void) {
    static char text[40000], path[400], value[7000];
    static const char kinds[] = "sfsclbsepbsr";
    int length = 0;
    memset(path, 'p', sizeof path - 1);
    memset(value, 'v', sizeof value - 1);
    for (const char *kind = kinds; *kind != '\0'; kind++)
        length += sprintf(text + length, "POST /%c%s HTTP/1.1\r\nHost: h\r\nA: %s\r\n%s", *kind,
                          *kind == 'f' ? path : "", *kind == 'l' ? value : "",
                          *kind == 'r' ? "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
                                       : "Content-Length: 4\r\n\r\nbody");
    struct visit visit = visit_begin(&site);
    site_send(visit.fd, text, (size_t)length);
    ck_assert_int_eq(shutdown(visit.fd, SHUT_WR), 0);
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (!visit.ended && visit.error == 0) {
        visit_turn(&visit);
        if (test_now_ns() > give_up_ns) ck_abort_msg("a client is left without an end");
    }
    visit_end(&visit);
}

static void open_file(void) {
    char path[] = "/tmp/eddy-test-XXXXXX", *bytes = calloc(1, FILE_BYTES);
    file_fd = mkstemp(path);
    ck_assert_int_ge(file_fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(write(file_fd, bytes, FILE_BYTES), FILE_BYTES);
    free(bytes);
}

static eddy_http_counts counts(const eddy_http *http) {
    eddy_http_counts it;
    eddy_http_read_counts(http, &it, sizeof it);
    return it;
}

/* Returns whether there was a failure. */
static bool check_failure(long nth, bool own) {
    handled = over = 0;
    site_open(&site, (eddy_http_config){.error = own ? on_error : NULL, .buffer_bytes = 48 * 1024});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", handle, NULL), 0);
    site.memory.fail_in = nth;
    visit_all();
    bool has_failed = site.memory.fail_in < 0;
    site.memory.fail_in = -1;
    visit_all(); /* it is over with the failure, and the next visit goes well */
    ck_assert_uint_ge(handled, 12);
    ck_assert_uint_eq(counts(site.http).memory_bytes, site.memory.bytes);
    uint64_t before = counts(site.http).memory_bytes;
    visit_all();
    ck_assert_uint_eq(counts(site.http).memory_bytes, before);
    site_close(&site); /* nothing is left */
    ck_assert_uint_eq(over, handled);
    return has_failed;
}

START_TEST(any_allocation_may_fail) {
    open_file();
    for (int own = 0; own < 2; own++) {
        long nth = 0;
        while (check_failure(nth, own)) nth++;
        ck_assert_int_gt(nth, 5);
    }
    ck_assert_int_eq(close(file_fd), 0);
}
END_TEST

/* --- Without a heap --- */

/* Loop and server in an arena of that size. Returns whether it was enough for them to be opened. */
static bool open_in(eddy_arena *arena, char *memory, size_t bytes) {
    eddy_arena_init(arena, memory, bytes);
    eddy_allocator allocator = eddy_arena_allocator(arena);
    eddy_loop_config config = {.allocator = &allocator, .is_fixed = true, .descriptors = 40};
    eddy_http_config limits = {.error = on_error, .connections = 4, .buffer_bytes = 48 * 1024};
    site = (struct site){.loop = test_loop_open_with(config)};
    int err = eddy_http_open(&site.http, site.loop, &limits);
    if (err == 0) err = eddy_http_handle(site.http, NULL, "/", handle, NULL);
    if (err == 0) {
        site.length = loopback(&site.address, AF_INET);
        struct sockaddr *address = (struct sockaddr *)&site.address;
        err = eddy_http_listen(site.http, &site.listener, address, site.length, 0, NULL);
        (void)eddy_listener_address(&site.listener.listener, address, &site.length);
    }
    if (err == 0) return true;
    ck_assert_int_eq(err, -ENOMEM);
    if (site.http != NULL) ck_assert_int_eq(eddy_http_close(site.http), 0);
    test_loop_close(site.loop);
    return false;
}

/* With whatever room there is, each client has an end, and the server goes on; with more of it more
 * of them are answered, and with enough all. */
START_TEST(a_server_goes_on_in_any_room) {
    enum { LEAST = 24 * 1024, STEP = 12011, MOST = 400 * 1024 };
    static _Alignas(max_align_t) char memory[MOST];
    eddy_arena arena;
    unsigned refused = 0, all = 0;
    open_file();
    for (size_t bytes = LEAST; bytes <= MOST; bytes += STEP) {
        handled = over = 0;
        if (!open_in(&arena, memory, bytes)) {
            ck_assert_uint_eq(all, 0);
            refused++;
        } else {
            for (int i = 0; i < 3; i++) visit_all();
            if (handled == 3 * 12) all++;
            site_close(&site);
            ck_assert_uint_eq(over, handled);
        }
        ck_assert_uint_eq(eddy_arena_used(&arena), 0);
    }
    ck_assert_uint_gt(refused, 0);
    ck_assert_uint_gt(all, 0);
    ck_assert_int_eq(close(file_fd), 0);
}
END_TEST

/* --- Kept for others --- */

static void turn_until_open(unsigned open) {
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (counts(site.http).open != open) {
        ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_int_lt(test_now_ns(), give_up_ns);
    }
    ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0); /* and the close callbacks */
}

/* Each has sent a part of a head, for which it takes a block. What is kept of these falls with the
 * number of connections, and does not with the first that leaves. */
START_TEST(memory_of_many_goes_with_them) {
    enum { MANY = 400, FEW = 128, BLOCK_BYTES = 8 * 1024 };
    static int fds[MANY];
    site_open(&site, (eddy_http_config){0});
    uint64_t before = counts(site.http).memory_bytes;
    for (unsigned i = 0; i < MANY; i++) {
        fds[i] = site_connect(&site);
        site_send(fds[i], "GET", 3);
        turn_until_open(i + 1);
    }
    uint64_t most = counts(site.http).memory_bytes;
    ck_assert_uint_ge(most, before + (uint64_t)MANY * BLOCK_BYTES);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_int_eq(close(fds[i]), 0);
        turn_until_open(MANY - 1 - i);
        if (i == MANY / 2 - 1) ck_assert_uint_ge(counts(site.http).memory_bytes, most - 1024);
    }
    ck_assert_uint_le(counts(site.http).memory_bytes, before + (uint64_t)FEW * (BLOCK_BYTES + 512));
    ck_assert_uint_ge(counts(site.http).memory_bytes, before + (uint64_t)FEW * BLOCK_BYTES);
    ck_assert_uint_eq(counts(site.http).memory_bytes, site.memory.bytes);
    site_close(&site);
}
END_TEST

/* --- Several --- */

static void tell_server(eddy_http_request *request, void *context) {
    ck_assert_ptr_eq(eddy_http_server(request), *(eddy_http **)context);
    ck_assert_int_eq(eddy_http_respond(request, 200, context, sizeof(eddy_http *)), 0);
}

static void check_server(struct site *it) {
    struct visit visit = visit_begin(it);
    visit_get(&visit, "/");
    struct answer answer = visit_answer(&visit);
    ck_assert_uint_eq(answer.size, sizeof(eddy_http *));
    ck_assert(memcmp(answer.body, &it->http, sizeof it->http) == 0);
    visit_end(&visit);
}

START_TEST(servers_know_nothing_of_each_other) {
    static struct site sites[2], third;
    for (int i = 0; i < 2; i++) {
        site_open(&sites[i], (eddy_http_config){0});
        ck_assert_int_eq(eddy_http_handle(sites[i].http, NULL, "/", tell_server, &sites[i].http),
                         0);
    }
    /* Another one on the first's loop, which ends before. */
    third = (struct site){.loop = sites[0].loop};
    ck_assert_int_eq(eddy_http_open(&third.http, third.loop, NULL), 0);
    ck_assert_int_eq(eddy_http_handle(third.http, NULL, "/", tell_server, &third.http), 0);
    third.length = loopback(&third.address, AF_INET);
    ck_assert_int_eq(eddy_http_listen(third.http, &third.listener,
                                      (struct sockaddr *)&third.address, third.length, 0, NULL),
                     0);
    ck_assert_int_eq(eddy_listener_address(&third.listener.listener,
                                           (struct sockaddr *)&third.address, &third.length),
                     0);
    ck_assert_ptr_eq(eddy_http_loop(third.http), eddy_http_loop(sites[0].http));
    check_server(&third);
    for (int i = 0; i < 2; i++) check_server(&sites[i]);
    ck_assert_int_eq(eddy_http_stop(third.http, site_on_stopped, &third), 0);
    test_turn_until(third.loop, &third.stopped);
    ck_assert_int_eq(eddy_http_close(third.http), 0);
    for (int i = 0; i < 2; i++) {
        check_server(&sites[i]);
        ck_assert_uint_eq(counts(sites[i].http).requests, 2);
        site_close(&sites[i]);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("memory");
    ck_add(suite, "failures", any_allocation_may_fail, a_server_goes_on_in_any_room);
    ck_add(suite, "kept", memory_of_many_goes_with_them);
    ck_add(suite, "several", servers_know_nothing_of_each_other);
    return suite;
}
