/* ready.c: phase 5: what the wait found is told to the watchers.
 * Invariant: of a record nothing reaches a watcher but what it asked for before the wait; records
 * of a descriptor's earlier owner reach nobody. Threading: loop thread only. */
#include "ready.h"

#include "callback.h"
#include "handle.h"
#include "loop.h"

/* What a later wait of the turn in which its watcher was started has found, and will not be told
 * again by itself: edges, and hang-ups on kqueue. */
RARE void eddy__ready_unheard(eddy_loop *loop, eddy_io *io) {
    if (io->born != loop->turn || !(io->events & (EDDY_EDGE | EDDY_HANGUP))) return;
    int fd = (int)io->handle.place;
    loop->io.slots[fd].flags |= IO_SLOT_REARM;
    eddy__io_note_change(loop, fd);
}

/* The call that comes next is the one, also if it was asked for since the wait, or by the neighbour
 * that was called before; but what the watcher does not hear, as it asks for something else by now,
 * leaves the one-shot armed. */
static void ready_disarm(eddy_loop *loop, int fd, bool is_heard) {
    struct io_slot *slot = &loop->io.slots[fd];
    slot->flags &= (uint8_t)~IO_SLOT_REARM;
    slot->flags |= is_heard ? IO_SLOT_DISARMED : IO_SLOT_REARM;
    if (!is_heard) eddy__io_note_change(loop, fd);
}

static void ready_tell_seen_one(eddy_loop *loop, eddy_io *io, unsigned told) {
    if (told == 0 || !loop_is_observed(loop)) {
        ready_tell_one(loop, io, told);
        return;
    }
    loop->metrics.callbacks++;
    CALLBACK(loop, handle_called(&io->handle, EDDY_KIND_IO), io, io->fn, io, told);
}

/* Hints come with what was asked for, never by themselves: a hang-up may be in the record because
 * somebody else asks for it. It lasts, so whoever has asked for it is told once. What is wrong with
 * the descriptor is one as well, since it comes to the same, and to many mechanisms it is. */
static void ready_tell_seen(eddy_loop *loop, int fd, eddy_io *io, unsigned events) {
    bool asks = (io->events & EDDY_HANGUP) != 0;
    if (asks && (events & EDDY_ERROR)) events |= EDDY_HANGUP;
    unsigned told = events & io->events ? ready_heard(loop, io, events) : 0;
    if (loop->io.slots[fd].interest & EDDY_ONESHOT) ready_disarm(loop, fd, told != 0);
    if (asks && (told & EDDY_HANGUP)) eddy__io_end_hangup(io);
    ready_tell_seen_one(loop, io, told);
}

/* Tells all watchers of `fd`. Only `io.next` survives a callback: watchers, the slot's owner and
 * the whole table may change. With the last one it is NULL again. */
static void ready_tell(eddy_loop *loop, int fd, unsigned events) {
    eddy_io *io = loop->io.slots[fd].first;
    while (io != NULL) {
        loop->io.next = io->next;
        if (io->events & IO_INTEREST) ready_tell_seen(loop, fd, io, events);
        io = loop->io.next;
    }
}

/* Tells of a lost descriptor those who were muted for it: not who has started, or asked anew,
 * since.
 */
static void ready_tell_loss(eddy_loop *loop, int fd) {
    eddy_io *io = loop->io.slots[fd].first;
    while (io != NULL) {
        loop->io.next = io->next;
        if (io->error != 0) ready_tell_seen_one(loop, io, EDDY_ERROR);
        io = loop->io.next;
    }
}

/* Tells of the descriptors that the last flush could not bring to the backend. They stay among the
 * changes: interest that is shown again, in the callback or since, goes to the next flush. */
static void ready_tell_lost(eddy_loop *loop) {
    unsigned count = loop->io.lost_count;
    for (unsigned i = 0; i < count; i++) ready_tell_loss(loop, loop->io.changes[i]);
    loop->io.lost_count = 0;
    loop->due &= ~(unsigned)DUE_LOST;
}

static struct io_slot *ready_slot(eddy_loop *loop, const struct eddy_record *record) {
    struct io_slot *slot = &loop->io.slots[(uint32_t)record->token];
    return slot->generation == record->token >> 32 ? slot : NULL;
}

/* Backends that split give READ and WRITE of one descriptor in two records; one call tells both,
 * and so the first of them carries what all tell. A lost descriptor keeps a record of its own. */
static int ready_merge(eddy_loop *loop, int found) {
    struct eddy_record *records = loop->records;
    for (int i = 0; i < found; i++) {
        struct io_slot *slot = ready_slot(loop, &records[i]);
        if (slot != NULL && records[i].error == 0) slot->merged |= (uint8_t)records[i].events;
    }
    int count = 0;
    for (int i = 0; i < found; i++) {
        struct eddy_record record = records[i];
        struct io_slot *slot = ready_slot(loop, &record);
        if (slot != NULL && record.error == 0) {
            if (slot->merged == 0) continue;
            record.events = slot->merged;
            slot->merged = 0;
        }
        records[count++] = record;
    }
    return count;
}

/* Of an owner that is gone, or of a one-shot that was told. */
static void ready_drop_stale(eddy_loop *loop, int fd, struct io_slot *slot) {
    loop->metrics.events_stale++;
    observe_fd(loop, EDDY_TRACE_STALE, fd, 0);
    if (!(slot->flags & IO_SLOT_LEAKED)) return;
    /* The leaked registration would be told of for ever. A new kernel object ends it; that costs a
     * call for each descriptor, so it is done only when its number was closed too early *and* is
     * told of. */
    loop->io.rebuild_due = true;
    loop->due |= DUE_FLUSH;
}

RARE void eddy__ready_run_special(eddy_loop *loop, const struct eddy_record *record) {
    int fd = (int)(uint32_t)record->token;
    struct io_slot *slot = &loop->io.slots[fd];
    if (slot->generation != record->token >> 32 || (slot->flags & IO_SLOT_DISARMED)) {
        ready_drop_stale(loop, fd, slot);
    } else if (HAS_LOSSES && record->error != 0) {
        eddy__io_mute_lost(loop, fd, record->error, loop->turn);
        ready_tell_loss(loop, fd);
    } else {
        ready_tell(loop, fd, record->events);
    }
}

RARE int eddy__ready_begin(eddy_loop *loop, int count) {
    if (loop->due & DUE_LOST) ready_tell_lost(loop);
    if (HAS_SPLIT && (loop->due & DUE_SPLIT)) count = ready_merge(loop, count);
    if (!loop_is_observed(loop)) return count;
    for (int i = 0; i < count; i++) {
        const struct eddy_record *record = &loop->records[i];
        int fd = (int)(uint32_t)record->token;
        if (loop_has_trace(loop))
            eddy__observe_event(loop, fd,
                                record->error != 0 ? record->error : (int64_t)record->events);
        eddy__ready_run_special(loop, record);
    }
    return 0;
}
