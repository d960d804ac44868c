/* pin.c: see pin.h. Without state. */
#include "pin.h"

#include <errno.h>
#include <sched.h>

int bench_pin(unsigned n) {
#ifdef CPU_SET
    cpu_set_t may, wanted;
    if (sched_getaffinity(0, sizeof may, &may) < 0) return -errno;
    CPU_ZERO(&wanted);
    for (unsigned i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &may) || n-- > 0) continue;
        CPU_SET(i, &wanted);
        return sched_setaffinity(0, sizeof wanted, &wanted) < 0 ? -errno : 0;
    }
    return -ENODEV;
#else
    (void)n;
    return -ENOTSUP;
#endif
}
