/* verify.c: every invariant of the loop, looked at from outside.
 * The tests call it each turn; a broken invariant is then found where it breaks, not where it
 * hurts. Threading: loop thread only. */
#include "verify.h"
#include "handle.h"
#include "list.h"
#include "loop.h"
#include "signal.h"
#include "wake.h"

#include <errno.h>
#include <stdatomic.h>

static const char *verify_slot(const eddy_loop *loop, unsigned fd, struct verify_count *count) {
    const struct io_slot *slot = &loop->io.slots[fd];
    uint32_t interest = 0;
    for (const eddy_io *io = slot->first; io != NULL; io = io->next) {
        HOLDS(io->handle.loop == loop);
        HOLDS(handle_is_active(&io->handle));
        HOLDS(io->handle.place == fd);
        HOLDS(io->fn != NULL);
        HOLDS(io->born <= loop->turn);
        if (io->events & IO_INTEREST) interest |= io->events;
        if (io->events & EDDY_ONESHOT) HOLDS(slot->first == io && io->next == NULL);
        verify_count_handle(count, &io->handle);
    }
    HOLDS(slot->interest == interest);
    HOLDS(slot->merged == 0);
    bool is_single = slot->first != NULL && slot->first->next == NULL;
    bool is_plain = is_single && io_is_plain(interest, slot->registered);
    if (slot->first == NULL)
        HOLDS(slot->registered == 0);
    else
        HOLDS(IS_SMALL || is_plain == !(slot->flags & IO_SLOT_SPECIAL));
    /* What differs from the backend is noted to be flushed, but for one-shots told before a fork.
     */
    if (slot->interest != slot->registered)
        HOLDS(slot->flags & (IO_SLOT_CHANGED | IO_SLOT_DISARMED));
    return NULL;
}

static const char *verify_io(const eddy_loop *loop, struct verify_count *count) {
    unsigned changed = 0;
    HOLDS(loop->io.lost_count <= loop->io.changes_count);
    HOLDS(loop->io.changes_count <= loop->io.slots_count);
    for (unsigned fd = 0; fd < loop->io.slots_count; fd++) {
        const char *broken = verify_slot(loop, fd, count);
        if (broken != NULL) return broken;
        if (loop->io.slots[fd].flags & IO_SLOT_CHANGED) changed++;
    }
    HOLDS(changed == loop->io.changes_count);
    for (unsigned i = 0; i < loop->io.changes_count; i++) {
        HOLDS((unsigned)loop->io.changes[i] < loop->io.slots_count);
        HOLDS(loop->io.slots[loop->io.changes[i]].flags & IO_SLOT_CHANGED);
    }
    HOLDS(loop->io.next == NULL || handle_is_active(&loop->io.next->handle));
    return NULL;
}

#ifdef EDDY_SMALL
static const char *verify_timers(const eddy_loop *loop, struct verify_count *count) {
    const struct timer_queue *heap = &loop->timers;
    HOLDS(heap->count <= heap->capacity);
    for (unsigned i = 0; i < heap->count; i++) {
        const eddy_timer *timer = heap->entries[i].timer;
        const eddy_timer *parent = heap->entries[i > 0 ? (i - 1) / 2 : 0].timer;
        HOLDS(timer->handle.loop == loop);
        HOLDS(handle_is_active(&timer->handle));
        HOLDS(timer->handle.place == i);
        HOLDS(timer->order <= heap->order);
        HOLDS(parent->due_ns <= timer->due_ns);
        HOLDS(parent->due_ns < timer->due_ns || parent->order <= timer->order);
        verify_count_handle(count, &timer->handle);
    }
    return NULL;
}
#else
static const char *verify_timer(const eddy_loop *loop, uint32_t link, struct verify_count *count) {
    const struct timer_queue *wheel = &loop->timers;
    HOLDS(link >= WHEEL_FIRST && link - WHEEL_FIRST < wheel->touched);
    const eddy_timer *timer = wheel_entry(wheel, link)->timer;
    HOLDS(timer->handle.loop == loop);
    HOLDS(handle_is_active(&timer->handle));
    HOLDS(timer->handle.place == link - WHEEL_FIRST);
    verify_count_handle(count, &timer->handle);
    return NULL;
}

static const char *verify_listed(const eddy_loop *loop, uint32_t list, uint32_t link) {
    const struct timer_queue *wheel = &loop->timers;
    const struct wheel_link *links = wheel->links;
    const struct wheel_entry *entry = wheel_entry(wheel, link);
    HOLDS(links[links[link].next].prev == link && links[links[link].prev].next == link);
    HOLDS(link - WHEEL_FIRST != wheel->nearest);
    if (list == WHEEL_DUE) {
        uint32_t next = links[link].next;
        HOLDS(entry->due_ns <= loop->now_ns);
        HOLDS(next == list || entry->due_ns <= wheel_entry(wheel, next)->due_ns);
        HOLDS(wheel->next_ns == 0 || loop->running);
    } else {
        HOLDS(entry->due_ns >= wheel->base_ns);
        HOLDS(entry->due_ns >= wheel->next_ns);
        HOLDS(wheel_level_of(wheel, entry->due_ns) == list / WHEEL_SLOTS);
        HOLDS(wheel_slot_of(list / WHEEL_SLOTS, entry->due_ns) == list % WHEEL_SLOTS);
        HOLDS(wheel->used[list / WHEEL_SLOTS] & UINT64_C(1) << list % WHEEL_SLOTS);
    }
    return NULL;
}

static const char *verify_timers(const eddy_loop *loop, struct verify_count *count) {
    const struct timer_queue *wheel = &loop->timers;
    HOLDS(wheel->count <= wheel->touched && wheel->touched <= wheel->capacity);
    if (wheel->capacity == 0) return NULL;
    unsigned found = 0, given_back = 0;
    for (uint32_t list = 0; list < WHEEL_FIRST; list++) {
        if (list < WHEEL_LISTS && wheel_list_is_empty(wheel, list))
            HOLDS(!(wheel->used[list / WHEEL_SLOTS] & UINT64_C(1) << list % WHEEL_SLOTS));
        for (uint32_t link = wheel->links[list].next; link != list;
             link = wheel->links[link].next) {
            const char *broken = verify_timer(loop, link, count);
            if (broken == NULL) broken = verify_listed(loop, list, link);
            if (broken != NULL) return broken;
            found++;
        }
    }
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        HOLDS(!(wheel->used[level] == 0) == (wheel->levels >> level & 1));
    if (wheel->nearest < WHEEL_CROWD) {
        const char *broken = verify_timer(loop, wheel->nearest + WHEEL_FIRST, count);
        if (broken != NULL) return broken;
        HOLDS(wheel->entries[wheel->nearest].due_ns == wheel->next_ns);
        found++;
    }
    HOLDS(found == wheel->count);
    for (uint32_t link = wheel->free; link != WHEEL_DUE; link = wheel->links[link].next)
        given_back++;
    HOLDS(found + given_back == wheel->touched);
    return NULL;
}
#endif

static const char *verify_defers(const eddy_link *list, const eddy_loop *loop,
                                 struct verify_count *count) {
    for (const eddy_link *link = list->next; link != list; link = link->next) {
        const eddy_defer *defer = eddy_container_of(link, eddy_defer, link);
        HOLDS(link->next->prev == link && link->prev->next == link);
        HOLDS(defer->handle.loop == loop);
        HOLDS(handle_is_active(&defer->handle));
        verify_count_handle(count, &defer->handle);
    }
    return NULL;
}

static const char *verify_hooks(const eddy_loop *loop, struct verify_count *count) {
    for (uint32_t kind = 0; kind < HOOK_KINDS; kind++) {
        const eddy_link *list = &loop->hooks.lists[kind];
        for (const eddy_link *link = list->next; link != list; link = link->next) {
            const eddy_hook *hook = eddy_container_of(link, eddy_hook, link);
            HOLDS(link->next->prev == link && link->prev->next == link);
            HOLDS(hook->handle.loop == loop);
            HOLDS(handle_is_active(&hook->handle));
            HOLDS((hook->handle.flags & HANDLE_KIND) >> HANDLE_KIND_SHIFT == kind);
            HOLDS(hook->born <= loop->hooks.runs);
            verify_count_handle(count, &hook->handle);
        }
    }
    return NULL;
}

static const char *verify_wakes(const eddy_loop *loop, struct verify_count *count) {
    for (const eddy_link *link = loop->wakes.next; link != &loop->wakes; link = link->next) {
        const eddy_wake *wake = eddy_container_of(link, eddy_wake, link);
        HOLDS(link->next->prev == link && link->prev->next == link);
        HOLDS(wake->handle.loop == loop);
        HOLDS(handle_is_active(&wake->handle));
        HOLDS(wake->fn != NULL);
        verify_count_handle(count, &wake->handle);
    }
    return NULL;
}

static const char *verify_signals(const eddy_loop *loop, struct verify_count *count) {
    for (const eddy_link *link = loop->signals.next; link != &loop->signals; link = link->next) {
        const eddy_signal *watcher = eddy_container_of(link, eddy_signal, link);
        HOLDS(link->next->prev == link && link->prev->next == link);
        HOLDS(watcher->handle.loop == loop);
        HOLDS(handle_is_active(&watcher->handle));
        HOLDS(watcher->fn != NULL);
        verify_count_handle(count, &watcher->handle);
    }
    return NULL;
}

/* Where nobody can post anything the queues are not even made. */
static const char *verify_queue(const struct inbox_queue *queue) {
    if (!IS_LINKED(eddy__inbox_open)) return NULL;
    eddy_post *const *last = &queue->first;
    bool end_found = queue->end == last;
    for (const eddy_post *post = queue->first; post != NULL; post = post->next) {
        HOLDS(post->fn != NULL);
        last = &post->next;
        end_found = end_found || queue->end == last;
    }
    HOLDS(queue->last == last);
    HOLDS(end_found);
    return NULL;
}

/* Each bit of `due` is there exactly while there is something of its kind. */
static const char *verify_due(const eddy_loop *loop) {
    unsigned due = loop->due;
    const eddy_link *hooks = loop->hooks.lists;
    HOLDS(!(due & DUE_PREPARE) == link_is_empty(&hooks[EDDY_HOOK_PREPARE]));
    HOLDS(!(due & DUE_CHECK) == link_is_empty(&hooks[EDDY_HOOK_CHECK]));
    HOLDS(!(due & DUE_IDLE) == link_is_empty(&hooks[EDDY_HOOK_IDLE]));
    HOLDS(!(due & DUE_FLUSH) == !(loop->io.changes_count > 0 || loop->io.rebuild_due));
    HOLDS(!(due & DUE_LOST) == (loop->io.lost_count == 0));
    HOLDS(!(due & DUE_INBOX) == !(loop->inbox.posts.first || loop->inbox.signals.first));
    HOLDS(!(due & DUE_DEFERRED) == link_is_empty(&loop->deferred.queued));
    HOLDS(!(due & DUE_CLOSING) == link_is_empty(&loop->closing.queued));
    return NULL;
}

static const char *verify_counts(const eddy_loop *loop, const struct verify_count *count) {
    HOLDS(count->handles == loop->handles);
    HOLDS(count->referenced <= loop->active); /* requests in flight make up the rest */
    return NULL;
}

int eddy_loop_verify(const eddy_loop *loop, const char **broken) {
    EDDY_ASSERT(!loop->walking); /* which may hold the pool's lock */
    struct verify_count count = {0, 0};
    const char *found = verify_io(loop, &count);
    if (found == NULL) found = verify_timers(loop, &count);
    if (found == NULL) found = verify_hooks(loop, &count);
    if (found == NULL) found = verify_defers(&loop->deferred.queued, loop, &count);
    if (found == NULL) found = verify_defers(&loop->deferred.now, loop, &count);
    if (found == NULL) found = verify_defers(&loop->closing.queued, loop, &count);
    if (found == NULL) found = verify_defers(&loop->closing.now, loop, &count);
    if (found == NULL) found = verify_wakes(loop, &count);
    if (found == NULL) found = verify_signals(loop, &count);
    if (found == NULL) found = verify_queue(&loop->inbox.posts);
    if (found == NULL) found = verify_queue(&loop->inbox.signals);
    if (found == NULL) found = verify_due(loop);
    if (found == NULL) found = eddy__observe_verify(loop);
    if (found == NULL) found = eddy__part_verify(loop);
    if (found == NULL) eddy__part_count(loop, &count);
    if (found == NULL) found = verify_counts(loop, &count);
    if (broken != NULL) *broken = found;
    return found == NULL ? 0 : -EPROTO;
}
