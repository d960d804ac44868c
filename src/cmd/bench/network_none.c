/* network_none.c: see network.h; where there are no namespaces. Without state. */
#include "network.h"

#include <errno.h>

int network_make(void) {
    return -ENOTSUP;
}

int network_go(int fd) {
    (void)fd;
    return -ENOTSUP;
}
