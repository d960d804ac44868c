/* profile.h: what this library was built without. Each is an option of Meson's (meson_options.txt),
 * or a macro on the compiler's command line where eddy is compiled without it; EDDY_TINY is all of
 * them. What a program does not use is not linked in any library: these take out what the turn
 * itself would ask or hold for it. docs/21-embedding.md has the sizes. */
#ifndef EDDY_CORE_PROFILE_H
#define EDDY_CORE_PROFILE_H

#ifdef EDDY_TINY
#define EDDY_NO_NAMES 1
#define EDDY_NO_POOL  1
#define EDDY_NO_TRACE 1
#define EDDY_SMALL    1
#endif

/* What is there for speed alone is not: platform/compiler.h. */

/* The texts of broken promises (assert.h). */
#ifdef EDDY_NO_NAMES
enum { HAS_NAMES = 0 };
#else
enum { HAS_NAMES = 1 };
#endif

/* Threads: a pool. */
#ifdef EDDY_NO_POOL
enum { HAS_POOL = 0 };
#else
enum { HAS_POOL = 1 };
#endif

/* Backends that tell READ and WRITE in two records (BACKEND_CAN_SPLIT: kqueue). */
#ifdef EDDY_NO_SPLIT
enum { HAS_SPLIT = 0 };
#else
enum { HAS_SPLIT = 1 };
#endif

/* Backends that lose descriptors, and say so in a record (backend.h, clause 7: all but epoll). */
#ifdef EDDY_NO_LOSSES
enum { HAS_LOSSES = 0 };
#else
enum { HAS_LOSSES = 1 };
#endif

/* What a turn calls beside timers and watchers of descriptors: hooks, deferred calls, posts, and so
 * wakes, signals, labels, parts and all above. In a static library whoever does not use them links
 * none of it anyway; in one file (EDDY_PRIVATE) no linker can tell. */
#ifdef EDDY_NO_QUEUES
enum { HAS_QUEUES = 0 };
#else
enum { HAS_QUEUES = 1 };
#endif

/* Traces, statistics and watchdogs (observe.h). */
#ifdef EDDY_NO_TRACE
enum { HAS_TRACE = 0 };
#else
enum { HAS_TRACE = 1 };
#endif

#endif
