/* wheel.c: the wheel beside a plain array, at times that no test can wait for: the clock goes on by
 * nanoseconds and by centuries, to the end of its range. Phase 4 is run by itself, with the time
 * that is due. A failure names its seed. */
#include "src/core/loop.h"

#include "sanitized.h"
#include "suite.h"
#include "system.h"

#include <stdlib.h>

enum {
    TIMERS = 48,
    SEEDS = 60,
    STEPS = 250,
    CROWD = 20000, /* of one deadline */
};

struct model {
    eddy_timer timer;
    bool active;
    int64_t due_ns, repeat_ns;
    unsigned long long order;
};

static eddy_loop *loop;
static struct model models[TIMERS];
static unsigned long long seed, state, starts, phase_starts;
static unsigned limit, fired, left_out; /* the last: due in this phase, and stopped in it */

static bool is_before(const struct model *a, const struct model *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

/* The first one that this phase has to call, or of all. */
static struct model *first(bool is_of_phase) {
    struct model *found = NULL;
    for (struct model *it = models; it < models + TIMERS; it++) {
        if (!it->active || (found != NULL && is_before(found, it))) continue;
        bool is_due = it->due_ns <= loop->now_ns && it->order <= phase_starts;
        if (!is_of_phase || is_due) found = it;
    }
    return found;
}

static void act(void);

/* Repeats keep to the grid; what was missed is skipped. */
static int64_t next_tick_ns(const struct model *it) {
    int64_t missed = (loop->now_ns - it->due_ns) / it->repeat_ns;
    int64_t last_ns = it->due_ns + missed * it->repeat_ns;
    return it->repeat_ns > INT64_MAX - last_ns ? INT64_MAX : last_ns + it->repeat_ns;
}

static void on_timer(eddy_timer *timer) {
    struct model *it = eddy_container_of(timer, struct model, timer);
    ck_assert_msg(it == first(true), "seed %llu: not the one whose turn it was", seed);
    ck_assert_msg(++fired <= limit, "seed %llu: more than a turn may call", seed);
    it->active = it->repeat_ns > 0;
    if (it->active) {
        it->due_ns = next_tick_ns(it);
        it->order = ++starts;
    }
    ck_assert_msg(eddy_timer_due_ns(timer) == (it->active ? it->due_ns : -1), "seed %llu", seed);
    for (unsigned left = random_below(&state, 4); left > 0; left--) act();
}

/* Of all magnitudes alike. */
static int64_t some_ns(void) {
    uint64_t wide = (uint64_t)random_below(&state, 1U << 31) << 32;
    wide |= (uint64_t)random_below(&state, 1U << 31) << 1 | random_below(&state, 2);
    return (int64_t)(wide >> (1 + random_below(&state, 63)));
}

static int64_t sum_ns(int64_t time_ns, int64_t delay_ns) {
    return delay_ns > INT64_MAX - time_ns ? INT64_MAX : time_ns + delay_ns;
}

static int64_t some_due_ns(void) {
    int64_t now_ns = loop->now_ns, other_ns = models[random_below(&state, TIMERS)].due_ns;
    switch (random_below(&state, 8)) {
    case 0:
        return now_ns;
    case 1:
        return now_ns | some_ns(); /* with equal digits */
    case 2:
    case 3:
        return other_ns;
    case 4:
        return INT64_MAX - (int64_t)random_below(&state, 3);
    default:
        return sum_ns(now_ns, some_ns());
    }
}

static void leave_out(const struct model *it) {
    left_out += it->active && it->due_ns <= loop->now_ns && it->order <= phase_starts;
}

static void start(struct model *it) {
    int64_t due_ns = some_due_ns();
    it->repeat_ns = random_below(&state, 4) == 0 ? some_ns() : 0;
    ck_assert_int_eq(eddy_timer_start_at(&it->timer, on_timer, due_ns, it->repeat_ns), 0);
    leave_out(it);
    it->due_ns = due_ns > loop->now_ns ? due_ns : loop->now_ns;
    it->active = true;
    it->order = ++starts;
}

static void act(void) {
    struct model *it = &models[random_below(&state, TIMERS)];
    if (random_below(&state, 3) > 0) {
        start(it);
        return;
    }
    eddy_timer_stop(&it->timer);
    leave_out(it);
    it->active = false;
}

/* A loop that sleeps is told the nearest deadline, one that is busy maybe a time before. */
static void compare(void) {
    const struct model *next = first(false);
    int64_t due_ns = next == NULL ? INT64_MAX : next->due_ns;
    int64_t busy_ns = timer_next_ns(&loop->timers, true), idle_ns;
    ck_assert_msg(busy_ns <= due_ns, "seed %llu: oversleeps", seed);
    idle_ns = timer_next_ns(&loop->timers, false);
    ck_assert_msg(idle_ns == due_ns || (idle_ns == 0 && due_ns <= loop->now_ns),
                  "seed %llu: sleeps until %lld, not %lld", seed, (long long)idle_ns,
                  (long long)due_ns);
    unsigned active = 0, walked = 0;
    uint32_t at = 0;
    for (int i = 0; i < TIMERS; i++) active += models[i].active;
    while (timer_walk(&loop->timers, &at) != NULL) walked++;
    ck_assert_msg(walked == active && loop->timers.count == active, "seed %llu: %u, not %u", seed,
                  walked, active);
    const char *broken = "";
    ck_assert_msg(eddy_loop_verify(loop, &broken) == 0, "seed %llu: %s", seed, broken);
}

static void go_on(void) {
    int64_t now_ns = loop->now_ns, to_ns = now_ns;
    const struct model *next = first(false);
    switch (random_below(&state, 6)) {
    case 0:
        break;
    case 1:
    case 2:
        if (next != NULL) to_ns = next->due_ns - (int64_t)random_below(&state, 2);
        break;
    case 3:
        to_ns = sum_ns(now_ns, some_ns() >> 8);
        break;
    default:
        to_ns = sum_ns(now_ns, (int64_t)random_below(&state, 5000));
    }
    if (to_ns == INT64_MAX) to_ns--; /* never is not now */
    if (to_ns > now_ns) loop->now_ns = to_ns;
}

static void run_phase(void) {
    phase_starts = starts;
    fired = left_out = 0;
    loop_set_running(loop, true);
    if (timer_is_due(&loop->timers, loop->now_ns)) eddy__timer_run(loop);
    ck_assert_msg(fired + left_out >= limit || first(true) == NULL, "seed %llu: one was left",
                  seed);
}

static void begin(unsigned timers_per_turn) {
    limit = timers_per_turn;
    loop = test_loop_open_with((eddy_loop_config){.timers_per_turn = limit});
    loop_set_running(loop, true); /* time is what the test says */
    starts = 0;
}

static void end(void) {
    loop_set_running(loop, false);
    test_loop_close(loop);
}

static void run_seed(void) {
    state = seed;
    begin(random_below(&state, 2) == 0 ? 1 + random_below(&state, 4) : 4 * TIMERS);
    if (random_below(&state, 2) == 0) loop->now_ns = some_ns() >> 1;
    for (int i = 0; i < TIMERS; i++) {
        models[i] = (struct model){.due_ns = loop->now_ns};
        eddy_timer_init(&models[i].timer, loop);
    }
    for (int step = 0; step < STEPS; step++) {
        for (unsigned left = random_below(&state, 6); left > 0; left--) act();
        if (step % 8 == 0) compare();
        go_on();
        run_phase();
        if (random_below(&state, 40) == 0)
            for (int i = 0; i < TIMERS; i++) { /* so that room is given back */
                eddy_timer_stop(&models[i].timer);
                models[i].active = false;
            }
    }
    for (int i = 0; i < TIMERS; i++) eddy_timer_stop(&models[i].timer);
    end();
}

/* EDDY_TEST_SEEDS=100000 for a night. */
START_TEST(timers_of_all_times_agree_with_the_model) {
    const char *asked = getenv("EDDY_TEST_SEEDS");
    unsigned long long seeds =
        IS_SANITIZED || getenv("EDDY_TEST_SLOW") != NULL ? SEEDS / 20 : SEEDS;
    if (asked != NULL) seeds = strtoull(asked, NULL, 10);
    for (seed = 1; seed <= seeds; seed++) run_seed();
}
END_TEST

/* --- Many of one deadline --- */

static unsigned crowd_next;
static eddy_timer *crowd;

static void on_crowd(eddy_timer *timer) {
    ck_assert_ptr_eq(timer, &crowd[crowd_next]);
    crowd_next++;
}

/* From a year before it until it is there, in steps of all sizes. */
START_TEST(a_crowd_of_one_deadline_fires_in_the_order_of_start) {
    const int64_t year_ns = 365 * 24 * 3600 * EDDY_NS_PER_S;
    begin(CROWD / 3);
    crowd = calloc(CROWD, sizeof *crowd);
    int64_t due_ns = loop->now_ns + year_ns;
    for (unsigned i = 0; i < CROWD; i++) {
        if (i % 1000 == 0) loop->now_ns += (due_ns - loop->now_ns) / 2;
        if (timer_is_due(&loop->timers, loop->now_ns)) eddy__timer_run(loop);
        eddy_timer_init(&crowd[i], loop);
        ck_assert_int_eq(eddy_timer_start_at(&crowd[i], on_crowd, due_ns, 0), 0);
    }
    loop->now_ns = due_ns - 1;
    if (timer_is_due(&loop->timers, loop->now_ns)) eddy__timer_run(loop);
    ck_assert_uint_eq(crowd_next, 0);
    loop->now_ns = due_ns;
    for (unsigned turn = 1; turn <= 4; turn++) {
        if (timer_is_due(&loop->timers, loop->now_ns)) eddy__timer_run(loop);
        ck_assert_uint_eq(crowd_next, turn * limit < CROWD ? turn * limit : CROWD);
    }
    free(crowd);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("wheel");
    ck_add(suite, "model", timers_of_all_times_agree_with_the_model,
           a_crowd_of_one_deadline_fires_in_the_order_of_start);
    return suite;
}
