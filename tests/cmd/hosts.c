/* Where eddy serve listens, what it is started with, and how long it takes to stop. */
#include "client.h"

#include <sys/socket.h>

static char root[128];

static void setup(void) {
    make_tree(root);
    make_file(root, "file.txt", "a text", 6);
    make_pattern(root, "large", 64 * 1024 * 1024);
}

static void teardown(void) {
    descriptors_allowed = 0;
    remove_tree(root);
}

/* Whether the address can be bound here. */
static bool has_address(int family) {
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    int err = family == AF_INET6 ? bind(fd, (struct sockaddr *)&in6, sizeof in6)
                                 : bind(fd, (struct sockaddr *)&in, sizeof in);
    close(fd);
    return err == 0;
}

/* Connects to the loopback address of the family and asks. */
static bool answers(int family, unsigned port) {
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                               .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    static const char request[] = "GET /file.txt HTTP/1.0\r\n\r\n";
    char text[1024] = "";
    size_t used = 0;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    int err = family == AF_INET6 ? connect(fd, (struct sockaddr *)&in6, sizeof in6)
                                 : connect(fd, (struct sockaddr *)&in, sizeof in);
    if (err == 0) ck_assert_int_gt(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), 0);
    while (err == 0 && used < sizeof text - 1) {
        ssize_t got = recv(fd, text + used, sizeof text - 1 - used, 0);
        if (got <= 0) break;
        used += (size_t)got;
    }
    close(fd);
    return strstr(text, "\r\n\r\na text") != NULL;
}

/* A name stands for all its addresses that this machine has. */
START_TEST(a_name_means_all_its_addresses) {
    struct program program =
        serve_start(root, (const char *const[]){"--host", "localhost", "--host=127.0.0.1", NULL});
    ck_assert(answers(AF_INET, program.port));
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* All of them have one port, also where the kernel picks it and several loops share it. */
START_TEST(several_hosts_share_a_port) {
    if (!has_address(AF_INET6)) return;
    static const char *const loops[] = {"1", "3"};
    for (size_t i = 0; i < 2; i++) {
        struct program program =
            serve_start(root, (const char *const[]){"--host", "[::1]", "--host", "127.0.0.1",
                                                    "--host", "::1", "--loops", loops[i], NULL});
        for (int k = 0; k < 6; k++) {
            ck_assert(answers(AF_INET, program.port));
            ck_assert(answers(AF_INET6, program.port));
        }
        ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
    }
    struct program program = serve_start(root, (const char *const[]){"--host", "[::1]", NULL});
    ck_assert(!answers(AF_INET, program.port));
    ck_assert(answers(AF_INET6, program.port));
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

static void expect_failure(const char *const *arguments, int status, const char *begin,
                           const char *end) {
    char text[1024];
    struct program program = program_start(arguments);
    size_t length = read_text(program.err, text, sizeof text, false);
    ck_assert_int_eq(program_wait(&program), status);
    ck_assert_msg(strncmp(text, begin, strlen(begin)) == 0, "%s", text);
    ck_assert_msg(length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0, "%s",
                  text);
}

START_TEST(hosts_that_are_none_are_told) {
    expect_failure((const char *const[]){"serve", "--host", "no-such-host.invalid", root, NULL}, 1,
                   "eddy: cannot find the host no-such-host.invalid: ", "\n");
    expect_failure((const char *const[]){"serve", "-p", "0", "--host", "192.0.2.1", root, NULL}, 1,
                   "eddy: cannot listen on 192.0.2.1:0: ", "\n");
}
END_TEST

/* The first host is free, the second is not: which, is told. */
START_TEST(a_port_in_use_at_one_of_them_is_told) {
    char port[16], message[128];
    if (!has_address(AF_INET6)) return;
    struct program program = serve_start(root, NULL);
    snprintf(port, sizeof port, "%u", program.port);
    snprintf(message, sizeof message, "eddy: cannot listen on 127.0.0.1:%s: ", port);
    expect_failure((const char *const[]){"serve", "-p", port, "--host", "::1", "--host",
                                         "127.0.0.1", root, NULL},
                   1, message, "Address already in use\n");
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* --- What it is started with --- */

/* Who may have too few descriptors to serve one client says so, and who may have just enough
 * serves.
 */
START_TEST(too_few_descriptors_are_an_error) {
    const char *const arguments[] = {"serve", "--port", "0", root, NULL};
    descriptors_allowed = 10;
    expect_failure(arguments, 1, "eddy: the limit of open descriptors is 10, and at least ",
                   "are needed to serve anyone; \"ulimit -n\" sets it\n");
    char text[512];
    struct program program = program_start(arguments);
    read_text(program.err, text, sizeof text, false);
    ck_assert_int_eq(program_wait(&program), 1);
    const char *number = strstr(text, "at least ");
    ck_assert_ptr_nonnull(number);
    descriptors_allowed = (unsigned)strtoul(number + 9, NULL, 10);
    program = serve_start(root, NULL);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    ck_assert_int_eq(ask_status(program.port, "/"), 200);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* Starts the program without its first three descriptors. */
static pid_t start_bare(unsigned port) {
    char number[16];
    snprintf(number, sizeof number, "%u", port);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0) return pid;
    for (int fd = 0; fd < 64; fd++) close(fd);
    const char *const arguments[] = {"serve",  "-p",      number, "--log",
                                     "common", "--quiet", root,   NULL};
    program_exec(arguments);
    _exit(127);
}

/* Nothing that it opens gets the number of stdin, stdout or stderr; so its messages and its log go
 * nowhere, rather than into its own pipe or to a client. */
START_TEST(closed_descriptors_are_not_used_again) {
    if (getenv("EDDY_WRAPPER") != NULL) return; /* which needs them itself */
    struct program other = serve_start(root, NULL);
    unsigned port = other.port; /* which is free again now */
    ck_assert_int_eq(program_stop(&other, SIGTERM), 0);
    pid_t pid = start_bare(port);
    bool is_served = false;
    for (int i = 0; i < 1000 && !is_served; i++) {
        is_served = answers(AF_INET, port);
        if (!is_served) poll(NULL, 0, 10);
    }
    char path[64], target[64];
    for (int fd = 0; fd < 3; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0) continue; /* the system does not show it */
        target[length] = '\0';
        ck_assert_str_eq(target, "/dev/null");
    }
    for (int i = 0; is_served && i < 20; i++) ck_assert(answers(AF_INET, port));
    int status = 0;
    kill(pid, SIGTERM);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(is_served);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/* A signal that whoever started it had blocked does what it does elsewhere. */
START_TEST(blocked_signals_are_unblocked) {
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGALRM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    struct program first = serve_start(root, NULL), second = serve_start(root, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    ck_assert_int_eq(program_stop(&first, SIGTERM), 0);
    kill(second.pid, SIGALRM);
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < 1000 && ended == 0; i++) {
        ended = waitpid(second.pid, &status, WNOHANG);
        if (ended == 0) poll(NULL, 0, 10);
    }
    if (ended == 0) kill(second.pid, SIGKILL);
    ck_assert_int_eq(ended, second.pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}
END_TEST

/* --- How long it takes to stop --- */

/* Asks for more than the kernel holds, reads the head, and no more. */
static struct client *begin_transfer(unsigned port) {
    struct client *client = client_open(port);
    struct reply *reply = malloc(sizeof *reply);
    client_send(client, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert(client_read_head(client, reply));
    free(reply);
    return client;
}

/* Running transfers have the time that was given, and no more. */
START_TEST(transfers_have_the_grace_that_was_given) {
    static const struct {
        const char *grace;
        int64_t from_ns, to_ns;
    } cases[] = {
        {"0", 0, 5 * EDDY_NS_PER_S},
        {"1", EDDY_NS_PER_S - 20 * EDDY_NS_PER_MS, 6 * EDDY_NS_PER_S},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct program program =
            serve_start(root, (const char *const[]){"--grace", cases[i].grace, NULL});
        struct client *client = begin_transfer(program.port);
        int64_t start_ns = test_now_ns();
        ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
        int64_t time_ns = test_now_ns() - start_ns;
        ck_assert_int_ge(time_ns, cases[i].from_ns);
        ck_assert_int_lt(time_ns, cases[i].to_ns);
        client_close(client);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/hosts");
    TCase *all = tcase_create("hosts");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, a_name_means_all_its_addresses);
    tcase_add_test(all, several_hosts_share_a_port);
    tcase_add_test(all, hosts_that_are_none_are_told);
    tcase_add_test(all, a_port_in_use_at_one_of_them_is_told);
    tcase_add_test(all, too_few_descriptors_are_an_error);
    tcase_add_test(all, closed_descriptors_are_not_used_again);
    tcase_add_test(all, blocked_signals_are_unblocked);
    tcase_add_test(all, transfers_have_the_grace_that_was_given);
    suite_add_tcase(suite, all);
    return suite;
}
