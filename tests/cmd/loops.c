/* loops.c: eddy serve with several loops: what they take together, and one of them fails. */
#include "client.h"

#ifdef __linux__
static char root[128];

static void setup(void) {
    make_tree(root);
    make_pattern(root, "file.txt", 1000);
}

static void teardown(void) {
    descriptors_allowed = 0;
    remove_tree(root);
}

/* poll() refuses more descriptors than a process may have open, whatever their numbers. So from
 * here on each loop fails in its next wait; those that wait already do not know yet. */
static void make_waits_fail(const struct program *program) {
    struct rlimit limit;
    ck_assert_int_eq(prlimit(program->pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = 1;
    ck_assert_int_eq(prlimit(program->pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

/* A signal wakes the first loop only, which then fails: the others are told to end, and do. */
START_TEST(when_the_first_loop_fails_the_others_end) {
    static const char *const options[] = {"--loops", "3", NULL};
    test_backend = "poll";
    struct program program = serve_start(root, options);
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    make_waits_fail(&program);
    ck_assert_int_eq(kill(program.pid, SIGUSR1), 0);
    ck_assert_int_eq(program_wait(&program), 1);
}
END_TEST

/* Whether it is being served, as far as can be told. False: it has to wait. */
static bool is_being_served(const struct client *client) {
    static const char expected[] = "HTTP/1.1 200 ";
    char head[sizeof expected] = "";
    ssize_t got = recv(client->fd, head, sizeof expected - 1, MSG_DONTWAIT | MSG_PEEK);
    if (got < 0 && errno == EAGAIN) return false;
    ck_assert_msg(got > 0, "a client was sent away: %zd", got);
    ck_assert_str_eq(head, expected);
    return true;
}

/* What the loops take is not for clients: those that are one too many wait, and none of them is
 * told that there is no descriptor. */
START_TEST(loops_leave_descriptors_to_those_they_let_in) {
    enum { CLIENTS = 130 };
    static const char *const options[] = {"--loops", "16", NULL};
    struct client *clients[CLIENTS];
    char name[160];
    int served = 0;
    path_in(name, sizeof name, root, "large");
    close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    ck_assert_int_eq(truncate(name, 64 << 20), 0);
    descriptors_allowed = 256;
    struct program program = serve_start(root, options);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(program.port);
        client_send(clients[i], "GET /large HTTP/1.1\r\nHost: t\r\n\r\n");
    }
    poll(NULL, 0, 500); /* nothing tells that a client is made to wait */
    for (int i = 0; i < CLIENTS; i++) served += is_being_served(clients[i]);
    ck_assert_int_ge(served, 16);
    ck_assert_int_lt(served, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) client_close(clients[i]);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/loops");
#ifdef __linux__
    TCase *all = tcase_create("loops");
    tcase_set_timeout(all, 100);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, when_the_first_loop_fails_the_others_end);
    tcase_add_test(all, loops_leave_descriptors_to_those_they_let_in);
    suite_add_tcase(suite, all);
#endif
    return suite;
}
