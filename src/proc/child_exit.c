/* child_exit.c: how the loop hears of exits.
 *
 * The system tells of all children by one descriptor (exits.c of platform/): an exit costs the same
 * however many there are. Where that is not to be had, or refuses a child, SIGCHLD has those
 * children looked at, each by its number. Nobody is waited for whose number was not given: other
 * code of the program may have children too.
 *
 * The status is taken in phase 6, right before the callback, so that until then the number stays
 * the child's. What ended without an owner is waited for at once.
 *
 * Invariant: a record is in exactly one list; it is POSTED exactly while its post is in the inbox,
 * and then it has an owner. Threading: loop thread only. */
#include "proc.h"

#include "../core/room.h"

#include <signal.h>

ROOM_FITS(sizeof(struct proc_part), EDDY_CHILDREN_BYTES);
ROOM_FITS(sizeof(struct child_record), EDDY_CHILD_BYTES);

enum {
    EXIT_AGAIN_DOUBLINGS = 6, /* 1 ms, 2 ms … 64 ms */
};

/* What SIGCHLD has looked at is also looked at so often: a host may replace our handler. */
#define EXIT_LOOK_NS EDDY_NS_PER_S

/* --- Records --- */

/* A signal on its way keeps the loop alive, so it is asked for only while somebody is to be told.
 */
static void exit_rest(struct proc_part *proc) {
    if (!link_is_empty(&proc->signalled) || !eddy_is_active(&proc->signal.handle)) return;
    eddy_signal_stop(&proc->signal);
    proc->part.loop->own_handles--;
}

void eddy__record_free(struct child_record *record) {
    struct proc_part *proc = record->proc;
    EDDY_ASSERT(!(record->flags & RECORD_POSTED));
    if (record->flags & RECORD_IN_SET)
        eddy_os_exits_remove(proc->exits, record->pid, record->pidfd);
    if (record->pidfd >= 0) eddy_os_close(record->pidfd);
    link_remove(&record->link);
    exit_rest(proc);
    eddy__resize(proc->part.loop, record, sizeof *record, 0);
}

static void exit_move(struct child_record *record, eddy_link *list) {
    link_remove(&record->link);
    link_add_last(list, &record->link);
}

/* The timer is started always: this needs no memory. */
static void exit_arm(struct proc_part *proc, int64_t delay_ns) {
    int64_t due_ns = loop_now_ns(proc->part.loop) + delay_ns;
    if (due_ns < eddy_timer_due_ns(&proc->again))
        (void)eddy_timer_start_at(&proc->again, proc->again.fn, due_ns, 0);
}

/* It has ended and cannot be waited for yet, or nobody would tell. */
static void exit_ask_again(struct child_record *record) {
    exit_move(record, &record->proc->early);
    exit_arm(record->proc, EDDY_NS_PER_MS << record->tries);
    if (record->tries < EXIT_AGAIN_DOUBLINGS) record->tries++;
}

void eddy__record_disown(struct child_record *record) {
    if (record->flags & RECORD_IN_SET) return;
    exit_ask_again(record);
    exit_rest(record->proc);
}

/* As long as nobody has waited for the leader its number is no other group's. */
static void exit_end_group(const struct child_record *record) {
    eddy_exit exit;
    if (!(record->flags & RECORD_END_GROUP) || (record->flags & RECORD_LOST)) return;
    if (eddy_os_child_wait(record->pid, record->pidfd, true, &exit) == 1)
        (void)eddy_os_child_kill_group(record->pid, SIGKILL);
}

int eddy__record_take(const struct child_record *record, eddy_exit *exit) {
    exit_end_group(record);
    bool leave = (record->flags & RECORD_LEAVE) != 0;
    int result = record->flags & RECORD_LOST
                     ? -ECHILD
                     : eddy_os_child_wait(record->pid, record->pidfd, leave, exit);
    if (result < 0) *exit = (eddy_exit){.error = result};
    return result;
}

void eddy__record_ended(struct child_record *record) {
    eddy_exit exit;
    if (record->flags & RECORD_POSTED) return;
    if (record->owner != NULL) {
        record->flags |= RECORD_POSTED;
        record->post.fn = eddy__record_run;
        eddy__inbox_push_local(record->proc->part.loop, &record->post);
    } else if (eddy__record_take(record, &exit) != 0) {
        eddy__record_free(record);
    } else {
        exit_ask_again(record);
    }
}

/* Phase 6. */
void eddy__record_run(eddy_post *post) {
    struct child_record *record = eddy_container_of(post, struct child_record, post);
    eddy_child *child = record->owner;
    eddy_exit exit;
    record->flags &= (uint8_t)~RECORD_POSTED;
    if (eddy__record_take(record, &exit) == 0) {
        exit_ask_again(record);
        return;
    }
    child->record = NULL;
    handle_stop(&child->handle);
    eddy__record_free(record);
    CALLBACK(child->handle.loop, EDDY_KIND_CHILD, child, child->fn, child,
             &exit); /* it may be gone now */
}

struct child_record *eddy__record_find(struct proc_part *proc, pid_t pid) {
    eddy_link *lists[] = {&proc->watched, &proc->signalled, &proc->early};
    for (int i = 0; i < 3; i++) {
        for (eddy_link *link = lists[i]->next; link != lists[i]; link = link->next) {
            struct child_record *record = eddy_container_of(link, struct child_record, link);
            if (record->pid == pid) return record;
        }
    }
    return NULL;
}

void eddy__record_own(struct child_record *record, eddy_child *child, eddy_exit_fn *fn) {
    record->owner = child;
    child->record = record;
    child->pid = record->pid;
    child->fn = fn;
    handle_start(&child->handle);
}

/* --- Who tells --- */

/* Of what is waited for nobody is told yet: it is only looked at. */
static void exit_look(struct child_record *record) {
    eddy_exit exit;
    if (eddy_os_child_wait(record->pid, record->pidfd, true, &exit) != 0)
        eddy__record_ended(record);
}

static void exit_look_at_all(struct proc_part *proc) {
    for (eddy_link *link = proc->signalled.next, *next; link != &proc->signalled; link = next) {
        next = link->next;
        exit_look(eddy_container_of(link, struct child_record, link));
    }
}

static void exit_on_signal(eddy_signal *signal, int number) {
    (void)number;
    exit_look_at_all(eddy_container_of(signal, struct proc_part, signal));
}

static void exit_on_timer(eddy_timer *timer) {
    struct proc_part *proc = eddy_container_of(timer, struct proc_part, again);
    eddy_link now;
    (void)eddy_timer_start_at(timer, exit_on_timer, INT64_MAX, 0); /* in the place that it had */
    link_move_all(&now, &proc->early);
    exit_look_at_all(proc);
    if (!link_is_empty(&proc->signalled)) exit_arm(proc, EXIT_LOOK_NS);
    while (!link_is_empty(&now)) {
        struct child_record *record = eddy_container_of(now.next, struct child_record, link);
        exit_move(record, &proc->watched);
        eddy__record_ended(record);
    }
}

/* Not more of them than one call tells: the descriptor stays ready, and others have their turn. */
static void exit_on_exits(eddy_io *io, unsigned events) {
    struct proc_part *proc = eddy_container_of(io, struct proc_part, io);
    void *tokens[EDDY_OS_EXITS_MAX];
    int error = events & EDDY_ERROR ? eddy_io_error(io) : 0;
    proc->part.loop->metrics.callbacks--; /* nobody's but the loop's */
    if (error != 0 && error != -EBADF) /* the backend had no memory for it: as the wake-up does */
        (void)eddy_io_change(io, EDDY_READ);
    int count = eddy_os_exits_next(proc->exits, tokens, EDDY_OS_EXITS_MAX);
    for (int i = 0; i < count; i++) {
        struct child_record *record = tokens[i];
        record->flags &= (uint8_t)~RECORD_IN_SET;
        eddy__record_ended(record);
    }
}

/* --- Starting --- */

static int exit_open(struct proc_part *proc) {
    if (proc->exits >= 0 || proc->has_no_exits) return 0;
    int exits = eddy_os_exits_open();
    proc->has_no_exits = exits == -ENOSYS;
    if (exits < 0) return proc->has_no_exits ? 0 : exits;
    int err = eddy_io_start(&proc->io, exit_on_exits, exits, EDDY_READ);
    if (err < 0) {
        eddy_os_exits_close(exits, false);
        return err;
    }
    proc->part.loop->own_handles++;
    proc->exits = exits;
    return 0;
}

static int exit_start_timer(struct proc_part *proc) {
    if (eddy_is_active(&proc->again.handle)) return 0;
    int err = eddy_timer_start_at(&proc->again, exit_on_timer, INT64_MAX, 0);
    if (err == 0) proc->part.loop->own_handles++;
    return err;
}

int eddy__proc_start(eddy_loop *loop, struct child_record **started) {
    struct part *part = eddy__part_of(loop, &eddy__proc_kind);
    if (part == NULL) return -ENOMEM;
    struct proc_part *proc = eddy_container_of(part, struct proc_part, part);
    int err = exit_start_timer(proc);
    if (err == 0) err = exit_open(proc);
    if (err < 0) return err;
    struct child_record *record = eddy__resize(loop, NULL, 0, sizeof *record);
    if (record == NULL) return -ENOMEM;
    *record = (struct child_record){.proc = proc, .pidfd = -1};
    link_init(&record->link);
    *started = record;
    return 0;
}

static int exit_start_signal(struct proc_part *proc) {
    if (eddy_is_active(&proc->signal.handle)) return 0;
    int err = eddy_signal_start(&proc->signal, exit_on_signal, SIGCHLD);
    if (err == 0) proc->part.loop->own_handles++;
    return err;
}

/* Whatever the system refuses, there is a way left: what can be neither watched nor signalled is
 * asked on the timer. A child may have ended before the handler was there. */
int eddy__record_watch(struct child_record *record) {
    struct proc_part *proc = record->proc;
    int err = proc->exits < 0 ? -ENOSYS
                              : eddy_os_exits_add(proc->exits, record->pid, record->pidfd, record);
    if (err == 0) {
        record->flags |= RECORD_IN_SET;
        exit_move(record, &proc->watched);
    } else if (err == -ESRCH) {
        exit_move(record, &proc->watched);
        eddy__record_ended(record);
    } else if (!(record->flags & RECORD_REAPED) && eddy_os_child_find(record->pid) < 1) {
        return err == -ENOSYS ? -ECHILD : err; /* no wait tells of what is no child */
    } else if (exit_start_signal(proc) == 0) {
        exit_move(record, &proc->signalled);
        exit_arm(proc, EXIT_LOOK_NS);
        exit_look(record);
    } else {
        exit_ask_again(record);
    }
    return 0;
}
