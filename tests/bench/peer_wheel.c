/* peer_wheel.c: timers by hand, as the limit: a bare epoll loop around a hierarchical timing wheel
 * of four levels with 64 slots, whose grain is a millisecond (2^20 ns). What is due in one
 * millisecond fires in any order, up to a millisecond late, and a slot may wake the loop for
 * nothing. It is for timers alone: it watches one descriptor. */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { LEVELS = 4, SLOT_BITS = 6, SLOTS = 1 << SLOT_BITS, GRAIN_BITS = 20 };

struct timer {
    struct timer *prev, *next; /* itself: it is stopped */
    uint64_t due;              /* in grains */
};

static struct {
    int epoll;
    bool is_stopped;
    int64_t now_ns;
    uint64_t base;
    uint64_t used[LEVELS]; /* a bit for each slot that may have a timer */
    struct timer slots[LEVELS][SLOTS];
    struct timer *timers;
} wheel;

static void link_init(struct timer *list) {
    list->prev = list->next = list;
}

static void unlink_timer(struct timer *it) {
    it->prev->next = it->next;
    it->next->prev = it->prev;
    link_init(it);
}

static void append(struct timer *list, struct timer *it) {
    it->prev = list->prev;
    it->next = list;
    list->prev->next = it;
    list->prev = it;
}

static void insert(struct timer *it) {
    unsigned level = (63 ^ (unsigned)__builtin_clzll((it->due ^ wheel.base) | 1)) / SLOT_BITS;
    if (level >= LEVELS) level = LEVELS - 1;
    unsigned slot = it->due >> level * SLOT_BITS & (SLOTS - 1);
    wheel.used[level] |= UINT64_C(1) << slot;
    append(&wheel.slots[level][slot], it);
}

static void start(struct timer *it, int64_t delay_ns) {
    unlink_timer(it);
    int64_t due_ns = wheel.now_ns + delay_ns + (1 << GRAIN_BITS) - 1;
    it->due = (uint64_t)due_ns >> GRAIN_BITS;
    insert(it);
}

/* The first slot that may have a timer, and when it begins. */
static bool first_slot(unsigned *level, unsigned *slot, uint64_t *begins) {
    for (*level = 0; *level < LEVELS; ++*level) {
        if (wheel.used[*level] == 0) continue;
        unsigned shift = *level * SLOT_BITS;
        *slot = (unsigned)__builtin_ctzll(wheel.used[*level]);
        *begins = (wheel.base >> shift >> SLOT_BITS << SLOT_BITS | *slot) << shift;
        return true;
    }
    return false;
}

static void advance(void) {
    uint64_t now = (uint64_t)wheel.now_ns >> GRAIN_BITS, begins;
    unsigned level, slot;
    while (first_slot(&level, &slot, &begins) && begins <= now) {
        struct timer *list = &wheel.slots[level][slot];
        wheel.used[level] &= ~(UINT64_C(1) << slot);
        wheel.base = begins;
        while (list->next != list) {
            struct timer *it = list->next;
            unlink_timer(it);
            if (it->due <= now)
                peers_fired++;
            else
                insert(it);
        }
    }
    wheel.base = now;
}

static int timeout_ms(void) {
    unsigned level, slot;
    uint64_t begins;
    if (!first_slot(&level, &slot, &begins)) return -1;
    int64_t left_ns = (int64_t)(begins << GRAIN_BITS) - bench_now_ns();
    return left_ns <= 0 ? 0 : (int)(left_ns / EDDY_NS_PER_MS) + 1;
}

static int open_wheel(bool has_threads) {
    (void)has_threads;
    wheel.now_ns = bench_now_ns();
    wheel.base = (uint64_t)wheel.now_ns >> GRAIN_BITS;
    for (unsigned i = 0; i < LEVELS; i++)
        for (unsigned k = 0; k < SLOTS; k++) link_init(&wheel.slots[i][k]);
    wheel.epoll = epoll_create1(EPOLL_CLOEXEC);
    return wheel.epoll < 0 ? -errno : 0;
}

static int run_wheel(unsigned side) {
    (void)side;
    wheel.is_stopped = false;
    while (!wheel.is_stopped) {
        struct epoll_event event;
        int count = epoll_wait(wheel.epoll, &event, 1, timeout_ms());
        if (count < 0) return -errno;
        wheel.now_ns = bench_now_ns();
        advance();
        if (count > 0) peers_ready(0);
    }
    return 0;
}

static void stop_wheel(unsigned side) {
    (void)side;
    wheel.is_stopped = true;
}

static int watch_one(int fd) {
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(wheel.epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int timers_make(unsigned count) {
    wheel.timers = malloc(count * sizeof *wheel.timers);
    for (unsigned i = 0; i < count && wheel.timers != NULL; i++) link_init(&wheel.timers[i]);
    return wheel.timers == NULL ? -ENOMEM : 0;
}

static int timers_start(const int64_t *delays_ns, unsigned count) {
    for (unsigned i = 0; i < count; i++) start(&wheel.timers[i], delays_ns[i]);
    return 0;
}

static void timers_stop(unsigned count) {
    for (unsigned i = 0; i < count; i++) unlink_timer(&wheel.timers[i]);
}

static int timers_push(int64_t delay_ns, const unsigned *which, unsigned count) {
    for (unsigned i = 0; i < count; i++) start(&wheel.timers[which[i]], delay_ns);
    return 0;
}

static int timer_change(unsigned which, bool is_due) {
    unlink_timer(&wheel.timers[which]);
    if (is_due) start(&wheel.timers[which], 0);
    return 0;
}

const struct peer peer_wheel = {
    .name = "wheel",
    .open = open_wheel,
    .run = run_wheel,
    .stop = stop_wheel,
    .watch_one = watch_one,
    .timers_make = timers_make,
    .timers_start = timers_start,
    .timers_stop = timers_stop,
    .timers_push = timers_push,
    .timer_change = timer_change,
};
