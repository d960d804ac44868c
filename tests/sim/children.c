/* children.c: there are none yet. */
#include "os.h"

#include <errno.h>

int eddy_os_spawn(const eddy_child_options *options, const struct eddy_os_child_fd *map,
                  unsigned count, pid_t *pid, int *pidfd) {
    (void)options, (void)map, (void)count, (void)pid, (void)pidfd;
    return -ENOSYS;
}
