/* timer.c: timers: started, stopped, and called in phase 4.
 *
 * The phase takes what is due out of the wheel (wheel.h), all at once and in order, and calls at
 * most `timers_per_turn` of it; what is left comes first in the next turn. A timer that a callback
 * starts is in the wheel, and so in no phase that has begun.
 *
 * Invariant: a timer is active exactly while handle.place is the entry that names it.
 * Threading: loop thread only. */
#include "timer.h"

#include "callback.h"
#include "handle.h"
#include "loop.h"
#include "walk.h"

#include <errno.h>

enum { TIMER_CAPACITY_MIN = 16 };

static const int64_t timer_few_ns = EDDY_NS_PER_S;

/* Of two that are not negative; beyond the clock's range is never. */
static int64_t timer_sum_ns(int64_t time_ns, int64_t delay_ns) {
    uint64_t sum_ns = (uint64_t)time_ns + (uint64_t)delay_ns;
    if (UNLIKELY(sum_ns > INT64_MAX)) return INT64_MAX;
    return (int64_t)sum_ns;
}

/* --- Room --- */

static int timer_grow(eddy_loop *loop) {
    struct timer_queue *wheel = &loop->timers;
    if (wheel->count < wheel->capacity) { /* no longer few */
        wheel->limit = wheel->capacity;
        return 0;
    }
    if (loop->config.is_fixed || wheel->capacity > UINT32_MAX / 2) return -ENOMEM;
    return eddy__wheel_resize(loop,
                              wheel->capacity == 0 ? TIMER_CAPACITY_MIN : wheel->capacity * 2);
}

/* After a burst: when there have been few for a while, so that what comes again and again is not
 * paid for each time. Then at least twice as many as there are fit; and without the memory to move
 * them, nothing is asked again until they are half as many. */
RARE static void timer_shrink(eddy_loop *loop) {
    struct timer_queue *wheel = &loop->timers;
    if (wheel->limit == wheel->capacity) {
        wheel->limit = wheel->shrink_below;
        wheel->few_since_ns = loop->now_ns;
    }
    if (loop->now_ns - wheel->few_since_ns < timer_few_ns) return;
    unsigned capacity = wheel->capacity / 4;
    if (capacity < wheel->reserved) capacity = wheel->reserved;
    if (eddy__wheel_resize(loop, capacity) == 0) return;
    wheel->shrink_below /= 2;
    wheel->limit = wheel->capacity;
}

int eddy__timer_reserve(eddy_loop *loop, unsigned timers) {
    struct timer_queue *wheel = &loop->timers;
    int err = timers > wheel->capacity ? eddy__wheel_resize(loop, timers) : 0;
    if (err == 0 && timers > wheel->reserved) wheel->reserved = timers;
    if (wheel->reserved >= wheel->capacity) {
        wheel->limit = wheel->capacity;
        wheel->shrink_below = 0;
    }
    return err;
}

void eddy__timer_open(struct timer_queue *wheel) {
    wheel->next_ns = INT64_MAX;
    wheel->nearest = WHEEL_UNKNOWN;
}

void eddy__timer_close(eddy_loop *loop) {
    struct timer_queue *wheel = &loop->timers;
    if (wheel->capacity > 0)
        eddy__resize(loop, wheel->entries, (size_t)eddy__timer_bytes(wheel->capacity), 0);
}

/* --- Starting and stopping --- */

void eddy_timer_init(eddy_timer *timer, eddy_loop *loop) {
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_TIMER, timer));
    handle_init(&timer->handle, loop, EDDY_KIND_TIMER);
    timer->fn = NULL;
    timer->repeat_ns = timer->due_ns = 0;
    timer->order = 0;
}

static inline int timer_put_new(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns,
                                int64_t repeat_ns) {
    struct timer_queue *wheel = &timer->handle.loop->timers;
    uint32_t place = wheel_new_place(wheel);
    handle_start(&timer->handle);
    timer->handle.place = place;
    timer->fn = fn;
    timer->repeat_ns = repeat_ns;
    wheel->entries[place].timer = timer;
    return wheel_put(wheel, place, due_ns);
}

RARE static int timer_grow_and_put(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns,
                                   int64_t repeat_ns) {
    int err = timer_grow(timer->handle.loop);
    return err < 0 ? err : timer_put_new(timer, fn, due_ns, repeat_ns);
}

static inline int timer_start(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns,
                              int64_t repeat_ns) {
    struct timer_queue *wheel = &timer->handle.loop->timers;
    if (!handle_is_active(&timer->handle)) {
        if (wheel->count == wheel->limit) return timer_grow_and_put(timer, fn, due_ns, repeat_ns);
        return timer_put_new(timer, fn, due_ns, repeat_ns);
    }
    uint32_t place = timer->handle.place;
    CHECK_CHANGE(timer->handle.loop);
    timer->fn = fn;
    timer->repeat_ns = repeat_ns;
    wheel_take_out(wheel, place);
    return wheel_put(wheel, place, due_ns);
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

/* Due before now would be before the wheel's base. */
int eddy_timer_start_at(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns, int64_t repeat_ns) {
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&timer->handle));
    if (repeat_ns < 0) return -EINVAL;
    int64_t now_ns = loop_now_ns(timer->handle.loop);
    return timer_start_observed(timer, fn, due_ns > now_ns ? due_ns : now_ns, repeat_ns);
}

/* One that is in no list. */
static inline void timer_end(eddy_loop *loop, eddy_timer *timer) {
    struct timer_queue *wheel = &loop->timers;
    wheel_give_back(wheel, timer->handle.place);
    handle_stop(&timer->handle);
    if (UNLIKELY(wheel->count < wheel->shrink_below)) timer_shrink(loop);
}

static inline void timer_take_out(eddy_timer *timer) {
    wheel_take_out(&timer->handle.loop->timers, timer->handle.place);
    timer_end(timer->handle.loop, timer);
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
    const struct timer_queue *wheel = &timer->handle.loop->timers;
    return handle_is_active(&timer->handle) ? wheel->entries[timer->handle.place].due_ns : -1;
}

/* --- Phase 4 --- */

/* The next tick after now on the grid of one that is due. */
static int64_t timer_next_tick_ns(int64_t due_ns, int64_t repeat_ns, int64_t now_ns) {
    int64_t late_ns = now_ns - due_ns;
    if (late_ns >= repeat_ns) due_ns += late_ns / repeat_ns * repeat_ns;
    return timer_sum_ns(due_ns, repeat_ns);
}

/* It has just left the wheel, and either has no entry any more or the next deadline. */
static inline eddy_timer *timer_take_due(eddy_loop *loop, uint32_t place, int64_t now_ns) {
    struct timer_queue *wheel = &loop->timers;
    const struct wheel_entry *entry = &wheel->entries[place];
    eddy_timer *timer = entry->timer;
    loop->metrics.timers++;
    if (timer->repeat_ns > 0)
        (void)wheel_put(wheel, place, timer_next_tick_ns(entry->due_ns, timer->repeat_ns, now_ns));
    else
        timer_end(loop, timer);
    return timer;
}

/* `observed` is known at each call. */
static inline void timer_run(eddy_loop *loop, bool observed) {
    struct timer_queue *wheel = &loop->timers;
    int64_t now_ns = loop->now_ns;
    unsigned left = loop->config.timers_per_turn;
    uint32_t place = eddy__wheel_advance(wheel, now_ns, left);
    while (place != WHEEL_UNKNOWN) {
        if (observed) eddy__observe_timer(loop, wheel->entries[place].due_ns);
        eddy_timer *timer = timer_take_due(loop, place, now_ns);
        if (observed)
            CALLBACK(loop, handle_called(&timer->handle, EDDY_KIND_TIMER), timer, timer->fn, timer);
        else
            CALLBACK_UNSEEN(timer->fn, timer); /* the timer may be gone now */
        if (wheel_list_is_empty(wheel, WHEEL_DUE)) break;
        if (--left == 0) {
            eddy__wheel_put_back(wheel);
            wheel->next_ns = 0; /* the next turn goes on with them, and does not wait */
            break;
        }
        place = wheel_take_due(wheel);
    }
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
