/* spawn_child.c: what a child does until it is its program; see spawn_plan.h for what it may do.
 * Invariant: all signals are blocked until every disposition is the child's own; the mask is
 * opened last, so that what is pending meets no handler of the parent. */
#include "spawn_plan.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eddy_config.h"

#ifdef __linux__ /* its C libraries' functions do more than the system calls: see below */
#include <sys/syscall.h>
#endif

enum { STATUS_FAILED = 127 };

/* --- Signals --- */

/* Linux: by the system call, as sanitizers keep a table of their own, in the parent's memory, and
 * as some signals are reserved by the C library, but may be ignored. Zero is SIG_DFL, no flags and
 * an empty mask on every architecture; SPARC's has other arguments. */
static void signal_reset(int number) {
#if defined(__linux__) && !defined(__sparc__)
    const unsigned long action[16] = {0};
    syscall(SYS_rt_sigaction, number, action, NULL, (size_t)(NSIG / 8));
#else
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigaction(number, &action, NULL);
#endif
}

static void child_reset_signals(const struct spawn *spawn) {
    bool keeps_ignored = spawn->options->flags & EDDY_CHILD_KEEP_SIGNALS;
    struct sigaction now;
    for (int number = 1; number < NSIG; number++) {
        bool is_ignored =
            keeps_ignored && sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
        if (!is_ignored) signal_reset(number);
    }
}

static int child_open_mask(const struct spawn *spawn) {
    sigset_t none;
    sigemptyset(&none);
    bool keeps_mask = spawn->options->flags & EDDY_CHILD_KEEP_SIGNALS;
    return sigprocmask(SIG_SETMASK, keeps_mask ? &spawn->mask : &none, NULL) < 0 ? -errno : 0;
}

/* --- Session, terminal, limits --- */

static int child_join_group(const eddy_child_options *options) {
    bool has_session = options->flags & (EDDY_CHILD_SESSION | EDDY_CHILD_TERMINAL);
    if (has_session && setsid() < 0) return -errno;
    if (!(options->flags & EDDY_CHILD_GROUP)) return 0;
    if (has_session && options->process_group == 0) return 0; /* it leads one already */
    return setpgid(0, options->process_group) < 0 ? -errno : 0;
}

/* Linux: musl's function changes each thread of the process where this call is missing. */
static int child_set_limit(const eddy_child_limit *limit) {
#ifdef SYS_prlimit64
    const uint64_t value[2] = {limit->soft, limit->hard}; /* all bits: no limit */
    return (int)syscall(SYS_prlimit64, 0, limit->resource, value, NULL);
#else
    bool has_soft = limit->soft < RLIM_INFINITY, has_hard = limit->hard < RLIM_INFINITY;
    struct rlimit value = {has_soft ? (rlim_t)limit->soft : RLIM_INFINITY,
                           has_hard ? (rlim_t)limit->hard : RLIM_INFINITY};
    return setrlimit(limit->resource, &value);
#endif
}

static int child_set_limits(const eddy_child_options *options) {
    for (unsigned i = 0; i < options->limit_count; i++)
        if (child_set_limit(&options->limits[i]) < 0) return -errno;
    if (!(options->flags & EDDY_CHILD_SET_NICE)) return 0;
    return setpriority(PRIO_PROCESS, 0, options->nice) < 0 ? -errno : 0;
}

/* --- User and groups --- */

/* The C library's functions make all threads of the process do the same: those of the parent. On
 * 32-bit systems the call of the plain name may be the one with 16 bits. */
#ifdef __linux__
#ifdef SYS_setgroups32
enum { SETGROUPS = SYS_setgroups32, SETGID = SYS_setresgid32, SETUID = SYS_setresuid32 };
#else
enum { SETGROUPS = SYS_setgroups, SETGID = SYS_setresgid, SETUID = SYS_setresuid };
#endif
static int set_groups(unsigned count, const gid_t *groups) {
    return (int)syscall(SETGROUPS, (size_t)count, groups);
}
static int set_group(gid_t group) {
    return (int)syscall(SETGID, group, group, group);
}
static int set_user(uid_t user) {
    return (int)syscall(SETUID, user, user, user);
}
#else
static int set_groups(unsigned count, const gid_t *groups) {
    return setgroups((int)count, groups);
}
/* The saved one follows, as the real one is set. */
static int set_group(gid_t group) {
    return setregid(group, group);
}
static int set_user(uid_t user) {
    return setreuid(user, user);
}
#endif

static int child_become_user(const eddy_child_options *options) {
    unsigned flags = options->flags;
    if (flags & EDDY_CHILD_SET_GROUPS && set_groups(options->group_count, options->groups) < 0)
        return -errno;
    if (flags & EDDY_CHILD_SET_GROUP && set_group(options->group) < 0) return -errno;
    if (flags & EDDY_CHILD_SET_USER && set_user(options->user) < 0) return -errno;
    return 0;
}

/* --- The program --- */

/* What execvp takes for "not here": the search goes on. */
static bool is_elsewhere(int error) {
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ENAMETOOLONG ||
           error == ELOOP || error == ESTALE || error == ENODEV || error == ETIMEDOUT;
}

/* The next directory of `*path`, with the file's name; an empty one is the working directory.
 * `*path` is NULL after the last. */
static void candidate_make(const struct spawn *spawn, const char **path) {
    size_t length = strcspn(*path, ":");
    char *to = spawn->candidate;
    memcpy(to, *path, length);
    to += length;
    if (length > 0) *to++ = '/';
    memcpy(to, spawn->file, strlen(spawn->file) + 1);
    *path = (*path)[length] == ':' ? *path + length + 1 : NULL;
}

/* Of the candidates that are not the program, one that may not be run tells most. */
static int child_exec(const struct spawn *spawn) {
    char *const *arguments = spawn->options->arguments;
    if (spawn->path == NULL) {
        execve(spawn->file, arguments, spawn->environment);
        return -errno;
    }
    int told = ENOENT;
    for (const char *path = spawn->path; path != NULL;) {
        candidate_make(spawn, &path);
        execve(spawn->candidate, arguments, spawn->environment);
        if (!is_elsewhere(errno)) return -errno;
        if (told != EACCES && errno != ENOTDIR && errno != ENOENT) told = errno;
    }
    return -told;
}

static int child_prepare(struct spawn *spawn) {
    const eddy_child_options *options = spawn->options;
    child_reset_signals(spawn);
    int err = child_join_group(options);
    if (err == 0) err = eddy_os_spawn_place(spawn);
    if (err < 0) return err;
    if (options->flags & EDDY_CHILD_TERMINAL && ioctl(0, TIOCSCTTY, 0) < 0) return -errno;
    if (options->flags & EDDY_CHILD_SET_UMASK) umask(options->umask);
    err = child_set_limits(options);
    if (err == 0) err = child_become_user(options);
    if (err < 0) return err;
    if (options->directory != NULL && chdir(options->directory) < 0) return -errno;
    return child_open_mask(spawn);
}

int eddy_os_spawn_run(void *context) {
    struct spawn *spawn = context;
    atomic_store_explicit(&spawn->is_shared, true, memory_order_relaxed);
    int err = child_prepare(spawn);
    if (err == 0) err = child_exec(spawn);
    int error = -err;
    (void)eddy_os_write(spawn->status, &error, sizeof error);
    return STATUS_FAILED;
}
