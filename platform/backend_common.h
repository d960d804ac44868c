/* backend_common.h: what the backends share: which descriptors can be watched, the time to wait in
 * the units of the system's calls, and arrays that grow. */
#ifndef EDDY_PLATFORM_BACKEND_COMMON_H
#define EDDY_PLATFORM_BACKEND_COMMON_H

#include "backend.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* POSIX lets a system refuse to wait for more than 31 days (the BSDs did), and milliseconds in an
 * int end after 24.8. A longer wait ends after 24 days with nothing, and the loop waits again. */
enum { BACKEND_TIMEOUT_MAX_MS = 24 * 24 * 60 * 60 * 1000 };
#define BACKEND_TIMEOUT_MAX_NS (BACKEND_TIMEOUT_MAX_MS * INT64_C(1000000))

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
    uint64_t timeout_ms = ((uint64_t)timeout_ns + 999999) / 1000000;
    return timeout_ms < BACKEND_TIMEOUT_MAX_MS ? (int)timeout_ms : BACKEND_TIMEOUT_MAX_MS;
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

/* `array`, of `*capacity` items, made to hold `needed` of them, if it does not yet, the new ones
 * zero. NULL if there is no memory: then nothing has changed. */
static inline void *backend_reserve(const eddy_allocator *memory, void *array, unsigned *capacity,
                                    size_t needed, size_t item_bytes) {
    if (needed <= *capacity) return array;
    if (needed > UINT_MAX || needed > SIZE_MAX / item_bytes) return NULL;
    size_t old_bytes = *capacity * item_bytes;
    char *grown = memory->resize(memory->context, array, old_bytes, needed * item_bytes);
    if (grown == NULL) return NULL;
    memset(grown + old_bytes, 0, needed * item_bytes - old_bytes);
    *capacity = (unsigned)needed;
    return grown;
}

/* The same with room for more, so that growing by ones is not quadratic. */
static inline void *backend_grow(const eddy_allocator *memory, void *array, unsigned *capacity,
                                 size_t needed, size_t item_bytes) {
    if (needed <= *capacity) return array;
    size_t larger = *capacity < 32 ? 32 : (size_t)*capacity * 2;
    return backend_reserve(memory, array, capacity, larger < needed ? needed : larger, item_bytes);
}

static inline void backend_free(const eddy_allocator *memory, void *array, unsigned capacity,
                                size_t item_bytes) {
    if (array != NULL) memory->resize(memory->context, array, capacity * item_bytes, 0);
}

#endif
