/* pass_descriptors.c: descriptors that go over local sockets, in control messages (SCM_RIGHTS). */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "eddy_config.h"

/* macOS has an option of the socket instead. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* macOS has none: what has come is made close-on-exec afterwards, and a child that another thread
 * forks in between inherits it. */
#ifdef MSG_CMSG_CLOEXEC
enum { PASS_FLAGS = MSG_CMSG_CLOEXEC };
#else
enum { PASS_FLAGS = 0 };
#endif

ssize_t eddy_os_send_descriptors(int fd, const void *data, size_t size, const int *fds,
                                 unsigned count) {
    union {
        struct cmsghdr header; /* which aligns it */
        char bytes[CMSG_SPACE(EDDY_OS_PASSED_MAX * sizeof(int))];
    } control;
    /* The data is taken as not constant, and not changed. */
    struct iovec vector = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control};
    size_t bytes = count * sizeof(int);
    if (count == 0 || count > EDDY_OS_PASSED_MAX) return -EINVAL;
    memset(&control, 0, CMSG_SPACE(bytes)); /* its padding too is read by the kernel */
    message.msg_controllen = (__typeof__(message.msg_controllen))CMSG_SPACE(bytes);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = (__typeof__(control.header.cmsg_len))CMSG_LEN(bytes);
    memcpy(CMSG_DATA(&control.header), fds, bytes);
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    return errno == EINTR ? -EAGAIN : -errno;
}

/* One that would stay open in the next program is not given out. */
static bool pass_is_private(int fd) {
    return PASS_FLAGS != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static void pass_keep(struct eddy_os_passed *passed, int fd) {
    if (passed->count < EDDY_OS_PASSED_ROOM && pass_is_private(fd)) {
        passed->fds[passed->count++] = fd;
    } else {
        passed->is_cut = true;
        eddy_os_close(fd);
    }
}

/* musl's CMSG_NXTHDR compares a size with a difference of pointers, and takes one of ~7; OpenBSD's
 * makes a header's pointer of a byte's. */
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wcast-align"

/* macOS leaves the length of a message that it has cut as it was: only the room counts. */
static void pass_unpack(struct eddy_os_passed *passed, struct msghdr *message) {
    const char *end = (const char *)message->msg_control + message->msg_controllen;
    for (struct cmsghdr *it = CMSG_FIRSTHDR(message); it != NULL; it = CMSG_NXTHDR(message, it)) {
        if (it->cmsg_level != SOL_SOCKET || it->cmsg_type != SCM_RIGHTS) continue;
        const unsigned char *at = CMSG_DATA(it);
        size_t bytes = (size_t)((const char *)it + it->cmsg_len - (const char *)at);
        size_t room = (size_t)(end - (const char *)at);
        if (bytes > room) bytes = room;
        for (; bytes >= sizeof(int); bytes -= sizeof(int), at += sizeof(int)) {
            int fd;
            memcpy(&fd, at, sizeof fd);
            pass_keep(passed, fd);
        }
    }
}

static ssize_t pass_receive(int fd, void *data, size_t size, struct eddy_os_passed *passed,
                            int *flags) {
    union {
        struct cmsghdr header; /* which aligns it */
        /* And room for what else the socket may be set to tell. */
        char bytes[CMSG_SPACE(EDDY_OS_PASSED_ROOM * sizeof(int)) + 256];
    } control;
    struct iovec vector = {.iov_base = data, .iov_len = size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control};
    message.msg_controllen = sizeof control;
    ssize_t received = recvmsg(fd, &message, PASS_FLAGS);
    if (received < 0) return errno == EINTR ? -EAGAIN : -errno;
    if (message.msg_flags & MSG_CTRUNC) passed->is_cut = true;
    *flags = message.msg_flags;
    pass_unpack(passed, &message);
    return received;
}

static void pass_close_all(struct eddy_os_passed *passed) {
    while (passed->count > 0) eddy_os_close(passed->fds[--passed->count]);
}

ssize_t eddy_os_receive_descriptors(int fd, void *data, size_t size, bool is_record,
                                    struct eddy_os_passed *passed) {
    int flags = 0;
    passed->count = 0;
    passed->is_cut = false;
    ssize_t received = pass_receive(fd, data, size, passed, &flags);
    /* The BSDs, where they have no number left, tell that in place of the data, which with bytes is
     * still there and with a record is gone. */
    bool has_lost = received == -EMFILE || received == -EMSGSIZE;
    if (has_lost && !is_record) {
        received = pass_receive(fd, data, size, passed, &flags);
        passed->is_cut = true;
    }
    bool is_lost = is_record && (has_lost || (received >= 0 && (flags & MSG_TRUNC)));
    if (is_lost) pass_close_all(passed);
    return is_lost ? -EMSGSIZE : received;
}
