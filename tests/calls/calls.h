/* calls.h: the system's calls as the files of platform/ make them, so that each can be made to
 * fail. The compiler reads it before such a file: it brings all the headers whose declarations the
 * macros at its end would change. The tests link a platform that was compiled so; their own calls
 * are the plain ones. Threading: one thread calls; `calls` is a global of the test. */
#ifndef EDDY_TESTS_CALLS_H
#define EDDY_TESTS_CALLS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct kevent; /* kqueue.c alone is to read its header, which on the double redirects a function */

/* CALL(type, name, parameters, arguments): those that tell an error by -1 and errno. */
#define CALLS(CALL)                                                                                \
    CALL(int, pipe, (int *ends), (ends))                                                           \
    CALL(int, pipe2, (int *ends, int flags), (ends, flags))                                        \
    CALL(int, eventfd, (unsigned count, int flags), (count, flags))                                \
    CALL(int, dup2, (int from, int to), (from, to))                                                \
    CALL(int, dup3, (int from, int to, int flags), (from, to, flags))                              \
    CALL(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))                       \
    CALL(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))                \
    CALL(int, open, (const char *path, int flags), (path, flags))                                  \
    CALL(int, openat, (int dir, const char *path, int flags, mode_t mode),                         \
         (dir, path, flags, mode))                                                                 \
    CALL(int, socket, (int family, int type, int protocol), (family, type, protocol))              \
    CALL(int, socketpair, (int family, int type, int protocol, int *ends),                         \
         (family, type, protocol, ends))                                                           \
    CALL(int, bind, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))           \
    CALL(int, listen, (int fd, int backlog), (fd, backlog))                                        \
    CALL(int, accept, (int fd, struct sockaddr *from, socklen_t *size), (fd, from, size))          \
    CALL(int, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags),                \
         (fd, from, size, flags))                                                                  \
    CALL(int, connect, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))        \
    CALL(int, shutdown, (int fd, int how), (fd, how))                                              \
    CALL(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),        \
         (fd, level, name, value, size))                                                           \
    CALL(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),             \
         (fd, level, name, value, size))                                                           \
    CALL(int, getsockname, (int fd, struct sockaddr *to, socklen_t *size), (fd, to, size))         \
    CALL(int, getpeername, (int fd, struct sockaddr *to, socklen_t *size), (fd, to, size))         \
    CALL(int, ioctl, (int fd, unsigned long what, void *value), (fd, what, value))                 \
    CALL(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))     \
    CALL(ssize_t, recvmsg, (int fd, struct msghdr *it, int flags), (fd, it, flags))                \
    CALL(ssize_t, send, (int fd, const void *data, size_t size, int flags),                        \
         (fd, data, size, flags))                                                                  \
    CALL(ssize_t, sendmsg, (int fd, const struct msghdr *it, int flags), (fd, it, flags))          \
    CALL(ssize_t, readv, (int fd, const struct iovec *it, int count), (fd, it, count))             \
    CALL(ssize_t, writev, (int fd, const struct iovec *it, int count), (fd, it, count))            \
    CALL(ssize_t, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at))        \
    CALL(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at)) \
    CALL(ssize_t, preadv, (int fd, const struct iovec *it, int count, off_t at),                   \
         (fd, it, count, at))                                                                      \
    CALL(ssize_t, pwritev, (int fd, const struct iovec *it, int count, off_t at),                  \
         (fd, it, count, at))                                                                      \
    CALL(ssize_t, sendfile, (int to, int fd, off_t *at, size_t size), (to, fd, at, size))          \
    CALL(int, fsync, (int fd), (fd))                                                               \
    CALL(int, fdatasync, (int fd), (fd))                                                           \
    CALL(int, ftruncate, (int fd, off_t size), (fd, size))                                         \
    CALL(int, fstat, (int fd, struct stat *it), (fd, it))                                          \
    CALL(int, fstatat, (int dir, const char *path, struct stat *it, int flags),                    \
         (dir, path, it, flags))                                                                   \
    CALL(int, fchmod, (int fd, mode_t mode), (fd, mode))                                           \
    CALL(int, fchmodat, (int dir, const char *path, mode_t mode, int flags),                       \
         (dir, path, mode, flags))                                                                 \
    CALL(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))                \
    CALL(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))                \
    CALL(int, renameat, (int from_dir, const char *from, int to_dir, const char *to),              \
         (from_dir, from, to_dir, to))                                                             \
    CALL(int, sigaction, (int number, const struct sigaction *it, struct sigaction *before),       \
         (number, it, before))                                                                     \
    CALL(int, sigprocmask, (int how, const sigset_t *it, sigset_t *before), (how, it, before))     \
    CALL(int, mprotect, (void *at, size_t size, int how), (at, size, how))                         \
    CALL(pid_t, waitpid, (pid_t pid, int *status, int how), (pid, status, how))                    \
    CALL(pid_t, setsid, (void), ())                                                                \
    CALL(int, setpgid, (pid_t pid, pid_t group), (pid, group))                                     \
    CALL(int, setpriority, (int which, id_t who, int value), ((unsigned)which, who, value))        \
    CALL(int, chdir, (const char *path), (path))                                                   \
    CALL(int, execve, (const char *path, char *const *arguments, char *const *environment),        \
         (path, arguments, environment))                                                           \
    CALL(int, tcgetattr, (int fd, struct termios *modes), (fd, modes))                             \
    CALL(int, tcsetattr, (int fd, int when, const struct termios *modes), (fd, when, modes))       \
    CALL(int, posix_openpt, (int flags), (flags))                                                  \
    CALL(int, grantpt, (int fd), (fd))                                                             \
    CALL(int, unlockpt, (int fd), (fd))                                                            \
    CALL(int, epoll_create1, (int flags), (flags))                                                 \
    CALL(int, epoll_ctl, (int set, int what, int fd, struct epoll_event *it), (set, what, fd, it)) \
    CALL(int, epoll_wait, (int set, struct epoll_event *events, int count, int timeout_ms),        \
         (set, events, count, timeout_ms))                                                         \
    CALL(int, poll, (struct pollfd * it, nfds_t count, int timeout_ms), (it, count, timeout_ms))   \
    CALL(int, ppoll,                                                                               \
         (struct pollfd * it, nfds_t count, const struct timespec *timeout, const sigset_t *mask), \
         (it, count, timeout, mask))                                                               \
    CALL(int, pselect,                                                                             \
         (int end, fd_set *in, fd_set *out, fd_set *other, const struct timespec *timeout,         \
          const sigset_t *mask),                                                                   \
         (end, in, out, other, timeout, mask))                                                     \
    CALL(int, kqueue, (void), ())                                                                  \
    CALL(int, kevent,                                                                              \
         (int queue, const struct kevent *changes, int changes_count, struct kevent *events,       \
          int events_count, const struct timespec *timeout),                                       \
         (queue, changes, changes_count, events, events_count, timeout))

/* The same for those that return the error itself. */
#define THREAD_CALLS(CALL)                                                                      \
    CALL(ttyname_r, (int fd, char *name, size_t size), (fd, name, size))                        \
    CALL(pthread_attr_init, (pthread_attr_t * it), (it))                                        \
    CALL(pthread_create,                                                                        \
         (pthread_t * thread, const pthread_attr_t *how, void *(*run)(void *), void *argument), \
         (thread, how, run, argument))                                                          \
    CALL(pthread_mutexattr_init, (pthread_mutexattr_t * it), (it))                              \
    CALL(pthread_mutexattr_settype, (pthread_mutexattr_t * it, int type), (it, type))           \
    CALL(pthread_mutex_init, (pthread_mutex_t * it, const pthread_mutexattr_t *how), (it, how)) \
    CALL(pthread_condattr_init, (pthread_condattr_t * it), (it))                                \
    CALL(pthread_condattr_setclock, (pthread_condattr_t * it, clockid_t clock), (it, clock))    \
    CALL(pthread_cond_init, (pthread_cond_t * it, const pthread_condattr_t *how), (it, how))

#define CALLS_NUMBER(type, name, parameters, arguments)  CALL_##name,
#define CALLS_THREAD_NUMBER(name, parameters, arguments) CALL_##name,
enum call {
    CALL_ANY,
    CALL_close, /* closes in any case, as Linux and the BSDs do */
    CALL_fcntl,
    CALL_syscall, /* any but these: */
    CALL_epoll_pwait2,
    CALL_openat2,
    CALL_preadv2,
    CALL_cachestat,
    CALL_statx,
    CALL_mmap,
    CALL_clone,
    CALLS(CALLS_NUMBER) THREAD_CALLS(CALLS_THREAD_NUMBER) CALLS_COUNT
};

/* The `skip`th and then `times` calls of the kind fail. */
struct calls {
    enum call kind;
    unsigned skip, times;
    int error;
    unsigned failed; /* so far */
    enum call last;  /* the one that failed last */
    unsigned made[CALLS_COUNT];
};
extern struct calls calls;

static inline void calls_refuse(enum call kind, unsigned times, int error) {
    calls = (struct calls){.kind = kind, .times = times, .error = error};
}

#define CALLS_DECLARE(type, name, parameters, arguments)  type calls_##name parameters;
#define CALLS_DECLARE_THREAD(name, parameters, arguments) int calls_##name parameters;
CALLS(CALLS_DECLARE)
THREAD_CALLS(CALLS_DECLARE_THREAD)
int calls_close(int fd);
int calls_fcntl(int fd, int command, int argument, ...);
long calls_syscall(long number, ...);
void *calls_mmap(void *at, size_t size, int rights, int how, int fd, off_t offset);
int calls_clone(int (*run)(void *), void *stack, int flags, void *argument, int *told);

/* What a clone loses of its flags, and what is done first. */
extern int calls_clone_without;
extern void (*calls_clone_before)(void);

#endif
