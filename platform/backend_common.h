/* backend_common.h: what the backends share: which descriptors can be watched, and the time to wait
 * in the units of the system's calls. */
#ifndef EDDY_PLATFORM_BACKEND_COMMON_H
#define EDDY_PLATFORM_BACKEND_COMMON_H

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

/* POSIX lets a system refuse to wait for more than 31 days (the BSDs did), and milliseconds in an
 * int end after 24.8. A longer wait ends after 24 days with nothing, and the loop waits again. */
#define BACKEND_TIMEOUT_MAX_NS (INT64_C(24) * 24 * 60 * 60 * 1000000000)

/* `timeout_ns` is not negative. */
static inline struct timespec backend_timespec(int64_t timeout_ns) {
    if (timeout_ns > BACKEND_TIMEOUT_MAX_NS) timeout_ns = BACKEND_TIMEOUT_MAX_NS;
    struct timespec time;
    time.tv_sec = (time_t)(timeout_ns / 1000000000);
    time.tv_nsec = (long)(timeout_ns % 1000000000);
    return time;
}

/* Rounds up: rounding down turns the last millisecond before a deadline into a spin of waits for
 * nothing. Without end stays without end. */
static inline int backend_timeout_ms(int64_t timeout_ns) {
    if (timeout_ns < 0) return -1;
    if (timeout_ns > BACKEND_TIMEOUT_MAX_NS) timeout_ns = BACKEND_TIMEOUT_MAX_NS;
    return (int)((timeout_ns + 999999) / 1000000);
}

/* What epoll refuses by itself and the other mechanisms call ready for ever, or worse: FreeBSD's
 * kqueue never stops telling that a regular file can be written. */
static inline int backend_check_watchable(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) return -errno;
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode))
        return -EPERM;
    return 0;
}

#endif
