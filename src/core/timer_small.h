/* timer_small.h: the heap of deadlines, of timer_small.c. */
#ifndef EDDY_CORE_TIMER_SMALL_H
#define EDDY_CORE_TIMER_SMALL_H

#include <eddy/timer.h>

struct timer_entry {
    eddy_timer *timer;
};

struct timer_heap {
    struct timer_entry *entries;
    unsigned count, capacity;
    uint64_t order; /* of the last start */
};

void eddy__timer_run(eddy_loop *loop);                     /* phase 4; after timer_is_due */
int eddy__timer_reserve(eddy_loop *loop, unsigned timers); /* room for so many */
void eddy__timer_close(eddy_loop *loop);

static inline void eddy__timer_open(struct timer_heap *heap) {
    (void)heap; /* zeros are one without a timer */
}

static inline bool timer_has_any(const struct timer_heap *heap) {
    return heap->count > 0;
}

/* The nearest deadline, or INT64_MAX: exactly, and so also what timer.h has at hand sooner. */
static inline int64_t timer_next_ns(const struct timer_heap *heap) {
    return timer_has_any(heap) ? heap->entries[0].timer->due_ns : INT64_MAX;
}
static inline int64_t timer_soonest_ns(const struct timer_heap *heap) {
    return timer_next_ns(heap);
}

/* Whether phase 4 has something to do. */
static inline bool timer_is_due(const struct timer_heap *heap, int64_t now_ns) {
    return timer_has_any(heap) && heap->entries[0].timer->due_ns <= now_ns;
}

#endif
