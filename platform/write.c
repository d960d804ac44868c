/* write.c: writing to pipes, terminals and devices, without a SIGPIPE. */
#include "os.h"

#include "compiler.h"
#include "missing.h"
#include "sigpipe.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__ /* pwritev2 by number: musl has no function for it */
#include <sys/syscall.h>
#endif

#include "eddy_config.h"

/* --- Without a flag --- */

static void sigpipe_only(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

/* A thread that blocks it may have one pending already, which is not ours to take. */
void eddy_os_sigpipe_begin(struct sigpipe_guard *guard) {
    sigset_t pipe, pending;
    sigpipe_only(&pipe);
    guard->was_pending = false;
    pthread_sigmask(SIG_BLOCK, &pipe, &guard->before);
    if (sigismember(&guard->before, SIGPIPE) == 1 && sigpending(&pending) == 0)
        guard->was_pending = sigismember(&pending, SIGPIPE) == 1;
}

/* A write raises it for this thread alone, so nobody else takes it between the look and the wait.
 * Test: a_pipe_without_its_reader_raises_no_signal. */
static void sigpipe_take(const sigset_t *pipe) {
#ifdef HAVE_SIGTIMEDWAIT
    (void)sigtimedwait(pipe, NULL, &(struct timespec){0});
#else
    sigset_t pending;
    int number;
    if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1)
        (void)sigwait(pipe, &number);
#endif
}

void eddy_os_sigpipe_end(const struct sigpipe_guard *guard, bool may_be_pending) {
    sigset_t pipe;
    sigpipe_only(&pipe);
    if (may_be_pending && !guard->was_pending) sigpipe_take(&pipe);
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

static size_t write_size(const struct iovec *vectors, int count) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += vectors[i].iov_len;
    return size;
}

/* The signal comes with EPIPE, and with a short count as well, when the reader leaves in between.
 */
RARE static ssize_t write_guarded(int fd, const struct iovec *vectors, int count) {
    struct sigpipe_guard guard;
    eddy_os_sigpipe_begin(&guard);
    ssize_t written = writev(fd, vectors, count);
    int error = errno;
    eddy_os_sigpipe_end(&guard, written < 0 ? error == EPIPE
                                            : (size_t)written < write_size(vectors, count));
    return written < 0 ? -error : written;
}

/* --- With the flag of Linux 6.18 --- */

/* What the kernel does not know is EOPNOTSUPP, also of a device whose driver takes no flags; older
 * ones and sandboxes know not even the call. */
static ssize_t write_flagged(int fd, const struct iovec *vectors, int count, bool *refused) {
#ifdef SYS_pwritev2
    enum { NOSIGNAL = 0x100 }; /* RWF_NOSIGNAL */
    /* The offset in two halves: -1 is the position, and what has none. */
    long written = syscall(SYS_pwritev2, fd, vectors, (long)count, -1L, -1L, (long)NOSIGNAL);
    if (written >= 0) return (ssize_t)written;
    if (!call_is_missing(errno) && errno != EOPNOTSUPP && errno != EINVAL) return -errno;
#endif
    *refused = true;
    return write_guarded(fd, vectors, count);
}

ssize_t eddy_os_write_vectors(int fd, const struct iovec *vectors, int count, bool *refused) {
    ssize_t written;
    do {
        written = *refused ? write_guarded(fd, vectors, count)
                           : write_flagged(fd, vectors, count, refused);
    } while (written == -EINTR);
    return written;
}
