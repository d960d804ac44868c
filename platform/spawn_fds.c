/* spawn_fds.c: the descriptors of a child, in the child; see spawn_plan.h for what it may do.
 * Invariant: what the map still has to copy, and the status pipe, is never at a number that the map
 * has yet to fill. */
#include "spawn_plan.h"

#include "missing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "eddy_config.h"

#ifdef __linux__ /* its system calls have numbers that programs may use */
#include <dirent.h>
#include <sys/syscall.h>
#endif

enum { FIRST_OTHER = 3, UNLIMITED_MAX = 65536 }; /* those below are inherited */

/* --- The map --- */

static bool map_has(const struct spawn *spawn, int number) {
    unsigned low = 0, high = spawn->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (spawn->map[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < spawn->count && spawn->map[low].number == number;
}

/* A copy at a number that the map does not fill. Not merely above the map's: there may be no room
 * up to the limit. */
static int copy_aside(const struct spawn *spawn, int fd) {
    for (int from = 0;; from++) {
        while (map_has(spawn, from)) from++;
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, from);
        if (copy < 0) return -errno;
        if (!map_has(spawn, copy)) return copy;
        close(copy);
        from = copy;
    }
}

/* Linux: by the system call, as ThreadSanitizer notes each dup2 in the parent's memory. */
static int copy_to(int fd, int number) {
    int result;
    do {
#ifdef SYS_dup3
        result = (int)syscall(SYS_dup3, fd, number, 0);
#else
        result = dup2(fd, number);
#endif
    } while (result < 0 && (errno == EINTR || errno == EBUSY));
    return result < 0 ? -errno : 0;
}

static int place_map(struct spawn *spawn) {
    if (map_has(spawn, spawn->status)) {
        int copy = copy_aside(spawn, spawn->status);
        if (copy < 0) return copy;
        spawn->status = copy;
    }
    for (unsigned i = 0; i < spawn->count; i++) {
        struct eddy_os_child_fd *it = &spawn->map[i];
        if (it->fd == it->number || !map_has(spawn, it->fd)) continue;
        int copy = copy_aside(spawn, it->fd);
        if (copy < 0) return copy;
        it->fd = copy;
    }
    for (unsigned i = 0; i < spawn->count; i++) {
        const struct eddy_os_child_fd *it = &spawn->map[i];
        int err = it->fd != it->number ? copy_to(it->fd, it->number) : 0;
        if (err < 0) return err;
        if (it->fd == it->number && fcntl(it->fd, F_SETFD, 0) < 0) return -errno;
    }
    return 0;
}

/* --- All others --- */

static void hide(const struct spawn *spawn, int fd) {
    if (fd >= FIRST_OTHER && !map_has(spawn, fd)) (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

#ifdef SYS_close_range
enum { RANGE_HIDE = 4 }; /* CLOSE_RANGE_CLOEXEC, since Linux 5.11: before, EINVAL */

static bool hide_range(unsigned first, unsigned last) {
    return first > last || syscall(SYS_close_range, first, last, RANGE_HIDE) == 0;
}

/* The gaps between the numbers of the map. */
static bool hide_ranges(const struct spawn *spawn) {
    unsigned first = FIRST_OTHER;
    for (unsigned i = 0; i < spawn->count; i++) {
        unsigned number = (unsigned)spawn->map[i].number;
        if (number < first) continue;
        if (number > first && !hide_range(first, number - 1)) return false;
        first = number + 1;
    }
    return hide_range(first, UINT_MAX);
}
#else
static bool hide_ranges(const struct spawn *spawn) {
    (void)spawn;
    return false;
}
#endif

#ifdef __linux__ /* it lists them */
static int number_of(const char *name) {
    int number = 0;
    for (; *name >= '0' && *name <= '9'; name++) number = number * 10 + (*name - '0');
    return *name == '\0' ? number : -1;
}

static bool hide_listed(const struct spawn *spawn) {
    _Alignas(struct dirent) char records[2048];
    int dir =
        (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (dir < 0) return false;
    long count;
    while ((count = syscall(SYS_getdents64, dir, records, sizeof records)) > 0) {
        for (long at = 0; at < count;) {
            const struct dirent *entry = (const void *)(records + at);
            hide(spawn, number_of(entry->d_name));
            at += entry->d_reclen;
        }
    }
    return count == 0;
}
#else
static bool hide_listed(const struct spawn *spawn) {
    (void)spawn;
    return false;
}
#endif

static void hide_each(const struct spawn *spawn) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) limit.rlim_cur = RLIM_INFINITY;
    /* Without a limit nobody can try them all. */
    long end = limit.rlim_cur < INT_MAX ? (long)limit.rlim_cur : UNLIMITED_MAX;
    for (int fd = FIRST_OTHER; fd < end; fd++) hide(spawn, fd);
}

int eddy_os_spawn_place(struct spawn *spawn) {
    int err = place_map(spawn);
    if (err < 0 || spawn->options->flags & EDDY_CHILD_KEEP_FDS) return err;
    if (!hide_ranges(spawn) && !hide_listed(spawn)) hide_each(spawn);
    return 0;
}
