/* file_send.c: a file's bytes into a socket. */
#include "os.h"

#include "missing.h"
#include "sigpipe.h"

#include <errno.h>
#include <fcntl.h>
#ifdef __linux__
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* --- Through the program --- */

/* A socket that was set to block is not written to: it would hold up the thread. */
static int send_check(int socket) {
    int flags = fcntl(socket, F_GETFL);
    if (flags < 0) return -errno;
    return flags & O_NONBLOCK ? 0 : -EINVAL;
}

enum {
    SEND_COPY_BYTES = 8 * 1024, /* on the stack, of which a thread may have 16 KiB */
    SEND_COPY_MOST =
        128 * 1024 /* at once: more costs less by way of a thread, which copies nothing */
};

/* What the socket does not take is read once more another time. */
static ssize_t send_copied(int socket, int fd, int64_t offset, size_t size, unsigned how) {
    char bytes[SEND_COPY_BYTES];
    size_t done = 0;
    while (done < size) {
        size_t left = size - done;
        struct iovec piece = {.iov_base = bytes};
        piece.iov_len = left < sizeof bytes ? left : sizeof bytes;
        ssize_t got = eddy_os_file_read(fd, &piece, 1, offset + (int64_t)done, how);
        /* Linux 5.9 and 5.10 call the end what is only not in memory: a thread sees which. */
        if (got == 0 && (how & EDDY_OS_NOWAIT)) got = -EAGAIN;
        if (got <= 0) return done > 0 ? (ssize_t)done : got;
        piece.iov_len = (size_t)got;
        ssize_t sent = eddy_os_send(socket, &piece, 1);
        if (sent < 0) return done > 0 ? (ssize_t)done : sent;
        done += (size_t)sent;
        if (sent < got) break;
    }
    return (ssize_t)done;
}

/* --- From page to packet --- */

#ifdef __linux__
#if !defined SYS_cachestat && defined SYS_openat2
/* Linux 6.5 and later; older headers lack it. Numbers this young run in step everywhere. */
#define SYS_cachestat (SYS_openat2 - 437 + 451)
#endif

static bool send_has_byte(int fd, int64_t offset) {
    char byte;
    struct iovec one = {&byte, 1};
    return eddy_os_file_read(fd, &one, 1, offset, EDDY_OS_NOWAIT) == 1;
}

enum send_cached { SEND_CACHED, SEND_NOT_CACHED, SEND_CACHED_UNKNOWN };

/* Whether all of the range is in memory. Pages count from when their reading begins, and come in
 * order, so the last byte tells that they are there; and that the file system can say so at all.
 * (But if somebody else has read that end, and the middle is on its way from the disk just now.) */
static enum send_cached send_is_cached(int fd, int64_t offset, size_t size) {
#ifdef SYS_cachestat
    struct {
        uint64_t offset, bytes;
    } range = {(uint64_t)offset, size};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } pages;
    if (!send_has_byte(fd, offset) || !send_has_byte(fd, offset + (int64_t)size - 1))
        return SEND_NOT_CACHED;
    if (syscall(SYS_cachestat, fd, &range, &pages, 0L) < 0) return SEND_CACHED_UNKNOWN;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    bool is_cached = pages.cached > (range.offset + size - 1) / page - range.offset / page;
    return is_cached ? SEND_CACHED : SEND_NOT_CACHED;
#else
    (void)fd, (void)offset, (void)size;
    return SEND_CACHED_UNKNOWN;
#endif
}

/* sendfile has no flag to ask for no SIGPIPE. It comes with EPIPE, and with a short count as well:
 * Linux sends in steps of a pipe's length, and a peer that has left answers the first with a reset,
 * on which the second fails. Test: a_peer_that_leaves_gives_no_signal_either. */
static ssize_t send_without_signal(int socket, int fd, int64_t offset, size_t size) {
    off_t position = (off_t)offset;
    struct sigpipe_guard guard;
    eddy_os_sigpipe_begin(&guard);
    ssize_t sent = sendfile(socket, fd, &position, size);
    int error = errno;
    eddy_os_sigpipe_end(&guard, sent < 0 ? error == EPIPE : (size_t)sent < size);
    return sent < 0 ? -error : sent;
}

ssize_t eddy_os_file_send(int socket, int fd, int64_t offset, size_t size, unsigned how) {
    int err = send_check(socket);
    if (err < 0 || size == 0) return err;
    if (how & EDDY_OS_NOWAIT) {
        enum send_cached cached = send_is_cached(fd, offset, size);
        bool is_copied = cached == SEND_CACHED_UNKNOWN && size <= SEND_COPY_MOST;
        if (is_copied) return send_copied(socket, fd, offset, size, how);
        if (cached != SEND_CACHED) return -EAGAIN;
    }
    ssize_t sent;
    do {
        sent = send_without_signal(socket, fd, offset, size);
    } while (sent == -EINTR);
    /* Not every file has pages to pass on, nor every sandbox the call. */
    if (sent != -EINVAL && (sent >= 0 || !call_is_missing((int)-sent))) return sent;
    return send_copied(socket, fd, offset, size, how);
}
#else
ssize_t eddy_os_file_send(int socket, int fd, int64_t offset, size_t size, unsigned how) {
    int err = send_check(socket);
    if (err < 0 || size == 0) return err;
    return how & EDDY_OS_NOWAIT ? -EAGAIN : send_copied(socket, fd, offset, size, how);
}
#endif
