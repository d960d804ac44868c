/* The server in this process, whose clock waits: so the callback that makes an answer holds up the
 * loop until the watchdog has said so. */
#include "program.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "../../src/cmd/serve/server.h"
#include "../../src/cmd/serve/stalls.h"
#include "net.h"

#define system_time_s real_time_s
#include "../../src/cmd/serve/system.c"
#undef system_time_s
int64_t system_time_s(void);

static char root[128];
static struct server server;
static struct stalls stalls;
static struct sockaddr_storage address;
static socklen_t address_length;
static int said[2], own_stderr;
static bool waits;

/* Until something is written to stderr. */
int64_t system_time_s(void) {
    struct pollfd line = {said[0], POLLIN, 0};
    /* The signal for the backtrace ends a wait. */
    while (waits && poll(&line, 1, 20000) < 0) ck_assert_int_eq(errno, EINTR);
    waits = false;
    return real_time_s();
}

static void setup(void) {
    make_tree(root);
    make_pattern(root, "file", 1024);
    ck_assert_int_eq(pipe(said), 0);
    own_stderr = dup(STDERR_FILENO);
    ck_assert_int_ge(own_stderr, 0);
    struct server_config config = {
        .root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        .backend = test_backend,
        .connections_max = 100,
        .timeout_ns = 60 * EDDY_NS_PER_S,
    };
    ck_assert_int_ge(config.root, 0);
    ck_assert_int_eq(server_open(&server, &config), 0);
    address_length = loopback(&address, AF_INET);
    ck_assert_int_eq(server_listen(&server, &address, address_length, 0), 0);
    ck_assert_int_eq(eddy_listener_address(&server.listeners[0].http.listener,
                                           (struct sockaddr *)&address, &address_length),
                     0);
}

static void teardown(void) {
    server_stop(&server, SERVER_ENDS);
    ck_assert_int_eq(server_run(&server), 0);
    stalls_close(&stalls);
    ck_assert_int_eq(server_close(&server), 0);
    close(server.config.root);
    close(own_stderr);
    close(said[0]);
    close(said[1]);
    remove_tree(root);
}

static void ask(const char *request) {
    char bytes[4096];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, address_length), 0);
    ck_assert_int_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0)
        ck_assert_int_eq(eddy_loop_run(server.context.loop, EDDY_RUN_ONCE), 1);
    close(fd);
}

/* Reads lines until one has that beginning; it is in `line`, without its end. */
static void read_line(char *line, size_t size, const char *beginning) {
    size_t used = 0;
    do {
        for (used = 0; used < size - 1; used++)
            if (read(said[0], line + used, 1) != 1 || line[used] == '\n') break;
        line[used] = '\0';
    } while (strncmp(line, beginning, strlen(beginning)) != 0);
}

START_TEST(what_it_serves_is_told_while_it_is_stalled_and_after) {
    char line[512];
    ck_assert_int_eq(stalls_open(&stalls, 100, 1), 0); /* more than what comes before the label */
    server.context.guard = stalls_guard(&stalls, server.context.loop);
    ck_assert_ptr_nonnull(server.context.guard);
    ck_assert_ptr_null(stalls_guard(&stalls, server.context.loop)); /* there is room for one */
    ck_assert_int_eq(dup2(said[1], STDERR_FILENO), STDERR_FILENO);
    waits = true;
    ask("GET /file?with=%1b\x9b HTTP/1.1\r\nHost: h\r\n\r\n");
    read_line(line, sizeof line, "eddy: loop 1 is stalled for ");
    ck_assert_ptr_nonnull(strstr(line, " GET /file?with=%1b?, phase "));
    ck_assert_ptr_nonnull(strstr(line, ", function "));
    read_line(line, sizeof line, "eddy: loop 1 goes on, it was stalled for ");
    ck_assert_ptr_nonnull(strstr(line, " GET /file?with=%1b?, phase "));
    ck_assert_int_eq(dup2(own_stderr, STDERR_FILENO), STDERR_FILENO);
    ck_assert(!waits);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("serve stalls");
    TCase *served = tcase_create("served");
    tcase_add_checked_fixture(served, setup, teardown);
    tcase_set_timeout(served, 60);
    tcase_add_test(served, what_it_serves_is_told_while_it_is_stalled_and_after);
    suite_add_tcase(suite, served);
    return suite;
}
