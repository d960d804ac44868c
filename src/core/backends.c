/* backends.c: the table of backends, as programs see it.
 * Threading: any thread, but for what takes a loop: that is its thread's. */
#include "loop.h"

#include <errno.h>

static eddy_backend_info backend_info(const struct eddy_backend *backend) {
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
        *info = backend_info(*backend);
        return 0;
    }
    return -ENOENT;
}

/* Made when it is asked for, as few do. */
const eddy_backend_info *eddy_loop_backend(const eddy_loop *loop) {
    eddy_backend_info *info = &((eddy_loop *)(uintptr_t)loop)->backend_info;
    *info = backend_info(loop_backend(loop));
    return info;
}

int eddy_loop_backend_fd(const eddy_loop *loop) {
    if (!(loop_backend(loop)->capabilities & EDDY_CAN_NEST)) return -ENOTSUP;
    return loop_backend(loop)->descriptor(loop->backend_state);
}
