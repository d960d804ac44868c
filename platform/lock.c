/* lock.c: locks of POSIX, which programs without threads of their own have as well. */
#include "os.h"

#include <errno.h>
#include <unistd.h>

static int lock_set_kind(pthread_mutexattr_t *attributes, bool lends_priority) {
#if defined(_POSIX_THREAD_PRIO_INHERIT) && _POSIX_THREAD_PRIO_INHERIT > 0
    if (lends_priority) return pthread_mutexattr_setprotocol(attributes, PTHREAD_PRIO_INHERIT);
#else
    if (lends_priority) return ENOTSUP;
#endif
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
    /* glibc and FreeBSD: spins a little before it sleeps. Locks are held for some tens of
     * nanoseconds here; sleeping and waking takes a hundred times as long, for both sides. */
    return pthread_mutexattr_settype(attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
#else
    (void)attributes;
    return 0;
#endif
}

int eddy_os_mutex_open(eddy_os_mutex *mutex, bool lends_priority) {
    pthread_mutexattr_t attributes;
    int err = pthread_mutexattr_init(&attributes);
    if (err != 0) return -err;
    err = lock_set_kind(&attributes, lends_priority);
    if (err == 0) err = pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return -err;
}

void eddy_os_mutex_close(eddy_os_mutex *mutex) {
    pthread_mutex_destroy(mutex);
}

void eddy_os_lock(eddy_os_mutex *mutex) {
    pthread_mutex_lock(mutex);
}

void eddy_os_unlock(eddy_os_mutex *mutex) {
    pthread_mutex_unlock(mutex);
}
