/* loops_epoll_none.c: see loops.h; where there is no epoll. Without state. */
#include "loops.h"

#include <errno.h>

int loops_serve_by_hand(struct loops_worker *worker, bool is_exclusive) {
    (void)worker, (void)is_exclusive;
    return -ENOTSUP;
}
