/* eddy serve on sockets that it is started with, as systemd does it. */
#include "activation.h"

static void setup(void) {
    make_tree(root);
    make_pattern(root, "file.txt", 1000);
}

static void teardown(void) {
    program_prepare = NULL;
    remove_tree(root);
}

static unsigned listen_at(int family, int type) {
    return given_add(given_socket(family, type));
}

static struct program start(const char *const *options, char *banner) {
    struct program program = given_start(options);
    read_text(program.err, banner, 512, true);
    return program;
}

static void expect_refusal(const char *message, int status) {
    char text[512];
    struct program program = given_start((const char *[]){NULL});
    read_text(program.err, text, sizeof text, false);
    ck_assert_str_eq(text, message);
    ck_assert_int_eq(program_wait(&program), status);
}

/* --- What is served --- */

/* Each socket is served by each loop, those who connected before the program was there as well, and
 * the banner has the addresses. */
static void serve_two(const char *loops) {
    char banner[512], wanted[512];
    given_reset();
    unsigned first = listen_at(AF_INET, SOCK_STREAM), second = listen_at(AF_INET, SOCK_STREAM);
    struct client *early = client_open(first);
    client_send(early, "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
    struct program program = start((const char *[]){"--loops", loops, NULL}, banner);
    int length = snprintf(wanted, sizeof wanted,
                          "eddy: serving %s on http://127.0.0.1:%u/ http://127.0.0.1:%u/ (", root,
                          first, second);
    ck_assert_msg(strncmp(banner, wanted, (size_t)length) == 0, "%s", banner);
    given_close(); /* only the program has them now */
    struct reply *reply = client_read(early, false);
    expect_body(reply, 0, 1000);
    reply_free(reply);
    client_close(early);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(ask_status(i % 2 ? first : second, "/file.txt"), 200);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
    ck_assert(!can_connect(first) && !can_connect(second));
}

START_TEST(given_sockets_are_served) {
    serve_two("1");
}
END_TEST

START_TEST(given_sockets_are_served_by_three_loops) {
    serve_two("3");
}
END_TEST

/* Sockets that share an address are shared out, and none is left without a loop: the kernel gives
 * each of them connections. */
START_TEST(sockets_of_one_address_all_have_a_loop) {
    static const char *const loops[] = {"1", "2", "5"};
    char banner[512];
    for (int i = 0; i < 3; i++) {
        given_reset();
        int fd = given_socket_shared(0);
        unsigned port = given_add(fd);
        for (int k = 1; k < 3; k++) (void)given_add(given_socket_shared(port));
        struct program program = start((const char *[]){"--loops", loops[i], NULL}, banner);
        given_close();
        for (int k = 0; k < 30; k++) ck_assert_int_eq(ask_status(port, "/file.txt"), 200);
        ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
    }
}
END_TEST

/* systemd keeps the socket: who connects while nobody serves it waits, and is served by the next
 * process. */
START_TEST(a_given_socket_outlives_the_program) {
    char banner[512];
    given_reset();
    unsigned port = listen_at(AF_INET, SOCK_STREAM);
    for (int i = 0; i < 3; i++) {
        struct client *client = client_open(port);
        client_send(client, "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
        struct program program = start((const char *[]){NULL}, banner);
        struct reply *reply = client_read(client, false);
        expect_body(reply, 0, 1000);
        reply_free(reply);
        client_close(client);
        ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
    }
    given_close();
}
END_TEST

/* --- What is not --- */

/* They are somebody else's: the program listens as it was told. */
START_TEST(sockets_for_another_process_are_left_alone) {
    static const char *const pids[] = {"1", "x", NULL};
    char banner[512], address[64];
    for (int i = 0; i < 3; i++) {
        given_reset();
        unsigned port = listen_at(AF_INET, SOCK_STREAM);
        given_pid = pids[i];
        given_has_pid = pids[i] != NULL;
        struct program program = start((const char *[]){"-p", "0", NULL}, banner);
        snprintf(address, sizeof address, ":%u/", port);
        ck_assert_ptr_nonnull(strstr(banner, "http://127.0.0.1:"));
        ck_assert_ptr_null(strstr(banner, address));
        ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
        given_close();
    }
}
END_TEST

START_TEST(what_is_no_listening_socket_is_named) {
    static const char is_none[] =
        "eddy: descriptor 4 of LISTEN_FDS is not a listening TCP or local socket\n";
    int ends[2];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    for (int i = 0; i < 4; i++) {
        given_reset();
        (void)listen_at(AF_INET, SOCK_STREAM);
        int fd = socket(AF_INET, SOCK_STREAM, 0); /* that is not even bound */
        if (i == 1) fd = given_socket(AF_INET, SOCK_DGRAM);
        if (i == 2) {
            ck_assert_int_eq(pipe(ends), 0);
            fd = ends[0];
        }
        if (i == 3) {
            fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
            path_in(name.sun_path, sizeof name.sun_path, root, "socket");
            ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
            ck_assert_int_eq(listen(fd, 1), 0);
        }
        given_fds[given_count++] = fd;
        expect_refusal(is_none, 1);
        given_close();
    }
    given_reset();
    (void)listen_at(AF_INET, SOCK_STREAM);
    given_number = "2";
    if (getenv("EDDY_WRAPPER") == NULL) /* which may have it open itself */
        expect_refusal("eddy: cannot listen on descriptor 4 of LISTEN_FDS: Bad file descriptor\n",
                       1);
    given_number = "two";
    expect_refusal("eddy: LISTEN_FDS: \"two\" is not a number from 0 to 1024\n", 1);
    given_close();
}
END_TEST

START_TEST(an_address_beside_given_sockets_is_an_error) {
    static const char *const options[][3] = {
        {"--host", "::1", NULL}, {"-p", "0", NULL}, {"--unix", "/nowhere", NULL}};
    char text[512];
    for (int i = 0; i < 3; i++) {
        given_reset();
        (void)listen_at(AF_INET, SOCK_STREAM);
        struct program program = given_start(options[i]);
        read_text(program.err, text, sizeof text, false);
        ck_assert_str_eq(
            text,
            "eddy: --host, --port and --unix are of no use where LISTEN_FDS has the sockets\n");
        ck_assert_int_eq(program_wait(&program), 2);
        given_close();
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/activation");
    const TTest *const tests[] = {
        given_sockets_are_served,
        given_sockets_are_served_by_three_loops,
        sockets_of_one_address_all_have_a_loop,
        a_given_socket_outlives_the_program,
        sockets_for_another_process_are_left_alone,
        what_is_no_listening_socket_is_named,
        an_address_beside_given_sockets_is_an_error,
    };
    TCase *tcase = tcase_create("activation");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
