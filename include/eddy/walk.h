/* walk.h: who keeps a loop alive: every active handle, and every request in flight.
 *
 * A loop that does not end, or refuses to close, is asked with it:
 *
 *     static void tell(const eddy_walk_item *item, void *context) {
 *         const char *label = item->label != NULL ? item->label : "without a label";
 *         fprintf(context, "%s %p, %s\n", eddy_kind_name(item->kind), item->pointer, label);
 *     }
 *     ...
 *     if (eddy_loop_close(loop) == -EBUSY) eddy_loop_walk(loop, tell, stderr);
 *
 * docs/examples/alive.c is that in full. Loop thread only.
 * @since 0.1 */
#ifndef EDDY_WALK_H
#define EDDY_WALK_H

#include <eddy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What there may be in a loop, and what `pointer` of an eddy_walk_item points at. */
typedef enum eddy_kind {
    EDDY_KIND_IO,       /* eddy_io */
    EDDY_KIND_TIMER,    /* eddy_timer */
    EDDY_KIND_HOOK,     /* eddy_hook */
    EDDY_KIND_DEFER,    /* eddy_defer */
    EDDY_KIND_WAKE,     /* eddy_wake */
    EDDY_KIND_SIGNAL,   /* eddy_signal */
    EDDY_KIND_STREAM,   /* eddy_stream; what is inside it is not told of */
    EDDY_KIND_LISTENER, /* eddy_listener; the same */
    EDDY_KIND_CONNECT,  /* the eddy_stream that is connecting, told of as a stream as well */
    EDDY_KIND_WRITE,    /* eddy_write: a write or a shutdown */
    EDDY_KIND_POST,     /* eddy_post, which has arrived and not been called */
    EDDY_KIND_WORK,     /* eddy_work */
    EDDY_KIND_FILE,     /* eddy_file */
    EDDY_KIND_CHILD,    /* eddy_child */
    EDDY_KINDS
} eddy_kind;

/* "io", "timer" …; "unknown" for what is no kind. Any thread. */
EDDY_API const char *eddy_kind_name(eddy_kind kind);

typedef struct eddy_walk_item {
    eddy_kind kind;
    void *pointer;
    bool active;       /* false of a stream or listener that is closed, with its callback to come */
    bool referenced;   /* it keeps the loop running */
    int fd;            /* of an io, stream or listener that has a descriptor; else -1 */
    const char *label; /* of `pointer` (label.h), or NULL */
} eddy_walk_item;

typedef void eddy_walk_fn(const eddy_walk_item *item, void *context);

/* Calls `fn` once for each handle that is active or has a closing callback to come, and for each
 * request in flight, in no order to rely on. What is being called just now, because its time has
 * come, is not in flight any more; nor, while a stream's closing callbacks are called, are its
 * remaining writes told of. In a forked child the jobs that were its parent's are not found.
 * `fn` may look, and may note what is to be stopped after the walk; it may call nothing that
 * starts, stops, submits, cancels or changes references, and as the pool's lock may be held,
 * nothing of the pool, no other walk and no eddy_loop_verify. The loop counts as running meanwhile
 * (-EBUSY). Posts that other threads make during the walk may be told of or not. O(descriptors,
 * handles, requests, threads of the pool); takes no memory. */
EDDY_API void eddy_loop_walk(const eddy_loop *loop, eddy_walk_fn *fn, void *context);

#ifdef __cplusplus
}
#endif
#endif
