/* signal.h: signals, as the inbox and a forked child see them. */
#ifndef EDDY_CORE_SIGNAL_H
#define EDDY_CORE_SIGNAL_H

#include <eddy/signal.h>

#include "../../platform/compiler.h"

OPTIONAL void eddy__signal_run(eddy_post *post); /* the inbox runs those last */

/* In a forked child, with signals blocked: before the loop is this process's, with its inbox taken,
 * and after it was tried. */
void eddy__signal_before_reopen(eddy_loop *loop);
void eddy__signal_after_reopen(eddy_loop *loop);

#endif
