/* wake.h: wakes, as a walk through the loop sees them. */
#ifndef EDDY_CORE_WAKE_H
#define EDDY_CORE_WAKE_H

#include <eddy/wake.h>

void eddy__wake_run(eddy_post *post);

#endif
