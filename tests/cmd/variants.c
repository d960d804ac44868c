/* eddy serve --precompressed: a compressed file beside the one that is asked for. */
#include "client.h"

static char root[128];
static struct program program;

static void make_text(const char *name, const char *text) {
    make_file(root, name, text, strlen(text));
}

static void make_place(void) {
    make_tree(root);
    make_directory(root, "dir");
    make_directory(root, "odd.txt.br");
    make_text("a.js", "the script itself");
    make_text("a.js.br", "br of the script");
    make_text("a.js.zst", "zst of it");
    make_text("a.js.gz", "gz of it");
    make_text("b.js", "only gz");
    make_text("b.js.gz", "gz of b");
    make_text("plain.txt", "plain");
    make_text("odd.txt", "odd");
    make_text("odd.txt.gz", "odd gz");
    make_text("gone.js.gz", "without its file");
    make_text("dir/index.html", "<p>index");
    make_text("dir/index.html.br", "br of the index");
    make_link(root, "out.txt.br", "/etc/hostname");
    make_text("out.txt", "out");
}

static void teardown(void) {
    int status = program_stop(&program, SIGTERM);
    remove_tree(root);
    ck_assert_int_eq(status, 0);
}

static void setup(void) {
    make_place();
    program = serve_start(root, (const char *const[]){"--precompressed", NULL});
}

static void setup_cached(void) {
    make_place();
    program = serve_start(root, (const char *const[]){"--precompressed", "--cache", NULL});
}

static void setup_off(void) {
    make_place();
    program = serve_start(root, NULL);
}

static struct reply *get(const char *path, const char *accepted, const char *fields) {
    char all[512] = "";
    if (accepted != NULL) snprintf(all, sizeof all, "Accept-Encoding: %s\r\n%s", accepted, fields);
    return ask(program.port, "GET", path, accepted != NULL ? all : fields);
}

static void expect(const char *path, const char *accepted, const char *coding, const char *body) {
    struct reply *reply = get(path, accepted, "");
    ck_assert_int_eq(reply->status, 200);
    ck_assert_msg(strcmp(reply->body, body) == 0, "%s for %s: %s", path,
                  accepted != NULL ? accepted : "-", reply->body);
    if (coding != NULL)
        ck_assert(reply_header_is(reply, "Content-Encoding", coding));
    else
        ck_assert_ptr_null(reply_header(reply, "Content-Encoding"));
    ck_assert(reply_header_is(reply, "Vary", "Accept-Encoding"));
    reply_free(reply);
}

static void copy_etag(char *etag, size_t size, const char *path, const char *accepted) {
    struct reply *reply = get(path, accepted, "");
    const char *value = reply_header(reply, "ETag");
    ck_assert_ptr_nonnull(value);
    snprintf(etag, size, "%.*s", (int)strcspn(value, "\r"), value);
    reply_free(reply);
}

/* The client's weights decide, then what is smallest mostly; what is not there is passed over. */
START_TEST(the_best_that_is_there_is_sent) {
    for (int i = 0; i < 2; i++) { /* from the cache as well, if there is one */
        expect("/a.js", NULL, NULL, "the script itself");
        expect("/a.js", "gzip, deflate, br, zstd", "br", "br of the script");
        expect("/a.js", "gzip, zstd", "zstd", "zst of it");
        expect("/a.js", "gzip", "gzip", "gz of it");
        expect("/a.js", "x-gzip", "gzip", "gz of it");
        expect("/a.js", "br;q=0.5, gzip;q=0.8", "gzip", "gz of it");
        expect("/a.js", "br;q=0, *", "zstd", "zst of it");
        expect("/a.js", "identity, br;q=0.5", NULL, "the script itself");
        expect("/a.js", "deflate", NULL, "the script itself");
        expect("/a.js", "", NULL, "the script itself");
        expect("/a.js", "br;q=0, gzip;q=0, zstd;q=0", NULL, "the script itself");
        expect("/b.js", "gzip, br", "gzip", "gz of b");
        expect("/b.js", "br", NULL, "only gz");
        expect("/plain.txt", "gzip, br", NULL, "plain");
        expect("/dir/", "br", "br", "br of the index");
    }
}
END_TEST

/* A directory, or what leads out of the root, is no variant; without its file none is there. */
START_TEST(what_is_no_file_is_no_variant) {
    expect("/odd.txt", "br, gzip", "gzip", "odd gz");
    expect("/out.txt", "br, gzip", NULL, "out");
    struct reply *reply = get("/plain.txt", "br, gzip", "");
    ck_assert(reply_header_is(reply, "Content-Type", "text/plain; charset=utf-8"));
    reply_free(reply);
    reply = get("/gone.js", "gzip", "");
    ck_assert_int_eq(reply->status, 404);
    reply_free(reply);
    expect("/gone.js.gz", "gzip", NULL, "without its file");
    reply = get("/dir", "br", "");
    ck_assert_int_eq(reply->status, 301);
    reply_free(reply);
}
END_TEST

/* The type is the file's; tag, length and ranges are those of the bytes that are sent. */
START_TEST(a_variant_is_a_representation_of_its_own) {
    char itself[64], compressed[64], fields[256];
    copy_etag(itself, sizeof itself, "/a.js", NULL);
    copy_etag(compressed, sizeof compressed, "/a.js", "br");
    ck_assert_str_ne(itself, compressed);
    snprintf(fields, sizeof fields, "If-None-Match: %s\r\n", compressed);
    struct reply *reply = get("/a.js", "br", fields);
    ck_assert_int_eq(reply->status, 304);
    ck_assert(reply_header_is(reply, "Vary", "Accept-Encoding"));
    reply_free(reply);
    reply = get("/a.js", NULL, fields);
    ck_assert_int_eq(reply->status, 200);
    reply_free(reply);
    snprintf(fields, sizeof fields, "Range: bytes=3-4\r\nIf-Range: %s\r\n", compressed);
    reply = get("/a.js", "br", fields);
    ck_assert_int_eq(reply->status, 206);
    ck_assert_str_eq(reply->body, "of");
    ck_assert(reply_header_is(reply, "Content-Range", "bytes 3-4/16"));
    ck_assert(reply_header_is(reply, "Content-Encoding", "br"));
    ck_assert(reply_header_is(reply, "Content-Type", "text/javascript; charset=utf-8"));
    reply_free(reply);
    reply = get("/a.js", NULL, fields);
    ck_assert_int_eq(reply->status, 200);
    reply_free(reply);
    reply = get("/a.js", "br", "Range: bytes=0-1,4-5\r\n");
    ck_assert_int_eq(reply->status, 200); /* parts have no place for a coding */
    ck_assert_str_eq(reply->body, "br of the script");
    reply_free(reply);
    reply = ask(program.port, "HEAD", "/a.js", "Accept-Encoding: zstd\r\n");
    ck_assert_int_eq(reply->length, 9);
    reply_free(reply);
}
END_TEST

/* Also where the two have one length and one time. */
START_TEST(tags_differ_where_nothing_else_does) {
    static const char *const names[] = {"same.txt", "same.txt.gz"};
    const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
    char path[256], itself[64], compressed[64];
    for (size_t i = 0; i < 2; i++) {
        make_text(names[i], i == 0 ? "one" : "two");
        path_in(path, sizeof path, root, names[i]);
        ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    copy_etag(itself, sizeof itself, "/same.txt", NULL);
    copy_etag(compressed, sizeof compressed, "/same.txt", "gzip");
    ck_assert_str_ne(itself, compressed);
    ck_assert_ptr_nonnull(strstr(compressed, "-gzip\""));
}
END_TEST

/* Without the option nothing is looked for, and nothing is told. */
START_TEST(it_is_off_by_default) {
    struct reply *reply = get("/a.js", "br", "");
    ck_assert_str_eq(reply->body, "the script itself");
    ck_assert_ptr_null(reply_header(reply, "Vary"));
    reply_free(reply);
}
END_TEST

/* Clients that go away in the middle leave no descriptor behind. */
START_TEST(clients_that_leave_leave_nothing) {
    for (int i = 0; i < 200; i++) {
        struct client *client = client_open(program.port);
        client_send(client, "GET /b.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br, gzip\r\n\r\n");
        struct linger linger = {1, 0};
        if (i % 2) setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        client_close(client);
    }
    expect("/b.js", "gzip, br", "gzip", "gz of b");
}
END_TEST

static void add_case(Suite *suite, const char *name, void (*begin)(void), bool is_on) {
    TCase *all = tcase_create(name);
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, begin, teardown);
    if (is_on) {
        tcase_add_test(all, the_best_that_is_there_is_sent);
        tcase_add_test(all, what_is_no_file_is_no_variant);
        tcase_add_test(all, a_variant_is_a_representation_of_its_own);
        tcase_add_test(all, tags_differ_where_nothing_else_does);
        tcase_add_test(all, clients_that_leave_leave_nothing);
    } else {
        tcase_add_test(all, it_is_off_by_default);
    }
    suite_add_tcase(suite, all);
}

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/variants");
    add_case(suite, "variants", setup, true);
    add_case(suite, "cached variants", setup_cached, true);
    add_case(suite, "off", setup_off, false);
    return suite;
}
