/* check.h: checks that cost more than a compare, and so are only in a library that was built with
 * -Dchecks=true: for a program under development. They are exact: none reads memory that its owner
 * need not have set, and none is wrong about a correct program. Without the option they cost
 * nothing. docs/03-handles.md has the table of what is found where. */
#ifndef EDDY_CORE_CHECK_H
#define EDDY_CORE_CHECK_H

#include <eddy/base.h>

#include "assert.h"

#ifdef EDDY_CHECKS
#define EDDY_CHECK(condition) EDDY_ASSERT(condition)
#else
#define EDDY_CHECK(condition) ((void)0)
#endif

/* Between runs a loop may be handed to another thread. */
#define CHECK_THREAD(loop) EDDY_CHECK(eddy__check_is_in_its_thread(loop))
/* Where a handle or request comes, changes or goes. */
#define CHECK_CHANGE(loop)            \
    do {                              \
        CHECK_THREAD(loop);           \
        EDDY_CHECK(!(loop)->walking); \
    } while (0)
/* At the beginning of a call that runs callbacks: the loop is this thread's until it returns. */
#define CHECK_ENTER(loop) EDDY_CHECK(eddy__check_enter(loop))

bool eddy__check_is_in_its_thread(const eddy_loop *loop);
bool eddy__check_enter(eddy_loop *loop); /* true */

#endif
