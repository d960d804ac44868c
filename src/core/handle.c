/* handle.c: what all handles have in common: whether they keep their loop running.
 * Invariant: loop->active counts the active, referenced handles and the requests in flight.
 * Threading: loop thread only. */
#include "handle.h"

void eddy_ref(eddy_handle *handle) {
    EDDY_ASSERT(handle_is_initialised(handle));
    CHECK_CHANGE(handle->loop);
    if (!(handle->flags & HANDLE_UNREF)) return;
    handle->flags &= (uint16_t)~HANDLE_UNREF;
    if (handle_is_active(handle)) handle->loop->active++;
}

/* What is asked of a handle before its init would be forgotten by that. */
void eddy_unref(eddy_handle *handle) {
    EDDY_ASSERT(handle_is_initialised(handle));
    CHECK_CHANGE(handle->loop);
    if (handle->flags & HANDLE_UNREF) return;
    handle->flags |= HANDLE_UNREF;
    if (handle_is_active(handle)) handle->loop->active--;
}

bool eddy_is_active(const eddy_handle *handle) {
    return handle_is_active(handle);
}

eddy_loop *eddy_handle_loop(const eddy_handle *handle) {
    return handle->loop;
}
