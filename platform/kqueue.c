/* kqueue.c: the backend on the BSDs' and macOS's kqueue.
 * Invariant: watch->attached is what the kernel has once the changes on their way are applied;
 * a descriptor whose `wanted` differs from it is in `changed`, and the next wait sends the
 * difference along. A descriptor that is not registered has neither.
 * Threading: loop thread only. Read backend.h first.
 *
 * What a descriptor's filters are is in kqueue_filters.h. `udata` stays unused: what the token is,
 * the table knows by descriptor, since a removal acts at once and a close takes the filters along,
 * so that no event of an earlier owner can come. That also spares us its width (no 64 bits on
 * 32-bit systems) and its type (NetBSD's was an integer before 10). */
#include "backend.h"
#include "backend_common.h"
#include "kqueue_filters.h"
#include "os.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/event.h>
#include <sys/types.h>
#include <unistd.h>

/* NetBSD counts events with size_t, the others with int. */
#ifdef __NetBSD__
typedef size_t event_count;
#else
typedef int event_count;
#endif

struct kqueue_state {
    eddy_allocator memory;
    int kqueue_fd;
    pid_t owner; /* the process that opened it */
    unsigned watches_capacity, changed_capacity, changed_count;
    struct kqueue_watch *watches; /* by descriptor */
    int *changed;          /* has room for all of `watches`, so that modify needs no memory */
    struct kevent *events; /* of a wait, and its changes, which kevent lets share it */
    unsigned events_capacity;
    int capacity; /* of the largest wait */
    unsigned broken_count;
    bool broken_starve; /* the others left no room for them in the last wait */
    bool is_nested;     /* somebody watches the queue: changes must not wait for the wait */
};

/* `it` has its memory and its capacity, and nothing open. */
static int kqueue_open_queue(struct kqueue_state *it) {
    struct kevent *events = backend_reserve(&it->memory, it->events, &it->events_capacity,
                                            (size_t)it->capacity, sizeof *events);
    if (events == NULL) return -ENOMEM;
    it->events = events;
    it->owner = getpid();
    it->kqueue_fd = kqueue();
    if (it->kqueue_fd < 0) return -errno;
    fcntl(it->kqueue_fd, F_SETFD, FD_CLOEXEC); /* need not be atomic: a fork does not inherit it */
    return 0;
}

static void kqueue_close(void *state) {
    struct kqueue_state *it = state;
    backend_free(&it->memory, it->watches, it->watches_capacity, sizeof *it->watches);
    backend_free(&it->memory, it->changed, it->changed_capacity, sizeof *it->changed);
    backend_free(&it->memory, it->events, it->events_capacity, sizeof *it->events);
    if (it->kqueue_fd >= 0) eddy_os_close(it->kqueue_fd);
    *it = (struct kqueue_state){.memory = it->memory, .kqueue_fd = -1, .capacity = it->capacity};
}

static int kqueue_open(void *state, const eddy_allocator *memory, int capacity) {
    struct kqueue_state *it = state;
    *it = (struct kqueue_state){.memory = *memory, .kqueue_fd = -1, .capacity = capacity};
    int err = kqueue_open_queue(it);
    if (err < 0) kqueue_close(it);
    return err;
}

/* A fork does not inherit the queue: its number is free, or somebody else's by now. A queue of this
 * process is from a reopen before, after which something else has failed. */
static int kqueue_reopen(void *state) {
    struct kqueue_state *it = state;
    if (it->kqueue_fd >= 0 && it->owner == getpid()) eddy_os_close(it->kqueue_fd);
    it->kqueue_fd = -1;
    it->changed_count = it->broken_count = 0;
    it->broken_starve = false;
    if (it->watches != NULL) memset(it->watches, 0, it->watches_capacity * sizeof *it->watches);
    return kqueue_open_queue(it);
}

static int kqueue_reserve(void *state, unsigned descriptors) {
    struct kqueue_state *it = state;
    struct kqueue_watch *watches = backend_reserve(&it->memory, it->watches, &it->watches_capacity,
                                                   descriptors, sizeof *watches);
    if (watches == NULL) return -ENOMEM;
    it->watches = watches;
    int *changed = backend_reserve(&it->memory, it->changed, &it->changed_capacity, descriptors,
                                   sizeof *changed);
    if (changed == NULL) return -ENOMEM;
    it->changed = changed;
    return 0;
}

static void kqueue_mark_changed(struct kqueue_state *it, int fd) {
    struct kqueue_watch *watch = &it->watches[fd];
    if (watch->place != 0) return;
    it->changed[it->changed_count++] = fd;
    watch->place = it->changed_count;
}

static void kqueue_unmark_changed(struct kqueue_state *it, int fd) {
    struct kqueue_watch *watch = &it->watches[fd];
    if (watch->place == 0) return;
    int last = it->changed[--it->changed_count];
    it->changed[watch->place - 1] = last;
    it->watches[last].place = watch->place;
    watch->place = 0;
}

static void kqueue_set_broken(struct kqueue_state *it, struct kqueue_watch *watch, bool broken) {
    it->broken_count += (unsigned)broken - (unsigned)watch->broken;
    watch->broken = broken;
}

/* Makes one change now. Without room for events, kevent returns at once and says what failed. */
static int kqueue_make_change(const struct kqueue_state *it, const struct kevent *change) {
    return kevent(it->kqueue_fd, change, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

/* Takes all steps of one descriptor now, up to the first error. ENOENT, EPIPE: see take_error. */
static int kqueue_change_now(struct kqueue_state *it, int fd) {
    struct kqueue_watch *watch = &it->watches[fd];
    kqueue_unmark_changed(it, fd);
    struct kevent change;
    while (kqueue_next_change(watch, fd, &change)) {
        int err = kqueue_make_change(it, &change);
        if (err == 0 || err == -ENOENT) continue;
        unsigned filter = kqueue_filter_of(watch, &change);
        watch->attached &= (uint8_t)~filter;
        err = -kqueue_error_of(fd, filter, -err);
        if (err != -EPIPE) return err;
        kqueue_mark_changed(it, fd);
        return 0;
    }
    return 0;
}

static int kqueue_remove(void *state, int fd, unsigned events) {
    struct kqueue_state *it = state;
    (void)events;
    struct kqueue_watch *watch = &it->watches[fd];
    kqueue_unmark_changed(it, fd);
    kqueue_set_broken(it, watch, false);
    watch->wanted = 0;
    int result = 0;
    struct kevent change;
    while (kqueue_next_change(watch, fd, &change)) {
        int err = kqueue_make_change(it, &change);
        /* A close, of this number alone, has taken the filter along. */
        if (err != 0 && err != -EBADF && err != -ENOENT) result = err;
    }
    *watch = (struct kqueue_watch){0};
    return result;
}

static int kqueue_add(void *state, int fd, unsigned events, eddy_token token) {
    struct kqueue_state *it = state;
    int err = backend_check_watchable(fd);
    if (err != 0) return err;
    struct kqueue_watch *watches = backend_grow(&it->memory, it->watches, &it->watches_capacity,
                                                (size_t)fd + 1, sizeof *watches);
    if (watches == NULL) return -ENOMEM;
    it->watches = watches;
    int *changed = backend_grow(&it->memory, it->changed, &it->changed_capacity, (size_t)fd + 1,
                                sizeof *changed);
    if (changed == NULL) return -ENOMEM;
    it->changed = changed;
    watches[fd] = (struct kqueue_watch){.token = token, .wanted = (uint8_t)events};
    err = kqueue_change_now(it, fd);
    if (err != 0) kqueue_remove(state, fd, events);
    return err;
}

static int kqueue_modify(void *state, int fd, unsigned old_events, unsigned events,
                         eddy_token token) {
    struct kqueue_state *it = state;
    struct kqueue_watch *watch = &it->watches[fd];
    watch->token = token;
    watch->wanted = (uint8_t)events;
    /* Of a number that may have been used again, the kernel has forgotten what was attached. */
    watch->again = old_events == 0 || (events & (EDDY_EDGE | EDDY_HANGUP)) ? FILTERS : 0;
    kqueue_set_broken(it, watch, false);
    kqueue_mark_changed(it, fd);
    return it->is_nested ? kqueue_change_now(it, fd) : 0;
}

/* First come, first sent: what take_error puts back must not keep the others from their turn. */
static int kqueue_take_changes(struct kqueue_state *it, struct kevent *changes, int room) {
    unsigned done = 0;
    int count = 0;
    while (done < it->changed_count && count < room) {
        int fd = it->changed[done];
        struct kqueue_watch *watch = &it->watches[fd];
        if (kqueue_next_change(watch, fd, &changes[count])) {
            count++;
        } else {
            watch->place = 0;
            done++;
        }
    }
    it->changed_count -= done;
    for (unsigned i = 0; done > 0 && i < it->changed_count; i++) {
        it->changed[i] = it->changed[i + done];
        it->watches[it->changed[i]].place = i + 1;
    }
    return count;
}

/* Nothing comes of `fd` after this, and the next wait takes off what is still attached. */
static void kqueue_silence(struct kqueue_state *it, int fd) {
    it->watches[fd].wanted = 0;
    kqueue_mark_changed(it, fd);
}

/* A change that failed, or a receipt for one that did not: false if it is passed over. The event
 * has lost its EV_ADD or EV_DELETE, so the error itself must tell. ENOENT is a removal of what a
 * close has taken away already. EPIPE is an addition to a pipe without its other end, which is no
 * error elsewhere: there it is ready, and stays so, which trying again in later waits comes to. All
 * others have lost the descriptor. */
static bool kqueue_take_error(struct kqueue_state *it, int fd, unsigned filter, int error,
                              struct eddy_record *record) {
    struct kqueue_watch *watch = &it->watches[fd];
    if (error == 0 || error == ENOENT || watch->wanted == 0) return false;
    record->events = DIRECTIONS | EDDY_ERROR;
    watch->attached &= (uint8_t)~filter;
    error = kqueue_error_of(fd, filter, error);
    if (error == EPIPE) {
        record->events |= EDDY_HANGUP;
        kqueue_unmark_changed(it, fd); /* or the next wait would begin with it, before all others */
        if (watch->wanted & EDDY_ONESHOT)
            kqueue_silence(it, fd);
        else
            kqueue_set_broken(it, watch, !(watch->wanted & EDDY_EDGE));
        return true;
    }
    record->error = -error;
    kqueue_silence(it, fd);
    return true;
}

/* FreeBSD drops a filter when the object that it hangs on goes, and says so by an EV_ONESHOT that
 * nobody asked for: of a pipe's writer, when the reader closes. What is told by level goes on being
 * so: the filter is added again with the next wait, which comes to EPIPE and to what take_error
 * makes of that. An edge has been told; a modify adds it again in any case. Test:
 * a_writer_is_told_of_its_closed_reader_for_as_long_as_it_wants. */
static void kqueue_take_drop(struct kqueue_state *it, int fd, unsigned filter) {
    if (it->watches[fd].attached & EDDY_EDGE) return;
    it->watches[fd].attached &= (uint8_t)~filter;
    kqueue_mark_changed(it, fd);
}

static bool kqueue_take_event(struct kqueue_state *it, const struct kevent *event,
                              struct eddy_record *record) {
    int fd = (int)event->ident;
    struct kqueue_watch *watch = &it->watches[fd];
    unsigned filter = kqueue_filter_of(watch, event);
    *record = (struct eddy_record){.token = watch->token, .events = filter};
    if (event->flags & EV_ERROR) return kqueue_take_error(it, fd, filter, (int)event->data, record);
    if (event->flags & EV_EOF)
        record->events = kqueue_events_of_end(watch, event, filter);
    else if (filter == EDDY_HANGUP)
        return false; /* an arrival */
    if (watch->attached & EDDY_ONESHOT) {
        /* The kernel has dropped this filter, but for that of a hang-up; so goes the other. */
        if (filter != EDDY_HANGUP) watch->attached &= (uint8_t)~filter;
        kqueue_silence(it, fd);
    } else if (event->flags & EV_ONESHOT) {
        kqueue_take_drop(it, fd, filter);
    }
    return true;
}

static void kqueue_try_broken(struct kqueue_state *it) {
    for (unsigned fd = 0; it->broken_count > 0 && fd < it->watches_capacity; fd++) {
        if (!it->watches[fd].broken) continue;
        kqueue_set_broken(it, &it->watches[fd], false);
        kqueue_mark_changed(it, (int)fd);
    }
}

static int kqueue_send_and_wait(struct kqueue_state *it, struct eddy_record *records, int capacity,
                                int64_t timeout_ns) {
    struct kevent *events = it->events;
    int count = 0;
    for (;;) {
        int room = capacity - count;
        int changes = kqueue_take_changes(it, events, room);
        bool is_last = it->changed_count == 0;
        if (changes == room) /* there may be more: events must not come before those */
            for (int i = 0; i < changes; i++)
                events[i].flags = (unsigned short)(events[i].flags | EV_RECEIPT);
        int64_t wait_ns = is_last && count == 0 ? timeout_ns : 0;
        struct timespec time = backend_timespec(wait_ns < 0 ? 0 : wait_ns);
        int told = kevent(it->kqueue_fd, events, (event_count)changes, events, (event_count)room,
                          wait_ns < 0 ? NULL : &time);
        /* EINTR comes after all changes were made. */
        if (told < 0) return count > 0 || errno == EINTR ? count : -errno;
        bool had_errors = false;
        for (int i = 0; i < told; i++) {
            if (events[i].flags & EV_ERROR) had_errors = true;
            if (kqueue_take_event(it, &events[i], &records[count])) count++;
        }
        /* Errors of changes, and receipts, come as events, at once and in place of all others, if
         * there is room for them. So no more changes are sent than events fit, and the others are
         * asked for again. */
        if (count == capacity || (is_last && !had_errors)) return count;
    }
}

/* Trying broken pipes gives errors, which come in place of all events: so they have a call of their
 * own, behind the one that asks for the others; before it, when those left no room last time. */
static int kqueue_wait(void *state, struct eddy_record *records, int capacity, int64_t timeout_ns) {
    struct kqueue_state *it = state;
    if (it->broken_count == 0) return kqueue_send_and_wait(it, records, capacity, timeout_ns);
    int count = it->broken_starve ? 0 : kqueue_send_and_wait(it, records, capacity, 0);
    it->broken_starve = count == capacity;
    if (count < 0 || count == capacity) return count;
    kqueue_try_broken(it);
    int more =
        kqueue_send_and_wait(it, records + count, capacity - count, count > 0 ? 0 : timeout_ns);
    if (more < 0) return count > 0 ? count : more;
    return count + more;
}

/* From now on the queue itself must show what is ready, and so must hear of changes at once. What
 * fails is left for the wait to tell. Backwards, since unmarking puts the last in its place. It
 * cannot show a pipe without its reader, which takes no filter: of that only waits tell, each by
 * asking anew. Test: broken_pipe_is_seen_from_outside_or_not. */
static int kqueue_descriptor(void *state) {
    struct kqueue_state *it = state;
    it->is_nested = true;
    for (unsigned i = it->changed_count; i-- > 0;) {
        int fd = it->changed[i];
        if (kqueue_change_now(it, fd) != 0) kqueue_mark_changed(it, fd);
    }
    return it->kqueue_fd;
}

/* A broken pipe takes no filter to show it. Test: a_broken_pipe_is_told_to_who_waits_outside. */
static bool kqueue_has_unshown(void *state) {
    const struct kqueue_state *it = state;
    if (it->is_nested) (void)kqueue_descriptor(state); /* what the last wait has left to do */
    return it->broken_count > 0 || (it->is_nested && it->changed_count > 0);
}

const struct eddy_backend eddy_backend_kqueue = {
    .name = "kqueue",
    .capabilities = EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_NEST | EDDY_CAN_BATCH |
                    EDDY_CAN_HANGUP | BACKEND_CAN_SPLIT,
    .fd_max = INT_MAX - 1,
    .state_bytes = sizeof(struct kqueue_state),
    .open = kqueue_open,
    .close = kqueue_close,
    .reserve = kqueue_reserve,
    .descriptor_bytes = sizeof(struct kqueue_watch) + sizeof(int),
    .record_bytes = sizeof(struct kevent),
    .reopen = kqueue_reopen,
    .add = kqueue_add,
    .modify = kqueue_modify,
    .remove = kqueue_remove,
    .wait = kqueue_wait,
    .descriptor = kqueue_descriptor,
    .has_unshown = kqueue_has_unshown,
};
