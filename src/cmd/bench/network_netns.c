/* network_netns.c: see network.h. Without state. */
#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int err = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
    close(fd);
    return err;
}

/* Who may not make a network namespace may do so as the root of a user namespace. That root is
 * this user to all others, to files as well; ip and tc have their capabilities as it. */
static int become_root(void) {
    char users[48], groups[48];
    snprintf(users, sizeof users, "0 %u 1", (unsigned)geteuid());
    snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getegid());
    if (unshare(CLONE_NEWUSER) < 0) return -errno;
    int err = write_text("/proc/self/setgroups", "deny");
    if (err == 0) err = write_text("/proc/self/uid_map", users);
    return err == 0 ? write_text("/proc/self/gid_map", groups) : err;
}

/* Not closed by exec: ip is told of it by its number. */
static int open_own(void) {
    int fd = open("/proc/self/ns/net", O_RDONLY);
    return fd < 0 ? -errno : fd;
}

int network_make(void) {
    if (unshare(CLONE_NEWNET) < 0) {
        int err = errno == EPERM ? become_root() : -errno;
        if (err < 0) return err;
        if (unshare(CLONE_NEWNET) < 0) return -errno;
    }
    int clients = open_own();
    if (clients < 0) return clients;
    if (unshare(CLONE_NEWNET) == 0) return clients;
    int err = -errno;
    close(clients);
    return err;
}

int network_go(int fd) {
    return setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}
