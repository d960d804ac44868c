/* hook.h: calls around the wait of each turn. Loop thread only.
 * @since 0.1 */
#ifndef EDDY_HOOK_H
#define EDDY_HOOK_H

#include <eddy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum eddy_hook_kind {
    EDDY_HOOK_PREPARE, /* each turn, before changes are flushed and the loop waits */
    EDDY_HOOK_CHECK,   /* each turn, right after the wait and the clock */
    EDDY_HOOK_IDLE,    /* when the loop has nothing to do, once before it sleeps */
} eddy_hook_kind;

typedef struct eddy_hook eddy_hook;
typedef void eddy_hook_fn(eddy_hook *hook);

/* All fields are private, but for `handle`, to be given to eddy_unref and its like. */
struct eddy_hook {
    eddy_handle handle;
    eddy_link link;
    eddy_hook_fn *fn;
    uint64_t born;        /* the run of hooks that it was started in, or 0 */
    uint64_t idle_period; /* of the loop, that an idle hook was last called in */
};

/* Makes `hook` a stopped hook of `loop`. Cannot fail. */
EDDY_API void eddy_hook_init(eddy_hook *hook, eddy_loop *loop);

/* Calls `fn` each turn at the place that `kind` names, in the order of start; a hook that is
 * started by one of its own kind is first called in the next turn.
 * An idle hook means idle: it is called once when a turn finds no event, no due timer and nothing
 * queued, and then the loop sleeps; it neither keeps the processor busy nor keeps the loop from
 * waiting. An idle callback that has more to do starts its hook again and gets another call, as
 * long as nothing else comes up (docs/examples/pieces.c).
 * Errors: -EALREADY (started; an idle hook may be started again), -EINVAL (unknown kind). */
EDDY_API int eddy_hook_start(eddy_hook *hook, eddy_hook_kind kind, eddy_hook_fn *fn);

/* Stops it; nothing happens if it is stopped. `hook` is yours again. */
EDDY_API void eddy_hook_stop(eddy_hook *hook);

#ifdef __cplusplus
}
#endif
#endif
