/* records.h: the trace (eddy/trace.h) of a party's loop, switched on and off at any time, and what
 * must hold of its records whatever happens. ledger.c reads them at each callback and after each
 * run, so that a read must have seen what has just been written. */
#ifndef EDDY_TESTS_SIM_RECORDS_H
#define EDDY_TESTS_SIM_RECORDS_H

#include "sim.h"

struct records;

/* Starts a trace of `loop`, or ends it. `*records` is NULL while there is none. */
void records_begin(struct records **records, eddy_loop *loop);
void records_end(struct records **records);

/* Nothing happens with NULL. `phases`, of ledger.h: those that the callback which has just begun
 * may be in, 0: any. */
void records_look_in_callback(struct records *records, unsigned phases);
void records_look(struct records *records); /* no callback runs */

#endif
