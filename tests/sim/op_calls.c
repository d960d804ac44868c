/* op_calls.c: wakes, posts and signals: what comes from elsewhere.
 * What was sent and is owed is noted before it is sent: the loop may be quicker than the sender. */
#include "operations.h"

#include <signal.h>
#include <stdatomic.h>

static const int numbers[] = {SIGCONT, SIGURG, SIGWINCH}; /* which are ignored by default */

enum { NUMBERS = 3, POSTS_MAX = 20 };

struct op_wake {
    eddy_wake wake;
    struct desk *desk;
    bool is_started, is_owed;
};

struct op_post {
    eddy_post post;
    struct desk *desk;
    uint64_t floor; /* so many were posted before this one began */
};

struct op_signal {
    eddy_signal watcher;
    struct desk *desk;
    bool is_started, is_owed;
    unsigned which;
    unsigned sent; /* since it was started, with one that may have been under way then */
};

/* --- Wakes --- */

enum { SENT = 1 };

static void on_wake(eddy_wake *wake) {
    struct op_wake *at = eddy_container_of(wake, struct op_wake, wake);
    ledger_look(at);
    op_enter(at->desk, PHASE_INBOX);
    sim_check(at->is_started, "a wake is called that was stopped");
    sim_check(at->is_owed, "a wake is called more often than it was sent");
    /* With a trace the clock is read before the call, and another thread may send meanwhile. */
    at->is_owed = atomic_load(&at->wake.pending) == SENT;
    op_leave(at->desk);
}

static void wake_send(struct op_wake *at) {
    at->is_owed = at->is_started;
    eddy_wake_send(&at->wake); /* `at` may be gone now, if this is another thread */
}

static void wake_stop(struct op_wake *at) {
    CALL_VOID(&at->desk->party, eddy_wake_stop(&at->wake));
    at->is_started = at->is_owed = false;
}

static void wake_free(struct op_wake **place) {
    struct op_wake *at = *place;
    if (at == NULL) return;
    *place = NULL; /* so that no send begins from here on */
    wake_stop(at);
    ledger_free(at);
}

static void op_wake(struct desk *desk) {
    struct op_wake **place = &desk->wakes[pick(WAKES)];
    if (*place == NULL) {
        *place = ledger_new("wake", sizeof **place);
        (*place)->desk = desk;
        eddy_wake_init(&(*place)->wake, desk->party.loop);
        eddy_unref(&(*place)->wake.handle);
    }
    struct op_wake *at = *place;
    switch (pick(6)) {
    case 0:
        wake_free(place);
        break;
    case 1:
        wake_stop(at);
        break;
    case 2:
    case 3: {
        int err = CALL(&desk->party, eddy_wake_start(&at->wake, on_wake));
        sim_check(err == (at->is_started ? -EALREADY : 0), "a wake's start gives %d", err);
        at->is_started = true;
        break;
    }
    default:
        wake_send(at);
        break;
    }
}

/* --- Posts --- */

static void on_post(eddy_post *post) {
    struct op_post *at = eddy_container_of(post, struct op_post, post);
    ledger_paid(at);
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_INBOX);
    sim_check(desk->post_done >= at->floor, "a post overtakes: %llu are done, and not %llu",
              (unsigned long long)desk->post_done, (unsigned long long)at->floor);
    desk->post_done++;
    desk->posts--;
    ledger_free(at);
    op_leave(desk);
}

void op_post(struct desk *desk) {
    if (desk->posts >= POSTS_MAX) return;
    struct op_post *at = ledger_new("post", sizeof *at);
    at->desk = desk;
    if (desk->senders == 0) desk->post_floor = desk->post_next; /* of two at once either is first */
    at->floor = desk->post_floor;
    desk->post_next++;
    desk->posts++;
    desk->senders++;
    ledger_owe(at);
    eddy_loop_post(desk->party.loop, &at->post, on_post);
    desk->senders--;
}

/* --- Signals --- */

static void on_signal(eddy_signal *watcher, int number) {
    struct op_signal *at = eddy_container_of(watcher, struct op_signal, watcher);
    ledger_look(at);
    op_enter(at->desk, PHASE_SIGNALS);
    sim_check(at->is_started, "a signal is told that nobody watches any more");
    sim_check(number == numbers[at->which], "signal %d is told as %d", numbers[at->which], number);
    sim_check(at->sent > 0, "a signal is told more often than it was sent");
    at->sent--;
    at->is_owed = false;
    op_leave(at->desk);
}

void op_signal_sent(int number) {
    for (unsigned d = 0; d < DESKS; d++)
        for (unsigned i = 0; i < SIGNALS; i++) {
            struct op_signal *at = office.desks[d].signals[i];
            if (at == NULL || !at->is_started || numbers[at->which] != number) continue;
            at->is_owed = true;
            at->sent++;
        }
}

static void raise_one(unsigned which) {
    op_signal_sent(numbers[which]);
    sim_raise(numbers[which]);
}

static void signal_start(struct op_signal *at, unsigned which) {
    static const int wrong[] = {0, -1, 4000, SIGKILL};
    struct party *party = &at->desk->party;
    if (pick(8) == 0 && !at->is_started) {
        int err = CALL(party, eddy_signal_start(&at->watcher, on_signal, wrong[pick(4)]));
        sim_check(err == -EINVAL, "to watch what is no signal gives %d", err);
        return;
    }
    int err = CALL(party, eddy_signal_start(&at->watcher, on_signal, numbers[which]));
    if (at->is_started) {
        sim_check(err == -EALREADY, "a second start gives %d", err);
        return;
    }
    if (ledger_result("eddy_signal_start", err) < 0) return;
    at->is_started = true;
    at->which = which;
    at->sent = 1;
}

static void signal_stop(struct op_signal *at) {
    CALL_VOID(&at->desk->party, eddy_signal_stop(&at->watcher));
    at->is_started = at->is_owed = false;
}

static void signal_free(struct op_signal **place) {
    if (*place == NULL) return;
    signal_stop(*place);
    ledger_free(*place);
    *place = NULL;
}

static void op_signal(struct desk *desk) {
    struct op_signal **place = &desk->signals[pick(SIGNALS)];
    if (*place == NULL) {
        *place = ledger_new("signal watcher", sizeof **place);
        (*place)->desk = desk;
        eddy_signal_init(&(*place)->watcher, desk->party.loop);
        eddy_unref(&(*place)->watcher.handle);
    }
    switch (pick(6)) {
    case 0:
        signal_free(place);
        break;
    case 1:
        signal_stop(*place);
        break;
    case 2:
    case 3:
        signal_start(*place, pick(NUMBERS));
        break;
    default:
        raise_one(pick(NUMBERS));
        break;
    }
}

/* --- A fork --- */

/* What is marked as sent is owed to the child, whoever was sending it. No call of the seam is
 * between a sender's mark and its push, so none is found there; the fork makes some up. */
static void wake_fork(struct op_wake *at) {
    if (at == NULL || !at->is_started) return;
    if (pick(4) == 0) atomic_store(&at->wake.pending, SENT);
    at->is_owed = atomic_load(&at->wake.pending) == SENT;
}

static void signal_fork(struct op_signal *at) {
    if (at == NULL || !at->is_started) return;
    at->sent++;
    if (pick(4) == 0) atomic_store(&at->watcher.pending, SENT);
    at->is_owed = atomic_load(&at->watcher.pending) == SENT;
}

void op_calls_fork(struct desk *desk) {
    desk->senders = 0;
    for (unsigned i = 0; i < WAKES; i++) wake_fork(desk->wakes[i]);
    for (unsigned i = 0; i < SIGNALS; i++) signal_fork(desk->signals[i]);
    if (pick(2) == 0) raise_one(pick(NUMBERS)); /* before the child is ready for it */
}

/* --- All of them --- */

void op_calls(struct desk *desk) {
    switch (pick(3)) {
    case 0:
        op_wake(desk);
        break;
    case 1:
        op_signal(desk);
        break;
    default:
        op_post(desk);
        break;
    }
}

void op_send(void) {
    struct desk *desk = some_desk();
    if (desk == NULL) return;
    struct op_wake *wake = desk->wakes[pick(WAKES)];
    switch (pick(4)) {
    case 0:
        raise_one(pick(NUMBERS));
        break;
    case 1:
        op_post(desk);
        break;
    default:
        office.sending = desk;
        if (wake != NULL) wake_send(wake);
        office.sending = NULL;
        break;
    }
}

/* After some turns in which nobody sent anything. */
void op_calls_look(struct desk *desk) {
    for (unsigned i = 0; i < WAKES; i++)
        sim_check(desk->wakes[i] == NULL || !desk->wakes[i]->is_owed, "a wake is lost");
    for (unsigned i = 0; i < SIGNALS; i++)
        sim_check(desk->signals[i] == NULL || !desk->signals[i]->is_owed, "a signal is lost");
    sim_check(desk->posts == 0, "%u posts are lost", desk->posts);
}

void op_calls_end(struct desk *desk) {
    for (unsigned i = 0; i < WAKES; i++) wake_free(&desk->wakes[i]);
    for (unsigned i = 0; i < SIGNALS; i++) signal_free(&desk->signals[i]);
}
