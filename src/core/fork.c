/* fork.c: what becomes of a loop in a forked child.
 * Invariant: until eddy_loop_after_fork has succeeded, nothing of the loop that the child has
 * touches what is the parent's. Threading: the loop's thread. */
#include "loop.h"
#include "observe.h"
#include "signal.h"
#include "wake.h"

#include <errno.h>

/* Whether the thread that ran the loop at the fork, and that is not here, slept in the wait: then
 * no callback was under way, and no list is half told. */
static bool fork_slept(const eddy_loop *loop) {
    return loop_is_parents(loop) && loop_is_asleep(loop);
}

/* Senders were at any point of what they do: what had arrived is taken, and what was begun is sent
 * once more. */
static void fork_reopen_inbox(eddy_loop *loop) {
    eddy__inbox_take(loop);
    eddy__wake_after_fork(loop);
    eddy__signal_before_reopen(loop);
    eddy__wakeup_reopen(loop);
    eddy__signal_after_reopen(loop);
}

/* Everything lets go of what is the parent's, whatever becomes of the rest: after an error the loop
 * can still be closed without disturbing the parent. A handler of this thread finds the loop before
 * all of it or after. */
int eddy_loop_after_fork(eddy_loop *loop) {
    if (loop->running && !fork_slept(loop)) return -EBUSY;
    sigset_t before;
    eddy_os_signal_block_all(&before);
    if (loop->running) loop->was_marked = true;
    loop_set_running(loop, false);
    loop_set_asleep(loop, false);
    loop->record_count = 0; /* told by the parent's backend; the child's will tell anew */
    if (loop_is_parents(loop)) {
        eddy__observe_after_fork(loop);
        fork_reopen_inbox(loop);
    }
    int err = eddy__io_rebuild(loop); /* or what the inbox's wake-up has given */
    int part_err = eddy__part_after_fork(loop);
    eddy_os_signal_unblock(&before);
    return err < 0 ? err : part_err;
}
