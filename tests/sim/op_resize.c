/* op_resize.c: sizes of terminals, and what watches them. A size is told if it is another than the
 * one told before, and with a signal at the latest. */
#include "op_terminal.h"

#include <signal.h>

struct op_resize {
    eddy_resize resize;
    struct desk *desk;
    struct pair *pair;
    int fd;
    eddy_terminal_size told;
    bool is_started, is_owed;
};

static struct op_resize *resize_at(unsigned desk, unsigned i) {
    return office.desks[desk].resizes[i];
}

static void owe_size(const struct pair *pair, bool is_signalled) {
    for (unsigned d = 0; d < DESKS; d++)
        for (unsigned i = 0; i < RESIZES; i++) {
            struct op_resize *at = resize_at(d, i);
            if (at == NULL || !at->is_started || at->pair != pair) continue;
            bool is_other = !is_same_size(&pair->size, &at->told);
            at->is_owed = is_other && (is_signalled || at->is_owed);
        }
}

void size_is(struct pair *pair, const eddy_terminal_size *size) {
    bool is_signalled = pair->has_control && !is_same_size(size, &pair->size);
    pair->size = *size;
    if (is_signalled) op_signal_sent(SIGWINCH);
    owe_size(pair, is_signalled);
}

void size_set(struct pair *pair) {
    eddy_terminal_size size = {.columns = pick(3)}, now = {0};
    size.rows = pick(2);
    int err = eddy_terminal_set_size(pair_end(pair), &size);
    sim_check(err == 0 || op_is_weather(err) || (err == -EIO && is_hung_up(pair)),
              "eddy_terminal_set_size gives %d", err);
    if (err == 0) size_is(pair, &size);
    err = eddy_terminal_get_size(pair_end(pair), &now);
    sim_check(err < 0 || is_same_size(&now, &pair->size), "a terminal has another size");
}

static void on_resize(eddy_resize *resize, const eddy_terminal_size *size) {
    struct op_resize *at = eddy_container_of(resize, struct op_resize, resize);
    ledger_look(at);
    op_enter(at->desk, PHASE_SIGNALS);
    sim_check(at->is_started, "a size is told to nobody");
    sim_check(is_same_size(size, &at->pair->size), "a size is told that the terminal has not");
    sim_check(!is_same_size(size, &at->told), "a size is told twice");
    at->told = *size;
    at->is_owed = false;
    op_leave(at->desk);
}

static void resize_stop(struct op_resize *at) {
    CALL_VOID(&at->desk->party, eddy_resize_stop(&at->resize));
    at->is_started = at->is_owed = false;
}

static void resize_free(struct op_resize **place) {
    if (*place == NULL) return;
    resize_stop(*place);
    ledger_free(*place);
    *place = NULL;
}

static void resize_start(struct op_resize *at, struct pair *pair) {
    int fd = pair_end(pair);
    int err = CALL(&at->desk->party, eddy_resize_start(&at->resize, on_resize, fd));
    if (at->is_started) {
        sim_check(err == -EALREADY, "a second start gives %d", err);
        return;
    }
    sim_check(err == 0 || op_is_weather(err) || (err == -EIO && is_hung_up(pair)),
              "eddy_resize_start gives %d", err);
    if (err < 0) return;
    at->pair = pair;
    at->fd = fd;
    at->told = pair->size;
    at->is_started = true;
}

void op_resize(struct desk *desk, struct pair *pair) {
    struct op_resize **place = &desk->resizes[pick(RESIZES)];
    if (*place == NULL) {
        *place = ledger_new("watcher of a size", sizeof **place);
        (*place)->desk = desk;
        eddy_resize_init(&(*place)->resize, desk->party.loop);
        eddy_unref(&(*place)->resize.signal.handle);
    }
    unsigned what = pick(6);
    if (what == 0)
        resize_free(place);
    else if (what == 1)
        resize_stop(*place);
    else
        resize_start(*place, pair);
}

/* --- Around them --- */

void resizes_lose(const struct pair *pair, int fd) {
    for (unsigned d = 0; d < DESKS; d++)
        for (unsigned i = 0; i < RESIZES; i++) {
            struct op_resize *at = resize_at(d, i);
            if (at == NULL || !at->is_started || at->pair != pair) continue;
            if (at->fd == fd) resize_stop(at);
            if (fd == pair->manager) at->is_owed = false; /* it will be hung up */
        }
}

/* What was pending is the parent's. */
void op_resize_fork(void) {
    for (unsigned d = 0; d < DESKS; d++)
        for (unsigned i = 0; i < RESIZES; i++)
            if (resize_at(d, i) != NULL) resize_at(d, i)->is_owed = false;
}

void op_terminal_look(struct desk *desk) {
    for (unsigned i = 0; i < RESIZES; i++) {
        const struct op_resize *at = desk->resizes[i];
        sim_check(at == NULL || !at->is_owed || !ledger_is_fair(), "a size is not told");
    }
}

void op_terminal_end(struct desk *desk) {
    for (unsigned i = 0; i < RESIZES; i++) resize_free(&desk->resizes[i]);
}
