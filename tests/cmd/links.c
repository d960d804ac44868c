/* What lies in the directory and is no file of it: FIFOs, which nobody may open, and symbolic
 * links, with openat2 and without. */
#include "client.h"
#include "fifo.h"

#ifdef __linux__
#include "refuse.h"

static char root[128], outside[128];
static struct program program;

static void make_text(const char *name, const char *text) {
    make_file(root, name, text, strlen(text));
}

static void make_place(void) {
    char path[512];
    make_tree(root);
    make_tree(outside);
    make_text("file.txt", "inside");
    make_directory(root, "dir");
    make_text("dir/inner.txt", "inner");
    make_file(outside, "secret.txt", "secret", 6);
    make_directory(root, "links");
    path_in(path, sizeof path, outside, "secret.txt");
    make_link(root, "links/out.txt", path);
    make_link(root, "links/outdir", outside);
    path_in(path, sizeof path, root, "file.txt");
    make_link(root, "links/absolute.txt", path);
    make_link(root, "links/relative.txt", "../file.txt");
    make_link(root, "links/gone.txt", "nothing");
    make_link(root, "links/round", "round");
}

static void remove_place(void) {
    remove_tree(root);
    remove_tree(outside);
    program_prepare = NULL;
}

static void stop(void) {
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}

static void expect_text(const char *path, const char *text) {
    struct reply *reply = ask(program.port, "GET", path, "");
    ck_assert_msg(reply->status == 200, "%s: %d", path, reply->status);
    ck_assert_str_eq(reply->body, text);
    reply_free(reply);
}

static void lose_openat2(void) {
    close_from(3);
    static const long calls[] = {SYS_openat2};
    if (!refuse_calls(calls, 1, ENOSYS)) _exit(77);
}

static bool can_refuse(void) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        lose_openat2();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status == 0;
}

/* --- FIFOs --- */

static const struct {
    const char *name, *path;
    int status;
} fifos[] = {
    {"fifo", "/fifo", 404},           {"fifo.txt", "/fifo.txt/", 404},
    {"dir/index.html", "/dir/", 200}, {"file.txt.gz", "/file.txt", 200},
    {"dir/target", "/to-fifo", 404},
};
enum { FIFOS = sizeof fifos / sizeof fifos[0] };

static void ask_for_fifos(void) {
    struct fifo_writer writers[FIFOS];
    for (int i = 0; i < FIFOS; i++) writers[i] = fifo_make(root, fifos[i].name);
    make_link(root, "to-fifo", "dir/target");
    for (int round = 0; round < 10; round++) { /* they may take a while to get to their opens */
        for (int i = 0; i < FIFOS; i++) {
            struct reply *reply =
                ask(program.port, "GET", fifos[i].path, "Accept-Encoding: gzip\r\n");
            ck_assert_msg(reply->status == fifos[i].status, "%s: %d", fifos[i].path, reply->status);
            reply_free(reply);
            fifo_expect_waiting(&writers[i]);
        }
    }
    for (int i = 0; i < FIFOS; i++) fifo_end(&writers[i]);
}

/* Also where it is an index, a compressed file, or what a link leads to. */
START_TEST(a_fifo_is_never_opened) {
    program = serve_start(root, (const char *const[]){"--precompressed", NULL});
    ask_for_fifos();
    stop();
}
END_TEST

START_TEST(a_fifo_is_never_opened_without_openat2) {
    if (!can_refuse()) return;
    program_prepare = lose_openat2;
    program = serve_start(root, (const char *const[]){"--precompressed", NULL});
    ask_for_fifos();
    stop();
}
END_TEST

START_TEST(a_fifo_is_never_opened_where_links_are_followed) {
    const char *const options[] = {"--precompressed", "--follow-links", "--cache", NULL};
    program = serve_start(root, options);
    ask_for_fifos();
    stop();
}
END_TEST

/* A file that was asked for a moment ago is not looked at first; what took its place is found out
 * and is not served. */
START_TEST(a_fifo_in_place_of_a_file_is_not_found) {
    char path[512];
    program = serve_start(root, NULL);
    expect_text("/file.txt", "inside");
    expect_text("/file.txt", "inside");
    path_in(path, sizeof path, root, "file.txt");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(ask_status(program.port, "/file.txt"), 404);
    ck_assert_int_eq(unlink(path), 0);
    make_text("file.txt", "again");
    expect_text("/file.txt", "again");
    stop();
}
END_TEST

/* --- Links --- */

static void expect_links(const char *page, bool are_followed, bool is_relative_followed) {
    static const char *const out[] = {"\"./out.txt\"", "\"./outdir/\"", "\"./absolute.txt\""};
    for (size_t i = 0; i < 3; i++)
        ck_assert_msg((strstr(page, out[i]) != NULL) == are_followed, "%s", out[i]);
    ck_assert_int_eq(strstr(page, "\"./relative.txt\"") != NULL, is_relative_followed);
    ck_assert_ptr_null(strstr(page, "gone.txt"));
    ck_assert_ptr_null(strstr(page, "./round"));
}

static void follow_links(void) {
    program = serve_start(root, (const char *const[]){"--follow-links", NULL});
    expect_text("/links/out.txt", "secret");
    expect_text("/links/outdir/secret.txt", "secret");
    expect_text("/links/absolute.txt", "inside");
    expect_text("/links/relative.txt", "inside");
    ck_assert_int_eq(ask_status(program.port, "/links/outdir"), 301);
    ck_assert_int_eq(ask_status(program.port, "/links/gone.txt"), 404);
    ck_assert_int_eq(ask_status(program.port, "/links/round"), 404);
    /* No spelling of the target leads out: only links do. */
    ck_assert_int_ne(ask_status(program.port, "/links/outdir/../../../etc/passwd"), 200);
    ck_assert_int_ne(ask_status(program.port, "//etc/passwd"), 200);
    struct reply *reply = ask(program.port, "GET", "/links/", "");
    ck_assert_int_eq(reply->status, 200);
    expect_links(reply->body, true, true);
    reply_free(reply);
    stop();
}

START_TEST(links_are_followed_if_that_is_asked_for) {
    follow_links();
}
END_TEST

START_TEST(links_are_followed_without_openat2) {
    if (!can_refuse()) return;
    program_prepare = lose_openat2;
    follow_links();
}
END_TEST

static void keep_inside(bool has_openat2) {
    static const char *const paths[] = {"/links/out.txt", "/links/outdir/secret.txt",
                                        "/links/outdir", "/links/outdir/", "/links/absolute.txt"};
    program = serve_start(root, NULL);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        ck_assert_int_eq(ask_status(program.port, paths[i]), 404);
    ck_assert_int_eq(ask_status(program.port, "/links/relative.txt"), has_openat2 ? 200 : 404);
    struct reply *reply = ask(program.port, "GET", "/links/", "");
    expect_links(reply->body, false, has_openat2);
    reply_free(reply);
    stop();
}

/* Without the option only links that stay inside are, and of these no absolute ones. */
START_TEST(links_stay_inside_otherwise) {
    keep_inside(true);
}
END_TEST

START_TEST(no_link_is_followed_without_openat2_otherwise) {
    if (!can_refuse()) return;
    program_prepare = lose_openat2;
    keep_inside(false);
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/links");
#ifdef __linux__
    TCase *all = tcase_create("links");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, make_place, remove_place);
    tcase_add_test(all, a_fifo_is_never_opened);
    tcase_add_test(all, a_fifo_is_never_opened_without_openat2);
    tcase_add_test(all, a_fifo_is_never_opened_where_links_are_followed);
    tcase_add_test(all, a_fifo_in_place_of_a_file_is_not_found);
    tcase_add_test(all, links_are_followed_if_that_is_asked_for);
    tcase_add_test(all, links_are_followed_without_openat2);
    tcase_add_test(all, links_stay_inside_otherwise);
    tcase_add_test(all, no_link_is_followed_without_openat2_otherwise);
    suite_add_tcase(suite, all);
#endif
    return suite;
}
