/* timer_random.c: ten thousand timers, started, moved and stopped at random, against a model that
 * is a plain array. A failure names its seed. */
#include "sanitized.h"
#include "suite.h"
#include "system.h"

#include <stdlib.h>

enum {
    TIMERS = 10000,
    FEW = 300,
    ROUNDS = 30,
    FEW_ROUNDS = 750,
    SLOWER = 5, /* where somebody looks on */
};

/* What the model knows of a timer: a deadline and the order of its start. */
struct model {
    eddy_timer timer;
    bool active;
    int64_t due_ns;
    unsigned order;
    unsigned started_in; /* the turn whose timers phase started it, or 0 */
};

static eddy_loop *loop;
static struct model models[TIMERS];
static int count;
static unsigned long long state, seed;

static int rounds_of(int rounds) {
    if (getenv("EDDY_TEST_SLOW") != NULL) return rounds / (3 * SLOWER);
    return IS_SANITIZED ? rounds / SLOWER : rounds;
}
static unsigned starts, turn_number;
static bool in_phase, act_inside;
static int fired;
static struct model *last;

static void act(void);

static bool is_before(const struct model *a, const struct model *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void on_timer(eddy_timer *timer) {
    struct model *it = eddy_container_of(timer, struct model, timer);
    ck_assert_msg(it->active, "seed %llu: a stopped timer fired, or one fired twice", seed);
    ck_assert_msg(it->due_ns <= eddy_loop_now_ns(loop), "seed %llu: fired early", seed);
    ck_assert_msg(!in_phase || it->started_in != turn_number,
                  "seed %llu: fired in the phase that started it", seed);
    /* All that were due before this one have fired: within a phase, each is after the last. */
    ck_assert_msg(last == NULL || !is_before(it, last) || it->started_in == turn_number,
                  "seed %llu: fired out of order", seed);
    static struct model copy;
    copy = *it;
    last = &copy;
    it->active = false;
    fired++;
    if (act_inside && random_below(&state, 2) == 0) act();
}

static void start(struct model *it, int64_t delay_ns) {
    int64_t before_ns = eddy_loop_now_ns(loop);
    ck_assert_int_eq(eddy_timer_start(&it->timer, on_timer, delay_ns, 0), 0);
    ck_assert_int_ge(eddy_timer_due_ns(&it->timer), before_ns + delay_ns);
    ck_assert_int_le(eddy_timer_due_ns(&it->timer), eddy_loop_now_ns(loop) + delay_ns);
    it->active = true;
    it->due_ns = eddy_timer_due_ns(&it->timer);
    it->order = ++starts;
    it->started_in = in_phase ? turn_number : 0;
}

static void act(void) {
    struct model *it = &models[random_below(&state, (unsigned)count)];
    if (random_below(&state, 3) == 0) {
        eddy_timer_stop(&it->timer);
        it->active = false;
        return;
    }
    /* Coarse delays make equal deadlines common. */
    start(it, (int64_t)random_below(&state, 40) * 50 * EDDY_NS_PER_US);
}

/* Turns without waiting, and looks whether everything that was due has fired. */
static void turn_and_compare(void) {
    turn_number++;
    last = NULL;
    in_phase = true;
    int64_t began_ns = eddy_loop_now_ns(loop);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    in_phase = false;
    unsigned active = 0;
    for (int i = 0; i < count; i++) {
        const struct model *it = &models[i];
        active += it->active;
        ck_assert_int_eq(eddy_is_active(&it->timer.handle), it->active);
        if (!it->active || it->started_in == turn_number) continue;
        ck_assert_msg(it->due_ns > began_ns, "seed %llu: a due timer did not fire", seed);
    }
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    ck_assert_uint_eq(metrics.timers_active, active);
}

static void begin(int timers, unsigned long long with_seed, bool inside) {
    seed = state = with_seed;
    count = timers;
    act_inside = inside;
    starts = turn_number = 0;
    fired = 0;
    loop = test_loop_open_with((eddy_loop_config){.timers_per_turn = TIMERS});
    for (int i = 0; i < count; i++) {
        memset(&models[i], 0, sizeof models[i]);
        eddy_timer_init(&models[i].timer, loop);
    }
}

static void end(void) {
    for (int i = 0; i < count; i++) eddy_timer_stop(&models[i].timer);
    test_loop_close(loop);
}

/* Each fires exactly once, in order over the whole run, none early. */
START_TEST(ten_thousand_timers_fire_in_order_and_once) {
    begin(TIMERS, 11, false); /* in one turn, or in turns of some */
    for (int i = 0; i < TIMERS; i++)
        start(&models[i], (int64_t)random_below(&state, 2000) * 10 * EDDY_NS_PER_US);
    last = NULL;
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(fired, TIMERS);
    end();
}
END_TEST

START_TEST(ten_thousand_timers_moved_at_random_agree_with_the_model) {
    begin(TIMERS, 12, false);
    for (int i = 0; i < TIMERS; i++)
        start(&models[i], (int64_t)random_below(&state, 2000) * 10 * EDDY_NS_PER_US);
    for (int round = 0; round < rounds_of(ROUNDS); round++) {
        for (int i = 0; i < 500; i++) act();
        turn_and_compare();
    }
    end();
}
END_TEST

START_TEST(timers_moved_in_callbacks_agree_with_the_model) {
    for (unsigned long long i = 21; i < 24; i++) {
        begin(FEW, i, true);
        for (int round = 0; round < rounds_of(FEW_ROUNDS); round++) {
            for (int j = 0; j < 5; j++) act();
            turn_and_compare();
            if (round % 50 == 0) sleep_ns(EDDY_NS_PER_MS);
        }
        ck_assert_int_gt(fired, rounds_of(FEW_ROUNDS) * 2 / 3);
        end();
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("timer_random");
    ck_add(suite, "model", ten_thousand_timers_fire_in_order_and_once,
           ten_thousand_timers_moved_at_random_agree_with_the_model,
           timers_moved_in_callbacks_agree_with_the_model);
    return suite;
}
