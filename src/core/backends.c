/* backends.c: the table of backends, as programs see it.
 * Threading: any thread, but for what takes a loop: that is its thread's. */
#include "loop.h"

#include <errno.h>
#include <string.h>

eddy_backend_info eddy__backend_info(const struct eddy_backend *backend) {
    return (eddy_backend_info){
        .name = backend->name,
        .capabilities = backend->capabilities & ~(unsigned)BACKEND_PRIVATE,
        .fd_max = backend->fd_max,
    };
}

int eddy_backend_at(size_t index, eddy_backend_info *info) {
    const struct eddy_backend *const *backend = eddy_backend_table;
    for (; *backend != NULL; backend++) {
        if (index-- > 0) continue;
        *info = eddy__backend_info(*backend);
        return 0;
    }
    return -ENOENT;
}

const struct eddy_backend *eddy__backend_find(const char *name) {
    const struct eddy_backend *const *backend = eddy_backend_table;
    while (name != NULL && *backend != NULL && strcmp((*backend)->name, name) != 0) backend++;
    return *backend;
}

const eddy_backend_info *eddy_loop_backend(const eddy_loop *loop) {
    return &loop->backend_info;
}

int eddy_loop_backend_fd(const eddy_loop *loop) {
    if (!(loop->backend->capabilities & EDDY_CAN_NEST)) return -ENOTSUP;
    return loop->backend->descriptor(loop->backend_state);
}
