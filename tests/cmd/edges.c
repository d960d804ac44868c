/* eddy serve where something has an end: the disk, descriptors, names, leave to
 * read. The answer says so, and the next one is as before. */
#include "client.h"

#include <netinet/in.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static char root[128];

static void setup(void) {
    make_tree(root);
    make_pattern(root, "file.txt", 1000);
}

static void teardown(void) {
    descriptors_allowed = 0;
    remove_tree(root);
}

/* As serve_start, but what it says on stderr can be read. */
static struct program serve_aloud(const char *host) {
    const char *arguments[] = {"serve",  "--port",         "0", "--host", host, "--log",
                               "common", "--pool-threads", "1", root,     NULL};
    struct program program = program_start(arguments);
    char banner[512];
    read_text(program.err, banner, sizeof banner, true);
    const char *end = strstr(banner, "/ (");
    ck_assert_ptr_nonnull(end);
    while (end[-1] != ':') end--;
    program.port = (unsigned)strtoul(end, NULL, 10);
    return program;
}

/* --- What is printed --- */

/* What a full disk did not take is not said to have been printed. */
START_TEST(a_full_disk_is_a_failure) {
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) return; /* not every system has one */
    const char *const arguments[] = {"backends", NULL};
    char text[512];
    int err[2];
    ck_assert_int_eq(pipe(err), 0);
    struct program program = {.pid = fork(), .out = full, .err = err[0]};
    if (program.pid == 0) {
        dup2(full, STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        program_exec(arguments);
    }
    close(err[1]);
    read_text(program.err, text, sizeof text, false);
    ck_assert_str_eq(text, "eddy: cannot write to standard output\n");
    ck_assert_int_eq(program_wait(&program), 1);
}
END_TEST

/* --- Clients --- */

START_TEST(clients_of_ipv6_are_served) {
    static const char request[] = "GET /file.txt HTTP/1.0\r\n\r\n";
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    char answer[4096], text[512];
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has_v6 = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (!has_v6) return;
    struct program program = serve_aloud("::1");
    address.sin6_port = htons((uint16_t)program.port);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    ck_assert_uint_gt(read_text(fd, answer, sizeof answer, false), 1000);
    ck_assert_int_eq(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17), 0);
    close(fd);
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    read_text(program.out, text, sizeof text, false);
    ck_assert_int_eq(strncmp(text, "::1 - - [", 9), 0);
    ck_assert_int_eq(program_wait(&program), 0);
}
END_TEST

/* --- What may be read --- */

/* Root may read everything, unless a program is started without that. */
static void give_up_reading_everything(void) {
#ifdef __linux__
    enum { DAC_OVERRIDE = 1, DAC_READ_SEARCH = 2 };
    prctl(PR_CAPBSET_DROP, DAC_OVERRIDE, 0, 0, 0);
    prctl(PR_CAPBSET_DROP, DAC_READ_SEARCH, 0, 0, 0);
#endif
}

START_TEST(what_may_not_be_read_is_forbidden) {
    static const char *const names[] = {"file.txt", "closed"};
    char path[512];
    give_up_reading_everything();
    make_directory(root, "closed");
    struct program program = serve_start(root, NULL);
    for (int i = 0; i < 2; i++) {
        path_in(path, sizeof path, root, names[i]);
        ck_assert_int_eq(chmod(path, 0), 0);
    }
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 403);
    ck_assert_int_eq(ask_status(program.port, "/closed/"), 403);
    ck_assert_int_eq(ask_status(program.port, "/closed/x"), 403);
    path_in(path, sizeof path, root, "file.txt");
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* Clients have taken all descriptors, so that there is none for a file: 503 to one that asks,
 * and 200 as soon as others have left. */
START_TEST(without_a_descriptor_a_file_is_not_available_now) {
    enum { CLIENTS = 60 };
    descriptors_allowed = 40;
    struct program program = serve_start(root, (const char *[]){"--max-connections", "1000", NULL});
    struct client *clients[CLIENTS];
    clients[0] = client_open(program.port);
    client_send(clients[0], "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
    struct reply *reply = client_read(clients[0], false);
    ck_assert_int_eq(reply->status, 200);
    reply_free(reply);
    for (int i = 1; i < CLIENTS; i++) clients[i] = client_open(program.port);
    /* The last one is shed, or waits in the backlog, once there is no descriptor left. */
    int status = 200;
    for (int i = 0; i < 200 && status == 200; i++) {
        client_send(clients[0], "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
        reply = client_read(clients[0], false);
        status = reply->status;
        reply_free(reply);
    }
    ck_assert_int_eq(status, 503);
    for (int i = 1; i < CLIENTS; i++) client_close(clients[i]);
    for (int i = 0; i < 500 && status != 200; i++) {
        client_send(clients[0], "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
        reply = client_read(clients[0], false);
        status = reply->status;
        reply_free(reply);
        if (status != 200) poll(NULL, 0, 10);
    }
    ck_assert_int_eq(status, 200);
    client_close(clients[0]);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* --- Names --- */

/* Lengths around the longest path, with and without room for the name of an index behind it. */
START_TEST(paths_of_all_lengths_have_an_answer) {
    struct program program = serve_start(root, NULL);
    char path[4200];
    for (size_t length = 4070; length < 4110; length++) {
        for (size_t i = 0; i < length; i++) path[i] = i % 200 == 0 ? '/' : 'a';
        path[length] = '\0';
        int status = ask_status(program.port, path);
        ck_assert_msg(status == (length > 4096 ? 414 : 404), "%zu: %d", length, status);
        path[length - 1] = '/';
        status = ask_status(program.port, path);
        ck_assert_msg(status == (length > 4096 ? 414 : 404), "%zu/: %d", length, status);
    }
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* A redirection leads to the same site, whatever the target looked like, and adds no field. */
START_TEST(redirections_stay_on_this_site) {
    static const struct {
        const char *name, *target, *location;
    } cases[] = {
        {"a", "/a", "/a/"},
        {"a", "/a?q=1&r=%zz", "/a/?q=1&r=%zz"},
        {"a", "/a?", "/a/?"},
        {"a", "/b/../%61", "/a/"},
        {"a", "http://other.example/a", "/a/"},
        {"evil.example", "//evil.example", "/evil.example/"},
        {"evil.example", "/%2e/evil.example", "/evil.example/"},
        {"\\evil.example", "/\\evil.example", "/%5Cevil.example/"},
        {"a\r\nSet-Cookie:b", "/a%0d%0aSet-Cookie:b", "/a%0D%0ASet-Cookie%3Ab/"},
        {"\xc3\xa4", "/\xc3\xa4", "/%C3%A4/"},
        {"\xc3\xa4/b d", "/%c3%a4/b%20d", "/%C3%A4/b%20d/"},
        {"%zz", "/%25zz", "/%25zz/"},
        {"q?r#s", "/q%3fr%23s?t", "/q%3Fr%23s/?t"},
    };
    struct program program = serve_start(root, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (i == 0 || strcmp(cases[i].name, cases[i - 1].name) != 0)
            make_directory(root, cases[i].name);
        struct reply *reply = ask(program.port, "GET", cases[i].target, "");
        ck_assert_msg(reply->status == 301, "%d for %s", reply->status, cases[i].target);
        ck_assert_msg(reply_header_is(reply, "Location", cases[i].location), "%s", reply->head);
        ck_assert_ptr_null(reply_header(reply, "Set-Cookie"));
        reply_free(reply);
    }
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("edges");
    const TTest *const tests[] = {a_full_disk_is_a_failure,
                                  clients_of_ipv6_are_served,
                                  what_may_not_be_read_is_forbidden,
                                  without_a_descriptor_a_file_is_not_available_now,
                                  paths_of_all_lengths_have_an_answer,
                                  redirections_stay_on_this_site};
    TCase *tcase = tcase_create("edges");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
