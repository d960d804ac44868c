/* descriptor.c: pipes and their like, and what all descriptors have in common. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "eddy_config.h"
#include "ioctl.h"
#include "missing.h"
#ifdef HAVE_EVENTFD
#include <sys/eventfd.h>
#endif
#ifdef __linux__ /* its system calls have numbers that programs may use */
#include <sys/syscall.h>
#endif

bool eddy_os_is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

int eddy_os_prepare_descriptor(int fd) {
    int status = fcntl(fd, F_GETFL);
    if (status < 0) return -errno;
    if (!(status & O_NONBLOCK) && fcntl(fd, F_SETFL, status | O_NONBLOCK) < 0) return -errno;
#ifdef F_SETNOSIGPIPE /* macOS and NetBSD, whose signal of a pipe is for any thread */
    (void)fcntl(fd, F_SETNOSIGPIPE, 1);
#endif
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0) return -errno;
    if (!(flags & FD_CLOEXEC) && fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0) return -errno;
    return 0;
}

/* Above the three that mean something to every program. */
enum { DUPLICATE_FIRST = 3 };

int eddy_os_duplicate(int fd) {
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, DUPLICATE_FIRST);
    return duplicate < 0 ? -errno : duplicate;
}

int eddy_os_lift(int fd) {
    if (fd < 0 || fd >= DUPLICATE_FIRST) return fd;
    int lifted = eddy_os_duplicate(fd);
    eddy_os_close(fd);
    return lifted;
}

int eddy_os_access_mode(int fd) {
    int status = fcntl(fd, F_GETFL);
    return status < 0 ? -errno : status & O_ACCMODE;
}

bool eddy_os_is_pty_master(int fd) {
#ifdef TIOCGPTN /* Linux; elsewhere a master without a slave reads the end */
    unsigned number;
    return ioctl(fd, (ioctl_request)TIOCGPTN, &number) == 0;
#else
    (void)fd;
    return false;
#endif
}

/* The C library's pipe() may be pipe2 as well, which has just been refused. */
static int pipe_plain(int ends[2]) {
#ifdef SYS_pipe
    return (int)syscall(SYS_pipe, ends);
#else
    return pipe(ends);
#endif
}

static int pipe_open(int ends[2]) {
#ifdef HAVE_PIPE2
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0) return 0;
    if (!call_is_missing(errno)) return -errno;
#endif
    /* Without pipe2 a child that another thread forks right now inherits both ends. */
    if (pipe_plain(ends) < 0) return -errno;
    int err = eddy_os_prepare_descriptor(ends[0]);
    if (err == 0) err = eddy_os_prepare_descriptor(ends[1]);
    if (err < 0) {
        eddy_os_close(ends[0]);
        eddy_os_close(ends[1]);
    }
    return err;
}

int eddy_os_pipe(int ends[2]) {
    int err = pipe_open(ends);
    if (err < 0) return err;
    ends[0] = eddy_os_lift(ends[0]);
    ends[1] = eddy_os_lift(ends[1]);
    err = ends[0] < 0 ? ends[0] : ends[1];
    if (err >= 0) return 0;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) eddy_os_close(ends[i]);
    return err;
}

int eddy_os_eventfd(void) {
#ifdef HAVE_EVENTFD
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : eddy_os_lift(fd);
#else
    return -ENOSYS;
#endif
}

ssize_t eddy_os_read(int fd, void *data, size_t size) {
    ssize_t count;
    do {
        count = read(fd, data, size);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

ssize_t eddy_os_write(int fd, const void *data, size_t size) {
    int before = errno; /* a signal handler must leave it as it was */
    ssize_t count;
    do {
        count = write(fd, data, size);
    } while (count < 0 && errno == EINTR);
    if (count < 0) count = -errno;
    errno = before;
    return count;
}

int eddy_os_close(int fd) {
    /* After EINTR the descriptor is gone on Linux and the BSDs, and its number may be another
     * thread's by now: closing again would close that one. */
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

int eddy_os_replace(int fd, int by) {
    int result;
    do {
#ifdef HAVE_DUP3
        result = dup3(by, fd, O_CLOEXEC);
#else
        result = dup2(by, fd);
#endif
    } while (result < 0 && (errno == EINTR || errno == EBUSY)); /* busy: another open takes `fd` */
    int err = result < 0 ? -errno : 0;
#ifndef HAVE_DUP3
    if (err == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) err = -errno;
#endif
    eddy_os_close(by);
    return err;
}
