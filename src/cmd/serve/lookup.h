/* lookup.h: the file that a path below the root leads to: opened and asked what it is, or found in
 * the cache and asked again.
 *
 * Those who ask for the same path in the same turn share one lookup: it was not begun when any of
 * them asked, as opening is done by the turn's last phase, so that each gets what it would have got
 * alone, for a fraction of the system calls.
 * Invariant: context->lookups holds only exchanges whose lookup is the first of its path, and whose
 * first step has not come back. Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_LOOKUP_H
#define EDDY_CMD_SERVE_LOOKUP_H

#include "exchange.h"

/* Is told once, with exchange->opened, which is then the exchange's, or a negative errno and
 * nothing open; begins with exchange_landed(). */
typedef void lookup_fn(struct exchange *exchange, int error);

/* Looks up exchange->path, which stays as it is until `fn` is called; exchange->opened is empty.
 * The caller counts it (exchange_launched). Errors, after which `fn` is not called: as
 * eddy_file_open. */
int lookup_begin(struct exchange *exchange, lookup_fn *fn);

#endif
