/* explore.h: runs a scenario through all interleavings of its threads' steps, and within each step
 * through all that its loads may read and all places that its stores may take. */
#ifndef EDDY_TESTS_MODEL_EXPLORE_H
#define EDDY_TESTS_MODEL_EXPLORE_H

#include "machine.h"

typedef bool program(void);

struct scenario {
    const char *name, *says; /* what is to hold */
    program *programs[THREADS_MAX];
    const char *threads[THREADS_MAX];
    void (*begin)(struct state *state); /* may be NULL: all is zero */
    /* When no thread can go on: NULL, or what is wrong. Threads that have to end are checked by
     * name: `sleeper` is the one that may wait for ever, or THREADS_MAX. */
    const char *(*end)(const struct state *state);
    unsigned sleeper;
};

struct verdict {
    const char *broken; /* NULL: in no interleaving */
    unsigned long states;
};

/* Looks at all states that can be reached, or up to the first one that is broken. */
struct verdict explore(const struct scenario *scenario);
/* The same, but prints the shortest way to a broken state. */
struct verdict explore_and_tell(const struct scenario *scenario);

#endif
