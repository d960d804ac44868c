/* wake.h: wakes, as a forked child sees them. */
#ifndef EDDY_CORE_WAKE_H
#define EDDY_CORE_WAKE_H

#include <eddy/wake.h>

void eddy__wake_after_fork(eddy_loop *loop); /* with the inbox taken, and no other thread there */

#endif
