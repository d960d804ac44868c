/* handle.h: what all handles have in common: flags, and whether they keep their loop running. */
#ifndef EDDY_CORE_HANDLE_H
#define EDDY_CORE_HANDLE_H

#include <eddy/walk.h>

#include "check.h"
#include "loop.h"
#include "observe.h"

enum {
    HANDLE_ACTIVE = 1 << 0,
    HANDLE_UNREF = 1 << 1,
    HANDLE_KIND = 3 << 2, /* of a hook */
    HANDLE_KIND_SHIFT = 2,
    HANDLE_WHAT = 15 << 4, /* an eddy_kind, for eddy_loop_walk */
    HANDLE_WHAT_SHIFT = 4,
    HANDLE_INNER = 1 << 8,  /* a part of another handle, or of the loop: nobody is told of it */
    HANDLE_RELAYS = 1 << 9, /* its function is the library's, which calls the user's */
    /* The mark of each: neither zeros nor what memory is filled with is it. */
    HANDLE_MARK = 0x5EAD,
};
_Static_assert(EDDY_KINDS <= HANDLE_WHAT >> HANDLE_WHAT_SHIFT, "a kind fits its bits");

static inline bool handle_is_active(const eddy_handle *handle) {
    return (handle->flags & HANDLE_ACTIVE) != 0;
}

/* One compare with memory: each start can afford it. */
static inline bool handle_is_initialised(const eddy_handle *handle) {
    return handle->mark == HANDLE_MARK;
}

static inline eddy_kind handle_what(const eddy_handle *handle) {
    return (eddy_kind)((handle->flags & HANDLE_WHAT) >> HANDLE_WHAT_SHIFT);
}

static inline void handle_init(eddy_handle *handle, eddy_loop *loop, eddy_kind what) {
    handle->loop = loop;
    handle->flags = (uint16_t)(what << HANDLE_WHAT_SHIFT);
    handle->mark = HANDLE_MARK;
    handle->place = UINT32_MAX;
}

/* For the gate: the watcher of a stream, which is of the kind `plain` and says that it is another,
 * or one of the loop's own, is called for the library. */
static inline unsigned handle_called(const eddy_handle *handle, eddy_kind plain) {
    eddy_kind what = handle_what(handle);
    bool is_inner = what != plain || (handle->flags & (HANDLE_INNER | HANDLE_RELAYS));
    return is_inner ? (unsigned)what | OBSERVE_INNER : (unsigned)what;
}

/* Of the first member of a stream or listener, which stands for all of it. */
static inline void handle_set_what(eddy_handle *handle, eddy_kind what) {
    handle->flags &= (uint16_t)~HANDLE_WHAT;
    handle->flags |= (uint16_t)(what << HANDLE_WHAT_SHIFT);
}

static inline void handle_set_inner(eddy_handle *handle) {
    handle->flags |= HANDLE_INNER;
}

static inline void handle_set_relays(eddy_handle *handle) {
    handle->flags |= HANDLE_RELAYS;
}

static inline void handle_start(eddy_handle *handle) {
    EDDY_ASSERT(!handle_is_active(handle));
    CHECK_CHANGE(handle->loop);
    handle->flags |= HANDLE_ACTIVE;
    handle->loop->handles++;
    if (!(handle->flags & HANDLE_UNREF)) handle->loop->active++;
}

static inline void handle_stop(eddy_handle *handle) {
    EDDY_ASSERT(handle_is_active(handle));
    CHECK_CHANGE(handle->loop);
    handle->flags &= (uint16_t)~HANDLE_ACTIVE;
    handle->loop->handles--;
    if (!(handle->flags & HANDLE_UNREF)) handle->loop->active--;
}

/* Requests in flight keep the loop alive. */
static inline void request_begin(eddy_loop *loop) {
    CHECK_CHANGE(loop);
    loop->active++;
}

static inline void request_end(eddy_loop *loop) {
    EDDY_ASSERT(loop->active > 0);
    loop->active--;
}

#endif
