/* wake.c: src/core/wake.c as programs: what a wake promises its senders, and its owner. The loop is
 * thread 0; the wake's post is 1. Each sender has a word of data, which it sets before it sends;
 * each call looks at all of them. */
#include "programs.h"

enum { POST = 1 };

/* --- eddy_wake_send --- */

/* The look that is cheaper than an exchange. True: the send ends here. */
static bool is_pending(void) {
    bool fences = variant.change == FENCE_AND_LOAD_FIRST || variant.change == FENCES_AND_LOAD_FIRST;
    if (fences) fence(SEQ_CST);
    return load(PENDING, variant.change == LOAD_FIRST_CONSISTENT ? SEQ_CST : RELAXED) == 1;
}

static enum order exchange_order(enum site site) {
    return variant.change == LOAD_FIRST_CONSISTENT ? SEQ_CST : variant.orders[site];
}

static bool looks_first(void) {
    return variant.change >= LOAD_FIRST && variant.change <= FENCES_AND_LOAD_FIRST;
}

static bool wake_send(void) {
    BEGIN(IN_SEND);
    if (looks_first()) {
        if (is_pending()) RETURN();
        STEP();
    }
    if (variant.change == SEND_BY_STORE) {
        if (load(PENDING, ACQUIRE) == 1) RETURN();
        STEP();
        store(PENDING, 1, RELEASE);
    } else if (exchange(PENDING, 1, exchange_order(SEND)) == 1) {
        RETURN();
    }
    STEP();
    CALL(inbox_push(POST));
    END();
}

/* --- Senders, and what the wake's function does --- */

static unsigned data_of(unsigned sender) {
    return DATA + sender - 1u;
}

static bool hand_over(uint8_t value) {
    BEGIN(IN_DATA);
    if (variant.data == DATA_LOCKED) {
        STEP_WHEN(lock_is_free(LOCK));
        lock(LOCK);
        STEP();
        store(data_of(machine.number), value, RELAXED);
        STEP();
        unlock(LOCK);
        RETURN();
    }
    STEP();
    if (variant.data == DATA_STORED) store(data_of(machine.number), value, RELAXED);
    if (variant.data == DATA_CONSISTENT) store(data_of(machine.number), value, SEQ_CST);
    if (variant.data == DATA_SWAPPED) (void)exchange(data_of(machine.number), value, ACQ_REL);
    END();
}

static bool sender(void) {
    BEGIN(IN_MAIN);
    CALL(hand_over(1));
    STEP();
    CALL(wake_send());
    END();
}

static bool sender_of_two(void) {
    BEGIN(IN_MAIN);
    CALL(hand_over(1));
    STEP();
    CALL(wake_send());
    CALL(hand_over(2));
    STEP();
    CALL(wake_send());
    END();
}

/* All words in one step: what is looked at later can only be newer. */
static void look(void) {
    for (unsigned i = 1; i <= SEEN_MAX; i++) {
        uint8_t *seen = &machine.self->seen[i - 1];
        if (variant.data == DATA_CONSISTENT)
            *seen = load(data_of(i), SEQ_CST);
        else if (variant.data == DATA_SWAPPED)
            *seen = fetch_add(data_of(i), 0, ACQ_REL);
        else
            *seen = load(data_of(i), RELAXED);
    }
}

/* wake->fn */
static bool call(void) {
    BEGIN(IN_DATA);
    machine.self->ran++;
    if (variant.data == DATA_LOCKED) {
        STEP_WHEN(lock_is_free(LOCK));
        lock(LOCK);
        STEP();
        look();
        STEP();
        unlock(LOCK);
        RETURN();
    }
    STEP();
    look();
    END();
}

/* --- The loop's side --- */

/* run */
static bool wake_run(void) {
    BEGIN(IN_RUN);
    if (variant.change == CLEAR_AFTER_CALL) CALL(call());
    STEP();
    if (variant.change == CLEAR_BY_STORE)
        store(PENDING, 0, RELEASE);
    else
        (void)exchange(PENDING, 0, exchange_order(WAKE_RUN));
    if (variant.change == CLEAR_AFTER_CALL) RETURN();
    if (variant.change == FENCES_AND_LOAD_FIRST) fence(SEQ_CST);
    CALL(call());
    END();
}

/* A turn that waits for nothing. */
static bool turn(void) {
    BEGIN(IN_LOOP);
    CALL(inbox_turn());
    while (next_queued() == POST) CALL(wake_run());
    END();
}

/* eddy_wake_stop */
static bool wake_stop(void) {
    BEGIN(IN_STOP);
    if (variant.change == STOP_BY_STORE) {
        t->old = load(PENDING, ACQUIRE);
        STEP();
        store(PENDING, 1, RELEASE);
    } else {
        t->old = exchange(PENDING, 1, variant.orders[WAKE_STOP]);
    }
    if (t->old == 1 && variant.change != STOP_WITHOUT_WITHDRAW) CALL(inbox_withdraw(POST));
    END();
}

/* eddy_wake_start */
static void wake_start(void) {
    store(PENDING, 0, variant.orders[WAKE_START]);
}

static bool listen(void) {
    BEGIN(IN_MAIN);
    for (;;) {
        CALL(loop_wait());
        CALL(turn());
    }
    END();
}

static const char *all_was_seen(const struct state *state) {
    for (unsigned i = 1; i <= SEEN_MAX; i++) {
        unsigned last = state->count[data_of(i)] - 1u;
        if (state->threads[0].seen[i - 1] != state->messages[data_of(i)][last].value)
            return "data that was sent for is not seen: a lost wake-up";
    }
    return nothing_is_left(state);
}

/* Stops in the turn, or even between taking the post and running it; then all memory but the wake's
 * own flag is given back: a send may still begin, and has nothing to do. */
static bool stop_and_close(void) {
    BEGIN(IN_MAIN);
    STEP();
    CALL(inbox_turn());
    STEP();
    if (t->single != 0 || (t->queued > 0 && choose(2) == 0)) {
        (void)next_queued();
        CALL(wake_run());
        STEP();
    }
    CALL(wake_stop());
    give_back_post(POST);
    t->ran = 0;
    CALL(inbox_close());
    END();
}

static bool stop_and_start(void) {
    BEGIN(IN_MAIN);
    STEP();
    CALL(turn());
    STEP();
    CALL(wake_stop());
    plain_write(next_of(POST), 0); /* the post is the owner's: it may be set up anew */
    STEP();
    wake_start();
    for (;;) {
        CALL(loop_wait());
        CALL(turn());
    }
    END();
}

/* Stopped and started again between eddy_loop_prepare and the wait of another poller: a withdrawal
 * takes the list, and the marker with it. */
static bool stop_and_start_nested(void) {
    BEGIN(IN_MAIN);
    STEP();
    CALL(nested_prepare());
    STEP();
    CALL(wake_stop());
    plain_write(next_of(POST), 0);
    STEP();
    wake_start();
    for (;;) {
        CALL(nested_wait());
        while (next_queued() == POST) CALL(wake_run());
        CALL(nested_return());
        CALL(nested_prepare());
    }
    END();
}

static const char *is_ready_again(const struct state *state) {
    unsigned last = state->count[PENDING] - 1u;
    if (state->messages[PENDING][last].value != 0) return "the wake is deaf: pending stays 1";
    return nothing_is_left(state);
}

const struct scenario wake_scenarios[] = {
    {"wake: two senders",
     "what was written before a send is seen by a call that comes after it",
     {listen, sender, sender},
     {"loop", "sender 1", "sender 2"},
     NULL,
     all_was_seen,
     0},
    {"wake: three senders",
     "the same",
     {listen, sender, sender, sender},
     {"loop", "sender 1", "sender 2", "sender 3"},
     NULL,
     all_was_seen,
     0},
    {"wake: two sends each",
     "the same",
     {listen, sender_of_two, sender_of_two},
     {"loop", "sender 1", "sender 2"},
     NULL,
     all_was_seen,
     0},
    {"wake: stop and close",
     "after stop the post and the loop are not touched",
     {stop_and_close, sender, sender},
     {"loop", "sender 1", "sender 2"},
     NULL,
     NULL,
     THREADS_MAX},
    {"wake: stop and start",
     "a wake that was started again is as good as new",
     {stop_and_start, sender, sender},
     {"loop", "sender 1", "sender 2"},
     NULL,
     is_ready_again,
     0},
    {"wake: stop and start, nested",
     "the same, if another poller watches the loop's descriptor",
     {stop_and_start_nested, sender, sender},
     {"loop", "sender 1", "sender 2"},
     NULL,
     is_ready_again,
     0},
    {0},
};
