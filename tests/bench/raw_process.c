/* raw_process.c: bare system calls that wait, as the limit of the workloads of process.c:
 * posix_spawn and waitpid, write, sendmsg and recvmsg. */
#include "peers.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_stopped;
static int (*step)(void); /* what is waited for */

static int open_nothing(bool has_threads) {
    (void)has_threads;
    return 0;
}

static int run(unsigned side) {
    (void)side;
    is_stopped = false;
    int err = 0;
    while (!is_stopped && err == 0) err = step();
    return err;
}

static void stop(unsigned side) {
    (void)side;
    is_stopped = true;
}

/* --- Children --- */

static struct {
    pid_t *pids;
    unsigned count;
} children;

static int wait_for_child(void) {
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid < 0) return -errno;
    for (unsigned i = 0; i < children.count; i++) {
        if (children.pids[i] != pid) continue;
        peers_exited(i, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
        break;
    }
    return 0;
}

static int spawn_open(unsigned depth) {
    children.pids = calloc(depth, sizeof *children.pids);
    children.count = depth;
    step = wait_for_child;
    return children.pids == NULL ? -ENOMEM : 0;
}

static int spawn(unsigned i, char *const *arguments) {
    return -posix_spawnp(&children.pids[i], arguments[0], NULL, NULL, arguments, environ);
}

/* --- A pipe --- */

static struct {
    int fd;
    const char *data;
    size_t size;
    unsigned depth, next, queued;
} writer;

static int write_next(void) {
    if (writer.queued == 0) return -EINVAL;
    for (size_t done = 0; done < writer.size;) {
        ssize_t count = write(writer.fd, writer.data + done, writer.size - done);
        if (count < 0) return -errno;
        done += (size_t)count;
    }
    writer.queued--;
    unsigned i = writer.next++;
    if (writer.next == writer.depth) writer.next = 0;
    peers_written(i);
    return 0;
}

static int pipe_open(int fd, unsigned depth) {
    writer.fd = fd;
    writer.depth = depth;
    step = write_next;
    return fcntl(fd, F_SETFL, 0) < 0 ? -errno : 0;
}

static int pipe_write(unsigned i, void *data, size_t size) {
    (void)i;
    writer.data = data;
    writer.size = size;
    writer.queued++;
    return 0;
}

/* --- Passing --- */

static struct { int from, to, fd; } pass;

union control {
    struct cmsghdr header; /* which it must be aligned for */
    char bytes[CMSG_SPACE(sizeof(int))];
};

static int send_pass(void) {
    char byte = 0;
    union control control = {0};
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof pass.fd);
    memcpy(CMSG_DATA(&control.header), &pass.fd, sizeof pass.fd);
    return sendmsg(pass.from, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_pass(void) {
    char byte;
    int fd;
    union control control = {0};
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    if (recvmsg(pass.to, &message, MSG_CMSG_CLOEXEC) < 0) return -errno;
    memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    close(fd);
    peers_passed();
    return 0;
}

static int pass_open(int from_fd, int to_fd, int fd) {
    pass.from = from_fd;
    pass.to = to_fd;
    pass.fd = fd;
    step = receive_pass;
    return 0;
}

const struct peer peer_calls = {
    .name = "calls",
    .open = open_nothing,
    .run = run,
    .stop = stop,
    .spawn_open = spawn_open,
    .spawn = spawn,
    .pipe_open = pipe_open,
    .pipe_write = pipe_write,
    .pass_open = pass_open,
    .pass_send = send_pass,
};
