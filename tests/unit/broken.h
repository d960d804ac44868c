/* broken.h: that eddy_loop_verify sees: invariants of a loop are broken on purpose, from inside,
 * and have to be named; put right again, the loop is whole. To be included behind the headers of
 * src, where `loop` is the name of arguments. */
#ifndef EDDY_TESTS_UNIT_BROKEN_H
#define EDDY_TESTS_UNIT_BROKEN_H

#include "suite.h"

#include <errno.h>
#include <string.h>

static eddy_loop *loop;

static inline void setup(void) {
    ck_assert_int_eq(eddy_loop_open(&loop, NULL), 0);
}

static inline void teardown(void) {
    ck_assert_int_eq(eddy_loop_close(loop), 0);
}

static inline void expect_whole(void) {
    const char *broken = "";
    ck_assert_int_eq(eddy_loop_verify(loop, &broken), 0);
    ck_assert_ptr_null(broken);
    ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
}

static inline void expect_broken(const char *name) {
    const char *broken = NULL;
    ck_assert_int_eq(eddy_loop_verify(loop, &broken), -EPROTO);
    ck_assert_ptr_nonnull(broken);
    ck_assert_msg(strstr(broken, name) != NULL, "not \"%s\", but \"%s\"", name, broken);
    ck_assert_int_eq(eddy_loop_verify(loop, NULL), -EPROTO);
}

/* With `value` in `place`, the invariant with that text is broken. */
#define BREAKS(place, value, name)          \
    do {                                    \
        __typeof__(place) whole_ = (place); \
        (place) = (value);                  \
        expect_broken(name);                \
        (place) = whole_;                   \
        expect_whole();                     \
    } while (0)

#endif
