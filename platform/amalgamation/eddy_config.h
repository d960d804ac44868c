/* eddy_config.h: what this system has, for a build that does not ask: that of eddy.c. Meson's is
 * made by platform/meson.build; a test compares the two. A system's name stands for what it has had
 * for ten years. What is not named here is done without; where another system lacks what is named,
 * the build ends with an error. */
#ifdef __has_include
#define EDDY_HAS_INCLUDE(header) __has_include(header)
#else
#define EDDY_HAS_INCLUDE(header) 0
#endif

#if defined(__linux__) /* all C libraries */
#define HAVE_ACCEPT4
#define HAVE_CLONE
#define HAVE_DL_ITERATE_PHDR
#define HAVE_DUP3
#define HAVE_EPOLL_CREATE1
#define HAVE_EVENTFD
#define HAVE_PIPE2
#define HAVE_PPOLL
#define HAVE_PREADV
#define HAVE_PTHREAD_CONDATTR_SETCLOCK
#define HAVE_PTSNAME_R
#define HAVE_SIGTIMEDWAIT
#define HAVE_STRUCT_UCRED
#define HAVE_ST_ATIM
#define HAVE_VFORK
#elif defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)
#define HAVE_ACCEPT4
#define HAVE_DL_ITERATE_PHDR
#define HAVE_DUP3
#define HAVE_GETPEEREID
#define HAVE_PIPE2
#define HAVE_PREADV
#define HAVE_PTHREAD_CONDATTR_SETCLOCK
#define HAVE_ST_ATIM
#define HAVE_VFORK
#ifndef __NetBSD__ /* from 10 on */
#define HAVE_PPOLL
#endif
#ifndef __OpenBSD__ /* has neither */
#define HAVE_SIGTIMEDWAIT
#endif
#elif defined(__APPLE__) /* lacks what makes a descriptor close-on-exec at once */
#include <Availability.h>
#define HAVE_GETATTRLISTBULK
#define HAVE_GETPEEREID
#if defined(__MAC_OS_X_VERSION_MAX_ALLOWED) && __MAC_OS_X_VERSION_MAX_ALLOWED >= 110000
#define HAVE_PREADV /* declared by that version's headers, so that we cannot have our own */
#endif
#endif

/* On other systems it is in a library of its own. */
#if (defined(__linux__) || defined(__APPLE__)) && EDDY_HAS_INCLUDE(<execinfo.h>)
#define HAVE_BACKTRACE
#endif

/* The kernel's headers may be older than Linux 5.12, or not be there. Asked without a macro, in
 * which compilers of GNU's C would replace the word linux. */
#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#ifdef IORING_FEAT_NATIVE_WORKERS
#define HAVE_IO_URING
#endif
#endif
#endif

/* The backends, less those that are left out. */
#if defined(HAVE_EPOLL_CREATE1) && !defined(EDDY_NO_EPOLL)
#define EDDY_HAS_EPOLL 1
#else
#define EDDY_HAS_EPOLL 0
#endif
/* Linux may have its header from libkqueue, a library over epoll. */
#if !defined(__linux__) && EDDY_HAS_INCLUDE(<sys / event.h>) && !defined(EDDY_NO_KQUEUE)
#define EDDY_HAS_KQUEUE 1
#else
#define EDDY_HAS_KQUEUE 0
#endif
#ifndef EDDY_NO_POLL
#define EDDY_HAS_POLL 1
#else
#define EDDY_HAS_POLL 0
#endif
#ifndef EDDY_NO_SELECT
#define EDDY_HAS_SELECT 1
#else
#define EDDY_HAS_SELECT 0
#endif
/* Linux 6.1 and later, for comparison. */
#if defined(HAVE_IO_URING) && defined(IORING_SETUP_DEFER_TASKRUN) && !defined(EDDY_NO_IO_URING)
#define EDDY_HAS_IO_URING 1
#else
#define EDDY_HAS_IO_URING 0
#endif
#ifdef EDDY_TINY /* the best */
#if EDDY_HAS_EPOLL || EDDY_HAS_KQUEUE
#undef EDDY_HAS_POLL
#define EDDY_HAS_POLL 0
#endif
#if EDDY_HAS_EPOLL || EDDY_HAS_KQUEUE || EDDY_HAS_POLL
#undef EDDY_HAS_SELECT
#define EDDY_HAS_SELECT 0
#endif
#if EDDY_HAS_EPOLL || EDDY_HAS_KQUEUE || EDDY_HAS_POLL || EDDY_HAS_SELECT
#undef EDDY_HAS_IO_URING
#define EDDY_HAS_IO_URING 0
#endif
#if !EDDY_HAS_KQUEUE
#define EDDY_NO_SPLIT 1
#endif
#if defined(EDDY_OWN_BACKENDS) || defined(EDDY_ONE_BACKEND)
#elif EDDY_HAS_EPOLL && !EDDY_HAS_KQUEUE
#define EDDY_ONE_BACKEND eddy_backend_epoll
#define EDDY_NO_LOSSES   1
#elif EDDY_HAS_KQUEUE && !EDDY_HAS_EPOLL
#define EDDY_ONE_BACKEND eddy_backend_kqueue
#elif EDDY_HAS_POLL
#define EDDY_ONE_BACKEND eddy_backend_poll
#elif EDDY_HAS_SELECT
#define EDDY_ONE_BACKEND eddy_backend_select
#endif
#endif
#if !EDDY_HAS_EPOLL && !EDDY_HAS_KQUEUE && !EDDY_HAS_POLL && !EDDY_HAS_SELECT && !EDDY_HAS_IO_URING
#error "eddy needs a backend"
#endif
