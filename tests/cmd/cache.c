/* eddy serve --cache: files are kept open for a second. Where their paths lead by now
 * shows after it, what is written to them at once. */
#include "client.h"
#include "system.h"

#include <dirent.h>

static char root[128];
static struct program program;
static const char *const cached[] = {"--cache", NULL};

static void setup_with(const char *const *options) {
    make_tree(root);
    make_file(root, "file.txt", "first", 5);
    make_file(root, "index.html", "<p>index", 8);
    make_directory(root, "dir");
    make_pattern(root, "large", 300000);
    program = serve_start(root, options);
}

static void setup(void) {
    setup_with(cached);
}

static void setup_without(void) {
    setup_with(NULL);
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

/* --- Written to in place --- */

/* Makes `name` what it is to be, without another file taking its place. */
static void rewrite(const char *name, const char *bytes, size_t size) {
    char path[256];
    path_in(path, sizeof path, root, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, bytes, size, 0), (ssize_t)size);
    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

/* Longer, shorter, of the same length: the next answer has it, with its own length and tag. */
START_TEST(what_is_written_in_place_shows_at_once) {
    static const char *const texts[] = {"first", "longer than it was", "of five", "short", "ports"};
    char last[80] = "", tag[80];
    for (int i = 0; i < 40; i++) {
        const char *text = texts[i % 5];
        rewrite("file.txt", text, strlen(text));
        struct reply *reply = ask(program.port, "GET", "/file.txt", "");
        ck_assert_msg(body_is(reply, text), "not \"%s\", but %d \"%s\"", text, reply->status,
                      reply->body);
        snprintf(tag, sizeof tag, "%.*s", (int)strcspn(reply_header(reply, "ETag"), "\r"),
                 reply_header(reply, "ETag"));
        reply_free(reply);
        ck_assert_str_ne(tag, last);
        strcpy(last, tag);
    }
}
END_TEST

enum { LONG = 3000, SHORT = 10 };

/* Writes it longer and shorter again and again, until it is ended. */
static pid_t start_writer(const char *name) {
    char path[256], bytes[LONG];
    path_in(path, sizeof path, root, name);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0) return pid;
    int fd = open(path, O_WRONLY);
    for (unsigned i = 0; fd >= 0; i++) {
        size_t size = i % 2 == 0 ? LONG : SHORT;
        memset(bytes, (int)('a' + i % 26), size);
        if (pwrite(fd, bytes, size, 0) < 0 || ftruncate(fd, (off_t)size) < 0) break;
    }
    _exit(1);
}

/* An answer of its own connection, which may be cut. Returns whether it was. */
static bool check_answer(void) {
    struct client *client = client_open(program.port);
    struct reply *reply = calloc(1, sizeof *reply);
    client_send(client, "GET /file.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ck_assert_msg(client_read_head(client, reply), "there is no answer");
    ck_assert_msg(reply->status == 200, "status %d", reply->status);
    while (client_receive(client) > 0) {
    }
    size_t size = client->used - client->start;
    ck_assert_int_ge(reply->length, SHORT);
    ck_assert_int_le(reply->length, LONG);
    ck_assert_uint_le(size, (size_t)reply->length);
    for (size_t i = 0; i < size; i++) {
        char byte = client->buffer[client->start + i];
        /* A read may find the zeros that a truncation puts behind the new end. */
        if ((byte < 'a' || byte > 'z') && byte != '\0') ck_abort_msg("byte %zu is another", i);
    }
    bool is_cut = size < (size_t)reply->length;
    free(reply);
    client_close(client);
    return is_cut;
}

/* Whatever the server has found at one moment, and the file is at the next. */
START_TEST(a_file_that_is_always_written_to_is_never_an_error) {
    int status, whole = 0;
    char bytes[SHORT];
    memset(bytes, 'a', sizeof bytes);
    rewrite("file.txt", bytes, sizeof bytes);
    pid_t writer = start_writer("file.txt");
    for (int i = 0; i < 2000; i++) whole += !check_answer();
    ck_assert_int_gt(whole, 0);
    ck_assert_int_eq(kill(writer, SIGKILL), 0);
    ck_assert_int_eq(waitpid(writer, &status, 0), writer);
    ck_assert(WIFSIGNALED(status));
}
END_TEST

static void get_tag(char tag[80]) {
    struct reply *reply = ask(program.port, "GET", "/file.txt", "");
    const char *value = reply_header(reply, "ETag");
    ck_assert_ptr_nonnull(value);
    snprintf(tag, 80, "%.*s", (int)strcspn(value, "\r"), value);
    reply_free(reply);
}

/* Who has what was there a moment before the last write, of the same length and time, is not told
 * for ever that this is as it was. */
START_TEST(a_tag_of_a_moment_ago_does_not_last) {
    char path[256], young[80], tag[80];
    bool was_young = false;
    path_in(path, sizeof path, root, "file.txt");
    for (int i = 0; i < 200 && !was_young; i++) {
        struct timespec now[2] = {{.tv_nsec = UTIME_OMIT}, {0}};
        clock_gettime(CLOCK_REALTIME, &now[1]);
        if (now[1].tv_nsec == 0) continue;
        ck_assert_int_eq(utimensat(AT_FDCWD, path, now, 0), 0);
        get_tag(young);
        int64_t end_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
        do { /* until it is that of a file that has been there for a while */
            get_tag(tag);
        } while (strstr(tag, "young") != NULL && test_now_ns() < end_ns);
        ck_assert_ptr_null(strstr(tag, "young"));
        was_young = strcmp(young, tag) != 0; /* asked in time */
    }
    ck_assert(was_young);
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
    tcase_add_test(all, what_is_written_in_place_shows_at_once);
    tcase_add_test(all, a_tag_of_a_moment_ago_does_not_last);
    tcase_add_test(all, a_file_that_is_always_written_to_is_never_an_error);
    suite_add_tcase(suite, all);
    TCase *without = tcase_create("without");
    tcase_set_timeout(without, 60);
    tcase_add_checked_fixture(without, setup_without, teardown);
    tcase_add_test(without, what_is_written_in_place_shows_at_once);
    tcase_add_test(without, a_file_that_is_always_written_to_is_never_an_error);
    suite_add_tcase(suite, without);
    return suite;
}
