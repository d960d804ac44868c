/* signal.c: src/core/signal.c as programs. A handler may run in any thread, here in one or two of
 * its own; the loop is thread 0. The watcher with post 1 is in the list at the beginning. */
#include "programs.h"

static unsigned next_watcher_of(unsigned post) {
    return NEXT_WATCHER + post - 1u;
}

static unsigned life_of(unsigned post) {
    return LIFE_WATCHER + post - 1u;
}

/* --- handle_signal: a watcher is called by its post's number --- */

static void count(void) {
    (void)fetch_add(RUNNING, 1, variant.orders[HANDLER_COUNT]);
}

static void uncount(void) {
    (void)fetch_add(RUNNING, -1, variant.orders[HANDLER_UNCOUNT]);
}

static bool handle(bool posts) {
    BEGIN(IN_SEND);
    if (variant.change != COUNT_AFTER_FIRST) {
        count();
        STEP();
    }
    t->other = load(FIRST, variant.orders[HANDLER_FIRST]);
    if (variant.change == COUNT_AFTER_FIRST) {
        STEP();
        count();
    }
    while (t->other != 0) {
        STEP();
        touch(life_of(t->other));
        t->next = load(next_watcher_of(t->other), variant.orders[HANDLER_NEXT]);
        STEP();
        touch(life_of(t->other));
        t->old = exchange(pending_of(t->other), 1, variant.orders[HANDLER_PENDING]);
        if (variant.change == UNCOUNT_BEFORE_PUSH && t->next == 0) {
            STEP();
            uncount();
        }
        if (posts && t->old == 0) {
            STEP();
            CALL(inbox_push(t->other));
        }
        t->other = t->next;
    }
    if (variant.change == UNCOUNT_BEFORE_PUSH) RETURN();
    STEP();
    uncount();
    END();
}

static bool handle_signal(void) {
    BEGIN(IN_MAIN);
    STEP();
    CALL(handle(true));
    END();
}

static bool handle_signal_without_posts(void) {
    BEGIN(IN_MAIN);
    STEP();
    CALL(handle(false));
    END();
}

/* --- The loop's side --- */

/* eddy__signal_run, for all that is queued */
static bool run_signals(void) {
    BEGIN(IN_RUN);
    for (t->job = next_queued(); t->job != 0; t->job = next_queued()) {
        STEP();
        touch(life_of(t->job));
        (void)exchange(pending_of(t->job), 0, variant.orders[SIGNAL_RUN]);
        t->ran++;
    }
    END();
}

static bool turn(void) {
    BEGIN(IN_LOOP);
    CALL(inbox_turn());
    CALL(run_signals());
    END();
}

/* eddy_signal_start, of a watcher that was just made */
static bool signal_start(uint8_t post) {
    BEGIN(IN_DATA);
    plain_write(life_of(post), ALIVE); /* all that its owner has set, the loop among it */
    STEP_WHEN(lock_is_free(LOCK));
    lock(LOCK);
    STEP();
    t->other = load(FIRST, RELAXED);
    STEP();
    store(next_watcher_of(post), t->other, RELAXED);
    STEP();
    store(FIRST, post, variant.orders[SIGNAL_LINK]);
    STEP();
    unlock(LOCK);
    END();
}

/* The first part of eddy_signal_stop: `at` is 0 for the head of the list, or a watcher. */
static unsigned place_of(uint8_t at) {
    return at == 0 ? (unsigned)FIRST : next_watcher_of(at);
}

static bool unlink_watcher(uint8_t post) {
    BEGIN(IN_WALK);
    if (variant.change != UNLINK_WITHOUT_LOCK) {
        STEP_WHEN(lock_is_free(LOCK));
        lock(LOCK);
    }
    for (t->head = 0;;) {
        STEP();
        t->other = load(place_of(t->head), RELAXED);
        if (t->other == post || t->other == 0) break;
        t->head = t->other;
    }
    if (t->other == 0) machine_break("a watcher has dropped out of the list");
    STEP();
    t->next = load(next_watcher_of(post), RELAXED);
    STEP();
    store(place_of(t->head), t->next, variant.orders[SIGNAL_UNLINK]);
    if (variant.change != UNLINK_WITHOUT_LOCK) {
        STEP();
        unlock(LOCK);
    }
    END();
}

static bool none_runs(void) {
    return may_load(RUNNING, 0, variant.orders[SIGNAL_WAIT]);
}

/* eddy_signal_stop; then the watcher's memory is its owner's. */
static bool signal_stop(uint8_t post, bool posts) {
    BEGIN(IN_STOP);
    if (variant.change == WAIT_BEFORE_UNLINK) {
        STEP_WHEN(none_runs());
        load_value(RUNNING, 0, variant.orders[SIGNAL_WAIT]);
    }
    CALL(unlink_watcher(post));
    if (variant.change != WAIT_BEFORE_UNLINK && variant.change != STOP_WITHOUT_WAIT) {
        STEP_WHEN(none_runs());
        load_value(RUNNING, 0, variant.orders[SIGNAL_WAIT]);
    }
    STEP();
    t->old = exchange(pending_of(post), 0, variant.orders[SIGNAL_STOP]);
    if (posts && t->old == 1) CALL(inbox_withdraw(post));
    plain_write(life_of(post), DEAD);
    give_back_post(post);
    END();
}

static bool stop_and_close(void) {
    BEGIN(IN_MAIN);
    STEP();
    CALL(inbox_turn());
    if (choose(2) == 0) CALL(run_signals());
    CALL(signal_stop(1, true));
    CALL(inbox_close());
    END();
}

static bool start_and_stop(void) {
    BEGIN(IN_MAIN);
    CALL(signal_start(2));
    STEP();
    CALL(turn());
    CALL(signal_stop(2, true));
    for (;;) {
        CALL(loop_wait());
        CALL(turn());
    }
    END();
}

static bool listen(void) {
    BEGIN(IN_MAIN);
    for (;;) {
        CALL(loop_wait());
        CALL(turn());
    }
    END();
}

static bool stop_first(void) {
    BEGIN(IN_MAIN);
    CALL(signal_stop(1, false));
    END();
}

static bool stop_second(void) {
    BEGIN(IN_MAIN);
    CALL(signal_stop(2, false));
    END();
}

static void one_watcher(struct state *state) {
    machine_set(state, FIRST, 1);
}

static void two_watchers(struct state *state) {
    machine_set(state, FIRST, 1);
    machine_set(state, next_watcher_of(1), 2);
}

static const char *is_told(const struct state *state) {
    unsigned last = state->count[PENDING] - 1u;
    if (state->threads[0].ran == 0) return "a signal was not told";
    if (state->messages[PENDING][last].value != 0) return "the watcher is deaf: pending stays 1";
    return nothing_is_left(state);
}

const struct scenario signal_scenarios[] = {
    {"signal: listen",
     "each signal is followed by a call",
     {listen, handle_signal, handle_signal},
     {"loop", "handler 1", "handler 2"},
     one_watcher,
     is_told,
     0},
    {"signal: stop and close",
     "after stop neither the watcher nor its loop is touched",
     {stop_and_close, handle_signal, handle_signal},
     {"loop", "handler 1", "handler 2"},
     one_watcher,
     NULL,
     THREADS_MAX},
    {"signal: two owners",
     "owners that stop at the same time leave the list in order",
     {stop_first, stop_second, handle_signal_without_posts},
     {"owner 1", "owner 2", "handler"},
     two_watchers,
     NULL,
     THREADS_MAX},
    {"signal: start and stop",
     "a handler finds a watcher whole, or not at all; its neighbour in the list is told",
     {start_and_stop, handle_signal, handle_signal},
     {"loop", "handler 1", "handler 2"},
     one_watcher,
     is_told,
     0},
    {0},
};
