/* timer.h: timers from inside: phase 4, their room, and what the turn asks about deadlines. */
#ifndef EDDY_CORE_TIMER_H
#define EDDY_CORE_TIMER_H

#include "profile.h"

#ifdef EDDY_SMALL
#include "timer_small.h"
#else
#include "wheel.h"
#endif

void eddy__timer_open(struct timer_queue *timers);
void eddy__timer_run(eddy_loop *loop);                     /* phase 4; after timer_is_due */
int eddy__timer_reserve(eddy_loop *loop, unsigned timers); /* room for so many */
uint64_t eddy__timer_bytes(uint64_t timers);               /* of that room */
void eddy__timer_close(eddy_loop *loop);

#endif
