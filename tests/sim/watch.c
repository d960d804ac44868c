/* watch.c: looks at a loop each time it waits: whether its invariants hold, whether the backend has
 * what the loop believes it has, and whether anything gets on. */
#include "interest.h"

#include "../../src/core/loop.h"

#include <stdlib.h>

/* A wait that tells of something which nobody takes, again and again, is a spin. Some waits in a
 * row may well be in vain: a flood of wake-ups, a one-shot that others have to arm. */
enum { WAITS_IN_VAIN_MAX = 200 };

struct sim_watch {
    eddy_loop *loop;
    uint64_t progress;
    unsigned in_vain;
};

void sim_watch_loop(eddy_loop *loop) {
    struct sim_backend_state *state = loop->backend_state;
    if (state->watch != NULL) return;
    state->watch = calloc(1, sizeof *state->watch);
    if (state->watch == NULL) sim_fail("no memory for the simulation itself");
    state->watch->loop = loop;
}

void sim_watch_close(struct sim_watch *watch) {
    free(watch);
}

/* --- The backend and the loop agree --- */

static void check_slot(const struct eddy_loop *loop, const struct sim_set *set, unsigned fd) {
    const struct io_slot *slot = &loop->io.slots[fd];
    unsigned has = 0;
    if (fd < SET_NUMBERS && set->places[fd] > 0) has = set->interests[set->places[fd] - 1].events;
    /* What was closed behind its back, "sim" has forgotten, or goes on telling of. */
    if (has == 0 && fd < SET_NUMBERS && set->forgotten[fd]) return;
    sim_check(has == slot->registered, "the backend has %x of descriptor %u, the loop believes %x",
              has, fd, (unsigned)slot->registered);
    sim_check(slot->registered == slot->interest ||
                  (slot->flags & (IO_SLOT_CHANGED | IO_SLOT_DISARMED)),
              "%x is wanted of descriptor %u, and %x registered", (unsigned)slot->interest, fd,
              (unsigned)slot->registered);
}

/* A loop that turns has flushed all changes when it waits, but for those that were refused. Between
 * eddy_loop_prepare and eddy_loop_wait, the program may have made others. */
static void check_interest(const struct eddy_loop *loop, const struct sim_set *set) {
    if (loop->io.rebuild_due) return;
    sim_check(!loop->running || loop->io.changes_count == loop->io.lost_count,
              "%u changes were not flushed before the wait",
              loop->io.changes_count - loop->io.lost_count);
    for (unsigned fd = 0; fd < loop->io.slots_count; fd++) check_slot(loop, set, fd);
    for (unsigned i = 0; i < set->count; i++)
        sim_check(set->interests[i].is_leaked ||
                      (unsigned)set->interests[i].fd < loop->io.slots_count,
                  "the backend has descriptor %d, which the loop never had", set->interests[i].fd);
}

void sim_watch_before(struct sim_watch *watch, const struct sim_set *set) {
    const char *broken = NULL;
    int err = eddy_loop_verify(watch->loop, &broken);
    sim_check(err == 0, "the loop is broken: %s", broken);
    check_interest(watch->loop, set);
}

/* --- Something gets on --- */

void sim_watch_after(struct sim_watch *watch, const struct eddy_record *records, int count,
                     bool passed) {
    bool in_vain = !passed && sim_progress_count() == watch->progress;
    watch->progress = sim_progress_count();
    watch->in_vain = in_vain ? watch->in_vain + 1 : 0;
    if (watch->in_vain <= WAITS_IN_VAIN_MAX) return;
    if (count > 0)
        sim_fail("spins: the wait goes on telling of descriptor %u, %x",
                 (unsigned)(uint32_t)records[0].token, records[0].events);
    sim_fail("spins: the loop does not wait, and nothing happens");
}
