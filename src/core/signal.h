/* signal.h: signals, as the inbox and a forked child see them. */
#ifndef EDDY_CORE_SIGNAL_H
#define EDDY_CORE_SIGNAL_H

#include <eddy/signal.h>

void eddy__signal_run(eddy_post *post); /* the inbox runs those last */
void eddy__signal_after_fork(void);

#endif
