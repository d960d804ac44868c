/* ready.h: phase 5, the records of the wait. What nearly every record comes to is here, to be part
 * of the turn: a call, and what it saves and restores, is a tenth of a turn with one record.
 * ready.c has the rest. */
#ifndef EDDY_CORE_READY_H
#define EDDY_CORE_READY_H

#include "callback.h"
#include "loop.h"

enum { READY_TOLD_ALWAYS = EDDY_ERROR | EDDY_HANGUP };

/* While somebody looks all records go the special way; who begins to look in a callback of this
 * phase sees the next one. */

/* Descriptors that were lost, backends that split, and who looks. Returns how many records are
 * left. */
int eddy__ready_begin(eddy_loop *loop, int count);
/* A record of anything but one watcher, which only waits for it. */
void eddy__ready_run_special(eddy_loop *loop, const struct eddy_record *record);

/* A watcher that nothing of a record is for. */
void eddy__ready_unheard(eddy_loop *loop, eddy_io *io);

/* Of a record's events those that are for the watcher, and the hints with them. One that was
 * started in this turn hears nothing of what its waits found. */
static inline unsigned ready_heard(const eddy_loop *loop, const eddy_io *io, unsigned events) {
    return io->born == loop->turn ? 0 : events & (io->events | READY_TOLD_ALWAYS);
}

static inline void ready_tell_one(eddy_loop *loop, eddy_io *io, unsigned told) {
    if (UNLIKELY(told == 0)) {
        eddy__ready_unheard(loop, io);
        return;
    }
    loop->metrics.callbacks++;
    CALLBACK_UNSEEN(io->fn, io, told); /* the watcher may be gone now */
}

/* The usual case is one watcher, and nothing to come back to after its call. A slot without any is
 * not special either: no record has its generation. */
static inline void ready_run_one(eddy_loop *loop, const struct eddy_record *record) {
    const struct io_slot *slot = &loop->io.slots[(uint32_t)record->token];
    if (IS_SMALL || UNLIKELY((slot->flags & (IO_SLOT_SPECIAL | IO_SLOT_DISARMED)) ||
                             slot->generation != record->token >> 32 || record->error != 0))
        eddy__ready_run_special(loop, record);
    else
        ready_tell_one(loop, slot->first, ready_heard(loop, slot->first, record->events));
}

static inline void ready_run(eddy_loop *loop, int count) {
    if (loop->due & (DUE_LOST | DUE_SPLIT | DUE_OBSERVED)) count = eddy__ready_begin(loop, count);
    const struct eddy_record *at = loop->records;
    for (; count > 0; count--) ready_run_one(loop, at++);
}

#endif
