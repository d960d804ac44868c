/* check.c: see check.h. Threading: any thread, which is the point. */
#include "check.h"

#include "loop.h"

#include <stdatomic.h>

/* No two threads have it at the same address. */
static const void *check_here(void) {
    static _Thread_local char here;
    return &here;
}

bool eddy__check_enter(eddy_loop *loop) {
    loop->thread = check_here();
    return true;
}

bool eddy__check_is_in_its_thread(const eddy_loop *loop) {
    if (!loop->running || loop->thread == NULL || loop->thread == check_here()) return true;
    /* That thread is not in a forked child, whose calls are answered with an error. */
    return loop_is_parents(loop);
}
