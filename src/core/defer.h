/* defer.h: the calls of phases 7 and 8. */
#ifndef EDDY_CORE_DEFER_H
#define EDDY_CORE_DEFER_H

#include <eddy/defer.h>
#include <eddy/walk.h>

#include "../../platform/compiler.h"
#include "list.h"

struct defer_list {
    eddy_link queued;
    eddy_link now; /* those of the phase under way */
};

/* --- defer.c: phase 7 --- */
/* Calls what is queued in `list`, whose bit of `due` is cleared. Returns how many. */
uint64_t eddy__defer_list_run(eddy_loop *loop, struct defer_list *list, unsigned due);
OPTIONAL void eddy__defer_run(eddy_loop *loop);             /* with DUE_DEFERRED only */
void eddy__defer_add(eddy_defer *defer, eddy_defer_fn *fn); /* one that is not queued */

/* --- closing.c: phase 8. An eddy_defer is also the place of a handle in the closing list. --- */
/* Makes the defer that is `place` bytes into a handle of the kind `what`. */
void eddy__closing_init(eddy_defer *defer, eddy_loop *loop, eddy_kind what, size_t place);
void eddy__closing_add(eddy_defer *defer, eddy_defer_fn *fn); /* `fn` runs in phase 8, and must */
OPTIONAL void eddy__closing_run(eddy_loop *loop);             /* with DUE_CLOSING only */

#endif
