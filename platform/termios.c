/* termios.c: terminals: modes, sizes, names, pairs; and the signals and the exit that end a program
 * which has changed one. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eddy_config.h"
#include "ioctl.h"

/* --- Which --- */

/* What is no terminal says so in many ways. */
static int terminal_error(int error) {
    return error == EBADF || error == EIO || error == EINTR ? -error : -ENOTTY;
}

int eddy_os_terminal_get(int fd, struct termios *modes) {
    int result;
    do {
        result = tcgetattr(fd, modes);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? terminal_error(errno) : 0;
}

int eddy_os_terminal_device(int fd, uint64_t *device) {
    struct termios modes;
    struct stat stat;
    int err = eddy_os_terminal_get(fd, &modes);
    if (err < 0) return err;
#ifdef TIOCGDEV
    /* Linux tells the number of the terminal itself, where fstat would tell those of /dev/tty and
     * of /dev/ptmx. Test: a_terminal_is_the_same_by_each_of_its_names. */
    unsigned number;
    if (ioctl(fd, (ioctl_request)TIOCGDEV, &number) == 0) {
        *device = number;
        return 0;
    }
#endif
    if (fstat(fd, &stat) < 0) return -errno;
    *device = (uint64_t)stat.st_rdev;
    return 0;
}

static int manager_name(int fd, char *name, size_t size) {
#ifdef HAVE_PTSNAME_R
    int err = ptsname_r(fd, name, size); /* the BSDs leave the error in errno */
    return err < 0 ? -errno : -err;
#else
    const char *shared = ptsname(fd); /* another thread may be writing it as well */
    if (shared == NULL) return -ENOTTY;
    if (strlen(shared) >= size) return -ERANGE;
    memcpy(name, shared, strlen(shared) + 1);
    return 0;
#endif
}

bool eddy_os_terminal_is_manager(int fd) {
    char name[128];
    int err = manager_name(fd, name, sizeof name);
    return err == 0 || err == -ERANGE;
}

int eddy_os_terminal_name(int fd, char *name, size_t size) {
    int err = manager_name(fd, name, size);
    if (err == 0 || err == -ERANGE) return err;
    err = ttyname_r(fd, name, size);
    if (err == ERANGE || err == ENODEV || err == ENOENT) return err == ENOENT ? -ENODEV : -err;
    return err != 0 ? terminal_error(err) : 0;
}

int eddy_os_terminal_keep(int fd) {
    int result = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return result < 0 ? -errno : result;
}

/* --- Modes and sizes --- */

int eddy_os_terminal_set(int fd, const struct termios *modes) {
    int result;
    do {
        result = tcsetattr(fd, TCSANOW, modes);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? terminal_error(errno) : 0;
}

static bool would_stop(int number) {
    struct sigaction now;
    sigset_t blocked;
    if (sigaction(number, NULL, &now) < 0 || pthread_sigmask(SIG_BLOCK, NULL, &blocked) != 0)
        return false;
    return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL &&
           !sigismember(&blocked, number);
}

int eddy_os_terminal_await(int fd) {
    struct termios modes;
    pid_t front = tcgetpgrp(fd);
    if (front < 0 || front == getpgrp()) return 0; /* -1: it is not the controlling terminal */
    if (!would_stop(SIGTTOU)) return -EAGAIN;
    /* The kernel stops the whole group, as its job is, and tries again when it goes on. */
    int err = eddy_os_terminal_get(fd, &modes);
    return err < 0 ? err : eddy_os_terminal_set(fd, &modes);
}

int eddy_os_terminal_get_size(int fd, eddy_terminal_size *size) {
    struct winsize window;
    if (ioctl(fd, TIOCGWINSZ, &window) < 0) return terminal_error(errno);
    *size = (eddy_terminal_size){window.ws_col, window.ws_row, window.ws_xpixel, window.ws_ypixel};
    return 0;
}

int eddy_os_terminal_set_size(int fd, const eddy_terminal_size *size) {
    struct winsize window = {(unsigned short)size->rows, (unsigned short)size->columns,
                             (unsigned short)size->width, (unsigned short)size->height};
    return ioctl(fd, TIOCSWINSZ, &window) < 0 ? terminal_error(errno) : 0;
}

/* --- Pairs --- */

static int open_manager(void) {
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    /* POSIX did not know of O_CLOEXEC here: some systems refuse it. */
    if (fd < 0 && errno == EINVAL) fd = posix_openpt(O_RDWR | O_NOCTTY);
    if (fd < 0) return -errno;
    int err = eddy_os_prepare_descriptor(fd);
    if (err == 0 && (grantpt(fd) < 0 || unlockpt(fd) < 0)) err = -errno;
    if (err < 0) eddy_os_close(fd);
    return err < 0 ? err : fd;
}

static int open_terminal(int manager) {
    char name[128];
    int flags = O_RDWR | O_NOCTTY | O_CLOEXEC, fd;
#ifdef TIOCGPTPEER
    /* Linux 4.13: also where another /dev/pts is mounted by now. */
    fd = ioctl(manager, TIOCGPTPEER, (void *)(intptr_t)flags);
    if (fd >= 0) return fd;
#endif
    int err = manager_name(manager, name, sizeof name);
    if (err < 0) return err;
    do {
        fd = open(name, flags);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int eddy_os_terminal_pair(int *manager, int *terminal) {
    int held = open_manager();
    if (held < 0) return held;
    int other = open_terminal(held);
    if (other < 0) {
        eddy_os_close(held);
        return other;
    }
    *manager = held;
    *terminal = other;
    return 0;
}

/* --- The end of the program --- */

int eddy_os_at_exit(void (*fn)(void)) {
    return atexit(fn) == 0 ? 0 : -ENOMEM;
}

int eddy_os_signal_take(int number, void (*handler)(int)) {
    struct sigaction now, ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_handler = handler;
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    /* A shell that ends a stopped job sends the signal and SIGCONT: what ends it comes first. */
    if (number != SIGTSTP && number != SIGCONT) {
        sigaddset(&ours.sa_mask, SIGTSTP);
        sigaddset(&ours.sa_mask, SIGCONT);
    }
    if (sigaction(number, NULL, &now) < 0) return -errno;
    if ((now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL) return 0;
    return sigaction(number, &ours, NULL) < 0 ? -errno : 0;
}

static void signal_default(int number) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL);
}

void eddy_os_signal_give_back(int number, void (*handler)(int)) {
    if (eddy_os_signal_is_handled_by(number, handler)) signal_default(number);
}

void eddy_os_signal_pass_on(int number, void (*handler)(int)) {
    sigset_t one, before;
    signal_default(number);
    /* To this thread, so that it stops where the signal is let in, and not somewhat later. */
    (void)raise(number);
    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_UNBLOCK, &one, &before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)eddy_os_signal_take(number, handler);
}
