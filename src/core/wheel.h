/* wheel.h: deadlines in a hierarchical timing wheel that is exact to the nanosecond.
 *
 * A time is a number of 11 digits of 6 bits. `base_ns` is a time that no running timer is due
 * before. The highest digit in which a deadline differs from it is the timer's level, and the value
 * of that digit its slot there: so many lists, in order of time. To start is to append to a list,
 * to stop to unlink, and nothing is compared. When the time has come to the first list, its timers
 * are put into lists of lower levels, counted from the list's beginning; those of the lowest level
 * hold one deadline each. So a timer moves once a level at most, and what leaves the wheel is in
 * order.
 *
 * Timers of one deadline are in one list at any time, as their places follow from the deadline and
 * the base alone; and whatever moves a list keeps its order. So they leave in the order of their
 * start, though nothing says which that was.
 *
 * The nearest timer, where it is known, is in no list: most of those that are started to fire soon,
 * or again and again, come and go without. It is due no later than all others, and was started
 * before those that are due when it is; so it goes to the front of its list when a nearer one takes
 * its place.
 *
 * An entry has the deadline and the timer, and a link apart, so that unlinking reads links only.
 * The links of the lists themselves come before those of the entries.
 *
 * Invariant: base_ns <= the deadlines in the wheel, and next_ns too, which is the first one where
 * `nearest` names an entry. Threading: loop thread only. */
#ifndef EDDY_CORE_WHEEL_H
#define EDDY_CORE_WHEEL_H

#include <eddy/timer.h>

#include "../../platform/compiler.h"

enum {
    WHEEL_BITS = 6, /* a word has a bit for each slot of a level */
    WHEEL_SLOTS = 1 << WHEEL_BITS,
    WHEEL_LEVELS = 63 / WHEEL_BITS + 1,
    WHEEL_LISTS = WHEEL_LEVELS * WHEEL_SLOTS,
    WHEEL_DUE = WHEEL_LISTS, /* one more list: those that phase 4 has taken out */
    WHEEL_FIRST,             /* the link of the first entry */
};

/* No entry is known to be the nearest: */
#define WHEEL_UNKNOWN UINT32_MAX       /* nobody has looked since */
#define WHEEL_CROWD   (UINT32_MAX - 1) /* to find it takes long; next_ns is when its list begins */

struct wheel_entry {
    int64_t due_ns;
    eddy_timer *timer;
};

struct wheel_link {
    uint32_t prev, next;
};

struct timer_queue {
    int64_t next_ns; /* nothing is due before; INT64_MAX: never */
    int64_t base_ns;
    struct wheel_entry *entries;
    struct wheel_link *links; /* behind the entries, in one block of memory */
    uint32_t levels;          /* a bit for each level that has timers */
    uint32_t nearest;         /* the first entry that is due at next_ns, or WHEEL_… */
    uint32_t free;            /* entries that were given back, by their links; or WHEEL_DUE */
    unsigned touched;         /* the entries from this one on were never in use */
    unsigned count;           /* in use */
    unsigned capacity;        /* 0: neither entries nor links */
    uint64_t used[WHEEL_LEVELS + 1]; /* a bit for each list that is not empty */
    unsigned limit;        /* so many may be in use before somebody looks: as a rule the capacity */
    unsigned reserved;     /* capacity is not made less than this, */
    unsigned shrink_below; /* nor unless there are fewer timers than this, */
    int64_t few_since_ns;  /* and were, since this time, while the limit is that */
};

/* --- wheel.c --- */
/* After timer_is_due: takes what is due out, at least `most` if there are so many, the others to
 * WHEEL_DUE, and the first of them out of all lists: its place, or WHEEL_UNKNOWN. */
uint32_t eddy__wheel_advance(struct timer_queue *wheel, int64_t now_ns, unsigned most);
int64_t eddy__wheel_look_ns(struct timer_queue *wheel, bool is_busy);
/* The nearest one goes into its list, or there another one takes its place. The second returns 0.
 */
void eddy__wheel_put_back(struct timer_queue *wheel);
int eddy__wheel_displace(struct timer_queue *wheel, uint32_t place, int64_t due_ns);
int eddy__wheel_resize(eddy_loop *loop, unsigned capacity);

static inline struct wheel_entry *wheel_entry(const struct timer_queue *wheel, uint32_t link) {
    return &wheel->entries[link - WHEEL_FIRST];
}

static inline bool wheel_list_is_empty(const struct timer_queue *wheel, uint32_t list) {
    return wheel->links[list].prev == list;
}

static inline void wheel_set_used(struct timer_queue *wheel, uint32_t level, uint32_t slot) {
    wheel->used[level] |= UINT64_C(1) << slot;
    wheel->levels |= 1U << level;
}

static inline void wheel_clear_used(struct timer_queue *wheel, uint32_t list) {
    uint32_t level = list / WHEEL_SLOTS;
    wheel->used[level] &= ~(UINT64_C(1) << list % WHEEL_SLOTS);
    if (wheel->used[level] == 0) wheel->levels &= ~(1U << level);
}

static inline void wheel_append(struct timer_queue *wheel, uint32_t list, uint32_t link) {
    struct wheel_link *links = wheel->links;
    uint32_t last = links[list].prev;
    links[list].prev = link;
    links[last].next = link;
    links[link] = (struct wheel_link){last, list};
}

static inline void wheel_unlink(struct timer_queue *wheel, uint32_t link) {
    struct wheel_link *links = wheel->links;
    uint32_t prev = links[link].prev, next = links[link].next;
    links[prev].next = next;
    links[next].prev = prev;
    if (next == prev) wheel_clear_used(wheel, next); /* that is the list */
}

/* Of a deadline that is not before the base. */
static inline uint32_t wheel_level_of(const struct timer_queue *wheel, int64_t due_ns) {
    uint64_t differs = (uint64_t)due_ns ^ (uint64_t)wheel->base_ns;
    return highest_bit(differs | 1) * 43 / 256; /* by WHEEL_BITS */
}

static inline uint32_t wheel_slot_of(uint32_t level, int64_t due_ns) {
    return (uint32_t)((uint64_t)due_ns >> level * WHEEL_BITS) & (WHEEL_SLOTS - 1);
}

static inline void wheel_insert(struct timer_queue *wheel, uint32_t link, int64_t due_ns) {
    uint32_t level = wheel_level_of(wheel, due_ns), slot = wheel_slot_of(level, due_ns);
    uint32_t list = level * WHEEL_SLOTS | slot;
    if (UNLIKELY(wheel_list_is_empty(wheel, list))) wheel_set_used(wheel, level, slot);
    wheel_append(wheel, list, link);
}

/* An entry that is in no list gets a deadline. Returns 0: a start ends with it. */
static inline int wheel_put(struct timer_queue *wheel, uint32_t place, int64_t due_ns) {
    wheel->entries[place].due_ns = due_ns;
    if (UNLIKELY(due_ns < wheel->next_ns)) {
        if (wheel->nearest < WHEEL_CROWD) return eddy__wheel_displace(wheel, place, due_ns);
        wheel->next_ns = due_ns;
        wheel->nearest = place;
    } else {
        wheel_insert(wheel, place + WHEEL_FIRST, due_ns);
    }
    return 0;
}

static inline void wheel_take_out(struct timer_queue *wheel, uint32_t place) {
    if (place == wheel->nearest)
        wheel->nearest = WHEEL_UNKNOWN;
    else
        wheel_unlink(wheel, place + WHEEL_FIRST);
}

/* The first one of WHEEL_DUE, which is not empty: out of all lists. */
static inline uint32_t wheel_take_due(struct timer_queue *wheel) {
    struct wheel_link *links = wheel->links;
    uint32_t link = links[WHEEL_DUE].next, next = links[link].next;
    links[WHEEL_DUE].next = next;
    links[next].prev = WHEEL_DUE;
    return link - WHEEL_FIRST;
}

/* There is room. */
static inline uint32_t wheel_new_place(struct timer_queue *wheel) {
    uint32_t link = wheel->free;
    wheel->count++;
    if (link == WHEEL_DUE) return wheel->touched++;
    wheel->free = wheel->links[link].next;
    return link - WHEEL_FIRST;
}

static inline void wheel_give_back(struct timer_queue *wheel, uint32_t place) {
    wheel->links[place + WHEEL_FIRST].next = wheel->free;
    wheel->free = place + WHEEL_FIRST;
    wheel->count--;
}

/* --- What the turn and the walk ask --- */

/* Whether phase 4 may have something to do. */
static inline bool timer_is_due(const struct timer_queue *wheel, int64_t now_ns) {
    return wheel->next_ns <= now_ns;
}

/* Whether there is one that is not never. */
static inline bool timer_has_any(const struct timer_queue *wheel) {
    return wheel->next_ns != INT64_MAX;
}

/* What is at hand of the nearest deadline: that, or a time before. */
static inline int64_t timer_soonest_ns(const struct timer_queue *wheel) {
    return wheel->next_ns;
}

/* The nearest deadline, or INT64_MAX. If the loop is busy, it may be a time before: then finding it
 * would take long, and be for nothing if the loop does not sleep until then. */
static inline int64_t timer_next_ns(struct timer_queue *wheel, bool is_busy) {
    bool is_known = wheel->nearest < WHEEL_CROWD || wheel->next_ns == INT64_MAX;
    if (is_known || (is_busy && wheel->nearest == WHEEL_CROWD)) return wheel->next_ns;
    return eddy__wheel_look_ns(wheel, is_busy);
}

/* The timer after the one that `*at` stands for, at first 0; NULL: there are no more. */
static inline eddy_timer *timer_walk(const struct timer_queue *wheel, uint32_t *at) {
    uint32_t nearest = wheel->nearest < WHEEL_CROWD ? wheel->nearest + WHEEL_FIRST : WHEEL_DUE;
    if (wheel->capacity == 0 || *at == nearest) return NULL; /* it was the last */
    uint32_t link = wheel->links[*at].next;
    while (link < WHEEL_DUE) link = wheel->links[link + 1].next; /* a list's end: the next list */
    if (link == WHEEL_DUE) link = nearest;
    *at = link;
    return link == WHEEL_DUE ? NULL : wheel_entry(wheel, link)->timer;
}

#endif
