/* handle.h: what all handles have in common: flags, and whether they keep their loop running. */
#ifndef EDDY_CORE_HANDLE_H
#define EDDY_CORE_HANDLE_H

#include "loop.h"

enum {
    HANDLE_ACTIVE = 1 << 0,
    HANDLE_UNREF = 1 << 1,
    HANDLE_KIND = 3 << 2, /* of a hook */
    HANDLE_KIND_SHIFT = 2,
};

static inline bool handle_is_active(const eddy_handle *handle) {
    return (handle->flags & HANDLE_ACTIVE) != 0;
}

static inline void handle_init(eddy_handle *handle, eddy_loop *loop) {
    handle->loop = loop;
    handle->flags = 0;
    handle->place = UINT32_MAX;
}

static inline void handle_start(eddy_handle *handle) {
    EDDY_ASSERT(!handle_is_active(handle));
    handle->flags |= HANDLE_ACTIVE;
    handle->loop->handles++;
    if (!(handle->flags & HANDLE_UNREF)) handle->loop->active++;
}

static inline void handle_stop(eddy_handle *handle) {
    EDDY_ASSERT(handle_is_active(handle));
    handle->flags &= ~(uint32_t)HANDLE_ACTIVE;
    handle->loop->handles--;
    if (!(handle->flags & HANDLE_UNREF)) handle->loop->active--;
}

/* Requests in flight keep the loop alive. */
static inline void request_begin(eddy_loop *loop) {
    loop->active++;
}

static inline void request_end(eddy_loop *loop) {
    EDDY_ASSERT(loop->active > 0);
    loop->active--;
}

#endif
