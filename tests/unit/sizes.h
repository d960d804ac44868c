/* sizes.h: the size of every public struct, as C and as C++ see it, and where its last field is. */
#ifndef EDDY_TESTS_SIZES_H
#define EDDY_TESTS_SIZES_H

#include <eddy.h>

#define SIZES                                                                               \
    sizeof(eddy_handle), sizeof(eddy_io), offsetof(eddy_io, error), sizeof(eddy_timer),     \
        offsetof(eddy_timer, order), sizeof(eddy_hook), offsetof(eddy_hook, born),          \
        sizeof(eddy_defer), offsetof(eddy_defer, fn), sizeof(eddy_post), sizeof(eddy_wake), \
        offsetof(eddy_wake, link), sizeof(eddy_signal), offsetof(eddy_signal, link),        \
        sizeof(eddy_loop_config), sizeof(eddy_metrics), sizeof(eddy_backend_info),          \
        sizeof(eddy_allocator)

enum { SIZES_COUNT = 18 };

#ifdef __cplusplus
extern "C" {
#endif

extern const size_t cplusplus_sizes[SIZES_COUNT];

/* Runs a loop with a timer and a wake from C++; returns how often they were called. */
int cplusplus_run(void);

#ifdef __cplusplus
}
#endif
#endif
