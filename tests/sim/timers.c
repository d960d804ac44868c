/* timers.c: a storm of timers beside a model of them.
 *
 * The model holds what each timer was asked for, and says which one must fire next: the one with
 * the nearest deadline, among equals the one started first, of those that were due when the phase
 * began. So none fires early, twice, out of order, or after it was stopped; none is left out; and
 * the loop sleeps neither past a deadline nor less than it could.
 * One loop in one thread: nothing but the weather delays it. */
#include "ledger.h"
#include "programs.h"

#include <errno.h>

enum {
    TIMERS = 24,
    BUSY_STEPS = 12,   /* calls of the seam between two looks at the clock, at most */
    TRACED_STEPS = 12, /* so many more where each record takes one */
};

struct watch {
    eddy_timer *timer;
    bool is_running, is_unreferenced;
    int64_t due_ns, repeat_ns;
    uint64_t order;
};

static struct storm {
    struct party party;
    eddy_hook *prepare, *check, *idle;
    struct watch watches[TIMERS]; /* the first one never stops before the end: it drives the rest */
    uint64_t order, fired;
    uint64_t phase_order; /* of the phase under way: what was started later is not due in it */
    int64_t phase_ns;
    unsigned phase_limit, phase_fired; /* so many may be called in a phase, and were */
    unsigned phase_left_out;           /* due in it, and stopped or started anew meanwhile */
    int64_t asleep_ns;                 /* when the loop went to wait */
    bool may_return;                   /* at once: it is not to wait */
    bool ends;
} storm;

/* --- The model --- */

static bool is_due(const struct watch *watch) {
    return watch->is_running && watch->due_ns <= storm.phase_ns && watch->due_ns != INT64_MAX &&
           watch->order <= storm.phase_order;
}

static bool is_before(const struct watch *a, const struct watch *b) {
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->order < b->order);
}

static const struct watch *next_due(void) {
    const struct watch *next = NULL;
    for (int i = 0; i < TIMERS; i++)
        if (is_due(&storm.watches[i]) && (next == NULL || is_before(&storm.watches[i], next)))
            next = &storm.watches[i];
    return next;
}

static int64_t nearest_ns(void) {
    int64_t nearest = INT64_MAX;
    for (int i = 0; i < TIMERS; i++)
        if (storm.watches[i].is_running && storm.watches[i].due_ns < nearest)
            nearest = storm.watches[i].due_ns;
    return nearest;
}

static struct watch *watch_of(const eddy_timer *timer) {
    struct watch *watch = storm.watches;
    while (watch->timer != timer) watch++;
    return watch;
}

/* Repeats keep to the grid; what a busy loop missed is skipped. */
static void repeat(struct watch *watch) {
    int64_t due_ns = watch->due_ns;
    while (due_ns <= storm.phase_ns) {
        int64_t missed = (storm.phase_ns - due_ns) / watch->repeat_ns;
        if (missed > 0) due_ns += missed * watch->repeat_ns;
        if (watch->repeat_ns > INT64_MAX - due_ns)
            due_ns = INT64_MAX;
        else
            due_ns += watch->repeat_ns;
    }
    watch->due_ns = due_ns;
    watch->order = ++storm.order;
}

static void compare(void) {
    unsigned running = 0, referenced = 0;
    for (int i = 0; i < TIMERS; i++) {
        const struct watch *watch = &storm.watches[i];
        int64_t due_ns = eddy_timer_due_ns(watch->timer);
        sim_check(due_ns == (watch->is_running ? watch->due_ns : -1),
                  "timer %d is due at %lld, not %lld", i, (long long)due_ns,
                  (long long)watch->due_ns);
        sim_check(eddy_is_active(&watch->timer->handle) == watch->is_running, "timer %d runs", i);
        running += watch->is_running;
        referenced += watch->is_running && !watch->is_unreferenced;
    }
    eddy_metrics metrics;
    eddy_loop_read_metrics(storm.party.loop, &metrics, sizeof metrics);
    sim_check(metrics.timers_active == running, "%u timers, not %u", metrics.timers_active,
              running);
    sim_check(metrics.timers == storm.fired, "%llu were fired, not %llu",
              (unsigned long long)metrics.timers, (unsigned long long)storm.fired);
    referenced += eddy_is_active(&storm.prepare->handle); /* the other two are not referenced */
    sim_check(metrics.active == referenced, "%u are active, not %u", metrics.active, referenced);
}

/* --- What is done to them --- */

static void on_timer(eddy_timer *timer);

/* Beyond the clock's range is never. */
static int64_t sum_ns(int64_t time_ns, int64_t delay_ns) {
    return delay_ns > INT64_MAX - time_ns ? INT64_MAX : time_ns + delay_ns;
}

static int64_t some_delay_ns(void) {
    switch (sim_below(8)) {
    case 0:
        return 0;
    case 1:
        return sim_below(100);
    case 2:
        return 50 * EDDY_NS_PER_US * sim_below(4); /* so that some are equal */
    case 3:
        return sim_below(1000000);
    case 4:
        return sim_below(50) * EDDY_NS_PER_MS;
    case 5:
        return sim_below(100) * 3600 * EDDY_NS_PER_S;
    case 6:
        return INT64_MAX - sim_below(3);
    default:
        return INT64_MAX - sim_now_ns() + (int64_t)sim_below(2000) - 1000;
    }
}

static void start_at(struct watch *watch, int64_t delay_ns, int64_t repeat_ns) {
    struct party *party = &storm.party;
    int64_t before_ns = eddy_loop_now_ns(party->loop);
    int err = CALL(party, eddy_timer_start(watch->timer, on_timer, delay_ns, repeat_ns));
    if (delay_ns < 0 || repeat_ns < 0) {
        sim_check(err == -EINVAL, "a negative time gives %d", err);
        return;
    }
    sim_check(err == 0 || (err == -ENOMEM && !watch->is_running), "a start gives %d", err);
    if (ledger_result("eddy_timer_start", err) < 0) return;
    storm.phase_left_out += is_due(watch);
    watch->is_running = true;
    watch->due_ns = eddy_timer_due_ns(watch->timer);
    int64_t after_ns = eddy_loop_now_ns(party->loop); /* in a callback the same */
    sim_check(watch->due_ns >= sum_ns(before_ns, delay_ns) &&
                  watch->due_ns <= sum_ns(after_ns, delay_ns),
              "a timer started at %lld for %lld is due at %lld", (long long)before_ns,
              (long long)delay_ns, (long long)watch->due_ns);
    watch->repeat_ns = repeat_ns;
    watch->order = ++storm.order;
}

static void stop(struct watch *watch) {
    CALL_VOID(&storm.party, eddy_timer_stop(watch->timer));
    storm.phase_left_out += is_due(watch);
    watch->is_running = false;
}

/* Its memory is the program's again, and another timer is in its place. */
static void renew(struct watch *watch) {
    if (watch->timer != NULL) {
        stop(watch);
        ledger_free(watch->timer);
    }
    watch->timer = ledger_new("timer", sizeof *watch->timer);
    eddy_timer_init(watch->timer, storm.party.loop);
    watch->is_unreferenced = false;
}

static void push_away(struct watch *watch) {
    int64_t left_ns = watch->is_running ? watch->due_ns - eddy_loop_now_ns(storm.party.loop) : 0;
    if (left_ns < 0 || left_ns > EDDY_NS_PER_S) left_ns = 0;
    start_at(watch, left_ns + sim_below(1000), watch->repeat_ns);
}

static void flip_reference(struct watch *watch) {
    watch->is_unreferenced = !watch->is_unreferenced;
    if (watch->is_unreferenced)
        CALL_VOID(&storm.party, eddy_unref(&watch->timer->handle));
    else
        CALL_VOID(&storm.party, eddy_ref(&watch->timer->handle));
}

/* The last deadline decides how long a repeated one goes on: short ones must not be the rule. */
static int64_t some_repeat_ns(void) {
    if (sim_below(3) != 0) return 0;
    return sim_below(8) == 0 ? some_delay_ns() : (int64_t)sim_below(20) * EDDY_NS_PER_MS;
}

static void change_one(void) {
    struct watch *watch = &storm.watches[1 + sim_below(TIMERS - 1)];
    int64_t delay_ns;
    switch (sim_below(12)) {
    case 0:
        start_at(watch, -1 - (int64_t)sim_below(2), 0);
        break;
    case 1:
        start_at(watch, 1, INT64_MIN);
        break;
    case 2:
    case 3:
        stop(watch);
        break;
    case 4:
        renew(watch);
        break;
    case 5:
    case 6:
        push_away(watch);
        break;
    case 7:
        flip_reference(watch);
        break;
    case 8:
        CALL_VOID(&storm.party, eddy_loop_update_now(storm.party.loop));
        break;
    case 9:
        if (sim_below(8) == 0) party_flip_trace(&storm.party);
        sim_sleep(some_delay_ns() % (10 * EDDY_NS_PER_MS));
        break; /* a long callback */
    default:
        delay_ns = some_delay_ns();
        start_at(watch, delay_ns, some_repeat_ns());
        break;
    }
}

static void change_some(void) {
    if (storm.ends) return;
    for (unsigned left = sim_below(4); left > 0; left--) change_one();
}

static void drive(void) {
    if (sim_below(4) == 0) eddy_loop_stop(storm.party.loop);
    if (sim_below(8) != 0) return;
    int64_t delay_ns = sim_below(30) * EDDY_NS_PER_MS;
    start_at(&storm.watches[0], delay_ns, 1 + sim_below(60) * EDDY_NS_PER_MS);
}

static void on_timer(eddy_timer *timer) {
    party_callback(&storm.party, PHASE_TIMERS);
    ledger_look(timer);
    struct watch *watch = watch_of(timer);
    int number = (int)(watch - storm.watches);
    const struct watch *next = next_due();
    sim_note("timer %d", number);
    sim_check(next != NULL, "timer %d fires though none is due", number);
    sim_check(next == watch, "timer %d fires before timer %d", number, (int)(next - storm.watches));
    sim_check(watch->due_ns <= sim_now_ns(), "timer %d fires early", number);
    storm.fired++;
    storm.phase_fired++;
    sim_check(storm.phase_fired <= storm.phase_limit, "%u fire in a turn", storm.phase_fired);
    if (watch->repeat_ns > 0)
        repeat(watch);
    else
        watch->is_running = false;
    compare();
    if (number == 0) drive();
    change_some();
}

/* --- Around the wait --- */

/* What phase 4 will see. */
static void take_phase(void) {
    storm.phase_ns = eddy_loop_now_ns(storm.party.loop);
    storm.phase_order = storm.order;
    storm.phase_fired = storm.phase_left_out = 0;
}

static void on_prepare(eddy_hook *hook) {
    (void)hook;
    party_callback(&storm.party, PHASE_PREPARE);
    const struct watch *left = next_due();
    sim_check(left == NULL || storm.phase_fired + storm.phase_left_out >= storm.phase_limit,
              "timer %d was due and has not fired", (int)(left - storm.watches));
    if (sim_below(8) == 0) change_some();
    compare();
    storm.asleep_ns = sim_now_ns();
}

/* A few calls may lie between the deadline and this: each takes up to a tick. */
static void check_delay(void) {
    int64_t now_ns = eddy_loop_now_ns(storm.party.loop), nearest = nearest_ns();
    int64_t latest_ns = nearest > storm.asleep_ns ? nearest : storm.asleep_ns;
    int64_t steps = BUSY_STEPS + (storm.party.records != NULL ? TRACED_STEPS : 0);
    int64_t grace_ns = steps * sim_weather()->tick_ns;
    sim_check(now_ns <= latest_ns || now_ns - latest_ns <= grace_ns,
              "the loop sleeps %lld ns past a deadline", (long long)(now_ns - latest_ns));
    const struct sim_weather *weather = sim_weather();
    bool is_true = weather->interrupts == 0 && weather->spurious == 0 && weather->stale == 0;
    if (storm.may_return || !is_true) return;
    sim_check(nearest <= now_ns, "the loop wakes for nothing, %lld ns before the next deadline",
              (long long)(nearest - now_ns));
}

static void on_check(eddy_hook *hook) {
    (void)hook;
    party_callback(&storm.party, PHASE_CHECK);
    check_delay();
    if (sim_below(8) == 0) change_some();
    take_phase();
}

/* Runs instead of a wait, once before each sleep: the loop came back without having slept. */
static void on_idle(eddy_hook *hook) {
    party_callback(&storm.party, PHASE_IDLE);
    if (sim_below(4) == 0) change_some();
    if (sim_below(3) == 0) (void)CALL(&storm.party, eddy_hook_start(hook, EDDY_HOOK_IDLE, on_idle));
    take_phase();
}

/* --- The life of a storm --- */

static eddy_hook *new_hook(eddy_hook_kind kind, eddy_hook_fn *fn, bool is_referenced) {
    eddy_hook *hook = ledger_new("hook", sizeof *hook);
    eddy_hook_init(hook, storm.party.loop);
    if (!is_referenced) eddy_unref(&hook->handle);
    int err = eddy_hook_start(hook, kind, fn);
    sim_check(err == 0, "eddy_hook_start gives %d", err);
    return hook;
}

static void free_hook(eddy_hook *hook) {
    if (hook == NULL) return;
    eddy_hook_stop(hook);
    ledger_free(hook);
}

static void begin(void) {
    storm = (struct storm){0};
    eddy_loop_config config = {
        .wakeup = sim_below(3) == 0 ? EDDY_WAKEUP_EVENTFD : EDDY_WAKEUP_PIPE,
        .timers_per_turn = sim_below(2) == 0 ? 1 + sim_below(4) : 0,
    };
    storm.phase_limit = config.timers_per_turn == 0 ? 256 : config.timers_per_turn;
    party_open_surely(&storm.party, "storm", &config);
    for (int i = 0; i < TIMERS; i++) renew(&storm.watches[i]);
    storm.prepare = new_hook(EDDY_HOOK_PREPARE, on_prepare, true);
    storm.check = new_hook(EDDY_HOOK_CHECK, on_check, false);
    if (sim_below(3) == 0) storm.idle = new_hook(EDDY_HOOK_IDLE, on_idle, false);
    take_phase();
    while (!storm.watches[0].is_running)
        start_at(&storm.watches[0], 0, 1 + sim_below(20) * EDDY_NS_PER_MS);
}

static void run_some(void) {
    unsigned how = sim_below(5);
    storm.may_return = how >= 3 || storm.idle != NULL;
    switch (how) {
    case 0:
        (void)party_run(&storm.party, EDDY_RUN_DEFAULT);
        break;
    case 1:
        (void)party_run(&storm.party, EDDY_RUN_ONCE);
        break;
    case 2:
        (void)party_turn(&storm.party, true);
        break;
    case 3:
        (void)party_run(&storm.party, EDDY_RUN_NOWAIT);
        break;
    default:
        (void)party_turn(&storm.party, false);
        break;
    }
}

static void end(void) {
    storm.ends = true;
    for (int i = 0; i < TIMERS; i++) {
        stop(&storm.watches[i]);
        ledger_free(storm.watches[i].timer);
    }
    free_hook(storm.prepare);
    free_hook(storm.check);
    free_hook(storm.idle);
    party_close(&storm.party);
}

static void run(uint64_t steps) {
    ledger_begin();
    begin();
    while (sim_steps() < steps) {
        run_some();
        change_some();
    }
    end();
    ledger_end();
}

const struct sim_program sim_timers = {"timers", "a storm of timers beside a model of them", run};
