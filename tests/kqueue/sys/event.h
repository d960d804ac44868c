/* sys/event.h: the double of the BSDs' header, for tests where the system has none. See double.c.
 */
#ifndef EDDY_TESTS_KQUEUE_EVENT_H
#define EDDY_TESTS_KQUEUE_EVENT_H

#include <stdint.h>
#include <time.h>

/* The layout of FreeBSD 11, which macOS has too. */
struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned fflags;
    intptr_t data;
    void *udata;
};

#define EVFILT_READ  (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_PROC  (-5)

#define NOTE_EXIT  0x80000000U
#define NOTE_LOWAT 0x0001 /* for reading: fewer bytes than `data` are not told of */

#define EV_ADD      0x0001
#define EV_DELETE   0x0002
#define EV_ENABLE   0x0004
#define EV_DISABLE  0x0008
#define EV_ONESHOT  0x0010
#define EV_CLEAR    0x0020
#define EV_RECEIPT  0x0040
#define EV_DISPATCH 0x0080
#define EV_ERROR    0x4000
#define EV_EOF      0x8000

#define EV_SET(kev, a, b, c, d, e, f) \
    (*(kev) = (struct kevent){        \
         .ident = (a), .filter = (b), .flags = (c), .fflags = (d), .data = (e), .udata = (f)})

int kqueue(void);
int kevent(int kq, const struct kevent *changes, int changes_count, struct kevent *events,
           int events_count, const struct timespec *timeout);

/* Where the systems differ, the double is FreeBSD as far as what it loses: see double.c. A test
 * that is about the rest asks for a system by name, before it opens a queue. */
enum kqueue_double_system { KQUEUE_DOUBLE_PLAIN, KQUEUE_DOUBLE_FREEBSD, KQUEUE_DOUBLE_NETBSD };
extern enum kqueue_double_system kqueue_double_system;

/* The double's queue is more than one descriptor, and it cannot see close(). kqueue.c and
 * exits_kqueue.c, the only files that open queues, close them through this function. */
int kqueue_double_close(int kq);
#define eddy_os_close kqueue_double_close

#endif
