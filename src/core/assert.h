/* assert.h: checks of what only a programmer can get wrong.
 * They survive NDEBUG: going on with a corrupt loop is worse than stopping. They never look at the
 * result of a system call. */
#ifndef EDDY_CORE_ASSERT_H
#define EDDY_CORE_ASSERT_H

#define EDDY_ASSERT(condition) \
    ((condition) ? (void)0 : eddy__assert_failed(#condition, __FILE__, __LINE__))

_Noreturn void eddy__assert_failed(const char *condition, const char *file, int line);

#endif
