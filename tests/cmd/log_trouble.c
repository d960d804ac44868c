/* The log of eddy serve where it cannot be written, and goes on: a reader that has stalled or has
 * gone, a full disk, a file that is opened anew. */
#include "log.h"

#define FULL "/dev/full" /* not every system has one */

static char log_path[256], other_path[256];

static void setup(void) {
    log_setup();
    snprintf(log_path, sizeof log_path, "%s/access.log", root);
    snprintf(other_path, sizeof other_path, "%s/access.log.1", root);
}

static struct program serve_into_file(const char *loops) {
    return serve_aloud(
        (const char *[]){"--log", "common", "--loops", loops, "--log-file", log_path, NULL});
}

static void ask_times(unsigned port, unsigned count) {
    for (unsigned i = 0; i < count; i++) ck_assert_int_eq(ask_status(port, "/file.txt"), 200);
}

/* --- The reader --- */

/* 400 KB, of which a pipe takes 64 KiB. */
static void ask_long(unsigned port, unsigned count) {
    char path[2001] = "/";
    memset(path + 1, 'a', sizeof path - 2);
    for (unsigned i = 0; i < count; i++) ck_assert_int_eq(ask_status(port, path), 404);
}

/* A reader of the log that has stalled holds up no client, and not the end either, though the pool
 * has one thread for files. What could not be written then is told. */
START_TEST(a_stalled_log_holds_up_nobody) {
    unsigned lost = 0;
    char said[256];
    struct program program = serve_aloud((const char *[]){"--log", "common", "--pool-threads", "1",
                                                          "--cache", "--loops", "1", NULL});
    ask_long(program.port, 200);
    ask_times(program.port, 1);
    int64_t start_ns = test_now_ns();
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    read_text(program.err, said, sizeof said, false);
    ck_assert_int_lt(test_now_ns() - start_ns, 8 * EDDY_NS_PER_S);
    ck_assert_int_eq(sscanf(said, "eddy: %u lines of the log were lost\n", &lost), 1);
    ck_assert(lost > 100 && lost <= 201);
    ck_assert_int_eq(program_wait(&program), 0);
}
END_TEST

/* Nobody reads stderr either, as the same pipe is both. */
START_TEST(a_stalled_stderr_holds_up_nobody) {
    struct program program = serve_aloud((const char *[]){"--log", "common", "--loops", "2", NULL});
    int writing = -1;
#ifdef __linux__
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/2", (int)program.pid);
    writing = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
#endif
    if (writing >= 0) {
        static const char filling[4096];
        while (write(writing, filling, sizeof filling) > 0) continue;
        close(writing);
        ask_long(program.port, 1200); /* more than there is memory for */
        ask_times(program.port, 5);
    }
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* What waited while the reader had stalled comes when it reads again, all of it and in order, also
 * where somebody has made the pipe non-blocking. */
static void stall_and_go_on(int flags) {
    enum { LINES = 300 };
    int ends[2];
    struct log_reader reader;
    ck_assert_int_eq(pipe(ends), 0);
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFL, flags);
    program_stdout = ends[1];
    struct program program = serve_aloud((const char *[]){"--log", "common", NULL});
    close(ends[1]);
    struct client *client = client_open(program.port);
    static unsigned char seen[LINES];
    memset(seen, 0, sizeof seen);
    ask_numbered(client, 0, 0, LINES);
    client_close(client);
    log_reader_start(&reader, ends[0]);
    end_saying(&program, "");
    char *text = log_reader_end(&reader);
    count_numbered(text, seen, 1, LINES);
    for (size_t i = 0; i < LINES; i++) ck_assert_uint_eq(seen[i], 1);
    free(text);
    close(ends[0]);
}

START_TEST(a_full_pipe_that_is_read_again_gets_all) {
    stall_and_go_on(0);
    stall_and_go_on(O_NONBLOCK);
}
END_TEST

/* The log's reader is gone: that is said once, and the serving goes on. */
START_TEST(the_log_may_lose_its_reader) {
    struct program program = serve_aloud((const char *[]){"--log", "common", "--loops", "2", NULL});
    close(program.out);
    program.out = dup(program.err);
    ask_times(program.port, 20);
    end_saying(&program, "eddy: the log ends here, stdout failed: Broken pipe\n");
}
END_TEST

/* Lines for which there is no room are counted: those and the ones that came make all. */
START_TEST(lines_that_are_lost_are_counted) {
    enum { LINES = 1200 };
    char said[256];
    unsigned lost = 0;
    struct log_reader reader;
    struct program program = serve_aloud((const char *[]){"--log", "common", NULL});
    ask_long(program.port, LINES);
    expect_said(&program, "eddy: lines of the log are being lost, stdout is too slow or full\n");
    log_reader_start(&reader, program.out);
    read_text(program.err, said, sizeof said, true);
    ck_assert_int_eq(sscanf(said, "eddy: the log goes on, %u lines were lost\n", &lost), 1);
    ck_assert_uint_gt(lost, 0);
    ask_times(program.port, 1);
    end_saying(&program, "");
    char *text = log_reader_end(&reader);
    ck_assert_uint_eq(count_lines(text) + lost, LINES + 1);
    free(text);
}
END_TEST

/* --- The disk --- */

/* A full device is waited for, and told of once. The same log goes on in the file that then has its
 * name, with all that waited. */
START_TEST(a_full_device_is_waited_for) {
    if (access(FULL, W_OK) < 0) return;
    make_link(root, "access.log", FULL);
    struct program program = serve_into_file("2");
    char wanted[512];
    ask_times(program.port, 30);
    snprintf(wanted, sizeof wanted,
             "eddy: the log has to wait, %s failed: No space left on device\n", log_path);
    expect_said(&program, wanted);
    ask_times(program.port, 30);
    ck_assert_int_eq(unlink(log_path), 0);
    ck_assert_int_eq(kill(program.pid, SIGUSR1), 0);
    expect_said(&program, "eddy: the log goes on, 0 lines were lost\n");
    ask_times(program.port, 10);
    expect_file_lines(log_path, 70);
    end_saying(&program, "");
    ck_assert_uint_eq(file_lines(log_path), 70);
}
END_TEST

/* A device that stays full is no reason not to end. */
START_TEST(a_full_device_does_not_keep_the_program) {
    if (access(FULL, W_OK) < 0) return;
    make_link(root, "access.log", FULL);
    struct program program = serve_into_file("3");
    char wanted[512];
    ask_times(program.port, 7);
    snprintf(wanted, sizeof wanted,
             "eddy: the log has to wait, %s failed: No space left on device\n", log_path);
    expect_said(&program, wanted);
    int64_t start_ns = test_now_ns();
    end_saying(&program, "eddy: 7 lines of the log were lost\n");
    ck_assert_int_lt(test_now_ns() - start_ns, 8 * EDDY_NS_PER_S);
}
END_TEST

/* A write that ends in the middle of a line is followed by the rest of it, once there is room. */
START_TEST(a_line_that_was_cut_gets_its_rest) {
#ifdef __linux__
    enum { LINES = 50 };
    static unsigned char seen[LINES];
    struct program program = serve_into_file("1");
    struct rlimit limit, old;
    char wanted[512];
    ck_assert_int_eq(prlimit(program.pid, RLIMIT_FSIZE, NULL, &old), 0);
    limit = (struct rlimit){10001, old.rlim_max};
    ck_assert_int_eq(prlimit(program.pid, RLIMIT_FSIZE, &limit, NULL), 0);
    struct client *client = client_open(program.port);
    ask_numbered(client, 0, 0, LINES);
    client_close(client);
    snprintf(wanted, sizeof wanted, "eddy: the log has to wait, %s failed: File too large\n",
             log_path);
    expect_said(&program, wanted);
    struct stat stat_now;
    ck_assert_int_eq(stat(log_path, &stat_now), 0);
    ck_assert_int_eq(stat_now.st_size, 10001);
    ck_assert_int_eq(prlimit(program.pid, RLIMIT_FSIZE, &old, NULL), 0);
    expect_said(&program, "eddy: the log goes on, 0 lines were lost\n");
    end_saying(&program, "");
    char *text = file_text(log_path);
    count_numbered(text, seen, 1, LINES);
    for (size_t i = 0; i < LINES; i++) ck_assert_uint_eq(seen[i], 1);
    free(text);
#endif
}
END_TEST

/* In a new file it is whole; and whatever a file ends with, no line is glued to it. */
START_TEST(a_line_that_was_cut_is_whole_in_a_new_file) {
#ifdef __linux__
    enum { LINES = 50 };
    static unsigned char seen[LINES];
    make_file(root, "access.log", "cut", 3);
    struct program program = serve_into_file("1");
    struct rlimit limit, old;
    ck_assert_int_eq(prlimit(program.pid, RLIMIT_FSIZE, NULL, &old), 0);
    limit = (struct rlimit){10001, old.rlim_max};
    ck_assert_int_eq(prlimit(program.pid, RLIMIT_FSIZE, &limit, NULL), 0);
    struct client *client = client_open(program.port);
    ask_numbered(client, 0, 0, LINES);
    client_close(client);
    char said[512];
    read_text(program.err, said, sizeof said, true); /* that it has to wait */
    ck_assert_int_eq(rename(log_path, other_path), 0);
    make_file(root, "access.log", "also cut", 8);
    ck_assert_int_eq(kill(program.pid, SIGUSR1), 0);
    /* It has the new file before there is room in the old one. */
    struct stat stat_of = {.st_size = 8};
    for (int i = 0; i < 3000 && stat_of.st_size <= 8; i++) {
        poll(NULL, 0, 10);
        ck_assert_int_eq(stat(log_path, &stat_of), 0);
    }
    ck_assert_int_eq(prlimit(program.pid, RLIMIT_FSIZE, &old, NULL), 0);
    expect_said(&program, "eddy: the log goes on, 0 lines were lost\n");
    end_saying(&program, "");
    char *first = file_text(other_path), *second = file_text(log_path);
    ck_assert_int_eq(strncmp(first, "cut\n127.0.0.1 ", 14), 0);
    ck_assert_int_eq(strncmp(second, "also cut\n127.0.0.1 ", 19), 0);
    char *end = strrchr(first, '\n'); /* behind it, what was cut, or the rest if there was room */
    end[1] = '\0';
    count_numbered(first + 4, seen, 1, LINES);
    count_numbered(second + 9, seen, 1, LINES);
    for (size_t i = 0; i < LINES; i++) ck_assert_uint_eq(seen[i], 1);
    free(first);
    free(second);
#endif
}
END_TEST

/* --- The file --- */

/* As logrotate does it: each line is in one of the files, and whole. */
START_TEST(rotation_loses_no_line) {
    enum { ROTATIONS = 8, EACH = 200 };
    static unsigned char seen[ROTATIONS * EACH];
    char paths[ROTATIONS][300];
    struct program program = serve_into_file("2");
    struct client *clients[ROTATIONS];
    for (unsigned i = 0; i < ROTATIONS; i++) {
        clients[i] = client_open(program.port);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            ask_numbered(clients[i], i, 0, EACH);
            _exit(0);
        }
        snprintf(paths[i], sizeof paths[i], "%s.%u", log_path, i);
        ck_assert_int_eq(rename(log_path, paths[i]), 0);
        ck_assert_int_eq(kill(program.pid, SIGUSR1), 0);
        for (int wait = 0; wait < 2000 && access(log_path, F_OK) < 0; wait++) poll(NULL, 0, 5);
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    }
    for (unsigned i = 0; i < ROTATIONS; i++) client_close(clients[i]);
    struct stat made;
    ck_assert_int_eq(stat(log_path, &made), 0);
    ck_assert_uint_eq(made.st_mode & 0133, 0); /* 0644, and what umask leaves of it */
    end_saying(&program, "");
    unsigned files = 0;
    for (unsigned i = 0; i <= ROTATIONS; i++) {
        char *text = file_text(i < ROTATIONS ? paths[i] : log_path);
        ck_assert_ptr_nonnull(text);
        files += *text != '\0';
        count_numbered(text, seen, ROTATIONS, EACH);
        free(text);
    }
    ck_assert_uint_gt(files, 1);
    for (size_t i = 0; i < sizeof seen; i++)
        if (seen[i] != 1) ck_abort_msg("request %zu is in the log %u times", i, seen[i]);
}
END_TEST

/* What cannot be opened anew leaves the log where it was, and says so. */
START_TEST(a_file_that_cannot_be_opened_anew_is_kept) {
    char wanted[512], inner[200];
    make_directory(root, "logs");
    snprintf(inner, sizeof inner, "%s/logs", root);
    snprintf(log_path, sizeof log_path, "%s/access.log", inner);
    struct program program = serve_into_file("1");
    ask_times(program.port, 3);
    ck_assert_int_eq(rename(log_path, other_path), 0);
    ck_assert_int_eq(rmdir(inner), 0);
    ck_assert_int_eq(kill(program.pid, SIGUSR1), 0);
    snprintf(wanted, sizeof wanted,
             "eddy: the log stays with its old file, %s failed: No such file or directory\n",
             log_path);
    expect_said(&program, wanted);
    ask_times(program.port, 3);
    expect_file_lines(other_path, 6);
    end_saying(&program, "");
}
END_TEST

/* Without a file there is nothing to be opened, and without a log neither; and it does not end. */
START_TEST(a_signal_without_a_file_does_nothing) {
    struct program program = serve_aloud((const char *[]){"--log", "common", NULL});
    ck_assert_int_eq(kill(program.pid, SIGUSR1), 0);
    ask_times(program.port, 3);
    end_saying(&program, "");
    program = serve_aloud((const char *[]){NULL});
    ck_assert_int_eq(kill(program.pid, SIGUSR1), 0);
    ask_times(program.port, 3);
    end_saying(&program, "");
}
END_TEST

/* What cannot be opened at the start is the end of it. */
START_TEST(a_log_that_cannot_be_opened_ends_the_program) {
    char said[512], wanted[512];
    snprintf(log_path, sizeof log_path, "%s/no/such/log", root);
    const char *const into_file[] = {"serve",      "--port", "0",  "--log", "json",
                                     "--log-file", log_path, root, NULL};
    struct program program = program_start(into_file);
    snprintf(wanted, sizeof wanted, "eddy: cannot open %s: No such file or directory\n", log_path);
    read_text(program.err, said, sizeof said, false);
    ck_assert_str_eq(said, wanted);
    ck_assert_int_eq(program_wait(&program), 1);
    snprintf(log_path, sizeof log_path, "%s/fifo", root); /* nobody reads it */
    ck_assert_int_eq(mkfifo(log_path, 0600), 0);
    program = program_start(into_file);
    snprintf(wanted, sizeof wanted, "eddy: cannot open %s: ", log_path);
    read_text(program.err, said, sizeof said, false);
    ck_assert_int_eq(strncmp(said, wanted, strlen(wanted)), 0);
    ck_assert_int_eq(program_wait(&program), 1);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("log trouble");
    const TTest *const tests[] = {
        a_stalled_log_holds_up_nobody,
        a_stalled_stderr_holds_up_nobody,
        a_full_pipe_that_is_read_again_gets_all,
        the_log_may_lose_its_reader,
        lines_that_are_lost_are_counted,
        a_full_device_is_waited_for,
        a_full_device_does_not_keep_the_program,
        a_line_that_was_cut_gets_its_rest,
        a_line_that_was_cut_is_whole_in_a_new_file,
        rotation_loses_no_line,
        a_file_that_cannot_be_opened_anew_is_kept,
        a_signal_without_a_file_does_nothing,
        a_log_that_cannot_be_opened_ends_the_program,
    };
    TCase *tcase = tcase_create("log trouble");
    tcase_set_timeout(tcase, 100);
    tcase_add_checked_fixture(tcase, setup, log_teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
