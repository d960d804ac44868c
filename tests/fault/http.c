/* http.c: faults under a server of the HTTP module, with clients that stay for all of their
 * answers, and others that leave before they have them. */
#include "fault.h"
#include "http_handlers.h"
#include "visitor.h"

#include <stdio.h>

#include "../../platform/os.h"

static eddy_loop *loop;
static struct promise stopping;
static bool all_over;
static struct visitor visitors[4];
enum { PIPELINED, RAW, LATE };

/* --- The server --- */

static void on_stopped(eddy_http *which, void *context) {
    (void)context;
    fault_assert(which == http);
    promise_keep(&stopping);
}

static void close_socket(int fd) {
    (void)eddy_os_close(fd);
}

/* Whatever happened, nothing is left of it. */
static void close_server(void) {
    if (!stopping.kept) {
        int err = eddy_http_stop(http, on_stopped, NULL); /* also in place of a drain */
        fault_assert(stopping.given ? err == 0 : promise_give(&stopping, err) == 0);
        eddy_http_cut(http);
    }
    fault_settle(loop);
    fault_assert(stopping.kept);
    for (unsigned i = 0; i < ask_count; i++) {
        fault_assert(asks[i].done.kept);
        fault_assert(!promise_is_open(&asks[i].upgrade));
    }
    fault_assert(eddy_http_close(http) == 0);
    if (upgraded >= 0) close(upgraded);
}

static void serve(int (*begin)(void), eddy_hook_fn *on_turn, void (*check)(void)) {
    const eddy_http_config config = {
        .answer_ns = 20 * EDDY_NS_PER_S,
        .log = on_log,
        .error = on_error,
        .close = close_socket,
    };
    eddy_hook hook;
    ask_count = 0;
    upgraded = -1;
    all_over = false;
    stopping = (struct promise){0};
    for (int i = 0; i < 4; i++) visitors[i] = (struct visitor){.fd = -1, .is_over = true};
    int err = eddy_http_open(&http, loop, &config);
    fault_assert(err == 0 || !fault_is_unhurt());
    if (err < 0) return;
    err = add_handlers();
    if (err == 0) err = begin();
    fault_assert(err == 0 || !fault_is_unhurt());
    eddy_hook_init(&hook, loop);
    eddy_unref(&hook.handle);
    fault_assert(eddy_hook_start(&hook, EDDY_HOOK_PREPARE, on_turn) == 0);
    if (err == 0) (void)fault_turn_until(loop, &all_over);
    eddy_hook_stop(&hook);
    if (err == 0) check();
    for (int i = 0; i < 4; i++)
        if (visitors[i].fd >= 0) close(visitors[i].fd);
    close_server();
}

static int visit_by_pair(struct visitor *visitor, const char *requests) {
    static const struct sockaddr peer = {.sa_family = AF_UNIX};
    int ends[2];
    size_t size = strlen(requests);
    test_socket_pair(ends);
    ck_assert_int_eq(send(ends[1], requests, size, MSG_NOSIGNAL), (ssize_t)size);
    int err = eddy_http_accept(http, ends[0], &peer);
    if (err < 0) close(ends[0]);
    *visitor = (struct visitor){.fd = ends[1]};
    return err;
}

/* --- Clients that stay --- */

#define HOST              " HTTP/1.1\r\nHost: here\r\n"
#define GET(path, fields) "GET /" path HOST fields "\r\n"

static char pipelined[3 * BODY_BYTES], raw[2 * BODY_BYTES];
static eddy_http_listener listener;

/* A body by length, one in chunks, and one of which the client waits to be asked for. */
static void write_requests(void) {
    int size = BODY_BYTES, half = BODY_BYTES / 2;
    snprintf(pipelined, sizeof pipelined,
             "POST /body" HOST "Content-Length: %d\r\n\r\n%.*s"
             "POST /body" HOST
             "Transfer-Encoding: chunked\r\n\r\n%x\r\n%.*s\r\n%x\r\n%.*s\r\n0\r\n\r\n"
             "%s",
             size, size, content, half, half, content, half, half, content + half,
             GET("pieces", "") GET("length", "") GET("file", "") GET("parts", "") GET("events", "")
                 GET("nothing", "") GET("abort", "Connection: close\r\n"));
    snprintf(raw, sizeof raw,
             "POST /body" HOST "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n%.10s%s", content,
             GET("upgrade", "Connection: Upgrade\r\nUpgrade: other\r\n") "early");
}

/* One asks over a socket that was listening already, the others over ones that were accepted. */
static int begin_staying(void) {
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    int err = eddy_http_attach(http, &listener, fd, NULL);
    if (err < 0) {
        close(fd);
        return err;
    }
    visitor_open(&visitors[PIPELINED], (struct sockaddr *)&address, length, pipelined);
    err = visit_by_pair(&visitors[RAW], raw);
    return err < 0 ? err : visit_by_pair(&visitors[LATE], "");
}

static void drain(void) {
    static const char request[] = GET("pieces", "");
    if (promise_give(&stopping, eddy_http_drain(http, on_stopped, NULL)) < 0)
        fault_assert(!fault_is_unhurt());
    (void)!send(visitors[LATE].fd, request, sizeof request - 1, MSG_NOSIGNAL);
}

static void on_staying_turn(eddy_hook *hook) {
    for (int i = 0; i < 3; i++) visitor_read(&visitors[i]);
    if (!visitors[PIPELINED].is_over || !visitors[RAW].is_over) return;
    if (!stopping.given && !visitors[LATE].is_over) drain();
    all_over = visitors[LATE].is_over && !promise_is_open(&stopping);
    if (all_over) eddy_loop_stop(hook->handle.loop); /* there is nothing to wait for */
}

static void check_replies(struct visitor *visitor, const int *statuses, unsigned count) {
    struct visitor_reply reply;
    size_t position = 0;
    unsigned seen = 0;
    while (visitor_next(visitor, &position, &reply)) {
        fault_assert(seen < count);
        fault_assert(reply.status == statuses[seen] || !fault_is_unhurt());
        if (reply.status == 200) fault_assert(memcmp(reply.body, content, reply.size) == 0);
        seen++;
    }
    fault_assert(seen == count || !fault_is_unhurt());
}

static void check_staying(void) {
    static const int statuses[] = {200, 200, 200, 200, 200, 200, 200, 404, 500}, late[] = {200};
    check_replies(&visitors[PIPELINED], statuses, 9);
    check_replies(&visitors[LATE], late, 1);
    const char *text = visitors[RAW].bytes;
    bool is_whole = strncmp(text, "HTTP/1.1 100 ", 13) == 0 && strstr(text, "\nHTTP/1.1 200 ") &&
                    strstr(text, "HTTP/1.1 101 ") && strstr(text, "\r\n\r\nanother");
    fault_assert(is_whole || !fault_is_unhurt());
}

/* --- Clients that leave --- */

static int begin_leaving(void) {
    static const char *const requests[] = {
        GET("events", ""),
        "POST /body" HOST "Content-Length: 3000\r\n\r\nabc",
        GET("upgrade", "Connection: Upgrade\r\nUpgrade: other\r\n"),
        GET("wait", ""),
    };
    int err = 0;
    for (int i = 0; i < 4 && err == 0; i++) err = visit_by_pair(&visitors[i], requests[i]);
    return err;
}

static void leave(struct visitor *visitor) {
    if (visitor->fd >= 0) close(visitor->fd);
    *visitor = (struct visitor){.fd = -1, .is_over = true};
}

/* The first three leave when their handlers are called, or the server has given them up. The last
 * one stays until the server cuts it off. */
static void on_leaving_turn(eddy_hook *hook) {
    eddy_http_counts counts;
    for (int i = 0; i < 4; i++)
        if (!visitors[i].is_over) visitor_read(&visitors[i]);
    eddy_http_read_counts(http, &counts, sizeof counts);
    if (counts.requests >= 4 || !fault_is_unhurt())
        for (int i = 0; i < 3; i++) leave(&visitors[i]);
    if (visitors[0].fd >= 0) return;
    if (counts.open <= 1) eddy_http_cut(http);
    all_over = counts.open == 0;
    if (all_over) eddy_loop_stop(hook->handle.loop);
}

static void check_leaving(void) {
    fault_assert(ask_count == 4 || !fault_is_unhurt());
    for (unsigned i = 0; i < ask_count; i++) {
        bool was_told = asks[i].is_gone || asks[i].has_body || asks[i].upgrade.given;
        fault_assert(was_told || !fault_is_unhurt());
    }
}

/* --- The tests --- */

static void clients_stay(void) {
    stays = true;
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) {
        fault_assert(!fault_is_unhurt());
        return;
    }
    serve(begin_staying, on_staying_turn, check_staying);
    fault_loop_close(loop);
}

static void clients_leave(void) {
    stays = false;
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) {
        fault_assert(!fault_is_unhurt());
        return;
    }
    serve(begin_leaving, on_leaving_turn, check_leaving);
    fault_loop_close(loop);
}

static void set_up(void) {
    char path[] = "/tmp/eddy-fault-XXXXXX";
    for (size_t i = 0; i < FILE_BYTES; i++) content[i] = (char)('a' + i % 23);
    file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    unlink(path);
    ck_assert_int_eq(write(file, content, FILE_BYTES), FILE_BYTES);
    write_requests();
}

START_TEST(handlers_answer_or_are_told_why_not) {
    set_up();
    fault_is_shared_out = true; /* what differs between backends is below */
    fault_loop("http", clients_stay);
    close(file);
}
END_TEST

START_TEST(handlers_are_told_that_clients_left) {
    set_up();
    fault_loop("http, left", clients_leave);
    close(file);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault http");
    ck_add(suite, "http", handlers_answer_or_are_told_why_not, handlers_are_told_that_clients_left);
    return suite;
}
