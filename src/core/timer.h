/* timer.h: the heap of deadlines. */
#ifndef EDDY_CORE_TIMER_H
#define EDDY_CORE_TIMER_H

#include <eddy/timer.h>

#include "profile.h"

#ifdef EDDY_SMALL
#include "timer_small.h"
#else

/* A timer's place in the heap, and its deadline and order of start when it was put there: one that
 * was pushed away since then is put right at the top. */
struct timer_entry {
    int64_t due_ns;
    uint64_t order;
    eddy_timer *timer;
};

enum { TIMER_ARITY = 16 };

struct timer_heap {
    struct timer_entry *entries; /* the first one is never due while there is none */
    unsigned count, capacity;
    uint64_t order; /* of the last start */
};

void eddy__timer_open(struct timer_heap *heap);
int64_t eddy__timer_settle_ns(struct timer_heap *heap);    /* puts the top right; its deadline */
void eddy__timer_run(eddy_loop *loop);                     /* phase 4; after timer_is_due */
int eddy__timer_reserve(eddy_loop *loop, unsigned timers); /* room for so many */
void eddy__timer_close(eddy_loop *loop);

/* Whether phase 4 may have something to do. */
static inline bool timer_is_due(const struct timer_heap *heap, int64_t now_ns) {
    return heap->entries[0].due_ns <= now_ns;
}

/* Whether the first one's deadline is later than its entry says. The heap is not empty. */
static inline bool timer_is_stale(const struct timer_heap *heap) {
    return heap->entries[0].order != heap->entries[0].timer->order;
}

/* Whether there is one that is not never. */
static inline bool timer_has_any(const struct timer_heap *heap) {
    return heap->entries[0].due_ns != INT64_MAX;
}

/* The nearest deadline as the heap has it, which may be later. */
static inline int64_t timer_soonest_ns(const struct timer_heap *heap) {
    return heap->entries[0].due_ns;
}

/* The nearest deadline, or INT64_MAX. */
static inline int64_t timer_next_ns(struct timer_heap *heap) {
    int64_t due_ns = heap->entries[0].due_ns;
    return due_ns != INT64_MAX && timer_is_stale(heap) ? eddy__timer_settle_ns(heap) : due_ns;
}

#endif
#endif
