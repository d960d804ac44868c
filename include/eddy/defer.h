/* defer.h: a call later in this turn, or in the next. Loop thread only.
 * @since 0.1 */
#ifndef EDDY_DEFER_H
#define EDDY_DEFER_H

#include <eddy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_defer eddy_defer;
typedef void eddy_defer_fn(eddy_defer *defer);

/* All fields are private, but for `handle`, to be given to eddy_unref and its like. */
struct eddy_defer {
    eddy_handle handle;
    eddy_link link;
    eddy_defer_fn *fn;
};

/* Makes `defer` an idle one of `loop`. Cannot fail. */
EDDY_API void eddy_defer_init(eddy_defer *defer, eddy_loop *loop);

/* Calls `fn` once, in phase 7 of this turn, or of the next if phase 7 has begun: a call that defers
 * itself starves nobody. Calls run in the order they were queued; the loop does not sleep before.
 * `defer` is yours again when `fn` is called. Errors: -EALREADY (queued). Cannot fail otherwise. */
EDDY_API int eddy_defer_start(eddy_defer *defer, eddy_defer_fn *fn);

/* Takes the call back; nothing happens if it is not queued. `defer` is yours again. */
EDDY_API void eddy_defer_stop(eddy_defer *defer);

#ifdef __cplusplus
}
#endif
#endif
