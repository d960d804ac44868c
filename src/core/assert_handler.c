/* assert_handler.c: the program's own end of a broken promise.
 * A global, as a promise may be broken where no loop is at hand; a program that sets no handler
 * does not have it. Threading: any. */
#include "assert.h"

#include <eddy/base.h>

#include "callback.h"

#include <stdatomic.h>

static EDDY_ATOMIC(eddy_assert_fn *) assert_handler;

void eddy_assert_set_handler(eddy_assert_fn *fn) {
    atomic_store(&assert_handler, fn);
}

void eddy__assert_tell(const char *condition, const char *file, int line) {
    eddy_assert_fn *fn = atomic_load(&assert_handler);
    if (fn != NULL) VISIT(fn, condition, file, line);
}
