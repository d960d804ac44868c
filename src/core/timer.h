/* timer.h: the heap of deadlines. */
#ifndef EDDY_CORE_TIMER_H
#define EDDY_CORE_TIMER_H

#include <eddy/timer.h>

/* A timer's place in the heap, and its deadline and order of start when it was put there: one that
 * was pushed away since then is put right at the top. */
struct timer_entry {
    int64_t due_ns;
    uint64_t order;
    eddy_timer *timer;
};

enum { TIMER_ARITY = 16 };

struct timer_heap {
    struct timer_entry *entries;
    unsigned count, capacity;
    uint64_t order; /* of the last start */
};

int64_t eddy__timer_next_ns(struct timer_heap *heap); /* the nearest deadline; not if empty */
void eddy__timer_run(eddy_loop *loop);                /* phase 4 */
void eddy__timer_close(eddy_loop *loop);

#endif
