/* What users of a file server expect beside files: indexes, hidden names, fields, fallbacks, error
 * pages, compressed files, hosts. What no backend touches, so that one is enough. */
#include "client.h"

#include <signal.h>

static char root[128];
static struct program program;

static void make_text(const char *name, const char *text) {
    make_file(root, name, text, strlen(text));
}

static void make_place(void) {
    make_tree(root);
    make_directory(root, "dir");
    make_directory(root, "dir/sub");
    make_directory(root, "empty");
    make_directory(root, ".git");
    make_directory(root, ".well-known");
    make_text("index.html", "<p>index");
    make_text("dir/index.htm", "<p>htm");
    make_text("dir/sub/index.html", "<p>html");
    make_text("dir/sub/index.htm", "<p>htm");
    make_text("file.txt", "a text");
    make_text("app.html", "<p>app");
    make_text("lost.html", "<p>lost");
    make_text("README", "read me");
    make_text("draft.bak", "old");
    make_text(".git/config", "secret");
    make_text(".profile", "secret");
    make_text(".well-known/security.txt", "found");
    make_text("image.svgz", "gzipped");
}

static void remove_place(void) {
    remove_tree(root);
}

static void start(const char *const *options) {
    program = serve_start(root, options);
}

#define START(...) start((const char *const[]){__VA_ARGS__})

static void stop(void) {
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}

/* Answered with that status, and that whole body unless it is NULL. */
static void expect(const char *path, const char *fields, int status, const char *body) {
    struct reply *reply = ask(program.port, "GET", path, fields);
    ck_assert_msg(reply->status == status, "%s: %d", path, reply->status);
    if (body != NULL) ck_assert_str_eq(reply->body, body);
    reply_free(reply);
    reply = ask(program.port, "HEAD", path, fields);
    ck_assert_int_eq(reply->status, status);
    if (body != NULL) ck_assert_int_eq(reply->length, (int64_t)strlen(body));
    reply_free(reply);
}

static void expect_field(const char *path, const char *fields, const char *name,
                         const char *value) {
    struct reply *reply = ask(program.port, "GET", path, fields);
    if (value != NULL)
        ck_assert_msg(reply_header_is(reply, name, value), "%s: %s: %s", path, name, reply->head);
    else
        ck_assert_msg(reply_header(reply, name) == NULL, "%s: %s: %s", path, name, reply->head);
    reply_free(reply);
}

static bool lists(const char *path, const char *name) {
    char quoted[64];
    struct reply *reply = ask(program.port, "GET", path, "");
    ck_assert_int_eq(reply->status, 200);
    snprintf(quoted, sizeof quoted, ">%s<", name);
    bool is_listed = strstr(reply->body, quoted) != NULL;
    reply_free(reply);
    return is_listed;
}

/* Runs the program to its end; what it says on stderr must begin with that. */
static void expect_failure(const char *const *options, int status, const char *message) {
    const char *arguments[ARGUMENTS_MAX] = {"serve", "--port", "0"};
    char text[1024];
    int count = 3;
    for (int i = 0; options[i] != NULL; i++) arguments[count++] = options[i];
    arguments[count] = root;
    struct program failing = program_start(arguments);
    read_text(failing.err, text, sizeof text, false);
    ck_assert_int_eq(program_wait(&failing), status);
    ck_assert_msg(strncmp(text, message, strlen(message)) == 0, "%s", text);
}

#define EXPECT_FAILURE(status, message, ...) \
    expect_failure((const char *const[]){__VA_ARGS__, NULL}, status, message)

/* --- Names --- */

/* Files without an extension are shown; what is compressed for good says so. */
START_TEST(types_are_what_browsers_can_use) {
    START(NULL);
    expect_field("/README", "", "Content-Type", "text/plain; charset=utf-8");
    expect_field("/image.svgz", "", "Content-Type", "image/svg+xml");
    expect_field("/image.svgz", "", "Content-Encoding", "gzip");
    struct reply *reply = ask(program.port, "GET", "/image.svgz", "Range: bytes=0-0, 2-3\r\n");
    ck_assert_int_eq(reply->status, 200); /* parts have no place for a coding */
    reply_free(reply);
    stop();
}
END_TEST

START_TEST(own_types_are_read_from_a_file) {
    char file[256];
    make_text("types", "text/x-own bak\nimage/own TXT\n");
    path_in(file, sizeof file, root, "types");
    START("--mime", file, NULL);
    expect_field("/draft.bak", "", "Content-Type", "text/x-own; charset=utf-8");
    expect_field("/file.txt", "", "Content-Type", "image/own");
    expect_field("/index.html", "", "Content-Type", "text/html; charset=utf-8");
    stop();
    make_text("types", "text/x-own bak\n\ntext bak\n");
    EXPECT_FAILURE(2, "eddy: --mime: line 3 of ", "--mime", file);
    EXPECT_FAILURE(1, "eddy: cannot read none of --mime: No such file", "--mime", "none");
    EXPECT_FAILURE(1, "eddy: cannot read / of --mime: Is a directory", "--mime", "/");
}
END_TEST

/* The first that is there answers; none means a listing. */
START_TEST(indexes_are_tried_in_order) {
    START("--index", "index.htm", "--index", "index.html", NULL);
    expect("/", "", 200, "<p>index");
    expect("/dir/", "", 200, "<p>htm");
    expect("/dir/sub/", "", 200, "<p>htm");
    ck_assert(lists("/empty/", "../") || ask_status(program.port, "/empty/") == 200);
    stop();
    START("--index", "", NULL);
    ck_assert(lists("/", "index.html"));
    ck_assert_int_eq(ask_status(program.port, "/none/"), 404);
    stop();
    START("--hide", "index.*", NULL);
    ck_assert(lists("/", "file.txt"));
    ck_assert(!lists("/", "index.html"));
    ck_assert_int_eq(ask_status(program.port, "/index.html"), 404);
    stop();
}
END_TEST

/* Names with a dot are not there: neither listed nor answered, whatever asks for them. */
START_TEST(dotted_names_are_not_served) {
    static const char *const hidden[] = {"/.git/config",       "/.git",  "/.git/",
                                         "/.profile",          "/.none", "/%2egit/config",
                                         "/dir/../.git/config"};
    START(NULL);
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) expect(hidden[i], "", 404, NULL);
    expect("/.well-known/security.txt", "", 200, "found");
    ck_assert_int_eq(ask_status(program.port, "/.well-known/"), 200);
    stop();
    START("--show-hidden", "--index=", NULL);
    expect("/.git/config", "", 200, "secret");
    ck_assert(lists("/", ".profile"));
    stop();
}
END_TEST

START_TEST(patterns_hide_names) {
    START("--hide", "*.BAK", "--hide=sub", "--index=", NULL);
    expect("/draft.bak", "", 404, NULL);
    expect("/dir/sub/index.html", "", 404, NULL);
    ck_assert(lists("/", "file.txt"));
    ck_assert(!lists("/", "draft.bak"));
    ck_assert(!lists("/dir/", "sub/"));
    expect("/.profile", "", 404, NULL);
    stop();
}
END_TEST

/* --- Fields --- */

static const char *const all_kinds[] = {"/file.txt", "/none", "/dir", "/empty/", "/%zz"};

/* All answers have them, those of the HTTP server itself as well. */
START_TEST(fields_are_on_all_answers) {
    START("--header", "X-One: 1", "--header", "X-Two:  a b ", "--header", "Vary: Origin", NULL);
    for (size_t i = 0; i < sizeof all_kinds / sizeof all_kinds[0]; i++) {
        expect_field(all_kinds[i], "", "X-One", "1");
        expect_field(all_kinds[i], "", "X-Two", "a b");
        expect_field(all_kinds[i], "", "Access-Control-Allow-Origin", NULL);
    }
    struct reply *reply = ask(program.port, "POST", "/", "");
    ck_assert_int_eq(reply->status, 405);
    ck_assert(reply_header_is(reply, "Allow", "GET, HEAD"));
    ck_assert(reply_header_is(reply, "X-One", "1"));
    reply_free(reply);
    expect_field("/file.txt", "Range: bytes=0-0,2-2\r\n", "X-One", "1");
    expect_field("/file.txt", "If-None-Match: *\r\n", "X-One", "1");
    stop();
}
END_TEST

/* Files may be kept as long as is said; errors are asked for again. */
START_TEST(caches_are_told_what_to_do) {
    START(NULL);
    for (size_t i = 0; i < sizeof all_kinds / sizeof all_kinds[0]; i++)
        expect_field(all_kinds[i], "", "Cache-Control", "no-cache");
    stop();
    START("--cache-control", "max-age=60", NULL);
    expect_field("/file.txt", "", "Cache-Control", "max-age=60");
    expect_field("/file.txt", "If-None-Match: *\r\n", "Cache-Control", "max-age=60");
    expect_field("/none", "", "Cache-Control", "no-cache");
    expect_field("/dir", "", "Cache-Control", "no-cache");
    stop();
    START("--cache-control=", NULL);
    expect_field("/file.txt", "", "Cache-Control", NULL);
    expect_field("/none", "", "Cache-Control", NULL);
    stop();
    START("--header", "cache-control: no-store", NULL);
    struct reply *reply = ask(program.port, "GET", "/file.txt", "");
    ck_assert(reply_header_is(reply, "Cache-Control", "no-store"));
    ck_assert_ptr_null(strstr(reply->head, "no-cache")); /* not beside it */
    reply_free(reply);
    stop();
}
END_TEST

/* Scripts of other sites may read all answers, and are told so before they ask. */
START_TEST(other_sites_are_allowed) {
    START("--cors", NULL);
    for (size_t i = 0; i < sizeof all_kinds / sizeof all_kinds[0]; i++)
        expect_field(all_kinds[i], "", "Access-Control-Allow-Origin", "*");
    struct client *client = client_open(program.port);
    client_send(client, "OPTIONS /none HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n"
                        "Access-Control-Request-Method: GET\r\n"
                        "Access-Control-Request-Headers: x-a, range\r\n\r\n"
                        "OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    struct reply *reply = client_read(client, true);
    ck_assert_int_eq(reply->status, 204);
    ck_assert(reply_header_is(reply, "Access-Control-Allow-Origin", "*"));
    ck_assert(reply_header_is(reply, "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"));
    ck_assert(reply_header_is(reply, "Access-Control-Allow-Headers", "x-a, range"));
    ck_assert_ptr_nonnull(reply_header(reply, "Access-Control-Max-Age"));
    reply_free(reply);
    reply = client_read(client, true);
    ck_assert_int_eq(reply->status, 204);
    ck_assert_ptr_null(reply_header(reply, "Access-Control-Allow-Headers"));
    reply_free(reply);
    client_expect_end(client);
    client_close(client);
    stop();
    START(NULL);
    reply = ask(program.port, "OPTIONS", "/", "");
    ck_assert_int_eq(reply->status, 405);
    reply_free(reply);
    stop();
}
END_TEST

/* --- What is not there --- */

#define BROWSER "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"

START_TEST(a_page_that_is_not_there_is_the_application) {
    char etag[128];
    START("--spa", "app.html", NULL);
    expect("/users/7", "", 200, "<p>app");
    expect("/users/", "", 200, "<p>app");
    expect("/john.doe", BROWSER, 200, "<p>app");
    expect("/file.txt/x", "", 200, "<p>app");
    expect("/none.js", "", 404, NULL);
    expect("/none", "Accept: application/json\r\n", 404, NULL);
    expect("/file.txt", "", 200, "a text");
    expect("/", "", 200, "<p>index");
    expect_field("/users/7", "", "Content-Type", "text/html; charset=utf-8");
    expect_field("/users/7", "", "Vary", "Accept");
    expect_field("/file.txt", "", "Vary", NULL);
    struct reply *reply = ask(program.port, "GET", "/users/7", "");
    const char *value = reply_header(reply, "ETag");
    ck_assert_ptr_nonnull(value);
    snprintf(etag, sizeof etag, "If-None-Match: %.*s\r\n", (int)strcspn(value, "\r"), value);
    reply_free(reply);
    reply = ask(program.port, "GET", "/users/8", etag);
    ck_assert_int_eq(reply->status, 304);
    reply_free(reply);
    expect("/a/very/long/path/that/is/longer/than/the/name/of/the/application", "", 200, "<p>app");
    char path[256];
    path_in(path, sizeof path, root, "app.html");
    ck_assert_int_eq(unlink(path), 0);
    expect("/users/7", "", 404, NULL);
    stop();
    EXPECT_FAILURE(1, "eddy: cannot read app.html of --spa: No such file", "--spa", "app.html");
    EXPECT_FAILURE(1, "eddy: cannot read dir of --spa: Is a directory", "--spa", "dir");
}
END_TEST

START_TEST(errors_have_the_pages_that_were_given) {
    char path[256];
    START("--error-page", "404=lost.html", "--error-page", "400=file.txt",
          "--error-page=405=README", NULL);
    expect("/none", "", 404, "<p>lost");
    expect_field("/none", "", "Content-Type", "text/html; charset=utf-8");
    expect("/%zz", "", 400, "a text");
    expect_field("/%zz", "", "Content-Type", "text/plain; charset=utf-8");
    struct reply *reply = ask(program.port, "POST", "/", "");
    ck_assert_int_eq(reply->status, 405);
    ck_assert_str_eq(reply->body, "read me");
    reply_free(reply);
    reply = ask(program.port, "GET", "/file.txt", "If-Match: \"x\"\r\n");
    ck_assert_int_eq(reply->status, 412);
    ck_assert_ptr_nonnull(strstr(reply->body, "Precondition Failed")); /* built in */
    reply_free(reply);
    path_in(path, sizeof path, root, "lost.html");
    ck_assert_int_eq(unlink(path), 0);
    expect("/none", "", 404, "<p>lost"); /* it was read at the start */
    stop();
    EXPECT_FAILURE(1, "eddy: cannot read lost.html of --error-page: No such file", "--error-page",
                   "404=lost.html");
}
END_TEST

/* --- Another release --- */

static bool is_served(const char *text) {
    struct reply *reply = ask(program.port, "GET", "/release", "");
    bool is = reply->status == 200 && strcmp(reply->body, text) == 0;
    reply_free(reply);
    return is;
}

static void until_served(const char *text) {
    for (int i = 0; i < 1000 && !is_served(text); i++) poll(NULL, 0, 10);
    ck_assert(is_served(text));
}

/* A link that is the server's directory leads elsewhere: nothing changes until SIGHUP, which ends
 * nothing. Where it leads nowhere the old directory stays. */
START_TEST(the_directory_is_looked_up_again) {
    char current[160];
    make_directory(root, "one");
    make_directory(root, "two");
    make_text("one/release", "1");
    make_text("two/release", "2");
    make_link(root, "current", "one");
    path_in(current, sizeof current, root, "current");
    program = serve_start(current, (const char *const[]){"--loops", "2", NULL});
    ck_assert(is_served("1"));
    ck_assert_int_eq(unlink(current), 0);
    make_link(root, "current", "two");
    ck_assert(is_served("1"));
    ck_assert_int_eq(kill(program.pid, SIGHUP), 0);
    until_served("2");
    ck_assert_int_eq(unlink(current), 0);
    ck_assert_int_eq(kill(program.pid, SIGHUP), 0);
    for (int i = 0; i < 5; i++) ck_assert(is_served("2"));
    make_link(root, "current", "one");
    ck_assert_int_eq(kill(program.pid, SIGHUP), 0);
    until_served("1");
    stop();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/features");
    TCase *all = tcase_create("features");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, make_place, remove_place);
    tcase_add_test(all, types_are_what_browsers_can_use);
    tcase_add_test(all, own_types_are_read_from_a_file);
    tcase_add_test(all, indexes_are_tried_in_order);
    tcase_add_test(all, dotted_names_are_not_served);
    tcase_add_test(all, patterns_hide_names);
    tcase_add_test(all, fields_are_on_all_answers);
    tcase_add_test(all, caches_are_told_what_to_do);
    tcase_add_test(all, other_sites_are_allowed);
    tcase_add_test(all, a_page_that_is_not_there_is_the_application);
    tcase_add_test(all, errors_have_the_pages_that_were_given);
    tcase_add_test(all, the_directory_is_looked_up_again);
    suite_add_tcase(suite, all);
    return suite;
}
