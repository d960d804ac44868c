/* ae_on_eddy.c: Redis' event loop, as its header ae.h has it, on eddy's public headers: Redis runs
 * on it in place of its own ae.c (redis.sh). File events are in ae_file.c, time events in
 * ae_time.c.
 *
 * Handlers may process events themselves, so none is called from inside the library: its callbacks
 * note what is ready in two lists, of file events and of time events, and aeProcessEvents calls the
 * handlers from there (docs/02-turn.md, "A turn inside a turn"). All levels take from the same
 * lists. A level handles what was noted when it began to, so that events which others go on noting
 * inside of it do not keep it for ever.
 *
 * Differences from ae.c: what a deleted event was noted for is forgotten, also when its descriptor
 * is closed, opened anew and registered again before its place in the list; a time event is not
 * called inside of itself; time events are called in the order of their deadlines.
 *
 * Threading: one thread, and while that sleeps between its two hooks any thread to which they have
 * handed a lock of the program: Redis' modules do that. `lock` is held for a whole turn, its wait
 * included; who finds it taken wakes the loop first. */
#include "ae_port.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#ifndef AE_BACKEND
#define AE_BACKEND NULL
#endif
extern const char *ae_backend;
const char *ae_backend = AE_BACKEND;

static bool is_at_hand(const struct port *port, int flags) {
    if ((flags & AE_FILE_EVENTS) && !list_is_empty(&port->ready)) return true;
    return (flags & AE_TIME_EVENTS) && !(list_is_empty(&port->due) && list_is_empty(&port->dead));
}

/* A turn of the library; as many as it takes if all that one notes is of the kind that this level
 * does not process. A signal ends it, and so does who waits for the lock. */
static int turn(struct port *port, int flags) {
    enter(port);
    port->is_wanted = false;
    bool may_wait = !((flags | port->ae.flags) & AE_DONT_WAIT);
    if (port->ae.maxfd < 0 && !(flags & AE_TIME_EVENTS)) may_wait = false; /* for nothing */
    int err;
    bool is_noted;
    do {
        unsigned long long before = port->notes;
        bool waits = may_wait && !is_at_hand(port, flags);
        err = eddy_loop_run(port->loop, waits ? EDDY_RUN_ONCE : EDDY_RUN_NOWAIT);
        is_noted = port->notes != before && !port->is_wanted;
    } while (may_wait && err >= 0 && is_noted && !is_at_hand(port, flags));
    leave(port);
    return err;
}

/* How many events were processed, or AE_ERR with errno if the wait has failed. */
int aeProcessEvents(aeEventLoop *ae, int flags) {
    struct port *port = port_of(ae);
    if (!(flags & AE_ALL_EVENTS)) return 0;
    bool may_sleep = ae->maxfd >= 0 || ((flags & AE_TIME_EVENTS) && !(flags & AE_DONT_WAIT));
    if (may_sleep && ae->beforesleep != NULL && (flags & AE_CALL_BEFORE_SLEEP)) ae->beforesleep(ae);
    int err = turn(port, flags);
    if (may_sleep && ae->aftersleep != NULL && (flags & AE_CALL_AFTER_SLEEP)) ae->aftersleep(ae);
    if (err < 0) return result_of(err);
    int count = flags & AE_FILE_EVENTS ? port_handle_files(port) : 0;
    return count + (flags & AE_TIME_EVENTS ? port_handle_times(port) : 0);
}

void aeMain(aeEventLoop *ae) {
    ae->stop = 0;
    while (!ae->stop)
        if (aeProcessEvents(ae, AE_ALL_EVENTS | AE_CALL_BEFORE_SLEEP | AE_CALL_AFTER_SLEEP) < 0)
            return;
}

/* --- Its life --- */

static void on_wake(eddy_wake *wake) {
    eddy_container_of(wake, struct port, wake)->is_wanted = true;
}

static int port_open(struct port *port, int setsize) {
    /* As many as there may be: what the program does once a turn is for all that are ready. */
    eddy_loop_config config = {.backend = ae_backend, .events_per_turn = (unsigned)setsize};
    int err = eddy_loop_open(&port->loop, &config);
    if (err < 0) return err;
    eddy_wake_init(&port->wake, port->loop);
    (void)eddy_wake_start(&port->wake, on_wake); /* a new one: cannot fail */
    err = pthread_mutex_init(&port->lock, NULL);
    if (err == 0) return 0;
    eddy_wake_stop(&port->wake);
    (void)eddy_loop_close(port->loop);
    return -err;
}

aeEventLoop *aeCreateEventLoop(int setsize) {
#ifdef __MONOTONIC_H
    monotonicInit(); /* Redis' clock, whose programs leave that to their loop */
#endif
    struct port *port = setsize > 0 ? calloc(1, sizeof *port) : NULL;
    struct file **files = port != NULL ? calloc((size_t)setsize, sizeof(struct file *)) : NULL;
    int err = setsize > 0 ? -ENOMEM : -EINVAL;
    if (files != NULL) err = port_open(port, setsize);
    if (err < 0) {
        free(files);
        free(port);
        (void)result_of(err);
        return NULL;
    }
    port->files = files;
    port->ae.setsize = setsize;
    port->ae.maxfd = -1;
    struct node *const lists[] = {&port->ready, &port->due, &port->waiting, &port->dead};
    for (int i = 0; i < 4; i++) list_init(lists[i]);
    return &port->ae;
}

/* Not in a handler. */
void aeDeleteEventLoop(aeEventLoop *ae) {
    struct port *port = port_of(ae);
    while (ae->maxfd >= 0) aeDeleteFileEvent(ae, ae->maxfd, AE_READABLE | AE_WRITABLE);
    port_free_files(port, 0);
    port_free_times(port);
    eddy_wake_stop(&port->wake);
    (void)eddy_loop_close(port->loop); /* nothing is left in it; in a forked child it stays */
    pthread_mutex_destroy(&port->lock);
    free(port->files);
    free(port);
}

int aeResizeSetSize(aeEventLoop *ae, int setsize) {
    struct port *port = port_of(ae);
    if (setsize == ae->setsize) return AE_OK;
    if (setsize <= 0 || setsize <= ae->maxfd) return AE_ERR;
    if (setsize < ae->setsize) port_free_files(port, setsize);
    struct file **files = realloc(port->files, (size_t)setsize * sizeof(struct file *));
    if (files == NULL && setsize > ae->setsize) return AE_ERR;
    if (files != NULL) port->files = files;
    for (int fd = ae->setsize; fd < setsize; fd++) port->files[fd] = NULL;
    ae->setsize = setsize;
    return AE_OK;
}

/* --- What is small --- */

void aeStop(aeEventLoop *ae) {
    ae->stop = 1;
}

void aeSetBeforeSleepProc(aeEventLoop *ae, aeBeforeSleepProc *proc) {
    ae->beforesleep = proc;
}

void aeSetAfterSleepProc(aeEventLoop *ae, aeBeforeSleepProc *proc) {
    ae->aftersleep = proc;
}

void aeSetDontWait(aeEventLoop *ae, int dont_wait) {
    ae->flags = dont_wait ? ae->flags | AE_DONT_WAIT : ae->flags & ~AE_DONT_WAIT;
}

int aeGetSetSize(aeEventLoop *ae) {
    return ae->setsize;
}

char *aeGetApiName(void) {
    static char name[] = "eddy";
    return name;
}

/* For one descriptor, without a loop. Returns what is ready, 0 after the time, or -1. */
int aeWait(int fd, int mask, long long milliseconds) {
    int timeout = milliseconds > INT_MAX ? INT_MAX : milliseconds < 0 ? -1 : (int)milliseconds;
    struct pollfd it = {.fd = fd};
    if (mask & AE_READABLE) it.events |= POLLIN;
    if (mask & AE_WRITABLE) it.events |= POLLOUT;
    int count = poll(&it, 1, timeout);
    if (count <= 0) return count;
    int ready = it.revents & POLLIN ? AE_READABLE : AE_NONE;
    if (it.revents & (POLLOUT | POLLERR | POLLHUP)) ready |= AE_WRITABLE;
    return ready;
}
