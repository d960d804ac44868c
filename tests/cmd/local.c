/* eddy serve on local sockets: beside ports, for several loops, with permissions, in the log; what
 * becomes of the name at the end, after a kill, and when another process takes over. */
#include "activation.h"

#include <stdarg.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static char name[100]; /* of the socket */

static void setup(void) {
    make_tree(root);
    make_file(root, "file.txt", "hello", 5);
    path_in(name, sizeof name, root, "socket");
    given_reset();
#ifdef __linux__
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* whoever takes over becomes our child */
#endif
}

static void teardown(void) {
    program_prepare = NULL;
    remove_tree(root);
}

/* With options up to a NULL; the banner's text goes to `banner`. */
static struct program start(char *banner, size_t size, const char *option, ...) {
    const char *arguments[ARGUMENTS_MAX] = {"serve", "--unix", name};
    int count = 3;
    va_list list;
    if (test_backend != NULL) {
        arguments[count++] = "--backend";
        arguments[count++] = test_backend;
    }
    va_start(list, option);
    for (; option != NULL; option = va_arg(list, const char *)) arguments[count++] = option;
    va_end(list);
    arguments[count++] = root;
    struct program program = program_start(arguments);
    read_text(program.err, banner, size, true);
    return program;
}

static int connect_to_name(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

/* One request, to its end. */
static void expect_answer(void) {
    static const char request[] = "GET /file.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    char text[2048];
    int fd = connect_to_name();
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, request, sizeof request - 1), sizeof request - 1);
    read_text(fd, text, sizeof text, false);
    close(fd);
    ck_assert_msg(strncmp(text, "HTTP/1.1 200 ", 13) == 0, "%s", text);
    ck_assert_str_eq(text + strlen(text) - 5, "hello");
}

/* The kernel lets go of a killed process's ring, and of what that waited on, a moment later. */
static void await_nobody_listening(void) {
    for (int fd = connect_to_name(); fd >= 0; fd = connect_to_name()) {
        close(fd);
        poll(NULL, 0, 1);
    }
}

static bool is_there(void) {
    struct stat stat;
    return lstat(name, &stat) == 0;
}

START_TEST(a_local_socket_is_served_and_its_name_removed) {
    char text[1024], expected[512];
    struct program program = start(text, sizeof text, "--log", "common", NULL);
    snprintf(expected, sizeof expected, "eddy: serving %s on unix:%s (", root, name);
    ck_assert_msg(strncmp(text, expected, strlen(expected)) == 0, "%s", text);
    expect_answer();
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    read_text(program.out, text, sizeof text, false);
    ck_assert_msg(strncmp(text, "unix: - - [", 11) == 0, "%s", text);
    ck_assert_int_eq(program_wait(&program), 0);
    ck_assert(!is_there());
}
END_TEST

START_TEST(three_loops_share_it_beside_a_port) {
    char text[1024];
    struct stat stat;
    struct program program =
        start(text, sizeof text, "--port", "0", "--loops", "3", "--unix-mode", "0606", NULL);
    const char *colon = strstr(text, "http://127.0.0.1:");
    ck_assert_msg(colon != NULL && strstr(text, "unix:") != NULL, "%s", text);
    ck_assert(can_connect((unsigned)strtoul(colon + 17, NULL, 10)));
    ck_assert_int_eq(lstat(name, &stat), 0);
    ck_assert_uint_eq(stat.st_mode & 0777U, 0606);
    for (int i = 0; i < 12; i++) expect_answer();
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
    ck_assert(!is_there());
}
END_TEST

START_TEST(a_name_in_use_is_refused_and_one_left_behind_is_not) {
    char text[1024], expected[512];
    int status;
    struct program first = start(text, sizeof text, NULL);
    struct program second = start(text, sizeof text, NULL);
    snprintf(expected, sizeof expected, "eddy: cannot listen on unix:%s: Address already in use\n",
             name);
    ck_assert_str_eq(text, expected);
    ck_assert_int_eq(program_wait(&second), 1);
    expect_answer();
    ck_assert_int_eq(kill(first.pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(first.pid, &status, 0), first.pid);
    close(first.out);
    close(first.err);
    await_nobody_listening();
    ck_assert(is_there());
    second = start(text, sizeof text, NULL);
    expect_answer();
    ck_assert_int_eq(program_stop(&second, SIGTERM), 0);
    ck_assert(!is_there());
}
END_TEST

/* The name stays while one process hands over to the next, which removes it. */
START_TEST(the_name_is_handed_on_by_a_restart) {
    char text[1024];
    int next = 0;
    struct stat before, after;
    struct program program = start(text, sizeof text, "--loops", "2", NULL);
    ck_assert_int_eq(lstat(name, &before), 0);
    int early = connect_to_name();
    for (int i = 0; i < 2; i++) {
        pid_t old = program.pid;
        ck_assert_int_eq(kill(old, SIGUSR2), 0);
        read_text(program.err, text, sizeof text, true);
        ck_assert_msg(strncmp(text, "eddy: serving ", 14) == 0, "%s", text);
        read_text(program.err, text, sizeof text, true);
        ck_assert_msg(sscanf(text, "eddy: process %d has taken over\n", &next) == 1, "%s", text);
        program.pid = next;
        if (early >= 0) close(early);
        early = -1;
        ck_assert_int_eq(waitpid(old, NULL, 0), old);
        ck_assert_int_eq(lstat(name, &after), 0);
        ck_assert(after.st_ino == before.st_ino);
        expect_answer();
    }
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    read_text(program.err, text, sizeof text, false);
    ck_assert_str_eq(text, "");
    ck_assert(!is_there());
    close(program.out);
    close(program.err);
}
END_TEST

/* It belongs to who has made it. */
START_TEST(a_given_local_socket_is_served_and_keeps_its_name) {
    char text[1024];
    const char *none[] = {NULL};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 10), 0);
    given_fds[given_count++] = fd;
    struct program program = given_start(none);
    read_banner(&program, text, sizeof text);
    ck_assert_msg(strstr(text, name) != NULL, "%s", text);
    given_close();
    expect_answer();
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
    ck_assert(is_there());
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/local");
    const TTest *const tests[] = {
        a_local_socket_is_served_and_its_name_removed,
        three_loops_share_it_beside_a_port,
        a_name_in_use_is_refused_and_one_left_behind_is_not,
#ifdef __linux__
        the_name_is_handed_on_by_a_restart,
#endif
        a_given_local_socket_is_served_and_keeps_its_name,
    };
    TCase *tcase = tcase_create("local");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
