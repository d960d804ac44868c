/* eddy serve --cache: files are kept open for a second, and what becomes of them shows after it. */
#include "client.h"
#include "system.h"

#include <dirent.h>

static char root[128];
static struct program program;
static const char *const cached[] = {"--cache", NULL};

static void setup(void) {
    make_tree(root);
    make_file(root, "file.txt", "first", 5);
    make_file(root, "index.html", "<p>index", 8);
    make_directory(root, "dir");
    make_pattern(root, "large", 300000);
    program = serve_start(root, cached);
}

static void teardown(void) {
    int status = program_stop(&program, SIGTERM);
    remove_tree(root);
    ck_assert_int_eq(status, 0);
}

static bool body_is(const struct reply *reply, const char *text) {
    return reply->status == 200 && reply->size == strlen(text) &&
           memcmp(reply->body, text, reply->size) == 0;
}

/* Asks again and again, for 10 s at most. */
static void wait_for(const char *path, int status, const char *text) {
    int64_t end_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    for (;;) {
        struct reply *reply = ask(program.port, "GET", path, "");
        bool is_there = reply->status == status && (text == NULL || body_is(reply, text));
        reply_free(reply);
        if (is_there) return;
        ck_assert_msg(test_now_ns() < end_ns, "%s stays what it was", path);
        sleep_ns(20 * EDDY_NS_PER_MS);
    }
}

/* Requests of all kinds are answered from the cache as they are without it. */
START_TEST(answers_are_the_same) {
    for (int i = 0; i < 3; i++) {
        struct reply *reply = ask(program.port, "GET", "/file.txt", "");
        ck_assert(body_is(reply, "first"));
        reply_free(reply);
        reply = ask(program.port, "GET", "/file.txt", "Range: bytes=1-2\r\n");
        ck_assert_int_eq(reply->status, 206);
        ck_assert_int_eq(memcmp(reply->body, "ir", 2), 0);
        reply_free(reply);
        reply = ask(program.port, "GET", "/", "");
        ck_assert(body_is(reply, "<p>index"));
        reply_free(reply);
        ck_assert_int_eq(ask_status(program.port, "/dir/"), 200);
        ck_assert_int_eq(ask_status(program.port, "/dir"), 301);
        ck_assert_int_eq(ask_status(program.port, "/none"), 404);
        ck_assert_int_eq(ask_status(program.port, "/file.txt/"), 404);
        reply = ask(program.port, "GET", "/large", "");
        expect_body(reply, 0, 300000);
        reply_free(reply);
    }
}
END_TEST

/* A file that was replaced, and one that was removed, are found out after a second. */
START_TEST(changes_show_after_a_second) {
    char from[256], to[256];
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    ck_assert_int_eq(ask_status(program.port, "/index.html"), 200);
    make_file(root, "next", "the second", 10);
    path_in(from, sizeof from, root, "next");
    path_in(to, sizeof to, root, "file.txt");
    ck_assert_int_eq(rename(from, to), 0);
    path_in(to, sizeof to, root, "index.html");
    ck_assert_int_eq(unlink(to), 0);
    wait_for("/file.txt", 200, "the second");
    wait_for("/index.html", 404, NULL);
}
END_TEST

/* Descriptors of the server, or -1 where the system does not show them. */
static int count_descriptors(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)program.pid);
    DIR *directory = opendir(path);
    if (directory == NULL) return -1;
    int count = 0;
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count;
}

/* A server that is no longer asked holds no file open, though nobody's request closes it. */
START_TEST(files_are_closed_when_all_is_quiet) {
    int before = count_descriptors();
    if (before < 0) return;
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    ck_assert_int_eq(ask_status(program.port, "/"), 200);
    int64_t end_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (count_descriptors() > before) {
        ck_assert_msg(test_now_ns() < end_ns, "it keeps %d open", count_descriptors() - before);
        sleep_ns(20 * EDDY_NS_PER_MS);
    }
}
END_TEST

/* One that has become shorter breaks off what was promised, and no more than that. */
START_TEST(a_file_that_shrinks_is_no_danger) {
    char path[256];
    ck_assert_int_eq(ask_status(program.port, "/large"), 200);
    path_in(path, sizeof path, root, "large");
    ck_assert_int_eq(truncate(path, 10), 0);
    int64_t end_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    for (;;) {
        struct client *client = client_open(program.port);
        client_send(client, "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        struct reply *reply = calloc(1, sizeof *reply);
        bool is_told = client_read_head(client, reply);
        bool is_short =
            is_told && reply->status == 200 && reply_header_is(reply, "Content-Length", "10");
        free(reply);
        client_close(client);
        if (is_short) break;
        ck_assert(test_now_ns() < end_ns);
        sleep_ns(20 * EDDY_NS_PER_MS);
    }
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/cache");
    TCase *all = tcase_create("cache");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, answers_are_the_same);
    tcase_add_test(all, changes_show_after_a_second);
    tcase_add_test(all, files_are_closed_when_all_is_quiet);
    tcase_add_test(all, a_file_that_shrinks_is_no_danger);
    suite_add_tcase(suite, all);
    return suite;
}
