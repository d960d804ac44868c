/* calls.c: see calls.h. */
#include "calls.h"

#include <stdarg.h>
#include <sys/event.h>

struct calls calls;

static bool fails(enum call call) {
    calls.made[call]++;
    if (calls.kind != CALL_ANY && calls.kind != call) return false;
    if (calls.skip > 0) {
        calls.skip--;
        return false;
    }
    if (calls.failed >= calls.times) return false;
    calls.failed++;
    calls.last = call;
    errno = calls.error;
    return true;
}

#define DEFINE(type, name, parameters, arguments)        \
    type calls_##name parameters {                       \
        return fails(CALL_##name) ? -1 : name arguments; \
    }
#define DEFINE_THREAD(name, parameters, arguments)          \
    int calls_##name parameters {                           \
        return fails(CALL_##name) ? errno : name arguments; \
    }
CALLS(DEFINE)
THREAD_CALLS(DEFINE_THREAD)

int calls_close(int fd) {
    int result = close(fd);
    return fails(CALL_close) ? -1 : result;
}

int calls_fcntl(int fd, int command, int argument, ...) {
    return fails(CALL_fcntl) ? -1 : fcntl(fd, command, argument);
}

void *calls_mmap(void *at, size_t size, int rights, int how, int fd, off_t offset) {
    return fails(CALL_mmap) ? MAP_FAILED : mmap(at, size, rights, how, fd, offset);
}

int calls_clone_without;
void (*calls_clone_before)(void);

int calls_clone(int (*run)(void *), void *stack, int flags, void *argument, int *told) {
    if (fails(CALL_clone)) return -1;
    if (calls_clone_before != NULL) calls_clone_before();
    return clone(run, stack, flags & ~calls_clone_without, argument, told);
}

#define SYS_CACHESTAT (SYS_openat2 - 437 + 451) /* older headers have no name for it */

static enum call kind_of(long number) {
    switch (number) {
    case SYS_epoll_pwait2:
        return CALL_epoll_pwait2;
    case SYS_openat2:
        return CALL_openat2;
    case SYS_preadv2:
        return CALL_preadv2;
    case SYS_statx:
        return CALL_statx;
    case SYS_CACHESTAT:
        return CALL_cachestat;
    default:
        return CALL_syscall;
    }
}

static int arguments_of(long number) {
    switch (number) {
#ifdef SYS_pipe
    case SYS_pipe:
        return 1;
#endif
    case SYS_getdents64:
    case SYS_dup3:
    case SYS_close_range:
        return 3;
    case SYS_pidfd_open:
        return 2;
    case SYS_rt_sigaction:
    case SYS_openat:
    case SYS_openat2:
    case SYS_CACHESTAT:
    case SYS_prlimit64:
        return 4;
#ifdef SYS_io_uring_setup
    case SYS_io_uring_setup:
        return 2;
    case SYS_io_uring_register:
        return 4;
#endif
    case SYS_statx:
        return 5;
    default:
        return 6;
    }
}

long calls_syscall(long number, ...) {
    long it[6] = {0};
    va_list list;
    va_start(list, number);
    for (int i = 0; i < arguments_of(number); i++) it[i] = va_arg(list, long);
    va_end(list);
    if (fails(kind_of(number))) return -1;
    return syscall(number, it[0], it[1], it[2], it[3], it[4], it[5]);
}
