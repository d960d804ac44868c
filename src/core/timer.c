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
#include "loop.h"

#include <errno.h>

enum { ARITY = 16, GROUPS = 4, CAPACITY_MIN = 16 };

/* Equal keys are seldom, or else the rule: either way the processor foresees the branch. */
static bool is_before(struct timer_entry a, struct timer_entry b) {
    if (a.due_ns == b.due_ns) return a.order < b.order;
    return a.due_ns < b.due_ns;
}

static void put(eddy_loop *loop, uint32_t place, struct timer_entry entry) {
    loop->timers[place] = entry;
    entry.timer->handle.place = place;
}

static void sift_up(eddy_loop *loop, uint32_t place, struct timer_entry entry) {
    while (place > 0) {
        uint32_t parent = (place - 1) / ARITY;
        if (!is_before(entry, loop->timers[parent])) break;
        put(loop, place, loop->timers[parent]);
        place = parent;
    }
    put(loop, place, entry);
}

/* Which of a full set of children comes first, or ARITY if two of those compared are due at once.
 * Which one it is, nobody could foresee: so no branch depends on that, and the groups of four are
 * compared side by side. */
static uint32_t least_of_distinct(const struct timer_entry *at) {
    int64_t due_ns[GROUPS];
    uint32_t least[GROUPS];
    for (uint32_t group = 0; group < GROUPS; group++) {
        uint32_t first = group * (ARITY / GROUPS);
        due_ns[group] = at[first].due_ns;
        least[group] = first;
        for (uint32_t i = first + 1; i < first + ARITY / GROUPS; i++) {
            if (at[i].due_ns == due_ns[group]) return ARITY;
            bool is_less = at[i].due_ns < due_ns[group];
            due_ns[group] = is_less ? at[i].due_ns : due_ns[group];
            least[group] = is_less ? i : least[group];
        }
    }
    for (uint32_t half = GROUPS / 2; half > 0; half /= 2)
        for (uint32_t group = 0; group < half; group++) {
            if (due_ns[group + half] == due_ns[group]) return ARITY;
            bool is_less = due_ns[group + half] < due_ns[group];
            due_ns[group] = is_less ? due_ns[group + half] : due_ns[group];
            least[group] = is_less ? least[group + half] : least[group];
        }
    return least[0];
}

/* Which of `count` children comes first. */
static uint32_t least_of(const struct timer_entry *at, uint32_t count) {
    uint32_t least = count < ARITY ? ARITY : least_of_distinct(at);
    if (least < ARITY) return least;
    least = 0;
    for (uint32_t i = 1; i < count && i < ARITY; i++)
        if (is_before(at[i], at[least])) least = i;
    return least;
}

/* The place of its first child, beyond 32 bits where a heap of hundreds of millions has none. */
static uint64_t child_of(uint32_t place) {
    return (uint64_t)place * ARITY + 1;
}

static void sift_down(eddy_loop *loop, uint32_t place, struct timer_entry entry) {
    while (child_of(place) < loop->timers_count) {
        uint32_t child = (uint32_t)child_of(place);
        uint32_t least = child + least_of(&loop->timers[child], loop->timers_count - child);
        if (!is_before(loop->timers[least], entry)) break;
        put(loop, place, loop->timers[least]);
        place = least;
    }
    put(loop, place, entry);
}

/* The entry as it should be; its place is the caller's business. */
static struct timer_entry entry_of(eddy_timer *timer) {
    return (struct timer_entry){timer->due_ns, timer->order, timer};
}

static void remove_at(eddy_loop *loop, uint32_t place) {
    struct timer_entry last = loop->timers[--loop->timers_count];
    if (place == loop->timers_count) return;
    if (place > 0 && is_before(last, loop->timers[(place - 1) / ARITY]))
        sift_up(loop, place, last);
    else if (child_of(place) < loop->timers_count)
        sift_down(loop, place, last);
    else
        put(loop, place, last);
}

/* Puts the top right until it shows a real deadline. The heap is not empty. */
static eddy_timer *settle_top(eddy_loop *loop) {
    for (;;) {
        eddy_timer *timer = loop->timers[0].timer;
        if (loop->timers[0].order == timer->order) return timer;
        sift_down(loop, 0, entry_of(timer));
    }
}

static int grow(eddy_loop *loop) {
    unsigned capacity = loop->timers_capacity == 0 ? CAPACITY_MIN : loop->timers_capacity * 2;
    void *timers = eddy__resize(loop, loop->timers, loop->timers_capacity * sizeof *loop->timers,
                                capacity * sizeof *loop->timers);
    if (timers == NULL) return -ENOMEM;
    loop->timers = timers;
    loop->timers_capacity = capacity;
    return 0;
}

void eddy_timer_init(eddy_timer *timer, eddy_loop *loop) {
    handle_init(&timer->handle, loop);
    timer->fn = NULL;
    timer->due_ns = timer->repeat_ns = 0;
    timer->order = 0;
}

static int start(eddy_timer *timer, eddy_timer_fn *fn, int64_t delay_ns, int64_t repeat_ns) {
    eddy_loop *loop = timer->handle.loop;
    uint64_t due_ns = (uint64_t)loop->now_ns + (uint64_t)delay_ns;
    timer->fn = fn;
    timer->due_ns = due_ns > INT64_MAX ? INT64_MAX : (int64_t)due_ns;
    timer->repeat_ns = repeat_ns;
    timer->order = ++loop->timer_order;
    uint32_t place = timer->handle.place;
    if (!handle_is_active(&timer->handle)) {
        handle_start(&timer->handle);
        place = loop->timers_count++;
    } else if (timer->due_ns >= loop->timers[place].due_ns) {
        return 0;
    }
    sift_up(loop, place, entry_of(timer));
    return 0;
}

RARE static int grow_and_start(eddy_timer *timer, eddy_timer_fn *fn, int64_t delay_ns,
                               int64_t repeat_ns) {
    int err = grow(timer->handle.loop);
    return err < 0 ? err : start(timer, fn, delay_ns, repeat_ns);
}

int eddy_timer_start(eddy_timer *timer, eddy_timer_fn *fn, int64_t delay_ns, int64_t repeat_ns) {
    const eddy_loop *loop = timer->handle.loop;
    EDDY_ASSERT(fn != NULL);
    if (delay_ns < 0 || repeat_ns < 0) return -EINVAL;
    bool is_full = loop->timers_count == loop->timers_capacity;
    if (is_full && !handle_is_active(&timer->handle))
        return grow_and_start(timer, fn, delay_ns, repeat_ns);
    return start(timer, fn, delay_ns, repeat_ns);
}

void eddy_timer_stop(eddy_timer *timer) {
    if (!handle_is_active(&timer->handle)) return;
    remove_at(timer->handle.loop, timer->handle.place);
    handle_stop(&timer->handle);
}

int64_t eddy_timer_due_ns(const eddy_timer *timer) {
    return handle_is_active(&timer->handle) ? timer->due_ns : -1;
}

int64_t eddy__timer_next_ns(eddy_loop *loop) {
    return loop->timers_count == 0 ? INT64_MAX : settle_top(loop)->due_ns;
}

/* The next tick on the timer's grid after now. */
static int64_t next_tick_ns(const eddy_timer *timer, int64_t now_ns) {
    int64_t missed_ns = (now_ns - timer->due_ns) / timer->repeat_ns * timer->repeat_ns;
    int64_t last_ns = timer->due_ns + missed_ns; /* at most now */
    return timer->repeat_ns > INT64_MAX - last_ns ? INT64_MAX : last_ns + timer->repeat_ns;
}

void eddy__timer_run(eddy_loop *loop) {
    int64_t now_ns = loop->now_ns;
    uint64_t last_order = loop->timer_order; /* what callbacks start comes behind it */
    while (loop->timers_count > 0) {
        eddy_timer *timer = settle_top(loop);
        /* A timer that a callback started is due now or later, so behind all that were due before:
         * when one is at the top, this phase is over. */
        if (timer->due_ns > now_ns || timer->order > last_order) break;
        if (timer->repeat_ns > 0) {
            timer->due_ns = next_tick_ns(timer, now_ns);
            timer->order = ++loop->timer_order;
            sift_down(loop, 0, entry_of(timer));
        } else {
            eddy_timer_stop(timer);
        }
        loop->metrics.timers++;
        timer->fn(timer); /* the timer may be gone now */
    }
}

void eddy__timer_close(eddy_loop *loop) {
    eddy__resize(loop, loop->timers, loop->timers_capacity * sizeof *loop->timers, 0);
}
