/* ssh.c: OpenSSH as a child: what it says on its standard error, how it ends, and what it asks on
 * its controlling terminal. Skipped where it is not installed. */
#include "children.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { PATIENCE_S = 20, NOT_HERE = 77 };

static struct line out, err;

/* A program whose output and errors are the two lines. */
static void start(struct told *told, eddy_loop *loop, char *const *arguments) {
    eddy_child_fd fds[] = {{.number = 0, .source = EDDY_CHILD_NULL},
                           {.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out.stream},
                           {.number = 2, .source = EDDY_CHILD_WRITES, .stream = &err.stream}};
    eddy_child_options options = {.arguments = arguments, .fds = fds, .fd_count = 3};
    told_init(told, loop);
    line_init(&out, loop);
    line_init(&err, loop);
    ck_assert_int_eq(eddy_child_spawn(&told->child, &options, told_on_exit), 0);
    ck_assert_int_eq(eddy_stream_read_start(&out.stream, line_on_read), 0);
    ck_assert_int_eq(eddy_stream_read_start(&err.stream, line_on_read), 0);
}

static void wait_for(struct told *told, eddy_loop *loop) {
    told_wait(told, loop);
    test_turn_until(loop, &out.ended);
    test_turn_until(loop, &err.ended);
    ck_assert_int_eq(told->exit.error, 0);
    ck_assert_int_eq(told->exit.signal, 0);
    line_close(&out, loop);
    line_close(&err, loop);
}

START_TEST(its_version_comes_from_the_standard_error) {
    char *arguments[] = {(char[]){"ssh"}, (char[]){"-V"}, NULL};
    eddy_loop *loop = test_loop_open();
    struct told told;
    start(&told, loop, arguments);
    wait_for(&told, loop);
    ck_assert_int_eq(told.exit.status, 0);
    ck_assert_int_eq(strncmp(err.text, "OpenSSH_", 8), 0);
    ck_assert_int_eq(err.text[err.size - 1], '\n');
    ck_assert_uint_eq(out.total, 0);
    test_loop_close(loop);
}
END_TEST

/* A port that is taken, and where nobody listens. */
static int open_port(char *port, size_t size) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    snprintf(port, size, "%u", (unsigned)ntohs(address.sin_port));
    return fd;
}

START_TEST(one_that_cannot_connect_says_why_and_ends_with_255) {
    char port[16];
    int fd = open_port(port, sizeof port);
    char *arguments[] = {(char[]){"ssh"},
                         (char[]){"-F"},
                         (char[]){"/dev/null"},
                         (char[]){"-o"},
                         (char[]){"BatchMode=yes"},
                         (char[]){"-p"},
                         port,
                         (char[]){"127.0.0.1"},
                         NULL};
    eddy_loop *loop = test_loop_open();
    struct told told;
    start(&told, loop, arguments);
    wait_for(&told, loop);
    ck_assert_int_eq(told.exit.status, 255);
    ck_assert_msg(strstr(err.text, port) != NULL && strstr(err.text, "refused") != NULL, "%s",
                  err.text);
    ck_assert_uint_eq(out.total, 0);
    close(fd);
    test_loop_close(loop);
}
END_TEST

/* --- On a terminal --- */

static void make_key(eddy_loop *loop, char *path) {
    char *arguments[] = {(char[]){"ssh-keygen"},
                         (char[]){"-q"},
                         (char[]){"-a"},
                         (char[]){"1"},
                         (char[]){"-t"},
                         (char[]){"ed25519"},
                         (char[]){"-N"},
                         (char[]){"secret"},
                         (char[]){"-f"},
                         path,
                         NULL};
    struct told told;
    start(&told, loop, arguments);
    wait_for(&told, loop);
    ck_assert_msg(told.exit.status == 0, "ssh-keygen: %s", err.text);
}

static void turn_until_says(eddy_loop *loop, const struct line *line, const char *text) {
    int64_t end_ns = test_now_ns() + PATIENCE_S * EDDY_NS_PER_S;
    while (strstr(line->text, text) == NULL) {
        ck_assert_msg(test_now_ns() < end_ns, "it says: %s", line->text);
        test_turn_for(loop, EDDY_NS_PER_MS);
    }
}

/* It opens /dev/tty to ask, which is there if the terminal is its controlling one, and turns off
 * the echo; the answer to what it was asked for goes to a pipe. */
static void ask_for_key(eddy_loop *loop, char *path) {
    char *arguments[] = {(char[]){"ssh-keygen"}, (char[]){"-y"}, (char[]){"-f"}, path, NULL};
    int manager, terminal;
    struct told told;
    struct line typed;
    ck_assert_int_eq(eddy_terminal_pair(&manager, &terminal, NULL, EDDY_TERMINAL_ORIGINAL), 0);
    eddy_child_fd fds[] = {{.number = 0, .source = EDDY_CHILD_FD, .fd = terminal},
                           {.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out.stream},
                           {.number = 2, .source = EDDY_CHILD_SAME, .fd = 0}};
    eddy_child_options options = {
        .arguments = arguments, .fds = fds, .fd_count = 3, .flags = EDDY_CHILD_TERMINAL};
    told_init(&told, loop);
    line_init(&out, loop);
    line_init(&typed, loop);
    ck_assert_int_eq(eddy_stream_attach(&typed.stream, manager), 0);
    ck_assert_int_eq(eddy_child_spawn(&told.child, &options, told_on_exit), 0);
    close(terminal);
    ck_assert_int_eq(eddy_stream_read_start(&out.stream, line_on_read), 0);
    ck_assert_int_eq(eddy_stream_read_start(&typed.stream, line_on_read), 0);
    turn_until_says(loop, &typed, "passphrase");
    const struct iovec answer = {(char[]){"secret\n"}, 7};
    ck_assert_int_eq(eddy_stream_try_write(&typed.stream, &answer, 1), 7);
    told_wait(&told, loop);
    test_turn_until(loop, &out.ended);
    test_turn_until(loop, &typed.ended);
    ck_assert_msg(told.exit.status == 0, "it says: %s", typed.text);
    ck_assert_int_eq(strncmp(out.text, "ssh-ed25519 ", 12), 0);
    ck_assert_ptr_null(strstr(typed.text, "secret"));
    line_close(&out, loop);
    line_close(&typed, loop);
}

START_TEST(it_asks_on_its_controlling_terminal) {
    char directory[] = "/tmp/eddy-ssh-XXXXXX", path[64];
    eddy_loop *loop = test_loop_open();
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/key", directory);
    make_key(loop, path);
    ask_for_key(loop, path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(unlink(strcat(path, ".pub")), 0);
    ck_assert_int_eq(rmdir(directory), 0);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    if (system("ssh -V 2> /dev/null && command -v ssh-keygen > /dev/null") != 0) exit(NOT_HERE);
    setenv("LC_ALL", "C", 1);
    Suite *suite = suite_create("ssh");
    ck_add(suite, "ssh", its_version_comes_from_the_standard_error,
           one_that_cannot_connect_says_why_and_ends_with_255, it_asks_on_its_controlling_terminal);
    return suite;
}
