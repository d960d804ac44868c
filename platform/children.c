/* children.c: waiting for a child that is known, signals to it, and the descriptors that it is
 * given. How it is started is in spawn.c, and how its end is told in exits.c.
 * A number is another process's once somebody has waited for it; a descriptor of a process stays
 * that one's. So the descriptor is asked where there is one. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
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
struct children_usage {
    long times[4], counts[14];
};

static void children_read_usage(const struct children_usage *from, struct rusage *to) {
    to->ru_utime.tv_sec = from->times[0];
    to->ru_utime.tv_usec = from->times[1];
    to->ru_stime.tv_sec = from->times[2];
    to->ru_stime.tv_usec = from->times[3];
    to->ru_maxrss = from->counts[0];
    to->ru_ixrss = from->counts[1];
    to->ru_idrss = from->counts[2];
    to->ru_isrss = from->counts[3];
    to->ru_minflt = from->counts[4];
    to->ru_majflt = from->counts[5];
    to->ru_nswap = from->counts[6];
    to->ru_inblock = from->counts[7];
    to->ru_oublock = from->counts[8];
    to->ru_msgsnd = from->counts[9];
    to->ru_msgrcv = from->counts[10];
    to->ru_nsignals = from->counts[11];
    to->ru_nvcsw = from->counts[12];
    to->ru_nivcsw = from->counts[13];
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
static int children_wait4(pid_t pid, eddy_exit *exit) {
    int status = 0;
    pid_t result;
    *exit = (eddy_exit){0};
    do {
        result = wait4(pid, &status, WNOHANG, &exit->usage);
    } while (result < 0 && errno == EINTR);
    if (result <= 0) return result < 0 ? -errno : 0;
    exit->status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    exit->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
#ifdef WCOREDUMP
    exit->has_dumped_core = WIFSIGNALED(status) && WCOREDUMP(status);
#endif
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
