/* table.c: the backends, best first. Of other builds, Meson makes it. */
#include "backend.h"

#include "eddy_config.h"

const struct eddy_backend *const eddy_backend_table[] = {
#if EDDY_HAS_EPOLL
    &eddy_backend_epoll,
#endif
#if EDDY_HAS_KQUEUE
    &eddy_backend_kqueue,
#endif
#if EDDY_HAS_POLL
    &eddy_backend_poll,
#endif
#if EDDY_HAS_SELECT
    &eddy_backend_select,
#endif
#if EDDY_HAS_IO_URING
    &eddy_backend_io_uring,
#endif
    NULL,
};
