/* wake.c: a post that is sent at most once at a time.
 * Invariant: pending is 1 while the post is on its way and while the wake is stopped, so that in
 * both cases a sender has nothing to do.
 * Threading: send from any thread, the rest from the loop's. */
#include "loop.h"

#include <errno.h>
#include <stdatomic.h>

void eddy_wake_init(eddy_wake *wake, eddy_loop *loop) {
    handle_init(&wake->handle, loop);
    wake->fn = NULL;
    atomic_init(&wake->pending, 1);
}

static void run(eddy_post *post) {
    eddy_wake *wake = eddy_container_of(post, eddy_wake, post);
    /* Cleared before the call, so that a send during the call gives another one. The exchange reads
     * the sender's, and with it sees all that the sender wrote before. */
    atomic_exchange_explicit(&wake->pending, 0, memory_order_acq_rel);
    wake->fn(wake);
}

int eddy_wake_start(eddy_wake *wake, eddy_wake_fn *fn) {
    EDDY_ASSERT(fn != NULL);
    if (handle_is_active(&wake->handle)) return -EALREADY;
    wake->fn = fn;
    wake->post.fn = run;
    handle_start(&wake->handle);
    atomic_store_explicit(&wake->pending, 0, memory_order_release);
    return 0;
}

void eddy_wake_send(eddy_wake *wake) {
    /* An exchange, not a load before it: a load could be done before the sender's own data is
     * visible, find the old 1, and the loop would have looked too early. */
    if (atomic_exchange_explicit(&wake->pending, 1, memory_order_acq_rel) == 0)
        eddy__inbox_push(wake->handle.loop, &wake->post);
}

void eddy_wake_stop(eddy_wake *wake) {
    if (!handle_is_active(&wake->handle)) return;
    /* From here on senders do nothing. One that came before is in the inbox or about to be. */
    if (atomic_exchange_explicit(&wake->pending, 1, memory_order_acq_rel) == 1)
        eddy__inbox_withdraw(wake->handle.loop, &wake->post);
    handle_stop(&wake->handle);
}

void eddy_loop_post(eddy_loop *loop, eddy_post *post, eddy_post_fn *fn) {
    EDDY_ASSERT(fn != NULL);
    post->fn = fn;
    eddy__inbox_push(loop, post);
}
