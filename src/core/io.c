/* io.c: the owner of each descriptor, and the interest in it; ready.c tells what came.
 *
 * A table by descriptor holds the list of its watchers, their interest taken together, and what the
 * backend has. Adding and removing go to the backend at once: the first tells errors to the caller,
 * the second must come before the descriptor is closed. Changes are only noted, and flushed once a
 * turn: what is changed back in the meantime costs nothing.
 *
 * Invariant: slot->generation changes whenever the slot's owner does, so old tokens never match; a
 * descriptor in which nobody has an interest is not with the backend after a flush, since epoll and
 * poll report hang-ups even of an empty mask. Test: mute_is_silent.
 * Threading: loop thread only. Read platform/backend.h first. */
#include "io.h"

#include "handle.h"
#include "loop.h"
#include "walk.h"

#include <errno.h>
#include <string.h>

enum {
    IO_ASKABLE = IO_INTEREST | EDDY_EDGE | EDDY_ONESHOT,
    IO_SLOTS_MIN = 64,
};

static eddy_token io_token(const struct io_slot *slot, int fd) {
    return (uint64_t)slot->generation << 32 | (uint32_t)fd;
}

static struct io_slot *io_slot(const eddy_io *io) {
    return &io->handle.loop->io.slots[io->handle.place];
}

/* --- The table --- */

/* So many slots, and as many places among the changes, so that noting one cannot fail. */
static int io_resize(eddy_loop *loop, size_t count) {
    unsigned before = loop->io.slots_count;
    if (count > SIZE_MAX / IO_SLOT_BYTES) return -ENOMEM;
    void *block =
        eddy__resize(loop, loop->io.slots, (size_t)before * IO_SLOT_BYTES, count * IO_SLOT_BYTES);
    if (block == NULL) return -ENOMEM;
    loop->io.slots = block;
    int *changes = (int *)(void *)(loop->io.slots + count);
    if (loop->io.changes_count > 0)
        memmove(changes, loop->io.slots + before, loop->io.changes_count * sizeof *changes);
    loop->io.changes = changes;
    memset(loop->io.slots + before, 0, (count - before) * sizeof *loop->io.slots);
    loop->io.slots_count = (unsigned)count;
    return 0;
}

static int io_make_room(eddy_loop *loop, int fd) {
    if ((unsigned)fd < loop->io.slots_count) return 0;
    if (!eddy_os_is_open(fd)) return -EBADF; /* a stray number must not cost gigabytes */
    if (loop->config.is_fixed) return -ENOMEM;
    size_t count = loop->io.slots_count;
    if (count < IO_SLOTS_MIN) count = IO_SLOTS_MIN;
    while (count <= (unsigned)fd) count *= 2;
    return io_resize(loop, count);
}

int eddy__io_reserve(eddy_loop *loop, unsigned descriptors) {
    int err = descriptors > loop->io.slots_count ? io_resize(loop, descriptors) : 0;
    if (err < 0 || descriptors == 0 || loop_backend(loop)->reserve == NULL) return err;
    return loop_backend(loop)->reserve(loop->backend_state, descriptors);
}

void eddy__io_close(eddy_loop *loop) {
    eddy__resize(loop, loop->io.slots, (size_t)loop->io.slots_count * IO_SLOT_BYTES, 0);
}

/* --- What the watchers want --- */

void eddy__io_note_change(eddy_loop *loop, int fd) {
    struct io_slot *slot = &loop->io.slots[fd];
    if (slot->flags & IO_SLOT_CHANGED) return;
    slot->flags |= IO_SLOT_CHANGED;
    loop->io.changes[loop->io.changes_count++] = fd;
    loop->due |= DUE_FLUSH;
}

static void io_update_special(struct io_slot *slot) {
    if (IS_SMALL) return; /* nobody asks: ready.h */
    bool is_single = slot->first != NULL && slot->first->next == NULL;
    slot->flags &= (uint8_t)~IO_SLOT_SPECIAL;
    if (!is_single || !io_is_plain(slot->interest, slot->registered))
        slot->flags |= IO_SLOT_SPECIAL;
}

/* Brings the slot's interest up to date after a watcher came, changed or left. */
static void io_update_interest(eddy_loop *loop, int fd, uint32_t events) {
    struct io_slot *slot = &loop->io.slots[fd];
    slot->interest = 0;
    for (const eddy_io *io = slot->first; io != NULL; io = io->next)
        if (io->events & IO_INTEREST) slot->interest |= (uint8_t)io->events;
    io_update_special(slot);
    /* An edge, or a hang-up that was told, shows only when the kernel looks again, and a one-shot
     * must be armed again. */
    bool is_disarmed = (slot->flags & IO_SLOT_DISARMED) != 0;
    if ((events & IO_INTEREST) &&
        (is_disarmed || (events & (EDDY_EDGE | EDDY_ONESHOT | EDDY_HANGUP))))
        slot->flags |= IO_SLOT_REARM;
    if (slot->interest != slot->registered || (slot->flags & IO_SLOT_REARM))
        eddy__io_note_change(loop, fd);
}

static int io_check_events(const eddy_loop *loop, unsigned events) {
    if (events & ~(unsigned)IO_ASKABLE) return -EINVAL;
    unsigned able = loop_backend(loop)->capabilities;
    if ((events & EDDY_EDGE) && !(able & EDDY_CAN_EDGE)) return -ENOTSUP;
    if ((events & EDDY_ONESHOT) && !(able & EDDY_CAN_ONESHOT)) return -ENOTSUP;
    if ((events & EDDY_HANGUP) && !(able & EDDY_CAN_HANGUP)) return -ENOTSUP;
    return 0;
}

/* EDGE and ONESHOT are the descriptor's way, not a watcher's: whether the others can live with it.
 */
static int io_check_neighbours(const struct io_slot *slot, const eddy_io *self, unsigned events) {
    for (const eddy_io *io = slot->first; io != NULL; io = io->next) {
        if (io == self) continue;
        if ((io->events ^ events) & EDDY_EDGE) return -EINVAL;
        if ((io->events | events) & EDDY_ONESHOT) return -EINVAL;
    }
    return 0;
}

/* --- The backend --- */

static int io_backend_add(eddy_loop *loop, int fd, uint8_t events) {
    struct io_slot *slot = &loop->io.slots[fd];
    loop->metrics.backend_adds++;
    observe_fd(loop, EDDY_TRACE_ADD, fd, events);
    int err = loop_backend(loop)->add(loop->backend_state, fd, events, io_token(slot, fd));
    if (err < 0) return err;
    slot->registered = events;
    slot->flags &= (uint8_t) ~(IO_SLOT_REARM | IO_SLOT_DISARMED);
    return 0;
}

static void io_backend_remove(eddy_loop *loop, int fd) {
    struct io_slot *slot = &loop->io.slots[fd];
    if (slot->registered == 0) return;
    loop->metrics.backend_removes++;
    observe_fd(loop, EDDY_TRACE_REMOVE, fd, slot->registered);
    int err = loop_backend(loop)->remove(loop->backend_state, fd, slot->registered);
    slot->registered = 0;
    /* It was closed before it was stopped. Mostly the kernel has forgotten it then; but a duplicate
     * keeps its registration in epoll's set, out of reach. Seen by stale records: ready.c. */
    if (err == -EBADF || err == -ENOENT) slot->flags |= IO_SLOT_LEAKED;
}

static int io_backend_modify(eddy_loop *loop, int fd) {
    struct io_slot *slot = &loop->io.slots[fd];
    loop->metrics.backend_modifies++;
    observe_fd(loop, EDDY_TRACE_MODIFY, fd, slot->interest);
    int err = loop_backend(loop)->modify(loop->backend_state, fd, slot->registered, slot->interest,
                                         io_token(slot, fd));
    if (err < 0) return err;
    bool told_hangups = (slot->registered & EDDY_HANGUP) != 0;
    slot->registered = slot->interest;
    slot->flags &= (uint8_t) ~(IO_SLOT_REARM | IO_SLOT_DISARMED);
    if (told_hangups) io_update_special(slot);
    return 0;
}

void eddy__io_mute_lost(eddy_loop *loop, int fd, int error, uint64_t spared) {
    for (eddy_io *io = loop->io.slots[fd].first; io != NULL; io = io->next) {
        if (io->born == spared) continue;
        io->events &= ~(uint32_t)IO_INTEREST;
        io->error = error;
    }
    io_backend_remove(loop, fd);
    io_update_interest(loop, fd, 0);
}

void eddy__io_end_hangup(eddy_io *io) {
    io->events &= ~(uint32_t)EDDY_HANGUP;
    io_update_interest(io->handle.loop, (int)io->handle.place, 0);
}

static int io_flush_slot(eddy_loop *loop, int fd) {
    struct io_slot *slot = &loop->io.slots[fd];
    if (slot->interest == 0) {
        io_backend_remove(loop, fd);
        return 0;
    }
    if ((slot->flags & IO_SLOT_DISARMED) && !(slot->flags & IO_SLOT_REARM)) {
        /* It was told before the kernel heard that it is a one-shot. */
        if (slot->registered != slot->interest) io_backend_remove(loop, fd);
        return 0;
    }
    if (slot->registered == 0) return io_backend_add(loop, fd, slot->interest);
    if (slot->interest == slot->registered && !(slot->flags & IO_SLOT_REARM)) return 0;
    return io_backend_modify(loop, fd);
}

void eddy__io_flush(eddy_loop *loop) {
    if (loop->io.rebuild_due && eddy__io_rebuild(loop) < 0)
        return; /* the turn tells of it, instead of waiting */
    /* What could not be told in the last turn, because it was never dispatched, stays. */
    unsigned kept = loop->io.lost_count;
    for (unsigned i = kept; i < loop->io.changes_count; i++) {
        int fd = loop->io.changes[i];
        int err = io_flush_slot(loop, fd);
        if (err < 0) {
            eddy__io_mute_lost(loop, fd, err, 0);
            loop->io.changes[kept++] = fd; /* its watchers hear of it in phase 5 */
        } else {
            loop->io.slots[fd].flags &= (uint8_t)~IO_SLOT_CHANGED;
        }
    }
    loop->io.changes_count = loop->io.lost_count = kept;
    loop->due &= ~(unsigned)(DUE_FLUSH | DUE_LOST);
    if (kept > 0) loop->due |= DUE_FLUSH | DUE_LOST;
}

int eddy__io_rebuild(eddy_loop *loop) {
    int err = loop_backend(loop)->reopen(loop->backend_state);
    if (HAS_QUEUES && err == 0) err = loop->wakeup.error; /* a wait that nobody could end is none */
    loop->io.rebuild_due = err < 0; /* then a flush tries again, and adds nothing before */
    loop->io.rebuild_error = err;
    if (err < 0) loop->due |= DUE_FLUSH;
    for (unsigned fd = 0; fd < loop->io.slots_count; fd++) {
        struct io_slot *slot = &loop->io.slots[fd];
        slot->registered = 0;
        slot->flags &= (uint8_t)~IO_SLOT_LEAKED;
        if (slot->first != NULL) io_update_special(slot);
        /* A one-shot that was told stays disarmed: its watcher has not armed it again. */
        if (slot->interest != 0 && !(slot->flags & IO_SLOT_DISARMED))
            eddy__io_note_change(loop, (int)fd);
    }
    return err;
}

void eddy__io_withdraw(eddy_io *io) {
    eddy_loop *loop = io->handle.loop;
    int fd = (int)io->handle.place;
    io_backend_remove(loop, fd);
    eddy__io_note_change(loop, fd);
}

/* --- The public functions --- */

void eddy_io_init(eddy_io *io, eddy_loop *loop) {
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_IO, io));
    handle_init(&io->handle, loop, EDDY_KIND_IO);
    io->fn = NULL;
    io->next = NULL;
    io->born = 0;
    io->events = 0;
    io->error = 0;
}

/* Of a descriptor that others watch already the backend is asked once more, as its number may have
 * been closed and used again behind the loop's back: then it is in the table, and not in the
 * kernel's set. */
RARE static int io_register_again(eddy_loop *loop, int fd, unsigned events) {
    struct io_slot *slot = &loop->io.slots[fd];
    unsigned asked = slot->interest | events;
    if (!(asked & IO_INTEREST)) return 0;
    uint8_t interest = slot->interest, registered = slot->registered;
    slot->interest = (uint8_t)asked;
    slot->registered = 0; /* as far as anybody knows */
    int err = io_backend_modify(loop, fd);
    slot->interest = interest;
    if (err < 0) { /* the others hear of it after the next flush, if it fails again */
        slot->registered = registered;
        slot->flags |= IO_SLOT_REARM;
        eddy__io_note_change(loop, fd);
    }
    return err;
}

int eddy_io_start(eddy_io *io, eddy_io_fn *fn, int fd, unsigned events) {
    eddy_loop *loop = io->handle.loop;
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&io->handle));
    if (handle_is_active(&io->handle)) return -EALREADY;
    if (fd < 0) return -EBADF;
    if (fd > loop_backend(loop)->fd_max) return -ERANGE;
    int err = io_check_events(loop, events);
    if (err == 0) err = io_make_room(loop, fd);
    if (err < 0) return err;
    struct io_slot *slot = &loop->io.slots[fd];
    err = io_check_neighbours(slot, io, events);
    if (err < 0) return err;
    if (slot->registered == 0) {
        /* Also of a muted watcher the caller learns now what is wrong with the descriptor; the next
         * flush takes it out again if it is still muted. */
        unsigned asked = slot->interest | events;
        err = io_backend_add(loop, fd, (uint8_t)(asked & IO_INTEREST ? asked : asked | EDDY_READ));
    } else {
        err = io_register_again(loop, fd, events);
    }
    if (err < 0) return err;

    io->fn = fn;
    io->events = events;
    io->error = 0;
    io->born = loop->turn;
    io->next = NULL;
    io->handle.place = (uint32_t)fd;
    bool first = slot->first == NULL;
    eddy_io **last = &slot->first;
    for (; *last != NULL; last = &(*last)->next) EDDY_ASSERT(*last != io);
    *last = io;
    handle_start(&io->handle);
    io_update_interest(loop, fd, first ? 0 : events);
    return 0;
}

int eddy_io_change(eddy_io *io, unsigned events) {
    eddy_loop *loop = io->handle.loop;
    if (!handle_is_active(&io->handle)) return -EINVAL;
    CHECK_CHANGE(loop);
    int err = io_check_events(loop, events);
    if (err == 0) err = io_check_neighbours(io_slot(io), io, events);
    if (err < 0) return err;
    io->events = events;
    io->error = 0;
    io_update_interest(loop, (int)io->handle.place, events);
    return 0;
}

void eddy_io_stop(eddy_io *io) {
    if (!handle_is_active(&io->handle)) return;
    eddy_loop *loop = io->handle.loop;
    int fd = (int)io->handle.place;
    struct io_slot *slot = io_slot(io);
    if (loop->io.next == io) loop->io.next = io->next;
    eddy_io **at = &slot->first;
    while (*at != io) at = &(*at)->next;
    *at = io->next;
    handle_stop(&io->handle);
    if (slot->first != NULL) {
        io_update_interest(loop, fd, 0);
        return;
    }
    io_backend_remove(loop, fd);
    slot->interest = 0;
    /* Its entry among the changes is still there, and a leaked registration outlives its owner. */
    slot->flags &= IO_SLOT_CHANGED | IO_SLOT_LEAKED;
    slot->generation++;
}

int eddy_io_fd(const eddy_io *io) {
    return handle_is_active(&io->handle) ? (int)io->handle.place : -1;
}

unsigned eddy_io_events(const eddy_io *io) {
    return handle_is_active(&io->handle) ? io->events : 0;
}

int eddy_io_error(const eddy_io *io) {
    return io->error;
}
