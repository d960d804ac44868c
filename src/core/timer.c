/* timer.c: deadlines in a 16-ary heap.
 *
 * An entry of the heap holds all that its order depends on, so that comparing touches no timer. It
 * may be earlier than the timer's real deadline: a timer that is pushed away (what happens to every
 * idle time-out, again and again) just gets new numbers, and its entry is put right when it comes
 * to the top. The top is put right before anybody looks at it, so the loop never wakes for nothing.
 *
 * Timers are started and stopped far more often than they fire. With many children a node, hardly
 * any start has to move up, and nearly every place that a stop leaves is a leaf: the processor
 * foresees both. To fire takes more comparisons, but on fewer levels, which is fewer waits for
 * memory.
 *
 * Invariant: the entries are in order of (due_ns, order); entry.due_ns <= timer->due_ns, and the
 * two are the same where entry.order == timer->order; timer->handle.place is the entry's index.
 * Threading: loop thread only. */
#include "timer.h"

#include "callback.h"
#include "handle.h"
#include "loop.h"
#include "walk.h"

#include <errno.h>

enum { TIMER_GROUPS = 4, TIMER_CAPACITY_MIN = 16 };

/* A place must fit the handle's, and the bytes of the heap a size. */
#define TIMER_CAPACITY_MAX                                   \
    (SIZE_MAX / sizeof(struct timer_entry) < UINT32_MAX      \
         ? (unsigned)(SIZE_MAX / sizeof(struct timer_entry)) \
         : UINT32_MAX)

/* The top of a heap that has never had a timer. */
static const struct timer_entry timer_none = {.due_ns = INT64_MAX};

/* Equal keys are seldom, or else the rule: either way the processor foresees the branch. */
static bool timer_is_before(struct timer_entry a, struct timer_entry b) {
    if (a.due_ns == b.due_ns) return a.order < b.order;
    return a.due_ns < b.due_ns;
}

static void timer_put(struct timer_heap *heap, uint32_t place, struct timer_entry entry) {
    heap->entries[place] = entry;
    entry.timer->handle.place = place;
}

static void timer_sift_up(struct timer_heap *heap, uint32_t place, struct timer_entry entry) {
    while (place > 0) {
        uint32_t parent = (place - 1) / TIMER_ARITY;
        if (!timer_is_before(entry, heap->entries[parent])) break;
        timer_put(heap, place, heap->entries[parent]);
        place = parent;
    }
    timer_put(heap, place, entry);
}

/* Which of a full set of children comes first, or TIMER_ARITY if two of those compared are due at
 * once. Which one it is, nobody could foresee: so no branch depends on that, and the groups of four
 * are compared side by side. */
static uint32_t timer_least_of_distinct(const struct timer_entry *at) {
    int64_t due_ns[TIMER_GROUPS];
    uint32_t least[TIMER_GROUPS];
    for (uint32_t group = 0; group < TIMER_GROUPS; group++) {
        uint32_t first = group * (TIMER_ARITY / TIMER_GROUPS);
        due_ns[group] = at[first].due_ns;
        least[group] = first;
        for (uint32_t i = first + 1; i < first + TIMER_ARITY / TIMER_GROUPS; i++) {
            if (at[i].due_ns == due_ns[group]) return TIMER_ARITY;
            bool is_less = at[i].due_ns < due_ns[group];
            due_ns[group] = is_less ? at[i].due_ns : due_ns[group];
            least[group] = is_less ? i : least[group];
        }
    }
    for (uint32_t half = TIMER_GROUPS / 2; half > 0; half /= 2)
        for (uint32_t group = 0; group < half; group++) {
            if (due_ns[group + half] == due_ns[group]) return TIMER_ARITY;
            bool is_less = due_ns[group + half] < due_ns[group];
            due_ns[group] = is_less ? due_ns[group + half] : due_ns[group];
            least[group] = is_less ? least[group + half] : least[group];
        }
    return least[0];
}

/* Which of `count` children comes first. */
static uint32_t timer_least_of(const struct timer_entry *at, uint32_t count) {
    uint32_t least = TIMER_ARITY;
    if (!IS_SMALL && count >= TIMER_ARITY) least = timer_least_of_distinct(at);
    if (least < TIMER_ARITY) return least;
    least = 0;
    for (uint32_t i = 1; i < count && i < TIMER_ARITY; i++)
        if (timer_is_before(at[i], at[least])) least = i;
    return least;
}

/* The place of its first child, beyond 32 bits where a heap of hundreds of millions has none. */
static uint64_t timer_child_of(uint32_t place) {
    return (uint64_t)place * TIMER_ARITY + 1;
}

static void timer_sift_down(struct timer_heap *heap, uint32_t place, struct timer_entry entry) {
    while (timer_child_of(place) < heap->count) {
        uint32_t child = (uint32_t)timer_child_of(place);
        uint32_t least = child + timer_least_of(&heap->entries[child], heap->count - child);
        if (!timer_is_before(heap->entries[least], entry)) break;
        timer_put(heap, place, heap->entries[least]);
        place = least;
    }
    timer_put(heap, place, entry);
}

/* The entry as it should be; its place is the caller's business. */
static struct timer_entry timer_entry_of(eddy_timer *timer) {
    return (struct timer_entry){timer->due_ns, timer->order, timer};
}

static void timer_remove_at(struct timer_heap *heap, uint32_t place) {
    struct timer_entry last = heap->entries[--heap->count];
    if (place == heap->count) {
        heap->entries[place].due_ns = INT64_MAX; /* it may be the top */
        return;
    }
    if (place > 0 && timer_is_before(last, heap->entries[(place - 1) / TIMER_ARITY]))
        timer_sift_up(heap, place, last);
    else if (timer_child_of(place) < heap->count)
        timer_sift_down(heap, place, last);
    else
        timer_put(heap, place, last);
}

/* Of two that are not negative; beyond the clock's range is never. */
static int64_t timer_sum_ns(int64_t time_ns, int64_t delay_ns) {
    uint64_t sum_ns = (uint64_t)time_ns + (uint64_t)delay_ns;
    if (UNLIKELY(sum_ns > INT64_MAX)) return INT64_MAX;
    return (int64_t)sum_ns;
}

/* The heap is not empty. */
int64_t eddy__timer_settle_ns(struct timer_heap *heap) {
    EDDY_ASSERT(heap->count > 0);
    for (;;) {
        eddy_timer *timer = heap->entries[0].timer;
        if (heap->entries[0].order == timer->order) return timer->due_ns;
        timer_sift_down(heap, 0, timer_entry_of(timer));
    }
}

static int timer_resize(eddy_loop *loop, unsigned capacity) {
    struct timer_heap *heap = &loop->timers;
    if (capacity > TIMER_CAPACITY_MAX) return -ENOMEM;
    void *before = heap->capacity > 0 ? heap->entries : NULL;
    void *entries = eddy__resize(loop, before, heap->capacity * sizeof *heap->entries,
                                 capacity * sizeof *heap->entries);
    if (entries == NULL) return -ENOMEM;
    heap->entries = entries;
    heap->capacity = capacity;
    if (heap->count == 0) *heap->entries = timer_none;
    return 0;
}

static int timer_grow(eddy_loop *loop) {
    unsigned capacity = loop->timers.capacity;
    if (loop->config.is_fixed || capacity > TIMER_CAPACITY_MAX / 2) return -ENOMEM;
    return timer_resize(loop, capacity == 0 ? TIMER_CAPACITY_MIN : capacity * 2);
}

int eddy__timer_reserve(eddy_loop *loop, unsigned timers) {
    return timers > loop->timers.capacity ? timer_resize(loop, timers) : 0;
}

void eddy_timer_init(eddy_timer *timer, eddy_loop *loop) {
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_TIMER, timer));
    handle_init(&timer->handle, loop, EDDY_KIND_TIMER);
    timer->fn = NULL;
    timer->due_ns = timer->repeat_ns = 0;
    timer->order = 0;
}

static inline int timer_put_in(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns,
                               int64_t repeat_ns) {
    struct timer_heap *heap = &timer->handle.loop->timers;
    CHECK_CHANGE(timer->handle.loop);
    timer->fn = fn;
    timer->due_ns = due_ns;
    timer->repeat_ns = repeat_ns;
    timer->order = ++heap->order;
    uint32_t place = timer->handle.place;
    if (!handle_is_active(&timer->handle)) {
        handle_start(&timer->handle);
        place = heap->count++;
    } else if (due_ns >= heap->entries[place].due_ns) {
        return 0;
    }
    timer_sift_up(heap, place, timer_entry_of(timer));
    return 0;
}

RARE static int timer_grow_and_put(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns,
                                   int64_t repeat_ns) {
    int err = timer_grow(timer->handle.loop);
    return err < 0 ? err : timer_put_in(timer, fn, due_ns, repeat_ns);
}

static inline int timer_start(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns,
                              int64_t repeat_ns) {
    const struct timer_heap *heap = &timer->handle.loop->timers;
    bool is_full = heap->count == heap->capacity;
    if (is_full && !handle_is_active(&timer->handle))
        return timer_grow_and_put(timer, fn, due_ns, repeat_ns);
    return timer_put_in(timer, fn, due_ns, repeat_ns);
}

RARE static int timer_start_observed(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns,
                                     int64_t repeat_ns) {
    int err = timer_start(timer, fn, due_ns, repeat_ns);
    if (err == 0)
        observe_note(timer->handle.loop, EDDY_TRACE_TIMER_START, EDDY_KIND_TIMER, timer, due_ns);
    return err;
}

/* Outside of callbacks, or while somebody looks. */
RARE static int timer_start_anew(eddy_timer *timer, eddy_timer_fn *fn, int64_t delay_ns,
                                 int64_t repeat_ns) {
    int64_t now_ns = loop_now_ns(timer->handle.loop);
    return timer_start_observed(timer, fn, timer_sum_ns(now_ns, delay_ns), repeat_ns);
}

int eddy_timer_start(eddy_timer *timer, eddy_timer_fn *fn, int64_t delay_ns, int64_t repeat_ns) {
    const eddy_loop *loop = timer->handle.loop;
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&timer->handle));
    if (delay_ns < 0 || repeat_ns < 0) return -EINVAL;
    if (IS_SMALL || !loop->is_quick) return timer_start_anew(timer, fn, delay_ns, repeat_ns);
    return timer_start(timer, fn, timer_sum_ns(loop->now_ns, delay_ns), repeat_ns);
}

/* Due before now would be before what was due at step 3, which eddy__timer_run relies on. */
int eddy_timer_start_at(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns, int64_t repeat_ns) {
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&timer->handle));
    if (repeat_ns < 0) return -EINVAL;
    int64_t now_ns = loop_now_ns(timer->handle.loop);
    return timer_start_observed(timer, fn, due_ns > now_ns ? due_ns : now_ns, repeat_ns);
}

static inline void timer_take_out(eddy_timer *timer) {
    timer_remove_at(&timer->handle.loop->timers, timer->handle.place);
    handle_stop(&timer->handle);
}

RARE static void timer_stop_observed(eddy_timer *timer) {
    observe_note(timer->handle.loop, EDDY_TRACE_TIMER_STOP, EDDY_KIND_TIMER, timer, 0);
    timer_take_out(timer);
}

void eddy_timer_stop(eddy_timer *timer) {
    if (!handle_is_active(&timer->handle)) return;
    if (loop_is_observed(timer->handle.loop))
        timer_stop_observed(timer);
    else
        timer_take_out(timer);
}

int64_t eddy_timer_due_ns(const eddy_timer *timer) {
    return handle_is_active(&timer->handle) ? timer->due_ns : -1;
}

/* The next tick on the timer's grid after now. */
static int64_t timer_next_tick_ns(const eddy_timer *timer, int64_t now_ns) {
    int64_t late_ns = now_ns - timer->due_ns;
    int64_t last_ns = timer->due_ns; /* at most now */
    if (late_ns >= timer->repeat_ns) last_ns += late_ns / timer->repeat_ns * timer->repeat_ns;
    return timer_sum_ns(last_ns, timer->repeat_ns);
}

/* The top's deadline or order is another by now. */
APART static void timer_resift_top(eddy_loop *loop) {
    struct timer_heap *heap = &loop->timers;
    timer_sift_down(heap, 0, timer_entry_of(heap->entries[0].timer));
}

/* `observed` is known at each call. */
static inline void timer_run(eddy_loop *loop, bool observed) {
    struct timer_heap *heap = &loop->timers;
    int64_t now_ns = loop->now_ns;
    uint64_t last_order = heap->order; /* what callbacks start comes behind it */
    do {
        eddy_timer *timer = heap->entries[0].timer;
        if (heap->entries[0].order != timer->order) { /* it was pushed away */
            timer_resift_top(loop);
            continue;
        }
        /* A timer that a callback started is due now or later, so behind all that were due before:
         * when one is at the top, this phase is over. */
        if (timer->order > last_order) break;
        if (observed) eddy__observe_timer(loop, timer->due_ns);
        if (timer->repeat_ns > 0) {
            timer->due_ns = timer_next_tick_ns(timer, now_ns);
            timer->order = ++heap->order;
            heap->entries[0].due_ns = timer->due_ns;
            heap->entries[0].order = timer->order;
            if (heap->count > 1) timer_resift_top(loop);
        } else {
            timer_take_out(timer);
        }
        loop->metrics.timers++;
        if (observed)
            CALLBACK(loop, handle_called(&timer->handle, EDDY_KIND_TIMER), timer, timer->fn, timer);
        else
            CALLBACK_UNSEEN(timer->fn, timer); /* the timer may be gone now */
    } while (timer_is_due(heap, now_ns));
}

RARE static void timer_run_observed(eddy_loop *loop) {
    timer_run(loop, true);
}

void eddy__timer_run(eddy_loop *loop) {
    if (loop_is_observed(loop))
        timer_run_observed(loop);
    else
        timer_run(loop, false);
}

void eddy__timer_open(struct timer_heap *heap) {
    heap->entries = (struct timer_entry *)(uintptr_t)&timer_none; /* not written: no capacity */
}

void eddy__timer_close(eddy_loop *loop) {
    struct timer_heap *heap = &loop->timers;
    if (heap->capacity > 0)
        eddy__resize(loop, heap->entries, heap->capacity * sizeof *heap->entries, 0);
}
