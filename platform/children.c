/* children.c: waiting for a child that is known, signals to it, and the descriptors that it is
 * given. How it is started is in spawn.c, and how its end is told in exits.c.
 * A number is another process's once somebody has waited for it; a descriptor of a process stays
 * that one's. So the descriptor is asked where there is one. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eddy_config.h"
#include "missing.h"
#ifdef __linux__ /* its system calls have numbers that programs may use */
#include <sys/syscall.h>
#endif

/* Linux: waitid(2)'s P_PIDFD, which not every C library names. */
enum { CHILDREN_P_PIDFD = 3 };

#if defined(HAVE_EPOLL_CREATE1) && defined(SYS_pidfd_open) && defined(SYS_pidfd_send_signal)
#define CHILDREN_HAVE_PIDFD 1
#endif

/* --- Which process --- */

int eddy_os_pidfd(pid_t pid) {
#ifdef CHILDREN_HAVE_PIDFD
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0U); /* close-on-exec by itself */
    if (pidfd >= 0) return pidfd;
    if (call_is_missing(errno)) return -ENOSYS;
    return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno; /* these two: a thread's number */
#else
    (void)pid;
    return -ENOSYS;
#endif
}

/* 1: it is a child that nobody has waited for, still running or not. 0: it is no such child. */
static int children_is_ours(pid_t pid) {
    siginfo_t info;
    int result;
    do {
        result = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    } while (result < 0 && errno == EINTR);
    return result == 0;
}

int eddy_os_child_find(pid_t pid) {
    if (children_is_ours(pid)) return 1;
    return kill(pid, 0) < 0 && errno == ESRCH ? -ESRCH : 0;
}

/* --- Waiting --- */

static void children_exit_of_info(const siginfo_t *info, eddy_exit *exit) {
    *exit = (eddy_exit){0};
    exit->status = info->si_code == CLD_EXITED ? info->si_status & 0xff : 0;
    exit->signal = info->si_code == CLD_EXITED ? 0 : info->si_status;
    exit->has_dumped_core = info->si_code == CLD_DUMPED;
}

/* waitid's way. With a `pidfd`, of the process that it was made for. */
static int children_waitid(pid_t pid, int pidfd, int options, siginfo_t *info, void *usage) {
    int kind = pidfd >= 0 ? CHILDREN_P_PIDFD : (int)P_PID;
    long id = pidfd >= 0 ? pidfd : (long)pid, result;
    do {
        memset(info, 0, sizeof *info);
#ifdef SYS_waitid /* the C library's gives no usage */
        result = syscall(SYS_waitid, kind, id, info, options, usage);
#else
        (void)kind;
        (void)usage;
        result = waitid(P_PID, (id_t)id, info, options);
#endif
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : info->si_pid != 0;
}

#ifdef SYS_waitid
/* As the kernel has it: its times are of two longs, whatever the C library's are. */
#if defined(__x86_64__) && defined(__ILP32__)
typedef long long children_long; /* of x32: the kernel's are those of 64 bits */
#else
typedef long children_long;
#endif
struct children_usage {
    children_long times[4], counts[14];
};

static void children_read_usage(const struct children_usage *from, eddy_usage *to) {
    to->user_ns = from->times[0] * EDDY_NS_PER_S + from->times[1] * EDDY_NS_PER_US;
    to->system_ns = from->times[2] * EDDY_NS_PER_S + from->times[3] * EDDY_NS_PER_US;
    to->resident_max_bytes = (int64_t)from->counts[0] * 1024;
    to->minor_faults = from->counts[4];
    to->major_faults = from->counts[5];
    to->blocks_in = from->counts[7];
    to->blocks_out = from->counts[8];
    to->voluntary_switches = from->counts[12];
    to->involuntary_switches = from->counts[13];
}

int eddy_os_child_wait(pid_t pid, int pidfd, bool leave, eddy_exit *exit) {
    struct children_usage usage = {0};
    siginfo_t info;
    int options = WEXITED | WNOHANG | (leave ? WNOWAIT : 0);
    int result = children_waitid(pid, pidfd, options, &info, &usage);
    if (result == -EINVAL && pidfd >= 0) /* Linux 5.3 has the descriptors, and 5.4 this */
        result = children_waitid(pid, -1, options, &info, &usage);
    if (result != 1) return result;
    children_exit_of_info(&info, exit);
    children_read_usage(&usage, &exit->usage);
    return 1;
}
#else
static int64_t children_time_ns(const struct timeval *time) {
    return time->tv_sec * EDDY_NS_PER_S + time->tv_usec * EDDY_NS_PER_US;
}

static void children_read_usage(const struct rusage *from, eddy_usage *to) {
#ifdef __APPLE__ /* counts bytes, all others KiB */
    int64_t unit_bytes = 1;
#else
    int64_t unit_bytes = 1024;
#endif
    to->user_ns = children_time_ns(&from->ru_utime);
    to->system_ns = children_time_ns(&from->ru_stime);
    to->resident_max_bytes = from->ru_maxrss * unit_bytes;
    to->minor_faults = from->ru_minflt;
    to->major_faults = from->ru_majflt;
    to->blocks_in = from->ru_inblock;
    to->blocks_out = from->ru_oublock;
    to->voluntary_switches = from->ru_nvcsw;
    to->involuntary_switches = from->ru_nivcsw;
}

static int children_wait4(pid_t pid, eddy_exit *exit) {
    struct rusage usage;
    int status = 0;
    pid_t result;
    *exit = (eddy_exit){0};
    do {
        result = wait4(pid, &status, WNOHANG, &usage);
    } while (result < 0 && errno == EINTR);
    if (result <= 0) return result < 0 ? -errno : 0;
    exit->status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    exit->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
#ifdef WCOREDUMP
    exit->has_dumped_core = WIFSIGNALED(status) && WCOREDUMP(status);
#endif
    children_read_usage(&usage, &exit->usage);
    return 1;
}

/* wait4 cannot leave it, and waitid knows no usage. */
int eddy_os_child_wait(pid_t pid, int pidfd, bool leave, eddy_exit *exit) {
    siginfo_t info;
    if (!leave) return children_wait4(pid, exit);
    int result = children_waitid(pid, pidfd, WEXITED | WNOHANG | WNOWAIT, &info, NULL);
    if (result == 1) children_exit_of_info(&info, exit);
    return result;
}
#endif

/* --- Signals --- */

/* By its number, as long as that is its own: it is a child, which nobody has waited for. */
static int children_kill_number(pid_t pid, int signal, bool is_group) {
    if (!children_is_ours(pid)) return -ESRCH;
    return kill(is_group ? -pid : pid, signal) < 0 ? -errno : 0;
}

int eddy_os_child_kill(pid_t pid, int pidfd, int signal) {
#ifdef CHILDREN_HAVE_PIDFD
    if (pidfd >= 0) {
        if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0U) == 0) return 0;
        int refused = -errno;
        if (!call_is_missing(errno)) return refused;
        /* By a sandbox; or in earnest, and then by its number too. */
        int err = children_kill_number(pid, signal, false);
        return err == -ESRCH && refused == -EPERM ? refused : err;
    }
#endif
    (void)pidfd;
    return children_kill_number(pid, signal, false);
}

int eddy_os_child_kill_group(pid_t leader, int signal) {
    return children_kill_number(leader, signal, true);
}

/* --- What it is given --- */

int eddy_os_child_null(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* Without the atomic calls a child that another thread forks right now inherits both ends. */
static int children_set_close_on_exec(const int ends[2]) {
    for (int i = 0; i < 2; i++)
        if (fcntl(ends[i], F_SETFD, FD_CLOEXEC) < 0) {
            int err = -errno;
            eddy_os_close(ends[0]);
            eddy_os_close(ends[1]);
            return err;
        }
    return 0;
}

int eddy_os_child_pipe(int ends[2]) {
#ifdef HAVE_PIPE2
    if (pipe2(ends, O_CLOEXEC) == 0) return 0;
    if (!call_is_missing(errno)) return -errno;
#endif
    if (pipe(ends) < 0) return -errno;
    return children_set_close_on_exec(ends);
}

int eddy_os_child_socket_pair(int ends[2]) {
#ifdef SOCK_CLOEXEC
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
#else
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return -errno;
    return children_set_close_on_exec(ends);
#endif
}
