/* system.h: what tests ask of the system beside the library: descriptors, limits, children. */
#ifndef EDDY_TESTS_SYSTEM_H
#define EDDY_TESTS_SYSTEM_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How many of the descriptors below `limit` are open. */
static inline int descriptors_open(int limit) {
    int count = 0;
    for (int fd = 0; fd < limit; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Raises the limit of descriptors as far as `wanted`, if it may; returns what it is then. */
static inline int descriptors_allow(int wanted) {
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t need = (rlim_t)wanted;
    if (limit.rlim_cur < need) {
        limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    return limit.rlim_cur > need ? wanted : (int)limit.rlim_cur;
}

static inline void put(int fd, const char *text) {
    size_t size = 0;
    while (text[size] != 0) size++;
    ck_assert_int_eq((int)write(fd, text, size), (int)size);
}

/* Reads until there is nothing; returns the bytes, with a flag for the end. */
static inline int drain(int fd, bool *end) {
    char data[4096];
    int total = 0;
    if (end != NULL) *end = false;
    for (;;) {
        ssize_t got = read(fd, data, sizeof data);
        if (got > 0) total += (int)got;
        if (got == 0 && end != NULL) *end = true;
        if (got <= 0) return total;
    }
}

/* Writes until the descriptor takes no more. */
static inline int fill(int fd) {
    static const char data[4096];
    int total = 0;
    for (;;) {
        ssize_t put_bytes = write(fd, data, sizeof data);
        if (put_bytes <= 0) put_bytes = write(fd, data, 1);
        if (put_bytes <= 0) return total;
        total += (int)put_bytes;
    }
}

static inline void close_both(const int ends[2]) {
    close(ends[0]);
    close(ends[1]);
}

static inline void sleep_ns(int64_t time_ns) {
    struct timespec rest = {(time_t)(time_ns / 1000000000), (long)(time_ns % 1000000000)};
    while (nanosleep(&rest, &rest) < 0 && errno == EINTR) continue;
}

/* Waits for a child and asserts that it was content: it exits with 0, or with the line that it
 * was not content with. */
static inline void child_is_content(pid_t child) {
    int status = 0;
    pid_t got;
    do got = waitpid(child, &status, 0);
    while (got < 0 && errno == EINTR);
    ck_assert_int_eq(got, child);
    ck_assert_msg(WIFEXITED(status), "the child died of signal %d", WTERMSIG(status));
    ck_assert_msg(WEXITSTATUS(status) == 0, "the child failed a check, its line modulo 255 is %d",
                  WEXITSTATUS(status) - 1);
}

/* In a child, where the test framework's own asserts would answer for the parent. */
#define child_assert(condition)                      \
    do {                                             \
        if (!(condition)) _exit(1 + __LINE__ % 255); \
    } while (0)

/* A generator that gives the same numbers everywhere for a seed. */
static inline unsigned random_below(unsigned long long *state, unsigned limit) {
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((*state >> 33) % limit);
}

#endif
