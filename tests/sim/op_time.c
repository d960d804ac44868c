/* op_time.c: timers, hooks and deferred calls. The storm of timers has the full model of their
 * order; here they meet all the rest. Timers have labels, now and then, which a walk tells. */
#include "operations.h"

struct op_timer {
    eddy_timer timer;
    struct desk *desk;
    bool is_running;
    int64_t due_ns, repeat_ns;
    eddy_label label;
    const char *text; /* NULL: it has none */
};

struct op_hook {
    eddy_hook hook;
    struct desk *desk;
    bool is_running;
    eddy_hook_kind kind;
    uint64_t order;     /* of start */
    uint64_t born_turn; /* the turn in which one of its kind started it, or 0 */
    unsigned calls;     /* since the look began */
};

struct op_defer {
    eddy_defer defer;
    struct desk *desk;
    bool is_queued;
    uint64_t number, turn;
    bool is_of_this_turn, is_of_next_turn; /* as far as that is known */
};

/* --- Timers --- */

static void on_timer(eddy_timer *timer) {
    struct op_timer *at = eddy_container_of(timer, struct op_timer, timer);
    ledger_look(at);
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_TIMERS);
    sim_check(at->is_running, "a timer fires that was stopped");
    sim_check(at->due_ns <= eddy_loop_now_ns(desk->party.loop) || at->due_ns <= sim_now_ns(),
              "a timer fires early");
    at->is_running = at->repeat_ns > 0;
    sim_check(eddy_is_active(&timer->handle) == at->is_running, "a timer runs on, or not");
    at->due_ns = eddy_timer_due_ns(timer);
    if (at == desk->guard) eddy_loop_stop(desk->party.loop);
    op_leave(desk);
}

static int timer_start(struct op_timer *at, int64_t delay_ns, int64_t repeat_ns) {
    struct party *party = &at->desk->party;
    int64_t before_ns = eddy_loop_now_ns(party->loop);
    int err = CALL(party, eddy_timer_start(&at->timer, on_timer, delay_ns, repeat_ns));
    sim_check(err == 0 || (err == -ENOMEM && !at->is_running), "a timer's start gives %d", err);
    if (ledger_result("eddy_timer_start", err) < 0) return err;
    at->is_running = true;
    at->due_ns = eddy_timer_due_ns(&at->timer);
    at->repeat_ns = repeat_ns;
    sim_check(at->due_ns >= before_ns, "a timer is due before it starts");
    return 0;
}

static void timer_stop(struct op_timer *at) {
    CALL_VOID(&at->desk->party, eddy_timer_stop(&at->timer));
    at->is_running = false;
    sim_check(eddy_timer_due_ns(&at->timer) == -1, "a stopped timer is due");
}

static void timer_name(struct op_timer *at) {
    static const char *const texts[] = {"silence", "report", "retry"};
    const char *text = texts[pick(3)];
    int err = CALL(&at->desk->party, eddy_label_set(&at->label, &at->timer, text));
    sim_check(err == 0 || (err == -ENOMEM && at->text == NULL), "a label gives %d", err);
    if (ledger_result("eddy_label_set", err) == 0) at->text = text;
}

static void timer_clear(struct op_timer *at) {
    CALL_VOID(&at->desk->party, eddy_label_clear(&at->label));
    at->text = NULL;
}

static struct op_timer *timer_new(struct desk *desk) {
    struct op_timer *at = ledger_new("timer", sizeof *at);
    at->desk = desk;
    eddy_timer_init(&at->timer, desk->party.loop);
    eddy_label_init(&at->label, desk->party.loop);
    return at;
}

static void timer_free(struct op_timer **place) {
    if (*place == NULL) return;
    timer_stop(*place);
    timer_clear(*place);
    ledger_free(*place);
    *place = NULL;
}

static void op_timer(struct desk *desk) {
    struct op_timer **place = &desk->timers[pick(TIMERS)];
    if (*place == NULL) *place = timer_new(desk);
    const int64_t delays_ns[] = {0, 1, 40 * EDDY_NS_PER_US, 7 * EDDY_NS_PER_MS, INT64_MAX};
    int64_t delay_ns;
    switch (pick(8)) {
    case 0:
        timer_stop(*place);
        break;
    case 1:
        timer_free(place);
        break;
    case 4:
        timer_name(*place);
        break;
    case 5:
        if (pick(2) == 0) timer_clear(*place);
        break;
    case 2:
        CALL_VOID(&desk->party, eddy_unref(&(*place)->timer.handle));
        break;
    case 3:
        CALL_VOID(&desk->party, eddy_ref(&(*place)->timer.handle));
        break;
    default:
        delay_ns = delays_ns[pick(5)];
        (void)timer_start(*place, delay_ns, pick(2) * 3 * EDDY_NS_PER_MS);
        break;
    }
}

bool op_guard_start(struct desk *desk, int64_t delay_ns) {
    if (desk->guard == NULL) desk->guard = timer_new(desk);
    return timer_start(desk->guard, delay_ns, 0) == 0;
}

void op_guard_stop(struct desk *desk) {
    timer_free(&desk->guard);
}

/* --- Hooks --- */

static unsigned phase_of(eddy_hook_kind kind) {
    const unsigned phases[] = {PHASE_PREPARE, PHASE_CHECK, PHASE_IDLE};
    return phases[kind];
}

/* Prepare hooks run again after a wait that failed, though the turn is still to come. */
static uint64_t turn_of(const struct desk *desk) {
    return desk->party.turn + (desk->party.failed << 32);
}

static void on_hook(eddy_hook *hook) {
    struct op_hook *at = eddy_container_of(hook, struct op_hook, hook);
    ledger_look(at);
    struct desk *desk = at->desk;
    op_enter(desk, phase_of(at->kind));
    sim_check(at->is_running, "a hook is called that was stopped");
    uint64_t turn = turn_of(desk);
    sim_check(at->born_turn != turn, "a hook is called in the turn that one of its kind began it");
    if (desk->hook_turn != turn || desk->hook_kind != at->kind) desk->hook_order = 0;
    sim_check(desk->hook_order < at->order, "hooks are called out of order, or twice");
    desk->hook_turn = turn;
    desk->hook_kind = at->kind;
    desk->hook_order = at->order;
    at->calls++;
    if (at->kind == EDDY_HOOK_IDLE && !office.is_quiet && pick(4) == 0) {
        int err = CALL(&desk->party, eddy_hook_start(hook, EDDY_HOOK_IDLE, on_hook));
        sim_check(err == 0, "to ask for another idle call gives %d", err);
    }
    op_leave(desk);
}

static void hook_start(struct op_hook *at, eddy_hook_kind kind) {
    struct desk *desk = at->desk;
    int err = CALL(&desk->party, eddy_hook_start(&at->hook, kind, on_hook));
    if (at->is_running) {
        bool asks_again = kind == EDDY_HOOK_IDLE && at->kind == EDDY_HOOK_IDLE;
        sim_check(err == (asks_again ? 0 : -EALREADY), "a hook's second start gives %d", err);
        return;
    }
    sim_check(err == 0, "a hook's start gives %d", err);
    at->is_running = true;
    at->kind = kind;
    at->order = ++office.hook_orders;
    at->born_turn = desk->in == phase_of(kind) ? turn_of(desk) : 0;
    at->calls = 0;
}

static void hook_free(struct op_hook **place) {
    if (*place == NULL) return;
    CALL_VOID(&(*place)->desk->party, eddy_hook_stop(&(*place)->hook));
    ledger_free(*place);
    *place = NULL;
}

static void op_hook(struct desk *desk) {
    struct op_hook **place = &desk->hooks[pick(HOOKS)];
    if (*place == NULL) {
        *place = ledger_new("hook", sizeof **place);
        (*place)->desk = desk;
        eddy_hook_init(&(*place)->hook, desk->party.loop);
        eddy_unref(&(*place)->hook.handle); /* it keeps nothing alive: a run must come to an end */
    }
    switch (pick(5)) {
    case 0:
        hook_free(place);
        break;
    case 1:
        CALL_VOID(&desk->party, eddy_hook_stop(&(*place)->hook));
        (*place)->is_running = false;
        break;
    default:
        hook_start(*place, (eddy_hook_kind)pick(3));
        break;
    }
}

/* --- Deferred calls --- */

static void on_defer(eddy_defer *defer) {
    struct op_defer *at = eddy_container_of(defer, struct op_defer, defer);
    ledger_look(at);
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_DEFERRED);
    sim_check(at->is_queued, "a deferred call comes that was stopped");
    for (unsigned i = 0; i < DEFERS; i++)
        sim_check(desk->defers[i] == NULL || !desk->defers[i]->is_queued ||
                      desk->defers[i]->number >= at->number,
                  "deferred calls come out of order");
    uint64_t turn = party_turns(&desk->party);
    sim_check(turn <= at->turn + 1, "a deferred call comes %d turns late", (int)(turn - at->turn));
    sim_check(!at->is_of_this_turn || turn == at->turn, "a deferred call comes a turn late");
    sim_check(!at->is_of_next_turn || turn == at->turn + 1, "a call runs in the phase it began in");
    at->is_queued = false;
    op_leave(desk);
}

static void defer_start(struct op_defer *at) {
    struct desk *desk = at->desk;
    int err = CALL(&desk->party, eddy_defer_start(&at->defer, on_defer));
    sim_check(err == (at->is_queued ? -EALREADY : 0), "to defer a call gives %d", err);
    if (err < 0) return;
    at->is_queued = true;
    at->number = ++desk->defer_next;
    at->turn = party_turns(&desk->party);
    at->is_of_next_turn = desk->in == PHASE_DEFERRED || desk->in == PHASE_CLOSING;
    at->is_of_this_turn = desk->in != 0 && desk->in != PHASE_PREPARE &&
                          (desk->in & (PHASE_DEFERRED | PHASE_CLOSING)) == 0;
}

static void defer_free(struct op_defer **place) {
    if (*place == NULL) return;
    CALL_VOID(&(*place)->desk->party, eddy_defer_stop(&(*place)->defer));
    ledger_free(*place);
    *place = NULL;
}

static void op_defer(struct desk *desk) {
    struct op_defer **place = &desk->defers[pick(DEFERS)];
    if (*place == NULL) {
        *place = ledger_new("deferred call", sizeof **place);
        (*place)->desk = desk;
        eddy_defer_init(&(*place)->defer, desk->party.loop);
    }
    switch (pick(6)) {
    case 0:
        defer_free(place);
        break;
    case 1:
        CALL_VOID(&desk->party, eddy_defer_stop(&(*place)->defer));
        (*place)->is_queued = false;
        break;
    default:
        defer_start(*place);
        break;
    }
}

/* --- All of them --- */

void op_time(struct desk *desk) {
    switch (pick(4)) {
    case 0:
        op_hook(desk);
        break;
    case 1:
        op_defer(desk);
        break;
    case 2:
        op_timer(desk);
        if (pick(8) == 0) CALL_VOID(&desk->party, eddy_loop_update_now(desk->party.loop));
        break;
    default:
        op_timer(desk);
        break;
    }
}

static void walk_tells(const eddy_walk_item *item, void *context) {
    const struct desk *desk = context;
    const char *text = NULL;
    for (unsigned i = 0; i < TIMERS; i++)
        if (desk->timers[i] != NULL && item->pointer == &desk->timers[i]->timer)
            text = desk->timers[i]->text;
    sim_check(item->label == text, "a %s is told as \"%s\", not \"%s\"", eddy_kind_name(item->kind),
              item->label != NULL ? item->label : "", text != NULL ? text : "");
}

void op_time_walk(struct desk *desk) {
    CALL_VOID(&desk->party, eddy_loop_walk(desk->party.loop, walk_tells, desk));
    for (unsigned i = 0; i < TIMERS; i++)
        if (desk->timers[i] != NULL)
            sim_check(eddy_label_of(desk->party.loop, &desk->timers[i]->timer) ==
                          desk->timers[i]->text,
                      "a timer has another label, or none");
}

void op_time_begin_look(struct desk *desk) {
    desk->look_ns = eddy_loop_now_ns(desk->party.loop);
    for (unsigned i = 0; i < HOOKS; i++)
        if (desk->hooks[i] != NULL) desk->hooks[i]->calls = 0;
}

/* After `turns` turns in which nobody started or stopped anything. */
void op_time_look(struct desk *desk, unsigned turns) {
    for (unsigned i = 0; i < HOOKS; i++) {
        const struct op_hook *at = desk->hooks[i];
        if (at == NULL || !at->is_running || at->kind == EDDY_HOOK_IDLE) continue;
        if (at->kind == EDDY_HOOK_PREPARE && desk->party.failed > 0) continue;
        sim_check(at->calls == turns, "a hook was called %u times in %u turns", at->calls, turns);
    }
    for (unsigned i = 0; i < DEFERS; i++)
        sim_check(desk->defers[i] == NULL || !desk->defers[i]->is_queued,
                  "a deferred call never comes");
    for (unsigned i = 0; i < TIMERS; i++)
        sim_check(desk->timers[i] == NULL || !desk->timers[i]->is_running ||
                      desk->timers[i]->due_ns > desk->look_ns,
                  "a timer was due and did not fire");
}

void op_time_end(struct desk *desk) {
    op_guard_stop(desk);
    for (unsigned i = 0; i < TIMERS; i++) timer_free(&desk->timers[i]);
    for (unsigned i = 0; i < HOOKS; i++) hook_free(&desk->hooks[i]);
    for (unsigned i = 0; i < DEFERS; i++) defer_free(&desk->defers[i]);
}
