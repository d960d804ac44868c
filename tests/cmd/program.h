/* program.h: the `eddy` program as a child process: starting it, its output, its end.
 * EDDY_PROGRAM names the binary; EDDY_WRAPPER, if set, what it is run by ("valgrind …"). */
#ifndef EDDY_TESTS_PROGRAM_H
#define EDDY_TESTS_PROGRAM_H

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct program {
    pid_t pid;
    int out, err; /* the reading ends of its pipes */
    unsigned port;
};

enum { ARGUMENTS_MAX = 64 };

/* If not 0, how many descriptors a program that is started may have; it cannot raise that. */
static unsigned descriptors_allowed;

/* If not -1, what a program that is started has as its stdout, in place of a pipe to `out`. */
static int program_stdout = -1;

/* If not NULL, called in the child before a program is started: what is open then it has, too. */
static void (*program_prepare)(void);

static inline void close_from(int first) {
    for (int fd = first; fd < 64; fd++) close(fd);
}

/* Splits EDDY_WRAPPER at its spaces, in place. */
static inline int wrapper_arguments(char *text, char **arguments) {
    int count = 0;
    for (char *word = strtok(text, " "); word != NULL && count < 8; word = strtok(NULL, " "))
        arguments[count++] = word;
    return count;
}

static inline void program_exec(const char *const *arguments) {
    char *all[ARGUMENTS_MAX + 10];
    const char *wrapper = getenv("EDDY_WRAPPER");
    int count = wrapper != NULL ? wrapper_arguments(strdup(wrapper), all) : 0;
    all[count++] = getenv("EDDY_PROGRAM");
    for (int i = 0; arguments[i] != NULL; i++) all[count++] = (char *)(uintptr_t)arguments[i];
    all[count] = NULL;
    execvp(all[0], all);
    _exit(127);
}

/* Starts `eddy` with arguments up to a NULL. */
static inline struct program program_start(const char *const *arguments) {
    int out[2], err[2];
    struct program program = {0};
    ck_assert_msg(getenv("EDDY_PROGRAM") != NULL, "EDDY_PROGRAM does not name the binary");
    ck_assert_int_eq(pipe(out), 0);
    ck_assert_int_eq(pipe(err), 0);
    program.pid = fork();
    ck_assert_int_ge(program.pid, 0);
    if (program.pid == 0) {
        dup2(program_stdout >= 0 ? program_stdout : out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        if (program_prepare != NULL)
            program_prepare();
        else
            close_from(3);
        struct rlimit limit = {descriptors_allowed, descriptors_allowed};
        if (descriptors_allowed > 0) setrlimit(RLIMIT_NOFILE, &limit);
        program_exec(arguments);
    }
    close(out[1]);
    close(err[1]);
    program.out = out[0];
    program.err = err[0];
    fcntl(program.out, F_SETFD, FD_CLOEXEC);
    fcntl(program.err, F_SETFD, FD_CLOEXEC);
    return program;
}

/* Reads up to the end, or up to the first '\n' if `line`; gives up after 30 s. Ends the text. */
static inline size_t read_text(int fd, char *text, size_t size, bool line) {
    size_t length = 0;
    int64_t end_ns = test_now_ns() + 30 * EDDY_NS_PER_S;
    while (length + 1 < size && !(line && length > 0 && text[length - 1] == '\n')) {
        struct pollfd ready = {fd, POLLIN, 0};
        ck_assert_msg(test_now_ns() < end_ns, "the program does not write what it should");
        if (poll(&ready, 1, 1000) < 1) continue;
        ssize_t got = read(fd, text + length, line ? 1 : size - 1 - length);
        if (got == 0) break;
        ck_assert_int_gt(got, 0);
        length += (size_t)got;
    }
    text[length] = '\0';
    return length;
}

/* Waits for its end, which must come within 30 s, and returns its exit status. */
static inline int program_wait(struct program *program) {
    int status = 0;
    for (int i = 0; i < 3000; i++) {
        pid_t ended = waitpid(program->pid, &status, WNOHANG);
        if (ended == program->pid) {
            close(program->out);
            close(program->err);
            ck_assert_msg(WIFEXITED(status), "the program was ended by signal %d",
                          WTERMSIG(status));
            return WEXITSTATUS(status);
        }
        poll(NULL, 0, 10);
    }
    kill(program->pid, SIGKILL);
    ck_abort_msg("the program does not end");
}

static inline int program_stop(struct program *program, int number) {
    ck_assert_int_eq(kill(program->pid, number), 0);
    return program_wait(program);
}

/* Hands what comes from `from` on: the first line to `banner`, the rest to our stderr, where a
 * sanitizer's report is of use though the test may have failed. Returns at the end. */
static inline void relay(int from, int banner) {
    char bytes[4096];
    bool is_banner = true;
    ssize_t got;
    while ((got = read(from, bytes, is_banner ? 1 : sizeof bytes)) > 0) {
        if (write(is_banner ? banner : STDERR_FILENO, bytes, (size_t)got) < 0) continue;
        if (is_banner && bytes[0] == '\n') {
            close(banner);
            is_banner = false;
        }
    }
}

/* Takes the first line of what the program says from its stderr. */
static inline void read_banner(struct program *program, char *banner, size_t size) {
    int line[2];
    ck_assert_int_eq(pipe(line), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        close(line[0]);
        close(program->out);
        relay(program->err, line[1]);
        _exit(0);
    }
    close(line[1]);
    read_text(line[0], banner, size, true);
    close(line[0]);
}

/* Starts `eddy serve` of `directory` on a free port and the backend under test, with `extra`
 * options (NULL, or ended by NULL), and learns the port from what it prints. */
static inline struct program serve_start(const char *directory, const char *const *extra) {
    const char *arguments[ARGUMENTS_MAX] = {"serve", "--port", "0"};
    int count = 3;
    if (test_backend != NULL) {
        arguments[count++] = "--backend";
        arguments[count++] = test_backend;
    }
    for (int i = 0; extra != NULL && extra[i] != NULL; i++) arguments[count++] = extra[i];
    arguments[count++] = directory;
    struct program program = program_start(arguments);
    char banner[512];
    read_banner(&program, banner, sizeof banner);
    const char *address = strstr(banner, "http://");
    ck_assert_msg(address != NULL, "no address in \"%s\"", banner);
    const char *colon = strrchr(address, ':');
    ck_assert_ptr_nonnull(colon);
    program.port = (unsigned)strtoul(colon + 1, NULL, 10);
    ck_assert_uint_gt(program.port, 0);
    return program;
}

/* --- Directories to serve --- */

static inline void remove_tree(const char *path) {
    char command[512];
    snprintf(command, sizeof command, "chmod -R u+rwx '%s' && rm -rf '%s'", path, path);
    if (system(command) != 0) fprintf(stderr, "%s was not removed\n", path);
}

/* Makes an empty directory; `path` has room for 128 bytes. */
static inline void make_tree(char *path) {
    const char *base = getenv("TMPDIR");
    snprintf(path, 128, "%s/eddy-test-XXXXXX", base != NULL ? base : P_tmpdir);
    ck_assert_ptr_nonnull(mkdtemp(path));
}

static inline void path_in(char *path, size_t size, const char *directory, const char *name) {
    int length = snprintf(path, size, "%s/%s", directory, name);
    ck_assert_int_lt(length, (int)size);
}

static inline void make_directory(const char *directory, const char *name) {
    char path[512];
    path_in(path, sizeof path, directory, name);
    ck_assert_int_eq(mkdir(path, 0755), 0);
}

static inline void make_link(const char *directory, const char *name, const char *target) {
    char path[512];
    path_in(path, sizeof path, directory, name);
    ck_assert_int_eq(symlink(target, path), 0);
}

static inline void make_file(const char *directory, const char *name, const void *data,
                             size_t size) {
    char path[512];
    path_in(path, sizeof path, directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
    for (size_t done = 0; done < size;) {
        ssize_t written = write(fd, (const char *)data + done, size - done);
        ck_assert_int_gt(written, 0);
        done += (size_t)written;
    }
    struct timespec times[2]; /* as if it had been there for a while: its tag stays what it is */
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= 10;
    times[1] = times[0];
    ck_assert_int_eq(futimens(fd, times), 0);
    close(fd);
}

/* Bytes that differ from place to place, so that a piece in the wrong place shows. */
static inline unsigned char pattern_byte(uint64_t offset) {
    return (unsigned char)((offset * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

static inline void make_pattern(const char *directory, const char *name, size_t size) {
    unsigned char *data = malloc(size + 1);
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < size; i++) data[i] = pattern_byte(i);
    make_file(directory, name, data, size);
    free(data);
}

#endif
