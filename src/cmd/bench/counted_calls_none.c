/* counted_calls_none.c: see counted_calls.h; where there is no way. Without state. */
#include "bench_guard.h"
#include "counted_calls.h"

#include <errno.h>

int bench_calls_allow(void) {
    return -ENOTSUP;
}

int bench_calls_count(pid_t child, const _Atomic(bool) *is_measuring, int64_t *calls) {
    (void)is_measuring;
    *calls = -1;
    return bench_guard_wait(child);
}
