/* child.c: the handle of a child: watching what others have started, letting go, signals.
 * Invariant: a handle is active exactly while it has a record, and the record has it.
 * Threading: loop thread only. */
#include "proc.h"

void eddy_child_init(eddy_child *child, eddy_loop *loop) {
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_CHILD, child));
    handle_init(&child->handle, loop, EDDY_KIND_CHILD);
    child->fn = NULL;
    child->record = NULL;
    child->pid = 0;
}

/* --- Watching --- */

/* The set of a kqueue has a number once only, so this loop has one record for it. */
static int child_adopt(eddy_child *child, struct child_record *record, unsigned options,
                       eddy_exit_fn *fn) {
    if (record->owner != NULL) return -EBUSY;
    if (options & EDDY_CHILD_LEAVE) record->flags |= RECORD_LEAVE;
    eddy__record_own(record, child, fn);
    if (!(record->flags & RECORD_IN_SET)) (void)eddy__record_watch(record); /* it is our child */
    return 0;
}

/* Whether it is there, and can be watched. */
static int child_find(struct child_record *record) {
    int pidfd = eddy_os_pidfd(record->pid);
    if (pidfd < 0 && pidfd != -ENOSYS) return pidfd;
    record->pidfd = pidfd < 0 ? -1 : pidfd;
    if (pidfd >= 0) return 0;
    int found = eddy_os_child_find(record->pid);
    if (found < 0) return found;
    return found == 0 && record->proc->exits < 0 ? -ECHILD : 0;
}

int eddy_child_watch(eddy_child *child, pid_t pid, unsigned options, eddy_exit_fn *fn) {
    eddy_loop *loop = child->handle.loop;
    struct child_record *record;
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&child->handle));
    if (handle_is_active(&child->handle)) return -EALREADY;
    if (pid <= 0 || (options & ~(unsigned)EDDY_CHILD_LEAVE)) return -EINVAL;
    int err = eddy__proc_start(loop, &record);
    if (err < 0) return err;
    struct child_record *known = eddy__record_find(record->proc, pid);
    record->pid = pid;
    if (options & EDDY_CHILD_LEAVE) record->flags |= RECORD_LEAVE;
    err = known != NULL ? child_adopt(child, known, options, fn) : child_find(record);
    if (err < 0 || known != NULL) {
        eddy__record_free(record);
        return err;
    }
    eddy__record_own(record, child, fn);
    err = eddy__record_watch(record);
    if (err == 0) return 0;
    child->record = NULL;
    handle_stop(&child->handle);
    eddy__record_free(record);
    return err;
}

/* --- Letting go --- */

void eddy_child_stop(eddy_child *child) {
    struct child_record *record = child->record;
    if (!handle_is_active(&child->handle)) return;
    child->record = NULL;
    handle_stop(&child->handle);
    bool has_ended = (record->flags & RECORD_POSTED) != 0;
    if (has_ended) eddy__inbox_withdraw(child->handle.loop, &record->post);
    record->flags &= (uint8_t) ~(RECORD_POSTED | RECORD_LEAVE); /* that was the handle's */
    if (!(record->flags & RECORD_REAPED)) {
        eddy__record_free(record);
        return;
    }
    record->owner = NULL;
    if (has_ended)
        eddy__record_ended(record);
    else
        eddy__record_disown(record);
}

/* --- The child --- */

pid_t eddy_child_pid(const eddy_child *child) {
    return handle_is_active(&child->handle) ? child->pid : 0;
}

int eddy_child_kill(eddy_child *child, int signal) {
    const struct child_record *record = child->record;
    if (!handle_is_active(&child->handle)) return -ESRCH;
    if (record->flags & (RECORD_POSTED | RECORD_LOST)) return -ESRCH;
    return eddy_os_child_kill(record->pid, record->pidfd, signal);
}

/* As long as nobody has waited for the leader its number is no other group's, also when it has
 * ended before the others. */
int eddy_child_kill_group(eddy_child *child, int signal) {
    const struct child_record *record = child->record;
    if (!handle_is_active(&child->handle)) return -ESRCH;
    if (!(record->flags & RECORD_LEADER)) return -EINVAL;
    if (record->flags & RECORD_LOST) return -ESRCH;
    return eddy_os_child_kill_group(record->pid, signal);
}
