/* thread.c: threads and conditions of POSIX. */
#include "os.h"

#include <errno.h>
#include <limits.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "eddy_config.h"

#ifdef HAVE_DL_ITERATE_PHDR
#include <link.h>
#endif

/* --- Stacks --- */

enum { STACK_BYTES_DEFAULT = 8 << 20, STACK_BYTES_SMALL = 256 << 10 };

/* What the system gives the first thread. That is address space: only what is touched is memory. */
static size_t stack_default_bytes(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return STACK_BYTES_DEFAULT;
    return (uint64_t)limit.rlim_cur < SIZE_MAX / 2 ? (size_t)limit.rlim_cur : STACK_BYTES_DEFAULT;
}

#ifdef HAVE_DL_ITERATE_PHDR
static int stack_add_locals(struct dl_phdr_info *object, size_t size, void *context) {
    size_t *bytes = context;
    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_TLS) *bytes += (size_t)object->dlpi_phdr[i].p_memsz;
    return 0;
}
#endif

/* The thread-local variables of the program and its libraries, which glibc takes out of the stack.
 */
static size_t stack_local_bytes(void) {
    size_t bytes = 0;
#ifdef HAVE_DL_ITERATE_PHDR
    dl_iterate_phdr(stack_add_locals, &bytes);
#endif
    return bytes;
}

/* Whole pages, at least as many as the system asks for. */
static size_t stack_bytes_for(size_t wanted) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), least = (size_t)PTHREAD_STACK_MIN;
    size_t bytes = (wanted > 0 ? wanted : stack_default_bytes()) + stack_local_bytes();
    if (bytes < least) bytes = least;
    return (bytes + page - 1) / page * page;
}

/* --- Threads --- */

static int thread_create(eddy_os_thread *thread, void *(*run)(void *), void *argument,
                         size_t stack_bytes) {
    pthread_attr_t attributes;
    int err = pthread_attr_init(&attributes);
    if (err != 0) return err;
    /* What is refused leaves the system's default. */
    (void)pthread_attr_setstacksize(&attributes, stack_bytes_for(stack_bytes));
    err = pthread_create(thread, &attributes, run, argument);
    pthread_attr_destroy(&attributes);
    return err;
}

int eddy_os_thread_start(eddy_os_thread *thread, void *(*run)(void *), void *argument,
                         size_t stack_bytes) {
    /* The new thread inherits the mask: no signal can reach it, not even at its first step. */
    sigset_t before;
    eddy_os_signal_block_all(&before);
    int err = thread_create(thread, run, argument, stack_bytes);
    /* Linux refuses address space for more than all of its memory, touched or not; and there may be
     * a limit to it. Test: in_little_memory. */
    if (stack_bytes == 0 && (err == EAGAIN || err == ENOMEM))
        err = thread_create(thread, run, argument, STACK_BYTES_SMALL);
    eddy_os_signal_unblock(&before);
    return -err;
}

void eddy_os_thread_join(eddy_os_thread thread) {
    pthread_join(thread, NULL);
}

/* --- Conditions --- */

int eddy_os_condition_open(eddy_os_condition *condition) {
    pthread_condattr_t attributes;
    int err = pthread_condattr_init(&attributes);
    if (err != 0) return -err;
#ifdef HAVE_PTHREAD_CONDATTR_SETCLOCK
    err = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
    if (err == 0) err = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return -err;
}

void eddy_os_condition_close(eddy_os_condition *condition) {
    pthread_cond_destroy(condition);
}

bool eddy_os_condition_wait(eddy_os_condition *condition, eddy_os_mutex *mutex, int64_t until_ns) {
    if (until_ns < 0) {
        pthread_cond_wait(condition, mutex);
        return true;
    }
#ifdef HAVE_PTHREAD_CONDATTR_SETCLOCK
    int64_t at_ns = until_ns;
#else
    /* macOS conditions wait on the wall clock only: the rest of the time, counted from now there.
     * A clock that is set meanwhile makes the wait shorter or longer, never endless. */
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    int64_t at_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec;
    int64_t rest_ns = until_ns - eddy_os_clock_ns();
    if (rest_ns > 0) at_ns += rest_ns;
#endif
    struct timespec at = {.tv_sec = (time_t)(at_ns / 1000000000),
                          .tv_nsec = (long)(at_ns % 1000000000)};
    return pthread_cond_timedwait(condition, mutex, &at) != ETIMEDOUT;
}

void eddy_os_condition_signal(eddy_os_condition *condition) {
    pthread_cond_signal(condition);
}

void eddy_os_condition_broadcast(eddy_os_condition *condition) {
    pthread_cond_broadcast(condition);
}
