/* backtrace.c: where a thread is, and a signal to it. */
#include "os.h"

#include <errno.h>
#include <limits.h>

#include "eddy_config.h"

#ifdef HAVE_BACKTRACE
#include <execinfo.h>
#endif

int eddy_os_backtrace(void **frames, int room) {
#ifdef HAVE_BACKTRACE
    /* They are counted in int on Linux and macOS, in size_t on the BSDs: this is in both. */
    unsigned short most = room < USHRT_MAX ? (unsigned short)room : USHRT_MAX;
    int count = (int)backtrace(frames, most);
    return count > 0 ? count : -ENOTSUP;
#else
    (void)frames;
    (void)room;
    return -ENOTSUP;
#endif
}

int eddy_os_thread_signal(eddy_os_thread thread, int number) {
    return -pthread_kill(thread, number);
}
