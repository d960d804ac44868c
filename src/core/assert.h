/* assert.h: checks of what only a programmer can get wrong.
 * They survive NDEBUG: going on with a corrupt loop is worse than stopping. They never look at the
 * result of a system call. */
#ifndef EDDY_CORE_ASSERT_H
#define EDDY_CORE_ASSERT_H

#include "../../platform/compiler.h"
#include "profile.h"

#ifdef EDDY_NO_NAMES
#define EDDY_ASSERT(condition) ((condition) ? (void)0 : eddy__assert_failed_unnamed())
#else
#define EDDY_ASSERT(condition) \
    ((condition) ? (void)0 : eddy__assert_failed(#condition, __FILE__, __LINE__))
#endif

_Noreturn void eddy__assert_failed(const char *condition, const char *file, int line);
_Noreturn RARE void eddy__assert_failed_unnamed(void);

/* --- assert_handler.c: tells the program's handler, if there is one --- */
OPTIONAL void eddy__assert_tell(const char *condition, const char *file, int line);

#endif
