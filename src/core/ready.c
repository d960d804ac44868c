/* ready.c: phase 5: what the wait found is told to the watchers.
 * Invariant: of a record nothing reaches a watcher but what it asked for before the wait; records
 * of a descriptor's earlier owner reach nobody. Threading: loop thread only. */
#include "callback.h"
#include "handle.h"
#include "loop.h"

enum { READY_TOLD_ALWAYS = EDDY_ERROR | EDDY_HANGUP };

_Static_assert(BACKEND_RECORDS_MAX <= UINT8_MAX + 1, "slot->record is a uint8_t");

/* A watcher that was started after the wait hears nothing of what the wait found. */
static unsigned ready_heard(const eddy_loop *loop, const eddy_io *io, unsigned events) {
    return io->born == loop->turn ? 0 : events & (io->events | READY_TOLD_ALWAYS);
}

static void ready_tell_one(eddy_loop *loop, eddy_io *io, unsigned events) {
    unsigned told = ready_heard(loop, io, events);
    if (told == 0) return;
    loop->metrics.callbacks++;
    CALLBACK(loop, io, io->fn(io, told)); /* the watcher may be gone now */
}

/* Tells all watchers of `fd`. Only `io.next` survives a callback: watchers, the slot's owner and
 * the whole table may change. */
static void ready_tell(eddy_loop *loop, int fd, unsigned events) {
    eddy_io *io = loop->io.slots[fd].first;
    while (io != NULL) {
        loop->io.next = io->next;
        bool lost = io->error != 0 && events == EDDY_ERROR;
        if ((io->events & IO_BOTH) || lost) ready_tell_one(loop, io, events);
        io = loop->io.next;
    }
    loop->io.next = NULL;
}

/* Tells of the descriptors that the last flush could not bring to the backend. They stay among the
 * changes: interest that is shown again, in the callback or since, goes to the next flush. */
static void ready_tell_lost(eddy_loop *loop) {
    unsigned count = loop->io.lost_count;
    for (unsigned i = 0; i < count; i++) ready_tell(loop, loop->io.changes[i], EDDY_ERROR);
    loop->io.lost_count = 0;
    loop->due &= ~(unsigned)DUE_LOST;
}

/* Backends that split give READ and WRITE of one descriptor in two records; one call tells both. */
static void ready_merge(eddy_loop *loop) {
    int count = 0;
    for (int i = 0; i < loop->record_count; i++) {
        const struct eddy_record *record = &loop->records[i];
        struct io_slot *slot = &loop->io.slots[(uint32_t)record->token];
        bool is_current = slot->generation == record->token >> 32;
        if (is_current && (slot->flags & IO_SLOT_MERGING)) {
            struct eddy_record *first = &loop->records[slot->record];
            first->events |= record->events;
            if (first->error == 0) first->error = record->error;
            continue;
        }
        if (is_current) {
            slot->flags |= IO_SLOT_MERGING;
            slot->record = (uint8_t)count;
        }
        loop->records[count++] = *record;
    }
    loop->record_count = count;
    for (int i = 0; i < count; i++)
        loop->io.slots[(uint32_t)loop->records[i].token].flags &= (uint8_t)~IO_SLOT_MERGING;
}

/* Of an owner that is gone, or of a one-shot that was told. */
static void ready_drop_stale(eddy_loop *loop) {
    loop->metrics.events_stale++;
    /* A leaked registration would be told of for ever. A new kernel object ends it; that costs a
     * call for each descriptor, so it is done only when both signs are there. */
    if (loop->io.leak_suspected) {
        loop->io.rebuild_due = true;
        loop->due |= DUE_FLUSH;
    }
    loop->io.leak_suspected = false;
}

/* The call that comes next is the one, also if it was asked for since the wait; but what its
 * watcher does not hear, as it asks for something else by now, leaves the one-shot armed. */
static void ready_disarm(eddy_loop *loop, int fd, unsigned events) {
    struct io_slot *slot = &loop->io.slots[fd];
    bool is_heard = ready_heard(loop, slot->first, events) != 0;
    slot->flags &= (uint8_t)~IO_SLOT_REARM;
    slot->flags |= is_heard ? IO_SLOT_DISARMED : IO_SLOT_REARM;
    if (!is_heard) eddy__io_note_change(loop, fd);
}

RARE static void ready_run_special(eddy_loop *loop, const struct eddy_record *record) {
    int fd = (int)(uint32_t)record->token;
    struct io_slot *slot = &loop->io.slots[fd];
    unsigned events = record->events;
    if (slot->generation != record->token >> 32 || (slot->flags & IO_SLOT_DISARMED)) {
        ready_drop_stale(loop);
        return;
    }
    if (record->error != 0) {
        eddy__io_mute_lost(loop, fd, record->error);
        events = EDDY_ERROR;
    }
    if (slot->interest & EDDY_ONESHOT) ready_disarm(loop, fd, events);
    ready_tell(loop, fd, events);
}

/* The usual case is one watcher, and nothing to come back to after its call. A slot without any is
 * not special either: no record has its generation. */
static inline void ready_run(eddy_loop *loop, const struct eddy_record *record) {
    const struct io_slot *slot = &loop->io.slots[(uint32_t)record->token];
    bool is_plain = !(slot->flags & (IO_SLOT_SPECIAL | IO_SLOT_DISARMED));
    if (is_plain && slot->generation == record->token >> 32 && record->error == 0)
        ready_tell_one(loop, slot->first, record->events);
    else
        ready_run_special(loop, record);
}

void eddy__io_run(eddy_loop *loop) {
    if (loop->due & DUE_LOST) ready_tell_lost(loop);
    if (loop->backend->capabilities & BACKEND_CAN_SPLIT) ready_merge(loop);
    const struct eddy_record *end = loop->records + loop->record_count;
    for (const struct eddy_record *at = loop->records; at < end; at++) ready_run(loop, at);
    loop->record_count = 0;
}
