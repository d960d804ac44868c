/* clock.c: the monotonic clock, and memory from the C library. */
#include "os.h"

#include <stdlib.h>
#include <time.h>

int64_t eddy_os_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void *eddy_os_resize(void *context, void *memory, size_t old_bytes, size_t new_bytes) {
    (void)context;
    (void)old_bytes;
    if (new_bytes == 0) {
        free(memory);
        return NULL;
    }
    return realloc(memory, new_bytes);
}
