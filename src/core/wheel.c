/* wheel.c: what the wheel does once for many timers: going on with the time, finding the nearest
 * deadline, making room. wheel.h has what is done for each. Threading: loop thread only. */
#include "timer.h"

#include "loop.h"

enum {
    WHEEL_LOOK_MAX = 16,     /* timers that a busy loop compares to find the nearest one */
    WHEEL_FEW = 8,           /* timers that are put in order by comparing them */
    WHEEL_CAPACITY_KEPT = 64 /* less is not worth giving back */
};

/* Places and links are 32 bits wide, and the bytes must fit a size. */
#define WHEEL_CAPACITY_MAX                            \
    (SIZE_MAX / 32 < UINT32_MAX - 2 * WHEEL_LISTS - 2 \
         ? (unsigned)(SIZE_MAX / 32)                  \
         : (unsigned)(UINT32_MAX - 2 * WHEEL_LISTS - 2))

/* The first list that is not empty, or WHEEL_LISTS. */
static inline uint32_t wheel_first_list(const struct timer_queue *wheel) {
    if (wheel->levels == 0) return WHEEL_LISTS;
    unsigned level = lowest_bit(wheel->levels);
    return level * WHEEL_SLOTS + lowest_bit(wheel->used[level]);
}

/* The first time whose list it is. */
static int64_t wheel_start_ns(const struct timer_queue *wheel, uint32_t list) {
    unsigned shift = list / WHEEL_SLOTS * WHEEL_BITS;
    uint64_t digits = (uint64_t)wheel->base_ns >> shift & ~(uint64_t)(WHEEL_SLOTS - 1);
    return (int64_t)((digits | list % WHEEL_SLOTS) << shift);
}

/* How many timers a list has, but no more than `most`. */
static inline unsigned wheel_count(const struct timer_queue *wheel, uint32_t list, unsigned most) {
    unsigned count = 0;
    uint32_t link = wheel->links[list].next;
    for (; link != list && count < most; link = wheel->links[link].next) count++;
    return count;
}

/* Of the lowest level: all are due at the same time. */
static void wheel_take_whole(struct timer_queue *wheel, uint32_t list) {
    struct wheel_link *links = wheel->links, it = links[list];
    uint32_t last_due = links[WHEEL_DUE].prev;
    links[last_due].next = it.next;
    links[it.next].prev = last_due;
    links[it.prev].next = WHEEL_DUE;
    links[WHEEL_DUE].prev = it.prev;
    links[list] = (struct wheel_link){list, list};
    wheel_clear_used(wheel, list);
}

/* Behind those that are due no later. */
static void wheel_take_sorted(struct timer_queue *wheel, uint32_t link, int64_t due_ns) {
    uint32_t before = wheel->links[WHEEL_DUE].prev;
    while (before != WHEEL_DUE && wheel_entry(wheel, before)->due_ns > due_ns)
        before = wheel->links[before].prev;
    uint32_t after = wheel->links[before].next;
    wheel->links[link] = (struct wheel_link){before, after};
    wheel->links[before].next = link;
    wheel->links[after].prev = link;
}

/* From a list to those of lower levels, which are empty. If there are few, what is due is put in
 * order at once: returns how many. */
static unsigned wheel_spread(struct timer_queue *wheel, uint32_t list, int64_t now_ns) {
    bool has_few = wheel_count(wheel, list, WHEEL_FEW + 1) <= WHEEL_FEW;
    struct wheel_link *links = wheel->links;
    uint32_t link = links[list].next;
    unsigned taken = 0;
    links[list] = (struct wheel_link){list, list};
    wheel_clear_used(wheel, list);
    while (link != list) {
        uint32_t next = links[link].next;
        int64_t due_ns = wheel_entry(wheel, link)->due_ns;
        if (has_few && due_ns <= now_ns) {
            wheel_take_sorted(wheel, link, due_ns);
            taken++;
        } else {
            wheel_insert(wheel, link, due_ns);
        }
        link = next;
    }
    return taken;
}

/* No further than until there are `most` to be called: the rest would keep the turn from its
 * descriptors. While the first list begins later than now, the base may be any time until then: a
 * timer's place follows from the first digit in which it differs, and that stays the same. */
APART static void wheel_go_on(struct timer_queue *wheel, int64_t now_ns, unsigned most) {
    uint32_t list;
    unsigned due = wheel_count(wheel, WHEEL_DUE, most);
    while ((list = wheel_first_list(wheel)) < WHEEL_LISTS) {
        int64_t start_ns = wheel_start_ns(wheel, list);
        wheel->next_ns = start_ns;
        if (due >= most && start_ns <= now_ns) return;
        if (start_ns > now_ns) break;
        wheel->base_ns = start_ns;
        if (list < WHEEL_SLOTS) {
            due += wheel_count(wheel, list, most);
            wheel_take_whole(wheel, list);
        } else {
            due += wheel_spread(wheel, list, now_ns);
        }
    }
    if (list == WHEEL_LISTS) wheel->next_ns = INT64_MAX;
    wheel->base_ns = now_ns;
}

RARE void eddy__wheel_put_back(struct timer_queue *wheel) {
    if (wheel->nearest >= WHEEL_CROWD) return;
    uint32_t link = wheel->nearest + WHEEL_FIRST;
    int64_t due_ns = wheel_entry(wheel, link)->due_ns;
    uint32_t level = wheel_level_of(wheel, due_ns), slot = wheel_slot_of(level, due_ns);
    wheel->nearest = WHEEL_UNKNOWN;
    wheel_set_used(wheel, level, slot);
    wheel_append(wheel, wheel->links[level * WHEEL_SLOTS + slot].next, link); /* as the first */
}

RARE int eddy__wheel_displace(struct timer_queue *wheel, uint32_t place, int64_t due_ns) {
    eddy__wheel_put_back(wheel);
    wheel->next_ns = due_ns;
    wheel->nearest = place;
    return 0;
}

/* As a rule one is due, and it is known which. */
uint32_t eddy__wheel_advance(struct timer_queue *wheel, int64_t now_ns, unsigned most) {
    uint32_t nearest = wheel->nearest, list;
    wheel->nearest = WHEEL_UNKNOWN;
    if (nearest < WHEEL_CROWD) {
        list = wheel_first_list(wheel);
        wheel->next_ns = list < WHEEL_LISTS ? wheel_start_ns(wheel, list) : INT64_MAX;
        if (wheel->next_ns > now_ns) {
            wheel->base_ns = now_ns;
            return nearest;
        }
        wheel_append(wheel, WHEEL_DUE, nearest + WHEEL_FIRST);
    }
    wheel_go_on(wheel, now_ns, most);
    return wheel_list_is_empty(wheel, WHEEL_DUE) ? WHEEL_UNKNOWN : wheel_take_due(wheel);
}

/* The nearest one is in the first list, anywhere. To compare them all may take long, and an idle
 * loop has the time. */
int64_t eddy__wheel_look_ns(struct timer_queue *wheel, bool is_busy) {
    if (!wheel_list_is_empty(wheel, WHEEL_DUE)) return 0;
    uint32_t list = wheel_first_list(wheel);
    unsigned left = is_busy ? WHEEL_LOOK_MAX : UINT32_MAX;
    wheel->next_ns = INT64_MAX;
    if (list == WHEEL_LISTS) return INT64_MAX;
    for (uint32_t link = wheel->links[list].next; link != list; link = wheel->links[link].next) {
        if (left-- == 0) {
            wheel->nearest = WHEEL_CROWD;
            return wheel->next_ns = wheel_start_ns(wheel, list);
        }
        int64_t due_ns = wheel_entry(wheel, link)->due_ns;
        if (due_ns >= wheel->next_ns && wheel->nearest < WHEEL_CROWD) continue;
        wheel->next_ns = due_ns;
        wheel->nearest = link - WHEEL_FIRST;
    }
    wheel_unlink(wheel, wheel->nearest + WHEEL_FIRST);
    return wheel->next_ns;
}

/* --- Room --- */

uint64_t eddy__timer_bytes(uint64_t capacity) {
    if (capacity == 0) return 0;
    return capacity * sizeof(struct wheel_entry) +
           (WHEEL_FIRST + capacity) * sizeof(struct wheel_link);
}

/* Returns its link, which is in no list. */
static uint32_t wheel_move_one(struct timer_queue *wheel, const struct wheel_entry *entry) {
    uint32_t place = wheel->touched++;
    wheel->entries[place] = *entry;
    entry->timer->handle.place = place;
    return place + WHEEL_FIRST;
}

/* Each timer gets a place of the new block, in the lists' order. */
static void wheel_move(struct timer_queue *wheel, const struct timer_queue *from) {
    for (uint32_t list = 0; list < WHEEL_FIRST; list++)
        wheel->links[list] = (struct wheel_link){list, list};
    wheel->touched = 0;
    wheel->free = WHEEL_DUE;
    if (from->capacity == 0) return;
    for (uint32_t list = 0; list < WHEEL_FIRST; list++)
        for (uint32_t link = from->links[list].next; link != list; link = from->links[link].next)
            wheel_append(wheel, list, wheel_move_one(wheel, wheel_entry(from, link)));
    if (from->nearest < WHEEL_CROWD)
        wheel->nearest = wheel_move_one(wheel, &from->entries[from->nearest]) - WHEEL_FIRST;
}

int eddy__wheel_resize(eddy_loop *loop, unsigned capacity) {
    struct timer_queue *wheel = &loop->timers;
    const struct timer_queue before = *wheel;
    if (capacity > WHEEL_CAPACITY_MAX) return -ENOMEM;
    void *block = eddy__resize(loop, NULL, 0, (size_t)eddy__timer_bytes(capacity));
    if (block == NULL) return -ENOMEM;
    wheel->entries = block;
    wheel->links = (struct wheel_link *)(void *)(wheel->entries + capacity);
    wheel->capacity = capacity;
    wheel_move(wheel, &before);
    if (before.capacity > 0)
        eddy__resize(loop, before.entries, (size_t)eddy__timer_bytes(before.capacity), 0);
    wheel->limit = capacity;
    unsigned kept = wheel->reserved > WHEEL_CAPACITY_KEPT ? wheel->reserved : WHEEL_CAPACITY_KEPT;
    wheel->shrink_below = capacity > kept && !loop->config.is_fixed ? capacity / 8 : 0;
    return 0;
}
