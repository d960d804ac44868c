/* callback.h: the gate between the library and the code of its user. Every call of a function that
 * the user gave goes through it, so that one place can see them all: what is to be known about
 * callbacks (which one runs, for how long) is put here, and nowhere else. A lint holds this.
 *
 * `object` is the handle or request, of the kind `what`, that is called for, which may be gone when
 * the call returns; `its_loop` is its loop. While nobody looks the gate costs a compare, and a call
 * at a function's end is still a jump. Threading: the loop's thread. */
#ifndef EDDY_CORE_CALLBACK_H
#define EDDY_CORE_CALLBACK_H

#include "loop.h"
#include "observe.h"

#define CALLBACK(its_loop, what, object, fn, ...)                                  \
    do {                                                                           \
        eddy_loop *callback_loop_ = (its_loop);                                    \
        if (!loop_is_observed(callback_loop_)) {                                   \
            (fn)(__VA_ARGS__);                                                     \
        } else {                                                                   \
            eddy__observe_call(callback_loop_, (what), (object), (uintptr_t)(fn)); \
            (fn)(__VA_ARGS__);                                                     \
            eddy__observe_return(callback_loop_);                                  \
        }                                                                          \
    } while (0)

/* The same, where it is known by now that nobody looks. */
#define CALLBACK_UNSEEN(fn, ...) ((fn)(__VA_ARGS__))

/* A function of the user that is shown something inside a call of the library, and is no callback
 * of a loop. */
#define VISIT(fn, ...) ((fn)(__VA_ARGS__))

#endif
