/* sigpipe.h: a write that raises no SIGPIPE, where there is no flag to ask for that: the signal is
 * blocked in this thread meanwhile, and taken if it came. The process's disposition stays as it is.
 *
 *     struct sigpipe_guard guard;
 *     eddy_os_sigpipe_begin(&guard);
 *     ssize_t written = writev(fd, vectors, count);
 *     int error = errno;
 *     eddy_os_sigpipe_end(&guard, it may have come); */
#ifndef EDDY_PLATFORM_SIGPIPE_H
#define EDDY_PLATFORM_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

struct sigpipe_guard {
    sigset_t before;
    bool was_pending;
};

void eddy_os_sigpipe_begin(struct sigpipe_guard *guard);
void eddy_os_sigpipe_end(const struct sigpipe_guard *guard,
                         bool may_be_pending); /* changes errno */

#endif
