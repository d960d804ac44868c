/* loop.c: one turn, and what surrounds it. The phases are described in <eddy/loop.h>.
 * Invariant: `running` while callbacks may run, so that a turn never starts inside a turn; the
 * waiting marker is in the inbox only while no callback runs.
 * Threading: loop thread only. */
#include "loop.h"

#include <errno.h>

enum {
    /* Turns in a row that may go without a wait while posts are at hand: a chain of file requests
     * that finish at once, or a busy sender, costs no wait each, and descriptors are still looked
     * at often. */
    LOOP_SKIPS_MAX = 8,
};

/* A deadline that is at least so far away need not be known to the nanosecond while the loop is
 * busy: see loop_wait_ns. */
static const int64_t loop_far_ns = 10 * EDDY_NS_PER_S;

/* --- Before the wait --- */

/* How long phase 2 may wait. The cached time is at most the real one: a wait that counts from there
 * is too long by what the callbacks took. So the clock is read once more, but not where a wait that
 * follows a busy turn will hardly last: then half of the way to a far deadline is on the safe side
 * of it, and a loop that did fall silent wakes up once, to wait for the rest. */
static inline int64_t loop_wait_ns(eddy_loop *loop) {
    if ((loop->due & (DUE_AT_HAND | DUE_STOP)) || loop->active == 0) return 0;
    if (loop->timers.count == 0) return -1;
    int64_t due_ns = eddy__timer_next_ns(&loop->timers);
    if (due_ns == INT64_MAX) return -1;
    int64_t left_ns = due_ns - loop->now_ns;
    if (loop->is_busy && left_ns >= loop_far_ns) return left_ns / 2;
    left_ns = due_ns - eddy_os_clock_ns();
    return left_ns < 0 ? 0 : left_ns;
}

RARE static void loop_before_wait(eddy_loop *loop) {
    if (loop->due & DUE_PREPARE) eddy__hook_run(loop, EDDY_HOOK_PREPARE);
    if (loop->due & DUE_FLUSH) eddy__io_flush(loop); /* phase 1 */
    if (loop->due & DUE_PARTS) eddy__part_before_wait(loop);
}

static inline int64_t loop_prepare(eddy_loop *loop) {
    if (loop->due & DUE_BEFORE_WAIT) loop_before_wait(loop);
    int64_t timeout_ns = loop_wait_ns(loop);
    if ((loop->due & DUE_IDLE) && timeout_ns != 0 && eddy__hook_idle_is_due(loop)) {
        loop->due |= DUE_IDLE_NOW;
        timeout_ns = 0;
    }
    return timeout_ns;
}

/* --- The wait: phases 2 and 3 --- */

/* Posts are at hand, and looking for anything else can be put off. What was pushed onto the marker
 * has written to the pipe: a wait sees that now, or the next sleep would end for nothing. */
static bool loop_may_skip(eddy_loop *loop) {
    if (!(loop->due & DUE_INBOX) && !inbox_has_arrived(&loop->inbox)) return false;
    return !loop->inbox.is_marked && loop->waits_skipped < LOOP_SKIPS_MAX;
}

static inline int loop_wait(eddy_loop *loop, int64_t timeout_ns) {
    int count = 0;
    bool is_waiting = timeout_ns != 0 && inbox_set_waiting(&loop->inbox);
    if (!is_waiting && loop_may_skip(loop)) {
        loop->waits_skipped++;
    } else {
        loop->waits_skipped = 0;
        loop->metrics.waits++;
        count = loop->backend->wait(loop->backend_state, loop->records, /* phase 2 */
                                    (int)loop->config.events_per_turn, is_waiting ? timeout_ns : 0);
        if (is_waiting) inbox_set_awake(&loop->inbox);
        if (count == 0) loop->metrics.waits_empty++;
    }
    loop->is_busy = count > 0;
    loop->record_count = count > 0 ? count : 0;
    loop->metrics.events += (unsigned)loop->record_count;
    loop->now_ns = eddy_os_clock_ns(); /* phase 3 */
    loop->turn++;
    return count;
}

/* --- After the wait --- */

static inline void loop_run_phases(eddy_loop *loop) {
    if (loop->timers.count > 0 && loop->timers.entries[0].due_ns <= loop->now_ns)
        eddy__timer_run(loop);                                                /* phase 4 */
    if (loop->record_count > 0 || (loop->due & DUE_LOST)) eddy__io_run(loop); /* phase 5 */
    if ((loop->due & (DUE_INBOX | DUE_WAKEUP)) || inbox_has_arrived(&loop->inbox))
        eddy__inbox_run(loop);                            /* phase 6 */
    if (loop->due & DUE_DEFERRED) eddy__defer_run(loop);  /* phase 7 */
    if (loop->due & DUE_CLOSING) eddy__closing_run(loop); /* phase 8 */
}

/* What callbacks have been called so far. */
static uint64_t loop_callbacks_called(const eddy_loop *loop) {
    const eddy_metrics *metrics = &loop->metrics;
    return metrics->callbacks + metrics->timers + metrics->completions + metrics->deferred +
           metrics->closed;
}

/* Idle means: the wait found nothing, no timer is due, nothing is queued. It is told once; the loop
 * sleeps until something happens, unless an idle hook asked for more by starting again. */
static void loop_run_idle(eddy_loop *loop) {
    loop->due &= ~(unsigned)DUE_IDLE_NOW;
    if (loop->record_count > 0 || (loop->due & DUE_AT_HAND)) return;
    if (inbox_has_arrived(&loop->inbox)) return;
    if (loop->timers.count > 0 && eddy__timer_next_ns(&loop->timers) <= loop->now_ns) return;
    eddy__hook_run(loop, EDDY_HOOK_IDLE);
}

RARE static void loop_run_phases_with_hooks(eddy_loop *loop) {
    if (loop->due & DUE_CHECK) eddy__hook_run(loop, EDDY_HOOK_CHECK);
    if (loop->due & DUE_IDLE_NOW) loop_run_idle(loop);
    bool has_idle = (loop->due & DUE_IDLE) != 0;
    uint64_t called = loop_callbacks_called(loop);
    loop_run_phases(loop);
    if (has_idle && loop_callbacks_called(loop) != called) loop->hooks.idle_period++;
}

static inline void loop_dispatch(eddy_loop *loop) {
    if (loop->due & (DUE_CHECK | DUE_IDLE | DUE_IDLE_NOW))
        loop_run_phases_with_hooks(loop);
    else
        loop_run_phases(loop);
}

/* --- The public functions --- */

/* Back to the caller: what was handed in during the turn does not wait for the next one, and posts
 * from now on are seen through the descriptor; prepare tells of earlier ones. */
static int loop_return(eddy_loop *loop) {
    if (loop->due & DUE_PARTS) eddy__part_before_wait(loop);
    (void)inbox_set_waiting(&loop->inbox);
    loop->due &= ~(unsigned)DUE_STOP;
    loop->running = false;
    return eddy_loop_is_alive(loop);
}

/* From here on the loop looks into its inbox by itself. */
static void loop_begin(eddy_loop *loop) {
    loop->running = true;
    loop->is_busy = false; /* the cached time may be as old as the last run */
    inbox_set_awake(&loop->inbox);
}

static bool loop_may_turn(const eddy_loop *loop, eddy_run_mode mode) {
    if (loop->due & DUE_STOP) return false;
    return mode != EDDY_RUN_DEFAULT || loop->active > 0 || eddy_loop_is_alive(loop);
}

int eddy_loop_run(eddy_loop *loop, eddy_run_mode mode) {
    if (loop->running) return -EBUSY;
    if ((unsigned)mode > EDDY_RUN_NOWAIT) return -EINVAL;
    int err = 0;
    loop_begin(loop);
    while (loop_may_turn(loop, mode)) {
        int64_t timeout_ns = loop_prepare(loop);
        err = loop_wait(loop, mode == EDDY_RUN_NOWAIT ? 0 : timeout_ns);
        if (err < 0) break;
        loop_dispatch(loop);
        if (mode != EDDY_RUN_DEFAULT) break;
    }
    int is_alive = loop_return(loop);
    return err < 0 ? err : is_alive;
}

int eddy_loop_prepare(eddy_loop *loop, int64_t *timeout_ns) {
    if (loop->running) return -EBUSY;
    loop_begin(loop);
    *timeout_ns = loop_prepare(loop);
    if (!inbox_set_waiting(&loop->inbox)) *timeout_ns = 0;
    loop->running = false;
    return 0;
}

int eddy_loop_wait(eddy_loop *loop, int64_t timeout_ns) {
    if (loop->running) return -EBUSY;
    if (loop->due & DUE_INBOX) timeout_ns = 0; /* what the last turn left over */
    int count = loop_wait(loop, timeout_ns < 0 ? -1 : timeout_ns);
    inbox_set_awake(&loop->inbox);
    return count;
}

int eddy_loop_dispatch(eddy_loop *loop) {
    if (loop->running) return -EBUSY;
    loop->running = true;
    loop_dispatch(loop);
    return loop_return(loop);
}

void eddy_loop_stop(eddy_loop *loop) {
    loop->due |= DUE_STOP;
}

bool eddy_loop_is_alive(const eddy_loop *loop) {
    /* A closing callback comes whether its handle was referenced or not. */
    return loop->active > 0 || (loop->due & (DUE_INBOX | DUE_CLOSING)) ||
           inbox_has_arrived(&loop->inbox);
}

int64_t eddy_loop_now_ns(const eddy_loop *loop) {
    return loop->now_ns;
}

void eddy_loop_update_now(eddy_loop *loop) {
    loop->now_ns = eddy_os_clock_ns();
}
