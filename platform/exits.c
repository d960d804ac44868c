/* exits.c: one descriptor that tells which children have ended, on Linux: an epoll set of their
 * pidfds. With any backend the loop watches only this one, an exit costs the same however many
 * children there are, and no descriptor of theirs meets FD_SETSIZE.
 * Each is told once (EPOLLONESHOT): what is forgotten to be taken out, because a copy of the pidfd
 * lives on in a forked process, is silent. exits_kqueue.c is the same on the BSDs. */
#include "os.h"

#include <errno.h>

#include "eddy_config.h"
#include "missing.h"

#ifdef HAVE_EPOLL_CREATE1
#include <sys/epoll.h>

int eddy_os_exits_open(void) {
    int exits = epoll_create1(EPOLL_CLOEXEC);
    if (exits >= 0) return eddy_os_lift(exits);
    return call_is_missing(errno) ? -ENOSYS : -errno;
}

void eddy_os_exits_close(int exits, bool is_parents) {
    (void)is_parents; /* a copy, of which the parent has its own */
    eddy_os_close(exits);
}

int eddy_os_exits_add(int exits, pid_t pid, int pidfd, void *token) {
    (void)pid;
    if (pidfd < 0) return -ENOSYS;
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = token};
    return epoll_ctl(exits, EPOLL_CTL_ADD, pidfd, &event) < 0 ? -errno : 0;
}

void eddy_os_exits_remove(int exits, pid_t pid, int pidfd) {
    (void)pid;
    struct epoll_event event = {0};
    (void)epoll_ctl(exits, EPOLL_CTL_DEL, pidfd, &event);
}

int eddy_os_exits_next(int exits, void **tokens, int room) {
    struct epoll_event events[EDDY_OS_EXITS_MAX];
    int count;
    do {
        count = epoll_wait(exits, events, room, 0);
    } while (count < 0 && errno == EINTR);
    for (int i = 0; i < count; i++) tokens[i] = events[i].data.ptr;
    return count < 0 ? -errno : count;
}
#else
int eddy_os_exits_open(void) {
    return -ENOSYS;
}

void eddy_os_exits_close(int exits, bool is_parents) {
    (void)exits;
    (void)is_parents;
}

int eddy_os_exits_add(int exits, pid_t pid, int pidfd, void *token) {
    (void)exits;
    (void)pid;
    (void)pidfd;
    (void)token;
    return -ENOSYS;
}

void eddy_os_exits_remove(int exits, pid_t pid, int pidfd) {
    (void)exits;
    (void)pid;
    (void)pidfd;
}

int eddy_os_exits_next(int exits, void **tokens, int room) {
    (void)exits;
    (void)tokens;
    (void)room;
    return -ENOSYS;
}
#endif
