/* callback.h: the gate between the library and the code of its user. Every call of a function that
 * the user gave goes through it, so that one place can see them all: what is to be known about
 * callbacks (which one runs, for how long) is put here, and nowhere else. A lint holds this.
 *
 * `object` is the handle or request that is called for, which may be gone when the call returns;
 * `loop` is its loop. Empty, the gate costs nothing, and a call at a function's end is still a
 * jump. Threading: the loop's thread; for jobs, the thread of the pool that runs them. */
#ifndef EDDY_CORE_CALLBACK_H
#define EDDY_CORE_CALLBACK_H

#include <eddy/base.h>

static inline void callback_begin(const eddy_loop *loop, const void *object) {
    (void)loop;
    (void)object;
}

static inline void callback_end(const eddy_loop *loop) {
    (void)loop;
}

#define CALLBACK(its_loop, object, call)              \
    do {                                              \
        const eddy_loop *callback_loop_ = (its_loop); \
        callback_begin(callback_loop_, (object));     \
        call;                                         \
        callback_end(callback_loop_);                 \
    } while (0)

#endif
