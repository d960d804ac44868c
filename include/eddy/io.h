/* io.h: watching a descriptor. Any number of watchers may share one; the loop merges their
 * interest. For that each start, change and stop looks at all watchers of its descriptor, which are
 * one or two nearly always: to count them by event would make every descriptor's entry larger. Have
 * one watcher tell your own list if there are hundreds. Loop thread only.
 * @since 0.1 */
#ifndef EDDY_IO_H
#define EDDY_IO_H

#include <eddy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Events, asked for and told. */
enum {
    EDDY_READ = 1 << 0,   /* a read would not block */
    EDDY_WRITE = 1 << 1,  /* a write would not block */
    EDDY_ERROR = 1 << 2,  /* told only: something is wrong, see eddy_io_error */
    EDDY_HANGUP = 1 << 3, /* the other side is gone, or, where it was asked for, sends no more; data
                           * may still be there to read. Asked for it needs the capability. */
    /* How to watch, given with the events. Each needs the backend's capability. */
    EDDY_EDGE = 1 << 4,    /* tell once per arrival: read or write until -EAGAIN */
    EDDY_ONESHOT = 1 << 5, /* tell once, then be silent until eddy_io_change */
};

typedef struct eddy_io eddy_io;

/* `events` is what the watcher asked for and what is ready, with EDDY_ERROR and EDDY_HANGUP as
 * hints: the read or write call gives the verdict, and only a read of 0 is the end. The hints come
 * with an event that was asked for, never by themselves; EDDY_ERROR alone says that the backend has
 * lost the descriptor (eddy_io_error). */
typedef void eddy_io_fn(eddy_io *io, unsigned events);

/* All fields are private, but for `handle`, to be given to eddy_unref and its like. */
struct eddy_io {
    eddy_handle handle;
    eddy_io_fn *fn;
    eddy_io *next; /* of the watchers on the same descriptor */
    uint64_t born; /* the turn that started it: it hears nothing of that turn's events */
    uint32_t events;
    int32_t error;
};

/* Makes `io` a stopped watcher of `loop`. Cannot fail. */
EDDY_API void eddy_io_init(eddy_io *io, eddy_loop *loop);

/* Calls `fn` when `fd` is ready for one of `events`. The descriptor stays the caller's, must be
 * open, and must be closed only after eddy_io_stop; that is also for a library that closes its
 * socket itself or puts another one in its place (libpq while it connects, libcurl): stop before
 * the call that may, and start again with the descriptor that it tells afterwards. `events` may be
 * 0: muted, silent even when the other side hangs up. Register a socket after connect(): before it,
 * it reports EDDY_WRITE and EDDY_HANGUP. The descriptor is added to the backend at once.
 *
 * EDDY_HANGUP alone is for who does not read just now and yet has to hear that the other side has
 * gone, as a proxy does whose other connection is full: that it has shut down its sending, closed
 * or reset, or that the other end of a pipe is closed (with kqueue, of a writing end, not on every
 * system). With EDDY_ERROR beside it, the connection is broken. A hang-up lasts, mostly, so it is
 * told once, and again only if eddy_io_change asks again: so is a reset that follows a half-close.
 * Beside EDDY_READ it tells as soon as the end has arrived, with data before it or not; then it may
 * also come along with later events, as a hint. With EDDY_EDGE, taking the interest back may show
 * an edge once more.
 *
 * Errors: -EALREADY (started), -EBADF (not open), -EPERM (a regular file or directory, which are
 * always ready: use file requests; what the system cannot watch), -ERANGE (beyond what the backend
 * can watch), -ENOTSUP (EDGE, ONESHOT or HANGUP without the capability), -EINVAL (unknown events;
 * other watchers of `fd` differ in EDGE; ONESHOT with another watcher on `fd`), -ENOMEM, -ENOSPC.
 */
EDDY_API int eddy_io_start(eddy_io *io, eddy_io_fn *fn, int fd, unsigned events);

/* Asks for other events, and arms a one-shot again. Costs no system call by itself: changes are
 * flushed once a turn. Errors: -EINVAL (not started, or as eddy_io_start). A change that the
 * kernel refuses later is told as EDDY_ERROR. */
EDDY_API int eddy_io_change(eddy_io *io, unsigned events);

/* Stops it; nothing happens if it is stopped. No event comes after this, not even one of this turn;
 * `io` is yours again. The last watcher of a descriptor takes it out of the backend at once. */
EDDY_API void eddy_io_stop(eddy_io *io);

/* The descriptor, or -1 if stopped. */
EDDY_API int eddy_io_fd(const eddy_io *io);

/* The events that it asks for, with EDGE or ONESHOT as they were given; 0 if it is muted, by you or
 * because the backend lost the descriptor, or stopped. */
EDDY_API unsigned eddy_io_events(const eddy_io *io);

/* Why EDDY_ERROR came: a negative errno if the backend lost the descriptor (-EBADF: it was closed
 * behind the loop's back) and the watcher is muted until changed; 0 if the error is the
 * descriptor's own, which the next read or write will tell. */
EDDY_API int eddy_io_error(const eddy_io *io);

#ifdef __cplusplus
}
#endif
#endif
