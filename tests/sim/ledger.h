/* ledger.h: what the programs of the simulation were promised, written down and looked up.
 *
 * Memory that the library is lent (a handle, a request, its bytes) comes from ledger_new(), and is
 * poisoned as soon as it is the program's again: a later touch by the library is seen by the
 * sanitizers, or by a look at the poison. A callback that is owed is noted with ledger_owe() and
 * struck out with ledger_paid(): so it comes once, not twice, and not never.
 *
 * A party is a loop with the thread that runs it; all calls of the library that concern it go
 * through CALL(), and every callback begins with party_callback(): so none runs inside a call, in
 * another thread, or in a phase that is not its own. There is one ledger a world. */
#ifndef EDDY_TESTS_SIM_LEDGER_H
#define EDDY_TESTS_SIM_LEDGER_H

#include "records.h"
#include "sim.h"

void ledger_begin(void);
void ledger_end(void); /* all that was owed has been paid, all that was lent was given back */

/* No call may fail, no allocation either: everything must come to a good end. */
bool ledger_is_fair(void);
/* `result` may be an error only if the weather is not fair. Returns it. */
int ledger_result(const char *what, int result);

/* Zeroed memory. `what` must stay. Never NULL. */
void *ledger_new(const char *what, size_t size);
void ledger_free(void *block); /* nothing is owed for it any more */
void ledger_look(const void *block);
uint64_t ledger_number(const void *block);

void ledger_owe(void *block);   /* a callback, by a call that succeeded */
void ledger_unowe(void *block); /* it was taken back, or failed after all */
void ledger_paid(void *block);  /* the callback runs */
bool ledger_owes(const void *block);
unsigned ledger_debts(void); /* owed at the moment */

/* --- Parties --- */

/* The phases of a turn, as far as callbacks of the program run in them; bits of a mask. */
enum {
    PHASE_PREPARE = 1 << 0,
    PHASE_CHECK = 1 << 1,
    PHASE_IDLE = 1 << 2,
    PHASE_TIMERS = 1 << 3,
    PHASE_READY = 1 << 4,
    PHASE_INBOX = 1 << 5,
    PHASE_SIGNALS = 1 << 6,
    PHASE_DEFERRED = 1 << 7,
    PHASE_CLOSING = 1 << 8,
};

struct party {
    eddy_loop *loop; /* NULL: closed */
    const char *name;
    const void *thread; /* in which it runs now, or NULL */
    unsigned calls;     /* of the library that are under way for it */
    unsigned phase;     /* the latest that a callback was seen in, */
    uint64_t turn;      /* in this turn */
    uint64_t callbacks;
    uint64_t failed;         /* waits, after which nothing was dispatched */
    struct records *records; /* of its trace, or NULL */
};

/* Opens its loop; an error only when the weather is not fair. `config` may be NULL. */
int party_open(struct party *party, const char *name, const eddy_loop_config *config);
/* The same, trying until it succeeds. */
void party_open_surely(struct party *party, const char *name, const eddy_loop_config *config);
/* As eddy_loop_run, but an error of the wait, if the weather allows it, counts as alive. */
int party_run(struct party *party, eddy_run_mode mode);
/* Runs until nothing keeps the loop alive. */
void party_run_out(struct party *party);
/* The same turn, taken apart. */
int party_turn(struct party *party, bool may_wait);
void party_close(struct party *party);

/* Its trace is switched on, or off. In a callback or outside. */
void party_flip_trace(struct party *party);

/* Every callback begins here; `phases` are those in which it may come, 0: in any. */
void party_callback(struct party *party, unsigned phases);
uint64_t party_turns(const struct party *party); /* in which something was dispatched */

#define CALL(party, call)      (party_enter(party), party_leave((party), (call)))
#define CALL_VOID(party, call) (party_enter(party), (call), (void)party_leave((party), 0))

static inline void party_enter(struct party *party) {
    party->calls++;
}
static inline int party_leave(struct party *party, int result) {
    party->calls--;
    return result;
}

#endif
