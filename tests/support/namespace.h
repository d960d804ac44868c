/* namespace.h: tests that need a system of their own: a small file system, another clock. Where the
 * system has no namespaces, or does not let us have one, the test says so and is passed over. */
#ifndef EDDY_TESTS_NAMESPACE_H
#define EDDY_TESTS_NAMESPACE_H

#include "system.h"

#include <stdio.h>
#include <string.h>

enum { NAMESPACE_REFUSED = 254 };

/* In a child that cannot have what it needs. */
static inline void namespace_refuse(void) {
    _exit(NAMESPACE_REFUSED);
}

/* As child_is_content, for a child that may have refused: false, with a word about it. */
static inline bool namespace_child_is_content(pid_t child, const char *wanted) {
    int status = 0;
    pid_t got;
    do got = waitpid(child, &status, 0);
    while (got < 0 && errno == EINTR);
    ck_assert_int_eq(got, child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NAMESPACE_REFUSED) {
        fprintf(stderr, "passed over: this system does not let us have %s\n", wanted);
        return false;
    }
    ck_assert_msg(WIFEXITED(status), "the child died of signal %d", WTERMSIG(status));
    ck_assert_msg(WEXITSTATUS(status) == 0, "the child failed a check, its line modulo 255 is %d",
                  WEXITSTATUS(status) - 1);
    return true;
}

#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static inline bool namespace_write(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t size = strlen(text);
    bool written = write(fd, text, size) == (ssize_t)size;
    close(fd);
    return written;
}

/* In a child: new namespaces of these kinds, as root in a new user namespace if it must be. */
static inline bool namespace_enter(int kinds) {
    char map[64];
    unsigned user = (unsigned)geteuid(), group = (unsigned)getegid();
    if (unshare(kinds) == 0) return true;
    if (unshare(CLONE_NEWUSER | kinds) < 0) return false;
    snprintf(map, sizeof map, "0 %u 1", user);
    if (!namespace_write("/proc/self/uid_map", map)) return false;
    (void)namespace_write("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", group);
    return namespace_write("/proc/self/gid_map", map);
}

/* In a child: a file system of so many bytes at `path`, seen by nobody else, gone with the child.
 */
static inline bool namespace_mount(const char *path, const char *options) {
    if (!namespace_enter(CLONE_NEWNS)) return false;
    if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0) return false;
    return mount("tmpfs", path, "tmpfs", 0, options) == 0;
}

/* In a child: the directory `path` becomes all that there is, seen by nobody else. */
static inline bool namespace_change_root(const char *path) {
    return namespace_enter(CLONE_NEWNS) && chroot(path) == 0 && chdir("/") == 0;
}

/* In a child: its own children find the monotonic clock so many seconds later. */
static inline bool namespace_set_clock(long long seconds) {
    char offset[64];
    if (!namespace_enter(CLONE_NEWTIME)) return false;
    snprintf(offset, sizeof offset, "monotonic %lld 0\nboottime %lld 0", seconds, seconds);
    return namespace_write("/proc/self/timens_offsets", offset);
}
#else
static inline bool namespace_mount(const char *path, const char *options) {
    (void)path, (void)options;
    return false;
}

static inline bool namespace_change_root(const char *path) {
    (void)path;
    return false;
}

static inline bool namespace_set_clock(long long seconds) {
    (void)seconds;
    return false;
}
#endif

#endif
