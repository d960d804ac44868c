/* wake.h: wakes, as a walk through the loop and a forked child see them. */
#ifndef EDDY_CORE_WAKE_H
#define EDDY_CORE_WAKE_H

#include <eddy/wake.h>

void eddy__wake_run(eddy_post *post);
void eddy__wake_after_fork(eddy_loop *loop); /* with the inbox taken, and no other thread there */

#endif
