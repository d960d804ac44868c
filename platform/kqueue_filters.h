/* kqueue_filters.h: the filters of one descriptor for kqueue.c: what is attached, the next step to
 * what is wanted, and what an event or an error of them means.
 *
 * Reading and writing are two filters with an event each. A hang-up is the end that EVFILT_READ
 * tells: without EDDY_READ that filter waits for more bytes than can be there, and for each arrival
 * only once, as some systems tell of bytes all the same. */
#ifndef EDDY_PLATFORM_KQUEUE_FILTERS_H
#define EDDY_PLATFORM_KQUEUE_FILTERS_H

#include "backend.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/event.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Older NetBSDs do not know it: there a short array of records may tell too much. */
#ifndef EV_RECEIPT
#define EV_RECEIPT 0
#endif

enum {
    DIRECTIONS = EDDY_READ | EDDY_WRITE,
    FILTERS = DIRECTIONS | EDDY_HANGUP, /* of which READ and HANGUP are one of the kernel's */
    MODES = EDDY_EDGE | EDDY_ONESHOT,
};

struct kqueue_watch {
    eddy_token token;
    uint8_t wanted;   /* filters and mode; none after a one-shot has fired or the loss is told */
    uint8_t attached; /* the same, as attached: a filter keeps its mode for life */
    uint8_t again;    /* attached filters to add once more, so that the kernel looks again */
    bool broken;      /* a pipe that takes no filter, since it is always ready: see take_error */
    unsigned place;   /* one more than the index in `changed`; 0: not in it */
};

/* What of `events` has a filter: a reader's tells of the end too. */
static inline unsigned kqueue_filters(unsigned events) {
    return events & (events & EDDY_READ ? DIRECTIONS : FILTERS);
}

static inline void kqueue_set_change(struct kevent *change, int fd, unsigned filter,
                                     unsigned flags) {
    bool is_hangup = filter == EDDY_HANGUP && (flags & EV_ADD);
    EV_SET(change, (uintptr_t)fd, filter == EDDY_WRITE ? EVFILT_WRITE : EVFILT_READ,
           (unsigned short)flags, is_hangup ? NOTE_LOWAT : 0, is_hangup ? INT_MAX : 0, 0);
}

/* The first one: READ before WRITE before HANGUP. */
static inline unsigned kqueue_first(unsigned filters) {
    return filters & (0u - filters);
}

/* The next step from what is attached to what is wanted; false when there is none. The step counts
 * as done. Adding an attached filter again makes the kernel look whether it is ready, but would not
 * change its mode: for that it is taken off first. */
static inline bool kqueue_next_change(struct kqueue_watch *watch, int fd, struct kevent *change) {
    bool mode_stays = ((watch->attached ^ watch->wanted) & MODES) == 0;
    unsigned wanted = kqueue_filters(watch->wanted);
    unsigned surplus = watch->attached & FILTERS & (mode_stays ? ~wanted : FILTERS);
    if (surplus != 0) {
        unsigned filter = kqueue_first(surplus);
        watch->attached &= (uint8_t)~filter;
        kqueue_set_change(change, fd, filter, EV_DELETE);
        return true;
    }
    if ((watch->attached & FILTERS) == 0) watch->attached = watch->wanted & MODES;
    unsigned missing = wanted & (watch->again | ~(unsigned)watch->attached);
    if (missing == 0) return false;
    unsigned filter = kqueue_first(missing);
    unsigned flags = EV_ADD;
    if ((watch->wanted & EDDY_EDGE) || filter == EDDY_HANGUP) flags |= EV_CLEAR;
    if ((watch->wanted & EDDY_ONESHOT) && filter != EDDY_HANGUP) flags |= EV_ONESHOT;
    watch->attached |= (uint8_t)filter;
    watch->again &= (uint8_t)~filter;
    kqueue_set_change(change, fd, filter, flags);
    return true;
}

/* Of `watch`, as it is attached. */
static inline unsigned kqueue_filter_of(const struct kqueue_watch *watch,
                                        const struct kevent *event) {
    if (event->filter == EVFILT_WRITE) return EDDY_WRITE;
    return watch->attached & EDDY_HANGUP ? EDDY_HANGUP : EDDY_READ;
}

/* What a change that failed with `error` means here, for systems name it differently. A pipe
 * without its other end takes no WRITE: EPIPE, EBADF on NetBSD, EPERM on older OpenBSDs. What has
 * no filter of this kind, as FreeBSD's /dev/null, NetBSD's write ends for reading, is ENODEV,
 * EINVAL, EOPNOTSUPP or EBADF: EPERM here, as for files. Tests:
 * netbsd_has_another_word_for_a_broken_pipe, device_that_cannot_be_polled. */
static inline int kqueue_error_of(int fd, unsigned filter, int error) {
    bool is_refused = error == ENODEV || error == EINVAL || error == EOPNOTSUPP;
    if (!is_refused && error != EBADF && error != EPERM) return error;
    struct stat status;
    if (fstat(fd, &status) != 0) return EBADF;
    return !is_refused && filter == EDDY_WRITE && S_ISFIFO(status.st_mode) ? EPIPE : EPERM;
}

/* An end is of this filter's direction only, which is ready then: a hang-up would be of both,
 * unless it was asked for. A socket's error comes along in fflags. */
static inline unsigned kqueue_events_of_end(const struct kqueue_watch *watch,
                                            const struct kevent *event, unsigned filter) {
    unsigned events = filter;
    /* The end of writing may be our own doing. */
    if (event->filter == EVFILT_READ || event->fflags != 0) events |= watch->wanted & EDDY_HANGUP;
    if (event->filter == EVFILT_READ) events |= EDDY_READ;
    return event->fflags != 0 ? events | DIRECTIONS | EDDY_ERROR : events;
}

#endif
