/* script.h: what the parts of the script share. A thing is whatever has a trace of its own: traces
 * are compared thing by thing, since the order among things in a turn is nobody's promise. So a
 * callback acts on its own thing only, with chances of its own; what one thing does to another
 * happens between turns. */
#ifndef EDDY_TESTS_DIFF_SCRIPT_H
#define EDDY_TESTS_DIFF_SCRIPT_H

#include "world.h"

enum { THINGS_MAX = 24, TRACE_BYTES = 4096 };

struct thing {
    const char *kind;
    uint64_t random;
    int length;
    char trace[TRACE_BYTES];
};

struct script {
    eddy_loop *loop;
    uint64_t random;
    unsigned capabilities; /* that all backends under comparison have */
};

void thing_begin(struct thing *thing, const char *kind, uint64_t seed);
void thing_note(struct thing *thing, const char *format, ...) __attribute__((format(printf, 2, 3)));
unsigned random_of(uint64_t *random, unsigned limit);
/* Ends the run with a message. */
_Noreturn void script_fail(const char *what, int error);

/* watchers.c: pipes and pairs, watched; between turns. */
void watchers_begin(void);
void watchers_act(struct script *script);
void watchers_end(void);
void watchers_tell(void);

/* calls.c: timers, defers, posts, wakes, hooks; between turns. */
void calls_begin(struct script *script);
void calls_act(struct script *script);
void calls_end(void);
void calls_tell(void);

/* streams.c, pipes.c, requests.c: a whole exchange each, turned until it is over. */
void streams_run(struct script *script);
void pipes_run(struct script *script);
void requests_run(struct script *script);

#endif
