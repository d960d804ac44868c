/* serve.c: faults under `eddy serve`: its server, connections, listings and log, in this process,
 * with clients that ask for files, a part of one, a listing and something that is not there. */
#include "fault.h"
#include "visitor.h"

#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "../../platform/os.h"
#include "../../src/cmd/serve/server.h"
#include "../../src/cmd/serve/system.h"

enum { SMALL_BYTES = 100, BIG_BYTES = 150 * 1024 }; /* more than one output buffer */

/* --- The program's own seam, led through the library's --- */

void *system_resize(void *memory, size_t bytes) {
    return eddy_os_resize(NULL, memory, 0, bytes);
}

void system_free(void *memory) {
    (void)eddy_os_resize(NULL, memory, 0, 0);
}

void *system_take_pages(size_t bytes) {
    return system_resize(NULL, bytes);
}

void system_give_pages(void *memory, size_t bytes) {
    (void)bytes;
    if (memory != NULL) system_free(memory);
}

size_t system_page_bytes(void) {
    return 4096;
}

void system_close(int fd) {
    (void)eddy_os_close(fd);
}

int64_t system_time_s(void) {
    return 1000000000;
}

int64_t system_time_ns(void) {
    return 1000000000 * EDDY_NS_PER_S;
}

int system_open_log(const char *path, bool follows_links, bool *ends_within_a_line) {
    (void)follows_links;
    (void)path;
    *ends_within_a_line = false;
    return -ENOENT;
}

static bool has_policy;

/* Where there is a policy there is none. */
bool system_random(uint64_t *number) {
    *number = 1;
    return !has_policy;
}

void system_say(const char *format, ...) {
    (void)format;
}

/* --- What is served --- */

static char content[BIG_BYTES];
static char place[32];
static int root;

static void make_file(const char *name, size_t size) {
    int fd = openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, size), (ssize_t)size);
    close(fd);
}

static void make_place(void) {
    for (size_t i = 0; i < BIG_BYTES; i++) content[i] = (char)('a' + i % 23);
    strcpy(place, "/tmp/eddy-fault-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(place));
    root = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(root, 0);
    make_file("small", SMALL_BYTES);
    make_file("small.gz", SMALL_BYTES);
    make_file("big", BIG_BYTES);
    ck_assert_int_eq(mkdirat(root, "sub", 0700), 0);
    ck_assert_int_eq(symlinkat("small", root, "link"), 0);
}

static void remove_place(void) {
    unlinkat(root, "small", 0);
    unlinkat(root, "small.gz", 0);
    unlinkat(root, "big", 0);
    unlinkat(root, "link", 0);
    unlinkat(root, "sub", AT_REMOVEDIR);
    close(root);
    ck_assert_int_eq(rmdir(place), 0);
}

/* --- The clients --- */

#define ASK(path, field) "GET /" path " HTTP/1.1\r\nHost: here\r\n" field "\r\n"

static const char many[] = ASK("small", "") ASK("nothing", "") ASK("small", "Range: bytes=2-5\r\n")
    ASK("sub", "") ASK("sub/", "") ASK("", "") ASK("small", "Connection: close\r\n");
static const char one[] =
    ASK("big", "Range: bytes=0-9, 20-140000\r\n") ASK("big", "Connection: close\r\n");
/* Of a server with a policy. */
static const char chosen[] = ASK("small", "Accept-Encoding: br, gzip\r\n") ASK("a/page", "")
    ASK("nothing.js", "") ASK(".hidden", "Accept: a/b\r\n") ASK("sub/", "Connection: close\r\n");

static const struct policy policy = {
    .indexes = {"none", "small"},
    .index_count = 2,
    .fields = {{"X-One", "1"}},
    .field_count = 1,
    .allows_origins = true,
    .cache_control = "no-cache",
    .fallback = "small",
    .pages = {{404, "text/html", "<title>404 lost", 15}},
    .page_count = 1,
    .precompressed = true,
};

static struct visitor visitors[2];
static bool all_over;

static void on_turn(eddy_hook *hook) {
    visitor_read(&visitors[0]);
    visitor_read(&visitors[1]);
    all_over = visitors[0].is_over && visitors[1].is_over;
    if (all_over) eddy_loop_stop(hook->handle.loop); /* there is nothing to wait for */
}

static void check_replies(struct visitor *visitor, const int *expected, unsigned count) {
    struct visitor_reply reply;
    size_t position = 0;
    unsigned seen = 0;
    while (visitor_next(visitor, &position, &reply)) {
        fault_assert(seen < count);
        fault_assert(reply.status == expected[seen] || !fault_is_unhurt());
        bool is_file = reply.size == SMALL_BYTES || reply.size == BIG_BYTES;
        if (reply.status == 200 && is_file)
            fault_assert(memcmp(reply.body, content, reply.size) == 0);
        seen++;
    }
    fault_assert(seen == count || !fault_is_unhurt());
}

/* --- Serving --- */

static struct server server;
static bool threads_leave; /* before the loop goes on; else those of its own pool stay */
static eddy_pool *pool;

static int begin(void) {
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    int err = server_listen(&server, &address, length, 0);
    if (err == 0)
        err = eddy_listener_address(&server.listeners[0].http.listener, (struct sockaddr *)&address,
                                    &length);
    if (err < 0) return err;
    visitor_open(&visitors[0], (struct sockaddr *)&address, length, has_policy ? chosen : many);
    visitor_open(&visitors[1], (struct sockaddr *)&address, length, one);
    return 0;
}

/* After the wait, before what came back is told. */
static void on_wait_over(eddy_hook *hook) {
    eddy_pool_metrics now;
    int64_t end_ns = test_now_ns() + EDDY_NS_PER_S;
    (void)hook;
    if (pool == NULL) return;
    do {
        eddy_pool_read_metrics(pool, &now, sizeof now);
        for (int lane = 0; lane < EDDY_LANES; lane++)
            if (now.lanes[lane].queued + now.lanes[lane].running > 0) return;
        sched_yield();
    } while (now.threads > 0 && test_now_ns() < end_ns);
}

static void visit(void) {
    static const int of_many[] = {200, 404, 206, 301, 200, 200, 200}, of_one[] = {206, 200};
    static const int of_one_without_boundary[] = {200, 200};
    static const int of_chosen[] = {200, 200, 404, 404, 200};
    eddy_hook hook, check;
    all_over = false;
    eddy_hook_init(&hook, server.context.loop);
    eddy_unref(&hook.handle);
    fault_assert(eddy_hook_start(&hook, EDDY_HOOK_PREPARE, on_turn) == 0);
    eddy_hook_init(&check, server.context.loop);
    eddy_unref(&check.handle);
    fault_assert(eddy_hook_start(&check, EDDY_HOOK_CHECK, on_wait_over) == 0);
    (void)fault_turn_until(server.context.loop, &all_over);
    eddy_hook_stop(&check);
    eddy_hook_stop(&hook);
    if (has_policy)
        check_replies(&visitors[0], of_chosen, 5);
    else
        check_replies(&visitors[0], of_many, 7);
    check_replies(&visitors[1], has_policy ? of_one_without_boundary : of_one, 2);
    close(visitors[0].fd);
    close(visitors[1].fd);
}

static struct monitor_board board; /* nobody asks for its page */

static void serve_with_pool(void) {
    struct server_config config = {
        .root = root,
        .backend = test_backend,
        .pool = pool,
        .connections_max = 16,
        .timeout_ns = 20 * EDDY_NS_PER_S,
        .log = true,
        .policy = has_policy ? &policy : NULL,
        .cached_files = has_policy ? 4 : 0,
        .board = has_policy ? &board : NULL,
    };
    board = (struct monitor_board){.path = "/metrics", .period_s = 3600};
    if (server_open(&server, &config) < 0) {
        fault_assert(!fault_is_unhurt());
        return;
    }
    int err = begin();
    fault_assert(err == 0 || !fault_is_unhurt());
    if (err == 0) visit();
    server_stop(&server, SERVER_FINISHES);
    fault_settle(server.context.loop);
    fault_assert(server_close(&server) == 0);
}

static void serve(void) {
    eddy_pool_config config = {.idle_ns = 1};
    pool = NULL;
    if (threads_leave && eddy_pool_open(&pool, &config) < 0) {
        fault_assert(!fault_is_unhurt());
        return;
    }
    serve_with_pool();
    if (pool != NULL) fault_assert(eddy_pool_close(pool) == 0);
}

static void serve_in_pieces(const char *name, size_t bytes) {
    int output = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(dup2(nowhere, STDOUT_FILENO), STDOUT_FILENO); /* the log */
    close(nowhere);
    make_place();
    seam_set_piece(bytes);
    fault_loop(name, serve);
    seam_set_piece(SIZE_MAX);
    remove_place();
    ck_assert_int_eq(dup2(output, STDOUT_FILENO), STDOUT_FILENO);
    close(output);
}

START_TEST(server_answers_or_says_why_not) {
    serve_in_pieces("serve", SIZE_MAX);
}
END_TEST

/* What is served is chosen by a policy: more files are tried for an answer. */
START_TEST(server_with_a_policy_does_the_same) {
    has_policy = true;
    serve_in_pieces("serve by a policy", SIZE_MAX);
}
END_TEST

START_TEST(server_with_slow_clients_and_disks_does_the_same) {
    serve_in_pieces("serve in pieces", 50000);
}
END_TEST

/* A pool with a thread refuses nothing, and the one that has read the directory would stay. Here
 * each request may find no thread: also each look at an entry, and the job after them. */
START_TEST(server_whose_pool_refuses_work_says_so) {
    threads_leave = true;
    serve_in_pieces("serve without threads", SIZE_MAX);
    threads_leave = false;
}
END_TEST

Suite *make_suite(void) {
    fault_is_shared_out = true;
    Suite *suite = suite_create("fault serve");
    ck_add(suite, "serve", server_answers_or_says_why_not, server_with_a_policy_does_the_same,
           server_with_slow_clients_and_disks_does_the_same,
           server_whose_pool_refuses_work_says_so);
    return suite;
}
