/* wake.h: telling a loop, from any thread or signal handler, that there is something to look at.
 * @since 0.1 */
#ifndef EDDY_WAKE_H
#define EDDY_WAKE_H

#include <eddy/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_wake eddy_wake;
typedef void eddy_wake_fn(eddy_wake *wake);

/* All fields are private, but for `handle`, to be given to eddy_unref and its like. */
struct eddy_wake {
    eddy_handle handle;
    eddy_post post;
    eddy_wake_fn *fn;
    eddy_link link;                /* of the loop's wakes */
    EDDY_ATOMIC(unsigned) pending; /* 1: on its way, or stopped: a send has nothing to add */
};

/* Makes `wake` a stopped one of `loop`; sends to it are lost. Cannot fail. Loop thread only. */
EDDY_API void eddy_wake_init(eddy_wake *wake, eddy_loop *loop);

/* Calls `fn` after each send, or once for several. Errors: -EALREADY (started). Loop thread only.
 */
EDDY_API int eddy_wake_start(eddy_wake *wake, eddy_wake_fn *fn);

/* Makes the loop call `fn` soon. What the sender wrote before is visible to `fn`. Sends that come
 * before the call begins are one; a send after it has begun gives another call. Allocates nothing;
 * only a send that may find the loop asleep writes to the pipe. Any thread; safe in signal
 * handlers.
 */
EDDY_API void eddy_wake_send(eddy_wake *wake);

/* Stops it; nothing happens if it is stopped. A send still under way in another thread is waited
 * for (as eddy_loop_close waits), later ones are lost, and `wake` is yours again: it may be freed
 * once no thread can still begin a send. If it was sent and has not been called yet, the stop looks
 * for it among the posts and completions that wait before it: these have no link back, which all of
 * them would pay for. Loop thread only. */
EDDY_API void eddy_wake_stop(eddy_wake *wake);

#ifdef __cplusplus
}
#endif
#endif
