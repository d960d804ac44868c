/* Requests that reach eddy serve in the same turn: those for the same file share one descriptor of
 * it, and each is answered as it would have been alone. The server stands still while they are
 * sent, so that it finds them all at once. */
#include "client.h"
#include "system.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

enum {
    CLIENTS = 20,
    BIG = 32 << 20
}; /* more than the kernel takes of a file for one that does not read */

static char root[128];
static struct program program;
static struct client *clients[CLIENTS];

static void setup_with(const char *const *options) {
    make_tree(root);
    make_file(root, "file.txt", "first", 5);
    make_file(root, "index.html", "<p>index", 8);
    make_directory(root, "dir");
    make_pattern(root, "large", 300000);
    make_file(root, "large.gz", "not really", 10);
    make_file(root, "big", "", 0);
    char path[256];
    path_in(path, sizeof path, root, "big");
    ck_assert_int_eq(truncate(path, BIG), 0);
    program = serve_start(root, options);
}

static void setup(void) {
    static const char *const options[] = {"--precompressed", NULL};
    setup_with(options);
}

static void setup_cached(void) {
    static const char *const options[] = {"--precompressed", "--cache", NULL};
    setup_with(options);
}

static void teardown(void) {
    int status = program_stop(&program, SIGTERM);
    remove_tree(root);
    ck_assert_int_eq(status, 0);
}

static void hold(void) {
    int status;
    ck_assert_int_eq(kill(program.pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(program.pid, &status, WUNTRACED), program.pid);
    ck_assert(WIFSTOPPED(status));
}

static void let_go(void) {
    ck_assert_int_eq(kill(program.pid, SIGCONT), 0);
}

/* Each on a connection that the server knows already. */
static void open_all(int receive_bytes) {
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open_with(program.port, receive_bytes);
        client_send(clients[i], "HEAD /file.txt HTTP/1.1\r\nHost: a\r\n\r\n");
        reply_free(client_read(clients[i], true));
    }
}

static void close_all(void) {
    for (int i = 0; i < CLIENTS; i++) client_close(clients[i]);
}

static void ask_all(const char *const *paths, size_t count, const char *fields) {
    char text[256];
    for (int i = 0; i < CLIENTS; i++) {
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n",
                 paths[(size_t)i % count], fields);
        client_send(clients[i], text);
    }
}

/* How often the server has the file open, or -1 where the system does not show it. */
static int count_open(const char *name) {
    char path[64], file[256], target[256];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)program.pid);
    path_in(file, sizeof file, root, name);
    DIR *directory = opendir(path);
    if (directory == NULL) return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
        if (length < 0) continue;
        target[length] = '\0';
        count += strcmp(target, file) == 0;
    }
    closedir(directory);
    return count;
}

/* One descriptor serves them all, and is closed after the last. */
START_TEST(those_of_one_turn_share_a_descriptor) {
    static const char *const paths[] = {"/big"};
    open_all(4096);
    hold();
    ask_all(paths, 1, "");
    let_go();
    for (int i = 0; i < CLIENTS; i++) {
        struct reply reply;
        ck_assert(client_read_head(clients[i], &reply));
        ck_assert_int_eq(reply.status, 200);
        ck_assert_int_eq(reply.length, BIG);
    }
    int count = count_open("big");
    if (count >= 0) ck_assert_int_eq(count, 1);
    close_all();
    int64_t end_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (count_open("big") > 0) {
        ck_assert(test_now_ns() < end_ns);
        sleep_ns(5 * EDDY_NS_PER_MS);
    }
}
END_TEST

static void expect_answers(void) {
    for (int i = 0; i < CLIENTS; i++) {
        struct reply *reply = client_read(clients[i], false);
        switch (i % 5) {
        case 0:
            ck_assert_int_eq(reply->status, 200);
            ck_assert_mem_eq(reply->body, "first", 6);
            break;
        case 1:
            ck_assert_int_eq(reply->status, 404);
            break;
        case 2:
            ck_assert_int_eq(reply->status, 301);
            break;
        case 3:
            ck_assert_int_eq(reply->status, 200);
            ck_assert_mem_eq(reply->body, "<p>index", 9);
            break;
        default:
            ck_assert_int_eq(reply->status, 200);
            expect_body(reply, 0, 300000);
            break;
        }
        reply_free(reply);
    }
}

static const char *const all_kinds[] = {"/file.txt", "/none", "/dir", "/", "/large"};

/* Whatever there is, or is not: several requests for each of five paths. */
START_TEST(each_is_answered_as_if_alone) {
    open_all(0);
    for (int round = 0; round < 3; round++) {
        hold();
        ask_all(all_kinds, 5, "");
        let_go();
        expect_answers();
    }
    close_all();
}
END_TEST

/* A compressed file in place of the one that was asked for, shared as well. */
START_TEST(variants_are_shared) {
    static const char *const paths[] = {"/large"};
    open_all(0);
    hold();
    ask_all(paths, 1, "Accept-Encoding: gzip\r\n");
    let_go();
    for (int i = 0; i < CLIENTS; i++) {
        struct reply *reply = client_read(clients[i], false);
        ck_assert_int_eq(reply->status, 200);
        ck_assert(reply_header_is(reply, "Content-Encoding", "gzip"));
        ck_assert_mem_eq(reply->body, "not really", 11);
        reply_free(reply);
    }
    close_all();
}
END_TEST

/* Those who have left, the first of all among them, take nothing from the others. */
START_TEST(who_leaves_takes_nothing_along) {
    open_all(0);
    hold();
    ask_all(all_kinds, 5, "");
    for (int i = 0; i < CLIENTS; i++) {
        struct linger reset = {1, 0};
        if (i >= 10 && i % 2 == 0) continue;
        setsockopt(clients[i]->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        client_close(clients[i]);
        clients[i] = NULL;
    }
    let_go();
    for (int i = 10; i < CLIENTS; i += 2) {
        struct reply *reply = client_read(clients[i], false);
        ck_assert_int_eq(reply->status, i % 5 == 1 ? 404 : i % 5 == 2 ? 301 : 200);
        reply_free(reply);
        client_close(clients[i]);
    }
}
END_TEST

Suite *make_suite(void) {
    static const struct {
        const char *name;
        void (*setup)(void);
    } ways[] = {{"without a cache", setup}, {"with a cache", setup_cached}};
    Suite *suite = suite_create("cmd/together");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        TCase *tests = tcase_create(ways[i].name);
        tcase_set_timeout(tests, 60);
        tcase_add_checked_fixture(tests, ways[i].setup, teardown);
        tcase_add_test(tests, those_of_one_turn_share_a_descriptor);
        tcase_add_test(tests, each_is_answered_as_if_alone);
        tcase_add_test(tests, variants_are_shared);
        tcase_add_test(tests, who_leaves_takes_nothing_along);
        suite_add_tcase(suite, tests);
    }
    return suite;
}
