/* fault.h: the fault loop. A scenario is a function that uses the library as a program would and
 * then gives everything back. fault_loop() runs it again and again: with the first call through the
 * seam failing, with the second one, and so on until it ends before that call, each with every
 * error that the call may give, once and for ever.
 *
 * Whatever fails, the scenario must end, with a success or with an error that it was told of: no
 * abort, no broken invariant, each callback exactly as promised, and nothing left in use. What it
 * does in vain while a fault stays is bounded (fault_turn_until); that it then gives up is no
 * failure, but that a fault which has passed keeps it from its end is one.
 *
 * fault_assert is to be used instead of check's asserts: it names the fault. */
#ifndef EDDY_TESTS_FAULT_H
#define EDDY_TESTS_FAULT_H

#include "suite.h"

#include <errno.h>
#include <string.h>

#include "seam.h"

void fault_loop(const char *name, void (*scenario)(void));

/* Whether the backends share the calls out, as they do under a sanitizer: for a long scenario of
 * what is above them. */
extern bool fault_is_shared_out;

#define fault_assert(condition) ((condition) ? (void)0 : fault_fail(#condition, __FILE__, __LINE__))
_Noreturn void fault_fail(const char *what, const char *file, int line);

/* Whether nothing has happened so far that may show: no fault, or one that the library gets over by
 * itself. What the scenario has done must have had success then. */
bool fault_is_unhurt(void);
bool fault_is_of(enum os_call call);

/* --- What a scenario does --- */

int fault_loop_open(eddy_loop **loop, eddy_loop_config config); /* the backend is filled in */

/* Turns the loop until `*done`, and verifies it each turn. Returns 0, or FAULT_GIVEN_UP when a
 * fault that stays has kept it from that for so long that it is given up. */
enum { FAULT_GIVEN_UP = -100000 }; /* no errno of any system */
int fault_turn_until(eddy_loop *loop, const bool *done);

/* Turns the loop until nothing keeps it alive: everything must have been stopped and closed. If the
 * backend's wait fails for ever, the rest of a turn is still run. Where even that does not help,
 * since the loop cannot hear of what it waits for, the system gets well at last. */
void fault_settle(eddy_loop *loop);

/* Settles it and closes it. */
void fault_loop_close(eddy_loop *loop);

/* A callback that is to come exactly once, if and only if the call that was given it went well. */
struct promise {
    bool given, kept;
};
static inline int promise_give(struct promise *promise, int err) {
    *promise = (struct promise){.given = err >= 0};
    return err;
}
static inline void promise_keep(struct promise *promise) {
    fault_assert(promise->given);
    fault_assert(!promise->kept);
    promise->kept = true;
}
static inline bool promise_is_open(const struct promise *promise) {
    return promise->given && !promise->kept;
}

#endif
