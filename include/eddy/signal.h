/* signal.h: signals as callbacks of a loop. Several loops and watchers may watch one number.
 * Signals coalesce, in the kernel and here: one call means "at least one". Loop thread only. */
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
};

/* Makes `watcher` a stopped one of `loop`. Cannot fail. */
EDDY_API void eddy_signal_init(eddy_signal *watcher, eddy_loop *loop);

/* Calls `fn` after the process got signal `number`, in phase 6, after wake-ups and completions. The
 * first watcher of a number installs a handler (SA_RESTART, SA_ONSTACK) for the whole process, the
 * last one to stop puts back what was there. Errors: -EALREADY (started), -EINVAL (no such signal,
 * or one that cannot be caught: SIGKILL, SIGSTOP). */
EDDY_API int eddy_signal_start(eddy_signal *watcher, eddy_signal_fn *fn, int number);

/* Stops it; nothing happens if it is stopped. No call comes after this, not even for a signal in
 * flight; `watcher` is yours again. It takes the same however many watch the number; but a handler
 * that runs in another thread is waited for, and a signal in flight looked for as in
 * eddy_wake_stop. */
EDDY_API void eddy_signal_stop(eddy_signal *watcher);

#ifdef __cplusplus
}
#endif
#endif
