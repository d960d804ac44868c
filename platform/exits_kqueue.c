/* exits_kqueue.c: what exits.c is, on the systems that have kqueue: a queue of its own with a
 * filter for each child, which the kernel drops once it has told of the exit.
 *
 * Two quirks. A process that has ended already may be refused (ESRCH: macOS, OpenBSD). And macOS
 * tells of an exit before a wait finds it. Who asks must look, and may have to look again. */
#include "os.h"

#include "missing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/event.h>
#include <unistd.h>

int eddy_os_exits_open(void) {
    int exits = kqueue();
    if (exits < 0) return call_is_missing(errno) ? -ENOSYS : -errno;
    (void)fcntl(exits, F_SETFD, FD_CLOEXEC); /* need not be atomic: a fork does not inherit it */
    return exits;
}

/* A fork does not inherit a queue: the number is free, or somebody else's by now. */
void eddy_os_exits_close(int exits, bool is_parents) {
    if (!is_parents) eddy_os_close(exits);
}

/* NetBSD's `udata` was an integer before 10. */
static int exits_change(int exits, pid_t pid, unsigned short flags, void *token) {
    struct kevent change = {0};
    EV_SET(&change, (uintptr_t)pid, EVFILT_PROC, flags, flags & EV_ADD ? NOTE_EXIT : 0, 0,
           (__typeof__(change.udata))(uintptr_t)token);
    return kevent(exits, &change, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

int eddy_os_exits_add(int exits, pid_t pid, int pidfd, void *token) {
    (void)pidfd;
    return exits_change(exits, pid, EV_ADD | EV_ONESHOT, token);
}

void eddy_os_exits_remove(int exits, pid_t pid, int pidfd) {
    (void)pidfd;
    (void)exits_change(exits, pid, EV_DELETE, NULL);
}

int eddy_os_exits_next(int exits, void **tokens, int room) {
    static const struct timespec at_once = {0};
    struct kevent events[EDDY_OS_EXITS_MAX];
    unsigned char most = (unsigned char)room; /* NetBSD counts with size_t, the others with int */
    int count;
    do {
        count = kevent(exits, NULL, 0, events, most, &at_once);
    } while (count < 0 && errno == EINTR);
    for (int i = 0; i < count; i++) tokens[i] = (void *)(uintptr_t)events[i].udata;
    return count < 0 ? -errno : count;
}
