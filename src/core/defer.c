/* defer.c: phase 7: calls put off to the end of the turn.
 * Invariant: a call in a list is active; one that its phase takes out is not, before it is called;
 * DUE_DEFERRED is set exactly while one is queued. Threading: loop thread only. */
#include "defer.h"

#include "callback.h"
#include "handle.h"
#include "list.h"
#include "loop.h"
#include "walk.h"

#include <errno.h>

void eddy_defer_init(eddy_defer *defer, eddy_loop *loop) {
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_DEFER, defer));
    handle_init(&defer->handle, loop, EDDY_KIND_DEFER);
    link_init(&defer->link);
    defer->fn = NULL;
}

void eddy__defer_add(eddy_defer *defer, eddy_defer_fn *fn) {
    eddy_loop *loop = defer->handle.loop;
    defer->fn = fn;
    if (loop_has_trace(loop) && !(defer->handle.flags & HANDLE_INNER))
        eddy__observe_note(loop, observe_packed(EDDY_TRACE_DEFER, EDDY_KIND_DEFER), defer, 0);
    handle_start(&defer->handle);
    link_add_last(&loop->deferred.queued, &defer->link);
    loop->due |= DUE_DEFERRED;
}

int eddy_defer_start(eddy_defer *defer, eddy_defer_fn *fn) {
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&defer->handle));
    if (handle_is_active(&defer->handle)) return -EALREADY;
    EDDY_ASSERT(defer->handle.loop->deferred.queued.prev != &defer->link);
    eddy__defer_add(defer, fn);
    return 0;
}

void eddy_defer_stop(eddy_defer *defer) {
    eddy_loop *loop = defer->handle.loop;
    if (!handle_is_active(&defer->handle)) return;
    link_remove(&defer->link);
    handle_stop(&defer->handle);
    if (link_is_empty(&loop->deferred.queued)) loop->due &= ~(unsigned)DUE_DEFERRED;
}

/* `now` is empty: what is queued meanwhile waits for the next turn, and what is stopped meanwhile
 * leaves either list. */
uint64_t eddy__defer_list_run(eddy_loop *loop, struct defer_list *list, unsigned due) {
    uint64_t count = 0;
    EDDY_ASSERT(link_is_empty(&list->now));
    link_move_all(&list->now, &list->queued);
    loop->due &= ~due;
    while (!link_is_empty(&list->now)) {
        eddy_defer *defer = eddy_container_of(list->now.next, eddy_defer, link);
        link_remove(&defer->link);
        handle_stop(&defer->handle);
        count++;
        /* It may be queued again in the call, or gone. */
        CALLBACK(loop, handle_called(&defer->handle, EDDY_KIND_DEFER), defer, defer->fn, defer);
    }
    return count;
}

void eddy__defer_run(eddy_loop *loop) {
    loop->metrics.deferred += eddy__defer_list_run(loop, &loop->deferred, DUE_DEFERRED);
}
