/* number.h: a number as an argument of an example. False: it is none, or not within its bounds. */
#ifndef EXAMPLE_NUMBER_H
#define EXAMPLE_NUMBER_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static inline bool number_parse(const char *text, long least, long most, long *number) {
    char *end;
    errno = 0;
    *number = strtol(text, &end, 10);
    return end != text && *end == '\0' && errno == 0 && *number >= least && *number <= most;
}

#endif
