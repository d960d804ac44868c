/* signal.h: signals as callbacks of a loop. Several loops and watchers may watch one number.
 * Signals coalesce, in the kernel and here: one call means "at least one". Loop thread only.
 *
 * A signal that all threads of the process block never comes. Masks are inherited, by threads, by
 * fork and by exec, so that a program may be started with a signal blocked: one that is to be ended
 * by SIGTERM unblocks it (pthread_sigmask, SIG_UNBLOCK). Nothing here changes a mask.
 *
 * fork and exec: a forked child has the handlers and the watchers, but none of the signals that
 * were pending. What it gets before eddy_loop_after_fork is told after it, and does not reach the
 * parent. exec puts handled signals back to their defaults, leaves ignored ones ignored and blocked
 * ones blocked, and closes all descriptors of the library; so between fork and exec a child has to
 * undo what it does not want handed on. A child of vfork runs in its parent's memory: block all
 * signals before, and in the child put handlers back to SIG_DFL before any is unblocked.
 * @since 0.1 */
#ifndef EDDY_SIGNAL_H
#define EDDY_SIGNAL_H

#include <eddy/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_signal eddy_signal;
typedef void eddy_signal_fn(eddy_signal *watcher, int number);

/* All fields are private, but for `handle`, to be given to eddy_unref and its like. */
struct eddy_signal {
    eddy_handle handle;
    eddy_post post;
    eddy_link link; /* of the loop's signals */
    eddy_signal_fn *fn;
    EDDY_ATOMIC(eddy_signal *) next; /* of the watchers of the same number, in any loop */
    eddy_signal *prev;               /* the same; handlers only go forwards */
    EDDY_ATOMIC(unsigned) pending;
    int number;
    uint64_t before[20]; /* of the oldest watcher of a number: what its signal did before */
};

/* Makes `watcher` a stopped one of `loop`. Cannot fail. */
EDDY_API void eddy_signal_init(eddy_signal *watcher, eddy_loop *loop);

/* Calls `fn` after the process got signal `number`, in phase 6, after wake-ups and completions. The
 * first watcher of a number installs a handler (SA_RESTART, SA_ONSTACK) for the whole process, over
 * whatever is there; the last one to stop puts that back. A handler that somebody else installs in
 * between stays: watchers then hear what it passes on to ours, those that are started later too.
 * Errors: -EALREADY (started), -EINVAL (no such signal, or one that cannot be caught: SIGKILL,
 * SIGSTOP). */
EDDY_API int eddy_signal_start(eddy_signal *watcher, eddy_signal_fn *fn, int number);

/* Stops it; nothing happens if it is stopped. No call comes after this, not even for a signal in
 * flight; `watcher` is yours again. It takes the same however many watch the number; but handlers
 * that run in other threads are waited for, as eddy_loop_close waits, and a signal in flight is
 * looked for as in eddy_wake_stop. */
EDDY_API void eddy_signal_stop(eddy_signal *watcher);

#ifdef __cplusplus
}
#endif
#endif
