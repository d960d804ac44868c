/* eddy serve --user: started by root, it goes on as somebody else. Where the tests are not run by
 * root only the errors are looked at. */
#include "log.h"

#include <grp.h>
#include <pwd.h>

static const struct passwd *nobody;

static void setup(void) {
    log_setup();
    ck_assert_int_eq(chmod(root, 0755), 0);
    nobody = getpwnam("nobody");
}

static bool is_root(void) {
    return geteuid() == 0 && nobody != NULL && nobody->pw_uid != 0;
}

static void give_up_root(void) {
    close_from(3);
    if (setgroups(0, NULL) < 0 || setgid(nobody->pw_gid) < 0 || setuid(nobody->pw_uid) < 0)
        _exit(126);
}

/* Whether that user gets to the program and to what is served, wherever the tests are run. */
static bool has_way(void) {
    int status = 1;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        give_up_root();
        _exit(access(getenv("EDDY_PROGRAM"), X_OK) < 0 || access(root, X_OK) < 0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status == 0;
}

/* What /proc says behind `name`, as "65534 65534 65534 65534 "; "" where there is none. */
static void read_status(pid_t pid, const char *name, char *text, size_t size) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    text[0] = '\0';
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) != 0) continue;
        for (char *word = strtok(line + strlen(name), " \t\n"); word != NULL;
             word = strtok(NULL, " \t\n")) {
            size_t used = strlen(text);
            snprintf(text + used, size - used, "%s ", word);
        }
    }
    if (file != NULL) fclose(file);
}

static void expect_status(pid_t pid, const char *name, const char *wanted) {
    char text[256];
    read_status(pid, name, text, sizeof text);
    if (access("/proc/self/status", R_OK) == 0) ck_assert_str_eq(text, wanted);
}

static void expect_user(pid_t pid, uid_t uid, gid_t gid, const char *groups) {
    char ids[128];
    unsigned number = (unsigned)uid;
    snprintf(ids, sizeof ids, "%u %u %u %u ", number, number, number, number);
    expect_status(pid, "Uid:", ids);
    number = (unsigned)gid;
    snprintf(ids, sizeof ids, "%u %u %u %u ", number, number, number, number);
    expect_status(pid, "Gid:", ids);
    if (groups != NULL) expect_status(pid, "Groups:", groups);
    expect_status(pid, "CapEff:", "0000000000000000 ");
    expect_status(pid, "CapPrm:", "0000000000000000 ");
}

/* All of its threads are that user, those of further loops and of the pool as well. */
static void expect_user_of_threads(pid_t pid, uid_t uid) {
    char command[256];
    unsigned threads = 0, others = 0;
    if (access("/proc/self/task", R_OK) < 0) return;
    snprintf(command, sizeof command,
             "awk '/^Uid:/ {n++; if ($2 != %u || $3 != %u || $4 != %u) other++} "
             "END {print n + 0, other + 0}' /proc/%d/task/*/status",
             (unsigned)uid, (unsigned)uid, (unsigned)uid, (int)pid);
    FILE *counts = popen(command, "r");
    ck_assert_ptr_nonnull(counts);
    ck_assert_int_eq(fscanf(counts, "%u %u", &threads, &others), 2);
    pclose(counts);
    ck_assert_uint_ge(threads, 3);
    ck_assert_uint_eq(others, 0);
}

/* --- Who it becomes --- */

/* A port that only root may have; 0: all are in use, or anybody may have them. */
static unsigned low_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned port = 1023; port > 900; port--) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        address.sin_port = htons((uint16_t)port);
        int err = bind(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (err == 0) return port;
    }
    return 0;
}

START_TEST(root_is_given_up) {
    char port[16], path[512];
    if (!is_root() || low_port() == 0) return;
    snprintf(port, sizeof port, "%u", low_port());
    make_file(root, "secret", "x", 1);
    path_in(path, sizeof path, root, "secret");
    ck_assert_int_eq(chmod(path, 0600), 0);
    struct program program =
        serve_start(root, (const char *[]){"-p", port, "--loops", "3", "--user", "nobody", NULL});
    ck_assert_uint_lt(program.port, 1024);
    expect_user(program.pid, nobody->pw_uid, nobody->pw_gid, NULL);
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    ck_assert_int_eq(ask_status(program.port, "/secret"), 403);
    expect_user_of_threads(program.pid, nobody->pw_uid);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* Numbers need no entry, and then there is one group; without --user nothing changes. */
START_TEST(numbers_will_do) {
    if (!is_root()) return;
    struct program program = serve_start(root, (const char *[]){"--user", "54321:12345", NULL});
    expect_user(program.pid, 54321, 12345, "12345 ");
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
    program = serve_start(root, NULL);
    char text[256];
    read_status(program.pid, "Uid:", text, sizeof text);
    if (text[0] != '\0') ck_assert_str_eq(text, "0 0 0 0 ");
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* Groups of root's do not stay. */
static void join_groups(void) {
    gid_t groups[] = {0, 4, 6};
    close_from(3);
    if (setgroups(3, groups) < 0) _exit(126);
}

START_TEST(groups_of_whoever_started_it_are_given_up) {
    if (!is_root()) return;
    program_prepare = join_groups;
    struct program program = serve_start(root, (const char *[]){"--user", "54321:12345", NULL});
    expect_user(program.pid, 54321, 12345, "12345 ");
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* Who runs it is that user already: it has nothing to give up, and needs no root. */
START_TEST(whoever_is_that_user_may_say_so) {
    if (!is_root()) return;
    if (!has_way()) return;
    program_prepare = give_up_root;
    struct program program = serve_start(root, (const char *[]){"--user", "nobody", NULL});
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* --- What it opens later --- */

/* The log is opened by root, belongs to the user where it is made, and is opened anew as the user;
 * the process that takes over is the user from the start, on the port that only root could have. */
START_TEST(the_user_goes_on_with_log_and_port) {
    char path[512], moved[512], port[16], text[512], wanted[512];
    struct stat stat;
    int next = 0;
    if (!is_root() || low_port() == 0 || !has_way()) return;
    make_directory(root, "logs");
    path_in(path, sizeof path, root, "logs");
    ck_assert_int_eq(chown(path, nobody->pw_uid, nobody->pw_gid), 0);
    path_in(path, sizeof path, root, "logs/log");
    path_in(moved, sizeof moved, root, "logs/moved");
    snprintf(port, sizeof port, "%u", low_port());
    struct program program = serve_aloud((const char *[]){
        "-p", port, "--log", "common", "--log-file", path, "--user", "nobody", NULL});
    ck_assert_int_eq(lstat(path, &stat), 0);
    ck_assert_uint_eq(stat.st_uid, nobody->pw_uid);
    ck_assert_int_eq(rename(path, moved), 0);
    ck_assert_int_eq(kill(program.pid, SIGUSR1), 0);
    for (int i = 0; i < 2000 && access(path, R_OK) < 0; i++) poll(NULL, 0, 10);
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    expect_file_lines(path, 1);
    ck_assert_int_eq(kill(program.pid, SIGUSR2), 0);
    read_text(program.err, text, sizeof text, true);
    ck_assert_msg(strncmp(text, "eddy: serving ", 14) == 0, "%s", text);
    read_text(program.err, text, sizeof text, true);
    ck_assert_int_eq(sscanf(text, "eddy: process %d has taken over\n", &next), 1);
    expect_user(next, nobody->pw_uid, nobody->pw_gid, NULL);
    ck_assert_int_eq(ask_status(program.port, "/file.txt"), 200);
    expect_file_lines(path, 2);
    ck_assert_int_eq(kill(next, SIGTERM), 0);
    read_text(program.err, wanted, sizeof wanted, false);
    ck_assert_str_eq(wanted, "");
    ck_assert_int_eq(program_wait(&program), 0);
}
END_TEST

/* Who has the log's directory could point the log at what only root may write to. */
START_TEST(no_link_leads_the_log_elsewhere) {
    char path[512], victim[512], text[512];
    struct stat stat;
    if (!is_root()) return;
    path_in(path, sizeof path, root, "log");
    path_in(victim, sizeof victim, root, "victim");
    ck_assert_int_eq(symlink(victim, path), 0);
    struct program program = program_start((const char *[]){
        "serve", "-p", "0", "--user", "nobody", "--log", "common", "--log-file", path, root, NULL});
    read_text(program.err, text, sizeof text, false);
    ck_assert_msg(strstr(text, "it is a link, and with --user none is followed") != NULL, "%s",
                  text);
    ck_assert_int_eq(program_wait(&program), 1);
    ck_assert_int_eq(lstat(victim, &stat), -1);
}
END_TEST

/* --- Errors --- */

static void expect_failure(const char *user, const char *message, int status) {
    char text[512];
    const char *const arguments[] = {"serve", "-p", "0", "--user", user, root, NULL};
    struct program program = program_start(arguments);
    read_text(program.err, text, sizeof text, false);
    ck_assert_msg(strstr(text, message) != NULL, "%s", text);
    ck_assert_int_eq(program_wait(&program), status);
}

START_TEST(who_it_cannot_become_is_told) {
    expect_failure("no-such-user", "--user: user \"no-such-user\": there is none of that name\n",
                   1);
    expect_failure("1:no-such-group", "--user: group \"no-such-group\": there is none of that", 1);
    expect_failure("54321", "user 54321 has no entry, so the group is needed: 54321:GROUP\n", 1);
    expect_failure("root", "\"root\" is root, which this option is there to give up\n", 1);
    expect_failure("0:1", "\"0\" is root, which this option is there to give up\n", 1);
    expect_failure("", "--user: \"\" is not a user or USER:GROUP, by name or number\n", 2);
    if (!is_root() || !has_way()) return;
    program_prepare = give_up_root;
    expect_failure("54321:12345",
                   "cannot become 54321:12345: Operation not permitted; --user is for a program "
                   "that root starts\n",
                   1);
}
END_TEST

/* A directory in which that user may see nothing would be served as nothing but errors. */
START_TEST(a_directory_that_is_closed_to_the_user_is_told) {
    char wanted[512];
    if (!is_root()) return;
    ck_assert_int_eq(chmod(root, 0700), 0);
    snprintf(wanted, sizeof wanted, "eddy: user nobody cannot serve %s: Permission denied\n", root);
    expect_failure("nobody", wanted, 1);
}
END_TEST

static void teardown(void) {
    program_prepare = NULL;
    log_teardown();
}

Suite *make_suite(void) {
    Suite *suite = suite_create("cmd/user");
    const TTest *const tests[] = {
        root_is_given_up,
        numbers_will_do,
        groups_of_whoever_started_it_are_given_up,
        whoever_is_that_user_may_say_so,
        the_user_goes_on_with_log_and_port,
        no_link_leads_the_log_elsewhere,
        who_it_cannot_become_is_told,
        a_directory_that_is_closed_to_the_user_is_told,
    };
    TCase *tcase = tcase_create("user");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
