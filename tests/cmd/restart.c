/* eddy serve is started anew by SIGUSR2: the next process has the sockets, and nobody is refused.
 */
#include "activation.h"

#include <dirent.h>
#include <stdatomic.h>
#include <sys/mman.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { FILE_BYTES = 1000, LARGE_BYTES = 16 << 20 };

static char base[128];      /* with the directory that is served and the program */
static char link_path[512]; /* by which the program is started, so that it can be replaced */
static char original[512];

static void setup(void) {
    make_tree(base);
    make_directory(base, "site");
    path_in(root, sizeof root, base, "site");
    make_pattern(root, "file.txt", FILE_BYTES);
    path_in(link_path, sizeof link_path, base, "eddy");
    ck_assert_msg(getenv("EDDY_PROGRAM") != NULL, "EDDY_PROGRAM does not name the binary");
    snprintf(original, sizeof original, "%s", getenv("EDDY_PROGRAM"));
    ck_assert_int_eq(symlink(original, link_path), 0);
    setenv("EDDY_PROGRAM", link_path, 1);
#ifdef __linux__
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* whoever takes over becomes our child */
#endif
}

static void teardown(void) {
    setenv("EDDY_PROGRAM", original, 1);
    program_prepare = NULL;
    remove_tree(base);
}

/* --- Programs --- */

static struct program start(const char *const *options) {
    const char *arguments[ARGUMENTS_MAX] = {"serve", "--port", "0"};
    char banner[512];
    int count = 3;
    if (test_backend != NULL) {
        arguments[count++] = "--backend";
        arguments[count++] = test_backend;
    }
    for (int i = 0; options[i] != NULL; i++) arguments[count++] = options[i];
    arguments[count++] = root;
    struct program program = program_start(arguments);
    read_text(program.err, banner, sizeof banner, true);
    const char *end = strstr(banner, "/ (");
    ck_assert_msg(end != NULL, "no address in \"%s\"", banner);
    while (end[-1] != ':') end--;
    program.port = (unsigned)strtoul(end, NULL, 10);
    return program;
}

/* Has another process take over, and waits until it has. Its banner comes first, as all that can
 * fail has been tried then. Returns the number of the one before. */
static pid_t restart(struct program *program) {
    char text[512];
    pid_t before = program->pid;
    int next = 0;
    ck_assert_int_eq(kill(before, SIGUSR2), 0);
    read_text(program->err, text, sizeof text, true);
    ck_assert_msg(strncmp(text, "eddy: serving ", 14) == 0, "%s", text);
    read_text(program->err, text, sizeof text, true);
    ck_assert_msg(sscanf(text, "eddy: process %d has taken over\n", &next) == 1, "%s", text);
    ck_assert_int_ne(next, before);
    program->pid = next;
    return before;
}

/* The one before ends by itself, and well. */
static void expect_gone(pid_t pid) {
    int status = -1;
    pid_t ended = 0;
    for (int i = 0; i < 3000 && ended == 0; i++) {
        ended = waitpid(pid, &status, WNOHANG);
        if (ended == 0) poll(NULL, 0, 10);
    }
    ck_assert_int_eq(ended, pid);
    ck_assert_int_eq(status, 0);
}

/* Ends it; nobody else is left who could say anything. Elsewhere than on Linux it is nobody's child
 * whom we could wait for. */
static void finish(struct program *program) {
    char text[512];
    ck_assert_int_eq(kill(program->pid, SIGTERM), 0);
    read_text(program->err, text, sizeof text, false);
    ck_assert_str_eq(text, "");
#ifdef __linux__
    expect_gone(program->pid);
#endif
    close(program->out);
    close(program->err);
}

/* How many entries a directory of /proc has; 0: there is none. */
static unsigned count_entries(pid_t pid, const char *name) {
    char path[64];
    unsigned count = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    DIR *directory = opendir(path);
    if (directory == NULL) return 0;
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count;
}

static void get_file(unsigned port) {
    struct reply *reply = ask(port, "GET", "/file.txt", "");
    ck_assert_int_eq(reply->status, 200);
    expect_body(reply, 0, FILE_BYTES);
    reply_free(reply);
}

/* --- Nobody is lost --- */

/* What clients have seen, in memory that they share. */
struct seen {
    atomic_uint whole, refused, reset, cut;
    atomic_bool is_over;
};

/* Connects, asks, takes all there is, closes. */
static void visit(unsigned port, struct seen *seen) {
    static const char request[] = "GET /file.txt HTTP/1.0\r\n\r\n";
    static char text[4096];
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {20, 0};
    size_t used = 0;
    ssize_t got = -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        seen->refused++;
    } else {
        (void)!send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
        while ((got = recv(fd, text + used, sizeof text - 1 - used, 0)) > 0) used += (size_t)got;
        text[used] = '\0';
        const char *body = strstr(text, "\r\n\r\n");
        bool is_whole = body != NULL && text + used == body + 4 + FILE_BYTES;
        if (got < 0)
            seen->reset++;
        else if (!is_whole || strncmp(text, "HTTP/1.1 200 ", 13) != 0)
            seen->cut++;
        else
            seen->whole++;
    }
    close(fd);
}

enum { CLIENTS = 4, RESTARTS = 20 };

/* Clients in a tight loop all the while, each of which has been served by each of the processes. */
static void restart_under_load(const char *loops) {
    pid_t clients[CLIENTS];
    struct seen *seen = mmap(NULL, CLIENTS * sizeof *seen, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(seen, MAP_FAILED);
    struct program program = start((const char *[]){"--loops", loops, NULL});
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = fork();
        ck_assert_int_ge(clients[i], 0);
        if (clients[i] != 0) continue;
        while (!seen[i].is_over) visit(program.port, &seen[i]);
        _exit(0);
    }
    for (int i = 0; i < RESTARTS; i++) {
        unsigned wanted[CLIENTS];
        for (int k = 0; k < CLIENTS; k++) wanted[k] = seen[k].whole + 5;
        for (int k = 0, turns = 0; k < CLIENTS && turns < 3000; k += seen[k].whole >= wanted[k])
            if (seen[k].whole < wanted[k]) turns += poll(NULL, 0, 10) == 0;
        pid_t before = restart(&program);
        expect_gone(before);
    }
    struct seen all = {0};
    for (int i = 0; i < CLIENTS; i++) seen[i].is_over = true;
    for (int i = 0; i < CLIENTS; i++) {
        expect_gone(clients[i]);
        all.whole += seen[i].whole;
        all.refused += seen[i].refused;
        all.reset += seen[i].reset;
        all.cut += seen[i].cut;
    }
    printf("%s loops, %d restarts: %u answers, %u refused, %u reset, %u short\n", loops, RESTARTS,
           all.whole, all.refused, all.reset, all.cut);
    ck_assert_uint_eq(all.refused, 0);
    ck_assert_uint_eq(all.reset, 0);
    ck_assert_uint_eq(all.cut, 0);
    ck_assert_uint_ge(all.whole, CLIENTS * RESTARTS * 5);
    finish(&program);
}

START_TEST(restarts_lose_no_connection) {
    restart_under_load("1");
}
END_TEST

START_TEST(restarts_of_two_loops_lose_no_connection) {
    restart_under_load("2");
}
END_TEST

/* Who is connected to the process before: one has asked for much, one is idle, one has sent half of
 * its head and one nothing. All are answered, and told that it was the last time. */
START_TEST(who_is_connected_is_answered) {
    static struct reply large;
    make_pattern(root, "large", LARGE_BYTES);
    struct program program = start((const char *[]){"--loops", "2", NULL});
    struct client *others[3], *busy = client_open(program.port);
    client_send(busy, "GET /large HTTP/1.1\r\nHost: t\r\n\r\n");
    ck_assert(client_read_head(busy, &large));
    for (int i = 0; i < 3; i++) others[i] = client_open(program.port);
    client_send(others[0], "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
    reply_free(client_read(others[0], false));
    client_send(others[1], "GET /file.txt HTTP/1.1\r\nHo");
    get_file(program.port); /* later than the others, which have been accepted then */
    get_file(program.port);
    pid_t before = restart(&program);
    for (int i = 0; i < 4; i++) get_file(program.port);
    client_send(others[0], "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
    client_send(others[1], "st: t\r\n\r\n");
    client_send(others[2], "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        struct reply *reply = client_read(others[i], false);
        expect_body(reply, 0, FILE_BYTES);
        ck_assert(i == 2 || reply_header_is(reply, "Connection", "close"));
        reply_free(reply);
        client_close(others[i]);
    }
    client_read_body(busy, &large);
    expect_body(&large, 0, LARGE_BYTES);
    free(large.body);
    client_close(busy);
    expect_gone(before);
    finish(&program);
}
END_TEST

/* A loop that nobody is connected to ends at once, and the others do not end with it. */
START_TEST(loops_end_each_in_its_time) {
    struct program program = start((const char *[]){"--loops", "4", NULL});
    struct client *client = client_open(program.port);
    get_file(program.port);
    pid_t before = restart(&program);
    /* Beside "." and ".." the main thread and that of the client stay, and maybe one of the pool.
     */
    for (int i = 0; i < 100 && count_entries(before, "task") > 4; i++) poll(NULL, 0, 10);
    struct pollfd ready = {client->fd, POLLIN, 0};
    ck_assert_int_eq(poll(&ready, 1, 100), 0); /* it has not been sent away */
    client_send(client, "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
    struct reply *reply = client_read(client, false);
    expect_body(reply, 0, FILE_BYTES);
    reply_free(reply);
    client_close(client);
    expect_gone(before);
    finish(&program);
}
END_TEST

/* --- Which sockets --- */

/* Of a process that is there: what whoever started it meant for the one before is not handed on. */
static void expect_clean_environment(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    FILE *file = fopen(path, "r");
    char *variable = NULL;
    size_t size = 0;
    while (file != NULL && getdelim(&variable, &size, '\0', file) > 0)
        ck_assert_msg(strncmp(variable, "LISTEN_", 7) != 0, "%s", variable);
    free(variable);
    if (file != NULL) fclose(file);
}

/* Those of systemd are handed on as well, and the new process knows nothing of LISTEN_FDS. */
START_TEST(given_sockets_are_handed_on) {
    char text[512];
    given_reset();
    unsigned port = given_add(given_socket(AF_INET, SOCK_STREAM));
    struct program program = given_start((const char *[]){"--loops", "3", NULL});
    read_text(program.err, text, sizeof text, true);
    given_close();
    for (int i = 0; i < 3; i++) {
        pid_t before = restart(&program);
        for (int k = 0; k < 6; k++) get_file(port);
        expect_clean_environment(program.pid);
        expect_gone(before);
    }
    finish(&program);
    ck_assert(!can_connect(port));
}
END_TEST

/* Nothing else is handed on, so that the last of many processes has no more open than the first;
 * one may still be about to close the pipe by which it told that it is ready. */
START_TEST(descriptors_do_not_gather) {
    struct program program = start((const char *[]){"--loops", "2", "--log", "common", NULL});
    expect_gone(restart(&program));
    unsigned first = count_entries(program.pid, "fd");
    for (int i = 0; i < 4; i++) expect_gone(restart(&program));
    ck_assert_uint_le(count_entries(program.pid, "fd"), first + 1);
    finish(&program);
}
END_TEST

/* --- What goes wrong --- */

static void expect_failed_restart(struct program *program, const char *first, const char *end) {
    char text[512];
    int pid;
    ck_assert_int_eq(kill(program->pid, SIGUSR2), 0);
    read_text(program->err, text, sizeof text, true);
    ck_assert_msg(strncmp(text, first, strlen(first)) == 0, "%s", text);
    if (end == NULL) return;
    read_text(program->err, text, sizeof text, true);
    ck_assert_int_eq(sscanf(text, "eddy: process %d was to take over", &pid), 1);
    ck_assert_msg(strstr(text, end) != NULL, "%s", text);
}

static void replace_program(const char *target) {
    ck_assert_int_eq(unlink(link_path), 0);
    ck_assert_int_eq(symlink(target, link_path), 0);
}

/* The process goes on as if nothing had been, as often as it takes; when what was wrong has been
 * mended the next attempt succeeds. */
START_TEST(a_restart_that_fails_changes_nothing) {
    char moved[512];
    struct program program = start((const char *[]){"--loops", "2", NULL});
    path_in(moved, sizeof moved, base, "moved");
    replace_program("/nowhere/eddy");
    /* valgrind does not tell that there is nothing to execute. */
    for (int i = 0; i < 2 && getenv("EDDY_WRAPPER") == NULL; i++) {
        expect_failed_restart(&program, "eddy: cannot start ", NULL);
        get_file(program.port);
    }
    replace_program(original);
    ck_assert_int_eq(rename(root, moved), 0);
    expect_failed_restart(&program, "eddy: cannot serve ", " exit status 1; this one goes on\n");
    get_file(program.port);
    ck_assert_int_eq(rename(moved, root), 0);
    expect_gone(restart(&program));
    get_file(program.port);
    finish(&program);
}
END_TEST

/* A process that does not become ready is waited for, and stopped with the one that waits. */
START_TEST(a_stop_ends_a_restart_as_well) {
    static const char script[] = "#!/bin/sh\necho waits >&2\nexec sleep 100\n";
    char path[512], text[512];
    make_file(base, "script", script, sizeof script - 1);
    path_in(path, sizeof path, base, "script");
    ck_assert_int_eq(chmod(path, 0755), 0);
    struct program program = start((const char *[]){NULL});
    replace_program(path);
    expect_failed_restart(&program, "waits\n", NULL);
    ck_assert_int_eq(kill(program.pid, SIGUSR2), 0);
    read_text(program.err, text, sizeof text, true);
    const char *end = strstr(text, " is being started already\n");
    ck_assert_msg(end != NULL, "%s", text);
    get_file(program.port);
    finish(&program); /* its stderr ends when both have */
}
END_TEST

/* One that ends before it is ready, by itself or by a signal, is told of. */
START_TEST(the_end_of_a_new_process_is_told) {
    static const char exits[] = "#!/bin/sh\necho begun >&2\nexit 3\n";
    static const char dies[] = "#!/bin/sh\necho begun >&2\nkill -9 $$\n";
    char path[512];
    path_in(path, sizeof path, base, "script");
    struct program program = start((const char *[]){NULL});
    replace_program(path);
    make_file(base, "script", exits, sizeof exits - 1);
    ck_assert_int_eq(chmod(path, 0755), 0);
    expect_failed_restart(&program, "begun\n", " ended by exit status 3; this one goes on\n");
    make_file(base, "script", dies, sizeof dies - 1);
    expect_failed_restart(&program, "begun\n", " ended by signal 9; this one goes on\n");
    get_file(program.port);
    replace_program(original);
    expect_gone(restart(&program));
    finish(&program);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/restart");
    const TTest *const tests[] = {
        restarts_lose_no_connection,          restarts_of_two_loops_lose_no_connection,
        who_is_connected_is_answered,         loops_end_each_in_its_time,
        given_sockets_are_handed_on,          descriptors_do_not_gather,
        a_restart_that_fails_changes_nothing, a_stop_ends_a_restart_as_well,
        the_end_of_a_new_process_is_told,
    };
    TCase *tcase = tcase_create("restart");
    tcase_set_timeout(tcase, 100);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
