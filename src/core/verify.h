/* verify.h: how an invariant is written that eddy_loop_verify looks at: in a function that returns
 * the text of the first one that does not hold, or NULL at its end. */
#ifndef EDDY_CORE_VERIFY_H
#define EDDY_CORE_VERIFY_H

#include "handle.h"

#define HOLDS(condition)                     \
    do {                                     \
        if (!(condition)) return #condition; \
    } while (0)

/* Active handles found so far, and those of them that are referenced. */
struct verify_count {
    unsigned handles, referenced;
};

static inline void verify_count_handle(struct verify_count *count, const eddy_handle *handle) {
    count->handles++;
    if (!(handle->flags & HANDLE_UNREF)) count->referenced++;
}

#endif
