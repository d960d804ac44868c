/* defer.c: phases 7 and 8: calls put off to the end of the turn.
 * Invariant: a handle in a list is active; one that its phase takes out is not, before it is
 * called. Threading: loop thread only. */
#include "loop.h"

#include <errno.h>

void eddy__defer_open(eddy_loop *loop) {
    link_init(&loop->deferred);
    link_init(&loop->deferring);
    link_init(&loop->closing);
    link_init(&loop->closing_now);
}

void eddy_defer_init(eddy_defer *defer, eddy_loop *loop) {
    handle_init(&defer->handle, loop);
    link_init(&defer->link);
    defer->fn = NULL;
}

int eddy_defer_start(eddy_defer *defer, eddy_defer_fn *fn) {
    EDDY_ASSERT(fn != NULL);
    if (handle_is_active(&defer->handle)) return -EALREADY;
    defer->fn = fn;
    handle_start(&defer->handle);
    link_add_last(&defer->handle.loop->deferred, &defer->link);
    return 0;
}

void eddy_defer_stop(eddy_defer *defer) {
    if (!handle_is_active(&defer->handle)) return;
    link_remove(&defer->link);
    handle_stop(&defer->handle);
}

/* Calls what is in `queue` now. `now` is empty: what is queued meanwhile waits for the next turn,
 * and what is stopped meanwhile leaves either list. */
static uint64_t run(eddy_link *queue, eddy_link *now) {
    uint64_t count = 0;
    EDDY_ASSERT(link_is_empty(now));
    link_move_all(now, queue);
    while (!link_is_empty(now)) {
        eddy_defer *defer = eddy_container_of(now->next, eddy_defer, link);
        eddy_defer_stop(defer);
        count++;
        defer->fn(defer);
    }
    return count;
}

void eddy__defer_run(eddy_loop *loop) {
    if (link_is_empty(&loop->deferred)) return;
    loop->metrics.deferred += run(&loop->deferred, &loop->deferring);
}

void eddy__closing_add(eddy_defer *defer, eddy_defer_fn *fn) {
    eddy_loop *loop = defer->handle.loop;
    eddy_defer_stop(defer);
    defer->fn = fn;
    handle_start(&defer->handle);
    link_add_last(&loop->closing, &defer->link);
}

void eddy__closing_run(eddy_loop *loop) {
    if (link_is_empty(&loop->closing)) return;
    loop->metrics.closed += run(&loop->closing, &loop->closing_now);
}
