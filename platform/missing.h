/* missing.h: calls that the kernel may not have, though the C library does: it is older, or a
 * sandbox knows nothing of them. They are got over for good by what has always been there. */
#ifndef EDDY_PLATFORM_MISSING_H
#define EDDY_PLATFORM_MISSING_H

#include <errno.h>
#include <stdbool.h>

/* ENOSYS is the kernel's own; the rest is what sandboxes answer to calls they do not know. */
static inline bool call_is_missing(int error) {
    return error == ENOSYS || error == EPERM || error == EACCES || error == ENOTSUP;
}

#endif
