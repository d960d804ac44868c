/* backend.h: what a backend must supply.
 *
 * A backend is a constant table of functions over its own opaque state. It knows descriptors,
 * events and tokens; it never sees the loop, runs no user code, and decides nothing: order,
 * staleness, fairness and counting are the loop's. One file, this contract and one line in the
 * build make a backend. Each clause has a test in tests/contract that runs on every backend.
 *
 *  1. Level-triggered, unless EDDY_EDGE or EDDY_ONESHOT is asked of a backend that says it
 *     can. A descriptor may get two records in one wait if BACKEND_CAN_SPLIT says so.
 *  2. The loop never leaves a descriptor registered with none of READ, WRITE and HANGUP: what is
 * not wanted is removed, since epoll and poll report ERROR and HANGUP even of an empty mask.
 *  3. ERROR and HANGUP also set READ and WRITE, as far as they were asked for: they are hints, and
 *     the read or write call gives the verdict. A HANGUP that was asked for (EDDY_CAN_HANGUP) is
 * told already when the other side sends no more, and sets READ then. Of a pipe's writer ERROR may
 *     stand for it. It lasts, and may be told for as long: the loop asks for it once.
 *  4. Waits never end early and time-outs round up. More records than fit come with the next wait;
 *     no descriptor is passed over for ever.
 *  5. add and remove act at once. add reports what can never be watched: -EPERM for regular files
 *     and directories, -EBADF for what is not open. modify may wait until the next wait call.
 *  6. A record carries the token given with add or the last modify. Records for descriptors that
 *     were removed in the meantime are legal.
 *  7. What a descriptor that was closed behind the backend's back does: at most a record with
 *     `error` -EBADF; never a wait that fails or spins for ever.
 *  8. BACKEND_TELLS_EACH_WRITE: with EDGE each write to an eventfd is told once, though nobody has
 *     read the one before. Of a pipe it is told of each, or of none but the first: the kernel
 *     decides, and core/wakeup.c asks it.
 *  9. What is removed and then closed is closed: the backend keeps no duplicate of a descriptor and
 *     no reference to its file, not even until the next wait (where the kernel itself would, as a
 *     request of io_uring does, remove ends that first). The other end sees the close at once.
 * 10. Without EDGE and ONESHOT a wait tells what is ready during it. What was ready before, and has
 *     been read, modified or removed since, is not told: what an earlier wait had no room for is
 *     asked for anew.
 *
 * All functions return 0 (or a count) or a negative errno. Loop thread only. */
#ifndef EDDY_PLATFORM_BACKEND_H
#define EDDY_PLATFORM_BACKEND_H

#include <eddy/io.h>
#include <eddy/loop.h>

#include <stddef.h>
#include <stdint.h>

/* Events are the public ones: EDDY_READ, EDDY_WRITE and, with EDDY_CAN_HANGUP, EDDY_HANGUP, asked
 * and told; EDDY_ERROR, told only; EDDY_EDGE and EDDY_ONESHOT, asked only. Of the capabilities
 * those of eddy/loop.h, EDDY_CAN_BATCH meaning that modify makes no system call, and beside them,
 * for the loop alone: */
enum {
    BACKEND_CAN_SPLIT = 1 << 8,        /* READ and WRITE of one descriptor come as two records */
    BACKEND_TELLS_EACH_WRITE = 1 << 9, /* clause 8 */
    BACKEND_PRIVATE = BACKEND_CAN_SPLIT | BACKEND_TELLS_EACH_WRITE,
};

/* The descriptor's owner as the loop knows it: generation in the high half, descriptor in the low.
 */
typedef uint64_t eddy_token;

struct eddy_record {
    eddy_token token;
    uint32_t events;
    int32_t error; /* negative errno when the backend has lost the descriptor, else 0 */
};

struct eddy_backend {
    const char *name;
    unsigned capabilities; /* EDDY_CAN_…, BACKEND_… */
    int fd_max;            /* the largest descriptor it takes */
    size_t state_bytes;    /* of `state` below: zeroed, aligned for anything, owned by the loop */

    /* Opens the mechanism. No wait will ask for more than `capacity` records, which may be a
     * million: what it needs for so many is got here, and not on the stack. `memory` outlives the
     * state and serves what must grow with the number of descriptors. On an error nothing is left
     * to close. */
    int (*open)(void *state, const eddy_allocator *memory, int capacity);
    void (*close)(void *state);

    /* Makes room for descriptors below that number, 1 to `fd_max` + 1, so that adding
     * them, also after a reopen, takes no memory. -ENOMEM: there may be a part of it. NULL: adding
     * never does. */
    int (*reserve)(void *state, unsigned descriptors);

    /* Of the memory: what reserve takes in all for a descriptor, and open for a record. */
    size_t descriptor_bytes, record_bytes;

    /* In a forked child: leaves the parent's kernel object alone, and begins anew with nothing
     * registered. On an error the state is as after open failed: only close may follow, and it
     * must be harmless, or another reopen. */
    int (*reopen)(void *state);

    /* `fd` is not registered; `events` has READ, WRITE, HANGUP or several, and may have EDGE or
     * ONESHOT, all as the capabilities say. Nothing has changed on an error. */
    int (*add)(void *state, int fd, unsigned events, eddy_token token);

    /* `fd` is registered with `old_events`; or, if these are 0, it may be, and then what the kernel
     * has is replaced: its number may have been closed and used again behind everybody's back.
     * Also arms a one-shot again, and tells an edge or HANGUP again that still holds (old and new
     * may be equal). On an error it may be registered or not: the loop removes it. */
    int (*modify)(void *state, int fd, unsigned old_events, unsigned events, eddy_token token);

    /* `fd` was registered with `events`, and may have been closed by now. Afterwards it is not
     * registered in any case, but for one: -EBADF or -ENOENT says that the kernel could not be
     * asked. It may go on telling, in stale records, of a description that a duplicate keeps open;
     * only reopen ends that. */
    int (*remove)(void *state, int fd, unsigned events);

    /* Waits up to `timeout_ns` (0: not at all, -1: without end) and fills `records`, at most
     * `capacity` of them, which is 1 at least and no more than open was told.
     * Returns the count; 0 after the time or a signal. */
    int (*wait)(void *state, struct eddy_record *records, int capacity, int64_t timeout_ns);

    /* With EDDY_CAN_NEST: the descriptor; NULL without. Once asked for, modify acts at once,
     * even with EDDY_CAN_BATCH: a loop that watches the descriptor has to see it. */
    int (*descriptor)(void *state);

    /* Whether the next wait may have something to tell that the descriptor does not show: whoever
     * waits for that must not. Asked before each such wait; NULL: never. */
    bool (*has_unshown)(void *state);
};

/* The backends of this build, best first, with NULL at the end. Generated by the build. */
extern const struct eddy_backend *const eddy_backend_table[];

extern const struct eddy_backend eddy_backend_epoll;
extern const struct eddy_backend eddy_backend_kqueue;
extern const struct eddy_backend eddy_backend_poll;
extern const struct eddy_backend eddy_backend_select;
extern const struct eddy_backend eddy_backend_io_uring;

#endif
