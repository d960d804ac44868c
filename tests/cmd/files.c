/* What eddy serve makes of files: their bytes, their ranges and conditions, and what is no file or
 * not beneath the directory. */
#include "client.h"
#include "sanitized.h"

#include <sys/un.h>
#include <time.h>

static char root[128];
static char outside[128];
static struct program program;

static void make_socket(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    path_in(address.sun_path, sizeof address.sun_path, root, name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

static void setup(void) {
    char path[512];
    make_tree(root);
    make_tree(outside);
    make_file(outside, "secret", "secret", 6);
    make_file(root, "empty", "", 0);
    make_pattern(root, "one.txt", 1);
    make_pattern(root, "file.txt", 1000);
    make_directory(root, "dir");
    make_file(root, "dir/inner.html", "<p>inner", 8);
    path_in(path, sizeof path, root, "fifo");
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    make_socket("socket");
    make_link(root, "device", "/dev/null");
    make_link(root, "inside", "dir/inner.html");
    make_link(root, "dir/up", "../file.txt");
    make_link(root, "loop", "loop");
    make_link(root, "dangling", "nothing");
    path_in(path, sizeof path, outside, "secret");
    make_link(root, "out", path);
    make_link(root, "outdir", outside);
    make_link(root, "parent", "..");
    program = serve_start(root, NULL);
}

static void teardown(void) {
    int status = program_stop(&program, SIGTERM);
    remove_tree(root);
    remove_tree(outside);
    ck_assert_int_eq(status, 0);
}

static void expect_file(const char *path, size_t size) {
    struct reply *reply = ask(program.port, "GET", path, "");
    ck_assert_int_eq(reply->status, 200);
    expect_body(reply, 0, size);
    reply_free(reply);
}

/* Sizes around those of the output buffer and of a page arrive whole. */
START_TEST(files_of_all_sizes_arrive_intact) {
    static const size_t sizes[] = {
        0,      1,      2,      4095,   4096,   4097,   7500,    7800,    8192,    48000,
        48900,  49151,  49152,  49153,  65536,  110000, 130500,  130700,  131071,  131072,
        131073, 200000, 262143, 262144, 262145, 999999, 1048576, 5000001, 20000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        make_pattern(root, "sized", sizes[i]);
        expect_file("/sized", sizes[i]);
    }
}
END_TEST

/* Files as several answers on one connection, large ones between small ones. */
START_TEST(large_and_small_files_follow_each_other) {
    static const char requests[] = "GET /large HTTP/1.1\r\nHost: t\r\n\r\n"
                                   "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n"
                                   "GET /middle HTTP/1.1\r\nHost: t\r\n\r\n"
                                   "GET /empty HTTP/1.1\r\nHost: t\r\n\r\n";
    static const size_t sizes[] = {700000, 1000, 120000, 0};
    make_pattern(root, "large", sizes[0]);
    make_pattern(root, "middle", sizes[2]);
    struct client *client = client_open(program.port);
    for (int i = 0; i < 5; i++) client_send(client, requests);
    for (int i = 0; i < 20; i++) {
        struct reply *reply = client_read(client, false);
        ck_assert_uint_eq(reply->size, sizes[i % 4]);
        expect_pattern(reply->body, 0, reply->size);
        reply_free(reply);
    }
    client_close(client);
}
END_TEST

static void put_marker(int fd, int64_t offset) {
    ck_assert_int_eq(pwrite(fd, "eddy", 4, (off_t)offset), 4);
}

/* Reads the body that is to come, which must be zeros but for a marker at each of `offsets`. */
static void expect_zeros(struct client *client, int64_t length, const int64_t *offsets,
                         size_t count) {
    static const char zeros[sizeof client->buffer];
    int64_t done = 0;
    size_t seen = 0; /* bytes of markers */
    while (done < length) {
        if (client->used == client->start && client_receive(client) <= 0)
            ck_abort_msg("the body ends early");
        size_t here = client->used - client->start;
        const char *bytes = client->buffer + client->start;
        bool has_marker = memcmp(bytes, zeros, here) != 0;
        for (size_t i = 0; has_marker && i < here; i++) {
            if (bytes[i] == 0) continue;
            ck_assert_uint_lt(seen / 4, count);
            ck_assert(done + (int64_t)i == offsets[seen / 4] + (int64_t)(seen % 4));
            ck_assert_int_eq(bytes[i], "eddy"[seen % 4]);
            seen++;
        }
        done += (int64_t)here;
        client->start = client->used;
    }
    ck_assert(done == length);
    ck_assert_uint_eq(seen, 4 * count);
}

/* A sparse file of 3 GiB: more than 32 bits can count, and more than a buffer can hold. */
START_TEST(a_file_of_3_gib_arrives_intact) {
    static const int64_t size = INT64_C(3) << 30;
    const int64_t markers[] = {0, (INT64_C(2) << 30) - 2, size - 4};
    char path[512];
    path_in(path, sizeof path, root, "big");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    for (int i = 0; i < 3; i++) put_marker(fd, markers[i]);
    close(fd);
    struct reply *tail = ask(program.port, "GET", "/big", "Range: bytes=-4\r\n");
    ck_assert_int_eq(tail->status, 206);
    ck_assert_str_eq(tail->body, "eddy");
    ck_assert(reply_header_is(tail, "Content-Range", "bytes 3221225468-3221225471/3221225472"));
    reply_free(tail);
    /* The rest takes long, and the same on each backend. */
    if (IS_SANITIZED || getenv("EDDY_TEST_SLOW") != NULL || strcmp(test_backend, "poll") != 0)
        return;
    struct client *client = client_open(program.port);
    client_send(client, "GET /big HTTP/1.1\r\nHost: t\r\n\r\n");
    struct reply reply;
    ck_assert(client_read_head(client, &reply));
    ck_assert(reply.length == size);
    expect_zeros(client, size, markers, 3);
    client_close(client);
}
END_TEST

/* One range, from either end, clipped to the file. */
START_TEST(a_range_is_a_206) {
    static const struct {
        const char *range, *said;
        size_t first, size;
    } table[] = {
        {"bytes=0-0", "bytes 0-0/1000", 0, 1},
        {"bytes=0-", "bytes 0-999/1000", 0, 1000},
        {"bytes=10-19", "bytes 10-19/1000", 10, 10},
        {"bytes=990-2000", "bytes 990-999/1000", 990, 10},
        {"bytes=-1", "bytes 999-999/1000", 999, 1},
        {"bytes=-5000", "bytes 0-999/1000", 0, 1000},
        {"bytes=999-", "bytes 999-999/1000", 999, 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char header[128];
        snprintf(header, sizeof header, "Range: %s\r\n", table[i].range);
        struct reply *reply = ask(program.port, "GET", "/file.txt", header);
        ck_assert_int_eq(reply->status, 206);
        ck_assert(reply_header_is(reply, "Content-Range", table[i].said));
        ck_assert_uint_eq(reply->size, table[i].size);
        expect_pattern(reply->body, table[i].first, table[i].size);
        reply_free(reply);
    }
}
END_TEST

/* Several ranges: a part for each, in the order asked for, and a body as long as it says; here they
 * are also larger than the output buffer. */
START_TEST(several_ranges_come_as_parts) {
    make_pattern(root, "large", 1000000);
    struct reply *reply =
        ask(program.port, "GET", "/large", "Range: bytes=500000-899999,0-9,-100000\r\n");
    ck_assert_int_eq(reply->status, 206);
    const char *type = reply_header(reply, "Content-Type");
    static const char multipart[] = "multipart/byteranges; boundary=";
    ck_assert_int_eq(strncmp(type, multipart, sizeof multipart - 1), 0);
    char boundary[80];
    snprintf(boundary, sizeof boundary, "\r\n--%.*s",
             (int)strcspn(type + sizeof multipart - 1, "\r"), type + sizeof multipart - 1);
    static const struct {
        const char *said;
        size_t first, size;
    } parts[] = {{"Content-Range: bytes 500000-899999/1000000\r\n", 500000, 400000},
                 {"Content-Range: bytes 0-9/1000000\r\n", 0, 10},
                 {"Content-Range: bytes 900000-999999/1000000\r\n", 900000, 100000}};
    const char *at = reply->body;
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(strncmp(at, boundary, strlen(boundary)), 0);
        const char *end = strstr(at + strlen(boundary), "\r\n\r\n");
        const char *said = strstr(at, parts[i].said);
        ck_assert(said != NULL && said < end);
        expect_pattern(end + 4, parts[i].first, parts[i].size);
        at = end + 4 + parts[i].size;
    }
    ck_assert_int_eq(strncmp(at, boundary, strlen(boundary)), 0);
    ck_assert_str_eq(at + strlen(boundary), "--\r\n");
    reply_free(reply);
}
END_TEST

/* Ranges that cannot be: 416 with the size; what is not understood is ignored. */
START_TEST(ranges_outside_are_a_416) {
    struct reply *reply = ask(program.port, "GET", "/file.txt", "Range: bytes=1000-1001\r\n");
    ck_assert_int_eq(reply->status, 416);
    ck_assert(reply_header_is(reply, "Content-Range", "bytes */1000"));
    reply_free(reply);
    static const char *const ignored[] = {"Range: lines=1-2\r\n", "Range: bytes=2-1\r\n",
                                          "Range: bytes=a-b\r\n"};
    for (size_t i = 0; i < 3; i++) {
        reply = ask(program.port, "GET", "/file.txt", ignored[i]);
        ck_assert_int_eq(reply->status, 200);
        ck_assert_uint_eq(reply->size, 1000);
        reply_free(reply);
    }
    reply = ask(program.port, "HEAD", "/file.txt", "Range: bytes=0-1\r\n");
    ck_assert_int_eq(reply->status, 200);
    reply_free(reply);
}
END_TEST

/* The validators of an answer, given back, save the body. */
START_TEST(conditions_are_honoured) {
    struct reply *first = ask(program.port, "GET", "/file.txt", "");
    char etag[80], date[40], headers[256];
    snprintf(etag, sizeof etag, "%.*s", (int)strcspn(reply_header(first, "ETag"), "\r"),
             reply_header(first, "ETag"));
    snprintf(date, sizeof date, "%.29s", reply_header(first, "Last-Modified"));
    reply_free(first);
    const struct {
        const char *field, *value;
        int status;
    } table[] = {
        {"If-None-Match: ", etag, 304},
        {"If-None-Match: \"x\", ", etag, 304},
        {"If-None-Match: ", "\"x\"", 200},
        {"If-Modified-Since: ", date, 304},
        {"If-Modified-Since: ", "Thu, 01 Jan 1970 00:00:00 GMT", 200},
        {"If-Match: ", etag, 200},
        {"If-Match: ", "\"x\"", 412},
        {"If-Unmodified-Since: ", "Thu, 01 Jan 1970 00:00:00 GMT", 412},
        {"Range: bytes=0-1\r\nIf-Range: ", etag, 206},
        {"Range: bytes=0-1\r\nIf-Range: ", "\"x\"", 200},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        snprintf(headers, sizeof headers, "%s%s\r\n", table[i].field, table[i].value);
        struct reply *reply = ask(program.port, "GET", "/file.txt", headers);
        ck_assert_msg(reply->status == table[i].status, "%d instead of %d for %s", reply->status,
                      table[i].status, headers);
        if (reply->status == 304) {
            ck_assert_ptr_null(reply_header(reply, "Content-Length"));
            ck_assert(reply_header_is(reply, "ETag", etag));
        }
        reply_free(reply);
    }
}
END_TEST

/* A tag is strong: it changes with the file. */
START_TEST(a_changed_file_has_another_tag) {
    char etag[2][80];
    for (int i = 0; i < 2; i++) {
        struct reply *reply = ask(program.port, "GET", "/file.txt", "");
        snprintf(etag[i], sizeof etag[i], "%.*s", (int)strcspn(reply_header(reply, "ETag"), "\r"),
                 reply_header(reply, "ETag"));
        reply_free(reply);
        make_pattern(root, "file.txt", 1001);
    }
    ck_assert_str_ne(etag[0], etag[1]);
}
END_TEST

/* What is no regular file is not there, and nobody waits for it. */
START_TEST(special_files_are_not_found) {
    int64_t start_ns = test_now_ns();
    ck_assert_int_eq(ask_status(program.port, "/fifo"), 404);
    ck_assert_int_eq(ask_status(program.port, "/socket"), 404);
    ck_assert_int_eq(ask_status(program.port, "/device"), 404);
    ck_assert_int_eq(ask_status(program.port, "/fifo/"), 404);
    ck_assert_int_eq(ask_status(program.port, "/loop"), 404);
    ck_assert_int_eq(ask_status(program.port, "/dangling"), 404);
    ck_assert_int_lt(test_now_ns() - start_ns, 5 * EDDY_NS_PER_S);
}
END_TEST

/* An index that is no file is as none: the listing comes. */
START_TEST(a_directory_with_an_odd_index_is_listed) {
    char path[512];
    path_in(path, sizeof path, root, "dir/index.html");
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    struct reply *reply = ask(program.port, "GET", "/dir/", "");
    ck_assert_int_eq(reply->status, 200);
    ck_assert_ptr_nonnull(strstr(reply->body, "inner.html"));
    reply_free(reply);
}
END_TEST

/* A symbolic link that stays inside is followed, where the system can tell; one that leaves the
 * directory, by whatever way, is not there. */
START_TEST(links_never_lead_outside) {
    static const char *const paths[] = {"/out",     "/outdir/secret", "/outdir/",
                                        "/parent/", "/parent",        "/parent/x"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        ck_assert_int_eq(ask_status(program.port, paths[i]), 404);
#ifdef __linux__ /* other systems follow no link beneath a directory; see EDDY_BENEATH */
    struct reply *reply = ask(program.port, "GET", "/inside", "");
    ck_assert_int_eq(reply->status, 200);
    ck_assert_str_eq(reply->body, "<p>inner");
    reply_free(reply);
    expect_file("/dir/up", 1000);
#endif
}
END_TEST

/* No spelling of ".." gives anything that lies outside. */
START_TEST(no_spelling_leads_outside) {
    char path[512];
    const char *name = strrchr(outside, '/') + 1;
    static const char *const before[] = {
        "/../",    "/dir/../../", "/%2e%2e/",        "/.%2e/",
        "/%2e./",  "/..%2f",      "/%252e%252e/",    "//../",
        "/./../",  "/..\\",       "/..;/",           "/%c0%ae%c0%ae/",
        "/..%00/", "/%2f..%2f",   "/dir/%2e%2e/../", "/dir/..%00/../",
    };
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        snprintf(path, sizeof path, "%s%s/secret", before[i], name);
        int status = ask_status(program.port, path);
        ck_assert_msg(status == 400 || status == 404, "%d for %s", status, path);
    }
    snprintf(path, sizeof path, "/%s/secret", outside);
    ck_assert_int_eq(ask_status(program.port, path), 404);
    expect_file("/dir/../file.txt", 1000);
    expect_file("/./dir//..//file.txt", 1000);
    expect_file("/%66ile%2etxt", 1000);
}
END_TEST

/* What may not be read is forbidden. */
START_TEST(a_file_without_permission_is_forbidden) {
    char path[512];
    if (geteuid() == 0) return; /* root may read everything */
    path_in(path, sizeof path, root, "file.txt");
    ck_assert_int_eq(chmod(path, 0), 0);
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 403);
}
END_TEST

/* A file that shrinks while it is sent: the connection ends early, so that the client can tell. */
START_TEST(a_file_that_shrinks_ends_the_connection) {
    enum { SIZE = 64 << 20 };
    char path[512];
    path_in(path, sizeof path, root, "shrinking");
    make_file(root, "shrinking", "", 0);
    ck_assert_int_eq(truncate(path, SIZE), 0);
    struct client *client = client_open(program.port);
    client_send(client, "GET /shrinking HTTP/1.1\r\nHost: t\r\n\r\n");
    struct reply reply;
    ck_assert(client_read_head(client, &reply));
    ck_assert_int_eq((int)reply.length, SIZE);
    ck_assert_int_eq(truncate(path, 1000), 0);
    size_t received = 0;
    ssize_t got;
    do {
        received += client->used - client->start;
        client->start = client->used;
        got = client_receive(client);
    } while (got > 0);
    ck_assert(got == 0 || got == -ECONNRESET);
    ck_assert_uint_lt(received, SIZE);
    client_close(client);
    expect_file("/file.txt", 1000);
}
END_TEST

/* A file that grows while it is sent is as long as its head says. */
START_TEST(a_file_that_grows_is_cut_at_its_size) {
    enum { SIZE = 32 << 20 };
    char path[512];
    path_in(path, sizeof path, root, "growing");
    make_file(root, "growing", "", 0);
    ck_assert_int_eq(truncate(path, SIZE), 0);
    struct client *client = client_open(program.port);
    client_send(client, "GET /growing HTTP/1.1\r\nHost: t\r\n\r\n"
                        "GET /one.txt HTTP/1.1\r\nHost: t\r\n\r\n");
    struct reply *reply = malloc(sizeof *reply);
    ck_assert_ptr_nonnull(reply);
    ck_assert(client_read_head(client, reply));
    ck_assert_int_eq(truncate(path, 2 * SIZE), 0);
    client_read_body(client, reply);
    reply_free(reply);
    reply = client_read(client, false);
    ck_assert_uint_eq(reply->size, 1);
    expect_pattern(reply->body, 0, 1);
    reply_free(reply);
    client_close(client);
}
END_TEST

/* The listing shows names as text, links to them as paths, directories first; it leaves out what
 * could not be fetched. */
START_TEST(a_listing_is_escaped_and_sorted) {
    make_directory(root, "names");
    make_file(root, "names/<b>\"&.txt", "", 0);
    make_file(root, "names/a:b", "", 0);
    make_file(root, "names/\xc3\xbc", "", 0);
    make_file(root, "names/%41", "", 0);
    make_file(root, "names/.hidden", "", 0);
    make_directory(root, "names/zdir");
    make_link(root, "names/out", "/etc/passwd");
    make_link(root, "names/gone", "nothing");
    char path[512];
    path_in(path, sizeof path, root, "names/fifo");
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    struct reply *reply = ask(program.port, "GET", "/names/", "");
    ck_assert_int_eq(reply->status, 200);
    ck_assert(reply_header_is(reply, "Content-Type", "text/html; charset=utf-8"));
    static const char *const shown[] = {
        "href=\"./zdir/\"", "href=\"./%2541\"",  "&lt;b&gt;&quot;&amp;.txt",
        "href=\"./a%3Ab\"", "href=\"./%C3%BC\"",
    };
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        ck_assert_msg(strstr(reply->body, shown[i]) != NULL, "no %s", shown[i]);
    static const char *const hidden[] = {"<b>", ".hidden", "fifo", "./out", "gone"};
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        ck_assert_msg(strstr(reply->body, hidden[i]) == NULL, "%s is shown", hidden[i]);
    ck_assert(strstr(reply->body, "./zdir/") < strstr(reply->body, "./a%3Ab"));
    reply_free(reply);
    static const char *const names[] = {"/names/%3Cb%3E%22%26.txt", "/names/a%3Ab", "/names/%C3%BC",
                                        "/names/%2541", "/names/zdir/"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_int_eq(ask_status(program.port, names[i]), 200);
}
END_TEST

/* A directory of many names, whose page is larger than the output buffer. */
START_TEST(a_long_listing_is_whole) {
    char name[64];
    make_directory(root, "many");
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "many/entry-%04d", i);
        make_file(root, name, "", 0);
    }
    struct reply *reply = ask(program.port, "GET", "/many/", "");
    ck_assert_int_eq(reply->status, 200);
    ck_assert_uint_gt(reply->size, 128 * 1024);
    const char *at = reply->body;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "\"./entry-%04d\"", i);
        at = strstr(at, name);
        ck_assert_msg(at != NULL, "%s is not in its place", name);
    }
    reply_free(reply);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("files");
    const TTest *const tests[] = {
        files_of_all_sizes_arrive_intact,
        large_and_small_files_follow_each_other,
        a_file_of_3_gib_arrives_intact,
        a_range_is_a_206,
        several_ranges_come_as_parts,
        ranges_outside_are_a_416,
        conditions_are_honoured,
        a_changed_file_has_another_tag,
        special_files_are_not_found,
        a_directory_with_an_odd_index_is_listed,
        links_never_lead_outside,
        no_spelling_leads_outside,
        a_file_without_permission_is_forbidden,
        a_file_that_shrinks_ends_the_connection,
        a_file_that_grows_is_cut_at_its_size,
        a_listing_is_escaped_and_sorted,
        a_long_listing_is_whole,
    };
    TCase *tcase = tcase_create("files");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
