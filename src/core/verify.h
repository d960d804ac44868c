/* verify.h: how an invariant is written that eddy_loop_verify looks at: in a function that returns
 * the text of the first one that does not hold, or NULL at its end. */
#ifndef EDDY_CORE_VERIFY_H
#define EDDY_CORE_VERIFY_H

#define HOLDS(condition)                     \
    do {                                     \
        if (!(condition)) return #condition; \
    } while (0)

#endif
