/* loop.c: one turn, and what surrounds it. The phases are described in <eddy/loop.h>.
 * Invariant: `running` while callbacks may run, so that a turn never starts inside a turn.
 * Threading: loop thread only. */
#include "loop.h"

#include <errno.h>
#include <stdatomic.h>

enum {
    /* Turns in a row that may go without a wait while completions are at hand: a chain of file
     * requests that finish at once costs no wait each, and descriptors are still looked at often.
     */
    SKIPS_MAX = 8,
};

/* --- The turn --- */

/* Something in the inbox, taken or not. Relaxed: only a look. */
static bool inbox_has_any(const eddy_loop *loop) {
    if (inbox_is_waiting(loop)) return true;
    const eddy_post *head = atomic_load_explicit(&loop->inbox_head, memory_order_relaxed);
    return head != NULL && head != &loop->inbox_bell;
}

/* Work that needs no event to go on. */
static bool has_work_at_hand(const eddy_loop *loop) {
    return inbox_has_any(loop) || !link_is_empty(&loop->deferred) ||
           !link_is_empty(&loop->closing) || loop->io_lost_count > 0;
}

/* How long phase 2 may wait. */
static int64_t wait_ns(eddy_loop *loop) {
    if (loop->stopping || has_work_at_hand(loop) || !eddy_loop_is_alive(loop)) return 0;
    int64_t due_ns = eddy__timer_next_ns(loop);
    if (due_ns == INT64_MAX) return -1;
    /* The cached time is at most the real one: waiting from there would be too long by what the
     * callbacks took. */
    int64_t left_ns = due_ns - eddy_os_clock_ns();
    return left_ns < 0 ? 0 : left_ns;
}

static int64_t prepare(eddy_loop *loop) {
    if (hook_is_wanted(loop, EDDY_HOOK_PREPARE)) eddy__hook_run(loop, EDDY_HOOK_PREPARE);
    if (io_flush_is_due(loop)) eddy__io_flush(loop);
    if (!link_is_empty(&loop->work_queue)) loop->work->flush(loop);
    int64_t timeout_ns = wait_ns(loop);
    if (timeout_ns != 0 && eddy__hook_idle_is_due(loop)) {
        loop->idle_due = true;
        timeout_ns = 0;
    }
    return timeout_ns;
}

static int wait(eddy_loop *loop, int64_t timeout_ns) {
    int count = 0;
    if (timeout_ns != 0 && !eddy__inbox_hang_bell(loop)) timeout_ns = 0;
    if (timeout_ns == 0 && inbox_is_waiting(loop) && loop->waits_skipped < SKIPS_MAX) {
        loop->waits_skipped++;
    } else {
        loop->waits_skipped = 0;
        loop->metrics.waits++;
        count = loop->backend->wait(loop->backend_state, loop->records,
                                    (int)loop->config.events_per_turn, timeout_ns);
        if (count == 0) loop->metrics.waits_empty++;
        if (count > 0) loop->metrics.events += (uint64_t)count;
    }
    loop->record_count = count > 0 ? count : 0;
    loop->now_ns = eddy_os_clock_ns();
    loop->turn++;
    return count;
}

/* What callbacks have been called so far. */
static uint64_t callbacks_called(const eddy_loop *loop) {
    const eddy_metrics *metrics = &loop->metrics;
    return metrics->callbacks + metrics->timers + metrics->completions + metrics->deferred +
           metrics->closed;
}

/* Idle means: the wait found nothing, no timer is due, nothing is queued. It is told once; the loop
 * sleeps until something happens, unless an idle hook asked for more by starting again. */
static void run_idle(eddy_loop *loop) {
    loop->idle_due = false;
    if (loop->record_count > 0 || has_work_at_hand(loop)) return;
    if (eddy__timer_next_ns(loop) <= loop->now_ns) return;
    eddy__hook_run(loop, EDDY_HOOK_IDLE);
}

static void dispatch(eddy_loop *loop) {
    if (hook_is_wanted(loop, EDDY_HOOK_CHECK)) eddy__hook_run(loop, EDDY_HOOK_CHECK);
    if (loop->idle_due) run_idle(loop);
    bool idle_is_wanted = hook_is_wanted(loop, EDDY_HOOK_IDLE);
    uint64_t called = idle_is_wanted ? callbacks_called(loop) : 0;
    if (loop->timers_count > 0) eddy__timer_run(loop);
    eddy__io_run(loop);
    eddy__inbox_run(loop);
    eddy__defer_run(loop);
    eddy__closing_run(loop);
    if (idle_is_wanted && callbacks_called(loop) != called) loop->idle_spell++;
}

int eddy_loop_run(eddy_loop *loop, eddy_run_mode mode) {
    if (loop->running) return -EBUSY;
    if ((unsigned)mode > EDDY_RUN_NOWAIT) return -EINVAL;
    int err = 0;
    loop->running = true;
    while (!loop->stopping && (mode != EDDY_RUN_DEFAULT || eddy_loop_is_alive(loop))) {
        int64_t timeout_ns = prepare(loop);
        err = wait(loop, mode == EDDY_RUN_NOWAIT ? 0 : timeout_ns);
        if (err < 0) break;
        dispatch(loop);
        if (mode != EDDY_RUN_DEFAULT) break;
    }
    loop->running = false;
    loop->stopping = false;
    /* Posts from now on are to be seen through the descriptor; prepare tells of earlier ones. */
    (void)eddy__inbox_hang_bell(loop);
    return err < 0 ? err : eddy_loop_is_alive(loop);
}

int eddy_loop_prepare(eddy_loop *loop, int64_t *timeout_ns) {
    if (loop->running) return -EBUSY;
    loop->running = true;
    *timeout_ns = prepare(loop);
    if (!eddy__inbox_hang_bell(loop)) *timeout_ns = 0;
    loop->running = false;
    return 0;
}

int eddy_loop_wait(eddy_loop *loop, int64_t timeout_ns) {
    if (loop->running) return -EBUSY;
    if (inbox_is_waiting(loop)) timeout_ns = 0; /* what the last turn left over */
    return wait(loop, timeout_ns < 0 ? -1 : timeout_ns);
}

int eddy_loop_dispatch(eddy_loop *loop) {
    if (loop->running) return -EBUSY;
    loop->running = true;
    dispatch(loop);
    loop->running = false;
    loop->stopping = false;
    (void)eddy__inbox_hang_bell(loop);
    return eddy_loop_is_alive(loop);
}

void eddy_loop_stop(eddy_loop *loop) {
    loop->stopping = true;
}

bool eddy_loop_is_alive(const eddy_loop *loop) {
    /* A closing callback comes whether its handle was referenced or not. */
    return loop->active > 0 || inbox_has_any(loop) || !link_is_empty(&loop->closing);
}

int64_t eddy_loop_now_ns(const eddy_loop *loop) {
    return loop->now_ns;
}

void eddy_loop_update_now(eddy_loop *loop) {
    loop->now_ns = eddy_os_clock_ns();
}
