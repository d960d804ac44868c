/* io.c: who owns each descriptor right now.
 *
 * A table by descriptor holds the list of its watchers, what they wish for together, and what the
 * backend has. Adding and removing go to the backend at once: the first tells errors to the caller,
 * the second must come before the descriptor is closed. Changes are only noted, and flushed once a
 * turn: what is changed back in the meantime costs nothing.
 *
 * Invariant: slot->generation changes whenever the slot's owner does, so old tokens never match; a
 * descriptor that nobody wants to hear of is not with the backend after a flush, since epoll and
 * poll report hang-ups even of an empty mask. Test: mute_is_silent.
 * Threading: loop thread only. Read platform/backend.h first. */
#include "loop.h"

#include <errno.h>
#include <string.h>

enum {
    BOTH = EDDY_READ | EDDY_WRITE,
    ASKABLE = BOTH | EDDY_EDGE | EDDY_ONESHOT,
    TOLD_ALWAYS = EDDY_ERROR | EDDY_HANGUP,
    SLOTS_MIN = 64,
};

_Static_assert(EDDY_READ == (int)BACKEND_READ && EDDY_WRITE == (int)BACKEND_WRITE, "same bits");
_Static_assert(EDDY_ERROR == (int)BACKEND_ERROR && EDDY_HANGUP == (int)BACKEND_HANGUP, "same bits");
_Static_assert(EDDY_EDGE == (int)BACKEND_EDGE && EDDY_ONESHOT == (int)BACKEND_ONESHOT, "same bits");
_Static_assert(BACKEND_RECORDS_MAX <= UINT8_MAX + 1, "slot->record is a uint8_t");

static eddy_token token_of(const struct io_slot *slot, int fd) {
    return (uint64_t)slot->generation << 32 | (uint32_t)fd;
}

static struct io_slot *slot_of(const eddy_io *io) {
    return &io->handle.loop->io_slots[io->handle.place];
}

/* --- The table --- */

enum { SLOT_BYTES = sizeof(struct io_slot) + sizeof(int) };

/* Makes room for `fd`, and for its place among the changes, so that noting one cannot fail. */
static int reserve(eddy_loop *loop, int fd) {
    unsigned before = loop->io_slots_count;
    if ((unsigned)fd < before) return 0;
    if (!eddy_os_is_open(fd)) return -EBADF; /* a stray number must not cost gigabytes */
    size_t count = before < SLOTS_MIN ? SLOTS_MIN : before;
    while (count <= (unsigned)fd) count *= 2;
    if (count > SIZE_MAX / SLOT_BYTES) return -ENOMEM;
    void *block =
        eddy__resize(loop, loop->io_slots, (size_t)before * SLOT_BYTES, count * SLOT_BYTES);
    if (block == NULL) return -ENOMEM;
    loop->io_slots = block;
    int *changes = (int *)(void *)(loop->io_slots + count);
    if (loop->io_changes_count > 0)
        memmove(changes, loop->io_slots + before, loop->io_changes_count * sizeof *changes);
    loop->io_changes = changes;
    memset(loop->io_slots + before, 0, (count - before) * sizeof *loop->io_slots);
    loop->io_slots_count = (unsigned)count;
    return 0;
}

void eddy__io_close(eddy_loop *loop) {
    eddy__resize(loop, loop->io_slots, (size_t)loop->io_slots_count * SLOT_BYTES, 0);
}

/* --- What the watchers want --- */

static void note_change(eddy_loop *loop, int fd) {
    struct io_slot *slot = &loop->io_slots[fd];
    if (slot->flags & IO_SLOT_CHANGED) return;
    slot->flags |= IO_SLOT_CHANGED;
    loop->io_changes[loop->io_changes_count++] = fd;
}

/* Brings the slot's wish up to date after a watcher came, changed or left. */
static void want(eddy_loop *loop, int fd, uint32_t events) {
    struct io_slot *slot = &loop->io_slots[fd];
    slot->wanted = 0;
    for (const eddy_io *io = slot->first; io != NULL; io = io->next)
        if (io->events & BOTH) slot->wanted |= (uint8_t)io->events;
    bool is_single = slot->first != NULL && slot->first->next == NULL;
    bool is_plain = is_single && slot->wanted != 0 && !(slot->wanted & EDDY_ONESHOT);
    slot->flags &= (uint8_t)~IO_SLOT_SPECIAL;
    if (!is_plain) slot->flags |= IO_SLOT_SPECIAL;
    /* An edge shows only when the kernel looks again, and a shot must be loaded again. */
    bool is_spent = (slot->flags & IO_SLOT_DISARMED) != 0;
    if ((events & BOTH) && (is_spent || (events & (EDDY_EDGE | EDDY_ONESHOT))))
        slot->flags |= IO_SLOT_REARM;
    if (slot->wanted != slot->registered || (slot->flags & IO_SLOT_REARM)) note_change(loop, fd);
}

static int check_events(const eddy_loop *loop, unsigned events) {
    if (events & ~(unsigned)ASKABLE) return -EINVAL;
    unsigned able = loop->backend->capabilities;
    if ((events & EDDY_EDGE) && !(able & BACKEND_CAN_EDGE)) return -ENOTSUP;
    if ((events & EDDY_ONESHOT) && !(able & BACKEND_CAN_ONESHOT)) return -ENOTSUP;
    return 0;
}

/* EDGE and ONESHOT are the descriptor's way, not a watcher's: whether the others can live with it.
 */
static int check_neighbours(const struct io_slot *slot, const eddy_io *self, unsigned events) {
    for (const eddy_io *io = slot->first; io != NULL; io = io->next) {
        if (io == self) continue;
        if ((io->events ^ events) & EDDY_EDGE) return -EINVAL;
        if ((io->events | events) & EDDY_ONESHOT) return -EINVAL;
    }
    return 0;
}

/* --- The backend --- */

static int backend_add(eddy_loop *loop, int fd, uint8_t events) {
    struct io_slot *slot = &loop->io_slots[fd];
    loop->metrics.backend_adds++;
    int err = loop->backend->add(loop->backend_state, fd, events, token_of(slot, fd));
    if (err < 0) return err;
    slot->registered = events;
    slot->flags &= (uint8_t) ~(IO_SLOT_REARM | IO_SLOT_DISARMED);
    return 0;
}

static void backend_remove(eddy_loop *loop, int fd) {
    struct io_slot *slot = &loop->io_slots[fd];
    if (slot->registered == 0) return;
    loop->metrics.backend_removes++;
    int err = loop->backend->remove(loop->backend_state, fd, slot->registered);
    slot->registered = 0;
    /* It was closed before it was stopped. Mostly the kernel has forgotten it then; but a duplicate
     * keeps it in epoll's set, out of reach. Seen by its stale records, see run_record. */
    if (err == -EBADF || err == -ENOENT) loop->io_haunted = true;
}

static int backend_modify(eddy_loop *loop, int fd) {
    struct io_slot *slot = &loop->io_slots[fd];
    loop->metrics.backend_modifies++;
    int err = loop->backend->modify(loop->backend_state, fd, slot->registered, slot->wanted,
                                    token_of(slot, fd));
    if (err < 0) return err;
    slot->registered = slot->wanted;
    slot->flags &= (uint8_t) ~(IO_SLOT_REARM | IO_SLOT_DISARMED);
    return 0;
}

/* Mutes the watchers of a descriptor that the backend has lost. */
static void mute_lost(eddy_loop *loop, int fd, int error) {
    struct io_slot *slot = &loop->io_slots[fd];
    for (eddy_io *io = slot->first; io != NULL; io = io->next) {
        io->events &= ~(uint32_t)BOTH;
        io->error = error;
    }
    slot->wanted = 0;
    slot->flags |= IO_SLOT_SPECIAL;
    backend_remove(loop, fd);
}

static int flush_slot(eddy_loop *loop, int fd) {
    struct io_slot *slot = &loop->io_slots[fd];
    if (slot->wanted == 0) {
        backend_remove(loop, fd);
        return 0;
    }
    if ((slot->flags & IO_SLOT_DISARMED) && !(slot->flags & IO_SLOT_REARM)) {
        /* The shot was fired before the kernel heard that it is one. */
        if (slot->registered != slot->wanted) backend_remove(loop, fd);
        return 0;
    }
    if (slot->registered == 0) return backend_add(loop, fd, slot->wanted);
    if (slot->wanted == slot->registered && !(slot->flags & IO_SLOT_REARM)) return 0;
    return backend_modify(loop, fd);
}

void eddy__io_flush(eddy_loop *loop) {
    if (loop->io_rebuild_due && eddy__io_rebuild(loop) < 0)
        return; /* the wait will fail, and tell */
    /* What could not be told in the last turn, because it was never dispatched, stays. */
    unsigned kept = loop->io_lost_count;
    for (unsigned i = kept; i < loop->io_changes_count; i++) {
        int fd = loop->io_changes[i];
        int err = flush_slot(loop, fd);
        if (err < 0) {
            mute_lost(loop, fd, err);
            loop->io_changes[kept++] = fd; /* its watchers hear of it in phase 5 */
        } else {
            loop->io_slots[fd].flags &= (uint8_t)~IO_SLOT_CHANGED;
        }
    }
    loop->io_changes_count = loop->io_lost_count = kept;
}

int eddy__io_rebuild(eddy_loop *loop) {
    int err = loop->backend->reopen(loop->backend_state);
    loop->io_rebuild_due = err < 0; /* then a flush tries again, and adds nothing before */
    for (unsigned fd = 0; fd < loop->io_slots_count; fd++) {
        struct io_slot *slot = &loop->io_slots[fd];
        slot->registered = 0;
        /* A shot that was fired stays so: its watcher has not loaded it again. */
        if (slot->wanted != 0 && !(slot->flags & IO_SLOT_DISARMED)) note_change(loop, (int)fd);
    }
    return err;
}

/* --- Telling --- */

/* A watcher that was started after the wait hears nothing of what the wait found. */
static unsigned heard_by(const eddy_loop *loop, const eddy_io *io, unsigned events) {
    return io->born == loop->turn ? 0 : events & (io->events | TOLD_ALWAYS);
}

static void tell_one(eddy_loop *loop, eddy_io *io, unsigned events) {
    unsigned told = heard_by(loop, io, events);
    if (told == 0) return;
    loop->metrics.callbacks++;
    io->fn(io, told); /* the watcher may be gone now */
}

/* Tells all watchers of `fd`. Only `io_next` survives a callback: watchers, the slot's owner and
 * the whole table may change. */
static void tell(eddy_loop *loop, int fd, unsigned events) {
    eddy_io *io = loop->io_slots[fd].first;
    while (io != NULL) {
        loop->io_next = io->next;
        bool lost = io->error != 0 && events == EDDY_ERROR;
        if ((io->events & BOTH) || lost) tell_one(loop, io, events);
        io = loop->io_next;
    }
    loop->io_next = NULL;
}

/* Tells of the descriptors that the last flush could not bring to the backend. They stay among the
 * changes: whoever wished anew, in the callback or since the flush, is heard at the next flush. */
static void tell_lost(eddy_loop *loop) {
    unsigned count = loop->io_lost_count;
    for (unsigned i = 0; i < count; i++) tell(loop, loop->io_changes[i], EDDY_ERROR);
    loop->io_lost_count = 0;
}

/* Backends that split give READ and WRITE of one descriptor in two records; one call tells both. */
static void merge_records(eddy_loop *loop) {
    int count = 0;
    for (int i = 0; i < loop->record_count; i++) {
        const struct eddy_record *record = &loop->records[i];
        struct io_slot *slot = &loop->io_slots[(uint32_t)record->token];
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
        loop->io_slots[(uint32_t)loop->records[i].token].flags &= (uint8_t)~IO_SLOT_MERGING;
}

/* Of an owner that is gone, or of a shot that was fired. */
static void drop_stale(eddy_loop *loop) {
    loop->metrics.events_stale++;
    /* The ghost would fire for ever. A new kernel object lays it; that costs a call for each
     * descriptor, so it is done only when both signs are there. */
    if (loop->io_haunted) loop->io_rebuild_due = true;
    loop->io_haunted = false;
}

/* The call that comes next is the one, also if it was wished for since the wait; but what its
 * watcher does not hear, wishing for something else by now, leaves the shot loaded. */
static void spend_shot(eddy_loop *loop, int fd, unsigned events) {
    struct io_slot *slot = &loop->io_slots[fd];
    bool is_heard = heard_by(loop, slot->first, events) != 0;
    slot->flags &= (uint8_t)~IO_SLOT_REARM;
    slot->flags |= is_heard ? IO_SLOT_DISARMED : IO_SLOT_REARM;
    if (!is_heard) note_change(loop, fd);
}

RARE static void run_special(eddy_loop *loop, const struct eddy_record *record) {
    int fd = (int)(uint32_t)record->token;
    struct io_slot *slot = &loop->io_slots[fd];
    unsigned events = record->events;
    if (slot->generation != record->token >> 32 || (slot->flags & IO_SLOT_DISARMED)) {
        drop_stale(loop);
        return;
    }
    if (record->error != 0) {
        mute_lost(loop, fd, record->error);
        events = EDDY_ERROR;
    }
    if (slot->wanted & EDDY_ONESHOT) spend_shot(loop, fd, events);
    tell(loop, fd, events);
}

/* The usual case is one watcher, and nothing to come back to after its call. A slot without any is
 * not special either: no record has its generation. */
static void run_record(eddy_loop *loop, const struct eddy_record *record) {
    const struct io_slot *slot = &loop->io_slots[(uint32_t)record->token];
    bool is_plain = !(slot->flags & (IO_SLOT_SPECIAL | IO_SLOT_DISARMED));
    if (is_plain && slot->generation == record->token >> 32 && record->error == 0)
        tell_one(loop, slot->first, record->events);
    else
        run_special(loop, record);
}

void eddy__io_run(eddy_loop *loop) {
    if (loop->io_lost_count > 0) tell_lost(loop);
    if (loop->backend->capabilities & BACKEND_CAN_SPLIT) merge_records(loop);
    const struct eddy_record *end = loop->records + loop->record_count;
    for (const struct eddy_record *at = loop->records; at < end; at++) run_record(loop, at);
    loop->record_count = 0;
}

/* --- The public functions --- */

void eddy_io_init(eddy_io *io, eddy_loop *loop) {
    handle_init(&io->handle, loop);
    io->fn = NULL;
    io->next = NULL;
    io->born = 0;
    io->events = 0;
    io->error = 0;
}

int eddy_io_start(eddy_io *io, eddy_io_fn *fn, int fd, unsigned events) {
    eddy_loop *loop = io->handle.loop;
    EDDY_ASSERT(fn != NULL);
    if (handle_is_active(&io->handle)) return -EALREADY;
    if (fd < 0) return -EBADF;
    if (fd > loop->backend->fd_max) return -ERANGE;
    int err = check_events(loop, events);
    if (err == 0) err = reserve(loop, fd);
    if (err < 0) return err;
    struct io_slot *slot = &loop->io_slots[fd];
    err = check_neighbours(slot, io, events);
    if (err < 0) return err;
    if (slot->registered == 0) {
        /* Also of a muted watcher the caller learns now what is wrong with the descriptor; the next
         * flush takes it out again if it is still muted. */
        unsigned asked = slot->wanted | events;
        err = backend_add(loop, fd, (uint8_t)(asked & BOTH ? asked : asked | EDDY_READ));
        if (err < 0) return err;
    }

    io->fn = fn;
    io->events = events;
    io->error = 0;
    io->born = loop->turn;
    io->next = NULL;
    io->handle.place = (uint32_t)fd;
    bool first = slot->first == NULL;
    eddy_io **last = &slot->first;
    while (*last != NULL) last = &(*last)->next;
    *last = io;
    handle_start(&io->handle);
    want(loop, fd, first ? 0 : events);
    return 0;
}

int eddy_io_change(eddy_io *io, unsigned events) {
    eddy_loop *loop = io->handle.loop;
    if (!handle_is_active(&io->handle)) return -EINVAL;
    int err = check_events(loop, events);
    if (err == 0) err = check_neighbours(slot_of(io), io, events);
    if (err < 0) return err;
    io->events = events;
    io->error = 0;
    want(loop, (int)io->handle.place, events);
    return 0;
}

void eddy_io_stop(eddy_io *io) {
    if (!handle_is_active(&io->handle)) return;
    eddy_loop *loop = io->handle.loop;
    int fd = (int)io->handle.place;
    struct io_slot *slot = slot_of(io);
    if (loop->io_next == io) loop->io_next = io->next;
    eddy_io **at = &slot->first;
    while (*at != io) at = &(*at)->next;
    *at = io->next;
    handle_stop(&io->handle);
    if (slot->first != NULL) {
        want(loop, fd, 0);
        return;
    }
    backend_remove(loop, fd);
    slot->wanted = 0;
    slot->flags &= IO_SLOT_CHANGED; /* its entry among the changes is still there */
    slot->generation++;
}

int eddy_io_fd(const eddy_io *io) {
    return handle_is_active(&io->handle) ? (int)io->handle.place : -1;
}

int eddy_io_error(const eddy_io *io) {
    return io->error;
}
