/* timer_small.h: the heap of deadlines, of timer_small.c. */
#ifndef EDDY_CORE_TIMER_SMALL_H
#define EDDY_CORE_TIMER_SMALL_H

#include <eddy/timer.h>

struct timer_entry {
    eddy_timer *timer;
};

struct timer_queue {
    struct timer_entry *entries;
    unsigned count, capacity;
    uint64_t order; /* of the last start */
};

static inline bool timer_has_any(const struct timer_queue *heap) {
    return heap->count > 0;
}

/* The nearest deadline, or INT64_MAX: always exactly. */
static inline int64_t timer_soonest_ns(const struct timer_queue *heap) {
    return timer_has_any(heap) ? heap->entries[0].timer->due_ns : INT64_MAX;
}
static inline int64_t timer_next_ns(const struct timer_queue *heap, bool is_busy) {
    (void)is_busy;
    return timer_soonest_ns(heap);
}

/* Whether phase 4 has something to do. */
static inline bool timer_is_due(const struct timer_queue *heap, int64_t now_ns) {
    return timer_has_any(heap) && heap->entries[0].timer->due_ns <= now_ns;
}

/* The timer after the one that `*at` stands for, at first 0; NULL: there are no more. */
static inline eddy_timer *timer_walk(const struct timer_queue *heap, uint32_t *at) {
    return *at < heap->count ? heap->entries[(*at)++].timer : NULL;
}

#endif
