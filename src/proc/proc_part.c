/* proc_part.c: the children of a loop: what becomes of them when it is closed, and in a forked
 * process; and what is to be told of them.
 * Threading: loop thread only. */
#include "proc.h"

#include "../core/verify.h"

static void proc_init_handle(eddy_handle *handle) {
    handle_set_inner(handle);
    eddy_unref(handle);
}

static void proc_open(struct part *part) {
    struct proc_part *proc = eddy_container_of(part, struct proc_part, part);
    link_init(&proc->watched);
    link_init(&proc->signalled);
    link_init(&proc->early);
    eddy_io_init(&proc->io, part->loop);
    eddy_signal_init(&proc->signal, part->loop);
    eddy_timer_init(&proc->again, part->loop);
    proc_init_handle(&proc->io.handle);
    proc_init_handle(&proc->signal.handle);
    proc_init_handle(&proc->again.handle);
    proc->exits = -1;
    proc->process = eddy_os_process_id();
}

static void proc_close_exits(struct proc_part *proc, bool is_parents) {
    if (proc->exits < 0) return;
    eddy_io_stop(&proc->io);
    proc->part.loop->own_handles--;
    eddy_os_exits_close(proc->exits, is_parents);
    proc->exits = -1;
}

/* What has ended is still waited for; what runs is nobody's from now on. */
static void proc_let_go(eddy_link *list) {
    while (!link_is_empty(list)) {
        struct child_record *record = eddy_container_of(list->next, struct child_record, link);
        eddy_exit exit;
        EDDY_ASSERT(record->owner == NULL);
        (void)eddy__record_take(record, &exit);
        eddy__record_free(record);
    }
}

static int proc_close(struct part *part) {
    struct proc_part *proc = eddy_container_of(part, struct proc_part, part);
    proc_let_go(&proc->watched);
    proc_let_go(&proc->signalled);
    proc_let_go(&proc->early);
    proc_close_exits(proc, false);
    if (eddy_is_active(&proc->signal.handle)) part->loop->own_handles--;
    if (eddy_is_active(&proc->again.handle)) part->loop->own_handles--;
    eddy_signal_stop(&proc->signal);
    eddy_timer_stop(&proc->again);
    return 0;
}

/* All of them are told of as lost, in a turn of this process. */
static void proc_lose(struct proc_part *proc, eddy_link *list) {
    eddy_link lost;
    link_move_all(&lost, list);
    while (!link_is_empty(&lost)) {
        struct child_record *record = eddy_container_of(lost.next, struct child_record, link);
        if (record->pidfd >= 0) eddy_os_close(record->pidfd);
        record->pidfd = -1;
        record->flags &= (uint8_t)~RECORD_IN_SET;
        record->flags |= RECORD_LOST;
        link_remove(&record->link);
        link_add_last(&proc->watched, &record->link);
        eddy__record_ended(record); /* frees what has no owner */
    }
}

/* A forked process has no children yet. The set is its parent's as well, so nothing is taken out of
 * it. */
static int proc_after_fork(struct part *part) {
    struct proc_part *proc = eddy_container_of(part, struct proc_part, part);
    if (proc->process == eddy_os_process_id()) return 0;
    proc->process = eddy_os_process_id();
    proc_close_exits(proc, true);
    proc->has_no_exits = false;
    proc_lose(proc, &proc->signalled);
    proc_lose(proc, &proc->early);
    proc_lose(proc, &proc->watched);
    return 0;
}

/* --- Invariants, walks --- */

static const char *proc_verify_list(const struct proc_part *proc, const eddy_link *list) {
    for (const eddy_link *link = list->next; link != list; link = link->next) {
        const struct child_record *record = eddy_container_of(link, struct child_record, link);
        const eddy_child *child = record->owner;
        HOLDS(link->next->prev == link && link->prev->next == link);
        HOLDS(record->proc == proc);
        HOLDS(record->pid > 0);
        if (record->flags & RECORD_IN_SET) HOLDS(list == &proc->watched && proc->exits >= 0);
        if (record->flags & RECORD_POSTED) HOLDS(child != NULL);
        if (child == NULL) continue;
        HOLDS(child->record == record && child->pid == record->pid);
        HOLDS(handle_is_active(&child->handle) && child->handle.loop == proc->part.loop);
        HOLDS(child->fn != NULL);
    }
    return NULL;
}

static const char *proc_verify(const struct part *part) {
    const struct proc_part *proc = eddy_container_of(part, const struct proc_part, part);
    const char *broken = proc_verify_list(proc, &proc->watched);
    if (broken == NULL) broken = proc_verify_list(proc, &proc->signalled);
    if (broken == NULL) broken = proc_verify_list(proc, &proc->early);
    return broken;
}

static void proc_count_list(const eddy_link *list, struct verify_count *count) {
    for (const eddy_link *link = list->next; link != list; link = link->next) {
        const struct child_record *record = eddy_container_of(link, struct child_record, link);
        if (record->owner != NULL) verify_count_handle(count, &record->owner->handle);
    }
}

static void proc_count(const struct part *part, struct verify_count *count) {
    const struct proc_part *proc = eddy_container_of(part, const struct proc_part, part);
    proc_count_list(&proc->watched, count);
    proc_count_list(&proc->signalled, count);
    proc_count_list(&proc->early, count);
}

static void proc_walk_list(const eddy_link *list, const struct loop_walk *walk) {
    for (const eddy_link *link = list->next; link != list; link = link->next) {
        eddy_child *child = eddy_container_of(link, struct child_record, link)->owner;
        if (child != NULL)
            eddy__walk_tell(walk, EDDY_KIND_CHILD, child, !(child->handle.flags & HANDLE_UNREF));
    }
}

static void proc_walk(const struct part *part, const struct loop_walk *walk,
                      const eddy_walk_item *of) {
    const struct proc_part *proc = eddy_container_of(part, const struct proc_part, part);
    if (of != NULL) return;
    proc_walk_list(&proc->watched, walk);
    proc_walk_list(&proc->signalled, walk);
    proc_walk_list(&proc->early, walk);
}

static bool proc_owns(const struct part *part, const eddy_post *post) {
    (void)part;
    return post->fn == eddy__record_run;
}

const struct part_kind eddy__proc_kind = {
    .bytes = sizeof(struct proc_part),
    .open = proc_open,
    .close = proc_close,
    .after_fork = proc_after_fork,
    .verify = proc_verify,
    .count = proc_count,
    .walk = proc_walk,
    .owns = proc_owns,
};
