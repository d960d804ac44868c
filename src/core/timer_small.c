/* timer_small.c: deadlines in a plain binary heap, in place of timer.c where code is dearer than
 * time (profile.h). Each comparison looks into two timers, and one that is pushed away moves at
 * once.
 *
 * Invariant: the timers are in order of (due_ns, order); timer->handle.place is its place.
 * Threading: loop thread only. */
#include "timer.h"

#include "callback.h"
#include "handle.h"
#include "loop.h"
#include "walk.h"

#include <errno.h>

enum { TIMER_CAPACITY_MIN = 16 };

/* The bytes of the heap must fit a size, and the first child's place its type. */
#define TIMER_CAPACITY_MAX                                   \
    (SIZE_MAX / sizeof(struct timer_entry) < UINT32_MAX / 2  \
         ? (unsigned)(SIZE_MAX / sizeof(struct timer_entry)) \
         : UINT32_MAX / 2)

ONE_COPY static bool timer_is_before(const eddy_timer *a, const eddy_timer *b) {
    if (a->due_ns == b->due_ns) return a->order < b->order;
    return a->due_ns < b->due_ns;
}

/* Puts `timer` where it belongs: there is nobody at `place`, or itself. */
static void timer_settle(struct timer_queue *heap, uint32_t place, eddy_timer *timer) {
    struct timer_entry *entries = heap->entries;
    uint32_t next;
    for (; place > 0; place = next) {
        next = (place - 1) / 2;
        if (!timer_is_before(timer, entries[next].timer)) break;
        entries[place] = entries[next];
        entries[place].timer->handle.place = place;
    }
    for (; (next = 2 * place + 1) < heap->count; place = next) {
        if (next + 1 < heap->count && timer_is_before(entries[next + 1].timer, entries[next].timer))
            next++;
        if (!timer_is_before(entries[next].timer, timer)) break;
        entries[place] = entries[next];
        entries[place].timer->handle.place = place;
    }
    entries[place].timer = timer;
    timer->handle.place = place;
}

/* Of two that are not negative; beyond the clock's range is never. */
static int64_t timer_sum_ns(int64_t time_ns, int64_t delay_ns) {
    uint64_t sum_ns = (uint64_t)time_ns + (uint64_t)delay_ns;
    return sum_ns > INT64_MAX ? INT64_MAX : (int64_t)sum_ns;
}

/* The same for a new deadline, which is behind all that are equal. */
static void timer_put(eddy_timer *timer, uint32_t place, int64_t due_ns) {
    struct timer_queue *heap = &timer->handle.loop->timers;
    timer->due_ns = due_ns;
    timer->order = ++heap->order;
    timer_settle(heap, place, timer);
}

/* --- Memory --- */

static int timer_resize(eddy_loop *loop, unsigned capacity) {
    struct timer_queue *heap = &loop->timers;
    if (capacity > TIMER_CAPACITY_MAX) return -ENOMEM;
    void *entries = eddy__resize(loop, heap->entries, heap->capacity * sizeof *heap->entries,
                                 capacity * sizeof *heap->entries);
    if (entries == NULL && capacity > 0) return -ENOMEM;
    heap->entries = entries;
    heap->capacity = capacity;
    return 0;
}

int eddy__timer_reserve(eddy_loop *loop, unsigned timers) {
    return timers > loop->timers.capacity ? timer_resize(loop, timers) : 0;
}

void eddy__timer_open(struct timer_queue *heap) {
    (void)heap; /* zeros are one without a timer */
}

uint64_t eddy__timer_bytes(uint64_t timers) {
    return timers * sizeof(struct timer_entry);
}

void eddy__timer_close(eddy_loop *loop) {
    (void)timer_resize(loop, 0);
}

static int timer_make_room(eddy_loop *loop) {
    struct timer_queue *heap = &loop->timers;
    if (heap->count < heap->capacity) return 0;
    if (loop->config.is_fixed) return -ENOMEM;
    return timer_resize(loop, heap->capacity * 2 + TIMER_CAPACITY_MIN);
}

/* --- The public functions --- */

void eddy_timer_init(eddy_timer *timer, eddy_loop *loop) {
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_TIMER, timer));
    handle_init(&timer->handle, loop, EDDY_KIND_TIMER);
    timer->fn = NULL;
    timer->due_ns = timer->repeat_ns = 0;
    timer->order = 0;
}

static int timer_start(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns, int64_t repeat_ns) {
    eddy_loop *loop = timer->handle.loop;
    struct timer_queue *heap = &loop->timers;
    uint32_t place = timer->handle.place;
    CHECK_CHANGE(loop);
    if (!handle_is_active(&timer->handle)) {
        if (timer_make_room(loop) < 0) return -ENOMEM;
        handle_start(&timer->handle);
        place = heap->count++;
    }
    timer->fn = fn;
    timer->repeat_ns = repeat_ns;
    timer_put(timer, place, due_ns);
    observe_note(loop, EDDY_TRACE_TIMER_START, EDDY_KIND_TIMER, timer, due_ns);
    return 0;
}

int eddy_timer_start(eddy_timer *timer, eddy_timer_fn *fn, int64_t delay_ns, int64_t repeat_ns) {
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&timer->handle));
    if (delay_ns < 0 || repeat_ns < 0) return -EINVAL;
    int64_t now_ns = loop_now_ns(timer->handle.loop);
    return timer_start(timer, fn, timer_sum_ns(now_ns, delay_ns), repeat_ns);
}

/* Due before now would be before what was due at step 3, which eddy__timer_run relies on. */
int eddy_timer_start_at(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns, int64_t repeat_ns) {
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&timer->handle));
    if (repeat_ns < 0) return -EINVAL;
    int64_t now_ns = loop_now_ns(timer->handle.loop);
    return timer_start(timer, fn, due_ns > now_ns ? due_ns : now_ns, repeat_ns);
}

static void timer_take_out(eddy_timer *timer) {
    struct timer_queue *heap = &timer->handle.loop->timers;
    uint32_t place = timer->handle.place;
    handle_stop(&timer->handle);
    eddy_timer *last = heap->entries[--heap->count].timer;
    if (last != timer) timer_settle(heap, place, last);
}

void eddy_timer_stop(eddy_timer *timer) {
    if (!handle_is_active(&timer->handle)) return;
    observe_note(timer->handle.loop, EDDY_TRACE_TIMER_STOP, EDDY_KIND_TIMER, timer, 0);
    timer_take_out(timer);
}

int64_t eddy_timer_due_ns(const eddy_timer *timer) {
    return handle_is_active(&timer->handle) ? timer->due_ns : -1;
}

/* --- Phase 4 --- */

/* The next tick on the timer's grid after now. */
static int64_t timer_next_tick_ns(const eddy_timer *timer, int64_t now_ns) {
    int64_t late_ns = now_ns - timer->due_ns; /* not negative */
    return timer_sum_ns(now_ns - late_ns % timer->repeat_ns, timer->repeat_ns);
}

void eddy__timer_run(eddy_loop *loop) {
    struct timer_queue *heap = &loop->timers;
    int64_t now_ns = loop->now_ns;     /* which a callback may bring up to date */
    uint64_t last_order = heap->order; /* what callbacks start comes behind it */
    unsigned left = loop->config.timers_per_turn;
    do {
        eddy_timer *timer = heap->entries[0].timer;
        /* A timer that a callback started is due now or later, so behind all that were due before:
         * when one is at the top, this phase is over. */
        if (timer->order > last_order) break;
        if (loop_is_observed(loop)) eddy__observe_timer(loop, timer->due_ns);
        if (timer->repeat_ns > 0) {
            timer_put(timer, 0, timer_next_tick_ns(timer, now_ns));
        } else {
            timer_take_out(timer);
        }
        loop->metrics.timers++;
        CALLBACK(loop, handle_called(&timer->handle, EDDY_KIND_TIMER), timer, timer->fn,
                 timer); /* the timer may be gone now */
    } while (--left > 0 && timer_is_due(heap, now_ns));
}
