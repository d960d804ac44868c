/* handle.c: what all handles have in common: whether they keep their loop running.
 * Invariant: loop->active counts the active, referenced handles and the requests in flight.
 * Threading: loop thread only. */
#include "handle.h"

void eddy_ref(eddy_handle *handle) {
    if (!(handle->flags & HANDLE_UNREF)) return;
    handle->flags &= ~(uint32_t)HANDLE_UNREF;
    if (handle_is_active(handle)) handle->loop->active++;
}

void eddy_unref(eddy_handle *handle) {
    if (handle->flags & HANDLE_UNREF) return;
    handle->flags |= HANDLE_UNREF;
    if (handle_is_active(handle)) handle->loop->active--;
}

bool eddy_is_active(const eddy_handle *handle) {
    return handle_is_active(handle);
}
