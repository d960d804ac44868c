/* closing.c: phase 8: handles whose memory goes back to their owner.
 * Invariant: DUE_CLOSING is set exactly while one waits. Threading: loop thread only. */
#include "defer.h"
#include "handle.h"
#include "list.h"
#include "loop.h"

void eddy__closing_init(eddy_defer *defer, eddy_loop *loop, eddy_kind what, size_t place) {
    eddy_defer_init(defer, loop);
    handle_set_what(&defer->handle, what);
    defer->handle.place = (uint32_t)place;
}

void eddy__closing_add(eddy_defer *defer, eddy_defer_fn *fn) {
    eddy_loop *loop = defer->handle.loop;
    eddy_defer_stop(defer);
    defer->fn = fn;
    observe_note(loop, EDDY_TRACE_CLOSE, handle_what(&defer->handle),
                 (const char *)defer - defer->handle.place, 0);
    handle_start(&defer->handle);
    link_add_last(&loop->closing.queued, &defer->link);
    loop->due |= DUE_CLOSING;
}

void eddy__closing_run(eddy_loop *loop) {
    loop->metrics.closed += eddy__defer_list_run(loop, &loop->closing, DUE_CLOSING);
}
