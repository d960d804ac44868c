/* trace.h: a test writes down what was called as a string of letters, and compares the string. */
#ifndef EDDY_TESTS_TRACE_H
#define EDDY_TESTS_TRACE_H

#include <check.h>

static char trace[1024];
static unsigned trace_length;

static inline void trace_clear(void) {
    trace_length = 0;
    trace[0] = 0;
}

static inline void note(char letter) {
    ck_assert_uint_lt(trace_length, sizeof trace - 1);
    trace[trace_length++] = letter;
    trace[trace_length] = 0;
}

/* Compares, and begins anew. */
#define trace_is(text)                 \
    do {                               \
        ck_assert_str_eq(trace, text); \
        trace_clear();                 \
    } while (0)

#endif
