/* wake.c: a post that is sent at most once at a time.
 * Invariant: pending is 1 while the post is on its way and while the wake is stopped, so that in
 * both cases a sender has nothing to do. A started wake is in loop->wakes.
 * Threading: send from any thread, the rest from the loop's. Each order below is the weakest that
 * holds; tests/model breaks every weaker one. */
#include "wake.h"

#include "callback.h"
#include "handle.h"
#include "list.h"
#include "loop.h"
#include "walk.h"

#include <errno.h>
#include <stdatomic.h>

void eddy_wake_init(eddy_wake *wake, eddy_loop *loop) {
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_WAKE, wake));
    handle_init(&wake->handle, loop, EDDY_KIND_WAKE);
    link_init(&wake->link);
    wake->fn = NULL;
    atomic_init(&wake->pending, 1);
}

void eddy__wake_run(eddy_post *post) {
    eddy_wake *wake = eddy_container_of(post, eddy_wake, post);
    EDDY_ASSERT(handle_is_active(&wake->handle));
    /* Cleared before the call, so that a send during the call gives another one. Acquire: it reads
     * the last sender's 1, and so the call sees what all of them wrote, those that found a 1 as
     * well. Release: the next sender to find the 0 writes the post after the loop has read it. */
    atomic_exchange_explicit(&wake->pending, 0, memory_order_acq_rel);
    CALLBACK(wake->handle.loop, EDDY_KIND_WAKE, wake, wake->fn, wake);
}

int eddy_wake_start(eddy_wake *wake, eddy_wake_fn *fn) {
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&wake->handle));
    if (handle_is_active(&wake->handle)) return -EALREADY;
    wake->fn = fn;
    wake->post.fn = eddy__wake_run;
    EDDY_ASSERT(wake->handle.loop->wakes.prev != &wake->link);
    link_add_last(&wake->handle.loop->wakes, &wake->link);
    handle_start(&wake->handle);
    /* Release: as in eddy__wake_run, the post is the sender's from here on. */
    atomic_store_explicit(&wake->pending, 0, memory_order_release);
    return 0;
}

void eddy_wake_send(eddy_wake *wake) {
    /* Release, even if it finds a 1: eddy__wake_run's exchange reads this 1 or a later one.
     * Acquire: see eddy__wake_run. A load before it, to spare the exchange when it finds a 1, would
     * lose wake-ups: it may be done before the sender's own data is visible and find the old 1,
     * while the loop clears that and looks too early. It would need a fence on both sides, which
     * costs what it spares. */
    if (atomic_exchange_explicit(&wake->pending, 1, memory_order_acq_rel) == 0) {
        observe_send(wake->handle.loop, EDDY_TRACE_WAKE, EDDY_KIND_WAKE, wake, 0);
        eddy__inbox_push(wake->handle.loop, &wake->post);
    }
}

void eddy_wake_stop(eddy_wake *wake) {
    if (!handle_is_active(&wake->handle)) return;
    /* From here on senders do nothing. One that came before is in the inbox or about to be.
     * Relaxed: what such a one wrote comes with the inbox; to the others nothing is handed over. */
    if (atomic_exchange_explicit(&wake->pending, 1, memory_order_relaxed) == 1)
        eddy__inbox_withdraw(wake->handle.loop, &wake->post);
    link_remove(&wake->link);
    handle_stop(&wake->handle);
}

/* A sender that had marked its wake, and not pushed it, has stayed in the parent. Nobody else would
 * ever push it: later sends find it marked, and a stop would wait for it. It was sent, so it comes.
 * Each is looked up once: all that are marked, then those that have arrived, and the rest is left.
 */
void eddy__wake_after_fork(eddy_loop *loop) {
    enum { SENT = 1, LEFT = 2 };
    for (eddy_link *link = loop->wakes.next; link != &loop->wakes; link = link->next) {
        eddy_wake *wake = eddy_container_of(link, eddy_wake, link);
        if (atomic_load(&wake->pending) == SENT) atomic_store(&wake->pending, LEFT);
    }
    for (eddy_post *post = loop->inbox.posts.first; post != NULL; post = post->next)
        if (post->fn == eddy__wake_run)
            atomic_store(&eddy_container_of(post, eddy_wake, post)->pending, SENT);
    for (eddy_link *link = loop->wakes.next; link != &loop->wakes; link = link->next) {
        eddy_wake *wake = eddy_container_of(link, eddy_wake, link);
        if (atomic_load(&wake->pending) != LEFT) continue;
        atomic_store(&wake->pending, SENT);
        eddy__inbox_push_local(loop, &wake->post);
    }
}
