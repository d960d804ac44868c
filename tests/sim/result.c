/* result.c: the names of errors for the trace: their numbers differ from system to system, and a
 * trace should not. Without state. */
#include "sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define NAMED(error) \
    { error, #error }

static const struct {
    int number;
    const char *name;
} errors[] = {
    NAMED(EACCES),       NAMED(EADDRINUSE),      NAMED(EADDRNOTAVAIL),
    NAMED(EAFNOSUPPORT), NAMED(EAGAIN),          NAMED(EALREADY),
    NAMED(EBADF),        NAMED(EBUSY),           NAMED(ECANCELED),
    NAMED(ECHILD),       NAMED(ECONNABORTED),    NAMED(ECONNREFUSED),
    NAMED(ECONNRESET),   NAMED(EDQUOT),          NAMED(EEXIST),
    NAMED(EFAULT),       NAMED(EFBIG),           NAMED(EHOSTUNREACH),
    NAMED(EINPROGRESS),  NAMED(EINTR),           NAMED(EINVAL),
    NAMED(EIO),          NAMED(EISCONN),         NAMED(EISDIR),
    NAMED(ELOOP),        NAMED(EMFILE),          NAMED(EMLINK),
    NAMED(EMSGSIZE),     NAMED(ENAMETOOLONG),    NAMED(ENETUNREACH),
    NAMED(ENFILE),       NAMED(ENOBUFS),         NAMED(ENODEV),
    NAMED(ENOENT),       NAMED(ENOMEM),          NAMED(ENOPROTOOPT),
    NAMED(ENOSPC),       NAMED(ENOSYS),          NAMED(ENOTCONN),
    NAMED(ENOTDIR),      NAMED(ENOTEMPTY),       NAMED(ENOTSOCK),
    NAMED(ENOTSUP),      NAMED(ENOTTY),          NAMED(ENXIO),
    NAMED(EOVERFLOW),    NAMED(EPERM),           NAMED(EPIPE),
    NAMED(EPROTO),       NAMED(EPROTONOSUPPORT), NAMED(ERANGE),
    NAMED(EROFS),        NAMED(ESPIPE),          NAMED(ESRCH),
    NAMED(ETIMEDOUT),    NAMED(ETOOMANYREFS),    NAMED(EXDEV),
#ifdef EBADR /* where there are rings */
    NAMED(EBADR),
#endif
};

const char *sim_result_text(char *text, int64_t result) {
    snprintf(text, SIM_RESULT_BYTES, "%" PRId64, result);
    for (size_t i = 0; result < 0 && i < sizeof errors / sizeof errors[0]; i++)
        if (-result == errors[i].number) snprintf(text, SIM_RESULT_BYTES, "-%s", errors[i].name);
    return text;
}
