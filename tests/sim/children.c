/* children.c: there are none yet. */
#include "os.h"

#include <errno.h>

int eddy_os_spawn(const eddy_child_options *options, const struct eddy_os_child_fd *map,
                  unsigned count, pid_t *pid, int *pidfd) {
    (void)options, (void)map, (void)count, (void)pid, (void)pidfd;
    return -ENOSYS;
}

int eddy_os_pidfd(pid_t pid) {
    (void)pid;
    return -ENOSYS;
}

int eddy_os_child_find(pid_t pid) {
    (void)pid;
    return -ESRCH;
}

int eddy_os_child_wait(pid_t pid, int pidfd, bool leave, eddy_exit *exit) {
    (void)pid, (void)pidfd, (void)leave, (void)exit;
    return -ECHILD;
}

int eddy_os_child_kill(pid_t pid, int pidfd, int signal) {
    (void)pid, (void)pidfd, (void)signal;
    return -ESRCH;
}

int eddy_os_child_kill_group(pid_t leader, int signal) {
    (void)leader, (void)signal;
    return -ESRCH;
}

int eddy_os_child_null(void) {
    return -ENOSYS;
}

int eddy_os_child_pipe(int ends[2]) {
    (void)ends;
    return -ENOSYS;
}

int eddy_os_child_socket_pair(int ends[2]) {
    (void)ends;
    return -ENOSYS;
}

int eddy_os_exits_open(void) {
    return -ENOSYS;
}

void eddy_os_exits_close(int exits, bool is_parents) {
    (void)exits, (void)is_parents;
}

int eddy_os_exits_add(int exits, pid_t pid, int pidfd, void *token) {
    (void)exits, (void)pid, (void)pidfd, (void)token;
    return -ENOSYS;
}

void eddy_os_exits_remove(int exits, pid_t pid, int pidfd) {
    (void)exits, (void)pid, (void)pidfd;
}

int eddy_os_exits_next(int exits, void **tokens, int room) {
    (void)exits, (void)tokens, (void)room;
    return -ENOSYS;
}
