/* process.c: what a process is to itself, where it may have one thread only. */
#include "os.h"

#include <errno.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

void eddy_os_back_off(unsigned *rounds) {
    enum { YIELDS = 8, DOUBLINGS_MAX = 10, SLEEP_NS = 1000000 >> DOUBLINGS_MAX };
    int saved = errno;
    if (*rounds < YIELDS) {
        ++*rounds;
        sched_yield();
    } else {
        unsigned doublings = *rounds - YIELDS;
        if (doublings < DOUBLINGS_MAX) ++*rounds;
        struct timespec rest = {.tv_nsec = (long)SLEEP_NS << doublings};
        (void)nanosleep(&rest, NULL); /* a signal may end it early, and the caller looks again */
    }
    errno = saved;
}

int eddy_os_process_id(void) {
    return (int)getpid();
}

eddy_os_thread eddy_os_thread_self(void) {
    return pthread_self();
}
