/* reopen.c: a descriptor whose description others share, opened once more. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* O_DIRECT makes a pipe of packets, where that is known. */
#ifdef O_DIRECT
enum { REOPEN_KEPT = O_ACCMODE | O_APPEND | O_DIRECT };
#else
enum { REOPEN_KEPT = O_ACCMODE | O_APPEND };
#endif

#ifdef __linux__
/* Opens it by the name that Linux gives to each descriptor. Without printf, which would be the only
 * one in many a program. */
static int reopen_by_number(int fd, int flags) {
    char path[sizeof "/proc/self/fd/" + 10] = "/proc/self/fd/";
    unsigned power = 1, rest = (unsigned)fd;
    while (rest / power >= 10) power *= 10;
    for (size_t at = strlen(path); power > 0; power /= 10)
        path[at++] = (char)('0' + rest / power % 10);
    return open(path, flags);
}
#endif

/* Only Linux opens a file anew by /proc/self/fd; elsewhere such a name is a duplicate, which shares
 * the description. Terminals have a name of their own. */
static int reopen_by_name(int fd, bool is_terminal, int flags) {
    char path[PATH_MAX];
    int opened = -1;
    errno = ENOTSUP;
#ifdef __linux__
    opened = reopen_by_number(fd, flags);
#endif
    if (opened < 0 && is_terminal && ttyname_r(fd, path, sizeof path) == 0)
        opened = open(path, flags);
    return opened < 0 ? -errno : opened;
}

static bool reopen_is_same(const struct stat *before, int fd) {
    struct stat now;
    return fstat(fd, &now) == 0 && now.st_dev == before->st_dev && now.st_ino == before->st_ino &&
           now.st_rdev == before->st_rdev;
}

/* A FIFO that is opened after its last writer has gone waits for another one, and would never tell
 * the end that the first description has. Test:
 * the_end_of_a_fifo_is_told_though_it_was_opened_anew.
 */
static bool reopen_has_lost_end(int fd, int flags) {
    struct pollfd before = {.fd = fd, .events = POLLIN};
    if ((flags & O_ACCMODE) != O_RDONLY) return false;
    return poll(&before, 1, 0) > 0 && (before.revents & POLLHUP);
}

/* Devices may do anything when they are opened, and a pty's master would be another pty's. */
int eddy_os_reopen(int fd) {
    struct stat status;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &status) < 0) return -errno;
    bool is_terminal = S_ISCHR(status.st_mode) && isatty(fd) && !eddy_os_is_pty_master(fd);
    if (!S_ISFIFO(status.st_mode) && !is_terminal) return -ENOTSUP;
    flags = (flags & REOPEN_KEPT) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int opened = reopen_by_name(fd, is_terminal, flags);
    if (opened < 0) return opened;
    if (reopen_is_same(&status, opened) && !reopen_has_lost_end(fd, flags)) return opened;
    eddy_os_close(opened);
    return -ENOTSUP;
}
