/* verify.c: every invariant of the loop, looked at from outside.
 * The tests call it each turn; a broken invariant is then found where it breaks, not where it
 * hurts. Threading: loop thread only. */
#include "loop.h"

#include <errno.h>
#include <stdatomic.h>

#define HOLDS(condition)                     \
    do {                                     \
        if (!(condition)) return #condition; \
    } while (0)

/* Active handles found so far, and those of them that are referenced. */
struct count {
    unsigned handles, referenced;
};

static void count_handle(struct count *count, const eddy_handle *handle) {
    count->handles++;
    if (!(handle->flags & HANDLE_UNREF)) count->referenced++;
}

static const char *verify_slot(const eddy_loop *loop, unsigned fd, struct count *count) {
    const struct io_slot *slot = &loop->io_slots[fd];
    uint32_t wanted = 0;
    for (const eddy_io *io = slot->first; io != NULL; io = io->next) {
        HOLDS(io->handle.loop == loop);
        HOLDS(handle_is_active(&io->handle));
        HOLDS(io->handle.place == fd);
        HOLDS(io->fn != NULL);
        HOLDS(io->born <= loop->turn);
        if (io->events & (EDDY_READ | EDDY_WRITE)) wanted |= io->events;
        if (io->events & EDDY_ONESHOT) HOLDS(slot->first == io && io->next == NULL);
        count_handle(count, &io->handle);
    }
    HOLDS(slot->wanted == wanted);
    HOLDS((slot->flags & IO_SLOT_MERGING) == 0);
    bool is_single = slot->first != NULL && slot->first->next == NULL;
    bool is_plain = is_single && (wanted & (EDDY_READ | EDDY_WRITE)) && !(wanted & EDDY_ONESHOT);
    if (slot->first == NULL)
        HOLDS(slot->registered == 0);
    else
        HOLDS(is_plain == !(slot->flags & IO_SLOT_SPECIAL));
    /* What differs from the backend is noted to be flushed, but for shots fired before a fork. */
    if (slot->wanted != slot->registered) HOLDS(slot->flags & (IO_SLOT_CHANGED | IO_SLOT_DISARMED));
    return NULL;
}

static const char *verify_io(const eddy_loop *loop, struct count *count) {
    unsigned changed = 0;
    HOLDS(loop->io_lost_count <= loop->io_changes_count);
    HOLDS(loop->io_changes_count <= loop->io_slots_count);
    for (unsigned fd = 0; fd < loop->io_slots_count; fd++) {
        const char *broken = verify_slot(loop, fd, count);
        if (broken != NULL) return broken;
        if (loop->io_slots[fd].flags & IO_SLOT_CHANGED) changed++;
    }
    HOLDS(changed == loop->io_changes_count);
    for (unsigned i = 0; i < loop->io_changes_count; i++) {
        HOLDS((unsigned)loop->io_changes[i] < loop->io_slots_count);
        HOLDS(loop->io_slots[loop->io_changes[i]].flags & IO_SLOT_CHANGED);
    }
    HOLDS(loop->io_next == NULL || handle_is_active(&loop->io_next->handle));
    return NULL;
}

static const char *verify_timers(const eddy_loop *loop, struct count *count) {
    HOLDS(loop->timers_count <= loop->timers_capacity);
    for (unsigned i = 0; i < loop->timers_count; i++) {
        const struct timer_entry *entry = &loop->timers[i];
        const eddy_timer *timer = entry->timer;
        HOLDS(timer->handle.loop == loop);
        HOLDS(handle_is_active(&timer->handle));
        HOLDS(timer->handle.place == i);
        HOLDS(entry->due_ns <= timer->due_ns);
        HOLDS(entry->order <= timer->order && timer->order <= loop->timer_order);
        if (entry->order == timer->order) HOLDS(entry->due_ns == timer->due_ns);
        if (i > 0) {
            const struct timer_entry *parent = &loop->timers[(i - 1) / 16];
            HOLDS(parent->due_ns < entry->due_ns ||
                  (parent->due_ns == entry->due_ns && parent->order < entry->order));
        }
        count_handle(count, &timer->handle);
    }
    return NULL;
}

static const char *verify_defers(const eddy_link *list, const eddy_loop *loop,
                                 struct count *count) {
    for (const eddy_link *link = list->next; link != list; link = link->next) {
        const eddy_defer *defer = eddy_container_of(link, eddy_defer, link);
        HOLDS(link->next->prev == link && link->prev->next == link);
        HOLDS(defer->handle.loop == loop);
        HOLDS(handle_is_active(&defer->handle));
        count_handle(count, &defer->handle);
    }
    return NULL;
}

static const char *verify_hooks(const eddy_loop *loop, struct count *count) {
    for (uint32_t kind = 0; kind < 3; kind++) {
        const eddy_link *list = &loop->hooks[kind];
        for (const eddy_link *link = list->next; link != list; link = link->next) {
            const eddy_hook *hook = eddy_container_of(link, eddy_hook, link);
            HOLDS(link->next->prev == link && link->prev->next == link);
            HOLDS(hook->handle.loop == loop);
            HOLDS(handle_is_active(&hook->handle));
            HOLDS((hook->handle.flags & HANDLE_KIND) >> HANDLE_KIND_SHIFT == kind);
            HOLDS(hook->born <= loop->hook_runs);
            count_handle(count, &hook->handle);
        }
    }
    return NULL;
}

static const char *verify_queue(const struct inbox_queue *queue) {
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

static const char *verify_counts(const eddy_loop *loop, const struct count *count) {
    /* Wakes and signals are in no list of the loop: they make up the rest. */
    HOLDS(count->handles <= loop->handles);
    HOLDS(count->referenced <= loop->active);
    return NULL;
}

int eddy_loop_verify(const eddy_loop *loop, const char **broken) {
    struct count count = {0, 0};
    const char *found = verify_io(loop, &count);
    if (found == NULL) found = verify_timers(loop, &count);
    if (found == NULL) found = verify_hooks(loop, &count);
    if (found == NULL) found = verify_defers(&loop->deferred, loop, &count);
    if (found == NULL) found = verify_defers(&loop->deferring, loop, &count);
    if (found == NULL) found = verify_defers(&loop->closing, loop, &count);
    if (found == NULL) found = verify_defers(&loop->closing_now, loop, &count);
    if (found == NULL) found = verify_queue(&loop->inbox);
    if (found == NULL) found = verify_queue(&loop->inbox_signals);
    if (found == NULL && loop->work != NULL) found = loop->work->verify(loop);
    if (found == NULL) found = verify_counts(loop, &count);
    if (broken != NULL) *broken = found;
    return found == NULL ? 0 : -EPROTO;
}
